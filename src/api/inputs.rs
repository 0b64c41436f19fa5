//! What a trade table and the relations beside it may tell, and the column names that mean it.
//!
//! A name is taken only where it leaves no doubt. A column named just "fee", "pnl" or "notional" is not: nothing says that
//! it is in USD. One named "iv" is not: venues give it in percent. One named "close" is not: nothing says when it was known.

/// What kind of value an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Key,
    Time,
    /// A time of which a date would say too little.
    Instant,
    /// A time at which something ended: a date is the end of its day.
    Closing,
    Number,
    Text,
    Side,
    Flag,
    /// A range of dates.
    Days,
}

/// An input: its name, the column names that mean it (the first ones before the others), and what it takes. One without
/// names is never looked for; it is read only where the user maps it.
pub struct Input {
    pub name: &'static str,
    pub class: Class,
    pub first: &'static [&'static str],
    pub others: &'static [&'static str],
}

impl Input {
    pub fn looked_for(&self) -> bool {
        !self.first.is_empty()
    }
}

const fn input(
    name: &'static str,
    class: Class,
    first: &'static [&'static str],
    others: &'static [&'static str],
) -> Input {
    Input { name, class, first, others }
}

const ACCOUNT: Input = input(
    "account",
    Class::Key,
    &["account", "account_id"],
    &[
        "acct",
        "acct_id",
        "trader",
        "trader_id",
        "client",
        "client_id",
        "customer",
        "customer_id",
        "user_id",
        "wallet",
        "wallet_address",
        "address",
        "uid",
    ],
);

const INSTRUMENT: Input = input(
    "instrument",
    Class::Text,
    &["instrument"],
    &["symbol", "pair", "market", "ticker", "instrument_id", "instrument_name", "product", "product_id", "contract"],
);

const UNDERLYING: Input =
    input("underlying", Class::Text, &["underlying"], &["base_asset", "base_currency", "underlying_asset"]);
const KIND: Input =
    input("kind", Class::Text, &["kind"], &["instrument_kind", "instrument_type", "product_type", "contract_type"]);
const CONTRACT_SIZE: Input =
    input("contract_size", Class::Number, &["contract_size"], &["multiplier", "contract_multiplier"]);
const INVERSE: Input = input("inverse", Class::Flag, &["inverse"], &["is_inverse"]);
const STRIKE: Input = input("strike", Class::Number, &["strike"], &["strike_price"]);
const EXPIRY: Input = input(
    "expiry",
    Class::Time,
    &["expiry"],
    &["expiration", "expires_at", "expiry_date", "expiry_time", "expiration_date", "expiration_time"],
);
const OPTION_TYPE: Input = input("option_type", Class::Text, &["option_type"], &["put_call", "call_put"]);
const TOKEN_FACTOR: Input = input("token_factor", Class::Number, &["token_factor"], &["token_leverage"]);

/// The arguments of `trade(...)`, and before them the account.
pub const TRADE: &[Input] = &[
    ACCOUNT,
    input(
        "executed_at",
        Class::Time,
        &["executed_at"],
        &[
            "ts",
            "time",
            "timestamp",
            "trade_time",
            "traded_at",
            "trade_ts",
            "exec_time",
            "execution_time",
            "fill_time",
            "filled_at",
            "block_time",
            "created_at",
            "datetime",
            "date",
        ],
    ),
    input(
        "quantity",
        Class::Number,
        &["quantity"],
        &["qty", "amount", "size", "base_amount", "contracts", "filled_qty"],
    ),
    input("price", Class::Number, &["price"], &["px", "fill_price", "trade_price", "exec_price", "avg_price"]),
    input("side", Class::Side, &["side"], &["direction", "buy_sell", "is_buy"]),
    INSTRUMENT,
    input(
        "notional_usd",
        Class::Number,
        &["notional_usd"],
        &["usd_notional", "amount_usd", "usd_amount", "value_usd", "usd_value", "volume_usd"],
    ),
    input("quote_usd", Class::Number, &["quote_usd"], &["quote_price_usd", "quote_currency_usd"]),
    input("fee_usd", Class::Number, &["fee_usd"], &["fees_usd", "usd_fee", "commission_usd"]),
    input("is_maker", Class::Flag, &["is_maker"], &["maker", "maker_flag"]),
    // That a trade comes once is the business of the table's key. Where it is mapped, a fit reads each trade once.
    input("trade_id", Class::Text, &[], &[]),
    input("order_id", Class::Text, &["order_id"], &["orderid", "ord_id", "order_uuid"]),
    input(
        "counterparty",
        Class::Text,
        &["counterparty"],
        &["counterparty_id", "counterparty_account", "cpty", "cpty_id"],
    ),
    UNDERLYING,
    KIND,
    input("venue", Class::Text, &["venue"], &["venue_id", "exchange", "exchange_id"]),
    input(
        "collateral",
        Class::Text,
        &["collateral"],
        &["collateral_asset", "collateral_currency", "collateral_coin", "margin_asset", "margin_currency"],
    ),
    CONTRACT_SIZE,
    INVERSE,
    STRIKE,
    EXPIRY,
    OPTION_TYPE,
    input("underlying_price", Class::Number, &["underlying_price"], &["index_price"]),
    input("implied_volatility", Class::Number, &["implied_volatility"], &["implied_vol"]),
    TOKEN_FACTOR,
    input("leverage", Class::Number, &["leverage"], &["declared_leverage", "position_leverage"]),
    input(
        "realised_pnl_usd",
        Class::Number,
        &["realised_pnl_usd"],
        &["realized_pnl_usd", "closed_pnl_usd", "usd_realised_pnl", "usd_realized_pnl"],
    ),
    input("is_liquidation", Class::Flag, &["is_liquidation"], &["liquidation", "is_liquidated", "liquidated"]),
    input("order_type", Class::Text, &["order_type"], &["ord_type", "ordertype"]),
    input("combo_id", Class::Text, &["combo_id"], &["combo", "combination_id"]),
    input("mid", Class::Number, &["mid"], &["mid_price", "mid_at_trade"]),
    input("mid_1m", Class::Number, &["mid_1m"], &["mid_60s"]),
    input("mid_5m", Class::Number, &["mid_5m"], &[]),
    input("underlying_return_1d", Class::Number, &["underlying_return_1d"], &[]),
    input("mid_1s", Class::Number, &["mid_1s"], &[]),
    input("mid_10s", Class::Number, &["mid_10s"], &[]),
    input("mid_1h", Class::Number, &["mid_1h"], &[]),
    input("underlying_return_1h", Class::Number, &["underlying_return_1h"], &[]),
    input("underlying_return_7d", Class::Number, &["underlying_return_7d"], &[]),
    input("own_flow_usd", Class::Number, &["own_flow_usd"], &[]),
    input("others_flow_usd", Class::Number, &["others_flow_usd"], &[]),
    input("is_toxic", Class::Flag, &["is_toxic"], &[]),
    input("is_self_trade", Class::Flag, &["is_self_trade"], &["self_trade"]),
    input("implied_volatility_1m", Class::Number, &["implied_volatility_1m"], &["implied_vol_1m"]),
    input("implied_volatility_5m", Class::Number, &["implied_volatility_5m"], &["implied_vol_5m"]),
    input("underlying_price_1m", Class::Number, &["underlying_price_1m"], &["index_price_1m"]),
    input("underlying_price_5m", Class::Number, &["underlying_price_5m"], &["index_price_5m"]),
    input("margin_mode", Class::Text, &["margin_mode"], &["margin_type"]),
];

/// A relation of instruments.
pub const INSTRUMENTS: &[Input] =
    &[INSTRUMENT, KIND, UNDERLYING, STRIKE, EXPIRY, OPTION_TYPE, CONTRACT_SIZE, INVERSE, TOKEN_FACTOR];

/// A relation of leveraged tokens.
pub const LEVERAGED_TOKENS: &[Input] = &[
    input("symbol", Class::Text, &["symbol"], &["token", "instrument", "ticker"]),
    UNDERLYING,
    input("factor", Class::Number, &["factor"], &["token_factor", "leverage_factor", "leverage"]),
    input("valid", Class::Days, &["valid"], &["validity", "valid_during"]),
];

const AT: Input = input(
    "at",
    Class::Instant,
    &["at"],
    &["ts", "time", "timestamp", "datetime", "observed_at", "quoted_at", "quote_time", "priced_at", "price_time"],
);

/// A relation of prices of underlyings.
pub const PRICES: &[Input] = &[
    input(
        "underlying",
        Class::Text,
        &["underlying"],
        &["underlying_asset", "base_asset", "base_currency", "asset", "symbol", "index_name", "instrument"],
    ),
    AT,
    input("price", Class::Number, &["price"], &["px", "index_price", "price_usd"]),
];

/// A relation of quotes.
pub const QUOTES: &[Input] = &[
    INSTRUMENT,
    AT,
    input("mid", Class::Number, &["mid"], &["mid_price"]),
    input("bid", Class::Number, &["bid"], &["bid_price", "best_bid", "best_bid_price"]),
    input("ask", Class::Number, &["ask"], &["ask_price", "best_ask", "best_ask_price"]),
    input("implied_volatility", Class::Number, &["implied_volatility"], &["implied_vol"]),
    input("underlying_price", Class::Number, &["underlying_price"], &["index_price"]),
];

/// The arguments of `account_snapshot(...)`, and before them the account.
pub const SNAPSHOTS: &[Input] = &[
    ACCOUNT,
    input(
        "taken_at",
        Class::Closing,
        &["taken_at"],
        &["snapshot_at", "snapshot_time", "ts", "time", "timestamp", "at", "datetime", "date"],
    ),
    input("equity_usd", Class::Number, &["equity_usd"], &["account_equity_usd", "usd_equity"]),
    input("flow_usd", Class::Number, &["flow_usd"], &["net_flow_usd", "net_deposits_usd"]),
    input("initial_margin_usd", Class::Number, &["initial_margin_usd"], &[]),
    input("maintenance_margin_usd", Class::Number, &["maintenance_margin_usd"], &[]),
    input("gross_notional_usd", Class::Number, &["gross_notional_usd"], &[]),
    input("delta_usd", Class::Number, &["delta_usd"], &[]),
    input("gross_delta_usd", Class::Number, &["gross_delta_usd"], &[]),
    input("net_delta_usd", Class::Number, &["net_delta_usd"], &[]),
    input("liquidation_distance", Class::Number, &["liquidation_distance"], &[]),
    input("funding_usd", Class::Number, &["funding_usd"], &["funding_paid_usd"]),
    input("market_return", Class::Number, &["market_return"], &[]),
    input("second_market_return", Class::Number, &["second_market_return"], &[]),
];

/// A relation of account attributes; which of its columns are features is another question.
pub const ATTRIBUTES: &[Input] = &[ACCOUNT];

/// A relation that says which accounts belong together.
pub const MASTERS: &[Input] = &[
    ACCOUNT,
    input(
        "master",
        Class::Key,
        &["master", "master_id"],
        &["master_account", "master_account_id", "parent", "parent_id", "parent_account", "parent_account_id"],
    ),
];
