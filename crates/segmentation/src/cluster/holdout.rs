//! Out of sample: does a clustering hold for rows it has not seen?

use super::agreement::adjusted_rand_index;
use super::algorithm::{Clusterer, NOISE};
use super::draw::{replicates, shuffled, stream, Purpose};
use super::guard::of_known;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::{ArrayView2, Axis};
use rand_chacha::rand_core::RngCore;

/// Above the first the inertia ratio is a warning, above the second the clustering fails.
const RATIO: [f64; 2] = [1.25, 1.5];
/// A silhouette that falls by more is a warning.
const DROP: f64 = 0.05;
/// Labels that agree less with those of a refit are a warning.
const AGREEMENT: f64 = 0.6;

/// What a figure out of sample means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Pass,
    Warn,
    Fail,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        }
    }
}

/// Means over the folds; None where no fold could tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HoldOut {
    /// Mean squared distance to the centres of the rows left out / of the rows fitted on
    pub inertia_ratio: Option<f64>,
    /// Silhouette of the rows fitted on - of the rows left out, both labelled by the fit
    pub silhouette_drop: Option<f64>,
    /// Adjusted Rand index of the labels that the fit gives the rows left out and those of a fit on them
    pub agreement: Option<f64>,
    /// Folds that could be clustered, of those asked for
    pub folds: (usize, usize),
}

impl HoldOut {
    /// The worst of the three: the ratio above 1.25 warns and above 1.5 fails, the drop above 0.05 and the agreement below 0.6
    /// warn. None where nothing could be told.
    pub fn verdict(&self) -> Option<Verdict> {
        let warn = |bad: bool| if bad { Verdict::Warn } else { Verdict::Pass };
        let ratio = self.inertia_ratio.map(|x| if x > RATIO[1] { Verdict::Fail } else { warn(x > RATIO[0]) });
        let drop = self.silhouette_drop.map(|x| warn(x > DROP));
        let agreement = self.agreement.map(|x| warn(x < AGREEMENT));
        [ratio, drop, agreement].into_iter().flatten().max()
    }
}

/// Cuts the rows of `data` at random into `folds` parts of (nearly) the same size, leaves out each in turn, clusters the
/// others into `k` and looks at the part left out. Two folds are split halves. Compares all pairs of rows: for some
/// thousands of them. Errors: `InvalidParameter` for fewer than two folds, or more than rows.
pub fn hold_out(
    data: ArrayView2<f64>,
    clusterer: &dyn Clusterer,
    k: usize,
    folds: usize,
    seed: u64,
    control: &Control,
) -> Result<HoldOut> {
    let n = data.nrows();
    if folds < 2 || folds > n {
        return Err(Error::invalid(format!("folds must be between 2 and the {n} rows, got {folds}")));
    }
    let order = shuffled(n, &mut stream(seed, Purpose::Folds, usize::MAX >> 16));
    let found = replicates(folds, control, "out of sample", |fold| {
        let seed = stream(seed, Purpose::Folds, fold).next_u64();
        let (from, to) = (fold * n / folds, (fold + 1) * n / folds);
        let part = |rows: &mut Vec<usize>| {
            rows.sort_unstable();
            data.select(Axis(0), rows)
        };
        let test = part(&mut order[from..to].to_vec());
        let train = part(&mut [&order[..from], &order[to..]].concat());
        let of = |rows: ArrayView2<f64>| match clusterer.for_sample(rows.nrows(), n) {
            Some(clusterer) => clusterer.fit(rows, k, seed, control),
            None => clusterer.fit(rows, k, seed, control),
        };
        let (fit, refit) = (of(train.view())?, of(test.view())?);
        // Both sides are labelled by the function that scores, so that they can be compared.
        let told = |rows: ArrayView2<f64>| {
            let (mut labels, mut sum, mut known) = (Vec::with_capacity(rows.nrows()), 0.0, 0usize);
            for row in rows.rows() {
                let scored = fit.shape.score(&row.to_vec());
                labels.push(scored.index.map_or(NOISE, |index| index as u32));
                if scored.index.is_some() {
                    sum += scored.distance2;
                    known += 1;
                }
            }
            (labels, (known > 0).then(|| sum / known as f64))
        };
        let (inside, outside) = (told(train.view()), told(test.view()));
        let ratio = inside.1.filter(|&own| own > 0.0).zip(outside.1).map(|(own, other)| other / own);
        let silhouette = |rows: ArrayView2<f64>, labels: &[u32]| {
            of_known(clusterer.space(rows, control)?.view(), labels, fit.shape.k(), control)
        };
        let drop = silhouette(train.view(), &inside.0)?.zip(silhouette(test.view(), &outside.0)?).map(|(a, b)| a - b);
        Ok((ratio, drop, adjusted_rand_index(&outside.0, &refit.labels)))
    })?;
    let known: Vec<_> = found.into_iter().flatten().collect();
    let mean = |values: Vec<f64>| {
        let n = values.len() as f64;
        (!values.is_empty()).then(|| values.into_iter().fold(0.0, |s, x| s + x) / n)
    };
    Ok(HoldOut {
        inertia_ratio: mean(known.iter().filter_map(|fold| fold.0).collect()),
        silhouette_drop: mean(known.iter().filter_map(|fold| fold.1).collect()),
        agreement: mean(known.iter().map(|fold| fold.2).collect()),
        folds: (known.len(), folds),
    })
}
