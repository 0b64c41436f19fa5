//! DBSCAN: rows with enough neighbours, what they reach, and the rest.

use super::cloud::{core_distances, square_of, Cloud};
use super::shape::Density;
use super::stored::Cores;
use super::{cloud, default_min_points};
use crate::cluster::algorithm::NOISE;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::ArrayView2;

/// Rows whose neighbours are looked for before what was found is joined.
const WAVE: usize = 512;

/// How to run [`dbscan`].
#[derive(Clone, Debug, Default)]
pub struct DbscanParams {
    /// Radius of a neighbourhood, above 0, its border included; None chooses it (see [`dbscan`]).
    pub eps: Option<f64>,
    /// Rows in a neighbourhood, the row itself among them, that make a row a core; at least 1. None: twice the columns, at
    /// least 5.
    pub min_points: Option<usize>,
}

/// Segments of density. [`NOISE`] is the label of rows within `eps` of no core.
#[derive(Clone, Debug)]
pub struct DbscanFit {
    pub density: Density,
    /// Segments are numbered by their first core.
    pub labels: Vec<u32>,
    pub core: Vec<bool>,
    /// As given or chosen.
    pub eps: f64,
    pub min_points: usize,
}

/// Clusters the rows of `data` (rows × columns, finite) by DBSCAN (Ester et al. 1996).
///
/// A row is a core if at least `min_points` rows, itself included, are at a distance of at most `eps`. Cores within `eps` of
/// each other share a segment. Any other row goes to its nearest core within `eps` (ties: the lowest row), so that the result
/// does not depend on the order of the rows, as that of the original does.
///
/// Without `eps`, the sorted distances of all rows to their `min_points`-th nearest, itself the first, are drawn against
/// their rank, both scaled to 0..1; `eps` is the one farthest below the chord from the first to the last.
///
/// O(rows² × columns). Errors: as k-means for the data; `InvalidParameter` for parameters out of their range and for an `eps`
/// that cannot be chosen because these distances are all 0; `LimitExceeded` above [`super::MAX_ROWS`] rows; `NotReady` when
/// every row is noise; `Cancelled`.
pub fn dbscan(data: ArrayView2<f64>, params: &DbscanParams, control: &Control) -> Result<DbscanFit> {
    let cloud = cloud(data, control)?;
    let min_points = params.min_points.unwrap_or_else(|| default_min_points(cloud.cols));
    if min_points < 1 {
        return Err(Error::invalid("min_points = 0 is below 1"));
    }
    let eps = match params.eps {
        Some(eps) if eps > 0.0 && eps <= 1e100 => eps,
        Some(eps) => return Err(Error::invalid(format!("eps = {eps} is not above 0 and at most 1e100"))),
        None => {
            control.phase("choosing eps");
            knee(core_distances(&cloud, min_points, control)?).ok_or_else(|| {
                Error::invalid("eps cannot be chosen: too many rows are equal").hint("give eps in settings")
            })?
        }
    };
    let within = square_of(eps);
    control.phase("counting neighbours");
    let core: Vec<bool> =
        cloud.each(&cloud, control, |_, d2| d2.iter().filter(|&&d2| d2 <= within).count() >= min_points)?;
    let rows_of = |wanted: bool| (0..cloud.rows).filter(|&row| core[row] == wanted).collect::<Vec<usize>>();
    let (core_rows, other_rows) = (rows_of(true), rows_of(false));
    if core_rows.is_empty() {
        return Err(Error::not_ready(format!(
            "every account is noise: none has {min_points} accounts, itself included, within eps = {eps}"
        ))
        .hint("raise eps or lower min_points in settings"));
    }
    let cores = cloud.select(&core_rows);
    control.phase("joining neighbourhoods");
    let segments = components(&cores, within, control)?;
    let mut labels = vec![NOISE; cloud.rows];
    core_rows.iter().zip(&segments).for_each(|(&row, &segment)| labels[row] = segment);
    let others = cloud.select(&other_rows);
    if !other_rows.is_empty() {
        let nearest = cores.each(&others, control, |_, d2| nearest(d2))?;
        for (row, (at, d2)) in other_rows.into_iter().zip(nearest) {
            if d2 <= within {
                labels[row] = segments[at];
            }
        }
    }
    let density = Density::of_cores(Cores::new(eps, cores, segments), &cloud, &labels);
    Ok(DbscanFit { density, labels, core, eps, min_points })
}

/// The place of the smallest value, the first of equals, and the value.
pub(super) fn nearest(d2: &[f64]) -> (usize, f64) {
    d2.iter().enumerate().fold((0, f64::INFINITY), |best, (i, &d2)| if d2 < best.1 { (i, d2) } else { best })
}

/// Which rows are connected by steps of at most the root of `within`: components numbered by their first row.
fn components(cores: &Cloud, within: f64, control: &Control) -> Result<Vec<u32>> {
    let mut root: Vec<usize> = (0..cores.rows).collect();
    for first in (0..cores.rows).step_by(WAVE) {
        let range = first..(first + WAVE).min(cores.rows);
        // Only what is not known to be connected yet; all edges there are would be too many.
        let edges = cores.some(cores, range, control, |row, d2| {
            let mut last = root[row];
            let mut edges = Vec::new();
            for (other, _) in d2.iter().enumerate().filter(|(_, &d2)| d2 <= within) {
                if root[other] != last && root[other] != root[row] {
                    last = root[other];
                    edges.push((row, other));
                }
            }
            edges
        })?;
        for (a, b) in edges.into_iter().flatten() {
            let (a, b) = (find(&root, a), find(&root, b));
            root[a.max(b)] = a.min(b);
        }
        // Roots are the lowest rows, so one walk in order leads everybody to the end.
        (0..cores.rows).for_each(|row| root[row] = root[root[row]]);
    }
    let mut number = vec![0; cores.rows];
    let mut next = 0;
    for row in 0..cores.rows {
        if root[row] == row {
            number[row] = next;
            next += 1;
        }
    }
    Ok(root.iter().map(|&root| number[root]).collect())
}

fn find(root: &[usize], mut row: usize) -> usize {
    while root[row] != row {
        row = root[row];
    }
    row
}

/// The value farthest below the chord of the sorted values (the lowest of equals); the largest where they lie on a line.
/// None where all are 0.
fn knee(mut distances: Vec<f64>) -> Option<f64> {
    distances.sort_by(f64::total_cmp);
    let (low, high) = (*distances.first()?, *distances.last()?);
    let last = (distances.len() - 1) as f64;
    let mut best = (0.0, high);
    for (i, &d) in distances.iter().enumerate().filter(|_| high > low) {
        let below = i as f64 / last - (d - low) / (high - low);
        if below > best.0 {
            best = (below, d);
        }
    }
    (best.1 > 0.0).then_some(best.1).or((high > 0.0).then_some(high))
}

#[cfg(test)]
mod tests {
    use super::knee;

    #[test]
    fn the_knee_of_a_bent_line() {
        // 0.1 to 0.8 in eight steps, then 5 and 10: the bend is at 0.8.
        let mut bent: Vec<f64> = (1..=8).map(|i| f64::from(i) * 0.1).collect();
        bent.extend([10.0, 5.0]);
        assert_eq!(knee(bent), Some(0.8));
        assert_eq!(knee(vec![2.0; 4]), Some(2.0));
        assert_eq!(knee(vec![0.0, 0.0, 3.0]), Some(3.0));
        assert_eq!(knee(vec![0.0; 4]), None);
        assert_eq!(knee(Vec::new()), None);
    }
}
