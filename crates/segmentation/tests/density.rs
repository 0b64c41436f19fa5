//! DBSCAN and HDBSCAN: published numbers, scikit-learn and scikit-learn-contrib as oracles, linfa as second oracle, and
//! the promises about order of rows, threads, cancelling, new rows and stored models.

use linfa::traits::Transformer;
use ndarray::{Array2, Axis};
use segmentation::cluster::{
    adjusted_rand_index, dbscan, hdbscan, Algorithm, DbscanFit, DbscanParams, Density, HdbscanFit, HdbscanParams,
    Settings, Shape, NOISE,
};
use segmentation::{Control, Kind};
use serde_json::{json, Value};
use std::time::{Duration, Instant};

#[path = "kmeans/oracle.rs"]
#[allow(dead_code)]
mod oracle;
use oracle::{blobs, iris, squared};

fn reach(data: &Array2<f64>, eps: f64, min_points: usize) -> DbscanFit {
    let params = DbscanParams { eps: Some(eps), min_points: Some(min_points) };
    dbscan(data.view(), &params, &Control::new()).unwrap()
}

fn tree(data: &Array2<f64>, min_cluster_size: usize, min_points: usize) -> HdbscanFit {
    let params = HdbscanParams { min_cluster_size: Some(min_cluster_size), min_points: Some(min_points) };
    hdbscan(data.view(), &params, &Control::new()).unwrap()
}

/// Rows of noise, then of the segments, smallest first.
fn sizes(labels: &[u32]) -> Vec<usize> {
    let count = |label: u32| labels.iter().filter(|&&l| l == label).count();
    let k = labels.iter().filter(|&&l| l != NOISE).max().map_or(0, |&l| l + 1);
    let mut sizes: Vec<usize> = (0..k).map(count).collect();
    sizes.sort_unstable();
    sizes.insert(0, count(NOISE));
    sizes
}

fn read() -> Value {
    serde_json::from_str(include_str!("data/density_oracle.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, f)| rows[i][f])
}

/// -1 is noise.
fn labels(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|x| u32::try_from(x.as_i64().unwrap()).unwrap_or(NOISE)).collect()
}

/// Rows in another order, and where each came from.
fn shuffled(data: &Array2<f64>) -> (Array2<f64>, Vec<usize>) {
    let n = data.nrows();
    let order: Vec<usize> = (0..n).map(|i| (i * 7 + 3) % n).collect();
    assert!(!n.is_multiple_of(7));
    (data.select(Axis(0), &order), order)
}

#[test]
fn dbscan_of_iris() {
    let (data, _) = iris();
    let fit = reach(&data, 0.5, 5);
    assert_eq!(sizes(&fit.labels), [17, 49, 84]);
    assert_eq!(fit.core.iter().filter(|&&core| core).count(), 117);
    let fit = reach(&data, 0.6, 9);
    assert_eq!(sizes(&fit.labels), [13, 49, 88]);
    assert_eq!(fit.core.iter().filter(|&&core| core).count(), 114);
}

#[test]
fn hdbscan_of_iris_counts_the_row_itself() {
    let (data, _) = iris();
    assert_eq!(sizes(&tree(&data, 15, 16).labels), [1, 50, 99]);
    assert_eq!(sizes(&tree(&data, 15, 15).labels), [0, 50, 100]);
}

#[test]
fn dbscan_is_its_definition() {
    let oracle = read();
    for (data, eps, min_points) in [
        (matrix(&oracle["moons"]), 0.2, 5),
        (matrix(&oracle["moons"]), 0.12, 3),
        (matrix(&oracle["blobs"]), 1.5, 8),
        (blobs(700, 2, 5, 0.8, 3), 0.3, 2),
    ] {
        let fit = reach(&data, eps, min_points);
        let n = data.nrows();
        let rows: Vec<Vec<f64>> = data.outer_iter().map(|row| row.to_vec()).collect();
        let distance = |a: usize, b: usize| squared(&rows[a], &rows[b]).sqrt();
        for row in 0..n {
            let core = (0..n).filter(|&other| distance(row, other) <= eps).count() >= min_points;
            assert_eq!(fit.core[row], core);
            let near: Vec<usize> = (0..n).filter(|&o| fit.core[o] && distance(row, o) <= eps).collect();
            if core {
                assert!(near.iter().all(|&other| fit.labels[other] == fit.labels[row]));
            } else {
                let nearest = near.into_iter().reduce(|a, b| if distance(row, b) < distance(row, a) { b } else { a });
                assert_eq!(fit.labels[row], nearest.map_or(NOISE, |core| fit.labels[core]));
            }
        }
        // Different segments are not one: linfa, too, has as many, and the same cores together.
        let theirs = linfa_clustering::Dbscan::params(min_points).tolerance(eps * (1.0 + 1e-12));
        let theirs = linfa::ParamGuard::check(theirs).unwrap().transform(&data);
        let of_cores = |f: &dyn Fn(usize) -> u32| (0..n).filter(|&i| fit.core[i]).map(f).collect::<Vec<u32>>();
        let theirs = of_cores(&|i| theirs[i].unwrap() as u32);
        assert_eq!(adjusted_rand_index(&of_cores(&|i| fit.labels[i]), &theirs), 1.0);
    }
}

#[test]
fn hdbscan_is_what_scikit_learn_finds() {
    let oracle = read();
    for case in oracle["cases"].as_array().unwrap() {
        let data = matrix(&oracle[case["data"].as_str().unwrap()]);
        let whole = |key: &str| case[key].as_u64().unwrap() as usize;
        let fit = tree(&data, whole("min_cluster_size"), whole("min_points"));
        // Where it is null, a row leaves at the distance of a split, and how ties are broken decides to which side.
        let glosh = case["glosh"].as_array().unwrap();
        let decided: Vec<usize> = (0..glosh.len()).filter(|&row| glosh[row].is_f64()).collect();
        assert!(decided.len() * 50 >= glosh.len() * 49);
        let (theirs, probabilities) = (labels(&case["labels"]), numbers(&case["probabilities"]));
        let of_decided = |labels: &[u32]| decided.iter().map(|&row| labels[row]).collect::<Vec<u32>>();
        let (ours, expected) = (of_decided(&fit.labels), of_decided(&theirs));
        assert_eq!(adjusted_rand_index(&ours, &expected), 1.0);
        assert_eq!(sizes(&ours), sizes(&expected));
        let near = |what: &str, row: usize, ours: f64, theirs: f64| {
            assert!((ours - theirs).abs() < 1e-9, "{what} of row {row}: {ours} instead of {theirs}");
        };
        for row in decided {
            near("probability", row, fit.probabilities[row], probabilities[row]);
            near("glosh", row, fit.outlier_scores[row], glosh[row].as_f64().unwrap());
        }
        // New rows. Theirs has a core distance of one stored row less, which may turn a row on the edge.
        let new = matrix(&oracle["new"][case["data"].as_str().unwrap()]);
        let shape = Shape::Density(fit.density.clone());
        let pair = ours.iter().zip(&expected).map(|(&a, &b)| (a, b)).collect::<std::collections::BTreeMap<_, _>>();
        let same = new.outer_iter().zip(labels(&case["predicted"])).filter(|(row, theirs)| {
            let ours = shape.score(&row.to_vec()).index.map_or(NOISE, |index| index as u32);
            pair.get(&ours).copied().unwrap_or(NOISE) == *theirs
        });
        let same = same.count();
        assert!(same >= 58, "{same} of 60 new rows");
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let (iris, _) = iris();
    let moons = matrix(&read()["moons"]);
    for data in [&iris, &moons] {
        let (turned, order) = shuffled(data);
        let scale = if data.ncols() == 4 { 0.5 } else { 0.2 };
        let (a, b) = (reach(data, scale, 5), reach(&turned, scale, 5));
        let back: Vec<u32> = order.iter().map(|&row| a.labels[row]).collect();
        assert_eq!(sizes(&back), sizes(&b.labels));
        assert_eq!(adjusted_rand_index(&back, &b.labels), 1.0);
        // Iris is full of equal distances.
        for min_points in [1, 3, 5, 16] {
            let (a, b) = (tree(data, 10, min_points), tree(&turned, 10, min_points));
            let back: Vec<u32> = order.iter().map(|&row| a.labels[row]).collect();
            assert_eq!(sizes(&back), sizes(&b.labels));
            assert_eq!(adjusted_rand_index(&back, &b.labels), 1.0);
            let back: Vec<f64> = order.iter().map(|&row| a.outlier_scores[row]).collect();
            assert_eq!(back, b.outlier_scores);
        }
    }
}

#[test]
fn training_rows_score_as_they_were_labelled() {
    let oracle = read();
    for data in [iris().0, matrix(&oracle["moons"]), matrix(&oracle["blobs"])] {
        let flat = reach(&data, if data.ncols() == 3 { 1.5 } else { 0.2 }, 5);
        for min_points in [1, 4, 12] {
            let deep = tree(&data, 12, min_points);
            for (row, x) in data.outer_iter().enumerate() {
                let x = x.to_vec();
                let (strength, glosh) = deep.density.strength(&x).unwrap();
                assert_eq!(strength.to_bits(), deep.probabilities[row].to_bits());
                assert_eq!(glosh.to_bits(), deep.outlier_scores[row].to_bits());
                for (density, labels) in [(&flat.density, &flat.labels), (&deep.density, &deep.labels)] {
                    let scored = Shape::Density(density.clone()).score(&x);
                    assert_eq!(scored.index.map_or(NOISE, |index| index as u32), labels[row]);
                    assert_eq!(scored.outlier, scored.index.is_none());
                    assert!(scored.margin.is_none_or(|margin| (0.0..=1.0).contains(&margin)));
                }
            }
        }
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let data = blobs(1500, 4, 6, 1.2, 8);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let flat = dbscan(data.view(), &DbscanParams::default(), &Control::new()).unwrap();
            let deep = hdbscan(data.view(), &HdbscanParams::default(), &Control::new()).unwrap();
            (serde_json::to_string(&flat.density).unwrap(), serde_json::to_string(&deep.density).unwrap(), deep.labels)
        })
    };
    let one = run(1);
    assert!(run(2) == one && run(8) == one);
}

#[test]
fn a_cancel_is_answered_at_once() {
    let data = blobs(20_000, 12, 8, 3.0, 2);
    let stops = |run: &(dyn Fn(&Control) -> Kind + Sync), after: u64| {
        let control = Control::new();
        std::thread::scope(|scope| {
            let running = scope.spawn(|| run(&control));
            std::thread::sleep(Duration::from_millis(after));
            assert!(!running.is_finished());
            let asked = Instant::now();
            control.cancel();
            assert_eq!(running.join().unwrap(), Kind::Cancelled);
            assert!(asked.elapsed() < Duration::from_millis(250), "{:?}", asked.elapsed());
        });
    };
    stops(&|c| dbscan(data.view(), &DbscanParams::default(), c).unwrap_err().kind, 300);
    for after in [200, 1500] {
        stops(&|c| hdbscan(data.view(), &HdbscanParams::default(), c).unwrap_err().kind, after);
    }
}

#[test]
fn too_many_rows_bad_parameters_and_nothing_but_noise_are_errors_with_a_hint() {
    let control = Control::new();
    let (data, _) = iris();
    let kind = |result: segmentation::Result<DbscanFit>| {
        let error = result.unwrap_err();
        (error.kind, error.hint.is_some())
    };
    let large = Array2::<f64>::zeros((20_001, 1));
    assert_eq!(kind(dbscan(large.view(), &DbscanParams::default(), &control)), (Kind::LimitExceeded, true));
    assert_eq!(hdbscan(large.view(), &HdbscanParams::default(), &control).unwrap_err().kind, Kind::LimitExceeded);
    let lonely = DbscanParams { eps: Some(1e-9), min_points: Some(5) };
    assert_eq!(kind(dbscan(data.view(), &lonely, &control)), (Kind::NotReady, true));
    let equal = Array2::<f64>::ones((50, 2));
    assert_eq!(kind(dbscan(equal.view(), &DbscanParams::default(), &control)), (Kind::InvalidParameter, true));
    assert_eq!(sizes(&reach(&equal, 1.0, 5).labels), [0, 50]);
    for eps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let params = DbscanParams { eps: Some(eps), min_points: None };
        assert_eq!(kind(dbscan(data.view(), &params, &control)).0, Kind::InvalidParameter);
    }
    let none = HdbscanParams { min_cluster_size: Some(100), min_points: None };
    for data in [data.view(), equal.view()] {
        let error = hdbscan(data, &none, &control).unwrap_err();
        assert_eq!((error.kind, error.hint.is_some()), (Kind::NotReady, true));
    }
    let one = HdbscanParams { min_cluster_size: Some(1), min_points: None };
    assert_eq!(hdbscan(data.view(), &one, &control).unwrap_err().kind, Kind::InvalidParameter);
    // One missing value among many rows, and nothing else.
    let mut broken = data.clone();
    broken[(0, 1)] = f64::NAN;
    for data in [broken, Array2::from_elem((30, 2), f64::NAN)] {
        let error = hdbscan(data.view(), &HdbscanParams::default(), &control).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidParameter);
        assert!(error.message.contains("NaN"), "{}", error.message);
    }
}

#[test]
fn piles_of_equal_rows_are_segments_and_nothing_is_infinite() {
    let place = |i: usize| match i {
        0..60 => (i % 3) as f64 * 10.0,
        60..80 => 10_000.0,
        _ => -100.0 * [3.0, 9.0, 27.0, 81.0, 243.0, 729.0][i - 80],
    };
    let data = Array2::from_shape_fn((86, 2), |(i, _)| place(i));
    let fit = tree(&data, 5, 3);
    assert_eq!(sizes(&fit.labels), [6, 20, 20, 20, 20]);
    assert!(fit.probabilities[..80].iter().all(|&p| p == 1.0));
    assert!(fit.outlier_scores.iter().all(|score| (0.0..=1.0).contains(score)));
    let back: Density = serde_json::from_str(&serde_json::to_string(&fit.density).unwrap()).unwrap();
    for (row, &label) in data.outer_iter().zip(&fit.labels) {
        let scored = Shape::Density(back.clone()).score(&row.to_vec());
        assert_eq!(scored.index.map_or(NOISE, |index| index as u32), label);
    }
}

#[test]
fn far_rows_are_noise_and_segments_can_be_reordered() {
    let data = matrix(&read()["moons"]);
    for density in [reach(&data, 0.2, 5).density, tree(&data, 30, 8).density] {
        let shape = Shape::Density(density);
        for x in [[1e200, 0.0], [-1e160, 1e160], [f64::MAX, f64::MIN]] {
            let scored = shape.score(&x);
            assert!(scored.index.is_none() && scored.outlier && scored.distance.is_finite());
        }
        let k = shape.k();
        let order: Vec<usize> = (0..k).rev().collect();
        let turned = shape.select(&order);
        let alone = shape.select(&[1]);
        for row in data.outer_iter() {
            let x = row.to_vec();
            let (a, b) = (shape.score(&x), turned.score(&x));
            assert_eq!(a.index, b.index.map(|index| order[index]));
            assert_eq!(
                a.distance2.to_bits(),
                if a.index.is_some() { b.distance2.to_bits() } else { a.distance2.to_bits() }
            );
            if a.index == Some(1) {
                assert_eq!(alone.score(&x).index, Some(0));
            }
        }
    }
}

#[test]
fn a_stored_density_answers_the_same_and_a_damaged_one_is_refused() {
    let data = matrix(&read()["blobs"]);
    let flat = serde_json::to_value(reach(&data, 1.5, 8).density).unwrap();
    let deep = serde_json::to_value(tree(&data, 15, 15).density).unwrap();
    let reads = |value: &Value| serde_json::from_value::<Density>(value.clone());
    for stored in [&flat, &deep] {
        let back = reads(stored).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), *stored);
    }
    let damaged = |stored: &Value, at: &str, value: Value| {
        let mut broken = stored.clone();
        *broken.pointer_mut(at).unwrap_or_else(|| panic!("{at}")) = value;
        assert!(reads(&broken).is_err(), "{at}");
    };
    for stored in [&flat, &deep] {
        damaged(stored, "/centres", json!([]));
        damaged(stored, "/centres/0", json!([1.0]));
        damaged(stored, "/centres/0/0", json!(1e300));
        damaged(stored, "/places", json!({"none": {}}));
    }
    for (at, value) in [
        ("eps", json!(0.0)),
        ("eps", json!(null)),
        ("rows", json!([])),
        ("rows/0", json!([1.0])),
        ("rows/0/0", json!(1e200)),
        ("segments/0", json!(99)),
        ("segments", json!([0])),
    ] {
        damaged(&flat, &format!("/places/dbscan/{at}"), value);
    }
    for (at, value) in [
        ("min_points", json!(0)),
        ("closest", json!(0.0)),
        ("rows/3", json!([])),
        ("core/0", json!(-1.0)),
        ("core", json!([])),
        ("exit/0", json!(null)),
        ("branch/0", json!(99_999)),
        ("branch", json!([0])),
        ("branches", json!([])),
        ("branches/1/parent", json!(1)),
        ("branches/1/birth", json!(null)),
        ("branches/0/segment", json!(0)),
        ("branches/0/birth", json!(1.0)),
        ("branches/1/segment", json!(99)),
        ("branches/1/deepest", json!(-1.0)),
    ] {
        damaged(&deep, &format!("/places/hdbscan/{at}"), value);
    }
}

#[test]
fn density_as_an_algorithm_of_a_model() {
    let data = matrix(&read()["moons"]);
    for (algorithm, settings, note) in [
        (Algorithm::Dbscan, json!({"min_points": 5}), "eps = "),
        (Algorithm::Hdbscan, json!({"min_points": 8}), "min_cluster_size = 17 was chosen"),
    ] {
        assert_eq!(Algorithm::parse(algorithm.name()).unwrap(), algorithm);
        let settings = Settings::from_json(algorithm, Some(&settings)).unwrap();
        let run = || algorithm.clusterer(&settings, 0).unwrap().fit(data.view(), 9, 1, &Control::new()).unwrap();
        let found = run();
        assert!(found.notes[0].starts_with(note), "{:?}", found.notes);
        assert_eq!(sizes(&found.labels)[1..].len(), 2, "{:?}", sizes(&found.labels));
        for bad in [json!({"eps": 0}), json!({"min_points": 0}), json!({"min_cluster_size": 1}), json!({"n_init": 1})] {
            assert_eq!(Settings::from_json(algorithm, Some(&bad)).unwrap_err().kind, Kind::InvalidParameter);
        }
    }
}
