//! What rows cost at centres of numbers and categories, eight rows at a time: the kernel of `mixed.rs`.

// One lane or vector index runs over several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::kernel::{each_center, splat, store, Centers, Sink, Squared, Wide};
use super::packed::{Lanes, LANES};
use crate::control::Control;
use pulp::{Arch, Simd, WithSimd};

/// Centres as the kernel reads them.
pub(super) struct Mixture {
    numbers: usize,
    /// None where there are no numbers.
    centers: Option<Centers>,
    /// Categories of each centre.
    modes: Vec<Vec<f64>>,
    gamma: f64,
}

impl Mixture {
    /// Of centres of numbers followed by `codes` categories.
    pub fn new(centres: &[&[f64]], codes: usize, gamma: f64) -> Mixture {
        let numbers = centres.first().map_or(0, |c| c.len()) - codes;
        let means: Vec<f64> = centres.iter().flat_map(|c| &c[..numbers]).copied().collect();
        let centers = (numbers > 0).then(|| Centers::new(&means, centres.len(), numbers));
        Mixture { numbers, centers, modes: centres.iter().map(|c| c[numbers..].to_vec()).collect(), gamma }
    }

    /// Calls `take` with the number of each block of a chunk and its costs at all centres, each as [`super::mixed::cost`] has it
    /// to the bit. `None` when cancelled.
    fn each_block(&self, chunk: &[Lanes], control: &Control, take: impl FnMut(usize, &[Lanes])) -> Option<()> {
        Arch::new().dispatch(Pass { mixture: self, chunk, control, take })
    }

    /// Nearest centre (ties: the lowest) and the cost there, of as many rows as `labels` and `costs` have.
    pub fn nearest(&self, chunk: &[Lanes], labels: &mut [u32], costs: &mut [f64], control: &Control) -> Option<()> {
        self.each_block(chunk, control, |block, found| {
            let rows = block * LANES..labels.len().min((block + 1) * LANES);
            let mut best = ([0; LANES], [f64::INFINITY; LANES]);
            for (j, found) in found.iter().enumerate() {
                for l in 0..LANES {
                    let less = found.0[l] < best.1[l];
                    best.0[l] = if less { j as u32 } else { best.0[l] };
                    best.1[l] = if less { found.0[l] } else { best.1[l] };
                }
            }
            let count = rows.len();
            labels[rows.clone()].copy_from_slice(&best.0[..count]);
            costs[rows].copy_from_slice(&best.1[..count]);
        })
    }

    /// The costs of a chunk's rows at each centre, centre by centre; `rows` of each.
    pub fn all(&self, chunk: &[Lanes], rows: usize, control: &Control) -> Option<Vec<Vec<f64>>> {
        let mut costs = vec![vec![0.0; rows]; self.modes.len()];
        self.each_block(chunk, control, |block, found| {
            let rows = block * LANES..rows.min((block + 1) * LANES);
            for (costs, found) in costs.iter_mut().zip(found) {
                costs[rows.clone()].copy_from_slice(&found.0[..rows.len()]);
            }
        })?;
        Some(costs)
    }
}

struct Pass<'a, F> {
    mixture: &'a Mixture,
    chunk: &'a [Lanes],
    control: &'a Control,
    take: F,
}

impl<F: FnMut(usize, &[Lanes])> WithSimd for Pass<'_, F> {
    type Output = Option<()>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Option<()> {
        let Mixture { numbers, centers, modes, gamma } = self.mixture;
        let codes = modes.first().map_or(0, Vec::len);
        let mut costs = Costs(vec![Lanes::ZERO; modes.len()]);
        for (b, block) in self.chunk.chunks_exact((numbers + codes).max(1)).enumerate() {
            if self.control.is_cancelled() {
                return None;
            }
            let (values, categories) = block.split_at(*numbers);
            match centers {
                Some(centers) => each_center::<Squared, S>(simd, values, centers, &mut costs),
                None => costs.0.fill(store::<S>(&splat(simd, 0.0))),
            }
            for (cost, modes) in costs.0.iter_mut().zip(modes).filter(|_| codes > 0) {
                let mut others = [0.0; LANES];
                for (category, mode) in categories.iter().zip(modes) {
                    for l in 0..LANES {
                        others[l] += f64::from(u8::from(category.0[l] != *mode));
                    }
                }
                for l in 0..LANES {
                    cost.0[l] += gamma * others[l];
                }
            }
            (self.take)(b, &costs.0);
        }
        Some(())
    }
}

struct Costs(Vec<Lanes>);

impl<S: Simd> Sink<S> for Costs {
    #[inline(always)]
    fn take(&mut self, _: S, centroid: usize, measure: &Wide<S>) {
        if let Some(cost) = self.0.get_mut(centroid) {
            *cost = store::<S>(measure);
        }
    }
}
