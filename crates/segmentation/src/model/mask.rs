//! A model as JSON for readers who may not learn of single accounts: a summary, made of what may be told instead of what is
//! left when some is taken away.
//!
//! Figures of enough accounts are rounded as well: two exact sums that differ by one account give that account away.

use super::{Disclosure, FeatureProfile, Model};
use crate::error::{Error, Result};
use serde_json::{json, Map, Value};

/// What a summary says of the fit. Nothing of it is about single segments or accounts.
const PROVENANCE: [&str; 6] = ["seed", "rows", "sampled_from", "crate_version", "as_of", "lookback"];

impl Model {
    /// The JSON of the model, or where something is `personal` a summary for reading, which does not decode: `{"masked": true}`
    /// stands for shape, rules, preparation and hidden segments, null for a figure, and numbers have three digits.
    pub fn masked(&self, personal: &Disclosure) -> Result<Value> {
        let json: Value = serde_json::from_str(&self.to_json()?)
            .map_err(|e| Error::invalid(format!("model cannot be written: {e}")))?;
        if personal.is_empty() {
            return Ok(json);
        }
        let gone = || json!({ "masked": true });
        let rare: Vec<&str> = personal.rare.iter().map(|&i| self.preparation.columns()[i].spec.title()).collect();
        let segments = self.segments.iter().enumerate().map(|(i, segment)| {
            if personal.hidden.contains(&i) {
                let accounts = format!("< {}, or masked with one that is", personal.least);
                return json!({ "id": segment.id, "accounts": accounts, "masked": true });
            }
            let name = Some(&segment.name).filter(|name| !rare.iter().any(|value| name.contains(value)));
            json!({
                "id": segment.id,
                "name": name,
                "accounts": segment.accounts,
                "share": rounded(segment.share),
                "volume_share": segment.volume_share.map(rounded),
                "profile": self.told(&segment.profile, personal),
            })
        });
        let provenance: Map<String, Value> =
            PROVENANCE.iter().map(|&key| (key.to_string(), json["provenance"][key].clone())).collect();
        Ok(json!({
            "format": json["format"],
            "algorithm": json["algorithm"],
            "segments": segments.collect::<Vec<_>>(),
            "overall": self.told(&self.overall, personal),
            "quality": { "silhouette": self.quality.silhouette.map(rounded), "guard_p": self.quality.guard.p.map(rounded) },
            "provenance": provenance,
            "preparation": gone(),
            "shape": gone(),
            "rules": gone(),
        }))
    }

    /// What a profile tells of each feature. Of one that too few accounts have a value of nothing, and neither of a category
    /// that has a rare value: the shares of its values add up to 1. Where most accounts have the same value, the quartiles
    /// say so, and what the others have is theirs.
    fn told(&self, profile: &[FeatureProfile], personal: &Disclosure) -> Vec<Value> {
        let columns = self.preparation.columns();
        let block = |i: usize| columns[i].spec.block.as_deref();
        let silent = |i: usize| {
            personal.few.contains(&i)
                || block(i).is_some_and(|own| personal.rare.iter().any(|&r| block(r) == Some(own)))
        };
        let entry = |(i, p): (usize, &FeatureProfile)| {
            if silent(i) {
                let name = block(i).unwrap_or(&p.feature);
                return json!({ "feature": name, "masked": true });
            }
            let wide = |figure: Option<f64>| figure.filter(|_| !p.is_point()).map(rounded);
            json!({
                "feature": p.feature,
                "q25": p.q25.map(rounded),
                "median": p.median.map(rounded),
                "q75": p.q75.map(rounded),
                "mean": wide(p.mean),
                "z": p.z.map(rounded),
                "lift": wide(p.lift),
                "difference": wide(p.difference),
                "effect": wide(p.effect),
                "p": wide(p.p),
            })
        };
        profile.iter().enumerate().map(entry).collect()
    }
}

/// To three significant digits.
fn rounded(x: f64) -> f64 {
    format!("{x:.2e}").parse().unwrap_or(x)
}
