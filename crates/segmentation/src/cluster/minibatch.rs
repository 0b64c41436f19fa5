//! Mini-batch k-means (Sculley 2010): every step moves the centres by a few rows only.

use super::kmeans::{enough_distinct, KMeansParams};
use super::lloyd::settle;
use super::nearest::nearest_two;
use super::packed::Packed;
use super::run::Run;
use super::seeding::{plus_plus, uniform_row};
use crate::control::Control;
use crate::error::Result;
use ndarray::{Array2, ArrayView2, Axis};
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows that decide which start is the best, in batches.
const SAMPLE: usize = 3;
const STREAM: u64 = 1 << 41;

/// Draws `params.n_init` starts over a sample of three batches, takes the best of them, and makes `params.max_iter`
/// steps of `batch` rows drawn with replacement: each row pulls its nearest centre by 1 / (rows that centre has had). At
/// the end every row gets its nearest centre. Errors: see [`super::kmeans`].
pub(super) fn minibatch_kmeans(
    data: ArrayView2<f64>,
    params: &KMeansParams,
    batch: usize,
    control: &Control,
) -> Result<Run> {
    let (k, cols) = (params.k, data.ncols());
    let packed = Packed::new(data, control)?;
    enough_distinct(data, k, control)?;
    let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
    rng.set_stream(STREAM);
    let mut draw = |n: usize| (0..n).map(|_| uniform_row(&mut rng, packed.rows)).collect::<Vec<usize>>();

    let size = (SAMPLE * batch.max(k)).min(packed.rows);
    let sampled = if size < packed.rows { draw(size) } else { (0..size).collect() };
    let sample = data.select(Axis(0), &sampled);
    // A sample with too few distinct rows cannot start: then all rows do.
    let sample = match enough_distinct(sample.view(), k, control) {
        Ok(()) => Packed::new(sample.view(), control)?,
        Err(_) => Packed::new(data, control)?,
    };
    let mut best: Option<Run> = None;
    for restart in 0..params.n_init {
        control.phase(format!("k = {k}: start {} of {}", restart + 1, params.n_init));
        let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
        rng.set_stream(restart as u64);
        let run = settle(&sample, plus_plus(&sample, k, &mut rng, control)?, k, 0, control)?;
        if best.as_ref().is_none_or(|best| run.inertia < best.inertia) {
            best = Some(run);
        }
    }
    let start = best.map_or(Vec::new(), |best| best.centroids);
    let mut centres = Array2::from_shape_fn((k, cols), |(j, f)| start[j * cols + f]);

    let mut counts = vec![0u64; k];
    for step in 0..params.max_iter {
        if step % 16 == 0 {
            control.phase(format!("k = {k}: batch {} of {}", step + 1, params.max_iter));
        }
        let rows: Vec<Vec<f64>> = draw(batch).into_iter().map(|row| packed.row(row).collect()).collect();
        let labels: Vec<usize> = rows
            .par_chunks(256)
            .map(|rows| {
                control.check()?;
                Ok(rows.iter().map(|row| nearest_two(row, centres.view()).index).collect::<Vec<_>>())
            })
            .collect::<Result<Vec<_>>>()?
            .concat();
        for (row, j) in rows.iter().zip(labels) {
            counts[j] += 1;
            let rate = 1.0 / counts[j] as f64;
            centres.row_mut(j).iter_mut().zip(row).for_each(|(c, x)| *c += rate * (x - *c));
        }
    }
    control.phase(format!("k = {k}: labels of all rows"));
    settle(&packed, centres.into_iter().collect(), k, params.max_iter, control)
}
