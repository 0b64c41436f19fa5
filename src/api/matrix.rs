//! The feature matrix that a model is fitted on: all accounts, or as many as memory holds.

use crate::api::catalogue::Definition;
use crate::api::scratch::FEATURE_ROWS;
use crate::pg::datum;
use crate::pg::error::{notice, Failure, Result};
use crate::pg::settings;
use crate::pg::spi::{self, arg, maybe};
use segmentation::model::FitInput;
use segmentation::prepare::FeatureSpec;

/// Copies of the feature matrix that live at once while a model is fitted: as read, as prepared, packed for the kernel,
/// and PostgreSQL's own result rows.
const COPIES: u64 = 4;

/// The feature vectors of the accounts that the model is fitted on, in the order of their keys.
pub struct Matrix {
    values: Vec<f64>,
    volume: Vec<f64>,
    /// How many accounts there are, where these are a sample of them.
    pub sampled_from: Option<u64>,
    /// What a user of the model should know about its rows.
    pub warning: Option<String>,
}

impl Matrix {
    /// `width` is the number of features.
    pub fn read(definition: &Definition, width: usize, seed: u64) -> Result<Matrix> {
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
        // The hash of a key does not depend on the order of rows, so the sample is the same on every machine.
        let share = (fitting < rows).then(|| (fitting as f64 / rows as f64 * (1u64 << 31) as f64) as i64);
        let order = format!("account{}", order_collation(definition.key_type));
        let sql = format!(
            "SELECT v, volume FROM {FEATURE_ROWS}
             WHERE NOT fresh
               AND ($1 IS NULL OR (pg_catalog.hashtextextended(account::text COLLATE \"C\", $2) & 2147483647) < $1)
             ORDER BY {order}"
        );
        let mut matrix =
            Matrix { values: Vec::new(), volume: Vec::new(), sampled_from: share.map(|_| rows), warning: None };
        spi::write(&sql, &[maybe(share), arg(seed as i64)], |r| {
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
        if share.is_some() {
            let message =
                format!("fitted on a sample of {} of {rows} accounts (maintenance_work_mem)", matrix.volume.len());
            notice(&message);
            matrix.warning = Some(message);
        }
        Ok(matrix)
    }

    /// Volume shares are told only where the source has volumes.
    pub fn input(self, specs: Vec<FeatureSpec>) -> Result<FitInput> {
        let volume = self.volume.iter().any(|v| *v > 0.0).then_some(self.volume);
        Ok(FitInput::from_rows(specs, self.values, volume)?)
    }
}

/// The accounts of the rows that [`Matrix::read`] gives for the same arguments where it needs no sample, as text.
pub fn accounts(definition: &Definition) -> Result<Vec<String>> {
    // By the key and not by its text, which would also be called account.
    let order = format!("f.account{}", order_collation(definition.key_type));
    let sql = format!("SELECT f.account::text FROM {FEATURE_ROWS} f WHERE NOT f.fresh ORDER BY {order}");
    spi::write(&sql, &[], |r| Ok(r.each(|i| r.text(i, 1).unwrap_or_default())))
}

/// Text keys are ordered by their bytes, so that the model does not depend on the database's collation.
pub fn order_collation(key: pgrx::pg_sys::Oid) -> &'static str {
    match datum::base_type(key) {
        pgrx::pg_sys::TEXTOID | pgrx::pg_sys::VARCHAROID | pgrx::pg_sys::BPCHAROID => " COLLATE \"C\"",
        _ => "",
    }
}
