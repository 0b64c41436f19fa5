//! The relations beside the trades: what a segmentation may declare, how it is stored, and how it is found again.

pub mod copies;
pub mod custom;
pub mod declare;
pub mod lookups;
pub mod masters;
pub mod moments;
pub mod reference;
pub mod snapshots;
pub mod trades;

use crate::api::catalogue;
use crate::api::columns::{self, Mapping};
use crate::api::inputs::{self, Class, Input};
use crate::pg::error::{Failure, Result};
use crate::pg::relation::{existing, Column, Relation};
use crate::pg::spi::{self, arg, maybe};
use pgrx::{pg_sys, PgSqlErrorCode};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a source is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Instruments,
    LeveragedTokens,
    Prices,
    Quotes,
    Snapshots,
    Attributes,
    Masters,
}

impl Role {
    pub const ALL: [Role; 7] = [
        Role::Instruments,
        Role::LeveragedTokens,
        Role::Prices,
        Role::Quotes,
        Role::Snapshots,
        Role::Attributes,
        Role::Masters,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Role::Instruments => "instruments",
            Role::LeveragedTokens => "leveraged_tokens",
            Role::Prices => "prices",
            Role::Quotes => "quotes",
            Role::Snapshots => "snapshots",
            Role::Attributes => "attributes",
            Role::Masters => "masters",
        }
    }

    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|r| r.name() == name)
    }

    fn inputs(self) -> &'static [Input] {
        match self {
            Role::Instruments => inputs::INSTRUMENTS,
            Role::LeveragedTokens => inputs::LEVERAGED_TOKENS,
            Role::Prices => inputs::PRICES,
            Role::Quotes => inputs::QUOTES,
            Role::Snapshots => inputs::SNAPSHOTS,
            Role::Attributes => inputs::ATTRIBUTES,
            Role::Masters => inputs::MASTERS,
        }
    }

    pub fn mapping(self) -> Mapping<'static> {
        let required: &[&str] = match self {
            Role::Instruments => &["instrument"],
            Role::LeveragedTokens => &["symbol", "factor"],
            Role::Prices => &["underlying", "at", "price"],
            Role::Quotes => &["instrument", "at"],
            Role::Snapshots => &["account", "taken_at"],
            Role::Attributes => &["account"],
            Role::Masters => &["account", "master"],
        };
        Mapping { inputs: self.inputs(), required, role: Some(self.name()) }
    }
}

/// One declared source.
#[derive(Clone)]
pub struct Beside {
    pub role: Role,
    /// None where instruments are only read from their names.
    pub relation: Option<pg_sys::Oid>,
    /// Input to column.
    pub columns: BTreeMap<String, String>,
    pub options: Map<String, Value>,
}

impl Beside {
    pub fn text(&self, option: &str) -> Option<&str> {
        self.options.get(option).and_then(Value::as_str)
    }

    pub fn number(&self, option: &str) -> Option<f64> {
        self.options.get(option).and_then(Value::as_f64)
    }

    pub fn maps(&self, input: &str) -> bool {
        self.columns.contains_key(input)
    }

    /// The relation as it is now; `None` where there is none.
    pub fn open(&self) -> Result<Option<Opened>> {
        let Some(oid) = self.relation else { return Ok(None) };
        let relation = existing(
            oid,
            &format!("the relation of the source \"{}\"", self.role.name()),
            "drop the segmentation and create it again, with other sources",
        )?;
        let all = relation.columns()?;
        let mut mapped = Vec::new();
        for input in self.role.inputs() {
            if let Some(name) = self.columns.get(input.name) {
                mapped.push((input, existing_column(&all, &relation, name)?.clone()));
            }
        }
        Ok(Some(Opened { relation, mapped, all }))
    }
}

/// A column that was there when the segmentation was declared.
pub fn existing_column<'a>(columns: &'a [Column], relation: &Relation, name: &str) -> Result<&'a Column> {
    columns.iter().find(|c| c.name == name).ok_or_else(|| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("column \"{name}\" of relation \"{}\" does not exist any more", relation.name),
        )
        .hint("drop the segmentation and create it again")
    })
}

/// A source's relation as it is now, with the columns that are mapped.
pub struct Opened {
    pub relation: Relation,
    mapped: Vec<(&'static Input, Column)>,
    all: Vec<Column>,
}

impl Opened {
    pub fn column(&self, input: &str) -> Option<&Column> {
        self.mapped.iter().find(|(i, _)| i.name == input).map(|(_, c)| c)
    }

    /// A required input's column.
    pub fn required(&self, input: &str) -> Result<&Column> {
        self.column(input).ok_or_else(|| {
            Failure::not_ready(format!("the relation \"{}\" has lost its input \"{input}\"", self.relation.name))
                .hint("drop the segmentation and create it again")
        })
    }

    /// Any column of the relation.
    pub fn named(&self, name: &str) -> Result<&Column> {
        existing_column(&self.all, &self.relation, name)
    }

    /// An input as SQL of its type, `None` where it is not mapped.
    pub fn sql(&self, alias: &str, input: &str) -> Option<String> {
        self.mapped
            .iter()
            .find(|(i, _)| i.name == input)
            .map(|(i, c)| columns::expression(alias, &c.name, c.type_oid, i.class, false))
    }
}

/// All sources of a segmentation.
#[derive(Clone, Default)]
pub struct Sources(pub Vec<Beside>);

/// What the name of an instrument may tell.
const PARSED: [&str; 6] = ["kind", "underlying", "inverse", "strike", "expiry", "option_type"];
const MIDS: [&str; 6] = ["mid", "mid_1s", "mid_10s", "mid_1m", "mid_5m", "mid_1h"];
/// What quotes tell beside mids: input, column.
const BESIDE_MIDS: [(&str, &str); 4] = [
    ("implied_volatility_1m", "implied_volatility"),
    ("implied_volatility_5m", "implied_volatility"),
    ("underlying_price_1m", "underlying_price"),
    ("underlying_price_5m", "underlying_price"),
];
const PRICED: [&str; 6] = [
    "underlying_price",
    "underlying_price_1m",
    "underlying_price_5m",
    "underlying_return_1h",
    "underlying_return_1d",
    "underlying_return_7d",
];

impl Sources {
    pub fn get(&self, role: Role) -> Option<&Beside> {
        self.0.iter().find(|s| s.role == role)
    }

    pub fn open(&self, role: Role) -> Result<Option<Opened>> {
        self.get(role).map_or(Ok(None), Beside::open)
    }

    /// Whether a source tells an input of `trade(...)`, of `account_snapshot(...)` ("snapshot.equity_usd") or of the market
    /// ("market.volatility").
    pub fn provide(&self, input: &str) -> bool {
        let snapshots = self.get(Role::Snapshots);
        if let Some(input) = input.strip_prefix("snapshot.") {
            let market = ["market_return", "second_market_return"].contains(&input);
            return snapshots.is_some_and(|s| s.maps(input) || (market && self.get(Role::Prices).is_some()));
        }
        if let Some(input) = input.strip_prefix("market.") {
            return match input {
                "venue_volume_usd" | "top_underlyings" => true,
                "volatility" => self.get(Role::Prices).is_some(),
                "risk_free" | "expected_return" => {
                    self.get(Role::Prices).is_some_and(|p| p.number("expected_return").is_some())
                }
                _ => false,
            };
        }
        self.0.iter().any(|s| match s.role {
            Role::Instruments => {
                (s.maps(input) && input != "instrument") || (s.text("parse").is_some() && PARSED.contains(&input))
            }
            Role::LeveragedTokens => match input {
                "kind" | "token_factor" => true,
                "underlying" => s.maps("underlying"),
                _ => false,
            },
            Role::Prices => PRICED.contains(&input),
            Role::Quotes => {
                MIDS.contains(&input) || BESIDE_MIDS.iter().any(|(told, column)| *told == input && s.maps(column))
            }
            Role::Snapshots | Role::Attributes | Role::Masters => false,
        })
    }

    /// Reads what was declared.
    pub fn of(segmentation: &str) -> Result<Sources> {
        let sql = "SELECT role, relation::oid, columns::text, options::text FROM segmentation.source
                   WHERE segmentation OPERATOR(pg_catalog.=) $1";
        let mut all = catalogue::read(sql, &[arg(segmentation.to_string())], |rows| {
            Ok((0..rows.len())
                .filter_map(|i| {
                    let json = |column| rows.text(i, column).and_then(|t| serde_json::from_str::<Value>(&t).ok());
                    let columns = match json(3) {
                        Some(Value::Object(map)) => {
                            map.into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_string()))).collect()
                        }
                        _ => BTreeMap::new(),
                    };
                    let options = match json(4) {
                        Some(Value::Object(map)) => map,
                        _ => Map::new(),
                    };
                    let role = Role::from_name(&rows.text(i, 1)?)?;
                    Some(Beside { role, relation: rows.get(i, 2), columns, options })
                })
                .collect::<Vec<_>>())
        })?;
        all.sort_by_key(|s| s.role as usize);
        Ok(Sources(all))
    }

    pub fn store(&self, segmentation: &str) -> Result<()> {
        for source in &self.0 {
            let columns: Map<String, Value> =
                source.columns.iter().map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect();
            catalogue::run(
                "INSERT INTO segmentation.source (segmentation, role, relation, columns, options)
                 VALUES ($1, $2, $3, $4::jsonb, $5::jsonb)",
                &[
                    arg(segmentation.to_string()),
                    arg(source.role.name().to_string()),
                    maybe(source.relation),
                    arg(Value::Object(columns).to_string()),
                    arg(Value::Object(source.options.clone()).to_string()),
                ],
            )?;
        }
        Ok(())
    }

    /// The relations that a statement over the segmentation's trades reads beside them.
    pub fn relations(&self, roles: &[Role]) -> Result<Vec<Opened>> {
        let wanted = self.0.iter().filter(|s| roles.contains(&s.role));
        Ok(wanted.map(Beside::open).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}

/// Whether a relation has an index that begins with these columns; `None` where it cannot be told (a view, a foreign
/// table). A look-up reads the whole relation without one. `text` says that the key is looked up as text.
pub fn has_index(relation: &Relation, columns: [&Column; 2], text: bool) -> Result<Option<bool>> {
    if !["r", "p", "m"].contains(&relation.kind.as_str()) {
        return Ok(None);
    }
    let sql = "SELECT EXISTS (
                 SELECT FROM pg_catalog.pg_index i
                 JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]
                 JOIN pg_catalog.pg_attribute b ON b.attrelid OPERATOR(pg_catalog.=) $1 AND b.attnum OPERATOR(pg_catalog.=) i.indkey[1]
                 WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND i.indisvalid AND i.indpred IS NULL
                   AND a.attname OPERATOR(pg_catalog.=) $2::name AND b.attname OPERATOR(pg_catalog.=) $3::name)";
    let [a, b] = columns;
    let found = spi::read(sql, &[arg(relation.oid), arg(a.name.clone()), arg(b.name.clone())], |r| Ok(r.get(0, 1)))?;
    // A look-up through text finds no index on another type.
    let base = crate::pg::datum::base_type(a.type_oid);
    let serves = [pg_sys::TEXTOID, pg_sys::VARCHAROID].contains(&base) || !(text || base == pg_sys::BPCHAROID);
    Ok(Some(found.unwrap_or(false) && serves))
}

/// Whether keys of these types can be compared: of one type, both integers, or both text.
pub fn comparable(a: pg_sys::Oid, b: pg_sys::Oid) -> bool {
    let same = crate::pg::datum::base_type(a) == crate::pg::datum::base_type(b);
    same || (columns::is_integer(a) && columns::is_integer(b)) || (columns::is_collated(a) && columns::is_collated(b))
}

/// SQL that is true where a column, as it lies in its relation, equals another expression: so that an index of the column
/// serves. `same` says that the other one is of a [`comparable`] type as it is; otherwise `other_text`, the same as text,
/// is what is compared.
pub fn equal(alias: &str, column: &Column, other: &str, other_type: pg_sys::Oid, other_text: &str) -> String {
    let own = format!("{alias}.{}", spi::quote(&column.name));
    // Two columns may have collations that contradict each other; the indexed column's is the one that counts.
    let collate = |expression: &str| match &column.collation {
        Some(collation) => format!("(({expression}) COLLATE {collation})"),
        None => format!("({expression})"),
    };
    if columns::is_collated(column.type_oid) {
        let base = crate::pg::datum::base_type(column.type_oid);
        let own = if base == pg_sys::TEXTOID { own } else { format!("{own}::text") };
        return format!("{own} = {}", collate(other_text));
    }
    if other_type != pg_sys::InvalidOid && comparable(column.type_oid, other_type) {
        return format!("{own} = {other}");
    }
    format!(
        "({} COLLATE pg_catalog.\"C\") = ({other_text})",
        columns::expression(alias, &column.name, column.type_oid, Class::Text, false)
    )
}
