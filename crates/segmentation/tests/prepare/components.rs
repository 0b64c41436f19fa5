//! How many components, whitening, and the way back through the rotation.

use super::{close, fit, fit_specs, iris, plain, rows, spec, specs, with};
use ndarray::Array2;
use segmentation::prepare::{Plan, Preparation, Transform};
use segmentation::Control;
use serde_json::{json, Value};

/// Standardised iris, all four columns.
fn standardised(pca: Value) -> (Preparation, Array2<f64>) {
    fit(with(plain(), "pca", pca), &iris()).unwrap()
}

/// The percentiles are those of normal data sets (2000 of them); permuted columns have nearly the same.
#[test]
fn parallel_analysis_keeps_one_component_of_iris() {
    assert_eq!(standardised(json!(0.9)).0.width(), 2);
    let (p, m) = standardised(json!({"parallel": true}));
    let pca = p.pca().unwrap();
    assert_eq!((p.width(), m.ncols(), pca.components.len()), (1, 1, 1));
    let thresholds = pca.parallel.as_ref().unwrap();
    assert_eq!(thresholds.len(), 4);
    assert!((thresholds[0] - 1.297).abs() < 0.04 && (thresholds[1] - 1.120).abs() < 0.03, "{thresholds:?}");
    // Of the correlation matrix 2.918 and 0.914; columns of population variance 1 have a little more with n - 1.
    close(pca.eigenvalues[0], 2.91849782 * 150.0 / 149.0, 1e-8);
    close(pca.eigenvalues[1], 0.91403047 * 150.0 / 149.0, 1e-8);
    let stored = serde_json::to_string(&p).unwrap();
    let again: Preparation = serde_json::from_str(&stored).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), stored);
}

#[test]
fn more_components_than_there_are_is_said() {
    let (p, _) = standardised(json!({"components": 5}));
    assert_eq!(p.width(), 4);
    assert!(
        p.warnings().iter().any(|n| n == "5 principal components were asked for, there are 4"),
        "{:?}",
        p.warnings()
    );
    assert!(standardised(json!({"components": 4})).0.warnings().iter().all(|n| !n.contains("asked for")));
}

#[test]
fn parallel_analysis_finds_the_factors_that_were_planted() {
    // Two factors of three columns each, and three columns of nothing; sums of hashed bits are near enough to normal.
    let noise = |i: usize, j: usize| {
        let h = (i as u64 * 31 + j as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..8).map(|s| ((h ^ (h >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> (8 * s) & 0xff) as f64).sum::<f64>()
    };
    let raw = Array2::from_shape_fn((3000, 9), |(i, j)| {
        let factor = if j < 6 { noise(i, 100 + j / 3) } else { 0.0 };
        factor + noise(i, j)
    });
    let plan = with(plain(), "pca", json!({"parallel": true}));
    let (p, _) = fit(plan.clone(), &raw).unwrap();
    assert_eq!(p.width(), 2, "{:?}", p.pca().unwrap().eigenvalues);

    // The seed is the fit's; threads change nothing.
    let s = specs(9);
    let with_seed = |seed: u64, threads: usize| {
        let mut plan = Plan::from_json(Some(&plan), &s).unwrap();
        plan.seed = seed;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (p, _) = pool.install(|| Preparation::fit(&plan, &s, raw.view(), &Control::new())).unwrap();
        p.pca().unwrap().parallel.clone().unwrap()
    };
    assert_eq!(with_seed(5, 1), with_seed(5, 3));
    assert_ne!(with_seed(5, 1), with_seed(6, 1));
}

#[test]
fn whitening_is_scikit_learns() {
    let oracle: Value = serde_json::from_str(include_str!("../data/scales_oracle.json")).unwrap();
    let (p, m) = standardised(json!({"components": 3, "whiten": true}));
    for (got, expected) in m.outer_iter().step_by(15).zip(rows(&oracle["white"])) {
        got.iter().zip(expected).for_each(|(a, b)| close(*a, b, 1e-8));
    }
    for column in m.columns() {
        close(column.dot(&column) / 149.0, 1.0, 1e-9);
    }
    assert!(!standardised(json!(0.9)).0.pca().unwrap().whiten);
    // By default as many components as without.
    assert_eq!(standardised(json!({"whiten": true})).0.width(), 2);
    assert!(p.pca().unwrap().whiten);

    // A direction without variance is not blown up.
    let flat = Array2::from_shape_fn((50, 3), |(i, j)| if j < 2 { i as f64 } else { (i * i % 17) as f64 });
    let plan = with(plain(), "pca", json!({"components": 3, "whiten": true}));
    let (p, m) = fit(plan, &flat).unwrap();
    assert_eq!(p.width(), 2);
    assert!(m.iter().all(|x| x.abs() < 10.0));
}

/// With all components a row comes back; with fewer, distances to any two centres differ by the same in both spaces.
#[test]
fn centres_come_back_to_the_scaled_space() {
    for pca in [json!(1.0), json!({"components": 4, "whiten": true}), Value::Null] {
        let (p, m) = standardised(pca);
        let mut scaled = Vec::new();
        for (raw, prepared) in iris().outer_iter().zip(m.outer_iter()) {
            p.scaled(&raw.to_vec(), &mut scaled).unwrap();
            let back = p.back(&prepared.to_vec()).unwrap();
            back.iter().zip(&scaled).for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
        }
        assert!(p.back(&[1.0]).is_err());
    }
    let squared = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let s: Vec<_> = (0..4).map(|i| spec(&format!("f{i}"), ["a", "b"][i / 3], Transform::Log1p)).collect();
    let (p, m) = fit_specs(json!({"correlated": null, "pca": {"components": 2}}), &s, &iris()).unwrap();
    let centres = [m.row(3).to_vec(), m.row(77).to_vec(), vec![0.3, -2.0]];
    let scaled_centres: Vec<Vec<f64>> = centres.iter().map(|c| p.back(c).unwrap()).collect();
    let mut scaled = Vec::new();
    for (raw, prepared) in iris().outer_iter().zip(m.outer_iter()) {
        p.scaled(&raw.to_vec(), &mut scaled).unwrap();
        let left_out = |i: usize| squared(&scaled, &scaled_centres[i]) - squared(&prepared.to_vec(), &centres[i]);
        assert!((left_out(0) - left_out(1)).abs() < 1e-12 && (left_out(0) - left_out(2)).abs() < 1e-12);
    }
}
