//! The record of what happened to a segmentation: who, when, why. Rows are added and never changed.

use crate::api::catalogue;
use crate::pg::call::Call;
use crate::pg::error::{Failure, Result};
use crate::pg::spi::{self, arg, maybe};
use pgrx::PgSqlErrorCode;
use serde_json::{json, Value};

/// Most characters of a reason.
const REASON: usize = 2000;

/// What a version can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Candidate,
    Active,
    Retired,
    Rejected,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Candidate => "candidate",
            State::Active => "active",
            State::Retired => "retired",
            State::Rejected => "rejected",
        }
    }

    pub fn parse(name: &str) -> Option<State> {
        [State::Candidate, State::Active, State::Retired, State::Rejected].into_iter().find(|s| s.name() == name)
    }
}

/// Something that happened.
pub struct Event<'a> {
    pub what: &'a str,
    pub version: Option<i32>,
    pub from: Option<State>,
    pub to: Option<State>,
    pub reason: Option<&'a str>,
    pub details: Value,
}

impl<'a> Event<'a> {
    /// One that is about the segmentation as a whole.
    pub fn of_segmentation(what: &'a str) -> Self {
        Event { what, version: None, from: None, to: None, reason: None, details: json!({}) }
    }

    /// One of a version.
    pub fn of_version(what: &'a str, version: i32, from: Option<State>, to: Option<State>) -> Self {
        Event { what, version: Some(version), from, to, reason: None, details: json!({}) }
    }

    pub fn reason(mut self, reason: Option<&'a str>) -> Self {
        self.reason = reason;
        self
    }

    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// Adds it to the record. The lock on the segmentation's row makes the next number free.
    pub fn record(self, segmentation: &str) -> Result<()> {
        // Before acting as the catalogue's owner.
        let (by, login) = spi::read("SELECT current_user::text, session_user::text", &[], |r| {
            Ok((r.text(0, 1).unwrap_or_default(), r.text(0, 2).unwrap_or_default()))
        })?;
        catalogue::lock_row(segmentation)?;
        let added = catalogue::run(
            "INSERT INTO segmentation.event (segmentation, number, version, event, from_state, to_state, by, login, reason, details)
             SELECT $1, coalesce((SELECT pg_catalog.max(number) FROM segmentation.event WHERE segmentation = $1), 0) + 1,
                    $2, $3, $4, $5, $6, $7, $8, $9::jsonb
             ON CONFLICT DO NOTHING",
            &[
                arg(segmentation.to_string()),
                maybe(self.version),
                arg(self.what.to_string()),
                maybe(self.from.map(|s| s.name().to_string())),
                maybe(self.to.map(|s| s.name().to_string())),
                arg(by),
                arg(login),
                maybe(self.reason.map(str::to_string)),
                arg(self.details.to_string()),
            ],
        )?;
        if added == 1 {
            return Ok(());
        }
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!("could not serialize access to segmentation \"{segmentation}\" due to a concurrent change"),
        )
        .hint("the transaction's snapshot is older than that change; run it again"))
    }
}

/// A reason given as an argument: trimmed, `None` for an empty one.
pub fn reason(call: &Call, i: usize) -> Result<Option<String>> {
    let Some(text) = call.text(i)?.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(None) };
    let length = text.chars().count();
    if length > REASON {
        return Err(Failure::invalid(format!("the reason has {length} characters, more than the limit of {REASON}"))
            .hint("put the long version elsewhere, and its place into the reason"));
    }
    Ok(Some(text.to_string()))
}

/// `force` takes a reason, whether or not it turns out to be needed.
pub fn forced(force: bool, reason: Option<&str>) -> Result<()> {
    if force && reason.is_none() {
        return Err(Failure::invalid("force takes a reason").hint("reason => 'why labels may change'"));
    }
    Ok(())
}

/// Versions in the order in which they became active, without those that a rollback left: the last one is active.
pub fn activations(segmentation: &str) -> Result<Vec<i32>> {
    let sql = "SELECT version, event FROM segmentation.event
               WHERE segmentation = $1 AND to_state = 'active'
                 AND number > coalesce((SELECT pg_catalog.max(number) FROM segmentation.event
                                        WHERE segmentation = $1 AND event = 'drop'), 0)
               ORDER BY number";
    catalogue::read(sql, &[arg(segmentation.to_string())], |r| {
        let mut stack: Vec<i32> = Vec::new();
        for i in 0..r.len() {
            let Some(version) = r.get::<i32>(i, 1) else { continue };
            if r.text(i, 2).as_deref() == Some("rollback") {
                // What was activated after the version that it went back to is undone.
                let before = stack.len().saturating_sub(1);
                if let Some(place) = stack[..before].iter().rposition(|&v| v == version) {
                    stack.truncate(place + 1);
                }
            }
            if stack.last() != Some(&version) {
                stack.push(version);
            }
        }
        Ok(stack)
    })
}
