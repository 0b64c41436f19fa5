//! The catalogue of account features, and their values.
//!
//! Every ratio with a zero denominator, and every feature whose input is missing, is NULL with a reason; nothing is
//! guessed. Rates use only fills that carry the input: the maker ratio of an account whose fills say "maker" for half
//! of its volume is that half's ratio.

mod activity;
mod allocation;
mod derivatives;
mod flow;
mod market;
mod returns;
mod risk;
mod view;
mod volume;

pub use market::Market;
pub use view::{Parts, Snapshots, Trades, Value};

use crate::prepare::{Absence, FeatureSpec, Transform};
use crate::profile::state::State;
use allocator_api2::alloc::Allocator;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use view::View;

/// What the catalogue says of a feature.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    pub name: &'static str,
    /// How segment names and reports call it.
    pub label: &'static str,
    pub group: &'static str,
    pub unit: &'static str,
    /// Inputs without which it is NULL: arguments of `trade(...)`, of `account_snapshot(...)` (with their name after
    /// "snapshot."), or of the market (after "market.").
    pub needs: &'static [&'static str],
    /// Of what an account without a value has none, such as "options"; empty where the value is only not known.
    pub absence: &'static str,
    /// G, M, O or J: the kind of state behind it, see the specification.
    pub class: char,
    pub transform: Transform,
    /// Whether a fit uses it when no list of features is given.
    pub in_fit: bool,
    /// Fewest observations that it is told for, and what is observed; NULL below.
    pub at_least: &'static str,
    pub formula: &'static str,
    pub meaning: &'static str,
    /// Where the formula is from; empty for plain sums, counts and shares.
    pub source: &'static str,
    compute: Compute,
}

/// How a feature is computed, by what it reads.
#[derive(Clone, Copy)]
enum Compute {
    Trades(fn(&Trades) -> Value),
    Snapshots(fn(&Snapshots) -> Value),
    Both(fn(&Trades, &Snapshots) -> Value),
    /// Only over a population of accounts.
    Population,
}

impl std::fmt::Debug for Compute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fn")
    }
}

/// A value, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureValue {
    pub value: Option<f64>,
    pub reason: Option<&'static str>,
}

/// A family of the catalogue as rows: name, label, unit, class, inputs, absence, transform, in a fit, least observations,
/// formula, meaning, source, what computes it.
macro_rules! features {
    ($group:literal; $($name:literal, $label:literal, $unit:literal, $class:literal, [$($need:literal),*], $absence:literal, $transform:ident, $in_fit:literal,
        $least:literal, $formula:literal, $meaning:literal, $source:literal, $compute:expr;)*) => {
        pub(super) const FAMILY: &[$crate::profile::features::Feature] = &[$($crate::profile::features::Feature {
            name: $name,
            label: $label,
            group: $group,
            unit: $unit,
            needs: &[$($need),*],
            absence: $absence,
            class: $class,
            transform: $crate::prepare::Transform::$transform,
            in_fit: $in_fit,
            at_least: $least,
            formula: $formula,
            meaning: $meaning,
            source: $source,
            compute: $compute,
        }),*];
    };
}
use features;

const FAMILIES: [&[Feature]; 7] = [
    volume::FAMILY,
    allocation::FAMILY,
    derivatives::FAMILY,
    risk::FAMILY,
    returns::FAMILY,
    flow::FAMILY,
    activity::FAMILY,
];

const COUNT: usize = {
    let (mut n, mut family) = (0, 0);
    while family < FAMILIES.len() {
        n += FAMILIES[family].len();
        family += 1;
    }
    n
};

static ALL: [Feature; COUNT] = {
    let mut all = [FAMILIES[0][0]; COUNT];
    let (mut n, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[family].len() {
            all[n] = FAMILIES[family][i];
            n += 1;
            i += 1;
        }
        family += 1;
    }
    all
};

/// Every feature, in the order of the catalogue view and of feature vectors.
pub static FEATURES: &[Feature] = &ALL;

/// Position of a feature in [`FEATURES`].
pub fn index_of(name: &str) -> Option<usize> {
    // Asked for every feature of every row that a model scores.
    static PLACES: LazyLock<BTreeMap<&str, usize>> =
        LazyLock::new(|| FEATURES.iter().enumerate().map(|(i, f)| (f.name, i)).collect());
    PLACES.get(name).copied()
}

impl Feature {
    /// The declaration that preparation and models work with.
    pub fn spec(&self) -> FeatureSpec {
        FeatureSpec {
            name: self.name.to_string(),
            label: self.label.to_string(),
            unit: self.unit.to_string(),
            group: self.group.to_string(),
            transform: self.transform,
            absent: match self.absence {
                "" => Absence::Unknown,
                of => Absence::Structural(of.to_string()),
            },
            block: None,
        }
    }

    /// What a figure of daily returns has them on: "equity", "margin" or "volume". Figures of different bases are not
    /// comparable, so that no model has both.
    pub fn return_basis(&self) -> Option<&'static str> {
        match self.name {
            name if name.ends_with("_on_margin") => Some("margin"),
            name if name.ends_with("_on_volume") => Some("volume"),
            _ => self.at_least.contains("return").then_some("equity"),
        }
    }

    fn value(&self, view: &View) -> FeatureValue {
        let value = match self.compute {
            Compute::Trades(f) => view.trades.as_ref().map_err(|&r| r).and_then(f),
            Compute::Snapshots(f) => view.snapshots.as_ref().map_err(|&r| r).and_then(f),
            Compute::Both(f) => view
                .trades
                .as_ref()
                .map_err(|&r| r)
                .and_then(|t| view.snapshots.as_ref().map_err(|&r| r).and_then(|s| f(t, s))),
            Compute::Population => Err("population"),
        };
        match value {
            Ok(v) if v.is_finite() => FeatureValue { value: Some(v + 0.0), reason: None },
            Ok(_) => FeatureValue { value: None, reason: Some("undefined") },
            Err(reason) => FeatureValue { value: None, reason: Some(reason) },
        }
    }
}

/// Values of all of [`FEATURES`] at `as_of` (microseconds since 2000-01-01 UTC). Trades and snapshots at or after
/// `as_of` have no influence; where they cannot be told apart any more every value is NULL with the reason
/// `after_as_of`. Without `as_of` all count, and the features that need it are NULL.
pub fn values<A: Allocator + Clone>(
    state: &mut State<A>,
    as_of: Option<i64>,
    market: Option<&Market>,
) -> Vec<FeatureValue> {
    view::with(state, as_of, market, |view| FEATURES.iter().map(|f| f.value(view)).collect())
}

/// The same for some of the features, by their position.
pub fn select<A: Allocator + Clone>(
    state: &mut State<A>,
    as_of: Option<i64>,
    market: Option<&Market>,
    which: &[usize],
) -> Vec<FeatureValue> {
    view::with(state, as_of, market, |view| which.iter().map(|&i| FEATURES[i].value(view)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator_api2::alloc::Global;

    #[test]
    fn names_are_unique_and_values_line_up() {
        for (i, f) in FEATURES.iter().enumerate() {
            assert_eq!(index_of(f.name), Some(i), "{}", f.name);
            assert!(['G', 'M', 'O', 'J'].contains(&f.class), "{}", f.name);
        }
        let of = |basis| FEATURES.iter().filter(|f| f.return_basis() == Some(basis)).count();
        assert_eq!((of("margin"), of("volume"), of("equity")), (4, 4, 20));
        let mut empty = State::new(Global);
        let values = values(&mut empty, None, None);
        assert_eq!(values.len(), FEATURES.len());
        assert!(values.iter().all(|v| v.value.is_none() && v.reason.is_some()));
    }
}
