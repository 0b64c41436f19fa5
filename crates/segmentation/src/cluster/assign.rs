//! Assignment of a chunk's rows to their nearest centroids.
//!
//! Labels are defined by squared distances, but while Lloyd iterates only the order of the distances counts. So the
//! cheaper [`Score`] decides wherever its lead is above what rounding could turn; the block is measured again by
//! [`Squared`] where it is not. The labels are those of [`Squared`] in every case, ties included.

// One lane or vector index runs over several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::bounds::{Bounds, Drift, Leads};
use super::kernel::{each_center, lengths, splat, store, width, Centers, Score, Sink, Squared, Wide};
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
    /// Blocks whose bounds were tried, and of those the ones that held.
    pub tried: usize,
    pub held: usize,
}

pub(super) struct Assign<'a> {
    pub chunk: &'a [Lanes],
    pub extent: Extent,
    pub centers: &'a Centers,
    /// In: the previous labels, out: the new ones.
    pub tally: &'a mut Tally,
    pub want: Want,
    /// With it, rows whose label cannot have changed are not looked at. Only while it wants sums.
    pub drift: Option<&'a Drift>,
    /// Bounds are kept for every one of so many blocks.
    pub stride: usize,
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
        let reach = self.extent.reach + self.centers.reach;
        let bounds = self.drift.map(|drift| Bounds::new(drift, reach, self.centers.cols));
        let Tally { labels, kept, .. } = &mut *self.tally;
        if bounds.is_some() && kept.is_empty() {
            kept.resize(labels.len().div_ceil(LANES), Lanes([f64::NEG_INFINITY; LANES]));
        }
        let mut leads = Leads::new();
        let (mut tried, mut held) = (0, 0);
        let mut inertia = Lanes::ZERO;
        let mut moves = Vec::new();
        let mut changed = false;
        let (mut seen, mut unsafe_leads) = (0usize, 0usize);
        let cols = self.centers.cols;
        let count = labels.len().div_ceil(LANES);
        // Those to look at. A list, because the processor fetches ahead only what is read in order, and what comes next
        // has to be known to fetch it in time.
        let mut todo = Vec::with_capacity(count);
        for b in 0..count {
            let bounds = bounds.as_ref().filter(|_| b % self.stride == 0);
            tried += usize::from(bounds.is_some());
            let rows = b * LANES..labels.len().min((b + 1) * LANES);
            match bounds {
                Some(bounds) if bounds.hold(&kept[b], &labels[rows]) => held += 1,
                _ => todo.push(b),
            }
        }
        let skips = todo.len() < count / 2;
        for (i, &b) in todo.iter().enumerate() {
            if self.control.is_cancelled() {
                return None;
            }
            if let (true, Some(next)) = (skips, todo.get(i + 1)) {
                let lines = self.chunk[next * cols..][..cols].iter();
                std::hint::black_box(lines.fold(0, |bits, x| bits ^ x.0[0].to_bits()));
            }
            let block = &self.chunk[b * cols..][..cols];
            let end = labels.len().min((b + 1) * LANES);
            let labels = &mut labels[b * LANES..end];
            let bounds = bounds.as_ref().filter(|_| b % self.stride == 0);
            let mut leads = bounds.is_some().then_some(&mut leads);
            // Data where scores often fail (far from the origin, or full of ties) goes straight to the distances.
            let mut found = None;
            if self.want == Want::Sums && unsafe_leads <= 16 + seen / 4 {
                seen += 1;
                found = by_score(simd, block, self.centers, lead, leads.as_deref_mut());
                unsafe_leads += usize::from(found.is_none());
            }
            let (now, ahead) = match found {
                Some(found) => found,
                None => {
                    let (index, distance, ahead) = by_distance(simd, block, self.centers, leads);
                    for l in 0..labels.len().min(LANES) {
                        inertia.0[l] += distance.0[l];
                    }
                    (index, ahead)
                }
            };
            if let Some(bounds) = bounds {
                kept[b] = bounds.keep(&now, &ahead);
            }
            let same = match <&[u32; LANES]>::try_from(&*labels) {
                Ok(labels) => *labels == now,
                Err(_) => *labels == now[..labels.len()],
            };
            if !same {
                changed = true;
                // A bound is good for the label it was kept with.
                if let (None, Some(kept)) = (bounds, kept.get_mut(b)) {
                    *kept = Lanes([f64::NEG_INFINITY; LANES]);
                }
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
        Some(Assigned { inertia: inertia.sum(), changed, tried, held })
    }
}

/// Nearest centroid of eight rows, and the squared distance to it; the lowest index of equals. And with `leads`, by
/// how much it leads in distance, at least.
#[inline(always)]
fn by_distance<S: Simd>(
    simd: S,
    block: &[Lanes],
    centers: &Centers,
    leads: Option<&mut Leads>,
) -> ([u32; LANES], Lanes, Lanes) {
    let far = splat(simd, f64::INFINITY);
    let nearest = Nearest { best: far, index: splat(simd, encode(0)) };
    let Some(leads) = leads else {
        let mut nearest = nearest;
        each_center::<Squared, S>(simd, block, centers, &mut nearest);
        return (store::<S>(&nearest.index).0.map(decode), store::<S>(&nearest.best), Lanes::ZERO);
    };
    let mut race = Race { best: nearest, second: far };
    each_center::<Squared, S>(simd, block, centers, &mut race);
    let largest = race.second[1..width::<S>()].iter().fold(race.second[0], |a, &b| simd.max_f64s(a, b));
    let cols = centers.cols as f64;
    let error = simd.reduce_max_f64s(largest) * (cols + 8.0) * f64::EPSILON + cols * f64::MIN_POSITIVE;
    let ahead = leads.of(simd, &race.best.best, &race.second, error);
    (store::<S>(&race.best.index).0.map(decode), store::<S>(&race.best.best), ahead)
}

/// The centroid of the best score of eight rows; `None` when the lead of any of them is not above `lead`. And with
/// `leads`, by how much it leads in distance, at least.
#[inline(always)]
fn by_score<S: Simd>(
    simd: S,
    block: &[Lanes],
    centers: &Centers,
    lead: f64,
    leads: Option<&mut Leads>,
) -> Option<([u32; LANES], Lanes)> {
    let far = splat(simd, f64::INFINITY);
    let mut race = Race { best: Nearest { best: far, index: splat(simd, encode(0)) }, second: far };
    each_center::<Score, S>(simd, block, centers, &mut race);
    let mut least = simd.sub_f64s(race.second[0], race.best.best[0]);
    for v in 1..width::<S>() {
        least = simd.min_f64s(least, simd.sub_f64s(race.second[v], race.best.best[v]));
    }
    // False for a NaN as well, which is no lead.
    let clear = simd.reduce_min_f64s(least) > lead;
    if !clear {
        return None;
    }
    let index = store::<S>(&race.best.index).0.map(decode);
    let Some(leads) = leads else {
        return Some((index, Lanes::ZERO));
    };
    let mut squared = [race.best.best, race.second];
    let length = lengths(simd, block);
    for v in 0..width::<S>() {
        for measure in &mut squared {
            measure[v] = simd.add_f64s(simd.add_f64s(measure[v], measure[v]), length[v]);
        }
    }
    // A score is off by less than half of `lead`, so twice it and the squared length are by less than twice `lead`.
    Some((index, leads.of(simd, &squared[0], &squared[1], 2.0 * lead)))
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
            self.index[v] = simd.select_f64s(less, j, self.index[v]);
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
