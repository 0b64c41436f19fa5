//! Preparation against numpy and scikit-learn, and its promises at the edges.
//! `data/prepare_oracle.json` was written by `data/prepare_oracle.py`.

#[path = "prepare/categories.rs"]
mod categories;
#[path = "prepare/components.rs"]
mod components;
#[path = "prepare/missing.rs"]
mod missing;
#[path = "prepare/plan.rs"]
mod plan;
#[path = "prepare/properties.rs"]
mod properties;
#[path = "prepare/scales.rs"]
mod scales;

use ndarray::{array, Array2};
use segmentation::prepare::{quantile, FeatureSpec, Plan, Preparation, Spread, Transform, MAD_TO_SD};
use segmentation::{Control, Kind};
use serde_json::{json, Value};

const X: [f64; 8] = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 10.0, 50.0];

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1e-3), "{a} is not {b}");
}

fn spec(name: &str, group: &str, transform: Transform) -> FeatureSpec {
    FeatureSpec {
        name: name.into(),
        label: name.replace('_', " "),
        unit: String::new(),
        group: group.into(),
        transform,
        ..FeatureSpec::default()
    }
}

fn specs(n: usize) -> Vec<FeatureSpec> {
    (0..n).map(|i| spec(&format!("f{i}"), "all", Transform::Identity)).collect()
}

fn fit(plan: Value, raw: &Array2<f64>) -> segmentation::Result<(Preparation, Array2<f64>)> {
    fit_specs(plan, &specs(raw.ncols()), raw)
}

fn fit_specs(
    plan: Value,
    specs: &[FeatureSpec],
    raw: &Array2<f64>,
) -> segmentation::Result<(Preparation, Array2<f64>)> {
    let plan = Plan::from_json(Some(&plan), specs)?;
    Preparation::fit(&plan, specs, raw.view(), &Control::new())
}

/// Standard deviation scaling and nothing else.
fn plain() -> Value {
    json!({"transform": "identity", "winsorise": null, "scale": "standard", "weights": null, "pca": null, "correlated": null})
}

fn with(mut plan: Value, key: &str, value: Value) -> Value {
    plan[key] = value;
    plan
}

fn column(values: &[f64]) -> Array2<f64> {
    Array2::from_shape_vec((values.len(), 1), values.to_vec()).unwrap()
}

fn oracle() -> Value {
    serde_json::from_str(include_str!("data/prepare_oracle.json")).unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn rows(v: &Value) -> Vec<Vec<f64>> {
    v.as_array().unwrap().iter().map(numbers).collect()
}

fn iris() -> Array2<f64> {
    let values: Vec<f64> = include_str!("data/iris.csv")
        .lines()
        .skip(1)
        .flat_map(|l| l.split(',').take(4).map(|x| x.parse().unwrap()).collect::<Vec<f64>>())
        .collect();
    Array2::from_shape_vec((150, 4), values).unwrap()
}

#[test]
fn quantiles_are_numpys() {
    for (q, expected) in
        [(0.01, -1.93), (0.05, -1.65), (0.25, -0.25), (0.75, 4.75), (0.95, 36.0), (0.0, -2.0), (1.0, 50.0)]
    {
        close(quantile(&mut X.to_vec(), q), expected, 1e-9);
    }
    assert!(quantile(&mut [], 0.5).is_nan());
    assert_eq!(quantile(&mut [7.0], 0.3), 7.0);
    assert_eq!(quantile(&mut [-f64::MAX, f64::MAX], 0.5), 0.0);
}

#[test]
fn robust_scale_and_mad_are_scikit_learns() {
    let plan = json!({"transform": "identity", "winsorise": null, "scale": "robust", "pca": null});
    let (p, m) = fit(plan, &column(&X)).unwrap();
    for (got, expected) in m.iter().zip([-0.7, -0.5, -0.3, -0.1, 0.1, 0.3, 1.7, 9.7]) {
        close(*got, expected, 1e-9);
    }
    let kept = p.columns()[0].kept.as_ref().unwrap();
    assert_eq!((kept.center, kept.scale, kept.spread, kept.weight), (1.5, 5.0, Spread::Iqr, 1.0));
    let mut distances = X.map(|x| (x - 1.5).abs());
    close(MAD_TO_SD * quantile(&mut distances, 0.5), 2.965204437, 1e-9);
}

#[test]
fn pca_of_iris_is_scikit_learns() {
    let plan = with(with(plain(), "scale", Value::Null), "pca", json!(1.0));
    let (p, m) = fit(plan, &iris()).unwrap();
    let pca = p.pca().unwrap();
    for (got, expected) in pca.eigenvalues.iter().zip([4.228241706, 0.2426707479, 0.0782095, 0.023835093]) {
        close(*got, expected, 1e-7);
    }
    for (got, expected) in pca.ratios.iter().zip([0.9246187232, 0.0530664831, 0.0171026098, 0.0052121839]) {
        close(*got, expected, 1e-7);
    }
    for (got, expected) in pca.components[0].iter().zip([0.3613865918, -0.0845225141, 0.8566706059, 0.3582891972]) {
        close(*got, expected, 1e-9);
    }
    let o = oracle();
    for (got, expected) in pca.eigenvalues.iter().zip(numbers(&o["raw_pca"]["eigenvalues"])) {
        close(*got, expected, 1e-11);
    }
    for (got, expected) in pca.components.iter().flatten().zip(rows(&o["raw_pca"]["components"]).concat()) {
        close(*got, expected, 1e-9);
    }
    assert_eq!(m.dim(), (150, 4));

    let (p, m) = fit(with(plain(), "pca", json!(0.9)), &iris()).unwrap();
    let pca = p.pca().unwrap();
    for (got, expected) in pca.ratios.iter().zip([0.7296244541, 0.2285076179, 0.0366892189, 0.0051787091]) {
        close(*got, expected, 1e-8);
    }
    assert_eq!(m.ncols(), 2);
    close(pca.explained(), 0.7296244541 + 0.2285076179, 1e-9);
    let (p, _) = fit(with(plain(), "pca", json!({"components": 3})), &iris()).unwrap();
    assert_eq!(p.width(), 3);
    let (p, _) = fit(with(plain(), "pca", json!({"components": 30})), &iris()).unwrap();
    assert_eq!(p.width(), 4);
    let (p, _) = fit(with(plain(), "pca", json!({"variance": 0.7})), &iris()).unwrap();
    assert_eq!(p.width(), 1);
}

#[test]
fn the_whole_road_is_numpys_and_scikit_learns() {
    let o = oracle();
    let raw = rows(&o["raw"]);
    let raw = Array2::from_shape_vec((raw.len(), 5), raw.concat()).unwrap();
    let specs = [
        spec("a", "volume", Transform::Asinh),
        spec("b", "flow", Transform::SignedLog1p),
        spec("c", "allocation", Transform::Logit),
        spec("d", "allocation", Transform::Hellinger),
        spec("e", "volume", Transform::Log1p),
    ];
    // Standard scaling is the default.
    for (plan, scale) in [(json!({"scale": "robust"}), "robust"), (json!({}), "standard")] {
        let plan = with(with(plan, "winsorise", json!([0.02, 0.97])), "correlated", Value::Null);
        the_road(&plan, &specs, &raw, &o, &o[scale]);
    }
}

fn the_road(plan: &Value, specs: &[FeatureSpec], raw: &Array2<f64>, o: &Value, scaled: &Value) {
    let (p, weighted) = fit_specs(with(plan.clone(), "pca", Value::Null), specs, raw).unwrap();
    for (j, column) in p.columns().iter().enumerate() {
        let kept = column.kept.as_ref().unwrap();
        let bounds = kept.bounds.unwrap();
        close(bounds[0], numbers(&o["low"])[j], 1e-12);
        close(bounds[1], numbers(&o["high"])[j], 1e-12);
        close(kept.center, numbers(&scaled["center"])[j], 1e-12);
        close(kept.scale, numbers(&scaled["scale"])[j], 1e-12);
        close(kept.weight, numbers(&o["weights"])[j], 1e-12);
        let clipped = raw.column(j).iter().filter(|&&x| x < bounds[0] || x > bounds[1]).count() as u64;
        assert_eq!(kept.clipped[0] + kept.clipped[1], clipped);
    }
    close(p.columns()[0].kept.as_ref().unwrap().c.unwrap(), o["c"].as_f64().unwrap(), 1e-12);
    for (i, expected) in rows(&scaled["weighted"]).iter().enumerate() {
        for (got, expected) in weighted.row(10 * i).iter().zip(expected) {
            close(*got, *expected, 1e-9);
        }
    }
    let (p, rotated) = fit_specs(plan.clone(), specs, raw).unwrap();
    let pca = p.pca().unwrap();
    assert_eq!(p.width(), scaled["m"].as_u64().unwrap() as usize);
    for (got, expected) in pca.eigenvalues.iter().zip(numbers(&scaled["eigenvalues"])) {
        close(*got, expected, 1e-9);
    }
    for (got, expected) in pca.components.iter().zip(rows(&scaled["components"])) {
        got.iter().zip(expected).for_each(|(a, b)| close(*a, b, 1e-8));
    }
    for (i, expected) in rows(&scaled["rotated"]).iter().enumerate() {
        for (got, expected) in rotated.row(10 * i).iter().zip(expected) {
            close(*got, *expected, 1e-8);
        }
    }
}

#[test]
fn squares_of_group_weights_sum_to_the_number_of_features() {
    let names = ["volume", "volume", "volume", "flow"];
    let specs: Vec<FeatureSpec> =
        names.iter().enumerate().map(|(i, g)| spec(&format!("f{i}"), g, Transform::Identity)).collect();
    let weights = |plan| -> Vec<f64> {
        let (p, _) = fit_specs(with(plan, "correlated", Value::Null), &specs, &iris()).unwrap();
        p.columns().iter().filter_map(|c| c.kept.as_ref().map(|k| k.weight)).collect()
    };
    let w = weights(json!({"pca": null}));
    close(w.iter().map(|w| w * w).sum(), 4.0, 1e-12);
    close(w[3] / w[0], 3f64.sqrt(), 1e-12);
    let u = weights(json!({"weights": {"f1": 2.0}}));
    assert_eq!((u[0], u[1], u[3]), (w[0], 2.0 * w[1], w[3]));
    assert_eq!(weights(json!({"weights": null})), vec![1.0; 4]);
    assert_eq!(weights(json!({"weights": {"f1": 0}})).len(), 3);
}

#[test]
fn spread_falls_back_from_iqr_to_mad_to_sd_and_then_the_feature_goes() {
    let robust = json!({"winsorise": null, "pca": null, "scale": "robust"});
    let mut mostly = vec![0.0; 40];
    mostly[37..].copy_from_slice(&[1.0, 2.0, 3.0]);
    let (p, _) = fit(robust.clone(), &column(&mostly)).unwrap();
    let kept = p.columns()[0].kept.as_ref().unwrap();
    assert_eq!((kept.spread, kept.center), (Spread::Sd, 0.0));
    close(kept.scale, 0.5722761571129799, 1e-9); // numpy.std

    let two = Array2::from_shape_fn((40, 2), |(i, j)| if j == 0 { 5.0 } else { i as f64 });
    let (p, m) = fit(robust.clone(), &two).unwrap();
    assert_eq!(m.ncols(), 1);
    assert_eq!(p.columns()[0].dropped.as_deref(), Some("constant"));
    assert!(p.warnings().iter().any(|w| w == "left out (constant): f0"));

    // One account of 1000 is different: winsorising takes it away.
    let mut rare = vec![0.0; 1000];
    rare[7] = 1.0;
    let raw = Array2::from_shape_fn((1000, 2), |(i, j)| if j == 0 { rare[i] } else { i as f64 });
    let (p, _) = fit(json!({}), &raw).unwrap();
    assert!(p.columns()[0].dropped.as_deref().unwrap().contains("winsorise"));

    // Rounding noise is no spread.
    let noise =
        Array2::from_shape_fn((40, 2), |(i, j)| if j == 0 { 0.1 * 3.0 + (i % 2) as f64 * 5e-17 } else { i as f64 });
    for scale in [json!("robust"), json!("standard"), Value::Null] {
        let (p, _) = fit(with(robust.clone(), "scale", scale), &noise).unwrap();
        assert!(p.columns()[0].kept.is_none());
    }
}

#[test]
fn nothing_that_varies_is_a_clear_error() {
    let e = fit(json!({}), &Array2::from_elem((9, 2), 3.0)).unwrap_err();
    assert_eq!(e.kind, Kind::NotReady);
    assert!(e.message.starts_with("every feature is constant"), "{}", e.message);
    assert!(e.hint.is_some());
    let e = fit(json!({}), &array![[1.0, 2.0]]).unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (Kind::NotReady, "every feature is constant: there is only one row"));
    let e = fit(json!({}), &Array2::zeros((0, 2))).unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (Kind::NotReady, "there are no rows to fit"));
    let e = fit(json!({}), &Array2::from_elem((9, 2), f64::NAN)).unwrap_err();
    assert_eq!(e.kind, Kind::NotReady);
    assert_eq!(Plan::from_json(None, &[]).unwrap_err().kind, Kind::NotReady);
}

#[test]
fn missing_and_infinite_values_become_the_median_and_are_counted() {
    let raw = array![
        [1.0, f64::NAN, 1.0],
        [f64::INFINITY, f64::NAN, 2.0],
        [3.0, 5.0, f64::NAN],
        [5.0, f64::NAN, 4.0],
        [f64::NAN, f64::NAN, 9.0],
        [7.0, f64::NEG_INFINITY, 5.0]
    ];
    let (p, m) = fit(with(plain(), "winsorise", Value::Null), &raw).unwrap();
    let c = &p.columns()[0];
    assert_eq!((c.missing, c.infinite, c.kept.as_ref().unwrap().median), (1, 1, 4.0));
    assert_eq!(p.columns()[1].dropped.as_deref(), Some("missing in 83.3 % of rows (limit 80.0 %)"));
    assert_eq!(p.columns()[1].infinite, 1);
    assert_eq!(m[[1, 0]], m[[4, 0]]);
    assert!(m.iter().all(|x| x.is_finite()));
    assert!(p
        .warnings()
        .iter()
        .any(|w| w.contains("\"f0\": 2 of 6 values missing (1 infinite), filled with the median 4")));
    let mut out = Vec::new();
    let o = p.apply(&[f64::NEG_INFINITY, 1.0, 4.0], &mut out).unwrap();
    assert_eq!((o.used, o.imputed, out[0]), (2, 1, m[[1, 0]]));

    let e = fit(with(plain(), "missing", json!("error")), &raw).unwrap_err();
    assert_eq!(e.message, "feature \"f0\" is missing in 2 of 6 rows (1 of them infinite)");
    let (p, _) = fit(with(plain(), "missing", json!("error")), &iris()).unwrap();
    let e = p.apply(&[1.0, f64::NAN, 1.0, f64::NAN], &mut out).unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (Kind::InvalidParameter, "2 of 4 features missing: f1, f3"));
    let e = p.apply(&[1.0], &mut out).unwrap_err();
    assert_eq!(e.message, "expected 4 features, got 1");
}

#[test]
fn values_a_transform_is_not_for() {
    let raw = array![[-1.0, 0.5], [2.0, 1.5], [3.0, 0.1], [9.0, 0.7]];
    let specs = [spec("a", "g", Transform::Log1p), spec("b", "g", Transform::Logit)];
    let (p, _) = fit_specs(json!({"winsorise": null}), &specs, &raw).unwrap();
    let used: Vec<Transform> = p.columns().iter().map(|c| c.kept.as_ref().unwrap().transform).collect();
    assert_eq!(used, [Transform::SignedLog1p, Transform::Identity]);
    assert!(p.warnings().iter().any(|w| w.contains("outside the range of log1p: signed_log1p used")));
    let e = fit_specs(json!({"transform": {"a": "log1p"}}), &specs, &raw).unwrap_err();
    assert_eq!(e.message, "transform log1p of feature \"a\" needs values of 0 and more, 1 of 4 are not, such as -1");
    let e = fit_specs(json!({"transform": {"b": "logit"}}), &specs, &raw).unwrap_err();
    assert!(e.message.contains("between 0 and 1"), "{}", e.message);
    // Later rows are pulled into the domain.
    let (p, m) = fit_specs(with(plain(), "transform", json!("log1p")), &specs, &raw.mapv(f64::abs)).unwrap();
    let mut out = Vec::new();
    p.apply(&[-5.0, 0.1], &mut out).unwrap();
    assert!(out.iter().all(|x| x.is_finite()) && out[1] == m[[2, 1]]);
}

#[test]
fn huge_values_are_refused_or_bounded() {
    let raw = column(&[-f64::MAX, f64::MAX, 1.0, f64::MAX, -f64::MAX]);
    for scale in ["standard", "robust"] {
        let e = fit(with(plain(), "scale", json!(scale)), &raw).unwrap_err();
        assert_eq!(e.kind, Kind::OutOfRange, "{}", e.message);
    }
    let (_, m) = fit(with(with(plain(), "transform", json!("asinh")), "pca", json!(0.9)), &raw).unwrap();
    assert!(m.iter().all(|x| x.is_finite()));
    let (p, _) = fit(with(plain(), "pca", json!(0.9)), &iris()).unwrap();
    let mut out = Vec::new();
    p.apply(&[f64::MAX, -f64::MAX, 5e-324, -0.0], &mut out).unwrap();
    assert!(out.iter().all(|x| x.is_finite()));
}

#[test]
fn near_duplicates_are_dropped_or_only_reported() {
    let (p, _) = fit(json!({"pca": null, "correlated": null}), &iris()).unwrap();
    let c = &p.correlated()[0];
    assert_eq!((p.correlated().len(), c.first.as_str(), c.second.as_str()), (1, "f2", "f3"));
    close(c.rho, 0.9376668235763412, 1e-9); // scipy.stats.spearmanr(petal_length, petal_width)
    assert!(p.warnings()[0].contains("nearly the same"));
    for plan in [json!({"pca": null}), json!({"pca": null, "correlated": 0.9})] {
        let (p, m) = fit(plan, &iris()).unwrap();
        assert_eq!((m.ncols(), p.correlated().len()), (3, 1));
        assert_eq!(p.columns()[3].dropped.as_deref(), Some("rank correlation 0.938 with f2 (limit 0.9)"));
        assert!(p.warnings().iter().any(|w| w == "left out (rank correlation 0.938 with f2 (limit 0.9)): f3"));
    }
    assert_eq!(fit(json!({"pca": null, "correlated": 0.95}), &iris()).unwrap().1.ncols(), 4);
}

#[test]
fn a_cancel_is_answered() {
    let control = Control::new();
    control.cancel();
    let s = specs(4);
    let plan = Plan::from_json(None, &s).unwrap();
    assert_eq!(Preparation::fit(&plan, &s, iris().view(), &control).unwrap_err().kind, Kind::Cancelled);
}

/// More rows than one chunk, any number of threads: the same bits.
#[test]
fn threads_do_not_change_a_bit() {
    let raw = Array2::from_shape_fn((10_000, 7), |(i, j)| ((i * (j + 3)) as f64 * 0.37).sin() * 10f64.powi(j as i32));
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (p, m) = pool.install(|| fit(json!({"transform": "asinh"}), &raw)).unwrap();
        (serde_json::to_string(&p).unwrap(), m.iter().map(|x| x.to_bits()).collect::<Vec<u64>>())
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(4));
}
