//! What an algorithm finds in all rows and not in a sample of them: it is told, and nothing fails.

use ndarray::{Array2, ArrayView2};
use segmentation::cluster::{
    adjusted_rand_index, choose_k, guard, Algorithm, ChooseOptions, Clusterer, Clustering, Columns, Settings,
};
use segmentation::model::{fit, stability, FitInput, FitOptions, StabilityOptions};
use segmentation::prepare::FeatureSpec;
use segmentation::{Control, Error, Kind, Result};
use serde_json::json;

#[path = "kmeans/oracle.rs"]
#[allow(dead_code)]
mod oracle;
use oracle::blobs;

fn kmeans() -> Box<dyn Clusterer> {
    Algorithm::Kmeans.clusterer(&Settings { n_init: 3, moves: 0, ..Settings::default() }, 0).unwrap()
}

/// k-means that refuses some matrices.
struct Picky {
    refuses: fn(rows: usize, k: usize) -> bool,
    kind: Kind,
}

impl Clusterer for Picky {
    fn fit(&self, data: ArrayView2<f64>, k: usize, seed: u64, control: &Control) -> Result<Clustering> {
        if (self.refuses)(data.nrows(), k) {
            return Err(Error::new(self.kind, "these cannot be told apart"));
        }
        kmeans().fit(data, k, seed, control)
    }
}

/// Rows of `groups` squares of side 1, ten apart along the diagonal, row i in square i % groups.
fn squares(rows: usize, groups: usize) -> (Array2<f64>, Vec<u32>) {
    let part = |i: usize, f: usize| ((i * [7_919, 104_729][f]) % 10_007) as f64 / 10_007.0;
    let data = Array2::from_shape_fn((rows, 2), |(i, f)| 10.0 * (i % groups) as f64 + part(i, f));
    (data, (0..rows).map(|i| (i % groups) as u32).collect())
}

fn input(data: &Array2<f64>) -> FitInput {
    let spec = |name: &str| FeatureSpec { name: name.into(), group: "own".into(), ..FeatureSpec::default() };
    FitInput { specs: vec![spec("a"), spec("b")], raw: data.clone(), volume: None }
}

#[test]
fn a_sample_that_cannot_be_clustered_has_no_p() {
    let data = blobs(400, 3, 3, 1.0, 5);
    let rows: Vec<usize> = (0..100).collect();
    for kind in [Kind::NotReady, Kind::InvalidParameter, Kind::LimitExceeded] {
        let picky = Picky { refuses: |rows, _| rows < 200, kind };
        let found = guard(data.view(), &rows, &Columns(data.view()), &picky, 3, 10, 1, &Control::new()).unwrap();
        assert_eq!((found.p, found.rows, found.is_chance()), (None, 100, false));
        let words = "structure not tested: 100 of 400 rows could not be clustered: these cannot be told apart";
        assert_eq!(found.in_words(), words);
    }
    // What is wrong with the numbers is wrong with all of them.
    let picky = Picky { refuses: |_, _| true, kind: Kind::OutOfRange };
    let error = guard(data.view(), &rows, &Columns(data.view()), &picky, 3, 10, 1, &Control::new()).unwrap_err();
    assert_eq!(error.kind, Kind::OutOfRange);
}

#[test]
fn settings_that_count_accounts_hold_in_a_sample() {
    // Groups of 1,000 of 4,000: in the 2,000 rows of the guard about 500 each.
    let (data, truth) = squares(4_000, 4);
    let control = Control::new();
    let settings = [
        (Algorithm::Hdbscan, Settings { min_cluster_size: Some(700), min_points: Some(10), ..Settings::default() }),
        // About 75 neighbours within 0.15, in the sample half of them.
        (Algorithm::Dbscan, Settings { eps: Some(0.15), min_points: Some(30), ..Settings::default() }),
    ];
    for (algorithm, settings) in settings {
        let preparation = Some(json!({"scale": null, "pca": null, "winsorise": null, "weights": null}));
        let options = FitOptions { algorithm, settings, preparation, ..FitOptions::default() };
        let found = fit(input(&data), &options, &control).unwrap();
        let model = found.model;
        assert!(adjusted_rand_index(&found.labels, &truth) > 0.999, "{}", algorithm.name());
        assert_eq!(model.quality.guard.p, Some(1.0 / 51.0), "{:?}", model.quality.guard);
        // So do refits: every group comes back.
        let few = StabilityOptions { resamples: 5, rows: 500, ..StabilityOptions::default() };
        let found = stability(&model, data.view(), &few, &control).unwrap();
        for segment in &found.segments {
            let segment = segment.unwrap();
            assert!(segment.resamples == 5 && segment.jaccard > 0.9, "{} {segment:?}", algorithm.name());
        }
    }
}

#[test]
fn a_model_is_stored_where_its_sample_cannot_be_clustered() {
    // Two crowds of three equal accounts each among 6,000 who are alone: a third of them hardly has three of a crowd.
    let (data, _) = squares(6_000, 4);
    let settings = Settings { eps: Some(1e-9), min_points: Some(3), ..Settings::default() };
    let crowds = Array2::from_shape_fn((6_000, 2), |(i, f)| data[(if i < 6 { i / 3 } else { i }, f)]);
    let preparation = Some(json!({"scale": null, "pca": null, "winsorise": null, "weights": null}));
    let options = FitOptions { algorithm: Algorithm::Dbscan, settings, preparation, ..FitOptions::default() };
    let model = fit(input(&crowds), &options, &Control::new()).unwrap().model;
    assert_eq!((model.k(), model.quality.noise, model.quality.guard.p), (2, 5_994, None));
    let told = "structure not tested: 2000 of 6000 rows could not be clustered: every account is noise";
    assert!(model.provenance.warnings.iter().any(|w| w.starts_with(told)), "{:?}", model.provenance.warnings);
}

#[test]
fn duplicates_leave_the_gap_and_stability_without_an_answer() {
    // Eleven distinct rows, ten of them once.
    let mut data = Array2::zeros((20_000, 1));
    (0..10).for_each(|i| data[(i, 0)] = 100.0 * (i + 1) as f64);
    let options = ChooseOptions { resamples: 6, splits: 4, references: 4, ..ChooseOptions::all(4, 1) };
    let choice =
        choose_k(data.view(), &*kmeans(), &*kmeans(), &Columns(data.view()), &options, &Control::new()).unwrap();
    assert_eq!((choice.k, choice.rows.len()), (1, 4));
    let last = &choice.rows[3];
    assert_eq!((last.gap, last.weakest), (None, None));
    assert_eq!(last.passed_over.as_deref(), Some("only 0 of 6 resamples could be clustered"));
}

#[test]
fn one_k_that_cannot_be_fitted_leaves_the_others() {
    let data = blobs(400, 3, 3, 1.0, 5);
    let options = ChooseOptions { resamples: 5, guard: 0, splits: 4, references: 4, ..ChooseOptions::all(5, 1) };
    for kind in [Kind::LimitExceeded, Kind::NotReady] {
        let picky = Picky { refuses: |_, k| k == 4, kind };
        let choice = choose_k(data.view(), &picky, &picky, &Columns(data.view()), &options, &Control::new()).unwrap();
        assert_eq!(choice.k, 3);
        assert_eq!(choice.rows[3].passed_over.as_deref(), Some("these cannot be told apart"));
        assert!(choice.rows[3].gap.is_none() && choice.rows[4].gap.is_some() && choice.rows[2].gap.is_some());
        let picky = Picky { refuses: |_, k| k == 1, kind };
        let error = choose_k(data.view(), &picky, &picky, &Columns(data.view()), &options, &Control::new());
        assert_eq!(error.unwrap_err().kind, kind);
    }
}

#[test]
fn a_k_whose_resamples_fail_is_not_stable() {
    let data = blobs(600, 3, 3, 1.0, 5);
    let options = ChooseOptions { resamples: 8, guard: 0, replicate_rows: 200, ..ChooseOptions::rule(3, 1) };
    let light = Picky { refuses: |_, k| k == 3, kind: Kind::NotReady };
    let choice = choose_k(data.view(), &*kmeans(), &light, &Columns(data.view()), &options, &Control::new()).unwrap();
    assert_ne!(choice.k, 3);
    let three = &choice.rows[2];
    assert!(three.silhouette.unwrap() > 0.5, "{three:?}");
    assert_eq!(three.passed_over.as_deref(), Some("only 0 of 8 resamples could be clustered"));
}
