//! Lloyd's algorithm from given starts.

use super::assign::{Assign, Assigned, Want};
use super::kernel::Centers;
use super::packed::Packed;
use super::run::{Pace, Run, State};
use super::tally::Tally;
use crate::control::Control;
use crate::error::{Error, Result};
use pulp::Arch;
use rayon::prelude::*;

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
    only(together(data, vec![centroids], k, max_iter, tolerance, control)?)
}

/// The same from several starts, side by side: reading a large table from memory takes longer than comparing it with a few
/// centroids, so what was read serves all of them. Each run is what it would be alone.
pub(super) fn together(
    data: &Packed,
    starts: Vec<Vec<f64>>,
    k: usize,
    max_iter: usize,
    tolerance: f64,
    control: &Control,
) -> Result<Vec<Run>> {
    paced(data, starts, k, max_iter, tolerance, Pace::measured(k, data.cols), control)
}

fn only(runs: Vec<Run>) -> Result<Run> {
    runs.into_iter().next().ok_or_else(|| Error::invalid("k-means without a start"))
}

fn paced(
    data: &Packed,
    starts: Vec<Vec<f64>>,
    k: usize,
    max_iter: usize,
    tolerance: f64,
    pace: Pace,
    control: &Control,
) -> Result<Vec<Run>> {
    let state = |start| Steps {
        state: State::new(data, start, k, pace, pace.probe, control),
        want: Want::Sums,
        converged: false,
        iterations: 0,
    };
    let mut running: Vec<(usize, Steps)> = starts.into_iter().map(state).enumerate().collect();
    let mut done: Vec<(usize, Run)> = Vec::with_capacity(running.len());
    while !running.is_empty() {
        let found = pass(running.iter_mut().map(|(_, steps)| (steps.want, &mut steps.state)).collect())?;
        let mut next = Vec::with_capacity(running.len());
        for ((start, mut steps), found) in running.into_iter().zip(found) {
            match steps.after(&found, max_iter, tolerance)? {
                Some(inertia) => done.push((start, steps.state.finish(inertia, steps.iterations)?)),
                None => next.push((start, steps)),
            }
        }
        running = next;
    }
    done.sort_by_key(|(start, _)| *start);
    Ok(done.into_iter().map(|(_, run)| run).collect())
}

/// Where a run is.
struct Steps<'a> {
    state: State<'a>,
    /// Of the next pass.
    want: Want,
    converged: bool,
    iterations: usize,
}

impl Steps<'_> {
    /// What follows an assignment; the inertia when that was the last one.
    fn after(&mut self, found: &Assigned, max_iter: usize, tolerance: f64) -> Result<Option<f64>> {
        let state = &mut self.state;
        match self.want {
            Want::Sums => {
                self.iterations += 1;
                let filled = state.empty().is_empty();
                self.converged = !found.changed && filled;
                let still = !self.converged && state.step()? <= tolerance && filled;
                if self.converged || still || self.iterations >= max_iter {
                    if state.recount()? {
                        state.means();
                    }
                    self.want = Want::Inertia;
                }
            }
            Want::Inertia if !self.converged || !found.changed || self.iterations >= max_iter => {
                return Ok(Some(found.inertia))
            }
            // Sums counted anew differ from carried ones in the last bits, and that turned a near tie: so it goes on.
            Want::Inertia => {
                state.tallies.iter_mut().for_each(Tally::forget);
                state.recount()?;
                state.means();
                self.want = Want::Sums;
            }
        }
        Ok(None)
    }
}

/// Assigns every row to the centroids of each run, chunks in parallel; what they say is added in index order.
fn pass(mut runs: Vec<(Want, &mut State)>) -> Result<Vec<Assigned>> {
    let Some((_, first)) = runs.first() else { return Ok(Vec::new()) };
    let (data, control, arch) = (first.data, first.control, Arch::new());
    let centers: Vec<Centers> = runs.iter().map(|(_, s)| Centers::new(&s.centroids, s.k, data.cols)).collect();
    let mut work: Vec<Vec<_>> = data.chunks().iter().map(|_| Vec::with_capacity(centers.len())).collect();
    for ((want, state), centers) in runs.iter_mut().zip(&centers) {
        let State { tallies, drift, stride, .. } = &mut **state;
        let drift = (*want == Want::Sums).then_some(&*drift);
        for (work, tally) in work.iter_mut().zip(tallies) {
            work.push((*want, centers, tally, drift, *stride));
        }
    }
    let parts: Vec<Vec<Assigned>> = work
        .into_par_iter()
        .zip(data.chunks().par_iter().zip(data.extents()))
        .map(|(work, (chunk, &extent))| {
            let assign = |(want, centers, tally, drift, stride)| {
                let assign = Assign { chunk, extent, centers, tally, want, drift, stride, control };
                assign.run(arch).ok_or_else(Error::cancelled)
            };
            work.into_iter().map(assign).collect()
        })
        .collect::<Result<_>>()?;
    let all = |run: usize| {
        let parts = || parts.iter().map(|found| &found[run]);
        Assigned {
            inertia: parts().fold(0.0, |sum, part| sum + part.inertia),
            changed: parts().any(|part| part.changed),
            tried: parts().map(|part| part.tried).sum(),
            held: parts().map(|part| part.held).sum(),
        }
    };
    let found: Vec<Assigned> = (0..runs.len()).map(all).collect();
    for ((_, state), found) in runs.iter_mut().zip(&found).filter(|(_, found)| found.tried > 0) {
        let pays = found.held as f64 > state.pace.worth * found.tried as f64;
        state.stride = if pays { 1 } else { state.pace.probe };
    }
    Ok(found)
}

/// The run that ends with `centroids` (`k` × `cols`) as they are: labels, sizes, inertia; only centroids without a row
/// are moved, each onto the row farthest from its own.
pub(super) fn settle(
    data: &Packed,
    centroids: Vec<f64>,
    k: usize,
    iterations: usize,
    control: &Control,
) -> Result<Run> {
    let mut state = State::new(data, centroids, k, Pace::measured(k, data.cols), 1, control);
    let inertia = assign(&mut state, Want::Inertia)?.inertia;
    state.finish(inertia, iterations)
}

/// One pass of one run.
pub(super) fn assign(state: &mut State, want: Want) -> Result<Assigned> {
    let found = pass(vec![(want, state)])?.into_iter().next();
    found.ok_or_else(|| Error::invalid("k-means without a run"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, ArrayView2};
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const ALWAYS: Pace = Pace { probe: 1, worth: -1.0 };
    /// Off whenever they held at all and on when they did not: labels change under bounds that sleep.
    const FITFUL: Pace = Pace { probe: 3, worth: 0.5 };

    /// Labels by plain comparison of all distances, sums as documented; the steps are those of [`lloyd`].
    fn plain(data: ArrayView2<f64>, start: &[f64], k: usize, max_iter: usize) -> (Vec<u32>, Vec<f64>) {
        let (n, cols) = data.dim();
        let rows: Vec<Vec<f64>> = data.outer_iter().map(|r| r.to_vec()).collect();
        let nearest = |row: &[f64], centres: &[f64]| {
            let distance = |c: &[f64]| row.iter().zip(c).fold(0.0, |s, (x, c)| s + (x - c) * (x - c));
            let all: Vec<f64> = centres.chunks_exact(cols).map(distance).collect();
            (1..k).fold(0, |best, j| if all[j] < all[best] { j } else { best }) as u32
        };
        let (mut labels, mut centres) = (vec![u32::MAX; n], start.to_vec());
        for _ in 0..max_iter {
            let now: Vec<u32> = rows.iter().map(|row| nearest(row, &centres)).collect();
            if now == labels {
                break;
            }
            labels = now;
            let mut lanes = vec![vec![[0.0; 8]; k * cols]; n.div_ceil(4096)];
            let mut counts = vec![0u64; k];
            for (i, row) in rows.iter().enumerate() {
                counts[labels[i] as usize] += 1;
                for (f, x) in row.iter().enumerate() {
                    lanes[i / 4096][labels[i] as usize * cols + f][i % 8] += x;
                }
            }
            for (at, c) in centres.iter_mut().enumerate().filter(|(at, _)| counts[at / cols] > 0) {
                let total = lanes.iter().map(|chunk| chunk[at].iter().fold(0.0, |s, x| s + x)).fold(0.0, |s, x| s + x);
                *c = total / counts[at / cols] as f64;
            }
        }
        (rows.iter().map(|row| nearest(row, &centres)).collect(), centres)
    }

    #[test]
    fn bounds_change_nothing() {
        let control = Control::new();
        let mut skipped = 0;
        for (k, cols) in [(1, 3), (2, 1), (3, 2), (5, 7), (8, 20), (13, 4), (21, 40), (50, 2), (50, 33)] {
            for kind in ["uniform", "clustered", "tied", "duplicated", "far", "tiny"] {
                let n = 3 * k + 4500;
                let mut rng = ChaCha8Rng::seed_from_u64(k as u64);
                let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                let centres = Array2::from_shape_simple_fn((k, cols), || 9.0 * uniform());
                let data = Array2::from_shape_fn((n, cols), |(i, f)| match kind {
                    "uniform" => uniform(),
                    "clustered" => centres[(i % k, f)] + uniform(),
                    "tied" => (9.0 * uniform()).floor(),
                    "duplicated" => ((i * 31) % (k + 9)) as f64 * 0.1 + f as f64,
                    "far" => 1e7 + centres[(i % k, f)] + uniform(),
                    _ => 1e-152 * uniform(),
                });
                let packed = Packed::new(data.view(), &control).unwrap();
                let start: Vec<f64> = (0..k).flat_map(|j| data.row(j * 3).to_vec()).collect();
                let never = Pace { probe: usize::MAX, worth: 2.0 };
                let runs = [never, ALWAYS, FITFUL, Pace::measured(k, cols)].map(|pace| {
                    only(paced(&packed, vec![start.clone()], k, 25, 0.0, pace, &control).unwrap()).unwrap()
                });
                for run in &runs[1..] {
                    assert_eq!(run.labels, runs[0].labels, "{kind}, k = {k}, {cols} columns");
                    assert_eq!(bits(&run.centroids), bits(&runs[0].centroids), "{kind}, k = {k}, {cols} columns");
                    assert_eq!(run.inertia.to_bits(), runs[0].inertia.to_bits());
                    assert_eq!(run.iterations, runs[0].iterations);
                }
                // A start without an empty cluster on its way is what the short version above can follow.
                let (labels, centroids) = plain(data.view(), &start, k, 25);
                if (0..k as u32).all(|j| labels.contains(&j)) && kind != "tied" && kind != "duplicated" {
                    let same = bits(&centroids) == bits(&runs[0].centroids) && labels == runs[0].labels;
                    skipped += usize::from(!same);
                }
            }
        }
        // Carried sums may turn a tie on the way; ordinary data has none.
        assert_eq!(skipped, 0);
    }

    #[test]
    fn runs_side_by_side_are_what_they_are_alone() {
        let control = Control::new();
        let (n, cols, k) = (9000, 5, 6);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let data = Array2::from_shape_fn((n, cols), |(i, _)| (i % 4) as f64 * 0.7 + uniform());
        let packed = Packed::new(data.view(), &control).unwrap();
        // Starts from rows next to each other and far apart, and twice the same row, which leaves a cluster empty.
        let start = |step: usize| (0..k).flat_map(|j| data.row(j / 2 * step + j % 2 * (step % 2)).to_vec()).collect();
        let starts: Vec<Vec<f64>> = [1, 3, 500, 1000, 1501].map(start).to_vec();
        for (max_iter, tolerance) in [(1, 0.0), (4, 0.0), (300, 0.0), (300, 1e-3)] {
            let all = together(&packed, starts.clone(), k, max_iter, tolerance, &control).unwrap();
            assert_eq!(all.len(), starts.len());
            let mut iterations: Vec<usize> = all.iter().map(|run| run.iterations).collect();
            for (run, start) in all.iter().zip(&starts) {
                let alone = lloyd(&packed, start.clone(), k, max_iter, tolerance, &control).unwrap();
                assert_eq!((&run.labels, &run.sizes, run.iterations), (&alone.labels, &alone.sizes, alone.iterations));
                assert_eq!(bits(&run.centroids), bits(&alone.centroids));
                assert_eq!(run.inertia.to_bits(), alone.inertia.to_bits());
            }
            iterations.dedup();
            assert!(max_iter < 5 || iterations.len() > 1, "all end together");
        }
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|x| x.to_bits()).collect()
    }
}
