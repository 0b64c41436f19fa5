//! Better than the best start: on small tables, one centre at a time is tried elsewhere.
//!
//! Lloyd's algorithm ends where no single row would move, with two centres sharing one group and one centre standing
//! between two more often than ten starts can mend. So a centre that is missed least is moved to a row that is served
//! badly, and Lloyd runs again (Fränti 2018 moves a random one); and as many new starts are drawn. The inertia can only
//! fall. What ends near the best is polished by [`exchange`].

use super::exchange::exchange;
use super::kmeans::KMeansParams;
use super::lloyd::lloyd;
use super::packed::Packed;
use super::run::Run;
use super::seeding::{plus_plus, uniform};
use crate::control::Control;
use crate::error::Result;
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Tried side by side: the first half moves a centre, the other starts anew.
const MOVES: usize = 8;
/// Of the centres that are missed least, so many are tried.
const SPARE: usize = 4;
/// Above so many products of rows, columns and centres, a move costs too much.
const LARGEST: usize = 1 << 22;
/// A move has to gain more than this share, so that rounding does not decide.
const BETTER: f64 = 1e-9;
/// What ends within this share above the best is worth polishing.
const NEAR: f64 = 0.02;
const STREAM: u64 = 1 << 42;
/// Below so many products, rounds cost next to nothing, and there are up to ten times as many: the smaller the table,
/// the more ends that nearly match.
const TINY: usize = 1 << 18;

/// Lloyd to the end from the best start, then moves, until `params.moves` rounds of eight in a row gain nothing (up to ten times as
/// many on a tiny table).
pub(super) fn refine(data: &Packed, mut best: Run, params: &KMeansParams, control: &Control) -> Result<Run> {
    let k = params.k;
    if params.moves == 0 || k < 2 || data.rows.saturating_mul(data.cols).saturating_mul(k) > LARGEST {
        return Ok(best);
    }
    control.phase(format!("k = {k}: moving centres"));
    let lloyd = |start: Vec<f64>| lloyd(data, start, k, params.max_iter, 0.0, control);
    let run = |start: Vec<f64>, least: f64| -> Result<Run> {
        let run = lloyd(start)?;
        if run.inertia > least * (1.0 + NEAR) {
            return Ok(run);
        }
        match exchange(data, &run, k, control)? {
            None => Ok(run),
            Some(centres) => {
                let next = lloyd(centres)?;
                let iterations = run.iterations + next.iterations;
                Ok(if next.inertia < run.inertia { Run { iterations, ..next } } else { run })
            }
        }
    };
    let last = run(best.centroids.clone(), f64::INFINITY)?;
    if last.inertia <= best.inertia {
        best = Run { iterations: best.iterations + last.iterations, ..last };
    }
    let (mut round, mut idle) = (0, 0);
    let rounds = params.moves * (TINY / (data.rows * data.cols * k)).clamp(1, 10);
    while idle < rounds {
        control.check()?;
        let (spare, costs) = measure(data, &best, k);
        let moved: Vec<Run> = (0..MOVES)
            .into_par_iter()
            .map(|i| {
                let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
                rng.set_stream(STREAM + (round * MOVES + i) as u64);
                if i >= MOVES / 2 {
                    return run(plus_plus(data, k, &mut rng, control)?, best.inertia);
                }
                let from = spare[i % SPARE.min(k)];
                let mut start = best.centroids.clone();
                let to = draw(&costs, uniform(&mut rng));
                start[from * data.cols..][..data.cols].iter_mut().zip(data.row(to)).for_each(|(c, x)| *c = x);
                run(start, best.inertia)
            })
            .collect::<Result<_>>()?;
        round += 1;
        idle += 1;
        for next in moved {
            if next.inertia < best.inertia * (1.0 - BETTER) {
                best = Run { iterations: best.iterations + next.iterations, ..next };
                idle = 0;
            }
        }
    }
    Ok(best)
}

/// The centres by what the inertia would rise without them, least first, and the squared distance of every row.
fn measure(data: &Packed, run: &Run, k: usize) -> (Vec<usize>, Vec<f64>) {
    let centres: Vec<&[f64]> = run.centroids.chunks_exact(data.cols).collect();
    let mut missed = vec![0.0; k];
    let mut costs = Vec::with_capacity(data.rows);
    for (row, &label) in run.labels.iter().enumerate() {
        let x: Vec<f64> = data.row(row).collect();
        let squared = |j: usize| x.iter().zip(centres[j]).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c));
        let own = squared(label as usize);
        let next = (0..k).filter(|&j| j != label as usize).map(squared).fold(f64::INFINITY, f64::min);
        missed[label as usize] += next - own;
        costs.push(own);
    }
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&a, &b| missed[a].total_cmp(&missed[b]).then(a.cmp(&b)));
    (order, costs)
}

/// The row at share `u` of the total cost.
fn draw(costs: &[f64], u: f64) -> usize {
    let mut rest = u * costs.iter().fold(0.0, |sum, d| sum + d);
    let mut drawn = 0;
    for (row, &cost) in costs.iter().enumerate().filter(|(_, &cost)| cost > 0.0) {
        drawn = row;
        if rest < cost {
            break;
        }
        rest -= cost;
    }
    drawn
}
