//! How good a fit is, as it is stored in the model.

use crate::cluster::{silhouette, Choice, Clusterer, Guard, KRow, NOISE};
use crate::control::Control;
use crate::error::Result;
use ndarray::{ArrayView2, Axis};
use serde::{Deserialize, Serialize};

/// How well the segments describe the accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Sum of squared distances to the own centroid, in the prepared space; with categories of the costs of k-prototypes
    pub inertia: f64,
    /// 1 - inertia / (inertia with one segment): the share of the prepared variance that lies between segments
    pub separation: f64,
    /// Mean silhouette, and the rows it was computed on; None with one segment
    pub silhouette: Option<f64>,
    pub silhouette_rows: u64,
    /// One row a k that was tried, from 1; empty when k was given
    pub k_table: Vec<KTableRow>,
    /// Why this k
    pub k_reason: String,
    /// Share of the variance the principal components keep; 1 without PCA
    pub explained_variance: f64,
    pub iterations: u64,
    /// What the algorithm minimised, on its own scale
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
    /// Training accounts that belong to no segment
    #[serde(default)]
    pub noise: u64,
    /// Their share of the volume of all accounts; None without noise or volume
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_volume_share: Option<f64>,
    /// Whether rows without groups give as much; its `reason` says why where it has no p
    #[serde(default = "before_the_guard")]
    pub guard: Guard,
    /// Rows that every k of the table was fitted on, and rows of its resamples, splits and references; 0 without a table
    #[serde(default)]
    pub scan_rows: u64,
    #[serde(default)]
    pub replicate_rows: u64,
}

fn before_the_guard() -> Guard {
    Guard::not_run("the model was fitted before there was a test")
}

/// One k that was tried. None: not defined, or not computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KTableRow {
    pub k: u64,
    pub inertia: Option<f64>,
    pub silhouette: Option<f64>,
    /// Bootstrap standard error of the silhouette
    #[serde(default)]
    pub silhouette_error: Option<f64>,
    #[serde(default)]
    pub simplified_silhouette: Option<f64>,
    #[serde(default)]
    pub calinski_harabasz: Option<f64>,
    #[serde(default)]
    pub davies_bouldin: Option<f64>,
    #[serde(default)]
    pub gap: Option<f64>,
    /// Standard error of the gap
    #[serde(default)]
    pub gap_error: Option<f64>,
    #[serde(default)]
    pub bic: Option<f64>,
    #[serde(default)]
    pub prediction_strength: Option<f64>,
    /// Mean Jaccard similarity in resamples of the segment that has the lowest
    #[serde(default)]
    pub jaccard: Option<f64>,
    /// Rows in the smallest segment, of `scan_rows`
    pub smallest: u64,
    /// Why the rule passes it over
    #[serde(default)]
    pub passed_over: Option<String>,
}

/// The table of a choice, as it is stored.
pub(super) fn table(choice: &Choice) -> Vec<KTableRow> {
    let row = |r: &KRow| KTableRow {
        k: r.k as u64,
        inertia: r.criteria.within,
        silhouette: r.silhouette,
        silhouette_error: r.silhouette_error,
        simplified_silhouette: r.criteria.simplified_silhouette,
        calinski_harabasz: r.criteria.calinski_harabasz,
        davies_bouldin: r.criteria.davies_bouldin,
        gap: r.gap.map(|gap| gap.gap),
        gap_error: r.gap.map(|gap| gap.s),
        bic: r.bic,
        prediction_strength: r.prediction_strength,
        jaccard: r.weakest,
        smallest: r.smallest,
        passed_over: r.passed_over.clone(),
    };
    choice.rows.iter().map(row).collect()
}

impl Quality {
    /// Every figure that may be missing, for a check that none is NaN or infinite.
    pub(super) fn figures(&self) -> impl Iterator<Item = f64> + '_ {
        let g = &self.guard;
        let own =
            [self.silhouette, self.objective, self.noise_volume_share, g.p, g.p_permuted, g.p_correlated, g.p_normal];
        let own = own.into_iter().chain([g.silhouette, g.by_chance]);
        let table = self.k_table.iter().flat_map(|r| {
            let criteria = [r.inertia, r.simplified_silhouette, r.calinski_harabasz, r.davies_bouldin, r.bic, r.gap];
            let others = [r.silhouette, r.silhouette_error, r.gap_error, r.prediction_strength, r.jaccard];
            criteria.into_iter().chain(others)
        });
        own.chain(table).flatten().chain([self.inertia, self.separation, self.explained_variance])
    }
}

/// Up to here the silhouette is exact (it compares all pairs); above, of a sample.
const EXACT: usize = 5000;
const SAMPLE: usize = 5000;

/// Mean silhouette by what `clusterer` compares rows by, and the rows it was computed on. Above 5000 rows: of about 5000, taken evenly from each segment in
/// proportion to its size and at least two of it, so that a small segment is not lost. Rows of no segment do not count. None
/// for fewer than two segments.
pub(super) fn of_labels(
    data: ArrayView2<f64>,
    labels: &[u32],
    k: usize,
    clusterer: &dyn Clusterer,
    control: &Control,
) -> Result<(Option<f64>, u64)> {
    let known = labels.iter().filter(|&&l| l != NOISE).count();
    if k < 2 || known <= k {
        return Ok((None, 0));
    }
    control.phase("measuring the separation of segments");
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); k];
    for (row, &label) in labels.iter().enumerate().filter(|(_, &label)| label != NOISE) {
        members[label as usize].push(row);
    }
    let take = |m: usize| if known <= EXACT { m } else { (m * SAMPLE / known).max(2).min(m) };
    let mut rows: Vec<usize> = Vec::new();
    for m in &members {
        let take = take(m.len());
        rows.extend((0..take).map(|i| m[i * m.len() / take]));
    }
    rows.sort_unstable();
    let sample = data.select(Axis(0), &rows);
    let labels: Vec<u32> = rows.iter().map(|&r| labels[r]).collect();
    let value = silhouette(clusterer.space(sample.view(), control)?.view(), &labels, k, control)?;
    Ok((value.is_finite().then_some(value), rows.len() as u64))
}
