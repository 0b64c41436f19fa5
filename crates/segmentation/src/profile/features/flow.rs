//! Order flow: direction, maker or taker, what prices did before and after, and when the account trades.

use super::features;
use super::view::{Trades, Value};
use super::volume::decayed_ratio;
use super::Compute::Trades as T;
use crate::profile::money::ratio;
use crate::profile::ordered::Ordered;
use crate::profile::sums::{Count, Money, HOURS};
use crate::statistics::concentration::Concentration;
use crate::statistics::rhythm::circular_mean_of_counts;

#[rustfmt::skip]
features! { "flow";
    "order_flow_imbalance", "order-flow imbalance", "-1 to 1", 'G', ["quantity", "price", "side"], "", Identity, true, "", "(bought - sold) / (bought + sold) notional", "1 only buys, -1 only sells", "", T(|t| { sided(t)?; t.ratio(Money::Signed, Money::Sided) });
    "directionality", "directionality", "0 to 1", 'G', ["quantity", "price", "side"], "", Identity, false, "", "|order_flow_imbalance|", "0 is two-way flow", "", T(|t| { sided(t)?; t.ratio(Money::Signed, Money::Sided).map(f64::abs) });
    "taker_imbalance", "taker imbalance", "-1 to 1", 'G', ["quantity", "price", "side", "is_maker"], "", Identity, false, "", "the imbalance of taker fills alone", "direction of the account's aggressive flow", "", T(taker_imbalance);
    "maker_ratio", "maker share", "share", 'G', ["quantity", "price", "is_maker"], "", Identity, true, "", "maker volume / volume of the fills that say maker or taker", "1 only provides liquidity", "", T(|t| { t.flow_with(Count::Flagged, "missing:is_maker")?; t.ratio(Money::Maker, Money::Flagged) });
    "decayed_order_flow_imbalance", "recent order-flow imbalance", "-1 to 1", 'G', ["quantity", "price", "side", "as_of"], "", Identity, false, "", "Σ s N 2^(-age / 30 d) / Σ N 2^(-age / 30 d)", "direction with a half-life of 30 days", "Cormode et al. 2009", T(|t| { sided(t)?; decayed_ratio(t, 3, 2) });
    "decayed_maker_ratio", "recent maker share", "share", 'G', ["quantity", "price", "is_maker", "as_of"], "", Identity, false, "", "decayed maker volume / decayed volume of the fills that say maker or taker", "maker share with a half-life of 30 days", "Cormode et al. 2009", T(|t| { t.flow_with(Count::Flagged, "missing:is_maker")?; decayed_ratio(t, 5, 4) });
    "spread_capture", "spread capture", "bps", 'J', ["quantity", "price", "side", "mid"], "", Asinh, false, "", "N-weighted mean of 10,000 s (mid - price) / price", "above 0 trades at better than the mid", "", T(|t| moved(t, Money::Spread, Money::SpreadVolume, "missing:mid"));
    "markout_1s", "markout after 1 s", "bps", 'J', ["quantity", "price", "side", "mid_1s"], "", Asinh, false, "", "N-weighted mean of 10,000 s (mid 1 s later - price) / price", "gain of the account one second after its trades", "", T(|t| moved(t, Money::Markout1s, Money::Markout1sVolume, "missing:mid_1s"));
    "markout_10s", "markout after 10 s", "bps", 'J', ["quantity", "price", "side", "mid_10s"], "", Asinh, false, "", "the same 10 s later", "gain of the account ten seconds after its trades", "", T(|t| moved(t, Money::Markout10s, Money::Markout10sVolume, "missing:mid_10s"));
    "markout_1m", "markout after 1 min", "bps", 'J', ["quantity", "price", "side", "mid_1m"], "", Asinh, false, "", "the same 1 min later", "toxicity: gain of the account a minute after its trades", "", T(|t| moved(t, Money::Markout1m, Money::Markout1mVolume, "missing:mid_1m"));
    "markout_5m", "markout after 5 min", "bps", 'J', ["quantity", "price", "side", "mid_5m"], "", Asinh, false, "", "the same 5 min later", "toxicity: gain of the account five minutes after its trades", "", T(|t| moved(t, Money::Markout5m, Money::Markout5mVolume, "missing:mid_5m"));
    "markout_1h", "markout after 1 h", "bps", 'J', ["quantity", "price", "side", "mid_1h"], "", Asinh, false, "", "the same 1 h later", "gain of the account an hour after its trades", "", T(|t| moved(t, Money::Markout1h, Money::Markout1hVolume, "missing:mid_1h"));
    "impact_5m", "impact over 5 min", "bps", 'J', ["quantity", "price", "side", "mid", "mid_5m"], "", Asinh, false, "", "spread_capture - markout_5m over the fills that know both mids", "how far the market moves against the account's side", "", T(impact);
    "vol_markout_1m", "volatility markout after 1 min", "vol points", 'J', ["quantity", "side", "kind", "underlying_price", "implied_volatility", "implied_volatility_1m"], "options", Asinh, false, "", "N-weighted mean of 100 s (implied volatility 1 min later - at the trade), of options", "gain of the account's options in volatility a minute after its trades", "", T(|t| vol_moved(t, Money::VolMarkout1m, Money::VolMarkout1mVolume, "missing:implied_volatility_1m"));
    "vol_markout_5m", "volatility markout after 5 min", "vol points", 'J', ["quantity", "side", "kind", "underlying_price", "implied_volatility", "implied_volatility_5m"], "options", Asinh, false, "", "the same 5 min later", "gain of the account's options in volatility five minutes after its trades", "", T(|t| vol_moved(t, Money::VolMarkout5m, Money::VolMarkout5mVolume, "missing:implied_volatility_5m"));
    "hedged_markout_1m", "hedged markout after 1 min", "bps", 'J', ["quantity", "price", "side", "kind", "option_type", "strike", "expiry", "underlying_price", "mid_1m", "underlying_price_1m"], "options", Asinh, false, "", "N-weighted mean of 10,000 s (premium 1 min later - premium - delta (S 1 min later - S)) / premium, of options; premiums in USD, delta as for long_vol", "toxicity of option flow beyond the move of the underlying", "Black 1976", T(|t| hedged(t, Money::HedgedMarkout1m, Money::HedgedMarkout1mVolume, (Count::HedgedMid1m, "missing:mid_1m"), "missing:underlying_price_1m"));
    "hedged_markout_5m", "hedged markout after 5 min", "bps", 'J', ["quantity", "price", "side", "kind", "option_type", "strike", "expiry", "underlying_price", "mid_5m", "underlying_price_5m"], "options", Asinh, false, "", "the same 5 min later", "toxicity of option flow beyond the move of the underlying", "Black 1976", T(|t| hedged(t, Money::HedgedMarkout5m, Money::HedgedMarkout5mVolume, (Count::HedgedMid5m, "missing:mid_5m"), "missing:underlying_price_5m"));
    "trend_1h", "trend following over 1 h", "-1 to 1", 'J', ["quantity", "price", "side", "underlying_return_1h"], "", Identity, false, "", "Σ s N clip(z, ±3) / (3 Σ N), z = return of the underlying over the hour before, in deviations", "above 0 follows the trend, below 0 trades against it", "", T(|t| trend(t, Money::Trend1h, Money::Trend1hVolume, "missing:underlying_return_1h"));
    "trend_1d", "trend following over 1 d", "-1 to 1", 'J', ["quantity", "price", "side", "underlying_return_1d"], "", Identity, false, "", "the same over the day before", "above 0 follows the trend, below 0 trades against it", "", T(|t| trend(t, Money::Trend1d, Money::Trend1dVolume, "missing:underlying_return_1d"));
    "trend_7d", "trend following over 7 d", "-1 to 1", 'J', ["quantity", "price", "side", "underlying_return_7d"], "", Identity, false, "", "the same over the 7 days before", "above 0 follows the trend, below 0 trades against it", "", T(|t| trend(t, Money::Trend7d, Money::Trend7dVolume, "missing:underlying_return_7d"));
    "herding", "herding", "-1 to 1", 'J', ["quantity", "price", "side", "own_flow_usd", "others_flow_usd"], "", Identity, false, "", "Σ s N sgn(flow of the others) / Σ s N sgn(own flow), by 5-minute bin", "1 trades with the crowd, -1 against it", "Lakonishok, Shleifer, Vishny 1992", T(herding);
    "toxic_share", "share in toxic buckets", "share", 'J', ["quantity", "price", "is_maker", "is_toxic"], "", Hellinger, false, "", "taker volume in volume buckets whose VPIN is above its 90th percentile / taker volume that knows", "takes liquidity when flow is one-sided", "Easley, Lopez de Prado, O'Hara 2012", T(toxic);
    "hour_entropy", "round-the-clock trading", "0 to 1", 'G', [], "", Identity, true, "", "-Σ p ln p / ln 24, p = share of the fills by UTC hour", "1 trades at all hours alike", "Shannon", T(|t| Ok(hour_entropy(&t.sums.hours)));
    "hour_concentration", "concentration on hours", "0 to 1", 'G', [], "", Identity, false, "", "|mean of e^(iθ)|, θ = 2π (UTC hour) / 24", "1 trades at one hour of the day", "circular statistics", T(|t| circular_mean_of_counts(&t.sums.hours).map(|m| m.concentration).ok_or("no_trades"));
    "mean_hour", "mean hour", "hour", 'G', [], "", Identity, false, "", "direction of the mean of e^(iθ), in hours from 0 to 24", "when the account trades (UTC)", "circular statistics", T(|t| circular_mean_of_counts(&t.sums.hours).and_then(|m| m.hour).ok_or("undefined"));
    "weekend_share", "weekend share", "share", 'G', [], "", Identity, true, "", "share of fills on Saturday or Sunday, UTC", "hobby or business", "", T(|t| Ok(t.sums.weekdays[0].saturating_add(t.sums.weekdays[1]) as f64 / t.count(Count::Fills)));
    "burstiness", "burstiness", "-1 to 1", 'O', [], "", Identity, false, "10 gaps", "(√(n+1) r - √(n-1)) / ((√(n+1) - 2) r + √(n-1)), r = sd / mean of the n gaps between distinct instants", "-1 regular, 0 random, 1 bursts", "Kim and Jo 2016", T(|t| t.ordered()?.burstiness());
    "memory", "memory of gaps", "-1 to 1", 'O', [], "", Identity, false, "10 gaps", "correlation of consecutive gaps", "above 0 long gaps follow long ones", "Goh and Barabasi 2008", T(|t| t.ordered()?.memory());
    "holding_hours", "holding time", "hours", 'O', ["quantity", "price", "side", "instrument"], "", Log1p, false, "", "∫ open basis dt / closed basis (Little's law), basis = notional at cost", "how long positions are held", "Little 1961", T(|t| position(t, Ordered::holding_hours));
    "holding_hours_fifo", "holding time (first in, first out)", "hours", 'O', ["quantity", "price", "side", "instrument"], "", Log1p, false, "", "basis-weighted mean age of closed lots, first in first out", "how long closed lots were held", "", T(|t| position(t, Ordered::holding_hours_fifo));
    "holding_hours_fifo_median", "median holding time (first in, first out)", "hours", 'O', ["quantity", "price", "side", "instrument"], "", Log1p, false, "", "basis-weighted median age of closed lots, first in first out; from a histogram in half octaves between a second and 388 days (at most a factor of 1.42 off)", "how long the typical closed lot was held", "", T(|t| position(t, Ordered::holding_hours_fifo_median));
    "open_share", "share left open", "share", 'O', ["quantity", "price", "side", "instrument"], "", Hellinger, false, "", "open basis at the last fill / (open + closed basis)", "positions that the holding time does not know yet", "", T(|t| position(t, Ordered::open_share));
    "position_flips", "position flips", "flips", 'O', ["quantity", "price", "side", "instrument"], "", Log1p, false, "", "fills that turn a long position short or a short one long", "stop and reverse", "", T(|t| position(t, Ordered::position_flips));
}

fn sided(t: &Trades) -> Result<(), &'static str> {
    t.flow_with(Count::Sided, "missing:side")
}

fn taker_imbalance(t: &Trades) -> Value {
    sided(t)?;
    if t.sums.count(Count::Sided) == t.sums.count(Count::SidedUnflagged) {
        return Err("missing:is_maker");
    }
    t.some(Count::Takers, "no_taker_trades")?;
    if t.sums.count(Count::Takers) == t.sums.count(Count::TakersUnsided) {
        return Err("missing:side");
    }
    t.ratio(Money::TakerSigned, Money::TakerSided)
}

fn moved(t: &Trades, sum: Money, of: Money, missing: &'static str) -> Value {
    sided(t)?;
    if t.sums.count(Count::Sided) == t.sums.count(Count::SidedNoPrice) {
        return Err("missing:price");
    }
    t.mean(sum, of, missing).map(|r| 1e4 * r)
}

/// Options of another account's making with a volatility, and how that moved.
fn vol_moved(t: &Trades, sum: Money, of: Money, missing: &'static str) -> Value {
    super::derivatives::options(t)?;
    sided(t)?;
    t.some(Count::WithVolatility, "missing:implied_volatility")?;
    ratio(t.sums.money(sum), t.sums.money(of)).ok_or(missing)
}

/// Options with greeks and a premium, and what they gained beyond a hedge of their delta.
fn hedged(t: &Trades, sum: Money, of: Money, mid: (Count, &'static str), missing: &'static str) -> Value {
    super::derivatives::sided_premium(t)?;
    super::derivatives::greeks(t)?;
    t.some(mid.0, mid.1)?;
    ratio(t.sums.money(sum), t.sums.money(of)).map(|r| 1e4 * r).ok_or(missing)
}

fn impact(t: &Trades) -> Value {
    let missing = if t.sums.money(Money::SpreadVolume) == 0 { "missing:mid" } else { "missing:mid_5m" };
    moved(t, Money::Impact, Money::ImpactVolume, missing)
}

fn trend(t: &Trades, sum: Money, of: Money, missing: &'static str) -> Value {
    sided(t)?;
    t.mean(sum, of, missing)
}

fn herding(t: &Trades) -> Value {
    sided(t)?;
    t.some(Count::OwnFlow, "missing:own_flow_usd")?;
    t.some(Count::HerdKnown, "missing:others_flow_usd")?;
    t.ratio(Money::Herd, Money::HerdOwn)
}

fn toxic(t: &Trades) -> Value {
    t.flow_with(Count::Flagged, "missing:is_maker")?;
    t.some(Count::Takers, "no_taker_trades")?;
    t.some(Count::ToxicKnown, "missing:is_toxic")?;
    t.ratio(Money::Toxic, Money::ToxicKnown)
}

/// Figures of positions need priced fills with a side and an instrument.
pub(super) fn position(t: &Trades, figure: impl Fn(&Ordered) -> Value) -> Value {
    sided(t)?;
    t.some(Count::WithInstrument, "missing:instrument")?;
    if t.sums.count(Count::Sided) == t.sums.count(Count::SidedNoQuantity) {
        return Err("missing:quantity");
    }
    figure(t.ordered()?)
}

fn hour_entropy(hours: &[u64; HOURS]) -> f64 {
    let counts = hours.map(|n| n as f64);
    Concentration::of(&counts).map_or(0.0, |c| c.entropy / libm::log(HOURS as f64))
}
