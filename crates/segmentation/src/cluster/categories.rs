//! How often clusters have categories, for `mixed.rs`.

use super::packed::CHUNK;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::ArrayView1;

/// Categories times clusters, at most: half a gigabyte of counts.
const MOST_COUNTS: usize = 1 << 26;

/// A column of categories by the place of their values, so that counting needs no search.
pub(super) struct Category {
    /// Ascending.
    values: Vec<f64>,
    of_row: Vec<u32>,
}

impl Category {
    /// `InvalidParameter` for more categories than can be counted for each of `k` clusters.
    pub fn new(column: ArrayView1<f64>, k: usize, control: &Control) -> Result<Category> {
        // Adding 0 makes -0 and 0 the same.
        let mut values: Vec<f64> = Vec::new();
        for (i, &x) in column.iter().enumerate() {
            if i % CHUNK == 0 {
                control.check()?;
            }
            if let Err(at) = values.binary_search_by(|v| v.total_cmp(&(x + 0.0))) {
                values.insert(at, x + 0.0);
                if values.len() * k > MOST_COUNTS {
                    return Err(Error::invalid(format!("{} categories for {k} clusters are too many", values.len()))
                        .hint("ask for fewer segments, or put rare categories together"));
                }
            }
        }
        control.check()?;
        let place = |x: &f64| values.binary_search_by(|v| v.total_cmp(&(x + 0.0))).unwrap_or(0) as u32;
        let of_row = column.iter().map(place).collect();
        Ok(Category { values, of_row })
    }

    /// The most frequent category of the rows of each cluster that count; of equals the lowest, None without such rows.
    pub fn modes(&self, k: usize, labels: &[u32], counts: &[bool], control: &Control) -> Result<Vec<Option<f64>>> {
        let mut seen = vec![0u64; k * self.values.len()];
        let rows = self.of_row.chunks(CHUNK).zip(labels.chunks(CHUNK).zip(counts.chunks(CHUNK)));
        for (of_row, (labels, counts)) in rows {
            control.check()?;
            for ((&value, &label), _) in of_row.iter().zip(labels).zip(counts).filter(|(_, &counts)| counts) {
                seen[label as usize * self.values.len() + value as usize] += 1;
            }
        }
        let most = |seen: &[u64]| {
            let most = (0..seen.len()).fold(0, |best, value| if seen[value] > seen[best] { value } else { best });
            (seen[most] > 0).then(|| self.values[most])
        };
        Ok(seen.chunks_exact(self.values.len()).map(most).collect())
    }
}
