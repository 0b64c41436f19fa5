//! Lloyd's steps for rows of numbers and categories, and with a share of the rows trimmed.
//!
//! One loop serves two algorithms. k-prototypes (Huang 1998): the cost of a row is the squared distance of its numbers
//! to the mean plus gamma for each category that is not the mode. Trimmed k-means (Cuesta-Albertos, Gordaliza and Matrán
//! 1997): the rows farthest from their centre do not count in it.

use super::categories::Category;
use super::costs::Mixture;
use super::kmeans::{check_params, enough_distinct, KMeansParams};
use super::packed::{Lanes, Packed, CHUNK};
use super::seeding::{uniform, uniform_row};
use crate::control::Control;
use crate::error::{Error, Kind, Result};
use ndarray::{ArrayView2, CowArray, Ix2};
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// A later start has to beat an earlier one by more than this share, so that rounding does not pick the winner.
const BETTER: f64 = 1e-6;
/// Values above this in size could overflow a sum of squares.
const LARGEST: f64 = 1e140;

/// What rows are compared by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Columns at the end that hold categories.
    pub codes: usize,
    /// What another category costs.
    pub gamma: f64,
    /// Share of the rows that do not count.
    pub trim: f64,
}

pub(super) struct Fitted {
    /// `k` × columns: means, then modes.
    pub centres: Vec<Vec<f64>>,
    /// The nearest centre of each row, of the trimmed ones as well; ties: lowest index.
    pub labels: Vec<u32>,
    /// Sum of the costs of the rows that count.
    pub cost: f64,
    pub iterations: usize,
    /// With rows trimmed: the largest cost of a row that counts, and the number of those that do not.
    pub cut: Option<(f64, usize)>,
}

/// What a row costs at a centre; also used to score.
#[inline]
pub(super) fn cost(x: &[f64], centre: &[f64], codes: usize, gamma: f64) -> f64 {
    let numbers = x.len().saturating_sub(codes);
    let (x, categories) = x.split_at(numbers);
    let (c, modes) = centre.split_at(numbers.min(centre.len()));
    let numeric = x.iter().zip(c).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c));
    let others = categories.iter().zip(modes).filter(|(a, b)| a != b).count();
    numeric + gamma * others as f64
}

/// Half the mean population standard deviation of the columns that hold numbers; 1 where that is 0.
pub(super) fn usual_gamma(data: ArrayView2<f64>, codes: usize, control: &Control) -> Result<f64> {
    let numbers = data.ncols().saturating_sub(codes);
    let mut sum = 0.0;
    for f in 0..numbers {
        sum += variance(data, f, control)?.sqrt();
    }
    let gamma = 0.5 * sum / numbers.max(1) as f64;
    Ok(if gamma > 0.0 && gamma.is_finite() { gamma } else { 1.0 })
}

/// Population variance of a column.
fn variance(data: ArrayView2<f64>, column: usize, control: &Control) -> Result<f64> {
    let (rows, column) = (data.nrows() as f64, data.column(column));
    control.check()?;
    let mean = column.iter().fold(0.0, |sum, x| sum + x) / rows;
    control.check()?;
    Ok(column.iter().fold(0.0, |sum, x| sum + (x - mean) * (x - mean)) / rows)
}

/// The best of `params.n_init` starts. Errors: those of [`super::kmeans`]; `NotReady` when rows that count leave a
/// cluster empty.
pub(super) fn fit(data: ArrayView2<f64>, params: &KMeansParams, rules: Rules, control: &Control) -> Result<Fitted> {
    check_params(data, params)?;
    for (column, values) in data.columns().into_iter().enumerate() {
        control.check()?;
        if let Some(x) = values.iter().find(|x| x.is_nan() || x.abs() > LARGEST) {
            let kind = if x.is_finite() { Kind::OutOfRange } else { Kind::InvalidParameter };
            return Err(Error::new(
                kind,
                format!(
                    "column {column} (counted from 0) of the matrix holds values that are NaN or above 1e140 in size"
                ),
            )
            .hint("fill, scale or winsorise the column before clustering"));
        }
    }
    enough_distinct(data, params.k, control)?;
    let trimmed = (rules.trim * data.nrows() as f64) as usize;
    let packed = Packed::new(data, control)?;
    let first = data.ncols() - rules.codes;
    let categories = (first..data.ncols()).map(|f| Category::new(data.column(f), params.k, control));
    let categories = categories.collect::<Result<_>>()?;
    let search = Search { categories, data: data.as_standard_layout(), packed, k: params.k, rules, trimmed, control };
    if data.nrows() - trimmed < params.k {
        return Err(Error::not_ready(format!(
            "k = {} is above the {} rows left by trim",
            params.k,
            data.nrows() - trimmed
        ))
        .hint("ask for fewer segments or trim less"));
    }
    let tolerance = params.tol * search.mean_variance()?;
    let mut best: Option<Fitted> = None;
    for restart in 0..params.n_init {
        control.phase(format!("k = {}: start {} of {}", params.k, restart + 1, params.n_init));
        let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
        rng.set_stream(restart as u64);
        let found = search.run(search.start(&mut rng)?, params.max_iter, tolerance)?;
        if best.as_ref().is_none_or(|best| found.cost < best.cost * (1.0 - BETTER)) {
            best = Some(found);
        }
    }
    let best = best.ok_or_else(|| Error::invalid("n_init is 0"))?;
    let mut seen = vec![false; params.k];
    best.labels.iter().for_each(|&label| seen[label as usize] = true);
    if seen.contains(&false) {
        return Err(Error::not_ready(format!("the rows that count do not fill {} clusters", params.k))
            .hint("ask for fewer segments or trim less"));
    }
    Ok(best)
}

struct Search<'a> {
    data: CowArray<'a, f64, Ix2>,
    packed: Packed,
    categories: Vec<Category>,
    k: usize,
    rules: Rules,
    trimmed: usize,
    control: &'a Control,
}

impl Search<'_> {
    /// Chunks of whole rows.
    fn chunks(&self) -> impl IndexedParallelIterator<Item = &[f64]> {
        self.data.as_slice().unwrap_or(&[]).par_chunks(CHUNK * self.data.ncols())
    }

    fn row(&self, row: usize) -> &[f64] {
        let cols = self.data.ncols();
        &self.data.as_slice().unwrap_or(&[])[row * cols..][..cols]
    }

    fn cost(&self, x: &[f64], centre: &[f64]) -> f64 {
        cost(x, centre, self.rules.codes, self.rules.gamma)
    }

    fn mean_variance(&self) -> Result<f64> {
        let numbers = self.data.ncols() - self.rules.codes;
        let mut sum = 0.0;
        for f in 0..numbers {
            sum += variance(self.data.view(), f, self.control)?;
        }
        Ok(sum / numbers.max(1) as f64)
    }

    fn mixture(&self, centres: &[&[f64]]) -> Mixture {
        Mixture::new(centres, self.rules.codes, self.rules.gamma)
    }

    /// Nearest centre and cost of every row.
    fn assign(&self, centres: &[Vec<f64>]) -> Result<(Vec<u32>, Vec<f64>)> {
        let mixture = self.mixture(&centres.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let (mut labels, mut costs) = (vec![0; self.packed.rows], vec![0.0; self.packed.rows]);
        let rows = labels.par_chunks_mut(CHUNK).zip(costs.par_chunks_mut(CHUNK));
        self.packed.chunks().par_iter().zip(rows).try_for_each(|(chunk, (labels, costs))| {
            mixture.nearest(chunk, labels, costs, self.control).ok_or_else(Error::cancelled)
        })?;
        Ok((labels, costs))
    }

    /// What rows would cost with each of `points` as a further centre, where they cost `closest` without.
    fn with_each(&self, points: &[&[f64]], closest: &[f64]) -> Result<Vec<Vec<f64>>> {
        let mixture = self.mixture(points);
        let mut after = vec![vec![0.0; closest.len()]; points.len()];
        let parts = |(chunk, closest): (&Vec<Lanes>, &[f64])| {
            let mut costs = mixture.all(chunk, closest.len(), self.control).ok_or_else(Error::cancelled)?;
            costs.iter_mut().for_each(|costs| costs.iter_mut().zip(closest).for_each(|(d, c)| *d = d.min(*c)));
            Ok(costs)
        };
        let parts: Vec<Vec<Vec<f64>>> =
            self.packed.chunks().par_iter().zip(closest.par_chunks(CHUNK)).map(parts).collect::<Result<_>>()?;
        for (i, part) in parts.into_iter().enumerate() {
            for (after, part) in after.iter_mut().zip(part) {
                after[i * CHUNK..][..part.len()].copy_from_slice(&part);
            }
        }
        Ok(after)
    }

    /// Which rows count: all but the `trimmed` of the highest cost, the later ones of equals.
    fn counted(&self, costs: &[f64]) -> Vec<bool> {
        if self.trimmed == 0 {
            return vec![true; costs.len()];
        }
        let mut order = costs.to_vec();
        let counting = costs.len() - self.trimmed;
        let (less, &mut most, _) = order.select_nth_unstable_by(counting - 1, f64::total_cmp);
        // As many of the rows at the limit count as there are places left.
        let mut equal = counting - less.iter().filter(|&&cost| cost < most).count();
        let counts = |&cost: &f64| {
            let at_limit = cost == most && equal > 0;
            equal -= usize::from(at_limit);
            cost < most || at_limit
        };
        costs.iter().map(counts).collect()
    }

    /// A greedy k-means++ start in which the rows that would be trimmed are not drawn.
    fn start(&self, rng: &mut ChaCha8Rng) -> Result<Vec<Vec<f64>>> {
        let trials = 2 + libm::log(self.k as f64) as usize;
        let first = self.row(uniform_row(rng, self.data.nrows())).to_vec();
        let mut closest = self.assign(std::slice::from_ref(&first))?.1;
        let mut centres = vec![first];
        while centres.len() < self.k {
            let counts = self.counted(&closest);
            let chances: Vec<f64> = closest.iter().zip(&counts).map(|(&d, &c)| if c { d } else { 0.0 }).collect();
            let total = chances.iter().fold(0.0, |sum, x| sum + x);
            let mut drawn_rows = Vec::with_capacity(trials);
            for _ in 0..trials {
                self.control.check()?;
                let mut rest = uniform(rng) * total;
                let mut drawn = centres.len() % self.data.nrows();
                for (row, &chance) in chances.iter().enumerate().filter(|(_, &chance)| chance > 0.0) {
                    drawn = row;
                    if rest < chance {
                        break;
                    }
                    rest -= chance;
                }
                drawn_rows.push(drawn);
            }
            let points: Vec<&[f64]> = drawn_rows.iter().map(|&row| self.row(row)).collect();
            let mut best: Option<(f64, usize, Vec<f64>)> = None;
            for (&drawn, after) in drawn_rows.iter().zip(self.with_each(&points, &closest)?) {
                let left = after.iter().zip(&counts).filter(|(_, &c)| c).fold(0.0, |sum, (d, _)| sum + d);
                if best.as_ref().is_none_or(|(least, ..)| left < *least) {
                    best = Some((left, drawn, after));
                }
            }
            let Some((_, drawn, after)) = best else { break };
            centres.push(self.row(drawn).to_vec());
            closest = after;
        }
        Ok(centres)
    }

    fn run(&self, mut centres: Vec<Vec<f64>>, max_iter: usize, tolerance: f64) -> Result<Fitted> {
        let mut before: Option<(Vec<u32>, Vec<bool>)> = None;
        let mut iterations = 0;
        loop {
            let (labels, costs) = self.assign(&centres)?;
            let counts = self.counted(&costs);
            let still = before.as_ref().is_some_and(|(l, c)| *l == labels && *c == counts);
            if still || iterations >= max_iter {
                return Ok(self.finish(centres, labels, costs, counts, iterations));
            }
            iterations += 1;
            let (next, full) = self.update(&centres, &labels, &costs, &counts)?;
            let numbers = self.data.ncols() - self.rules.codes;
            let squared = |(a, b): (&f64, &f64)| (a - b) * (a - b);
            let moved = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).take(numbers).map(squared).sum::<f64>();
            let shift = centres.iter().zip(&next).map(moved).fold(0.0, |sum, d| sum + d);
            let same_modes = centres.iter().zip(&next).all(|(a, b)| a[numbers..] == b[numbers..]);
            centres = next;
            if full && same_modes && shift <= tolerance {
                let (labels, costs) = self.assign(&centres)?;
                let counts = self.counted(&costs);
                return Ok(self.finish(centres, labels, costs, counts, iterations));
            }
            before = Some((labels, counts));
        }
    }

    fn finish(
        &self,
        centres: Vec<Vec<f64>>,
        labels: Vec<u32>,
        costs: Vec<f64>,
        counts: Vec<bool>,
        iterations: usize,
    ) -> Fitted {
        let sum = |(costs, counts): (&[f64], &[bool])| {
            costs.iter().zip(counts).filter(|(_, &c)| c).fold(0.0, |sum, (d, _)| sum + d)
        };
        let cost = costs.chunks(CHUNK).zip(counts.chunks(CHUNK)).map(sum).fold(0.0, |sum, d| sum + d);
        let largest = costs.iter().zip(&counts).filter(|(_, &c)| c).fold(0.0, |m: f64, (&d, _)| m.max(d));
        let cut = (self.trimmed > 0).then_some((largest, self.trimmed));
        Fitted { centres, labels, cost, iterations, cut }
    }

    /// Means and modes of the rows that count; and whether no cluster was empty. An empty one takes the counted row of
    /// the highest cost, ties: the lowest.
    fn update(
        &self,
        centres: &[Vec<f64>],
        labels: &[u32],
        costs: &[f64],
        counts: &[bool],
    ) -> Result<(Vec<Vec<f64>>, bool)> {
        let cols = self.data.ncols();
        let numbers = cols - self.rules.codes;
        let parts: Vec<Part> = self
            .chunks()
            .zip(labels.par_chunks(CHUNK).zip(counts.par_chunks(CHUNK)))
            .map(|(chunk, (labels, counts))| {
                self.control.check()?;
                let mut part = Part { sizes: vec![0; self.k], sums: vec![0.0; self.k * numbers] };
                let rows = chunk.chunks_exact(cols).zip(labels).zip(counts).filter(|(_, &counts)| counts);
                for ((x, &label), _) in rows {
                    let j = label as usize;
                    part.sizes[j] += 1;
                    part.sums[j * numbers..][..numbers].iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
                }
                Ok(part)
            })
            .collect::<Result<_>>()?;
        let mut total = Part { sizes: vec![0; self.k], sums: vec![0.0; self.k * numbers] };
        for part in parts {
            total.sizes.iter_mut().zip(part.sizes).for_each(|(a, b)| *a += b);
            total.sums.iter_mut().zip(part.sums).for_each(|(a, b)| *a += b);
        }
        let mut next = centres.to_vec();
        for (j, centre) in next.iter_mut().enumerate().filter(|(j, _)| total.sizes[*j] > 0) {
            let sums = &total.sums[j * numbers..][..numbers];
            centre.iter_mut().zip(sums).for_each(|(c, sum)| *c = sum / total.sizes[j] as f64);
        }
        for (f, category) in self.categories.iter().enumerate() {
            let modes = category.modes(self.k, labels, counts, self.control)?;
            next.iter_mut()
                .zip(modes)
                .for_each(|(centre, mode)| centre[numbers + f] = mode.unwrap_or(centre[numbers + f]));
        }
        let mut far = costs.to_vec();
        let mut full = true;
        for j in (0..self.k).filter(|&j| total.sizes[j] == 0) {
            full = false;
            let counted = far.iter().enumerate().filter(|(row, _)| counts[*row]);
            let (row, _) = counted.fold((0, -1.0), |best, (row, &d)| if d > best.1 { (row, d) } else { best });
            next[j] = self.row(row).to_vec();
            far.iter_mut().enumerate().for_each(|(i, far)| *far = far.min(self.cost(self.row(i), &next[j])));
        }
        Ok((next, full))
    }
}

/// What a chunk adds to the centres.
struct Part {
    sizes: Vec<u64>,
    sums: Vec<f64>,
}
