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
    let drawn = several(data, k, vec![rng], control)?.into_iter().next();
    drawn.ok_or_else(|| Error::invalid("k-means++ without a start"))
}

/// The same for each generator, in the passes of one: what is read of a large table serves all. Each start is what it would be
/// alone.
pub(super) fn several<R: RngCore>(data: &Packed, k: usize, rngs: Vec<R>, control: &Control) -> Result<Vec<Vec<f64>>> {
    let trials = (2 + libm::log(k as f64) as usize).min(CANDIDATES);
    let mut starts: Vec<(R, Seeding)> = rngs
        .into_iter()
        .map(|mut rng| {
            let first = data.row(uniform_row(&mut rng, data.rows)).collect();
            (
                rng,
                Seeding {
                    data,
                    control,
                    closest: far_away(data.rows),
                    left: Vec::new(),
                    chosen: None,
                    rows: first,
                    centroids: Vec::with_capacity(k * data.cols),
                },
            )
        })
        .collect();
    for step in 0..k {
        if step > 0 {
            for (rng, start) in &mut starts {
                start.candidates(trials, rng)?;
            }
        }
        pass(&mut starts)?;
    }
    Ok(starts.into_iter().map(|(_, start)| start.centroids).collect())
}

/// One pass over the data: each start takes the best of its candidates.
fn pass<R>(starts: &mut [(R, Seeding)]) -> Result<()> {
    let Some((_, first)) = starts.first() else { return Ok(()) };
    let (data, control, arch) = (first.data, first.control, Arch::new());
    let candidates: Vec<Centers> =
        starts.iter().map(|(_, start)| Centers::new(&start.rows, start.rows.len() / data.cols, data.cols)).collect();
    let mut work: Vec<Vec<_>> = data.chunks().iter().map(|_| Vec::with_capacity(candidates.len())).collect();
    for ((_, start), candidates) in starts.iter_mut().zip(&candidates) {
        let chosen = start.chosen.as_deref();
        for (work, closest) in work.iter_mut().zip(start.closest.chunks_mut(BLOCKS)) {
            work.push((closest, chosen, candidates));
        }
    }
    // For every chunk and start, what each candidate would leave; `closest` is up to date with `chosen` after it.
    let left: Vec<Vec<Vec<f64>>> = work
        .into_par_iter()
        .zip(data.chunks())
        .map(|(work, chunk)| {
            let potential = |(closest, chosen, candidates)| {
                Potential { chunk, closest, chosen, candidates, control }.run(arch).ok_or_else(Error::cancelled)
            };
            work.into_iter().map(potential).collect()
        })
        .collect::<Result<_>>()?;
    for (i, (_, start)) in starts.iter_mut().enumerate() {
        start.take(&left.iter().map(|left| left[i].as_slice()).collect::<Vec<_>>());
    }
    Ok(())
}

/// Infinite distances, and zero in the padding so that it is never drawn nor counted.
pub(super) fn far_away(rows: usize) -> Vec<Lanes> {
    let mut closest = vec![Lanes([f64::INFINITY; LANES]); rows.div_ceil(LANES)];
    if let (Some(last), 1..) = (closest.last_mut(), rows % LANES) {
        last.0[rows % LANES..].fill(0.0);
    }
    closest
}

/// A start on its way.
struct Seeding<'a> {
    data: &'a Packed,
    control: &'a Control,
    /// Squared distance to the centroids chosen so far, but for the last one, which is `chosen`.
    closest: Vec<Lanes>,
    chosen: Option<Vec<f64>>,
    /// What is left of the squared distances of each chunk.
    left: Vec<f64>,
    /// The candidates for the next centroid.
    rows: Vec<f64>,
    centroids: Vec<f64>,
}

impl Seeding<'_> {
    /// Draws the candidates for the next centroid.
    fn candidates(&mut self, trials: usize, rng: &mut impl RngCore) -> Result<()> {
        self.rows.clear();
        for _ in 0..trials {
            let drawn = self.draw(&self.left, uniform(rng))?;
            self.rows.extend(self.data.row(drawn));
        }
        Ok(())
    }

    /// Takes the candidate that leaves least; `potential` is what each would leave of each chunk.
    fn take(&mut self, potential: &[&[f64]]) {
        let cols = self.data.cols;
        let total = |t: usize| potential.iter().fold(0.0, |sum, sums| sum + sums[t]);
        let best = (1..self.rows.len() / cols).fold(0, |best, t| if total(t) < total(best) { t } else { best });
        let row = &self.rows[best * cols..][..cols];
        self.centroids.extend_from_slice(row);
        self.left = potential.iter().map(|sums| sums[best]).collect();
        self.chosen = Some(row.to_vec());
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
            potential.run(Arch::new()).ok_or_else(Error::cancelled)?;
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
