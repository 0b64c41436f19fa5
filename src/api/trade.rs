//! `trade(...)`: one fill of one account, as a value.

use crate::pg::call::{Call, Raw};
use crate::pg::datum::varlena;
use crate::pg::error::Result;
use crate::sql_function;
use segmentation::profile::days::day_of;
use segmentation::profile::numeric;
use segmentation::profile::trade::{parse_option_type, parse_side, with_mark, Mark, Num, Text, Trade};
use std::cell::RefCell;

sql_function!("segmentation_trade_float8", ARGUMENTS, trade_float8);
sql_function!("segmentation_trade_numeric", ARGUMENTS, trade_numeric);
sql_function!("segmentation_to_float8", 1, to_float8);
sql_function!("segmentation_utc_day", 1, utc_day);

// Positions in the SQL signature, which is fixed: views that users made hold it.
const ARGUMENTS: usize = 42;
const EXECUTED_AT: usize = 0;
const SIDE: usize = 3;
const IS_MAKER: usize = 8;
const INVERSE: usize = 17;
const EXPIRY: usize = 19;
const OPTION_TYPE: usize = 20;
const IS_LIQUIDATION: usize = 26;
const IS_TOXIC: usize = 40;
const IS_SELF_TRADE: usize = 41;

/// The five amounts that are numeric in the numeric overload.
const AMOUNTS: [(usize, Num); 5] =
    [(1, Num::Quantity), (2, Num::Price), (5, Num::NotionalUsd), (6, Num::QuoteUsd), (7, Num::FeeUsd)];

const NUMBERS: [(usize, Num); 18] = [
    (16, Num::ContractSize),
    (18, Num::Strike),
    (21, Num::UnderlyingPrice),
    (22, Num::ImpliedVolatility),
    (23, Num::TokenFactor),
    (24, Num::Leverage),
    (25, Num::RealisedPnlUsd),
    (29, Num::Mid),
    (30, Num::Mid1m),
    (31, Num::Mid5m),
    (32, Num::UnderlyingReturn1d),
    (33, Num::Mid1s),
    (34, Num::Mid10s),
    (35, Num::Mid1h),
    (36, Num::UnderlyingReturn1h),
    (37, Num::UnderlyingReturn7d),
    (38, Num::OwnFlowUsd),
    (39, Num::OthersFlowUsd),
];

const TEXTS: [(usize, Text); 10] = [
    (4, Text::Instrument),
    (9, Text::TradeId),
    (10, Text::OrderId),
    (11, Text::Counterparty),
    (12, Text::Underlying),
    (13, Text::Kind),
    (14, Text::Venue),
    (15, Text::Collateral),
    (27, Text::OrderType),
    (28, Text::ComboId),
];

fn trade_float8(call: &Call) -> Result<Option<Raw>> {
    trade(call, |i| call.f64(i))
}

fn trade_numeric(call: &Call) -> Result<Option<Raw>> {
    trade(call, |i| call.bytes(i).map(numeric::to_f64))
}

fn trade(call: &Call, amount: impl Fn(usize) -> Option<f64>) -> Result<Option<Raw>> {
    let mut t = Trade { executed_at: call.i64(EXECUTED_AT), ..Trade::default() };
    for (i, field) in AMOUNTS {
        if let Some(v) = amount(i) {
            t.set(field, v);
        }
    }
    for (i, field) in NUMBERS {
        if let Some(v) = call.f64(i) {
            t.set(field, v);
        }
    }
    // An expiry that never comes is none.
    if let Some(v) = call.i64(EXPIRY).filter(|&at| at != i64::MAX && at != i64::MIN) {
        t.set(Num::Expiry, v as f64);
    }
    for (i, field) in TEXTS {
        if let Some(v) = call.text(i)? {
            t.set_text(field, v);
        }
    }
    let side = call.text(SIDE)?.map(parse_side).transpose()?;
    let option_type = call.text(OPTION_TYPE)?.map(parse_option_type).transpose()?;
    for (mark, value) in [
        (Mark::Side, side),
        (Mark::Maker, call.bool(IS_MAKER)),
        (Mark::Inverse, call.bool(INVERSE)),
        (Mark::OptionType, option_type),
        (Mark::Liquidation, call.bool(IS_LIQUIDATION)),
        (Mark::Toxic, call.bool(IS_TOXIC)),
        (Mark::SelfTrade, call.bool(IS_SELF_TRADE)),
    ] {
        t.marks = with_mark(t.marks, mark, value);
    }
    SCRATCH.with_borrow_mut(|bytes| {
        bytes.clear();
        t.encode(bytes)?;
        Ok(Some(Raw(varlena(bytes))))
    })
}

thread_local! {
    /// One buffer a backend: a trade is made for every row.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// `numeric` to `float8` from its digits; PostgreSQL's own cast goes through text.
fn to_float8(call: &Call) -> Result<Option<f64>> {
    Ok(call.bytes(0).map(numeric::to_f64))
}

/// The UTC day of an instant. Trades without a finite time share the day -infinity, where no look-back finds them.
fn utc_day(call: &Call) -> Result<Option<i32>> {
    let finite = call.i64(0).filter(|&at| at != i64::MIN && at != i64::MAX);
    Ok(Some(finite.map_or(i32::MIN, day_of)))
}
