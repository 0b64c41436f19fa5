//! Why a row is in its segment and not in another: what each feature contributes to the difference.

use super::reading::{parts, Reading};
use super::Model;
use crate::cluster::Terms;
use crate::error::{Error, Kind, Result};

/// A row between its segment and another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Places in `Model::segments`
    pub segment: usize,
    pub other: usize,
    /// What the contributions add up to: of k-means the squared distance to the other centroid minus that to the own, in
    /// the prepared space; of mixtures the logarithm of the odds
    pub lead: f64,
    /// What speaks for the segment whatever the row is, such as its size in a mixture; 0 of k-means
    pub constant: f64,
    /// One a feature, indicator or category that takes part, the largest contributions of either sign first
    pub features: Vec<Contribution>,
}

/// What one feature says.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    pub name: String,
    /// Unit of the values
    pub unit: String,
    pub value: Reading,
    /// What the model took the value for where it is missing or beyond a winsorising bound; None where it is the value
    pub used: Option<Reading>,
    /// What the centres of the two segments stand for in raw units; within the winsorising bounds
    pub typical: Reading,
    pub other_typical: Reading,
    /// Positive: it speaks for the segment. Of k-means (x - c₂)² - (x - c₁)² in the scaled space, of
    /// mixtures its part of the logarithm of the odds
    pub contribution: f64,
}

impl Model {
    /// Why a raw row (as in [`Model::assign`]) is in its segment rather than in `other` (a place in `Model::segments`), or in
    /// the runner-up without one. None where there is only one segment.
    ///
    /// Contributions and the constant sum to `lead` but for rounding, 1e-9 of the squared distance. Through principal
    /// components the centres are those of the components' span: what the components leave out of the row is the same for
    /// both and cancels. Whitened components weigh the directions of the scaled space; the contribution of a feature is then its
    /// share of that weighted difference.
    ///
    /// Errors: as [`Model::assign`]; `InvalidParameter` when `other` is no segment or the row's own; `Unsupported` when
    /// the algorithm's segments do not compare feature by feature.
    pub fn explain(&self, raw: &[f64], other: Option<usize>) -> Result<Option<Explanation>> {
        self.check_target(other)?;
        let mut x = Vec::with_capacity(2 * raw.len());
        self.preparation.apply(raw, &mut x)?;
        let scored = self.shape.score(&x);
        let Some(segment) = scored.index else {
            return Err(self.unsupported("the account belongs to no segment"));
        };
        let Some(other) = other.or(scored.second.map(|(index, _)| index)) else { return Ok(None) };
        if other == segment {
            return Err(Error::invalid(format!("the account is in segment {} already", self.segments[segment].id))
                .hint("compare with another segment, or leave it out to compare with the runner-up"));
        }
        let (Some(contest), Some(own), Some(rival)) =
            (self.shape.contest(segment, other), self.shape.centre(segment), self.shape.centre(other))
        else {
            return Err(self.unsupported("its segments do not compare feature by feature"));
        };
        let lead = contest.value(&x);
        let p = &self.preparation;
        let (own, rival) = (p.back(&own)?, p.back(&rival)?);
        let terms = match contest.terms {
            Terms::Linear { slope, .. } => Terms::Linear {
                slope: self.slopes(&slope),
                middle: own.iter().zip(&rival).map(|(a, b)| 0.5 * (a + b)).collect(),
            },
            Terms::Squares { .. } if p.pca().is_some() => {
                return Err(Error::new(
                    Kind::Unsupported,
                    format!(
                        "the segments of algorithm \"{}\" have widths of their own along principal components, which say \
                         nothing of features",
                        self.algorithm.name()
                    ),
                )
                .hint("fit it with preparation {\"pca\": null}, or with gmm_tied or kmeans"));
            }
            squares => squares,
        };
        p.scaled(raw, &mut x)?;
        let at = |i: usize| terms.at(i, x[i]);
        let mut features: Vec<Contribution> = parts(p)
            .into_iter()
            .map(|part| Contribution {
                value: part.of_row(p, raw),
                used: part.used_for_row(p, raw),
                typical: part.of_point(p, &own),
                other_typical: part.of_point(p, &rival),
                contribution: part.coordinates.iter().fold(0.0, |s, &i| s + at(i)),
                name: part.name,
                unit: part.unit,
            })
            .collect();
        features.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        Ok(Some(Explanation { segment, other, lead, constant: contest.constant, features }))
    }

    /// A direction of the prepared space, in which `x · slope` is measured, as one of the scaled space.
    pub(super) fn slopes(&self, slope: &[f64]) -> Vec<f64> {
        let p = &self.preparation;
        let Some(pca) = p.pca() else { return slope.to_vec() };
        let (components, codes) = slope.split_at(pca.components.len());
        let mut all = vec![0.0; pca.mean.len()];
        for (m, (s, loadings)) in components.iter().zip(&pca.components).enumerate() {
            let s = s / pca.deviation(m);
            all.iter_mut().zip(loadings).for_each(|(a, l)| *a += s * l);
        }
        all.extend_from_slice(codes);
        all
    }

    pub(super) fn check_target(&self, target: Option<usize>) -> Result<()> {
        match target {
            Some(t) if t >= self.k() => {
                Err(Error::invalid(format!("there is no segment at place {t}, the model has {}", self.k())))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn unsupported(&self, why: &str) -> Error {
        Error::new(
            Kind::Unsupported,
            format!("a model of algorithm \"{}\" cannot explain this: {why}", self.algorithm.name()),
        )
        .hint("segmentation.algorithms says which algorithms explain; k-means does")
    }
}
