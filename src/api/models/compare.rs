//! `compare_models`, `moved_accounts`, `segment_changes`: two versions over the accounts as they are now.

use crate::api::assign::QUALITY;
use crate::api::catalogue::{self, Definition};
use crate::api::matrix::order_collation;
use crate::api::models::activate::{required_version, score_now};
use crate::api::models::align::{aligned, changes};
use crate::api::scratch::{drop_scratch, FEATURE_ROWS, SCORES};
use crate::pg::call::{Call, Rows};
use crate::pg::datum::Cell;
use crate::pg::error::Result;
use crate::pg::identity::{SafePath, Setting};
use crate::pg::spi::{self, arg, Params};
use crate::sql_function;
use segmentation::model::{Model, Shared};

sql_function!("segmentation_compare_models", 3, compare);
sql_function!("segmentation_moved_accounts", 3, moved);
sql_function!("segmentation_segment_changes", 3, segment_changes);

/// (account, segment_id, segment, volume): the accounts as the two versions see them.
const SIDES: [&str; 2] = ["pg_temp.pg_segmentation_side_a", "pg_temp.pg_segmentation_side_b"];

fn drop_sides() -> Result<()> {
    for side in SIDES {
        let there = spi::read("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[arg(side.to_string())], |r| {
            Ok(r.get(0, 1).unwrap_or(false))
        })?;
        if there {
            spi::run(&format!("DROP TABLE {side}"), &[])?;
        }
    }
    Ok(())
}

/// Scores all accounts by both versions.
fn sides(call: &Call) -> Result<(Definition, [Model; 2])> {
    let definition = catalogue::resolve(Some(call.required(0, "segmentation")?))?;
    definition.check_model_reader()?;
    let (_, a) = definition.model(Some(required_version(call, 1, "a")?))?;
    let (_, b) = definition.model(Some(required_version(call, 2, "b")?))?;
    let source = definition.source()?;
    drop_sides()?;
    let models = [a, b];
    for (model, side) in models.iter().zip(SIDES) {
        score_now(&definition, &source, model)?;
        let mut params = Params::default();
        let ids = params.add(arg(model.segments.iter().map(|s| s.id).collect::<Vec<i32>>()));
        let names = params.add(arg(model.segments.iter().map(|s| s.name.clone()).collect::<Vec<String>>()));
        spi::run(
            &format!(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS
                 SELECT f.account, CASE WHEN s[5] = 0 THEN ({ids}::int[])[s[1]::int] END AS segment_id,
                        CASE WHEN {QUALITY} = 'ok' THEN ({names}::text[])[s[1]::int] ELSE {QUALITY} END AS segment, f.volume
                 FROM {SCORES} n JOIN {FEATURE_ROWS} f USING (account)",
                side.trim_start_matches("pg_temp.")
            ),
            params.args(),
        )?;
    }
    drop_scratch()?;
    Ok((definition, models))
}

/// SQL of the accounts of both sides.
fn both() -> String {
    let [a, b] = SIDES;
    format!(
        "(SELECT coalesce(a.account, b.account) AS account, a.segment_id AS id_a, a.segment AS name_a,
                 b.segment_id AS id_b, b.segment AS name_b, coalesce(a.volume, b.volume) AS volume
          FROM {a} a FULL JOIN {b} b ON b.account = a.account) x"
    )
}

fn compare(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::begin();
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let (definition, _) = sides(call)?;
    let order = order_collation(definition.key_type);
    let sql = format!(
        "SELECT id_a, name_a, id_b, name_b, id_a IS DISTINCT FROM id_b, count(*),
                pg_catalog.sum(volume ORDER BY account{order}) FILTER (WHERE volume < 'infinity'),
                (count(*) / pg_catalog.sum(count(*)) OVER ())::float8
         FROM {} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        both()
    );
    let rows = spi::write(&sql, &[], |r| {
        let row = |i| {
            vec![
                Cell::option(r.get(i, 1), Cell::Int),
                Cell::option(r.text(i, 2), Cell::Text),
                Cell::option(r.get(i, 3), Cell::Int),
                Cell::option(r.text(i, 4), Cell::Text),
                Cell::option(r.get(i, 5), Cell::Bool),
                Cell::option(r.get(i, 6), Cell::Big),
                Cell::option(r.get(i, 7), Cell::Float),
                Cell::option(r.get(i, 8), Cell::Float),
            ]
        };
        Ok((0..r.len()).map(row).collect())
    })?;
    drop_sides()?;
    Ok(Rows(rows))
}

fn moved(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::begin();
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let (definition, _) = sides(call)?;
    let order = order_collation(definition.key_type);
    let sql = format!(
        "SELECT account::text, id_a, name_a, id_b, name_b, volume
         FROM {} WHERE id_a IS DISTINCT FROM id_b ORDER BY account{order}",
        both()
    );
    let rows = spi::write(&sql, &[], |r| {
        let row = |i| {
            vec![
                Cell::option(r.text(i, 1), Cell::Text),
                Cell::option(r.get(i, 2), Cell::Int),
                Cell::option(r.text(i, 3), Cell::Text),
                Cell::option(r.get(i, 4), Cell::Int),
                Cell::option(r.text(i, 5), Cell::Text),
                Cell::option(r.get(i, 6), Cell::Float),
            ]
        };
        Ok(r.each(row))
    })?;
    drop_sides()?;
    Ok(Rows(rows))
}

fn segment_changes(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::begin();
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let (_, [a, b]) = sides(call)?;
    let sql = format!(
        "SELECT id_a, id_b, count(*) FROM {}
         WHERE (id_a IS NOT NULL OR name_a = 'noise') AND (id_b IS NOT NULL OR name_b = 'noise')
         GROUP BY 1, 2 ORDER BY 1, 2",
        both()
    );
    let place = |id: i32| b.segments.iter().position(|s| s.id == id);
    let shared = spi::write(&sql, &[], |r| {
        let row = |i| Shared {
            old: r.get::<i32>(i, 1),
            new: r.get::<i32>(i, 2).and_then(place),
            accounts: r.get::<i64>(i, 3).unwrap_or(0) as u64,
        };
        Ok((0..r.len()).map(row).collect::<Vec<_>>())
    })?;
    drop_sides()?;
    let found = aligned(a.segments.iter().map(|s| s.id).collect(), b.k(), shared)?;
    let ids: Vec<i32> = b.segments.iter().map(|s| s.id).collect();
    let rows = changes(&found, &ids).into_iter().map(|c| {
        vec![
            Cell::text(c.change.name()),
            Cell::Ints(c.old),
            Cell::Ints(c.new),
            Cell::Big(c.accounts as i64),
            Cell::Float(c.jaccard),
        ]
    });
    Ok(Rows(rows.collect()))
}
