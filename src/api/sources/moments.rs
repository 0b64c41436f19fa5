//! What is joined to a trade by time: quotes and prices at it, before it and after it.
//!
//! The row `x` holds the time of the trade and its underlying, see [`Pass::known`].

use super::lookups::{last, last_of, Key, Sought};
use super::trades::Pass;
use super::Opened;
use crate::pg::error::Result;
use crate::pg::spi::quote;
use pgrx::pg_sys;

/// How far before a trade its underlying's return reaches: input, interval in hours, so that it does not depend on the
/// session's time zone, and days.
const RETURNS: [(&str, &str, &str); 3] = [
    ("underlying_return_1h", "1 hour", "1 / 24.0::float8"),
    ("underlying_return_1d", "24 hours", "1"),
    ("underlying_return_7d", "168 hours", "7"),
];

/// How long after a trade a mid is looked at, and how old it may be then.
const MIDS: [(&str, &str, &str); 6] = [
    ("mid", "0 seconds", "60 seconds"),
    ("mid_1s", "1 second", "1 second"),
    ("mid_10s", "10 seconds", "10 seconds"),
    ("mid_1m", "60 seconds", "60 seconds"),
    ("mid_5m", "300 seconds", "60 seconds"),
    ("mid_1h", "3600 seconds", "60 seconds"),
];

/// The same of the volatility of the instrument quoted, and of the price of the underlying: what an option's markouts look at.
const VOLATILITIES: [(&str, &str); 2] =
    [("implied_volatility_1m", "60 seconds"), ("implied_volatility_5m", "300 seconds")];
const LATER_PRICES: [(&str, &str); 2] = [("underlying_price_1m", "60 seconds"), ("underlying_price_5m", "300 seconds")];
const LATER_AGE: &str = "60 seconds";

/// What quotes tell at the trade and after it. `spot` is the trade's price of the underlying.
pub fn mids(
    pass: &Pass,
    opened: &Opened,
    instant: Option<&str>,
    spot: &str,
    from: &mut String,
) -> Result<Vec<(&'static str, String)>> {
    let Some((column, type_oid)) = pass.mapped("instrument") else { return Ok(Vec::new()) };
    let native = format!("t.{}", quote(column));
    let key = Key { native: &native, type_oid, text: pass.instrument.as_deref().unwrap_or("NULL") };
    let until = until(instant);
    let mut joined = Vec::new();
    for (input, after, age) in MIDS {
        let to = format!("x.at + interval '{after}'");
        let oldest = format!("x.at + interval '{after}' - interval '{age}'");
        // A mid that is not known at the end of the trade's day is not known to its profile.
        let mid = last(opened, "instrument", &key, &oldest, &to, &format!("{to} < {until}"))?;
        *from += &format!(" LEFT JOIN LATERAL ({mid}) q_{input} ON true");
        joined.push((input, format!("q_{input}.value")));
    }
    let mut beside = |column, alias: &str, after| -> Result<()> {
        let (to, oldest) = moment(after);
        let condition = format!("{to} < {until}");
        let found = last_of(Sought::Other(column), opened, "instrument", &key, &oldest, &to, &condition)?;
        *from += &format!(" LEFT JOIN LATERAL ({found}) {alias} ON true");
        Ok(())
    };
    if opened.sql("r", "implied_volatility").is_some() {
        for (input, after) in VOLATILITIES {
            beside("implied_volatility", &format!("q_{input}"), after)?;
            joined.push((input, format!("q_{input}.value")));
        }
    }
    if opened.sql("r", "underlying_price").is_some() {
        beside("underlying_price", "q_spot", "0 seconds")?;
        for (input, after) in LATER_PRICES {
            beside("underlying_price", &format!("q_{input}"), after)?;
            joined.push((input, moved(spot, "q_spot", &format!("q_{input}"))));
        }
    }
    Ok(joined)
}

/// Until when what comes after a trade may be looked at: the end of its UTC day, or the instant where that is before it.
fn until(instant: Option<&str>) -> String {
    let end = "pg_catalog.timezone('UTC', (segmentation.utc_day(x.at) + 1)::timestamp)";
    instant.map_or(end.to_string(), |instant| format!("least({end}, {instant})"))
}

/// So long after a trade, and how old what is looked at may be then.
fn moment(after: &str) -> (String, String) {
    let to = format!("x.at + interval '{after}'");
    let oldest = format!("{to} - interval '{LATER_AGE}'");
    (to, oldest)
}

/// The trade's price of the underlying, moved as another source has it moved since: sources may differ in what they call the
/// price, and in how old it is.
fn moved(spot: &str, now: &str, later: &str) -> String {
    format!("segmentation.moved_price(({spot})::float8, {now}.value, {later}.value)")
}

/// The price of the underlying some time after the trade.
pub fn later_prices(
    prices: &Opened,
    instant: Option<&str>,
    spot: &str,
    from: &mut String,
) -> Result<Vec<(&'static str, String)>> {
    let key = Key { native: "x.underlying", type_oid: pg_sys::TEXTOID, text: "x.underlying" };
    let until = until(instant);
    let mut at = |alias: &str, after| -> Result<()> {
        let (to, oldest) = moment(after);
        let price = last(prices, "underlying", &key, &oldest, &to, &format!("{to} < {until}"))?;
        *from += &format!(" LEFT JOIN LATERAL ({price}) {alias} ON true");
        Ok(())
    };
    at("p_spot", "0 seconds")?;
    let mut joined = Vec::new();
    for (input, after) in LATER_PRICES {
        at(&format!("p_{input}"), after)?;
        joined.push((input, moved(spot, "p_spot", &format!("p_{input}"))));
    }
    Ok(joined)
}

/// The price of the underlying at the trade, and its returns before it.
pub fn returns(prices: &Opened, from: &mut String) -> Result<Vec<(&'static str, String)>> {
    let key = Key { native: "x.underlying", type_oid: pg_sys::TEXTOID, text: "x.underlying" };
    let mut at = |alias: &str, before: &str| -> Result<()> {
        let to = format!("x.at - interval '{before}'");
        let oldest = format!("x.at - interval '{before}' - interval '1 hour'");
        let price = last(prices, "underlying", &key, &oldest, &to, "true")?;
        *from += &format!(" LEFT JOIN LATERAL ({price}) {alias} ON true");
        Ok(())
    };
    at("p_now", "0 hours")?;
    let mut joined = vec![("underlying_price", "p_now.value".to_string())];
    for (input, before, days) in RETURNS {
        at(&format!("p_{input}"), before)?;
        joined.push((
            input,
            format!("segmentation.standardised_return(p_now.value, p_{input}.value, d.deviation, {days})"),
        ));
    }
    Ok(joined)
}
