//! Scoring: from a raw row to its segment.

use super::{Model, MAX_IMPUTED};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The segment of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment {
    /// Place in `Model::segments`; None: it belongs to no segment
    pub index: Option<usize>,
    pub segment_id: Option<i32>,
    /// To the segment's centre, in the prepared space and the algorithm's measure
    pub distance: f64,
    /// The next nearest segment; None with one segment
    pub second_id: Option<i32>,
    /// From 0 (on the border to the next segment) to 1; of k-means (d2 - d1) / d2 of the distances, 0 when both are 0
    pub margin: Option<f64>,
    /// Features that take part
    pub used: usize,
    /// Of those, missing (replaced by the median) and beyond a winsorising bound
    pub imputed: usize,
    pub clipped: usize,
    /// Unlike the training rows of its segment
    pub outlier: bool,
    /// More than 40 % of the features are missing: the segment says little
    pub insufficient: bool,
}

impl Model {
    /// The segment of a raw row: one value for each of [`Model::feature_names`], NaN or ±inf = missing. A training row
    /// gets its training label. Errors: kind `InvalidParameter` for a wrong length, or for a missing value under
    /// preparation `"missing": "error"`.
    pub fn assign(&self, raw: &[f64]) -> Result<Assignment> {
        self.assign_with(raw, &mut Vec::with_capacity(2 * raw.len()))
    }

    /// [`Model::assign`] with memory to reuse from row to row.
    pub fn assign_with(&self, raw: &[f64], scratch: &mut Vec<f64>) -> Result<Assignment> {
        let outcome = self.preparation.apply(raw, scratch)?;
        let scored = self.shape.score(scratch);
        Ok(Assignment {
            index: scored.index,
            segment_id: scored.index.map(|index| self.segments[index].id),
            distance: scored.distance,
            second_id: scored.second.map(|(index, _)| self.segments[index].id),
            margin: scored.margin,
            used: outcome.used,
            imputed: outcome.imputed,
            clipped: outcome.clipped,
            outlier: scored.outlier,
            insufficient: outcome.imputed as f64 > MAX_IMPUTED * outcome.used as f64,
        })
    }

    /// The probability of each segment (places as in `Model::segments`) for a raw row, summing to 1; None where the algorithm
    /// knows none. Of k-means `exp(-d² / (2 τ²))` over their sum, τ² the mean squared distance of the training rows to their
    /// centroids. Errors: as [`Model::assign`].
    pub fn probabilities(&self, raw: &[f64]) -> Result<Option<Vec<f64>>> {
        let mut x = Vec::with_capacity(2 * raw.len());
        self.preparation.apply(raw, &mut x)?;
        Ok(self.shape.probabilities(&x))
    }

    /// [`Model::assign`] of named features. A feature that is absent or null is missing; a name the model does not have
    /// or a value that is not a number is an error (kind `InvalidParameter`).
    pub fn assign_named(&self, features: &Map<String, Value>) -> Result<Assignment> {
        let mut found = 0;
        let mut raw = Vec::with_capacity(self.preparation.columns().len());
        for column in self.preparation.columns() {
            let name = &column.spec.name;
            raw.push(match features.get(name) {
                None => f64::NAN,
                Some(value) => {
                    found += 1;
                    match value {
                        Value::Null => f64::NAN,
                        Value::Number(n) => n.as_f64().unwrap_or(f64::NAN),
                        other => {
                            let shown: String = other.to_string().chars().take(60).collect();
                            return Err(Error::invalid(format!("feature \"{name}\" must be a number, got {shown}"))
                                .hint("pass a JSON number, or null for a missing value"));
                        }
                    }
                }
            });
        }
        if found < features.len() {
            let names = self.feature_names();
            let unknown = features.keys().find(|k| !names.contains(&k.as_str())).map_or("", String::as_str);
            return Err(Error::invalid(format!("the model has no feature \"{unknown}\""))
                .hint(format!("its features: {}", names.join(", "))));
        }
        self.assign(&raw)
    }
}
