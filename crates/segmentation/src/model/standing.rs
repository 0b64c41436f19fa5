//! Whether an account gets a segment, and what is lacking where it does not.

use super::{Assignment, Model, MAX_IMPUTED};
use crate::error::Result;
use crate::prepare::Of;
use crate::profile::features::{index_of, FEATURES};

/// What a model says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has a segment
    Assigned,
    /// It has fewer trades than the model asks for
    New { trades_needed: u64 },
    /// More of its features are not known than the model puts up with
    Insufficient { missing: usize, allowed: usize },
    /// It belongs to no segment
    Noise,
}

/// A feature that is not known of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    pub feature: String,
    /// Fewest observations the catalogue tells it for, such as "10 gaps"; empty where that is not what is lacking
    pub at_least: &'static str,
}

impl Assignment {
    /// Features that may be missing before the segment says too little: 40 % of those that take part.
    pub fn allowed(&self) -> usize {
        (MAX_IMPUTED * self.used as f64) as usize
    }
}

impl Model {
    /// What becomes of an account with this assignment and so many trades in the look-back; None where nobody counts them, and
    /// then no account is new.
    pub fn standing(&self, assignment: &Assignment, trades: Option<u64>) -> Standing {
        let least = self.provenance.parameters.min_trades;
        match trades {
            Some(trades) if trades < least => Standing::New { trades_needed: least - trades },
            _ if assignment.insufficient => {
                Standing::Insufficient { missing: assignment.imputed, allowed: assignment.allowed() }
            }
            _ if assignment.index.is_none() => Standing::Noise,
            _ => Standing::Assigned,
        }
    }

    /// The features that are not known of a raw row, in their order; one that the account cannot have does not count, a
    /// category is one. Errors: as [`Model::assign`].
    pub fn lacks(&self, raw: &[f64]) -> Result<Vec<Lack>> {
        let p = &self.preparation;
        let mut x = Vec::new();
        p.scaled(raw, &mut x)?;
        let mut all: Vec<Lack> = Vec::new();
        for coordinate in p.coordinates() {
            let features = match coordinate.of {
                Of::Feature(at) => vec![at],
                Of::Code(at) => p.categories()[at].features.clone(),
                Of::Indicator(_) => continue,
            };
            let structural = features.iter().any(|f| {
                let of = |i: &&crate::prepare::Indicator| i.features.contains(f);
                p.indicators().iter().find(of).is_some_and(|i| i.features.iter().all(|&f| !raw[f].is_finite()))
            });
            if structural || features.iter().any(|&f| raw[f].is_finite()) {
                continue;
            }
            let spec = &p.columns()[features[0]].spec;
            let feature = spec.block.clone().unwrap_or_else(|| spec.name.clone());
            if !all.iter().any(|known| known.feature == feature) {
                let at_least = index_of(&feature).map_or("", |i| FEATURES[i].at_least);
                all.push(Lack { feature, at_least });
            }
        }
        Ok(all)
    }

    /// The fewest further trades with which a row that has `trades` of them may become known well enough, going by the
    /// trades its missing features need. None where it is known well enough, and where too few of them wait for trades: one that
    /// has as many as it needs lacks something else, and days do not come with trades. Errors: as [`Model::assign`].
    pub fn trades_for_enough(&self, raw: &[f64], trades: u64) -> Result<Option<u64>> {
        let assignment = self.assign(raw)?;
        if !assignment.insufficient {
            return Ok(None);
        }
        let needed = assignment.imputed - assignment.allowed();
        let waiting = |lack: &Lack| trades_for(lack.at_least).filter(|&all| all > trades);
        let mut least: Vec<u64> = self.lacks(raw)?.iter().filter_map(waiting).collect();
        least.sort_unstable();
        Ok(least.get(needed - 1).map(|all| all - trades))
    }
}

/// The fewest trades that can make so many observations: a gap lies between two. None where they are made of something else.
fn trades_for(at_least: &str) -> Option<u64> {
    let (number, what) = at_least.split_once(' ')?;
    let n: u64 = number.parse().ok()?;
    match what {
        "gaps" => Some(n + 1),
        "trades" | "priced trades" => Some(n),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Control;
    use crate::model::{fit, FitInput, FitOptions};
    use crate::prepare::FeatureSpec;
    use ndarray::Array2;

    fn model(names: &[&str]) -> Model {
        let spec = |name: &&str| FeatureSpec { name: name.to_string(), group: "own".into(), ..FeatureSpec::default() };
        let raw =
            Array2::from_shape_fn((40, names.len()), |(i, j)| (i % 2 * 10) as f64 + ((i * (j + 1)) % 17) as f64 * 0.1);
        let input = FitInput { specs: names.iter().map(spec).collect(), raw, volume: None };
        fit(input, &FitOptions { k: Some(2), ..FitOptions::default() }, &Control::new()).unwrap().model
    }

    #[test]
    fn new_before_insufficient_before_assigned() {
        let mut m = model(&["volume_usd", "burstiness", "memory", "maker_ratio", "fee_bps"]);
        let nan = f64::NAN;
        let known = m.assign(&[1.0; 5]).unwrap();
        assert_eq!((known.used, known.allowed()), (5, 2));
        assert_eq!(m.standing(&known, Some(0)), Standing::Assigned);
        let some = m.assign(&[1.0, nan, nan, 1.0, 1.0]).unwrap();
        assert_eq!(m.standing(&some, None), Standing::Assigned);
        let few = m.assign(&[1.0, nan, nan, nan, 1.0]).unwrap();
        assert_eq!(m.standing(&few, Some(3)), Standing::Insufficient { missing: 3, allowed: 2 });
        m.provenance.parameters.min_trades = 5;
        assert_eq!(m.standing(&few, Some(3)), Standing::New { trades_needed: 2 });
        assert_eq!(m.standing(&known, Some(5)), Standing::Assigned);
        assert_eq!(m.standing(&few, None), Standing::Insufficient { missing: 3, allowed: 2 });
        let noise = Assignment { index: None, segment_id: None, ..known };
        assert_eq!(m.standing(&noise, Some(9)), Standing::Noise);
    }

    #[test]
    fn what_is_lacking() {
        let names = ["volume_usd", "burstiness", "memory", "maker_ratio", "sharpe"];
        let m = model(&names);
        let nan = f64::NAN;
        let row = [1.0, nan, nan, nan, nan];
        let lacks = m.lacks(&row).unwrap();
        let found: Vec<(&str, &str)> = lacks.iter().map(|l| (l.feature.as_str(), l.at_least)).collect();
        let at_least = |name: &str| FEATURES[index_of(name).unwrap()].at_least;
        assert_eq!(found, names[1..].iter().map(|n| (*n, at_least(n))).collect::<Vec<_>>());
        assert_eq!((at_least("burstiness"), at_least("sharpe")), ("10 gaps", "30 daily returns"));
        // Two of four have to become known: burstiness and memory can, with 11 trades.
        assert_eq!(m.trades_for_enough(&row, 4).unwrap(), Some(7));
        assert_eq!(m.trades_for_enough(&row, 11).unwrap(), None);
        assert_eq!(m.trades_for_enough(&[1.0; 5], 1).unwrap(), None);
        // Days do not come with trades, and who has the trades lacks something else: here the trades come with a day too few.
        let days = ["volume_trend", "entropy_of_sizes", "trades", "volume_usd", "memory"];
        let m = model(&days);
        assert_eq!(m.lacks(&[nan, nan, 1.0, 1.0, nan]).unwrap()[0].at_least, "14 days");
        assert_eq!(m.trades_for_enough(&[nan, nan, 1.0, 1.0, nan], 3).unwrap(), Some(8));
        assert_eq!(m.trades_for_enough(&[nan, nan, 1.0, 1.0, nan], 20).unwrap(), None);
        // Two have to become known, and trades help but one of them: a small need that is met does not stand for another.
        assert_eq!(m.trades_for_enough(&[nan, nan, 1.0, nan, nan], 3).unwrap(), None);
        // Here only returns are lacking, and the maker share; no number of trades helps.
        let m = model(&["volume_usd", "maker_ratio", "sharpe", "sortino", "volatility"]);
        assert_eq!(m.trades_for_enough(&row, 1).unwrap(), None);
    }
}
