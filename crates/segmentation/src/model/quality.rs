//! How good a fit is, where the number of segments was given and nobody has computed it yet.

use crate::cluster::silhouette;
use crate::control::Control;
use crate::error::Result;
use ndarray::{ArrayView2, Axis};

/// Up to here the silhouette is exact (it compares all pairs); above, of a sample.
const EXACT: usize = 5000;
const SAMPLE: usize = 5000;

/// Mean silhouette and the rows it was computed on. Above 5000 rows: of about 5000, taken evenly from each segment in
/// proportion to its size and at least two of it, so that a small segment is not lost. None for fewer than two segments.
pub(super) fn of_labels(
    data: ArrayView2<f64>,
    labels: &[u32],
    k: usize,
    control: &Control,
) -> Result<(Option<f64>, u64)> {
    let n = labels.len();
    if k < 2 || n <= k {
        return Ok((None, 0));
    }
    control.phase("measuring the separation of segments");
    if n <= EXACT {
        let value = silhouette(data, labels, k, control)?;
        return Ok((value.is_finite().then_some(value), n as u64));
    }
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); k];
    for (row, &label) in labels.iter().enumerate() {
        members[label as usize].push(row);
    }
    let mut rows: Vec<usize> = Vec::new();
    for m in &members {
        let take = (m.len() * SAMPLE / n).max(2).min(m.len());
        rows.extend((0..take).map(|i| m[i * m.len() / take]));
    }
    rows.sort_unstable();
    let sample = data.select(Axis(0), &rows);
    let labels: Vec<u32> = rows.iter().map(|&r| labels[r]).collect();
    let value = silhouette(sample.view(), &labels, k, control)?;
    Ok((value.is_finite().then_some(value), rows.len() as u64))
}
