//! Cholesky factors of small symmetric matrices: only +, -, *, / and sqrt in a fixed order, so the same bits on every
//! machine, which LAPACK does not promise.
//!
//! Matrices are packed lower triangles, row by row: entry (i, j), j <= i, is at [`at`].

/// Where entry (i, j) of a packed lower triangle is; `j <= i`.
#[inline(always)]
pub(super) const fn at(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// Entries of a packed lower triangle of `d` rows.
pub(super) const fn packed_len(d: usize) -> usize {
    d * (d + 1) / 2
}

/// The lower factor L of `a` = L Lᵀ (Golub & Van Loan, 4.2). `None` where `a` is not positive definite in floating
/// point: a pivot that is not above 0, or not finite.
pub(super) fn cholesky(a: &[f64], d: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; packed_len(d)];
    for i in 0..d {
        for j in 0..=i {
            let (row_i, row_j) = (&l[at(i, 0)..], &l[at(j, 0)..]);
            let sum = row_i[..j].iter().zip(&row_j[..j]).fold(a[at(i, j)], |sum, (x, y)| sum - x * y);
            if i == j {
                if !(sum > 0.0 && sum.is_finite()) {
                    return None;
                }
                l[at(i, i)] = sum.sqrt();
            } else {
                l[at(i, j)] = sum / l[at(j, j)];
            }
        }
    }
    Some(l)
}

/// The inverse of the lower factor `l`, lower as well, by columns of forward substitution.
pub(super) fn inverse(l: &[f64], d: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; packed_len(d)];
    for j in 0..d {
        inverse[at(j, j)] = 1.0 / l[at(j, j)];
        for i in j + 1..d {
            let sum = (j..i).fold(0.0, |sum, m| sum + l[at(i, m)] * inverse[at(m, j)]);
            inverse[at(i, j)] = -sum / l[at(i, i)];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factor_and_inverse_by_hand() {
        // [[4, 2, -2], [2, 10, 5], [-2, 5, 14]] = L Lᵀ with L = [[2], [1, 3], [-1, 2, 3]].
        let l = cholesky(&[4.0, 2.0, 10.0, -2.0, 5.0, 14.0], 3).unwrap();
        assert_eq!(l, [2.0, 1.0, 3.0, -1.0, 2.0, 3.0]);
        let inverse = inverse(&l, 3);
        for i in 0..3 {
            for j in 0..=i {
                let product = (j..=i).fold(0.0, |sum, m| sum + l[at(i, m)] * inverse[at(m, j)]);
                assert!((product - if i == j { 1.0 } else { 0.0 }).abs() < 1e-15, "({i}, {j}): {product}");
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        assert_eq!(cholesky(&[1.0, 2.0, 1.0], 2), None);
        assert_eq!(cholesky(&[0.0], 1), None);
        assert_eq!(cholesky(&[f64::NAN], 1), None);
        assert_eq!(cholesky(&[f64::INFINITY], 1), None);
    }
}
