//! What candidates for the next centroid would leave of the squared distances of a chunk.

// One lane or vector index runs over several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::kernel::{each_center, load, splat, store, width, Centers, Measure, Sink, Squared, Wide};
use super::packed::Lanes;
use crate::control::Control;
use pulp::{Arch, Simd, WithSimd};

/// Candidates tried in one pass, at most: `2 + floor(ln k)` stays below it for every `k` up to 2^32.
pub(super) const CANDIDATES: usize = 24;

/// One chunk of a k-means++ pass: brings `closest` up to date with the centroid chosen last, and sums what every
/// candidate would leave.
pub(super) struct Potential<'a> {
    pub chunk: &'a [Lanes],
    /// Squared distance of each row to the centroids chosen so far; zero in the padding.
    pub closest: &'a mut [Lanes],
    pub chosen: Option<&'a [f64]>,
    pub candidates: &'a Centers,
    pub control: &'a Control,
}

impl Potential<'_> {
    /// One sum a candidate; `None` when cancelled.
    pub fn run(self, arch: Arch) -> Option<Vec<f64>> {
        arch.dispatch(self)
    }
}

impl WithSimd for Potential<'_> {
    type Output = Option<Vec<f64>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Option<Vec<f64>> {
        let k = self.candidates.k.min(CANDIDATES);
        let mut left = Left { closest: splat(simd, 0.0), sums: [splat(simd, 0.0); CANDIDATES] };
        for (block, closest) in self.chunk.chunks_exact(self.candidates.cols).zip(self.closest) {
            if self.control.is_cancelled() {
                return None;
            }
            left.closest = load(simd, closest);
            if let Some(chosen) = self.chosen {
                let [d] = Squared::group::<S, 1>(simd, block, chosen, &[]);
                for v in 0..width::<S>() {
                    left.closest[v] = simd.min_f64s(d[v], left.closest[v]);
                }
                *closest = store::<S>(&left.closest);
            }
            each_center::<Squared, S>(simd, block, self.candidates, &mut left);
        }
        Some(left.sums[..k].iter().map(|sum| store::<S>(sum).sum()).collect())
    }
}

struct Left<S: Simd> {
    closest: Wide<S>,
    sums: [Wide<S>; CANDIDATES],
}

impl<S: Simd> Sink<S> for Left<S> {
    #[inline(always)]
    fn take(&mut self, simd: S, candidate: usize, measure: &Wide<S>) {
        let sum = &mut self.sums[candidate.min(CANDIDATES - 1)];
        for v in 0..width::<S>() {
            sum[v] = simd.add_f64s(sum[v], simd.min_f64s(measure[v], self.closest[v]));
        }
    }
}
