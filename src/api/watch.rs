//! `watch_segmentation`, `unwatch_segmentation`, and the trigger function `segment_trades`.
//!
//! An inserted trade updates the profile of its account and day by adding to it, the span of 32 days from its days,
//! and the account's segment from its profiles: the trade table is not read. Accounts are locked in the order of their
//! keys, so that two inserts cannot wait for each other; the second of two that touch one account sees what the first
//! one wrote.
//!
//! Instruments, leveraged tokens and prices are joined to the new trades, attributes to their accounts. Quotes are not:
//! what follows a trade is not known yet. Features of class J stay those of the trades of the last fit, and so do
//! snapshots.

use crate::api::assign::{score_columns, SCORED};
use crate::api::catalogue::{self, Definition, Source};
use crate::api::course;
use crate::api::fit::{lock, one_snapshot};
use crate::api::models::event::Event;
use crate::api::rights::{check_owner_reads, check_owner_reads_sources};
use crate::api::scratch::{drop_scratch, score_all, store_profiles, trade_features, upsert, write_segments, Wanted};
use crate::api::sources::copies;
use crate::api::sources::custom::{self, Account};
use crate::api::sources::reference::Reference;
use crate::api::sources::trades::{Pass, Quotes};
use crate::api::sources::{Role, Sources};
use crate::api::triggers::{drop_statement, drop_trigger, relations, set_trigger, trigger_name, NEW};
use crate::api::vector::Vector;
use crate::api::window::Window;
use crate::pg::call::{Call, Raw};
use crate::pg::error::{warning, Failure, Result};
use crate::pg::identity::{ActAs, SafePath, Setting};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, literal, quote, Params};
use crate::pg::trigger::{contained, Trigger};
use crate::sql_function;
use pgrx::{pg_sys, PgSqlErrorCode};

sql_function!("segmentation_watch", 1, watch);
sql_function!("segmentation_unwatch", 1, unwatch);
sql_function!("segmentation_segment_trades", 0, segment_trades);

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
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let source = definition.source()?;
    check_owner_reads(&segments, &source)?;
    let sources = Sources::of(&definition.name)?;
    check_owner_reads_sources(&segments, &sources)?;
    let all = relations(&source)?;
    all.iter().try_for_each(|r| check_watchable(&definition, r))?;
    copies::check_watchable(&Pass::new(&definition, &sources, &source)?, &source)?;
    let functions = catalogue::function_schema()?;
    // What drops the segmentation holds this before it waits for the trades, and so does a fit.
    spi::run(&format!("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", segments.quoted()), &[])?;
    all.iter().try_for_each(|r| set_trigger(&definition, r, &functions))?;
    // Setting the trigger waited for the writers before it and holds off those after: what was inserted since the fit
    // is caught up with now, and from here on every insert is seen.
    lock(&definition, &segments)?;
    // A fit may have ended while this waited.
    let definition = catalogue::resolve(Some(&definition.name))?;
    let (version, model) = definition.model(None)?;
    drop_scratch()?;
    let lookback = model.provenance.lookback.as_deref();
    let made = trade_features(&definition, &source, None, lookback, Wanted::Of(&model), &mut Vec::new())?;
    store_profiles(&definition, Some(made.as_of))?;
    score_all(&model)?;
    write_segments(&segments, &model, version, Some(made.as_of))?;
    drop_scratch()?;
    set_watched(&definition, true, Some(made.as_of))?;
    Event { version: Some(version), ..Event::of_segmentation("watch") }.record(&definition.name)?;
    let mut answer = format!(
        "inserts into {} update segmentation \"{}\"; updates, deletes and truncates of trades are not followed: fit again after them",
        source.quoted(),
        definition.name
    );
    let later: Vec<&str> = [Role::Quotes, Role::Snapshots]
        .into_iter()
        .filter(|&role| sources.get(role).is_some())
        .map(Role::name)
        .collect();
    if !later.is_empty() {
        answer += &format!("; the next fit reads {}", later.join(" and "));
    }
    Ok(Some(answer))
}

fn set_watched(definition: &Definition, watched: bool, scored_as_of: Option<i64>) -> Result<()> {
    catalogue::run(
        "UPDATE segmentation.definition SET watched = $2, scored_as_of = $3 WHERE name OPERATOR(pg_catalog.=) $1",
        &[arg(definition.name.clone()), arg(watched), spi::time(scored_as_of)],
    )?;
    Ok(())
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
    set_watched(&definition, false, definition.scored_as_of)?;
    Event::of_segmentation("unwatch").record(&definition.name)?;
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
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let (definition, segments, profiles) = match job(name, relation)? {
        Job::Update { definition, segments, profiles } => (definition, segments, profiles),
        Job::Nothing => return Ok(None),
        Job::Stray(stray) => return Ok(Some(stray)),
    };
    let inserted = Relation::find(relation)?.ok_or_else(|| Failure::not_ready("its trade table is gone"))?;
    let functions = catalogue::function_schema()?;
    let sources = Sources::of(name)?;
    check_owner_reads(&segments, &inserted)?;
    check_owner_reads_sources(&segments, &sources)?;
    let pass = Pass::new(&definition, &sources, &inserted)?;
    // A key may have been dropped since.
    copies::check_watchable(&pass, &definition.source()?)?;
    let _owner = ActAs::role(segments.owner);
    // First the lock that a running fit holds off, then the model: the one that is active once the fit has ended.
    spi::run(&format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", segments.quoted()), &[])?;
    let (version, model) = catalogue::resolve(Some(name))?.model(None)?;
    let (account, at) = (&pass.account(&definition)?, &pass.executed_at(&definition)?);
    let reference = Reference::read(&pass, NEW, &format!("{account} IS NOT NULL"), &[])?;
    let mut params = Params::default();
    let sql = pass.sql(&definition, NEW, &reference, Quotes::No, &mut params)?;
    let (trade, from) = (&sql.trade, &sql.from);
    let (segments, profiles) = (segments.quoted(), profiles.quoted());
    let touched = format!("SELECT DISTINCT {account} AS account FROM {NEW} t WHERE {account} IS NOT NULL");
    lock_accounts(&segments, &touched)?;
    course::store_days(&profiles, account, at, trade, from, &params)?;
    course::store_spans(&profiles, account, at)?;
    let watermark = format!(
        "SELECT pg_catalog.timezone('UTC', (pg_catalog.max(start) + 1)::timestamp) FROM {profiles}
         WHERE span = 1 AND start > date '-infinity' AND start <= segmentation.utc_day(pg_catalog.transaction_timestamp())"
    );
    let as_of = spi::write(&watermark, &[], |r| Ok(r.raw(0, 1).map(|d| d.value() as i64)))?;
    if let Some(as_of) = as_of {
        let window = Window::ending(as_of, model.provenance.lookback.as_deref())?;
        let ids: Vec<i32> = model.segments.iter().map(|s| s.id).collect();
        let names: Vec<String> = model.segments.iter().map(|s| s.name.clone()).collect();
        let vector = Vector::of_model(&model, &sources)?;
        if let Some(opened) = vector.attributes() {
            custom::check_one_row(opened, Some((&touched, definition.key_type)), &[])?;
        }
        let mut params = Params::default();
        let [ids, names, at, version, json] =
            [arg(ids), arg(names), spi::time(Some(as_of)), arg(version), arg(model.to_json()?)].map(|a| params.add(a));
        let market = model.provenance.market.as_ref();
        let built_in = vector.built_in_sql("r.profile", &["trades"], &at, market, &mut params)?;
        let account = Account { alias: "r", column: "account", type_oid: definition.key_type };
        let (own, join) = vector.custom_sql(&account, &mut params)?.unwrap_or_default();
        let (own, all) = match own.is_empty() {
            true => (String::new(), ""),
            false => (format!(", {own} AS c"), " || v.c"),
        };
        let trades = format!("v.b[{}]", vector.built_in.len() + 1);
        let least = model.provenance.parameters.min_trades;
        // A refit would not list accounts that have no trade that counts in the look-back, whatever was rejected.
        spi::run(
            &format!(
                "WITH scored AS (
                 INSERT INTO {segments} AS old (account, {SCORED}, since, model_version, scored_as_of)
                 SELECT account, {columns}, pg_catalog.transaction_timestamp(), {version}, {at}
                 FROM (SELECT v.account,
                              CASE WHEN {trades} >= {least}
                                   THEN segmentation.score(v.b[1:{n}]{all}, CAST({json} AS segmentation.model)) END AS s
                       FROM (SELECT r.account, {built_in} AS b{own}
                             FROM (SELECT p.account, {profile} AS profile
                                   FROM {profiles} p WHERE p.account IN ({touched}) AND {rows}
                                   GROUP BY p.account {having} ORDER BY p.account) r{join} OFFSET 0) v
                       WHERE {trades} > 0) x
                 {upsert} RETURNING account)
                 DELETE FROM {segments} gone WHERE gone.account IN ({touched}) AND gone.quality <> 'dirty'
                   AND NOT EXISTS (SELECT FROM scored WHERE scored.account = gone.account)",
                columns = score_columns(&ids, &names),
                n = vector.built_in.len(),
                profile = window.profile(&functions),
                rows = window.rows(),
                having = window.having(),
                // Trades that were missed are missing until a fit reads them.
                upsert = upsert("CASE WHEN old.quality = 'dirty' THEN old.quality ELSE EXCLUDED.quality END"),
            ),
            params.args(),
        )?;
    }
    // Nothing is dated before tomorrow: there is no account to score.
    spi::run(&format!("DELETE FROM {segments} WHERE quality = 'pending' AND account IN ({touched})"), &[])?;
    Ok(None)
}

/// Locks the rows of all accounts that are touched, in the order of their keys; one that has none gets one. A row that
/// another insert takes away meanwhile is made again.
fn lock_accounts(segments: &str, touched: &str) -> Result<()> {
    let accounts = format!("SELECT count(*) FROM ({touched}) n");
    let accounts = spi::write(&accounts, &[], |r| Ok(r.get::<i64>(0, 1).unwrap_or(0)))?;
    loop {
        spi::run(
            &format!(
                "INSERT INTO {segments} (account, quality) SELECT account, 'pending' FROM ({touched}) n ORDER BY account
                 ON CONFLICT (account) DO NOTHING"
            ),
            &[],
        )?;
        let locked = spi::run(
            &format!("SELECT FROM {segments} WHERE account IN ({touched}) ORDER BY account FOR NO KEY UPDATE"),
            &[],
        )?;
        if locked >= accounts as u64 {
            return Ok(());
        }
        pgrx::check_for_interrupts!();
    }
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
