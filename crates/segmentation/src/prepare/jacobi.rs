//! Eigenvalues of a symmetric matrix by cyclic Jacobi rotations: only +, -, *, / and sqrt in a fixed order, so the same
//! bits on every machine, which LAPACK does not promise.

use crate::control::Control;
use crate::error::{Error, Kind, Result};
use ndarray::Array2;

/// A sweep visits every pair once; convergence is quadratic, 6 to 10 sweeps is what matrices of some hundreds take.
const MAX_SWEEPS: usize = 100;

/// Eigenvalues in descending order (ties: as the diagonal had them) and one eigenvector a **row**.
#[derive(Debug)]
pub struct Eigen {
    pub values: Vec<f64>,
    pub vectors: Array2<f64>,
}

/// Decomposes the symmetric `a` (d × d, finite; only symmetry up to rounding is assumed). Vectors have length 1 and
/// the entry that is largest in absolute value positive (ties: the lowest index), as scikit-learn's `PCA` has it.
pub fn symmetric_eigen(mut a: Array2<f64>, control: &Control) -> Result<Eigen> {
    let d = a.nrows();
    if a.ncols() != d {
        return Err(Error::invalid(format!("eigenvalues need a square matrix, got {d} x {}", a.ncols())));
    }
    let mut v = Array2::<f64>::eye(d);
    let largest = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    // Products of two entries have to be numbers. A power of two changes no digit.
    let unit = if (1e-100..1e100).contains(&largest) || largest == 0.0 { 1.0 } else { power_of_two_below(largest) };
    a.iter_mut().for_each(|x| *x /= unit);
    let norm = largest / unit;
    let mut rotated = true;
    let mut sweeps = 0;
    while rotated {
        if sweeps == MAX_SWEEPS {
            return Err(Error::new(Kind::LimitExceeded, format!("eigenvalues of a {d} x {d} matrix did not settle"))
                .hint("turn PCA off with preparation {\"pca\": null}"));
        }
        rotated = false;
        sweeps += 1;
        for p in 0..d {
            control.check()?;
            for q in p + 1..d {
                // Relative to the two diagonal entries, so that small eigenvalues are accurate too; relative to the
                // norm where those are themselves rounding noise (duplicate columns).
                let limit = f64::EPSILON * (a[[p, p]] * a[[q, q]]).abs().sqrt().max(f64::EPSILON * norm);
                if a[[p, q]].abs() > limit {
                    rotate(&mut a, &mut v, p, q);
                    rotated = true;
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&i, &j| a[[j, j]].total_cmp(&a[[i, i]]));
    let mut vectors = Array2::zeros((d, d));
    for (row, &from) in order.iter().enumerate() {
        let mut largest = 0;
        for i in 0..d {
            if v[[from, i]].abs() > v[[from, largest]].abs() {
                largest = i;
            }
        }
        let sign = if d > 0 && v[[from, largest]] < 0.0 { -1.0 } else { 1.0 };
        for i in 0..d {
            vectors[[row, i]] = sign * v[[from, i]];
        }
    }
    Ok(Eigen { values: order.iter().map(|&i| a[[i, i]] * unit).collect(), vectors })
}

/// For a normal number; the smallest normal one for what is smaller.
fn power_of_two_below(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0x7ff << 52).max(f64::MIN_POSITIVE)
}

/// One rotation that makes a\[p,q\] zero (Golub & Van Loan, Matrix Computations, 8.5); `v` holds vectors as rows.
fn rotate(a: &mut Array2<f64>, v: &mut Array2<f64>, p: usize, q: usize) {
    let d = a.nrows();
    let (app, aqq, apq) = (a[[p, p]], a[[q, q]], a[[p, q]]);
    let theta = (aqq - app) / (2.0 * apq);
    let t =
        if theta.abs() > 1e150 { 0.5 / theta } else { theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt()) };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    a[[p, p]] = app - t * apq;
    a[[q, q]] = aqq + t * apq;
    a[[p, q]] = 0.0;
    a[[q, p]] = 0.0;
    for i in 0..d {
        if i != p && i != q {
            let (x, y) = (a[[p, i]], a[[q, i]]);
            let (x, y) = (c * x - s * y, s * x + c * y);
            a[[p, i]] = x;
            a[[i, p]] = x;
            a[[q, i]] = y;
            a[[i, q]] = y;
        }
        let (x, y) = (v[[p, i]], v[[q, i]]);
        v[[p, i]] = c * x - s * y;
        v[[q, i]] = s * x + c * y;
    }
}
