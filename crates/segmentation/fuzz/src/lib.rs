//! What is checked of bytes that claim to be a model or a profile (a panic is a finding), and how models are changed.

pub mod model;
pub mod mutate;
pub mod profile;
