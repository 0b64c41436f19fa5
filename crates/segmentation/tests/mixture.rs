//! Gaussian mixtures: published numbers, scikit-learn from the same start as oracle, linfa as second oracle, and the
//! promises about threads, cancelling, degenerate data and stored models.

use linfa::traits::Fit;
use ndarray::{array, concatenate, Array2, Axis};
use segmentation::cluster::{
    adjusted_rand_index, mixture, Algorithm, Covariance, Mixture, MixtureFit, MixtureParams, Settings, Shape,
};
use segmentation::{Control, Kind};
use serde_json::{json, Value};
use std::time::{Duration, Instant};

#[path = "kmeans/oracle.rs"]
#[allow(dead_code)]
mod oracle;
use oracle::{blobs, iris};

const KINDS: [Covariance; 4] = [Covariance::Full, Covariance::Tied, Covariance::Diagonal, Covariance::Spherical];

fn fit(data: &Array2<f64>, params: &MixtureParams) -> MixtureFit {
    mixture(data.view(), params, &Control::new()).unwrap()
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not within {tolerance} of {b}");
}

fn sklearn() -> Value {
    serde_json::from_str(include_str!("data/mixture_oracle.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn labels(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
}

fn rows(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, f)| rows[i][f])
}

#[test]
fn iris_published_bic_from_one_to_five_components() {
    let (data, species) = iris();
    for case in sklearn()["iris"].as_array().unwrap() {
        let k = case["k"].as_u64().unwrap() as usize;
        let params = MixtureParams { init: Some(labels(&case["start"])), ..MixtureParams::new(Covariance::Full, k, 0) };
        let fit = fit(&data, &params);
        close(fit.bic(), case["bic"].as_f64().unwrap(), 1e-4);
        close(adjusted_rand_index(&fit.labels, &species), case["ari"].as_f64().unwrap(), 1e-12);
        // The starts of our own find the same, or with four and five components, where there are many optima, another.
        let own = self::fit(&data, &MixtureParams::new(Covariance::Full, k, 7));
        assert!(k > 3 || (own.bic() - fit.bic()).abs() < 1e-4, "k = {k}: {} is not {}", own.bic(), fit.bic());
    }
}

#[test]
fn iris_two_and_three_full_components() {
    let (data, species) = iris();
    let two = fit(&data, &MixtureParams::new(Covariance::Full, 2, 1));
    close(two.log_likelihood, -214.35470460, 1e-6);
    assert_eq!(two.mixture.parameters(), 29);
    let three = fit(&data, &MixtureParams::new(Covariance::Full, 3, 1));
    close(three.log_likelihood, -180.18547759, 1e-5);
    close(adjusted_rand_index(&three.labels, &species), 0.9038742318, 1e-10);
    assert!(two.converged && three.converged);
}

#[test]
fn every_covariance_is_what_scikit_learn_finds_from_the_same_start() {
    let oracle = sklearn();
    let (iris, wine) = (iris().0, rows(&oracle["wine"]));
    for case in oracle["cases"].as_array().unwrap() {
        let kind = KINDS.into_iter().find(|kind| kind.name() == case["kind"]).unwrap();
        let k = case["k"].as_u64().unwrap() as usize;
        let data = if case["data"] == "iris" { &iris } else { &wine };
        let init = Some(labels(&case["start"]));
        let fit = fit(data, &MixtureParams { init, tol: 1e-13, max_iter: 100_000, ..MixtureParams::new(kind, k, 0) });
        let what = format!("{} {} {k}", case["data"], kind.name());
        let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "{what}: {a} instead of {b}");
        near(fit.log_likelihood, case["log_likelihood"].as_f64().unwrap());
        near(fit.bic(), case["bic"].as_f64().unwrap());
        assert_eq!(fit.mixture.parameters() as u64, case["parameters"].as_u64().unwrap(), "{what}");
        let pairs = |ours: &[f64], theirs: Vec<f64>| {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).for_each(|(&a, b)| near(a, b));
        };
        pairs(fit.mixture.weights(), numbers(&case["weights"]));
        pairs(fit.mixture.means().as_slice().unwrap(), rows(&case["means"]).into_raw_vec_and_offset().0);
        let shape = Shape::Mixture(fit.mixture.clone());
        let posterior = rows(&case["posterior"]);
        for (i, row) in numbers(&case["rows"]).into_iter().enumerate() {
            let x = data.row(row as usize).to_vec();
            near(fit.mixture.log_density(&x), numbers(&case["densities"])[i]);
            let ours = shape.probabilities(&x).unwrap();
            close(ours.iter().sum(), 1.0, 1e-12);
            pairs(&ours, posterior.row(i).to_vec());
        }
    }
}

#[test]
fn linfa_agrees_on_means_of_blobs_that_stand_apart() {
    let data = blobs(600, 3, 4, 0.4, 11);
    let ours = fit(&data, &MixtureParams::new(Covariance::Full, 4, 3));
    let theirs = linfa_clustering::GaussianMixtureModel::params(4).tolerance(1e-9).n_runs(10);
    let theirs = theirs.fit(&linfa::DatasetBase::from(data)).unwrap();
    for mean in ours.mixture.means().outer_iter() {
        let nearest = theirs.means().outer_iter().map(|other| (&mean - &other).mapv(|d| d * d).sum().sqrt());
        assert!(nearest.fold(f64::INFINITY, f64::min) < 1e-3);
    }
}

#[test]
fn training_rows_score_as_they_were_labelled_and_one_in_a_hundred_is_an_outlier() {
    let data = blobs(5003, 5, 4, 1.5, 5);
    for kind in KINDS {
        let fit = fit(&data, &MixtureParams { n_init: 2, ..MixtureParams::new(kind, 4, 9) });
        assert_eq!(fit.sizes.iter().sum::<u64>(), 5003);
        let shape = Shape::Mixture(fit.mixture.clone());
        let mut outliers = 0;
        for (row, &label) in data.rows().into_iter().zip(&fit.labels) {
            let x = row.to_vec();
            let scored = shape.score(&x);
            assert_eq!(scored.index, Some(label as usize));
            let p = shape.probabilities(&x).unwrap();
            let second = scored.second.unwrap().0;
            assert!(p.iter().enumerate().all(|(j, &q)| j == label as usize || q <= p[second]));
            close(scored.margin.unwrap(), 1.0 - p[second] / p[label as usize], 1e-12);
            outliers += u64::from(scored.outlier);
        }
        // Type-7: the 1st percentile of 5003 lies between ranks 50 and 51.
        assert_eq!(outliers, 51);
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let data = blobs(9001, 4, 3, 2.5, 2);
    for kind in KINDS {
        let params = MixtureParams { n_init: 3, max_iter: 40, ..MixtureParams::new(kind, 3, 4) };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let fit = pool.install(|| fit(&data, &params));
            (serde_json::to_string(&fit.mixture).unwrap(), fit.log_likelihood.to_bits(), fit.labels)
        };
        let one = run(1);
        assert!(run(2) == one && run(8) == one, "{}", kind.name());
    }
}

#[test]
fn a_cancel_is_answered_at_once() {
    let data = blobs(200_000, 10, 8, 3.0, 2);
    let control = Control::new();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| mixture(data.view(), &MixtureParams::new(Covariance::Full, 8, 1), &control));
        std::thread::sleep(Duration::from_millis(900));
        assert!(!running.is_finished());
        let asked = Instant::now();
        control.cancel();
        assert_eq!(running.join().unwrap().unwrap_err().kind, Kind::Cancelled);
        assert!(asked.elapsed() < Duration::from_millis(250), "{:?}", asked.elapsed());
    });
}

#[test]
fn degenerate_data_has_an_answer_or_a_reason() {
    // Collinear columns: regularisation keeps the covariance positive definite.
    let line = Array2::from_shape_fn((50, 2), |(i, _)| i as f64);
    assert!(fit(&line, &MixtureParams::new(Covariance::Full, 1, 1)).log_likelihood.is_finite());
    // A component on a pile of equal rows is as narrow as regularisation lets it be.
    let pile = concatenate![Axis(0), Array2::from_elem((20, 2), 5.0), blobs(60, 2, 1, 0.5, 1) * 0.1];
    let found = fit(&pile, &MixtureParams::new(Covariance::Full, 2, 1));
    let mut sizes = found.sizes.clone();
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 60]);
    let j = found.sizes.iter().position(|&n| n == 20).unwrap();
    close(found.mixture.covariances()[j * 3], 1e-6, 1e-9);
    // One row a component, all four ways.
    for kind in KINDS {
        let three = array![[0.0, 0.0], [1.0, 5.0], [9.0, 2.0]];
        assert_eq!(fit(&three, &MixtureParams::new(kind, 3, 1)).sizes, [1, 1, 1]);
    }
    // Where rounding eats the regularisation there is no covariance, and the error says what to do.
    let huge = Array2::from_shape_fn((50, 2), |(i, _)| i as f64 * 1e9);
    let error = mixture(huge.view(), &MixtureParams::new(Covariance::Full, 1, 1), &Control::new()).unwrap_err();
    assert_eq!(error.kind, Kind::NotReady);
    assert!(error.hint.unwrap().contains("regularisation"));
    // No bad parameter gets through.
    let new = || MixtureParams::new(Covariance::Full, 2, 1);
    for params in [
        MixtureParams { k: 0, ..new() },
        MixtureParams { k: 51, ..new() },
        MixtureParams { n_init: 0, ..new() },
        MixtureParams { max_iter: 0, ..new() },
        MixtureParams { tol: f64::NAN, ..new() },
        MixtureParams { regularisation: 0.0, ..new() },
        MixtureParams { regularisation: f64::NAN, ..new() },
        MixtureParams { init: Some(vec![0; 49]), ..new() },
        MixtureParams { init: Some(vec![0; 50]), ..new() },
        MixtureParams { init: Some(vec![2; 50]), ..new() },
    ] {
        assert_eq!(mixture(line.view(), &params, &Control::new()).unwrap_err().kind, Kind::InvalidParameter);
    }
}

#[test]
fn a_row_out_of_all_bounds_is_an_outlier_and_nothing_is_nan() {
    let (data, _) = iris();
    for kind in KINDS {
        let shape = Shape::Mixture(fit(&data, &MixtureParams::new(kind, 3, 1)).mixture);
        for x in [[1e200; 4], [-1e160, 1e160, 0.0, 0.0], [f64::MAX; 4]] {
            let scored = shape.score(&x);
            assert!(scored.outlier && scored.index.is_some());
            assert!(scored.margin.is_some_and(f64::is_finite) && !scored.distance.is_nan(), "{scored:?}");
            let p = shape.probabilities(&x).unwrap();
            close(p.iter().sum(), 1.0, 1e-12);
        }
    }
}

#[test]
fn a_stored_mixture_answers_the_same_and_a_damaged_one_is_refused() {
    let (data, _) = iris();
    for kind in KINDS {
        let fit = fit(&data, &MixtureParams::new(kind, 3, 1)).mixture;
        let stored = serde_json::to_value(&fit).unwrap();
        let back: Mixture = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(back, fit);
        let x = [5.1, 3.0, 2.2, 0.7];
        assert_eq!(back.log_density(&x).to_bits(), fit.log_density(&x).to_bits());
        let damaged = |at: &str, value: Value| {
            let mut broken = stored.clone();
            *broken.pointer_mut(at).unwrap() = value;
            assert!(serde_json::from_value::<Mixture>(broken).is_err(), "{} {at}", kind.name());
        };
        damaged("/weights/0", json!(0.0));
        damaged("/weights/0", json!(0.9));
        damaged("/weights", json!([0.5, 0.5]));
        damaged("/weights", json!([]));
        damaged("/means", json!([]));
        damaged("/means/0", json!([]));
        damaged("/means/1/2", json!(1e300));
        damaged("/covariances", json!([1.0]));
        damaged("/covariances/0", json!(-1.0));
        damaged("/covariances/0", json!(0.0));
        damaged("/floor", json!(null));
        damaged("/covariance", json!("round"));
    }
}

#[test]
fn reordered_components_are_the_same_mixture() {
    let (data, _) = iris();
    for kind in KINDS {
        let shape = Shape::Mixture(fit(&data, &MixtureParams::new(kind, 3, 1)).mixture);
        let turned = shape.select(&[2, 0, 1]);
        for row in data.rows() {
            let (a, b) = (shape.score(&row.to_vec()), turned.score(&row.to_vec()));
            assert_eq!(a.index.unwrap(), [2, 0, 1][b.index.unwrap()]);
            assert_eq!(a.distance.to_bits(), b.distance.to_bits());
        }
        assert_eq!(shape.select(&[1]).probabilities(&[5.0, 3.0, 1.0, 0.2]).unwrap(), [1.0]);
    }
}

#[test]
fn mixtures_as_algorithms() {
    let (data, _) = iris();
    for (algorithm, kind) in
        [Algorithm::GmmFull, Algorithm::GmmTied, Algorithm::GmmDiagonal, Algorithm::GmmSpherical].into_iter().zip(KINDS)
    {
        assert_eq!(algorithm.name(), format!("gmm_{}", kind.name()));
        assert_eq!(Algorithm::parse(algorithm.name()).unwrap(), algorithm);
        let settings = Settings::from_json(algorithm, Some(&json!({"regularisation": 1e-6, "max_iter": 2}))).unwrap();
        let found = algorithm.clusterer(&settings, 0).unwrap().fit(data.view(), 3, 1, &Control::new()).unwrap();
        let direct = fit(&data, &MixtureParams { max_iter: 2, ..MixtureParams::new(kind, 3, 1) });
        assert_eq!((&found.labels, found.objective), (&direct.labels, Some(-direct.log_likelihood)));
        assert_eq!(found.notes, ["the mixture was still improving after max_iter = 2 steps"]);
        assert!(Settings::from_json(algorithm, Some(&json!({"regularisation": 0}))).is_err());
    }
}

#[test]
fn a_mixture_that_yields_no_number_does_not_decode() {
    let read = |variance: f64| {
        let mixture = json!({"kind": "mixture", "covariance": "spherical", "weights": [1.0], "means": [[0.5]],
                             "covariances": [variance], "floor": 0.0});
        serde_json::from_value::<Shape>(mixture)
    };
    assert_eq!(read(1e-12).unwrap().score(&[0.5]).index, Some(0));
    // The square of 1 / its root is infinite, and times a distance of 0 no number.
    assert!(read(1e-320).is_err());
}

#[test]
fn covariances_are_limited() {
    let wide = Array2::from_shape_fn((4, 2000), |(i, j)| (i * j) as f64);
    for kind in [Covariance::Full, Covariance::Tied] {
        let e = mixture(wide.view(), &MixtureParams::new(kind, 2, 1), &Control::new()).unwrap_err();
        assert_eq!(e.kind, segmentation::Kind::LimitExceeded, "{}", e.message);
    }
    fit(&wide, &MixtureParams { n_init: 1, ..MixtureParams::new(Covariance::Spherical, 1, 1) });
}
