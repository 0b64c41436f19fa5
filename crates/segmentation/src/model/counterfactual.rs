//! What would put a row into another segment: for each feature the smallest change of it alone.

use super::reading::{kept, parts, range, reach, Part, PartKind, Reading};
use super::Model;
use crate::cluster::{first_loss, first_win};
use crate::error::{Error, Result};
use crate::prepare::Step;

/// Attempts at getting past the border by a growing step: rounding may leave a row on this side of it.
const NUDGES: i32 = 40;

/// One feature and what it would have to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterfactual {
    pub name: String,
    pub unit: String,
    pub value: Reading,
    /// None: no value of this feature alone is enough
    pub change: Option<Move>,
}

/// A change that was tried out: the row with it is in `segment`.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    pub to: Reading,
    /// Place in `Model::segments`
    pub segment: usize,
    /// Its length in the scaled space; another value of a coded category counts as 1
    pub size: f64,
    /// The same as places and values of a raw row
    pub sets: Vec<(usize, f64)>,
}

impl Move {
    /// The row after the change.
    pub fn apply(&self, raw: &[f64]) -> Vec<f64> {
        let mut changed = raw.to_vec();
        self.sets.iter().for_each(|&(at, x)| changed[at] = x);
        changed
    }
}

/// What is asked of a change.
#[derive(Clone, Copy)]
enum Goal {
    /// Out of this segment
    Leave(usize),
    /// Into this one
    Reach(usize),
}

impl Goal {
    fn is_met(self, index: Option<usize>) -> bool {
        match self {
            Goal::Leave(from) => index.is_some_and(|i| i != from),
            Goal::Reach(to) => index == Some(to),
        }
    }
}

impl Model {
    /// For each feature and category that takes part the smallest change that puts a raw row (as in [`Model::assign`]) into
    /// another segment, or into the one at place `target`; all else stays as it is. Smallest first, then those that
    /// cannot do it alone. Values stay within the winsorising bounds, beyond which nothing changes any more, and
    /// where there are none within the domain of the transform. A missing value may become known: the change starts at what
    /// stands in for it.
    ///
    /// Along one feature the border between two segments is a root of a polynomial, so the nearest is found against all of them
    /// at once; every change is then applied and scored, and given only if the row is where it should be.
    ///
    /// Errors: as [`Model::assign`]; `InvalidParameter` when `target` is no segment or the row's own; `Unsupported` when the
    /// algorithm's segments do not compare feature by feature.
    pub fn counterfactual(&self, raw: &[f64], target: Option<usize>) -> Result<Vec<Counterfactual>> {
        self.check_target(target)?;
        let now = self.assign(raw)?.index;
        let goal = match (target, now) {
            (Some(t), now) if now == Some(t) => {
                return Err(Error::invalid(format!("the account is in segment {} already", self.segments[t].id))
                    .hint("name another segment, or none for the nearest way out"));
            }
            (Some(t), _) => Goal::Reach(t),
            (None, Some(now)) => Goal::Leave(now),
            (None, None) => return Err(self.unsupported("the account belongs to no segment")),
        };
        let p = &self.preparation;
        let mut all = Vec::new();
        for part in parts(p) {
            let change = match &part.kind {
                PartKind::Feature(feature) => self.move_feature(raw, *feature, part.coordinates[0], goal)?,
                PartKind::Category { features, .. } => self.move_category(raw, features, &part, goal)?,
                PartKind::Indicator(_) => continue,
            };
            all.push(Counterfactual { value: part.of_row(p, raw), name: part.name, unit: part.unit, change });
        }
        all.sort_by(|a, b| {
            let size = |c: &Counterfactual| c.change.as_ref().map_or(f64::INFINITY, |c| c.size);
            size(a).total_cmp(&size(b))
        });
        Ok(all)
    }

    /// The change as tried out; None when it does not do it.
    fn tried(&self, raw: &[f64], sets: Vec<(usize, f64)>, to: Reading, goal: Goal) -> Result<Option<Move>> {
        let mut change = Move { to, segment: 0, size: 0.0, sets };
        let changed = change.apply(raw);
        let index = self.assign(&changed)?.index;
        let (Some(segment), true) = (index, goal.is_met(index)) else { return Ok(None) };
        change.segment = segment;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        self.preparation.scaled(raw, &mut before)?;
        self.preparation.scaled(&changed, &mut after)?;
        let coordinates = before.len() - self.preparation.codes();
        let far = before.iter().zip(&after).enumerate().fold(0.0, |sum, (i, (a, b))| match i < coordinates {
            true => sum + (a - b) * (a - b),
            false => sum + f64::from(u8::from(a != b)),
        });
        change.size = far.sqrt();
        Ok(Some(change))
    }

    fn move_feature(&self, raw: &[f64], feature: usize, coordinate: usize, goal: Goal) -> Result<Option<Move>> {
        let p = &self.preparation;
        let Some(kept) = kept(p.columns(), feature) else { return Ok(None) };
        let step = Step::new(feature, kept);
        let [low, high] = range(kept);
        let known = raw[feature].is_finite();
        let start = if known { raw[feature] } else { kept.median }.clamp(low, high);
        let set = |x: f64| self.tried(raw, vec![(feature, x)], Reading::Number(x), goal);
        if !known {
            // That it is known at all may be enough, where an indicator says so.
            if let Some(change) = set(start)? {
                return Ok(Some(change));
            }
        }
        let mut from = raw.to_vec();
        from[feature] = start;
        let mut x = Vec::new();
        p.apply(&from, &mut x)?;
        let way = self.way(coordinate);
        let Some(scores) = self.shape.along(&x, &way) else {
            return Err(self.unsupported("its segments do not compare feature by feature"));
        };
        let at = step.prepare(start);
        let mut best: Option<Move> = None;
        for (end, sign) in [(high, 1.0), (low, -1.0)] {
            let scores: Vec<[f64; 3]> = scores.iter().map(|&[a, b, c]| [a, b * sign, c]).collect();
            let border = match goal {
                Goal::Leave(segment) => first_loss(&scores, segment),
                Goal::Reach(segment) => first_win(&scores, segment),
            };
            let Some(border) = border else { continue };
            if best.as_ref().is_some_and(|b| b.size <= border) {
                continue;
            }
            let unit = f64::EPSILON * (at.abs() + border).max(f64::MIN_POSITIVE);
            let goals = (-1..NUDGES).map(|i| if i < 0 { 0.0 } else { libm::ldexp(unit, i) });
            for nudge in goals {
                let Some(x) = reach(&step, start, end, at + sign * (border + nudge)) else { break };
                if let Some(change) = set(x)? {
                    if best.as_ref().is_none_or(|b| change.size < b.size) {
                        best = Some(change);
                    }
                    break;
                }
            }
        }
        Ok(best)
    }

    /// How a prepared row moves when a coordinate of the scaled one grows by 1.
    fn way(&self, coordinate: usize) -> Vec<f64> {
        let mut way = vec![0.0; self.preparation.width()];
        match self.preparation.pca() {
            None => way[coordinate] = 1.0,
            Some(pca) => {
                for (m, (w, loadings)) in way.iter_mut().zip(&pca.components).enumerate() {
                    *w = loadings[coordinate] / pca.deviation(m);
                }
            }
        }
        way
    }

    fn move_category(&self, raw: &[f64], features: &[usize], part: &Part, goal: Goal) -> Result<Option<Move>> {
        let mut best: Option<Move> = None;
        // Each value, and at last one that is none of them.
        for value in 0..=features.len() {
            let sets: Vec<(usize, f64)> =
                features.iter().enumerate().map(|(i, &f)| (f, f64::from(u8::from(i == value)))).collect();
            let mut changed = raw.to_vec();
            sets.iter().for_each(|&(at, x)| changed[at] = x);
            let to = part.of_row(&self.preparation, &changed);
            if let Some(change) = self.tried(raw, sets, to, goal)? {
                if best.as_ref().is_none_or(|b| change.size < b.size) {
                    best = Some(change);
                }
            }
        }
        Ok(best)
    }
}
