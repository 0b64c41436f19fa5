//! The crowd: what everybody else on the venue buys and sells of an instrument, in bins of five minutes.
//!
//! A process of its own and no sum over the accounts, which are few beside a venue and whose number must not matter. It
//! is a function of seed, instrument, bin and prices and takes no account's random numbers: nothing else of a trade
//! depends on it.

use super::calendar::START;
use super::instrument::{Contract, Instrument, Kind};
use super::market::{Market, UNDERLYINGS};
use super::random::scattered_normal;
use super::SimTrade;
use std::collections::{BTreeMap, VecDeque};

/// Divides a day, so that no bin has two.
const BIN: i64 = 300_000_000;
/// Shares of the crowd's standardised flow: the trend of the day before, which has a variance of about 1, what is common
/// to an underlying, and the instrument's own. The squares add to 1.
const LEAN: f64 = 0.6;
const SHARED: f64 = 0.48;
const OWN: f64 = 0.64;
/// Standardised flow is further from 0 than this in a tenth of the bins; a one-sided bin stands for the volume buckets
/// that fill within it.
const TOXIC: f64 = 1.644_853_626_951_47;
/// Standard deviation in USD of a bin's flow in the perpetual of the most popular underlying, and of the other kinds as
/// shares of it, in the order of [`Kind::ALL`].
const SCALE: f64 = 4e6;
const SHARES: [f64; 5] = [0.4, 0.1, 1.0, 0.01, 0.02];
/// In place of a kind, in the number of what the instruments of an underlying have in common.
const ALL_KINDS: u64 = 7;

/// Number of the five minutes that a fill is in.
pub(super) fn bin_of(trade: &SimTrade) -> i64 {
    trade.executed_at.div_euclid(BIN)
}

/// Writes flows into the fills, which are all of one account and one bin.
pub(super) fn write_flows(market: &Market, fills: &mut VecDeque<SimTrade>) {
    let mut own: BTreeMap<Instrument, f64> = BTreeMap::new();
    for t in fills.iter() {
        *own.entry(t.listed).or_default() += if t.is_buy { t.notional_usd } else { -t.notional_usd };
    }
    for t in fills {
        let flow = standardised(market, t.listed, bin_of(t) - START / BIN);
        t.own_flow_usd = own.get(&t.listed).copied().unwrap_or_default();
        t.others_flow_usd = (flow * scale(t.listed) * 100.0).round() / 100.0;
        t.is_toxic = flow.abs() > TOXIC;
    }
}

/// Flow of the crowd in units of its standard deviation. It follows the underlying whatever the contract, puts and short
/// tokens too, as the accounts do.
fn standardised(market: &Market, instrument: Instrument, bin: i64) -> f64 {
    let underlying = instrument.underlying;
    let noise = |series| scattered_normal(market.seed, series, bin as u64);
    // What the bin itself will bring is not known yet when it begins.
    LEAN * market.trend(underlying, bin * BIN)
        + SHARED * noise(series(underlying, ALL_KINDS, 0, 0, 0))
        + OWN * noise(series_of(instrument))
}

fn scale(instrument: Instrument) -> f64 {
    let behind = UNDERLYINGS[instrument.underlying].popularity - UNDERLYINGS[0].popularity;
    SCALE * SHARES[instrument.kind() as usize] * libm::exp(behind)
}

fn series_of(instrument: Instrument) -> u64 {
    let (flag, expiry, strike) = match instrument.contract {
        Contract::Spot => (false, 0, 0),
        Contract::Future { expiry } => (false, expiry, 0),
        Contract::Perpetual { inverse } => (inverse, 0, 0),
        Contract::Option { expiry, strike, call } => (call, expiry, strike),
        Contract::Token { long } => (long, 0, 0),
    };
    series(instrument.underlying, instrument.kind() as u64, u64::from(flag), expiry, strike)
}

/// A number of its own for each; the highest bit keeps them apart from those of the prices' jitter.
fn series(underlying: usize, kind: u64, flag: u64, expiry: usize, strike: u32) -> u64 {
    1 << 63 | u64::from(strike) << 24 | (expiry as u64) << 8 | flag << 7 | kind << 4 | underlying as u64
}

// The numbers have room for all of them: four bits of underlyings, three of kinds, one of them for all kinds.
const _: () = assert!(UNDERLYINGS.len() <= 16 && Kind::ALL.len() <= ALL_KINDS as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::calendar::DAY;
    use crate::simulate::instrument::listed;
    use std::collections::BTreeSet;

    #[test]
    fn every_instrument_has_a_series() {
        let list = listed(&Market::new(1, 400, None));
        let series: BTreeSet<u64> = list.iter().map(|&i| series_of(i)).collect();
        assert_eq!(series.len(), list.len());
    }

    #[test]
    fn flow_is_standard_and_leans_with_the_trend() {
        let market = Market::new(3, 730, None);
        let flow = |inverse, bin| {
            standardised(&market, Instrument { underlying: 0, contract: Contract::Perpetual { inverse } }, bin)
        };
        let bins = 730 * DAY / BIN;
        let (mut square, mut trend, mut both, mut toxic) = (0.0, 0.0, 0.0, 0);
        for bin in 0..bins {
            let z = flow(false, bin);
            square += z * z;
            trend += z * market.trend(0, bin * BIN);
            both += z * flow(true, bin);
            toxic += i64::from(z.abs() > TOXIC);
        }
        let mean = |sum: f64| sum / bins as f64;
        assert!((mean(square) - 1.0).abs() < 0.1, "{}", mean(square));
        assert!((mean(trend) - LEAN).abs() < 0.1, "{}", mean(trend));
        assert!((mean(both) - (1.0 - OWN * OWN)).abs() < 0.1, "{}", mean(both));
        assert!((mean(toxic as f64) - 0.1).abs() < 0.02, "{}", mean(toxic as f64));
    }
}
