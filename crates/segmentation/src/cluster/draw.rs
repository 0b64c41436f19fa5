//! Random rows: samples, resamples and permutations, each from a stream of its own.

use super::seeding::{uniform, uniform_row};
use crate::control::Control;
use crate::error::{Error, Kind, Result};
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// What random numbers are drawn for. Restarts use the streams from 0, so these are far away.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Scan = 1,
    Silhouette,
    Replicates,
    Bootstrap,
    Prediction,
    Gap,
    Guard,
    Permuted,
    Correlated,
    Normal,
    Folds,
}

/// The generator of replicate `index` for a purpose: the same whatever else is drawn.
pub(super) fn stream(seed: u64, purpose: Purpose, index: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((purpose as u64) << 48 | index as u64);
    rng
}

/// `size` of `rows` row numbers without replacement (Fisher & Yates), in ascending order; all of them when there are no more.
pub(super) fn sample_rows(rows: usize, size: usize, rng: &mut impl RngCore) -> Vec<usize> {
    let mut all: Vec<usize> = (0..rows).collect();
    if size >= rows {
        return all;
    }
    for i in 0..size {
        let j = i + uniform_row(rng, rows - i);
        all.swap(i, j);
    }
    all.truncate(size);
    all.sort_unstable();
    all
}

/// The rows of a matrix of `rows` rows that everything repeated runs on: at most `size`, drawn from `seed`, ascending.
pub fn replicated(rows: usize, size: usize, seed: u64) -> Vec<usize> {
    sample_rows(rows, size, &mut stream(seed, Purpose::Replicates, 0))
}

/// The row numbers in random order.
pub(super) fn shuffled(rows: usize, rng: &mut impl RngCore) -> Vec<usize> {
    let mut all: Vec<usize> = (0..rows).collect();
    for i in 0..rows.saturating_sub(1) {
        all.swap(i, i + uniform_row(rng, rows - i));
    }
    all
}

/// As many row numbers with replacement, in ascending order.
pub(super) fn bootstrap_rows(rows: usize, rng: &mut impl RngCore) -> Vec<usize> {
    let mut drawn: Vec<usize> = (0..rows).map(|_| uniform_row(rng, rows)).collect();
    drawn.sort_unstable();
    drawn
}

/// A standard normal number (Box & Muller 1958).
pub(super) fn normal(rng: &mut impl RngCore) -> f64 {
    let (u, v) = (1.0 - uniform(rng), uniform(rng));
    (-2.0 * libm::log(u)).sqrt() * libm::cos(2.0 * std::f64::consts::PI * v)
}

/// What these rows cannot answer, such as more clusters than distinct rows, is told inside: others may. What ends everything,
/// such as a cancel, is the error outside.
pub(super) fn answered<T>(found: Result<T>) -> Result<Result<T>> {
    match found {
        Err(Error { kind: Kind::InvalidParameter | Kind::NotReady | Kind::LimitExceeded, .. }) => Ok(found),
        found => found.map(Ok),
    }
}

/// Runs replicates side by side and gives what they found in order of their index. A replicate that cannot answer (a resample
/// may have fewer distinct rows than there are clusters) is None; a cancel ends all.
pub(super) fn replicates<T: Send>(
    count: usize,
    control: &Control,
    what: &str,
    run: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<Option<T>>> {
    control.phase(what);
    (0..count)
        .into_par_iter()
        .map(|index| {
            control.check()?;
            answered(run(index)).map(Result::ok)
        })
        .collect()
}

/// Mean and standard deviation (population) of numbers, added in order; None without any.
pub(super) fn mean_and_sd(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().fold(0.0, |s, x| s + x) / n;
    let variance = values.iter().fold(0.0, |s, x| s + (x - mean) * (x - mean)) / n;
    Some((mean, variance.sqrt()))
}
