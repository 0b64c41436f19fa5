//! Trades → account profile → features.
//!
//! A profile is the mergeable summary of an account's trades. Up to [`state::SPARSE_FILLS`] fills it keeps the fills
//! themselves (*sparse*), beyond that exact sums, bounded sets and ordered fragments (*dense*). Which of the two
//! depends only on the multiset of trades, so any partition, order and tree of merging gives the same bytes.
//!
//! The classes of state (G: exact sums that form a group; M: monoids such as sets and extremes; O: states that need
//! time order) are those of the project's specification; each file says which one it holds.

pub mod allocation;
pub mod assets;
pub mod codec;
mod course;
pub mod daily;
pub mod days;
pub mod decay;
pub mod dense;
pub mod distinct;
pub mod equity;
pub mod features;
pub mod fill;
mod flows;
pub mod instrument;
pub mod leveraged;
pub mod money;
pub mod numeric;
mod options;
pub mod ordered;
pub mod record;
pub mod section;
pub mod shares;
pub mod sketch;
pub mod snapshot;
pub mod state;
pub mod stored;
pub mod sums;
pub mod symbol;
#[cfg(test)]
mod testing;
pub mod trade;
mod waiting;

pub use features::{Feature, FeatureValue, Market, FEATURES};
pub use state::State;
