//! `segment_of` and `segment_id_of`.

use crate::api::assign::of_profile;
use crate::api::catalogue::{self, Definition, Source};
use crate::api::window::Window;
use crate::pg::call::{Call, Raw};
use crate::pg::error::{Failure, Result};
use crate::pg::identity::{current_user, SafePath};
use crate::pg::lookup::{self, Target};
use crate::pg::spi::{self, raw};
use crate::pg::{datum, settings};
use crate::sql_function;
use pgrx::{pg_sys, IntoDatum};

sql_function!("segmentation_segment_of_any", 3, segment_of_any);
sql_function!("segmentation_segment_of_text", 3, segment_of_text);
sql_function!("segmentation_segment_id_of_any", 3, segment_id_of_any);
sql_function!("segmentation_segment_id_of_text", 3, segment_id_of_text);

fn segment_of_any(call: &Call) -> Result<Option<Raw>> {
    answer(call, call.argument_type(0), lookup::SEGMENT)
}

fn segment_of_text(call: &Call) -> Result<Option<Raw>> {
    answer(call, pg_sys::TEXTOID, lookup::SEGMENT)
}

fn segment_id_of_any(call: &Call) -> Result<Option<Raw>> {
    answer(call, call.argument_type(0), lookup::SEGMENT_ID)
}

fn segment_id_of_text(call: &Call) -> Result<Option<Raw>> {
    answer(call, pg_sys::TEXTOID, lookup::SEGMENT_ID)
}

/// What a call site keeps. Valid for one generation of the catalogue, one user, one name and one type of argument.
struct Site {
    generation: u64,
    user: pg_sys::Oid,
    name: Option<String>,
    argument_type: pg_sys::Oid,
    target: Target,
}

fn answer(call: &Call, argument_type: pg_sys::Oid, column: i16) -> Result<Option<Raw>> {
    let Some(account) = call.raw(0) else { return Ok(None) };
    if call.raw(2).is_some() {
        return as_of(call, account, argument_type, column);
    }
    // The setting is looked at in every call: it may change between two calls of one function body.
    let named = call.text(1)?;
    let setting = if named.is_none() { settings::default_segmentation() } else { None };
    let name = named.or(setting.as_deref());
    let user = current_user();
    let site = call.site::<Option<Site>>(|| None);
    let warm = site.as_ref().is_some_and(|s| {
        s.generation == lookup::generation()
            && s.user == user
            && s.argument_type == argument_type
            && s.name.as_deref() == name
    });
    if !warm {
        let definition = catalogue::resolve(name)?;
        definition.active()?;
        let table = definition.segments()?;
        let target = Target::new(&table, column, definition.key_type, argument_type, call.site_context())?;
        // After the look-ups: they take locks, and so may hear of changes themselves.
        let generation = lookup::generation();
        *site = Some(Site { generation, user, name: name.map(str::to_string), argument_type, target });
    }
    match site {
        Some(site) => Ok(site.target.find(account)?.map(Raw)),
        None => Ok(None),
    }
}

/// By the active model, from the stored profiles before `as_of`.
fn as_of(call: &Call, account: pg_sys::Datum, argument_type: pg_sys::Oid, column: i16) -> Result<Option<Raw>> {
    let definition = catalogue::resolve(call.text(1)?)?;
    let as_of = call.i64(2).unwrap_or(i64::MAX);
    if definition.kind == Source::Features {
        return Err(Failure::new(
            pgrx::PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("segmentation \"{}\" is made of ready-made features, which have no past", definition.name),
        )
        .hint("leave as_of out, or pass the features of that time to assign_segment"));
    }
    definition.check_model_reader()?;
    let (_, model) = definition.model(None)?;
    let window = Window::ending(as_of, model.provenance.lookback.as_deref())?;
    let Some(profile) = past_profile(&definition, account, argument_type, window)? else { return Ok(None) };
    let assigned = of_profile(&profile, &model, Some(as_of))?;
    if assigned.insufficient {
        return Ok(None);
    }
    let segment = &model.segments[assigned.index];
    Ok(if column == lookup::SEGMENT { segment.name.clone().into_datum() } else { segment.id.into_datum() }.map(Raw))
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
    let key = datum::sql_type(definition.key_type);
    // Through text where the types differ, as for the look-up without as_of.
    let same = datum::base_type(argument_type) == datum::base_type(definition.key_type);
    let cast = if same { String::new() } else { "::text".into() };
    let sql = format!(
        "SELECT {functions}.rollup(p.profile) FROM {} p WHERE p.account = $1{cast}::{key} AND {}",
        table.quoted(),
        window.condition()
    );
    spi::read(&sql, &[raw(argument_type, Some(account))], |r| Ok(r.bytes(0, 1).map(<[u8]>::to_vec)))
}
