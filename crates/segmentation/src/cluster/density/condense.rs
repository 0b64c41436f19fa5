//! The condensed tree: which branches of the dendrogram are clusters, which of them are kept, and how firmly rows belong.

use super::hierarchy::Node;

/// A branch that holds at least the smallest cluster for some while. Branch 0 is everything; parents come before children.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Branch {
    /// Itself for branch 0.
    pub parent: usize,
    /// Distance at which it split off its parent; infinite for branch 0. All in it happens at less.
    pub birth: f64,
    /// Smallest distance at which rows or branches leave it.
    pub death: f64,
    /// The smallest death in it and all below.
    pub deepest: f64,
    /// Excess of mass: how many rows it holds for how long, as 1 / distance in units of the largest.
    pub stability: f64,
    /// Kept as a segment.
    pub segment: Option<u32>,
}

/// The condensed tree, and where each row leaves it.
pub(super) struct Condensed {
    pub branches: Vec<Branch>,
    /// Deepest branch of each row, and the distance at which the row leaves it.
    pub branch: Vec<usize>,
    pub exit: Vec<f64>,
    pub segments: u32,
    /// A tenth of the smallest distance above 0 at which anything comes together; shorter ones count as this.
    pub closest: f64,
}

/// Condenses a dendrogram over `rows` rows (Campello, Moulavi & Sander 2013): walking from the root, a node with two or more
/// children of at least `min_size` rows splits its branch into those, one such child goes on as the same branch, and
/// rows of smaller children leave. Segments are chosen by excess of mass; everything together never is one.
///
/// Equal rows count as if a tenth of the smallest distance above 0 apart: dense, but not infinitely so.
pub(super) fn condense(nodes: &[Node], rows: usize, min_size: usize) -> Condensed {
    let closest =
        nodes.iter().map(|node| node.distance).find(|&d| d > 0.0).map_or(1.0, |d| (0.1 * d).max(f64::MIN_POSITIVE));
    // Lambda of the literature, scaled to at most 1 so that it cannot overflow; only ratios and comparisons matter.
    let lambda = |distance: f64| closest / distance.max(closest);
    let everything = f64::INFINITY;
    let new = |parent, birth| Branch { parent, birth, death: everything, deepest: 0.0, stability: 0.0, segment: None };
    let mut branches = vec![new(0, everything)];
    let (mut branch, mut exit) = (vec![0; rows], vec![everything; rows]);
    let mut walk: Vec<(usize, usize)> = if nodes.is_empty() { Vec::new() } else { vec![(nodes.len() - 1, 0)] };
    while let Some((at, inside)) = walk.pop() {
        let node = &nodes[at];
        let size = |child: usize| if child < rows { 1 } else { nodes[child - rows].size };
        let splits = node.children.iter().filter(|&&child| size(child) >= min_size).count() > 1;
        let held = lambda(node.distance) - lambda(branches[inside].birth);
        for &child in &node.children {
            if size(child) >= min_size && !splits {
                walk.push((child - rows, inside));
                continue;
            }
            branches[inside].stability += size(child) as f64 * held;
            branches[inside].death = branches[inside].death.min(node.distance);
            if size(child) >= min_size {
                branches.push(new(inside, node.distance));
                walk.push((child - rows, branches.len() - 1));
            } else {
                for row in leaves(nodes, rows, child) {
                    (branch[row], exit[row]) = (inside, node.distance);
                }
            }
        }
    }
    let segments = select(&mut branches);
    branches.iter_mut().for_each(|b| b.deepest = b.death);
    for b in (1..branches.len()).rev() {
        let (parent, deepest) = (branches[b].parent, branches[b].deepest);
        branches[parent].deepest = branches[parent].deepest.min(deepest);
    }
    Condensed { branches, branch, exit, segments, closest }
}

/// Rows below a child.
fn leaves(nodes: &[Node], rows: usize, child: usize) -> Vec<usize> {
    let (mut found, mut walk) = (Vec::new(), vec![child]);
    while let Some(child) = walk.pop() {
        if child < rows {
            found.push(child);
        } else {
            walk.extend(&nodes[child - rows].children);
        }
    }
    found
}

/// Excess of mass: a branch is kept if it is at least as stable as the best choice below it. Returns the number kept;
/// branches below a kept one belong to it.
fn select(branches: &mut [Branch]) -> u32 {
    let mut below = vec![0.0; branches.len()];
    let mut kept = vec![false; branches.len()];
    for b in (1..branches.len()).rev() {
        kept[b] = below[b] <= branches[b].stability;
        below[branches[b].parent] += if kept[b] { branches[b].stability } else { below[b] };
    }
    let mut segments = 0;
    for b in 1..branches.len() {
        branches[b].segment = branches[branches[b].parent].segment;
        if branches[b].segment.is_none() && kept[b] {
            branches[b].segment = Some(segments);
            segments += 1;
        }
    }
    segments
}

/// Distance at which rows first leave the kept branch that `branch` lies in; None where it lies in none. Branch 0 is never
/// kept.
pub(super) fn kept_death(branches: &[Branch], mut branch: usize) -> Option<f64> {
    let segment = branches[branch].segment?;
    while branches[branches[branch].parent].segment == Some(segment) {
        branch = branches[branch].parent;
    }
    Some(branches[branch].death)
}

/// How firmly what leaves a segment at `level` belongs to it: 1 / level over the largest 1 / distance of the segment, at most 1.
pub(super) fn strength(death: f64, level: f64, closest: f64) -> f64 {
    (death.max(closest) / level.max(closest)).min(1.0)
}
