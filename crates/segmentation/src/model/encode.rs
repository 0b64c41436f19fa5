//! The model as JSON, and every check on one that comes back.

use super::{FeatureProfile, Model, Provenance, Quality, Rules, Segment, FORMAT, MAX_SEGMENTS};
use crate::cluster::{Algorithm, Shape};
use crate::error::{Error, Kind, Result};
use crate::prepare::Preparation;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Far beyond any model that was fitted, and small enough to be read on any server.
const MAX_BYTES: usize = 256 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    algorithm: Algorithm,
    preparation: Preparation,
    shape: Shape,
    segments: Vec<Segment>,
    overall: Vec<FeatureProfile>,
    quality: Quality,
    provenance: Provenance,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Rules>,
}

/// Enough to tell a version we do not know from a document that is broken.
#[derive(Deserialize)]
struct Header {
    format: u64,
}

fn corrupted(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Corrupted, format!("model does not decode: {what}"))
        .hint("restore it from a dump, or fit the segmentation again")
}

impl Model {
    /// The model as JSON; [`Model::from_json`] gives back the same bits. A model changed by hand into something that
    /// could not be read again (kind `InvalidParameter`) is refused.
    pub fn to_json(&self) -> Result<String> {
        check(self).map_err(|what| Error::invalid(format!("model cannot be written: {what}")))?;
        let document = Document {
            format: FORMAT,
            algorithm: self.algorithm,
            preparation: self.preparation.clone(),
            shape: self.shape.clone(),
            segments: self.segments.clone(),
            overall: self.overall.clone(),
            quality: self.quality.clone(),
            provenance: self.provenance.clone(),
            rules: self.rules.clone(),
        };
        let text = serde_json::to_string(&document);
        let text = text.map_err(|e| Error::invalid(format!("model cannot be written: {e}")))?;
        if text.len() > MAX_BYTES {
            let message = format!("the model has {} bytes, the limit is {MAX_BYTES}", text.len());
            return Err(Error::new(Kind::LimitExceeded, message).hint("fit fewer segments or on fewer features"));
        }
        Ok(text)
    }

    /// Reads what [`Model::to_json`] wrote. Anything else is an error of kind `Corrupted`, never a panic and never a model
    /// that panics later: every length, range and reference between the parts is checked.
    /// More than 256 MiB are refused (kind `LimitExceeded`) before anything is read.
    pub fn from_json(json: &str) -> Result<Model> {
        if json.len() > MAX_BYTES {
            let message = format!("a model of {} bytes exceeds the limit of {MAX_BYTES} bytes", json.len());
            return Err(Error::new(Kind::LimitExceeded, message).hint("this is not what export_model wrote"));
        }
        let header: Header = serde_json::from_str(json).map_err(corrupted)?;
        if header.format != u64::from(FORMAT) {
            return Err(Error::new(
                Kind::Corrupted,
                format!("model format {} is not known, this version reads format {FORMAT}", header.format),
            )
            .hint("update the extension to the version that wrote the model"));
        }
        let d: Document = serde_json::from_str(json).map_err(corrupted)?;
        let model = Model {
            preparation: d.preparation,
            algorithm: d.algorithm,
            shape: d.shape,
            segments: d.segments,
            overall: d.overall,
            quality: d.quality,
            provenance: d.provenance,
            rules: d.rules,
        };
        check(&model).map_err(corrupted)?;
        Ok(model)
    }

    /// A name for the content: xxh3-128 (hex) of the JSON.
    pub fn hash(&self) -> Result<String> {
        let json = self.to_json()?;
        Ok(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(json.as_bytes())))
    }
}

fn check(m: &Model) -> std::result::Result<(), String> {
    let k = m.shape.k();
    if k == 0 || k > MAX_SEGMENTS {
        return Err(format!("{k} segments, allowed are 1 to {MAX_SEGMENTS}"));
    }
    if m.segments.len() != k {
        return Err(format!("{} segments for a shape of {k}", m.segments.len()));
    }
    if m.shape.width() != m.preparation.width() {
        return Err(format!("a shape of {} dimensions for rows of {}", m.shape.width(), m.preparation.width()));
    }
    m.shape.check()?;
    if let Some(rules) = &m.rules {
        rules.check(m.preparation.columns().len(), k)?;
    }
    let share = |x: f64| (0.0..=1.0).contains(&x);
    let (mut ids, mut names, mut accounts) = (HashSet::new(), HashSet::new(), 0u64);
    for s in &m.segments {
        if s.id < 1 || !ids.insert(s.id) {
            return Err(format!("segment id {} is not positive or used twice", s.id));
        }
        if s.name.is_empty() || !names.insert(s.name.as_str()) {
            return Err(format!("segment name \"{}\" is empty or used twice", s.name));
        }
        if !share(s.share) || !s.volume_share.is_none_or(share) {
            return Err(format!("a share of segment {} is not between 0 and 1", s.id));
        }
        accounts = accounts.checked_add(s.accounts).ok_or("too many accounts")?;
        check_profile(m, &s.profile, s.accounts)?;
    }
    accounts = accounts.checked_add(m.quality.noise).ok_or("too many accounts")?;
    check_profile(m, &m.overall, accounts)?;
    // A model of a sample counts the sample, or all accounts once they were assigned.
    let rows = m.provenance.rows;
    if (accounts != rows && Some(accounts) != m.provenance.sampled_from) || rows != m.preparation.rows() {
        return Err(format!("segments hold {accounts} accounts, the fit had {}", m.provenance.rows));
    }
    if !m.quality.figures().all(f64::is_finite) {
        return Err("a figure of quality is not finite".into());
    }
    Ok(())
}

fn check_profile(m: &Model, profile: &[FeatureProfile], accounts: u64) -> std::result::Result<(), String> {
    let columns = m.preparation.columns();
    if profile.len() != columns.len() {
        return Err(format!("a profile of {} features for {}", profile.len(), columns.len()));
    }
    for (p, c) in profile.iter().zip(columns) {
        if p.feature != c.spec.name || p.n > accounts {
            return Err(format!("profile \"{}\" does not fit feature \"{}\"", p.feature, c.spec.name));
        }
        let figures = [p.q25, p.median, p.q75, p.mean, p.z, p.lift, p.difference, p.effect];
        if !figures.into_iter().flatten().all(f64::is_finite) {
            return Err(format!("a figure of \"{}\" is not finite", p.feature));
        }
        let chances = [p.p, p.p_adjusted, p.effect.map(f64::abs)];
        if !chances.into_iter().flatten().all(|x| (0.0..=1.0).contains(&x)) {
            return Err(format!("a figure of \"{}\" is out of range", p.feature));
        }
    }
    Ok(())
}
