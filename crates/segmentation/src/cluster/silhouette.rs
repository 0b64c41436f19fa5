//! The exact silhouette: how much nearer a row is to its own cluster than to the next one.

use super::kernel::{store, Measure, Squared, GROUP};
use super::packed::{Lanes, LANES};
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Mean silhouette (Rousseeuw 1987) over all rows of `data` (rows × columns, finite) with `labels` below `k`:
/// the mean of `(b - a) / max(a, b)`, where `a` is the mean Euclidean distance to the other rows of the own cluster and
/// `b` the smallest mean distance to the rows of another cluster. From -1 to 1.
///
/// A row alone in its cluster counts 0, as in scikit-learn; so does a row with `a = b = 0`. Labels without rows are
/// ignored. With fewer than two clusters the silhouette is undefined and 0 is returned. O(rows² × columns).
/// Errors: `InvalidParameter` for labels of another length or not below `k`, and for NaN or infinite values.
pub fn silhouette(data: ArrayView2<f64>, labels: &[u32], k: usize, control: &Control) -> Result<f64> {
    let values = silhouettes(data, labels, k, control)?;
    Ok(if values.is_empty() { 0.0 } else { values.iter().fold(0.0, |sum, s| sum + s) / values.len() as f64 })
}

/// The silhouette of every row; 0 for all with fewer than two clusters.
/// Errors as in [`silhouette`].
pub(super) fn silhouettes(data: ArrayView2<f64>, labels: &[u32], k: usize, control: &Control) -> Result<Vec<f64>> {
    let sorted = Sorted::new(data, labels, k)?;
    if sorted.sizes.iter().filter(|&&n| n > 0).count() < 2 {
        return Ok(vec![0.0; labels.len()]);
    }
    let arch = Arch::new();
    let starts: Vec<usize> = (0..labels.len()).step_by(GROUP).collect();
    let groups: Vec<[f64; GROUP]> = starts
        .into_par_iter()
        .map(|first| {
            control.check()?;
            Ok(arch.dispatch(Widths { sorted: &sorted, first }))
        })
        .collect::<Result<_>>()?;
    let mut values = vec![0.0; labels.len()];
    groups.iter().flatten().zip(&sorted.order).for_each(|(&value, &row)| values[row] = value);
    Ok(values)
}

/// The rows by cluster: each cluster starts a new block of eight, so a block needs no labels.
struct Sorted {
    /// Place in the data of each sorted row
    order: Vec<usize>,
    cols: usize,
    sizes: Vec<usize>,
    /// Cluster by cluster, whole blocks, zero padding.
    blocks: Vec<Lanes>,
    /// The same rows, row by row, without padding.
    rows: Vec<f64>,
    /// Cluster of each sorted row.
    labels: Vec<u32>,
}

impl Sorted {
    fn new(data: ArrayView2<f64>, labels: &[u32], k: usize) -> Result<Sorted> {
        let (n, cols) = data.dim();
        if labels.len() != n {
            return Err(Error::invalid(format!("{} labels were given for {n} rows", labels.len())));
        }
        if let Some(label) = labels.iter().find(|&&label| label as usize >= k) {
            return Err(Error::invalid(format!("label {label} is not below the number of clusters, {k}")));
        }
        if let Some(column) = data.columns().into_iter().position(|c| c.iter().any(|x| !x.is_finite())) {
            return Err(Error::invalid(format!(
                "column {column} (counted from 0) of the matrix holds values that are NaN or infinite"
            )));
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&row| labels[row]);
        let mut sorted = Sorted {
            order: Vec::new(),
            cols,
            sizes: vec![0; k],
            blocks: Vec::with_capacity((n / LANES + k) * cols),
            rows: Vec::with_capacity(n * cols),
            labels: order.iter().map(|&row| labels[row]).collect(),
        };
        for &row in &order {
            let size = &mut sorted.sizes[labels[row] as usize];
            if size.is_multiple_of(LANES) {
                sorted.blocks.resize(sorted.blocks.len() + cols, Lanes::ZERO);
            }
            let start = sorted.blocks.len() - cols;
            for (x, &value) in sorted.blocks[start..].iter_mut().zip(data.row(row)) {
                x.0[*size % LANES] = value;
            }
            *size += 1;
            sorted.rows.extend(data.row(row));
        }
        sorted.order = order;
        Ok(sorted)
    }
}

/// Silhouettes of the sorted rows `first..first + 4`; past the last row they are 0.
struct Widths<'a> {
    sorted: &'a Sorted,
    first: usize,
}

impl WithSimd for Widths<'_> {
    type Output = [f64; GROUP];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; GROUP] {
        let Sorted { cols, sizes, blocks, rows, labels, .. } = self.sorted;
        let last = labels.len() - 1;
        let mine: [usize; GROUP] = std::array::from_fn(|w| (self.first + w).min(last));
        let query: Vec<f64> = (0..*cols).flat_map(|f| mine.map(|row| rows[row * cols + f])).collect();
        let mut own = [0.0; GROUP];
        let mut other = [f64::INFINITY; GROUP];
        let mut blocks = blocks.chunks_exact((*cols).max(1));
        for (j, &size) in sizes.iter().enumerate().filter(|(_, &size)| size > 0) {
            let mut sums = [Lanes::ZERO; GROUP];
            for (b, block) in blocks.by_ref().take(size.div_ceil(LANES)).enumerate() {
                let valid = (size - b * LANES).min(LANES);
                let found = Squared::group::<S, GROUP>(simd, block, &query, &[]);
                for (sum, d) in sums.iter_mut().zip(&found) {
                    let d = store::<S>(d);
                    for l in 0..LANES {
                        let root = d.0[l].sqrt();
                        sum.0[l] += if l < valid { root } else { 0.0 };
                    }
                }
            }
            for w in 0..GROUP {
                if labels[mine[w]] as usize == j {
                    own[w] = sums[w].sum();
                } else {
                    other[w] = other[w].min(sums[w].sum() / size as f64);
                }
            }
        }
        std::array::from_fn(|w| {
            let size = sizes[labels[mine[w]] as usize];
            if size < 2 || self.first + w > last {
                return 0.0;
            }
            let a = own[w] / (size - 1) as f64;
            let largest = a.max(other[w]);
            if largest > 0.0 {
                (other[w] - a) / largest
            } else {
                0.0
            }
        })
    }
}
