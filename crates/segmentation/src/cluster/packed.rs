//! The one copy of the data that k-means works on: blocks of eight rows, feature by feature.
//!
//! `block[f].0[l]` is feature `f` of row `l` of the block, so that eight rows are eight SIMD lanes and no arithmetic
//! runs across lanes. Chunks are separate allocations: the threads that fill them also take the page faults.

use crate::control::Control;
use crate::error::{Error, Kind, Result};
use ndarray::{ArrayView2, Axis, Slice};
use rayon::prelude::*;

/// Rows in a block, one per SIMD lane.
pub(super) const LANES: usize = 8;
/// Rows in a chunk: the unit of work of a thread, and of the fixed order in which sums are combined.
pub(super) const CHUNK: usize = 4096;
/// Values above this in size could overflow a sum of squared distances.
const LARGEST: f64 = 1e140;

/// One feature of eight rows, as wide as the widest SIMD register (and a cache line).
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(super) struct Lanes(pub [f64; LANES]);

impl Lanes {
    pub(super) const ZERO: Lanes = Lanes([0.0; LANES]);

    /// Lanes added 0 to 7: part of the fixed order of every sum.
    #[inline(always)]
    pub(super) fn sum(&self) -> f64 {
        self.0.iter().fold(0.0, |sum, x| sum + x)
    }
}

/// `rows` × `cols` finite numbers; the lanes past the last row hold zeros and never count.
pub(super) struct Packed {
    pub rows: usize,
    pub cols: usize,
    chunks: Vec<Vec<Lanes>>,
    extents: Vec<Extent>,
}

/// How long the rows of a chunk are.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    /// Length of the longest row; NaN or infinite where a value is.
    pub reach: f64,
    /// No row is more than a hundred times as long as the mean one, so that no row drowns what others add to a sum.
    pub even: bool,
}

impl Packed {
    /// Copies `data`; refuses NaN, infinities and sizes above 1e140, naming the column and not the value.
    pub fn new(data: ArrayView2<f64>, control: &Control) -> Result<Packed> {
        let (rows, cols) = data.dim();
        let packed: Vec<(Vec<Lanes>, Extent)> = (0..rows.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                control.check()?;
                Ok(pack(data.slice_axis(Axis(0), Slice::from(chunk * CHUNK..((chunk + 1) * CHUNK).min(rows)))))
            })
            .collect::<Result<_>>()?;
        let (chunks, extents): (Vec<_>, Vec<Extent>) = packed.into_iter().unzip();
        // False for NaN as well.
        if !extents.iter().all(|extent| extent.reach <= LARGEST) {
            check_values(data)?;
        }
        Ok(Packed { rows, cols, chunks, extents })
    }

    /// Chunks in row order; each holds whole blocks of `cols` [`Lanes`].
    pub fn chunks(&self) -> &[Vec<Lanes>] {
        &self.chunks
    }

    /// One for each chunk.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Rows of chunk `chunk`, without the padding.
    pub fn rows_in(&self, chunk: usize) -> usize {
        (self.rows - chunk * CHUNK).min(CHUNK)
    }

    /// The features of one row, in order.
    pub fn row(&self, row: usize) -> impl Iterator<Item = f64> + '_ {
        let block = row % CHUNK / LANES * self.cols;
        let lane = row % LANES;
        self.chunks[row / CHUNK][block..block + self.cols].iter().map(move |x| x.0[lane])
    }

    /// Mean over the columns of the population variance: the unit of the stopping tolerance, as in scikit-learn.
    pub fn mean_variance(&self, control: &Control) -> Result<f64> {
        let rows = self.rows as f64;
        let mean: Vec<f64> = self.column_sums(control, |x, _| x)?.iter().map(|sum| sum / rows).collect();
        let squares = self.column_sums(control, |x, f| (x - mean[f]) * (x - mean[f]))?;
        Ok(squares.iter().map(|sum| sum / rows).sum::<f64>() / self.cols.max(1) as f64)
    }

    fn column_sums(&self, control: &Control, term: impl Fn(f64, usize) -> f64 + Sync) -> Result<Vec<f64>> {
        let partial: Vec<Vec<f64>> = (0..self.chunks.len())
            .into_par_iter()
            .map(|chunk| {
                control.check()?;
                let mut sums = vec![Lanes::ZERO; self.cols];
                for (b, block) in self.chunks[chunk].chunks_exact(self.cols.max(1)).enumerate() {
                    let valid = (self.rows_in(chunk) - b * LANES).min(LANES);
                    for (f, (sum, x)) in sums.iter_mut().zip(block).enumerate() {
                        for l in 0..valid {
                            sum.0[l] += term(x.0[l], f);
                        }
                    }
                }
                Ok(sums.iter().map(Lanes::sum).collect())
            })
            .collect::<Result<_>>()?;
        let mut total = vec![0.0; self.cols];
        for sums in partial {
            total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
        }
        Ok(total)
    }
}

/// Packs one chunk.
fn pack(data: ArrayView2<f64>) -> (Vec<Lanes>, Extent) {
    let (rows, cols) = data.dim();
    let mut out = Vec::with_capacity(rows.div_ceil(LANES) * cols);
    let (mut longest, mut total) = (Lanes::ZERO, Lanes::ZERO);
    let mut copy = vec![0.0; LANES * cols];
    for first in (0..rows).step_by(LANES) {
        let eight = data.slice_axis(Axis(0), Slice::from(first..(first + LANES).min(rows)));
        let values = match eight.to_slice() {
            Some(values) if values.len() == LANES * cols => values,
            _ => {
                copy.fill(0.0);
                copy.iter_mut().zip(eight).for_each(|(to, from)| *to = *from);
                &copy
            }
        };
        let mut length = Lanes::ZERO;
        out.extend((0..cols).map(|f| {
            let x = Lanes(std::array::from_fn(|l| values[l * cols + f]));
            for l in 0..LANES {
                length.0[l] += x.0[l] * x.0[l];
            }
            x
        }));
        for l in 0..LANES {
            longest.0[l] = longer(longest.0[l], length.0[l]);
            total.0[l] += length.0[l].sqrt();
        }
    }
    let reach = longest.0.iter().fold(0.0, |a: f64, &b| longer(a, b)).sqrt();
    (out, Extent { reach, even: reach <= 100.0 * total.sum() / rows as f64 })
}

/// The larger one, or NaN if either is, which `f64::max` would lose.
#[inline(always)]
fn longer(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() {
        b
    } else {
        a
    }
}

/// The slow path after a failed pack: says which column, and how much of it.
fn check_values(data: ArrayView2<f64>) -> Result<()> {
    for (column, values) in data.columns().into_iter().enumerate() {
        let bad = values.iter().filter(|x| !x.is_finite()).count();
        if bad > 0 {
            return Err(Error::invalid(format!(
                "column {column} (counted from 0) of the matrix holds {bad} values that are NaN or infinite"
            ))
            .hint("fill or drop missing values before clustering"));
        }
        let large = values.iter().filter(|x| x.abs() > LARGEST).count();
        if large > 0 {
            return Err(Error::new(
                Kind::OutOfRange,
                format!("column {column} (counted from 0) of the matrix holds {large} values above 1e140 in size"),
            )
            .hint("scale or winsorise the column before clustering"));
        }
    }
    Ok(())
}
