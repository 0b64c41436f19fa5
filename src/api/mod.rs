//! What SQL sees, one file a family of functions. Thin: no mathematics, no raw PostgreSQL.

pub mod aggregate;
pub mod assign;
pub mod catalogue;
pub mod columns;
pub mod declare;
pub mod fit;
pub mod matrix;
pub mod profiles;
pub mod report;
pub mod scratch;
pub mod segment;
pub mod simulate;
pub mod sources;
pub mod tables;
pub mod trade;
pub mod types;
pub mod watch;
pub mod window;
