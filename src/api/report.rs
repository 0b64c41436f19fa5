//! The rows that `create_segmentation` and `describe_segmentation` answer with.

use crate::api::catalogue::{Definition, Source};
use crate::api::columns::{self, Finding};
use crate::api::ready_made;
use crate::api::sources::custom::CATEGORIES;
use crate::api::sources::{Role, Sources};
use crate::pg::datum::{base_type, type_name, Cell};
use crate::pg::error::Result;
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg};
use pgrx::pg_sys;
use segmentation::model::Model;
use segmentation::profile::{Feature, FEATURES};

/// Of a column that was there when the segmentation was declared.
pub const GONE: &str = "the column no longer exists";

/// (item, object, status, source, detail)
#[derive(Default)]
pub struct Report(Vec<Vec<Cell>>);

impl Report {
    pub fn add(&mut self, item: &str, object: &str, status: &str, source: Option<&str>, detail: impl Into<String>) {
        self.0.push(vec![
            Cell::text(item),
            Cell::text(object),
            Cell::text(status),
            Cell::option(source, Cell::text),
            Cell::text(detail),
        ]);
    }

    pub fn rows(self) -> Vec<Vec<Cell>> {
        self.0
    }

    pub fn columns(&mut self, findings: &[Finding]) {
        for f in findings {
            let status = if f.column.is_some() { "mapped" } else { "not found" };
            self.add("column", f.input, status, f.column.as_deref(), f.detail.clone());
        }
    }

    /// A column that an input was mapped to.
    pub fn mapped(&mut self, input: &str, column: &str, found: bool) {
        let (status, detail) = if found { ("mapped", "") } else { ("not found", GONE) };
        self.add("column", input, status, Some(column), detail);
    }

    /// Every built-in feature: available, or which input is missing.
    pub fn features(&mut self, has: &dyn Fn(&str) -> bool) {
        for f in FEATURES.iter() {
            match missing(f, has) {
                None => self.add("feature", f.name, "available", None, format!("{} [{}]", f.meaning, f.unit)),
                Some(input) => self.add("feature", f.name, "not available", None, format!("missing:{input}")),
            }
        }
    }

    /// Ready-made features: numbers and categories; the others with their type.
    pub fn ready_made(&mut self, source: &Relation, account: &str, chosen: &[String]) -> Result<()> {
        let columns = source.columns()?;
        for name in chosen.iter().filter(|name| !columns.iter().any(|c| c.name == **name)) {
            self.add("feature", name, "not found", None, GONE);
        }
        for c in columns.iter().filter(|c| c.name != account) {
            let type_name = type_name(c.type_oid);
            let (status, detail) = match (chosen.contains(&c.name), columns::is_feature(c)) {
                (true, true) => ("available", type_name),
                (true, false) => (
                    "available",
                    format!("{type_name}, a category: one feature for each of its {CATEGORIES} most frequent values"),
                ),
                _ if ready_made::is_taken(c) => ("not available", "left out as asked".to_string()),
                _ if ready_made::is_usable(c) => {
                    ("not available", format!("type {type_name} is a category only where columns names it"))
                }
                _ => ("not available", format!("type {type_name} is neither a number nor a category")),
            };
            self.add("feature", &c.name, status, Some(&c.name), detail);
        }
        Ok(())
    }

    /// How many segments a model has and why, and whether they are more than chance.
    pub fn quality(&mut self, model: &Model) {
        let quality = &model.quality;
        self.add("model", "k", &model.k().to_string(), None, quality.k_reason.as_str());
        let verdict = match quality.guard.p {
            None => "not tested",
            Some(_) if quality.guard.is_chance() => "may be chance",
            Some(_) => "more than chance",
        };
        self.add("model", "guard", verdict, None, quality.guard.in_words());
    }

    pub fn notes(&mut self, definition: &Definition, sources: &Sources, source: &Relation) -> Result<()> {
        let mapped = |input: &str| definition.columns.get(input).is_some_and(|c| c.is_string());
        let has = |input: &str| mapped(input) || sources.provide(input);
        if definition.kind == Source::Trades {
            if has("notional_usd") {
                self.add("note", "notional", "", None, "notional_usd stands in for quantity × price");
            }
            if has("instrument") && !has("underlying") {
                self.add(
                    "note",
                    "underlying",
                    "",
                    None,
                    "no underlying: concentration and diversification are over instruments",
                );
            }
        }
        let expiry = definition.columns.get("expiry").and_then(|c| c.as_str());
        let columns = if expiry.is_some() { source.columns()? } else { Vec::new() };
        if columns.iter().any(|c| Some(c.name.as_str()) == expiry && base_type(c.type_oid) == pg_sys::DATEOID) {
            self.add("note", "expiry", "", None, "it is a date, read as 00:00 UTC of the day: a view may add the hour");
        }
        let mut secured = source.row_security;
        for role in [Role::Snapshots, Role::Attributes] {
            let relation = sources.get(role).and_then(|s| s.relation).map(Relation::find).transpose()?.flatten();
            secured |= relation.is_some_and(|r| r.row_security);
        }
        if secured {
            self.add(
                "note",
                "row-level security",
                "",
                None,
                "the source has it, so it is enabled on the segmentation's tables too; they have no policy yet, and only their owner reads them",
            );
        }
        Ok(())
    }
}

/// Whether a feature is told only of an account among others.
pub fn of_populations(feature: &Feature) -> bool {
    feature.needs.contains(&"population")
}

/// The first input that a feature lacks.
pub fn missing(feature: &Feature, has: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    feature.needs.iter().copied().find(|&need| match need {
        "as_of" | "population" => false,
        // A notional stands in for both, and needs neither.
        "quantity" | "price" => !has(need) && !has("notional_usd"),
        // Told by the account and its counterparty.
        "is_self_trade" => !has(need) && !has("counterparty"),
        // Concentration is over underlyings, and over instruments where none are named; positions are in instruments.
        "instrument" if feature.group == "allocation" && feature.name != "instruments" => {
            !has("instrument") && !has("underlying")
        }
        other => !has(other),
    })
}

/// Size of a relation on disk and its rows.
pub fn table(report: &mut Report, what: &str, relation: &Relation) -> Result<()> {
    // Counting takes the right to read; without it the size alone is told.
    let may = spi::read("SELECT pg_catalog.has_table_privilege($1, 'SELECT')", &[arg(relation.oid)], |r| {
        Ok(r.get(0, 1).unwrap_or(false))
    })?;
    let count = if may { format!("(SELECT count(*)::text FROM {})", relation.quoted()) } else { "NULL::text".into() };
    let sql = format!("SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size($1)), {count}");
    let (size, rows) = spi::read(&sql, &[arg(relation.oid)], |r| Ok((r.text(0, 1), r.text(0, 2))))?;
    let detail = format!("{}, {} rows", size.unwrap_or_default(), rows.as_deref().unwrap_or("? (no right to read)"));
    report.add("table", what, "stored", Some(&relation.quoted()), detail);
    Ok(())
}
