//! The segments in a few rules over raw features: a surrogate for people and for SQL. It says of itself how often it is right.

mod fit;
mod grow;
mod lines;
mod sql;

pub(super) use fit::surrogate;
pub use lines::RuleLine;

use super::Model;
use serde::{Deserialize, Serialize};

/// Questions asked of an account at most.
pub const DEPTH: usize = 3;
/// Splits and leaves of a tree of that depth.
const MAX_NODES: usize = (1 << (DEPTH + 1)) - 1;
/// Rules that agree with the model for a smaller share of the held-out accounts are of low fidelity.
pub const FIDELITY: f64 = 0.85;

/// A tree of questions, and how well it stands for the model on accounts it was not grown on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Accounts it was grown on, and held out
    pub grown_on: u64,
    pub held_out: u64,
    /// Of those it was grown on, the accounts of the leaf with the fewest; 0 in models of earlier versions, which do not know
    #[serde(default, skip_serializing_if = "is_zero")]
    pub smallest: u64,
    /// Share of the held-out accounts for which it says what the model says; None without any
    pub fidelity: Option<f64>,
    /// The first is where to start
    pub nodes: Vec<Node>,
    /// One a segment
    pub segments: Vec<RuleQuality>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A question or an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Node {
    Split {
        /// Place in a raw row
        feature: usize,
        /// Values up to this one go to `low`, larger ones to `high`
        at_most: f64,
        /// Whether missing values (NaN, ±inf) go to `low`
        missing_low: bool,
        /// Places in [`Rules::nodes`], behind this one
        low: usize,
        high: usize,
    },
    Leaf {
        /// Place in `Model::segments`
        segment: usize,
    },
}

/// The rules of one segment on the held-out accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleQuality {
    /// Share of the accounts the rules put into the segment that are in it; None where they put none
    pub precision: Option<f64>,
    /// Share of the accounts of the segment that the rules put into it; None where none was held out
    pub coverage: Option<f64>,
}

impl Rules {
    /// The segment of a raw row, as a place in `Model::segments`.
    pub fn segment(&self, raw: &[f64]) -> usize {
        match self.nodes[self.leaf(raw)] {
            Node::Leaf { segment } => segment,
            Node::Split { .. } => 0,
        }
    }

    /// Where a raw row ends up, as a place in [`Rules::nodes`].
    fn leaf(&self, raw: &[f64]) -> usize {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                Node::Leaf { .. } => return at,
                Node::Split { feature, at_most, missing_low, low, high } => {
                    let x = raw[feature];
                    let goes_low = if x.is_finite() { x <= at_most } else { missing_low };
                    at = if goes_low { low } else { high };
                }
            }
        }
    }

    pub fn is_faithful(&self) -> bool {
        self.fidelity.is_some_and(|f| f >= FIDELITY)
    }

    /// Every promise that [`Rules::segment`] relies on, for rules that come from outside.
    pub(super) fn check(&self, features: usize, k: usize) -> std::result::Result<(), String> {
        if self.nodes.is_empty() || self.nodes.len() > MAX_NODES {
            return Err(format!("rules of {} nodes, allowed are 1 to {MAX_NODES}", self.nodes.len()));
        }
        let sound = self.nodes.iter().enumerate().all(|(i, node)| match *node {
            Node::Leaf { segment } => segment < k,
            // Only ahead, so that no walk is endless.
            Node::Split { feature, at_most, low, high, .. } => {
                let ahead = i + 1..self.nodes.len();
                feature < features && at_most.is_finite() && ahead.contains(&low) && ahead.contains(&high)
            }
        });
        // Each but the first asked for once: shared branches would be written out again and again.
        let mut entered = vec![0; self.nodes.len()];
        for node in &self.nodes {
            if let Node::Split { low, high, .. } = *node {
                [low, high].into_iter().filter_map(|at| entered.get_mut(at).map(|n| *n += 1)).for_each(drop);
            }
        }
        let sound = sound && entered.iter().skip(1).all(|&n| n == 1);
        let share = |x: Option<f64>| x.is_none_or(|x| (0.0..=1.0).contains(&x));
        let figures = self.segments.iter().all(|s| share(s.precision) && share(s.coverage));
        if !sound || !figures || !share(self.fidelity) || self.segments.len() != k {
            return Err("a figure of the rules is out of range".into());
        }
        Ok(())
    }
}

impl Model {
    /// The surrogate rules; None with one segment, and in models of earlier versions.
    pub fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_not_shared() {
        let rules = |nodes: Vec<Node>| Rules {
            grown_on: 0,
            held_out: 0,
            smallest: 0,
            fidelity: None,
            nodes,
            segments: vec![RuleQuality { precision: None, coverage: None }],
        };
        let split = |low, high| Node::Split { feature: 0, at_most: 0.0, missing_low: false, low, high };
        let leaf = || Node::Leaf { segment: 0 };
        assert!(rules(vec![split(1, 2), leaf(), leaf()]).check(1, 1).is_ok());
        // Written out as SQL, fifteen of these would be 2^14 answers.
        assert!(rules(vec![split(1, 1), leaf()]).check(1, 1).is_err());
        assert!(rules(vec![split(1, 2), split(2, 3), leaf(), leaf()]).check(1, 1).is_err());
        assert!(rules(vec![leaf(), leaf()]).check(1, 1).is_err(), "one that nobody asks for");
    }
}
