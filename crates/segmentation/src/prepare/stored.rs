//! The fitted preparation: what a model stores, and what one row goes through.

use super::check::check;
use super::codes::Code;
use super::column::{Column, LIMIT};
use super::correlate::Correlated;
use super::indicator::Indicator;
use super::pca::Pca;
use super::plan::{Missing, Scale};
use super::step::Step;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What happened to one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Features that take part (dropped ones do not); a category is one
    pub used: usize,
    /// Of those, not known (NaN or infinite) and replaced by the median
    pub imputed: usize,
    /// Of those, undefined because the account does not do what they are about; the median stands in and an indicator says so
    pub structural: usize,
    /// Of those, beyond a winsorising bound
    pub clipped: usize,
}

/// A fitted preparation. A raw row has one value for **every** feature, dropped ones included, in the order of
/// [`Preparation::columns`]; a prepared row has [`Preparation::width`] values.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Preparation {
    pub(super) stored: Stored,
    /// Of the features that are coordinates, and of those that are values of a code
    pub(super) steps: Vec<Step>,
    coded: Vec<Step>,
    /// Features that take part, a category as one
    used: usize,
    /// Components transposed (coordinate by component), so that the inner loop runs over neighbours; divided by the standard
    /// deviation of the component where it is whitened
    loadings: Vec<f64>,
    /// Values of a prepared row before the codes
    numeric: usize,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indicators: Vec<Indicator>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
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
        let mut steps = Vec::new();
        let mut coded = Vec::new();
        let mut blocks: Vec<&str> = Vec::new();
        for (i, column) in stored.columns.iter().enumerate() {
            let Some(kept) = &column.kept else { continue };
            let mut step = Step::new(i, kept);
            step.required = column.required || stored.missing == Missing::Error;
            step.indicator = stored.indicators.iter().position(|of| of.features.contains(&i));
            if let Some(block) = &column.spec.block {
                step.counted = !blocks.contains(&block.as_str());
                blocks.push(block);
            }
            if kept.coded { &mut coded } else { &mut steps }.push(step);
        }
        let scaled = steps.len() + stored.indicators.len();
        let (mut loadings, mut numeric) = (Vec::new(), scaled);
        if let Some(pca) = &stored.pca {
            numeric = pca.components.len();
            for coordinate in 0..scaled {
                loadings.extend(pca.components.iter().enumerate().map(|(m, c)| c[coordinate] / pca.deviation(m)));
            }
        }
        let used = steps.iter().filter(|s| s.counted).count() + stored.codes.len();
        Preparation { stored, steps, coded, used, loadings, numeric }
    }

    /// Lower and upper quantile beyond which values were pulled in.
    pub fn winsorise(&self) -> Option<[f64; 2]> {
        self.stored.winsorise
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

    /// Coordinates that say which accounts have the features that others cannot have.
    pub fn indicators(&self) -> &[Indicator] {
        &self.stored.indicators
    }

    /// Categories that are codes.
    pub fn categories(&self) -> &[Code] {
        &self.stored.codes
    }

    /// Values in a prepared row: components with PCA, kept features and indicators without; then the codes.
    pub fn width(&self) -> usize {
        self.numeric + self.codes()
    }

    /// How many of the last values of a prepared row are codes of categories (whole numbers of 0 and more) and not coordinates.
    pub fn codes(&self) -> usize {
        self.stored.codes.len()
    }

    /// Values in a row that [`Preparation::scaled`] answers.
    pub(super) fn scaled_width(&self) -> usize {
        self.steps.len() + self.stored.indicators.len() + self.codes()
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.coded)
    }

    /// Prepares one raw row into `out` (cleared first). NaN and ±inf become the median and are counted; a feature that must
    /// not be missing makes them an error that names it. Wrong length: kind `InvalidParameter`.
    pub fn apply(&self, raw: &[f64], out: &mut Vec<f64>) -> Result<Outcome> {
        let outcome = self.scaled(raw, out)?;
        if let Some(pca) = &self.stored.pca {
            let scaled = out.len();
            out.resize(scaled + self.numeric, 0.0);
            let (row, rotated) = out.split_at_mut(scaled);
            self.rotate_row(pca, row, rotated);
            // The codes are behind the coordinates, and the components behind the codes.
            let codes = scaled - self.codes()..scaled;
            out.extend_from_within(codes);
            out.drain(..scaled);
        }
        Ok(outcome)
    }

    /// [`Preparation::apply`] without the rotation: the values of [`Preparation::coordinates`].
    pub fn scaled(&self, raw: &[f64], out: &mut Vec<f64>) -> Result<Outcome> {
        if raw.len() != self.stored.columns.len() {
            let names: Vec<&str> = self.stored.columns.iter().map(|c| c.spec.name.as_str()).collect();
            return Err(Error::invalid(format!("expected {} features, got {}", names.len(), raw.len()))
                .hint(format!("in this order: {}", names.join(", "))));
        }
        out.clear();
        out.resize(self.scaled_width(), 0.0);
        let outcome = self.scale_row(|feature| raw[feature], out);
        if outcome.imputed > 0 && self.steps().any(|s| s.required && !raw[s.index].is_finite()) {
            return Err(self.missing_error(raw));
        }
        Ok(outcome)
    }

    /// All but the rotation, for one row given feature by feature; `out` has [`Preparation::scaled_width`] places.
    #[inline]
    pub(super) fn scale_row(&self, raw: impl Fn(usize) -> f64, out: &mut [f64]) -> Outcome {
        let mut outcome = Outcome { used: self.used, ..Outcome::default() };
        let (values, rest) = out.split_at_mut(self.steps.len());
        let (indicators, codes) = rest.split_at_mut(self.stored.indicators.len());
        for (indicator, out) in self.stored.indicators.iter().zip(&mut *indicators) {
            let has = indicator.features.iter().any(|&f| raw(f).is_finite());
            *out = if has { indicator.weight } else { 0.0 };
        }
        for (step, out) in self.steps.iter().zip(values) {
            let x = raw(step.index);
            *out = if x.is_finite() {
                outcome.clipped += usize::from(step.clips(x));
                step.prepare(x)
            } else {
                // Where the account has others of the features, this one is not known.
                let structural = step.indicator.is_some_and(|i| indicators[i] == 0.0);
                outcome.structural += usize::from(structural);
                outcome.imputed += usize::from(!structural && step.counted);
                step.imputed
            };
        }
        for (code, out) in self.stored.codes.iter().zip(codes) {
            let found = code.of(&raw);
            outcome.imputed += usize::from(found.is_none());
            *out = found.unwrap_or(code.mode) as f64;
        }
        outcome
    }

    /// The rotation of the coordinates at the front of `scaled`; `out` has one place a component.
    #[inline]
    pub(super) fn rotate_row(&self, pca: &Pca, scaled: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for ((x, mean), loadings) in scaled.iter().zip(&pca.mean).zip(self.loadings.chunks_exact(self.numeric)) {
            let x = x - mean;
            out.iter_mut().zip(loadings).for_each(|(y, l)| *y += x * l);
        }
        // A whitened component may be longer than the row, and what is compared next is a square.
        out.iter_mut().for_each(|y| *y = y.clamp(-LIMIT, LIMIT));
    }

    fn missing_error(&self, raw: &[f64]) -> Error {
        let lost: Vec<&str> = self
            .steps()
            .filter(|s| s.required && !raw[s.index].is_finite())
            .map(|s| self.stored.columns[s.index].spec.name.as_str())
            .collect();
        Error::invalid(format!("{} of {} features missing: {}", lost.len(), self.steps().count(), lost.join(", ")))
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
        for (j, c) in self.stored.columns.iter().enumerate() {
            let Some(kept) = &c.kept else { continue };
            let absent = c.missing.saturating_add(c.infinite);
            if absent > 0 && !self.stored.indicators.iter().any(|i| i.features.contains(&j)) {
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
