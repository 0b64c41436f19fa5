//! One feature: the figures fitted to its training values.

use super::normal;
use super::plan::{Choice, Missing, Plan, Scale};
use super::quantile::{quantile, OrderStatistics};
use super::spec::FeatureSpec;
use super::step::Step;
use super::transform::Transform;
use super::yeo_johnson;
use super::CHUNK;
use crate::control::Control;
use crate::digits::digits;
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

/// Prepared values stay within this, so that squares and sums of them cannot overflow whatever a row holds.
pub(crate) const LIMIT: f64 = 1e100;

/// 1 / Φ⁻¹(3/4): turns a median absolute deviation into the standard deviation of a normal sample.
pub const MAD_TO_SD: f64 = 1.482602218505602;

/// Which measure of spread a column was divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// 75 % minus 25 % quantile
    Iqr,
    /// [`MAD_TO_SD`] times the median absolute deviation (asked for, or the IQR was 0)
    Mad,
    /// population standard deviation (asked for, or the others were 0)
    Sd,
    /// not divided: the normal deviate of the rank stands for the value
    Rank,
    /// 1: not scaled
    Unit,
}

/// The figures of a feature that takes part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub transform: Transform,
    /// The c of asinh(x / c), in raw units; None for other transforms
    pub c: Option<f64>,
    /// Median of the observed raw values: what a missing value becomes
    pub median: f64,
    /// Winsorising bounds in raw units; None when not winsorised
    pub bounds: Option<[f64; 2]>,
    /// Training values pulled in at the lower and at the upper bound
    pub clipped: [u64; 2],
    /// Location and spread of the observed values after winsorising and transform
    pub center: f64,
    pub scale: f64,
    pub spread: Spread,
    pub weight: f64,
    /// The exponent of Yeo-Johnson; None for other transforms
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Evenly spaced quantiles of the transformed values, where ranks stand for them
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knots: Option<Vec<f64>>,
    /// A value of a category that is prepared to a code and not to a coordinate of its own
    #[serde(default, skip_serializing_if = "is_false")]
    pub coded: bool,
}

fn is_false(x: &bool) -> bool {
    !x
}

/// A feature of the model: kept with its figures, or dropped with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub spec: FeatureSpec,
    /// Training rows without a value (NaN), and with ±inf, which counts as missing too
    pub missing: u64,
    pub infinite: u64,
    pub kept: Option<Kept>,
    pub dropped: Option<String>,
    /// A missing value is an error
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
}

/// A spread that is rounding noise beside the values it is measured on is no spread. (What overflowed is not
/// negligible: it is found to be unsound.)
fn negligible(spread: f64, of: f64) -> bool {
    spread.is_finite() && (spread <= 1e-12 * of || spread < 1e-290)
}

/// Sum in chunks, each from left to right, combined from left to right.
fn sum(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    values.chunks(CHUNK).map(|c| c.iter().fold(0.0, |s, &v| s + f(v))).fold(0.0, |s, v| s + v)
}

/// Fits one column; `raw` holds one value a training row. A weight of 1 is filled in, the caller knows the groups.
pub(super) fn fit(
    plan: &Plan,
    feature: usize,
    spec: &FeatureSpec,
    raw: impl Iterator<Item = f64>,
    control: &Control,
) -> Result<Column> {
    let mut values = Vec::with_capacity(raw.size_hint().0);
    let (mut missing, mut infinite) = (0u64, 0u64);
    for x in raw {
        if x.is_finite() {
            values.push(x + 0.0); // -0 becomes 0, so that it cannot order before it
        } else if x.is_nan() {
            missing += 1;
        } else {
            infinite += 1;
        }
    }
    let rows = values.len() as u64 + missing + infinite;
    let absent = missing + infinite;
    let required = plan.missing[feature] == Missing::Error;
    if required && absent > 0 {
        let infinities = if infinite > 0 { format!(" ({infinite} of them infinite)") } else { String::new() };
        return Err(Error::invalid(format!(
            "feature \"{}\" is missing in {absent} of {rows} rows{infinities}",
            spec.name
        ))
        .hint("fill the values in, leave the feature out, or allow it with preparation {\"missing\": \"median\"}"));
    }
    let column = |kept, dropped| Column { spec: spec.clone(), missing, infinite, kept, dropped, required };
    let drop = |reason: String| Ok(column(None, Some(reason)));
    if plan.user_weight(feature) == 0.0 {
        return drop("weight 0".into());
    }
    if values.is_empty() {
        return drop("missing in every row".into());
    }
    let share = absent as f64 / rows as f64;
    if share > plan.max_missing {
        return drop(format!("missing in {:.1} % of rows (limit {:.1} %)", 100.0 * share, 100.0 * plan.max_missing));
    }
    let smallest = values.iter().fold(f64::INFINITY, |m, &x| m.min(x));
    let largest = values.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
    if smallest == largest {
        return drop("constant".into());
    }
    control.check()?;
    let one_of_many = spec.block.is_some();
    let scale = if one_of_many { Scale::None } else { plan.scales[feature] };
    // A 1 that is rare is no outlier, and ranks have none.
    let winsorise = match scale {
        _ if one_of_many => None,
        Scale::Quantile => Some([0.0, 1.0]),
        _ => plan.winsorise,
    };
    let transform = match plan.transforms[feature] {
        _ if one_of_many => Transform::Identity,
        choice => curve(choice, spec, &values, smallest, largest)?,
    };

    // One selection finds everything that is a rank: quantiles before and after the (non-decreasing) transform.
    let [low_q, high_q] = winsorise.unwrap_or([0.0, 1.0]);
    let mut wanted = vec![low_q, 0.25, 0.5, 0.75, high_q];
    if scale == Scale::Quantile {
        wanted.extend(normal::levels(values.len()));
    }
    // On a copy: how selection reorders is the standard library's business, and sums must not depend on it.
    let ordered = OrderStatistics::select(&mut values.clone(), &wanted, &[]);
    control.check()?;
    let median = ordered.quantile(0.5);
    let bounds = winsorise.map(|_| [ordered.quantile(low_q), ordered.quantile(high_q)]);
    let c = (transform == Transform::Asinh).then(|| {
        let mut sizes: Vec<f64> = values.iter().map(|x| x.abs()).filter(|&x| x > 0.0).collect();
        quantile(&mut sizes, 0.5).max(1e-300)
    });
    control.check()?;
    let mut kept = Kept {
        transform,
        c,
        median,
        bounds,
        clipped: [0, 0],
        center: 0.0,
        scale: 1.0,
        spread: Spread::Unit,
        weight: 1.0,
        lambda: None,
        knots: None,
        coded: false,
    };
    if let Some([low, high]) = bounds {
        kept.clipped =
            [values.iter().filter(|&&x| x < low).count() as u64, values.iter().filter(|&&x| x > high).count() as u64];
    }
    if transform == Transform::YeoJohnson {
        let [low, high] = bounds.unwrap_or([smallest, largest]);
        kept.lambda = Some(yeo_johnson::most_likely(&values, |x| x.max(low).min(high), control)?);
    }
    let step = Step::new(0, &kept);
    let (from, to) = (step.shaped(smallest), step.shaped(largest));
    if negligible(to - from, from.abs().max(to.abs())) {
        let cut = winsorise.filter(|_| kept.clipped != [0, 0]);
        let why = cut.map_or(String::new(), |[a, b]| {
            format!(" between its quantiles {} and {}; see \"winsorise\"", digits(a), digits(b))
        });
        return drop(format!("constant{why}"));
    }
    control.check()?;
    match scale {
        Scale::None => {}
        Scale::Standard => standard(&mut kept, &step, &values),
        Scale::Robust => robust(&mut kept, &step, &values, &ordered),
        Scale::Mad => {
            let center = ordered.quantile_of(0.5, |x| step.shaped(x));
            by_mad(&mut kept, &step, &values, center);
        }
        Scale::Quantile => {
            kept.knots = Some(normal::knots(&ordered, values.len(), |x| step.shaped(x)));
            kept.spread = Spread::Rank;
        }
    }
    if kept.scale == 0.0 {
        return drop("constant but for rounding".into());
    }
    if !Step::new(0, &kept).is_sound() {
        return Err(Error::new(
            Kind::OutOfRange,
            format!(
                "feature \"{}\" spans too wide a range ({} to {}) for transform {}",
                spec.name,
                digits(smallest),
                digits(largest),
                transform.name()
            ),
        )
        .hint("use transform \"asinh\" or \"signed_log1p\" for it"));
    }
    // Scoring pulls what is beyond in, since no row may fail there; a fit would not know its own rows apart.
    let prepared = |t: f64| ((t - kept.center) / kept.scale).abs();
    let extreme = if prepared(from) > prepared(to) { smallest } else { largest };
    if kept.spread != Spread::Rank && prepared(from).max(prepared(to)) > LIMIT {
        return Err(Error::new(
            Kind::OutOfRange,
            format!(
                "feature \"{}\" has the value {}, which is beyond the limit of {} after transform {} and scaling",
                spec.name,
                digits(extreme),
                digits(LIMIT),
                transform.name()
            ),
        )
        .hint("winsorise, or use transform \"asinh\" or \"signed_log1p\" for it"));
    }
    Ok(column(Some(kept), None))
}

/// The curve to use: what the user named must suit the values, what the catalogue suggests gives way.
fn curve(choice: Choice, spec: &FeatureSpec, values: &[f64], smallest: f64, largest: f64) -> Result<Transform> {
    let (Choice::Auto(t) | Choice::Explicit(t)) = choice;
    let (low, high) = t.domain();
    if smallest >= low && largest <= high {
        return Ok(t);
    }
    if let Choice::Auto(_) = choice {
        return Ok(t.fallback());
    }
    let outside = values.iter().filter(|&&x| x < low || x > high).count();
    let extreme = if smallest < low { smallest } else { largest };
    let needs = if high == 1.0 { "between 0 and 1" } else { "of 0 and more" };
    Err(Error::invalid(format!(
        "transform {} of feature \"{}\" needs values {needs}, {outside} of {} are not, such as {}",
        t.name(),
        spec.name,
        values.len(),
        digits(extreme)
    ))
    .hint("use \"signed_log1p\", \"asinh\" or \"identity\" for it"))
}

fn standard(kept: &mut Kept, step: &Step, values: &[f64]) {
    let n = values.len() as f64;
    let shaped: Vec<f64> = values.iter().map(|&x| step.shaped(x)).collect();
    let mean = sum(&shaped, |t| t) / n;
    let sd = (sum(&shaped, |t| (t - mean) * (t - mean)) / n).sqrt();
    kept.center = mean;
    kept.scale = if negligible(sd, mean.abs()) { 0.0 } else { sd };
    kept.spread = Spread::Sd;
}

/// IQR, else MAD, else standard deviation: a share that is 0 for most accounts has no IQR and is still worth keeping.
fn robust(kept: &mut Kept, step: &Step, values: &[f64], ordered: &OrderStatistics) {
    let shaped = |x| step.shaped(x);
    let center = ordered.quantile_of(0.5, shaped);
    let iqr = ordered.quantile_of(0.75, shaped) - ordered.quantile_of(0.25, shaped);
    (kept.center, kept.scale, kept.spread) = (center, iqr, Spread::Iqr);
    if negligible(iqr, center.abs()) {
        by_mad(kept, step, values, center);
    }
}

/// The median absolute deviation from `center`, the median of the transformed, as a standard deviation; the standard deviation
/// itself where more than half of the values are the median.
fn by_mad(kept: &mut Kept, step: &Step, values: &[f64], center: f64) {
    let shaped = |x| step.shaped(x);
    let mut distances: Vec<f64> = values.iter().map(|&x| (shaped(x) - center).abs()).collect();
    let mad = MAD_TO_SD * quantile(&mut distances, 0.5);
    (kept.center, kept.scale, kept.spread) = (center, mad, Spread::Mad);
    if negligible(mad, center.abs()) {
        standard(kept, step, values);
        kept.center = center;
    }
}
