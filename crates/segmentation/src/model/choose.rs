//! The number of segments of a fit, and whether there are any.

use super::fit::{FitInput, FitOptions};
use crate::cluster::{self, Choice, ChooseOptions, Clusterer, Features, Guard, Settings};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::prepare::{Plan, Preparation};
use ndarray::{Array2, ArrayView2};
use std::collections::BTreeMap;

/// Starts in everything that is repeated: resamples, splits, references, sets without groups. There k-means also goes without
/// the moves that look for the last per cent of inertia: they cost more than the rest.
pub(super) const LIGHT: usize = 3;

/// Prepares `input` as a fit with `options` does and gives every criterion of `criteria` for k = 1 to `k_max`. Errors as in
/// [`super::fit`], and `InvalidParameter` for an algorithm that finds the number of segments itself.
pub fn choose_k(input: &FitInput, options: &FitOptions, criteria: &ChooseOptions, control: &Control) -> Result<Choice> {
    if !options.algorithm.supports().takes_k {
        return Err(Error::invalid(format!("algorithm \"{}\" finds k itself", options.algorithm.name()))
            .hint("use fit_segmentation: there is no k to choose"));
    }
    let mut plan = Plan::from_json(options.preparation.as_ref(), &input.specs)?;
    plan.seed = options.seed;
    let (preparation, data) = Preparation::fit(&plan, &input.specs, input.raw.view(), control)?;
    Prepared { preparation: &preparation, raw: input.raw.view(), data: data.view() }.choose(options, criteria, control)
}

/// The rows of a fit before and after their preparation.
pub(super) struct Prepared<'a> {
    pub preparation: &'a Preparation,
    pub raw: ArrayView2<'a, f64>,
    pub data: ArrayView2<'a, f64>,
}

impl Prepared<'_> {
    pub(super) fn choose(&self, options: &FitOptions, criteria: &ChooseOptions, control: &Control) -> Result<Choice> {
        // The moves of small tables would take longer than all else, for every k.
        let scan = Settings { moves: 0, ..options.settings.clone() };
        let (clusterer, light) = (self.clusterer(options, &scan)?, self.light(options)?);
        cluster::choose_k(self.data, &*clusterer, &*light, self, criteria, control)
    }

    /// The guard for a number of segments that was not chosen.
    pub(super) fn guard(&self, k: usize, options: &FitOptions, control: &Control) -> Result<Guard> {
        let given = ChooseOptions::rule(k, options.seed);
        let light = self.light(options)?;
        let rows = given.replicated(self.data.nrows());
        cluster::guard(self.data, &rows, self, &*light, k, given.guard, options.seed, control)
    }

    fn clusterer(&self, options: &FitOptions, settings: &Settings) -> Result<Box<dyn Clusterer>> {
        options.algorithm.clusterer(settings, self.preparation.codes())
    }

    fn light(&self, options: &FitOptions) -> Result<Box<dyn Clusterer>> {
        let n_init = options.settings.n_init.min(LIGHT);
        self.clusterer(options, &Settings { n_init, moves: 0, ..options.settings.clone() })
    }

    /// Raw columns that move together: those of a category, and features that one indicator speaks of. What binds them is
    /// not for the clustering to find.
    fn together(&self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (j, column) in self.preparation.columns().iter().enumerate().filter(|(_, column)| column.kept.is_some()) {
            let indicator = self.preparation.indicators().iter().position(|i| i.features.contains(&j));
            let key = match (&column.spec.block, indicator) {
                (Some(block), _) => format!("block {block}"),
                (None, Some(i)) => format!("indicator {i}"),
                (None, None) => format!("feature {j:06}"),
            };
            groups.entry(key).or_default().push(j);
        }
        groups.into_values().collect()
    }
}

impl Features for Prepared<'_> {
    /// The first column of each group stands for it.
    fn values(&self, rows: &[usize]) -> Array2<f64> {
        let groups = self.together();
        Array2::from_shape_fn((rows.len(), groups.len()), |(i, f)| self.raw[(rows[i], groups[f][0])])
    }

    fn mixed(&self, rows: &[usize], from: &[Vec<usize>]) -> Result<Array2<f64>> {
        let mut prepared = Array2::zeros((rows.len(), self.preparation.width()));
        let (groups, mut raw, mut out) = (self.together(), vec![f64::NAN; self.raw.ncols()], Vec::new());
        for (i, mut to) in prepared.rows_mut().into_iter().enumerate() {
            for (columns, from) in groups.iter().zip(from) {
                columns.iter().for_each(|&j| raw[j] = self.raw[(rows[from[i]], j)]);
            }
            self.preparation.apply(&raw, &mut out)?;
            to.iter_mut().zip(&out).for_each(|(to, x)| *to = *x);
        }
        Ok(prepared)
    }
}
