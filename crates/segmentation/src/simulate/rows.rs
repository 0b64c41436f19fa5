//! The rows that a simulation consists of. Times are microseconds since 2000-01-01 00:00 UTC, as in PostgreSQL.

use super::archetype::Archetype;
use super::instrument::Instrument;

/// Who was on the other side of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterparty {
    /// An account of the simulation, rarely the account itself.
    Account(u32),
    /// One that makes markets and has no account in the simulation.
    MarketMaker(u8),
}

impl Counterparty {
    /// As SQL shows it: `acct_0001`, `maker_1`.
    pub fn name(self) -> String {
        match self {
            Counterparty::Account(number) => account_name(number),
            Counterparty::MarketMaker(number) => format!("maker_{}", number + 1),
        }
    }
}

/// An account's number, from 0, as SQL shows it: `acct_0001`.
pub fn account_name(number: u32) -> String {
    format!("acct_{:04}", u64::from(number) + 1)
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
    /// Strictly increasing within an account.
    pub executed_at: i64,
    /// As venues name it, such as `BTC_USDC-28JUN24-70000-C`.
    pub instrument: String,
    pub underlying: &'static str,
    /// `spot`, `future`, `perpetual`, `option` or `leveraged_token`.
    pub kind: &'static str,
    /// Whether the account bought.
    pub is_buy: bool,
    /// Contracts; positive. With the contract size: units of the underlying or of the token, or USD if inverse.
    pub quantity: f64,
    /// USD for one unit of the underlying or token; an option's is its premium.
    pub price: f64,
    /// Quantity times contract size, times the price, or for an option that of the underlying, or for an inverse
    /// contract nothing more.
    pub notional_usd: f64,
    /// Negative is a rebate.
    pub fee_usd: f64,
    pub is_maker: bool,
    /// The truth a clustering should find.
    pub archetype: Archetype,
    /// 1, 2, … within the account; several fills can be of one order.
    pub order: u32,
    pub counterparty: Counterparty,
    pub venue: &'static str,
    /// `USD`, `USDC`, `BTC` or `ETH`; of an inverse contract the coin it pays in.
    pub collateral: &'static str,
    pub contract_size: f64,
    /// A contract with a face in USD that pays in the coin.
    pub inverse: bool,
    pub strike: Option<f64>,
    pub expiry: Option<i64>,
    /// `call` or `put`.
    pub option_type: Option<&'static str>,
    /// USD.
    pub underlying_price: f64,
    /// The venue's, of options: 0.6 is 60 %.
    pub implied_volatility: Option<f64>,
    /// 3 or -3, of leveraged tokens.
    pub token_factor: Option<f64>,
    /// Declared, of futures, perpetuals and options.
    pub leverage: Option<f64>,
    /// Of what is margined: isolated at leverage above 10, else cross.
    pub margin_mode: Option<&'static str>,
    /// What the fill gained of the position's average cost, before fees; `None` if it closes nothing. Expiries gain
    /// without a fill.
    pub realised_pnl_usd: Option<f64>,
    pub is_liquidation: bool,
    /// `limit`, `market`, `stop` or `stop_limit`.
    pub order_type: &'static str,
    /// 1, 2, … within the account; two option fills of one combination share it.
    pub combo: Option<u32>,
    /// Signed notional of the account in this instrument within the trade's five minutes (of UTC); purchases positive.
    pub own_flow_usd: f64,
    /// The same of all the others on the venue, who are many more than the simulated accounts.
    pub others_flow_usd: f64,
    /// Whether the others' flow was so one-sided that the fill went into a volume bucket of high VPIN.
    pub is_toxic: bool,
    pub(super) listed: Instrument,
}

impl SimTrade {
    /// The order's name, unique over the simulation.
    pub fn order_id(&self) -> String {
        format!("order_{}_{}", self.account + 1, self.order)
    }

    /// The combination's name, unique over the simulation.
    pub fn combo_id(&self) -> Option<String> {
        self.combo.map(|combo| format!("combo_{}_{combo}", self.account + 1))
    }
}

/// An account's state at 23:59 UTC of one day. Money in USD.
#[derive(Clone, Debug, PartialEq)]
pub struct SimSnapshot {
    pub account: u32,
    pub taken_at: i64,
    /// Paid in, plus realised, less fees and funding, plus the open positions' gain.
    pub equity_usd: f64,
    /// Deposits less withdrawals since the snapshot before.
    pub flow_usd: f64,
    pub initial_margin_usd: f64,
    pub maintenance_margin_usd: f64,
    /// Sum of the positions' absolute notionals.
    pub gross_notional_usd: f64,
    /// Sum over the underlyings of the absolute net delta; a leveraged token counts with its leverage.
    pub delta_usd: f64,
    /// Sum over the positions of the absolute delta.
    pub gross_delta_usd: f64,
    pub net_delta_usd: f64,
    /// How far the underlying with the largest delta may move against the account before it is liquidated, as a share
    /// of its price; `None` without margin or where there is no such price.
    pub liquidation_distance: Option<f64>,
    /// Paid since the snapshot before.
    pub funding_usd: f64,
}

/// A quote of one instrument, USD for one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct SimQuote {
    pub instrument: String,
    pub quoted_at: i64,
    pub bid: f64,
    pub ask: f64,
    /// Of an option.
    pub implied_volatility: Option<f64>,
    pub underlying_price: f64,
}

/// The index price of one underlying, USD.
#[derive(Clone, Debug, PartialEq)]
pub struct SimPrice {
    pub underlying: &'static str,
    pub priced_at: i64,
    pub price: f64,
}

/// One instrument; the fields are those of [`SimTrade`].
#[derive(Clone, Debug, PartialEq)]
pub struct SimInstrument {
    pub instrument: String,
    pub kind: &'static str,
    pub underlying: &'static str,
    pub strike: Option<f64>,
    pub expiry: Option<i64>,
    pub option_type: Option<&'static str>,
    pub contract_size: f64,
    pub inverse: bool,
    pub token_factor: Option<f64>,
}
