//! The trigger by which a segmentation hears of inserted trades: on the table of trades, and for a partitioned one on every
//! partition of it.

use crate::api::catalogue::Definition;
use crate::pg::error::{Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, literal, quote};
use pgrx::{pg_sys, PgSqlErrorCode};

/// Name of the transition table inside the trigger.
pub const NEW: &str = "pg_segmentation_new";

/// Name of the trigger of a segmentation.
pub fn trigger_name(segmentation: &str) -> String {
    format!("pg_segmentation_{segmentation}")
}

/// The table itself, and for a partitioned one every partition at every level: rows may be inserted into any of them.
pub fn relations(source: &Relation) -> Result<Vec<Relation>> {
    let sql = "SELECT relid::oid FROM pg_catalog.pg_partition_tree($1) WHERE relid <> $1::regclass";
    let leaves: Vec<pg_sys::Oid> =
        spi::read(sql, &[arg(source.oid)], |r| Ok((0..r.len()).filter_map(|i| r.get(i, 1)).collect()))?;
    let mut all: Vec<Relation> = Relation::find(source.oid)?.into_iter().collect();
    for leaf in leaves {
        all.extend(Relation::find(leaf)?);
    }
    Ok(all)
}

/// Creates the trigger. One that is right is kept: only the table's owner could drop it, and watching takes no more than
/// the TRIGGER right.
pub fn set_trigger(definition: &Definition, relation: &Relation, functions: &str) -> Result<()> {
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

/// The statement that drops a trigger.
pub fn drop_statement(trigger: &str, relation: &Relation) -> String {
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
