//! What order flow says: price impact, toxicity, who moves together, what a fill earned afterwards.
//!
//! Pure functions over plain numbers. Flow is signed (+ bought, - sold, USD); one element is one bin of time, one
//! trade or one account as each function says. What is not defined is `None`, never 0 and never NaN.

pub mod herding;
pub mod impact;
pub mod markout;
pub mod toxicity;
pub mod trend;

pub use herding::{adjustment_factor, herding, lsv, mean_lsv};
pub use impact::{kyle_lambda, Impact};
pub use markout::{markout, trend_score, Costs};
pub use toxicity::{bulk_buy_share, rolling_vpin, toxic, vpin, Bucket, Buckets, Trade};
