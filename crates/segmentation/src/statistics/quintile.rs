//! Quintiles with cut points that can be kept: what recency, frequency and monetary value are scored by.

use super::tail::quantile;

/// Cut points of a population: its quantiles (type 7) at 0.2, 0.4, 0.6 and 0.8, in ascending order. Values that are missing
/// or no number do not count; `None` where none is left.
pub fn cut_points(values: &[Option<f64>]) -> Option<[f64; 4]> {
    let known: Vec<f64> = values.iter().flatten().copied().filter(|v| v.is_finite()).collect();
    let mut cuts = [0.0; 4];
    for (cut, q) in cuts.iter_mut().zip([0.2, 0.4, 0.6, 0.8]) {
        *cut = quantile(&known, q)?;
    }
    Some(cuts)
}

/// Quintile of a value, 1 to 5: one more than the number of cut points below it. A value at a cut point belongs to the
/// quintile that ends there, so equal values are always in one quintile.
pub fn quintile(value: f64, cuts: &[f64; 4]) -> u8 {
    1 + cuts.iter().filter(|cut| **cut < value).count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_cut_point_is_below_it() {
        let values: Vec<Option<f64>> = (0..=10).map(|i| Some(f64::from(i))).chain([None, Some(f64::NAN)]).collect();
        let cuts = cut_points(&values).unwrap();
        assert_eq!(cuts, [2.0, 4.0, 6.0, 8.0]);
        let of = |v: f64| quintile(v, &cuts);
        assert_eq!([of(-1.0), of(2.0), of(2.1), of(4.0), of(8.0), of(8.1), of(1e300)], [1, 1, 2, 2, 4, 5, 5]);
        // All alike: everybody is in the first.
        let alike = cut_points(&[Some(3.0); 7]).unwrap();
        assert_eq!((quintile(3.0, &alike), quintile(3.1, &alike)), (1, 5));
        assert_eq!(cut_points(&[None]), None);
    }
}
