//! The inner loops shared by assignment, seeding and silhouette: eight rows against a few centroids at a time.
//!
//! Written with pulp's vectors rather than left to the compiler, which packs these loops well or badly depending on
//! what surrounds them. One lane does for its row what scalar code would: no FMA, features in order.

use super::packed::{Lanes, LANES};
use pulp::Simd;

/// Centroids handled together, so that each row is loaded once for all four.
pub(super) const GROUP: usize = 4;

/// Eight numbers as the vectors of instruction set `S`; only the first [`width`] are used.
pub(super) type Wide<S> = [<S as Simd>::f64s; LANES];

/// Vectors of instruction set `S` in eight lanes.
#[inline(always)]
pub(super) const fn width<S: Simd>() -> usize {
    LANES / S::F64_LANES
}

#[inline(always)]
pub(super) fn splat<S: Simd>(simd: S, value: f64) -> Wide<S> {
    [simd.splat_f64s(value); LANES]
}

#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, lanes: &Lanes) -> Wide<S> {
    let mut out = splat(simd, 0.0);
    for (out, &x) in out.iter_mut().zip(S::as_simd_f64s(&lanes.0).0) {
        *out = x;
    }
    out
}

#[inline(always)]
pub(super) fn store<S: Simd>(wide: &Wide<S>) -> Lanes {
    let mut lanes = Lanes::ZERO;
    for (out, &x) in S::as_mut_simd_f64s(&mut lanes.0).0.iter_mut().zip(wide) {
        *out = x;
    }
    lanes
}

/// About the squared length of each row of a block: not rounded alike on every processor.
#[inline(always)]
pub(super) fn lengths<S: Simd>(simd: S, block: &[Lanes]) -> Wide<S> {
    let mut sum = splat(simd, 0.0);
    for x in block {
        let x = load(simd, x);
        for v in 0..width::<S>() {
            sum[v] = simd.mul_add_e_f64s(x[v], x[v], sum[v]);
        }
    }
    sum
}

/// Centroids in the order the kernels read them: groups of four, within a group feature by feature.
pub(super) struct Centers {
    pub k: usize,
    pub cols: usize,
    groups: Vec<Group>,
    /// Length of the longest centroid.
    pub reach: f64,
}

/// Up to four centroids; the last group may have fewer.
pub(super) struct Group {
    values: Vec<f64>,
    /// The same with the opposite sign.
    negated: Vec<f64>,
    /// Half the squared length of each centroid.
    half: Vec<f64>,
}

impl Centers {
    /// From `k` centroids of `cols` features, row by row.
    pub fn new(rows: &[f64], k: usize, cols: usize) -> Centers {
        let groups: Vec<Group> = rows.chunks(GROUP * cols).map(|rows| Group::new(rows, cols)).collect();
        let half = groups.iter().flat_map(|group| &group.half).fold(0.0, |a: f64, &b| a.max(b));
        Centers { k, cols, groups, reach: (2.0 * half).sqrt() }
    }
}

impl Group {
    fn new(rows: &[f64], cols: usize) -> Group {
        let rows: Vec<&[f64]> = rows.chunks_exact(cols).collect();
        let values: Vec<f64> = (0..cols).flat_map(|f| rows.iter().map(move |row| row[f])).collect();
        let half = rows.iter().map(|row| row.iter().fold(0.0, |sum, c| sum + c * c) / 2.0).collect();
        Group { negated: values.iter().map(|c| -c).collect(), values, half }
    }
}

/// How near a block's rows are to centroids: less is nearer.
pub(super) trait Measure {
    /// The values [`Measure::group`] wants.
    fn values(group: &Group) -> &[f64];

    /// For `W` centroids whose `values` are laid out feature by feature.
    fn group<S: Simd, const W: usize>(simd: S, block: &[Lanes], values: &[f64], half: &[f64]) -> [Wide<S>; W];
}

const UNROLL: usize = 4;

/// The squared Euclidean distance, which every label and every sum is defined by.
pub(super) struct Squared;

impl Measure for Squared {
    #[inline(always)]
    fn values(group: &Group) -> &[f64] {
        &group.values
    }

    #[inline(always)]
    fn group<S: Simd, const W: usize>(simd: S, block: &[Lanes], values: &[f64], _: &[f64]) -> [Wide<S>; W] {
        let mut sum = [splat(simd, 0.0); W];
        let mut blocks = block.chunks_exact(UNROLL);
        let mut centers = values.chunks_exact(UNROLL * W);
        for (x, c) in blocks.by_ref().zip(centers.by_ref()) {
            for f in 0..UNROLL {
                Self::step::<S, W>(simd, &mut sum, &x[f], &c[f * W..][..W]);
            }
        }
        for (x, c) in blocks.remainder().iter().zip(centers.remainder().chunks_exact(W)) {
            Self::step::<S, W>(simd, &mut sum, x, c);
        }
        sum
    }
}

/// `|c|^2 / 2 - x . c`, which is half the squared distance less `|x|^2 / 2`: one FMA a feature instead of three
/// operations, but not the same rounding, nor the same on every processor.
pub(super) struct Score;

impl Measure for Score {
    #[inline(always)]
    fn values(group: &Group) -> &[f64] {
        &group.negated
    }

    #[inline(always)]
    fn group<S: Simd, const W: usize>(simd: S, block: &[Lanes], values: &[f64], half: &[f64]) -> [Wide<S>; W] {
        let mut sum = [splat(simd, 0.0); W];
        for (sum, &half) in sum.iter_mut().zip(half) {
            *sum = splat(simd, half);
        }
        let mut blocks = block.chunks_exact(UNROLL);
        let mut centers = values.chunks_exact(UNROLL * W);
        for (x, c) in blocks.by_ref().zip(centers.by_ref()) {
            for f in 0..UNROLL {
                Self::step::<S, W>(simd, &mut sum, &x[f], &c[f * W..][..W]);
            }
        }
        for (x, c) in blocks.remainder().iter().zip(centers.remainder().chunks_exact(W)) {
            Self::step::<S, W>(simd, &mut sum, x, c);
        }
        sum
    }
}

/// Takes the measure of one centroid after the other. A trait and not a closure, because only a method can be forced
/// inline, and code that is not inlined is not compiled for the instruction set.
pub(super) trait Sink<S: Simd> {
    fn take(&mut self, simd: S, centroid: usize, measure: &Wide<S>);
}

/// Feeds `sink` with the measures of all centroids, in index order.
#[inline(always)]
pub(super) fn each_center<M: Measure, S: Simd>(simd: S, block: &[Lanes], centers: &Centers, sink: &mut impl Sink<S>) {
    let mut first = 0;
    for group in &centers.groups {
        let (values, half) = (M::values(group), group.half.as_slice());
        match half.len() {
            1 => feed(simd, first, &M::group::<S, 1>(simd, block, values, half), sink),
            2 => feed(simd, first, &M::group::<S, 2>(simd, block, values, half), sink),
            3 => feed(simd, first, &M::group::<S, 3>(simd, block, values, half), sink),
            _ => feed(simd, first, &M::group::<S, GROUP>(simd, block, values, half), sink),
        }
        first += GROUP;
    }
}

#[inline(always)]
fn feed<S: Simd, const W: usize>(simd: S, first: usize, measures: &[Wide<S>; W], sink: &mut impl Sink<S>) {
    for (w, measure) in measures.iter().enumerate() {
        sink.take(simd, first + w, measure);
    }
}

impl Squared {
    #[inline(always)]
    fn step<S: Simd, const W: usize>(simd: S, sum: &mut [Wide<S>; W], x: &Lanes, c: &[f64]) {
        let x = load(simd, x);
        for w in 0..W {
            let c = simd.splat_f64s(c[w]);
            for v in 0..width::<S>() {
                let t = simd.sub_f64s(x[v], c);
                sum[w][v] = simd.add_f64s(sum[w][v], simd.mul_f64s(t, t));
            }
        }
    }
}

impl Score {
    #[inline(always)]
    fn step<S: Simd, const W: usize>(simd: S, sum: &mut [Wide<S>; W], x: &Lanes, c: &[f64]) {
        let x = load(simd, x);
        for w in 0..W {
            let c = simd.splat_f64s(c[w]);
            for v in 0..width::<S>() {
                sum[w][v] = simd.mul_add_e_f64s(x[v], c, sum[w][v]);
            }
        }
    }
}
