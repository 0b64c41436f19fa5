//! How good a clustering is, from its clusters' centres: criteria that cost one pass over the rows.

use super::algorithm::NOISE;
use crate::control::Control;
use crate::error::Result;
use crate::prepare::CHUNK;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Criteria of one clustering; None where they are not defined: with fewer than two clusters, or no more rows than clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Criteria {
    /// Sum of the squared distances of the rows to the mean of their cluster; None when no row is in one
    pub within: Option<f64>,
    /// (between / (k - 1)) / (within / (n - k)), the higher the better; None also when every row is its cluster's mean
    /// (Caliński & Harabasz 1974)
    pub calinski_harabasz: Option<f64>,
    /// Mean over the clusters of the worst (sᵢ + sⱼ) / dᵢⱼ, the lower the better (Davies & Bouldin 1979)
    pub davies_bouldin: Option<f64>,
    /// Mean of (b - a) / max(a, b) with the distances to the means of the own and the nearest other cluster. On another
    /// scale than the silhouette: higher (Hruschka, de Castro & Campello 2004)
    pub simplified_silhouette: Option<f64>,
}

/// All criteria of `labels` below `k` (others, such as noise, do not count) over the rows of `data`. The formulas are those of
/// scikit-learn where it has them. Clusters without rows are left out.
pub fn criteria(data: ArrayView2<f64>, labels: &[u32], k: usize, control: &Control) -> Result<Criteria> {
    let (sizes, sums) = totals(data, labels, k, control)?;
    let used: Vec<usize> = (0..k).filter(|&j| sizes[j] > 0).collect();
    let rows: u64 = used.iter().map(|&j| sizes[j]).sum();
    let clusters = used.len();
    if clusters == 0 {
        return Ok(Criteria::default());
    }
    let means = Array2::from_shape_fn((clusters, data.ncols()), |(i, f)| sums[(used[i], f)] / sizes[used[i]] as f64);
    let mut place = vec![usize::MAX; k];
    used.iter().enumerate().for_each(|(i, &j)| place[j] = i);
    let parts: Vec<Part> = data
        .axis_chunks_iter(Axis(0), CHUNK)
        .into_par_iter()
        .zip(labels.par_chunks(CHUNK))
        .map(|(rows, labels)| {
            control.check()?;
            let mut part = Part { within: 0.0, silhouette: 0.0, spread: vec![0.0; clusters] };
            for (row, &label) in rows.rows().into_iter().zip(labels).filter(|(_, &label)| (label as usize) < k) {
                let own = place[label as usize];
                let distance2 = |i: usize| squared(row, means.row(i));
                let a2 = distance2(own);
                let b2 = (0..clusters).filter(|&i| i != own).map(distance2).fold(f64::INFINITY, f64::min);
                let (a, b) = (a2.sqrt(), b2.sqrt());
                part.within += a2;
                part.spread[own] += a;
                if a.max(b) > 0.0 && b.is_finite() {
                    part.silhouette += (b - a) / a.max(b);
                }
            }
            Ok(part)
        })
        .collect::<Result<_>>()?;
    let within = parts.iter().fold(0.0, |s, p| s + p.within);
    if clusters < 2 || rows <= clusters as u64 {
        return Ok(Criteria { within: Some(within), ..Criteria::default() });
    }
    let n = rows as f64;
    let centre = Array2::from_shape_fn((1, data.ncols()), |(_, f)| used.iter().fold(0.0, |s, &j| s + sums[(j, f)]) / n);
    let between = (0..clusters).fold(0.0, |s, i| s + sizes[used[i]] as f64 * squared(means.row(i), centre.row(0)));
    let spread = |i: usize| parts.iter().fold(0.0, |s, p| s + p.spread[i]) / sizes[used[i]] as f64;
    let spread: Vec<f64> = (0..clusters).map(spread).collect();
    let worst = |i: usize| {
        let others = (0..clusters).filter(|&j| j != i);
        others
            .map(|j| (spread[i] + spread[j]) / squared(means.row(i), means.row(j)).sqrt())
            // Two clusters around one mean: as bad as can be, unless they are that point.
            .map(|x| if x.is_nan() { 0.0 } else { x })
            .fold(0.0, f64::max)
    };
    let bouldin = (0..clusters).fold(0.0, |s, i| s + worst(i)) / clusters as f64;
    Ok(Criteria {
        within: Some(within),
        calinski_harabasz: (within > 0.0).then(|| between / (clusters - 1) as f64 / (within / (n - clusters as f64))),
        davies_bouldin: bouldin.is_finite().then_some(bouldin),
        simplified_silhouette: Some(parts.iter().fold(0.0, |s, p| s + p.silhouette) / n),
    })
}

struct Part {
    within: f64,
    silhouette: f64,
    /// Sum of the distances to the own mean, by cluster
    spread: Vec<f64>,
}

/// Rows of each cluster and the sums of their columns.
fn totals(data: ArrayView2<f64>, labels: &[u32], k: usize, control: &Control) -> Result<(Vec<u64>, Array2<f64>)> {
    let parts: Vec<(Vec<u64>, Array2<f64>)> = data
        .axis_chunks_iter(Axis(0), CHUNK)
        .into_par_iter()
        .zip(labels.par_chunks(CHUNK))
        .map(|(rows, labels)| {
            control.check()?;
            let mut part = (vec![0u64; k], Array2::zeros((k, data.ncols())));
            for (row, &label) in rows.rows().into_iter().zip(labels).filter(|(_, &label)| (label as usize) < k) {
                part.0[label as usize] += 1;
                part.1.row_mut(label as usize).iter_mut().zip(row).for_each(|(s, x)| *s += x);
            }
            Ok(part)
        })
        .collect::<Result<_>>()?;
    let mut total = (vec![0u64; k], Array2::zeros((k, data.ncols())));
    for (sizes, sums) in parts {
        total.0.iter_mut().zip(sizes).for_each(|(t, n)| *t += n);
        total.1 += &sums;
    }
    Ok(total)
}

pub(super) fn squared(a: ndarray::ArrayView1<f64>, b: ndarray::ArrayView1<f64>) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b))
}

/// Rows of the smallest cluster that has any, and the number of those.
pub(super) fn sizes(labels: &[u32], k: usize) -> (u64, usize) {
    let mut sizes = vec![0u64; k];
    labels.iter().filter(|&&label| label != NOISE).for_each(|&label| sizes[label as usize] += 1);
    let used = sizes.iter().filter(|&&n| n > 0);
    (used.clone().copied().min().unwrap_or(0), used.count())
}
