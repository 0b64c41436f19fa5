//! Eigenvalues of a symmetric matrix without its eigenvectors: a fraction of the steps that rotating them along takes.
//!
//! Householder reflections make the matrix tridiagonal, and implicit QR steps with Wilkinson's shift make that diagonal
//! (Golub & Van Loan, Matrix Computations, 8.3). Only +, -, *, / and sqrt in a fixed order, so the same bits on every machine;
//! a sum of products is eight sums, added 0 to 7.

use crate::control::Control;
use crate::error::{Error, Kind, Result};
use pulp::Arch;

const LANES: usize = 8;
/// QR steps an eigenvalue, at most; two are usual.
const MOST_STEPS: usize = 60;

/// Sum of the products of two slices of the same length.
#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a8, b8) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a8.remainder(), b8.remainder());
    for (a, b) in a8.zip(b8) {
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    for (sum, (a, b)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum += a * b;
    }
    sums.iter().fold(0.0, |sum, x| sum + x)
}

/// Eigenvalues, descending, of the symmetric `a` (`d` × `d`, row by row, finite). Accurate to the rounding of the largest.
///
/// Errors: `InvalidParameter` for another size, `LimitExceeded` when QR does not settle, `Cancelled`.
pub(super) fn eigenvalues(mut a: Vec<f64>, d: usize, control: &Control) -> Result<Vec<f64>> {
    if a.len() != d * d {
        return Err(Error::invalid(format!("eigenvalues need {d} x {d} values, got {}", a.len())));
    }
    // Squares of what is left can then neither overflow nor vanish beside the largest.
    let largest = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    if largest == 0.0 {
        return Ok(vec![0.0; d]);
    }
    a.iter_mut().for_each(|x| *x /= largest);
    let (mut diagonal, mut beside) = (Vec::with_capacity(d), Vec::with_capacity(d));
    let arch = Arch::new();
    let (mut v, mut w) = (vec![0.0; d], vec![0.0; d]);
    for k in 0..d {
        control.check()?;
        diagonal.push(a[k * d + k]);
        if k + 1 < d {
            beside.push(arch.dispatch(|| reflect(&mut a, d, k, &mut v, &mut w)));
        }
    }
    settle(&mut diagonal, &mut beside, control)?;
    diagonal.iter_mut().for_each(|x| *x *= largest);
    diagonal.sort_by(|x, y| y.total_cmp(x));
    Ok(diagonal)
}

/// Clears row and column `k` but for the two entries beside the diagonal, whose value it gives; the rest of the matrix behind them is
/// that of the reflected one.
#[inline(always)]
fn reflect(a: &mut [f64], d: usize, k: usize, v: &mut [f64], w: &mut [f64]) -> f64 {
    let n = d - k - 1;
    let (v, w) = (&mut v[..n], &mut w[..n]);
    v.copy_from_slice(&a[k * d + k + 1..][..n]);
    if v[1..].iter().all(|&x| x == 0.0) {
        return v[0];
    }
    let length = dot(v, v).sqrt();
    let beside = if v[0] > 0.0 { -length } else { length };
    v[0] -= beside;
    let share = 2.0 / dot(v, v);
    for (i, w) in w.iter_mut().enumerate() {
        *w = share * dot(&a[(k + 1 + i) * d + k + 1..][..n], v);
    }
    let half = share / 2.0 * dot(v, w);
    w.iter_mut().zip(&*v).for_each(|(w, v)| *w -= half * v);
    for i in 0..n {
        let (vi, wi) = (v[i], w[i]);
        let row = &mut a[(k + 1 + i) * d + k + 1..][..n];
        for (x, (v, w)) in row.iter_mut().zip(v.iter().zip(&*w)) {
            *x -= vi * w + wi * v;
        }
    }
    beside
}

/// QR steps on a tridiagonal matrix until `diagonal` holds its eigenvalues; `beside` has one entry less.
fn settle(diagonal: &mut [f64], beside: &mut [f64], control: &Control) -> Result<()> {
    let d = diagonal.len();
    let mut last = d.saturating_sub(1);
    let mut steps = 0;
    let small = |beside: &[f64], diagonal: &[f64], i: usize| {
        beside[i].abs() <= f64::EPSILON * (diagonal[i].abs() + diagonal[i + 1].abs())
            || beside[i].abs() < f64::MIN_POSITIVE
    };
    while last > 0 {
        if small(beside, diagonal, last - 1) {
            last -= 1;
            continue;
        }
        control.check()?;
        steps += 1;
        if steps > MOST_STEPS * d {
            return Err(Error::new(Kind::LimitExceeded, format!("eigenvalues of a {d} x {d} matrix did not settle"))
                .hint("turn PCA off with preparation {\"pca\": null}"));
        }
        let mut first = last - 1;
        while first > 0 && !small(beside, diagonal, first - 1) {
            first -= 1;
        }
        step(&mut diagonal[first..=last], &mut beside[first..last]);
    }
    Ok(())
}

/// One step: a rotation that the shift asks for, and rotations that chase what it adds out of the matrix.
fn step(diagonal: &mut [f64], beside: &mut [f64]) {
    let n = diagonal.len();
    let half = (diagonal[n - 2] - diagonal[n - 1]) / 2.0;
    let square = beside[n - 2] * beside[n - 2];
    let root = (half * half + square).sqrt();
    let shift = diagonal[n - 1] - square / (half + if half < 0.0 { -root } else { root });
    let (mut x, mut z) = (diagonal[0] - shift, beside[0]);
    for k in 0..n - 1 {
        let length = (x * x + z * z).sqrt();
        let (c, s) = if length > 0.0 { (x / length, z / length) } else { (1.0, 0.0) };
        if k > 0 {
            beside[k - 1] = length;
        }
        let (p, b, q) = (diagonal[k], beside[k], diagonal[k + 1]);
        let cross = 2.0 * c * s * b;
        diagonal[k] = c * c * p + cross + s * s * q;
        diagonal[k + 1] = s * s * p - cross + c * c * q;
        beside[k] = c * s * (q - p) + (c * c - s * s) * b;
        if k + 2 < n {
            x = beside[k];
            z = s * beside[k + 1];
            beside[k + 1] *= c;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::jacobi::symmetric_eigen;
    use super::*;
    use ndarray::Array2;
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn same_as_jacobi(a: Array2<f64>) {
        let d = a.nrows();
        let control = Control::new();
        let expected = symmetric_eigen(a.clone(), &control).unwrap().values;
        let found = eigenvalues(a.iter().copied().collect(), d, &control).unwrap();
        let largest = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        assert_eq!(found.len(), d);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-13 * d as f64 * largest, "{d}: {found} and not {expected}");
        }
    }

    #[test]
    fn eigenvalues_as_by_rotations() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        for d in [0, 1, 2, 3, 4, 7, 8, 9, 20, 61] {
            for scale in [1.0, 1e-200, 1e200] {
                let raw = Array2::from_shape_simple_fn((d, d), &mut uniform);
                same_as_jacobi(Array2::from_shape_fn((d, d), |(i, j)| scale * (raw[(i, j)] + raw[(j, i)])));
            }
            // Of rank 2, with values that come d - 2 times.
            let (a, b): (Vec<f64>, Vec<f64>) = (0..d).map(|_| (uniform(), uniform())).unzip();
            same_as_jacobi(Array2::from_shape_fn((d, d), |(i, j)| a[i] * a[j] + b[i] * b[j]));
            same_as_jacobi(Array2::eye(d));
            same_as_jacobi(Array2::ones((d, d)));
            same_as_jacobi(Array2::zeros((d, d)));
            same_as_jacobi(Array2::from_shape_fn((d, d), |(i, j)| if i == j { i as f64 } else { 0.0 }));
        }
    }

    /// The second difference matrix: 2 - 2 cos(i π / (d + 1)).
    #[test]
    fn eigenvalues_of_a_string() {
        let d = 200;
        let a = Array2::from_shape_fn((d, d), |(i, j)| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        });
        let found = eigenvalues(a.iter().copied().collect(), d, &Control::new()).unwrap();
        for (i, x) in found.iter().rev().enumerate() {
            let expected = 2.0 - 2.0 * libm::cos((i + 1) as f64 * std::f64::consts::PI / (d + 1) as f64);
            assert!((x - expected).abs() < 1e-13, "{i}: {x} and not {expected}");
        }
    }

    #[test]
    fn what_is_cancelled_ends() {
        let control = Control::new();
        control.cancel();
        assert_eq!(eigenvalues(vec![1.0; 9], 3, &control).unwrap_err().kind, Kind::Cancelled);
    }
}
