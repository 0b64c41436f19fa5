//! Rows to compare others with: all distances by brute force, eight rows at a time.
//!
//! No tree: prepared rows have some ten columns, where a tree visits most rows anyway, and the spanning tree of HDBSCAN
//! needs all pairs in any case.

use super::super::kernel::{store, width, Measure, Squared, GROUP};
use super::super::packed::{Lanes, LANES};
use crate::control::Control;
use crate::error::Result;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

#[derive(Clone, Debug)]
pub(super) struct Cloud {
    pub rows: usize,
    pub cols: usize,
    /// Row by row.
    values: Vec<f64>,
    blocks: Vec<Lanes>,
    arch: Arch,
}

impl Cloud {
    /// From whole rows of `cols` finite numbers.
    pub fn new(values: Vec<f64>, cols: usize) -> Cloud {
        let cols = cols.max(1);
        let rows = values.len() / cols;
        let mut blocks = vec![Lanes::ZERO; rows.div_ceil(LANES) * cols];
        for (i, row) in values.chunks_exact(cols).enumerate() {
            for (lanes, &x) in blocks[i / LANES * cols..].iter_mut().zip(row) {
                lanes.0[i % LANES] = x;
            }
        }
        Cloud { rows, cols, values, blocks, arch: Arch::new() }
    }

    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.cols..][..self.cols]
    }

    /// The rows of `keep`, in that order.
    pub fn select(&self, keep: &[usize]) -> Cloud {
        Cloud::new(keep.iter().flat_map(|&row| self.row(row)).copied().collect(), self.cols)
    }

    /// Squared distances of `x` to all rows, in row order.
    pub fn squared(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.rows];
        self.arch.dispatch(One { cloud: self, x, out: &mut out });
        out
    }

    /// What `f` makes of each row of `queries` (its index and its squared distances to all rows of this cloud), in order.
    pub fn each<T: Send>(
        &self,
        queries: &Cloud,
        control: &Control,
        f: impl Fn(usize, &mut [f64]) -> T + Sync,
    ) -> Result<Vec<T>> {
        self.some(queries, 0..queries.rows, control, f)
    }

    /// [`Cloud::each`] of a range of rows, which starts at a multiple of four.
    pub fn some<T: Send>(
        &self,
        queries: &Cloud,
        range: std::ops::Range<usize>,
        control: &Control,
        f: impl Fn(usize, &mut [f64]) -> T + Sync,
    ) -> Result<Vec<T>> {
        let firsts: Vec<usize> = range.clone().step_by(GROUP).collect();
        let found: Vec<Vec<T>> = firsts
            .into_par_iter()
            .map_init(Vec::new, |out, first| {
                control.check()?;
                out.resize(self.rows * GROUP, 0.0);
                self.arch.dispatch(Four { cloud: self, queries, first, out });
                let rows = first..(first + GROUP).min(range.end);
                Ok(rows.zip(out.chunks_mut(self.rows.max(1))).map(|(row, d2)| f(row, d2)).collect())
            })
            .collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    }
}

struct One<'a> {
    cloud: &'a Cloud,
    x: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for One<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let One { cloud, x, out } = self;
        for (block, out) in cloud.blocks.chunks_exact(cloud.cols).zip(out.chunks_mut(LANES)) {
            let [d2] = Squared::group::<S, 1>(simd, block, x, &[]);
            out.copy_from_slice(&store::<S>(&d2).0[..out.len()]);
        }
    }
}

struct Four<'a> {
    cloud: &'a Cloud,
    queries: &'a Cloud,
    first: usize,
    /// The distances of the first query, then those of the second, and so on.
    out: &'a mut [f64],
}

impl WithSimd for Four<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Four { cloud, queries, first, out } = self;
        let last = queries.rows - 1;
        let mine: [usize; GROUP] = std::array::from_fn(|w| (first + w).min(last));
        let query: Vec<f64> = (0..cloud.cols).flat_map(|f| mine.map(|row| queries.row(row)[f])).collect();
        for (b, block) in cloud.blocks.chunks_exact(cloud.cols).enumerate() {
            let found = Squared::group::<S, GROUP>(simd, block, &query, &[]);
            let n = (cloud.rows - b * LANES).min(LANES);
            for (w, d2) in found.iter().enumerate() {
                debug_assert!(width::<S>() <= LANES);
                out[w * cloud.rows + b * LANES..][..n].copy_from_slice(&store::<S>(d2).0[..n]);
            }
        }
    }
}

/// The `m`-th smallest value (1 = the smallest); the largest where there are fewer. Reorders `values`.
pub(super) fn smallest(values: &mut [f64], m: usize) -> f64 {
    /// Up to here a short sorted list is cheaper than selecting.
    const SHORT: usize = 64;
    let m = m.clamp(1, values.len().max(1));
    if values.is_empty() {
        return f64::INFINITY;
    }
    if m > SHORT {
        return *values.select_nth_unstable_by(m - 1, f64::total_cmp).1;
    }
    let mut least = [f64::INFINITY; SHORT];
    for &value in values.iter() {
        if value < least[m - 1] {
            let at = least[..m].partition_point(|&x| x <= value);
            least.copy_within(at..m - 1, at + 1);
            least[at] = value;
        }
    }
    least[m - 1]
}

/// The distance of each row to its `m`-th nearest, itself the first.
pub(super) fn core_distances(cloud: &Cloud, m: usize, control: &Control) -> Result<Vec<f64>> {
    cloud.each(cloud, control, |_, d2| smallest(d2, m).sqrt())
}

/// The largest square whose root is at most `distance` (0 to 1e120): comparing squares with it is comparing distances.
pub(super) fn square_of(distance: f64) -> f64 {
    let mut square = distance * distance;
    while square > 0.0 && square.sqrt() > distance {
        square = f64::from_bits(square.to_bits() - 1);
    }
    loop {
        let next = f64::from_bits(square.to_bits() + 1);
        if next.sqrt() > distance {
            return square;
        }
        square = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_is_the_largest_of_its_root() {
        for distance in [0.1, 0.3, 0.5, 1.0, 2.0f64.sqrt(), 1e-9, 12345.678, 1e100] {
            let square = square_of(distance);
            assert!(square.sqrt() <= distance);
            assert!(f64::from_bits(square.to_bits() + 1).sqrt() > distance);
        }
    }

    #[test]
    fn smallest_values_by_either_way() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i * 7919 % 101)).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        for m in [1, 2, 5, 63, 64, 65, 200, 500, 900] {
            assert_eq!(smallest(&mut values.clone(), m), sorted[m.min(500) - 1]);
        }
    }

    #[test]
    fn distances_are_those_of_plain_arithmetic() {
        for (rows, cols) in [(1, 1), (7, 3), (8, 4), (29, 5)] {
            let values: Vec<f64> = (0..rows * cols).map(|i| (i * 37 % 23) as f64 * 0.37).collect();
            let cloud = Cloud::new(values, cols);
            let plain = |a: usize, b: usize| {
                cloud.row(a).iter().zip(cloud.row(b)).fold(0.0, |sum, (x, y)| sum + (x - y) * (x - y))
            };
            let expected: Vec<Vec<f64>> = (0..rows).map(|a| (0..rows).map(|b| plain(a, b)).collect()).collect();
            assert_eq!(cloud.each(&cloud, &Control::new(), |_, d2| d2.to_vec()).unwrap(), expected);
            assert!((0..rows).all(|row| cloud.squared(cloud.row(row)) == expected[row]));
        }
    }
}
