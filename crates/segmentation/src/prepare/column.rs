//! One feature: the figures fitted to its training values, and the step they become when a row is prepared.

use super::plan::{Choice, Missing, Plan, Scale};
use super::quantile::{quantile, OrderStatistics};
use super::transform::{FeatureSpec, Transform};
use super::CHUNK;
use crate::control::Control;
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
    /// [`MAD_TO_SD`] times the median absolute deviation (the IQR was 0)
    Mad,
    /// population standard deviation (asked for, or IQR and MAD were 0)
    Sd,
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
}

/// What a raw value goes through; everything that can be computed before is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub index: usize,
    pub transform: Transform,
    low: f64,
    high: f64,
    per_unit: f64,
    center: f64,
    factor: f64,
    median: f64,
    /// The prepared value of a missing one
    pub imputed: f64,
}

impl Step {
    /// `index` is the feature's place in the raw row.
    pub fn new(index: usize, kept: &Kept) -> Step {
        let [low, high] = kept.bounds.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        let mut step = Step {
            index,
            transform: kept.transform,
            low,
            high,
            per_unit: kept.c.map_or(1.0, |c| 1.0 / c),
            center: kept.center,
            factor: kept.weight / kept.scale,
            median: kept.median,
            imputed: 0.0,
        };
        step.imputed = step.prepare(kept.median);
        step
    }

    /// Winsorised and transformed, neither centred nor scaled; a missing value counts as the median.
    #[inline]
    pub fn shaped(&self, x: f64) -> f64 {
        let x = if x.is_finite() { x } else { self.median };
        self.transform.apply(x.max(self.low).min(self.high), self.per_unit)
    }

    /// The prepared value of a finite x.
    #[inline]
    pub fn prepare(&self, x: f64) -> f64 {
        let t = self.transform.apply(x.max(self.low).min(self.high), self.per_unit);
        ((t - self.center) * self.factor).clamp(-LIMIT, LIMIT)
    }

    #[inline]
    pub fn clips(&self, x: f64) -> bool {
        x < self.low || x > self.high
    }

    /// Whether no finite value can come out as NaN: a model from outside is refused otherwise.
    pub fn is_sound(&self) -> bool {
        self.low <= self.high
            && [self.per_unit, self.center, self.factor, self.median].iter().all(|v| v.is_finite())
            && self.per_unit > 0.0
            && self.factor > 0.0
    }
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
    if plan.missing == Missing::Error && absent > 0 {
        let infinities = if infinite > 0 { format!(" ({infinite} of them infinite)") } else { String::new() };
        return Err(Error::invalid(format!(
            "feature \"{}\" is missing in {absent} of {rows} rows{infinities}",
            spec.name
        ))
        .hint("fill the values in, leave the feature out, or allow it with preparation {\"missing\": \"median\"}"));
    }
    let column = |kept, dropped| Column { spec: spec.clone(), missing, infinite, kept, dropped };
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
    let transform = curve(plan.transforms[feature], spec, &values, smallest, largest)?;

    // One selection finds everything that is a rank: quantiles before and after the (non-decreasing) transform.
    let [low_q, high_q] = plan.winsorise.unwrap_or([0.0, 1.0]);
    // On a copy: how selection reorders is the standard library's business, and sums must not depend on it.
    let ordered = OrderStatistics::select(&mut values.clone(), &[low_q, 0.25, 0.5, 0.75, high_q], &[]);
    control.check()?;
    let median = ordered.quantile(0.5);
    let bounds = plan.winsorise.map(|_| [ordered.quantile(low_q), ordered.quantile(high_q)]);
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
    };
    if let Some([low, high]) = bounds {
        kept.clipped =
            [values.iter().filter(|&&x| x < low).count() as u64, values.iter().filter(|&&x| x > high).count() as u64];
    }
    let step = Step::new(0, &kept);
    let (from, to) = (step.shaped(smallest), step.shaped(largest));
    if negligible(to - from, from.abs().max(to.abs())) {
        let cut = plan.winsorise.filter(|_| kept.clipped != [0, 0]);
        let why = cut.map_or(String::new(), |[a, b]| format!(" between its quantiles {a} and {b}; see \"winsorise\""));
        return drop(format!("constant{why}"));
    }
    control.check()?;
    match plan.scale {
        Scale::None => {}
        Scale::Standard => standard(&mut kept, &step, &values),
        Scale::Robust => robust(&mut kept, &step, &values, &ordered),
    }
    if kept.scale == 0.0 {
        return drop("constant but for rounding".into());
    }
    if !Step::new(0, &kept).is_sound() {
        return Err(Error::new(
            Kind::OutOfRange,
            format!(
                "feature \"{}\" spans too wide a range ({smallest} to {largest}) for transform {}",
                spec.name,
                transform.name()
            ),
        )
        .hint("use transform \"asinh\" or \"signed_log1p\" for it"));
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
        "transform {} of feature \"{}\" needs values {needs}, {outside} of {} are not, such as {extreme}",
        t.name(),
        spec.name,
        values.len()
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
    if !negligible(iqr, center.abs()) {
        return;
    }
    let mut distances: Vec<f64> = values.iter().map(|&x| (shaped(x) - center).abs()).collect();
    let mad = MAD_TO_SD * quantile(&mut distances, 0.5);
    (kept.scale, kept.spread) = (mad, Spread::Mad);
    if negligible(mad, center.abs()) {
        standard(kept, step, values);
        kept.center = center;
    }
}
