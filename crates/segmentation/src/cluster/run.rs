//! One run of k-means on its way: its centroids, and what it remembers of each chunk of rows.

use super::assign::Want;
use super::bounds::Drift;
use super::lloyd::assign;
use super::packed::Packed;
use super::tally::Tally;
use crate::control::Control;
use crate::error::{Error, Result};
use rayon::prelude::*;

/// When rows are skipped by their bounds. The result does not depend on it.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// While bounds would not pay, so many blocks share one that has them, to tell when they do.
    pub probe: usize,
    /// The share of blocks that have to be skipped for bounds to pay.
    pub worth: f64,
}

impl Pace {
    /// Measured at 1,000,000 × 20 (in ns a block): 0.32 a feature and centroid to measure one, but never below 4.6 a
    /// feature to read it; 15 to try a bound; 240 more to keep one and to wait for a block that was not read ahead.
    pub fn measured(k: usize, cols: usize) -> Pace {
        let plain = cols as f64 * (0.32 * k as f64).max(4.6);
        Pace { probe: 64, worth: 1.0 - (plain - 15.0) / (plain + 240.0) }
    }
}

pub(super) struct Run {
    /// `k` × `cols`, row by row.
    pub centroids: Vec<f64>,
    pub labels: Vec<u32>,
    pub sizes: Vec<u64>,
    pub inertia: f64,
    pub iterations: usize,
}

/// A run on its way.
pub(super) struct State<'a> {
    pub data: &'a Packed,
    pub control: &'a Control,
    pub k: usize,
    pub centroids: Vec<f64>,
    /// One for each chunk.
    pub tallies: Vec<Tally>,
    pub drift: Drift,
    pub pace: Pace,
    /// Bounds are kept for every one of so many blocks: 1 where they pay.
    pub stride: usize,
}

impl<'a> State<'a> {
    pub fn new(
        data: &'a Packed,
        centroids: Vec<f64>,
        k: usize,
        pace: Pace,
        stride: usize,
        control: &'a Control,
    ) -> State<'a> {
        let tallies = (0..data.chunks().len()).map(|chunk| Tally::new(data.rows_in(chunk), k, data.cols)).collect();
        State { data, control, k, centroids, tallies, drift: Drift::new(k), pace, stride }
    }

    fn sizes(&self) -> Vec<u64> {
        let mut sizes = vec![0; self.k];
        for tally in &self.tallies {
            sizes.iter_mut().zip(&tally.counts).for_each(|(total, n)| *total += n);
        }
        sizes
    }

    /// Clusters without a row.
    pub fn empty(&self) -> Vec<usize> {
        (0..self.k).zip(self.sizes()).filter(|&(_, n)| n == 0).map(|(j, _)| j).collect()
    }

    /// Moves the centroids to the means of their rows, and those without a row onto one; gives the squared shift.
    pub fn step(&mut self) -> Result<f64> {
        let before = self.centroids.clone();
        let taken = self.farthest(&self.empty())?;
        self.means();
        self.place(taken);
        self.drift.step(&before, &self.centroids);
        Ok(self.centroids.iter().zip(&before).map(|(a, b)| (a - b) * (a - b)).sum())
    }

    /// Moves the centroids that have rows to their means.
    pub fn means(&mut self) {
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
    pub fn recount(&mut self) -> Result<bool> {
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
    pub fn finish(mut self, mut inertia: f64, iterations: usize) -> Result<Run> {
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
            inertia = assign(&mut self, Want::Inertia)?.inertia;
        }
        Err(Error::invalid(format!("k = {} is above the number of rows whose distances can be told from 0", self.k))
            .hint("ask for fewer segments, or scale the features"))
    }
}
