//! Assignment of a chunk's rows to their nearest centroids.
//!
//! Labels are defined by squared distances, but while Lloyd iterates only the order of the distances counts. So the
//! cheaper [`Score`] decides wherever its lead is above what rounding could turn; the block is measured again by
//! [`Squared`] where it is not. The labels are those of [`Squared`] in every case, ties included.

// One lane or vector index runs over several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::kernel::{each_center, splat, store, width, Centers, Score, Sink, Squared, Wide};
use super::packed::{Extent, Lanes, LANES};
use super::tally::Tally;
use crate::control::Control;
use pulp::{Arch, Simd, WithSimd};

/// What the caller needs besides the labels.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Want {
    /// Counts and sums of the clusters, in the [`Tally`].
    Sums,
    /// The sum of the squared distances; counts and sums are left behind.
    Inertia,
}

/// What is said of one chunk.
pub(super) struct Assigned {
    /// 0 unless wanted.
    pub inertia: f64,
    /// Whether any label differs from before.
    pub changed: bool,
}

pub(super) struct Assign<'a> {
    pub chunk: &'a [Lanes],
    pub extent: Extent,
    pub centers: &'a Centers,
    /// In: the previous labels, out: the new ones.
    pub tally: &'a mut Tally,
    pub want: Want,
    pub control: &'a Control,
}

impl Assign<'_> {
    /// `None` when cancelled.
    pub fn run(self, arch: Arch) -> Option<Assigned> {
        arch.dispatch(self)
    }

    /// The lead of one score over another above which the squared distances, as computed, are in the same order.
    ///
    /// With `u = 2^-53` and `m = (longest row + longest centroid)^2`, a computed score is off by at most `(cols + 3) u m`
    /// and a computed squared distance by at most `(cols + 3) u` of itself, which is at most `(cols + 3) u m`; two of
    /// each make 3 `(cols + 3) u m` in units of the score. 4 `(cols + 4)` covers the rounding of `m` itself, and the last
    /// term what underflow can hide.
    fn safe_lead(&self) -> f64 {
        let reach = self.extent.reach + self.centers.reach;
        let cols = self.centers.cols as f64;
        2.0 * (cols + 4.0) * f64::EPSILON * reach * reach + cols * f64::MIN_POSITIVE
    }
}

impl WithSimd for Assign<'_> {
    type Output = Option<Assigned>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Option<Assigned> {
        let lead = self.safe_lead();
        let mut inertia = Lanes::ZERO;
        let mut moves = Vec::new();
        let mut changed = false;
        let (mut seen, mut unsafe_leads) = (0usize, 0usize);
        let blocks = self.chunk.chunks_exact(self.centers.cols);
        for (b, (block, labels)) in blocks.zip(self.tally.labels.chunks_mut(LANES)).enumerate() {
            if self.control.is_cancelled() {
                return None;
            }
            // Data where scores often fail (far from the origin, or full of ties) goes straight to the distances.
            let mut index = None;
            if self.want == Want::Sums && unsafe_leads <= 16 + seen / 4 {
                seen += 1;
                index = by_score(simd, block, self.centers, lead);
                unsafe_leads += usize::from(index.is_none());
            }
            let now = match index {
                Some(index) => index,
                None => {
                    let (index, distance) = by_distance(simd, block, self.centers);
                    for l in 0..labels.len().min(LANES) {
                        inertia.0[l] += distance.0[l];
                    }
                    index
                }
            };
            let same = match <&[u32; LANES]>::try_from(&*labels) {
                Ok(labels) => *labels == now,
                Err(_) => *labels == now[..labels.len()],
            };
            if !same {
                changed = true;
                for (l, label) in labels.iter_mut().enumerate().take(LANES) {
                    if *label != now[l] {
                        moves.push(((b * LANES + l) as u32, *label));
                        *label = now[l];
                    }
                }
            }
        }
        if self.want == Want::Sums {
            self.tally.follow(self.chunk, &moves, self.extent.even);
        }
        Some(Assigned { inertia: inertia.sum(), changed })
    }
}

/// Nearest centroid of eight rows, and the squared distance to it; the lowest index of equals.
#[inline(always)]
fn by_distance<S: Simd>(simd: S, block: &[Lanes], centers: &Centers) -> ([u32; LANES], Lanes) {
    let mut nearest = Nearest { best: splat(simd, f64::INFINITY), index: splat(simd, encode(0)) };
    each_center::<Squared, S>(simd, block, centers, &mut nearest);
    (store::<S>(&nearest.index).0.map(decode), store::<S>(&nearest.best))
}

/// The centroid of the best score of eight rows; `None` when the lead of any of them is not above `lead`.
#[inline(always)]
fn by_score<S: Simd>(simd: S, block: &[Lanes], centers: &Centers, lead: f64) -> Option<[u32; LANES]> {
    let far = splat(simd, f64::INFINITY);
    let mut race = Race { best: Nearest { best: far, index: splat(simd, encode(0)) }, second: far };
    each_center::<Score, S>(simd, block, centers, &mut race);
    let mut least = simd.sub_f64s(race.second[0], race.best.best[0]);
    for v in 1..width::<S>() {
        least = simd.min_f64s(least, simd.sub_f64s(race.second[v], race.best.best[v]));
    }
    (simd.reduce_min_f64s(least) > lead).then(|| store::<S>(&race.best.index).0.map(decode))
}

/// An index below 2^32 as f64 (2^52 and the index), so that the lanes of distances and indices are alike and that
/// reading the index back takes no conversion.
#[inline(always)]
fn encode(index: usize) -> f64 {
    (1u64 << 52) as f64 + index as f64
}

#[inline(always)]
fn decode(encoded: f64) -> u32 {
    encoded.to_bits() as u32
}

/// The least measure so far, and whose it is, encoded.
struct Nearest<S: Simd> {
    best: Wide<S>,
    index: Wide<S>,
}

impl<S: Simd> Sink<S> for Nearest<S> {
    #[inline(always)]
    fn take(&mut self, simd: S, centroid: usize, measure: &Wide<S>) {
        let j = simd.splat_f64s(encode(centroid));
        for v in 0..width::<S>() {
            let less = simd.less_than_f64s(measure[v], self.best[v]);
            self.index[v] = simd.select_f64s_m64s(less, j, self.index[v]);
            self.best[v] = simd.min_f64s(measure[v], self.best[v]);
        }
    }
}

/// The two least measures so far.
struct Race<S: Simd> {
    best: Nearest<S>,
    second: Wide<S>,
}

impl<S: Simd> Sink<S> for Race<S> {
    #[inline(always)]
    fn take(&mut self, simd: S, centroid: usize, measure: &Wide<S>) {
        for v in 0..width::<S>() {
            let loser = simd.max_f64s(measure[v], self.best.best[v]);
            self.second[v] = simd.min_f64s(loser, self.second[v]);
        }
        self.best.take(simd, centroid, measure);
    }
}
