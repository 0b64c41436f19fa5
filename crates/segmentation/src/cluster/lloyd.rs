//! One run of Lloyd's algorithm from a given start.

use super::assign::{Assign, Assigned, Want};
use super::kernel::Centers;
use super::packed::Packed;
use super::tally::Tally;
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
            let filled = state.empty().is_empty();
            converged = !changed && filled;
            if !converged && state.step()? <= tolerance && filled {
                break;
            }
        }
        if state.recount()? {
            state.means();
        }
        let last = state.assign(Want::Inertia)?;
        if !converged || !last.changed || iterations >= max_iter {
            return state.finish(last.inertia, iterations);
        }
        // Sums counted anew differ from carried ones in the last bits, and that turned a near tie: so it goes on.
        state.tallies.iter_mut().for_each(Tally::forget);
        state.recount()?;
        state.means();
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
    /// Assigns every row, chunks in parallel; what they say is added in index order.
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
            sizes.iter_mut().zip(&tally.counts).for_each(|(total, n)| *total += n);
        }
        sizes
    }

    /// Clusters without a row.
    fn empty(&self) -> Vec<usize> {
        (0..self.k).zip(self.sizes()).filter(|&(_, n)| n == 0).map(|(j, _)| j).collect()
    }

    /// Moves the centroids to the means of their rows, and those without a row onto one; gives the squared shift.
    fn step(&mut self) -> Result<f64> {
        let before = self.centroids.clone();
        let taken = self.farthest(&self.empty())?;
        self.means();
        self.place(taken);
        Ok(self.centroids.iter().zip(&before).map(|(a, b)| (a - b) * (a - b)).sum())
    }

    /// Moves the centroids that have rows to their means.
    fn means(&mut self) {
        let mut sums = vec![0.0; self.centroids.len()];
        for tally in &self.tallies {
            sums.iter_mut().zip(&tally.sums).for_each(|(total, sum)| *total += sum);
        }
        let cols = self.data.cols;
        for (j, n) in self.sizes().into_iter().enumerate().filter(|&(_, n)| n > 0) {
            let means = sums[j * cols..][..cols].iter().map(|sum| sum / n as f64);
            self.centroids[j * cols..][..cols].iter_mut().zip(means).for_each(|(c, mean)| *c = mean);
        }
    }

    /// Counts the sums in order where they were carried; whether there were any such.
    fn recount(&mut self) -> Result<bool> {
        if self.tallies.iter().all(Tally::in_order) {
            return Ok(false);
        }
        let control = self.control;
        self.tallies.par_iter_mut().zip(self.data.chunks()).filter(|(tally, _)| !tally.in_order()).try_for_each(
            |(tally, chunk)| {
                control.check()?;
                tally.recount(chunk);
                Ok(())
            },
        )?;
        Ok(true)
    }

    /// For every cluster of `empty`, in order, the row farthest from its own centroid, the lowest of equals; a row taken
    /// makes the rows near it less far. Placing centroids there cannot raise the inertia.
    fn farthest(&self, empty: &[usize]) -> Result<Vec<(usize, Vec<f64>)>> {
        if empty.is_empty() {
            return Ok(Vec::new());
        }
        let (data, cols) = (self.data, self.data.cols);
        let squared = |row: usize, c: &[f64]| data.row(row).zip(c).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c));
        let labels: Vec<u32> = self.tallies.iter().flat_map(|tally| &tally.labels).copied().collect();
        let own = |j: u32| &self.centroids[j as usize * cols..][..cols];
        let mut far: Vec<f64> = labels.par_iter().enumerate().map(|(row, &j)| squared(row, own(j))).collect();
        let mut taken = Vec::with_capacity(empty.len());
        for &j in empty {
            self.control.check()?;
            let farthest = far.iter().enumerate().fold(0, |best, (row, &d)| if d > far[best] { row } else { best });
            let row: Vec<f64> = data.row(farthest).collect();
            far.par_iter_mut().enumerate().for_each(|(i, far)| *far = far.min(squared(i, &row)));
            taken.push((j, row));
        }
        Ok(taken)
    }

    fn place(&mut self, taken: Vec<(usize, Vec<f64>)>) {
        for (j, row) in taken {
            self.centroids[j * row.len()..][..row.len()].copy_from_slice(&row);
        }
    }

    /// Fills clusters the last step left empty, and gives the run.
    fn finish(mut self, mut inertia: f64, iterations: usize) -> Result<Run> {
        for _ in 0..=self.k {
            self.tallies.par_iter_mut().for_each(Tally::count);
            let empty = self.empty();
            if empty.is_empty() {
                let sizes = self.sizes();
                let labels = self.tallies.iter().flat_map(|tally| &tally.labels).copied().collect();
                return Ok(Run { centroids: self.centroids, labels, sizes, inertia, iterations });
            }
            let taken = self.farthest(&empty)?;
            self.place(taken);
            inertia = self.assign(Want::Inertia)?.inertia;
        }
        Err(Error::invalid(format!("k = {} is above the number of rows whose distances can be told from 0", self.k))
            .hint("ask for fewer segments, or scale the features"))
    }
}
