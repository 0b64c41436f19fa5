//! The rhythm of an account: sums over the gaps between its trades.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};

/// Gaps between consecutive distinct instants, in microseconds. All sums are exact integers, so appending is
/// associative to the bit; they saturate, far beyond any history of trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    pub count: u64,
    pub sum: u64,
    /// Sum of squares, microseconds².
    pub squares: u128,
    /// Sum of the products of each gap and the next one, microseconds².
    pub products: u128,
    /// The outermost gaps; 0 where there is none.
    pub first: u64,
    pub last: u64,
}

impl Gaps {
    pub fn push(&mut self, gap: u64) {
        let one = Gaps { count: 1, sum: gap, squares: product(gap, gap), products: 0, first: gap, last: gap };
        self.append(&one);
    }

    /// These gaps followed directly by those of `next`.
    pub fn append(&mut self, next: &Gaps) {
        if self.count == 0 {
            *self = *next;
        } else if next.count > 0 {
            self.count = self.count.saturating_add(next.count);
            self.sum = self.sum.saturating_add(next.sum);
            self.squares = self.squares.saturating_add(next.squares);
            let products = self.products.saturating_add(next.products);
            self.products = products.saturating_add(product(self.last, next.first));
            self.last = next.last;
        }
    }

    /// Finite-size burstiness (Kim and Jo 2016), -1 to 1. With r = sd/mean of the n gaps (population sd):
    /// A = (sqrt(n+1) r - sqrt(n-1)) / ((sqrt(n+1) - 2) r + sqrt(n-1)). The caller sees to it that there are gaps.
    pub fn burstiness(&self) -> f64 {
        let n = self.count as f64;
        let r = libm::sqrt(spread(self.count, self.squares, self.sum, self.sum).max(0.0)) / self.sum as f64;
        let (up, down) = (libm::sqrt(n + 1.0), libm::sqrt(n - 1.0));
        (up * r - down) / ((up - 2.0) * r + down)
    }

    /// Memory coefficient (Goh and Barabási 2008), -1 to 1: the correlation of the gaps but the last with the gaps but
    /// the first. `None` where all of either are equal.
    pub fn memory(&self) -> Option<f64> {
        let n = self.count.checked_sub(1)?;
        let (before, after) = (self.sum.saturating_sub(self.last), self.sum.saturating_sub(self.first));
        let square_of = |left_out| self.squares.saturating_sub(product(left_out, left_out));
        let var_before = spread(n, square_of(self.last), before, before);
        let var_after = spread(n, square_of(self.first), after, after);
        if !(var_before > 0.0 && var_after > 0.0) {
            return None;
        }
        let r = spread(n, self.products, before, after) / (libm::sqrt(var_before) * libm::sqrt(var_after));
        Some(r.clamp(-1.0, 1.0))
    }

    /// Up to one gap everything follows from the time between the first and the last event, which the fragment has.
    pub fn write(&self, out: &mut impl Sink) {
        out.var(self.sum);
        out.var(self.count);
        if self.count > 1 {
            out.var128(self.squares);
            out.var128(self.products);
            out.var(self.first);
            out.var(self.last);
        }
    }

    pub fn read(r: &mut Reader) -> Result<Self> {
        let sum = r.var()?;
        let count = r.var()?;
        if (count == 0) != (sum == 0) || count > sum {
            return Err(malformed("a fragment's gaps and its length do not agree"));
        }
        let mut gaps = Gaps::default();
        if count == 1 {
            gaps.push(sum);
        } else if count > 1 {
            gaps = Gaps { count, sum, squares: r.var128()?, products: r.var128()?, first: r.var()?, last: r.var()? };
            let inside = gaps.first.checked_add(gaps.last).is_some_and(|ends| ends <= sum);
            if gaps.first == 0 || gaps.last == 0 || !inside {
                return Err(malformed("a fragment's gaps and its length do not agree"));
            }
        }
        Ok(gaps)
    }
}

fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

/// n sum(xy) - sum(x) sum(y), that is n² times a covariance: in integers, since the two terms may be nearly equal.
fn spread(n: u64, products: u128, sum_x: u64, sum_y: u64) -> f64 {
    let sums = product(sum_x, sum_y);
    match u128::from(n).checked_mul(products) {
        Some(scaled) if scaled >= sums => (scaled - sums) as f64,
        Some(scaled) => -((sums - scaled) as f64),
        None => n as f64 * products as f64 - sums as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(gaps: &[u64]) -> Gaps {
        let mut all = Gaps::default();
        gaps.iter().for_each(|&g| all.push(g));
        all
    }

    #[test]
    fn check_numbers() {
        // Instants 0, 1, 2, 3, 60, 61, 62, 300: r 1.912781569687, A 0.733913626509, memory -0.252183122252.
        let gaps = of(&[1, 1, 1, 57, 1, 1, 238]);
        assert_eq!(gaps.squares, 5 + 57 * 57 + 238 * 238);
        assert!((gaps.burstiness() - 0.733_913_626_509).abs() < 1e-12);
        assert!((gaps.memory().unwrap() + 0.252_183_122_252).abs() < 1e-12);
    }

    #[test]
    fn properties() {
        // n gaps of which all but one vanish: r = sqrt(n-1), A = 1. Equal gaps: r = 0, A = -1 and no memory.
        assert!((of(&[1, 1, 1, 1, 1, 1_000_000_000_000]).burstiness() - 1.0).abs() < 1e-9);
        assert_eq!(of(&[7; 12]).burstiness(), -1.0);
        assert_eq!(of(&[7; 12]).memory(), None);
        assert_eq!(of(&[]).memory(), None);
        // Long and short in turn.
        assert!((of(&[5, 9, 5, 9, 5, 9, 5, 9]).memory().unwrap() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn forged_sums_give_finite_numbers() {
        let most = Gaps { count: u64::MAX, sum: u64::MAX, squares: u128::MAX, products: u128::MAX, first: 1, last: 1 };
        assert!(most.burstiness().is_finite());
        assert!(most.memory().is_none_or(f64::is_finite));
        let least = Gaps { count: 20, sum: 1 << 40, squares: 0, products: 0, first: 1, last: 1 };
        assert!(least.burstiness().is_finite());
    }
}
