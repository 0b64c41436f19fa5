//! k-means, silhouette, choice of k and agreement: published numbers, a naive implementation as oracle (equal to the
//! bit), linfa as second oracle, and the promises about threads, cancelling and errors.

use ndarray::{array, Array2, ArrayView2, Axis, ShapeBuilder};
use proptest::prelude::*;
use segmentation::cluster::{
    adjusted_rand_index, choose_k, kmeans, nearest_two, silhouette, Algorithm, Choice, ChooseOptions, Columns,
    KMeansFit, KMeansParams, Nearest, Settings,
};
use segmentation::{Control, Kind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[path = "kmeans/oracle.rs"]
mod oracle;
use oracle::{blobs, iris, ordered_sum, squared, Naive};

fn standardised(data: &Array2<f64>) -> Array2<f64> {
    (data - &data.mean_axis(Axis(0)).unwrap()) / &data.std_axis(Axis(0), 0.0)
}

fn fit(data: &Array2<f64>, k: usize, n_init: usize) -> KMeansFit {
    let params = KMeansParams { n_init, tol: 0.0, ..KMeansParams::new(k, 7) };
    kmeans(data.view(), &params, &Control::new()).unwrap()
}

fn fit_from(data: ArrayView2<f64>, init: Array2<f64>, max_iter: usize) -> KMeansFit {
    let params = KMeansParams { init: Some(init.clone()), tol: 0.0, max_iter, ..KMeansParams::new(init.nrows(), 0) };
    kmeans(data, &params, &Control::new()).unwrap()
}

fn chosen(data: ArrayView2<f64>, k_max: usize, seed: u64, control: &Control) -> segmentation::Result<Choice> {
    let clusterer = Algorithm::Kmeans.clusterer(&Settings { n_init: 2, ..Settings::default() }, 0)?;
    choose_k(data, &*clusterer, &*clusterer, &Columns(data), &ChooseOptions::rule(k_max, seed), control)
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not within {tolerance} of {b}");
}

fn assert_equals_naive(data: ArrayView2<f64>, init: Array2<f64>, max_iter: usize) {
    let (naive, inertia) = Naive::run(data, &init, max_iter);
    let fit = fit_from(data, init, max_iter);
    assert_eq!(fit.labels, naive.labels.iter().map(|&l| l as u32).collect::<Vec<_>>());
    let bits = |x: &f64| x.to_bits();
    assert_eq!(
        fit.centroids.iter().map(bits).collect::<Vec<_>>(),
        naive.centroids.iter().flatten().map(bits).collect::<Vec<_>>()
    );
    assert_eq!(fit.inertia.to_bits(), inertia.to_bits());
    assert_consistent(data, &fit);
}

/// Labels are nearest centroids, sizes count them, nobody is empty.
fn assert_consistent(data: ArrayView2<f64>, fit: &KMeansFit) {
    let mut sizes = vec![0; fit.sizes.len()];
    for (row, &label) in data.rows().into_iter().zip(&fit.labels) {
        assert_eq!(nearest_two(&row.to_vec(), fit.centroids.view()).index, label as usize);
        sizes[label as usize] += 1;
    }
    assert_eq!(sizes, fit.sizes);
    assert!(sizes.iter().all(|&n| n > 0));
}

#[test]
fn iris_inertia_for_one_to_eight_clusters() {
    let expected =
        [681.3706, 152.34795176, 78.85144143, 57.22847321, 46.44618205, 39.03998725, 34.29822967, 29.98894395];
    let (data, _) = iris();
    for (k, inertia) in (1..).zip(expected) {
        close(fit(&data, k, 200).inertia, inertia, 5e-9);
    }
}

#[test]
fn iris_three_clusters() {
    let (data, species) = iris();
    let fit = fit(&data, 3, 10);
    assert_consistent(data.view(), &fit);
    let expected: [(u64, [f64; 4]); 3] = [
        (50, [5.006, 3.428, 1.462, 0.246]),
        (62, [5.9016129, 2.7483871, 4.39354839, 1.43387097]),
        (38, [6.85, 3.07368421, 5.74210526, 2.07105263]),
    ];
    for (size, centre) in expected {
        let j = fit.sizes.iter().position(|&n| n == size).unwrap();
        fit.centroids.row(j).iter().zip(centre).for_each(|(&a, b)| close(a, b, 5e-9));
    }
    close(adjusted_rand_index(&fit.labels, &species), 0.7302382723, 5e-11);
    close(silhouette(data.view(), &fit.labels, 3, &Control::new()).unwrap(), 0.5528190123564095, 1e-14);
    close(silhouette(data.view(), &species, 3, &Control::new()).unwrap(), 0.5034774406932961, 1e-14);
}

#[test]
fn iris_standardised() {
    let (data, _) = iris();
    let mut fit = fit(&standardised(&data), 3, 50);
    close(fit.inertia, 139.8204963597, 5e-11);
    fit.sizes.sort_unstable();
    assert_eq!(fit.sizes, [47, 50, 53]);
}

#[test]
fn converged_centroids_are_the_means_of_their_rows() {
    let data = blobs(9000, 5, 6, 3.0, 1);
    let fit = fit(&data, 6, 2);
    for (j, centroid) in fit.centroids.rows().into_iter().enumerate() {
        for (f, &c) in centroid.iter().enumerate() {
            let members = (0..9000).filter(|&row| fit.labels[row] as usize == j);
            let sum = ordered_sum(members.map(|row| (row, data[(row, f)])), 9000);
            assert_eq!(c.to_bits(), (sum / fit.sizes[j] as f64).to_bits());
        }
    }
}

#[test]
fn linfa_ends_where_we_end() {
    use linfa::prelude::*;
    let (data, _) = iris();
    let init = data.select(Axis(0), &[0, 60, 120]);
    let ours = fit_from(data.view(), init.clone(), 300);
    let theirs = linfa_clustering::KMeans::params_with_rng(
        3,
        <rand_xoshiro::Xoshiro256Plus as rand_xoshiro::rand_core::SeedableRng>::seed_from_u64(1),
    )
    .init_method(linfa_clustering::KMeansInit::Precomputed(init))
    .n_runs(1)
    .max_n_iterations(1000)
    .tolerance(1e-12)
    .fit(&Dataset::from(data.clone()))
    .unwrap();
    ours.centroids.iter().zip(theirs.centroids()).for_each(|(&a, &b)| close(a, b, 1e-9));
    close(ours.inertia / 150.0, theirs.inertia(), 1e-9);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for rows in [150, 20_001, 70_003] {
        let data = blobs(rows, 6, 5, 4.0, 3);
        let runs: Vec<_> = [1, 2, 4]
            .map(|threads| {
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                    let params = KMeansParams { n_init: 3, max_iter: 25, ..KMeansParams::new(5, 11) };
                    let fit = kmeans(data.view(), &params, &Control::new()).unwrap();
                    let part = data.select(Axis(0), &(0..150).collect::<Vec<_>>());
                    (fit, chosen(part.view(), 6, 3, &Control::new()).unwrap())
                })
            })
            .into();
        // Debug prints floats so that different bits print differently.
        assert_eq!(format!("{:?}", runs[0]), format!("{:?}", runs[1]));
        assert_eq!(format!("{:?}", runs[0]), format!("{:?}", runs[2]));
    }
}

#[test]
fn equals_naive_over_several_chunks_and_group_widths() {
    for k in 1..=9 {
        let data = blobs(8200 + k, 3, 4, 6.0, k as u64);
        let init = data.select(Axis(0), &(0..k).map(|j| j * 7).collect::<Vec<_>>());
        assert_equals_naive(data.view(), init, 8);
    }
}

#[test]
fn equals_naive_where_scores_cannot_decide() {
    let data = blobs(5000, 3, 4, 6.0, 5);
    let start = |data: &Array2<f64>| data.select(Axis(0), &[0, 1, 2, 3, 5]);
    let ties = data.mapv(|x| x.round());
    assert_equals_naive(ties.view(), start(&ties), 10);
    // The farther from the origin, the more leads are within rounding.
    for offset in [1e3, 1e5, 1e6, 1e7, 1e9] {
        let far = &data + offset;
        assert_equals_naive(far.view(), start(&far), 10);
    }
    // Rows that drown all others in a sum, until they leave the cluster.
    let mut lonely = blobs(9000, 3, 4, 6.0, 5);
    lonely.row_mut(8000).fill(1e15);
    lonely.row_mut(30).fill(-1e12);
    assert_equals_naive(lonely.view(), start(&lonely), 30);
    let tiny = blobs(500, 2, 3, 1.0, 6) * 1e-160;
    assert_equals_naive(tiny.view(), tiny.select(Axis(0), &[0, 1, 2]), 10);
}

#[test]
fn empty_clusters_take_the_farthest_rows() {
    let data = blobs(1000, 2, 5, 1.0, 8);
    // Three centroids on one row and two where no row is.
    let mut init = data.select(Axis(0), &[4, 4, 4, 0, 0]);
    init.row_mut(3).fill(1e6);
    init.row_mut(4).fill(-1e6);
    assert_equals_naive(data.view(), init.clone(), 100);
    assert_equals_naive(data.view(), init, 1);
}

#[test]
fn layout_of_the_matrix_does_not_matter() {
    let data = blobs(5003, 4, 3, 2.0, 9);
    let mut columns = Array2::zeros(data.dim().f());
    columns.assign(&data);
    assert_eq!(fit(&data, 3, 2), fit(&columns, 3, 2));
}

#[test]
fn few_rows() {
    let one = array![[1.5, -2.0]];
    let fitted = fit(&one, 1, 3);
    assert_eq!((fitted.labels, fitted.inertia, fitted.centroids), (vec![0], 0.0, one));
    // As many clusters as rows.
    let data = blobs(37, 3, 4, 1.0, 10);
    let fitted = fit(&data, 37, 1);
    assert_eq!((fitted.inertia, fitted.sizes), (0.0, vec![1; 37]));
    // Duplicates: as many clusters as distinct rows; 0 and -0 are one.
    let data = Array2::from_shape_fn((300, 1), |(i, _)| [0.0, -0.0, 0.1, 7.0][i % 4]);
    let mut sizes = fit(&data, 3, 2).sizes;
    sizes.sort_unstable();
    assert_eq!(sizes, [75, 75, 150]);
    let error = kmeans(data.view(), &KMeansParams::new(4, 1), &Control::new()).unwrap_err();
    assert_eq!(error.kind, Kind::InvalidParameter);
    assert_eq!(error.message, "k = 4 is above the number of distinct rows, 3");
    assert!(error.hint.is_some());
}

#[test]
fn bad_arguments_are_named() {
    let mut data = blobs(5000, 3, 2, 1.0, 11);
    let refused = |data: &Array2<f64>, params: KMeansParams| {
        let error = kmeans(data.view(), &params, &Control::new()).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidParameter);
        error.message
    };
    let ok = KMeansParams::new(2, 1);
    assert!(refused(&data, KMeansParams { k: 0, ..ok.clone() }).contains("k = 0"));
    assert!(refused(&data, KMeansParams { n_init: 0, ..ok.clone() }).contains("n_init = 0"));
    assert!(refused(&data, KMeansParams { max_iter: 0, ..ok.clone() }).contains("max_iter = 0"));
    assert!(refused(&data, KMeansParams { tol: f64::NAN, ..ok.clone() }).contains("tol"));
    assert!(refused(&data, KMeansParams { init: Some(Array2::zeros((2, 4))), ..ok.clone() }).contains("4 features"));
    assert!(refused(
        &data,
        KMeansParams { init: Some(data.slice_axis(Axis(0), (..2).into()).mapv(|_| f64::NAN)), ..ok.clone() }
    )
    .contains("start"));
    assert!(refused(&Array2::zeros((0, 3)), ok.clone()).contains("0 rows"));
    assert!(refused(&Array2::zeros((3, 0)), ok.clone()).contains("0 columns"));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        data[(4999, 1)] = bad;
        assert!(refused(&data, ok.clone()).starts_with("column 1 (counted from 0) of the matrix holds 1 values"));
        assert!(silhouette(data.view(), &[0; 5000], 1, &Control::new()).is_err());
        assert!(chosen(data.view(), 3, 1, &Control::new()).is_err());
    }
    data[(4999, 1)] = 1e200;
    assert_eq!(kmeans(data.view(), &ok, &Control::new()).unwrap_err().kind, Kind::OutOfRange);
    assert!(chosen(data.view(), 0, 1, &Control::new()).is_err());
}

#[test]
fn cancel_is_seen_everywhere() {
    let data = blobs(150_000, 20, 8, 8.0, 12);
    let cancelled = Control::new();
    cancelled.cancel();
    let small = data.slice_axis(Axis(0), (..300).into());
    assert_eq!(kmeans(small, &KMeansParams::new(2, 1), &cancelled).unwrap_err().kind, Kind::Cancelled);
    assert_eq!(chosen(small, 4, 1, &cancelled).unwrap_err().kind, Kind::Cancelled);
    let halves: Vec<u32> = (0..300).map(|row| row % 2).collect();
    assert_eq!(silhouette(small, &halves, 2, &cancelled).unwrap_err().kind, Kind::Cancelled);
    for after in [1, 20, 60, 150, 400] {
        let (control, done) = (Control::new(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                let params = KMeansParams { n_init: 100, tol: 0.0, ..KMeansParams::new(20, 1) };
                let result = kmeans(data.view(), &params, &control);
                done.store(true, Ordering::SeqCst);
                (result, Instant::now())
            });
            std::thread::sleep(Duration::from_millis(after));
            assert!(!done.load(Ordering::SeqCst));
            let asked = Instant::now();
            control.cancel();
            let (result, ended) = run.join().unwrap();
            assert_eq!(result.unwrap_err().kind, Kind::Cancelled);
            assert!(ended - asked < Duration::from_millis(200), "{:?} after {after} ms", ended - asked);
        });
    }
}

#[test]
fn silhouette_conventions() {
    let control = Control::new();
    let line = array![[0.0], [1.0], [10.0]];
    // Row 2 is alone: 0. Rows 0 and 1: a = 1, b = 10 and 9.
    close(silhouette(line.view(), &[0, 0, 1], 2, &control).unwrap(), (0.9 + 8.0 / 9.0) / 3.0, 1e-15);
    assert_eq!(silhouette(line.view(), &[0, 0, 0], 1, &control).unwrap(), 0.0);
    assert_eq!(silhouette(line.view(), &[0, 4, 2], 5, &control).unwrap(), 0.0);
    assert_eq!(silhouette(Array2::ones((4, 2)).view(), &[0, 1, 0, 1], 2, &control).unwrap(), 0.0);
    assert_eq!(silhouette(line.view(), &[0, 0], 1, &control).unwrap_err().kind, Kind::InvalidParameter);
    assert_eq!(silhouette(line.view(), &[0, 0, 3], 3, &control).unwrap_err().kind, Kind::InvalidParameter);
}

#[test]
fn adjusted_rand_index_of_known_partitions() {
    close(adjusted_rand_index(&[0, 0, 1, 2, 2, 2, 1], &[5, 5, 5, 3, 3, 1, 1]), 0.2125, 1e-15);
    for labels in [vec![], vec![3], vec![1; 9], vec![4, 2, 9, 1], vec![0, 0, 1, 1, u32::MAX]] {
        let renamed: Vec<u32> = labels.iter().map(|l| l.wrapping_add(17)).collect();
        assert_eq!(adjusted_rand_index(&labels, &renamed), 1.0);
    }
    assert_eq!(adjusted_rand_index(&[0, 0, 0, 0], &[0, 1, 2, 3]), 0.0);
    assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[0, 1, 0, 1]), -0.5);
    assert!(adjusted_rand_index(&[0], &[0, 1]).is_nan());
}

#[test]
fn nearest_two_of_few_centroids() {
    let centroids = array![[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]];
    let nearest = |x: &[f64], k: usize| nearest_two(x, centroids.slice_axis(Axis(0), (..k).into()));
    assert_eq!(nearest(&[1.0, 0.0], 3), Nearest { index: 0, distance2: 1.0, second: Some((1, 1.0)) });
    assert_eq!(nearest(&[1.0, 1.0], 3), Nearest { index: 0, distance2: 2.0, second: Some((1, 2.0)) });
    assert_eq!(nearest(&[0.0, 1.5], 3), Nearest { index: 2, distance2: 0.25, second: Some((0, 2.25)) });
    assert_eq!(nearest(&[3.0, 0.0], 1), Nearest { index: 0, distance2: 9.0, second: None });
    assert_eq!(nearest(&[3.0, 0.0], 0).second, None);
}

/// Up to 40 rows of 1 to 4 features, either on a coarse grid (ties, duplicates) or not; and rows to start from.
fn problem() -> impl Strategy<Value = (Array2<f64>, Vec<usize>)> {
    (1usize..40, 1usize..5, any::<bool>()).prop_flat_map(|(n, d, grid)| {
        let value = if grid { (-2i32..3).prop_map(f64::from).boxed() } else { (-5.0..5.0).boxed() };
        let data = prop::collection::vec(value, n * d);
        let start = prop::collection::vec(0..n, 1..=n.min(9));
        (data.prop_map(move |v| Array2::from_shape_vec((n, d), v).unwrap()), start)
    })
}

fn distinct(data: &Array2<f64>) -> usize {
    let mut rows: Vec<Vec<u64>> = data.rows().into_iter().map(|r| r.iter().map(|x| x.to_bits()).collect()).collect();
    rows.sort();
    rows.dedup();
    rows.len()
}

proptest! {
    #[test]
    fn equals_naive((data, mut start) in problem(), max_iter in 1usize..20) {
        start.truncate(distinct(&data));
        assert_equals_naive(data.view(), data.select(Axis(0), &start), max_iter);
    }

    #[test]
    fn drawn_starts_are_consistent((data, start) in problem(), seed: u64) {
        let k = start.len().min(distinct(&data));
        let fit = kmeans(data.view(), &KMeansParams { n_init: 2, ..KMeansParams::new(k, seed) }, &Control::new()).unwrap();
        assert_consistent(data.view(), &fit);
        let inertia: f64 = data.rows().into_iter().zip(&fit.labels)
            .map(|(row, &l)| squared(&row.to_vec(), &fit.centroids.row(l as usize).to_vec())).sum();
        close(fit.inertia, inertia, 1e-12 * inertia);
    }

    #[test]
    fn silhouette_equals_naive((data, _) in problem(), labels in prop::collection::vec(0u32..4, 40)) {
        let n = data.nrows();
        let labels = &labels[..n];
        let row = |i: usize| data.row(i).to_vec();
        let mut expected = 0.0;
        for i in 0..n {
            let mean = |c: u32| {
                let others: Vec<f64> = (0..n).filter(|&j| j != i && labels[j] == c).map(|j| squared(&row(i), &row(j)).sqrt()).collect();
                (!others.is_empty()).then(|| others.iter().sum::<f64>() / others.len() as f64)
            };
            let b = (0..4).filter(|&c| c != labels[i]).filter_map(mean).fold(f64::INFINITY, f64::min);
            if let (Some(a), true) = (mean(labels[i]), b.is_finite()) {
                expected += if a.max(b) > 0.0 { (b - a) / a.max(b) } else { 0.0 };
            }
        }
        close(silhouette(data.view(), labels, 4, &Control::new()).unwrap(), expected / n as f64, 1e-12);
    }
}
