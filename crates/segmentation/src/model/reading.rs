//! What a coordinate of the scaled space says in the units the user knows, and how far a feature can be moved.

use super::describe::with_unit;
use crate::prepare::{Column, Kept, Of, Preparation, Step};

/// A value of a feature, an indicator or a category.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Not known, or undefined for the account
    Missing,
    /// In raw units; of an indicator 0 or 1, of a segment's the share of its accounts that have it
    Number(f64),
    /// The title of the feature that is 1
    Category(String),
    /// A category with a value that is none of the model's
    OtherCategory,
}

impl Reading {
    pub fn number(&self) -> Option<f64> {
        match self {
            Reading::Number(x) => Some(*x),
            _ => None,
        }
    }

    /// For people: three digits and the unit; None where it is missing.
    pub fn text(&self, name: &str, unit: &str) -> Option<String> {
        match self {
            Reading::Missing => None,
            Reading::Number(x) => Some(with_unit(*x, unit, name)),
            Reading::Category(value) => Some(value.clone()),
            Reading::OtherCategory => Some("another value".into()),
        }
    }
}

/// One feature, indicator or category: the coordinates of a scaled row that belong together.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub name: String,
    pub unit: String,
    pub kind: PartKind,
    /// Places in a scaled row
    pub coordinates: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum PartKind {
    /// Its place in a raw row
    Feature(usize),
    /// Its place in [`Preparation::indicators`]
    Indicator(usize),
    /// The places of its values in a raw row; whether they are one code
    Category { features: Vec<usize>, coded: bool },
}

/// Every part of a scaled row, in the order of their first coordinates.
pub(super) fn parts(p: &Preparation) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (i, c) in p.coordinates().into_iter().enumerate() {
        let kind = match c.of {
            Of::Indicator(at) => PartKind::Indicator(at),
            Of::Code(at) => PartKind::Category { features: p.categories()[at].features.clone(), coded: true },
            Of::Feature(at) => match &p.columns()[at].spec.block {
                None => PartKind::Feature(at),
                Some(block) => {
                    let known = parts.iter_mut().find(|part| {
                        part.name == *block && matches!(part.kind, PartKind::Category { coded: false, .. })
                    });
                    if let Some(part) = known {
                        part.coordinates.push(i);
                        if let PartKind::Category { features, .. } = &mut part.kind {
                            features.push(at);
                        }
                        continue;
                    }
                    let kind = PartKind::Category { features: vec![at], coded: false };
                    parts.push(Part { name: block.clone(), unit: String::new(), kind, coordinates: vec![i] });
                    continue;
                }
            },
        };
        parts.push(Part { name: c.name, unit: c.unit, kind, coordinates: vec![i] });
    }
    parts
}

/// The fitted figures of a feature that takes part.
pub(super) fn kept(columns: &[Column], feature: usize) -> Option<&Kept> {
    columns.get(feature)?.kept.as_ref()
}

/// The raw values between which a change makes a difference: the winsorising bounds within the domain of the transform.
pub(super) fn range(kept: &Kept) -> [f64; 2] {
    let [low, high] = kept.bounds.unwrap_or([f64::MIN, f64::MAX]);
    let (from, to) = kept.transform.domain();
    let low = low.max(from.max(f64::MIN));
    [low, high.min(to.min(f64::MAX)).max(low)]
}

/// Order of floating-point numbers as that of integers, there and back.
fn order(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The value nearest to `from`, on the way to `to`, that is prepared to `goal` or beyond it; None when `to` does not get there.
/// By halving: transforms never turn, but they may stand still or jump, where no formula leads back.
pub(super) fn reach(step: &Step, from: f64, to: f64, goal: f64) -> Option<f64> {
    let beyond = |x: f64| if to >= from { step.prepare(x) >= goal } else { step.prepare(x) <= goal };
    if beyond(from) {
        return Some(from);
    }
    if !beyond(to) {
        return None;
    }
    let (mut short, mut far) = (order(from.to_bits() as i64), order(to.to_bits() as i64));
    while short.abs_diff(far) > 1 {
        let middle = (short & far) + ((short ^ far) >> 1);
        if beyond(f64::from_bits(order(middle) as u64)) {
            far = middle;
        } else {
            short = middle;
        }
    }
    Some(f64::from_bits(order(far) as u64) + 0.0)
}

impl Part {
    /// What the raw row says.
    pub fn of_row(&self, p: &Preparation, raw: &[f64]) -> Reading {
        match &self.kind {
            PartKind::Feature(at) => match raw[*at] {
                x if x.is_finite() => Reading::Number(x),
                _ => Reading::Missing,
            },
            PartKind::Indicator(at) => {
                let has = p.indicators()[*at].features.iter().any(|&f| raw[f].is_finite());
                Reading::Number(f64::from(u8::from(has)))
            }
            PartKind::Category { features, .. } => match features.iter().find(|&&f| raw[f].is_finite() && raw[f] > 0.5)
            {
                Some(&f) => Reading::Category(p.columns()[f].spec.title().to_string()),
                None if features.iter().any(|&f| raw[f].is_finite()) => Reading::OtherCategory,
                None => Reading::Missing,
            },
        }
    }

    /// What the model took the row's value for, where it is not the value itself: the median, a winsorising bound, the most
    /// frequent category.
    pub fn used_for_row(&self, p: &Preparation, raw: &[f64]) -> Option<Reading> {
        match &self.kind {
            PartKind::Feature(at) => {
                let kept = kept(p.columns(), *at)?;
                let [low, high] = range(kept);
                match raw[*at] {
                    x if !x.is_finite() => Some(Reading::Number(kept.median)),
                    x if x < low || x > high => Some(Reading::Number(x.clamp(low, high))),
                    _ => None,
                }
            }
            PartKind::Indicator(_) => None,
            PartKind::Category { features, coded } => {
                if self.of_row(p, raw) != Reading::Missing {
                    return None;
                }
                if *coded {
                    let code = p.categories().iter().find(|c| c.features == *features)?.mode;
                    return Some(self.code(p, code));
                }
                let median = |f: &usize| kept(p.columns(), *f).is_some_and(|k| k.median > 0.5);
                Some(features.iter().position(median).map_or(Reading::OtherCategory, |code| self.code(p, code)))
            }
        }
    }

    fn code(&self, p: &Preparation, code: usize) -> Reading {
        let PartKind::Category { features, .. } = &self.kind else { return Reading::OtherCategory };
        match features.get(code) {
            Some(&f) => Reading::Category(p.columns()[f].spec.title().to_string()),
            None => Reading::OtherCategory,
        }
    }

    /// What a point of the scaled space stands for: the value nearest to it that there is; of a category the most frequent.
    pub fn of_point(&self, p: &Preparation, point: &[f64]) -> Reading {
        let x = point[self.coordinates[0]];
        match &self.kind {
            PartKind::Feature(at) => {
                let Some(kept) = kept(p.columns(), *at) else { return Reading::Missing };
                if let Some(raw) = p.raw_of(self.coordinates[0], x) {
                    return Reading::Number(raw);
                }
                let [low, high] = range(kept);
                Reading::Number(reach(&Step::new(*at, kept), low, high, x).unwrap_or(high))
            }
            PartKind::Indicator(at) => Reading::Number((x / p.indicators()[*at].weight).clamp(0.0, 1.0)),
            PartKind::Category { coded: true, .. } => self.code(p, x.max(0.0) as usize),
            PartKind::Category { features, coded: false } => {
                let share = |(&f, &at): (&usize, &usize)| {
                    kept(p.columns(), f).map_or(0.0, |kept| {
                        let step = Step::new(f, kept);
                        let (none, all) = (step.prepare(0.0), step.prepare(1.0));
                        if all > none {
                            (point[at] - none) / (all - none)
                        } else {
                            0.0
                        }
                    })
                };
                let shares: Vec<f64> = features.iter().zip(&self.coordinates).map(share).collect();
                let other = 1.0 - shares.iter().fold(0.0, |sum, s| sum + s);
                let best = (0..shares.len()).fold(0, |best, i| if shares[i] > shares[best] { i } else { best });
                self.code(p, if shares[best] >= other { best } else { features.len() })
            }
        }
    }
}
