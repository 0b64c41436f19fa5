//! k-means|| (Bahmani and others 2012): a start for large tables in five passes, whatever k.
//!
//! From one random row, five rounds draw each row with chance `l d² / (sum of d²)`, `l = 2 k`, where `d` is the distance
//! to the rows drawn before. The about `10 k` candidates, each weighing as many rows as it is nearest to, are clustered
//! themselves; Lloyd's algorithm over all rows starts from there.

use super::assign::{Assign, Want};
use super::kernel::Centers;
use super::kmeans::{enough_distinct, KMeansParams};
use super::lloyd::lloyd;
use super::packed::{Packed, CHUNK, LANES};
use super::potential::Potential;
use super::run::Run;
use super::seeding::{far_away, plus_plus, uniform, uniform_row};
use super::tally::Tally;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::ArrayView2;
use pulp::Arch;
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

const ROUNDS: usize = 5;
/// Rows drawn in a round, in units of k.
const OVERSAMPLING: usize = 2;
/// Streams of the seed that the chunks of a round draw from; restarts use those from 0.
const STREAM: u64 = 1 << 40;

/// Clusters the rows of `data`; `params.n_init` starts over the candidates, one run over the rows. Errors: see
/// [`super::kmeans`].
pub(super) fn kmeans_parallel(data: ArrayView2<f64>, params: &KMeansParams, control: &Control) -> Result<Run> {
    let packed = Packed::new(data, control)?;
    enough_distinct(data, params.k, control)?;
    let tolerance = params.tol * packed.mean_variance(control)?;
    control.phase(format!("k = {}: drawing candidates", params.k));
    let rows = candidates(&packed, params, control)?;
    control.phase(format!("k = {}: weighing {} candidates", params.k, rows.len()));
    let points: Vec<Vec<f64>> = rows.iter().map(|&row| packed.row(row).collect()).collect();
    let weights = weights(&packed, &points, control)?;
    let start = match recluster(&points, &weights, params, control)? {
        Some(start) => start,
        // Nearly all rows are alike, so that too few were drawn.
        None => plus_plus(&packed, params.k, &mut ChaCha8Rng::seed_from_u64(params.seed), control)?,
    };
    control.phase(format!("k = {}: steps over all rows", params.k));
    lloyd(&packed, start, params.k, params.max_iter, tolerance, control)
}

/// The rows drawn, in the order of the rounds and of the rows.
fn candidates(data: &Packed, params: &KMeansParams, control: &Control) -> Result<Vec<usize>> {
    let first = uniform_row(&mut ChaCha8Rng::seed_from_u64(params.seed), data.rows);
    let blocks = CHUNK / LANES;
    let mut closest = far_away(data.rows);
    let (mut all, mut fresh) = (vec![first], vec![first]);
    let wanted = (OVERSAMPLING * params.k) as f64;
    let none = &Centers::new(&[], 0, data.cols);
    let arch = Arch::new();
    for round in 0..ROUNDS {
        let points: Vec<Vec<f64>> = fresh.iter().map(|&row| data.row(row).collect()).collect();
        let sums: Vec<f64> = data
            .chunks()
            .par_iter()
            .zip(closest.par_chunks_mut(blocks))
            .map(|(chunk, closest)| {
                for point in &points {
                    let pass = Potential { chunk, closest, chosen: Some(point), candidates: none, control };
                    pass.run(arch).ok_or_else(Error::cancelled)?;
                }
                Ok(closest.iter().map(|lanes| lanes.sum()).fold(0.0, |sum, x| sum + x))
            })
            .collect::<Result<_>>()?;
        let total = sums.iter().fold(0.0, |sum, x| sum + x);
        if total.is_nan() || total <= 0.0 {
            break;
        }
        let drawn: Vec<Vec<usize>> = closest
            .par_chunks(blocks)
            .enumerate()
            .map(|(chunk, closest)| {
                let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
                rng.set_stream(STREAM + ((round as u64) << 32) + chunk as u64);
                let distances = closest.iter().flat_map(|lanes| lanes.0).take(data.rows_in(chunk)).enumerate();
                let chosen = distances.filter(|&(_, d)| uniform(&mut rng) < wanted * (d / total));
                chosen.map(|(i, _)| chunk * CHUNK + i).collect()
            })
            .collect();
        fresh = drawn.concat();
        all.extend(&fresh);
        if fresh.is_empty() {
            break;
        }
    }
    Ok(all)
}

/// Rows that each candidate is nearest to.
fn weights(data: &Packed, points: &[Vec<f64>], control: &Control) -> Result<Vec<f64>> {
    let centers = &Centers::new(&points.concat(), points.len(), data.cols);
    let arch = Arch::new();
    let counts: Vec<Vec<u32>> = data
        .chunks()
        .par_iter()
        .enumerate()
        .map(|(i, chunk)| {
            let mut tally = Tally::new(data.rows_in(i), 0, 0);
            let (extent, want) = (data.extents()[i], Want::Inertia);
            let pass = Assign { chunk, extent, centers, tally: &mut tally, want, drift: None, stride: 1, control };
            pass.run(arch).ok_or_else(Error::cancelled)?;
            let mut counts = vec![0; points.len()];
            tally.labels.iter().for_each(|&label| counts[label as usize] += 1);
            Ok(counts)
        })
        .collect::<Result<_>>()?;
    let mut total = vec![0.0; points.len()];
    for counts in counts {
        total.iter_mut().zip(counts).for_each(|(total, n)| *total += f64::from(n));
    }
    Ok(total)
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c))
}

/// The best of `n_init` weighted k-means runs over the candidates, `k` × columns; None when fewer than `k` are distinct.
fn recluster(
    points: &[Vec<f64>],
    weights: &[f64],
    params: &KMeansParams,
    control: &Control,
) -> Result<Option<Vec<f64>>> {
    let mut best: Option<(f64, Vec<f64>)> = None;
    for restart in 0..params.n_init {
        let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
        rng.set_stream(restart as u64);
        let Some(mut centres) = weighted_start(points, weights, params.k, &mut rng, control)? else { return Ok(None) };
        let mut labels = vec![usize::MAX; points.len()];
        let mut inertia = f64::INFINITY;
        for _ in 0..params.max_iter {
            control.check()?;
            let near = points.iter().map(|p| {
                let d: Vec<f64> = centres.iter().map(|c| squared(p, c)).collect();
                let j = (1..d.len()).fold(0, |best, j| if d[j] < d[best] { j } else { best });
                (j, d[j])
            });
            let near: Vec<(usize, f64)> = near.collect();
            inertia = near.iter().zip(weights).fold(0.0, |sum, ((_, d), w)| sum + w * d);
            let now: Vec<usize> = near.iter().map(|n| n.0).collect();
            if now == labels {
                break;
            }
            labels = now;
            let cols = points[0].len();
            let mut sums = vec![(0.0, vec![0.0; cols]); centres.len()];
            for ((p, &w), &j) in points.iter().zip(weights).zip(&labels) {
                sums[j].0 += w;
                sums[j].1.iter_mut().zip(p).for_each(|(sum, x)| *sum += w * x);
            }
            for (c, (w, sum)) in centres.iter_mut().zip(sums).filter(|(_, (w, _))| *w > 0.0) {
                c.iter_mut().zip(sum).for_each(|(c, sum)| *c = sum / w);
            }
        }
        if best.as_ref().is_none_or(|(least, _)| inertia < *least) {
            best = Some((inertia, centres.concat()));
        }
    }
    Ok(best.map(|(_, centres)| centres))
}

/// Weighted k-means++ with as many candidates a step as [`plus_plus`] tries.
fn weighted_start(
    points: &[Vec<f64>],
    weights: &[f64],
    k: usize,
    rng: &mut ChaCha8Rng,
    control: &Control,
) -> Result<Option<Vec<Vec<f64>>>> {
    let trials = 2 + libm::log(k as f64) as usize;
    let mut left = vec![f64::INFINITY; points.len()];
    let mut centres: Vec<Vec<f64>> = Vec::with_capacity(k);
    for step in 0..k {
        control.check()?;
        let chances: Vec<f64> = left.iter().zip(weights).map(|(&d, &w)| if step == 0 { w } else { w * d }).collect();
        let total = chances.iter().fold(0.0, |sum, x| sum + x);
        if total.is_nan() || total <= 0.0 {
            return Ok(None);
        }
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..if step == 0 { 1 } else { trials } {
            let mut rest = uniform(rng) * total;
            let mut drawn = 0;
            for (i, &chance) in chances.iter().enumerate().filter(|(_, &chance)| chance > 0.0) {
                drawn = i;
                if rest < chance {
                    break;
                }
                rest -= chance;
            }
            let after: Vec<f64> = points.iter().zip(&left).map(|(p, &d)| d.min(squared(p, &points[drawn]))).collect();
            let potential = after.iter().zip(weights).fold(0.0, |sum, (d, w)| sum + d * w);
            if best.as_ref().is_none_or(|(least, ..)| potential < *least) {
                best = Some((potential, drawn, after));
            }
        }
        let Some((_, drawn, after)) = best else { return Ok(None) };
        centres.push(points[drawn].clone());
        left = after;
    }
    Ok(Some(centres))
}
