//! The family of k-means behind the trait.

use super::algorithm::{Algorithm, Clusterer, Clustering, Settings};
use super::bisecting::bisecting_kmeans;
use super::kmeans::{kmeans, KMeansParams};
use super::minibatch::minibatch_kmeans;
use super::mixed::{self, usual_gamma, Rules};
use super::parallel::kmeans_parallel;
use super::prototypes::Prototypes;
use super::run::Run;
use super::shape::{Centroids, Shape};
use super::space::spread_out;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, CowArray, Ix2};

/// One of the family with its settings; the last `codes` columns hold categories.
pub(super) struct Family {
    pub algorithm: Algorithm,
    pub settings: Settings,
    pub codes: usize,
}

impl Clusterer for Family {
    fn fit(&self, data: ArrayView2<f64>, k: usize, seed: u64, control: &Control) -> Result<Clustering> {
        let &Settings { n_init, max_iter, tol, moves, batch, trim, .. } = &self.settings;
        let params = KMeansParams { n_init, max_iter, tol, moves, ..KMeansParams::new(k, seed) };
        super::kmeans::check_params(data, &params)?;
        let centres =
            |values: Vec<f64>| Array2::from_shape_fn((k, data.ncols()), |(j, f)| values[j * data.ncols() + f]);
        let of_run = |run: Run| Clustering {
            shape: Shape::Centroids(Centroids::new(centres(run.centroids))),
            labels: run.labels,
            objective: Some(run.inertia),
            iterations: run.iterations,
            notes: Vec::new(),
        };
        match self.algorithm {
            Algorithm::KmeansParallel => kmeans_parallel(data, &params, control).map(of_run),
            Algorithm::MinibatchKmeans => minibatch_kmeans(data, &params, batch, control).map(of_run),
            Algorithm::BisectingKmeans => bisecting_kmeans(data, &params, control).map(of_run),
            Algorithm::TrimmedKmeans => {
                let found = mixed::fit(data, &params, Rules { codes: 0, gamma: 0.0, trim }, control)?;
                let mut shape = Centroids::new(centres(found.centres.concat()));
                shape.cut = found.cut.map(|(cost, _)| cost.sqrt());
                let notes =
                    found.cut.map(|(_, rows)| format!("{rows} rows farthest from their centre did not move it"));
                Ok(Clustering {
                    shape: Shape::Centroids(shape),
                    labels: found.labels,
                    objective: Some(found.cost),
                    iterations: found.iterations,
                    notes: notes.into_iter().collect(),
                })
            }
            Algorithm::Kprototypes => self.prototypes(data, &params, control),
            _ => {
                let fit = kmeans(data, &params, control)?;
                Ok(Clustering {
                    shape: Shape::Centroids(Centroids::new(fit.centroids)),
                    labels: fit.labels,
                    objective: Some(fit.inertia),
                    iterations: fit.iterations,
                    notes: Vec::new(),
                })
            }
        }
    }

    fn codes(&self) -> usize {
        self.codes
    }

    fn space<'a>(&self, data: ArrayView2<'a, f64>, control: &Control) -> Result<CowArray<'a, f64, Ix2>> {
        match self.codes {
            0 => Ok(data.into()),
            codes => Ok(spread_out(data, codes, self.gamma(data, control)?, control)?.into()),
        }
    }
}

impl Family {
    fn gamma(&self, data: ArrayView2<f64>, control: &Control) -> Result<f64> {
        self.settings.gamma.map_or_else(|| usual_gamma(data, self.codes, control), Ok)
    }

    fn prototypes(&self, data: ArrayView2<f64>, params: &KMeansParams, control: &Control) -> Result<Clustering> {
        if self.codes == 0 || self.codes > data.ncols() {
            return Err(Error::invalid("algorithm \"kprototypes\" needs categories, and there are none")
                .hint("ask for categories as codes in the preparation, or use \"kmeans\""));
        }
        let gamma = self.gamma(data, control)?;
        let rules = Rules { codes: self.codes, gamma, trim: 0.0 };
        let found = mixed::fit(data, params, rules, control)?;
        let centres = Array2::from_shape_fn((params.k, data.ncols()), |(j, f)| found.centres[j][f]);
        let note = self.settings.gamma.is_none().then(|| format!("gamma = {gamma}, half the mean standard deviation"));
        Ok(Clustering {
            shape: Shape::Prototypes(Prototypes::new(centres, self.codes, gamma)),
            labels: found.labels,
            objective: Some(found.cost),
            iterations: found.iterations,
            notes: note.into_iter().collect(),
        })
    }
}
