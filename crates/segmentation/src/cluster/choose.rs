//! How many segments there are, with the table the answer was read from.

use super::kmeans::{distinct_rows, kmeans, KMeansParams};
use super::seeding::uniform_row;
use super::silhouette::silhouette;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Rows clustered for every k; a larger table is sampled.
const SCAN_ROWS: usize = 20_000;
/// Rows compared for the silhouette, which costs their square.
const SILHOUETTE_ROWS: usize = 5_000;
/// Silhouettes this close count as equal, and the smaller k wins.
const TIE: f64 = 1e-3;
/// Streams of the seed that no restart uses.
const SCAN_STREAM: u64 = u64::MAX;
const SILHOUETTE_STREAM: u64 = u64::MAX - 1;

/// One number of clusters that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct KRow {
    pub k: usize,
    /// Of the rows scanned (at most 20,000).
    pub inertia: f64,
    /// Mean silhouette over [`Choice::silhouette_rows`] rows.
    pub silhouette: f64,
    /// Rows of the smallest cluster, of the rows scanned.
    pub smallest: u64,
}

/// The chosen number of clusters and everything it was chosen from.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// k = 2, 3, ... in order; empty when there are too few rows to try.
    pub rows: Vec<KRow>,
    pub k: usize,
    /// One line for the user: the rule applied and the numbers it used.
    pub reason: String,
    /// Rows the silhouettes were computed on; 0 when none was.
    pub silhouette_rows: usize,
}

/// The fewest rows a cluster may have for its k to be admissible: 30 or 1 % of the rows, whichever is more; below 600
/// rows 5 % of them instead of 30, but never fewer than 2.
fn smallest_allowed(rows: usize) -> u64 {
    (rows / 20).min(30).max(rows.div_ceil(100)).max(2) as u64
}

/// Tries k = 2 to `k_max` on `data` (rows × columns, finite) and picks the one with the highest silhouette.
///
/// Admissible is a k whose smallest cluster is large enough (30 rows or 1 %, 5 % in a table below 600 rows, at least 2)
/// and whose silhouette is above 0. Silhouettes within 0.001 are a tie, which the smaller k wins. With no admissible k
/// the answer is k = 1, "no segment structure". Above 20,000 rows a sample of 20,000 drawn from `seed` is clustered;
/// above 5,000 rows one sample of 5,000 gives the silhouettes of every k. `k_max` is cut to the number of distinct rows and
/// to rows - 1. This is a choice by silhouette alone: it does not test whether the structure is more than chance.
///
/// Errors: those of [`kmeans`], and `InvalidParameter` for `k_max` below 1.
pub fn choose_k(data: ArrayView2<f64>, k_max: usize, seed: u64, n_init: usize, control: &Control) -> Result<Choice> {
    if k_max < 1 {
        return Err(Error::invalid(format!("k_max = {k_max} is below 1")));
    }
    let sampled = (data.nrows() > SCAN_ROWS).then(|| sample(data, SCAN_ROWS, seed, SCAN_STREAM));
    let scanned = sampled.as_ref().map_or(data.view(), |rows| rows.view());
    let n = scanned.nrows();
    // Refuses an empty matrix and unusable values before anything is said about k.
    kmeans(scanned, &KMeansParams { n_init: 1, max_iter: 1, ..KMeansParams::new(1, seed) }, control)?;
    let limit = distinct_rows(scanned, k_max, control)?.min(n - 1);
    let compared = (n > SILHOUETTE_ROWS).then(|| sample_rows(n, SILHOUETTE_ROWS, seed, SILHOUETTE_STREAM));
    let mut rows = Vec::new();
    for k in 2..=limit {
        let fit = kmeans(scanned, &KMeansParams { n_init, ..KMeansParams::new(k, seed) }, control)?;
        control.phase(format!("k = {k}: silhouette"));
        let silhouette = match &compared {
            Some(chosen) => {
                let labels: Vec<u32> = chosen.iter().map(|&row| fit.labels[row]).collect();
                silhouette(scanned.select(Axis(0), chosen).view(), &labels, k, control)?
            }
            None => silhouette(scanned, &fit.labels, k, control)?,
        };
        let smallest = fit.sizes.iter().copied().min().unwrap_or(0);
        rows.push(KRow { k, inertia: fit.inertia, silhouette, smallest });
    }
    let silhouette_rows = if rows.is_empty() { 0 } else { n.min(SILHOUETTE_ROWS) };
    let (k, reason) = rule(&rows, n, limit);
    Ok(Choice { rows, k, reason, silhouette_rows })
}

fn rule(rows: &[KRow], n: usize, limit: usize) -> (usize, String) {
    let least = smallest_allowed(n);
    let admissible = || rows.iter().filter(|row| row.smallest >= least && row.silhouette > 0.0);
    let highest = admissible().map(|row| row.silhouette).fold(f64::NEG_INFINITY, f64::max);
    let Some(best) = admissible().find(|row| row.silhouette >= highest - TIE) else {
        let why = match limit {
            0 | 1 => "there is nothing to split: k_max, distinct rows or rows - 1 leave no k of 2 or more".to_string(),
            _ => format!("no k from 2 to {limit} has a silhouette above 0 and at least {least} rows in every segment"),
        };
        return (1, format!("no segment structure: {why}"));
    };
    let reason = format!(
        "k = {}: highest silhouette, {:.3}, of k = 2 to {limit} with at least {least} rows in every segment",
        best.k, best.silhouette
    );
    (best.k, reason)
}

fn sample(data: ArrayView2<f64>, size: usize, seed: u64, stream: u64) -> Array2<f64> {
    data.select(Axis(0), &sample_rows(data.nrows(), size, seed, stream))
}

/// `size` of `rows` row numbers without replacement (Fisher & Yates), in ascending order.
fn sample_rows(rows: usize, size: usize, seed: u64, stream: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut all: Vec<usize> = (0..rows).collect();
    for i in 0..size {
        let j = i + uniform_row(&mut rng, rows - i);
        all.swap(i, j);
    }
    all.truncate(size);
    all.sort_unstable();
    all
}
