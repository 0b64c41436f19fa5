//! The life of models: their versions and states, the names of their segments, and the record of what happened to them.

pub mod activate;
pub mod align;
pub mod compare;
pub mod event;
pub mod exchange;
pub mod names;
pub mod reproduce;
pub mod version;
