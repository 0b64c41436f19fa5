//! Single linkage of mutual reachability: the minimum spanning tree, and which rows are together at which distance.

use super::cloud::Cloud;
use crate::control::Control;
use crate::error::Result;

/// Two rows and the mutual reachability distance between them.
pub(super) type Edge = (usize, usize, f64);

/// The minimum spanning tree by Prim's algorithm, O(rows²), of the distance `max(core a, core b, |a - b|)`.
pub(super) fn spanning_tree(cloud: &Cloud, core: &[f64], control: &Control) -> Result<Vec<Edge>> {
    // Rows that are not in the tree yet, with the shortest way to it.
    let mut open: Vec<usize> = (1..cloud.rows).collect();
    let mut best = vec![(f64::INFINITY, 0usize); cloud.rows];
    let mut edges = Vec::with_capacity(open.len());
    let mut here = 0;
    while !open.is_empty() {
        control.check()?;
        let d2 = cloud.squared(cloud.row(here));
        let mut least = (f64::INFINITY, 0);
        for (at, &row) in open.iter().enumerate() {
            // The larger square has the larger root, so one root is enough.
            let reach = core[here].max(core[row]).max(d2[row].sqrt());
            if reach < best[row].0 {
                best[row] = (reach, here);
            }
            if best[row].0 < least.0 {
                least = (best[row].0, at);
            }
        }
        here = open.swap_remove(least.1);
        edges.push((best[here].1, here, best[here].0));
    }
    Ok(edges)
}

/// Rows that come together at `distance`; children below the number of rows are rows, others are nodes less that number.
pub(super) struct Node {
    pub distance: f64,
    pub children: Vec<usize>,
    pub size: usize,
}

/// The dendrogram of a spanning tree over `rows` rows; the last node is the root. All that comes together at one distance is
/// one node with as many children as it takes, so that ties leave no room for choice: the nodes are the connected components
/// at each distance, whatever spanning tree was given.
pub(super) fn dendrogram(mut edges: Vec<Edge>, rows: usize) -> Vec<Node> {
    edges.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut nodes: Vec<Node> = Vec::new();
    // A set is known by its lowest row; `node` is the top of the dendrogram so far.
    let mut root: Vec<usize> = (0..rows).collect();
    let mut node: Vec<usize> = (0..rows).collect();
    for tied in edges.chunk_by(|a, b| a.2 == b.2) {
        let mut parts: Vec<usize> = tied.iter().flat_map(|&(a, b, _)| [a, b]).map(|row| find(&mut root, row)).collect();
        parts.sort_unstable();
        parts.dedup();
        for &(a, b, _) in tied {
            let (a, b) = (find(&mut root, a), find(&mut root, b));
            root[a.max(b)] = a.min(b);
        }
        let mut joined: Vec<(usize, usize)> = parts.into_iter().map(|part| (find(&mut root, part), part)).collect();
        joined.sort_unstable();
        for parts in joined.chunk_by(|a, b| a.0 == b.0) {
            let children: Vec<usize> = parts.iter().map(|&(_, part)| node[part]).collect();
            let size = children.iter().map(|&child| if child < rows { 1 } else { nodes[child - rows].size }).sum();
            node[parts[0].0] = rows + nodes.len();
            nodes.push(Node { distance: tied[0].2, children, size });
        }
    }
    nodes
}

fn find(root: &mut [usize], row: usize) -> usize {
    let mut top = row;
    while root[top] != top {
        top = root[top];
    }
    let mut next = row;
    while root[next] != top {
        next = std::mem::replace(&mut root[next], top);
    }
    top
}
