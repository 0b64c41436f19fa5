//! Numbers and categories in one Euclidean space, for criteria that compare rows by their distance.

use crate::control::Control;
use crate::error::Result;
use ndarray::{Array2, ArrayView2};

/// The rows of `data`, whose last `codes` columns hold categories, with a column a category value in the place of each code:
/// √(gamma / 2) for the row's own, 0 for others. The squared distance of two rows then is that of their numbers and `gamma` for
/// each category that is another, the dissimilarity of k-prototypes, whatever the codes are called.
pub(super) fn spread_out(data: ArrayView2<f64>, codes: usize, gamma: f64, control: &Control) -> Result<Array2<f64>> {
    let numbers = data.ncols().saturating_sub(codes);
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(codes);
    for column in data.columns().into_iter().skip(numbers) {
        control.check()?;
        let mut own = column.to_vec();
        own.sort_unstable_by(f64::total_cmp);
        own.dedup();
        values.push(own);
    }
    let width = numbers + values.iter().map(Vec::len).sum::<usize>();
    let mut all = Array2::zeros((data.nrows(), width));
    (0..numbers).for_each(|f| all.column_mut(f).assign(&data.column(f)));
    let side = (0.5 * gamma).sqrt();
    let mut first = numbers;
    for (column, values) in data.columns().into_iter().skip(numbers).zip(&values) {
        control.check()?;
        for (row, code) in column.iter().enumerate() {
            let place = values.partition_point(|value| value.total_cmp(code).is_lt());
            all[(row, first + place)] = side;
        }
        first += values.len();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::spread_out;
    use crate::cluster::mixed::cost;
    use crate::control::Control;
    use ndarray::array;

    #[test]
    fn squared_distances_are_the_costs_of_prototypes() {
        let data = array![[1.0, 0.0, 19.0], [3.0, 0.0, 0.0], [1.5, 7.0, 19.0], [1.0, 2.0, 1.0]];
        let space = spread_out(data.view(), 2, 0.75, &Control::new()).unwrap();
        for a in 0..4 {
            for b in 0..4 {
                let squared = space.row(a).iter().zip(space.row(b)).fold(0.0, |s, (a, b)| s + (a - b) * (a - b));
                let expected = cost(&data.row(a).to_vec(), &data.row(b).to_vec(), 2, 0.75);
                assert!((squared - expected).abs() < 1e-12, "{a} {b}: {squared} {expected}");
            }
        }
    }
}
