//! HDBSCAN: segments of density at every scale at once.

use super::cloud::core_distances;
use super::condense::{condense, kept_death, strength};
use super::hierarchy::{dendrogram, spanning_tree};
use super::shape::Density;
use super::stored::Tree;
use super::{cloud, default_min_points};
use crate::cluster::algorithm::NOISE;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::ArrayView2;

/// How to run [`hdbscan`].
#[derive(Clone, Debug, Default)]
pub struct HdbscanParams {
    /// Rows of the smallest cluster, at least 2. None: 1 % of the rows or 30, whichever is more; below 600 rows 5 % instead
    /// of 30, at least 5.
    pub min_cluster_size: Option<usize>,
    /// Rows in a neighbourhood, the row itself among them, whose radius is the row's core distance; at least 1. None: twice
    /// the columns, at least 5, at most `min_cluster_size`.
    pub min_points: Option<usize>,
}

/// Segments of density. [`NOISE`] is the label of rows that belong to none.
#[derive(Clone, Debug)]
pub struct HdbscanFit {
    pub density: Density,
    pub labels: Vec<u32>,
    /// How firmly each row belongs to its segment, 0 (noise) to 1 (its densest part).
    pub probabilities: Vec<f64>,
    /// GLOSH (Campello et al. 2015): 0 for the densest rows of their surroundings, towards 1 for outliers.
    pub outlier_scores: Vec<f64>,
    pub min_cluster_size: usize,
    pub min_points: usize,
}

/// Clusters the rows of `data` (rows × columns, finite) by HDBSCAN* (Campello, Moulavi & Sander 2013) with excess of mass.
///
/// Distances are made mutual reachability distances, `max(core a, core b, |a - b|)`; what is connected at each distance makes a
/// tree; its branches of at least `min_cluster_size` rows compete by the rows they hold and for how long. Everything
/// together never is a segment. **`min_points` counts the row itself**, as scikit-learn's `min_samples` does and that of the
/// scikit-learn-contrib package does not: theirs is one less. What comes together at equal distances does so at once, so
/// the result does not depend on the order of the rows.
///
/// O(rows² × columns). Errors: as k-means for the data; `InvalidParameter` for parameters out of their range;
/// `LimitExceeded` above [`super::MAX_ROWS`] rows; `NotReady` when every row is noise; `Cancelled`.
pub fn hdbscan(data: ArrayView2<f64>, params: &HdbscanParams, control: &Control) -> Result<HdbscanFit> {
    let cloud = cloud(data, control)?;
    let rows = cloud.rows;
    let min_cluster_size = params.min_cluster_size.unwrap_or_else(|| rows.div_ceil(100).max((rows / 20).clamp(5, 30)));
    let min_points = params.min_points.unwrap_or_else(|| default_min_points(cloud.cols).min(min_cluster_size));
    if min_cluster_size < 2 {
        return Err(Error::invalid(format!("min_cluster_size = {min_cluster_size} is below 2")));
    }
    if min_points < 1 {
        return Err(Error::invalid("min_points = 0 is below 1"));
    }
    control.phase("measuring density");
    let core = core_distances(&cloud, min_points, control)?;
    control.phase("connecting accounts");
    let nodes = dendrogram(spanning_tree(&cloud, &core, control)?, rows);
    control.check()?;
    let condensed = condense(&nodes, rows, min_cluster_size);
    if condensed.segments == 0 {
        return Err(Error::not_ready(format!(
            "every account is noise: the data does not fall into groups of at least {min_cluster_size} accounts"
        ))
        .hint("lower min_cluster_size in settings, or ask for one segment of k-means"));
    }
    let branches = &condensed.branches;
    let each = |f: &dyn Fn(usize, usize, f64) -> f64| -> Vec<f64> {
        (0..rows).map(|row| f(row, condensed.branch[row], condensed.exit[row])).collect()
    };
    let probabilities = each(&|_, branch, exit| {
        kept_death(branches, branch).map_or(0.0, |death| strength(death, exit, condensed.closest))
    });
    let outlier_scores = each(&|_, branch, exit| 1.0 - strength(branches[branch].deepest, exit, condensed.closest));
    let labels: Vec<u32> = condensed.branch.iter().map(|&branch| branches[branch].segment.unwrap_or(NOISE)).collect();
    let density = Density::of_tree(Tree::new(min_points, cloud, core, condensed), &labels);
    Ok(HdbscanFit { density, labels, probabilities, outlier_scores, min_cluster_size, min_points })
}
