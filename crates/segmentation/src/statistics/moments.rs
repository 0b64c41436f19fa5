//! Mean and central moments that merge (Welford 1962; Chan, Golub, LeVeque 1983; Pébay, SAND2008-6212).
//!
//! Merging is exact algebra but rounded arithmetic: the last bits depend on the order. Where bytes must not depend on
//! it, a profile keeps integer sums instead.

use super::{finite, ratio};

/// Count, mean and the sums of powers 2 to 4 of the deviations from the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    pub n: u64,
    pub mean: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

impl Moments {
    pub fn of(values: &[f64]) -> Moments {
        let mut all = Moments::default();
        values.iter().for_each(|&x| all.add(x));
        all
    }

    pub fn add(&mut self, x: f64) {
        self.merge(&Moments { n: 1, mean: x, ..Moments::default() });
    }

    /// Adds the values of `b`, wherever they stood among the values of `self`.
    pub fn merge(&mut self, b: &Moments) {
        if self.n == 0 || b.n == 0 {
            if self.n == 0 {
                *self = *b;
            }
            return;
        }
        let a = *self;
        let (na, nb, n) = (a.n as f64, b.n as f64, (a.n + b.n) as f64);
        let d = b.mean - a.mean;
        let step = d / n;
        self.n = a.n + b.n;
        self.mean = a.mean + nb * step;
        self.m2 = a.m2 + b.m2 + d * step * na * nb;
        self.m3 = a.m3 + b.m3 + d * step * step * na * nb * (na - nb) + 3.0 * step * (na * b.m2 - nb * a.m2);
        self.m4 = a.m4
            + b.m4
            + d * step * step * step * na * nb * (na * na - na * nb + nb * nb)
            + 6.0 * step * step * (na * na * b.m2 + nb * nb * a.m2)
            + 4.0 * step * (na * b.m3 - nb * a.m3);
    }

    /// Variance with n - 1; `None` below two values.
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.m2 / (self.n - 1) as f64).and_then(finite)
    }

    /// Variance with n; `None` of no values.
    pub fn population_variance(&self) -> Option<f64> {
        (self.n > 0).then(|| self.m2 / self.n as f64).and_then(finite)
    }

    /// Standard deviation with n - 1; `None` below two values and where all are equal.
    pub fn deviation(&self) -> Option<f64> {
        self.variance().filter(|&v| v > 0.0).map(libm::sqrt)
    }

    /// Skewness m3 / m2^1.5, biased as scipy.stats.skew; `None` where all values are equal.
    pub fn skewness(&self) -> Option<f64> {
        let v = self.population_variance().filter(|&v| v > 0.0)?;
        ratio(self.m3 / self.n as f64, v * libm::sqrt(v))
    }

    /// Excess kurtosis m4 / m2² - 3, biased as scipy.stats.kurtosis; `None` where all values are equal.
    pub fn excess_kurtosis(&self) -> Option<f64> {
        let v = self.population_variance().filter(|&v| v > 0.0)?;
        ratio(self.m4 / self.n as f64, v * v).map(|k| k - 3.0)
    }
}

/// Means, sums of squared deviations and of their products of pairs (x, y).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CoMoments {
    pub n: u64,
    pub mean_x: f64,
    pub mean_y: f64,
    pub xx: f64,
    pub yy: f64,
    pub xy: f64,
}

impl CoMoments {
    /// Of the pairs of two slices; what is longer is cut.
    pub fn of(x: &[f64], y: &[f64]) -> CoMoments {
        let mut all = CoMoments::default();
        x.iter().zip(y).for_each(|(&x, &y)| all.add(x, y));
        all
    }

    pub fn add(&mut self, x: f64, y: f64) {
        self.merge(&CoMoments { n: 1, mean_x: x, mean_y: y, ..CoMoments::default() });
    }

    pub fn merge(&mut self, b: &CoMoments) {
        if self.n == 0 || b.n == 0 {
            if self.n == 0 {
                *self = *b;
            }
            return;
        }
        let a = *self;
        let n = (a.n + b.n) as f64;
        let weight = a.n as f64 / n * b.n as f64;
        let (dx, dy) = (b.mean_x - a.mean_x, b.mean_y - a.mean_y);
        self.n = a.n + b.n;
        self.mean_x = a.mean_x + dx / n * b.n as f64;
        self.mean_y = a.mean_y + dy / n * b.n as f64;
        self.xx = a.xx + b.xx + dx * dx * weight;
        self.yy = a.yy + b.yy + dy * dy * weight;
        self.xy = a.xy + b.xy + dx * dy * weight;
    }

    /// Pearson correlation; `None` where x or y does not vary.
    pub fn correlation(&self) -> Option<f64> {
        ratio(self.xy, libm::sqrt(self.xx) * libm::sqrt(self.yy)).map(|r| r.clamp(-1.0, 1.0))
    }
}
