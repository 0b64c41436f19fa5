//! One pass of expectation-maximisation over the rows: densities of the present mixture, and the sums the next one is
//! made of, at once. Responsibilities are never stored, so memory does not grow with rows × components.

// One lane index runs over several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::cholesky::packed_len;
use super::gaussians::{posterior, Gaussians};
use super::Covariance;
use crate::cluster::packed::{Lanes, Packed, CHUNK, LANES};
use crate::control::Control;
use crate::error::{Error, Result};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Sums over rows, weighted by responsibility, of x - (present mean): taken about the present means because those are
/// close to the next ones, so that little cancels.
#[derive(Clone)]
pub(super) struct Moments {
    pub log_likelihood: f64,
    /// Effective rows of each component.
    pub rows: Vec<f64>,
    /// `k` × `d`.
    pub first: Vec<f64>,
    /// Of each component: packed lower triangle (full), diagonal, its sum (spherical), nothing (tied).
    pub second: Vec<f64>,
}

/// Numbers of second moments that one component needs.
pub(super) const fn seconds(kind: Covariance, d: usize) -> usize {
    match kind {
        Covariance::Full => packed_len(d),
        Covariance::Tied => 0,
        Covariance::Diagonal => d,
        Covariance::Spherical => 1,
    }
}

impl Moments {
    fn zero(g: &Gaussians) -> Moments {
        Moments {
            log_likelihood: 0.0,
            rows: vec![0.0; g.k],
            first: vec![0.0; g.k * g.d],
            second: vec![0.0; g.k * seconds(g.kind, g.d)],
        }
    }

    fn add(&mut self, other: &Moments) {
        self.log_likelihood += other.log_likelihood;
        let pairs = [(&mut self.rows, &other.rows), (&mut self.first, &other.first), (&mut self.second, &other.second)];
        for (to, from) in pairs {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }
}

/// Who a row belongs to.
pub(super) enum Belongs<'a> {
    /// To each component by its posterior probability.
    Posterior,
    /// Wholly to the component of its label; densities are not computed.
    Labels(&'a [u32]),
}

/// Chunks whose sums are held at once: bounds memory whatever the number of rows.
const WAVE: usize = 64;

/// Log likelihood and moments of all rows: chunks side by side, their sums added in chunk order.
pub(super) fn moments(packed: &Packed, g: &Gaussians, belongs: &Belongs, control: &Control) -> Result<Moments> {
    let arch = Arch::new();
    let mut total = Moments::zero(g);
    let chunks: Vec<usize> = (0..packed.chunks().len()).collect();
    for wave in chunks.chunks(WAVE) {
        let parts: Vec<Moments> = wave
            .par_iter()
            .map(|&chunk| {
                let labels = match belongs {
                    Belongs::Posterior => None,
                    Belongs::Labels(labels) => Some(&labels[chunk * CHUNK..][..packed.rows_in(chunk)]),
                };
                let work = Work { chunk: &packed.chunks()[chunk], rows: packed.rows_in(chunk), g, labels, control };
                arch.dispatch(work).ok_or_else(Error::cancelled)
            })
            .collect::<Result<_>>()?;
        parts.iter().for_each(|part| total.add(part));
    }
    Ok(total)
}

struct Work<'a> {
    chunk: &'a [Lanes],
    rows: usize,
    g: &'a Gaussians,
    labels: Option<&'a [u32]>,
    control: &'a Control,
}

impl WithSimd for Work<'_> {
    /// `None` when cancelled.
    type Output = Option<Moments>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Option<Moments> {
        let Work { chunk, rows, g, labels, control } = self;
        let (k, d, width) = (g.k, g.d, seconds(g.kind, g.d));
        let mut diff = vec![[0.0; LANES]; k * d];
        let mut joint = vec![[0.0; LANES]; k];
        let mut one = vec![0.0; k];
        let mut likelihood = [0.0; LANES];
        let mut count = vec![[0.0; LANES]; k];
        let mut first = vec![[0.0; LANES]; k * d];
        let mut second = vec![[0.0; LANES]; k * width];
        for (b, block) in chunk.chunks_exact(d.max(1)).enumerate() {
            if control.is_cancelled() {
                return None;
            }
            let valid = (rows - b * LANES).min(LANES);
            for j in 0..k {
                joint[j] = g.log_joint(j, |f| block[f].0, &mut diff[j * d..][..d]);
            }
            for l in 0..LANES {
                let density = match labels {
                    None => {
                        one.iter_mut().zip(&joint).for_each(|(one, joint)| *one = joint[l]);
                        posterior(&mut one)
                    }
                    Some(labels) => {
                        let label = labels.get(b * LANES + l).copied().unwrap_or(u32::MAX) as usize;
                        one.iter_mut().enumerate().for_each(|(j, one)| *one = f64::from(u8::from(j == label)));
                        0.0
                    }
                };
                // Padding belongs to nobody.
                likelihood[l] += if l < valid { density } else { 0.0 };
                joint.iter_mut().zip(&one).for_each(|(joint, one)| joint[l] = if l < valid { *one } else { 0.0 });
            }
            for j in 0..k {
                let (r, diff) = (&joint[j], &diff[j * d..][..d]);
                if *r == [0.0; LANES] {
                    continue;
                }
                for l in 0..LANES {
                    count[j][l] += r[l];
                }
                collect(g.kind, r, diff, &mut first[j * d..][..d], &mut second[j * width..][..width]);
            }
        }
        let sum = |lanes: &Vec<[f64; LANES]>| lanes.iter().map(|lanes| Lanes(*lanes).sum()).collect();
        Some(Moments {
            log_likelihood: Lanes(likelihood).sum(),
            rows: sum(&count),
            first: sum(&first),
            second: sum(&second),
        })
    }
}

/// Adds eight rows of one component, weighted by `r`.
#[inline(always)]
fn collect(
    kind: Covariance,
    r: &[f64; LANES],
    diff: &[[f64; LANES]],
    first: &mut [[f64; LANES]],
    second: &mut [[f64; LANES]],
) {
    let mut packed = second;
    for (i, x) in diff.iter().enumerate() {
        let mut weighted = [0.0; LANES];
        for l in 0..LANES {
            weighted[l] = r[l] * x[l];
            first[i][l] += weighted[l];
        }
        let (with, take) = match kind {
            Covariance::Full => (&diff[..=i], i + 1),
            Covariance::Tied => (&diff[..0], 0),
            Covariance::Diagonal => (&diff[i..=i], 1),
            Covariance::Spherical => (&diff[i..=i], 0),
        };
        for (sum, y) in packed.iter_mut().zip(with) {
            for l in 0..LANES {
                sum[l] += weighted[l] * y[l];
            }
        }
        packed = packed.split_at_mut(take).1;
    }
}

/// Label (most probable component, ties: the lowest) and log density of every row.
pub(super) fn label(packed: &Packed, g: &Gaussians, control: &Control) -> Result<(Vec<u32>, Vec<f64>)> {
    let arch = Arch::new();
    let parts: Vec<(Vec<u32>, Vec<f64>)> = (0..packed.chunks().len())
        .into_par_iter()
        .map(|chunk| {
            let work = Label { chunk: &packed.chunks()[chunk], rows: packed.rows_in(chunk), g, control };
            arch.dispatch(work).ok_or_else(Error::cancelled)
        })
        .collect::<Result<_>>()?;
    let (labels, densities): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    Ok((labels.concat(), densities.concat()))
}

struct Label<'a> {
    chunk: &'a [Lanes],
    rows: usize,
    g: &'a Gaussians,
    control: &'a Control,
}

impl WithSimd for Label<'_> {
    type Output = Option<(Vec<u32>, Vec<f64>)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Label { chunk, rows, g, control } = self;
        let mut diff = vec![[0.0; LANES]; g.d];
        let mut joint = vec![[0.0; LANES]; g.k];
        let mut one = vec![0.0; g.k];
        let (mut labels, mut densities) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for (b, block) in chunk.chunks_exact(g.d.max(1)).enumerate() {
            if control.is_cancelled() {
                return None;
            }
            for j in 0..g.k {
                joint[j] = g.log_joint(j, |f| block[f].0, &mut diff);
            }
            for l in 0..(rows - b * LANES).min(LANES) {
                one.iter_mut().zip(&joint).for_each(|(one, joint)| *one = joint[l]);
                labels.push(best(&one) as u32);
                densities.push(posterior(&mut one));
            }
        }
        Some((labels, densities))
    }
}

/// The index of the largest value; ties, and what is NaN: the lowest.
pub(super) fn best(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, j| if values[j] > values[best] { j } else { best })
}
