//! Gaussian mixtures: every row belongs to each segment with a probability.
//!
//! Formulas: McLachlan & Peel, Finite Mixture Models (2000), ch. 3. Rules 1 to 4 at the top of [`super`] hold here, too;
//! what is summed are log densities and moments weighted by responsibility.

mod algorithm;
mod cholesky;
mod fit;
mod gaussians;
mod line;
mod maximise;
mod pass;
mod shape;

pub use fit::{mixture, MixtureFit, MixtureParams};
pub use shape::Mixture;

pub(super) use algorithm::Gmm;

use cholesky::packed_len;
use serde::{Deserialize, Serialize};

/// How free the shapes of the components are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// Each component has a covariance matrix of its own
    Full,
    /// All components share one covariance matrix
    Tied,
    /// Each component has a variance a feature, and no correlations
    Diagonal,
    /// Each component has one variance
    Spherical,
}

impl Covariance {
    pub fn name(self) -> &'static str {
        match self {
            Covariance::Full => "full",
            Covariance::Tied => "tied",
            Covariance::Diagonal => "diagonal",
            Covariance::Spherical => "spherical",
        }
    }

    /// Numbers that one covariance of `d` features consists of.
    const fn numbers(self, d: usize) -> usize {
        match self {
            Covariance::Full | Covariance::Tied => packed_len(d),
            Covariance::Diagonal => d,
            Covariance::Spherical => 1,
        }
    }

    /// Covariances of a mixture of `k` components.
    const fn matrices(self, k: usize) -> usize {
        match self {
            Covariance::Tied => 1,
            _ => k,
        }
    }
}
