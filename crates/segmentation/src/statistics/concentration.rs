//! How unequal amounts are: Gini coefficient, Herfindahl-Hirschman index (HHI) and entropy of shares.

use super::{finite, sorted};

/// Gini coefficient 2 Σ i x(i) / (n Σ x) - (n + 1) / n of amounts >= 0, in [0, (n - 1) / n]; 0 where all are equal.
/// `None` below two amounts, for a negative one, and where they sum to 0.
pub fn gini(amounts: &[f64]) -> Option<f64> {
    let sorted = sorted(amounts).filter(|s| s.len() > 1 && s[0] >= 0.0)?;
    let (n, largest) = (sorted.len() as f64, sorted[sorted.len() - 1]);
    if largest == 0.0 {
        return None;
    }
    // Σ (2i - n - 1) x(i) has no difference of large numbers, and over the largest amount nothing overflows.
    let (mut weighted, mut total) = (0.0, 0.0);
    for (i, x) in sorted.iter().enumerate() {
        let x = x / largest;
        weighted += (2.0 * (i + 1) as f64 - n - 1.0) * x;
        total += x;
    }
    finite((weighted / (n * total)).max(0.0))
}

/// Shares w of a whole, as their HHI and entropy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Concentration {
    /// Number of positive shares.
    pub k: usize,
    /// Σ w², in [1/k, 1].
    pub hhi: f64,
    /// -Σ w ln w in nats, in [0, ln k].
    pub entropy: f64,
}

impl Concentration {
    /// Of amounts >= 0 in any unit; amounts of 0 do not count. `None` for a negative one and where all are 0.
    pub fn of(amounts: &[f64]) -> Option<Concentration> {
        let largest = amounts.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 || amounts.iter().any(|&a| a < 0.0 || !a.is_finite()) {
            return None;
        }
        let total: f64 = amounts.iter().map(|a| a / largest).sum();
        let mut all = Concentration { k: 0, hhi: 0.0, entropy: 0.0 };
        for w in amounts.iter().filter(|&&a| a > 0.0).map(|a| a / largest / total) {
            all.k += 1;
            all.hhi += w * w;
            if w > 0.0 {
                all.entropy -= w * libm::log(w);
            }
        }
        all.hhi = all.hhi.min(1.0);
        all.entropy = all.entropy.max(0.0);
        Some(all)
    }

    /// (HHI - 1/k) / (1 - 1/k), in [0, 1]; 1 where there is one share.
    pub fn hhi_normalised(&self) -> f64 {
        if self.k <= 1 {
            return 1.0;
        }
        let even = 1.0 / self.k as f64;
        ((self.hhi - even) / (1.0 - even)).clamp(0.0, 1.0)
    }

    /// Entropy / ln k, in [0, 1]; 0 where there is one share.
    pub fn entropy_normalised(&self) -> f64 {
        if self.k <= 1 {
            return 0.0;
        }
        (self.entropy / libm::log(self.k as f64)).min(1.0)
    }

    /// 1 / HHI: how many equal shares would be as concentrated.
    pub fn effective_number(&self) -> f64 {
        1.0 / self.hhi
    }
}
