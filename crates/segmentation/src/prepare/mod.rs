//! From raw features to the matrix that is clustered, and the same road again for one row at scoring.
//!
//! Order of the steps, per feature: a missing value becomes the fitted median → winsorise on the **raw** scale →
//! transform → centre and scale → weight; then, over all features, PCA. Everything fitted is stored in
//! [`Preparation`], and one function serves training and scoring, so a training row scored later gives the same bits.
//!
//! NaN and ±inf are missing. The formulas are those of numpy (type-7 quantiles) and scikit-learn (`RobustScaler`,
//! `StandardScaler` with the population standard deviation, `PCA`).

mod brent;
mod check;
mod codes;
mod column;
mod coordinates;
mod correlate;
mod fit;
mod indicator;
mod jacobi;
mod normal;
mod parallel;
mod pca;
mod plan;
mod quantile;
mod spec;
mod step;
mod stored;
mod transform;
mod tridiagonal;
mod weigh;
mod yeo_johnson;

pub use codes::Code;
pub use column::{Column, Kept, Spread, MAD_TO_SD};
pub use coordinates::{Coordinate, Of};
pub use correlate::Correlated;
pub use indicator::Indicator;
pub use jacobi::{symmetric_eigen, Eigen};
pub use pca::Pca;
pub use plan::{Choice, Missing, PcaPlan, Plan, Scale, Weights};
pub use quantile::{quantile, OrderStatistics};
pub use spec::{Absence, FeatureSpec};
pub use stored::{Outcome, Preparation};
pub use transform::Transform;
pub use yeo_johnson::log_likelihood as yeo_johnson_log_likelihood;

pub(crate) use step::Step;

/// Rows are summed in chunks of this many, combined in index order, so that no thread count changes a bit.
pub const CHUNK: usize = 4096;
/// More features than this is refused: a longer vector is a mistake, not a profile.
pub const MAX_FEATURES: usize = 10_000;
