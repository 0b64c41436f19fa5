//! What a feature is and the curve it is put through before scaling.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Shares are kept this far from 0 and 1 before the logit: ±6.9, so that the many accounts at exactly 0 or 1 stand
/// apart from the rest without being the only thing k-means sees (1e-6 would put them at ±13.8).
pub const LOGIT_EPS: f64 = 1e-3;

/// The curve; every one is non-decreasing, so quantiles of the transformed are the transformed quantiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// x
    Identity,
    /// ln(1 + x) for x >= 0; at scoring a negative x counts as 0
    Log1p,
    /// sign(x) ln(1 + |x|)
    SignedLog1p,
    /// asinh(x / c) with c = the median of |x| over the training rows where x is not 0, stored
    Asinh,
    /// ln(p / (1 - p)) of p = x clipped to [0.001, 0.999]
    Logit,
    /// sqrt(x) for x >= 0, the square-root scale on which shares have a stable variance
    Hellinger,
}

impl Transform {
    pub const ALL: [Transform; 6] = [
        Transform::Identity,
        Transform::Log1p,
        Transform::SignedLog1p,
        Transform::Asinh,
        Transform::Logit,
        Transform::Hellinger,
    ];

    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Transform::Identity => "identity",
            Transform::Log1p => "log1p",
            Transform::SignedLog1p => "signed_log1p",
            Transform::Asinh => "asinh",
            Transform::Logit => "logit",
            Transform::Hellinger => "hellinger",
        }
    }

    /// The transform of that name; an error lists the names there are.
    pub fn parse(name: &str) -> Result<Transform> {
        Self::ALL.into_iter().find(|t| t.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Transform::name).join(", ");
            Error::invalid(format!("unknown transform \"{name}\" in preparation"))
                .hint(format!("allowed: auto, {known}"))
        })
    }

    /// The values the curve is meant for; outside it a training column is refused (or the transform replaced).
    pub fn domain(self) -> (f64, f64) {
        match self {
            Transform::Log1p | Transform::Hellinger => (0.0, f64::INFINITY),
            Transform::Logit => (0.0, 1.0),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// What stands in when a feature's *default* transform meets values outside its domain: the curve that agrees
    /// with it inside the domain where there is one, else none at all.
    pub fn fallback(self) -> Transform {
        match self {
            Transform::Log1p => Transform::SignedLog1p,
            _ => Transform::Identity,
        }
    }

    /// Transforms a finite x; `per_unit` is 1/c and only asinh reads it. Never NaN.
    #[inline]
    pub fn apply(self, x: f64, per_unit: f64) -> f64 {
        match self {
            Transform::Identity => x,
            Transform::Log1p => libm::log1p(x.max(0.0)),
            Transform::SignedLog1p => libm::copysign(libm::log1p(x.abs()), x),
            Transform::Asinh => libm::asinh(x * per_unit),
            Transform::Logit => {
                let p = x.clamp(LOGIT_EPS, 1.0 - LOGIT_EPS);
                libm::log(p / (1.0 - p))
            }
            Transform::Hellinger => x.max(0.0).sqrt(),
        }
    }
}

/// One feature as the catalogue describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
