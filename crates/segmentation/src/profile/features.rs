//! The catalogue of account features, and their values.
//!
//! Every ratio with a zero denominator, and every feature whose input is missing, is NULL with a reason; nothing is
//! guessed. Rates use only fills that carry the input: the maker ratio of an account whose fills say "maker" for half
//! of its volume is that half's ratio.

use crate::prepare::{FeatureSpec, Transform};
use crate::profile::days::DAY;
use crate::profile::dense::{Count, Dense, Money, HOURS};
use crate::profile::fill::KINDS;
use crate::profile::money::{ratio, to_usd};
use crate::profile::ordered::Ordered;
use crate::profile::state::{State, Sums};
use allocator_api2::alloc::Allocator;

/// What the catalogue says of a feature.
#[derive(Clone, Debug)]
pub struct Feature {
    pub name: &'static str,
    /// How segment names and reports call it.
    pub label: &'static str,
    pub group: &'static str,
    pub unit: &'static str,
    /// Inputs of `trade(...)` without which it is NULL.
    pub needs: &'static [&'static str],
    /// G, M or O: see the module's documentation.
    pub class: char,
    pub transform: Transform,
    /// Whether a fit uses it when no list of features is given.
    pub in_fit: bool,
    pub meaning: &'static str,
}

/// A value, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureValue {
    pub value: Option<f64>,
    pub reason: Option<&'static str>,
}

const PRICED: &[&str] = &["quantity", "price"];

macro_rules! feature {
    ($name:literal, $label:literal, $group:literal, $unit:literal, $needs:expr, $class:literal, $transform:ident, $in_fit:literal, $meaning:literal) => {
        Feature {
            name: $name,
            label: $label,
            group: $group,
            unit: $unit,
            needs: $needs,
            class: $class,
            transform: Transform::$transform,
            in_fit: $in_fit,
            meaning: $meaning,
        }
    };
}

/// Every feature, in the order of the catalogue view and of feature vectors.
#[rustfmt::skip]
pub static FEATURES: &[Feature] = &[
    feature!("volume_usd", "volume", "volume", "USD", PRICED, 'G', Asinh, true, "sum of absolute notional"),
    feature!("trades", "number of trades", "volume", "trades", &[], 'G', Log1p, true, "number of fills"),
    feature!("average_trade_usd", "average trade", "volume", "USD", PRICED, 'G', Asinh, true, "volume / fills with a notional"),
    feature!("fee_bps", "fee rate", "volume", "bps", &["quantity", "price", "fee_usd"], 'G', Identity, true, "10,000 × fees / volume of the fills with a fee"),
    feature!("instruments", "number of instruments", "allocation", "instruments", &["instrument"], 'M', Log1p, true, "distinct instruments; above 256 a HyperLogLog estimate (standard error 1.63 %)"),
    feature!("hhi", "concentration", "allocation", "share", &["quantity", "price", "instrument"], 'G', Identity, true, "Herfindahl-Hirschman index: sum of squared volume shares by underlying (by instrument where no underlying is given)"),
    feature!("entropy", "diversification", "allocation", "nats", &["quantity", "price", "instrument"], 'G', Identity, true, "-sum w ln w over the same volume shares"),
    feature!("order_flow_imbalance", "order-flow imbalance", "flow", "-1 to 1", &["quantity", "price", "side"], 'G', Identity, true, "(bought - sold) / (bought + sold) notional"),
    feature!("maker_ratio", "maker share", "flow", "share", &["quantity", "price", "is_maker"], 'G', Identity, true, "maker volume / volume of the fills that say maker or taker"),
    feature!("hour_entropy", "round-the-clock trading", "flow", "0 to 1", &[], 'G', Identity, true, "entropy of the 24 UTC hours' shares of fills / ln 24"),
    feature!("weekend_share", "weekend share", "flow", "share", &[], 'G', Identity, true, "share of fills on Saturday or Sunday, UTC"),
    feature!("burstiness", "burstiness", "flow", "-1 to 1", &[], 'O', Identity, false, "finite-size burstiness of the gaps between trades (Kim and Jo 2016); at least 10 gaps"),
    feature!("active_days", "active days", "activity", "days", &[], 'M', Log1p, true, "distinct UTC days with a fill"),
    feature!("tenure_days", "tenure", "activity", "days", &["as_of"], 'M', Log1p, true, "as_of - first fill"),
    feature!("recency_days", "days since the last trade", "activity", "days", &["as_of"], 'M', Log1p, true, "as_of - last fill"),
    feature!("share_spot", "spot share", "derivatives", "share", &["quantity", "price", "kind"], 'G', Hellinger, true, "volume in spot / volume of known kind"),
    feature!("share_future", "dated-future share", "derivatives", "share", &["quantity", "price", "kind"], 'G', Hellinger, true, "volume in dated futures / volume of known kind"),
    feature!("share_perpetual", "perpetual share", "derivatives", "share", &["quantity", "price", "kind"], 'G', Hellinger, true, "volume in perpetuals / volume of known kind"),
    feature!("share_option", "option share", "derivatives", "share", &["quantity", "price", "kind"], 'G', Hellinger, true, "volume in options / volume of known kind"),
    feature!("share_leveraged_token", "leveraged-token share", "derivatives", "share", &["quantity", "price", "kind"], 'G', Hellinger, true, "volume in leveraged tokens / volume of known kind"),
    feature!("share_other", "share of other kinds", "derivatives", "share", &["quantity", "price", "kind"], 'G', Hellinger, true, "volume in any other kind / volume of known kind"),
];

/// Position of a feature in [`FEATURES`].
pub fn index_of(name: &str) -> Option<usize> {
    FEATURES.iter().position(|f| f.name == name)
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
        }
    }
}

fn some(value: f64) -> FeatureValue {
    FeatureValue { value: Some(value), reason: None }
}

fn none(reason: &'static str) -> FeatureValue {
    FeatureValue { value: None, reason: Some(reason) }
}

fn share(part: i128, whole: i128) -> FeatureValue {
    ratio(part, whole).map_or(none("zero_volume"), some)
}

/// Values of all of [`FEATURES`] at `as_of` (microseconds since 2000-01-01 UTC). Fills at or after `as_of` have no
/// influence; where they cannot be told apart any more every value is NULL with the reason `after_as_of`. Without
/// `as_of` all fills count, and the features that need it are NULL.
pub fn values<A: Allocator + Clone>(state: &mut State<A>, as_of: Option<i64>) -> Vec<FeatureValue> {
    let as_of = as_of.filter(|&t| t != i64::MAX);
    state
        .with_sums(as_of, |sums| match sums {
            Sums::Kept(dense) => of_dense(dense, as_of),
            Sums::Made(dense) => of_dense(dense, as_of),
        })
        .unwrap_or_else(|| vec![none("after_as_of"); FEATURES.len()])
}

fn of_dense<A: Allocator + Clone>(d: &Dense<A>, as_of: Option<i64>) -> Vec<FeatureValue> {
    let s = &d.sums;
    if s.count(Count::Fills) == 0 {
        return vec![none("no_trades"); FEATURES.len()];
    }
    let priced = s.count(Count::Priced);
    // A feature of volume, available when fills are priced and `count` of them carry the input.
    let of = |count: Count, missing: &'static str, value: &dyn Fn() -> FeatureValue| {
        if priced == 0 {
            return none("missing:price");
        }
        if s.count(count) == 0 {
            return none(missing);
        }
        value()
    };
    let since =
        |at: i64| as_of.map_or(none("missing:as_of"), |t| some((i128::from(t) - i128::from(at)) as f64 / DAY as f64));
    let volume = s.money(Money::Volume);
    let (hhi, entropy) = concentration(d);
    let mut out = vec![
        of(Count::Priced, "", &|| some(to_usd(volume))),
        some(s.count(Count::Fills) as f64),
        of(Count::Priced, "", &|| some(to_usd(volume) / priced as f64)),
        of(Count::WithFee, "missing:fee_usd", &|| match ratio(s.money(Money::Fee), s.money(Money::FeeVolume)) {
            Some(rate) => some(1e4 * rate),
            None => none("zero_volume"),
        }),
        match s.count(Count::WithInstrument) {
            0 => none("missing:instrument"),
            _ => some(d.instruments.count()),
        },
        of(Count::WithUnderlying, "missing:instrument", &|| hhi),
        of(Count::WithUnderlying, "missing:instrument", &|| entropy),
        of(Count::Sided, "missing:side", &|| share(s.money(Money::Signed), s.money(Money::Sided))),
        of(Count::Flagged, "missing:is_maker", &|| share(s.money(Money::Maker), s.money(Money::Flagged))),
        some(hour_entropy(&s.hours)),
        some(s.weekdays[0].saturating_add(s.weekdays[1]) as f64 / s.count(Count::Fills) as f64),
        burstiness(d),
        some(d.days.count()),
        since(s.first),
        since(s.last),
    ];
    out.extend(
        (0..KINDS)
            .map(|kind| of(Count::Kinded, "missing:kind", &|| share(s.kind_volume(kind), s.money(Money::Kinded)))),
    );
    out
}

fn concentration<A: Allocator + Clone>(d: &Dense<A>) -> (FeatureValue, FeatureValue) {
    let total: i128 = d.allocation.amounts().fold(0, i128::saturating_add);
    if total == 0 {
        return (none("zero_volume"), none("zero_volume"));
    }
    let (mut hhi, mut entropy) = (0.0, 0.0);
    for w in d.allocation.amounts().filter_map(|a| ratio(a, total)) {
        hhi += w * w;
        if w > 0.0 {
            entropy -= w * libm::log(w);
        }
    }
    (some(hhi), some(entropy.max(0.0)))
}

fn hour_entropy(hours: &[u64; HOURS]) -> f64 {
    let n = hours.iter().fold(0u64, |n, &c| n.saturating_add(c));
    let entropy: f64 = hours
        .iter()
        .filter(|&&c| c > 0)
        .map(|&c| {
            let p = c as f64 / n as f64;
            -p * libm::log(p)
        })
        .sum();
    entropy.max(0.0) / libm::log(HOURS as f64)
}

/// Gaps needed for burstiness to mean anything.
const MIN_GAPS: u64 = 10;

/// With r = sd/mean of the n gaps (population sd): A = (sqrt(n+1) r - sqrt(n-1)) / ((sqrt(n+1) - 2) r + sqrt(n-1)).
pub fn burstiness_of(gaps: u64, sum: f64, squares: f64) -> f64 {
    let n = gaps as f64;
    let mean = sum / n;
    let r = libm::sqrt((squares / n - mean * mean).max(0.0)) / mean;
    let (up, down) = (libm::sqrt(n + 1.0), libm::sqrt(n - 1.0));
    (up * r - down) / ((up - 2.0) * r + down)
}

fn burstiness<A: Allocator + Clone>(d: &Dense<A>) -> FeatureValue {
    match d.log.fold() {
        Ordered::Overlap => none("overlap"),
        Ordered::Whole(f) if f.events <= MIN_GAPS => none("too_few_trades"),
        Ordered::Whole(f) => some(burstiness_of(f.events - 1, f.last.abs_diff(f.first) as f64, f.squares as f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burstiness_check_number() {
        // Gaps 1, 1, 1, 57, 1, 1, 238; the specification's number, from Kim and Jo's formula.
        let squares = 5.0 + 57.0 * 57.0 + 238.0 * 238.0;
        assert!((burstiness_of(7, 300.0, squares) - 0.733_913_626_509).abs() < 1e-11);
    }

    #[test]
    fn names_are_unique_and_values_line_up() {
        for (i, f) in FEATURES.iter().enumerate() {
            assert_eq!(index_of(f.name), Some(i));
        }
        let mut empty = State::new(allocator_api2::alloc::Global);
        assert_eq!(values(&mut empty, None).len(), FEATURES.len());
    }
}
