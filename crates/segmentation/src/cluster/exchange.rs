//! Single rows exchanged between clusters, where Lloyd's algorithm has come to rest (Hartigan 1975).
//!
//! Lloyd asks which centre a row is nearest to; what counts is the inertia after the move, when both centres have followed.
//! Row `x` of cluster `a` moves to `b` where `n_b / (n_b + 1) |x - c_b|² < n_a / (n_a - 1) |x - c_a|²`. So its ends are ends of
//! Lloyd's as well, and fewer.

use super::packed::Packed;
use super::run::Run;
use crate::control::Control;
use crate::error::Result;

/// Passes over the rows, at most.
const PASSES: usize = 100;
/// A move has to gain more than this share of what the row costs, so that rounding does not keep rows on the move.
const BETTER: f64 = 1e-9;

/// The centroids after moving rows, in their order, until a pass moves none; None when none moves at all.
pub(super) fn exchange(data: &Packed, run: &Run, k: usize, control: &Control) -> Result<Option<Vec<f64>>> {
    let cols = data.cols;
    let rows: Vec<f64> = (0..data.rows).flat_map(|row| data.row(row)).collect();
    let mut labels: Vec<usize> = run.labels.iter().map(|&label| label as usize).collect();
    let mut sizes = vec![0.0; k];
    let mut centres = vec![0.0; k * cols];
    for (x, &j) in rows.chunks_exact(cols).zip(&labels) {
        sizes[j] += 1.0;
        centres[j * cols..][..cols].iter_mut().zip(x).for_each(|(c, x)| *c += x);
    }
    for (j, &n) in sizes.iter().enumerate().filter(|(_, &n)| n > 0.0) {
        centres[j * cols..][..cols].iter_mut().for_each(|c| *c /= n);
    }
    let squared = |x: &[f64], c: &[f64]| x.iter().zip(c).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c));
    let mut any = false;
    for _ in 0..PASSES {
        let mut moved = false;
        for (i, (x, label)) in rows.chunks_exact(cols).zip(&mut labels).enumerate() {
            if i % 64 == 0 {
                control.check()?;
            }
            let a = *label;
            if sizes[a] < 2.0 {
                continue;
            }
            let saved = sizes[a] / (sizes[a] - 1.0) * squared(x, &centres[a * cols..][..cols]);
            let mut best = (a, saved * (1.0 - BETTER));
            for b in (0..k).filter(|&b| b != a) {
                let paid = sizes[b] / (sizes[b] + 1.0) * squared(x, &centres[b * cols..][..cols]);
                if paid < best.1 {
                    best = (b, paid);
                }
            }
            let b = best.0;
            if b != a {
                sizes[a] -= 1.0;
                sizes[b] += 1.0;
                centres[a * cols..][..cols].iter_mut().zip(x).for_each(|(c, x)| *c -= (x - *c) / sizes[a]);
                centres[b * cols..][..cols].iter_mut().zip(x).for_each(|(c, x)| *c += (x - *c) / sizes[b]);
                *label = b;
                moved = true;
            }
        }
        any |= moved;
        if !moved {
            break;
        }
    }
    Ok(any.then_some(centres))
}
