//! `trade(...)`: one fill of one account, as a value.

use crate::pg::call::{Call, Raw};
use crate::pg::datum::varlena;
use crate::pg::error::Result;
use crate::sql_function;
use segmentation::profile::days::day_of;
use segmentation::profile::numeric;
use segmentation::profile::trade::{parse_option_type, parse_side, with_mark, Mark, Num, Numbers, Text, NUMS, TEXTS};
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

/// The number arguments, in the order of [`Num`]: that of their bytes. The first five are amounts, numeric in the numeric
/// overload; an expiry is an instant.
const NUMBERS: [(usize, Num); NUMS] = [
    (1, Num::Quantity),
    (2, Num::Price),
    (5, Num::NotionalUsd),
    (6, Num::QuoteUsd),
    (7, Num::FeeUsd),
    (16, Num::ContractSize),
    (18, Num::Strike),
    (EXPIRY, Num::Expiry),
    (21, Num::UnderlyingPrice),
    (22, Num::ImpliedVolatility),
    (23, Num::TokenFactor),
    (24, Num::Leverage),
    (25, Num::RealisedPnlUsd),
    (29, Num::Mid),
    (33, Num::Mid1s),
    (34, Num::Mid10s),
    (30, Num::Mid1m),
    (31, Num::Mid5m),
    (35, Num::Mid1h),
    (36, Num::UnderlyingReturn1h),
    (32, Num::UnderlyingReturn1d),
    (37, Num::UnderlyingReturn7d),
    (38, Num::OwnFlowUsd),
    (39, Num::OthersFlowUsd),
];
const AMOUNTS: usize = 5;

/// The text arguments, in the order of [`Text`].
const TEXT_ARGUMENTS: [(usize, Text); TEXTS] = [
    (4, Text::Instrument),
    (12, Text::Underlying),
    (14, Text::Venue),
    (15, Text::Collateral),
    (10, Text::OrderId),
    (11, Text::Counterparty),
    (13, Text::Kind),
    (27, Text::OrderType),
    (28, Text::ComboId),
    (9, Text::TradeId),
];

const _: () = {
    let mut i = 0;
    while i < NUMS {
        assert!(NUMBERS[i].1 as usize == i && (i >= TEXTS || TEXT_ARGUMENTS[i].1 as usize == i));
        i += 1;
    }
};

fn trade_float8(call: &Call) -> Result<Option<Raw>> {
    trade(call, |i| call.f64(i))
}

fn trade_numeric(call: &Call) -> Result<Option<Raw>> {
    trade(call, |i| call.bytes(i).map(numeric::to_f64))
}

#[inline]
fn trade(call: &Call, amount: impl Fn(usize) -> Option<f64>) -> Result<Option<Raw>> {
    let mut numbers = Numbers::new(call.i64(EXECUTED_AT));
    for (i, (argument, field)) in NUMBERS.into_iter().enumerate() {
        let value = match field {
            // An expiry that never comes is none.
            Num::Expiry => call.i64(argument).filter(|&at| at != i64::MAX && at != i64::MIN).map(|at| at as f64),
            _ if i < AMOUNTS => amount(argument),
            _ => call.f64(argument),
        };
        numbers.put(i, value);
    }
    let mut texts = [None; TEXTS];
    for (text, (argument, _)) in texts.iter_mut().zip(TEXT_ARGUMENTS) {
        *text = call.text(argument)?;
    }
    let side = call.text(SIDE)?.map(parse_side).transpose()?;
    let option_type = call.text(OPTION_TYPE)?.map(parse_option_type).transpose()?;
    let mut marks = 0;
    for (mark, value) in [
        (Mark::Side, side),
        (Mark::Maker, call.bool(IS_MAKER)),
        (Mark::Inverse, call.bool(INVERSE)),
        (Mark::OptionType, option_type),
        (Mark::Liquidation, call.bool(IS_LIQUIDATION)),
        (Mark::Toxic, call.bool(IS_TOXIC)),
        (Mark::SelfTrade, call.bool(IS_SELF_TRADE)),
    ] {
        marks = with_mark(marks, mark, value);
    }
    SCRATCH.with_borrow_mut(|bytes| {
        bytes.clear();
        numbers.encode(marks, &texts, bytes)?;
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
