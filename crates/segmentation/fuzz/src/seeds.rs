//! Writes the seeds of the corpora: real models and profiles, small ones, one of each shape there is.
//! Called by `scripts/fuzz seeds`; needed again when a format changes.

use allocator_api2::alloc::Global;
use segmentation::cluster::{Algorithm, Settings};
use segmentation::model::{fit, FitInput, FitOptions};
use segmentation::prepare::{Absence, FeatureSpec, Transform};
use segmentation::profile::codec::to_hex;
use segmentation::profile::features::Market;
use segmentation::profile::snapshot::{Field, Snapshot};
use segmentation::profile::trade::{with_mark, Mark, Num, Text, Trade};
use segmentation::profile::State;
use segmentation::Control;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};

const DAY: i64 = 86_400_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for folder in ["model", "profile"] {
        std::fs::create_dir_all(corpus.join(folder))?;
    }
    models(&corpus.join("model"))?;
    profiles(&corpus.join("profile"))?;
    Ok(())
}

fn models(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let plain = json!({"winsorise": null, "pca": null, "scale": "standard"});
    let seeds: [(&str, Option<usize>, Value); 12] = [
        ("one", Some(1), plain.clone()),
        ("two", Some(2), plain),
        ("chosen", None, json!({"pca": null})),
        ("components", Some(2), json!({"pca": {"components": 2}})),
        ("variance", Some(2), json!({"pca": {"variance": 0.5}, "weights": {"volume_usd": 2}})),
        ("robust", Some(2), json!({"scale": "robust", "pca": null})),
        ("unscaled", Some(2), json!({"scale": null, "pca": null, "weights": null})),
        ("quantile", Some(2), json!({"scale": "quantile", "pca": {"parallel": true}})),
        ("whitened", Some(2), json!({"scale": "mad", "pca": {"variance": 0.9, "whiten": true}, "correlated": 0.5})),
        ("categories", Some(2), json!({"scale": "standard", "pca": null, "categorical": "one_hot"})),
        (
            "structural",
            Some(2),
            json!({"missing": {"leverage": "structural"}, "pca": null, "transform": "yeo_johnson"}),
        ),
        ("strict", Some(2), json!({"missing": "error", "pca": null, "transform": "identity"})),
    ];
    for (name, k, preparation) in seeds {
        let options = FitOptions { k, k_max: 3, preparation: Some(preparation), ..FitOptions::default() };
        let mut model = fit(accounts(name == "strict")?, &options, &Control::new())?.model;
        if name == "chosen" {
            model.provenance.as_of = Some("2026-01-01 00:00:00+00".into());
            model.provenance.market =
                Some(Market::from_json(&json!({"venue_volume_usd": 12.5, "top_underlyings": [-3]}))?);
        }
        std::fs::write(folder.join(format!("seed-{name}")), model.to_json()?)?;
    }
    for &algorithm in Algorithm::ALL {
        let k = algorithm.supports().takes_k.then_some(2);
        let settings = Settings { min_points: Some(3), min_cluster_size: Some(5), ..Settings::default() };
        let categorical = if algorithm == Algorithm::Kprototypes { "codes" } else { "one_hot" };
        let preparation = Some(json!({"scale": "standard", "pca": null, "categorical": categorical}));
        let options = FitOptions { k, algorithm, settings, preparation, ..FitOptions::default() };
        let model = fit(accounts(true)?, &options, &Control::new());
        let model = model.map_err(|e| format!("{}: {e}", algorithm.name()))?.model;
        std::fs::write(folder.join(format!("seed-{}", algorithm.name())), model.to_json()?)?;
    }
    Ok(())
}

/// Two kinds of accounts, six features: one that never varies, one that some cannot have, a category of two values.
/// Figures are missing unless `whole`.
fn accounts(whole: bool) -> segmentation::Result<FitInput> {
    let spec = |name: &str, group: &str, transform| FeatureSpec {
        name: name.into(),
        label: name.replace('_', " "),
        unit: "USD".into(),
        group: group.into(),
        transform,
        ..FeatureSpec::default()
    };
    let category =
        |name: &str| FeatureSpec { block: Some("region".into()), ..spec(name, "region", Transform::Identity) };
    let rows = (0..40).flat_map(|i| {
        let x = f64::from(i * 7919 % 101) / 101.0;
        let large = if i % 3 == 0 { 1e4 } else { 1.0 };
        let missing = |every: i32, value| if i % every == 4 && !whole { f64::NAN } else { value };
        let north = f64::from(i % 2);
        [large * (1.0 + x), missing(9, x), 1.0, missing(5, 3.0 * x * x), missing(10, north), missing(10, 1.0 - north)]
    });
    let specs = vec![
        spec("volume_usd", "volume", Transform::Asinh),
        spec("maker_ratio", "flow", Transform::Identity),
        spec("always", "flow", Transform::Identity),
        FeatureSpec {
            absent: Absence::Structural("options".into()),
            ..spec("leverage", "options", Transform::YeoJohnson)
        },
        category("region=north"),
        category("region=south"),
    ];
    FitInput::from_rows(specs, rows.collect(), Some((0..40).map(|i| 1e3 + f64::from(i)).collect()))
}

/// A trade with every column or with few.
fn trade(i: i64, all: bool) -> segmentation::Result<Vec<u8>> {
    let x = (i * 7919).rem_euclid(1009) as f64 / 1009.0;
    let price = 100.0 + x;
    let mut t = Trade { executed_at: Some(i * DAY / 5), ..Trade::default() };
    t.set(Num::Quantity, 1.0 + x);
    t.set(Num::Price, price);
    t.marks = with_mark(t.marks, Mark::Side, Some(i % 3 == 0));
    let (name, order) = (format!("I{}", i.rem_euclid(4)), format!("O{}", i / 2));
    t.set_text(Text::Instrument, &name);
    t.set_text(Text::Kind, ["spot", "perp", "option", "leveraged_token"][i.rem_euclid(4) as usize]);
    if all {
        for (field, value) in [
            (Num::FeeUsd, x - 0.2),
            (Num::UnderlyingPrice, price),
            (Num::Strike, price * (0.5 + x)),
            (Num::Expiry, (i * DAY) as f64 + x * 50.0 * DAY as f64),
            (Num::ImpliedVolatility, 0.1 + x),
            (Num::Leverage, 100.0 * x),
            (Num::RealisedPnlUsd, 1e4 * (x - 0.5)),
            (Num::Mid, price * 1.001),
            (Num::Mid5m, price * 0.99),
            (Num::Mid1m, price * 0.999),
            (Num::ImpliedVolatility1m, 0.11 + x),
            (Num::UnderlyingPrice1m, price * 1.002),
            (Num::UnderlyingReturn1d, 0.08 * (x - 0.5)),
            (Num::TokenFactor, -3.0),
            (Num::OwnFlowUsd, x - 0.5),
            (Num::OthersFlowUsd, 0.3 - x),
        ] {
            t.set(field, value);
        }
        for (field, text) in [
            (Text::Venue, if x > 0.5 { "north" } else { "south" }),
            (Text::Collateral, "USDC"),
            (Text::Counterparty, &name),
            (Text::OrderId, &order),
            (Text::OrderType, "market"),
            (Text::MarginMode, if x > 0.5 { "isolated" } else { "cross" }),
            (Text::ComboId, if x > 0.5 { "c1" } else { "" }),
        ] {
            t.set_text(field, text);
        }
        for (mark, value) in [
            (Mark::Maker, x > 0.3),
            (Mark::Liquidation, x > 0.8),
            (Mark::Toxic, x > 0.4),
            (Mark::SelfTrade, x > 0.9),
            (Mark::OptionType, x > 0.6),
        ] {
            t.marks = with_mark(t.marks, mark, Some(value));
        }
    }
    let mut out = Vec::new();
    t.encode(&mut out);
    Ok(out)
}

fn snapshot(i: i64) -> Vec<u8> {
    let x = (i * 7919 % 1009) as f64 / 1009.0;
    let mut s = Snapshot { taken_at: Some(i * DAY / 2), ..Snapshot::default() };
    for (field, value) in [
        (Field::EquityUsd, 1e5 + 1e3 * x),
        (Field::FlowUsd, if i % 5 == 0 { 1e3 } else { 0.0 }),
        (Field::InitialMarginUsd, 1e4 * x),
        (Field::MaintenanceMarginUsd, 5e3 * x),
        (Field::GrossNotionalUsd, 2e5 * x),
        (Field::DeltaUsd, 1e5 * x),
        (Field::FundingUsd, x - 0.5),
        (Field::MarketReturn, 0.05 * (x - 0.5)),
    ] {
        s.set(field, value);
    }
    let mut out = Vec::new();
    s.encode(&mut out);
    out
}

fn profiles(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for (name, trades, all, snapshots) in [
        ("empty", 0, false, 0),
        ("sparse", 3, false, 0),
        ("sparse-all", 4, true, 3),
        ("snapshots", 0, false, 12),
        ("dense", 60, false, 0),
        ("dense-all", 60, true, 12),
    ] {
        let mut state = State::new(Global);
        for i in 0..trades {
            state.add_trade(&trade(i, all)?)?;
        }
        for i in 0..snapshots {
            state.add_snapshot(&snapshot(i))?;
        }
        let (mut stored, mut moving) = (Vec::new(), Vec::new());
        state.write(&mut stored);
        state.write_unfinished(&mut moving);
        std::fs::write(folder.join(format!("seed-{name}")), &stored)?;
        std::fs::write(folder.join(format!("seed-{name}-moving")), &moving)?;
        if trades > 0 {
            // After a day that leaves something open.
            let mut before = State::new(Global);
            for i in 0..7 {
                before.add_trade(&trade(i - 100, false)?)?;
            }
            state.follow(&mut before);
            for (form, write) in
                [("carried", State::write as fn(&mut State, &mut Vec<u8>)), ("carried-moving", State::write_unfinished)]
            {
                let mut out = Vec::new();
                write(&mut state, &mut out);
                std::fs::write(folder.join(format!("seed-{name}-{form}")), out)?;
            }
        }
        if name == "sparse" {
            std::fs::write(folder.join("seed-text"), to_hex(&stored))?;
        }
        if name == "dense-all" {
            // What is left of it when a part was taken away.
            let mut part = State::new(Global);
            for i in 0..40 {
                part.add_trade(&trade(i, all)?)?;
            }
            stored.clear();
            part.write(&mut stored);
            state.subtract(&stored)?;
            stored.clear();
            state.write(&mut stored);
            std::fs::write(folder.join("seed-subtracted"), &stored)?;
        }
    }
    Ok(())
}
