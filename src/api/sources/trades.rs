//! SQL text of a pass over trades: the call of `trade(...)`, and what is joined to the trade table for it.

use super::moments::{later_prices, mids, returns};
use super::reference::{Reference, INSTRUMENT};
use super::{comparable, existing_column, Opened, Role, Sources};
use crate::api::catalogue::{self, Definition};
use crate::api::columns::{as_text, expression, is_collated, is_integer, is_text};
use crate::api::inputs::{Class, TRADE};
use crate::pg::datum::base_type;
use crate::pg::error::{Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{quote, Params};
use pgrx::pg_sys;

/// Amounts whose type decides the overload of `trade(...)`.
const AMOUNTS: [&str; 5] = ["quantity", "price", "notional_usd", "quote_usd", "fee_usd"];

/// The arguments of `trade(...)` in their order.
const ARGUMENTS: [(&str, &str); 47] = [
    ("executed_at", "timestamptz"),
    ("quantity", "float8"),
    ("price", "float8"),
    ("side", "text"),
    ("instrument", "text"),
    ("notional_usd", "float8"),
    ("quote_usd", "float8"),
    ("fee_usd", "float8"),
    ("is_maker", "boolean"),
    ("trade_id", "text"),
    ("order_id", "text"),
    ("counterparty", "text"),
    ("underlying", "text"),
    ("kind", "text"),
    ("venue", "text"),
    ("collateral", "text"),
    ("contract_size", "float8"),
    ("inverse", "boolean"),
    ("strike", "float8"),
    ("expiry", "timestamptz"),
    ("option_type", "text"),
    ("underlying_price", "float8"),
    ("implied_volatility", "float8"),
    ("token_factor", "float8"),
    ("leverage", "float8"),
    ("realised_pnl_usd", "float8"),
    ("is_liquidation", "boolean"),
    ("order_type", "text"),
    ("combo_id", "text"),
    ("mid", "float8"),
    ("mid_1m", "float8"),
    ("mid_5m", "float8"),
    ("underlying_return_1d", "float8"),
    ("mid_1s", "float8"),
    ("mid_10s", "float8"),
    ("mid_1h", "float8"),
    ("underlying_return_1h", "float8"),
    ("underlying_return_7d", "float8"),
    ("own_flow_usd", "float8"),
    ("others_flow_usd", "float8"),
    ("is_toxic", "boolean"),
    ("is_self_trade", "boolean"),
    ("implied_volatility_1m", "float8"),
    ("implied_volatility_5m", "float8"),
    ("underlying_price_1m", "float8"),
    ("underlying_price_5m", "float8"),
    ("margin_mode", "text"),
];

/// Until when a pass may look at quotes.
#[derive(Clone, Copy)]
pub enum Quotes<'a> {
    /// Not at all: what comes after a trade is not known when it is inserted.
    No,
    /// To the end of each trade's UTC day, and not to the instant (SQL) or beyond where one is given.
    Before(Option<&'a str>),
}

/// How trades are read: the columns of the trade table, and the sources that are joined.
pub struct Pass {
    /// Input, column, type.
    mapped: Vec<(String, String, pg_sys::Oid)>,
    /// The instrument as text, where there is one.
    pub instrument: Option<String>,
    pub instruments: Option<Opened>,
    /// Format of the names of instruments, where they are read.
    pub parse: Option<String>,
    pub tokens: Option<Opened>,
    pub prices: Option<Opened>,
    quotes: Option<Opened>,
}

/// What a pass over trades selects.
pub struct TradeSql {
    pub account: String,
    pub executed_at: String,
    /// The whole call of `trade(...)`.
    pub trade: String,
    /// What follows FROM; the trade table has the alias `t`.
    pub from: String,
}

impl Pass {
    /// For the columns of `source`: the trade table, or one of its partitions.
    pub fn new(definition: &Definition, sources: &Sources, source: &Relation) -> Result<Pass> {
        let columns = source.columns()?;
        let mapped = definition
            .columns
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(input, column)| Some((input.as_str(), column.as_str()?)))
            .map(|(input, column)| {
                Ok((input.into(), column.into(), existing_column(&columns, source, column)?.type_oid))
            })
            .collect::<Result<_>>()?;
        let mut pass = Pass {
            mapped,
            instrument: None,
            instruments: sources.open(Role::Instruments)?,
            parse: sources.get(Role::Instruments).and_then(|s| s.text("parse")).map(str::to_string),
            tokens: sources.open(Role::LeveragedTokens)?,
            prices: sources.open(Role::Prices)?,
            quotes: sources.open(Role::Quotes)?,
        };
        pass.instrument = pass.column("instrument");
        if pass.instrument.is_none() && pass.column("underlying").is_none() {
            pass.prices = None;
        }
        Ok(pass)
    }

    pub(super) fn mapped(&self, input: &str) -> Option<(&str, pg_sys::Oid)> {
        self.mapped.iter().find(|(i, _, _)| i == input).map(|(_, column, oid)| (column.as_str(), *oid))
    }

    /// Every mapped input with its column and the column's type.
    pub(super) fn all_mapped(&self) -> impl Iterator<Item = &(String, String, pg_sys::Oid)> {
        self.mapped.iter()
    }

    /// The numeric overload reads digits; it is the one to call when no amount would have to be converted to it.
    fn numeric(&self) -> bool {
        let mut amounts = self.mapped.iter().filter(|(i, _, _)| AMOUNTS.contains(&i.as_str())).peekable();
        amounts.peek().is_some() && amounts.all(|(_, _, t)| base_type(*t) == pg_sys::NUMERICOID)
    }

    /// An input as a column of the trade table, in SQL of its type.
    fn column(&self, input: &str) -> Option<String> {
        let class = TRADE.iter().find(|i| i.name == input).map_or(Class::Text, |i| i.class);
        let numeric = AMOUNTS.contains(&input) && self.numeric();
        self.mapped(input).map(|(column, oid)| expression("t", column, oid, class, numeric))
    }

    fn required(&self, definition: &Definition, input: &str) -> Result<String> {
        self.column(input).ok_or_else(|| {
            Failure::not_ready(format!("segmentation \"{}\" has lost its input \"{input}\"", definition.name))
                .hint("drop the segmentation and create it again")
        })
    }

    /// The account as SQL.
    pub fn account(&self, definition: &Definition) -> Result<String> {
        self.required(definition, "account")
    }

    pub fn executed_at(&self, definition: &Definition) -> Result<String> {
        self.required(definition, "executed_at")
    }

    /// FROM, as far as the instruments go: afterwards the row `x` holds the time of the trade (NULL where it is so far off
    /// that a day before or after it could not be told) and the underlying.
    pub fn known(&self, table: &str, reference: &Reference, params: &mut Params) -> String {
        let mut from = format!("{table} t");
        let at = self.column("executed_at").unwrap_or_else(|| "NULL::timestamptz".into());
        let own = self.column("underlying");
        if let (true, Some(instrument)) = (reference.has_instruments(), &self.instrument) {
            from += &reference.join_instruments(instrument, params);
        }
        let joined = reference.has_instruments().then(|| "i.underlying".to_string());
        let listed: Vec<String> = own.into_iter().chain(joined).collect();
        let base = if listed.is_empty() { None } else { Some(format!("coalesce({})", listed.join(", "))) };
        let mut underlying = Vec::new();
        if reference.has_tokens() {
            // By the name of the instrument first: "BTC3L", then by what is traded in the pair "BTC3L/USDT".
            let mut only = String::new();
            for (alias, symbol) in [("l", self.instrument.as_ref()), ("m", base.as_ref())] {
                let Some(symbol) = symbol else { continue };
                from += &reference.join_tokens(alias, symbol, &at, &only, params);
                underlying.push(format!("{alias}.underlying"));
                only = format!("{alias}.symbol IS NULL AND ");
            }
        }
        // As for concentration, an instrument stands for itself where no underlying is told.
        underlying.extend(base.or_else(|| self.instrument.clone()));
        let underlying = if underlying.is_empty() { "NULL::text".into() } else { underlying.join(", ") };
        from + &format!(
            " CROSS JOIN LATERAL (SELECT CASE WHEN {at} >= timestamptz '1800-01-01 00:00:00+00'
                                               AND {at} < timestamptz '9000-01-01 00:00:00+00' THEN {at} END AS at,
                                         coalesce({underlying}) AS underlying) x"
        )
    }

    /// The statement's parts. `table` is the trade table, or what holds new rows of it.
    pub fn sql(
        &self,
        definition: &Definition,
        table: &str,
        reference: &Reference,
        quotes: Quotes,
        params: &mut Params,
    ) -> Result<TradeSql> {
        let beside = reference.has_instruments()
            || reference.has_tokens()
            || self.prices.is_some()
            || (self.quotes.is_some() && !matches!(quotes, Quotes::No));
        let mut from = if beside { self.known(table, reference, params) } else { format!("{table} t") };
        let mut joined: Vec<(&str, String)> = Vec::new();
        if reference.has_instruments() {
            joined.extend(INSTRUMENT.iter().map(|(name, _)| (*name, format!("i.{name}"))));
        }
        if let Some(prices) = &self.prices {
            from += &reference.join_deviations(params);
            joined.extend(returns(prices, &mut from)?);
        }
        if let (Some(opened), Quotes::Before(instant)) = (&self.quotes, quotes) {
            let spot = self.argument("underlying_price", &joined, reference);
            joined.extend(mids(self, opened, instant, &spot, &mut from)?);
        }
        if let (Some(prices), Quotes::Before(instant)) = (&self.prices, quotes) {
            let spot = self.argument("underlying_price", &joined, reference);
            joined.extend(later_prices(prices, instant, &spot, &mut from)?);
        }
        // All arguments by place, each of its exact type: an overload that somebody else made cannot fit as well.
        let amount_type = if self.numeric() { "numeric" } else { "float8" };
        let arguments: Vec<String> = ARGUMENTS
            .iter()
            .map(|&(name, sql_type)| {
                let sql_type = if AMOUNTS.contains(&name) { amount_type } else { sql_type };
                format!("({})::{sql_type}", self.argument(name, &joined, reference))
            })
            .collect();
        Ok(TradeSql {
            account: self.account(definition)?,
            executed_at: self.executed_at(definition)?,
            trade: format!("{}.trade({})", catalogue::function_schema()?, arguments.join(", ")),
            from,
        })
    }

    /// An argument: what the trade table says, else what is joined. Only a leveraged token is one whatever the trade table
    /// calls it: venues list them as spot pairs.
    fn argument(&self, name: &str, joined: &[(&str, String)], reference: &Reference) -> String {
        let mut values: Vec<String> = Vec::new();
        let tokens: Vec<&str> = if reference.has_tokens() {
            let by_instrument = self.instrument.as_ref().map(|_| "l");
            let by_base = (self.column("underlying").is_some() || reference.has_instruments()).then_some("m");
            by_instrument.into_iter().chain(by_base).collect()
        } else {
            Vec::new()
        };
        for alias in tokens {
            match name {
                "kind" => {
                    values.push(format!("CASE WHEN {alias}.symbol IS NOT NULL THEN 'leveraged_token' END"));
                }
                "underlying" => values.push(format!("{alias}.underlying")),
                "token_factor" => values.push(format!("{alias}.factor")),
                _ => (),
            }
        }
        values.extend(self.column(name));
        values.extend(joined.iter().filter(|(input, _)| *input == name).map(|(_, value)| value.clone()));
        if name == "is_self_trade" {
            values.extend(self.self_trade());
        }
        match values.len() {
            0 => "NULL".into(),
            1 => values.remove(0),
            _ => format!("coalesce({})", values.join(", ")),
        }
    }

    /// Whether the counterparty is the account itself, where the two can be compared.
    fn self_trade(&self) -> Option<String> {
        let ((account, a), (counterparty, b)) = (self.mapped("account")?, self.mapped("counterparty")?);
        let readable = |oid| is_text(oid) || is_integer(oid);
        if comparable(a, b) && !is_collated(a) {
            return Some(format!("t.{} = t.{}", quote(account), quote(counterparty)));
        }
        if !(is_collated(a) && readable(b) || is_collated(b) && readable(a)) {
            return None;
        }
        let text = |column, oid| format!("(({}) COLLATE pg_catalog.\"C\")", as_text("t", column, oid));
        Some(format!("{} = {}", text(account, a), text(counterparty, b)))
    }
}
