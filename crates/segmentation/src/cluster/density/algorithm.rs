//! Density clustering as two of the algorithms. Both find the number of segments themselves.

use super::{dbscan, hdbscan, DbscanParams, HdbscanParams};
use crate::cluster::algorithm::{Clusterer, Clustering, Settings};
use crate::cluster::shape::Shape;
use crate::control::Control;
use crate::error::Result;
use ndarray::ArrayView2;

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
}
