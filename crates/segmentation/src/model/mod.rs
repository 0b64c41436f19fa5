//! The fitted model: one immutable value that holds the preparation, the centroids, the segments with their names and
//! profiles, how good the fit is and where it came from. It scores rows, says what it knows, and goes to JSON and back
//! without losing a bit.

mod align;
mod choose;
mod content;
mod contrast;
mod counterfactual;
mod describe;
mod disclosure;
mod encode;
mod explain;
mod fit;
mod mask;
mod name;
mod profile;
mod quality;
mod reading;
mod recount;
mod rules;
mod score;
mod stability;
mod standing;

pub use align::{align, Alignment, Change, NewSegment, OldSegment, Shared, PART, SAME};
pub use choose::choose_k;
pub use counterfactual::{Counterfactual, Move};
pub use disclosure::Disclosure;
pub use explain::{Contribution, Explanation};
pub use fit::{fit, Fit, FitInput, FitOptions};
pub use name::numbered;
pub use quality::{KTableRow, Quality};
pub use reading::Reading;
pub use rules::{Node, RuleLine, RuleQuality, Rules, DEPTH, FIDELITY};
pub use score::Assignment;
pub use stability::{stability, Stability, StabilityOptions};
pub use standing::{Lack, Standing};

use crate::cluster::{Algorithm, Settings, Shape};
use crate::prepare::Preparation;
use crate::profile::features::Market;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the JSON; a reader knows exactly the ones it lists.
pub const FORMAT: u32 = 1;
/// More segments than this are refused.
pub const MAX_SEGMENTS: usize = 10_000;
/// Above this share of missing features an assignment is marked `insufficient`.
pub const MAX_IMPUTED: f64 = 0.4;

/// A fit. Segment `i` (0-based index, also its label) is place `i` of the shape and `segments[i]`.
#[derive(Clone, Debug)]
pub struct Model {
    preparation: Preparation,
    pub algorithm: Algorithm,
    /// In the prepared space
    shape: Shape,
    pub segments: Vec<Segment>,
    /// The profile of all accounts together (z, lift and difference are None)
    pub overall: Vec<FeatureProfile>,
    pub quality: Quality,
    pub provenance: Provenance,
    rules: Option<Rules>,
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
    /// Share of the volume of all accounts, those of no segment among them; None when no volume was given or there was none
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
    /// Cliff's delta of the segment against all other accounts: the chance that an account here has a larger value than one
    /// there, minus the chance of a smaller one; -1 to 1. None with nothing to compare
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<f64>,
    /// Two-sided p-value of the Mann-Whitney U test of the same; None where all values are the same, too
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same after Benjamini and Hochberg's adjustment for all segments and features of the model
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
}

impl FeatureProfile {
    /// Whether at least half of the accounts have the same value.
    pub(crate) fn is_point(&self) -> bool {
        self.q25.is_some() && self.q25 == self.q75
    }
}

/// Where the model came from: enough to fit it again and to see whether the data is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    pub seed: u64,
    pub rows: u64,
    /// Accounts there were, when the rows are a sample of them; the caller fills it in
    pub sampled_from: Option<u64>,
    /// Which they are: those whose hash of 31 bits, by the seed, is below this; the caller fills it in
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_below: Option<u64>,
    /// xxh3-128 (hex) of the raw matrix in row order
    pub rows_hash: String,
    pub prng: String,
    pub crate_version: String,
    pub parameters: Parameters,
    /// Filled in by the caller, who knows them
    pub as_of: Option<String>,
    pub lookback: Option<String>,
    /// What features of the market were told against; scoring tells them against the same
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
    pub warnings: Vec<String>,
}

/// The arguments of the fit as given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    pub k: Option<u64>,
    pub k_max: u64,
    /// Of the algorithm, defaults filled in
    pub settings: Settings,
    pub preparation: Option<Value>,
    /// Accounts with fewer trades in the look-back are new: not fitted on, and in no segment. The caller fills it in
    #[serde(default)]
    pub min_trades: u64,
}

impl Model {
    /// Number of segments, at least 1.
    pub fn k(&self) -> usize {
        self.shape.k()
    }

    /// Adds a warning for the accounts of no segment, and one for each segment too small to trust: below 30 accounts or 1 % of
    /// those in segments, whichever is more. For the caller to call once segments have the ids, names and counts they keep.
    pub fn warn_of_sizes(&mut self) {
        let accounts: u64 = self.segments.iter().map(|s| s.accounts).sum();
        let noise = self.quality.noise;
        if noise > 0 {
            let share = |x: f64| format!("{:.1} %", 100.0 * x);
            let of_volume = self.quality.noise_volume_share.map(|v| format!(", {} of volume,", share(v)));
            self.provenance.warnings.push(format!(
                "{noise} accounts ({}){} are in no segment (noise)",
                share(noise as f64 / (noise + accounts) as f64),
                of_volume.unwrap_or_default()
            ));
        }
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

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The features of a raw row, in its order; dropped ones have a place too and are ignored.
    pub fn feature_names(&self) -> Vec<&str> {
        self.preparation.columns().iter().map(|c| c.spec.name.as_str()).collect()
    }
}
