//! Why a row is in its segment, and what would take it out: sums against distances, and every change tried.

#[path = "explain/rules.rs"]
mod rules;

use ndarray::Array2;
use proptest::prelude::*;
use segmentation::cluster::Algorithm;
use segmentation::model::{fit, FitInput, FitOptions, Model, Reading};
use segmentation::prepare::{Absence, FeatureSpec, Transform};
use segmentation::{Control, Kind, Result};
use serde_json::{json, Value};

fn spec(name: &str, transform: Transform) -> FeatureSpec {
    FeatureSpec { name: name.into(), group: "own".into(), transform, ..FeatureSpec::default() }
}

fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

const CURVES: [Transform; 6] = [
    Transform::Identity,
    Transform::Asinh,
    Transform::Log1p,
    Transform::Logit,
    Transform::Hellinger,
    Transform::SignedLog1p,
];

/// Rows around `kinds` middles, in the range of each curve; some values missing; the third feature is one that the first
/// kind cannot have, the last two are the values of a category.
fn data(seed: u64, kinds: usize, features: usize) -> FitInput {
    let mut random = random(seed);
    let middles: Vec<f64> = (0..kinds * features).map(|_| random()).collect();
    let rows = 150;
    let mut values = Vec::new();
    for r in 0..rows {
        let kind = r % kinds;
        for j in 0..features {
            let x = 0.7 * middles[kind * features + j] + 0.3 * random();
            values.push(match CURVES[j % 6] {
                _ if j == 2 && kind == 0 => f64::NAN,
                _ if random() < 0.03 => f64::NAN,
                Transform::Logit => x,
                Transform::Log1p | Transform::Hellinger => 1e3 * x * x,
                _ => 1e4 * (x - 0.5),
            });
        }
        let place = if random() < 0.8 { kind } else { (random() * 3.0) as usize };
        values.extend([f64::from(u8::from(place == 0)), f64::from(u8::from(place == 1))]);
    }
    let mut specs: Vec<FeatureSpec> = (0..features).map(|j| spec(&format!("f{j}"), CURVES[j % 6])).collect();
    if features > 2 {
        specs[2].absent = Absence::Structural("options".into());
    }
    for value in ["home", "away"] {
        let block = Some("venue".to_string());
        specs.push(FeatureSpec { block, label: value.into(), ..spec(&format!("venue_{value}"), Transform::Identity) });
    }
    FitInput::from_rows(specs, values, None).unwrap()
}

fn preparations() -> Vec<Value> {
    vec![
        json!({"pca": null}),
        json!({}),
        json!({"pca": {"components": 2}, "winsorise": null}),
        json!({"pca": {"components": 3, "whiten": true}}),
        json!({"scale": "robust", "pca": null, "winsorise": [0.1, 0.9]}),
        json!({"scale": "quantile", "pca": null}),
        json!({"transform": "yeo_johnson", "scale": "standard"}),
    ]
}

fn model(input: &FitInput, k: usize, preparation: Value) -> Model {
    by(Algorithm::Kmeans, input, k, preparation).unwrap()
}

fn by(algorithm: Algorithm, input: &FitInput, k: usize, preparation: Value) -> Result<Model> {
    let options = FitOptions { k: Some(k), algorithm, preparation: Some(preparation), ..FitOptions::default() };
    fit(input.clone(), &options, &Control::new()).map(|f| f.model)
}

/// Squared distance of a row to a centre, from the public parts alone.
fn squared(m: &Model, raw: &[f64], segment: usize) -> f64 {
    let mut x = Vec::new();
    m.preparation().apply(raw, &mut x).unwrap();
    x.iter().zip(m.shape().centre(segment).unwrap()).map(|(x, c)| (x - c) * (x - c)).sum()
}

/// Training rows, and rows unlike them: far out, missing, mixed.
fn row(input: &FitInput, seed: u64) -> Vec<f64> {
    let mut random = random(seed ^ 0x55);
    let at = |r: f64| (r * input.raw.nrows() as f64) as usize;
    let (a, b, far) = (at(random()), at(random()), random() < 0.2);
    let features = input.raw.ncols() - 2;
    let mut raw = input.raw.row(a).to_vec();
    for (x, other) in raw.iter_mut().zip(input.raw.row(b)).take(features) {
        if random() < 0.3 {
            *x = *other;
        }
        if far && random() < 0.3 {
            *x *= 1e3;
        }
    }
    raw
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn contributions_sum_to_the_difference_of_the_squared_distances(
        seed in any::<u64>(), kinds in 2usize..5, features in 1usize..7, k in 2usize..5, which in 0usize..7
    ) {
        let input = data(seed, kinds, features);
        let m = model(&input, k, preparations()[which].clone());
        for i in 0..10 {
            let raw = row(&input, seed.wrapping_add(i));
            let now = m.assign(&raw).unwrap().index.unwrap();
            for target in (0..m.k()).filter(|&t| t != now).map(Some).chain([None]) {
                let e = m.explain(&raw, target).unwrap().unwrap();
                let (d1, d2) = (squared(&m, &raw, now), squared(&m, &raw, e.other));
                prop_assert_eq!(e.segment, now);
                prop_assert!(target.is_none_or(|t| t == e.other));
                prop_assert!((e.lead - (d2 - d1)).abs() <= 1e-9 * d2, "{} is not {d2} - {d1}", e.lead);
                let sum: f64 = e.features.iter().map(|c| c.contribution).sum();
                prop_assert!((sum - (d2 - d1)).abs() <= 1e-9 * d2, "{sum} is not {d2} - {d1}");
                if target.is_none() {
                    prop_assert_eq!(Some(m.segments[e.other].id), m.assign(&raw).unwrap().second_id);
                }
                if m.preparation().pca().is_none() {
                    // One feature by the formula itself.
                    let mut x = Vec::new();
                    m.preparation().scaled(&raw, &mut x).unwrap();
                    let names: Vec<String> = m.preparation().coordinates().into_iter().map(|c| c.name).collect();
                    let (c1, c2) = (m.shape().centre(now).unwrap(), m.shape().centre(e.other).unwrap());
                    for c in e.features.iter().filter(|c| c.name != "venue") {
                        let j = names.iter().position(|n| *n == c.name).unwrap();
                        let expected = (x[j] - c2[j]).powi(2) - (x[j] - c1[j]).powi(2);
                        prop_assert!((c.contribution - expected).abs() <= 1e-9 * (d2 + 1.0));
                    }
                }
            }
        }
    }

    #[test]
    fn every_change_flips_the_label_and_no_smaller_one_does(
        seed in any::<u64>(), kinds in 2usize..5, features in 1usize..7, k in 2usize..5, which in 0usize..7
    ) {
        let input = data(seed, kinds, features);
        changes_flip(&model(&input, k, preparations()[which].clone()), &input, seed)?;
    }

    /// Mixtures: the lead is the logarithm of the odds, and what is not additive is refused.
    #[test]
    fn mixtures_are_explained_by_their_odds(
        seed in any::<u64>(), kinds in 2usize..5, features in 1usize..7, which in 0usize..7, kind in 0usize..4
    ) {
        let input = data(seed, kinds, features);
        let algorithm =
            [Algorithm::GmmTied, Algorithm::GmmDiagonal, Algorithm::GmmSpherical, Algorithm::GmmFull][kind];
        let m = match by(algorithm, &input, kinds, preparations()[which].clone()) {
            Ok(m) => m,
            // Too little spread for so many components: nothing to explain.
            Err(e) => {
                prop_assert_eq!(e.kind, Kind::NotReady);
                return Err(TestCaseError::reject(e.message));
            }
        };
        prop_assume!(m.k() > 1);
        let additive = kind == 0 || (kind < 3 && m.preparation().pca().is_none());
        for i in 0..10 {
            let raw = row(&input, seed.wrapping_add(i));
            let p = m.probabilities(&raw).unwrap().unwrap();
            match m.explain(&raw, None) {
                Err(e) => prop_assert!(!additive && e.kind == Kind::Unsupported, "{e:?}"),
                Ok(e) => {
                    let e = e.unwrap();
                    prop_assert!(additive);
                    let sum: f64 = e.features.iter().map(|c| c.contribution).sum::<f64>() + e.constant;
                    let size: f64 = e.features.iter().map(|c| c.contribution.abs()).sum::<f64>() + e.constant.abs();
                    prop_assert!((sum - e.lead).abs() <= 1e-9 * (1.0 + size), "{sum} is not {}", e.lead);
                    if p[e.other] > 1e-200 {
                        let odds = (p[e.segment] / p[e.other]).ln();
                        prop_assert!((e.lead - odds).abs() <= 1e-8 * (1.0 + size), "{} is not {odds}", e.lead);
                    }
                }
            }
        }
        changes_flip(&m, &input, seed)?;
    }
}

/// Every change of every feature of some rows, applied, and a walk up to it.
fn changes_flip(m: &Model, input: &FitInput, seed: u64) -> Result<(), TestCaseError> {
    let names: Vec<&str> = m.feature_names();
    for i in 0..6 {
        let raw = row(input, seed.wrapping_add(i));
        let now = m.assign(&raw).unwrap().index.unwrap();
        for target in (0..m.k()).filter(|&t| t != now).map(Some).chain([None]) {
            let all = m.counterfactual(&raw, target).unwrap();
            let met = |row: &[f64]| {
                let index = m.assign(row).unwrap().index.unwrap();
                target.map_or(index != now, |t| t == index)
            };
            for c in &all {
                if let Some(change) = &c.change {
                    let changed = change.apply(&raw);
                    prop_assert!(met(&changed), "{c:?} does not flip");
                    prop_assert_eq!(m.assign(&changed).unwrap().index, Some(change.segment));
                }
                let Some(j) = names.iter().position(|n| **n == c.name) else { continue };
                // A walk over the feature alone.
                let Some(kept) = &m.preparation().columns()[j].kept else { panic!("{c:?} of a dropped feature") };
                let from = if raw[j].is_finite() { raw[j] } else { kept.median };
                let try_one = |x: f64| {
                    let mut changed = raw.clone();
                    changed[j] = x;
                    met(&changed)
                };
                match c.change.as_ref().map(|change| change.sets[0].1) {
                    None => {
                        let [low, high] = kept.bounds.unwrap_or([from - 1e6, from + 1e6]);
                        for step in 0..=200 {
                            let x = low + (high - low) * f64::from(step) / 200.0;
                            prop_assert!(!try_one(x), "{}: {x} flips", c.name);
                        }
                    }
                    Some(to) => {
                        // Between here and there, a hair before the change, there must be none.
                        let start = kept.bounds.map_or(from, |[low, high]| from.clamp(low, high));
                        for step in 0..200 {
                            let x = start + (to - start) * (1.0 - 1e-6) * f64::from(step) / 199.0;
                            if (raw[j].is_finite() || x != start) && (to - start).abs() > 1e-9 * (1.0 + start.abs()) {
                                prop_assert!(!try_one(x), "{}: {x} flips before {to}", c.name);
                            }
                        }
                    }
                }
            }
            let sizes: Vec<f64> = all.iter().map(|c| c.change.as_ref().map_or(f64::INFINITY, |c| c.size)).collect();
            prop_assert!(sizes.windows(2).all(|w| w[0] <= w[1]));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Probabilities, margin and the outlier flag by their formulas, over the training rows and others.
    #[test]
    fn probabilities_margin_and_outliers(seed in any::<u64>(), k in 1usize..5, which in 0usize..7) {
        let input = data(seed, 3, 4);
        let m = model(&input, k, preparations()[which].clone());
        let rows: Vec<Vec<f64>> = input.raw.outer_iter().map(|r| r.to_vec()).collect();
        let of = |raw: &Vec<f64>| (0..m.k()).map(|s| squared(&m, raw, s)).collect::<Vec<f64>>();
        let own: Vec<(usize, f64)> = rows.iter().map(|r| {
            let index = m.assign(r).unwrap().index.unwrap();
            (index, of(r)[index])
        }).collect();
        let tau2 = own.iter().map(|(_, d2)| d2).sum::<f64>() / rows.len() as f64;
        for raw in rows.iter().cloned().chain((0..20).map(|i| row(&input, seed.wrapping_add(i)))) {
            let d2 = of(&raw);
            let a = m.assign(&raw).unwrap();
            let index = a.index.unwrap();
            let p = m.probabilities(&raw).unwrap().unwrap();
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for s in 0..m.k() {
                // As ratios to the nearest, which do not underflow together.
                let expected = ((d2[index] - d2[s]) / (2.0 * tau2)).exp();
                prop_assert!((p[s] / p[index] - expected).abs() <= 1e-9, "{} is not {expected}", p[s] / p[index]);
            }
            let mut sorted = d2.clone();
            sorted.sort_by(f64::total_cmp);
            match a.margin {
                None => prop_assert_eq!(m.k(), 1),
                Some(margin) => {
                    let expected = (sorted[1].sqrt() - sorted[0].sqrt()) / sorted[1].sqrt();
                    prop_assert!((margin - expected).abs() <= 1e-9);
                }
            }
            // The 99 % quantile (type 7) of the distances of the segment's training rows.
            let mut reach: Vec<f64> = own.iter().filter(|(s, _)| *s == index).map(|(_, d2)| d2.sqrt()).collect();
            reach.sort_by(f64::total_cmp);
            let at = 0.99 * (reach.len() - 1) as f64;
            let (low, part) = (at as usize, at.fract());
            let limit = reach[low] + part * (reach[(low + 1).min(reach.len() - 1)] - reach[low]);
            if (a.distance - limit).abs() > 1e-9 * (1.0 + limit) {
                prop_assert_eq!(a.outlier, a.distance > limit);
            }
        }
    }
}

/// Two centres at (0, 0) and (4, 0): the border is x = 2, whatever y is.
#[test]
fn by_hand() {
    let raw = Array2::from_shape_fn((40, 2), |(i, j)| match j {
        0 => (i % 2) as f64 * 4.0 + [-0.5, 0.5][i / 2 % 2],
        _ => [-1.0, 1.0][i / 4 % 2],
    });
    let specs = vec![spec("x", Transform::Identity), spec("y", Transform::Identity)];
    let plain = json!({"winsorise": null, "scale": null, "pca": null, "weights": null, "correlated": null});
    let m = model(&FitInput { specs, raw, volume: None }, 2, plain);
    let e = m.explain(&[1.0, 3.0], None).unwrap().unwrap();
    let x = &e.features[0];
    // (1 - 4)² - (1 - 0)²
    assert!((e.lead - 8.0).abs() < 1e-12 && (x.contribution - 8.0).abs() < 1e-12);
    assert_eq!((x.name.as_str(), x.value.number(), x.used.clone()), ("x", Some(1.0), None));
    assert!((x.typical.number().unwrap()).abs() < 1e-12 && (x.other_typical.number().unwrap() - 4.0).abs() < 1e-12);
    assert_eq!(e.features[1].contribution, 0.0);
    let c = m.counterfactual(&[1.0, 3.0], None).unwrap();
    let change = c[0].change.as_ref().unwrap();
    assert!(c[0].name == "x" && (change.size - 1.0).abs() < 1e-12);
    let to = change.to.number().unwrap();
    assert!((2.0..2.0 + 1e-12).contains(&to), "{to}");
    assert_eq!((c[1].name.as_str(), &c[1].change), ("y", &None));
    // A missing value is where the median is, and may become known.
    let c = m.counterfactual(&[f64::NAN, 0.0], None).unwrap();
    assert_eq!(c[0].value, Reading::Missing);
    assert!(c[0].change.is_some());
}

#[test]
fn what_cannot_be_asked() {
    let input = data(7, 3, 4);
    let m = model(&input, 3, json!({}));
    let raw = row(&input, 1);
    let now = m.assign(&raw).unwrap().index;
    for target in [now, Some(3)] {
        assert_eq!(m.explain(&raw, target).unwrap_err().kind, Kind::InvalidParameter);
        assert_eq!(m.counterfactual(&raw, target).unwrap_err().kind, Kind::InvalidParameter);
    }
    assert_eq!(m.explain(&raw[1..], None).unwrap_err().kind, Kind::InvalidParameter);
    // With one segment there is nothing to compare with and nowhere to go.
    let one = model(&input, 1, json!({}));
    assert_eq!(one.explain(&raw, None).unwrap(), None);
    assert!(one.counterfactual(&raw, None).unwrap().iter().all(|c| c.change.is_none()));
}

#[test]
fn what_was_filled_in_or_pulled_in_is_said() {
    let input = data(11, 3, 4);
    let m = model(&input, 3, json!({"pca": null, "winsorise": [0.05, 0.95]}));
    let kept = |j: usize| m.preparation().columns()[j].kept.as_ref().unwrap();
    let mut raw = input.raw.row(1).to_vec();
    raw[0] = 1e9;
    raw[1] = f64::NAN;
    (raw[4], raw[5]) = (0.0, 1.0);
    let e = m.explain(&raw, None).unwrap().unwrap();
    let of = |name: &str| e.features.iter().find(|c| c.name == name).unwrap();
    assert_eq!(of("f0").value, Reading::Number(1e9));
    assert_eq!(of("f0").used, Some(Reading::Number(kept(0).bounds.unwrap()[1])));
    assert_eq!((&of("f1").value, &of("f1").used), (&Reading::Missing, &Some(Reading::Number(kept(1).median))));
    assert_eq!(of("venue").value, Reading::Category("away".into()));
    assert_eq!(of("has_options").value, Reading::Number(1.0));
    raw[2] = f64::NAN;
    let e = m.explain(&raw, None).unwrap().unwrap();
    let has = e.features.iter().find(|c| c.name == "has_options").unwrap();
    assert_eq!(has.value, Reading::Number(0.0));
    for c in &e.features {
        for typical in [&c.typical, &c.other_typical] {
            match c.name.as_str() {
                "venue" => assert!(matches!(typical, Reading::Category(_) | Reading::OtherCategory)),
                "has_options" => assert!((0.0..=1.0).contains(&typical.number().unwrap())),
                name => {
                    let j: usize = name[1..].parse().unwrap();
                    let [low, high] = kept(j).bounds.unwrap();
                    assert!((low..=high).contains(&typical.number().unwrap()), "{c:?}");
                }
            }
        }
    }
}
