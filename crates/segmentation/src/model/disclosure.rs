//! What a model tells of fewer accounts than a stated number: the figures behind which somebody stands.

use super::{FeatureProfile, Model};
use crate::cluster::{Algorithm, Shape};
use crate::prepare::{Column, Kept, Spread};

/// Share of the training rows of a segment that lie beyond its reach.
const BEYOND: f64 = 0.01;

/// Parts of a model that rest on fewer than `least` accounts. Means, quartiles and counts of at least so many are no such part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disclosure {
    pub least: u64,
    /// Places of the segments with fewer accounts
    pub small: Vec<usize>,
    /// Training accounts of no segment, where there are some and fewer: all accounts minus the segments
    pub noise: Option<u64>,
    /// Those of `small`, and as many of the next larger ones as it takes that neither they nor the noise can be found by
    /// subtraction from the figures of all accounts
    pub hidden: Vec<usize>,
    /// The shape is made of rows of accounts
    pub rows: bool,
    /// The reach of a segment is the distance of an account that fewer lie beyond; with a single feature that is its value
    pub reach: bool,
    /// The centres are not those of all accounts of their segments: what is told of either differs by the trimmed ones
    pub trimmed: bool,
    /// Places of the features that are scaled by rank: their quantiles are values of accounts, the lowest and the highest too
    pub ranks: Vec<usize>,
    /// Places of the features with a winsorising bound that fewer accounts lie at or beyond
    pub bounds: Vec<usize>,
    /// Places of the features that fewer accounts of a segment, of what is left of all accounts, or of all have a value of
    pub few: Vec<usize>,
    /// Places of the features of which most accounts of a segment, or of all, have the same value: how many have another one
    /// is not known
    pub points: Vec<usize>,
    /// Places of the values of a category that fewer accounts of all or of a segment have
    pub rare: Vec<usize>,
    /// The rules have a leaf of fewer accounts, or do not know
    pub rules: bool,
}

impl Disclosure {
    pub fn is_empty(&self) -> bool {
        let features = [&self.ranks, &self.bounds, &self.few, &self.points, &self.rare];
        let whole = self.rows || self.reach || self.trimmed || self.rules || self.noise.is_some();
        self.hidden.is_empty() && features.iter().all(|places| places.is_empty()) && !whole
    }

    /// What it is, for people, the gravest first.
    pub fn reasons(&self, model: &Model) -> Vec<String> {
        let columns = model.preparation.columns();
        let names = |places: &[usize]| {
            let names: Vec<String> = places.iter().take(3).map(|&i| format!("\"{}\"", columns[i].spec.name)).collect();
            let more = if places.len() > 3 { format!(" and {} more", places.len() - 3) } else { String::new() };
            format!("{}{more}", names.join(", "))
        };
        let mut all: Vec<String> = Vec::new();
        for segment in self.small.iter().map(|&i| &model.segments[i]) {
            all.push(format!("segment {} has {} accounts", segment.id, segment.accounts));
        }
        if let Some(noise) = self.noise {
            all.push(format!("{noise} accounts are in no segment"));
        }
        if self.rows {
            all.push(format!("{} keeps the rows of accounts", model.algorithm.name()));
        }
        if !self.few.is_empty() {
            all.push(format!("fewer accounts of a group have a value of {}", names(&self.few)));
        }
        if !self.rare.is_empty() {
            all.push(format!("fewer accounts have {}", names(&self.rare)));
        }
        if !self.ranks.is_empty() {
            all.push(format!("the ranks of {} are told by values of accounts", names(&self.ranks)));
        }
        if !self.bounds.is_empty() {
            all.push(format!("fewer accounts lie beyond the winsorising bounds of {}", names(&self.bounds)));
        }
        if !self.points.is_empty() {
            all.push(format!(
                "most accounts of a group have one value of {}, and few may have another",
                names(&self.points)
            ));
        }
        if self.reach {
            all.push("fewer accounts lie beyond the reach of a segment".into());
        }
        if self.trimmed {
            all.push("the centres leave single accounts out".into());
        }
        if self.rules {
            all.push("a rule is about fewer accounts".into());
        }
        all
    }
}

impl Model {
    /// What the model tells of fewer than `least` accounts; nothing where `least` is 0 or 1.
    pub fn disclosure(&self, least: u64) -> Disclosure {
        if least <= 1 {
            return Disclosure::default();
        }
        let columns = self.preparation.columns();
        let kept = |f: &dyn Fn(usize, &Column, &Kept) -> bool| -> Vec<usize> {
            let personal = |&i: &usize| columns[i].kept.as_ref().is_some_and(|kept| f(i, &columns[i], kept));
            (0..columns.len()).filter(personal).collect()
        };
        let few_of = |n: u64| n > 0 && n < least;
        let small: Vec<usize> = (0..self.k()).filter(|&i| self.segments[i].accounts < least).collect();
        let noise = Some(self.quality.noise).filter(|&n| few_of(n));
        let hidden = self.hidden(&small, noise, least);
        let visible: Vec<usize> = (0..self.k()).filter(|i| !hidden.contains(i)).collect();
        let few = (0..columns.len())
            .filter(|&i| {
                let n = |profile: &[FeatureProfile]| profile.get(i).map_or(0, |p| p.n);
                let all = n(&self.overall);
                let told: u64 = visible.iter().map(|&s| n(&self.segments[s].profile)).sum();
                few_of(all)
                    || few_of(all.saturating_sub(told))
                    || visible.iter().any(|&s| few_of(n(&self.segments[s].profile)))
            })
            .collect();
        let rare = (0..columns.len())
            .filter(|&i| columns[i].spec.block.is_some())
            .filter(|&i| {
                let have = |p: &FeatureProfile| p.mean.map_or(0, |mean| (mean * p.n as f64).round() as u64);
                few_of(have(&self.overall[i])) || visible.iter().any(|&s| few_of(have(&self.segments[s].profile[i])))
            })
            .collect();
        // The values of a category are 0 and 1, and counted above.
        let points = (0..columns.len())
            .filter(|&i| columns[i].spec.block.is_none() && columns[i].kept.is_some())
            .filter(|&i| {
                let told = visible.iter().map(|&s| &self.segments[s].profile[i]);
                told.chain([&self.overall[i]]).any(|p| p.is_point() && p.mean != p.median)
            })
            .collect();
        let rows_of = |c: &Column| self.preparation.rows().saturating_sub(c.missing + c.infinite);
        Disclosure {
            least,
            noise,
            hidden,
            rows: matches!(self.shape, Shape::Density(_)),
            reach: self.segments.iter().any(|s| BEYOND * (s.accounts as f64) < least as f64),
            trimmed: self.algorithm == Algorithm::TrimmedKmeans,
            points,
            ranks: kept(&|_, _, kept| kept.spread == Spread::Rank),
            bounds: kept(&|i, column, kept| {
                let n = rows_of(column);
                kept.bounds.filter(|_| kept.spread != Spread::Rank).is_some_and(|[low, high]| {
                    let all = &self.overall[i];
                    let [below, above] = beyond(n, self.preparation.winsorise());
                    // A bound that is also a quartile is shared by a quarter of all.
                    let shared = |quartile: Option<f64>, bound: f64| quartile == Some(bound) && n / 4 >= least;
                    (below < least && !shared(all.q25, low)) || (above < least && !shared(all.q75, high))
                })
            }),
            few,
            rare,
            rules: self.rules.as_ref().is_some_and(|rules| rules.smallest < least),
            small,
        }
    }

    /// The segments to hide so that none of the `small` ones, nor the noise, can be found by subtraction: groups of two at least,
    /// that have `least` accounts together. The smallest of the others come first.
    fn hidden(&self, small: &[usize], noise: Option<u64>, least: u64) -> Vec<usize> {
        let mut hidden = small.to_vec();
        if hidden.is_empty() && noise.is_none() {
            return hidden;
        }
        let mut others: Vec<usize> = (0..self.k()).filter(|i| !hidden.contains(i)).collect();
        others.sort_by_key(|&i| (self.segments[i].accounts, i));
        // Noise is told by no figure of its own, whatever its size.
        let apart = self.quality.noise;
        for next in others {
            let together: u64 = hidden.iter().map(|&i| self.segments[i].accounts).sum::<u64>() + apart;
            if hidden.len() + usize::from(apart > 0) >= 2 && together >= least {
                break;
            }
            hidden.push(next);
        }
        hidden.sort_unstable();
        hidden
    }
}

/// Of `n` values, how many lie at or beyond the ranks next to the winsorising quantiles (type 7).
fn beyond(n: u64, winsorise: Option<[f64; 2]>) -> [u64; 2] {
    let Some([low, high]) = winsorise.filter(|_| n > 0) else { return [0, 0] };
    let rank = |q: f64| q * (n - 1) as f64;
    [rank(low).floor() as u64 + 1, n - (rank(high).ceil() as u64).min(n)]
}

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn ranks_beyond_a_quantile() {
        // numpy.quantile(range(601), [0.005, 0.995]) is 3 and 597: four values at or beyond either.
        assert_eq!(beyond(601, Some([0.005, 0.995])), [4, 4]);
        // numpy.quantile(range(600), [0.005, 0.995]) is 2.995 and 596.005.
        assert_eq!(beyond(600, Some([0.005, 0.995])), [3, 3]);
        assert_eq!(beyond(600, Some([0.0, 1.0])), [1, 1]);
        assert_eq!(beyond(0, Some([0.0, 1.0])), [0, 0]);
        assert_eq!(beyond(10, None), [0, 0]);
    }
}
