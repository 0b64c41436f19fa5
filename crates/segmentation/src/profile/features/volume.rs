//! Trading volume and the size of trades.

use super::features;
use super::view::{Trades, Value};
use super::Compute::{Both, Trades as T};
use crate::profile::days::day_of;
use crate::profile::money::{ratio, to_usd};
use crate::profile::section::Tag;
use crate::profile::sums::{Count, Money};

#[rustfmt::skip]
features! { "volume";
    "volume_usd", "volume", "USD", 'G', ["quantity", "price"], "", Asinh, true, "", "Σ N", "notional traded", "", T(|t| { t.priced()?; Ok(t.usd(Money::Volume)) });
    "trades", "number of trades", "trades", 'G', [], "", Log1p, true, "", "number of fills", "how often the account trades", "", T(|t| Ok(t.count(Count::Fills)));
    "unpriced_trades", "trades without a notional", "trades", 'G', [], "", Log1p, false, "", "fills whose notional cannot be computed; they are in no volume", "how much the volume leaves out", "", T(|t| Ok((t.sums.count(Count::Fills).saturating_sub(t.sums.count(Count::Priced))) as f64));
    "self_trades", "trades with itself", "trades", 'G', ["is_self_trade"], "", Log1p, false, "", "fills of the account with itself; they are in volume and activity, and in no feature of flow, positions or sides", "wash trading, or desks that meet", "", T(|t| { t.some(Count::SelfKnown, "missing:is_self_trade")?; Ok(t.count(Count::SelfTrades)) });
    "orders", "number of orders", "orders", 'M', ["order_id"], "", Log1p, false, "", "distinct order_id; beyond 128 estimated (standard error 3.25 %)", "orders that were filled, in whole or in part", "Flajolet et al. 2007", T(orders);
    "average_trade_usd", "average trade", "USD", 'G', ["quantity", "price"], "", Asinh, true, "", "Σ N / fills with a notional", "mean size of a trade", "", T(average);
    "median_trade_usd", "median trade", "USD", 'G', ["quantity", "price"], "", Asinh, false, "", "median of N from a sketch (relative error 1 %; more where sizes spread over more than 160 buckets)", "typical size of a trade", "Masson, Rim, Lee 2019", T(|t| quantile(t, 0.5));
    "p95_trade_usd", "large trades", "USD", 'G', ["quantity", "price"], "", Asinh, false, "", "95th percentile of N from the sketch", "size that one trade in twenty exceeds", "Masson, Rim, Lee 2019", T(|t| quantile(t, 0.95));
    "max_trade_usd", "largest trade", "USD", 'M', ["quantity", "price"], "", Asinh, false, "", "max N", "largest trade", "", T(|t| { t.priced()?; Ok(to_usd(t.extremes()?.largest)) });
    "trade_size_gini", "inequality of trade sizes", "0 to 1", 'G', ["quantity", "price"], "", Identity, false, "2 priced trades", "2 Σ i x(i) / (n Σ x) - (n + 1) / n over the sketch", "0 where all trades are alike, near 1 where a few make the volume", "Gini", T(gini);
    "fee_usd", "fees", "USD", 'G', ["fee_usd"], "", Asinh, false, "", "Σ fee; negative is a rebate", "revenue of the venue", "", T(fees);
    "fee_bps", "fee rate", "bps", 'G', ["quantity", "price", "fee_usd"], "", Identity, true, "", "10,000 Σ fee / Σ N of the fills with a fee", "what the account pays for its volume", "", T(|t| t.share(Money::Fee, Money::FeeVolume, Count::WithFee, "missing:fee_usd").map(|r| 1e4 * r));
    "counterparties", "number of counterparties", "counterparties", 'M', ["counterparty"], "", Log1p, false, "", "distinct counterparty; beyond 128 estimated", "how many others the account trades with", "Flajolet et al. 2007", T(counterparties);
    "volume_trend", "trend of volume", "ln USD a day", 'M', ["quantity", "price"], "", Identity, false, "14 days", "slope of ln(1 + volume of a day) on the day, over the last 35 whole days from the first active one", "growing or fading activity", "", T(trend);
    "volume_ratio_7d_28d", "volume of the last week", "ratio", 'M', ["quantity", "price"], "", Log1p, false, "14 days", "4 × volume of the last 7 whole days / volume of the 28 before", "1 is steady; above, the account trades more than it did", "", T(ratio_of_weeks);
    "volume_share", "share of the venue's volume", "share", 'J', ["quantity", "price", "market.venue_volume_usd"], "", Hellinger, false, "", "Σ N / volume of the venue in the same window", "weight of the account", "", T(|t| venue_share(t, Money::Volume));
    "flow_share", "share of the venue's flow", "-1 to 1", 'J', ["quantity", "price", "side", "market.venue_volume_usd"], "", Identity, false, "", "(bought - sold) / volume of the venue in the same window", "weight and direction of the account", "", T(flow_share);
    "turnover_equity", "turnover", "times equity", 'G', ["quantity", "price", "snapshot.equity_usd"], "", Log1p, false, "", "Σ N / mean equity of the snapshots", "how often the account turns its equity over", "", Both(|t, s| { t.priced()?; let mean = s.equity.mean_equity.ok_or("missing:equity_usd")?; if mean <= 0.0 { return Err("no_equity"); } Ok(t.usd(Money::Volume) / mean) });
    "decayed_volume_usd", "recent volume", "USD", 'G', ["quantity", "price", "as_of"], "", Asinh, false, "", "Σ N 2^(-age / 30 d)", "volume with a half-life of 30 days", "Cormode et al. 2009", T(|t| { t.priced()?; decayed(t, 1) });
    "decayed_trades", "recent trades", "trades", 'G', ["as_of"], "", Log1p, false, "", "Σ 2^(-age / 30 d)", "number of trades with a half-life of 30 days", "Cormode et al. 2009", T(|t| decayed(t, 0));
}

fn orders(t: &Trades) -> Value {
    if t.sums.count(Count::WithOrder) == 0 {
        return Err("missing:order_id");
    }
    Ok(t.parts(Tag::Orders)?.orders())
}

fn counterparties(t: &Trades) -> Value {
    if t.sums.count(Count::WithCounterparty) == 0 {
        return Err("missing:counterparty");
    }
    Ok(t.parts(Tag::Counterparties)?.counterparties())
}

fn average(t: &Trades) -> Value {
    t.priced()?;
    Ok(t.usd(Money::Volume) / t.count(Count::Priced))
}

fn quantile(t: &Trades, q: f64) -> Value {
    t.priced()?;
    t.parts(Tag::Sizes)?.size_quantile(q).ok_or("too_few_trades")
}

fn gini(t: &Trades) -> Value {
    t.priced()?;
    let parts = t.parts(Tag::Sizes)?;
    if t.sums.count(Count::Priced) < 2 {
        return Err("too_few_trades");
    }
    parts.size_gini().ok_or("zero_volume")
}

pub(super) fn fees(t: &Trades) -> Value {
    if t.sums.count(Count::WithFee) == 0 {
        return Err("missing:fee_usd");
    }
    Ok(t.usd(Money::AllFees))
}

fn trend(t: &Trades) -> Value {
    t.priced()?;
    let first = day_of(t.extremes()?.first);
    t.parts(Tag::Daily)?.volume_trend(first, t.end_day()).ok_or("too_few_days")
}

fn ratio_of_weeks(t: &Trades) -> Value {
    t.priced()?;
    let end = t.end_day();
    if day_of(t.extremes()?.first) > end - 14 {
        return Err("too_few_days");
    }
    t.parts(Tag::Daily)?.volume_ratio(end).ok_or("zero_volume")
}

fn venue_share(t: &Trades, sum: Money) -> Value {
    t.priced()?;
    let venue = t.market.and_then(|m| m.venue_volume_usd).ok_or("missing:market")?;
    if venue <= 0.0 {
        return Err("zero_volume");
    }
    Ok(t.usd(sum) / venue)
}

fn flow_share(t: &Trades) -> Value {
    t.flow_with(Count::Sided, "missing:side")?;
    venue_share(t, Money::Signed)
}

/// One of the decayed sums at as_of; which one is the order of `dense.rs`.
pub(super) fn decayed(t: &Trades, which: usize) -> Value {
    let as_of = t.as_of.ok_or("missing:as_of")?;
    Ok(t.parts(Tag::Decay)?.decayed(as_of)[which])
}

/// The ratio of two decayed sums.
pub(super) fn decayed_ratio(t: &Trades, part: usize, whole: usize) -> Value {
    let as_of = t.as_of.ok_or("missing:as_of")?;
    let sums = t.parts(Tag::Decay)?.decayed(as_of);
    if sums[whole] == 0.0 {
        return Err("zero_volume");
    }
    Ok(sums[part] / sums[whole])
}

/// Share of a whole, for sums that are not of the profile's own list.
pub(super) fn part_of(part: i128, whole: i128) -> Value {
    ratio(part, whole).ok_or("zero_volume")
}
