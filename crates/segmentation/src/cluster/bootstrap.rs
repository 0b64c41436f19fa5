//! Clusterwise stability: what of each cluster is found again in resamples of the rows.

use super::algorithm::{Clusterer, NOISE};
use super::draw::{bootstrap_rows, replicates, stream, Purpose};
use super::matching::optimal_assignment;
use super::shape::Shape;
use crate::control::Control;
use crate::error::Result;
use ndarray::{ArrayView2, Axis};
use rand_chacha::rand_core::RngCore;
use rayon::prelude::*;

/// At or below this, a cluster counts as dissolved in a resample.
const DISSOLVED: f64 = 0.5;
/// Rows whose confidence is told between two looks at the control.
const ROWS: usize = 128;

/// How well one cluster is found again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recovery {
    /// Mean over the resamples of the largest Jaccard similarity with a cluster of the refit
    pub jaccard: f64,
    /// Resamples in which that was at most 0.5
    pub dissolved: usize,
    /// Resamples that had a row of it
    pub resamples: usize,
}

/// One refit on a resample.
struct Refit {
    /// Largest Jaccard similarity of each cluster; None where no row of it was drawn
    jaccards: Vec<Option<f64>>,
    shape: Shape,
    /// Cluster of ours that each of its clusters is matched with
    ours: Vec<Option<usize>>,
}

/// Refits on resamples, from which recovery and confidence are read.
pub struct Bootstrap {
    k: usize,
    refits: Vec<Refit>,
    asked: usize,
}

impl Bootstrap {
    /// `count` times: draw as many rows with replacement, cluster them into `k`, compare with `labels` (below `k`, or noise) on
    /// the distinct rows drawn (Hennig 2007; `clusterboot` of R's fpc).
    pub fn run(
        data: ArrayView2<f64>,
        labels: &[u32],
        k: usize,
        clusterer: &dyn Clusterer,
        count: usize,
        seed: u64,
        control: &Control,
    ) -> Result<Bootstrap> {
        let found = replicates(count, control, &format!("k = {k}: stability in resamples"), |index| {
            let mut rng = stream(seed, Purpose::Bootstrap, index);
            let drawn = bootstrap_rows(data.nrows(), &mut rng);
            let rows = data.select(Axis(0), &drawn);
            let refit = clusterer.fit(rows.view(), k, rng.next_u64(), control)?;
            let pairs = drawn.iter().zip(&refit.labels);
            let mut distinct: Vec<(usize, u32)> = pairs.map(|(&row, &label)| (row, label)).collect();
            distinct.dedup_by_key(|(row, _)| *row);
            let theirs = refit
                .shape
                .k()
                .max(1 + refit.labels.iter().filter(|&&l| l != NOISE).fold(0, |m, &l| m.max(l as usize)));
            let mut counts = vec![0u64; k * theirs];
            let (mut own, mut other) = (vec![0u64; k], vec![0u64; theirs]);
            for (row, label) in distinct {
                let (a, b) = (labels[row], label);
                if a != NOISE {
                    own[a as usize] += 1;
                }
                if b != NOISE {
                    other[b as usize] += 1;
                }
                if a != NOISE && b != NOISE {
                    counts[a as usize * theirs + b as usize] += 1;
                }
            }
            let jaccard = |a: usize, b: usize| {
                let both = counts[a * theirs + b];
                both as f64 / (own[a] + other[b] - both).max(1) as f64
            };
            let best = |a: usize| (0..theirs).map(|b| jaccard(a, b)).fold(0.0, f64::max);
            let cost: Vec<i128> = counts.iter().map(|&n| -i128::from(n)).collect();
            let mut ours = vec![None; theirs];
            for (a, b) in optimal_assignment(&cost, k, theirs, control)?.into_iter().enumerate() {
                if let Some(b) = b.filter(|&b| counts[a * theirs + b] > 0) {
                    ours[b] = Some(a);
                }
            }
            let jaccards = (0..k).map(|a| (own[a] > 0).then(|| best(a))).collect();
            Ok(Refit { jaccards, shape: refit.shape, ours })
        })?;
        Ok(Bootstrap { k, refits: found.into_iter().flatten().collect(), asked: count })
    }

    /// Resamples that could be clustered, of those asked for.
    pub fn resamples(&self) -> (usize, usize) {
        (self.refits.len(), self.asked)
    }

    /// Of each cluster; None where no resample had a row of it.
    pub fn recovery(&self) -> Vec<Option<Recovery>> {
        let of = |cluster: usize| {
            let found: Vec<f64> = self.refits.iter().filter_map(|refit| refit.jaccards[cluster]).collect();
            let resamples = found.len();
            (resamples > 0).then(|| Recovery {
                jaccard: found.iter().fold(0.0, |s, x| s + x) / resamples as f64,
                dissolved: found.iter().filter(|&&x| x <= DISSOLVED).count(),
                resamples,
            })
        };
        (0..self.k).map(of).collect()
    }

    /// The mean Jaccard similarity of the cluster that has the lowest.
    pub fn weakest(&self) -> Option<f64> {
        let found = self.recovery();
        let known = found.iter().flatten().map(|r| r.jaccard);
        known.reduce(f64::min)
    }

    /// For each row of `data` (any rows), the share of refits whose cluster for it is matched with its label; NaN-free: None for
    /// noise, and without refits. O(rows × refits × clusters).
    pub fn confidence(&self, data: ArrayView2<f64>, labels: &[u32], control: &Control) -> Result<Vec<Option<f64>>> {
        control.phase("confidence of each account");
        let chunks: Vec<Vec<Option<f64>>> = data
            .axis_chunks_iter(Axis(0), ROWS)
            .into_par_iter()
            .zip(labels.par_chunks(ROWS))
            .map(|(rows, labels)| {
                control.check()?;
                let share = |row: &[f64], label: u32| {
                    let same = |refit: &&Refit| {
                        refit.shape.score(row).index.and_then(|i| refit.ours[i]) == Some(label as usize)
                    };
                    self.refits.iter().filter(same).count() as f64 / self.refits.len() as f64
                };
                let told = |label: u32| label != NOISE && !self.refits.is_empty();
                let rows = rows.axis_iter(Axis(0)).zip(labels);
                Ok(rows.map(|(row, &label)| told(label).then(|| share(&row.to_vec(), label))).collect())
            })
            .collect::<Result<_>>()?;
        Ok(chunks.into_iter().flatten().collect())
    }
}

/// What a mean Jaccard similarity means (Hennig; manual of `clusterboot`).
pub fn stability_in_words(jaccard: f64) -> &'static str {
    match jaccard {
        x if x >= 0.85 => "highly stable",
        x if x >= 0.75 => "valid, stable",
        x if x >= 0.6 => "a pattern, but which accounts belong to it is doubtful",
        _ => "not to be trusted",
    }
}
