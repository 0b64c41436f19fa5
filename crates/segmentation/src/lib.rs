//! The mathematics of pg_segmentation, with no PostgreSQL in it.
//!
//! Data flows one way: trades → profiles → features → prepared matrix → model → segments.
//! No clock, no global randomness, no I/O, no `unsafe`: the same rows and the same seed give the same bytes,
//! whatever the threads, the order of rows or the processor.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod control;
mod digits;
pub mod error;
pub mod flow;
pub mod model;
pub mod prepare;
pub mod profile;
pub mod risk;
pub mod simulate;
pub mod statistics;

pub use control::Control;
pub use error::{Error, Kind, Result};
