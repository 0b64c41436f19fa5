//! What density clustering leaves behind: the rows that make up the segments.

use super::cloud::Cloud;
use super::condense::Branch;
use super::stored::{Cores, Tree};
use super::MAX_ROWS;
use crate::cluster::algorithm::NOISE;
use crate::cluster::shape::{lexicographic, matrix, Scored};
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Coordinates beyond this could overflow a squared distance; no fit comes near.
const LIMIT: f64 = 1e120;

/// Segments of density: DBSCAN's cores, or all rows of HDBSCAN, at most [`MAX_ROWS`] of either.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "StoredDensity", into = "StoredDensity")]
pub struct Density {
    /// Mean of the rows of each segment, k × width. Tells segments apart; says nothing of their form.
    centres: Array2<f64>,
    places: Places,
}

#[derive(Clone, Debug)]
enum Places {
    Cores(Cores),
    Tree(Tree),
}

/// The same as it is written to JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDensity {
    centres: Vec<Vec<f64>>,
    places: StoredPlaces,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredPlaces {
    /// Cores, row by row, and their segments
    Dbscan { eps: f64, rows: Vec<Vec<f64>>, segments: Vec<u32> },
    /// Rows, their core distances, the distances at which they leave their branch, and that branch
    Hdbscan {
        min_points: usize,
        closest: f64,
        rows: Vec<Vec<f64>>,
        core: Vec<f64>,
        exit: Vec<f64>,
        branch: Vec<usize>,
        branches: Vec<StoredBranch>,
    },
}

/// `birth` is null for the first one, which is everything.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBranch {
    parent: usize,
    birth: Option<f64>,
    death: f64,
    deepest: f64,
    stability: f64,
    segment: Option<u32>,
}

impl From<Density> for StoredDensity {
    fn from(d: Density) -> Self {
        let rows = |cloud: &Cloud| (0..cloud.rows).map(|row| cloud.row(row).to_vec()).collect();
        let places = match d.places {
            Places::Cores(c) => StoredPlaces::Dbscan { eps: c.eps, rows: rows(&c.cloud), segments: c.segments },
            Places::Tree(t) => StoredPlaces::Hdbscan {
                min_points: t.min_points,
                closest: t.closest,
                rows: rows(&t.cloud),
                core: t.core,
                exit: t.exit,
                branch: t.branch,
                branches: t
                    .branches
                    .into_iter()
                    .map(|Branch { parent, birth, death, deepest, stability, segment }| StoredBranch {
                        parent,
                        birth: birth.is_finite().then_some(birth),
                        death,
                        deepest,
                        stability,
                        segment,
                    })
                    .collect(),
            },
        };
        StoredDensity { centres: d.centres.outer_iter().map(|row| row.to_vec()).collect(), places }
    }
}

impl TryFrom<StoredDensity> for Density {
    type Error = String;

    fn try_from(stored: StoredDensity) -> Result<Self, String> {
        let centres = matrix(stored.centres)?;
        let (k, width) = centres.dim();
        if k == 0 || width == 0 || !centres.iter().all(|x| x.abs() <= LIMIT) {
            return Err("the centres of segments are missing or out of range".into());
        }
        let places = match stored.places {
            StoredPlaces::Dbscan { eps, rows, segments } => {
                let cloud = cloud(rows, width)?;
                if !(eps > 0.0 && eps <= 1e100) {
                    return Err("eps is out of range".into());
                }
                if segments.len() != cloud.rows || segments.iter().any(|&segment| segment as usize >= k) {
                    return Err("a core belongs to no segment".into());
                }
                Places::Cores(Cores::new(eps, cloud, segments))
            }
            StoredPlaces::Hdbscan { min_points, closest, rows, core, exit, branch, branches } => {
                let cloud = cloud(rows, width)?;
                let distance = |&x: &f64| (0.0..=f64::MAX).contains(&x);
                let sound = (1..=MAX_ROWS).contains(&min_points) && closest > 0.0 && closest.is_finite();
                if !sound {
                    return Err("min_points or the closest distance is out of range".into());
                }
                if [core.len(), exit.len(), branch.len()] != [cloud.rows; 3]
                    || !core.iter().chain(&exit).all(distance)
                    || branch.iter().any(|&branch| branch >= branches.len())
                {
                    return Err("a row of the tree is out of range".into());
                }
                let branches = branches.into_iter().enumerate().map(|(at, branch)| checked(at, branch, k));
                let branches = branches.collect::<Result<_, _>>()?;
                Places::Tree(Tree { min_points, closest, cloud, core, exit, branch, branches })
            }
        };
        Ok(Density { centres, places })
    }
}

fn cloud(rows: Vec<Vec<f64>>, width: usize) -> Result<Cloud, String> {
    if rows.is_empty() || rows.len() > MAX_ROWS {
        return Err(format!("{} rows of density, allowed are 1 to {MAX_ROWS}", rows.len()));
    }
    if !rows.iter().all(|row| row.len() == width && row.iter().all(|x| x.abs() <= LIMIT)) {
        return Err("a row of density is of another length or out of range".into());
    }
    Ok(Cloud::new(rows.concat(), width))
}

/// A branch that leads to the root and not in a circle.
fn checked(at: usize, branch: StoredBranch, k: usize) -> Result<Branch, String> {
    let StoredBranch { parent, birth, death, deepest, stability, segment } = branch;
    let first = at == 0;
    let distances = [birth.unwrap_or(0.0), death, deepest, stability];
    if (if first { parent != 0 || segment.is_some() } else { parent >= at })
        || birth.is_none() != first
        || at >= MAX_ROWS
        || segment.is_some_and(|segment| segment as usize >= k)
        || !distances.iter().all(|x| (0.0..=f64::MAX).contains(x))
    {
        return Err(format!("branch {at} of the tree is damaged"));
    }
    Ok(Branch { parent, birth: birth.unwrap_or(f64::INFINITY), death, deepest, stability, segment })
}

impl Density {
    pub(super) fn of_cores(cores: Cores, cloud: &Cloud, labels: &[u32]) -> Density {
        Density { centres: centres(cloud, labels), places: Places::Cores(cores) }
    }

    pub(super) fn of_tree(tree: Tree, labels: &[u32]) -> Density {
        Density { centres: centres(&tree.cloud, labels), places: Places::Tree(tree) }
    }

    /// How firmly a row belongs to its segment, from 0 (noise) to 1, and its GLOSH outlier score; None of DBSCAN, which
    /// knows neither.
    pub fn strength(&self, x: &[f64]) -> Option<(f64, f64)> {
        match &self.places {
            Places::Cores(_) => None,
            Places::Tree(tree) => Some(tree.strength(x)),
        }
    }

    pub(in crate::cluster) fn k(&self) -> usize {
        self.centres.nrows()
    }

    pub(in crate::cluster) fn width(&self) -> usize {
        self.centres.ncols()
    }

    /// `distance` is that to the nearest core (DBSCAN) or the mutual reachability distance to the nearest row (HDBSCAN),
    /// `distance2` the squared one to the mean of the segment, so that sums of it compare with those of other algorithms.
    pub(in crate::cluster) fn score(&self, x: &[f64]) -> Scored {
        let scored = match &self.places {
            Places::Cores(cores) => cores.score(x),
            Places::Tree(tree) => tree.score(x),
        };
        match scored.index {
            None => scored,
            Some(index) => {
                let centre = self.centres.row(index);
                let distance2 = x.iter().zip(centre).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c));
                Scored { distance2, ..scored }
            }
        }
    }

    pub(in crate::cluster) fn centre(&self, segment: usize) -> Vec<f64> {
        self.centres.row(segment).to_vec()
    }

    /// The segments of `order`, in that order; the rows of others become noise.
    pub(in crate::cluster) fn select(&self, order: &[usize]) -> Density {
        let mut place = vec![None; self.k()];
        order.iter().enumerate().for_each(|(to, &from)| place[from] = Some(to as u32));
        let places = match &self.places {
            Places::Cores(cores) => Places::Cores(cores.select(&place)),
            Places::Tree(tree) => Places::Tree(tree.select(&place)),
        };
        Density { centres: self.centres.select(Axis(0), order), places }
    }

    pub(in crate::cluster) fn compare(&self, a: usize, b: usize) -> Ordering {
        lexicographic(self.centres.row(a).iter(), self.centres.row(b).iter())
    }
}

/// Mean of the rows of each label, rows in order.
fn centres(cloud: &Cloud, labels: &[u32]) -> Array2<f64> {
    let k = labels.iter().filter(|&&label| label != NOISE).max().map_or(0, |&label| label as usize + 1);
    let mut centres = Array2::<f64>::zeros((k, cloud.cols));
    let mut sizes = vec![0u64; k];
    for (row, &label) in labels.iter().enumerate().filter(|(_, &label)| label != NOISE) {
        sizes[label as usize] += 1;
        centres.row_mut(label as usize).iter_mut().zip(cloud.row(row)).for_each(|(sum, x)| *sum += x);
    }
    for (mut centre, &size) in centres.outer_iter_mut().zip(&sizes) {
        centre.iter_mut().for_each(|sum| *sum /= size as f64);
    }
    centres
}
