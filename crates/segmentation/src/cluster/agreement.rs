//! How far two partitions of the same rows agree.

use crate::control::Control;
use crate::error::Result;
use std::cmp::Ordering;

/// Adjusted Rand index of two labelings of the same rows: 1 for equal partitions (whatever the label values), about 0
/// for independent ones, negative below chance (Hubert & Arabie 1985; as scikit-learn's `adjusted_rand_score`).
///
/// Pairs are counted exactly in integers, rounding happens once, in the last division. Equal partitions give exactly 1,
/// degenerate ones (no row, one row, one cluster, all singletons) included. NaN when the lengths differ.
pub fn adjusted_rand_index(a: &[u32], b: &[u32]) -> f64 {
    // Nobody cancels it.
    adjusted_rand_index_with(a, b, &Control::new()).unwrap_or(f64::NAN)
}

/// [`adjusted_rand_index`] of many rows, which can be cancelled.
pub fn adjusted_rand_index_with(a: &[u32], b: &[u32], control: &Control) -> Result<f64> {
    if a.len() != b.len() {
        return Ok(f64::NAN);
    }
    let Cells { both, a, b, .. } = Cells::count(a, b, control)?;
    let pairs = |n: u64| i128::from(n) * (i128::from(n) - 1) / 2;
    let rows: u64 = a.iter().sum();
    let both: i128 = both.iter().map(|cell| pairs(cell.n)).sum();
    let in_a: i128 = a.into_iter().map(pairs).sum();
    let in_b: i128 = b.into_iter().map(pairs).sum();
    if both == in_a && both == in_b {
        return Ok(1.0);
    }
    // With the pairs together in both, in a only, in b only and in neither: the pair confusion form, whose products
    // stay below 2^127 up to 2^32 rows.
    let (only_a, only_b) = (in_a - both, in_b - both);
    let neither = pairs(rows) - both - only_a - only_b;
    let above = 2.0 * (both * neither - only_a * only_b) as f64;
    Ok(above / ((both + only_a) * (only_a + neither) + (both + only_b) * (only_b + neither)) as f64)
}

/// Mutual information of two labelings of the same rows, in nats: 0 for independent ones. NaN when the lengths differ, 0
/// without rows (as scikit-learn's `mutual_info_score`).
pub fn mutual_information(a: &[u32], b: &[u32]) -> f64 {
    if a.len() != b.len() {
        return f64::NAN;
    }
    Cells::count(a, b, &Control::new()).map_or(f64::NAN, |cells| cells.mutual_information())
}

/// Variation of information of two labelings of the same rows, in nats: H(a | b) + H(b | a), a metric, 0 for equal
/// partitions (Meilă, Comparing clusterings: an information based distance, J. Multivariate Analysis 98, 873-895, 2007). NaN when
/// the lengths differ, 0 without rows.
pub fn variation_of_information(a: &[u32], b: &[u32]) -> f64 {
    variation_of_information_with(a, b, &Control::new()).unwrap_or(f64::NAN)
}

/// [`variation_of_information`] of many rows, which can be cancelled.
pub fn variation_of_information_with(a: &[u32], b: &[u32], control: &Control) -> Result<f64> {
    if a.len() != b.len() {
        return Ok(f64::NAN);
    }
    let cells = Cells::count(a, b, control)?;
    let rows = cells.rows();
    let term = |cell: &Cell| {
        let (n, a, b) = (cell.n as f64, cells.a[cell.a] as f64, cells.b[cell.b] as f64);
        n / rows * (libm::log(a / n) + libm::log(b / n))
    };
    Ok(cells.both.iter().fold(0.0, |sum, cell| sum + term(cell)))
}

/// Adjusted mutual information of two labelings of the same rows: 1 for equal partitions, about 0 for independent ones.
/// Adjusted by the exact expectation under permutation and divided by the arithmetic mean of the entropies (Vinh, Epps &
/// Bailey 2010; as scikit-learn's `adjusted_mutual_info_score`).
///
/// Equal partitions give exactly 1, degenerate ones included; where one of them has a single cluster, or rows alone, and the
/// other has not, 0. NaN when the lengths differ. Takes at most rows × clusters steps, and asks `control` on its way.
pub fn adjusted_mutual_information(a: &[u32], b: &[u32], control: &Control) -> Result<f64> {
    if a.len() != b.len() {
        return Ok(f64::NAN);
    }
    let cells = Cells::count(a, b, control)?;
    if cells.both.len() == cells.a.len() && cells.both.len() == cells.b.len() {
        return Ok(1.0);
    }
    let alone = |sizes: &[u64]| sizes.len() == 1 || sizes.iter().all(|&n| n == 1);
    if alone(&cells.a) || alone(&cells.b) {
        return Ok(0.0);
    }
    let expected = cells.expected_information(control)?;
    let mean = 0.5 * (entropy(&cells.a) + entropy(&cells.b));
    Ok((cells.mutual_information() - expected) / (mean - expected))
}

/// Rows by the pair of their labels.
struct Cells {
    /// In ascending order of the labels, none empty.
    both: Vec<Cell>,
    /// Rows of each label, in ascending order of the labels, none empty.
    a: Vec<u64>,
    b: Vec<u64>,
}

struct Cell {
    /// Places in [`Cells::a`] and [`Cells::b`].
    a: usize,
    b: usize,
    n: u64,
}

impl Cells {
    fn count(a: &[u32], b: &[u32], control: &Control) -> Result<Cells> {
        let single = |labels: &[u32]| runs(labels.len(), |i| u64::from(labels[i]), control);
        let (of_a, of_b) = (single(a)?, single(b)?);
        let place = |runs: &[(u64, u64)], label: u64| runs.partition_point(|&(other, _)| other < label);
        let pairs = runs(a.len(), |i| u64::from(a[i]) << 32 | u64::from(b[i]), control)?;
        let mut both = Vec::with_capacity(pairs.len());
        for part in pairs.chunks(PART) {
            control.check()?;
            both.extend(part.iter().map(|&(key, n)| Cell {
                a: place(&of_a, key >> 32),
                b: place(&of_b, key & 0xffff_ffff),
                n,
            }));
        }
        let sizes = |runs: Vec<(u64, u64)>| runs.into_iter().map(|(_, n)| n).collect();
        Ok(Cells { both, a: sizes(of_a), b: sizes(of_b) })
    }

    fn rows(&self) -> f64 {
        self.a.iter().sum::<u64>() as f64
    }

    fn mutual_information(&self) -> f64 {
        let rows = self.rows();
        let term = |cell: &Cell| {
            let (n, a, b) = (cell.n as f64, self.a[cell.a] as f64, self.b[cell.b] as f64);
            n / rows * libm::log(n / a * (rows / b))
        };
        // Rounding may leave a hair below zero.
        self.both.iter().fold(0.0, |sum, cell| sum + term(cell)).max(0.0)
    }

    /// The mean of the mutual information over all permutations of the rows of one side: every cell is hypergeometric. Pairs of
    /// clusters of the same sizes have the same expectation, which is computed once.
    fn expected_information(&self, control: &Control) -> Result<f64> {
        let rows: u64 = self.a.iter().sum();
        let sizes = |sizes: &[u64]| runs(sizes.len(), |i| sizes[i], control);
        let (a, b) = (sizes(&self.a)?, sizes(&self.b)?);
        let mut sum = 0.0;
        for &(a, times_a) in &a {
            for &(b, times_b) in &b {
                control.check()?;
                sum += times_a as f64 * times_b as f64 * expected_cell(a, b, rows);
            }
        }
        Ok(sum)
    }
}

/// Σ over n of P(n) n/rows ln(rows n / (a b)), where n of the `a` rows marked in one way are among the `b` marked in another.
/// The probabilities are built from ratios on both sides of the most likely n and divided by their sum, which needs no
/// factorials and so loses no digits.
fn expected_cell(a: u64, b: u64, rows: u64) -> f64 {
    let (least, most) = ((a + b).saturating_sub(rows), a.min(b));
    let mode = ((u128::from(a) + 1) * (u128::from(b) + 1) / (u128::from(rows) + 2)) as u64;
    let mode = mode.clamp(least, most);
    let product = a as f64 / rows as f64 * b as f64;
    let value = |n: u64| if n == 0 { 0.0 } else { n as f64 / rows as f64 * libm::log(n as f64 / product) };
    // The factor from P(n) to P(n + 1).
    let up = |n: u64| (a - n) as f64 * (b - n) as f64 / ((n + 1) as f64 * (rows + n + 1 - a - b) as f64);
    let (mut total, mut sum) = (1.0, value(mode));
    let mut add = |n: u64, weight: f64| {
        total += weight;
        sum += weight * value(n);
        weight > NOTHING
    };
    let mut weight = 1.0;
    for n in mode..most {
        weight *= up(n);
        if !add(n + 1, weight) {
            break;
        }
    }
    weight = 1.0;
    for n in (least..mode).rev() {
        weight /= up(n);
        if !add(n, weight) {
            break;
        }
    }
    sum / total
}

/// A probability that adds nothing any more beside the largest; beyond it they only fall faster.
const NOTHING: f64 = 1e-30;

fn entropy(sizes: &[u64]) -> f64 {
    let rows = sizes.iter().sum::<u64>() as f64;
    sizes.iter().fold(0.0, |sum, &n| sum - n as f64 / rows * libm::log(n as f64 / rows))
}

/// Keys that are counted, and results that are made, between two looks at `control`.
const PART: usize = 1 << 16;

/// Each distinct one of `n` keys, in ascending order, and how often it comes. A sort of all would answer no cancel: parts are
/// counted, and then merged.
fn runs(n: usize, key: impl Fn(usize) -> u64, control: &Control) -> Result<Vec<(u64, u64)>> {
    let mut counted: Vec<Vec<(u64, u64)>> = Vec::with_capacity(n.div_ceil(PART));
    let mut keys = Vec::with_capacity(n.min(PART));
    for start in (0..n).step_by(PART) {
        control.check()?;
        keys.clear();
        keys.extend((start..n.min(start + PART)).map(&key));
        keys.sort_unstable();
        counted.push(keys.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect());
    }
    while counted.len() > 1 {
        let mut merged = Vec::with_capacity(counted.len().div_ceil(2));
        let mut parts = counted.into_iter();
        while let Some(a) = parts.next() {
            merged.push(match parts.next() {
                Some(b) => merge(&a, &b, control)?,
                None => a,
            });
        }
        counted = merged;
    }
    Ok(counted.pop().unwrap_or_default())
}

fn merge(a: &[(u64, u64)], b: &[(u64, u64)], control: &Control) -> Result<Vec<(u64, u64)>> {
    let mut out = Vec::with_capacity(a.len().max(b.len()));
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if (i + j) % PART < 2 {
            control.check()?;
        }
        let order = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.0.cmp(&y.0),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let n = if order.is_le() { a[i].1 } else { 0 } + if order.is_ge() { b[j].1 } else { 0 };
        out.push((if order.is_le() { a[i].0 } else { b[j].0 }, n));
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    Ok(out)
}
