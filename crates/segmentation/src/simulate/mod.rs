//! A derivatives venue with planted archetypes, for demonstrations, tests and benchmarks.
//!
//! Deterministic: a ChaCha8 stream for every account, so that what an account does depends on the seed, the days, the
//! noise and the crash, but not on how many accounts there are, and is the same bits on every platform. Accounts come
//! one after the other, each in time order; nothing is held but the market's hourly prices and one account's day and
//! positions.

mod account;
mod archetype;
mod book;
mod calendar;
mod crash;
mod crowd;
mod habits;
mod instrument;
mod life;
mod market;
mod option;
mod order;
mod random;
mod reference;
mod rows;

pub use archetype::Archetype;
pub use reference::{instruments, prices, quotes};
pub use rows::{account_name, Counterparty, SimInstrument, SimPrice, SimQuote, SimSnapshot, SimTrade};

use crate::error::{Error, Result};
use life::Event;
use std::collections::VecDeque;

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Number of accounts, 1 to 10,000,000; the archetypes are equally frequent.
    pub accounts: u32,
    /// Length of the period in days, 1 to 3,650, from 2024-01-01 00:00 UTC.
    pub days: u32,
    pub seed: u64,
    /// How far accounts depart from their archetype, 0 to 10: 0 little, 0.5 archetypes blur, 1 hardly any structure,
    /// 10 none at all.
    pub noise: f64,
    /// Day of the period, 1 the first, on which every underlying falls by 12 to 30 % within four hours and a part of
    /// it comes back; `None` for no crash. Everything before that day is as without.
    pub crash_day: Option<u32>,
}

impl Default for Params {
    /// 300 accounts over 60 days, seed 1, no noise, no crash.
    fn default() -> Self {
        Params { accounts: 300, days: 60, seed: 1, noise: 0.0, crash_day: None }
    }
}

impl Params {
    /// Errors (invalid parameter) name the value and its limits.
    pub fn check(&self) -> Result<()> {
        let within = |name: &str, value: u32, most: u32| {
            if (1..=most).contains(&value) {
                return Ok(());
            }
            let message = format!("number of {name} to simulate is {value}, it must be between 1 and {most}");
            Err(Error::invalid(message).hint("300 accounts over 60 days are a good start"))
        };
        within("accounts", self.accounts, 10_000_000)?;
        within("days", self.days, 3_650)?;
        if !(0.0..=10.0).contains(&self.noise) {
            return Err(Error::invalid(format!("noise is {}, it must be between 0 and 10", self.noise))
                .hint("0 gives clear archetypes, 1 hardly any structure"));
        }
        if let Some(day) = self.crash_day.filter(|day| !(1..=self.days).contains(day)) {
            let limit = self.days;
            return Err(Error::invalid(format!("crash_day is {day}, it must be between 1 and the {limit} days"))
                .hint("leave it out for no crash"));
        }
        Ok(())
    }
}

/// Streams the trades, account by account and in time order within each; every account has at least one.
/// Errors as [`Params::check`]. Memory: 8 bytes for each hour of about 30 price paths, whatever the accounts, and one
/// account's open positions and its fills of five minutes.
pub fn trades(params: &Params) -> Result<impl Iterator<Item = SimTrade>> {
    let (market, mut next) = reference::events(params)?;
    let mut trade_id = 0;
    // An account's flow is known once its five minutes are over: with the first fill that is not of them.
    let mut fills: VecDeque<SimTrade> = VecDeque::new();
    let mut later: Option<SimTrade> = None;
    Ok(std::iter::from_fn(move || {
        if fills.is_empty() {
            fills.extend(later.take());
            while let Some(event) = next(&market) {
                let Event::Trade(trade) = event else { continue };
                let place = |t: &SimTrade| (t.account, crowd::bin_of(t));
                if fills.front().is_some_and(|first| place(first) != place(&trade)) {
                    later = Some(trade);
                    break;
                }
                fills.push_back(trade);
            }
            crowd::write_flows(&market, &mut fills);
        }
        let trade = fills.pop_front()?;
        trade_id += 1;
        Some(SimTrade { trade_id, ..trade })
    }))
}

/// Streams the daily snapshots of the accounts of [`trades`], from each account's first trade to the end of the
/// period. Errors as [`Params::check`].
pub fn snapshots(params: &Params) -> Result<impl Iterator<Item = SimSnapshot>> {
    let (market, mut next) = reference::events(params)?;
    Ok(std::iter::from_fn(move || loop {
        if let Event::Snapshot(snapshot) = next(&market)? {
            return Some(snapshot);
        }
    }))
}
