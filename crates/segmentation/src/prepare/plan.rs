//! The `preparation` argument: what the user may ask for, parsed once and checked against the features.

use super::correlate::LIMIT;
use super::spec::{Absence, FeatureSpec};
use super::transform::Transform;
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
    /// (x - median) / ([`super::MAD_TO_SD`] × median absolute deviation)
    Mad,
    /// the normal deviate of the rank among the training rows, scikit-learn's `QuantileTransformer`
    Quantile,
    /// as it is (JSON null)
    None,
}

/// What a missing value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// becomes the median of the training rows, and is counted
    Median,
    /// becomes the median, and an indicator says that the account cannot have the feature
    Structural,
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
    /// those with more variance than chance gives: parallel analysis
    Parallel,
}

/// A checked preparation; one entry of `transforms` (and of the weights) a feature, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub transforms: Vec<Choice>,
    /// Lower and upper quantile beyond which values are pulled in
    pub winsorise: Option<[f64; 2]>,
    /// What is asked for of all features, and of each
    pub scale: Scale,
    pub scales: Vec<Scale>,
    pub missing: Vec<Missing>,
    /// A feature with a larger share of missing values is dropped
    pub max_missing: f64,
    pub weights: Weights,
    pub pca: PcaPlan,
    /// Components are divided by their standard deviation
    pub whiten: bool,
    /// Of two features with a larger |rank correlation| the later is dropped; None only reports them
    pub correlated: Option<f64>,
    /// Categories are prepared to codes and not to 0/1 coordinates
    pub codes: bool,
    /// Of the random numbers of parallel analysis; the caller sets it
    pub seed: u64,
}

const KEYS: [&str; 9] =
    ["transform", "winsorise", "scale", "missing", "max_missing", "weights", "pca", "correlated", "categorical"];

impl Plan {
    /// Parses `{"transform", "winsorise", "scale", "missing", "max_missing", "weights", "pca", "correlated", "categorical"}`;
    /// every key may be left out and None or JSON null is all defaults. Errors (kind `InvalidParameter`) name the key or value that
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
        let (scale, scales) = scales(given.get("scale"), specs)?;
        let (pca, whiten) = pca(given.get("pca"))?;
        Ok(Plan {
            transforms: transforms(given.get("transform"), specs)?,
            winsorise: winsorise(given.get("winsorise"))?,
            scale,
            scales,
            missing: missing(given.get("missing"), specs)?,
            max_missing: match given.get("max_missing") {
                None => 0.8,
                Some(v) => share(v).ok_or_else(|| bad("max_missing", v, "a number between 0 and 1"))?,
            },
            weights: weights(given.get("weights"), specs)?,
            pca,
            whiten,
            correlated: match given.get("correlated") {
                None => Some(LIMIT),
                Some(Value::Null) => None,
                Some(v) => match share(v).filter(|&c| c > 0.0) {
                    Some(c) => Some(c),
                    None => return Err(bad("correlated", v, "null or a number above 0 and up to 1")),
                },
            },
            codes: match given.get("categorical") {
                None => false,
                Some(Value::String(s)) if s == "one_hot" => false,
                Some(Value::String(s)) if s == "codes" => true,
                Some(other) => return Err(bad("categorical", other, "\"one_hot\" or \"codes\"")),
            },
            seed: 1,
        })
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
        Value::Array(_) | Value::Object(_) => v.to_string().chars().take(60).collect(),
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

/// The scale of all features, and of each. Standard unless asked for: winsorising has cut the tails already. The interquartile
/// range is small where a feature piles up at one value (an order-flow imbalance of 0), and the feature then drowns the others:
/// see docs/algorithms.md.
fn scales(given: Option<&Value>, specs: &[FeatureSpec]) -> Result<(Scale, Vec<Scale>)> {
    const ALLOWED: &str = "\"standard\", \"robust\", \"mad\", \"quantile\" or null";
    let one = |v: &Value| match v {
        Value::Null => Some(Scale::None),
        Value::String(s) if s == "standard" => Some(Scale::Standard),
        Value::String(s) if s == "robust" => Some(Scale::Robust),
        Value::String(s) if s == "mad" => Some(Scale::Mad),
        Value::String(s) if s == "quantile" => Some(Scale::Quantile),
        _ => None,
    };
    let mut all = vec![Scale::Standard; specs.len()];
    match given {
        None => {}
        Some(Value::Object(map)) => {
            for (name, value) in map {
                let i = feature_index(name, "scale", specs)?;
                all[i] = one(value).ok_or_else(|| bad(&format!("scale\" of \"{name}"), value, ALLOWED))?;
            }
        }
        Some(v) => {
            let scale = one(v).ok_or_else(|| bad("scale", v, &format!("{ALLOWED}, or {{\"feature\": name}}")))?;
            return Ok((scale, vec![scale; specs.len()]));
        }
    }
    Ok((Scale::Standard, all))
}

/// What the catalogue says, unless the user says something else.
fn missing(given: Option<&Value>, specs: &[FeatureSpec]) -> Result<Vec<Missing>> {
    let declared = |s: &FeatureSpec| match s.absent {
        Absence::Structural(_) if s.block.is_none() => Missing::Structural,
        _ => Missing::Median,
    };
    let mut all: Vec<Missing> = specs.iter().map(declared).collect();
    match given {
        None => {}
        Some(Value::String(s)) if s == "auto" => {}
        Some(Value::String(s)) if s == "median" => all.fill(Missing::Median),
        Some(Value::String(s)) if s == "error" => all.fill(Missing::Error),
        Some(Value::Object(map)) => {
            for (name, value) in map {
                let i = feature_index(name, "missing", specs)?;
                all[i] = match value.as_str() {
                    Some("auto") => all[i],
                    Some("median") => Missing::Median,
                    Some("error") => Missing::Error,
                    Some("structural") if specs[i].block.is_none() => Missing::Structural,
                    Some("structural") => {
                        return Err(bad(
                            &format!("missing\" of \"{name}"),
                            value,
                            "\"median\" or \"error\" for a category",
                        ))
                    }
                    _ => {
                        let allowed = "\"structural\", \"median\", \"error\" or \"auto\"";
                        return Err(bad(&format!("missing\" of \"{name}"), value, allowed));
                    }
                };
            }
        }
        Some(other) => {
            let allowed = "\"auto\", \"median\", \"error\", or {\"feature\": \"structural\", \"median\" or \"error\"}";
            return Err(bad("missing", other, allowed));
        }
    }
    Ok(all)
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

/// How many components, and whether they are whitened.
fn pca(given: Option<&Value>) -> Result<(PcaPlan, bool)> {
    const ALLOWED: &str =
        "null, a variance share above 0 and up to 1, {\"variance\": share}, {\"components\": count} or \
                           {\"parallel\": true}; in an object also \"whiten\": true or false";
    const DEFAULT: PcaPlan = PcaPlan::Variance(0.9);
    let variance = |v: &Value| share(v).filter(|&x| x > 0.0).map(PcaPlan::Variance);
    let components = |v: &Value| {
        v.as_u64().filter(|m| (1..=MAX_FEATURES as u64).contains(m)).map(|m| PcaPlan::Components(m as usize))
    };
    let object = |map: &Map<String, Value>| {
        let whiten = map.get("whiten").map_or(Some(false), Value::as_bool)?;
        let mut rest = map.iter().filter(|(key, _)| *key != "whiten");
        let plan = match rest.next().map(|(key, v)| (key.as_str(), v)) {
            None if !map.is_empty() => DEFAULT,
            Some(("variance", v)) => variance(v)?,
            Some(("components", v)) => components(v)?,
            Some(("parallel", Value::Bool(true))) => PcaPlan::Parallel,
            _ => return None,
        };
        rest.next().is_none().then_some((plan, whiten))
    };
    let parsed = match given {
        None => return Ok((DEFAULT, false)),
        Some(Value::Null) => return Ok((PcaPlan::Off, false)),
        Some(v @ Value::Number(_)) => variance(v).map(|plan| (plan, false)),
        Some(Value::Object(map)) => object(map),
        _ => None,
    };
    parsed.ok_or_else(|| {
        let shown = given.map_or(String::new(), |v| match v {
            Value::Object(_) => v.to_string().chars().take(80).collect(),
            _ => kind(v),
        });
        Error::invalid(format!("invalid \"pca\" in preparation: {shown}")).hint(format!("allowed: {ALLOWED}"))
    })
}
