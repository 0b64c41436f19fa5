//! From the rank of a value to the normal deviate of that rank, by stored quantiles: scikit-learn's `QuantileTransformer` with
//! `output_distribution="normal"`.

use super::quantile::OrderStatistics;

/// Quantiles that are stored of a column with as many values; of a shorter one, one a value.
pub const KNOTS: usize = 1001;
/// Ranks stay this far from 0 and 1, so that deviates stay within ±5.2.
const EDGE: f64 = 1e-7 - f64::EPSILON;

/// Evenly spaced quantiles of a sample put through the non-decreasing `f`. At least two values.
pub(super) fn knots(ordered: &OrderStatistics, n: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut knots: Vec<f64> = levels(n).into_iter().map(|q| ordered.quantile_of(q, &f)).collect();
    // Rounding in the interpolation must not make them fall.
    for i in 1..knots.len() {
        knots[i] = knots[i].max(knots[i - 1]);
    }
    knots
}

/// The quantiles that become knots.
pub(super) fn levels(n: usize) -> Vec<f64> {
    let count = n.clamp(2, KNOTS);
    (0..count).map(|i| i as f64 / (count - 1) as f64).collect()
}

/// The rank of t in [0, 1]: between knots linear, on equal knots the middle of their ranks, on the outer ones 0 and 1.
fn rank(knots: &[f64], t: f64) -> f64 {
    let last = knots.len() - 1;
    if t <= knots[0] {
        return 0.0;
    }
    if t >= knots[last] {
        return 1.0;
    }
    let below = knots.partition_point(|&k| k < t);
    let upto = knots.partition_point(|&k| k <= t);
    let place = if below < upto {
        0.5 * (below + upto - 1) as f64
    } else {
        let (a, b) = (knots[below - 1], knots[below]);
        // Halves, so that the distance of two huge values of opposite sign is finite.
        (below - 1) as f64 + (t * 0.5 - a * 0.5) / (b * 0.5 - a * 0.5)
    };
    place / last as f64
}

/// The deviate of t.
pub(super) fn forward(knots: &[f64], t: f64) -> f64 {
    deviate(rank(knots, t))
}

/// The t of a deviate; NaN beyond ±5.2.
pub(super) fn backward(knots: &[f64], z: f64) -> f64 {
    let most = deviate(1.0);
    if z.is_nan() || z.abs() > most * (1.0 + 1e-12) {
        return f64::NAN;
    }
    let last = knots.len() - 1;
    if z.abs() >= most {
        return if z < 0.0 { knots[0] } else { knots[last] };
    }
    let place = 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2) * last as f64;
    let low = (place as usize).min(last - 1);
    knots[low] + (knots[low + 1] - knots[low]) * (place - low as f64)
}

fn polynomial(coefficients: [f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// The standard normal deviate with probability p below it, p pulled into [1e-7, 1 - 1e-7]; to 16 digits (Wichura, Algorithm AS
/// 241, Applied Statistics 37, 1988; its branch for smaller p is never reached).
fn deviate(p: f64) -> f64 {
    let p = p.clamp(EDGE, 1.0 - EDGE);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        const A: [f64; 8] = [
            3.387_132_872_796_366_5,
            1.331_416_678_917_843_8e2,
            1.971_590_950_306_551_3e3,
            1.373_169_376_550_946e4,
            4.592_195_393_154_987e4,
            6.726_577_092_700_87e4,
            3.343_057_558_358_813e4,
            2.509_080_928_730_122_7e3,
        ];
        const B: [f64; 8] = [
            1.0,
            4.231_333_070_160_091e1,
            6.871_870_074_920_579e2,
            5.394_196_021_424_751e3,
            2.121_379_430_158_659_7e4,
            3.930_789_580_009_271e4,
            2.872_908_573_572_194_3e4,
            5.226_495_278_852_854e3,
        ];
        return q * polynomial(A, r) / polynomial(B, r);
    }
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    let r = (-libm::log(p.min(1.0 - p))).sqrt() - 1.6;
    libm::copysign(polynomial(C, r) / polynomial(D, r), q)
}

#[cfg(test)]
mod tests {
    use super::{deviate, forward};

    #[test]
    fn the_distance_of_knots_may_be_beyond_numbers() {
        let knots = [-1.7e308, 1.7e308];
        assert_eq!(forward(&knots, 0.0), 0.0);
        assert!((forward(&knots, 0.85e308) - deviate(0.75)).abs() < 1e-12);
    }

    /// scipy.stats.norm.ppf
    #[test]
    fn deviates_are_scipys() {
        for (p, z) in [
            (0.5, 0.0),
            (0.75, 0.6744897501960817),
            (0.025, -1.9599639845400545),
            (0.92, 1.4050715603096329),
            (0.999, 3.090232306167813),
            (1e-6, -4.753424308822899),
            (0.0, -5.199337582605575),
            (1.0, 5.19933758270342),
        ] {
            assert!((deviate(p) - z).abs() < 1e-13 * 5.2, "{p}: {} is not {z}", deviate(p));
        }
    }
}
