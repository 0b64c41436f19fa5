//! Fitting a preparation: columns in parallel, then weights, the matrix, the rotation.

use super::column::{self, Column};
use super::correlate::{self, Correlated};
use super::pca;
use super::plan::{Choice, Plan, Weights};
use super::stored::{Preparation, Stored};
use super::transform::FeatureSpec;
use super::CHUNK;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use std::collections::HashMap;

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
        let limit = plan.correlated.unwrap_or(correlate::REPORT);
        let correlated = correlate::correlated(&mut columns, raw, limit, plan.correlated.is_some(), control)?;
        if columns.iter().all(|c| c.kept.is_none()) {
            return Err(nothing_left(&columns, rows));
        }
        weigh(plan, &mut columns);

        let notes = notes(plan, &columns, &correlated);
        let mut stored = Stored {
            rows: rows as u64,
            winsorise: plan.winsorise,
            scale: plan.scale,
            missing: plan.missing,
            max_missing: plan.max_missing,
            columns,
            correlated,
            notes,
            pca: None,
        };
        let unrotated = Preparation::assemble(stored.clone());
        let kept = unrotated.width();
        let mut data = vec![0.0; rows * kept];
        data.par_chunks_mut(CHUNK * kept).enumerate().try_for_each(|(chunk, out)| {
            control.check()?;
            for (r, out) in out.chunks_exact_mut(kept).enumerate() {
                let row = raw.row(chunk * CHUNK + r);
                unrotated.scale_row(|j| row[j], out);
            }
            Ok(())
        })?;
        stored.pca = pca::fit(plan.pca, &data, kept, control)?;
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
    let width = p.width();
    data.par_chunks_mut(CHUNK * kept).try_for_each(|rows| {
        control.check()?;
        let mut rotated = vec![0.0; width];
        for row in rows.chunks_exact_mut(kept) {
            p.rotate_row(pca, row, &mut rotated);
            row[..width].copy_from_slice(&rotated);
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

/// Each group of g features gets 1/sqrt(g) a feature, all times one number that makes the squares sum to the number of
/// features (so a single group has weight 1); the user's weights multiply.
fn weigh(plan: &Plan, columns: &mut [Column]) {
    if plan.weights == Weights::Equal {
        return;
    }
    let mut groups: HashMap<String, usize> = HashMap::new();
    let mut kept = 0;
    for c in columns.iter().filter(|c| c.kept.is_some()) {
        *groups.entry(c.spec.group.clone()).or_default() += 1;
        kept += 1;
    }
    let level = kept as f64 / groups.len().max(1) as f64;
    for (j, c) in columns.iter_mut().enumerate() {
        let size = groups.get(&c.spec.group).copied().unwrap_or(1) as f64;
        if let Some(k) = &mut c.kept {
            k.weight = (level / size).sqrt() * plan.user_weight(j);
        }
    }
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
    if plan.correlated.is_none() {
        for c in correlated.iter().take(20) {
            notes.push(format!(
                "features \"{}\" and \"{}\" say nearly the same (rank correlation {:.3}); preparation \
                 {{\"correlated\": {}}} would leave the second out",
                c.first,
                c.second,
                c.rho,
                correlate::REPORT
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
