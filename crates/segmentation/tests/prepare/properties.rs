//! Properties over generated input: scoring repeats the fit, selection is sorting, eigenvectors are eigenvectors.

use super::{close, fit_specs, spec};
use ndarray::Array2;
use proptest::prelude::*;
use segmentation::prepare::{symmetric_eigen, Absence, FeatureSpec, OrderStatistics, Preparation, Transform};
use segmentation::Control;
use serde_json::{json, Value};

#[test]
fn eigenvectors_are_orthonormal_and_reproduce_the_matrix() {
    // Rank deficient, duplicate columns, and eigenvalues 15 orders apart.
    for (d, f) in [
        (1usize, Box::new(|_: usize, _: usize| 3.0) as Box<dyn Fn(usize, usize) -> f64>),
        (5, Box::new(|i, j| ((i + 1) * (j + 1)) as f64)),
        (6, Box::new(|i, j| if i == j { 10f64.powi(-3 * i as i32) } else { 0.0 })),
        (8, Box::new(|i, j| 1.0 / (i + j + 1) as f64)),
        (120, Box::new(|i, j| ((i * j) as f64).sin() + if i == j { 130.0 } else { 0.0 })),
        (4, Box::new(|_, _| 0.0)),
    ] {
        let a = Array2::from_shape_fn((d, d), |(i, j)| f(i.min(j), i.max(j)));
        let e = symmetric_eigen(a.clone(), &Control::new()).unwrap();
        let norm = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for i in 0..d {
            assert!(i == 0 || e.values[i] <= e.values[i - 1]);
            let v = e.vectors.row(i);
            let largest = v.iter().fold(0.0f64, |m, x| if x.abs() > m.abs() { *x } else { m });
            assert!(largest > 0.0);
            for j in 0..d {
                let dot = v.dot(&e.vectors.row(j));
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12, "{d}: {i} {j} {dot}");
            }
            let residual = a.dot(&v) - &v * e.values[i];
            assert!(residual.iter().all(|r| r.abs() < 1e-13 * d as f64 * norm.max(1e-300)));
        }
    }
    assert!(symmetric_eigen(Array2::zeros((2, 3)), &Control::new()).is_err());
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -1e6..1e6f64,
        2 => (-3i32..4).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(1e300), Just(5e-324)],
    ]
}

fn any_plan() -> impl Strategy<Value = Value> {
    let transform = prop_oneof![
        Just(json!("auto")),
        Just(json!("identity")),
        Just(json!("signed_log1p")),
        Just(json!("asinh")),
        Just(json!("yeo_johnson")),
        Just(json!({"f1": "yeo_johnson", "f3": "identity"})),
    ];
    let scale = prop_oneof![
        Just(json!("robust")),
        Just(json!("standard")),
        Just(json!("mad")),
        Just(json!("quantile")),
        Just(json!({"f0": "quantile", "f2": "mad", "f3": null})),
        Just(Value::Null)
    ];
    let winsorise = prop_oneof![Just(Value::Null), Just(json!([0.005, 0.995])), Just(json!([0.1, 0.8]))];
    let pca = prop_oneof![
        3 => Just(Value::Null),
        3 => Just(json!(0.9)),
        3 => Just(json!({"components": 2})),
        3 => Just(json!({"components": 2, "whiten": true})),
        1 => Just(json!({"parallel": true})),
    ];
    let missing =
        prop_oneof![Just(json!("auto")), Just(json!("median")), Just(json!({"f0": "structural", "f1": "median"}))];
    let weights = prop_oneof![Just(json!("group")), Just(Value::Null), Just(json!({"f2": 3.5, "own=b": 0}))];
    let categorical = prop_oneof![Just("one_hot"), Just("codes")];
    let correlated = prop_oneof![Just(Value::Null), Just(json!(0.9))];
    (transform, scale, winsorise, pca, missing, weights, categorical, correlated).prop_map(
        |(t, s, w, p, m, g, c, r)| {
            json!({"transform": t, "scale": s, "winsorise": w, "pca": p, "missing": m, "weights": g, "categorical": c,
               "correlated": r})
        },
    )
}

/// Numbers of every kind, two of them structural, and a category of three values.
fn any_features() -> Vec<FeatureSpec> {
    let kinds = [Transform::Asinh, Transform::Log1p, Transform::Hellinger, Transform::Logit];
    let mut all: Vec<FeatureSpec> = (0..4).map(|i| spec(&format!("f{i}"), ["a", "b"][i % 2], kinds[i])).collect();
    all[1].absent = Absence::Structural("options".into());
    all[2].absent = Absence::Structural("options".into());
    let value = |v| FeatureSpec { block: Some("own".into()), ..spec(&format!("own={v}"), "own", Transform::Identity) };
    all.extend(["a", "b", "c"].map(value));
    all
}

proptest! {
    /// What `apply` makes of a training row is bit for bit the row `fit` returned, before and after JSON; and the scaled row is
    /// what the coordinates say.
    #[test]
    fn apply_repeats_fit(
        values in prop::collection::vec(any_value(), 4..400),
        own in prop::collection::vec(0usize..6, 100),
        plan in any_plan(),
    ) {
        let raw = Array2::from_shape_fn((values.len() / 4, 7), |(i, j)| match j {
            0..4 => values[4 * i + j],
            _ if own[i % 100] == 5 => f64::NAN,
            _ => f64::from(u8::from(own[i % 100] == j - 4)),
        });
        if let Ok((p, m)) = fit_specs(plan, &any_features(), &raw) {
            let stored = serde_json::to_string(&p).unwrap();
            let back: Preparation = serde_json::from_str(&stored).unwrap();
            prop_assert_eq!(serde_json::to_string(&back).unwrap(), stored);
            prop_assert_eq!(m.ncols(), p.width());
            let coordinates = p.coordinates();
            let mut out = Vec::new();
            for (raw, prepared) in raw.outer_iter().zip(m.outer_iter()) {
                for p in [&p, &back] {
                    let outcome = p.apply(&raw.to_vec(), &mut out).unwrap();
                    prop_assert!(outcome.imputed <= outcome.used);
                    prop_assert_eq!(out.len(), prepared.len());
                    for (a, b) in out.iter().zip(prepared) {
                        prop_assert!(a.is_finite());
                        prop_assert_eq!(a.to_bits(), b.to_bits());
                    }
                }
                p.scaled(&raw.to_vec(), &mut out).unwrap();
                prop_assert_eq!(out.len(), coordinates.len());
                if p.pca().is_none() {
                    prop_assert_eq!(&out, &prepared.to_vec());
                }
            }
        }
    }

    /// Selection finds what sorting finds.
    #[test]
    fn order_statistics_are_those_of_sorting(
        mut values in prop::collection::vec(-1e3..1e3f64, 1..200),
        qs in prop::collection::vec(0.0..=1.0f64, 0..6),
        ranks in prop::collection::vec(0usize..200, 0..4),
    ) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let found = OrderStatistics::select(&mut values, &qs, &ranks);
        for r in ranks.into_iter().filter(|&r| r < sorted.len()) {
            prop_assert_eq!(found.rank(r), sorted[r]);
        }
        for q in qs {
            let h = q * (sorted.len() - 1) as f64;
            let (a, b) = (sorted[h.floor() as usize], sorted[h.ceil() as usize]);
            close(found.quantile(q), a + (b - a) * (h - h.floor()), 1e-9);
        }
    }
}
