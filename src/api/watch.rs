//! `watch_segmentation`, `unwatch_segmentation`, and the trigger function `segment_trades`.
//!
//! An inserted trade updates the profile of its account and day by adding to it, the span of 32 days from its days,
//! and the account's segment from its profiles: the trade table is not read. Accounts are locked in the order of their
//! keys, so that two inserts cannot wait for each other; the second of two that touch one account sees what the first
//! one wrote.

use crate::api::assign::{score_columns, QUALITY};
use crate::api::catalogue::{self, Definition, Source};
use crate::api::fit::{lock, one_snapshot};
use crate::api::scratch::{
    drop_scratch, score_all, span_start, store_profiles, trade_features, upsert, write_segments,
};
use crate::api::sources::TradeSql;
use crate::api::window::{Window, SPAN};
use crate::pg::call::{Call, Raw};
use crate::pg::error::{warning, Failure, Result};
use crate::pg::identity::{ActAs, SafePath};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, literal, quote};
use crate::pg::trigger::{contained, Trigger};
use crate::sql_function;
use pgrx::{pg_sys, PgSqlErrorCode};

sql_function!("segmentation_watch", 1, watch);
sql_function!("segmentation_unwatch", 1, unwatch);
sql_function!("segmentation_segment_trades", 0, segment_trades);

/// Name of the transition table inside the trigger.
const NEW: &str = "pg_segmentation_new";

fn trigger_name(segmentation: &str) -> String {
    format!("pg_segmentation_{segmentation}")
}

/// The table itself, and for a partitioned one every partition at every level: rows may be inserted into any of them.
fn relations(source: &Relation) -> Result<Vec<Relation>> {
    let sql = "SELECT relid::oid FROM pg_catalog.pg_partition_tree($1) WHERE relid <> $1::regclass";
    let leaves: Vec<pg_sys::Oid> =
        spi::read(sql, &[arg(source.oid)], |r| Ok((0..r.len()).filter_map(|i| r.get(i, 1)).collect()))?;
    let mut all: Vec<Relation> = Relation::find(source.oid)?.into_iter().collect();
    for leaf in leaves {
        all.extend(Relation::find(leaf)?);
    }
    Ok(all)
}

fn check_watchable(definition: &Definition, relation: &Relation) -> Result<()> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
                              WHERE i.inhparent = $1 AND NOT c.relispartition)";
    if spi::read(sql, &[arg(relation.oid)], |r| Ok(r.get(0, 1).unwrap_or(false)))? {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("\"{}\" has tables that inherit from it, which cannot be watched", relation.name),
        )
        .hint(format!("run fit_segmentation({}) when it has changed, or use partitions", literal(&definition.name))));
    }
    if ["r", "p"].contains(&relation.kind.as_str()) {
        return Ok(());
    }
    let what = match relation.kind.as_str() {
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        _ => "not a table",
    };
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        format!("\"{}\" is {what}, which cannot be watched", relation.name),
    )
    .hint(format!("run fit_segmentation({}) when it has changed", literal(&definition.name))))
}

fn watch(call: &Call) -> Result<Option<String>> {
    let _writer = spi::Writer::command(c"watch_segmentation()");
    let definition = catalogue::resolve(call.text(0)?)?;
    let segments = definition.check_owner()?;
    if definition.kind == Source::Features {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!(
                "segmentation \"{}\" is made of ready-made features, which have no trades to watch",
                definition.name
            ),
        )
        .hint("fit it again when the features have changed"));
    }
    definition.active()?;
    let _path = SafePath::set();
    let source = definition.source()?;
    check_owner_reads(&segments, &source)?;
    let all = relations(&source)?;
    all.iter().try_for_each(|r| check_watchable(&definition, r))?;
    let functions = catalogue::function_schema()?;
    all.iter().try_for_each(|r| set_trigger(&definition, r, &functions))?;
    // Setting the trigger waited for the writers before it and holds off those after: what was inserted since the fit
    // is caught up with now, and from here on every insert is seen.
    lock(&definition, &segments)?;
    // A fit may have ended while this waited.
    let definition = catalogue::resolve(Some(&definition.name))?;
    let (version, model) = definition.model(None)?;
    drop_scratch()?;
    trade_features(&definition, &source, None, model.provenance.lookback.as_deref(), &mut Vec::new())?;
    store_profiles(&definition)?;
    score_all(&model)?;
    write_segments(&segments, &model, version)?;
    drop_scratch()?;
    set_watched(&definition, true)?;
    Ok(Some(format!(
        "inserts into {} update segmentation \"{}\"; updates, deletes and truncates of trades are not followed: fit again after them",
        source.quoted(),
        definition.name
    )))
}

/// The trigger writes as the owner of the segments; what it writes comes from the trade table, so that owner has to be
/// allowed to read it.
fn check_owner_reads(segments: &Relation, source: &Relation) -> Result<()> {
    let sql = "SELECT pg_catalog.has_table_privilege($1, $2, 'SELECT')";
    if spi::read(sql, &[arg(segments.owner), arg(source.oid)], |r| Ok(r.get(0, 1).unwrap_or(false)))? {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("the owner of the segmentation may not read {}", source.quoted()),
    )
    .hint("GRANT SELECT on the trade table to it"))
}

fn set_watched(definition: &Definition, watched: bool) -> Result<()> {
    catalogue::run(
        "UPDATE segmentation.definition SET watched = $2 WHERE name OPERATOR(pg_catalog.=) $1",
        &[arg(definition.name.clone()), arg(watched)],
    )?;
    Ok(())
}

/// Creates the trigger. One that is right is kept: only the table's owner could drop it, and watching takes no more than
/// the TRIGGER right.
fn set_trigger(definition: &Definition, relation: &Relation, functions: &str) -> Result<()> {
    let (name, table) = (trigger_name(&definition.name), relation.quoted());
    let may = "SELECT pg_catalog.has_table_privilege($1, 'TRIGGER')";
    if !spi::read(may, &[arg(relation.oid)], |r| Ok(r.get(0, 1).unwrap_or(false)))? {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied for table {}", relation.name),
        )
        .hint(format!("watching takes GRANT TRIGGER ON {table}")));
    }
    relation.hold_off_writers();
    // 4: after, of a statement, INSERT only.
    let sql = "SELECT tgtype = 4 AND tgnewtable = $3::name AND tgqual IS NULL AND tgenabled = 'O'
                      AND tgfoid = pg_catalog.to_regprocedure($4) AND tgargs = pg_catalog.decode($5, 'hex')
               FROM pg_catalog.pg_trigger WHERE tgrelid = $1 AND tgname = $2::name";
    let argument: String = definition.name.bytes().chain([0]).map(|b| format!("{b:02x}")).collect();
    let arguments = [
        arg(relation.oid),
        arg(name.clone()),
        arg(NEW.to_string()),
        arg(format!("{functions}.segment_trades()")),
        arg(argument),
    ];
    let right = spi::write(sql, &arguments, |r| Ok((r.len() > 0).then(|| r.get(0, 1).unwrap_or(false))))?;
    match right {
        Some(true) => return Ok(()),
        Some(false) => drop(spi::run(&drop_statement(&name, relation), &[])?),
        None => (),
    }
    let trigger = quote(&name);
    spi::run(
        &format!(
            "CREATE TRIGGER {trigger} AFTER INSERT ON {table} REFERENCING NEW TABLE AS {NEW}
             FOR EACH STATEMENT EXECUTE FUNCTION {functions}.segment_trades({})",
            literal(&definition.name)
        ),
        &[],
    )?;
    Ok(())
}

fn drop_statement(trigger: &str, relation: &Relation) -> String {
    format!("DROP TRIGGER {} ON {}", quote(trigger), relation.quoted())
}

/// Drops the trigger where it is there and the current user owns the table. Answers the statements that are left to the
/// owner of the table.
pub fn drop_trigger(definition: &Definition, source: &Relation) -> Result<Vec<String>> {
    let name = trigger_name(&definition.name);
    let mut left = Vec::new();
    for relation in relations(source)? {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = $1 AND tgname = $2::name)";
        if spi::write(sql, &[arg(relation.oid), arg(name.clone())], |r| Ok(r.get(0, 1).unwrap_or(false)))? {
            let statement = drop_statement(&name, &relation);
            if relation.owned {
                spi::run(&statement, &[])?;
            } else {
                left.push(statement);
            }
        }
    }
    Ok(left)
}

fn unwatch(call: &Call) -> Result<Option<String>> {
    let _writer = spi::Writer::command(c"unwatch_segmentation()");
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_owner()?;
    let _path = SafePath::set();
    let left = match Relation::find(definition.source)? {
        Some(source) => drop_trigger(&definition, &source)?,
        None => Vec::new(),
    };
    set_watched(&definition, false)?;
    let mut answer = format!("segmentation \"{}\" is no longer updated by inserts", definition.name);
    if !left.is_empty() {
        answer += &format!(
            "; a trigger that does nothing is left, which the owner of the table may drop: {}",
            left.join("; ")
        );
    }
    Ok(Some(answer))
}

/// Never fails the insert, whatever happens to the segmentation: it warns, and marks the accounts as dirty.
fn segment_trades(call: &Call) -> Result<Option<Raw>> {
    let trigger = Trigger::of(call)?;
    let _writer = spi::Writer::begin();
    trigger.with_transition_table(|| {
        let name = trigger.argument.clone().unwrap_or_default();
        let relation = trigger.relation;
        let target = name.clone();
        match contained(move || update(&target, relation)) {
            Ok(None) => (),
            Ok(Some(stray)) => warning(&stray.message, &stray.hint),
            Err(failure) => {
                let message = format!("segmentation \"{name}\" was not updated: {}", failure.message);
                warning(&message, "the trades are stored; fit_segmentation brings the segments up to date");
                // Best effort: where even the mark fails, the warning is all there is.
                let _ = contained(move || mark_dirty(&name, relation));
            }
        }
    });
    Ok(Some(Raw(pg_sys::Datum::from(0))))
}

/// What a trigger has to do.
enum Job {
    Update {
        definition: Box<Definition>,
        segments: Relation,
        profiles: Relation,
    },
    /// The segmentation is not watched, and its trigger was left.
    Nothing,
    Stray(Stray),
}

/// A trigger that belongs to no segmentation any more.
struct Stray {
    message: String,
    hint: String,
}

/// Nobody else's table can write into a segmentation: the trigger's table has to be the one that is watched.
fn job(name: &str, relation: pg_sys::Oid) -> Result<Job> {
    let stray = |message: String| -> Result<Job> {
        let table = Relation::find(relation)?.ok_or_else(|| Failure::not_ready("its trade table is gone"))?;
        let hint = drop_statement(&trigger_name(name), &table);
        Ok(Job::Stray(Stray { message, hint: format!("the owner of the table may drop the trigger: {hint}") }))
    };
    let Some(definition) = catalogue::find(name)? else {
        return stray(format!("the trigger's segmentation \"{name}\" does not exist"));
    };
    let sql = "SELECT $1 = $2 OR EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors($1) a WHERE a.relid::oid = $2)";
    if !spi::read(sql, &[arg(relation), arg(definition.source)], |r| Ok(r.get(0, 1).unwrap_or(false)))? {
        return stray(format!("segmentation \"{name}\" was not updated: the table is not the one that is watched"));
    }
    if !definition.watched {
        if one_snapshot()? {
            // Fails with 40001 where it has been watched since the snapshot was taken: the catch-up then could not see
            // the trades that are being inserted.
            let sql = "SELECT FROM segmentation.definition WHERE name OPERATOR(pg_catalog.=) $1 FOR SHARE";
            catalogue::run(sql, &[arg(name.to_string())])?;
        }
        return Ok(Job::Nothing);
    }
    let segments = definition.segments()?;
    let profiles = definition.profiles()?.ok_or_else(|| Failure::not_ready("it has no profiles"))?;
    Ok(Job::Update { definition: Box::new(definition), segments, profiles })
}

fn update(name: &str, relation: pg_sys::Oid) -> Result<Option<Stray>> {
    let _path = SafePath::set();
    let (definition, segments, profiles) = match job(name, relation)? {
        Job::Update { definition, segments, profiles } => (definition, segments, profiles),
        Job::Nothing => return Ok(None),
        Job::Stray(stray) => return Ok(Some(stray)),
    };
    let inserted = Relation::find(relation)?.ok_or_else(|| Failure::not_ready("its trade table is gone"))?;
    let sql = TradeSql::new(&definition, &inserted)?;
    let functions = catalogue::function_schema()?;
    check_owner_reads(&segments, &inserted)?;
    let _owner = ActAs::role(segments.owner);
    // First the lock that a running fit holds off, then the model: the one that is active once the fit has ended.
    spi::run(&format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", segments.quoted()), &[])?;
    let (version, model) = catalogue::resolve(Some(name))?.model(None)?;
    let (account, at, trade) = (&sql.account, &sql.executed_at, &sql.trade);
    let (segments, profiles) = (segments.quoted(), profiles.quoted());
    let touched = format!("SELECT DISTINCT {account} AS account FROM {NEW} t WHERE {account} IS NOT NULL");
    spi::run(
        &format!(
            "INSERT INTO {segments} (account, quality) SELECT account, 'new' FROM ({touched}) n ORDER BY account
             ON CONFLICT (account) DO NOTHING"
        ),
        &[],
    )?;
    spi::run(&format!("SELECT FROM {segments} WHERE account IN ({touched}) ORDER BY account FOR NO KEY UPDATE"), &[])?;
    spi::run(
        &format!(
            "INSERT INTO {profiles} AS p (account, span, start, profile)
             SELECT {account}, 1, segmentation.utc_day({at}), {functions}.account_profile({trade})
             FROM {NEW} t WHERE {account} IS NOT NULL GROUP BY 1, 3 ORDER BY 1, 3
             ON CONFLICT (account, span, start) DO UPDATE
               SET profile = segmentation.profile_plus(p.profile, EXCLUDED.profile)"
        ),
        &[],
    )?;
    spi::run(
        &format!(
            "INSERT INTO {profiles} AS p (account, span, start, profile)
             SELECT d.account, {SPAN}, b.start, {functions}.rollup(d.profile)
             FROM (SELECT DISTINCT account, {block} AS start
                   FROM (SELECT {account} AS account, segmentation.utc_day({at}) AS day FROM {NEW} t
                         WHERE {account} IS NOT NULL) n
                   WHERE day > date '-infinity') b
             JOIN {profiles} d ON d.account = b.account AND d.span = 1 AND d.start >= b.start AND d.start < b.start + {SPAN}
             GROUP BY 1, 3 ORDER BY 1, 3
             ON CONFLICT (account, span, start) DO UPDATE SET profile = EXCLUDED.profile",
            block = span_start("day"),
        ),
        &[],
    )?;
    let watermark = format!(
        "SELECT pg_catalog.timezone('UTC', (pg_catalog.max(start) + 1)::timestamp) FROM {profiles}
         WHERE span = 1 AND start > date '-infinity' AND start <= segmentation.utc_day(pg_catalog.transaction_timestamp())"
    );
    let as_of = spi::write(&watermark, &[], |r| Ok(r.raw(0, 1).map(|d| d.value() as i64)))?;
    if let Some(as_of) = as_of {
        let window = Window::ending(as_of, model.provenance.lookback.as_deref())?;
        let ids: Vec<i32> = model.segments.iter().map(|s| s.id).collect();
        let names: Vec<String> = model.segments.iter().map(|s| s.name.clone()).collect();
        let features: Vec<String> = model.feature_names().into_iter().map(str::to_string).collect();
        spi::run(
            &format!(
                "INSERT INTO {segments} AS old
                   (account, segment_id, segment, model_segment_id, margin, since, model_version, quality)
                 SELECT account, {columns}, pg_catalog.transaction_timestamp(), $5, {QUALITY}
                 FROM (SELECT account, segmentation.score({functions}.feature_vector(profile, $3, $4),
                                                          CAST($6 AS segmentation.model)) AS s
                       FROM (SELECT p.account, {functions}.rollup(p.profile) AS profile
                             FROM {profiles} p WHERE p.account IN ({touched}) AND {window}
                             GROUP BY p.account ORDER BY p.account) r) n
                 {upsert}",
                columns = score_columns("$1", "$2"),
                window = window.condition(),
                // Trades that were missed are missing until a fit reads them.
                upsert = upsert("CASE WHEN old.quality = 'dirty' THEN old.quality ELSE EXCLUDED.quality END"),
            ),
            &[arg(ids), arg(names), arg(features), spi::time(Some(as_of)), arg(version), arg(model.to_json()?)],
        )?;
    }
    // Accounts that are new and have nothing in the look-back: a refit would not list them either.
    spi::run(&format!("DELETE FROM {segments} WHERE quality = 'new' AND account IN ({touched})"), &[])?;
    Ok(None)
}

fn mark_dirty(name: &str, relation: pg_sys::Oid) -> Result<()> {
    let _path = SafePath::set();
    let Job::Update { definition, segments, .. } = job(name, relation)? else { return Ok(()) };
    let account = format!("t.{}", quote(&definition.account));
    let _owner = ActAs::role(segments.owner);
    spi::run(
        &format!(
            "INSERT INTO {} AS old (account, quality)
             SELECT DISTINCT {account}, 'dirty' FROM {NEW} t WHERE {account} IS NOT NULL ORDER BY 1
             ON CONFLICT (account) DO UPDATE SET quality = 'dirty'",
            segments.quoted()
        ),
        &[],
    )?;
    Ok(())
}
