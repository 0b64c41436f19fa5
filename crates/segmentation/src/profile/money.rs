//! Money as exact fixed-point integers: units of 1e-9 USD in an `i128`.
//!
//! Integer sums do not depend on the order of adding, so a profile is the same whatever the workers did; and they
//! can be subtracted exactly. One amount is bounded by [`LIMIT_USD`], so 1e9 of them fit many times over.

/// Largest absolute amount of one trade, in USD; beyond it a trade is rejected and counted.
pub const LIMIT_USD: f64 = 1e20;

/// Units in one USD.
pub const UNITS: f64 = 1e9;

/// Whether an amount is a number of at most [`LIMIT_USD`]; NaN is not.
pub fn within_limit(usd: f64) -> bool {
    usd.abs() <= LIMIT_USD
}

/// Nearest unit, ties to even, of an amount in USD; `None` for NaN and for anything beyond [`LIMIT_USD`].
#[inline]
pub fn from_usd(usd: f64) -> Option<i128> {
    match small(usd * UNITS) {
        Some(units) => Some(i128::from(units)),
        None => within_limit(usd).then(|| large(usd * UNITS)),
    }
}

/// The nearest whole number, ties to even; 0 for NaN, and the nearest there is for what is out of range.
#[inline]
pub fn whole(x: f64) -> i128 {
    match small(x) {
        Some(whole) => i128::from(whole),
        None => large(x),
    }
}

/// The nearest whole number, ties to even, where it is below 2^51: added to 1.5 * 2^52 it fills the low bits of the sum,
/// since an f64 of that size has no others.
#[inline(always)]
fn small(x: f64) -> Option<i64> {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let bits = |x: f64| x.to_bits() as i64;
    (x.abs() < 2_251_799_813_685_248.0).then(|| bits(x + SHIFT) - bits(SHIFT))
}

#[cold]
#[inline(never)]
fn large(x: f64) -> i128 {
    libm::rint(x) as i128
}

/// The nearest f64. Almost every amount fits in 64 bits, for which processors have an instruction.
#[inline]
pub fn nearest(units: i128) -> f64 {
    // Apart, or the compiler makes one conversion of both, the long one.
    #[cold]
    #[inline(never)]
    fn long(units: i128) -> f64 {
        units as f64
    }
    match i64::try_from(units) {
        Ok(small) => small as f64,
        Err(_) => long(units),
    }
}

/// The amount in USD, rounded to the nearest f64.
pub fn to_usd(units: i128) -> f64 {
    nearest(units) / UNITS
}

/// `part / whole` as a number, `None` where `whole` is zero.
pub fn ratio(part: i128, whole: i128) -> Option<f64> {
    (whole != 0).then(|| nearest(part) / nearest(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_nearest_unit() {
        assert_eq!(from_usd(0.1 * 3.0), Some(300_000_000));
        assert_eq!(from_usd(-1.0), Some(-1_000_000_000));
        assert_eq!(from_usd(2_251_799.813_685_249), Some(2_251_799_813_685_249));
        // The f64 nearest to 1e29.
        assert_eq!(from_usd(1e20), Some(99_999_999_999_999_991_433_150_857_216));
        assert_eq!(from_usd(1.0001e20), None);
        assert_eq!(from_usd(f64::NAN), None);
        assert_eq!(from_usd(f64::NEG_INFINITY), None);
        assert_eq!(from_usd(5e-324), Some(0));
        assert_eq!(from_usd(2.5e-9), Some(2));
        for x in
            [0.0, -0.5, 1.5, 2.5, -3.7, 2e15, -2_251_799_813_685_249.5, 9e18, -1e30, 1e300, f64::NAN, f64::INFINITY]
        {
            assert_eq!(whole(x), libm::rint(x) as i128, "{x}");
        }
    }

    #[test]
    fn the_nearest_number_is_the_same_in_64_bits() {
        for units in [0, -1, (1 << 53) + 1, -(1 << 53) - 3, i64::MAX as i128, i64::MIN as i128, 1 << 63, i128::MIN] {
            assert_eq!(nearest(units), units as f64);
        }
    }
}
