//! SQL text of a pass over account snapshots: the call of `account_snapshot(...)`, with the returns of the market.

use super::lookups::closes;
use super::{Beside, Opened, Role, Sources};
use crate::api::catalogue;
use crate::api::columns::{is_collated, is_integer};
use crate::pg::datum::{base_type, sql_type};
use crate::pg::error::Result;
use crate::pg::spi::{arg, Arg, Params};
use pgrx::pg_sys;
use segmentation::flow::trend;
use std::collections::BTreeMap;

/// The arguments of `account_snapshot(...)` in their order, without the time; all of them float8.
pub const ARGUMENTS: [&str; 12] = [
    "equity_usd",
    "flow_usd",
    "initial_margin_usd",
    "maintenance_margin_usd",
    "gross_notional_usd",
    "delta_usd",
    "gross_delta_usd",
    "net_delta_usd",
    "liquidation_distance",
    "funding_usd",
    "market_return",
    "second_market_return",
];

/// What a pass over snapshots selects.
pub struct SnapshotSql {
    /// The account as the trades' type.
    pub account: String,
    pub key_type: pg_sys::Oid,
    pub taken_at: String,
    /// The values of [`ARGUMENTS`].
    pub arguments: Vec<String>,
    /// The whole call of `account_snapshot(...)`.
    pub snapshot: String,
    /// What follows FROM; the relation has the alias `s`.
    pub from: String,
}

/// The returns of the market and of the second one by UTC day, as arrays of a statement.
pub struct MarketReturns([Arg; 3]);

impl MarketReturns {
    /// For the days of the snapshots; `None` where the segmentation has no prices.
    pub fn read(sources: &Sources, snapshots: &Opened) -> Result<Option<MarketReturns>> {
        let Some(declared) = sources.get(Role::Prices) else { return Ok(None) };
        let Some(prices) = declared.open()? else { return Ok(None) };
        let at = taken_at(snapshots)?;
        let mut params = Params::default();
        let names = names_of(declared).map(|n| params.add(arg(n.to_string())));
        let touched = format!(
            "SELECT u.name AS underlying, d.day
             FROM (SELECT DISTINCT segmentation.utc_day({at}) AS day FROM {} s
                   WHERE {at} >= timestamptz '1800-01-01 00:00:00+00' AND {at} < timestamptz '9000-01-01 00:00:00+00') d
             CROSS JOIN (VALUES ({}::text), ({}::text)) AS u(name)",
            snapshots.relation.quoted(),
            names[0],
            names[1]
        );
        let mut by_name: BTreeMap<String, BTreeMap<i32, f64>> = BTreeMap::new();
        for close in closes(&prices, &touched, -1, 0, params.args())? {
            by_name.entry(close.underlying).or_default().insert(close.day, close.price);
        }
        let returns = names_of(declared).map(|name| by_name.get(name).map(trend::daily_returns).unwrap_or_default());
        let days: BTreeMap<i32, ()> = returns.iter().flat_map(|r| r.keys().map(|&d| (d, ()))).collect();
        let column = |i: usize| arg(days.keys().map(|d| returns[i].get(d).copied()).collect::<Vec<Option<f64>>>());
        Ok(Some(MarketReturns([arg(days.keys().copied().collect::<Vec<i32>>()), column(0), column(1)])))
    }
}

fn names_of(prices: &Beside) -> [&str; 2] {
    [prices.text("market").unwrap_or("BTC"), prices.text("second_market").unwrap_or("ETH")]
}

/// Assumed figures of the market for `feature(...)`: what the source says, and the volatility of its prices of the year
/// before the day where it says none.
pub fn assumptions(sources: &Sources, as_of: i64) -> Result<Assumptions> {
    let mut assumed = Assumptions::default();
    let Some(declared) = sources.get(Role::Prices) else { return Ok(assumed) };
    assumed.expected_return = declared.number("expected_return");
    assumed.risk_free = declared.number("risk_free").or(assumed.expected_return.map(|_| 0.0));
    assumed.volatility = declared.number("volatility");
    if let (None, Some(prices)) = (assumed.volatility, declared.open()?) {
        let mut params = Params::default();
        let market = params.add(arg(names_of(declared)[0].to_string()));
        let day = params.add(crate::pg::spi::time(Some(as_of)));
        let touched = format!("SELECT {market}::text AS underlying, segmentation.utc_day({day}) AS day");
        let closes = closes(&prices, &touched, -366, -1, params.args())?;
        assumed.volatility = trend::volatility(&closes.into_iter().map(|c| (c.day, c.price)).collect());
    }
    Ok(assumed)
}

/// A year's figures, as decimals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assumptions {
    pub expected_return: Option<f64>,
    pub volatility: Option<f64>,
    pub risk_free: Option<f64>,
}

fn taken_at(snapshots: &Opened) -> Result<String> {
    snapshots.required("taken_at")?;
    Ok(snapshots.sql("s", "taken_at").unwrap_or_default())
}

/// A key as the type that the trades' accounts have; NULL where it is an integer that cannot be one of theirs.
pub fn as_key(alias: &str, opened: &Opened, key_type: pg_sys::Oid) -> Result<String> {
    let column = opened.required("account")?;
    let own = format!("{alias}.{}", crate::pg::spi::quote(&column.name));
    let to = sql_type(base_type(key_type));
    if is_integer(key_type) && base_type(column.type_oid) != base_type(key_type) {
        let (low, high) = match base_type(key_type) {
            pg_sys::INT2OID => (i64::from(i16::MIN), i64::from(i16::MAX)),
            pg_sys::INT4OID => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        return Ok(format!("CASE WHEN {own}::bigint BETWEEN ({low})::bigint AND {high}::bigint THEN {own}::{to} END"));
    }
    if is_collated(key_type) {
        return Ok(format!("(({own})::{to} COLLATE pg_catalog.\"default\")"));
    }
    Ok(own)
}

/// The statement's parts. The market's return of a day is known at its end: of the day of `until` (SQL of an instant) and
/// later ones it is left out.
pub fn sql(
    snapshots: &Opened,
    key_type: pg_sys::Oid,
    returns: Option<&MarketReturns>,
    until: Option<&str>,
    params: &mut Params,
) -> Result<SnapshotSql> {
    let at = taken_at(snapshots)?;
    let mut from = format!("{} s", snapshots.relation.quoted());
    if let Some(MarketReturns([days, first, second])) = returns {
        let [days, first, second] = [days, first, second].map(|a| params.add(*a));
        let ended =
            until.map_or(String::new(), |at| format!(" AND date '2000-01-01' + m.day < segmentation.utc_day({at})"));
        from += &format!(
            " LEFT JOIN unnest({days}::integer[], {first}::float8[], {second}::float8[]) AS m(day, first, second)
                ON date '2000-01-01' + m.day = segmentation.utc_day({at}){ended}"
        );
    }
    let arguments: Vec<String> = ARGUMENTS
        .iter()
        .map(|&input| {
            let joined = match (input, returns) {
                ("market_return", Some(_)) => Some("m.first".to_string()),
                ("second_market_return", Some(_)) => Some("m.second".to_string()),
                _ => None,
            };
            let value = match (snapshots.sql("s", input), joined) {
                (Some(own), Some(joined)) => format!("coalesce({own}, {joined})"),
                (own, joined) => own.or(joined).unwrap_or_else(|| "NULL".into()),
            };
            format!("({value})::float8")
        })
        .collect();
    Ok(SnapshotSql {
        account: as_key("s", snapshots, key_type)?,
        key_type,
        snapshot: format!("{}.account_snapshot({at}, {})", catalogue::function_schema()?, arguments.join(", ")),
        arguments,
        taken_at: at,
        from,
    })
}
