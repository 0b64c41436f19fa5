//! A derivatives venue with planted archetypes, for demonstrations, tests and benchmarks.
//!
//! Deterministic: a ChaCha8 stream for every account, so that an account's trades depend on the seed, the days and
//! the noise, but not on how many accounts there are, and are the same bits on every platform. Accounts come one
//! after the other, each in time order; nothing is held but the market's hourly prices and one account's day.

mod account;
mod archetype;
mod calendar;
mod instrument;
mod market;
mod random;

pub use archetype::Archetype;

use crate::error::{Error, Result};
use account::Account;
use market::Market;

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
        Ok(())
    }
}

/// One simulated fill.
#[derive(Clone, Debug, PartialEq)]
pub struct SimTrade {
    /// 1, 2, … over the whole simulation.
    pub trade_id: i64,
    /// 0 to accounts - 1.
    pub account: u32,
    /// 1, 2, … within the account, in time order.
    pub sequence: u32,
    /// Microseconds since 2000-01-01 00:00 UTC, as in PostgreSQL; strictly increasing within an account.
    pub executed_at: i64,
    /// As venues name it, such as `BTC-28JUN24-70000-C`.
    pub instrument: String,
    pub underlying: &'static str,
    /// `spot`, `future`, `perpetual`, `option` or `leveraged_token`.
    pub kind: &'static str,
    /// Whether the account bought.
    pub is_buy: bool,
    /// Units of the underlying, or of the token; positive.
    pub quantity: f64,
    /// USD for one unit; an option's is its premium.
    pub price: f64,
    /// Quantity times price, for an option quantity times price of the underlying.
    pub notional_usd: f64,
    /// Negative is a rebate.
    pub fee_usd: f64,
    pub is_maker: bool,
    /// The truth a clustering should find.
    pub archetype: Archetype,
}

/// Streams the trades, account by account and in time order within each; every account has at least one.
/// Errors as [`Params::check`]. Memory: 8 bytes for each hour of about 30 price paths, whatever the accounts.
pub fn trades(params: &Params) -> Result<impl Iterator<Item = SimTrade>> {
    params.check()?;
    let params = *params;
    let market = Market::new(params.seed, params.days);
    let mut account = Account::new(&params, 0);
    let (mut number, mut trade_id) = (0, 0);
    Ok(std::iter::from_fn(move || loop {
        if let Some(trade) = account.next_trade(&market) {
            trade_id += 1;
            return Some(SimTrade { trade_id, ..trade });
        }
        number += 1;
        if number >= params.accounts {
            return None;
        }
        account = Account::new(&params, number);
    }))
}
