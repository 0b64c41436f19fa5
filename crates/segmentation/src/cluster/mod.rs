//! Clustering: k-means, how good a clustering is, and how many segments there are.
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
mod assign;
mod choose;
mod kernel;
mod kmeans;
mod lloyd;
mod nearest;
mod packed;
mod potential;
mod seeding;
mod silhouette;
mod tally;

pub use agreement::adjusted_rand_index;
pub use choose::{choose_k, Choice, KRow};
pub use kmeans::{kmeans, KMeansFit, KMeansParams};
pub use nearest::{nearest_two, Nearest};
pub use silhouette::silhouette;
