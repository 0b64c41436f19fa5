//! What a venue publishes: quotes, an index of prices, the list of instruments.

use super::account::Account;
use super::calendar::{DAY, HOUR, START};
use super::instrument::{listed, tick, Instrument};
use super::life::Event;
use super::market::{Market, COUNT, UNDERLYINGS};
use super::{Params, SimInstrument, SimPrice, SimQuote};
use crate::error::Result;

/// When quotes are given, from each fill: a second before, and where markouts are taken.
const OFFSETS: [i64; 6] = [-1, 1, 10, 60, 300, 3_600];
const SECOND: i64 = 1_000_000;

/// What all accounts do, account by account and in time order within each.
pub(super) fn events(params: &Params) -> Result<(Market, impl FnMut(&Market) -> Option<Event>)> {
    params.check()?;
    let params = *params;
    let market = Market::new(params.seed, params.days, params.crash_day);
    let mut account = Account::new(&params, 0);
    Ok((market, move |market: &Market| loop {
        if let Some(event) = account.next(market) {
            return Some(event);
        }
        if account.number + 1 >= params.accounts {
            return None;
        }
        account = Account::new(&params, account.number + 1);
    }))
}

/// Quotes of the instruments that [`super::trades`] prints: one second before each fill and 1 s, 10 s, 1 min, 5 min
/// and 1 h after it, until the instrument expires. A quote depends on the instrument and the time alone; fill by fill,
/// so not in time order. Errors as [`Params::check`].
pub fn quotes(params: &Params) -> Result<impl Iterator<Item = SimQuote>> {
    let (market, mut next) = events(params)?;
    let mut about: Option<(Instrument, i64, String)> = None;
    let mut left: &[i64] = &[];
    Ok(std::iter::from_fn(move || loop {
        while let (Some((&offset, rest)), Some((instrument, at, name))) = (left.split_first(), &about) {
            left = rest;
            let quoted = (at + offset * SECOND).max(0);
            if instrument.expiry(&market).is_none_or(|expiry| quoted < expiry) {
                return Some(quote(&market, *instrument, quoted, name));
            }
        }
        match next(&market)? {
            Event::Trade(trade) => {
                about = Some((trade.listed, trade.executed_at - START, trade.instrument));
                left = &OFFSETS;
            }
            Event::Snapshot(_) => {}
        }
    }))
}

fn quote(market: &Market, instrument: Instrument, at: i64, name: &str) -> SimQuote {
    let mark = instrument.mark(market, at);
    let (mid, half) = (mark.price, mark.price * instrument.half_spread());
    SimQuote {
        instrument: name.to_owned(),
        quoted_at: START + at,
        bid: tick(mid - half),
        ask: tick(mid + half),
        implied_volatility: mark.volatility,
        underlying_price: tick(market.spot(instrument.underlying, at)),
    }
}

/// The price of every underlying at every full hour of the period, its first and its last moment included; one
/// underlying after the other. `crash_day` as in [`Params`]. Errors as [`Params::check`].
pub fn prices(days: u32, seed: u64, crash_day: Option<u32>) -> Result<impl Iterator<Item = SimPrice>> {
    Params { accounts: 1, days, seed, noise: 0.0, crash_day }.check()?;
    let market = Market::new(seed, days, crash_day);
    let hours = i64::from(days) * (DAY / HOUR);
    Ok((0..COUNT).flat_map(move |u| (0..=hours).map(move |hour| (u, hour * HOUR))).map(move |(u, at)| SimPrice {
        underlying: UNDERLYINGS[u].name,
        priced_at: START + at,
        price: tick(market.spot(u, at)),
    }))
}

/// Every instrument that [`super::trades`] can print, whatever the accounts, the noise and the crash. Errors as
/// [`Params::check`].
pub fn instruments(days: u32, seed: u64) -> Result<impl Iterator<Item = SimInstrument>> {
    Params { accounts: 1, days, seed, noise: 0.0, crash_day: None }.check()?;
    let market = Market::new(seed, days, None);
    Ok(listed(&market).into_iter().map(move |instrument| SimInstrument {
        instrument: instrument.name(&market),
        kind: instrument.kind().name(),
        underlying: UNDERLYINGS[instrument.underlying].name,
        strike: instrument.strike(),
        expiry: instrument.expiry(&market).map(|at| START + at),
        option_type: instrument.option_type(),
        contract_size: instrument.contract_size(),
        inverse: instrument.inverse(),
        token_factor: instrument.token_factor(),
    }))
}
