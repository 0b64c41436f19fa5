//! Which stored profiles make up a look-back: whole spans of 32 days where they fit, days at the ends.

use crate::api::passes::following;
use crate::pg::error::{Failure, Result};
use crate::pg::spi::{self, arg, time};
use segmentation::profile::days::{day_of, DAY};

/// Days in the longer of the two spans.
pub const SPAN: i32 = 32;

/// PostgreSQL's first date, in days from 2000-01-01.
pub const FIRST_DAY: i32 = -2_451_545;

/// Days from `low` (`None`: from the beginning) to before `high`, counted from 2000-01-01; with `part`, and of `high` what was stored
/// of it as a part of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub low: Option<i32>,
    pub high: i32,
    part: bool,
}

/// An instant as PostgreSQL writes it, in UTC.
fn shown(at: i64) -> Result<String> {
    let sql = "SELECT pg_catalog.timezone('UTC', $1)::text OPERATOR(pg_catalog.||) ' UTC'";
    spi::read(sql, &[time(Some(at))], |r| Ok(r.text(0, 1).unwrap_or_default()))
}

impl Window {
    /// The window of a look-back that ends at `as_of`, which has to be a UTC midnight (22023).
    pub fn ending(as_of: i64, lookback: Option<&str>) -> Result<Window> {
        if as_of.rem_euclid(DAY) != 0 || as_of == i64::MAX || as_of == i64::MIN {
            return Err(Failure::invalid(format!("as_of {} is not a UTC midnight", shown(as_of)?)).hint(
                "segments and explanations of the past come from stored profiles, one a UTC day: pass date_trunc('day', as_of, 'UTC'); segmentation_features takes any instant",
            ));
        }
        Self::scored(as_of, lookback)
    }

    /// The window of a scoring, which may have been inside a day: then the part of that day is stored, too.
    pub fn scored(as_of: i64, lookback: Option<&str>) -> Result<Window> {
        let low = lookback.map(|lookback| {
            let sql = "SELECT segmentation.utc_day(pg_catalog.timezone('UTC',
                         pg_catalog.timezone('UTC', $1) OPERATOR(pg_catalog.-) $2::interval)) OPERATOR(pg_catalog.-) date '2000-01-01'";
            spi::read(sql, &[time(Some(as_of)), arg(lookback.to_string())], |r| Ok(r.get::<i32>(0, 1).unwrap_or(i32::MIN)))
        });
        Ok(Window { low: low.transpose()?, high: day_of(as_of), part: as_of.rem_euclid(DAY) != 0 })
    }

    /// SQL over the columns `span` and `start` of a table of profiles with alias `p`. Needs a safe search path.
    pub fn condition(&self) -> String {
        let days = self.days();
        match self.part {
            true => format!("({days} OR (p.span = 0 AND p.start = date '2000-01-01' + {}))", self.high),
            false => days,
        }
    }

    /// SQL over the columns of such a table with alias `p`: the account's profile of the window, over rows that [`Self::rows`] is
    /// true for. What was open at its beginning comes from the days before it.
    pub fn profile(&self, functions: &str) -> String {
        match self.low {
            None => format!("{functions}.rollup(p.profile)"),
            Some(_) => following("p.profile", &format!("NOT {}", self.condition()), &self.condition()),
        }
    }

    /// The condition on the rows that [`Self::profile`] reads; some of the window have to be among them ([`Self::having`]).
    pub fn rows(&self) -> String {
        match self.low {
            None => self.condition(),
            Some(low) => format!("({} OR {})", before(low), self.condition()),
        }
    }

    pub fn having(&self) -> String {
        format!("HAVING pg_catalog.bool_or({})", self.condition())
    }

    fn days(&self) -> String {
        let from = |n: Option<i32>| n.map_or("p.start > date '-infinity'".into(), |n| format!("p.start >= {}", day(n)));
        let high = block(self.high);
        let low = self.low.map(|l| block(l.saturating_add(SPAN - 1)));
        if low.is_some_and(|l| l >= high) {
            return format!("(p.span = 1 AND {} AND p.start < {})", from(self.low), day(self.high));
        }
        let days_before = match (self.low, low) {
            (Some(l), Some(b)) if l < b => format!(" OR (p.start >= {} AND p.start < {})", day(l), day(b)),
            _ => String::new(),
        };
        format!(
            "((p.span = {SPAN} AND {} AND p.start < {}) OR (p.span = 1 AND ((p.start >= {} AND p.start < {}){days_before})))",
            from(low),
            day(high),
            day(high),
            day(self.high)
        )
    }
}

fn day(n: i32) -> String {
    // The first date PostgreSQL has is 4714-11-24 BC; a block may begin before it.
    format!("date '2000-01-01' + {}", n.max(FIRST_DAY))
}

fn block(n: i32) -> i32 {
    n.div_euclid(SPAN) * SPAN
}

/// Rows of all days before one.
fn before(low: i32) -> String {
    let first = day(block(low));
    format!(
        "(p.start > date '-infinity' AND ((p.span = {SPAN} AND p.start < {first})
          OR (p.span = 1 AND p.start >= {first} AND p.start < {})))",
        day(low)
    )
}
