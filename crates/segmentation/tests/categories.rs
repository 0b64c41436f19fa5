//! Codes of categories are names: in another order they give the same figures, by every criterion.

use ndarray::Array2;
use segmentation::cluster::{choose_k, guard, hold_out, silhouette, Algorithm, ChooseOptions, Columns, Settings};
use segmentation::Control;

#[path = "kmeans/oracle.rs"]
#[allow(dead_code)]
mod oracle;
use oracle::blobs;

const GAMMA: f64 = 3.0;

/// Two numbers in three groups, and a category of eight values that follows the group; `codes` are what the values are called.
fn rows(codes: [f64; 8]) -> Array2<f64> {
    let numbers = blobs(240, 2, 3, 1.0, 7);
    let value = |i: usize| [0, 1, 2 + i / 3 % 6][i % 3];
    Array2::from_shape_fn((240, 3), |(i, f)| if f < 2 { numbers[(i, f)] } else { codes[value(i)] })
}

/// The silhouette from its definition, with the roots of the costs of k-prototypes as distances.
fn by_definition(data: &Array2<f64>, labels: &[u32], k: usize) -> f64 {
    let distance = |i: usize, j: usize| {
        let d = |f: usize| data[(i, f)] - data[(j, f)];
        (d(0) * d(0) + d(1) * d(1) + if data[(i, 2)] == data[(j, 2)] { 0.0 } else { GAMMA }).sqrt()
    };
    let n = data.nrows();
    let of_row = |i: usize| {
        let mean = |c: usize| {
            let others: Vec<usize> = (0..n).filter(|&j| j != i && labels[j] as usize == c).collect();
            others.iter().map(|&j| distance(i, j)).sum::<f64>() / others.len() as f64
        };
        let a = mean(labels[i] as usize);
        let b = (0..k).filter(|&c| c != labels[i] as usize).map(mean).fold(f64::INFINITY, f64::min);
        (b - a) / a.max(b)
    };
    (0..n).map(of_row).sum::<f64>() / n as f64
}

#[test]
fn codes_are_names() {
    let control = Control::new();
    let settings = Settings { gamma: Some(GAMMA), n_init: 5, ..Settings::default() };
    let clusterer = Algorithm::Kprototypes.clusterer(&settings, 1).unwrap();
    let all = |data: &Array2<f64>| {
        let options = ChooseOptions { resamples: 6, guard: 6, splits: 4, references: 4, ..ChooseOptions::all(4, 1) };
        let columns = Columns(data.view());
        let choice = choose_k(data.view(), &*clusterer, &*clusterer, &columns, &options, &control).unwrap();
        let every: Vec<usize> = (0..data.nrows()).collect();
        let tested = guard(data.view(), &every, &columns, &*clusterer, 3, 6, 1, &control).unwrap();
        let held = hold_out(data.view(), &*clusterer, 3, 4, 1, &control).unwrap();
        // What chance gives depends on the order, as the rows without groups are drawn by ranks; and a mode of equally frequent
        // values is the lowest, which at k = 4 tells resamples apart.
        let mut figures = vec![tested.silhouette.unwrap()];
        figures.extend([held.silhouette_drop.unwrap(), held.inertia_ratio.unwrap()]);
        for row in &choice.rows[1..] {
            assert!(row.gap.is_none(), "there is no box between names");
            let weakest = row.weakest.filter(|_| row.k < 4).unwrap_or(0.0);
            figures.extend([row.silhouette.unwrap(), weakest, row.criteria.davies_bouldin.unwrap()]);
        }
        (choice.k, figures)
    };
    let data = rows([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let (k, figures) = all(&data);
    let (renamed_k, renamed) = all(&rows([19.0, 0.0, 7.0, 1.0, 30.0, 4.0, 3.0, 11.0]));
    assert_eq!(k, renamed_k);
    for (a, b) in figures.iter().zip(&renamed) {
        assert!((a - b).abs() < 1e-9, "{figures:?} {renamed:?}");
    }
    let labels = clusterer.fit(data.view(), 3, 1, &control).unwrap().labels;
    let space = clusterer.space(data.view(), &control).unwrap();
    let found = silhouette(space.view(), &labels, 3, &control).unwrap();
    assert!((found - by_definition(&data, &labels, 3)).abs() < 1e-12);
    assert!((figures[3 + 3] - found).abs() < 1e-9, "that of k = 3: {figures:?}");
}
