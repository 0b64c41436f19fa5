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

/// What an option's markouts read and add up, by horizon: the later volatility, mid and price of the underlying.
struct Later {
    volatility: Num,
    mid: Num,
    spot: Num,
    vol: (Money, Money),
    hedged: (Money, Money),
    known: Count,
}

const LATER: [Later; 2] = [
    Later {
        volatility: Num::ImpliedVolatility1m,
        mid: Num::Mid1m,
        spot: Num::UnderlyingPrice1m,
        vol: (Money::VolMarkout1m, Money::VolMarkout1mVolume),
        hedged: (Money::HedgedMarkout1m, Money::HedgedMarkout1mVolume),
        known: Count::HedgedMid1m,
    },
    Later {
        volatility: Num::ImpliedVolatility5m,
        mid: Num::Mid5m,
        spot: Num::UnderlyingPrice5m,
        vol: (Money::VolMarkout5m, Money::VolMarkout5mVolume),
        hedged: (Money::HedgedMarkout5m, Money::HedgedMarkout5mVolume),
        known: Count::HedgedMid5m,
    },
];

/// Volatility points in a volatility of 1.
const POINTS: f64 = 100.0;

/// How the option's volatility moved after the trade, signed by the account's side.
fn add_vol_markouts(s: &mut Sums, fill: &Fill, (usd, volume): (f64, i128), sign: f64) {
    let Some(sigma) = fill.num(Num::ImpliedVolatility).filter(|&v| v > 0.0) else { return };
    s.tick(Count::WithVolatility);
    for later in &LATER {
        if let Some(after) = fill.num(later.volatility).filter(|&v| v > 0.0) {
            s.weigh(later.vol.0, later.vol.1, volume, usd * sign * POINTS * (after - sigma));
        }
    }
}

/// What the option gained after the trade beyond what a hedge of its delta would have lost, over its premium.
fn add_hedged_markouts(s: &mut Sums, fill: &Fill, (usd, volume): (f64, i128), sign: f64, premium: f64, delta: f64) {
    let Some(spot) = fill.num(Num::UnderlyingPrice) else { return };
    for later in &LATER {
        let Some(mid) = fill.num(later.mid) else { continue };
        s.tick(later.known);
        let Some(spot_later) = fill.num(later.spot).filter(|&s| s > 0.0) else { continue };
        let in_usd = match fill.mark(Mark::Inverse) {
            Some(true) => spot_later,
            _ => fill.num(Num::QuoteUsd).unwrap_or(1.0),
        };
        let gain = mid * in_usd - premium - delta * (spot_later - spot);
        s.weigh(later.hedged.0, later.hedged.1, volume, usd * sign * gain / premium);
    }
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
    if let Some(sign) = sign {
        add_vol_markouts(s, fill, (usd, volume), sign);
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
    if let Some(premium) = unit.filter(|&unit| unit > 0.0) {
        add_hedged_markouts(s, fill, (usd, volume), sign, premium, greeks.delta);
    }
    if sign < 0.0 {
        s.pay(Money::SoldVolume, volume);
        s.pay(Money::TailSold, if greeks.delta.abs() < TAIL_DELTA { volume } else { 0 });
    }
}
