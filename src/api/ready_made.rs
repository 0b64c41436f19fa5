//! Ready-made features: columns of a relation that has one row an account. Numbers and booleans are a feature each; a category
//! is one feature for each of its most frequent values, as one of the source `attributes` is.

use crate::api::catalogue::Definition;
use crate::api::columns::{is_enum, is_feature, is_text};
use crate::api::sources::custom::{self, Custom};
use crate::api::sources::existing_column;
use crate::pg::datum::type_name;
use crate::pg::error::{Failure, Result};
use crate::pg::relation::{Column, Relation};
use crate::pg::spi::{quote, Params};
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;
use segmentation::prepare::FeatureSpec;

/// Whether a column can be a feature or, as a category, several.
pub fn is_usable(column: &Column) -> bool {
    is_feature(column) || is_text(column.type_oid)
}

/// Whether it is taken without being named: most texts are names and remarks.
pub fn is_taken(column: &Column) -> bool {
    is_feature(column) || is_enum(column.type_oid)
}

/// The columns that are features: those that were asked for, or all that are taken without being named.
pub fn chosen(source: &Relation, account: &str, wanted: Option<Vec<String>>) -> Result<Vec<String>> {
    let all = source.columns()?;
    let features: Vec<String> = match wanted {
        None => all.iter().filter(|c| c.name != account && is_taken(c)).map(|c| c.name.clone()).collect(),
        Some(names) => {
            for name in &names {
                match all.iter().find(|c| c.name == *name) {
                    Some(c) if is_usable(c) && *name != account => (),
                    Some(c) => {
                        return Err(Failure::new(
                            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                            format!("column \"{name}\" of type {} cannot be a feature", type_name(c.type_oid)),
                        )
                        .hint("features are numbers, booleans, and texts or enums as categories; not the account"))
                    }
                    None => {
                        return Err(Failure::new(
                            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                            format!("column \"{name}\" of relation \"{}\" does not exist", source.name),
                        ))
                    }
                }
            }
            names
        }
    };
    if features.is_empty() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("relation \"{}\" has no number, boolean or enum besides the account", source.name),
        )
        .hint("features have one row an account; name texts that are categories: columns => '[\"tier\"]'"));
    }
    let category = |name: &str| all.iter().any(|c| c.name == name && !is_feature(c));
    let prefix = |a: &String, b: &String| category(a) && b.starts_with(&format!("{a}="));
    for (i, name) in features.iter().enumerate() {
        if let Some(other) = features[..i].iter().find(|o| *o == name || prefix(o, name) || prefix(name, o)) {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_DUPLICATE_COLUMN,
                format!("the features of \"{other}\" and \"{name}\" could have one name"),
            )
            .hint("list each column once; name a view that calls one of them differently"));
        }
    }
    Ok(features)
}

/// What a fit uses: a category is spread over its most frequent values.
pub fn of_fit(definition: &Definition, source: &Relation) -> Result<Vec<Custom>> {
    let columns = source.columns()?;
    let mut own = Vec::new();
    for name in &definition.features {
        let column = existing_column(&columns, source, name)?;
        let one = |value| Custom { column: name.clone(), value, weight: 1.0 };
        if is_feature(column) {
            own.push(one(None));
            continue;
        }
        let from = format!("{} t WHERE t.{} IS NOT NULL", source.quoted(), quote(&definition.account));
        own.extend(custom::frequent("t", column, &from)?.into_iter().map(|v| one(Some(v))));
    }
    Ok(own)
}

/// What a model was fitted on.
pub fn of_model(model: &Model) -> Vec<Custom> {
    let own = |spec: &FeatureSpec| {
        let value = spec.block.as_ref().and_then(|block| spec.name.strip_prefix(block.as_str())?.strip_prefix('='));
        Custom {
            column: spec.block.clone().filter(|_| value.is_some()).unwrap_or_else(|| spec.name.clone()),
            value: value.map(str::to_string),
            weight: 1.0,
        }
    };
    model.preparation().columns().iter().map(|c| own(&c.spec)).collect()
}

/// The columns that they are read from, in their order.
pub fn columns(own: &[Custom]) -> Vec<String> {
    let mut columns: Vec<String> = own.iter().map(|c| c.column.clone()).collect();
    columns.dedup();
    columns
}

pub fn specs(own: &[Custom]) -> Vec<FeatureSpec> {
    own.iter().map(|c| FeatureSpec { group: "own".into(), ..c.spec() }).collect()
}

/// `ARRAY[...]` of them for a row of the source with alias `t`.
pub fn array(own: &[Custom], source: &Relation, params: &mut Params) -> Result<String> {
    let columns = source.columns()?;
    custom::array(|name| existing_column(&columns, source, name), "t", own, params)
}
