//! The features that a fit uses: the default ones, or those of `use_features`.

use crate::api::report;
use crate::api::sources::Sources;
use crate::api::vector;
use crate::pg::error::{Failure, Result};
use pgrx::PgSqlErrorCode;
use segmentation::profile::FEATURES;

pub fn names_of_features(names: Vec<Option<String>>) -> Result<Vec<String>> {
    let null = || {
        Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "a feature's name must not be null")
            .hint("leave use_features out for the default ones")
    };
    names.into_iter().map(|n| n.ok_or_else(null)).collect()
}

/// The built-in features that a fit uses, and after them the user's own.
pub fn chosen_features(
    asked: Option<Vec<String>>,
    has: &dyn Fn(&str) -> bool,
    sources: &Sources,
) -> Result<Vec<String>> {
    let own: Vec<String> = vector::declared(sources).into_iter().map(|a| a.column).collect();
    let Some(asked) = asked else {
        let available = FEATURES.iter().filter(|f| f.in_fit && report::missing(f, has).is_none());
        return Ok(available.map(|f| f.name.to_string()).chain(own).collect());
    };
    if asked.is_empty() {
        return Err(Failure::invalid("use_features names no feature").hint("leave it out for the default ones"));
    }
    let (mut built_in, mut custom) = (Vec::new(), Vec::new());
    for name in asked {
        if built_in.contains(&name) || custom.contains(&name) {
            return Err(Failure::invalid(format!("use_features names \"{name}\" twice")).hint("name it once"));
        }
        if own.contains(&name) {
            custom.push(name);
            continue;
        }
        let Some(feature) = FEATURES.iter().find(|f| f.name == name) else {
            let hint = match own.is_empty() {
                true => "the view segmentation.features lists the features".to_string(),
                false => format!(
                    "the view segmentation.features lists the built-in features; those of attributes are {}",
                    own.join(", ")
                ),
            };
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
                format!("there is no feature \"{name}\""),
            )
            .hint(hint));
        };
        if report::of_populations(feature) {
            return Err(Failure::invalid(format!("feature \"{name}\" ranks accounts, and a fit does not use it"))
                .hint("segmentation_features tells it; use the features that it is made of"));
        }
        if let Some(input) = report::missing(feature, has) {
            return Err(Failure::invalid(format!("feature \"{name}\" is not available: missing:{input}"))
                .hint(format!("map the input \"{input}\" with columns or sources, or leave the feature out")));
        }
        built_in.push(name);
    }
    one_basis(&built_in)?;
    built_in.extend(custom);
    Ok(built_in)
}

/// Returns on equity, on margin and on volume are no one scale: an account that has the one is not like an account that has
/// the same of the other.
fn one_basis(names: &[String]) -> Result<()> {
    let mut bases = FEATURES
        .iter()
        .filter(|f| names.iter().any(|n| n == f.name))
        .filter_map(|f| f.return_basis().map(|basis| (f.name, basis)));
    let Some((one, basis)) = bases.next() else { return Ok(()) };
    match bases.find(|(_, other)| *other != basis) {
        None => Ok(()),
        Some((other, second)) => Err(Failure::invalid(format!(
            "features \"{one}\" and \"{other}\" are of returns on different bases: {basis} and {second}"
        ))
        .hint("choose those of one basis: of equity where snapshots tell it, else of margin, else of volume")),
    }
}
