//! Yeo-Johnson, the median absolute deviation and ranks against scipy and scikit-learn: `data/scales_oracle.json` was written by
//! `data/scales_oracle.py`. And the way back from a prepared value to the raw one.

use super::{close, column, fit, fit_specs, iris, numbers, plain, rows, spec, specs, with, X};
use ndarray::{Array2, Axis};
use segmentation::prepare::{yeo_johnson_log_likelihood, Spread, Transform};
use serde_json::{json, Value};

fn oracle() -> Value {
    serde_json::from_str(include_str!("../data/scales_oracle.json")).unwrap()
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap()
}

fn all_close(got: impl IntoIterator<Item = f64>, expected: &[f64], tolerance: f64) {
    let got: Vec<f64> = got.into_iter().collect();
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).for_each(|(a, b)| close(*a, *b, tolerance));
}

#[test]
fn yeo_johnson_is_scipys() {
    let at = |lambda| X.map(|x| Transform::YeoJohnson.apply(x, lambda));
    all_close(at(0.0)[..4].to_vec(), &[-4.0, -1.5, 0.0, std::f64::consts::LN_2], 1e-12);
    all_close(at(2.0), &[-1.0986122886681098, -std::f64::consts::LN_2, 0.0, 1.5, 4.0, 7.5, 60.0, 1300.0], 1e-12);
    for case in oracle()["yeo_johnson"].as_array().unwrap() {
        let lambda = number(&case["lambda"]);
        all_close(at(lambda), &numbers(&case["values"]), 1e-12);
        close(yeo_johnson_log_likelihood(&X, lambda), number(&case["llf"]), 1e-12);
    }
}

#[test]
fn the_exponent_is_the_most_likely_one() {
    let bare = with(with(plain(), "transform", json!("yeo_johnson")), "winsorise", Value::Null);
    let (p, _) = fit(bare.clone(), &column(&X)).unwrap();
    let lambda = p.columns()[0].kept.as_ref().unwrap().lambda.unwrap();
    close(lambda, 0.1547293427, 1e-6);
    close(yeo_johnson_log_likelihood(&X, lambda), -13.9332933081, 1e-9);

    let o = oracle();
    let (p, m) = fit(with(bare.clone(), "scale", Value::Null), &iris()).unwrap();
    all_close(p.columns().iter().map(|c| c.kept.as_ref().unwrap().lambda.unwrap()), &numbers(&o["iris_lambdas"]), 1e-5);
    for (got, expected) in m.outer_iter().step_by(15).zip(rows(&o["iris_power"])) {
        all_close(got.to_vec(), &expected, 1e-5);
    }

    // Of winsorised values, with the exponent of those: an outlier that is cut has no say.
    let mut far = X.to_vec();
    far.push(1e12);
    let cut = with(bare.clone(), "winsorise", json!([0.0, 0.875]));
    let (p, _) = fit(cut, &column(&far)).unwrap();
    let kept = p.columns()[0].kept.as_ref().unwrap();
    let mut pulled = X.to_vec();
    pulled.push(50.0);
    assert_eq!((kept.bounds.unwrap()[1], kept.clipped), (50.0, [0, 1]));
    let (p, _) = fit(bare, &column(&pulled)).unwrap();
    assert_eq!(p.columns()[0].kept.as_ref().unwrap().lambda, kept.lambda);
}

#[test]
fn huge_values_find_a_finite_exponent() {
    let plan = with(with(plain(), "transform", json!("yeo_johnson")), "winsorise", Value::Null);
    for values in
        [vec![1e80, -1e80, 3.0, 1e79, 0.0], vec![1e-300, 2e-300, 5e-300, 1.0], vec![1e15, 1e15 + 2.0, 1e15 + 4.0]]
    {
        if let Ok((p, m)) = fit(plan.clone(), &column(&values)) {
            let lambda = p.columns()[0].kept.as_ref().unwrap().lambda.unwrap();
            assert!((-5.0..=5.0).contains(&lambda) && m.iter().all(|x| x.is_finite()), "{values:?}: {lambda}");
        }
    }
}

#[test]
fn mad_is_scipys_and_gives_way_to_the_standard_deviation() {
    let plan = with(plain(), "scale", json!("mad"));
    let (p, m) = fit(plan.clone(), &column(&X)).unwrap();
    let kept = p.columns()[0].kept.as_ref().unwrap();
    assert_eq!((kept.center, kept.spread), (1.5, Spread::Mad));
    close(kept.scale, 2.965204437, 1e-9);
    close(m[[7, 0]], 48.5 / 2.965204437, 1e-9);
    let (p, _) = fit(plan.clone(), &iris()).unwrap();
    all_close(p.columns().iter().map(|c| c.kept.as_ref().unwrap().scale), &numbers(&oracle()["mad"]), 1e-12);

    let mut mostly = vec![0.0; 40];
    mostly[37..].copy_from_slice(&[1.0, 2.0, 3.0]);
    let (p, _) = fit(plan, &column(&mostly)).unwrap();
    let kept = p.columns()[0].kept.as_ref().unwrap();
    assert_eq!((kept.spread, kept.center), (Spread::Sd, 0.0));
    close(kept.scale, 0.5722761571129799, 1e-9); // numpy.std
}

#[test]
fn ranks_are_scikit_learns() {
    let o = oracle();
    for name in ["short", "long"] {
        let case = &o[name];
        let (p, _) = fit(with(plain(), "scale", json!("quantile")), &column(&numbers(&case["values"]))).unwrap();
        let kept = p.columns()[0].kept.as_ref().unwrap();
        assert_eq!((kept.spread, kept.clipped), (Spread::Rank, [0, 0]));
        assert_eq!(kept.knots.as_ref().unwrap().len(), if name == "long" { 1001 } else { 150 });
        let mut out = Vec::new();
        for (x, expected) in numbers(&case["at"]).into_iter().zip(numbers(&case["deviates"])) {
            let outcome = p.apply(&[x], &mut out).unwrap();
            close(out[0], expected, 1e-9);
            let [low, high] = kept.bounds.unwrap();
            assert_eq!(outcome.clipped, usize::from(x < low || x > high), "{x}");
        }
    }
}

#[test]
fn each_feature_may_have_its_own_scale() {
    let scale = json!({"f0": "robust", "f1": "mad", "f2": "quantile", "f3": null});
    let plan = with(plain(), "scale", scale);
    let (p, m) = fit(plan, &iris()).unwrap();
    let spreads: Vec<Spread> = p.columns().iter().map(|c| c.kept.as_ref().unwrap().spread).collect();
    assert_eq!(spreads, [Spread::Iqr, Spread::Mad, Spread::Rank, Spread::Unit]);
    assert_eq!(m.column(3), iris().column(3));
    let (p, _) = fit(with(plain(), "scale", json!({"f0": "robust"})), &iris()).unwrap();
    assert_eq!(p.columns()[1].kept.as_ref().unwrap().spread, Spread::Sd);
}

/// What is prepared can be found again, whatever the curve and the scale; what no raw value becomes cannot.
#[test]
fn the_way_back() {
    let curves = [
        Transform::Identity,
        Transform::Log1p,
        Transform::SignedLog1p,
        Transform::Asinh,
        Transform::Logit,
        Transform::Hellinger,
        Transform::YeoJohnson,
    ];
    let raw = Array2::from_shape_fn((200, curves.len()), |(i, j)| {
        let u = ((i * (2 * j + 3)) % 200) as f64 / 200.0;
        match curves[j] {
            Transform::Logit => 0.01 + 0.97 * u,
            Transform::Identity | Transform::SignedLog1p | Transform::YeoJohnson => 80.0 * u - 20.0,
            _ => 50.0 * u * u,
        }
    });
    let s: Vec<_> = curves.iter().map(|t| spec(t.name(), "all", *t)).collect();
    for scale in [json!("standard"), json!("robust"), json!("mad"), json!("quantile"), Value::Null] {
        let plan = json!({"scale": scale, "winsorise": [0.02, 0.95], "correlated": null, "weights": {"asinh": 3}});
        let (p, _) = fit_specs(plan, &s, &raw).unwrap();
        assert_eq!(p.coordinates().iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), curves.map(Transform::name));
        let mut scaled = Vec::new();
        for row in raw.axis_iter(Axis(0)) {
            p.scaled(&row.to_vec(), &mut scaled).unwrap();
            for (j, &x) in row.iter().enumerate() {
                let [low, high] = p.columns()[j].kept.as_ref().unwrap().bounds.unwrap();
                let back = p.raw_of(j, scaled[j]);
                let back = back.unwrap_or_else(|| panic!("{} {scale}: {x} became {}", s[j].name, scaled[j]));
                let expected = x.clamp(low, high);
                assert!(
                    (back - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                    "{} {scale}: {back} of {x}",
                    s[j].name
                );
            }
        }
        for (j, spec) in s.iter().enumerate() {
            let column = scaled_column(&p, &raw, j);
            let largest = column.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
            let smallest = column.iter().fold(f64::INFINITY, |m, &x| m.min(x));
            for outside in [largest + 0.01, smallest - 0.01, 1e300, -1e300, f64::NAN, f64::INFINITY] {
                assert_eq!(p.raw_of(j, outside), None, "{} {scale}: {outside}", spec.name);
            }
        }
        assert_eq!(p.raw_of(curves.len(), 0.0), None);
    }
    assert_eq!(specs(1)[0].name, "f0");
}

fn scaled_column(p: &segmentation::prepare::Preparation, raw: &Array2<f64>, j: usize) -> Vec<f64> {
    let mut scaled = Vec::new();
    let one = |row: ndarray::ArrayView1<f64>| {
        p.scaled(&row.to_vec(), &mut scaled).unwrap();
        scaled[j]
    };
    raw.outer_iter().map(one).collect()
}

/// What would be pulled in at 1e100 is refused at the fit, in few words; scored later it is pulled in.
#[test]
fn values_beyond_the_limit_are_refused() {
    let bare = json!({"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null});
    for (largest, scale) in [(1e150, Value::Null), (f64::MAX, Value::Null), (1e150, json!("robust"))] {
        let mut values = X.to_vec();
        values.push(largest);
        let e = fit(with(bare.clone(), "scale", scale), &column(&values)).unwrap_err();
        assert_eq!(e.kind, segmentation::Kind::OutOfRange, "{}", e.message);
        assert!(e.message.len() < 160 && e.hint.is_some(), "{}", e.message);
        // scikit-learn's StandardScaler divides by a deviation as large as the value.
        if largest < 1e154 {
            assert!(fit(with(bare.clone(), "scale", json!("standard")), &column(&values)).is_ok());
        }
    }
    let (p, _) = fit(bare, &column(&X)).unwrap();
    let mut out = Vec::new();
    p.apply(&[1e150], &mut out).unwrap();
    assert_eq!(out, [1e100]);
}
