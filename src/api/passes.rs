//! The statements that make profiles: from trades and snapshots by day, and from the days over a look-back.

use crate::api::catalogue::{self, Definition};
use crate::api::sources::copies;
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
    /// The trade table, each trade once.
    pub table: String,
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
        let table = copies::once(&pass, source)?;
        let condition = format!("{} IS NOT NULL AND {condition}", pass.account(definition)?);
        let reference = Reference::read(&pass, &table, &condition, params.args())?;
        let snapshots = sources.open(Role::Snapshots)?;
        let returns = snapshots.as_ref().map_or(Ok(None), |s| MarketReturns::read(sources, s))?;
        let functions = catalogue::function_schema()?;
        Ok(Passes { definition, table, pass, reference, snapshots, returns, functions })
    }

    /// One row (account, start, profile) an account and UTC day, into a new temporary table. Days of many trades still have
    /// them one by one: [`put_in_course`] comes next.
    pub fn days(&self, name: &str) -> Result<Statement> {
        let mut params = Params::default();
        let functions = &self.functions;
        let t = self.pass.sql(self.definition, &self.table, &self.reference, Quotes::Before(None), &mut params)?;
        let mut query = format!(
            "SELECT {account} AS account, segmentation.utc_day({at}) AS start, segmentation.profile_events({trade}) AS profile
             FROM {from} WHERE {account} IS NOT NULL GROUP BY 1, 2",
            account = t.account,
            at = t.executed_at,
            trade = t.trade,
            from = t.from,
        );
        if let Some(opened) = &self.snapshots {
            let s = snapshots::sql(opened, self.definition.key_type, self.returns.as_ref(), None, &mut params)?;
            query = format!(
                "SELECT account, start, segmentation.profile_events(profile) AS profile FROM (
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

    /// One row (account, profile) an account that has something between the beginning of the day of `as_of` and `as_of`, made
    /// from the rows, after the table `days`, into a new temporary table; `None` where that is a midnight.
    pub fn part(&self, name: &str, days: &str, as_of: i64) -> Result<Option<Statement>> {
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
            "SELECT {account} AS account, segmentation.profile_events({trade}) AS profile FROM {from}
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
                "SELECT account, segmentation.profile_events(profile) AS profile FROM (
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
        let sql = format!(
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS
             WITH e AS MATERIALIZED ({query}),
             b AS (SELECT d.account, segmentation.profile_events(d.profile) AS profile FROM {days} d
                   WHERE d.start > {NO_DAY} AND d.start < segmentation.utc_day({at})
                     AND d.account IN (SELECT e.account FROM e WHERE NOT segmentation.profile_is_sparse(e.profile))
                   GROUP BY 1)
             SELECT e.account, CASE WHEN segmentation.profile_is_sparse(e.profile) THEN e.profile
                                    ELSE segmentation.profile_follow(b.profile, e.profile) END AS profile
             FROM e LEFT JOIN b ON b.account = e.account"
        );
        Ok(Some(Statement { sql, params }))
    }

    /// One row (account, profile) an account, into a new temporary table: from the first day of the look-back to the day
    /// of `as_of`, and of that day what is in the table `part`. What was open at the beginning comes from the days before.
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
        let counts = match lookback {
            None => "true".into(),
            Some(_) => format!("d.start >= {}", low_day(&at, lookback, &mut params)),
        };
        let part = part.map_or(String::new(), |part| format!(" UNION ALL SELECT account, profile, true FROM {part}"));
        let rows = format!(
            "(SELECT d.account, d.profile, {counts} AS counts FROM {days} d
              WHERE d.start > {NO_DAY} AND d.start < segmentation.utc_day({at}){part}) p"
        );
        let query = match lookback {
            None => format!("SELECT p.account, {functions}.rollup(p.profile) AS profile FROM {rows} GROUP BY 1"),
            Some(_) => format!(
                "SELECT p.account, {} AS profile FROM {rows} GROUP BY 1 HAVING pg_catalog.bool_or(p.counts)",
                following("p.profile", "NOT p.counts", "p.counts")
            ),
        };
        Ok(Statement { sql: format!("CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}"), params })
    }

    /// One row (account, profile) an account, or a master account as text, straight from the rows from `since` (a midnight; from the
    /// first one, if there is none) to before `at`. What was open at `since` comes from the rows before it.
    pub fn over(
        &self,
        masters: Option<&Masters>,
        since: Option<&str>,
        at: &str,
        params: &mut Params,
    ) -> Result<String> {
        let functions = &self.functions;
        let account = Account { alias: "t", column: &self.definition.account, type_oid: self.definition.key_type };
        let master = masters.map(|masters| masters.of(&account)).transpose()?;
        let mut rows = |quotes, columns: &dyn Fn(&str) -> String, trade: &str, when: &str| -> Result<String> {
            let t = self.pass.sql(self.definition, &self.table, &self.reference, quotes, params)?;
            let (key, join) = master.clone().unwrap_or_else(|| (t.account.clone(), String::new()));
            Ok(format!(
                "SELECT {key} AS account{columns}, {trade}({value}) AS profile FROM {from}{join}
                 WHERE {own} IS NOT NULL AND {t_at} < {at}{when}",
                columns = columns(&t.executed_at),
                value = t.trade,
                from = t.from,
                own = t.account,
                t_at = t.executed_at,
                when = when.replace("{at}", &t.executed_at),
            ))
        };
        let day = |at: &str| format!(", segmentation.utc_day({at}) AS start");
        let events = "segmentation.profile_events";
        let trades = match since {
            None => {
                let aggregate = format!("{functions}.account_profile");
                format!("{} GROUP BY 1", rows(Quotes::Before(Some(at)), &|_| String::new(), &aggregate, "")?)
            }
            Some(since) => {
                let within = rows(Quotes::Before(Some(at)), &day, events, &format!(" AND {{at}} >= {since}"))?;
                let before = rows(Quotes::No, &day, events, &format!(" AND {{at}} < {since}"))?;
                format!(
                    "SELECT r.account, {} AS profile FROM (
                       WITH d AS MATERIALIZED ({within} GROUP BY 1, 2 UNION ALL {before} GROUP BY 1, 2)
                       SELECT d.account, d.profile, d.start >= segmentation.utc_day({since}) AS counts FROM d
                       WHERE d.start > {NO_DAY} AND segmentation.profile_is_sparse(d.profile)
                       UNION ALL SELECT c.account, c.profile, c.start >= segmentation.utc_day({since}) FROM ({}) c
                       WHERE NOT segmentation.profile_is_sparse(c.profile)) r
                     GROUP BY 1 HAVING pg_catalog.bool_or(r.counts)",
                    following("r.profile", "NOT r.counts", "r.counts"),
                    with_many("d"),
                )
            }
        };
        let Some(opened) = &self.snapshots else { return Ok(trades) };
        let s = snapshots::sql(opened, self.definition.key_type, self.returns.as_ref(), Some(at), params)?;
        let since = since.map_or(String::new(), |since| format!("{} >= {since} AND ", s.taken_at));
        let within = format!("{since}{s_at} < {at}", s_at = s.taken_at);
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

/// The day of what has no time.
pub const NO_DAY: &str = "date '-infinity'";

/// SQL of an aggregate over trades or profiles: the profile of those that count, after those before.
pub fn following(of: &str, before: &str, counts: &str) -> String {
    format!(
        "segmentation.profile_follow(segmentation.profile_events({of}) FILTER (WHERE {before}),
                                     segmentation.profile_events({of}) FILTER (WHERE {counts}))"
    )
}

/// SQL of rows `e` in the order of `start`, each after those before it. Sparse ones are left as they are: they follow
/// whatever is before them.
pub fn carried(query: &str) -> String {
    format!(
        "SELECT e.account, e.start, CASE WHEN segmentation.profile_is_sparse(e.profile) THEN e.profile
           ELSE segmentation.carried_profile(e.profile) OVER (PARTITION BY e.account ORDER BY e.start ROWS UNBOUNDED PRECEDING)
           END AS profile
         FROM ({query}) e"
    )
}

/// Has the days of many trades in a table of days begin with what is open before them.
pub fn put_in_course(days: &str) -> String {
    let of_many = "NOT segmentation.profile_is_sparse(d.profile)";
    format!(
        "UPDATE {days} d SET profile = c.profile
         FROM ({}) c WHERE c.account = d.account AND c.start = d.start AND {of_many}",
        with_many(days)
    )
}

/// SQL of the rows of a table of days of those accounts that have days of many trades, each after those before it.
fn with_many(days: &str) -> String {
    carried(&format!(
        "SELECT d.account, d.start, d.profile FROM {days} d WHERE d.start > {NO_DAY}
           AND d.account IN (SELECT d.account FROM {days} d WHERE NOT segmentation.profile_is_sparse(d.profile))"
    ))
}

/// SQL of the first UTC day of a look-back that ends at an instant.
pub fn low_day(at: &str, lookback: Option<&str>, params: &mut Params) -> String {
    match lookback {
        None => NO_DAY.into(),
        Some(lookback) => format!(
            "segmentation.utc_day(pg_catalog.timezone('UTC', pg_catalog.timezone('UTC', {at}) - {}::text::interval))",
            params.add(maybe(Some(lookback.to_string())))
        ),
    }
}
