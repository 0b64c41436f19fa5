//! What an option trade adds to the sums: type, premium, moneyness, time to expiry and greeks at the time of the trade.

use crate::profile::days::DAY;
use crate::profile::fill::Fill;
use crate::profile::money;
use crate::profile::sums::{units, Count, Money, Sums};
use crate::profile::trade::{Mark, Num};
use crate::risk::{black76, implied_volatility};

/// A sold option whose delta is smaller than this is one of the far tail.
const TAIL_DELTA: f64 = 0.10;
const DAYS_A_YEAR: f64 = 365.0;

/// Premium of one contract of the underlying in USD: an option that is quoted in coin (inverse) costs p·S.
fn unit_premium(fill: &Fill) -> Option<f64> {
    let price = fill.num(Num::Price)?;
    if fill.mark(Mark::Inverse) == Some(true) {
        return Some(price * fill.num(Num::UnderlyingPrice)?);
    }
    Some(price * fill.num(Num::QuoteUsd).unwrap_or(1.0))
}

/// Adds an option's figures. `priced` is its notional in USD and in units of money, where it has one; the premium is
/// told without. What is signed by the side leaves out trades of the account with itself.
pub fn add(s: &mut Sums, fill: &Fill, priced: Option<(f64, i128)>) {
    let own = fill.mark(Mark::SelfTrade) == Some(true);
    let sign = fill.sign().filter(|_| !own);
    let face = fill.face();
    let unit = unit_premium(fill);
    let paid = unit.zip(face).and_then(|(unit, face)| money::from_usd((unit * face).abs()));
    let signed = |paid: i128, sign: f64| if sign > 0.0 { paid } else { -paid };
    if let Some(paid) = paid {
        s.tick(Count::Premiums);
        if own {
            s.tick(Count::PremiumsSelf);
        }
        if let Some(sign) = sign {
            s.tick(Count::PremiumsSided);
            s.pay(Money::PremiumSided, paid);
            s.pay(Money::PremiumSigned, signed(paid, sign));
        }
    } else if face.is_none() {
        s.tick(Count::NoPremiumQuantity);
    } else if fill.num(Num::Price).is_none() {
        s.tick(Count::NoPremiumPrice);
    } else if unit.is_none() {
        s.tick(Count::NoPremiumSpot);
    }
    let Some((usd, volume)) = priced else { return };
    s.tick(Count::OptionsPriced);
    let put = fill.mark(Mark::OptionType);
    if let Some(put) = put {
        s.tick(Count::Typed);
        s.pay(if put { Money::Put } else { Money::Call }, volume);
    }
    if let Some(paid) = paid {
        s.tick(Count::PremiumsPriced);
        s.pay(Money::PremiumVolume, volume);
        s.pay(Money::Premium, paid);
        if let Some(sign) = sign {
            s.pay(Money::PremiumSidedVolume, volume);
            s.pay(Money::PremiumPricedSigned, signed(paid, sign));
        }
    }
    let expiry = fill.num(Num::Expiry);
    if expiry.is_some() {
        s.tick(Count::Expiring);
    }
    let days = expiry.map(|expiry| (expiry - fill.at as f64) / DAY as f64);
    let days = days.filter(|&d| d > 0.0 && d.is_finite());
    if let Some(days) = days {
        s.tick(Count::Dated);
        s.weigh(Money::Expiry, Money::ExpiryVolume, volume, usd * days);
        for (within, sum) in [(1.0, Money::Expiry1d), (7.0, Money::Expiry7d), (30.0, Money::Expiry30d)] {
            if days <= within {
                s.pay(sum, volume);
            }
        }
    }
    let Some(strike) = fill.num(Num::Strike) else { return };
    s.tick(Count::Struck);
    let Some(spot) = fill.num(Num::UnderlyingPrice) else { return };
    s.tick(Count::StruckSpot);
    if strike <= 0.0 || spot <= 0.0 {
        return;
    }
    let moneyness = libm::log(strike / spot);
    s.tick(Count::WithMoneyness);
    s.weigh(Money::Moneyness, Money::MoneynessVolume, volume, usd * moneyness);
    let Some(put) = put else { return };
    s.tick(Count::OtmKnown);
    s.pay(Money::OtmVolume, volume);
    s.pay(Money::Otm, if put == (strike < spot) && strike != spot { volume } else { 0 });
    let Some(years) = days.map(|d| d / DAYS_A_YEAR) else { return };
    let given = fill.num(Num::ImpliedVolatility).filter(|&v| v > 0.0);
    let sigma = given.or_else(|| implied_volatility(unit?, spot, strike, years, 0.0, !put));
    let Some(sigma) = sigma else { return };
    let deviations = moneyness / (sigma * libm::sqrt(years));
    if deviations.is_finite() {
        s.weigh(Money::Standardised, Money::StandardisedVolume, volume, usd * deviations);
    }
    let (Some(sign), Some(face)) = (sign, face) else { return };
    let Some(greeks) = black76(spot, strike, years, sigma, 0.0, !put) else { return };
    s.tick(Count::WithGreeks);
    let vega = face * greeks.vega;
    s.pay(Money::VegaSize, units(vega.abs()));
    let mut signed = |sum, greek: f64| s.pay(sum, units(sign * greek));
    signed(Money::Vega, vega);
    signed(Money::Gamma, face * greeks.gamma * spot * spot / 100.0);
    signed(Money::Theta, face * greeks.theta / DAYS_A_YEAR);
    if sign < 0.0 {
        s.pay(Money::SoldVolume, volume);
        s.pay(Money::TailSold, if greeks.delta.abs() < TAIL_DELTA { volume } else { 0 });
    }
}
