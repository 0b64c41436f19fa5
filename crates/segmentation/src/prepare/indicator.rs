//! Structural absence: features that an account cannot have because it does not do what they are about. They are filled with the
//! median, and one more coordinate says which accounts have them.

use super::column::Column;
use super::plan::{Missing, Plan};
use super::spec::Absence;
use crate::control::Control;
use crate::error::Result;
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A coordinate that is `weight` for accounts that have at least one of the features, and 0 for the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicator {
    /// Such as `has_options`
    pub name: String,
    /// Places of the features in a raw row, ascending
    pub features: Vec<usize>,
    /// Training rows that have none of them
    pub absent: u64,
    pub weight: f64,
}

/// One indicator for all structural features that the same training rows lack; none where no row lacks them.
pub(super) fn fit(plan: &Plan, columns: &[Column], raw: ArrayView2<f64>, control: &Control) -> Result<Vec<Indicator>> {
    let lacking: Vec<usize> = (0..columns.len())
        .filter(|&j| plan.missing[j] == Missing::Structural && columns[j].kept.is_some())
        .filter(|&j| columns[j].missing + columns[j].infinite > 0)
        .collect();
    let patterns: Vec<u128> = lacking
        .par_iter()
        .map(|&j| {
            control.check()?;
            let bits: Vec<u8> = raw.column(j).iter().map(|x| u8::from(x.is_finite())).collect();
            Ok(xxhash_rust::xxh3::xxh3_128(&bits))
        })
        .collect::<Result<_>>()?;
    let mut found: Vec<(u128, Vec<usize>)> = Vec::new();
    for (j, pattern) in lacking.into_iter().zip(patterns) {
        match found.iter_mut().find(|(known, _)| *known == pattern) {
            Some((_, features)) => features.push(j),
            None => found.push((pattern, vec![j])),
        }
    }
    let mut taken: HashSet<String> = columns.iter().map(|c| c.spec.name.clone()).collect();
    Ok(found
        .into_iter()
        .map(|(_, features)| {
            let first = &columns[features[0]];
            let name = name(columns, &features, &taken);
            taken.insert(name.clone());
            Indicator { name, absent: first.missing + first.infinite, weight: 1.0, features }
        })
        .collect())
}

/// What the accounts without it have none of, if that is the same for all the features; else the first feature.
fn name(columns: &[Column], features: &[usize], taken: &HashSet<String>) -> String {
    let of = |j: usize| match &columns[j].spec.absent {
        Absence::Structural(of) if !of.is_empty() => of.as_str(),
        _ => "",
    };
    let (what, first) = (of(features[0]), &columns[features[0]].spec.name);
    let shared = !what.is_empty() && features.iter().all(|&j| of(j) == what);
    let plain = [what, first].map(|name| format!("has_{name}"));
    let numbered = (2..).map(|i| format!("has_{first}_{i}"));
    let from = usize::from(!shared);
    plain.into_iter().skip(from).chain(numbered).find(|n| !taken.contains(n)).unwrap_or_default()
}
