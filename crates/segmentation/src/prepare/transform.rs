//! The curve a feature is put through before scaling, and the way back.

use super::yeo_johnson;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Shares are kept this far from 0 and 1 before the logit: ±6.9, so that the many accounts at exactly 0 or 1 stand
/// apart from the rest without being the only thing k-means sees (1e-6 would put them at ±13.8).
pub const LOGIT_EPS: f64 = 1e-3;

/// The curve; every one is non-decreasing, so quantiles of the transformed are the transformed quantiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// x
    #[default]
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
    /// The power transform of Yeo and Johnson (2000) with the most likely exponent, stored
    YeoJohnson,
}

impl Transform {
    pub const ALL: [Transform; 7] = [
        Transform::Identity,
        Transform::Log1p,
        Transform::SignedLog1p,
        Transform::Asinh,
        Transform::Logit,
        Transform::Hellinger,
        Transform::YeoJohnson,
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
            Transform::YeoJohnson => "yeo_johnson",
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

    /// Transforms a finite x; `parameter` is 1/c for asinh, the exponent for Yeo-Johnson, and not read otherwise. Never NaN.
    #[inline]
    pub fn apply(self, x: f64, parameter: f64) -> f64 {
        match self {
            Transform::Identity => x,
            Transform::Log1p => libm::log1p(x.max(0.0)),
            Transform::SignedLog1p => libm::copysign(libm::log1p(x.abs()), x),
            Transform::Asinh => libm::asinh(x * parameter),
            Transform::Logit => {
                let p = x.clamp(LOGIT_EPS, 1.0 - LOGIT_EPS);
                libm::log(p / (1.0 - p))
            }
            Transform::Hellinger => x.max(0.0).sqrt(),
            Transform::YeoJohnson => yeo_johnson::forward(x, parameter),
        }
    }

    /// The x that [`Transform::apply`] makes `t` of, up to rounding; NaN or ±inf where there is none, and not to be trusted
    /// outside the values that `apply` can take.
    pub fn invert(self, t: f64, parameter: f64) -> f64 {
        match self {
            Transform::Identity => t,
            Transform::Log1p => libm::expm1(t),
            Transform::SignedLog1p => libm::copysign(libm::expm1(t.abs()), t),
            Transform::Asinh => libm::sinh(t) / parameter,
            Transform::Logit => 1.0 / (1.0 + libm::exp(-t)),
            Transform::Hellinger => t * t,
            Transform::YeoJohnson => yeo_johnson::backward(t, parameter),
        }
    }
}
