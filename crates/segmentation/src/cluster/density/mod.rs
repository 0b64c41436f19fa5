//! Density clustering: segments are where accounts crowd, whatever their form, and who is alone belongs to none.
//!
//! All pairs of rows are compared, so fits stop at [`MAX_ROWS`]. Rules 1 and 4 at the top of [`super`] hold here, too. The
//! result does not depend on the order of the rows, but for the numbering of segments and exact ties of distance.

mod algorithm;
mod cloud;
mod condense;
mod dbscan;
mod hdbscan;
mod hierarchy;
mod shape;
mod stored;

pub use dbscan::{dbscan, DbscanFit, DbscanParams};
pub use hdbscan::{hdbscan, HdbscanFit, HdbscanParams};
pub use shape::Density;

pub(super) use algorithm::{Dbscan, Hdbscan};

use super::packed::Packed;
use crate::control::Control;
use crate::error::{Error, Kind, Result};
use cloud::Cloud;
use ndarray::ArrayView2;

/// Most rows of a fit, and so most rows that a model of density holds: 20,000 × 10 take some seconds on two cores.
pub const MAX_ROWS: usize = 20_000;

/// Checks the data and arranges it for comparing. Errors as k-means, and `LimitExceeded` above [`MAX_ROWS`].
fn cloud(data: ArrayView2<f64>, control: &Control) -> Result<Cloud> {
    let (rows, cols) = data.dim();
    if rows == 0 || cols == 0 {
        return Err(Error::invalid(format!("cannot cluster a matrix of {rows} rows and {cols} columns"))
            .hint("give at least one row and one feature"));
    }
    if rows > MAX_ROWS {
        return Err(Error::new(
            Kind::LimitExceeded,
            format!(
                "{rows} rows are too many to cluster by density, which compares all pairs: the limit is {MAX_ROWS}"
            ),
        )
        .hint("fit a sample of the accounts and score the others, or use a Gaussian mixture"));
    }
    Packed::new(data, control)?;
    Ok(Cloud::new(data.iter().copied().collect(), cols))
}

/// Neighbours, the row itself among them, that make a row dense where nothing is said: twice the columns (Sander et al.
/// 1998), at least 5.
fn default_min_points(cols: usize) -> usize {
    (2 * cols).max(5)
}
