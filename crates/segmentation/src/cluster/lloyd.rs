//! One run of Lloyd's algorithm from a given start.

use super::assign::{Assign, Partial, Want};
use super::kernel::Centers;
use super::packed::{Packed, CHUNK};
use crate::control::Control;
use crate::error::{Error, Result};
use pulp::Arch;
use rayon::prelude::*;

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
    centroids: Vec<f64>,
    k: usize,
    max_iter: usize,
    tolerance: f64,
    control: &Control,
) -> Result<Run> {
    let tallies = (0..data.chunks().len()).map(|chunk| Tally::new(data.rows_in(chunk), k, data.cols)).collect();
    let mut state = State { data, control, k, centroids, tallies };
    let mut iterations = 0;
    loop {
        let mut converged = false;
        while iterations < max_iter && !converged {
            iterations += 1;
            let changed = state.assign(Want::Sums)?.changed;
            converged = !changed && state.empty().is_empty();
            if !converged && state.move_centroids()? <= tolerance && state.empty().is_empty() {
                break;
            }
        }
        state.recount()?;
        let mut last = state.assign(Want::Inertia)?;
        // Exact sums may differ from the carried ones in the last bit, and that may turn a tie: then it goes on.
        if converged && last.changed && iterations < max_iter {
            continue;
        }
        // The last step may have left a cluster empty.
        for _ in 0..k {
            state.count();
            if state.empty().is_empty() {
                break;
            }
            state.refill()?;
            last = state.assign(Want::Inertia)?;
        }
        return state.finish(last.inertia, iterations);
    }
}

/// A run on its way.
struct State<'a> {
    data: &'a Packed,
    control: &'a Control,
    k: usize,
    centroids: Vec<f64>,
    /// One for each chunk.
    tallies: Vec<Tally>,
}

impl State<'_> {
    /// Assigns every row, chunks in parallel, and adds what they say in index order.
    fn assign(&mut self, want: Want) -> Result<Assigned> {
        let arch = Arch::new();
        let centers = &Centers::new(&self.centroids, self.k, self.data.cols);
        let (data, control) = (self.data, self.control);
        let parts: Vec<Assigned> = self
            .tallies
            .par_iter_mut()
            .zip(data.chunks().par_iter().zip(data.extents()))
            .map(|(tally, (chunk, &extent))| {
                let assign = Assign { chunk, extent, centers, tally, want, control };
                assign.run(arch).ok_or_else(Error::cancelled)
            })
            .collect::<Result<_>>()?;
        let inertia = parts.iter().fold(0.0, |sum, part| sum + part.inertia);
        Ok(Assigned { inertia, changed: parts.iter().any(|part| part.changed) })
    }

    fn sizes(&self) -> Vec<u64> {
        let mut sizes = vec![0; self.k];
        for tally in &self.tallies {
            sizes.iter_mut().zip(&tally.counts).for_each(|(t, n)| *t += n);
        }
        sizes
    }

    /// Clusters without a row.
    fn empty(&self) -> Vec<usize> {
        self.sizes().iter().enumerate().filter(|(_, &n)| n == 0).map(|(j, _)| j).collect()
    }

    /// Brings the counts up to date with the labels.
    fn count(&mut self) {
        self.tallies.par_iter_mut().for_each(Tally::count);
    }

    /// Moves the centroids to the means of their rows, or an empty cluster's to a row; the squared shift.
    fn move_centroids(&mut self) -> Result<f64> {
        let before = self.centroids.clone();
        let empty = self.empty();
        let far = if empty.is_empty() { Vec::new() } else { self.farthest(&empty)? };
        self.means();
        for (j, row) in empty.into_iter().zip(far) {
            self.centroids[j * self.data.cols..][..self.data.cols].copy_from_slice(&row);
        }
        Ok(self.centroids.iter().zip(&before).map(|(a, b)| (a - b) * (a - b)).sum())
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
