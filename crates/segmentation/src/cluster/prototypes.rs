//! Segments around prototypes: the mean of the numbers and the mode of the categories.

use super::mixed::cost;
use super::shape::{matrix, spread, Scored, LIMIT};
use crate::control::Control;
use crate::error::Result;
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

/// A row belongs to the prototype that costs least: the squared distance of the numbers, and `gamma` for each category
/// that is another (Huang 1998).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Prototypes {
    /// k × width; the last `codes` values are codes of categories
    pub centres: Array2<f64>,
    pub codes: usize,
    pub gamma: f64,
    /// Mean cost of the training rows: the scale of the probabilities
    pub tau2: f64,
    /// Root of the cost that 99 % of the training rows of a segment keep (type-7 quantile), one a segment
    pub reach: Vec<f64>,
}

/// The same as it is written to JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    centres: Vec<Vec<f64>>,
    codes: usize,
    gamma: f64,
    tau2: f64,
    reach: Vec<f64>,
}

impl From<Prototypes> for Stored {
    fn from(p: Prototypes) -> Self {
        let centres = p.centres.outer_iter().map(|r| r.to_vec()).collect();
        Stored { centres, codes: p.codes, gamma: p.gamma, tau2: p.tau2, reach: p.reach }
    }
}

impl TryFrom<Stored> for Prototypes {
    type Error = String;

    fn try_from(s: Stored) -> std::result::Result<Self, String> {
        let found =
            Prototypes { centres: matrix(s.centres)?, codes: s.codes, gamma: s.gamma, tau2: s.tau2, reach: s.reach };
        found.check().map(|()| found)
    }
}

impl Prototypes {
    /// Prototypes of which nothing is known yet but where they are.
    pub fn new(centres: Array2<f64>, codes: usize, gamma: f64) -> Self {
        let reach = vec![LIMIT; centres.nrows()];
        Prototypes { centres, codes, gamma, tau2: 0.0, reach }
    }

    fn costs(&self, x: &[f64]) -> Vec<f64> {
        self.centres.outer_iter().map(|c| cost(x, &c.to_vec(), self.codes, self.gamma)).collect()
    }

    pub(super) fn score(&self, x: &[f64]) -> Scored {
        let costs = self.costs(x);
        let least = |skip: Option<usize>| {
            let others = (0..costs.len()).filter(|&j| Some(j) != skip);
            others.fold(
                None,
                |best: Option<usize>, j| if best.is_none_or(|b| costs[j] < costs[b]) { Some(j) } else { best },
            )
        };
        let index = least(None);
        let distance2 = index.map_or(f64::INFINITY, |j| costs[j]);
        let distance = distance2.sqrt();
        let second = least(index).filter(|_| index.is_some()).map(|j| (j, costs[j].sqrt()));
        Scored {
            index,
            distance,
            distance2,
            second,
            margin: second.map(|(_, d)| if d > 0.0 { (d - distance) / d } else { 0.0 }),
            outlier: index.is_none_or(|j| distance > self.reach[j]),
        }
    }

    /// softmax(-cost / (2 τ²)); 1 for the nearest where τ² is 0.
    pub(super) fn probabilities(&self, x: &[f64]) -> Vec<f64> {
        let costs = self.costs(x);
        let index = (1..costs.len()).fold(0, |best, j| if costs[j] < costs[best] { j } else { best });
        let weight = |(j, d): (usize, &f64)| match self.tau2 > 0.0 {
            true => libm::exp((costs[index] - d) / (2.0 * self.tau2)),
            false => f64::from(u8::from(j == index)),
        };
        let weights: Vec<f64> = costs.iter().enumerate().map(weight).collect();
        let total = weights.iter().fold(0.0, |sum, w| sum + w);
        weights.into_iter().map(|w| w / total).collect()
    }

    pub(super) fn select(&self, order: &[usize]) -> Self {
        let reach = order.iter().map(|&j| self.reach[j]).collect();
        Prototypes { centres: self.centres.select(Axis(0), order), reach, ..self.clone() }
    }

    pub(super) fn measure(&mut self, data: ArrayView2<f64>, labels: &[u32], control: &Control) -> Result<()> {
        let centres: Vec<Vec<f64>> = self.centres.outer_iter().map(|c| c.to_vec()).collect();
        let (codes, gamma) = (self.codes, self.gamma);
        let squared = |x: ndarray::ArrayView1<f64>, j: usize| cost(&x.to_vec(), &centres[j], codes, gamma);
        (self.tau2, self.reach) = spread(data, labels, centres.len(), squared, control)?;
        Ok(())
    }

    pub(super) fn check(&self) -> std::result::Result<(), String> {
        if self.centres.ncols() == 0 || !self.centres.iter().all(|x| x.abs() <= LIMIT) {
            return Err("a prototype is out of range".into());
        }
        if self.codes > self.centres.ncols() {
            return Err("more categories than values".into());
        }
        let distance = |x: f64| (0.0..=f64::MAX).contains(&x);
        let known = self.reach.iter().chain([&self.tau2, &self.gamma]).all(|&x| distance(x));
        // Times the number of categories it must stay a number, or distances could not be compared.
        if self.reach.len() != self.centres.nrows() || !known || self.gamma > LIMIT {
            return Err("distances of a segment are out of range".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prototypes_that_yield_no_number_do_not_decode() {
        let read = |gamma: f64| {
            let stored = serde_json::json!({"centres": [[0.0, 0.0], [1.0, 1.0]], "codes": 2, "gamma": gamma, "tau2": 1.0,
                                            "reach": [0.0, 0.0]});
            serde_json::from_value::<Prototypes>(stored)
        };
        assert_eq!(read(0.5).unwrap().score(&[2.0, 2.0]).margin, Some(0.0));
        assert!(read(1e308).is_err());
    }
}
