//! The places that density segments consist of, and how a new row finds its way to one.

use super::cloud::{smallest, square_of, Cloud};
use super::condense::{kept_death, strength, Branch, Condensed};
use super::dbscan::nearest;
use crate::cluster::shape::Scored;

/// The cores of DBSCAN. A row belongs to the segment of the nearest one within `eps`.
#[derive(Clone, Debug)]
pub(super) struct Cores {
    pub eps: f64,
    within: f64,
    pub cloud: Cloud,
    /// Of each core.
    pub segments: Vec<u32>,
}

impl Cores {
    pub fn new(eps: f64, cloud: Cloud, segments: Vec<u32>) -> Cores {
        Cores { eps, within: square_of(eps), cloud, segments }
    }

    /// `distance` is that to the nearest core, also of noise; `second` the nearest one of another segment.
    pub fn score(&self, x: &[f64]) -> Scored {
        let mut d2 = self.cloud.squared(x);
        let (at, first) = nearest(&d2);
        let distance = first.sqrt().min(f64::MAX);
        if self.segments.is_empty() || first.is_nan() || first > self.within {
            return noise(distance);
        }
        let own = self.segments[at];
        d2.iter_mut()
            .zip(&self.segments)
            .filter(|(_, &segment)| segment == own)
            .for_each(|(d2, _)| *d2 = f64::INFINITY);
        let (other, second) = nearest(&d2);
        let second = (second < f64::INFINITY).then(|| (self.segments[other] as usize, second.sqrt()));
        found(own as usize, distance, second)
    }

    pub fn select(&self, place: &[Option<u32>]) -> Cores {
        let kept: Vec<(usize, u32)> = (0..self.segments.len())
            .filter_map(|core| place[self.segments[core] as usize].map(|segment| (core, segment)))
            .collect();
        let (cores, segments): (Vec<usize>, Vec<u32>) = kept.into_iter().unzip();
        Cores::new(self.eps, self.cloud.select(&cores), segments)
    }
}

/// All rows of HDBSCAN and its condensed tree.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub min_points: usize,
    pub closest: f64,
    pub cloud: Cloud,
    pub core: Vec<f64>,
    pub exit: Vec<f64>,
    pub branch: Vec<usize>,
    pub branches: Vec<Branch>,
}

/// Where a row joins the tree.
struct Joined {
    /// Mutual reachability distance to the row it joins.
    reach: f64,
    /// Distance at which it leaves its branch: when that row does, or earlier if it is farther away.
    level: f64,
    branch: usize,
    /// The nearest row of each segment by mutual reachability.
    reaches: Vec<(u32, f64)>,
}

impl Tree {
    pub fn new(min_points: usize, cloud: Cloud, core: Vec<f64>, condensed: Condensed) -> Tree {
        let Condensed { branches, branch, exit, closest, .. } = condensed;
        Tree { min_points, closest, cloud, core, exit, branch, branches }
    }

    /// The row joins the stored one that is nearest by mutual reachability (ties: the nearer one, then the lower), as
    /// `approximate_predict` of the scikit-learn-contrib package does it. Its core distance is that to its `min_points`-th
    /// stored row, which for a row of the fit is the one it had there.
    fn join(&self, x: &[f64]) -> Joined {
        let d2 = self.cloud.squared(x);
        let core = smallest(&mut d2.clone(), self.min_points).sqrt();
        let mut best = (f64::INFINITY, f64::INFINITY, 0);
        let mut reaches: Vec<(u32, f64)> = Vec::new();
        for (row, &d2) in d2.iter().enumerate() {
            let reach = core.max(self.core[row]).max(d2.sqrt());
            if reach < best.0 || (reach == best.0 && d2 < best.1) {
                best = (reach, d2, row);
            }
            if let Some(segment) = self.branches[self.branch[row]].segment {
                match reaches.iter_mut().find(|(other, _)| *other == segment) {
                    Some((_, least)) => *least = least.min(reach),
                    None => reaches.push((segment, reach)),
                }
            }
        }
        let level = best.0.max(self.exit[best.2]);
        let mut branch = self.branch[best.2];
        while branch > 0 && self.branches[branch].birth <= level {
            branch = self.branches[branch].parent;
        }
        Joined { reach: best.0, level, branch, reaches }
    }

    pub fn score(&self, x: &[f64]) -> Scored {
        let joined = self.join(x);
        let Some(own) = self.branches[joined.branch].segment else { return noise(joined.reach.min(f64::MAX)) };
        let others = joined.reaches.into_iter().filter(|(segment, _)| *segment != own);
        let second = others.reduce(|a, b| if (b.1, b.0) < (a.1, a.0) { b } else { a });
        found(own as usize, joined.reach, second.map(|(segment, reach)| (segment as usize, reach)))
    }

    /// How firmly the row belongs to its segment, 0 (noise) to 1, and its GLOSH outlier score.
    pub fn strength(&self, x: &[f64]) -> (f64, f64) {
        let Joined { level, branch, .. } = self.join(x);
        let firmly = kept_death(&self.branches, branch).map_or(0.0, |death| strength(death, level, self.closest));
        (firmly, 1.0 - strength(self.branches[branch].deepest, level, self.closest))
    }

    pub fn select(&self, place: &[Option<u32>]) -> Tree {
        let mut tree = self.clone();
        for branch in &mut tree.branches {
            branch.segment = branch.segment.and_then(|segment| place[segment as usize]);
        }
        tree
    }
}

fn noise(distance: f64) -> Scored {
    Scored { index: None, distance, distance2: distance * distance, second: None, margin: None, outlier: true }
}

/// `distance2` is filled in by who knows the middle of the segment.
fn found(index: usize, distance: f64, second: Option<(usize, f64)>) -> Scored {
    let margin = second.map(|(_, d)| if d > 0.0 { ((d - distance) / d).clamp(0.0, 1.0) } else { 0.0 });
    Scored { index: Some(index), distance, distance2: 0.0, second, margin, outlier: false }
}
