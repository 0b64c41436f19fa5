//! Clustering: the algorithms, how good a clustering is, how stable, and how many segments there are.
//!
//! Every function runs inside whatever rayon pool is current and gives the same bits for any number of threads and
//! any SIMD width. That rests on four rules, kept by every file here:
//!
//! 1. a distance is `sum over features, in order, of (x - c)^2` in f64, each step rounded (no FMA, no norms trick);
//! 2. eight rows are eight SIMD lanes, so a row's arithmetic never depends on how wide the processor is;
//! 3. sums over rows are kept per lane inside a chunk of 4096 rows, lanes are added 0 to 7, chunks in index order (on
//!    its way, and only there, Lloyd's algorithm carries them on by the rows that moved, in row order: `tally.rs`);
//! 4. ties go to the lowest index.

mod agreement;
mod algorithm;
mod assign;
mod bisecting;
mod bootstrap;
mod bounds;
mod categories;
mod choose;
mod costs;
mod criteria;
mod density;
mod draw;
mod exchange;
mod family;
mod gap;
mod guard;
mod holdout;
mod kernel;
mod kmeans;
mod line;
mod lloyd;
mod matching;
mod minibatch;
mod mixed;
mod mixture;
mod nearest;
mod packed;
mod parallel;
mod potential;
mod prediction;
mod prototypes;
mod refine;
mod run;
mod seeding;
mod shape;
mod shuffle;
mod silhouette;
mod space;
mod tally;

pub use agreement::{
    adjusted_mutual_information, adjusted_rand_index, adjusted_rand_index_with, mutual_information,
    variation_of_information, variation_of_information_with,
};
pub use algorithm::{Algorithm, Clusterer, Clustering, Settings, Supports, NOISE};
pub use bootstrap::{stability_in_words, Bootstrap, Recovery};
pub use choose::{choose_k, Choice, ChooseOptions, KRow, STABLE};
pub use criteria::{criteria, Criteria};
pub use density::{dbscan, hdbscan, DbscanFit, DbscanParams, Density, HdbscanFit, HdbscanParams};
pub use draw::replicated;
pub use gap::{gaps, Gap, Reference};
pub use guard::{guard, Columns, Features, Guard, SIGNIFICANT};
pub use holdout::{hold_out, HoldOut, Verdict};
pub use kmeans::{kmeans, KMeansFit, KMeansParams};
pub use line::{first_loss, first_win, Contest, Terms};
pub use matching::{optimal_assignment, sparse_assignment};
pub use mixture::{mixture, Covariance, Mixture, MixtureFit, MixtureParams};
pub use nearest::{nearest_two, Nearest};
pub use prediction::prediction_strength;
pub use prototypes::Prototypes;
pub use shape::{Centroids, Scored, Shape};
pub use silhouette::silhouette;
