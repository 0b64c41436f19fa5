//! pg_segmentation: segments trading accounts where their trades already are.
//!
//! The mathematics is in the crate `segmentation`, which knows nothing of PostgreSQL; this crate is the door between
//! it and SQL. `api` has one file a family of SQL functions, `pg` is the only place that touches PostgreSQL's
//! internals. The SQL side is written by hand in `sql/install`, beside its comments, and put together below.

#[cfg(not(panic = "unwind"))]
compile_error!("a panic has to unwind to become a PostgreSQL error: build with panic = \"unwind\"");

mod api;
mod pg;

pgrx::pg_module_magic!();

/// Called by PostgreSQL when the library is loaded.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::error::init();
    pg::settings::init();
    pg::lookup::init();
}

pgrx::extension_sql_file!("../sql/install/00-schema.sql", name = "schema", bootstrap);
pgrx::extension_sql_file!("../sql/install/10-types.sql", name = "types", requires = ["schema"]);
pgrx::extension_sql_file!("../sql/install/20-catalogue.sql", name = "catalogue", requires = ["types"]);
pgrx::extension_sql_file!("../sql/install/30-trade.sql", name = "trade", requires = ["catalogue"]);
pgrx::extension_sql_file!("../sql/install/31-profile.sql", name = "profile", requires = ["trade"]);
pgrx::extension_sql_file!("../sql/install/32-instrument.sql", name = "instrument", requires = ["profile"]);
pgrx::extension_sql_file!("../sql/install/33-snapshot.sql", name = "snapshot", requires = ["instrument"]);
pgrx::extension_sql_file!("../sql/install/40-declare.sql", name = "declare", requires = ["snapshot"]);
pgrx::extension_sql_file!("../sql/install/50-fit.sql", name = "fit", requires = ["declare"]);
pgrx::extension_sql_file!("../sql/install/55-features.sql", name = "wide", requires = ["fit"]);
pgrx::extension_sql_file!("../sql/install/56-algorithms.sql", name = "algorithms", requires = ["wide"]);
pgrx::extension_sql_file!("../sql/install/57-population.sql", name = "population", requires = ["algorithms"]);
pgrx::extension_sql_file!("../sql/install/60-read.sql", name = "read", requires = ["population"]);
pgrx::extension_sql_file!("../sql/install/65-models.sql", name = "models", requires = ["read"]);
pgrx::extension_sql_file!("../sql/install/70-watch.sql", name = "watch", requires = ["models"]);
pgrx::extension_sql_file!("../sql/install/80-simulate.sql", name = "simulate", requires = ["watch"]);
pgrx::extension_sql_file!("../sql/install/90-views.sql", name = "views", requires = ["simulate"], finalize);
