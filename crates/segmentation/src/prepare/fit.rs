//! Fitting a preparation: columns in parallel, then weights, the matrix, the rotation.

use super::column::{self, Column};
use super::correlate::{self, Correlated};
use super::pca::{self, Rows};
use super::plan::{Choice, Missing, PcaPlan, Plan};
use super::spec::FeatureSpec;
use super::stored::{Preparation, Stored};
use super::weigh::weigh;
use super::{codes, indicator, CHUNK};
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

impl Preparation {
    /// Fits on `raw` (rows = accounts, columns = `specs`, NaN or ±inf = missing) and returns the prepared matrix, rows ×
    /// [`Preparation::width`]. Location and spread are those of the *observed* values: filled-in medians would shrink
    /// them. Errors: kind `NotReady` when there is no row or no feature that varies; `InvalidParameter` when the plan
    /// does not suit the values; `OutOfRange`.
    pub fn fit(
        plan: &Plan,
        specs: &[FeatureSpec],
        raw: ArrayView2<f64>,
        control: &Control,
    ) -> Result<(Preparation, Array2<f64>)> {
        let (rows, features) = raw.dim();
        if specs.len() != features || plan.transforms.len() != features {
            return Err(Error::invalid(format!("the matrix has {features} columns for {} features", specs.len())));
        }
        if rows == 0 {
            return Err(Error::not_ready("there are no rows to fit")
                .hint("check that the trade table has trades inside the look-back window"));
        }
        control.phase("preparing features");
        let fitted: Vec<Result<Column>> = specs
            .par_iter()
            .enumerate()
            .map(|(j, spec)| {
                control.check()?;
                column::fit(plan, j, spec, raw.column(j).iter().copied(), control)
            })
            .collect();
        // Which column fails first must not depend on the threads.
        let mut columns = fitted.into_iter().collect::<Result<Vec<Column>>>()?;
        let limit = plan.correlated.unwrap_or(correlate::LIMIT);
        let correlated = correlate::correlated(&mut columns, raw, limit, plan.correlated.is_some(), control)?;
        if columns.iter().all(|c| c.kept.is_none()) {
            return Err(nothing_left(&columns, rows));
        }
        let mut indicators = indicator::fit(plan, &columns, raw, control)?;
        let codes = if plan.codes { codes::fit(&mut columns, rows, |r, j| raw[[r, j]], control)? } else { Vec::new() };
        weigh(plan, &mut columns, &mut indicators);

        let notes = notes(plan, &columns, &correlated);
        let mut stored = Stored {
            rows: rows as u64,
            winsorise: plan.winsorise,
            scale: plan.scale,
            missing: if plan.missing.iter().all(|m| *m == Missing::Error) { Missing::Error } else { Missing::Median },
            max_missing: plan.max_missing,
            columns,
            correlated,
            notes,
            pca: None,
            indicators,
            codes,
        };
        let unrotated = Preparation::assemble(stored.clone());
        let kept = unrotated.scaled_width();
        let mut data = vec![0.0; rows * kept];
        data.par_chunks_mut(CHUNK * kept).enumerate().try_for_each(|(chunk, out)| {
            control.check()?;
            for (r, out) in out.chunks_exact_mut(kept).enumerate() {
                let row = raw.row(chunk * CHUNK + r);
                unrotated.scale_row(|j| row[j], out);
            }
            Ok(())
        })?;
        let numeric = kept - unrotated.codes();
        stored.pca = pca::fit(plan, Rows { values: &data, stride: kept, d: numeric }, control)?;
        if let (PcaPlan::Components(asked), Some(pca)) = (plan.pca, &stored.pca) {
            if asked > pca.components.len() {
                let found = pca.components.len();
                stored.notes.push(format!("{asked} principal components were asked for, there are {found}"));
            }
        }
        let preparation = Preparation::assemble(stored);
        if preparation.pca().is_some() {
            rotate_all(&preparation, &mut data, kept, control)?;
        }
        let shape = (rows, preparation.width());
        let matrix =
            Array2::from_shape_vec(shape, data).map_err(|e| Error::invalid(format!("prepared matrix: {e}")))?;
        Ok((preparation, matrix))
    }
}

/// Rotates in place and closes the gaps: a second matrix would double the memory of a fit.
fn rotate_all(p: &Preparation, data: &mut Vec<f64>, kept: usize, control: &Control) -> Result<()> {
    let Some(pca) = p.pca() else { return Ok(()) };
    let (width, codes) = (p.width(), p.codes());
    data.par_chunks_mut(CHUNK * kept).try_for_each(|rows| {
        control.check()?;
        let mut rotated = vec![0.0; width - codes];
        for row in rows.chunks_exact_mut(kept) {
            p.rotate_row(pca, &row[..kept - codes], &mut rotated);
            row[..width - codes].copy_from_slice(&rotated);
            row.copy_within(kept - codes.., width - codes);
        }
        Ok(())
    })?;
    let rows = data.len() / kept;
    for r in 1..rows {
        if r % CHUNK == 0 {
            control.check()?;
        }
        data.copy_within(r * kept..r * kept + width, r * width);
    }
    data.truncate(rows * width);
    data.shrink_to_fit();
    Ok(())
}

fn notes(plan: &Plan, columns: &[Column], correlated: &[Correlated]) -> Vec<String> {
    let mut notes = Vec::new();
    for (c, choice) in columns.iter().zip(&plan.transforms) {
        if let (Some(kept), Choice::Auto(t)) = (&c.kept, choice) {
            if kept.transform != *t {
                notes.push(format!(
                    "feature \"{}\" has values outside the range of {}: {} used",
                    c.spec.name,
                    t.name(),
                    kept.transform.name()
                ));
            }
        }
    }
    let mut said: Vec<&str> = Vec::new();
    for (j, c) in columns.iter().enumerate().filter(|(_, c)| c.kept.as_ref().is_some_and(|k| k.coded)) {
        let block = c.spec.block.as_deref().unwrap_or_default();
        if plan.user_weight(j) != 1.0 && !said.contains(&block) {
            said.push(block);
            notes.push(format!("the weight of category \"{block}\" does not count: it is a code"));
        }
    }
    if plan.correlated.is_none() {
        for c in correlated.iter().take(20) {
            notes.push(format!(
                "features \"{}\" and \"{}\" say nearly the same (rank correlation {:.3}); by default, preparation \
                 {{\"correlated\": {}}}, the second is left out",
                c.first,
                c.second,
                c.rho,
                correlate::LIMIT
            ));
        }
        if correlated.len() > 20 {
            notes.push(format!("{} more pairs of features are as closely related", correlated.len() - 20));
        }
    }
    notes
}

fn nothing_left(columns: &[Column], rows: usize) -> Error {
    let reasons: Vec<String> = columns
        .iter()
        .take(10)
        .map(|c| format!("{}: {}", c.spec.name, c.dropped.as_deref().unwrap_or("kept")))
        .collect();
    let more = if columns.len() > 10 { format!("; and {} more", columns.len() - 10) } else { String::new() };
    let message = if rows == 1 {
        "every feature is constant: there is only one row".to_string()
    } else {
        format!("every feature is constant or missing over {rows} rows: {}{more}", reasons.join("; "))
    };
    Error::not_ready(message).hint("add accounts that differ, widen the look-back, or choose other features")
}
