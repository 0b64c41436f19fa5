//! The simulator keeps its promises, and what it plants is found by all features together and by none alone.

use ndarray::{Array2, Axis};
use segmentation::cluster::{adjusted_rand_index, kmeans, ChooseOptions, KMeansParams};
use segmentation::model::{choose_k, fit, FitInput, FitOptions};
use segmentation::prepare::FeatureSpec;
use segmentation::profile::FEATURES;
use segmentation::simulate::{snapshots, trades, Archetype, Params, SimTrade};
use segmentation::Control;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::Xxh3;

const DAY: i64 = 86_400_000_000;
/// 2024-01-01 00:00 UTC.
const START: i64 = 8_766 * DAY;

fn params(accounts: u32, days: u32, seed: u64, noise: f64) -> Params {
    Params { accounts, days, seed, noise, crash_day: None }
}

fn simulate(accounts: u32, days: u32, seed: u64, noise: f64) -> Vec<SimTrade> {
    trades(&params(accounts, days, seed, noise)).unwrap().collect()
}

#[test]
fn limits_are_named() {
    let error = |p: Params| trades(&p).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error(params(0, 60, 1, 0.0)), "number of accounts to simulate is 0, it must be between 1 and 10000000");
    assert_eq!(error(params(1, 3_651, 1, 0.0)), "number of days to simulate is 3651, it must be between 1 and 3650");
    assert_eq!(error(params(1, 1, 1, -0.5)), "noise is -0.5, it must be between 0 and 10");
    assert_eq!(error(params(1, 1, 1, f64::NAN)), "noise is NaN, it must be between 0 and 10");
    assert_eq!(error(params(1, 1, 1, f64::INFINITY)), "noise is inf, it must be between 0 and 10");
    for day in [0, 61] {
        let crash = Params { crash_day: Some(day), ..Params::default() };
        assert_eq!(error(crash), format!("crash_day is {day}, it must be between 1 and the 60 days"));
    }
}

/// The bytes of a simulation, the same on every platform. A change of the generator changes them, on purpose only. The
/// flows have a digest of their own: nothing else may depend on them.
#[test]
fn same_bits_everywhere() {
    let (mut hash, mut flows) = (Xxh3::new(), Xxh3::new());
    let params = Params { crash_day: Some(30), ..params(30, 40, 7, 0.25) };
    for t in trades(&params).unwrap() {
        hash.update(t.instrument.as_bytes());
        hash.update(&t.executed_at.to_le_bytes());
        let pnl = t.realised_pnl_usd.unwrap_or(0.0);
        for x in [t.quantity, t.price, t.notional_usd, t.fee_usd, t.underlying_price, t.leverage.unwrap_or(0.0), pnl] {
            hash.update(&x.to_bits().to_le_bytes());
        }
        hash.update(&[u8::from(t.is_buy), u8::from(t.is_maker), t.archetype as u8, u8::from(t.is_liquidation)]);
        hash.update(format!("{} {:?} {} {}", t.order_id(), t.counterparty, t.venue, t.order_type).as_bytes());
        flows.update(&t.own_flow_usd.to_bits().to_le_bytes());
        flows.update(&t.others_flow_usd.to_bits().to_le_bytes());
        flows.update(&[u8::from(t.is_toxic)]);
    }
    for s in snapshots(&params).unwrap() {
        for x in [s.equity_usd, s.flow_usd, s.initial_margin_usd, s.delta_usd, s.net_delta_usd, s.funding_usd] {
            hash.update(&x.to_bits().to_le_bytes());
        }
    }
    assert_eq!(format!("{:032x}", hash.digest128()), "44e08dabc6e101cd05721bda53969db6");
    assert_eq!(format!("{:032x}", flows.digest128()), "4add440a2139efd31010f5117725ea29");
}

#[test]
fn more_accounts_change_no_account() {
    let (few, many) = (simulate(7, 30, 3, 0.1), simulate(20, 30, 3, 0.1));
    assert_eq!(few[..], many[..few.len()]);
    assert_eq!(many[few.len()].account, 7);
    assert_ne!(simulate(7, 30, 4, 0.1)[0], few[0]);
}

#[test]
fn trades_are_well_formed() {
    for (accounts, days, noise) in [(60, 60, 0.0), (40, 2, 0.0), (13, 1, 10.0), (1, 1, 0.0), (1, 3_650, 1.0)] {
        let mut last: Option<SimTrade> = None;
        let mut seen = BTreeSet::new();
        for t in trades(&params(accounts, days, 5, noise)).unwrap() {
            seen.insert(t.account);
            assert!((START..START + i64::from(days) * DAY).contains(&t.executed_at));
            assert!(t.price > 0.0 && t.quantity > 0.0 && t.notional_usd > 0.0 && t.fee_usd.is_finite(), "{t:?}");
            assert!(t.notional_usd.is_finite() && t.fee_usd.abs() < 0.01 * t.notional_usd, "{t:?}");
            assert!(t.instrument.starts_with(t.underlying), "{t:?}");
            let rest = &t.instrument[t.underlying.len()..];
            let parts: Vec<&str> = rest.split('-').collect();
            match t.kind {
                "spot" => assert_eq!(rest, "-USD"),
                "perpetual" => assert_eq!(rest, if t.inverse { "-PERPETUAL" } else { "_USDC-PERPETUAL" }),
                "leveraged_token" => assert!(rest == "3L-USD" || rest == "3S-USD"),
                "future" => assert!(parts.len() == 2 && (6..=7).contains(&parts[1].len()), "{t:?}"),
                "option" => {
                    assert!(parts.len() == 4 && parts[2].parse::<u64>().unwrap() > 0, "{t:?}");
                    assert!(parts[3] == "C" || parts[3] == "P");
                }
                other => panic!("unexpected kind {other}"),
            }
            let unit = match t.kind {
                "option" => t.underlying_price,
                _ if t.inverse => 1.0,
                _ => t.price,
            };
            assert_eq!(t.notional_usd, t.quantity * t.contract_size * unit, "{t:?}");
            if let Some(last) = &last {
                assert_eq!(t.trade_id, last.trade_id + 1);
                assert!(
                    t.account == last.account && t.sequence == last.sequence + 1 && t.executed_at > last.executed_at
                        || t.account == last.account + 1 && t.sequence == 1,
                    "{last:?} then {t:?}"
                );
            } else {
                assert_eq!((t.trade_id, t.account, t.sequence), (1, 0, 1));
            }
            last = Some(t);
        }
        assert_eq!(seen.len(), accounts as usize, "every account trades");
    }
}

#[test]
fn archetypes_share_kinds_instruments_and_frequency() {
    let all = simulate(300, 60, 1, 0.0);
    assert!((45_000..75_000).contains(&all.len()), "{}", all.len());
    let mut kinds: BTreeMap<Archetype, BTreeSet<&str>> = BTreeMap::new();
    let mut traders: BTreeMap<&str, BTreeSet<Archetype>> = BTreeMap::new();
    let mut accounts: BTreeMap<Archetype, BTreeSet<u32>> = BTreeMap::new();
    for t in &all {
        kinds.entry(t.archetype).or_default().insert(t.kind);
        traders.entry(&t.instrument).or_default().insert(t.archetype);
        accounts.entry(t.archetype).or_default().insert(t.account);
    }
    assert!(kinds.len() == 6 && kinds.values().all(|k| k.len() == 5), "{kinds:?}");
    assert!(accounts.values().all(|a| a.len() == 50));
    let shared = all.iter().filter(|t| traders[t.instrument.as_str()].len() == 6).count();
    assert!(shared * 2 > all.len(), "{shared} of {} trades are in instruments of all archetypes", all.len());
}

/// The features of an account, computed without the profile.
#[derive(Default)]
struct Tally {
    fills: f64,
    volume: f64,
    bought: f64,
    made: f64,
    fees: f64,
    weekend: f64,
    first: i64,
    last: i64,
    hours: [f64; 24],
    kinds: BTreeMap<&'static str, f64>,
    underlyings: BTreeMap<&'static str, f64>,
    instruments: BTreeSet<String>,
    days: BTreeSet<i64>,
}

impl Tally {
    fn add(&mut self, t: SimTrade) {
        if self.fills == 0.0 {
            self.first = t.executed_at;
        }
        self.last = t.executed_at;
        let day = t.executed_at / DAY;
        self.fills += 1.0;
        self.volume += t.notional_usd;
        self.bought += if t.is_buy { t.notional_usd } else { 0.0 };
        self.made += if t.is_maker { t.notional_usd } else { 0.0 };
        self.fees += t.fee_usd;
        // The simulation starts on a Monday.
        self.weekend += if (day - START / DAY) % 7 >= 5 { 1.0 } else { 0.0 };
        self.hours[(t.executed_at % DAY / (DAY / 24)) as usize] += 1.0;
        *self.kinds.entry(t.kind).or_default() += t.notional_usd;
        *self.underlyings.entry(t.underlying).or_default() += t.notional_usd;
        self.instruments.insert(t.instrument);
        self.days.insert(day);
    }

    fn feature(&self, name: &str, as_of: i64) -> f64 {
        let weights = || self.underlyings.values().map(|x| x / self.volume);
        match name {
            "volume_usd" => self.volume,
            "trades" => self.fills,
            "average_trade_usd" => self.volume / self.fills,
            "fee_bps" => 10_000.0 * self.fees / self.volume,
            "instruments" => self.instruments.len() as f64,
            "hhi" => weights().map(|w| w * w).sum(),
            "entropy" => -weights().map(|w| w * w.ln()).sum::<f64>(),
            "order_flow_imbalance" => 2.0 * self.bought / self.volume - 1.0,
            "maker_ratio" => self.made / self.volume,
            "hour_entropy" => {
                let shares = self.hours.iter().filter(|&&n| n > 0.0).map(|n| n / self.fills);
                -shares.map(|p| p * p.ln()).sum::<f64>() / 24f64.ln()
            }
            "weekend_share" => self.weekend / self.fills,
            "active_days" => self.days.len() as f64,
            "tenure_days" => (as_of - self.first) as f64 / DAY as f64,
            "recency_days" => (as_of - self.last) as f64 / DAY as f64,
            _ => {
                let kind = name.strip_prefix("share_").unwrap_or_else(|| panic!("no oracle for {name}"));
                self.kinds.get(kind).copied().unwrap_or(0.0) / self.volume
            }
        }
    }
}

/// Specs of the default features, their raw matrix, and the planted archetype of each row.
fn population(accounts: u32, days: u32, seed: u64, noise: f64) -> (Vec<FeatureSpec>, Array2<f64>, Vec<u32>) {
    let specs: Vec<FeatureSpec> = FEATURES.iter().filter(|f| f.in_fit).map(|f| f.spec()).collect();
    let mut tallies: Vec<Tally> = (0..accounts).map(|_| Tally::default()).collect();
    let mut truth = vec![0; accounts as usize];
    for t in trades(&params(accounts, days, seed, noise)).unwrap() {
        truth[t.account as usize] = t.archetype as u32;
        tallies[t.account as usize].add(t);
    }
    let as_of = START + i64::from(days) * DAY;
    let value = |(i, j): (usize, usize)| tallies[i].feature(&specs[j].name, as_of);
    let raw = Array2::from_shape_fn((accounts as usize, specs.len()), value);
    (specs, raw, truth)
}

/// ARI of the default fit with `k` given, or the k it chooses.
fn fitted(specs: &[FeatureSpec], raw: &Array2<f64>, truth: &[u32], k: Option<usize>) -> (f64, usize) {
    let options = FitOptions { k, ..FitOptions::default() };
    let input = FitInput { specs: specs.to_vec(), raw: raw.clone(), volume: None };
    let fit = fit(input, &options, &Control::new()).unwrap();
    (adjusted_rand_index(&fit.labels, truth), fit.model.k())
}

#[test]
fn found_by_all_features_and_by_none_alone() {
    for seed in 1..=3 {
        let (specs, raw, truth) = population(300, 60, seed, 0.0);
        let mut alone: Vec<(f64, &str)> = Vec::new();
        for (spec, column) in specs.iter().zip(raw.axis_iter(Axis(1))) {
            // As it is, and with the tails of money and counts drawn in.
            for stretched in [column.to_owned(), column.mapv(f64::asinh)] {
                let one = stretched.insert_axis(Axis(1));
                if one.iter().all(|&x| x == one[[0, 0]]) {
                    continue;
                }
                let labels = kmeans(one.view(), &KMeansParams::new(6, 1), &Control::new()).unwrap().labels;
                alone.push((adjusted_rand_index(&labels, &truth), &spec.name));
            }
        }
        alone.sort_by(|a, b| b.0.total_cmp(&a.0));
        let volume = alone.iter().filter(|a| a.1 == "volume_usd").map(|a| a.0).fold(0.0, f64::max);
        let (together, _) = fitted(&specs, &raw, &truth, Some(6));
        let (_, k) = fitted(&specs, &raw, &truth, None);
        println!(
            "seed {seed}: all {together:.3}, chosen k {k}, best alone {:.3} {}, volume {volume:.3}",
            alone[0].0, alone[0].1
        );
        assert!(alone[0].0 < 0.6 && volume < 0.2, "{alone:?}");
        assert!(together >= 0.9, "{together}");
        assert!((5..=7).contains(&k), "{k}");
    }
}

#[test]
fn noise_dissolves_the_archetypes() {
    let index = |noise: f64| {
        let (specs, raw, truth) = population(300, 60, 1, noise);
        fitted(&specs, &raw, &truth, Some(6)).0
    };
    let by_noise = [0.0, 0.25, 0.5, 1.0, 10.0].map(index);
    println!("{by_noise:?}");
    assert!(by_noise.windows(2).all(|w| w[0] > w[1] + 0.02), "{by_noise:?}");
    assert!(by_noise[0] >= 0.9 && by_noise[0] > by_noise[2] + 0.1, "{by_noise:?}");
    assert!(by_noise[3] < 0.45 && by_noise[4].abs() < 0.05, "{by_noise:?}");
}

/// What noise does: the k that is chosen, whether it is more than chance, and how stable the six types are. The table of
/// docs/algorithms.md.
#[test]
fn noise_lowers_stability_until_there_is_no_structure() {
    let control = Control::new();
    let mut stability: Vec<f64> = Vec::new();
    for noise in [0.0, 0.25, 0.5, 1.0, 10.0] {
        let (mut k, mut p, mut silhouette, mut jaccard) = (Vec::new(), Vec::new(), 0.0, 0.0);
        for seed in 1..=6 {
            let (specs, raw, _) = population(300, 60, seed, noise);
            let (input, criteria) = (FitInput { specs, raw, volume: None }, ChooseOptions::rule(10, 1));
            let choice = choose_k(&input, &FitOptions::default(), &criteria, &control).unwrap();
            silhouette += choice.rows[5].silhouette.unwrap() / 6.0;
            jaccard += choice.rows[5].weakest.unwrap() / 6.0;
            k.push(choice.k);
            p.push(choice.guard.p.unwrap());
        }
        println!("noise {noise}: k {k:?}, p {p:.2?}; six segments: silhouette {silhouette:.3}, weakest {jaccard:.2}");
        match noise {
            n if n <= 0.25 => assert_eq!(k, [6; 6]),
            // The types begin to flow into each other: some populations are one cloud already.
            0.5 => assert!(k.iter().all(|k| (1..=4).contains(k)), "{k:?}"),
            _ => assert_eq!(k, [1; 6]),
        }
        stability.push(jaccard);
    }
    assert!(stability.windows(2).all(|w| w[0] > w[1] + 0.01), "{stability:?}");
}
