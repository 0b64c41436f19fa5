//! The model: known clusterings, names and figures, scoring, JSON, and the edges.
//! `data/prepare_oracle.json` was written by `data/prepare_oracle.py` (scikit-learn, numpy).

#[path = "model/damage.rs"]
mod damage;
#[path = "model/stored.rs"]
mod stored;

use ndarray::{array, Array2};
use segmentation::cluster::{adjusted_rand_index, Settings};
use segmentation::model::{fit, Fit, FitInput, FitOptions, Model};
use segmentation::prepare::{FeatureSpec, Transform};
use segmentation::{Control, Kind, Result};
use serde_json::{json, Map, Value};

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1e-3), "{a} is not {b}");
}

fn spec(name: &str, label: &str, unit: &str, transform: Transform) -> FeatureSpec {
    FeatureSpec {
        name: name.into(),
        label: label.into(),
        unit: unit.into(),
        group: "all".into(),
        transform,
        ..FeatureSpec::default()
    }
}

fn iris() -> FitInput {
    let values: Vec<f64> = include_str!("data/iris.csv")
        .lines()
        .skip(1)
        .flat_map(|l| l.split(',').take(4).map(|x| x.parse().unwrap()).collect::<Vec<f64>>())
        .collect();
    let specs = ["sepal_length", "sepal_width", "petal_length", "petal_width"];
    FitInput {
        specs: specs.iter().map(|n| spec(n, &n.replace('_', " "), "cm", Transform::Identity)).collect(),
        raw: Array2::from_shape_vec((150, 4), values).unwrap(),
        volume: None,
    }
}

fn species() -> Vec<u32> {
    (0..150).map(|i| i / 50).collect()
}

fn plain() -> Value {
    json!({"transform": "identity", "winsorise": null, "scale": "standard", "pca": null, "correlated": null})
}

fn run(input: FitInput, k: Option<usize>, preparation: Value) -> Result<Fit> {
    let options = FitOptions { k, preparation: Some(preparation), ..FitOptions::default() };
    fit(input, &options, &Control::new())
}

/// Effects and p-values of the species of iris against SciPy, adjusted over all of them.
#[test]
fn effects_and_p_values_are_scipys() {
    let oracle: Value = serde_json::from_str(include_str!("data/rules_oracle.json")).unwrap();
    // Three segments that are the species: a first column far apart, which is not part of the comparison.
    let mut input = iris();
    let raw = Array2::from_shape_fn((150, 5), |(i, j)| if j == 4 { (i / 50) as f64 * 1e3 } else { input.raw[[i, j]] });
    input.specs.push(spec("species", "", "", Transform::Identity));
    let f = run(
        FitInput { raw, ..input },
        Some(3),
        json!({"winsorise": null, "scale": null, "pca": null, "correlated": null}),
    )
    .unwrap();
    assert_eq!(adjusted_rand_index(&f.labels, &species()), 1.0);
    let mut p = Vec::new();
    for test in oracle["tests"].as_array().unwrap() {
        let (j, s) = (test["feature"].as_u64().unwrap() as usize, test["segment"].as_u64().unwrap() as usize);
        let found = &f.model.segments[f.labels[50 * s] as usize].profile[j];
        close(found.effect.unwrap(), test["delta"].as_f64().unwrap(), 1e-12);
        let expected = test["p"].as_f64().unwrap();
        assert!((found.p.unwrap() / expected - 1.0).abs() < 1e-9, "{:?} is not {expected}", found.p);
        p.push((found.p.unwrap(), found.p_adjusted.unwrap()));
    }
    // The adjustment is over all 15 tests, with the three of the added column.
    p.extend(f.model.segments.iter().map(|s| (s.profile[4].p.unwrap(), s.profile[4].p_adjusted.unwrap())));
    p.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut least = 1.0f64;
    for (rank, (raw, adjusted)) in p.iter().enumerate().rev() {
        least = least.min(raw * 15.0 / (rank + 1) as f64);
        assert!((adjusted / least - 1.0).abs() < 1e-12);
    }
}

/// Three kinds of accounts: retail, market makers, whales; some figures missing.
fn accounts() -> (FitInput, Vec<u32>) {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut raw = Vec::new();
    let mut truth = Vec::new();
    for i in 0..300u32 {
        let kind = if i < 180 {
            0
        } else if i < 260 {
            1
        } else {
            2
        };
        let (size, maker, spot) = [(1e4, 0.2, 0.9), (2e6, 0.9, 0.3), (5e7, 0.3, 0.1)][kind as usize];
        raw.extend([size * (0.5 + random()), maker + 0.1 * random(), spot * (0.7 + 0.3 * random()), 1.0]);
        if i % 29 == 0 {
            let at = raw.len() - 2;
            raw[at] = f64::NAN;
        }
        truth.push(kind);
    }
    let raw = Array2::from_shape_vec((300, 4), raw).unwrap();
    let specs = vec![
        spec("volume_usd", "trading volume", "USD", Transform::Asinh),
        spec("maker_ratio", "maker share", "share", Transform::Identity),
        spec("share_spot", "spot share", "share", Transform::Hellinger),
        spec("always", "always the same", "", Transform::Identity),
    ];
    let volume = Some(raw.column(0).to_vec());
    (FitInput { specs, raw, volume }, truth)
}

#[test]
fn iris_is_clustered_as_scikit_learn_does() {
    let f = run(iris(), Some(3), plain()).unwrap();
    let q = &f.model.quality;
    close(q.inertia, 139.8204963597, 1e-6);
    let sizes: Vec<u64> = f.model.segments.iter().map(|s| s.accounts).collect();
    assert_eq!(sizes, [53, 50, 47]);
    assert_eq!(f.model.segments.iter().map(|s| s.id).collect::<Vec<_>>(), [1, 2, 3]);
    let oracle: Value = serde_json::from_str(include_str!("data/prepare_oracle.json")).unwrap();
    close(q.silhouette.unwrap(), oracle["standard_kmeans"]["silhouette"].as_f64().unwrap(), 1e-6);
    close(q.separation, 1.0 - 139.8204963597 / 600.0, 1e-6);
    assert_eq!((q.silhouette_rows, q.explained_variance, q.k_reason.as_str()), (150, 1.0, "k was given"));

    let mut raw_scale = plain();
    raw_scale["scale"] = Value::Null;
    let f = run(iris(), Some(3), raw_scale).unwrap();
    close(f.model.quality.inertia, 78.85144143, 1e-6);
    close(f.model.quality.silhouette.unwrap(), 0.5528190124, 1e-6);
    let sizes: Vec<u64> = f.model.segments.iter().map(|s| s.accounts).collect();
    assert_eq!(sizes, [62, 50, 38]);
    close(adjusted_rand_index(&f.labels, &species()), 0.7302382723, 1e-9);
    for (got, expected) in
        f.model.shape().centre(0).unwrap().iter().zip([5.9016129, 2.74838710, 4.39354839, 1.43387097])
    {
        close(*got, expected, 1e-7);
    }
}

#[test]
fn k_is_chosen_when_not_given() {
    let f = run(iris(), None, plain()).unwrap();
    let q = &f.model.quality;
    assert_eq!(f.model.k(), 2); // what the silhouette of iris says
    assert_eq!(q.k_table.len(), 10);
    assert!(q.guard.p.unwrap() < 0.05 && q.k_table[1].jaccard.unwrap() > 0.9 && q.k_table[9].passed_over.is_some());
    let row = q.k_table.iter().find(|r| r.k == 2).unwrap();
    assert_eq!((q.silhouette, q.silhouette_rows), (row.silhouette, 150));
    assert!(!q.k_reason.is_empty());
}

#[test]
fn profiles_are_in_original_units() {
    let f = run(iris(), Some(3), plain()).unwrap();
    let setosa = &f.model.segments[f.labels[0] as usize];
    let p = &setosa.profile[2];
    // numpy.quantile of the 50 setosa petal lengths, and of all 150
    assert_eq!((p.feature.as_str(), p.n), ("petal_length", 50));
    close(p.q25.unwrap(), 1.4, 1e-12);
    close(p.median.unwrap(), 1.5, 1e-12);
    close(p.q75.unwrap(), 1.575, 1e-12);
    close(p.mean.unwrap(), 1.462, 1e-12);
    close(p.lift.unwrap(), 1.462 / 3.758, 1e-9);
    close(p.z.unwrap(), (1.5 - 4.35) / (1.482602218505602 * 1.25), 1e-9);
    // (1.462 - mean) / population sd of all
    close(p.difference.unwrap(), (1.462 - 3.758) / 1.7594040657753032, 1e-9);
    assert_eq!(setosa.name, "low petal length, low petal width");
    assert_eq!(
        setosa.description,
        "50 accounts (33.3 %); petal length 1.50 cm (all: 4.35 cm); petal width 0.20 cm (all: 1.30 cm)"
    );
    assert_eq!(f.model.overall[2].n, 150);
    close(f.model.overall[2].median.unwrap(), 4.35, 1e-12);
}

#[test]
fn planted_accounts_are_found_named_and_explained() {
    let (input, truth) = accounts();
    let f = run(input, None, json!({"scale": "robust"})).unwrap();
    // Not 1: an account whose spot share is missing looks like the median account.
    assert!(adjusted_rand_index(&f.labels, &truth) > 0.98);
    let names: Vec<&str> = f.model.segments.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "low trading volume, high spot share",
            "high maker share, high trading volume",
            "low spot share, high trading volume"
        ]
    );
    let total: f64 = f.model.segments.iter().map(|s| s.volume_share.unwrap()).sum();
    close(total, 1.0, 1e-12);
    let d = &f.model.segments[1].description;
    assert!(d.starts_with("82 accounts (27.3 %), ") && d.contains("; maker share 0.9"), "{d}");
    assert!(f.model.segments[2].description.contains("00,000 USD (all: "), "{}", f.model.segments[2].description);
    let warnings = f.model.provenance.warnings.join("\n");
    assert!(warnings.contains("left out (constant): always"), "{warnings}");
    assert!(warnings.contains("feature \"share_spot\": 11 of 300 values missing"), "{warnings}");
    assert_eq!(f.model.feature_names(), ["volume_usd", "maker_ratio", "share_spot", "always"]);
    let p = &f.model.provenance;
    assert_eq!((p.rows, p.prng.as_str(), p.rows_hash.len()), (300, "chacha8", 32));
}

#[test]
fn a_training_row_is_scored_as_it_was_labelled() {
    for preparation in [json!({}), plain(), json!({"pca": {"components": 1}}), json!({"winsorise": [0.1, 0.9]})] {
        let (input, _) = accounts();
        let raw = input.raw.clone();
        let f = run(input, Some(4), preparation).unwrap();
        let back = Model::from_json(&f.model.to_json().unwrap()).unwrap();
        let mut scratch = Vec::new();
        for (row, &label) in raw.outer_iter().zip(&f.labels) {
            let a = f.model.assign(&row.to_vec()).unwrap();
            assert_eq!(a.index, Some(label as usize));
            assert_eq!(a, back.assign_with(&row.to_vec(), &mut scratch).unwrap());
            assert_eq!(a.segment_id, Some(label as i32 + 1));
            assert!(a.margin.is_some_and(|m| (0.0..=1.0).contains(&m)) && a.second_id != a.segment_id);
        }
    }
}

/// Whole numbers: many rows lie exactly between two centroids.
#[test]
fn ties_are_scored_as_labelled_too() {
    for k in 1..=8 {
        let raw = Array2::from_shape_fn((400, 2), |(i, j)| if j == 0 { (i % 8) as f64 } else { (i / 8 % 4) as f64 });
        let specs = vec![spec("a", "a", "", Transform::Identity), spec("b", "b", "", Transform::Identity)];
        let preparation = json!({"winsorise": null, "scale": null, "pca": null, "weights": null});
        let f = run(FitInput { specs, raw: raw.clone(), volume: None }, Some(k), preparation).unwrap();
        let sizes: Vec<u64> = f.model.segments.iter().map(|s| s.accounts).collect();
        assert_eq!(sizes.iter().sum::<u64>(), 400);
        for (row, &label) in raw.outer_iter().zip(&f.labels) {
            assert_eq!(f.model.assign(&row.to_vec()).unwrap().index, Some(label as usize));
        }
    }
}

#[test]
fn missing_features_are_counted_and_too_many_are_said_so() {
    let f = run(iris(), Some(3), plain()).unwrap();
    let a = f.model.assign(&[5.0, f64::NAN, 1.4, 0.2]).unwrap();
    assert_eq!((a.imputed, a.insufficient), (1, false));
    let a = f.model.assign(&[5.0, f64::NAN, f64::INFINITY, 0.2]).unwrap();
    assert_eq!((a.imputed, a.insufficient), (2, true));
    assert!(f.model.assign(&[f64::NAN; 4]).unwrap().insufficient);
    assert_eq!(f.model.assign(&[1.0; 3]).unwrap_err().kind, Kind::InvalidParameter);
    let extreme = f.model.assign(&[f64::MAX, -f64::MAX, f64::MAX, 5e-324]).unwrap();
    assert!(extreme.distance.is_finite() && extreme.margin.is_some_and(f64::is_finite));
}

#[test]
fn named_features() {
    let f = run(iris(), Some(3), plain()).unwrap();
    let named = |v: Value| f.model.assign_named(v.as_object().unwrap());
    let all = json!({"petal_width": 0.2, "sepal_length": 5, "sepal_width": 3.5, "petal_length": 1.4});
    assert_eq!(named(all).unwrap(), f.model.assign(&[5.0, 3.5, 1.4, 0.2]).unwrap());
    let a = named(json!({"petal_width": null, "sepal_length": 5, "petal_length": 1.4})).unwrap();
    assert_eq!(a.imputed, 2);
    let e = named(json!({"petal_witdh": 0.2})).unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (Kind::InvalidParameter, "the model has no feature \"petal_witdh\""));
    assert_eq!(e.hint.as_deref(), Some("its features: sepal_length, sepal_width, petal_length, petal_width"));
    let e = named(json!({"petal_width": "wide"})).unwrap_err();
    assert_eq!(e.message, "feature \"petal_width\" must be a number, got \"wide\"");
    assert!(f.model.assign_named(&Map::new()).unwrap().insufficient);
}

#[test]
fn one_segment_is_an_answer() {
    let f = run(iris(), Some(1), plain()).unwrap();
    let s = &f.model.segments[0];
    assert_eq!((s.name.as_str(), s.description.as_str()), ("all accounts", "150 accounts (100.0 %)"));
    let a = f.model.assign(&[5.0, 3.5, 1.4, 0.2]).unwrap();
    assert_eq!((a.index, a.second_id, a.margin), (Some(0), None, None));
    assert_eq!((f.model.quality.silhouette, f.model.quality.separation), (None, 0.0));
    Model::from_json(&f.model.to_json().unwrap()).unwrap();

    let raw = array![[1.0], [2.0]];
    let specs = vec![spec("a", "", "", Transform::Identity)];
    let f = run(FitInput { specs, raw, volume: None }, None, plain()).unwrap();
    assert_eq!(f.model.k(), 1);
    assert!(f.model.provenance.warnings.iter().any(|w| w.starts_with("no segment structure")));
}

#[test]
fn what_the_data_cannot_answer() {
    let error = |raw: Array2<f64>, k: Option<usize>, p: Value| {
        let specs = (0..raw.ncols()).map(|i| spec(&format!("f{i}"), "", "", Transform::Identity)).collect();
        run(FitInput { specs, raw, volume: None }, k, p).unwrap_err()
    };
    let e = error(Array2::from_elem((50, 2), 7.0), None, json!({}));
    assert_eq!(e.kind, Kind::NotReady);
    assert!(e.message.starts_with("every feature is constant") && e.hint.is_some(), "{}", e.message);
    assert_eq!(error(Array2::zeros((0, 2)), None, json!({})).kind, Kind::NotReady);
    assert_eq!(error(Array2::zeros((1, 2)), Some(1), json!({})).kind, Kind::NotReady);
    let two = Array2::from_shape_fn((50, 2), |(i, _)| (i % 2) as f64);
    let e = error(two.clone(), Some(3), plain());
    assert_eq!(e.kind, Kind::NotReady);
    assert_eq!(e.message, "3 segments asked for, but there are only 2 distinct accounts");
    for (k, k_max, n_init) in [(Some(0), 10, 10), (Some(10_001), 10, 10), (None, 0, 10), (None, 10, 0)] {
        let settings = Settings { n_init, ..Settings::default() };
        let options = FitOptions { k, k_max, settings, ..FitOptions::default() };
        assert_eq!(fit(iris(), &options, &Control::new()).unwrap_err().kind, Kind::InvalidParameter);
    }
    let mut input = iris();
    input.volume = Some(vec![1.0]);
    assert_eq!(run(input, None, plain()).unwrap_err().message, "1 volumes for 150 rows");
    let control = Control::new();
    control.cancel();
    assert_eq!(fit(iris(), &FitOptions::default(), &control).unwrap_err().kind, Kind::Cancelled);
}

#[test]
fn a_column_without_values_and_infinities_do_no_harm() {
    let mut input = iris();
    input.raw.column_mut(1).fill(f64::NAN);
    input.raw[[3, 0]] = f64::INFINITY;
    input.raw[[4, 0]] = f64::NEG_INFINITY;
    input.volume = Some(vec![f64::NAN; 150]);
    let f = run(input, Some(3), json!({})).unwrap();
    let warnings = f.model.provenance.warnings.join("\n");
    assert!(warnings.contains("left out (missing in every row): sepal_width"), "{warnings}");
    assert!(warnings.contains("\"sepal_length\": 2 of 150 values missing (2 infinite)"), "{warnings}");
    for s in &f.model.segments {
        assert_eq!(
            (s.profile[1].n, s.profile[1].median, s.profile[1].difference, s.volume_share),
            (0, None, None, None)
        );
    }
    // The dropped feature keeps its place and does not count as missing.
    let a = f.model.assign(&[5.0, f64::NAN, 1.4, 0.2]).unwrap();
    assert_eq!(a.imputed, 0);
    Model::from_json(&f.model.to_json().unwrap()).unwrap();
}

#[test]
fn names_are_unique() {
    // Four corners of a square, and the same label for everything.
    let raw = Array2::from_shape_fn((200, 3), |(i, j)| match j {
        0 => (i % 4) as f64 * 10.0 + (i as f64 * 0.7).sin(),
        1 => (i % 4) as f64 * 10.0 + (i as f64 * 0.9).cos(),
        _ => (i as f64 * 1.3).sin(),
    });
    let specs = (0..3).map(|i| spec(&format!("f{i}"), "size", "", Transform::Identity)).collect();
    let f = run(FitInput { specs, raw, volume: None }, Some(4), json!({"pca": null})).unwrap();
    let mut names: Vec<&str> = f.model.segments.iter().map(|s| s.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn whitening_does_not_lead_beyond_numbers() {
    let raw = Array2::from_shape_fn((40, 2), |(i, j)| ((i * (j + 2) * 7) % 11) as f64 * 1e-150);
    let specs = ["a", "b"].map(|name| spec(name, name, "", Transform::Identity)).to_vec();
    let preparation =
        json!({"scale": null, "winsorise": null, "weights": null, "pca": {"components": 2, "whiten": true}});
    let m = run(FitInput { specs, raw, volume: None }, Some(2), preparation).unwrap().model;
    let far = [1e300, -1e300];
    let found = m.assign(&far).unwrap();
    assert!(found.distance.is_finite() && found.margin.is_some_and(|margin| (0.0..=1.0).contains(&margin)));
    let sum: f64 = m.probabilities(&far).unwrap().unwrap().iter().sum();
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
}
