//! The model as JSON, and every check on one that comes back.

use super::{FeatureProfile, Model, Provenance, Quality, Segment, ALGORITHM, FORMAT, MAX_SEGMENTS};
use crate::error::{Error, Kind, Result};
use crate::prepare::Preparation;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Centroids beyond this could overflow a squared distance; no fit comes near.
const LIMIT: f64 = 1e120;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    algorithm: String,
    preparation: Preparation,
    centroids: Vec<Vec<f64>>,
    segments: Vec<Segment>,
    overall: Vec<FeatureProfile>,
    quality: Quality,
    provenance: Provenance,
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
            algorithm: ALGORITHM.into(),
            preparation: self.preparation.clone(),
            centroids: self.centroids.outer_iter().map(|c| c.to_vec()).collect(),
            segments: self.segments.clone(),
            overall: self.overall.clone(),
            quality: self.quality.clone(),
            provenance: self.provenance.clone(),
        };
        serde_json::to_string(&document).map_err(|e| Error::invalid(format!("model cannot be written: {e}")))
    }

    /// Reads what [`Model::to_json`] wrote. Anything else is an error of kind `Corrupted`, never a panic and never a model
    /// that panics later: every length, range and reference between the parts is checked.
    pub fn from_json(json: &str) -> Result<Model> {
        let header: Header = serde_json::from_str(json).map_err(corrupted)?;
        if header.format != u64::from(FORMAT) {
            return Err(Error::new(
                Kind::Corrupted,
                format!("model format {} is not known, this version reads format {FORMAT}", header.format),
            )
            .hint("update the extension to the version that wrote the model"));
        }
        let d: Document = serde_json::from_str(json).map_err(corrupted)?;
        if d.algorithm != ALGORITHM {
            return Err(corrupted(format!("unknown algorithm \"{}\"", d.algorithm)));
        }
        let width = d.preparation.width();
        let k = d.centroids.len();
        if d.centroids.iter().any(|c| c.len() != width) {
            return Err(corrupted(format!("a centroid does not have {width} dimensions")));
        }
        let flat: Vec<f64> = d.centroids.into_iter().flatten().collect();
        let model = Model {
            preparation: d.preparation,
            centroids: Array2::from_shape_vec((k, width), flat).map_err(corrupted)?,
            segments: d.segments,
            overall: d.overall,
            quality: d.quality,
            provenance: d.provenance,
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
    let k = m.centroids.nrows();
    if k == 0 || k > MAX_SEGMENTS {
        return Err(format!("{k} segments, allowed are 1 to {MAX_SEGMENTS}"));
    }
    if m.segments.len() != k {
        return Err(format!("{} segments for {k} centroids", m.segments.len()));
    }
    if !m.centroids.iter().all(|x| x.abs() <= LIMIT) {
        return Err("a centroid is out of range".into());
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
    check_profile(m, &m.overall, accounts)?;
    // A model of a sample counts the sample, or all accounts once they were assigned.
    let rows = m.provenance.rows;
    if (accounts != rows && Some(accounts) != m.provenance.sampled_from) || rows != m.preparation.rows() {
        return Err(format!("segments hold {accounts} accounts, the fit had {}", m.provenance.rows));
    }
    let q = &m.quality;
    let table = q.k_table.iter().flat_map(|r| [Some(r.inertia), r.silhouette]);
    let figures = [Some(q.inertia), Some(q.separation), q.silhouette, Some(q.explained_variance)];
    if !figures.into_iter().chain(table).flatten().all(f64::is_finite) {
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
        let figures = [p.q25, p.median, p.q75, p.mean, p.z, p.lift, p.difference];
        if !figures.into_iter().flatten().all(f64::is_finite) {
            return Err(format!("a figure of \"{}\" is not finite", p.feature));
        }
    }
    Ok(())
}
