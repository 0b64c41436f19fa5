//! Use of derivatives: kinds of instrument, style of trading options, leveraged tokens.

use super::features;
use super::view::{most, Trades, Value};
use super::Compute::Trades as T;
use crate::profile::fill::Kind;
use crate::profile::money::ratio;
use crate::profile::ordered::Ordered;
use crate::profile::section::Tag;
use crate::profile::sums::{Count, Money};

#[rustfmt::skip]
features! { "derivatives";
    "share_spot", "spot share", "share", 'G', ["quantity", "price", "kind"], "", Hellinger, true, "", "volume in spot / volume of known kind", "weight of spot trading", "", T(|t| kind(t, Kind::Spot));
    "share_future", "dated-future share", "share", 'G', ["quantity", "price", "kind"], "", Hellinger, true, "", "volume in dated futures / volume of known kind", "weight of dated futures", "", T(|t| kind(t, Kind::Future));
    "share_perpetual", "perpetual share", "share", 'G', ["quantity", "price", "kind"], "", Hellinger, true, "", "volume in perpetuals / volume of known kind", "weight of perpetuals", "", T(|t| kind(t, Kind::Perpetual));
    "share_option", "option share", "share", 'G', ["quantity", "price", "kind"], "", Hellinger, true, "", "volume in options / volume of known kind", "weight of options", "", T(|t| kind(t, Kind::Option));
    "share_leveraged_token", "leveraged-token share", "share", 'G', ["quantity", "price", "kind"], "", Hellinger, true, "", "volume in leveraged tokens / volume of known kind", "weight of leveraged tokens", "", T(|t| kind(t, Kind::LeveragedToken));
    "share_other", "share of other kinds", "share", 'G', ["quantity", "price", "kind"], "", Hellinger, true, "", "volume in any other kind / volume of known kind", "weight of what is none of the five", "", T(|t| kind(t, Kind::Other));
    "count_share_spot", "spot share of trades", "share", 'G', ["kind"], "", Hellinger, false, "", "fills in spot / fills of known kind", "how often the account trades spot", "", T(|t| count(t, Kind::Spot));
    "count_share_future", "dated-future share of trades", "share", 'G', ["kind"], "", Hellinger, false, "", "fills in dated futures / fills of known kind", "how often the account trades dated futures", "", T(|t| count(t, Kind::Future));
    "count_share_perpetual", "perpetual share of trades", "share", 'G', ["kind"], "", Hellinger, false, "", "fills in perpetuals / fills of known kind", "how often the account trades perpetuals", "", T(|t| count(t, Kind::Perpetual));
    "count_share_option", "option share of trades", "share", 'G', ["kind"], "", Hellinger, false, "", "fills in options / fills of known kind", "how often the account trades options", "", T(|t| count(t, Kind::Option));
    "count_share_leveraged_token", "leveraged-token share of trades", "share", 'G', ["kind"], "", Hellinger, false, "", "fills in leveraged tokens / fills of known kind", "how often the account trades leveraged tokens", "", T(|t| count(t, Kind::LeveragedToken));
    "count_share_other", "share of trades of other kinds", "share", 'G', ["kind"], "", Hellinger, false, "", "fills of any other kind / fills of known kind", "how often the account trades what is none of the five", "", T(|t| count(t, Kind::Other));
    "put_share", "put share", "share", 'G', ["quantity", "underlying_price", "kind", "option_type"], "options", Identity, false, "", "N of puts / N of puts and calls", "bounded form of the put-call ratio", "", T(put_share);
    "put_call_ratio", "put-call ratio", "ratio", 'G', ["quantity", "underlying_price", "kind", "option_type"], "options", Log1p, false, "", "N of puts / N of calls", "above 1 the account trades more puts", "", T(|t| { priced_options(t, Count::Typed, "missing:option_type")?; t.ratio(Money::Put, Money::Call) });
    "long_vol", "long volatility", "-1 to 1", 'G', ["quantity", "side", "kind", "option_type", "strike", "expiry", "underlying_price"], "options", Identity, false, "", "Σ s vega / Σ |vega|, Black-76 at the trade's implied volatility (from its premium where none is given)", "1 buys volatility, -1 sells it", "Black 1976", T(|t| { greeks(t)?; ratio(t.sums.money(Money::Vega), t.sums.money(Money::VegaSize)).ok_or("undefined") });
    "long_premium", "long premium", "-1 to 1", 'G', ["quantity", "price", "side", "kind"], "options", Identity, false, "", "Σ s P / Σ P", "1 buys options, -1 writes them", "", T(|t| { sided_premium(t)?; t.ratio(Money::PremiumSigned, Money::PremiumSided) });
    "premium_bps", "premium rate", "bps", 'G', ["quantity", "price", "kind", "underlying_price"], "options", Asinh, false, "", "10,000 Σ P / Σ N of the options with a premium", "how expensive the options are that the account trades", "", T(|t| { priced_premium(t)?; t.ratio(Money::Premium, Money::PremiumVolume).map(|r| 1e4 * r) });
    "premium_sold_share", "share of premium sold", "share", 'G', ["quantity", "price", "side", "kind"], "options", Identity, false, "", "premium sold / premium sold and bought", "1 is a pure writer of options", "", T(sold_share);
    "net_premium_share", "net premium", "share of notional", 'G', ["quantity", "price", "side", "kind", "underlying_price"], "options", Identity, false, "", "(premium sold - premium bought) / Σ N of the options with premium and side", "income from writing options for their notional", "", T(|t| { priced_premium(t)?; sided_premium(t)?; t.ratio(Money::PremiumPricedSigned, Money::PremiumSidedVolume).map(|r| -r) });
    "combo_share", "share of combinations", "share", 'G', ["quantity", "price", "combo_id"], "", Hellinger, false, "", "volume of fills with a combo_id / Σ N; an empty combo_id says that a fill is no leg", "spreads, straddles, rolls", "", T(combos);
    "moneyness", "moneyness", "ln(K/S)", 'G', ["quantity", "kind", "strike", "underlying_price"], "options", Identity, false, "", "N-weighted mean of ln(K / S)", "above 0 strikes above the market", "", T(|t| { struck(t)?; t.ratio(Money::Moneyness, Money::MoneynessVolume) });
    "moneyness_standardised", "standardised moneyness", "deviations", 'G', ["quantity", "kind", "strike", "expiry", "underlying_price", "option_type"], "options", Identity, false, "", "N-weighted mean of ln(K / S) / (σ √T)", "distance of strikes in standard deviations", "", T(|t| { options(t)?; t.mean(Money::Standardised, Money::StandardisedVolume, "no_greeks") });
    "otm_share", "out-of-the-money share", "share", 'G', ["quantity", "kind", "strike", "underlying_price", "option_type"], "options", Hellinger, false, "", "N of options out of the money (call K > S, put K < S) / N of options with strike and type", "preference for cheap options", "", T(|t| { struck(t)?; t.some(Count::OtmKnown, "missing:option_type")?; t.ratio(Money::Otm, Money::OtmVolume) });
    "tail_selling_share", "tail selling", "share", 'G', ["quantity", "side", "kind", "option_type", "strike", "expiry", "underlying_price"], "options", Hellinger, false, "", "N of sold options with |delta| < 0.10 / N of sold options with greeks", "writes far options: small income, large rare losses", "Black 1976", T(|t| { greeks(t)?; t.ratio(Money::TailSold, Money::SoldVolume) });
    "days_to_expiry", "days to expiry", "days", 'G', ["quantity", "kind", "expiry", "underlying_price"], "options", Log1p, false, "", "N-weighted mean of (expiry - trade time), of options not expired", "how long-dated the options are", "", T(|t| { dated(t)?; t.ratio(Money::Expiry, Money::ExpiryVolume) });
    "dte_1d_share", "share expiring within a day", "share", 'G', ["quantity", "kind", "expiry", "underlying_price"], "options", Hellinger, false, "", "N of options with at most 1 day to expiry / N with an expiry", "trading on the day of expiry", "", T(|t| { dated(t)?; t.ratio(Money::Expiry1d, Money::ExpiryVolume) });
    "dte_7d_share", "share expiring within a week", "share", 'G', ["quantity", "kind", "expiry", "underlying_price"], "options", Hellinger, false, "", "N of options with at most 7 days to expiry / N with an expiry", "short-dated options", "", T(|t| { dated(t)?; t.ratio(Money::Expiry7d, Money::ExpiryVolume) });
    "dte_30d_share", "share expiring within a month", "share", 'G', ["quantity", "kind", "expiry", "underlying_price"], "options", Hellinger, false, "", "N of options with at most 30 days to expiry / N with an expiry", "options of the front month", "", T(|t| { dated(t)?; t.ratio(Money::Expiry30d, Money::ExpiryVolume) });
    "vega_sold", "vega sold", "USD a volatility of 1.00", 'G', ["quantity", "side", "kind", "option_type", "strike", "expiry", "underlying_price"], "options", SignedLog1p, false, "", "-Σ s q c vega at the time of each trade", "loss where volatility rises", "Black 1976", T(|t| greek(t, Money::Vega));
    "gamma_sold", "gamma sold", "USD of delta a 1 % move", 'G', ["quantity", "side", "kind", "option_type", "strike", "expiry", "underlying_price"], "options", SignedLog1p, false, "", "-Σ s q c gamma S² / 100 at the time of each trade", "how fast delta runs away", "Black 1976", T(|t| greek(t, Money::Gamma));
    "theta_sold", "theta sold", "USD a day", 'G', ["quantity", "side", "kind", "option_type", "strike", "expiry", "underlying_price"], "options", SignedLog1p, false, "", "-Σ s q c theta / 365 at the time of each trade; negative is income", "income from the passing of time", "Black 1976", T(|t| greek(t, Money::Theta));
    "leveraged_token_days", "days with leveraged tokens", "share of days", 'M', ["kind"], "", Hellinger, false, "", "distinct UTC days with a trade in a leveraged token / active days", "how regularly the account is in leveraged tokens", "", T(token_days);
    "leveraged_token_time", "time in leveraged tokens", "share of time", 'O', ["quantity", "price", "side", "instrument", "kind"], "", Hellinger, false, "", "time in which a leveraged token is held / time from first to last fill", "holds leveraged tokens, which decay, or passes through them", "", T(|t| { t.some(Count::Kinded, "missing:kind")?; super::flow::position(t, Ordered::leveraged_token_time) });
    "funding_share", "share held over funding", "share", 'O', ["quantity", "price", "side", "instrument", "kind"], "", Hellinger, false, "", "closed basis of perpetuals that was held over a time of funding (0:00, 8:00, 16:00 UTC) / closed basis of perpetuals, first in first out", "pays and earns funding, or is flat when it is due", "", T(funding_share);
    "token_leverage", "leverage of tokens", "times", 'G', ["quantity", "price", "token_factor"], "leveraged_tokens", Log1p, false, "", "N-weighted mean of |token_factor|", "how strong the leveraged tokens are", "", T(|t| t.mean(Money::TokenFactor, Money::TokenVolume, "missing:token_factor"));
}

fn kind(t: &Trades, kind: Kind) -> Value {
    t.priced()?;
    if t.sums.count(Count::Kinded) == 0 {
        return Err("missing:kind");
    }
    super::volume::part_of(t.sums.kind_volume(kind as usize), t.sums.money(Money::Kinded))
}

fn count(t: &Trades, kind: Kind) -> Value {
    if t.sums.count(Count::Kinded) == 0 {
        return Err("missing:kind");
    }
    Ok(t.sums.kind_count(kind as usize) as f64 / t.count(Count::Kinded))
}

fn combos(t: &Trades) -> Value {
    t.priced()?;
    if t.sums.money(Money::ComboKnown) == 0 {
        return Err("missing:combo_id");
    }
    t.mean(Money::Combo, Money::Volume, "zero_volume")
}

/// Options are undefined, not missing, for an account that trades none.
pub(super) fn options(t: &Trades) -> Result<(), &'static str> {
    t.some(Count::Kinded, "missing:kind")?;
    if t.sums.kind_count(Kind::Option as usize) == 0 {
        return Err("no_options");
    }
    Ok(())
}

/// Options with a notional, and among them some with what `count` counts. An option without the price of its underlying
/// is an option all the same.
fn priced_options(t: &Trades, count: Count, missing: &'static str) -> Result<(), &'static str> {
    options(t)?;
    if t.sums.count(Count::OptionsPriced) == 0 {
        let spot = t.sums.count(Count::NoSpot);
        let quantity = t.sums.kind_count(Kind::Option as usize).saturating_sub(spot);
        return Err(most(&[(quantity, "missing:quantity"), (spot, "missing:underlying_price")]));
    }
    t.some(count, missing)
}

/// Options with a premium; if none, what most of them lack for one.
fn premium(t: &Trades, count: Count) -> Result<(), &'static str> {
    options(t)?;
    t.some(
        count,
        most(&[
            (t.sums.count(Count::NoPremiumQuantity), "missing:quantity"),
            (t.sums.count(Count::NoPremiumPrice), "missing:price"),
            (t.sums.count(Count::NoPremiumSpot), "missing:underlying_price"),
        ]),
    )
}

/// Options with a notional and a premium.
fn priced_premium(t: &Trades) -> Result<(), &'static str> {
    priced_options(t, Count::OptionsPriced, "missing:underlying_price")?;
    premium(t, Count::PremiumsPriced)
}

/// Options with a premium that another account paid or was paid.
pub(super) fn sided_premium(t: &Trades) -> Result<(), &'static str> {
    premium(t, Count::Premiums)?;
    if t.sums.count(Count::Premiums) == t.sums.count(Count::PremiumsSelf) {
        return Err("self_trades");
    }
    t.some(Count::PremiumsSided, "missing:side")
}

/// Options with a strike and the price of the underlying.
fn struck(t: &Trades) -> Result<(), &'static str> {
    priced_options(t, Count::Struck, "missing:strike")?;
    t.some(Count::StruckSpot, "missing:underlying_price")?;
    t.some(Count::WithMoneyness, "undefined")
}

/// Options before their expiry.
fn dated(t: &Trades) -> Result<(), &'static str> {
    priced_options(t, Count::Expiring, "missing:expiry")?;
    t.some(Count::Dated, "expired")
}

pub(super) fn greeks(t: &Trades) -> Result<(), &'static str> {
    options(t)?;
    t.some(Count::WithGreeks, "no_greeks")
}

fn funding_share(t: &Trades) -> Value {
    t.some(Count::Kinded, "missing:kind")?;
    if t.sums.kind_count(Kind::Perpetual as usize) == 0 {
        return Err("no_perpetuals");
    }
    super::flow::position(t, Ordered::funding_share)
}

fn token_days(t: &Trades) -> Value {
    t.some(Count::Kinded, "missing:kind")?;
    Ok(t.parts(Tag::TokenDays)?.token_days() / t.parts(Tag::Days)?.active_days())
}

fn put_share(t: &Trades) -> Value {
    priced_options(t, Count::Typed, "missing:option_type")?;
    let (put, call) = (t.sums.money(Money::Put), t.sums.money(Money::Call));
    ratio(put, put.saturating_add(call)).ok_or("zero_volume")
}

/// With B bought and S sold, S / (S + B) is (1 - (B - S)/(B + S)) / 2.
fn sold_share(t: &Trades) -> Value {
    sided_premium(t)?;
    let (all, net) = (t.sums.money(Money::PremiumSided), t.sums.money(Money::PremiumSigned));
    ratio(all.saturating_sub(net), all.saturating_mul(2)).ok_or("zero_volume")
}

fn greek(t: &Trades, sum: Money) -> Value {
    greeks(t)?;
    Ok(-t.usd(sum))
}
