//! Which accounts rules are grown on, and how well they do on the others.

use super::grow::{folded, Grown};
use super::{Node, RuleQuality, Rules};
use crate::cluster::NOISE;
use crate::control::Control;
use crate::error::Result;
use crate::prepare::Preparation;
use ndarray::ArrayView2;
use rayon::prelude::*;

/// Accounts looked at, at most, and values of features of them; never fewer than the third.
const SAMPLE: usize = 20_000;
const VALUES: usize = 4_000_000;
const LEAST: usize = 1_000;

/// A number that has nothing to do with i.
fn scatter(i: usize, what: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&(i as u64).to_le_bytes(), what)
}

/// Rules for the labels of the rows of `raw` (all features, as in a raw row); rows of no segment are left out. Of more than
/// 20,000 rows one of each of 20,000 stretches (fewer with more than 200 features). About two thirds of the rows are grown on,
/// by a hash of their place; the others tell how good the rules are. None with one segment.
pub(in crate::model) fn surrogate(
    preparation: &Preparation,
    raw: ArrayView2<f64>,
    labels: &[u32],
    k: usize,
    control: &Control,
) -> Result<Option<Rules>> {
    if k < 2 {
        return Ok(None);
    }
    control.phase("finding rules");
    let kept: Vec<usize> = (0..raw.ncols()).filter(|&j| preparation.columns()[j].kept.is_some()).collect();
    let rows = raw.nrows();
    let sample = rows.min(SAMPLE).min((VALUES / kept.len().max(1)).max(LEAST));
    let border = |i: usize| (i as u128 * rows as u128 / sample as u128) as usize;
    let chosen: Vec<usize> = (0..sample)
        .map(|i| (border(i), border(i + 1)))
        .map(|(from, to)| from + (scatter(from, 1) % (to - from) as u64) as usize)
        .filter(|&row| labels[row] != NOISE)
        .collect();
    let (grown, held): (Vec<usize>, Vec<usize>) =
        chosen.into_iter().partition(|&row| !scatter(row, 2).is_multiple_of(3));
    let of = |rows: &[usize]| rows.iter().map(|&row| labels[row] as usize).collect::<Vec<usize>>();
    let features: Vec<(usize, Vec<f64>)> = kept
        .par_iter()
        .map(|&j| {
            control.check()?;
            Ok((j, grown.iter().map(|&row| raw[[row, j]]).collect()))
        })
        .collect::<Result<_>>()?;
    let nodes = Grown { features: &features, labels: &of(&grown), k }.tree(control)?;
    let mut rules = Rules {
        grown_on: grown.len() as u64,
        held_out: held.len() as u64,
        smallest: 0,
        fidelity: None,
        nodes: folded(&nodes),
        segments: Vec::with_capacity(k),
    };
    let mut values = vec![0.0; raw.ncols()];
    let mut leaves = vec![0u64; rules.nodes.len()];
    for &row in &grown {
        control.check()?;
        values.iter_mut().zip(raw.row(row)).for_each(|(v, x)| *v = *x);
        leaves[rules.leaf(&values)] += 1;
    }
    let is_leaf = |node: &Node| matches!(node, Node::Leaf { .. });
    rules.smallest = rules.nodes.iter().zip(leaves).filter(|(n, _)| is_leaf(n)).map(|(_, n)| n).min().unwrap_or(0);
    let (mut right, mut said, mut are) = (vec![0u64; k], vec![0u64; k], vec![0u64; k]);
    for (&row, label) in held.iter().zip(of(&held)) {
        control.check()?;
        values.iter_mut().zip(raw.row(row)).for_each(|(v, x)| *v = *x);
        let segment = rules.segment(&values);
        said[segment] += 1;
        are[label] += 1;
        right[label] += u64::from(segment == label);
    }
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    rules.fidelity = share(right.iter().sum(), rules.held_out);
    rules.segments = (0..k)
        .map(|s| RuleQuality { precision: share(right[s], said[s]), coverage: share(right[s], are[s]) })
        .collect();
    Ok(Some(rules))
}
