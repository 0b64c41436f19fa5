//! How many segments there are, with the table the answer was read from.

use super::algorithm::Clusterer;
use super::bootstrap::Bootstrap;
use super::criteria::{criteria, sizes, Criteria};
use super::draw::{answered, mean_and_sd, replicated, sample_rows, stream, Purpose};
use super::gap::{gaps, Gap, Reference};
use super::guard::{guard, Features, Guard};
use super::kmeans::distinct_rows;
use super::prediction::prediction_strength;
use super::silhouette::silhouettes;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};

/// A k whose weakest segment is found again worse than this in resamples is not admissible.
pub const STABLE: f64 = 0.6;

/// What is computed for each k, and on how many rows. Counts of 0 leave a criterion out.
#[derive(Clone, Debug, PartialEq)]
pub struct ChooseOptions {
    pub k_max: usize,
    pub seed: u64,
    /// Rows clustered for every k
    pub scan_rows: usize,
    /// Rows of the silhouette, which costs their square
    pub silhouette_rows: usize,
    /// Rows of everything that is repeated: resamples, splits, references, the guard
    pub replicate_rows: usize,
    /// Resamples for the Jaccard similarity, which the rule uses
    pub resamples: usize,
    /// Sets of rows without groups for the guard, of each kind
    pub guard: usize,
    /// Splits into halves for the prediction strength
    pub splits: usize,
    /// References for the gap statistic
    pub references: usize,
}

impl ChooseOptions {
    /// What the rule and the guard need, and what is cheap.
    pub fn rule(k_max: usize, seed: u64) -> Self {
        ChooseOptions {
            k_max,
            seed,
            scan_rows: 20_000,
            silhouette_rows: 5_000,
            replicate_rows: 2_000,
            resamples: 50,
            guard: 50,
            splits: 0,
            references: 0,
        }
    }

    /// The rows of a matrix of `rows` rows that everything repeated runs on.
    pub(crate) fn replicated(&self, rows: usize) -> Vec<usize> {
        replicated(rows, self.replicate_rows, self.seed)
    }

    /// Every criterion.
    pub fn all(k_max: usize, seed: u64) -> Self {
        ChooseOptions { splits: 50, references: 50, ..Self::rule(k_max, seed) }
    }
}

/// One number of clusters that was tried; None where a criterion is not defined or was not asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct KRow {
    pub k: usize,
    /// Inertia around the means, Caliński-Harabasz, Davies-Bouldin and simplified silhouette, of [`Choice::scan_rows`] rows
    pub criteria: Criteria,
    /// Mean silhouette over [`Choice::silhouette_rows`] rows, and its bootstrap standard error
    pub silhouette: Option<f64>,
    pub silhouette_error: Option<f64>,
    /// Of [`Choice::replicate_rows`] rows; None with categories
    pub gap: Option<Gap>,
    /// Bayesian information criterion, the lower the better, of the rows scanned; for mixtures
    pub bic: Option<f64>,
    /// Of [`Choice::replicate_rows`] rows
    pub prediction_strength: Option<f64>,
    /// Mean Jaccard similarity, in resamples of [`Choice::replicate_rows`] rows, of the cluster that has the lowest
    pub weakest: Option<f64>,
    /// Rows of the smallest cluster, of the rows scanned
    pub smallest: u64,
    /// Silhouette of each row compared
    pub(super) values: Vec<f64>,
    /// Why the rule passes it over; None where it does not
    pub passed_over: Option<String>,
}

/// The chosen number of clusters and everything it was chosen from.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// k = 1, 2, 3, ... in order
    pub rows: Vec<KRow>,
    pub k: usize,
    /// One line for the user: the rule applied and the numbers it used.
    pub reason: String,
    pub guard: Guard,
    /// The k that the guard was asked about
    pub tested: Option<usize>,
    pub scan_rows: usize,
    pub silhouette_rows: usize,
    pub replicate_rows: usize,
}

/// The fewest rows a cluster may have for its k to be admissible: 30 or 1 % of the rows, whichever is more; below 600
/// rows 5 % of them instead of 30, but never fewer than 2.
fn smallest_allowed(rows: usize) -> u64 {
    (rows / 20).min(30).max(rows.div_ceil(100)).max(2) as u64
}

/// Tries k = 1 to `k_max` on `data` (rows × columns, finite) and picks one.
///
/// Admissible is a k of 2 or more whose smallest cluster is large enough (30 rows or 1 %, 5 % in a table below 600 rows, at
/// least 2), whose silhouette is above 0 and whose weakest cluster has a mean Jaccard similarity of at least 0.6 in resamples,
/// at least half of which could be clustered.
/// The highest silhouette wins; where others are within one standard error of it (of the difference, on the same rows), the
/// one of them whose weakest cluster is found again best, the smallest where that is equal or unknown. That k then has to
/// pass the [`guard`]. Without an admissible k, or where chance gives as much, the answer is k = 1, "no segment structure".
///
/// `clusterer` clusters the rows scanned, `light` (the same with fewer starts) the replicates; `features` are what
/// the guard makes rows without groups of. Rows are sampled from the seed where there are more than the
/// options say. `k_max` is cut to the number of distinct rows and to rows - 1.
///
/// Errors: those of the algorithm, and `InvalidParameter` for `k_max` below 1.
pub fn choose_k(
    data: ArrayView2<f64>,
    clusterer: &dyn Clusterer,
    light: &dyn Clusterer,
    features: &dyn Features,
    options: &ChooseOptions,
    control: &Control,
) -> Result<Choice> {
    if options.k_max < 1 {
        return Err(Error::invalid(format!("k_max = {} is below 1", options.k_max)));
    }
    let scan = Sample::of(data, options.scan_rows, options.seed, Purpose::Scan);
    let scanned = scan.rows(&data);
    let n = scanned.nrows();
    let limit = distinct_rows(scanned, options.k_max, control)?.min(n.saturating_sub(1)).max(1);
    let space = clusterer.space(scanned, control)?;
    let space = space.view();
    let compared = Sample::of(space, options.silhouette_rows, options.seed, Purpose::Silhouette);
    let replicated = Sample::of(scanned, options.replicate_rows, options.seed, Purpose::Replicates);
    let small = replicated.rows(&scanned);

    let mut rows = Vec::new();
    for k in 1..=limit {
        let fit = match answered(clusterer.fit(scanned, k, options.seed, control))? {
            Ok(fit) => fit,
            // A mixture may not find so many components in so few rows, or have too many numbers.
            Err(why) if k > 1 => {
                rows.push(KRow { passed_over: Some(why.message), ..KRow::of(k) });
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut row = KRow {
            criteria: criteria(space, &fit.labels, fit.shape.k(), control)?,
            bic: fit.bic(),
            smallest: sizes(&fit.labels, fit.shape.k()).0,
            ..KRow::of(k)
        };
        if k > 1 {
            control.phase(format!("k = {k}: silhouette"));
            let values = silhouettes(compared.rows(&space), &compared.labels(&fit.labels), fit.shape.k(), control)?;
            let (mean, sd) = mean_and_sd(&values).unwrap_or_default();
            row.silhouette = Some(mean);
            row.silhouette_error = Some(sd / (values.len() as f64).sqrt());
            row.values = values;
            if options.resamples > 0 {
                let labels = replicated.labels(&fit.labels);
                let bootstrap =
                    Bootstrap::run(small, &labels, fit.shape.k(), light, options.resamples, options.seed, control)?;
                row.weakest = bootstrap.weakest();
                let (found, asked) = bootstrap.resamples();
                if 2 * found < asked {
                    let why = format!("only {found} of {asked} resamples could be clustered");
                    row.passed_over = Some(why);
                }
            }
        }
        if options.splits > 0 {
            row.prediction_strength = prediction_strength(small, light, k, options.splits, options.seed, control)?;
        }
        rows.push(row);
    }
    // Nothing can be strewn evenly between names of categories.
    if options.references > 0 && clusterer.codes() == 0 {
        let mut within = Vec::with_capacity(limit);
        for k in rows.iter().filter(|row| row.criteria.within.is_some()).map(|row| row.k) {
            // Rows that all of them have in common may leave too few to a sample.
            let Ok(fit) = answered(light.fit(small, k, options.seed, control))? else { continue };
            within.extend(criteria(small, &fit.labels, fit.shape.k(), control)?.within.map(|w| (k, w)));
        }
        let found = gaps(small, light, &within, options.references, Reference::Rotated, options.seed, control)?;
        for (&(k, _), gap) in within.iter().zip(found) {
            rows[k - 1].gap = gap;
        }
    }

    let (mut k, mut reason) = rule(&mut rows, n, limit);
    let best = k;
    let tested = match k {
        1 => Guard::not_run("there is one segment"),
        _ if options.guard == 0 => Guard::not_run("it was not asked for"),
        k => {
            let originals = replicated.numbers(scan.numbers((0..data.nrows()).collect()));
            guard(data, &originals, features, light, k, options.guard, options.seed, control)?
        }
    };
    if tested.is_chance() {
        reason = format!("no segment structure: the best k would be {k}, but {}", tested.in_words());
        k = 1;
    } else if tested.p.is_some() {
        reason = format!("{reason}; {}", tested.in_words());
    }
    let used = |rows: usize| if limit > 1 { n.min(rows) } else { 0 };
    Ok(Choice {
        k,
        reason,
        tested: tested.p.map(|_| best),
        guard: tested,
        scan_rows: n,
        silhouette_rows: used(options.silhouette_rows),
        replicate_rows: used(options.replicate_rows),
        rows,
    })
}

impl KRow {
    /// A k of which nothing is known.
    fn of(k: usize) -> KRow {
        KRow {
            k,
            criteria: Criteria::default(),
            silhouette: None,
            silhouette_error: None,
            gap: None,
            bic: None,
            prediction_strength: None,
            weakest: None,
            smallest: 0,
            values: Vec::new(),
            passed_over: None,
        }
    }
}

fn rule(rows: &mut [KRow], n: usize, limit: usize) -> (usize, String) {
    let least = smallest_allowed(n);
    for row in rows.iter_mut().filter(|row| row.k > 1 && row.passed_over.is_none()) {
        row.passed_over = match (row.silhouette, row.weakest) {
            _ if row.smallest < least => Some(format!("a segment has {} rows, fewer than {least}", row.smallest)),
            (None, _) => Some("it has no silhouette".to_string()),
            (Some(s), _) if s <= 0.0 => Some(format!("its silhouette, {s:.3}, is not above 0")),
            (_, Some(j)) if j < STABLE => {
                Some(format!("a segment is not found again in resamples (Jaccard {j:.2}, below {STABLE})"))
            }
            _ => None,
        };
    }
    let admissible = || rows.iter().filter(|row| row.k > 1 && row.passed_over.is_none());
    let silhouette = |row: &KRow| row.silhouette.unwrap_or(f64::NEG_INFINITY);
    let highest = admissible().fold(None, |best: Option<&KRow>, row| match best {
        Some(best) if silhouette(best) >= silhouette(row) => Some(best),
        _ => Some(row),
    });
    let Some(highest) = highest else {
        let why = match limit {
            0 | 1 => "there is nothing to split: k_max, distinct rows or rows - 1 leave no k of 2 or more".to_string(),
            _ => {
                let first = rows.iter().find_map(|row| Some((row.k, row.passed_over.as_ref()?)));
                let first = first.map(|(k, why)| format!("; k = {k}: {why}")).unwrap_or_default();
                format!("no k from 2 to {limit} is admissible{first}")
            }
        };
        return (1, format!("no segment structure: {why}"));
    };
    let top = silhouette(highest);
    let tie: Vec<(&KRow, f64)> = admissible()
        .map(|row| (row, standard_error(&row.values, &highest.values)))
        .filter(|(row, error)| silhouette(row) >= top - error)
        .collect();
    let steadier = |row: &KRow, than: &KRow| row.weakest.zip(than.weakest).is_some_and(|(a, b)| a > b);
    let near = tie.iter().find(|(row, _)| !tie.iter().any(|(other, _)| steadier(other, row)));
    let (near, error) = near.copied().unwrap_or((highest, 0.0));
    let mut reason = format!("k = {}: highest silhouette, {:.3}, of the admissible k from 2 to {limit}", near.k, top);
    if near.k != highest.k {
        reason = format!(
            "k = {}: silhouette {:.3}, within one standard error ({error:.3}) of the highest, {top:.3} at k = {}, and {}",
            near.k,
            silhouette(near),
            highest.k,
            if steadier(near, highest) { "more stable segments" } else { "fewer segments" }
        );
    }
    if let Some(j) = near.weakest {
        reason = format!("{reason}; weakest segment's Jaccard similarity {j:.2}");
    }
    (near.k, reason)
}

/// Bootstrap standard error of the difference of two mean silhouettes of the same rows: in the limit of many resamples, the
/// standard deviation of the differences over the root of their number.
fn standard_error(a: &[f64], b: &[f64]) -> f64 {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    mean_and_sd(&differences).map_or(0.0, |(_, sd)| sd / (differences.len() as f64).sqrt())
}

/// Some rows of a matrix, or all of them.
struct Sample {
    chosen: Option<(Vec<usize>, Array2<f64>)>,
}

impl Sample {
    fn of(data: ArrayView2<f64>, size: usize, seed: u64, purpose: Purpose) -> Sample {
        let chosen = (data.nrows() > size).then(|| {
            let rows = sample_rows(data.nrows(), size, &mut stream(seed, purpose, 0));
            let data = data.select(Axis(0), &rows);
            (rows, data)
        });
        Sample { chosen }
    }

    fn rows<'a>(&'a self, all: &'a ArrayView2<f64>) -> ArrayView2<'a, f64> {
        self.chosen.as_ref().map_or_else(|| all.view(), |(_, data)| data.view())
    }

    /// What the rows of the sample are in `all`.
    fn numbers(&self, all: Vec<usize>) -> Vec<usize> {
        match &self.chosen {
            Some((rows, _)) => rows.iter().map(|&row| all[row]).collect(),
            None => all,
        }
    }

    fn labels(&self, all: &[u32]) -> Vec<u32> {
        match &self.chosen {
            Some((rows, _)) => rows.iter().map(|&row| all[row]).collect(),
            None => all.to_vec(),
        }
    }
}
