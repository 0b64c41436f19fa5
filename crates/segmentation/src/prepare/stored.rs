//! The fitted preparation: what a model stores, what one row goes through, and the checks on what comes from outside.

use super::column::{Column, Step, LIMIT};
use super::correlate::Correlated;
use super::pca::Pca;
use super::plan::{Missing, Scale};
use super::MAX_FEATURES;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What happened to one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Features that take part (dropped ones do not)
    pub used: usize,
    /// Of those, missing (NaN or infinite) and replaced by the median
    pub imputed: usize,
    /// Of those, beyond a winsorising bound
    pub clipped: usize,
}

/// A fitted preparation. A raw row has one value for **every** feature, dropped ones included, in the order of
/// [`Preparation::columns`]; a prepared row has [`Preparation::width`] values.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Preparation {
    stored: Stored,
    steps: Vec<Step>,
    /// Components transposed (feature by component), so that the inner loop runs over neighbours
    loadings: Vec<f64>,
    width: usize,
}

/// The same as it is written to JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub rows: u64,
    pub winsorise: Option<[f64; 2]>,
    pub scale: Scale,
    pub missing: Missing,
    pub max_missing: f64,
    pub columns: Vec<Column>,
    pub correlated: Vec<Correlated>,
    pub notes: Vec<String>,
    pub pca: Option<Pca>,
}

impl From<Preparation> for Stored {
    fn from(p: Preparation) -> Stored {
        p.stored
    }
}

impl TryFrom<Stored> for Preparation {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Preparation> {
        check(&stored).map_err(|what| Error::invalid(format!("preparation: {what}")))?;
        Ok(Preparation::assemble(stored))
    }
}

impl Preparation {
    pub(super) fn assemble(stored: Stored) -> Preparation {
        let steps: Vec<Step> = stored
            .columns
            .iter()
            .enumerate()
            .filter_map(|(i, c)| c.kept.as_ref().map(|kept| Step::new(i, kept)))
            .collect();
        let (mut loadings, mut width) = (Vec::new(), steps.len());
        if let Some(pca) = &stored.pca {
            width = pca.components.len();
            for feature in 0..steps.len() {
                loadings.extend(pca.components.iter().map(|c| c[feature]));
            }
        }
        Preparation { stored, steps, loadings, width }
    }

    /// Every feature in the order of a raw row, with what was fitted or why it was dropped.
    pub fn columns(&self) -> &[Column] {
        &self.stored.columns
    }

    /// Rows it was fitted on.
    pub fn rows(&self) -> u64 {
        self.stored.rows
    }

    pub fn pca(&self) -> Option<&Pca> {
        self.stored.pca.as_ref()
    }

    /// Pairs of features with a rank correlation above the limit (0.9 unless the plan named one).
    pub fn correlated(&self) -> &[Correlated] {
        &self.stored.correlated
    }

    /// Values in a prepared row: components with PCA, kept features without.
    pub fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Prepares one raw row into `out` (cleared first). NaN and ±inf become the median and are counted; with
    /// `"missing": "error"` they are an error that names the feature. Wrong length: kind `InvalidParameter`.
    pub fn apply(&self, raw: &[f64], out: &mut Vec<f64>) -> Result<Outcome> {
        if raw.len() != self.stored.columns.len() {
            let names: Vec<&str> = self.stored.columns.iter().map(|c| c.spec.name.as_str()).collect();
            return Err(Error::invalid(format!("expected {} features, got {}", names.len(), raw.len()))
                .hint(format!("in this order: {}", names.join(", "))));
        }
        let kept = self.steps.len();
        let room = if self.stored.pca.is_some() { kept + self.width } else { kept };
        out.clear();
        out.resize(room, 0.0);
        let (scaled, rest) = out.split_at_mut(kept);
        let outcome = self.scale_row(|feature| raw[feature], scaled);
        if outcome.imputed > 0 && self.stored.missing == Missing::Error {
            return Err(self.missing_error(raw));
        }
        if let Some(pca) = &self.stored.pca {
            self.rotate_row(pca, scaled, rest);
            out.copy_within(kept.., 0);
            out.truncate(self.width);
        }
        Ok(outcome)
    }

    /// All but the rotation, for one row given feature by feature.
    #[inline]
    pub(super) fn scale_row(&self, raw: impl Fn(usize) -> f64, out: &mut [f64]) -> Outcome {
        let mut outcome = Outcome { used: self.steps.len(), ..Outcome::default() };
        for (step, out) in self.steps.iter().zip(out) {
            let x = raw(step.index);
            *out = if x.is_finite() {
                outcome.clipped += usize::from(step.clips(x));
                step.prepare(x)
            } else {
                outcome.imputed += 1;
                step.imputed
            };
        }
        outcome
    }

    /// The rotation; `out` has one place a component.
    #[inline]
    pub(super) fn rotate_row(&self, pca: &Pca, scaled: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for ((x, mean), loadings) in scaled.iter().zip(&pca.mean).zip(self.loadings.chunks_exact(self.width)) {
            let x = x - mean;
            out.iter_mut().zip(loadings).for_each(|(y, l)| *y += x * l);
        }
    }

    fn missing_error(&self, raw: &[f64]) -> Error {
        let lost: Vec<&str> = self
            .steps
            .iter()
            .filter(|s| !raw[s.index].is_finite())
            .map(|s| self.stored.columns[s.index].spec.name.as_str())
            .collect();
        Error::invalid(format!("{} of {} features missing: {}", lost.len(), self.steps.len(), lost.join(", ")))
            .hint("the model was fitted with preparation {\"missing\": \"error\"}")
    }

    /// What a user should know about the fit: features left out, values filled in, values pulled in, near-duplicates.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        let rows = self.stored.rows;
        // One line a reason, not one a feature: a narrow table has many constant features.
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for (reason, name) in self.stored.columns.iter().filter_map(|c| Some((c.dropped.as_deref()?, &c.spec.name))) {
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(name),
                None => reasons.push((reason, vec![name])),
            }
        }
        all.extend(reasons.into_iter().map(|(reason, names)| format!("left out ({reason}): {}", names.join(", "))));
        for c in &self.stored.columns {
            let Some(kept) = &c.kept else { continue };
            let absent = c.missing.saturating_add(c.infinite);
            if absent > 0 {
                let infinite = if c.infinite > 0 { format!(" ({} infinite)", c.infinite) } else { String::new() };
                all.push(format!(
                    "feature \"{}\": {absent} of {rows} values missing{infinite}, filled with the median {}",
                    c.spec.name, kept.median
                ));
            }
            let clipped = kept.clipped[0].saturating_add(kept.clipped[1]);
            if clipped as f64 > 0.05 * rows.saturating_sub(absent) as f64 {
                all.push(format!("feature \"{}\": {clipped} of {rows} values winsorised, more than 5 %", c.spec.name));
            }
        }
        all.extend(self.stored.notes.iter().cloned());
        all
    }
}

/// Everything a stored preparation must satisfy so that scoring can neither index out of range nor yield NaN.
fn check(s: &Stored) -> std::result::Result<(), String> {
    if s.columns.is_empty() || s.columns.len() > MAX_FEATURES {
        return Err(format!("{} features, allowed are 1 to {MAX_FEATURES}", s.columns.len()));
    }
    let mut seen = HashSet::new();
    for c in &s.columns {
        let name = &c.spec.name;
        if name.is_empty() || !seen.insert(name.as_str()) {
            return Err(format!("feature name \"{name}\" is empty or used twice"));
        }
        if c.missing.checked_add(c.infinite).is_none_or(|m| m > s.rows) {
            return Err(format!("feature \"{name}\" is missing in more rows than there are"));
        }
        match (&c.kept, &c.dropped) {
            (Some(kept), None) => {
                let clipped = kept.clipped[0].checked_add(kept.clipped[1]);
                let sound = Step::new(0, kept).is_sound()
                    && kept.c.is_none_or(|c| c > 0.0)
                    && kept.c.is_some() == (kept.transform == super::Transform::Asinh)
                    && kept.bounds.is_none_or(|b| b.iter().all(|x| x.is_finite()))
                    && kept.scale > 0.0
                    && (0.0..=1e9).contains(&kept.weight)
                    && clipped.is_some_and(|n| n <= s.rows);
                if !sound {
                    return Err(format!("figures of feature \"{name}\" are out of range"));
                }
            }
            (None, Some(_)) => {}
            _ => return Err(format!("feature \"{name}\" must be either kept or dropped")),
        }
    }
    let kept = s.columns.iter().filter(|c| c.kept.is_some()).count();
    if kept == 0 {
        return Err("no feature is kept".into());
    }
    let unit = |x: &f64| (0.0..=1.0).contains(x);
    if !unit(&s.max_missing) || s.winsorise.is_some_and(|w| !w.iter().all(unit) || w[0] >= w[1]) {
        return Err("winsorise or max_missing is out of range".into());
    }
    if s.correlated.iter().any(|c| !unit(&c.rho.abs())) {
        return Err("a correlation is out of range".into());
    }
    let Some(pca) = &s.pca else { return Ok(()) };
    let m = pca.components.len();
    if m == 0 || m > kept || pca.mean.len() != kept || pca.eigenvalues.len() != kept || pca.ratios.len() != kept {
        return Err(format!("PCA of {} dimensions does not fit {kept} features", pca.mean.len()));
    }
    if pca.components.iter().any(|c| c.len() != kept || c.iter().any(|x| !unit(&(x.abs() / (1.0 + 1e-9))))) {
        return Err("a PCA component has a wrong length or entry".into());
    }
    let finite = |v: &[f64], limit: f64| v.iter().all(|x| x.abs() <= limit);
    if !finite(&pca.mean, LIMIT) || !finite(&pca.eigenvalues, f64::MAX) || !pca.ratios.iter().all(unit) {
        return Err("a figure of the PCA is out of range".into());
    }
    Ok(())
}
