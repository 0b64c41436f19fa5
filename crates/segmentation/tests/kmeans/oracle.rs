//! A k-means written for reading, not for speed, that has to agree to the bit, and data to try it on.

use ndarray::{Array2, ArrayView2};
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Anderson's irises and their species.
pub fn iris() -> (Array2<f64>, Vec<u32>) {
    let mut values = Vec::new();
    let mut species = Vec::new();
    for line in include_str!("../data/iris.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        values.extend(fields[..4].iter().map(|x| x.parse::<f64>().unwrap()));
        species.push(["setosa", "versicolor", "virginica"].iter().position(|s| *s == fields[4]).unwrap() as u32);
    }
    (Array2::from_shape_vec((150, 4), values).unwrap(), species)
}

/// Overlapping blobs, about normal (sum of uniforms).
pub fn blobs(rows: usize, cols: usize, k: usize, spread: f64, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let centres = Array2::from_shape_simple_fn((k, cols), || uniform() * 10.0);
    Array2::from_shape_fn((rows, cols), |(i, f)| {
        centres[(i % k, f)] + spread * (uniform() + uniform() + uniform() + uniform() - 2.0)
    })
}

pub fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c))
}

/// A sum over rows in the documented order: per lane in chunks of 4096, lanes 0 to 7, chunks in order.
pub fn ordered_sum(terms: impl Iterator<Item = (usize, f64)>, rows: usize) -> f64 {
    let mut lanes = vec![[0.0; 8]; rows.div_ceil(4096)];
    terms.for_each(|(row, x)| lanes[row / 4096][row % 8] += x);
    lanes.iter().map(|lanes| lanes.iter().fold(0.0, |a, b| a + b)).fold(0.0, |a, b| a + b)
}

pub struct Naive {
    rows: Vec<Vec<f64>>,
    pub centroids: Vec<Vec<f64>>,
    pub labels: Vec<usize>,
}

impl Naive {
    fn assign(&mut self) -> Vec<u64> {
        let mut counts = vec![0; self.centroids.len()];
        for (row, label) in self.rows.iter().zip(&mut self.labels) {
            let d: Vec<f64> = self.centroids.iter().map(|c| squared(row, c)).collect();
            *label = (1..d.len()).fold(0, |best, j| if d[j] < d[best] { j } else { best });
            counts[*label] += 1;
        }
        counts
    }

    fn refill(&self, counts: &[u64], next: &mut [Vec<f64>]) {
        let own = |(row, &label): (&Vec<f64>, &usize)| squared(row, &self.centroids[label]);
        let mut far: Vec<f64> = self.rows.iter().zip(&self.labels).map(own).collect();
        for j in (0..next.len()).filter(|&j| counts[j] == 0) {
            let farthest = (0..far.len()).fold(0, |best, row| if far[row] > far[best] { row } else { best });
            next[j] = self.rows[farthest].clone();
            far.iter_mut().zip(&self.rows).for_each(|(far, row)| *far = far.min(squared(row, &next[j])));
        }
    }

    /// Lloyd with `tol` 0; also the inertia.
    pub fn run(data: ArrayView2<f64>, init: &Array2<f64>, max_iter: usize) -> (Naive, f64) {
        let to_rows = |m: ArrayView2<f64>| m.rows().into_iter().map(|r| r.to_vec()).collect::<Vec<_>>();
        let n = data.nrows();
        let mut naive = Naive { rows: to_rows(data), centroids: to_rows(init.view()), labels: vec![usize::MAX; n] };
        for _ in 0..max_iter {
            let before = naive.labels.clone();
            let counts = naive.assign();
            let filled = counts.iter().all(|&c| c > 0);
            if before == naive.labels && filled {
                break;
            }
            let mean = |j: usize, f: usize| {
                let members = (0..n).filter(|&row| naive.labels[row] == j);
                ordered_sum(members.map(|row| (row, naive.rows[row][f])), n) / counts[j] as f64
            };
            let mut next: Vec<Vec<f64>> =
                (0..counts.len()).map(|j| (0..data.ncols()).map(|f| mean(j, f)).collect()).collect();
            naive.refill(&counts, &mut next);
            let still = next == naive.centroids;
            naive.centroids = next;
            if still && filled {
                break;
            }
        }
        loop {
            let counts = naive.assign();
            if counts.iter().all(|&c| c > 0) {
                break;
            }
            let mut next = naive.centroids.clone();
            naive.refill(&counts, &mut next);
            naive.centroids = next;
        }
        let distances = (0..n).map(|row| (row, squared(&naive.rows[row], &naive.centroids[naive.labels[row]])));
        let inertia = ordered_sum(distances, n);
        (naive, inertia)
    }
}
