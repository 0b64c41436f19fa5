//! Choosing k: every criterion against scikit-learn or its published figures, the rule, the guard, and what noise does.

use ndarray::{array, Array2};
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segmentation::cluster::{
    choose_k, criteria, gaps, guard, hold_out, prediction_strength, stability_in_words, Algorithm, Bootstrap, Choice,
    ChooseOptions, Clusterer, Columns, Guard, Reference, Settings, Verdict,
};
use segmentation::{Control, Kind};

#[path = "kmeans/oracle.rs"]
#[allow(dead_code)]
mod oracle;
use oracle::{blobs, iris};

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not within {tolerance} of {b}");
}

fn kmeans(n_init: usize) -> Box<dyn Clusterer> {
    Algorithm::Kmeans.clusterer(&Settings { n_init, moves: 0, ..Settings::default() }, 0).unwrap()
}

fn chosen(data: &Array2<f64>, options: &ChooseOptions) -> Choice {
    choose_k(data.view(), &*kmeans(10), &*kmeans(3), &Columns(data.view()), options, &Control::new()).unwrap()
}

fn tested(data: &Array2<f64>, k: usize, seed: u64) -> Guard {
    let rows: Vec<usize> = (0..data.nrows()).collect();
    guard(data.view(), &rows, &Columns(data.view()), &*kmeans(3), k, 50, seed, &Control::new()).unwrap()
}

/// A sum of twelve uniform numbers less six: as good as normal here.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
}

/// One normal cloud, its first column `stretch` times as long as the others, turned so that all columns correlate.
fn cloud(rows: usize, cols: usize, stretch: f64, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let own = Array2::from_shape_simple_fn((rows, cols), || normal(&mut rng));
    Array2::from_shape_fn((rows, cols), |(i, f)| own[(i, f)] + (stretch - 1.0) * own[(i, 0)] / (cols as f64).sqrt())
}

/// k, inertia, Caliński-Harabasz, Davies-Bouldin (scikit-learn 1.9.1) and simplified silhouette (from the distances of its
/// `KMeans.transform`), best of 200 starts.
const IRIS: [(usize, f64, f64, f64, f64, f64); 5] = [
    (2, 152.3479517603579, 513.9245459802768, 0.40429283717304343, 0.7697038327173387, 0.6810461692117462),
    (3, 78.851441426146, 561.62775662962, 0.6619715465007465, 0.6663855564711149, 0.5528190123564095),
    (4, 57.22847321428572, 530.7658081872851, 0.7803069838811107, 0.6207380403765197, 0.49805050499728737),
    (5, 46.446182051282065, 495.54148767768777, 0.8059652120182736, 0.61437592750366, 0.48874888709310566),
    (6, 39.03998724608726, 473.8506068330425, 0.9141579726538026, 0.519650828256131, 0.36483400396700255),
];

#[test]
fn criteria_of_iris_as_in_scikit_learn() {
    let (data, _) = iris();
    let clusterer =
        Algorithm::Kmeans.clusterer(&Settings { n_init: 200, tol: 0.0, moves: 0, ..Settings::default() }, 0).unwrap();
    let options = ChooseOptions { resamples: 0, guard: 0, ..ChooseOptions::rule(6, 1) };
    let choice =
        choose_k(data.view(), &*clusterer, &*clusterer, &Columns(data.view()), &options, &Control::new()).unwrap();
    for (k, inertia, calinski, davies, simplified, silhouette) in IRIS {
        let row = &choice.rows[k - 1];
        close(row.criteria.within.unwrap(), inertia, 1e-9);
        close(row.criteria.calinski_harabasz.unwrap(), calinski, 1e-9);
        close(row.criteria.davies_bouldin.unwrap(), davies, 1e-12);
        close(row.criteria.simplified_silhouette.unwrap(), simplified, 1e-12);
        close(row.silhouette.unwrap(), silhouette, 1e-12);
    }
    let one = &choice.rows[0];
    close(one.criteria.within.unwrap(), 681.3706, 1e-9);
    assert_eq!((one.criteria.calinski_harabasz, one.silhouette, one.smallest), (None, None, 150));
}

/// scikit-learn's BIC of full mixtures of one to three components.
#[test]
fn bic_of_iris() {
    let (data, _) = iris();
    let clusterer = Algorithm::GmmFull.clusterer(&Settings::default(), 0).unwrap();
    let of = |data: &Array2<f64>, k_max: usize| {
        let options = ChooseOptions { resamples: 0, guard: 0, ..ChooseOptions::rule(k_max, 1) };
        choose_k(data.view(), &*clusterer, &*clusterer, &Columns(data.view()), &options, &Control::new()).unwrap()
    };
    for (row, expected) in of(&data, 3).rows.iter().zip([829.9782, 574.0178, 580.8389]) {
        close(row.bic.unwrap(), expected, 0.01);
    }
}

#[test]
fn criteria_at_the_edge() {
    let data = array![[0.0], [1.0], [10.0], [99.0]];
    let of = |labels: &[u32], k: usize| criteria(data.view(), labels, k, &Control::new()).unwrap();
    // Row 3 is noise, cluster 1 is empty: means 0.5 and 10.
    let found = of(&[0, 0, 2, u32::MAX], 3);
    assert_eq!(found.within, Some(0.5));
    close(found.davies_bouldin.unwrap(), 0.5 / 9.5, 1e-15);
    close(found.simplified_silhouette.unwrap(), (9.5 / 10.0 + 8.5 / 9.0 + 1.0) / 3.0, 1e-15);
    let between = 2.0 * (0.5 - 11.0 / 3.0f64).powi(2) + (10.0 - 11.0 / 3.0f64).powi(2);
    close(found.calinski_harabasz.unwrap(), between / 0.5, 1e-12);
    assert_eq!(of(&[u32::MAX; 4], 2), Default::default());
    assert_eq!(of(&[0; 4], 1).simplified_silhouette, None);
    assert_eq!(of(&[0, 1, 2, 3], 4).calinski_harabasz, None);
}

/// Published for iris: 0.975, 0.791 and 0.606 for two, three and four clusters, over 50 splits. Such a mean is a random number:
/// over 30 of them the published one lies within what they spread.
#[test]
fn prediction_strength_of_iris() {
    let (data, _) = iris();
    let of = |k, seed| prediction_strength(data.view(), &*kmeans(10), k, 50, seed, &Control::new()).unwrap().unwrap();
    assert_eq!(of(1, 1), 1.0);
    for (k, published) in [(2, 0.975), (3, 0.791), (4, 0.606)] {
        let found: Vec<f64> = (1..=30).map(|seed| of(k, seed)).collect();
        let mean = found.iter().sum::<f64>() / 30.0;
        let sd = (found.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 29.0).sqrt();
        let defined = strength_by_definition(&data, k, 1500);
        println!("prediction strength, k = {k}: mean {mean}, sd of 50 splits {sd}, by definition {defined}");
        close(mean, defined, 0.01);
        close(mean, published, 2.0 * sd);
    }
}

/// The smallest share, over the clusters of one half, of pairs that the nearest centre of the other half's clusters puts together:
/// pair by pair, and with other random numbers.
fn strength_by_definition(data: &Array2<f64>, k: usize, splits: u64) -> f64 {
    let n = data.nrows();
    let mut sum = 0.0;
    for split in 0..splits {
        let mut rng = ChaCha8Rng::seed_from_u64(9_000_000 + split);
        let mut order: Vec<usize> = (0..n).collect();
        (1..n).for_each(|i| order.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize));
        let (test, train) = order.split_at(n / 2);
        let fit = |rows: &[usize]| {
            kmeans(10).fit(data.select(ndarray::Axis(0), rows).view(), k, split, &Control::new()).unwrap()
        };
        let (own, other) = (fit(test), fit(train));
        let predicted: Vec<Option<usize>> =
            test.iter().map(|&row| other.shape.score(&data.row(row).to_vec()).index).collect();
        let share = |cluster: u32| {
            let members: Vec<usize> = (0..test.len()).filter(|&i| own.labels[i] == cluster).collect();
            let pairs = members.iter().flat_map(|&i| members.iter().map(move |&j| (i, j))).filter(|(i, j)| i < j);
            let together: Vec<bool> = pairs.map(|(i, j)| predicted[i] == predicted[j]).collect();
            let same = together.iter().filter(|&&same| same).count();
            (!together.is_empty()).then(|| same as f64 / together.len() as f64)
        };
        sum += (0..k as u32).filter_map(share).fold(1.0, f64::min);
    }
    sum / splits as f64
}

/// About 0.989, 1.434, 1.584, 1.641 and 1.715 for two to six clusters in the box along the columns, within 0.04.
#[test]
fn gap_of_iris() {
    let (data, _) = iris();
    let within: Vec<(usize, f64)> = IRIS.iter().map(|row| (row.0, row.1)).collect();
    let of = |reference| gaps(data.view(), &*kmeans(5), &within, 50, reference, 1, &Control::new()).unwrap();
    let aligned: Vec<f64> = of(Reference::Aligned).into_iter().map(|gap| gap.unwrap().gap).collect();
    println!("gap of iris {aligned:?}, rotated {:?}", of(Reference::Rotated));
    for (found, expected) in aligned.into_iter().zip([0.989, 1.434, 1.584, 1.641, 1.715]) {
        close(found, expected, 0.04);
    }
    // A box that follows the data is smaller, so its rows lie closer together.
    assert!(of(Reference::Rotated).iter().zip(of(Reference::Aligned)).all(|(a, b)| a.unwrap().gap < b.unwrap().gap));
}

#[test]
fn confidence_is_low_between_clusters() {
    let line = Array2::from_shape_fn((41, 1), |(i, _)| i as f64 + if i > 20 { 30.0 } else { 0.0 });
    let mut data = line.clone();
    data[(20, 0)] = 34.7;
    let control = Control::new();
    let labels = kmeans(5).fit(data.view(), 2, 1, &control).unwrap().labels;
    let bootstrap = Bootstrap::run(data.view(), &labels, 2, &*kmeans(3), 60, 1, &control).unwrap();
    let confidence = bootstrap.confidence(data.view(), &labels, &control).unwrap();
    assert!(confidence[0] == Some(1.0) && confidence[40] == Some(1.0), "{confidence:?}");
    assert!(confidence[20].is_some_and(|c| (0.3..0.99).contains(&c)), "{:?}", confidence[20]);
    let mut noise = labels.clone();
    noise[3] = u32::MAX;
    assert_eq!(bootstrap.confidence(data.view(), &noise, &control).unwrap()[3], None);
}

#[test]
fn stability_has_words() {
    let words = [0.85, 0.849, 0.75, 0.749, 0.6, 0.599].map(stability_in_words);
    assert_eq!(words[0], "highly stable");
    assert_eq!((words[1], words[1]), (words[2], "valid, stable"));
    assert_eq!(words[3], words[4]);
    assert_eq!(words[5], "not to be trusted");
}

#[test]
fn held_out_rows_tell_structure_from_overfitting() {
    let control = Control::new();
    let planted = hold_out(blobs(600, 4, 4, 1.0, 3).view(), &*kmeans(5), 4, 5, 1, &control).unwrap();
    assert_eq!((planted.verdict(), planted.folds), (Some(Verdict::Pass), (5, 5)));
    assert!(planted.agreement.unwrap() > 0.99 && (planted.inertia_ratio.unwrap() - 1.0).abs() < 0.1, "{planted:?}");
    // Twenty clusters of a hundred rows in one cloud: centres that follow single rows.
    let noise = hold_out(cloud(100, 4, 1.0, 3).view(), &*kmeans(5), 20, 2, 1, &control).unwrap();
    assert_eq!(noise.verdict(), Some(Verdict::Fail), "{noise:?}");
    assert!(noise.agreement.unwrap() < 0.6 && noise.inertia_ratio.unwrap() > 1.5, "{noise:?}");
    let error = hold_out(array![[1.0], [2.0]].view(), &*kmeans(1), 2, 3, 1, &control).unwrap_err();
    assert_eq!(error.kind, Kind::InvalidParameter);
}

/// Long clouds, turned so that their columns correlate: permuting the columns is no test for them, keeping the correlations is.
#[test]
fn guard_tells_groups_from_clouds() {
    let (mut fooled, mut wrong) = (0, 0);
    for stretch in [1.0, 4.0] {
        for (k, seed) in [(2, 1), (2, 2), (3, 3), (4, 4), (6, 5)] {
            let found = tested(&cloud(300, 5, stretch, seed), k, seed);
            println!("cloud × {stretch}, k = {k}: {found:?}");
            let least = |p: Option<f64>| p.is_some_and(|p| p < 0.02);
            fooled += usize::from(stretch > 1.0 && least(found.p_permuted));
            wrong += usize::from(!found.is_chance());
            assert_eq!(found.p, [found.p_permuted, found.p_correlated].into_iter().flatten().reduce(f64::max));
        }
    }
    assert!(fooled == 5 && wrong <= 1, "{fooled} {wrong}");
    let (iris, _) = iris();
    for (data, k) in [(&iris, 2), (&iris, 3), (&blobs(400, 5, 4, 2.0, 3), 4)] {
        let found = tested(data, k, 1);
        assert_eq!((found.p, found.rows, found.sets), (Some(1.0 / 51.0), data.nrows() as u64, 50), "{found:?}");
        assert!(found.by_chance < found.silhouette && !found.is_chance());
    }
}

#[test]
fn guard_at_the_edge() {
    // A single feature cannot be moved against another: a normal distribution is what it has to beat.
    let two = Array2::from_shape_fn((200, 1), |(i, _)| (i % 100) as f64 / 100.0 + if i < 100 { 0.0 } else { 5.0 });
    let found = tested(&two, 2, 1);
    assert_eq!((found.p, found.p_permuted, found.p_normal), (Some(1.0 / 51.0), None, Some(1.0 / 51.0)));
    let one = cloud(200, 1, 1.0, 4);
    assert!(tested(&one, 2, 1).is_chance());
    for (data, k) in [(Array2::ones((50, 2)), 2), (one, 51), (array![[1.0], [2.0]], 2)] {
        let found = tested(&data, k, 1);
        assert!(found.p.is_none() && found.reason.is_some() && !found.is_chance(), "{found:?}");
        assert!(found.in_words().starts_with("structure not tested: "), "{}", found.in_words());
    }
}

#[test]
fn choice_of_k() {
    let (data, _) = iris();
    let choice = chosen(&data, &ChooseOptions::rule(10, 1));
    assert_eq!((choice.k, choice.silhouette_rows, choice.replicate_rows), (2, 150, 150));
    assert_eq!(choice.rows.iter().map(|row| row.k).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert!(choice.reason.contains("0.681") && choice.reason.contains("p = 0.020"), "{}", choice.reason);
    // Planted, small and sampled; the sample does not depend on anything but the seed.
    for rows in [100, 6_000, 30_000] {
        let data = blobs(rows, 5, 4, 1.0, 13);
        let options = ChooseOptions { resamples: 10, guard: 20, replicate_rows: 500, ..ChooseOptions::rule(6, 1) };
        let choice = chosen(&data, &options);
        let sizes = (choice.scan_rows, choice.silhouette_rows, choice.replicate_rows);
        assert_eq!((choice.k, sizes), (4, (rows.min(20_000), rows.min(5_000), rows.min(500))), "{choice:?}");
        assert_eq!(choice, chosen(&data, &options));
    }
    // Two far outliers make tiny segments only: no structure.
    let mut lonely = Array2::zeros((400, 1));
    lonely[(0, 0)] = 1e6;
    lonely[(1, 0)] = -1e6;
    let choice = chosen(&lonely, &ChooseOptions::rule(5, 1));
    assert_eq!((choice.k, choice.rows.len()), (1, 3));
    assert!(choice.reason.starts_with("no segment structure: no k from 2 to 3 is admissible"), "{}", choice.reason);
    for few in [array![[1.0]], array![[1.0], [2.0]], Array2::ones((50, 2))] {
        let choice = chosen(&few, &ChooseOptions::rule(5, 1));
        assert_eq!((choice.k, choice.rows.len(), choice.silhouette_rows, choice.guard.p), (1, 1, 0, None));
    }
    // One cloud, however long: the guard says so.
    let choice = chosen(&cloud(400, 5, 4.0, 2), &ChooseOptions::rule(5, 1));
    assert_eq!(choice.k, 1, "{choice:?}");
    assert!(choice.guard.is_chance() && choice.reason.starts_with("no segment structure: the best k would be"));
}

/// Every criterion that may be asked for, and the same bits for any number of threads.
#[test]
fn every_criterion_is_the_same_for_any_number_of_threads() {
    let data = blobs(300, 4, 3, 3.0, 2);
    let options = ChooseOptions { resamples: 8, guard: 8, splits: 8, references: 8, ..ChooseOptions::rule(4, 3) };
    let runs = [1, 2, 4].map(|threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| chosen(&data, &options))
    });
    let print = |choice: &Choice| format!("{choice:?}");
    assert_eq!((print(&runs[0]), print(&runs[0])), (print(&runs[1]), print(&runs[2])));
    for row in &runs[0].rows {
        assert!(row.gap.is_some() && row.prediction_strength.is_some(), "{row:?}");
        assert_eq!((row.weakest.is_some(), row.bic), (row.k > 1, None));
    }
}

#[test]
fn cancel_is_seen() {
    let data = blobs(300, 4, 3, 3.0, 2);
    let cancelled = Control::new();
    cancelled.cancel();
    let (rows, one) = ((0..300).collect::<Vec<_>>(), kmeans(1));
    let columns = Columns(data.view());
    let kinds = [
        choose_k(data.view(), &*one, &*one, &columns, &ChooseOptions::rule(4, 1), &cancelled).unwrap_err().kind,
        guard(data.view(), &rows, &columns, &*one, 3, 5, 1, &cancelled).unwrap_err().kind,
        gaps(data.view(), &*one, &[(2, 1.0)], 5, Reference::Rotated, 1, &cancelled).unwrap_err().kind,
        prediction_strength(data.view(), &*one, 3, 5, 1, &cancelled).unwrap_err().kind,
        hold_out(data.view(), &*one, 3, 5, 1, &cancelled).unwrap_err().kind,
        criteria(data.view(), &[0; 300], 1, &cancelled).unwrap_err().kind,
    ];
    assert_eq!(kinds, [Kind::Cancelled; 6]);
    assert!(Bootstrap::run(data.view(), &[0; 300], 1, &*one, 5, 1, &cancelled).is_err());
}

/// Clusterwise Jaccards by the definition, in plain loops and with other random numbers: a row drawn twice counts twice in the refit and
/// once in the comparison (Hennig 2007). Sorted.
fn clusterboot(data: &Array2<f64>, labels: &[u32], k: usize, count: u64) -> Vec<f64> {
    let n = data.nrows();
    let mut sums = vec![0.0; k];
    for resample in 0..count {
        let mut rng = ChaCha8Rng::seed_from_u64(7_000_000 + resample);
        let mut drawn: Vec<usize> = (0..n).map(|_| (rng.next_u64() % n as u64) as usize).collect();
        drawn.sort_unstable();
        let rows = data.select(ndarray::Axis(0), &drawn);
        let refit = kmeans(10).fit(rows.view(), k, resample, &Control::new()).unwrap().labels;
        let mut theirs: Vec<(usize, u32)> = drawn.into_iter().zip(refit).collect();
        theirs.dedup();
        for (a, sum) in sums.iter_mut().enumerate() {
            let jaccard = |b: u32| {
                let count = |f: &dyn Fn(bool, bool) -> bool| {
                    theirs.iter().filter(|&&(row, label)| f(labels[row] as usize == a, label == b)).count() as f64
                };
                count(&|x, y| x && y) / count(&|x, y| x || y)
            };
            *sum += (0..k as u32).map(jaccard).fold(0.0, f64::max);
        }
    }
    let mut found: Vec<f64> = sums.into_iter().map(|s| s / count as f64).collect();
    found.sort_by(f64::total_cmp);
    found
}

/// Published for iris: about .99 for two clusters, .93, .94, 1 for three, .80, .82, .92, 1 for four, each within .02. A mean over 100
/// resamples has a standard error of about .01 itself, so there are 1,000.
#[test]
fn jaccards_of_iris() {
    let (data, _) = iris();
    let control = Control::new();
    for (k, expected) in [(2, vec![0.99, 0.99]), (3, vec![0.93, 0.94, 1.0]), (4, vec![0.80, 0.82, 0.92, 1.0])] {
        let labels = kmeans(10).fit(data.view(), k, 1, &control).unwrap().labels;
        let bootstrap = Bootstrap::run(data.view(), &labels, k, &*kmeans(10), 1000, 1, &control).unwrap();
        let mut found: Vec<f64> = bootstrap.recovery().into_iter().map(|r| r.unwrap().jaccard).collect();
        found.sort_by(f64::total_cmp);
        let defined = clusterboot(&data, &labels, k, 1000);
        println!("k = {k}: {found:?}, by definition {defined:?}");
        for ((found, expected), defined) in found.iter().zip(&expected).zip(&defined) {
            close(*found, *expected, 0.02);
            close(*found, *defined, 0.015);
        }
        assert_eq!((bootstrap.resamples(), bootstrap.weakest()), ((1000, 1000), Some(found[0])));
    }
}
