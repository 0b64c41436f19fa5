//! Categories as codes instead of 0/1 coordinates, for k-prototypes.

use super::column::Column;
use super::CHUNK;
use crate::control::Control;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// A category as one trailing value of a prepared row: 0 for the first of its features, 1 for the second, …; their number for
/// any value that is none of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The category
    pub name: String,
    /// Places of its features in a raw row, ascending
    pub features: Vec<usize>,
    /// The most frequent code of the training rows: what a missing category becomes
    pub mode: usize,
}

impl Code {
    /// The code of a row; None where the category is missing.
    #[inline]
    pub fn of(&self, raw: impl Fn(usize) -> f64) -> Option<usize> {
        let mut known = false;
        for (code, &feature) in self.features.iter().enumerate() {
            let x = raw(feature);
            known |= x.is_finite();
            if x.is_finite() && x > 0.5 {
                return Some(code);
            }
        }
        known.then_some(self.features.len())
    }
}

/// Marks the kept features of categories as coded. `rows` gives the value of a feature in a row.
pub(super) fn fit(
    columns: &mut [Column],
    rows: usize,
    raw: impl Fn(usize, usize) -> f64,
    control: &Control,
) -> Result<Vec<Code>> {
    let mut codes: Vec<Code> = Vec::new();
    for (j, column) in columns.iter_mut().enumerate() {
        let (Some(kept), Some(block)) = (&mut column.kept, &column.spec.block) else { continue };
        kept.coded = true;
        match codes.iter_mut().find(|c| c.name == *block) {
            Some(code) => code.features.push(j),
            None => codes.push(Code { name: block.clone(), features: vec![j], mode: 0 }),
        }
    }
    for code in &mut codes {
        let mut counts = vec![0u64; code.features.len() + 1];
        for r in 0..rows {
            if r % CHUNK == 0 {
                control.check()?;
            }
            if let Some(found) = code.of(|j| raw(r, j)) {
                counts[found] += 1;
            }
        }
        // Of equal counts the first.
        code.mode = (0..counts.len()).fold(0, |best, c| if counts[c] > counts[best] { c } else { best });
    }
    Ok(codes)
}
