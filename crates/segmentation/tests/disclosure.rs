//! What an export under a stated number of accounts may hold.

use ndarray::Array2;
use segmentation::cluster::Algorithm;
use segmentation::control::Control;
use segmentation::model::{fit, FitInput, FitOptions, Model};
use segmentation::prepare::FeatureSpec;
use serde_json::{json, Value};
use std::collections::HashSet;

fn spec(name: &str) -> FeatureSpec {
    FeatureSpec { name: name.into(), label: name.into(), group: name.into(), ..FeatureSpec::default() }
}

/// Three groups of `rows` accounts in all; no two values are the same.
fn cloud(rows: usize, features: usize) -> Array2<f64> {
    let scatter = |i: usize, j: usize| ((i * (7919 + 1_299_709 * j) + j * 104_729 + 13) % 999_983) as f64 / 999_983.0;
    Array2::from_shape_fn((rows, features), |(i, j)| (i % 3) as f64 * 10.0 + scatter(i, j) * 4.0)
}

fn model(specs: Vec<FeatureSpec>, raw: &Array2<f64>, algorithm: Algorithm, preparation: Value) -> Model {
    let mut options = FitOptions { k: Some(3), algorithm, preparation: Some(preparation), ..FitOptions::default() };
    if !algorithm.supports().takes_k {
        options.k = None;
    }
    fit(FitInput { specs, raw: raw.clone(), volume: None }, &options, &Control::new()).unwrap().model
}

fn names(n: usize) -> Vec<FeatureSpec> {
    ["a", "b", "c"].iter().take(n).map(|name| spec(name)).collect()
}

/// Every number of a JSON with the key that it stands under.
fn numbers(value: &Value, key: &str, out: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(n) => out.push((key.to_string(), n.as_f64().unwrap())),
        Value::Array(all) => all.iter().for_each(|v| numbers(v, key, out)),
        Value::Object(all) => all.iter().for_each(|(k, v)| numbers(v, k, out)),
        _ => (),
    }
}

/// Values of accounts, raw and prepared, that stand in a JSON: medians and quartiles of many may be one of them.
fn leaks(json: &Value, model: &Model, raw: &Array2<f64>) -> Vec<(String, f64)> {
    let mut values: HashSet<u64> = raw.iter().map(|x| x.to_bits()).collect();
    for row in raw.outer_iter() {
        let mut out = Vec::new();
        model.preparation().apply(&row.to_vec(), &mut out).unwrap();
        values.extend(out.iter().map(|x| x.to_bits()));
    }
    let mut all = Vec::new();
    numbers(json, "", &mut all);
    all.retain(|(key, x)| values.contains(&x.to_bits()) && !["q25", "median", "q75", "c"].contains(&key.as_str()));
    all
}

#[test]
fn no_value_of_an_account_is_in_a_masked_model() {
    let plain = json!({"correlated": null});
    for (algorithm, preparation, what) in [
        (Algorithm::Kmeans, plain.clone(), "bounds"),
        (Algorithm::Kmeans, json!({"correlated": null, "scale": "quantile"}), "ranks"),
        (Algorithm::Dbscan, plain.clone(), "rows"),
        (Algorithm::Hdbscan, plain.clone(), "rows"),
        (Algorithm::GmmFull, plain, "bounds"),
    ] {
        // 401 values: the winsorising quantiles 0.5 % and 99.5 % are the third from either end themselves.
        let raw = cloud(401, 2);
        let model = model(names(2), &raw, algorithm, preparation);
        let personal = model.disclosure(20);
        let found = match what {
            "bounds" => personal.bounds == [0, 1] && personal.ranks.is_empty() && !personal.rows,
            "ranks" => personal.ranks == [0, 1],
            _ => personal.rows,
        };
        assert!(found, "{algorithm:?}, {what}: {personal:?}");
        assert!(!personal.reasons(&model).is_empty());
        let whole: Value = serde_json::from_str(&model.to_json().unwrap()).unwrap();
        assert!(!leaks(&whole, &model, &raw).is_empty(), "{algorithm:?}: a scan that finds nothing proves nothing");
        let masked = model.masked(&personal).unwrap();
        assert_eq!(leaks(&masked, &model, &raw), [], "{algorithm:?}, {what}");
        assert!(Model::from_json(&masked.to_string()).is_err(), "for reading only");
        // Without a stated number the model is whole.
        assert!(model.disclosure(1).is_empty());
        assert_eq!(model.masked(&model.disclosure(1)).unwrap(), whole);
    }
}

#[test]
fn enough_accounts_behind_every_figure() {
    // Ninety accounts beyond the reach of a segment of 9,000, and by 0.1 % of 27,000 at least 27 at either end.
    let raw = cloud(27_000, 2);
    let model = model(names(2), &raw, Algorithm::Kmeans, json!({"correlated": null, "winsorise": [0.001, 0.999]}));
    assert!(model.disclosure(27).is_empty(), "{:?}", model.disclosure(27));
    assert_eq!(model.disclosure(28).bounds, [0, 1]);
    assert!(!model.disclosure(90).reach && model.disclosure(91).reach);
    let whole: Value = serde_json::from_str(&model.to_json().unwrap()).unwrap();
    assert_eq!(leaks(&whole, &model, &raw), []);
    assert_eq!(model.disclosure(9001).small, [0, 1, 2]);
}

#[test]
fn a_bound_that_a_quarter_of_all_share_is_nobodys() {
    let mut raw = cloud(401, 2);
    (0..401).filter(|i| i % 3 == 0).for_each(|i| raw[[i, 0]] = 0.0);
    let model = model(names(2), &raw, Algorithm::Kmeans, json!({"correlated": null, "winsorise": [0.005, 0.9]}));
    // Of the first feature the lower bound is the 0 of 134 accounts, and 41 lie beyond the upper one.
    assert_eq!(model.disclosure(20).bounds, [1]);
}

#[test]
fn a_value_that_few_of_a_group_have() {
    let mut raw = cloud(6_003, 3);
    // One account of the first group has a value of c.
    (0..6_003).filter(|i| i % 3 == 0 && *i != 300).for_each(|i| raw[[i, 2]] = f64::NAN);
    let model = model(names(3), &raw, Algorithm::Kmeans, json!({"correlated": null, "missing": "median"}));
    let personal = model.disclosure(20);
    assert_eq!((personal.few.as_slice(), personal.small.as_slice()), ([2].as_slice(), [].as_slice()));
    let masked = model.masked(&personal).unwrap();
    assert_eq!(leaks(&masked, &model, &raw), []);
    for segment in masked["segments"].as_array().unwrap() {
        assert_eq!(segment["profile"][2], json!({"feature": "c", "masked": true}));
        assert!(segment["profile"][1]["mean"].is_f64() && segment.get("description").is_none());
    }
    // A centroid is the mean of 2,000 medians and of the one value.
    assert_eq!(masked["shape"], json!({"masked": true}));
}

#[test]
fn a_rare_value_of_a_category_has_no_name() {
    let block = |name: &str| FeatureSpec { block: Some("region".into()), ..spec(name) };
    let mut raw = Array2::zeros((6_000, 4));
    raw.slice_mut(ndarray::s![.., ..2]).assign(&cloud(6_000, 2));
    (0..6_000).for_each(|i| raw[[i, if i == 7 { 3 } else { 2 }]] = 1.0);
    let specs = vec![spec("a"), spec("b"), block("region=north"), block("region=atlantis")];
    let model = model(specs, &raw, Algorithm::Kmeans, json!({"correlated": null}));
    let personal = model.disclosure(20);
    assert_eq!(personal.rare, [3]);
    let masked = model.masked(&personal).unwrap().to_string();
    assert!(!masked.contains("atlantis") && masked.contains(r#"{"feature":"region","masked":true}"#), "{masked}");
    // The shares of a category add up to 1: what one value has, the others lack.
    assert!(!masked.contains("region=north"), "{masked}");
}

#[test]
fn a_value_of_one_account_among_zeros() {
    let mut raw = cloud(6_000, 3);
    (0..6_000).for_each(|i| raw[[i, 2]] = if i == 300 { 48_211.37 } else { 0.0 });
    let model = model(names(3), &raw, Algorithm::Kmeans, json!({"correlated": null, "winsorise": null}));
    let personal = model.disclosure(20);
    assert_eq!(personal.points, [2]);
    // Its mean times 6,000 is the value; the quartiles are the zeros of all others.
    let masked = model.masked(&personal).unwrap();
    let told = &masked["overall"][2];
    assert_eq!((&told["mean"], &told["lift"], &told["median"]), (&Value::Null, &Value::Null, &json!(0.0)));
    assert!(!masked.to_string().contains("48211") && !masked.to_string().contains("8.03"), "{masked}");
}

#[test]
fn trimmed_centres_and_exact_sums_give_no_account_away() {
    let mut raw = cloud(6_000, 2);
    raw[[7, 0]] = 5_000.0;
    let model = model(names(2), &raw, Algorithm::TrimmedKmeans, json!({"correlated": null, "winsorise": null}));
    let personal = model.disclosure(20);
    assert!(personal.trimmed && !personal.is_empty());
    let masked = model.masked(&personal).unwrap();
    assert_eq!(masked["shape"], json!({"masked": true}));
    // Numbers have three digits: no difference of two sums is an account.
    let mut all = Vec::new();
    numbers(&masked["segments"], "", &mut all);
    all.retain(|(key, x)| key != "accounts" && *x != format!("{x:.2e}").parse::<f64>().unwrap());
    assert_eq!(all, []);
}

#[test]
fn noise_is_what_the_segments_leave() {
    let mut raw = cloud(600, 2);
    (0..5).for_each(|i| raw[[i * 17, 0]] = 900.0 + 100.0 * i as f64);
    let model = model(names(2), &raw, Algorithm::Dbscan, json!({"correlated": null, "winsorise": null}));
    let personal = model.disclosure(20);
    assert!((5..20).contains(&model.quality.noise), "{}", model.quality.noise);
    assert_eq!(personal.noise, Some(model.quality.noise));
    assert!(!personal.hidden.is_empty(), "the noise is what the segments leave of all accounts");
    assert_eq!(leaks(&model.masked(&personal).unwrap(), &model, &raw), []);
}

#[test]
fn a_single_feature() {
    let raw = cloud(600, 1);
    let model = model(names(1), &raw, Algorithm::Kmeans, json!({"winsorise": null}));
    let personal = model.disclosure(20);
    assert!(personal.reach && personal.bounds.is_empty());
    assert_eq!(model.masked(&personal).unwrap()["shape"], json!({"masked": true}));
}

#[test]
fn rules_about_few() {
    let raw = cloud(90, 2);
    let model = model(names(2), &raw, Algorithm::Kmeans, json!({"correlated": null, "winsorise": null}));
    let rules = model.rules().unwrap();
    assert!(rules.smallest >= 5 && rules.smallest <= rules.grown_on / 2, "{rules:?}");
    assert!(!model.disclosure(rules.smallest).rules && model.disclosure(rules.smallest + 1).rules);
    let masked = model.masked(&model.disclosure(rules.smallest + 1)).unwrap();
    assert_eq!(masked["rules"], json!({"masked": true}));
}
