//! What a feature is: its name, its place among the others, its curve, and what it means that it has no value.

use super::transform::Transform;
use serde::{Deserialize, Serialize};

/// What it means that an account has no value of a feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// The value exists but is not known
    #[default]
    Unknown,
    /// There is none, because the account does not do what the feature is about; of what it has none, such as "options"
    Structural(String),
}

impl Absence {
    fn is_unknown(&self) -> bool {
        *self == Absence::Unknown
    }
}

/// One feature as the catalogue describes it. What was added to it later is left out of JSON where it has its default, so that a
/// model of before keeps its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// The SQL name, unique within a model, such as `maker_ratio`
    pub name: String,
    /// What a risk officer calls it, such as "maker share"; used in the names of segments
    pub label: String,
    /// Unit of the raw value, such as "USD"; empty for a pure number
    pub unit: String,
    /// Features of one group share one feature's worth of weight
    pub group: String,
    /// The default curve, used by `"transform": "auto"`
    pub transform: Transform,
    #[serde(default, skip_serializing_if = "Absence::is_unknown")]
    pub absent: Absence,
    /// The category whose value this is: a feature of a block is 1 where the account has that value, else 0, and at most one of
    /// a block is 1. A row that lacks the category lacks all of the block
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
}

impl FeatureSpec {
    /// The label, or the name where there is no label.
    pub fn title(&self) -> &str {
        if self.label.trim().is_empty() {
            &self.name
        } else {
            &self.label
        }
    }
}
