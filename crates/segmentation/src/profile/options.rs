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

/// Adds an option's figures; `volume` is its notional in units of money, `usd` the same in USD.
pub fn add(s: &mut Sums, fill: &Fill, volume: i128, usd: f64) {
    s.tick(Count::Options);
    let put = fill.mark(Mark::OptionType);
    if let Some(put) = put {
        s.pay(if put { Money::Put } else { Money::Call }, volume);
    }
    let sign = fill.sign();
    let face = fill.face();
    let premium = unit_premium(fill);
    if let (Some(premium), Some(face)) = (premium, face) {
        if let Some(paid) = money::from_usd((premium * face).abs()) {
            s.pay(Money::PremiumVolume, volume);
            s.pay(Money::Premium, paid);
            if let Some(sign) = sign {
                s.pay(Money::PremiumSidedVolume, volume);
                s.pay(Money::PremiumSided, paid);
                s.pay(Money::PremiumSigned, if sign > 0.0 { paid } else { -paid });
            }
        }
    }
    let days = fill.num(Num::Expiry).map(|expiry| (expiry - fill.at as f64) / DAY as f64);
    let days = days.filter(|&d| d > 0.0 && d.is_finite());
    if let Some(days) = days {
        s.weigh(Money::Expiry, Money::ExpiryVolume, volume, usd * days);
        for (within, sum) in [(1.0, Money::Expiry1d), (7.0, Money::Expiry7d), (30.0, Money::Expiry30d)] {
            if days <= within {
                s.pay(sum, volume);
            }
        }
    }
    let (Some(strike), Some(spot)) = (fill.num(Num::Strike), fill.num(Num::UnderlyingPrice)) else { return };
    if strike <= 0.0 || spot <= 0.0 {
        return;
    }
    let moneyness = libm::log(strike / spot);
    s.weigh(Money::Moneyness, Money::MoneynessVolume, volume, usd * moneyness);
    let Some(put) = put else { return };
    s.pay(Money::OtmVolume, volume);
    s.pay(Money::Otm, if put == (strike < spot) && strike != spot { volume } else { 0 });
    let Some(years) = days.map(|d| d / DAYS_A_YEAR) else { return };
    let given = fill.num(Num::ImpliedVolatility).filter(|&v| v > 0.0);
    let sigma = given.or_else(|| implied_volatility(premium?, spot, strike, years, 0.0, !put));
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
