//! Which rows cannot have changed their nearest centroid since they were measured (Hamerly 2010).
//!
//! A row whose nearest centroid leads the others by more than the centroids have moved since keeps its label, and
//! needs no look. Hamerly keeps two bounds a row and lowers them at every step; here a row keeps one number that is
//! written when the row is measured, its lead and what its centroid had drifted by then, and is compared with what it
//! has drifted by now. So a row that is skipped costs a comparison, and its features are not even read.
//!
//! Labels are those of the squared distances as computed, ties included. So every bound is rounded against skipping,
//! and a lead counts only above [`Bounds::new`]'s slack, below which rounding could turn the order of two computed
//! distances.

// One lane or vector index runs over several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::kernel::{splat, store, width, Wide};
use super::packed::{Lanes, LANES};
use pulp::Simd;

/// Room for a few roundings of a bound itself.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// How far the centroids have moved since the run began.
pub(super) struct Drift {
    /// For each centroid, at least the sum over the steps of its own shift and the largest shift of another: what a
    /// lead of its rows can have lost.
    lost: Vec<f64>,
}

impl Drift {
    pub fn new(k: usize) -> Drift {
        Drift { lost: vec![0.0; k] }
    }

    /// Adds the step from centroids `before` to `after` (`k` × `cols`).
    pub fn step(&mut self, before: &[f64], after: &[f64]) {
        let cols = before.len() / self.lost.len().max(1);
        let most = 1.0 + (cols as f64 + 16.0) * f64::EPSILON;
        let hidden = (cols as f64 * f64::MIN_POSITIVE).sqrt();
        let shift = |(a, b): (&[f64], &[f64])| {
            a.iter().zip(b).fold(0.0, |sum: f64, (a, b)| sum + (a - b) * (a - b)).sqrt() * most + hidden
        };
        let shifts: Vec<f64> = before.chunks_exact(cols).zip(after.chunks_exact(cols)).map(shift).collect();
        let (mut largest, mut second) = ((usize::MAX, 0.0), 0.0);
        for (j, &shift) in shifts.iter().enumerate() {
            if shift > largest.1 {
                (largest, second) = ((j, shift), largest.1);
            } else if shift > second {
                second = shift;
            }
        }
        for (j, (lost, shift)) in self.lost.iter_mut().zip(shifts).enumerate() {
            let other = if j == largest.0 { second } else { largest.1 };
            *lost = (*lost + (shift + other)) * (1.0 + ROUNDING);
        }
    }
}

/// What the bounds of one chunk are compared with.
pub(super) struct Bounds<'a> {
    drift: &'a Drift,
    /// For each label, what a row's number has to be above.
    limit: Vec<f64>,
}

impl Bounds<'_> {
    /// `reach`: at least the length of the longest row and of the longest centroid together.
    ///
    /// With `u = 2^-53`, a computed squared distance is off by `(cols + 3) u` of itself and by `n = cols 2^-1074` that
    /// underflow hides. Two of them are in the right order when `(d2 - d1) (d2 + d1)` is above
    /// `(cols + 3) u (d1 + d2)^2 + 2 n`, which a lead `d2 - d1` above `4 (cols + 3) u reach + 2 sqrt(n)` ensures.
    pub fn new(drift: &Drift, reach: f64, cols: usize) -> Bounds<'_> {
        let cols = cols as f64;
        let slack = 4.0 * (cols + 4.0) * f64::EPSILON * reach + (4.0 * cols * f64::MIN_POSITIVE).sqrt();
        Bounds { drift, limit: drift.lost.iter().map(|lost| (lost + slack) * (1.0 + ROUNDING)).collect() }
    }

    /// Whether the labels of a block still hold; `kept` are its numbers, and lanes without a row do not count.
    #[inline(always)]
    pub fn hold(&self, kept: &Lanes, labels: &[u32]) -> bool {
        let mut hold = true;
        match <&[u32; LANES]>::try_from(labels) {
            Ok(labels) => {
                for l in 0..LANES {
                    hold &= kept.0[l] > self.limit(labels[l]);
                }
            }
            Err(_) => {
                for (&label, &kept) in labels.iter().zip(&kept.0) {
                    hold &= kept > self.limit(label);
                }
            }
        }
        hold
    }

    /// Infinite for the label of a row that has not had one.
    #[inline(always)]
    fn limit(&self, label: u32) -> f64 {
        self.limit.get(label as usize).copied().unwrap_or(f64::INFINITY)
    }

    /// The numbers to keep for rows of `labels` whose nearest centroids lead by at least `leads`.
    #[inline(always)]
    pub fn keep(&self, labels: &[u32; LANES], leads: &Lanes) -> Lanes {
        let mut kept = Lanes::ZERO;
        for l in 0..LANES {
            kept.0[l] = (leads.0[l] + self.drift.lost[labels[l] as usize]) * (1.0 - ROUNDING);
        }
        kept
    }
}

/// Turns squared distances into leads without a root a row: `sqrt(x)` is at most `(x / r + r) / 2` for every `r`, and
/// little less where `r` is near it.
pub(super) struct Leads {
    /// `r`; 0 before the first block chose it.
    typical: f64,
}

impl Leads {
    pub fn new() -> Leads {
        Leads { typical: 0.0 }
    }

    /// The leads in distance of rows from their squared distances `near` and `far` to the two nearest centroids, either
    /// of which may be off by `error`; rounded down. NaN or 0, which never hold, where there is no second centroid.
    #[inline(always)]
    pub fn of<S: Simd>(&mut self, simd: S, near: &Wide<S>, far: &Wide<S>, error: f64) -> Lanes {
        if self.typical == 0.0 {
            let mean = (store::<S>(near).sum() + store::<S>(far).sum()) / (2 * LANES) as f64;
            let root = mean.sqrt();
            self.typical = if root > 0.0 && root < f64::INFINITY { root } else { 1.0 };
        }
        let share = simd.splat_f64s(0.5 / self.typical);
        let rest = simd.splat_f64s(self.typical + error / self.typical);
        let (twice, down) = (simd.splat_f64s(2.0 * error), simd.splat_f64s(1.0 - ROUNDING));
        let mut lead = splat(simd, 0.0);
        for v in 0..width::<S>() {
            let apart = simd.sub_f64s(simd.sub_f64s(far[v], near[v]), twice);
            let sum = simd.add_f64s(simd.mul_f64s(simd.add_f64s(far[v], near[v]), share), rest);
            lead[v] = simd.mul_f64s(simd.div_f64s(apart, sum), down);
        }
        store::<S>(&lead)
    }
}
