//! Greedy k-means++: every next centroid is the best of `2 + floor(ln k)` candidates drawn by squared distance.
//!
//! One pass over the data a centroid: the pass that tries the candidates also brings the distances up to date with
//! the centroid chosen before, and the draw needs up-to-date distances of the drawn chunk only.

use super::kernel::Centers;
use super::packed::{Lanes, Packed, CHUNK, LANES};
use super::potential::{Potential, CANDIDATES};
use crate::control::Control;
use crate::error::{Error, Result};
use pulp::Arch;
use rand_chacha::rand_core::RngCore;
use rayon::prelude::*;

const BLOCKS: usize = CHUNK / LANES;

/// A number in [0, 1) with 53 random bits.
pub(super) fn uniform(rng: &mut impl RngCore) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A row, each with the same chance.
pub(super) fn uniform_row(rng: &mut impl RngCore, rows: usize) -> usize {
    ((uniform(rng) * rows as f64) as usize).min(rows.saturating_sub(1))
}

/// Draws `k` starting centroids, all of them rows: `k` × `cols`, row by row.
pub(super) fn plus_plus(data: &Packed, k: usize, rng: &mut impl RngCore, control: &Control) -> Result<Vec<f64>> {
    let trials = (2 + libm::log(k as f64) as usize).min(CANDIDATES);
    let first: Vec<f64> = data.row(uniform_row(rng, data.rows)).collect();
    let mut centroids = Vec::with_capacity(k * data.cols);
    centroids.extend_from_slice(&first);
    let mut state = Seeding { data, control, arch: Arch::new(), closest: far_away(data.rows), chosen: None };
    let candidate = Centers::new(&first, 1, data.cols);
    let mut left: Vec<f64> = state.pass(&candidate)?.iter().map(|sums| sums[0]).collect();
    state.chosen = Some(first);
    for _ in 1..k {
        let mut rows = Vec::with_capacity(trials * data.cols);
        for _ in 0..trials {
            let drawn = state.draw(&left, uniform(rng))?;
            rows.extend(data.row(drawn));
        }
        let potential = state.pass(&Centers::new(&rows, trials, data.cols))?;
        let total = |t: usize| potential.iter().fold(0.0, |sum, sums| sum + sums[t]);
        let best = (1..trials).fold(0, |best, t| if total(t) < total(best) { t } else { best });
        let row = &rows[best * data.cols..][..data.cols];
        centroids.extend_from_slice(row);
        left = potential.iter().map(|sums| sums[best]).collect();
        state.chosen = Some(row.to_vec());
    }
    Ok(centroids)
}

/// Infinite distances, and zero in the padding so that it is never drawn nor counted.
fn far_away(rows: usize) -> Vec<Lanes> {
    let mut closest = vec![Lanes([f64::INFINITY; LANES]); rows.div_ceil(LANES)];
    if let (Some(last), 1..) = (closest.last_mut(), rows % LANES) {
        last.0[rows % LANES..].fill(0.0);
    }
    closest
}

struct Seeding<'a> {
    data: &'a Packed,
    control: &'a Control,
    arch: Arch,
    /// Squared distance to the centroids chosen so far, but for the last one, which is `chosen`.
    closest: Vec<Lanes>,
    chosen: Option<Vec<f64>>,
}

impl Seeding<'_> {
    /// For every chunk, what each candidate would leave; `closest` is up to date with `chosen` after it.
    fn pass(&mut self, candidates: &Centers) -> Result<Vec<Vec<f64>>> {
        let (chosen, control, arch) = (self.chosen.as_deref(), self.control, self.arch);
        self.data
            .chunks()
            .par_iter()
            .zip(self.closest.par_chunks_mut(BLOCKS))
            .map(|(chunk, closest)| {
                Potential { chunk, closest, chosen, candidates, control }.run(arch).ok_or_else(Error::cancelled)
            })
            .collect()
    }

    /// The row at share `u` of the total squared distance, given the sums `left` of the chunks.
    fn draw(&self, left: &[f64], u: f64) -> Result<usize> {
        let mut rest = u * left.iter().fold(0.0, |sum, x| sum + x);
        let mut drawn = None;
        for (chunk, &sum) in left.iter().enumerate().filter(|(_, &sum)| sum > 0.0) {
            drawn = Some(chunk);
            if rest < sum {
                break;
            }
            rest -= sum;
        }
        // All distances zero: only values too close to tell apart are left, and any row is as good.
        let Some(chunk) = drawn else { return Ok(0) };
        let mut closest = self.closest[chunk * BLOCKS..].iter().take(BLOCKS).copied().collect::<Vec<_>>();
        if let Some(chosen) = &self.chosen {
            let (chunk, candidates) = (&self.data.chunks()[chunk], &Centers::new(&[], 0, self.data.cols));
            let potential =
                Potential { chunk, closest: &mut closest, chosen: Some(chosen), candidates, control: self.control };
            potential.run(self.arch).ok_or_else(Error::cancelled)?;
        }
        // The sums of the chunks were rounded in another order, so `rest` may outlast the chunk: then its last row.
        let mut row = 0;
        for (i, &distance) in closest.iter().flat_map(|lanes| &lanes.0).enumerate().filter(|(_, &d)| d > 0.0) {
            row = i;
            if rest < distance {
                break;
            }
            rest -= distance;
        }
        Ok(chunk * CHUNK + row)
    }
}
