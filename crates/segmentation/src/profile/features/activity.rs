//! Recency, frequency, monetary value and tenure.

use super::features;
use super::view::{Trades, Value};
use super::volume::fees;
use super::Compute::Trades as T;
use crate::profile::section::Tag;
use crate::profile::sums::Count;

#[rustfmt::skip]
features! { "activity";
    "active_days", "active days", "days", 'M', [], "", Log1p, true, "", "distinct UTC days with a fill; beyond 48 blocks of 64 days estimated", "frequency", "", T(days);
    "tenure_days", "tenure", "days", 'M', ["as_of"], "", Log1p, true, "", "as_of - first fill", "how long the account has traded", "", T(|t| { let s = t.extremes()?; t.since(s.first) });
    "recency_days", "days since the last trade", "days", 'M', ["as_of"], "", Log1p, true, "", "as_of - last fill", "whether the account still trades", "", T(|t| { let s = t.extremes()?; t.since(s.last) });
    "trading_frequency", "trading frequency", "share of days", 'M', ["as_of"], "", Identity, false, "1 day of tenure", "active days / tenure", "share of its days on which the account trades", "", T(frequency);
    "trades_per_active_day", "trades a day", "trades a day", 'M', [], "", Log1p, false, "", "fills / active days", "intensity on days with trades", "", T(|t| Ok(t.count(Count::Fills) / days(t)?));
    "revenue_usd", "revenue", "USD", 'G', ["fee_usd"], "", Asinh, false, "", "Σ fee (the same as fee_usd)", "monetary value of the account to the venue", "", T(fees);
}

fn days(t: &Trades) -> Value {
    Ok(t.parts(Tag::Days)?.active_days())
}

fn frequency(t: &Trades) -> Value {
    let tenure = t.since(t.extremes()?.first)?;
    if tenure < 1.0 {
        return Err("too_few_days");
    }
    Ok(days(t)? / tenure)
}
