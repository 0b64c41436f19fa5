//! The space between the features and the components: every coordinate is one feature, one indicator or one code, so a distance
//! in it can be taken apart. Explanations and counterfactuals are told here.

use super::stored::Preparation;
use crate::error::{Error, Result};

/// What a coordinate of a scaled row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The feature at this place of a raw row
    Feature(usize),
    /// [`Preparation::indicators`] at this place
    Indicator(usize),
    /// [`Preparation::categories`] at this place; the value is a code and not a length
    Code(usize),
}

/// One value of a row that [`Preparation::scaled`] answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate {
    pub of: Of,
    /// The name of the feature, indicator or category
    pub name: String,
    /// Unit of the raw value: empty for a pure number and for a category
    pub unit: String,
}

impl Preparation {
    /// What each value of a scaled row is: kept features in their order, then indicators, then codes.
    pub fn coordinates(&self) -> Vec<Coordinate> {
        let feature = |index: usize| {
            let spec = &self.stored.columns[index].spec;
            Coordinate { of: Of::Feature(index), name: spec.name.clone(), unit: spec.unit.clone() }
        };
        let indicator = |(i, name): (usize, &String)| Coordinate {
            of: Of::Indicator(i),
            name: name.clone(),
            unit: "0 or 1".into(),
        };
        let code =
            |(i, name): (usize, &String)| Coordinate { of: Of::Code(i), name: name.clone(), unit: String::new() };
        let features = self.steps.iter().map(|s| feature(s.index));
        let indicators = self.stored.indicators.iter().map(|i| &i.name).enumerate().map(indicator);
        features.chain(indicators).chain(self.stored.codes.iter().map(|c| &c.name).enumerate().map(code)).collect()
    }

    /// The point of the scaled space that is prepared to `centre` and lies in the span of the kept components (without PCA:
    /// `centre` itself). The distance of a scaled row to it is that of the prepared row to `centre`, plus what the components
    /// leave out, which is the same for every centre. Not so when whitened. Wrong length: kind `InvalidParameter`.
    pub fn back(&self, centre: &[f64]) -> Result<Vec<f64>> {
        if centre.len() != self.width() {
            return Err(Error::invalid(format!("expected {} values, got {}", self.width(), centre.len())));
        }
        let Some(pca) = &self.stored.pca else { return Ok(centre.to_vec()) };
        let (components, codes) = centre.split_at(pca.components.len());
        let mut scaled = pca.mean.clone();
        for (m, (y, loadings)) in components.iter().zip(&pca.components).enumerate() {
            let y = y * pca.deviation(m);
            scaled.iter_mut().zip(loadings).for_each(|(x, l)| *x += y * l);
        }
        scaled.extend_from_slice(codes);
        Ok(scaled)
    }

    /// The raw value that becomes `value` at place `coordinate` of a scaled row. None where none does: beyond the winsorising
    /// bounds or the range of the transform, between 0 and 1 for a value of a category, and for indicators and codes.
    pub fn raw_of(&self, coordinate: usize, value: f64) -> Option<f64> {
        let step = self.steps.get(coordinate)?;
        let raw = step.restore(value)?;
        if self.stored.columns[step.index].spec.block.is_none() {
            return Some(raw);
        }
        [0.0, 1.0].into_iter().find(|whole| (raw - whole).abs() <= 1e-9)
    }
}
