//! Parallel analysis (Horn 1965, Buja and Eyuboglu 1992): a component counts if it has more variance than the component of that
//! rank has when the columns have nothing to do with each other.

use super::pca::Rows;
use super::quantile::quantile;
use super::tridiagonal::{self, dot};
use crate::control::Control;
use crate::error::Result;
use pulp::Arch;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Data sets with permuted columns, and the quantile of their eigenvalues that has to be exceeded. The time goes with the cube of
/// the columns: above `WIDE` there are as many sets as take the time of those, but no fewer than `FEWEST`.
const SETS: usize = 200;
const FEWEST: usize = 50;
const WIDE: usize = 300;
const LEVEL: f64 = 0.95;
/// Rows looked at, spread evenly.
const SAMPLE: usize = 2000;
/// So that the numbers drawn here are not those that k-means starts from.
const STREAM: u64 = 1 << 40;

pub(super) struct Analysis {
    /// Leading components with more variance than the threshold of their rank
    pub components: usize,
    pub thresholds: Vec<f64>,
}

/// Of at least two rows; the same whatever the threads.
pub(super) fn analyse(data: Rows, seed: u64, control: &Control) -> Result<Analysis> {
    control.phase("parallel analysis of the principal components");
    let (rows, d) = (data.count(), data.d);
    let take = rows.min(SAMPLE);
    let mut columns = vec![Vec::with_capacity(take); d];
    for i in 0..take {
        let row = data.row((i as u128 * rows as u128 / take as u128) as usize);
        columns.iter_mut().zip(row).for_each(|(column, x)| column.push(*x));
    }
    let observed = eigenvalues(&columns, control)?;
    let permuted: Vec<Vec<f64>> = (0..sets(d))
        .into_par_iter()
        .map(|set| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(STREAM + set as u64);
            let mut columns = columns.clone();
            for column in &mut columns {
                control.check()?;
                shuffle(column, &mut rng);
            }
            eigenvalues(&columns, control)
        })
        .collect::<Result<_>>()?;
    let thresholds: Vec<f64> =
        (0..d).map(|rank| quantile(&mut permuted.iter().map(|e| e[rank]).collect::<Vec<f64>>(), LEVEL)).collect();
    let components = observed.iter().zip(&thresholds).take_while(|(found, chance)| found > chance).count();
    Ok(Analysis { components, thresholds })
}

/// Fisher and Yates.
fn shuffle(values: &mut [f64], rng: &mut impl RngCore) {
    for i in (1..values.len()).rev() {
        // The product's high half: a number of 0 to i, each with the same chance but for 1 in 2^50.
        let j = (u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64;
        values.swap(i, j as usize);
    }
}

fn sets(columns: usize) -> usize {
    let share = WIDE as f64 / columns.max(WIDE) as f64;
    ((SETS as f64 * share * share * share) as usize).max(FEWEST)
}

/// Of the covariance matrix.
fn eigenvalues(columns: &[Vec<f64>], control: &Control) -> Result<Vec<f64>> {
    let d = columns.len();
    let n = columns.first().map_or(0, Vec::len);
    let centred: Vec<Vec<f64>> = columns
        .iter()
        .map(|column| {
            let mean = column.iter().fold(0.0, |sum, x| sum + x) / n as f64;
            column.iter().map(|x| x - mean).collect()
        })
        .collect();
    let arch = Arch::new();
    let mut covariance = vec![0.0; d * d];
    for i in 0..d {
        control.check()?;
        arch.dispatch(|| {
            for j in i..d {
                covariance[i * d + j] = dot(&centred[i], &centred[j]) / (n - 1) as f64;
            }
        });
        for j in 0..i {
            covariance[i * d + j] = covariance[j * d + i];
        }
    }
    tridiagonal::eigenvalues(covariance, d, control)
}
