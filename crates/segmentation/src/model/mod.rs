//! The fitted model: one immutable value that holds the preparation, the centroids, the segments with their names and
//! profiles, how good the fit is and where it came from. It scores rows, says what it knows, and goes to JSON and back
//! without losing a bit.

mod describe;
mod encode;
mod fit;
mod name;
mod profile;
mod quality;
mod recount;
mod score;

pub use fit::{fit, Fit, FitInput, FitOptions};
pub use score::Assignment;

use crate::prepare::Preparation;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the JSON; a reader knows exactly the ones it lists.
pub const FORMAT: u32 = 1;
/// The only algorithm of this version.
pub const ALGORITHM: &str = "kmeans";
/// More segments than this are refused.
pub const MAX_SEGMENTS: usize = 10_000;
/// Above this share of missing features an assignment is marked `insufficient`.
pub const MAX_IMPUTED: f64 = 0.4;

/// A fit. Segment `i` (0-based index, also its label) has centroid row `i` and `segments[i]`.
#[derive(Clone, Debug)]
pub struct Model {
    preparation: Preparation,
    /// k × [`Preparation::width`], in the prepared space, rows contiguous
    centroids: Array2<f64>,
    pub segments: Vec<Segment>,
    /// The profile of all accounts together (z, lift and difference are None)
    pub overall: Vec<FeatureProfile>,
    pub quality: Quality,
    pub provenance: Provenance,
}

/// A group of accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// 1, 2, … in a first fit; a refit that aligns segments may keep others
    pub id: i32,
    pub name: String,
    /// Training accounts in it, and their share of all
    pub accounts: u64,
    pub share: f64,
    /// Share of the traded volume; None when no volume was given or there was none
    pub volume_share: Option<f64>,
    /// One sentence with figures in original units
    pub description: String,
    /// One entry a feature of the model, in their order, dropped features included
    pub profile: Vec<FeatureProfile>,
}

/// One feature over a set of accounts, in raw units, missing values left out. None: no value, or not defined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureProfile {
    pub feature: String,
    /// Accounts with a value
    pub n: u64,
    /// Type-7 quantiles
    pub q25: Option<f64>,
    pub median: Option<f64>,
    pub q75: Option<f64>,
    pub mean: Option<f64>,
    /// (median here - median of all) / (MAD of all, as a standard deviation); None when the MAD is 0
    pub z: Option<f64>,
    /// Mean here / mean of all; None unless the mean of all is positive
    pub lift: Option<f64>,
    /// Standardised mean difference after winsorising and transform: (mean here - mean of all) / sd of all. What names
    /// are made of. None for dropped features
    pub difference: Option<f64>,
}

/// How well the segments describe the accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Sum of squared distances to the own centroid, in the prepared space
    pub inertia: f64,
    /// 1 - inertia / (inertia with one segment): the share of the prepared variance that lies between segments
    pub separation: f64,
    /// Mean silhouette, and the rows it was computed on; None with one segment
    pub silhouette: Option<f64>,
    pub silhouette_rows: u64,
    /// One row a k that was tried; empty when k was given
    pub k_table: Vec<KTableRow>,
    /// Why this k
    pub k_reason: String,
    /// Share of the variance the principal components keep; 1 without PCA
    pub explained_variance: f64,
    pub iterations: u64,
}

/// One k that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KTableRow {
    pub k: u64,
    pub inertia: f64,
    pub silhouette: Option<f64>,
    /// Accounts in the smallest segment
    pub smallest: u64,
}

/// Where the model came from: enough to fit it again and to see whether the data is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    pub seed: u64,
    pub rows: u64,
    /// Accounts there were, when the rows are a sample of them; the caller fills it in
    pub sampled_from: Option<u64>,
    /// xxh3-128 (hex) of the raw matrix in row order
    pub rows_hash: String,
    pub prng: String,
    pub crate_version: String,
    pub parameters: Parameters,
    /// Filled in by the caller, who knows them
    pub as_of: Option<String>,
    pub lookback: Option<String>,
    pub warnings: Vec<String>,
}

/// The arguments of the fit as given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    pub k: Option<u64>,
    pub k_max: u64,
    pub n_init: u64,
    pub preparation: Option<Value>,
}

impl Model {
    /// Number of segments, at least 1.
    pub fn k(&self) -> usize {
        self.centroids.nrows()
    }

    /// Adds a warning for each segment too small to trust: below 30 accounts or 1 % of them, whichever is more. For the
    /// caller to call once segments have the ids and names they keep.
    pub fn warn_of_small_segments(&mut self) {
        let accounts: u64 = self.segments.iter().map(|s| s.accounts).sum();
        let limit = (accounts as f64 * 0.01).max(30.0);
        let small = self.segments.iter().filter(|s| self.segments.len() > 1 && (s.accounts as f64) < limit);
        self.provenance.warnings.extend(small.map(|s| {
            let least = limit.ceil();
            format!("segment {} \"{}\" has only {} accounts (fewer than {least})", s.id, s.name, s.accounts)
        }));
    }

    pub fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// k × [`Preparation::width`], in the prepared space.
    pub fn centroids(&self) -> ArrayView2<'_, f64> {
        self.centroids.view()
    }

    /// The features of a raw row, in its order; dropped ones have a place too and are ignored.
    pub fn feature_names(&self) -> Vec<&str> {
        self.preparation.columns().iter().map(|c| c.spec.name.as_str()).collect()
    }
}
