//! The `preparation` argument: what the user may ask for, parsed once and checked against the features.

use super::transform::{FeatureSpec, Transform};
use super::MAX_FEATURES;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// How a column is centred and scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// (x - median) / IQR, scikit-learn's `RobustScaler`
    Robust,
    /// (x - mean) / population standard deviation, scikit-learn's `StandardScaler`
    Standard,
    /// as it is (JSON null)
    None,
}

/// What a missing value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// becomes the median of the training rows, and is counted
    Median,
    /// stops the fit, and later the scoring of that row
    Error,
}

/// The transform of one feature: the catalogue's, or one the user named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Auto(Transform),
    Explicit(Transform),
}

/// How much each feature counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// every feature the same
    Equal,
    /// 1/sqrt(features in its group), so that each *group* counts the same, times the user's weight a feature (1 where
    /// none was given)
    Group(Vec<f64>),
}

/// How many principal components are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PcaPlan {
    /// none: cluster in the features themselves
    Off,
    /// the fewest whose share of the variance reaches this
    Variance(f64),
    /// this many (fewer where there are fewer)
    Components(usize),
}

/// A checked preparation; one entry of `transforms` (and of the weights) a feature, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub transforms: Vec<Choice>,
    /// Lower and upper quantile beyond which values are pulled in
    pub winsorise: Option<[f64; 2]>,
    pub scale: Scale,
    pub missing: Missing,
    /// A feature with a larger share of missing values is dropped
    pub max_missing: f64,
    pub weights: Weights,
    pub pca: PcaPlan,
    /// Of two features with a larger |rank correlation| the later is dropped; None only reports them
    pub correlated: Option<f64>,
}

const KEYS: [&str; 8] = ["transform", "winsorise", "scale", "missing", "max_missing", "weights", "pca", "correlated"];

impl Plan {
    /// Parses `{"transform", "winsorise", "scale", "missing", "max_missing", "weights", "pca", "correlated"}`; every key
    /// may be left out and None or JSON null is all defaults. Errors (kind `InvalidParameter`) name the key or value that
    /// is not known and list the ones that are.
    pub fn from_json(json: Option<&Value>, specs: &[FeatureSpec]) -> Result<Plan> {
        check_specs(specs)?;
        let empty = Map::new();
        let given = match json {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(map)) => map,
            Some(other) => {
                return Err(Error::invalid(format!("preparation must be a JSON object, got {}", kind(other)))
                    .hint(format!("allowed keys: {}", KEYS.join(", "))))
            }
        };
        if let Some(unknown) = given.keys().find(|k| !KEYS.contains(&k.as_str())) {
            return Err(Error::invalid(format!("unknown key \"{unknown}\" in preparation"))
                .hint(format!("allowed keys: {}", KEYS.join(", "))));
        }
        let plan = Plan {
            transforms: transforms(given.get("transform"), specs)?,
            winsorise: winsorise(given.get("winsorise"))?,
            scale: match given.get("scale") {
                // Winsorising has cut the tails already. The interquartile range is small where a feature piles up at one
                // value (an order-flow imbalance of 0), and the feature then drowns the others: see docs/algorithms.md.
                None => Scale::Standard,
                Some(Value::Null) => Scale::None,
                Some(Value::String(s)) if s == "robust" => Scale::Robust,
                Some(Value::String(s)) if s == "standard" => Scale::Standard,
                Some(other) => return Err(bad("scale", other, "\"robust\", \"standard\" or null")),
            },
            missing: match given.get("missing") {
                None => Missing::Median,
                Some(Value::String(s)) if s == "median" => Missing::Median,
                Some(Value::String(s)) if s == "error" => Missing::Error,
                Some(other) => return Err(bad("missing", other, "\"median\" or \"error\"")),
            },
            max_missing: match given.get("max_missing") {
                None => 0.8,
                Some(v) => share(v).ok_or_else(|| bad("max_missing", v, "a number between 0 and 1"))?,
            },
            weights: weights(given.get("weights"), specs)?,
            pca: pca(given.get("pca"))?,
            correlated: match given.get("correlated") {
                None | Some(Value::Null) => None,
                Some(v) => match share(v).filter(|&c| c > 0.0) {
                    Some(c) => Some(c),
                    None => return Err(bad("correlated", v, "null or a number above 0 and up to 1")),
                },
            },
        };
        Ok(plan)
    }

    pub(super) fn user_weight(&self, feature: usize) -> f64 {
        match &self.weights {
            Weights::Equal => 1.0,
            Weights::Group(w) => w.get(feature).copied().unwrap_or(1.0),
        }
    }
}

fn check_specs(specs: &[FeatureSpec]) -> Result<()> {
    if specs.is_empty() {
        return Err(Error::not_ready("there is no feature to prepare").hint("declare at least one numeric feature"));
    }
    if specs.len() > MAX_FEATURES {
        return Err(Error::invalid(format!("{} features exceed the limit of {MAX_FEATURES}", specs.len())));
    }
    let mut seen = HashSet::new();
    match specs.iter().find(|s| !seen.insert(s.name.as_str())) {
        Some(twice) => Err(Error::invalid(format!("feature \"{}\" is listed twice", twice.name))),
        None => Ok(()),
    }
}

fn kind(v: &Value) -> String {
    match v {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => format!("\"{}\"", s.chars().take(60).collect::<String>()),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
    }
}

fn bad(key: &str, value: &Value, allowed: &str) -> Error {
    Error::invalid(format!("invalid \"{key}\" in preparation: {}", kind(value))).hint(format!("allowed: {allowed}"))
}

fn share(v: &Value) -> Option<f64> {
    v.as_f64().filter(|x| (0.0..=1.0).contains(x))
}

fn feature_index(name: &str, key: &str, specs: &[FeatureSpec]) -> Result<usize> {
    specs.iter().position(|s| s.name == name).ok_or_else(|| {
        let known: Vec<&str> = specs.iter().map(|s| s.name.as_str()).collect();
        Error::invalid(format!("unknown feature \"{name}\" in \"{key}\" of preparation"))
            .hint(format!("features of this segmentation: {}", known.join(", ")))
    })
}

fn transforms(given: Option<&Value>, specs: &[FeatureSpec]) -> Result<Vec<Choice>> {
    let mut all: Vec<Choice> = specs.iter().map(|s| Choice::Auto(s.transform)).collect();
    match given {
        None => {}
        Some(Value::String(s)) if s == "auto" => {}
        Some(Value::String(s)) => all.fill(Choice::Explicit(Transform::parse(s)?)),
        Some(Value::Object(map)) => {
            for (name, value) in map {
                let i = feature_index(name, "transform", specs)?;
                match value {
                    Value::String(s) if s == "auto" => {}
                    Value::String(s) => all[i] = Choice::Explicit(Transform::parse(s)?),
                    other => return Err(bad(&format!("transform\" of \"{name}"), other, &names())),
                }
            }
        }
        Some(other) => return Err(bad("transform", other, &format!("{}, or {{\"feature\": name}}", names()))),
    }
    Ok(all)
}

fn names() -> String {
    format!("auto, {}", Transform::ALL.map(Transform::name).join(", "))
}

fn winsorise(given: Option<&Value>) -> Result<Option<[f64; 2]>> {
    const ALLOWED: &str = "null or two quantiles such as [0.005, 0.995], 0 <= low < high <= 1";
    match given {
        None => Ok(Some([0.005, 0.995])),
        Some(Value::Null) => Ok(None),
        Some(v) => match v.as_array().map(|a| a.iter().map(share).collect::<Option<Vec<f64>>>()) {
            Some(Some(q)) if q.len() == 2 && q[0] < q[1] => Ok(Some([q[0], q[1]])),
            _ => Err(bad("winsorise", v, ALLOWED)),
        },
    }
}

fn weights(given: Option<&Value>, specs: &[FeatureSpec]) -> Result<Weights> {
    let mut user = vec![1.0; specs.len()];
    match given {
        None => {}
        Some(Value::Null) => return Ok(Weights::Equal),
        Some(Value::String(s)) if s == "group" => {}
        Some(Value::Object(map)) => {
            for (name, value) in map {
                let i = feature_index(name, "weights", specs)?;
                user[i] = value
                    .as_f64()
                    .filter(|w| *w == 0.0 || (1e-6..=1e6).contains(w))
                    .ok_or_else(|| bad(&format!("weights\" of \"{name}"), value, "0 or a number from 1e-6 to 1e6"))?;
            }
        }
        Some(other) => return Err(bad("weights", other, "\"group\", null or {\"feature\": weight}")),
    }
    Ok(Weights::Group(user))
}

fn pca(given: Option<&Value>) -> Result<PcaPlan> {
    const ALLOWED: &str =
        "null, a variance share above 0 and up to 1, {\"variance\": share} or {\"components\": count}";
    let variance = |v: &Value| share(v).filter(|&x| x > 0.0).map(PcaPlan::Variance);
    let parsed = match given {
        None => Some(PcaPlan::Variance(0.9)),
        Some(Value::Null) => Some(PcaPlan::Off),
        Some(v @ Value::Number(_)) => variance(v),
        Some(Value::Object(map)) if map.len() == 1 => match map.iter().next() {
            Some((key, v)) if key == "variance" => variance(v),
            Some((key, v)) if key == "components" => {
                v.as_u64().filter(|m| (1..=MAX_FEATURES as u64).contains(m)).map(|m| PcaPlan::Components(m as usize))
            }
            _ => None,
        },
        _ => None,
    };
    match (parsed, given) {
        (Some(plan), _) => Ok(plan),
        (None, Some(v)) => {
            let shown = v.as_object().map_or_else(|| kind(v), |_| v.to_string().chars().take(80).collect());
            Err(Error::invalid(format!("invalid \"pca\" in preparation: {shown}")).hint(format!("allowed: {ALLOWED}")))
        }
        (None, None) => Ok(PcaPlan::Off),
    }
}
