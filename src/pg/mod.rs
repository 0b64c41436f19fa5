//! The only place that touches PostgreSQL's internals, and the only one with `unsafe`.

pub mod alloc;
pub mod call;
pub mod datum;
pub mod error;
pub mod identity;
pub mod lookup;
pub mod memo;
pub mod queue;
pub mod relation;
pub mod settings;
pub mod spi;
pub mod state;
pub mod threads;
pub mod trigger;
