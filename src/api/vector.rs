//! The features of a model: the built-in ones of a profile first, then those of the user's own relation; and the SQL that
//! computes them for many accounts.

use crate::api::catalogue::{self, Definition};
use crate::api::sources::custom::{self, Account, Attribute, Custom};
use crate::api::sources::{Opened, Role, Sources};
use crate::pg::error::{Failure, Result};
use crate::pg::spi::{arg, maybe, Params};
use segmentation::model::Model;
use segmentation::prepare::FeatureSpec;
use segmentation::profile::features::{index_of, Market};
use segmentation::profile::FEATURES;

pub struct Vector {
    pub built_in: Vec<String>,
    pub custom: Vec<Custom>,
    attributes: Option<Opened>,
}

/// The declared features of the user's own.
pub fn declared(sources: &Sources) -> Vec<Attribute> {
    sources.get(Role::Attributes).map(|s| custom::attributes_of(&s.options)).unwrap_or_default()
}

impl Vector {
    /// What a fit uses: a category is spread over its most frequent values among the accounts of `table`.
    pub fn of_fit(definition: &Definition, sources: &Sources, table: &str) -> Result<Vector> {
        let (built_in, named): (Vec<String>, Vec<String>) =
            definition.features.iter().cloned().partition(|f| index_of(f).is_some());
        let attributes = if named.is_empty() { None } else { sources.open(Role::Attributes)? };
        let declared = declared(sources);
        let mut own = Vec::new();
        for name in named {
            let (Some(a), Some(opened)) = (declared.iter().find(|a| a.column == name), &attributes) else {
                return Err(lost(&name));
            };
            let one = |value| Custom { column: a.column.clone(), value, weight: a.weight };
            if a.category {
                let account = Account { alias: "w", column: "account", type_oid: definition.key_type };
                let values = custom::categories(opened, &a.column, table, &account)?;
                own.extend(values.into_iter().map(|v| one(Some(v))));
            } else {
                own.push(one(None));
            }
        }
        Ok(Vector { built_in, custom: own, attributes })
    }

    /// The same, without reading the sources where the model needs none.
    pub fn of_stored_model(model: &Model, definition: &Definition) -> Result<Vector> {
        let plain = model.feature_names().into_iter().all(|n| index_of(n).is_some());
        let sources = if plain { Sources::default() } else { Sources::of(&definition.name)? };
        Self::of_model(model, &sources)
    }

    /// What a model was fitted on.
    pub fn of_model(model: &Model, sources: &Sources) -> Result<Vector> {
        let declared = declared(sources);
        let (mut built_in, mut own) = (Vec::new(), Vec::new());
        for name in model.feature_names() {
            match Custom::of_name(name, &declared) {
                Some(custom) => own.push(custom),
                None if own.is_empty() && index_of(name).is_some() => built_in.push(name.to_string()),
                None => return Err(lost(name)),
            }
        }
        let attributes = if own.is_empty() { None } else { sources.open(Role::Attributes)? };
        Ok(Vector { built_in, custom: own, attributes })
    }

    pub fn specs(&self) -> Vec<FeatureSpec> {
        let built_in = self.built_in.iter().filter_map(|n| index_of(n)).map(|i| FEATURES[i].spec());
        built_in.chain(self.custom.iter().map(Custom::spec)).collect()
    }

    /// Whether a feature is told against the market.
    pub fn needs(&self, what: &str) -> bool {
        self.built_in.iter().filter_map(|n| index_of(n)).any(|i| FEATURES[i].needs.contains(&what))
    }

    /// `feature_vector(...)` of the built-in features, and of `more` behind them.
    pub fn built_in_sql(
        &self,
        profile: &str,
        more: &[&str],
        as_of: &str,
        market: Option<&Market>,
        params: &mut Params,
    ) -> Result<String> {
        let names: Vec<String> = self.built_in.iter().cloned().chain(more.iter().map(|m| m.to_string())).collect();
        Ok(format!(
            "{}.feature_vector({profile}, {}, {as_of}, {}::jsonb)",
            catalogue::function_schema()?,
            params.add(arg(names)),
            params.add(maybe(market.map(market_json).transpose()?))
        ))
    }

    /// `ARRAY[...]` of the user's own features, and the join that it needs; `None` where there are none.
    pub fn custom_sql(&self, account: &Account, params: &mut Params) -> Result<Option<(String, String)>> {
        let Some(opened) = self.attributes.as_ref().filter(|_| !self.custom.is_empty()) else { return Ok(None) };
        Ok(Some((
            custom::array(|name| opened.named(name), "a", &self.custom, params)?,
            custom::join(opened, "a", account)?,
        )))
    }

    /// The relation of the user's own features, where the vector has some.
    pub fn attributes(&self) -> Option<&Opened> {
        self.attributes.as_ref().filter(|_| !self.custom.is_empty())
    }
}

fn lost(name: &str) -> Failure {
    Failure::not_ready(format!("the feature \"{name}\" is neither built in nor in the source \"attributes\""))
        .hint("drop the segmentation and create it again")
}

pub fn market_json(market: &Market) -> Result<String> {
    serde_json::to_string(market).map_err(|e| Failure::not_ready(format!("the market cannot be written: {e}")))
}
