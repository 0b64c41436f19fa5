//! What a fit leaves behind: the part of a model that gives a prepared row its segment.

use super::algorithm::NOISE;
use super::density::Density;
use super::mixture::Mixture;
use super::nearest::nearest_two;
use super::prototypes::Prototypes;
use crate::control::Control;
use crate::error::Result;
use crate::prepare::{quantile, CHUNK};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Coordinates beyond this could overflow a squared distance; no fit comes near.
pub(super) const LIMIT: f64 = 1e120;
/// A row farther from its centre than this share of the training rows of its segment is an outlier.
const REACH: f64 = 0.99;

/// The segment of one prepared row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// None: it belongs to no segment
    pub index: Option<usize>,
    /// To the segment's centre, in the shape's own measure; its square where that is what is compared
    pub distance: f64,
    pub distance2: f64,
    /// The runner-up and the distance to it; None with one segment
    pub second: Option<(usize, f64)>,
    /// 0 on the border between the two to 1; None where the shape has no such measure or one segment
    pub margin: Option<f64>,
    /// It is unlike the training rows of its segment, or belongs to none
    pub outlier: bool,
}

/// The fitted clusters of every kind of algorithm.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    Centroids(Centroids),
    Mixture(Mixture),
    Prototypes(Prototypes),
    Density(Density),
}

impl Shape {
    /// Number of segments.
    pub fn k(&self) -> usize {
        match self {
            Shape::Centroids(s) => s.centres.nrows(),
            Shape::Mixture(s) => s.k(),
            Shape::Prototypes(s) => s.centres.nrows(),
            Shape::Density(s) => s.k(),
        }
    }

    /// Values of a prepared row.
    pub fn width(&self) -> usize {
        match self {
            Shape::Centroids(s) => s.centres.ncols(),
            Shape::Mixture(s) => s.width(),
            Shape::Prototypes(s) => s.centres.ncols(),
            Shape::Density(s) => s.width(),
        }
    }

    /// The segment of a prepared row of [`Shape::width`] finite values.
    pub fn score(&self, x: &[f64]) -> Scored {
        match self {
            Shape::Centroids(s) => s.score(x),
            Shape::Mixture(s) => s.score(x),
            Shape::Prototypes(s) => s.score(x),
            Shape::Density(s) => s.score(x),
        }
    }

    /// Probability of each segment, summing to 1; None where the algorithm knows none.
    pub fn probabilities(&self, x: &[f64]) -> Option<Vec<f64>> {
        match self {
            Shape::Centroids(s) => Some(s.probabilities(x)),
            Shape::Mixture(s) => Some(s.probabilities(x)),
            Shape::Prototypes(s) => Some(s.probabilities(x)),
            Shape::Density(_) => None,
        }
    }

    /// The middle of a segment in the prepared space; None where it has none.
    pub fn centre(&self, segment: usize) -> Option<Vec<f64>> {
        match self {
            Shape::Centroids(s) => Some(s.centres.row(segment).to_vec()),
            Shape::Mixture(s) => Some(s.centre(segment)),
            Shape::Prototypes(s) => Some(s.centres.row(segment).to_vec()),
            Shape::Density(s) => Some(s.centre(segment)),
        }
    }

    /// The segments of `order` (places in this shape), in that order; others are left out.
    pub fn select(&self, order: &[usize]) -> Shape {
        match self {
            Shape::Centroids(s) => Shape::Centroids(s.select(order)),
            Shape::Mixture(s) => Shape::Mixture(s.select(order)),
            Shape::Prototypes(s) => Shape::Prototypes(s.select(order)),
            Shape::Density(s) => Shape::Density(s.select(order)),
        }
    }

    /// Order of two segments of the same size.
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        match self {
            Shape::Centroids(s) => lexicographic(s.centres.row(a).iter(), s.centres.row(b).iter()),
            Shape::Mixture(s) => s.compare(a, b),
            Shape::Prototypes(s) => lexicographic(s.centres.row(a).iter(), s.centres.row(b).iter()),
            Shape::Density(s) => s.compare(a, b),
        }
    }

    /// Learns from the training rows, labelled by this shape, how far the rows of a segment lie from its centre.
    pub fn measure(&mut self, data: ArrayView2<f64>, labels: &[u32], control: &Control) -> Result<()> {
        match self {
            Shape::Centroids(s) => s.measure(data, labels, control),
            // The fit has.
            Shape::Mixture(_) | Shape::Density(_) => Ok(()),
            Shape::Prototypes(s) => s.measure(data, labels, control),
        }
    }

    /// Every promise that scoring relies on, for a shape that comes from outside.
    pub fn check(&self) -> std::result::Result<(), String> {
        match self {
            Shape::Centroids(s) => s.check(),
            // Cannot be made without.
            Shape::Mixture(_) | Shape::Density(_) => Ok(()),
            Shape::Prototypes(s) => s.check(),
        }
    }
}

pub(super) fn lexicographic<'a>(a: impl Iterator<Item = &'a f64>, b: impl Iterator<Item = &'a f64>) -> Ordering {
    a.zip(b).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Segments around centres: a row belongs to the nearest one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "StoredCentroids", into = "StoredCentroids")]
pub struct Centroids {
    /// k × width
    pub centres: Array2<f64>,
    /// Mean squared distance of the training rows to their centres: the scale of [`Centroids::probabilities`]
    pub tau2: f64,
    /// Distance that 99 % of the training rows of a segment keep (type-7 quantile), one a segment
    pub reach: Vec<f64>,
    /// Distance beyond which training rows were trimmed: the reach of every segment instead of the quantile
    pub cut: Option<f64>,
}

/// The same as it is written to JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCentroids {
    centres: Vec<Vec<f64>>,
    tau2: f64,
    reach: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut: Option<f64>,
}

impl From<Centroids> for StoredCentroids {
    fn from(c: Centroids) -> Self {
        let centres = c.centres.outer_iter().map(|r| r.to_vec()).collect();
        StoredCentroids { centres, tau2: c.tau2, reach: c.reach, cut: c.cut }
    }
}

impl TryFrom<StoredCentroids> for Centroids {
    type Error = String;

    fn try_from(stored: StoredCentroids) -> std::result::Result<Self, String> {
        let centres = matrix(stored.centres)?;
        let found = Centroids { centres, tau2: stored.tau2, reach: stored.reach, cut: stored.cut };
        found.check().map(|()| found)
    }
}

/// Rows of equal length as a matrix.
pub(super) fn matrix(rows: Vec<Vec<f64>>) -> std::result::Result<Array2<f64>, String> {
    let width = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|r| r.len() != width) {
        return Err("centres of different lengths".into());
    }
    let shape = (rows.len(), width);
    Array2::from_shape_vec(shape, rows.into_iter().flatten().collect()).map_err(|e| e.to_string())
}

impl Centroids {
    /// Centres (k × width) of which nothing is known yet but where they are.
    pub fn new(centres: Array2<f64>) -> Self {
        let reach = vec![LIMIT; centres.nrows()];
        Centroids { centres, tau2: 0.0, reach, cut: None }
    }

    fn score(&self, x: &[f64]) -> Scored {
        let near = nearest_two(x, self.centres.view());
        let distance = near.distance2.sqrt();
        let second = near.second.map(|(index, d2)| (index, d2.sqrt()));
        Scored {
            index: Some(near.index),
            distance,
            distance2: near.distance2,
            second,
            margin: second.map(|(_, d)| if d > 0.0 { (d - distance) / d } else { 0.0 }),
            outlier: distance > self.reach[near.index],
        }
    }

    /// softmax(-d² / (2 τ²)) over the squared distances; 1 for the nearest where τ² is 0.
    fn probabilities(&self, x: &[f64]) -> Vec<f64> {
        let near = nearest_two(x, self.centres.view());
        let squared: Vec<f64> = self
            .centres
            .outer_iter()
            .map(|c| x.iter().zip(c).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c)))
            .collect();
        let weight = |j: usize, d2: f64| match self.tau2 > 0.0 {
            true => libm::exp((near.distance2 - d2) / (2.0 * self.tau2)),
            false => f64::from(u8::from(j == near.index)),
        };
        let weights: Vec<f64> = squared.iter().enumerate().map(|(j, &d2)| weight(j, d2)).collect();
        let total = weights.iter().fold(0.0, |s, w| s + w);
        weights.into_iter().map(|w| w / total).collect()
    }

    fn select(&self, order: &[usize]) -> Self {
        Centroids {
            centres: self.centres.select(Axis(0), order),
            tau2: self.tau2,
            reach: order.iter().map(|&j| self.reach[j]).collect(),
            cut: self.cut,
        }
    }

    fn measure(&mut self, data: ArrayView2<f64>, labels: &[u32], control: &Control) -> Result<()> {
        let centres = &self.centres;
        let squared = |x: ArrayView1<f64>, segment: usize| {
            x.iter().zip(centres.row(segment)).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c))
        };
        (self.tau2, self.reach) = spread(data, labels, centres.nrows(), squared, control)?;
        if let Some(cut) = self.cut {
            self.reach.fill(cut);
        }
        Ok(())
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.centres.ncols() == 0 || !self.centres.iter().all(|x| x.abs() <= LIMIT) {
            return Err("a centroid is out of range".into());
        }
        let distance = |x: f64| (0.0..=f64::MAX).contains(&x);
        if self.cut.is_some_and(|cut| !distance(cut))
            || self.reach.len() != self.centres.nrows()
            || !self.reach.iter().all(|&r| distance(r))
            || !distance(self.tau2)
        {
            return Err("distances of a segment are out of range".into());
        }
        Ok(())
    }
}

/// Mean of the squared distances of labelled rows to their centres, and the distance that 99 % of the rows of each of
/// `k` segments keep.
pub(super) fn spread(
    data: ArrayView2<f64>,
    labels: &[u32],
    k: usize,
    squared: impl Fn(ArrayView1<f64>, usize) -> f64 + Sync,
    control: &Control,
) -> Result<(f64, Vec<f64>)> {
    let mut distances: Vec<Vec<f64>> = vec![Vec::new(); k];
    let parts: Vec<Vec<(u32, f64)>> = data
        .axis_chunks_iter(Axis(0), CHUNK)
        .into_par_iter()
        .zip(labels.par_chunks(CHUNK))
        .map(|(rows, labels)| {
            control.check()?;
            let labelled = rows.axis_iter(Axis(0)).zip(labels).filter(|(_, &label)| label != NOISE);
            Ok(labelled.map(|(row, &label)| (label, squared(row, label as usize))).collect())
        })
        .collect::<Result<_>>()?;
    let (mut total, mut n) = (0.0, 0u64);
    for part in parts {
        control.check()?;
        total += part.iter().fold(0.0, |sum, (_, d2)| sum + d2);
        n += part.len() as u64;
        part.into_iter().for_each(|(label, d2)| distances[label as usize].push(d2.sqrt()));
    }
    let mut reach = Vec::with_capacity(k);
    for mut distances in distances {
        control.check()?;
        reach.push(if distances.is_empty() { LIMIT } else { quantile(&mut distances, REACH) });
    }
    Ok((if n > 0 { total / n as f64 } else { 0.0 }, reach))
}
