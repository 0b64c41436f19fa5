//! Bisecting k-means (Steinbach, Karypis and Kumar 2000): the worst cluster is split in two until there are k.

use super::kmeans::{enough_distinct, kmeans, KMeansParams};
use super::lloyd::settle;
use super::packed::Packed;
use super::run::Run;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::{ArrayView2, Axis};

/// A leaf of the tree.
struct Leaf {
    rows: Vec<usize>,
    centre: Vec<f64>,
    inertia: f64,
}

/// Splits the leaf with the largest sum of squared distances by 2-means (the best of `params.n_init`) until there are
/// `params.k`, and gives every row the nearest of their centres. Errors: see [`super::kmeans`].
pub(super) fn bisecting_kmeans(data: ArrayView2<f64>, params: &KMeansParams, control: &Control) -> Result<Run> {
    let packed = Packed::new(data, control)?;
    enough_distinct(data, params.k, control)?;
    let one = kmeans(data, &KMeansParams { k: 1, n_init: 1, ..params.clone() }, control)?;
    let all =
        Leaf { rows: (0..data.nrows()).collect(), centre: one.centroids.into_iter().collect(), inertia: one.inertia };
    let (mut leaves, mut whole) = (vec![all], Vec::new());
    let mut iterations = 0;
    while leaves.len() + whole.len() < params.k {
        control.check()?;
        let largest = (1..leaves.len()).fold(0, |a, b| if leaves[b].inertia > leaves[a].inertia { b } else { a });
        if leaves.is_empty() {
            return Err(Error::not_ready(format!("the rows cannot be split into {} clusters", params.k))
                .hint("ask for fewer segments, or scale the features"));
        }
        let Leaf { rows, centre, inertia } = leaves.swap_remove(largest);
        let part = data.select(Axis(0), &rows);
        if enough_distinct(part.view(), 2, control).is_err() {
            whole.push(Leaf { rows, centre, inertia });
            continue;
        }
        // Each split has a stream of restarts of its own.
        let seed = params.seed.wrapping_add(leaves.len() as u64 + whole.len() as u64);
        let split = kmeans(part.view(), &KMeansParams { k: 2, seed, ..params.clone() }, control)?;
        iterations += split.iterations;
        for (j, centre) in split.centroids.outer_iter().enumerate() {
            let members = rows.iter().zip(&split.labels).filter(|(_, &label)| label as usize == j).map(|(&row, _)| row);
            let members: Vec<usize> = members.collect();
            let squared = |row: &usize| data.row(*row).iter().zip(centre).fold(0.0, |s, (x, c)| s + (x - c) * (x - c));
            let inertia = members.iter().map(squared).fold(0.0, |sum, d| sum + d);
            leaves.push(Leaf { rows: members, centre: centre.to_vec(), inertia });
        }
    }
    let centres: Vec<f64> = leaves.into_iter().chain(whole).flat_map(|leaf| leaf.centre).collect();
    settle(&packed, centres, params.k, iterations, control)
}
