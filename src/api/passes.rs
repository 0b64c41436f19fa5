//! The statements that make profiles: from trades and snapshots by day, and from the days over a look-back.

use crate::api::catalogue::{self, Definition};
use crate::api::sources::custom::Account;
use crate::api::sources::masters::{self, Masters};
use crate::api::sources::reference::Reference;
use crate::api::sources::snapshots::{self, MarketReturns};
use crate::api::sources::trades::{Pass, Quotes};
use crate::api::sources::{Opened, Role, Sources};
use crate::pg::error::Result;
use crate::pg::relation::Relation;
use crate::pg::spi::{maybe, time, Params};
use segmentation::profile::days::DAY;

/// A statement and its parameters.
pub struct Statement {
    pub sql: String,
    pub params: Params,
}

/// What a segmentation's profiles are made of.
pub struct Passes<'a> {
    definition: &'a Definition,
    table: String,
    pub pass: Pass,
    reference: Reference,
    snapshots: Option<Opened>,
    returns: Option<MarketReturns>,
    functions: String,
}

impl<'a> Passes<'a> {
    /// Opens the sources and reads what they tell of the instruments that are traded.
    pub fn new(definition: &'a Definition, sources: &Sources, source: &Relation) -> Result<Passes<'a>> {
        Self::of_rows(definition, sources, source, "true", &Params::default())
    }

    /// The same for the trades `t` that a condition is true for.
    pub fn of_rows(
        definition: &'a Definition,
        sources: &Sources,
        source: &Relation,
        condition: &str,
        params: &Params,
    ) -> Result<Passes<'a>> {
        let pass = Pass::new(definition, sources, source)?;
        let table = source.quoted();
        let condition = format!("{} IS NOT NULL AND {condition}", pass.account(definition)?);
        let reference = Reference::read(&pass, &table, &condition, params.args())?;
        let snapshots = sources.open(Role::Snapshots)?;
        let returns = snapshots.as_ref().map_or(Ok(None), |s| MarketReturns::read(sources, s))?;
        let functions = catalogue::function_schema()?;
        Ok(Passes { definition, table, pass, reference, snapshots, returns, functions })
    }

    /// One row (account, start, profile) an account and UTC day, into a new temporary table.
    pub fn days(&self, name: &str) -> Result<Statement> {
        let mut params = Params::default();
        let functions = &self.functions;
        let t = self.pass.sql(self.definition, &self.table, &self.reference, Quotes::Before(None), &mut params)?;
        let mut query = format!(
            "SELECT {account} AS account, segmentation.utc_day({at}) AS start, {functions}.account_profile({trade}) AS profile
             FROM {from} WHERE {account} IS NOT NULL GROUP BY 1, 2",
            account = t.account,
            at = t.executed_at,
            trade = t.trade,
            from = t.from,
        );
        if let Some(opened) = &self.snapshots {
            let s = snapshots::sql(opened, self.definition.key_type, self.returns.as_ref(), None, &mut params)?;
            query = format!(
                "SELECT account, start, {functions}.rollup(profile) AS profile FROM (
                   {query}
                   UNION ALL
                   SELECT {account}, segmentation.utc_day({at}), {functions}.account_profile({snapshot})
                   FROM {from} WHERE {account} IS NOT NULL GROUP BY 1, 2) u
                 GROUP BY 1, 2",
                account = s.account,
                at = s.taken_at,
                snapshot = s.snapshot,
                from = s.from,
            );
        }
        Ok(Statement { sql: format!("CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}"), params })
    }

    /// One row (account, profile) an account that has something between the beginning of the day of `as_of` and `as_of`, made from the
    /// rows, into a new temporary table; `None` where that is a midnight.
    pub fn part(&self, name: &str, as_of: i64) -> Result<Option<Statement>> {
        if as_of.rem_euclid(DAY) == 0 {
            return Ok(None);
        }
        let mut params = Params::default();
        let functions = &self.functions;
        let at = params.add(time(Some(as_of)));
        let since = format!("pg_catalog.timezone('UTC', segmentation.utc_day({at})::timestamp)");
        let quotes = Quotes::Before(Some(&at));
        let t = self.pass.sql(self.definition, &self.table, &self.reference, quotes, &mut params)?;
        let mut query = format!(
            "SELECT {account} AS account, {functions}.account_profile({trade}) AS profile FROM {from}
             WHERE {account} IS NOT NULL AND {t_at} < {at} AND {t_at} >= {since} GROUP BY 1",
            account = t.account,
            trade = t.trade,
            from = t.from,
            t_at = t.executed_at,
        );
        if let Some(opened) = &self.snapshots {
            let key = self.definition.key_type;
            let s = snapshots::sql(opened, key, self.returns.as_ref(), Some(&at), &mut params)?;
            query = format!(
                "SELECT account, {functions}.rollup(profile) AS profile FROM (
                   {query}
                   UNION ALL
                   SELECT {account}, {functions}.account_profile({snapshot}) FROM {from}
                   WHERE {account} IS NOT NULL AND {s_at} < {at} AND {s_at} >= {since} GROUP BY 1) u
                 GROUP BY 1",
                account = s.account,
                snapshot = s.snapshot,
                from = s.from,
                s_at = s.taken_at,
            );
        }
        Ok(Some(Statement { sql: format!("CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}"), params }))
    }

    /// One row (account, profile) an account, into a new temporary table: from the first day of the look-back to the day
    /// of `as_of`, and of that day what is in the table `part`.
    pub fn whole(
        &self,
        name: &str,
        days: &str,
        part: Option<&str>,
        as_of: i64,
        lookback: Option<&str>,
    ) -> Result<Statement> {
        let mut params = Params::default();
        let functions = &self.functions;
        let at = params.add(time(Some(as_of)));
        let low = low_day(&at, lookback, &mut params);
        let part = part.map_or(String::new(), |part| format!(" UNION ALL SELECT account, profile FROM {part}"));
        let sql = format!(
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS
             SELECT account, {functions}.rollup(profile) AS profile FROM (
               SELECT d.account, d.profile FROM {days} d
               WHERE d.start > date '-infinity' AND d.start >= {low} AND d.start < segmentation.utc_day({at}){part}) p
             GROUP BY account"
        );
        Ok(Statement { sql, params })
    }

    /// One row (account, profile) an account, or a master account as text, straight from the rows for which `condition` is
    /// true of the trades; `since` and `at` bound the snapshots.
    pub fn over(
        &self,
        masters: Option<&Masters>,
        condition: &str,
        since: &str,
        at: &str,
        params: &mut Params,
    ) -> Result<String> {
        let functions = &self.functions;
        let quotes = Quotes::Before(Some(at));
        let t = self.pass.sql(self.definition, &self.table, &self.reference, quotes, params)?;
        let account = Account { alias: "t", column: &self.definition.account, type_oid: self.definition.key_type };
        let (key, join) = match masters {
            Some(masters) => masters.of(&account)?,
            None => (t.account.clone(), String::new()),
        };
        let trades = format!(
            "SELECT {key} AS account, {functions}.account_profile({trade}) AS profile
             FROM {from}{join} WHERE {own} IS NOT NULL AND {condition} GROUP BY 1",
            trade = t.trade,
            from = t.from,
            own = t.account,
        );
        let Some(opened) = &self.snapshots else { return Ok(trades) };
        let s = snapshots::sql(opened, self.definition.key_type, self.returns.as_ref(), Some(at), params)?;
        let within = format!("{s_at} >= {since} AND {s_at} < {at}", s_at = s.taken_at);
        let snapshots = match masters {
            Some(masters) => masters::snapshots(masters, &s, &within)?,
            None => format!(
                "SELECT {account} AS account, {functions}.account_profile({snapshot}) AS profile
                 FROM {from} WHERE {account} IS NOT NULL AND {within} GROUP BY 1",
                account = s.account,
                snapshot = s.snapshot,
                from = s.from,
            ),
        };
        Ok(format!(
            "SELECT u.account, {functions}.rollup(u.profile) AS profile
             FROM ({trades} UNION ALL {snapshots}) u GROUP BY u.account"
        ))
    }
}

/// SQL of the first UTC day of a look-back that ends at an instant.
pub fn low_day(at: &str, lookback: Option<&str>, params: &mut Params) -> String {
    match lookback {
        None => "date '-infinity'".into(),
        Some(lookback) => format!(
            "segmentation.utc_day(pg_catalog.timezone('UTC', pg_catalog.timezone('UTC', {at}) - {}::text::interval))",
            params.add(maybe(Some(lookback.to_string())))
        ),
    }
}
