//! Pricing of options and what their positions risk.

pub mod black76;
pub mod implied;

pub(crate) use black76::normal_cdf;
pub use black76::{black76, black_scholes, Coin, Greeks};
pub use implied::implied_volatility;
