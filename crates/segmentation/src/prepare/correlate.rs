//! Pairs of features that say the same thing: Spearman's rank correlation.

use super::column::Column;
use super::step::Step;
use crate::control::Control;
use crate::error::Result;
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The limit where the plan names none.
pub const LIMIT: f64 = 0.9;
/// Rows looked at, spread evenly: the standard error of a correlation of 0.9 is then 0.002.
const SAMPLE: usize = 10_000;
/// Multiplications allowed; with very many features the sample shrinks, and below 100 rows nothing is reported.
const WORK: usize = 2_000_000_000;

/// Two features whose |Spearman correlation| is above the limit, in the order of the features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correlated {
    pub first: String,
    pub second: String,
    pub rho: f64,
    /// Rows of the evenly spaced sample it was computed on
    pub rows: u64,
}

/// Every pair of kept columns with |rho| > `limit`. With `drop`, the later of a pair is dropped (its `kept` is cleared,
/// the reason set) and takes part in no further pair. Missing values count as the median. The values of a category are left
/// out of this: they exclude each other, and one without the others says little.
pub(super) fn correlated(
    columns: &mut [Column],
    raw: ArrayView2<f64>,
    limit: f64,
    drop: bool,
    control: &Control,
) -> Result<Vec<Correlated>> {
    let steps: Vec<Step> = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| c.spec.block.is_none())
        .filter_map(|(i, c)| c.kept.as_ref().map(|k| Step::new(i, k)))
        .collect();
    let pairs = steps.len() * steps.len().saturating_sub(1) / 2;
    let rows = raw.nrows();
    let sample = rows.min(SAMPLE).min(WORK / pairs.max(1));
    if pairs == 0 || sample < 3 || (sample < rows && sample < 100) {
        return Ok(Vec::new());
    }
    let ranks: Vec<Vec<f64>> = steps
        .par_iter()
        .map(|step| {
            control.check()?;
            let column = raw.column(step.index);
            Ok(standard_ranks((0..sample).map(|i| step.shaped(column[at(i, rows, sample)])).collect()))
        })
        .collect::<Result<_>>()?;
    let found: Vec<Vec<(usize, f64)>> = (0..steps.len())
        .into_par_iter()
        .map(|a| {
            control.check()?;
            let with = |b: usize| ranks[a].iter().zip(&ranks[b]).fold(0.0, |s, (x, y)| s + x * y);
            Ok((a + 1..steps.len()).map(|b| (b, with(b))).filter(|(_, rho)| rho.abs() > limit).collect())
        })
        .collect::<Result<_>>()?;

    let mut report = Vec::new();
    for (a, partners) in found.into_iter().enumerate() {
        for (b, rho) in partners {
            let (i, j) = (steps[a].index, steps[b].index);
            if columns[i].kept.is_none() || columns[j].kept.is_none() {
                continue;
            }
            let (first, second) = (columns[i].spec.name.clone(), columns[j].spec.name.clone());
            if drop {
                columns[j].kept = None;
                columns[j].dropped = Some(format!("rank correlation {rho:.3} with {first} (limit {limit})"));
            }
            report.push(Correlated { first, second, rho: rho.clamp(-1.0, 1.0), rows: sample as u64 });
        }
    }
    Ok(report)
}

/// Row of the i-th of `sample` evenly spaced ones.
fn at(i: usize, rows: usize, sample: usize) -> usize {
    (i as u128 * rows as u128 / sample as u128) as usize
}

/// Ranks (ties: their mean), centred and of length 1, so that a product of two is the correlation; zeros if all tie.
fn standard_ranks(values: Vec<f64>) -> Vec<f64> {
    let n = values.len();
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.sort_unstable_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]).then(a.cmp(&b)));
    let middle = (n as f64 - 1.0) / 2.0;
    let mut ranks = vec![0.0; n];
    let mut start = 0;
    while start < n {
        let mut end = start + 1;
        while end < n && values[order[end] as usize] == values[order[start] as usize] {
            end += 1;
        }
        let rank = (start + end - 1) as f64 / 2.0 - middle;
        order[start..end].iter().for_each(|&i| ranks[i as usize] = rank);
        start = end;
    }
    let length = ranks.iter().fold(0.0, |s, r| s + r * r).sqrt();
    if length > 0.0 {
        ranks.iter_mut().for_each(|r| *r /= length);
    }
    ranks
}
