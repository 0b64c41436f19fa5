//! Features of the user's own: columns of a relation that has one row an account. Numbers and booleans are a feature each;
//! a category is one feature for each of its values, 1 or 0, named "column=value".

use super::reference::several;
use super::{equal, Beside, Opened, Role};
use crate::api::columns::{as_text, expression, is_feature, is_text, named, Finding};
use crate::api::inputs::Class;
use crate::api::report::{Report, GONE};
use crate::pg::datum::{base_type, type_name};
use crate::pg::error::{Failure, Result};
use crate::pg::relation::{Column, Relation};
use crate::pg::spi::{self, arg, quote, Arg, Params};
use pgrx::{pg_sys, PgSqlErrorCode};
use segmentation::prepare::{FeatureSpec, Transform};
use segmentation::profile::features::index_of;
use serde_json::{json, Map, Value};

/// The group of these features: a group counts as much as any other one.
pub const GROUP: &str = "custom";

/// A category has at most this many features, for its most frequent values.
pub const CATEGORIES: usize = 20;

/// A longer value is a remark, not a category.
const VALUE_LIMIT: usize = 200;

/// A declared column.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    pub column: String,
    pub category: bool,
    pub weight: f64,
}

/// The declared columns of a source of attributes, in their order.
pub fn attributes_of(options: &Map<String, Value>) -> Vec<Attribute> {
    let read = |v: &Value| {
        Some(Attribute {
            column: v.get("column")?.as_str()?.to_string(),
            category: v.get("category")?.as_bool()?,
            weight: v.get("weight")?.as_f64()?,
        })
    };
    options
        .get("features")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(read).collect())
        .unwrap_or_default()
}

fn wrong(what: &str, hint: &str) -> Failure {
    Failure::invalid(format!("source \"attributes\": {what}")).hint(hint)
}

/// From `{"columns": [...], "weights": {...}}` to what is stored. Without a list all numbers, booleans and enums are taken;
/// texts only where they are named, since most are names and remarks.
pub fn declare(relation: &Relation, account: &Finding, options: Map<String, Value>) -> Result<Map<String, Value>> {
    let all = relation.columns()?;
    let key = account.column.as_deref().unwrap_or_default();
    let chosen: Vec<&Column> = match options.get("columns") {
        None | Some(Value::Null) => all
            .iter()
            .filter(|c| c.name != key && (is_feature(c) || crate::api::columns::is_enum(c.type_oid)))
            .collect(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|name| match name.as_str() {
                Some(name) => named(&all, relation, name),
                None => Err(wrong(&format!("{name} is not the name of a column"), "\"columns\" is a list of strings")),
            })
            .collect::<Result<_>>()?,
        Some(other) => {
            return Err(wrong(
                &format!("\"columns\" is {other}"),
                "pass a list: {\"relation\": \"...\", \"columns\": [\"tier\", \"region\"]}",
            ))
        }
    };
    if chosen.is_empty() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("relation \"{}\" has no number, boolean or enum besides the account", relation.name),
        )
        .hint("name texts that are categories in \"columns\""));
    }
    for (i, c) in chosen.iter().enumerate() {
        if c.name == key || !(is_feature(c) || is_text(c.type_oid)) {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                format!("column \"{}\" of type {} cannot be a feature", c.name, type_name(c.type_oid)),
            )
            .hint("features are numbers, booleans, and texts or enums as categories; not the account"));
        }
        if index_of(&c.name).is_some() || c.name == "account" || c.name == "custom" {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_DUPLICATE_COLUMN,
                format!("column \"{}\" has the name of a built-in feature", c.name),
            )
            .hint("name a view that calls it differently"));
        }
        let category = |c: &Column| !is_feature(c);
        let prefix = |a: &Column, b: &Column| category(a) && b.name.starts_with(&format!("{}=", a.name));
        if let Some(other) = chosen[..i].iter().find(|o| o.name == c.name || prefix(o, c) || prefix(c, o)) {
            return Err(wrong(
                &format!("the features of \"{}\" and \"{}\" could have one name", other.name, c.name),
                "list each column once; name a view that calls one of them differently",
            ));
        }
    }
    let mut weights = match options.get("weights") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(other) => {
            return Err(wrong(
                &format!("\"weights\" is {other}"),
                "pass an object of columns to numbers: {\"tier\": 2}",
            ))
        }
    };
    let features: Vec<Value> = chosen
        .iter()
        .map(|c| {
            let weight = match weights.remove(&c.name) {
                None => 1.0,
                Some(v) => v.as_f64().filter(|w| *w == 0.0 || (1e-6..=1e6).contains(w)).ok_or_else(|| {
                    wrong(&format!("the weight of \"{}\" is {v}", c.name), "0 or a number from 1e-6 to 1e6")
                })?,
            };
            Ok(json!({"column": c.name, "category": !is_feature(c), "weight": weight}))
        })
        .collect::<Result<_>>()?;
    if let Some(unknown) = weights.keys().next() {
        let known: Vec<&str> = chosen.iter().map(|c| c.name.as_str()).collect();
        return Err(wrong(
            &format!("\"weights\" names \"{unknown}\", which is not one of its columns"),
            &format!("its columns are {}", known.join(", ")),
        ));
    }
    Ok(Map::from_iter([("features".to_string(), Value::Array(features))]))
}

/// The rows of a report about the features, of a relation that has these columns now.
pub fn tell(source: &Beside, columns: &[Column], report: &mut Report) {
    for a in attributes_of(&source.options).iter().filter(|_| source.role == Role::Attributes) {
        if !columns.iter().any(|c| c.name == a.column) {
            report.add("feature", &a.column, "not found", None, GONE);
            continue;
        }
        let what = if a.category {
            format!("a category: one feature for each of its {CATEGORIES} most frequent values")
        } else {
            "a number".to_string()
        };
        let weight = if a.weight == 1.0 { String::new() } else { format!("; weight {}", a.weight) };
        report.add("feature", &a.column, "available", Some(&a.column), format!("{what}{weight}"));
    }
}

/// One feature of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    pub column: String,
    /// The value that it stands for, where the column is a category.
    pub value: Option<String>,
    pub weight: f64,
}

impl Custom {
    pub fn name(&self) -> String {
        self.value.as_ref().map_or(self.column.clone(), |v| format!("{}={v}", self.column))
    }

    pub fn spec(&self) -> FeatureSpec {
        FeatureSpec {
            name: self.name(),
            label: self.value.as_ref().map_or(self.column.replace('_', " "), |v| format!("{} {v}", self.column)),
            unit: self.value.as_ref().map_or(String::new(), |_| "0 or 1".into()),
            group: GROUP.into(),
            transform: Transform::Identity,
            block: self.value.as_ref().map(|_| self.column.clone()),
            ..FeatureSpec::default()
        }
    }

    /// The feature of this name, where the declared columns have one.
    pub fn of_name(name: &str, declared: &[Attribute]) -> Option<Custom> {
        let found = declared.iter().find_map(|a| match a.category {
            false => (a.column == name).then_some((a, None)),
            true => name.strip_prefix(&format!("{}=", a.column)).map(|value| (a, Some(value.to_string()))),
        });
        found.map(|(a, value)| Custom { column: a.column.clone(), value, weight: a.weight })
    }
}

/// The weights of these features for a preparation that was asked for: what it says goes before what was declared.
pub fn with_weights(preparation: Option<Value>, custom: &[Custom]) -> Option<Value> {
    let mut plan = match preparation {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map,
        // Not a plan: whoever reads it says so.
        other => return other,
    };
    let mut weights = match plan.get("weights") {
        None => Map::new(),
        Some(Value::String(s)) if s == "group" => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => return Some(Value::Object(plan)),
    };
    // A category is meant with all its features.
    for c in custom.iter().filter(|c| c.value.is_some()) {
        if let Some(weight) = weights.get(&c.column).cloned() {
            weights.entry(c.name()).or_insert(weight);
        }
    }
    for c in custom.iter().filter(|c| c.value.is_some()) {
        weights.remove(&c.column);
    }
    for c in custom.iter().filter(|c| c.weight != 1.0) {
        weights.entry(c.name()).or_insert_with(|| json!(c.weight));
    }
    if !weights.is_empty() {
        plan.insert("weights".into(), Value::Object(weights));
    }
    (!plan.is_empty()).then_some(Value::Object(plan))
}

/// The account of another row, as SQL, with the type that the trades' accounts have.
pub struct Account<'a> {
    pub alias: &'a str,
    pub column: &'a str,
    pub type_oid: pg_sys::Oid,
}

/// ` LEFT JOIN relation alias ON its account is that one`.
pub fn join(opened: &Opened, alias: &str, account: &Account) -> Result<String> {
    let own = opened.required("account")?;
    let native = format!("{}.{}", account.alias, quote(account.column));
    let text = as_text(account.alias, account.column, account.type_oid);
    let equal = equal(alias, own, &native, account.type_oid, &text);
    Ok(format!(" LEFT JOIN {} {alias} ON {equal}", opened.relation.quoted()))
}

/// 21000 where the relation has several rows for one account (of those in `among`, SQL of one column of accounts).
pub fn check_one_row(opened: &Opened, among: Option<(&str, pg_sys::Oid)>, args: &[Arg]) -> Result<()> {
    let column = opened.required("account")?;
    let own = format!("a.{}", quote(&column.name));
    let only = match among {
        None => String::new(),
        Some((accounts, type_oid)) => {
            let key = Account { alias: "k", column: "account", type_oid };
            let text = as_text(key.alias, key.column, key.type_oid);
            format!(
                " AND EXISTS (SELECT FROM ({accounts}) k WHERE {})",
                equal("a", column, "k.account", key.type_oid, &text)
            )
        }
    };
    let sql = format!(
        "SELECT {} FROM {} a WHERE {own} IS NOT NULL{only} GROUP BY {own} HAVING count(*) > 1 LIMIT 1",
        as_text("a", &column.name, column.type_oid),
        opened.relation.quoted()
    );
    match spi::read(&sql, args, |rows| Ok((rows.len() > 0).then(|| rows.text(0, 1)).flatten()))? {
        Some(twice) => Err(several(opened, "account", &twice)),
        None => Ok(()),
    }
}

fn category(alias: &str, column: &Column) -> String {
    format!("({} COLLATE pg_catalog.\"C\")", as_text(alias, &column.name, column.type_oid))
}

/// The most frequent values of a category over the accounts of a table; in the order of the values.
pub fn categories(opened: &Opened, name: &str, table: &str, account: &Account) -> Result<Vec<String>> {
    let from = format!("{table} {}{}", account.alias, join(opened, "a", account)?);
    frequent("a", opened.named(name)?, &from)
}

/// The same over the rows of `from`, SQL in which the column's relation has this alias.
pub fn frequent(alias: &str, column: &Column, from: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT c.value FROM (SELECT {value} AS value FROM {from}) c
         WHERE pg_catalog.octet_length(c.value) <= {VALUE_LIMIT}
         GROUP BY c.value ORDER BY count(*) DESC, c.value COLLATE pg_catalog.\"C\" LIMIT {CATEGORIES}",
        value = category(alias, column),
    );
    let mut values: Vec<String> =
        spi::read(&sql, &[], |rows| Ok((0..rows.len()).filter_map(|i| rows.text(i, 1)).collect()))?;
    values.sort();
    Ok(values)
}

/// `ARRAY[...]` of these features for a row of the relation with this alias, whose columns `named` finds.
pub fn array<'a>(
    named: impl Fn(&str) -> Result<&'a Column>,
    alias: &str,
    custom: &[Custom],
    params: &mut Params,
) -> Result<String> {
    let values: Vec<String> = custom.iter().filter_map(|c| c.value.clone()).collect();
    let given = if values.is_empty() { String::new() } else { params.add(arg(values)) };
    let mut place = 0;
    let elements: Vec<String> = custom
        .iter()
        .map(|c| {
            let column = named(&c.column)?;
            Ok(match c.value {
                None => number(alias, column),
                Some(_) => {
                    place += 1;
                    format!("({} = ({given}::text[])[{place}])::int::float8", category(alias, column))
                }
            })
        })
        .collect::<Result<_>>()?;
    Ok(format!("ARRAY[{}]::float8[]", elements.join(", ")))
}

/// A number or boolean as float8.
fn number(alias: &str, column: &Column) -> String {
    match base_type(column.type_oid) {
        pg_sys::BOOLOID => format!("{alias}.{}::int::float8", quote(&column.name)),
        _ => expression(alias, &column.name, column.type_oid, Class::Number, false),
    }
}

/// The declared columns as they are, as one jsonb; NULL for NaN and infinities, which JSON has not.
pub fn object(opened: &Opened, alias: &str, declared: &[Attribute]) -> Result<String> {
    let values: Vec<String> = declared
        .iter()
        .map(|a| {
            let column = opened.named(&a.column)?;
            let value = match base_type(column.type_oid) {
                _ if a.category => as_text(alias, &column.name, column.type_oid),
                pg_sys::BOOLOID => format!("{alias}.{}::boolean", quote(&column.name)),
                _ => {
                    let x = number(alias, column);
                    format!("CASE WHEN {x} > '-Infinity' AND {x} < 'Infinity' THEN {x} END")
                }
            };
            Ok(format!("{value} AS {}", quote(&a.column)))
        })
        .collect::<Result<_>>()?;
    Ok(format!("(SELECT pg_catalog.to_jsonb(o) FROM (SELECT {}) o)", values.join(", ")))
}
