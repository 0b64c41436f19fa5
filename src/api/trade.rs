//! `trade(...)`: one fill of one account, as a value.

use crate::pg::call::{Call, Raw};
use crate::pg::datum::varlena_of;
use crate::pg::error::Result;
use crate::sql_function;
use segmentation::profile::days::day_of;
use segmentation::profile::fill::Draft;
use segmentation::profile::numeric;
use segmentation::profile::trade::{
    self, parse_option_type, parse_side, with_mark, Mark, Num, Text, NUMBER_INPUTS, TEXTS,
};

sql_function!("segmentation_trade_float8", ARGUMENTS, trade_float8);
sql_function!("segmentation_trade_numeric", ARGUMENTS, trade_numeric);
sql_function!("segmentation_to_float8", 1, to_float8);
sql_function!("segmentation_utc_day", 1, utc_day);

// Positions in the SQL signature, which is fixed: views that users made hold it.
const ARGUMENTS: usize = 47;
const EXECUTED_AT: usize = 0;
const SIDE: usize = 3;
const IS_MAKER: usize = 8;
const INVERSE: usize = 17;
const EXPIRY: usize = 19;
const OPTION_TYPE: usize = 20;
const IS_LIQUIDATION: usize = 26;
const IS_TOXIC: usize = 40;
const IS_SELF_TRADE: usize = 41;

/// The number arguments, in the order of [`Num`]. The first five are amounts, numeric in the numeric overload; an expiry
/// is an instant.
const NUMBERS: [(usize, Num); NUMBER_INPUTS] = [
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
    (42, Num::ImpliedVolatility1m),
    (43, Num::ImpliedVolatility5m),
    (44, Num::UnderlyingPrice1m),
    (45, Num::UnderlyingPrice5m),
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
    (46, Text::MarginMode),
];

const _: () = {
    assert!(NUMBER_INPUTS == 28, "each has its place in the call");
    let mut i = 0;
    while i < NUMBER_INPUTS {
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

#[inline(always)]
fn trade(call: &Call, amount: impl Fn(usize) -> Option<f64>) -> Result<Option<Raw>> {
    let mut draft = Draft::new(call.i64(EXECUTED_AT));
    let all = call.arguments::<ARGUMENTS>();
    // One line an input, and no branch: which are given differs from row to row.
    macro_rules! numbers {
        ($($i:literal)*) => {$(
            const { assert!($i >= AMOUNTS && $i != Num::Expiry as usize) };
            let given = &all[const { NUMBERS[$i].0 }];
            draft.number($i, !given.isnull, f64::from_bits(given.value.value() as u64));
        )*};
    }
    for (i, (argument, _)) in NUMBERS[..AMOUNTS].iter().enumerate() {
        let value = amount(*argument);
        draft.number(i, value.is_some(), value.unwrap_or(0.0));
    }
    numbers!(5 6 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27);
    // An expiry that never comes is none.
    let expiry = call.i64(EXPIRY).filter(|&at| at != i64::MAX && at != i64::MIN);
    draft.number(Num::Expiry as usize, expiry.is_some(), expiry.unwrap_or(0) as f64);
    for (i, (argument, _)) in TEXT_ARGUMENTS.into_iter().enumerate() {
        draft.text(i, call.text(argument)?.map(str::as_bytes));
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
    draft.marks(marks);
    Ok(Some(Raw(varlena_of(|room| trade::write(&mut draft, room)))))
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
