//! One run of Lloyd's algorithm from a given start.

use super::assign::{Assign, Partial, Want};
use super::kernel::Centers;
use super::packed::{Packed, CHUNK};
use crate::control::Control;
use crate::error::{Error, Result};
use pulp::Arch;
use rayon::prelude::*;

/// Partial sums held at a time, in numbers: bounds the memory of large k × cols.
const PARTIALS: usize = 1 << 21;

pub(super) struct Run {
    /// `k` × `cols`, row by row.
    pub centroids: Vec<f64>,
    pub labels: Vec<u32>,
    pub sizes: Vec<u64>,
    pub inertia: f64,
    pub iterations: usize,
}

/// Iterates from `centroids` (`k` × `cols`) until no label changes, the squared shift of the centroids is at most
/// `tolerance`, or `max_iter` assignments are made.
pub(super) fn lloyd(
    data: &Packed,
    mut centroids: Vec<f64>,
    k: usize,
    max_iter: usize,
    tolerance: f64,
    control: &Control,
) -> Result<Run> {
    let mut labels = vec![u32::MAX; data.rows];
    let mut iterations = 0;
    while iterations < max_iter {
        iterations += 1;
        let sweep = sweep(data, &centroids, k, &mut labels, Want::Sums, control)?;
        let filled = sweep.counts.iter().all(|&n| n > 0);
        if !sweep.changed && filled {
            // The centroids are already the means of these very labels.
            break;
        }
        let mut next = sweep.sums;
        for (mean, &n) in next.chunks_exact_mut(data.cols).zip(&sweep.counts) {
            mean.iter_mut().for_each(|sum| *sum /= n as f64);
        }
        if !filled {
            refill(data, &centroids, &labels, &sweep.counts, &mut next, control)?;
        }
        let shift: f64 = next.iter().zip(&centroids).map(|(a, b)| (a - b) * (a - b)).sum();
        centroids = next;
        if shift <= tolerance && filled {
            break;
        }
    }
    // Measures the run, and assigns anew where it stopped between a move of the centroids and the assignment to them.
    for _ in 0..=k {
        let sweep = sweep(data, &centroids, k, &mut labels, Want::Inertia, control)?;
        if sweep.counts.iter().all(|&n| n > 0) {
            return Ok(Run { centroids, labels, sizes: sweep.counts, inertia: sweep.inertia, iterations });
        }
        let mut next = centroids.clone();
        refill(data, &centroids, &labels, &sweep.counts, &mut next, control)?;
        centroids = next;
    }
    Err(Error::invalid(format!("k = {k} is above the number of rows whose distances can be told from 0"))
        .hint("Ask for fewer segments, or scale the features."))
}

/// Assigns every row and sums what is wanted: chunks in parallel, added in index order.
fn sweep(
    data: &Packed,
    centroids: &[f64],
    k: usize,
    labels: &mut [u32],
    want: Want,
    control: &Control,
) -> Result<Partial> {
    let arch = Arch::new();
    let centers = Centers::new(centroids, k, data.cols);
    let sums = if want == Want::Sums { k * data.cols } else { 0 };
    let mut total = Partial { sums: vec![0.0; sums], counts: vec![0; k], inertia: 0.0, changed: false };
    let batch = (PARTIALS / (k * data.cols)).max(8);
    for (b, labels) in labels.chunks_mut(batch * CHUNK).enumerate() {
        let partial: Vec<Partial> = labels
            .par_chunks_mut(CHUNK)
            .enumerate()
            .map(|(i, labels)| {
                let i = b * batch + i;
                let (chunk, reach) = (&data.chunks()[i], data.reach(i));
                let assign = Assign { chunk, reach, centers: &centers, labels, want, control };
                assign.run(arch).ok_or_else(Error::cancelled)
            })
            .collect::<Result<_>>()?;
        for part in partial {
            total.sums.iter_mut().zip(part.sums).for_each(|(t, s)| *t += s);
            total.counts.iter_mut().zip(part.counts).for_each(|(t, n)| *t += n);
            total.inertia += part.inertia;
            total.changed |= part.changed;
        }
    }
    Ok(total)
}

/// Moves the centroid of every empty cluster, in index order, onto the row farthest from its own centroid, the
/// lowest row of equals; a row taken makes the rows near it less far. Inertia cannot rise by it.
fn refill(
    data: &Packed,
    old: &[f64],
    labels: &[u32],
    counts: &[u64],
    next: &mut [f64],
    control: &Control,
) -> Result<()> {
    let cols = data.cols;
    let squared = |row: usize, c: &[f64]| data.row(row).zip(c).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c));
    let own = |j: u32| &old[j as usize * cols..][..cols];
    let mut far: Vec<f64> = labels.par_iter().enumerate().map(|(row, &j)| squared(row, own(j))).collect();
    for (j, _) in counts.iter().enumerate().filter(|(_, &n)| n == 0) {
        control.check()?;
        let farthest = far.iter().enumerate().fold(0, |best, (row, &d)| if d > far[best] { row } else { best });
        let taken: Vec<f64> = data.row(farthest).collect();
        far.par_iter_mut().enumerate().for_each(|(row, far)| *far = far.min(squared(row, &taken)));
        next[j * cols..][..cols].copy_from_slice(&taken);
    }
    Ok(())
}
