//! Mixtures as one of the algorithms.

use super::{mixture, Covariance, MixtureParams};
use crate::cluster::algorithm::{Clusterer, Clustering, Settings};
use crate::cluster::shape::Shape;
use crate::control::Control;
use crate::error::Result;
use ndarray::ArrayView2;

/// A Gaussian mixture of the given kind of covariance.
pub(in crate::cluster) struct Gmm {
    pub covariance: Covariance,
    pub settings: Settings,
}

impl Clusterer for Gmm {
    fn fit(&self, data: ArrayView2<f64>, k: usize, seed: u64, control: &Control) -> Result<Clustering> {
        let Settings { n_init, max_iter, tol, regularisation, .. } = self.settings;
        let params =
            MixtureParams { n_init, max_iter, tol, regularisation, ..MixtureParams::new(self.covariance, k, seed) };
        let fit = mixture(data, &params, control)?;
        let mut notes = Vec::new();
        if !fit.converged {
            notes.push(format!("the mixture was still improving after max_iter = {max_iter} steps"));
        }
        Ok(Clustering {
            objective: Some(-fit.log_likelihood),
            labels: fit.labels,
            iterations: fit.iterations,
            shape: Shape::Mixture(fit.mixture),
            notes,
        })
    }
}
