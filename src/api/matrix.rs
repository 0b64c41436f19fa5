//! The feature matrix that a model is fitted on: all accounts, or as many as memory holds.

use crate::api::catalogue::Definition;
use crate::api::scratch::FEATURE_ROWS;
use crate::pg::datum;
use crate::pg::error::{notice, Failure, Result};
use crate::pg::settings;
use crate::pg::spi::{self, arg, maybe};
use pgrx::PgSqlErrorCode;
use segmentation::model::FitInput;
use segmentation::prepare::FeatureSpec;

/// Copies of the feature matrix that live at once while a model is fitted: as read, as prepared, packed for the kernel,
/// and PostgreSQL's own result rows.
const COPIES: u64 = 4;

/// Which accounts a model is fitted on. The hash of a key does not depend on the order of rows, so a sample is the same on every
/// machine.
#[derive(Clone, Copy, Debug)]
pub enum Rows {
    /// As many as memory holds
    Fitting,
    /// Those that a stored model was fitted on: all, or those whose hash is below this
    Of(Option<u64>),
}

/// Numbers that a hash can be.
const HASHES: u64 = 1 << 31;

/// A stored sample may be this much larger than memory holds now: accounts come and go.
const SLACK: f64 = 1.1;

/// The feature vectors of the accounts that the model is fitted on, in the order of their keys.
pub struct Matrix {
    values: Vec<f64>,
    volume: Vec<f64>,
    /// How many accounts there are, where these are a sample of them.
    pub sampled_from: Option<u64>,
    /// Hashes of the sample are below this.
    pub sampled_below: Option<u64>,
}

impl Matrix {
    /// `width` is the number of features. Errors: 55000 without accounts, 54000 where memory does not hold the rows of a stored
    /// model.
    pub fn read(definition: &Definition, width: usize, seed: u64, which: Rows) -> Result<Matrix> {
        let count = format!("SELECT count(*) FROM {FEATURE_ROWS} WHERE NOT fresh");
        let rows = spi::write(&count, &[], |r| Ok(r.get::<i64>(0, 1).unwrap_or(0)))? as u64;
        if rows == 0 {
            return Err(Failure::not_ready(format!("segmentation \"{}\" has no accounts to fit on", definition.name))
                .hint(
                    "the source is empty, or has nothing in the look-back before as_of, or no account has min_trades",
                ));
        }
        let budget = settings::fit_memory() as u64;
        let fitting = (budget / (width as u64 * 8 * COPIES)).max(1_000);
        let below = match which {
            Rows::Fitting => (fitting < rows).then(|| (fitting as f64 / rows as f64 * HASHES as f64) as u64),
            Rows::Of(below) => below,
        };
        let wanted = below.map_or(rows as f64, |below| rows as f64 * (below as f64 / HASHES as f64));
        if wanted > fitting as f64 * SLACK {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "the model was fitted on about {wanted:.0} accounts of {width} features, and maintenance_work_mem holds \
                     {fitting} of them"
                ),
            )
            .hint("raise maintenance_work_mem"));
        }
        let sql = format!(
            "SELECT f.v, f.volume FROM {FEATURE_ROWS} f WHERE {} ORDER BY {}",
            sampled("f"),
            ordered("f", definition)
        );
        let mut matrix =
            Matrix { values: Vec::new(), volume: Vec::new(), sampled_from: below.map(|_| rows), sampled_below: below };
        spi::write(&sql, &[maybe(below.map(|below| below as i64)), arg(seed as i64)], |r| {
            matrix.values.reserve_exact(r.len() * width);
            let mut row = Vec::new();
            for i in 0..r.len() {
                if i % 10_000 == 0 {
                    pgrx::check_for_interrupts!();
                }
                match r.raw(i, 1) {
                    Some(array) => datum::float_array(array, &mut row)?,
                    None => row.clear(),
                }
                row.resize(width, f64::NAN);
                matrix.values.extend_from_slice(&row);
                matrix.volume.push(r.get::<f64>(i, 2).unwrap_or(0.0));
            }
            Ok(())
        })?;
        Ok(matrix)
    }

    /// Says that these rows are a sample, and answers what it said; None where they are not. `done` is what was made of them,
    /// such as "fitted".
    pub fn announce(&self, done: &str) -> Option<String> {
        let rows = self.sampled_from?;
        let message = format!("{done} on a sample of {} of {rows} accounts (maintenance_work_mem)", self.volume.len());
        notice(&message);
        Some(message)
    }

    /// Volume shares are told only where the source has volumes.
    pub fn input(self, specs: Vec<FeatureSpec>) -> Result<FitInput> {
        let volume = self.volume.iter().any(|v| *v > 0.0).then_some(self.volume);
        Ok(FitInput::from_rows(specs, self.values, volume)?)
    }
}

/// SQL for whether a row takes part, where $1 is what hashes are below, or null, and $2 the seed.
fn sampled(alias: &str) -> String {
    format!(
        "NOT {alias}.fresh AND ($1 IS NULL
           OR (pg_catalog.hashtextextended({alias}.account::text COLLATE \"C\", $2) & 2147483647) < $1)"
    )
}

/// By the key and not by its text, which would also be called account.
fn ordered(alias: &str, definition: &Definition) -> String {
    format!("{alias}.account{}", order_collation(definition.key_type))
}

/// The accounts of the rows that [`Matrix::read`] gave, as text.
pub fn accounts(definition: &Definition, below: Option<u64>, seed: u64) -> Result<Vec<String>> {
    let (taking, order) = (sampled("f"), ordered("f", definition));
    let sql = format!("SELECT f.account::text FROM {FEATURE_ROWS} f WHERE {taking} ORDER BY {order}");
    let params = [maybe(below.map(|below| below as i64)), arg(seed as i64)];
    spi::write(&sql, &params, |r| Ok(r.each(|i| r.text(i, 1).unwrap_or_default())))
}

/// Text keys are ordered by their bytes, so that the model does not depend on the database's collation.
pub fn order_collation(key: pgrx::pg_sys::Oid) -> &'static str {
    match datum::base_type(key) {
        pgrx::pg_sys::TEXTOID | pgrx::pg_sys::VARCHAROID | pgrx::pg_sys::BPCHAROID => " COLLATE \"C\"",
        _ => "",
    }
}
