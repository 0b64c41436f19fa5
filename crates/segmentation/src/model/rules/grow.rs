//! A classification tree by Gini impurity (Breiman, Friedman, Olshen and Stone 1984), with a side for missing values.

use super::{Node, DEPTH};
use crate::control::Control;
use crate::error::Result;
use rayon::prelude::*;

/// Accounts on either side of a split at least: a rule about fewer is about them and not about a segment.
pub(super) const LEAST: usize = 5;

/// Training rows feature by feature, and their segments.
pub(super) struct Grown<'a> {
    /// Places of the features in a raw row, and their values, one a row; missing ones are not finite
    pub features: &'a [(usize, Vec<f64>)],
    pub labels: &'a [usize],
    pub k: usize,
}

#[derive(Clone, Copy)]
struct Split {
    /// Σ over the sides and segments of count² / rows of the side: the larger, the purer
    purity: f64,
    at_most: f64,
    missing_low: bool,
}

/// Counts by segment with the sum of their squares.
struct Counts {
    of: Vec<u64>,
    rows: u64,
    squares: u64,
}

impl Counts {
    fn new(k: usize) -> Self {
        Counts { of: vec![0; k], rows: 0, squares: 0 }
    }

    fn over(rows: impl Iterator<Item = usize>, k: usize) -> Self {
        let mut counts = Counts::new(k);
        rows.for_each(|label| counts.add(label));
        counts
    }

    fn add(&mut self, label: usize) {
        self.squares += 2 * self.of[label] + 1;
        self.of[label] += 1;
        self.rows += 1;
    }

    fn remove(&mut self, label: usize) {
        self.squares -= 2 * self.of[label] - 1;
        self.of[label] -= 1;
        self.rows -= 1;
    }

    fn purity(&self) -> f64 {
        if self.rows == 0 {
            0.0
        } else {
            self.squares as f64 / self.rows as f64
        }
    }

    /// Of equal counts the first segment, which is the largest.
    fn majority(&self) -> usize {
        (0..self.of.len()).fold(0, |best, s| if self.of[s] > self.of[best] { s } else { best })
    }
}

impl Grown<'_> {
    /// The nodes of the tree, the root first.
    pub fn tree(&self, control: &Control) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        self.node((0..self.labels.len()).collect(), DEPTH, &mut nodes, control)?;
        Ok(nodes)
    }

    fn node(&self, rows: Vec<usize>, depth: usize, nodes: &mut Vec<Node>, control: &Control) -> Result<usize> {
        let here = nodes.len();
        let counts = Counts::over(rows.iter().map(|&r| self.labels[r]), self.k);
        nodes.push(Node::Leaf { segment: counts.majority() });
        if depth == 0 || rows.len() < 2 * LEAST || counts.of.contains(&counts.rows) {
            return Ok(here);
        }
        let found: Vec<Option<Split>> = self
            .features
            .par_iter()
            .map(|(_, values)| {
                control.check()?;
                Ok(self.best(values, &rows))
            })
            .collect::<Result<_>>()?;
        // Purer by more than rounding; of equals the first feature.
        let better = |than: f64, split: &Split| split.purity > than * (1.0 + 1e-12);
        let mut best: Option<(usize, Split)> = None;
        for (j, split) in found.into_iter().enumerate() {
            let than = best.map_or(counts.purity(), |(_, b)| b.purity);
            if let Some(split) = split.filter(|s| better(than, s)) {
                best = Some((j, split));
            }
        }
        let Some((j, Split { at_most, missing_low, .. })) = best else { return Ok(here) };
        let (feature, values) = &self.features[j];
        let (below, above) = rows.into_iter().partition(|&r| match values[r] {
            x if x.is_finite() => x <= at_most,
            _ => missing_low,
        });
        let low = self.node(below, depth - 1, nodes, control)?;
        let high = self.node(above, depth - 1, nodes, control)?;
        nodes[here] = Node::Split { feature: *feature, at_most, missing_low, low, high };
        Ok(here)
    }

    /// The purest split of some rows by one feature: each border between neighbouring values, the missing ones on either side.
    fn best(&self, values: &[f64], rows: &[usize]) -> Option<Split> {
        let mut known: Vec<(f64, usize)> =
            rows.iter().filter(|&&r| values[r].is_finite()).map(|&r| (values[r] + 0.0, self.labels[r])).collect();
        known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let missing: Vec<usize> = rows.iter().filter(|&&r| !values[r].is_finite()).map(|&r| self.labels[r]).collect();
        let mut best: Option<Split> = None;
        for missing_low in [false, true] {
            if missing_low && missing.is_empty() {
                break;
            }
            let (mut low, mut high) = (Counts::new(self.k), Counts::over(known.iter().map(|k| k.1), self.k));
            let side = if missing_low { &mut low } else { &mut high };
            missing.iter().for_each(|&label| side.add(label));
            for (i, &(x, label)) in known.iter().enumerate() {
                low.add(label);
                high.remove(label);
                // Behind the last value only missing ones may be left: known against missing is a split, too.
                let next = match known.get(i + 1) {
                    Some(&(next, _)) if next > x => next,
                    None if high.rows > 0 => f64::INFINITY,
                    _ => continue,
                };
                if low.rows.min(high.rows) < LEAST as u64 {
                    continue;
                }
                let purity = low.purity() + high.purity();
                if best.is_none_or(|b| purity > b.purity * (1.0 + 1e-12)) {
                    best = Some(Split {
                        purity,
                        at_most: if next < f64::INFINITY { between(x, next) } else { f64::MAX },
                        missing_low,
                    });
                }
            }
        }
        // Where nothing was missing, missing values of others go with the many.
        best.map(|split| match missing.is_empty() {
            true => {
                let low = known.iter().filter(|k| k.0 <= split.at_most).count();
                Split { missing_low: 2 * low >= known.len(), ..split }
            }
            false => split,
        })
    }
}

/// The same answers without the questions that have only one.
pub(super) fn folded(nodes: &[Node]) -> Vec<Node> {
    fn copy(nodes: &[Node], node: usize, out: &mut Vec<Node>) -> usize {
        let here = out.len();
        out.push(nodes[node].clone());
        let Node::Split { low, high, .. } = nodes[node] else { return here };
        let (a, b) = (copy(nodes, low, out), copy(nodes, high, out));
        let only = match (&out[a], &out[b]) {
            (Node::Leaf { segment: x }, Node::Leaf { segment: y }) if x == y => Some(*x),
            _ => None,
        };
        match (only, &mut out[here]) {
            (Some(segment), leaf) => {
                *leaf = Node::Leaf { segment };
                out.truncate(here + 1);
            }
            (None, Node::Split { low, high, .. }) => (*low, *high) = (a, b),
            _ => {}
        }
        here
    }
    let mut out = Vec::new();
    copy(nodes, 0, &mut out);
    out
}

/// The number of fewest digits in [low, high) that is nearest to their middle: 12,000 reads better than 12,387.29 and splits the
/// same rows.
fn between(low: f64, high: f64) -> f64 {
    let middle = low + 0.5 * (high - low);
    if middle.is_finite() && middle >= low && middle < high {
        for digits in 0..17 {
            let round = format!("{middle:.digits$e}").parse::<f64>().unwrap_or(middle) + 0.0;
            if round >= low && round < high {
                return round;
            }
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;
    use serde_json::Value;

    /// scikit-learn grows the same tree, but for features that do equally well: the same impurity and accuracy.
    #[test]
    fn trees_are_as_pure_as_scikit_learns() {
        let oracle: Value = serde_json::from_str(include_str!("../../../tests/data/rules_oracle.json")).unwrap();
        let iris: Vec<Vec<f64>> = include_str!("../../../tests/data/iris.csv")
            .lines()
            .skip(1)
            .map(|l| l.split(',').take(4).map(|x| x.parse().unwrap()).collect())
            .collect();
        let labels: Vec<usize> = (0..150).map(|i| i / 50).collect();
        let mut holes = iris.clone();
        (0..150).step_by(7).for_each(|i| holes[i][2] = f64::NAN);
        (3..150).step_by(11).for_each(|i| holes[i][3] = f64::INFINITY);
        (0..50).step_by(2).for_each(|i| holes[i][3] = f64::NAN);
        for (rows, name) in [(iris, "tree"), (holes, "tree_with_holes")] {
            let features: Vec<(usize, Vec<f64>)> = (0..4).map(|j| (j, rows.iter().map(|r| r[j]).collect())).collect();
            let nodes = Grown { features: &features, labels: &labels, k: 3 }.tree(&Control::new()).unwrap();
            let (mut right, mut leaves) = (0, std::collections::BTreeMap::new());
            let folded = folded(&nodes);
            for (row, &label) in rows.iter().zip(&labels) {
                let mut at = 0;
                while let Node::Split { feature, at_most, missing_low, low, high } = nodes[at] {
                    let x = row[feature];
                    at = if if x.is_finite() { x <= at_most } else { missing_low } { low } else { high };
                }
                leaves.entry(at).or_insert([0.0; 3])[label] += 1.0;
                let Node::Leaf { segment } = nodes[at] else { panic!("no leaf") };
                right += usize::from(segment == label);
                let rules = Rules {
                    grown_on: 0,
                    held_out: 0,
                    smallest: 0,
                    fidelity: None,
                    nodes: folded.clone(),
                    segments: vec![],
                };
                assert_eq!(rules.segment(row), segment);
            }
            let gini = leaves.values().fold(0.0, |sum, counts: &[f64; 3]| {
                let n: f64 = counts.iter().sum();
                sum + n - counts.iter().map(|c| c * c).sum::<f64>() / n
            });
            let oracle = &oracle[name];
            assert!((gini / 150.0 - oracle["gini"].as_f64().unwrap()).abs() < 1e-12, "{name}: {}", gini / 150.0);
            assert_eq!(right as f64 / 150.0, oracle["accuracy"].as_f64().unwrap(), "{name}");
            assert!(folded.len() <= nodes.len() && nodes.len() <= 15);
        }
    }

    #[test]
    fn thresholds_are_round() {
        for (low, high, expected) in [
            (12_387.29, 13_000.0, 12_700.0),
            (0.1, 0.9, 0.5),
            (1.0, 2.0, 1.5),
            (-2.0, -1.0, -2.0),
            (-1e-3, 1e-3, 0.0),
            (1.0, 1.0 + f64::EPSILON, 1.0),
            (5e-324, 1e-323, 5e-324),
            (f64::MIN, f64::MAX, f64::MIN),
            (1e308, f64::MAX, 1e308),
            (7.25, 7.5, 7.4),
        ] {
            let got = between(low, high);
            assert!(got == expected && got >= low && got < high, "{low}, {high}: {got}");
        }
    }
}
