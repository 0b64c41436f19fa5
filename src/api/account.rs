//! The features of one account, as a model reads them: from its stored profiles, or its row of ready-made features.

use crate::api::assign::of_profile;
use crate::api::catalogue::{self, Definition, Source};
use crate::api::columns::as_text;
use crate::api::ready_made;
use crate::api::sources::custom::Account;
use crate::api::sources::reference::several;
use crate::api::vector::Vector;
use crate::api::window::Window;
use crate::pg::datum;
use crate::pg::error::{Failure, Result};
use crate::pg::identity::SafePath;
use crate::pg::spi::{self, raw, Params};
use pgrx::pg_sys;
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;

/// What is known of an account.
pub struct Known {
    /// One value for each feature of the model, NaN where there is none
    pub row: Vec<f64>,
    /// Trades in the look-back; None for ready-made features
    pub trades: Option<u64>,
}

impl Known {
    /// `None` where nothing is known of the account. Without `as_of`: the instant that the account was scored at last, so that
    /// what is told is told of the segment that it has.
    ///
    /// Errors: 22023 for an `as_of` that is no UTC midnight, 0A000 for one with ready-made features, which have no past.
    pub fn of(
        definition: &Definition,
        model: &Model,
        account: pg_sys::Datum,
        argument_type: pg_sys::Oid,
        as_of: Option<i64>,
    ) -> Result<Option<Known>> {
        match definition.kind {
            Source::Features if as_of.is_some() => Err(Failure::new(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("segmentation \"{}\" is made of ready-made features, which have no past", definition.name),
            )
            .hint("leave as_of out, or pass the features of that time to assign_segment")),
            Source::Features => ready_made(definition, model, account, argument_type),
            Source::Trades => {
                let lookback = model.provenance.lookback.as_deref();
                let (at, window) = match as_of {
                    Some(at) => (at, Window::ending(at, lookback)?),
                    None => match last_scoring(definition, account, argument_type)? {
                        Some(at) => (at, Window::scored(at, lookback)?),
                        None => return Ok(None),
                    },
                };
                from_profiles(definition, model, account, argument_type, at, window)
            }
        }
    }
}

/// The instant that the account was scored at last: that of the activation, or of the last insert that touched it. `None` for an
/// account without a row.
fn last_scoring(definition: &Definition, account: pg_sys::Datum, argument_type: pg_sys::Oid) -> Result<Option<i64>> {
    let table = definition.segments()?;
    let _path = SafePath::set();
    let sql = format!(
        "SELECT o.scored_as_of FROM {} o WHERE o.account = {}",
        table.quoted(),
        key_sql(definition, argument_type, "$1")
    );
    spi::read(&sql, &[raw(argument_type, Some(account))], |r| {
        Ok((r.len() > 0).then(|| r.raw(0, 1)).flatten().map(|d| d.value() as i64))
    })
}

fn from_profiles(
    definition: &Definition,
    model: &Model,
    account: pg_sys::Datum,
    argument_type: pg_sys::Oid,
    as_of: i64,
    window: Window,
) -> Result<Option<Known>> {
    let Some(profile) = past_profile(definition, account, argument_type, window)? else { return Ok(None) };
    let vector = Vector::of_stored_model(model, definition)?;
    let names: Vec<&str> = vector.built_in.iter().map(String::as_str).collect();
    let (mut row, trades) = of_profile(&profile, &names, Some(as_of), model.provenance.market.as_ref())?;
    row.extend(own_features(definition, &vector, account, argument_type)?);
    Ok(Some(Known { row, trades }))
}

fn past_profile(
    definition: &Definition,
    account: pg_sys::Datum,
    argument_type: pg_sys::Oid,
    window: Window,
) -> Result<Option<Vec<u8>>> {
    let Some(table) = definition.profiles()? else { return Ok(None) };
    let functions = catalogue::function_schema()?;
    let _path = SafePath::set();
    let sql = format!(
        "SELECT {} FROM {} p WHERE p.account = {} AND {} {}",
        window.profile(&functions),
        table.quoted(),
        key_sql(definition, argument_type, "$1"),
        window.rows(),
        window.having()
    );
    spi::read(&sql, &[raw(argument_type, Some(account))], |r| {
        Ok((r.len() > 0).then(|| r.bytes(0, 1)).flatten().map(<[u8]>::to_vec))
    })
}

/// The user's own features of an account, as they are now: attributes have no past.
fn own_features(
    definition: &Definition,
    vector: &Vector,
    account: pg_sys::Datum,
    argument_type: pg_sys::Oid,
) -> Result<Vec<f64>> {
    let mut params = Params::default();
    let key = key_sql(definition, argument_type, &params.add(raw(argument_type, Some(account))));
    let row = Account { alias: "k", column: "account", type_oid: definition.key_type };
    let _path = SafePath::set();
    let (Some((array, join)), Some(opened)) = (vector.custom_sql(&row, &mut params)?, vector.attributes()) else {
        return Ok(Vec::new());
    };
    let text = as_text("k", "account", definition.key_type);
    let sql = format!("SELECT {array}, {text} FROM (SELECT {key} AS account) k{join}");
    spi::read(&sql, params.args(), |r| {
        if r.len() > 1 {
            return Err(several(opened, "account", &r.text(0, 2).unwrap_or_default()));
        }
        let mut row = Vec::new();
        if let Some(array) = r.raw(0, 1) {
            datum::float_array(array, &mut row)?;
        }
        Ok(row)
    })
}

fn ready_made(
    definition: &Definition,
    model: &Model,
    account: pg_sys::Datum,
    argument_type: pg_sys::Oid,
) -> Result<Option<Known>> {
    let source = definition.source()?;
    let mut params = Params::default();
    let key = key_sql(definition, argument_type, &params.add(raw(argument_type, Some(account))));
    let _path = SafePath::set();
    let sql = format!(
        "SELECT {} FROM {} t WHERE t.{} = {key}",
        ready_made::array(&ready_made::of_model(model), &source, &mut params)?,
        source.quoted(),
        spi::quote(&definition.account),
    );
    spi::read(&sql, params.args(), |r| {
        if r.len() > 1 {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_CARDINALITY_VIOLATION,
                format!("\"{}\" has several rows for one account", source.name),
            )
            .hint("ready-made features have one row an account"));
        }
        let Some(array) = (r.len() > 0).then(|| r.raw(0, 1)).flatten() else { return Ok(None) };
        let mut row = Vec::new();
        datum::float_array(array, &mut row)?;
        Ok(Some(Known { row, trades: None }))
    })
}

/// The account that was asked for as the key's type; through text where the types differ, as for the look-up without
/// as_of.
fn key_sql(definition: &Definition, argument_type: pg_sys::Oid, parameter: &str) -> String {
    let same = datum::base_type(argument_type) == datum::base_type(definition.key_type);
    let cast = if same { "" } else { "::text" };
    format!("{parameter}{cast}::{}", datum::sql_type(definition.key_type))
}
