//! How much each coordinate counts.

use super::column::Column;
use super::indicator::Indicator;
use super::plan::{Plan, Weights};
use std::collections::{HashMap, HashSet};
use std::f64::consts::FRAC_1_SQRT_2;

/// Each group of g features gets 1/sqrt(g) a feature, all times one number that makes the squares sum to the number of
/// features (so a single group has weight 1); the user's weights multiply. A category counts as one feature, and so that two of
/// its values are at the distance of 1 and not of √2 its features get 1/√2. An indicator is a group of its own.
pub(super) fn weigh(plan: &Plan, columns: &mut [Column], indicators: &mut [Indicator]) {
    let mut groups: HashMap<String, usize> = HashMap::new();
    let mut blocks: HashSet<String> = HashSet::new();
    let mut features = indicators.len();
    for spec in columns.iter().filter(|c| c.kept.as_ref().is_some_and(|k| !k.coded)).map(|c| &c.spec) {
        if spec.block.as_ref().is_none_or(|block| blocks.insert(block.clone())) {
            *groups.entry(spec.group.clone()).or_default() += 1;
            features += 1;
        }
    }
    let level = features as f64 / (groups.len() + indicators.len()).max(1) as f64;
    let equal = plan.weights == Weights::Equal;
    for (j, c) in columns.iter_mut().enumerate() {
        let size = groups.get(&c.spec.group).copied().unwrap_or(1) as f64;
        let one_of_many = if c.spec.block.is_some() { FRAC_1_SQRT_2 } else { 1.0 };
        if let Some(k) = c.kept.as_mut().filter(|k| !k.coded) {
            k.weight = one_of_many * if equal { 1.0 } else { (level / size).sqrt() * plan.user_weight(j) };
        }
    }
    for indicator in indicators {
        indicator.weight = if equal { 1.0 } else { level.sqrt() };
    }
}
