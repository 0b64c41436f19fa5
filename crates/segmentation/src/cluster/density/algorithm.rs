//! Density clustering as two of the algorithms. Both find the number of segments themselves.

use super::{dbscan, hdbscan, DbscanParams, HdbscanParams};
use crate::cluster::algorithm::{Clusterer, Clustering, Settings};
use crate::cluster::shape::Shape;
use crate::control::Control;
use crate::error::Result;
use ndarray::ArrayView2;

/// The least that a count of accounts becomes in a sample, unless it is less already: fewer rows are no crowd.
const LEAST_POINTS: usize = 3;
const LEAST_SEGMENT: usize = 5;

/// What the user gave as a count of accounts, for a sample. What nobody gave is chosen from the sample itself.
fn for_sample(settings: &Settings, rows: usize, all: usize) -> Option<Settings> {
    if rows >= all || (settings.min_points, settings.min_cluster_size) == (None, None) {
        return None;
    }
    let scaled = |given: usize, least: usize| {
        let share = given as f64 * rows as f64 / all as f64;
        (share.round() as usize).max(least.min(given))
    };
    Some(Settings {
        min_points: settings.min_points.map(|given| scaled(given, LEAST_POINTS)),
        min_cluster_size: settings.min_cluster_size.map(|given| scaled(given, LEAST_SEGMENT)),
        ..settings.clone()
    })
}

pub(in crate::cluster) struct Dbscan(pub Settings);

impl Clusterer for Dbscan {
    fn fit(&self, data: ArrayView2<f64>, _: usize, _: u64, control: &Control) -> Result<Clustering> {
        let Settings { eps, min_points, .. } = self.0;
        let fit = dbscan(data, &DbscanParams { eps, min_points }, control)?;
        let mut notes = Vec::new();
        if eps.is_none() {
            notes.push(format!(
                "eps = {} was chosen at the bend of the distances to the neighbour {}, the account itself being the first",
                fit.eps, fit.min_points
            ));
        }
        Ok(Clustering { shape: Shape::Density(fit.density), labels: fit.labels, objective: None, iterations: 1, notes })
    }

    fn for_sample(&self, rows: usize, all: usize) -> Option<Box<dyn Clusterer>> {
        Some(Box::new(Dbscan(for_sample(&self.0, rows, all)?)))
    }
}

pub(in crate::cluster) struct Hdbscan(pub Settings);

impl Clusterer for Hdbscan {
    fn fit(&self, data: ArrayView2<f64>, _: usize, _: u64, control: &Control) -> Result<Clustering> {
        let Settings { min_cluster_size, min_points, .. } = self.0;
        let fit = hdbscan(data, &HdbscanParams { min_cluster_size, min_points }, control)?;
        let mut notes = Vec::new();
        if min_cluster_size.is_none() {
            notes.push(format!("min_cluster_size = {} was chosen from the number of accounts", fit.min_cluster_size));
        }
        Ok(Clustering { shape: Shape::Density(fit.density), labels: fit.labels, objective: None, iterations: 1, notes })
    }

    fn for_sample(&self, rows: usize, all: usize) -> Option<Box<dyn Clusterer>> {
        Some(Box::new(Hdbscan(for_sample(&self.0, rows, all)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_share_of_the_sample() {
        let given = Settings { min_points: Some(50), min_cluster_size: Some(300), ..Settings::default() };
        let of = |rows, all| for_sample(&given, rows, all).map(|s| (s.min_points, s.min_cluster_size));
        assert_eq!(of(2_000, 20_000), Some((Some(5), Some(30))));
        assert_eq!(of(2_000, 2_000), None);
        assert_eq!(of(100, 20_000), Some((Some(3), Some(5))));
        let few = Settings { min_points: Some(1), ..Settings::default() };
        assert_eq!(for_sample(&few, 10, 1_000).map(|s| (s.min_points, s.min_cluster_size)), Some((Some(1), None)));
        assert_eq!(for_sample(&Settings::default(), 10, 1_000), None);
    }
}
