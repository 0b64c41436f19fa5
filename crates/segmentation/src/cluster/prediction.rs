//! Prediction strength: do two halves of the rows find the same clusters?

use super::algorithm::{Clusterer, NOISE};
use super::draw::{replicates, shuffled, stream, Purpose};
use crate::control::Control;
use crate::error::Result;
use ndarray::{ArrayView2, Axis};
use rand_chacha::rand_core::RngCore;

/// Prediction strength of `k` clusters, from 0 to 1 (Tibshirani & Walther 2005): the mean over `splits` random splits into
/// halves, each half predicting the other, of the smallest share over the clusters of a half of pairs of its rows that the
/// clusters of the other half also put together. A cluster of one row has no pairs and does not count; one cluster has
/// strength 1. None when no half could be clustered.
pub fn prediction_strength(
    data: ArrayView2<f64>,
    clusterer: &dyn Clusterer,
    k: usize,
    splits: usize,
    seed: u64,
    control: &Control,
) -> Result<Option<f64>> {
    if k == 1 {
        return Ok(Some(1.0));
    }
    let n = data.nrows();
    let found = replicates(splits, control, &format!("k = {k}: prediction strength"), |index| {
        let mut rng = stream(seed, Purpose::Prediction, index);
        let mut order = shuffled(n, &mut rng);
        let mut first = order.split_off(n / 2);
        first.sort_unstable();
        order.sort_unstable();
        let halves = [data.select(Axis(0), &order), data.select(Axis(0), &first)];
        let fits = [
            clusterer.fit(halves[0].view(), k, rng.next_u64(), control)?,
            clusterer.fit(halves[1].view(), k, rng.next_u64(), control)?,
        ];
        let strength = |test: usize| {
            let train = &fits[1 - test].shape;
            let rows = halves[test].rows().into_iter();
            let predicted = rows.map(|row| train.score(&row.to_vec()).index.map_or(NOISE, |index| index as u32));
            strength(&fits[test].labels, &predicted.collect::<Vec<u32>>())
        };
        Ok(0.5 * (strength(0) + strength(1)))
    })?;
    let found: Vec<f64> = found.into_iter().flatten().collect();
    Ok((!found.is_empty()).then(|| found.iter().fold(0.0, |s, x| s + x) / found.len() as f64))
}

/// The smallest share, over the clusters of `own`, of pairs that `predicted` also puts together. A row that is noise to
/// the other half is together with nobody.
fn strength(own: &[u32], predicted: &[u32]) -> f64 {
    let mut cells: Vec<(u32, u32)> = own.iter().copied().zip(predicted.iter().copied()).collect();
    cells.retain(|cell| cell.0 != NOISE);
    cells.sort_unstable();
    let pairs = |n: usize| (n * n.saturating_sub(1)) as f64;
    let mut smallest = 1.0f64;
    for cluster in cells.chunk_by(|a, b| a.0 == b.0).filter(|cluster| cluster.len() > 1) {
        let together = cluster.chunk_by(|a, b| a.1 == b.1).filter(|run| run[0].1 != NOISE);
        let together = together.fold(0.0, |s, run| s + pairs(run.len()));
        smallest = smallest.min(together / pairs(cluster.len()));
    }
    smallest
}
