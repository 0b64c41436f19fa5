//! The canon of equity: one multiset of snapshots, one sequence of bytes; and its figures against plain arithmetic.

use super::*;
use crate::profile::days::DAY;
use crate::profile::snapshot::Field;
use proptest::prelude::*;
use std::vec::Vec;

fn snapshot(at: i64, numbers: &[(Field, f64)]) -> Vec<u8> {
    let mut s = Snapshot { taken_at: Some(at), ..Snapshot::default() };
    numbers.iter().for_each(|&(field, value)| s.set(field, value));
    let mut bytes = Vec::new();
    s.encode(&mut bytes);
    bytes
}

fn of(all: &[Vec<u8>]) -> Equity {
    let mut equity = Equity::new(Global);
    all.iter().for_each(|s| equity.add(s).unwrap().unwrap());
    equity
}

fn bytes(equity: &Equity) -> Vec<u8> {
    let mut out = Vec::new();
    equity.write(&mut out);
    out
}

fn read(bytes: &[u8]) -> Result<Equity> {
    let mut equity = Equity::new(Global);
    let mut r = Reader::new(bytes);
    equity.absorb(&mut r)?;
    r.end()?;
    Ok(equity)
}

/// A few days, many ties, all fields sometimes.
fn any_snapshot() -> impl Strategy<Value = Vec<u8>> {
    let numbers = proptest::array::uniform12(prop_oneof![
        1 => Just(None),
        2 => (-50i32..500).prop_map(|v| Some(f64::from(v) / 8.0)),
        1 => (-1e11f64..1e11).prop_map(Some),
        1 => Just(Some(0.0)),
    ]);
    let at = prop_oneof![
        4 => (0i64..40, 0i64..4).prop_map(|(d, part)| d * DAY + part * DAY / 4 + d % 3),
        1 => (-400i64..400, 0..DAY).prop_map(|(d, t)| d * DAY + t),
        1 => (i64::MIN + 1)..i64::MAX,
    ];
    (at, numbers).prop_map(|(taken_at, numbers)| {
        let mut s = Snapshot { taken_at: Some(taken_at), ..Snapshot::default() };
        for (i, number) in numbers.into_iter().enumerate() {
            if let Some(v) = number {
                s.set(FIELDS[i], v);
            }
        }
        let mut bytes = Vec::new();
        s.encode(&mut bytes);
        bytes
    })
}

const FIELDS: [Field; 12] = [
    Field::EquityUsd,
    Field::FlowUsd,
    Field::InitialMarginUsd,
    Field::MaintenanceMarginUsd,
    Field::GrossNotionalUsd,
    Field::DeltaUsd,
    Field::GrossDeltaUsd,
    Field::NetDeltaUsd,
    Field::LiquidationDistance,
    Field::FundingUsd,
    Field::MarketReturn,
    Field::SecondMarketReturn,
];

/// Merges parts by a random tree: `choices` says which two are next.
fn merged(mut parts: Vec<Equity>, choices: &[usize]) -> Equity {
    let mut choices = choices.iter().cycle();
    let mut pick = |n: usize| choices.next().unwrap_or(&0) % n;
    while parts.len() > 1 {
        let a = parts.swap_remove(pick(parts.len()));
        let into = pick(parts.len());
        parts[into].absorb(&mut Reader::new(&bytes(&a))).unwrap();
    }
    parts.pop().unwrap_or_else(|| Equity::new(Global))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_partition_order_and_tree_give_the_same_bytes(
        all in proptest::collection::vec(any_snapshot(), 0..120),
        parts in proptest::collection::vec(0usize..7, 120),
        choices in proptest::collection::vec(any::<usize>(), 20),
    ) {
        let whole = of(&all);
        let mut reversed = all.clone();
        reversed.reverse();
        prop_assert_eq!(bytes(&of(&reversed)), bytes(&whole));
        let mut split: Vec<Equity> = (0..7).map(|_| Equity::new(Global)).collect();
        all.iter().zip(&parts).for_each(|(s, &p)| split[p].add(s).unwrap().unwrap());
        let tree = merged(split, &choices);
        prop_assert_eq!(bytes(&tree), bytes(&whole));
        prop_assert_eq!(tree.at(None), whole.at(None));
        prop_assert_eq!((tree.last(), tree.count()), (whole.last(), all.len() as u64));
        prop_assert_eq!(bytes(&read(&bytes(&whole)).unwrap()), bytes(&whole));
        prop_assert!(bytes(&whole).len() <= WORST);
    }

    #[test]
    fn hostile_bytes_do_not_panic(
        all in proptest::collection::vec(any_snapshot(), 0..60),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        noise in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let whole = of(&all);
        let good = bytes(&whole);
        let mut bad = good.clone();
        let i = at.index(bad.len());
        bad[i] = with;
        for hostile in [&bad[..], &good[..i], &noise, &[&[200, 1][..], &noise].concat()] {
            let mut state = of(&all);
            if state.absorb(&mut Reader::new(hostile)).is_ok() {
                let again = bytes(&state);
                state.at(None);
                read(&again).unwrap();
            }
            let _ = of(&all).subtract(&mut Reader::new(hostile));
        }
        prop_assert!(i == good.len() || read(&good[..i]).is_err());
    }

    #[test]
    fn sparse_parts_can_be_taken_away(
        all in proptest::collection::vec(any_snapshot(), 0..SPARSE_SNAPSHOTS + 1),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(all.len() + 1);
        let mut whole = of(&all);
        let part = bytes(&of(&all[..cut]));
        prop_assert!(whole.subtract(&mut Reader::new(&part)).unwrap());
        prop_assert_eq!(bytes(&whole), bytes(&of(&all[cut..])));
        prop_assert!(whole.subtract(&mut Reader::new(&bytes(&of(&all)))).is_err() || cut == 0);
    }
}

/// Bytes of the worst state: 26 a day and 30 for their heads, 64 buckets of 4, and what sums of a million snapshots of
/// the largest numbers take.
const WORST: usize = 112 * 26 + 30 + 64 * 4 + 250;

#[test]
fn the_worst_state_is_bounded() {
    let hostile = |i: i64| {
        let mut numbers: Vec<(Field, f64)> = FIELDS.iter().map(|&f| (f, 1e20)).collect();
        // Leverage of every size, sums of money and of ratios as large as they get.
        numbers[0].1 = if i % 5 == 0 { 1e20 } else { 1e9 / libm::exp2((i * 7 % 64) as f64) };
        numbers[1].1 = if i == 19_900 { 1e11 } else { 1e7 };
        numbers[5].1 = if i % 2 == 0 { 1e9 } else { 1e20 };
        numbers[8].1 = 1e6;
        numbers[10].1 = -8.0;
        numbers[11].1 = 8.0;
        snapshot(i64::MIN / 2 + i * (DAY / 100), &numbers)
    };
    let dense: Vec<_> = (0..20_000).map(hostile).collect();
    let dense = bytes(&of(&dense)).len();
    let sparse: Vec<_> = (0..SPARSE_SNAPSHOTS as i64).map(|i| hostile(i * 1_000_000)).collect();
    let sparse = bytes(&of(&sparse)).len();
    println!("{dense} bytes folded, {sparse} sparse, limit {WORST}");
    assert!(dense <= WORST && sparse <= WORST && dense + 350 > WORST);
}

#[test]
fn typical_states_are_small() {
    let daily: Vec<_> = (0..365i64)
        .map(|d| {
            let equity = 50_000.0 + (d * 7_919 % 1_000) as f64;
            let flow = if d % 30 == 0 { 1_000.0 } else { 0.0 };
            let numbers = [
                (Field::EquityUsd, equity),
                (Field::FlowUsd, flow),
                (Field::MaintenanceMarginUsd, equity / 9.0),
                (Field::DeltaUsd, equity * (1.0 + d as f64 / 100.0)),
                (Field::MarketReturn, 0.01 - (d % 7) as f64 / 500.0),
            ];
            snapshot(d * DAY + DAY - 1, &numbers)
        })
        .collect();
    let n = bytes(&of(&daily)).len();
    println!("{n} bytes for a year of days");
    assert!(n < 2_100);
}

#[test]
fn returns_are_modified_dietz() {
    let at = |day: i64, share: f64| day * DAY + (share * DAY as f64) as i64;
    let e = Field::EquityUsd;
    let mut all = vec![
        snapshot(at(0, 0.5), &[(e, 900.0)]),
        snapshot(at(0, 0.9), &[(e, 1_000.0)]),
        // A quarter of the day is left after the deposit, three quarters after the withdrawal.
        snapshot(at(1, 0.25), &[(e, 900.0), (Field::FlowUsd, -100.0), (Field::MarketReturn, 0.5)]),
        snapshot(at(1, 0.75), &[(Field::FlowUsd, 400.0)]),
        snapshot(at(1, 0.9), &[(e, 1_400.0), (Field::MarketReturn, 0.02), (Field::SecondMarketReturn, -0.03)]),
        // Day 2 is missing; day 3 has no day before, day 5 nothing to earn on.
        snapshot(at(3, 0.9), &[(e, 2_000.0)]),
        snapshot(at(4, 0.9), &[(e, -5.0)]),
        snapshot(at(5, 0.9), &[(e, 10.0)]),
    ];
    let first = DayReturn { day: 1, r: 100.0 / 1_025.0, market: Some(0.02), second: Some(-0.03) };
    let second = DayReturn { day: 4, r: -2_005.0 / 2_000.0, market: None, second: None };
    let sparse = of(&all);
    let view = sparse.at(None).unwrap();
    assert_eq!(view.returns, vec![first, second]);
    assert_eq!(view.returns_with_market(), (vec![first.r], vec![0.02]));
    assert_eq!(view.returns_with_both(), [vec![first.r], vec![0.02], vec![-0.03]]);
    // The day of as_of is not over.
    assert_eq!(sparse.at(Some(at(4, 0.95))).unwrap().returns, vec![first]);
    assert_eq!(sparse.at(Some(at(5, 0.0))).unwrap().returns, vec![first, second]);
    assert_eq!(sparse.at(Some(at(1, 0.0))).unwrap().returns, vec![]);
    assert_eq!(sparse.at(Some(at(0, 0.5))).unwrap(), Equity::new(Global).at(None).unwrap());
    all.extend((0..SPARSE_SNAPSHOTS).map(|_| snapshot(at(3, 0.1), &[(e, 7.0)])));
    let folded = of(&all);
    assert_eq!(folded.at(None).unwrap().returns, vec![first, second]);
    assert_eq!(folded.at(Some(at(5, 0.9))), None);
    assert!(folded.at(Some(at(5, 0.95))).is_some());
    let mut folded = folded;
    assert!(!folded.subtract(&mut Reader::new(&bytes(&of(&all[..1])))).unwrap());
    assert!(folded.subtract(&mut Reader::new(&[0])).unwrap());
}

#[test]
fn only_the_last_days_are_kept() {
    let day = |d: i64| snapshot(d * DAY, &[(Field::EquityUsd, 1_000.0 + d as f64)]);
    let all: Vec<_> = (0..300).map(day).collect();
    let view = of(&all).at(None).unwrap();
    assert_eq!(view.returns.len(), days::KEPT_DAYS as usize - 1);
    assert_eq!((view.returns[0].day, view.returns[110].day), (189, 299));
    assert_eq!((view.with_equity, view.mean_equity), (300, Some(1_149.5)));
    // A snapshot that carries nothing still ends the older days.
    let mut late = all.clone();
    late.push(snapshot(330 * DAY, &[]));
    assert_eq!(of(&late).at(None).unwrap().returns[0].day, 220);
    // Flows beyond any account: no returns rather than wrong ones.
    let flows: Vec<_> = (0..8).map(|_| snapshot(0, &[(Field::FlowUsd, -1e11)])).collect();
    let view = of(&[all, flows].concat()).at(None).unwrap();
    assert!(view.returns.is_empty() && !view.flows_are_known);
}

#[test]
fn figures() {
    use Field::*;
    let all = [
        snapshot(0, &[(EquityUsd, 100.0), (DeltaUsd, 200.0), (GrossDeltaUsd, 400.0), (NetDeltaUsd, -50.0)]),
        snapshot(1, &[(EquityUsd, 200.0), (DeltaUsd, 100.0), (MaintenanceMarginUsd, 170.0), (FundingUsd, 3.5)]),
        snapshot(2, &[(EquityUsd, 50.0), (MaintenanceMarginUsd, 40.0), (GrossNotionalUsd, 500.0), (FundingUsd, -1.0)]),
        snapshot(3, &[(EquityUsd, 0.0), (DeltaUsd, 1.0), (LiquidationDistance, 0.25), (InitialMarginUsd, 30.0)]),
        snapshot(4, &[(LiquidationDistance, 0.125), (InitialMarginUsd, 20.0)]),
    ];
    let view = of(&all).at(None).unwrap();
    let near = |actual: Option<f64>, expected: f64| assert!((actual.unwrap() / expected - 1.0).abs() < 0.0101);
    near(view.effective_leverage_p50, 0.5);
    near(view.gross_leverage_p50, 10.0);
    near(view.gross_leverage_p95, 10.0);
    let (gross_leverage_p50, gross_leverage_p95) = (view.gross_leverage_p50, view.gross_leverage_p95);
    assert_eq!(
        View { effective_leverage_p50: None, effective_leverage_p95: None, ..view },
        View {
            snapshots: 5,
            with_equity: 4,
            solvent: 3,
            negative_equity: Some(1.0),
            mean_equity: Some(87.5),
            effective_leverage_max: Some(2.0),
            gross_leverage: Some(10.0),
            gross_leverage_p50,
            gross_leverage_p95,
            gross_leverage_max: Some(10.0),
            net_exposure: Some(-0.5),
            margin_use: Some(0.825),
            margin_stress: Some(0.5),
            liquidation_distance: Some(0.125),
            hedge_ratio: Some(0.5),
            with_deltas: 1,
            with_gross_delta: 1,
            funding_usd: Some(2.5),
            max_initial_margin_usd: Some(30.0),
            flows_are_known: true,
            ..View::default()
        }
    );
    assert_eq!(Equity::new(Global).at(None).unwrap(), View { flows_are_known: true, ..View::default() });
}

#[test]
fn rejected_snapshots_leave_no_trace() {
    let mut equity = Equity::new(Global);
    assert_eq!(equity.add(&snapshot(0, &[(Field::EquityUsd, f64::NAN)])).unwrap(), Err(Rejection::Number));
    assert_eq!(equity.add(&snapshot(i64::MAX, &[])).unwrap(), Err(Rejection::Time));
    assert_eq!(equity.add(&snapshot(0, &[(Field::FlowUsd, 2e11)])).unwrap(), Err(Rejection::TooLarge));
    assert!(equity.add(&[9]).is_err());
    assert!(equity.is_empty() && equity.last().is_none());
    assert_eq!(bytes(&equity), [0]);
}
