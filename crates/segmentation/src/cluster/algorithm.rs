//! Every algorithm behind one trait, and what each can do.

use super::density::{Dbscan, Hdbscan, MAX_ROWS};
use super::family::Family;
use super::mixture::{Covariance, Gmm, MixtureParams};
use super::shape::Shape;
use crate::control::Control;
use crate::digits::digits;
use crate::error::{Error, Result};
use ndarray::{ArrayView2, CowArray, Ix2};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Label of a row that belongs to no segment.
pub const NOISE: u32 = u32::MAX;

/// A clustering of the rows of a matrix, and the shape that scores others.
#[derive(Clone, Debug)]
pub struct Clustering {
    pub shape: Shape,
    /// Segment of each row, below `shape.k()`, or [`NOISE`]
    pub labels: Vec<u32>,
    /// What the algorithm minimises, on its own scale: inertia, or minus the log likelihood. None where it minimises nothing
    pub objective: Option<f64>,
    pub iterations: usize,
    /// What the user should know: a parameter that was chosen, a cap that was reached
    pub notes: Vec<String>,
}

impl Clustering {
    /// Bayesian information criterion, the lower the better (Schwarz 1978); None where the algorithm has no likelihood.
    pub fn bic(&self) -> Option<f64> {
        match &self.shape {
            Shape::Mixture(mixture) => {
                Some(mixture.parameters() as f64 * libm::log(self.labels.len() as f64) + 2.0 * self.objective?)
            }
            _ => None,
        }
    }
}

/// An algorithm with its settings. Long loops look at `control` every few milliseconds.
pub trait Clusterer: Send + Sync {
    /// Clusters the rows of `data` (rows × columns, finite) into `k` segments; algorithms that find the number themselves
    /// ignore `k`. Same data, `k`, `seed` and settings give the same bits whatever the threads.
    fn fit(&self, data: ArrayView2<f64>, k: usize, seed: u64, control: &Control) -> Result<Clustering>;

    /// The same for a sample of `rows` of `all` rows, where settings count rows: a crowd of 300 in 20,000 is one of 30 in a
    /// sample of 2,000. None: as it is.
    fn for_sample(&self, _rows: usize, _all: usize) -> Option<Box<dyn Clusterer>> {
        None
    }

    /// Columns at the end that hold categories: names, and no numbers.
    fn codes(&self) -> usize {
        0
    }

    /// The rows where the squared Euclidean distance is what the algorithm compares rows by: criteria of distance are
    /// computed here. As they are, unless there are categories.
    fn space<'a>(&self, data: ArrayView2<'a, f64>, _control: &Control) -> Result<CowArray<'a, f64, Ix2>> {
        Ok(data.into())
    }
}

/// What can be asked of a model of an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supports {
    /// The number of segments is an argument; otherwise it is found
    pub takes_k: bool,
    /// Rows that were not in the fit get a segment
    pub new_rows: bool,
    /// Probabilities of all segments
    pub soft: bool,
    /// A row may belong to no segment
    pub noise: bool,
    /// Contributions of features, also through principal components, as the default preparation makes them
    pub explains: bool,
    /// The same without principal components
    pub explains_without_pca: bool,
    /// What would move an account
    pub counterfactuals: bool,
    /// Most rows of a fit
    pub max_rows: Option<usize>,
}

/// The algorithms by the names that SQL uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    #[default]
    Kmeans,
    KmeansParallel,
    MinibatchKmeans,
    BisectingKmeans,
    TrimmedKmeans,
    Kprototypes,
    GmmFull,
    GmmTied,
    GmmDiagonal,
    GmmSpherical,
    Dbscan,
    Hdbscan,
}

impl Algorithm {
    pub const ALL: &'static [Algorithm] = &[
        Algorithm::Kmeans,
        Algorithm::KmeansParallel,
        Algorithm::MinibatchKmeans,
        Algorithm::BisectingKmeans,
        Algorithm::TrimmedKmeans,
        Algorithm::Kprototypes,
        Algorithm::GmmFull,
        Algorithm::GmmTied,
        Algorithm::GmmDiagonal,
        Algorithm::GmmSpherical,
        Algorithm::Dbscan,
        Algorithm::Hdbscan,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Kmeans => "kmeans",
            Algorithm::KmeansParallel => "kmeans_parallel",
            Algorithm::MinibatchKmeans => "minibatch_kmeans",
            Algorithm::BisectingKmeans => "bisecting_kmeans",
            Algorithm::TrimmedKmeans => "trimmed_kmeans",
            Algorithm::Kprototypes => "kprototypes",
            Algorithm::GmmFull => "gmm_full",
            Algorithm::GmmTied => "gmm_tied",
            Algorithm::GmmDiagonal => "gmm_diagonal",
            Algorithm::GmmSpherical => "gmm_spherical",
            Algorithm::Dbscan => "dbscan",
            Algorithm::Hdbscan => "hdbscan",
        }
    }

    /// The algorithm of that name; an error lists the names there are.
    pub fn parse(name: &str) -> Result<Algorithm> {
        Self::ALL.iter().copied().find(|a| a.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|a| a.name()).collect();
            let allowed = if known.len() == 1 { "allowed is" } else { "allowed are" };
            Error::invalid(format!("algorithm \"{name}\" is not known")).hint(format!("{allowed} {}", known.join(", ")))
        })
    }

    /// One line for the catalogue.
    pub fn meaning(self) -> &'static str {
        match self {
            Algorithm::Kmeans => "Lloyd's k-means from greedy k-means++ starts, the best of n_init",
            Algorithm::KmeansParallel => "k-means from one k-means|| start, for many segments in a large table",
            Algorithm::MinibatchKmeans => "k-means by small batches of rows: fast, and a little worse",
            Algorithm::BisectingKmeans => "k-means that splits the worst segment in two until there are k",
            Algorithm::TrimmedKmeans => "k-means whose centres ignore the share trim of the rows farthest from them",
            Algorithm::Kprototypes => "k-means for numbers and categories together: means and modes",
            Algorithm::GmmFull => "Gaussian mixture, each segment with a covariance of its own",
            Algorithm::GmmTied => "Gaussian mixture, one covariance for all segments",
            Algorithm::GmmDiagonal => "Gaussian mixture, each segment with a variance a feature and no correlations",
            Algorithm::GmmSpherical => "Gaussian mixture, each segment with one variance",
            Algorithm::Dbscan => {
                "Accounts with min_points accounts within eps, and what they reach; the others are noise"
            }
            Algorithm::Hdbscan => "Crowds of any form and density, of at least min_cluster_size; the others are noise",
        }
    }

    pub fn supports(self) -> Supports {
        let centres = Supports {
            takes_k: true,
            new_rows: true,
            soft: true,
            noise: false,
            explains: true,
            explains_without_pca: true,
            counterfactuals: true,
            max_rows: None,
        };
        let none = Supports { explains: false, explains_without_pca: false, counterfactuals: false, ..centres };
        match self {
            Algorithm::Kmeans
            | Algorithm::KmeansParallel
            | Algorithm::MinibatchKmeans
            | Algorithm::BisectingKmeans
            | Algorithm::TrimmedKmeans
            | Algorithm::GmmTied => centres,
            // Widths of their own along a component say nothing of a feature.
            Algorithm::GmmDiagonal | Algorithm::GmmSpherical => Supports { explains: false, ..centres },
            // Full covariances mix the features.
            Algorithm::GmmFull => Supports { explains: false, explains_without_pca: false, ..centres },
            Algorithm::Kprototypes => none,
            Algorithm::Dbscan | Algorithm::Hdbscan => {
                Supports { takes_k: false, soft: false, noise: true, max_rows: Some(MAX_ROWS), ..none }
            }
        }
    }

    /// Keys of the `settings` argument that mean something to this algorithm.
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            Algorithm::Kmeans => &["n_init", "max_iter", "tol", "moves"],
            Algorithm::KmeansParallel | Algorithm::BisectingKmeans => &["n_init", "max_iter", "tol"],
            Algorithm::MinibatchKmeans => &["n_init", "max_iter", "batch"],
            Algorithm::TrimmedKmeans => &["n_init", "max_iter", "tol", "trim"],
            Algorithm::Kprototypes => &["n_init", "max_iter", "tol", "gamma"],
            Algorithm::GmmFull | Algorithm::GmmTied | Algorithm::GmmDiagonal | Algorithm::GmmSpherical => {
                &["n_init", "max_iter", "tol", "regularisation"]
            }
            Algorithm::Dbscan => &["eps", "min_points"],
            Algorithm::Hdbscan => &["min_cluster_size", "min_points"],
        }
    }

    /// The algorithm ready to run; the last `codes` columns of the data hold categories.
    pub fn clusterer(self, settings: &Settings, codes: usize) -> Result<Box<dyn Clusterer>> {
        if codes > 0 && self != Algorithm::Kprototypes {
            return Err(Error::invalid(format!("algorithm \"{}\" does not take categories as codes", self.name()))
                .hint("leave \"categorical\" out of the preparation"));
        }
        let gmm = |covariance| Box::new(Gmm { covariance, settings: settings.clone() });
        Ok(match self {
            Algorithm::Kmeans
            | Algorithm::KmeansParallel
            | Algorithm::MinibatchKmeans
            | Algorithm::BisectingKmeans
            | Algorithm::TrimmedKmeans
            | Algorithm::Kprototypes => Box::new(Family { algorithm: self, settings: settings.clone(), codes }),
            Algorithm::GmmFull => gmm(Covariance::Full),
            Algorithm::GmmTied => gmm(Covariance::Tied),
            Algorithm::GmmDiagonal => gmm(Covariance::Diagonal),
            Algorithm::GmmSpherical => gmm(Covariance::Spherical),
            Algorithm::Dbscan => Box::new(Dbscan(settings.clone())),
            Algorithm::Hdbscan => Box::new(Hdbscan(settings.clone())),
        })
    }
}

/// Parameters of the algorithms; each reads those that [`Algorithm::settings`] names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Starts, the best of which counts
    pub n_init: usize,
    /// Most steps of a start
    pub max_iter: usize,
    /// A start ends when the squared shift of its centres is at most this times the mean variance; of a mixture, when the
    /// mean log likelihood changes by less
    pub tol: f64,
    /// Rounds of moved centres and new starts without a gain, on a small table, before the best is taken
    pub moves: usize,
    /// Rows of a mini-batch
    pub batch: usize,
    /// Share of the rows that do not move the centres
    pub trim: f64,
    /// What another category costs; None: half the mean standard deviation of the numbers
    pub gamma: Option<f64>,
    /// Added to the variances of a mixture
    pub regularisation: f64,
    /// Radius of a neighbourhood; None: chosen
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Accounts, the account itself among them, that make a neighbourhood dense; None: by the number of columns
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_points: Option<usize>,
    /// Accounts of the smallest segment; None: by the number of accounts
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cluster_size: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            n_init: 10,
            max_iter: 300,
            tol: 1e-4,
            regularisation: 1e-6,
            moves: 10,
            batch: 1024,
            trim: 0.01,
            gamma: None,
            eps: None,
            min_points: None,
            min_cluster_size: None,
        }
    }
}

impl Settings {
    /// The defaults of an algorithm.
    pub fn of(algorithm: Algorithm) -> Settings {
        match algorithm {
            Algorithm::GmmFull | Algorithm::GmmTied | Algorithm::GmmDiagonal | Algorithm::GmmSpherical => {
                let MixtureParams { n_init, max_iter, tol, regularisation, .. } =
                    MixtureParams::new(Covariance::Full, 1, 0);
                Settings { n_init, max_iter, tol, regularisation, ..Settings::default() }
            }
            _ => Settings::default(),
        }
    }

    /// Reads the `settings` argument: None, null, or an object with keys of the algorithm. Errors (kind `InvalidParameter`)
    /// name the key, the value and what is allowed.
    pub fn from_json(algorithm: Algorithm, json: Option<&Value>) -> Result<Settings> {
        let empty = Map::new();
        let given = match json {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(map)) => map,
            Some(_) => return Err(Error::invalid("settings must be a JSON object").hint(allowed(algorithm))),
        };
        let mut settings = Settings::of(algorithm);
        for (key, value) in given {
            if !algorithm.settings().contains(&key.as_str()) {
                return Err(Error::invalid(format!("unknown key \"{key}\" in settings of {}", algorithm.name()))
                    .hint(allowed(algorithm)));
            }
            let bad = |range: &str| {
                let shown: String = value.to_string().chars().take(60).collect();
                Error::invalid(format!("invalid \"{key}\" in settings: {shown}")).hint(format!("allowed: {range}"))
            };
            let whole = |low: u64, high: u64| {
                let found = value.as_u64().filter(|v| (low..=high).contains(v));
                found.map(|v| v as usize).ok_or_else(|| bad(&format!("a whole number from {low} to {high}")))
            };
            let real = |low: f64, high: f64| {
                let found = value.as_f64().filter(|v| (low..=high).contains(v));
                found.ok_or_else(|| bad(&format!("a number from {} to {}", digits(low), digits(high))))
            };
            match key.as_str() {
                "n_init" => settings.n_init = whole(1, 1000)?,
                "max_iter" => settings.max_iter = whole(1, 100_000)?,
                "tol" => settings.tol = real(0.0, 1.0)?,
                "moves" => settings.moves = whole(0, 1000)?,
                "batch" => settings.batch = whole(1, 1_000_000)?,
                "trim" => settings.trim = real(0.0, 0.5)?,
                "gamma" => settings.gamma = Some(real(0.0, 1e100)?),
                "regularisation" => settings.regularisation = real(1e-12, 1e6)?,
                "eps" => settings.eps = Some(real(1e-100, 1e100)?),
                "min_points" => settings.min_points = Some(whole(1, MAX_ROWS as u64)?),
                "min_cluster_size" => settings.min_cluster_size = Some(whole(2, MAX_ROWS as u64)?),
                _ => return Err(Error::invalid(format!("unknown key \"{key}\" in settings")).hint(allowed(algorithm))),
            }
        }
        Ok(settings)
    }
}

fn allowed(algorithm: Algorithm) -> String {
    format!("allowed keys: {}", algorithm.settings().join(", "))
}
