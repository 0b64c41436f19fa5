//! Instruments as venues name them, what they cost and what one contract is: BTC-USD, BTC_USDC-PERPETUAL,
//! BTC-PERPETUAL (inverse), BTC_USDC-29MAR24, BTC_USDC-28JUN24-70000-C, BTC3L-USD.
//!
//! Linear ones have quantities in contracts of some units of the underlying (or token) and prices in USD. Inverse
//! perpetuals have a face in USD and pay in the coin.

use super::calendar::{next_friday, DAY, EXPIRY_HOUR, HOUR};
use super::market::{Market, COUNT, FACTORS, UNDERLYINGS};
use super::option::{nearest_strike, strike_step, value, years};
use crate::profile::fill;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What is traded: [`fill::Kind`] without other kinds. One of its own because the order is that of the weights in an account's
/// behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Spot,
    Future,
    Perpetual,
    Option,
    Token,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Spot, Kind::Future, Kind::Perpetual, Kind::Option, Kind::Token];

    pub fn name(self) -> &'static str {
        let kind = match self {
            Kind::Spot => fill::Kind::Spot,
            Kind::Future => fill::Kind::Future,
            Kind::Perpetual => fill::Kind::Perpetual,
            Kind::Option => fill::Kind::Option,
            Kind::Token => fill::Kind::LeveragedToken,
        };
        kind.name()
    }

    pub fn listed_on(self, underlying: usize) -> bool {
        let asset = &UNDERLYINGS[underlying];
        match self {
            Kind::Spot | Kind::Perpetual => true,
            Kind::Future => asset.futures,
            Kind::Option => asset.options,
            Kind::Token => asset.tokens,
        }
    }

    /// Taker and maker fee of the lowest tier, basis points of notional.
    pub fn fees(self) -> (f64, f64) {
        match self {
            Kind::Spot => (9.0, 6.0),
            Kind::Future => (5.0, 2.0),
            Kind::Perpetual => (5.5, 2.0),
            Kind::Option => (4.0, 3.0),
            Kind::Token => (11.0, 8.0),
        }
    }
}

/// What an instrument is; expiries are indices of [`Market::fridays`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contract {
    Spot,
    Future { expiry: usize },
    Perpetual { inverse: bool },
    Option { expiry: usize, strike: u32, call: bool },
    Token { long: bool },
}

/// One listed instrument; the order is that of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instrument {
    /// Index of [`UNDERLYINGS`].
    pub underlying: usize,
    pub contract: Contract,
}

/// An instrument at one moment.
pub(super) struct Mark {
    /// USD for one unit.
    pub price: f64,
    /// USD by which one unit gains when the underlying rises by all of its price (an inverse contract: one USD of face).
    pub delta: f64,
    pub volatility: Option<f64>,
}

impl Instrument {
    pub fn kind(self) -> Kind {
        match self.contract {
            Contract::Spot => Kind::Spot,
            Contract::Future { .. } => Kind::Future,
            Contract::Perpetual { .. } => Kind::Perpetual,
            Contract::Option { .. } => Kind::Option,
            Contract::Token { .. } => Kind::Token,
        }
    }

    pub fn name(self, market: &Market) -> String {
        let mut name = String::with_capacity(28);
        name.push_str(UNDERLYINGS[self.underlying].name);
        let label = |expiry: usize| &market.fridays[expiry].label;
        let written = match self.contract {
            Contract::Spot => write!(name, "-USD"),
            Contract::Perpetual { inverse: false } => write!(name, "_USDC-PERPETUAL"),
            Contract::Perpetual { inverse: true } => write!(name, "-PERPETUAL"),
            Contract::Token { long } => write!(name, "3{}-USD", if long { 'L' } else { 'S' }),
            Contract::Future { expiry } => write!(name, "_USDC-{}", label(expiry)),
            Contract::Option { expiry, strike, call } => {
                write!(name, "_USDC-{}-{strike}-{}", label(expiry), if call { 'C' } else { 'P' })
            }
        };
        debug_assert!(written.is_ok());
        name
    }

    pub fn inverse(self) -> bool {
        self.contract == Contract::Perpetual { inverse: true }
    }

    /// Units of one contract: USD of an inverse one, else units of the underlying or token.
    pub fn contract_size(self) -> f64 {
        match self.contract {
            Contract::Perpetual { inverse: true } => [100.0, 10.0][self.underlying.min(1)],
            Contract::Option { .. } if self.underlying > 1 => 10.0,
            _ => 1.0,
        }
    }

    fn expires(self) -> Option<usize> {
        match self.contract {
            Contract::Future { expiry } | Contract::Option { expiry, .. } => Some(expiry),
            _ => None,
        }
    }

    /// Microseconds after the start.
    pub fn expiry(self, market: &Market) -> Option<i64> {
        self.expires().map(|expiry| market.fridays[expiry].day * DAY + EXPIRY_HOUR)
    }

    pub fn strike(self) -> Option<f64> {
        match self.contract {
            Contract::Option { strike, .. } => Some(f64::from(strike)),
            _ => None,
        }
    }

    pub fn option_type(self) -> Option<&'static str> {
        match self.contract {
            Contract::Option { call, .. } => Some(if call { "call" } else { "put" }),
            _ => None,
        }
    }

    pub fn token_factor(self) -> Option<f64> {
        match self.contract {
            Contract::Token { long } => Some(FACTORS[usize::from(!long)]),
            _ => None,
        }
    }

    /// Middle price and sensitivity `at` microseconds after the start; of an expired one what it pays.
    pub fn mark(self, market: &Market, at: i64) -> Mark {
        let linear = |price: f64| Mark { price, delta: price, volatility: None };
        let spot = market.spot(self.underlying, at);
        match self.contract {
            Contract::Spot => linear(spot),
            Contract::Perpetual { inverse } => {
                let price = spot * (1.0 + 0.000_2 * market.trend(self.underlying, at));
                Mark { price, delta: if inverse { 1.0 } else { price }, volatility: None }
            }
            Contract::Future { expiry } => linear(spot * (1.0 + 0.08 * years(&market.fridays[expiry], at).max(0.0))),
            Contract::Option { expiry, strike, call } => {
                let valued = value(market, self.underlying, expiry, f64::from(strike), call, at);
                Mark { price: valued.premium, delta: valued.delta * spot, volatility: Some(valued.volatility) }
            }
            Contract::Token { long } => {
                let price = market.token(self.underlying, long, at);
                Mark { price, delta: price * FACTORS[usize::from(!long)], volatility: None }
            }
        }
    }

    /// Half of the quoted spread, relative to the price.
    pub fn half_spread(self) -> f64 {
        let basis_points = match self.kind() {
            Kind::Spot | Kind::Perpetual => 1.0,
            Kind::Future => 1.5,
            Kind::Token => 4.0,
            // Of the premium.
            Kind::Option => 100.0,
        };
        // The popular come first and are the most liquid.
        basis_points * (1.0 + 0.2 * self.underlying as f64) / 10_000.0
    }
}

/// Indices of the expiries in which a future trades at a time: the week, the month, the quarter.
pub(super) fn future_expiries(market: &Market, at: i64) -> [usize; 3] {
    let first = &market.fridays[next_friday(at)];
    [next_friday(at), first.monthly, first.quarterly]
}

/// Indices of the expiries in which an option trades at a time, nearest first; one that expires within the hour is not
/// among them.
pub(super) fn option_expiries(market: &Market, at: i64) -> [usize; 4] {
    let first = next_friday(at + HOUR);
    [first, first + 1, market.fridays[first + 1].monthly, market.fridays[first + 4].monthly]
}

/// The listed option nearest to a strike price.
pub(super) fn option(market: &Market, underlying: usize, expiry: usize, price: f64, call: bool) -> Instrument {
    let [low, high] = market.strikes(underlying, expiry);
    let strike = nearest_strike(price.clamp(low, high)) as u32;
    Instrument { underlying, contract: Contract::Option { expiry, strike, call } }
}

/// Whether a perpetual with a face in USD is listed.
pub(super) fn has_inverse(underlying: usize) -> bool {
    underlying < 2
}

/// Every instrument that can be traded in the market's period, by underlying, kind and expiry.
pub(super) fn listed(market: &Market) -> Vec<Instrument> {
    let (mut futures, mut options) = (BTreeSet::new(), BTreeSet::new());
    // Which expiries trade changes only on Fridays: at the expiry, and for options an hour before.
    for hour in 0..i64::from(market.days) * 24 {
        futures.extend(future_expiries(market, hour * HOUR));
        options.extend(option_expiries(market, hour * HOUR));
    }
    let mut list = Vec::new();
    for underlying in 0..COUNT {
        let mut add = |contract| list.push(Instrument { underlying, contract });
        add(Contract::Spot);
        if Kind::Future.listed_on(underlying) {
            futures.iter().for_each(|&expiry| add(Contract::Future { expiry }));
        }
        add(Contract::Perpetual { inverse: false });
        if has_inverse(underlying) {
            add(Contract::Perpetual { inverse: true });
        }
        if Kind::Option.listed_on(underlying) {
            for &expiry in &options {
                let [low, high] = market.strikes(underlying, expiry).map(nearest_strike);
                let mut strike = low;
                while strike <= high {
                    for call in [true, false] {
                        add(Contract::Option { expiry, strike: strike as u32, call });
                    }
                    strike += strike_step(strike);
                }
            }
        }
        if Kind::Token.listed_on(underlying) {
            add(Contract::Token { long: true });
            add(Contract::Token { long: false });
        }
    }
    list
}

/// Rounds a positive number to five significant digits or more, as a decimal, and never to 0.
pub(super) fn tick(x: f64) -> f64 {
    let mut scale = 1.0;
    while x * scale < 10_000.0 && scale < 1e8 {
        scale *= 10.0;
    }
    (x * scale).round().max(1.0) / scale
}
