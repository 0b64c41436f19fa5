//! Which segment of a new fit continues which segment of the model before it, told by the accounts they share.
//!
//! Ids and names stay with the accounts: a refit that finds the same groups in another order keeps every label, and what
//! did change is said in words: kept, split, merged, dissolved, new.

use crate::cluster::sparse_assignment;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pair that shares less than this part of the accounts in either of the two is not the same segment.
pub const SAME: f64 = 0.5;
/// A segment that took less than this part of another's accounts is no part of it.
pub const PART: f64 = 0.2;

/// Accounts that the old and the new model both know, by where they were and where they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Id in the old model; None: it was in no segment
    pub old: Option<i32>,
    /// Place in the new model, from 0; None: it is in no segment
    pub new: Option<usize>,
    pub accounts: u64,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The same segment
    Kept,
    /// An old one of which at least two new ones consist; or one of those
    Split,
    /// An old one that went, with others, into one new segment; or that one
    Merged,
    /// An old one that is no more
    Dissolved,
    /// A new one that continues none
    New,
}

impl Change {
    /// The word that SQL shows.
    pub fn name(self) -> &'static str {
        match self {
            Change::Kept => "kept",
            Change::Split => "split",
            Change::Merged => "merged",
            Change::Dissolved => "dissolved",
            Change::New => "new",
        }
    }
}

/// A segment of the old model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OldSegment {
    pub id: i32,
    /// Of the common accounts
    pub accounts: u64,
    pub change: Change,
    /// The new segment it is matched with, by place, and the part of the accounts of either that both have (Jaccard)
    pub matched: Option<usize>,
    pub jaccard: f64,
    /// Whether the matched one keeps its id
    pub continues: bool,
    /// Where its accounts went: place and accounts, most first
    pub went_to: Vec<(usize, u64)>,
}

/// A segment of the new model; its place is its index in [`Alignment::new`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSegment {
    /// Of the common accounts
    pub accounts: u64,
    pub change: Change,
    /// The id it keeps
    pub keeps: Option<i32>,
    /// Of the pair it is matched in; 0 without one
    pub jaccard: f64,
    /// Where its accounts come from: old id and accounts, most first
    pub came_from: Vec<(i32, u64)>,
}

/// How the segments of two models of the same segmentation correspond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alignment {
    /// In the order of the ids given
    pub old: Vec<OldSegment>,
    pub new: Vec<NewSegment>,
    /// Accounts that both models know and at least one of them put into a segment
    pub common: u64,
    /// Of those, in a matched pair; and in a pair whose id is kept
    pub matched: u64,
    pub continuing: u64,
    /// continuing / common: the share of accounts whose segment stays the same. None without common accounts
    pub overlap: Option<f64>,
}

impl Alignment {
    /// The id of each new segment: the one it keeps, or the next of `next`, `next` + 1, … in order of place. Ids are never
    /// used again, so `next` is above every id that the segmentation ever had. `LimitExceeded` when they run out.
    pub fn ids(&self, next: i32) -> Result<Vec<i32>> {
        let mut next = Some(next);
        let mut take = || {
            let id = next.ok_or_else(|| Error::new(crate::Kind::LimitExceeded, "there are no segment ids left"))?;
            next = id.checked_add(1);
            Ok(id)
        };
        self.new.iter().map(|segment| segment.keeps.map_or_else(&mut take, Ok)).collect()
    }
}

/// Aligns `places` new segments with the old ones, `old`, by the accounts they share. An account given in no [`Shared`] is not
/// common and counts nowhere; entries for the same pair are added up.
///
/// Pairs are matched so that as many accounts as possible are in a matched pair; among equals, so that the sum of the
/// `distances` (old × places, between the centres, in one space) is smallest, then by order. A pair is the same segment, and
/// keeps the id, when at least half of the accounts that are in either are in both (Jaccard >= [`SAME`]). Any pair above
/// one half is in every best matching. All accounts together are no segment: where one model has just that and the other
/// more, nothing keeps its id.
///
/// *Split*: at least two new segments each took [`PART`] or more of the old one's accounts and have more than half of theirs
/// from it. *Merged*: at least two old ones each gave more than half of their accounts to the new one and make up [`PART`] or
/// more of it. One of the parts may keep the id. *Dissolved*: it is none of that, and no new one keeps its id.
///
/// Errors: `InvalidParameter` for an id given twice, an id or place that does not exist and distances of another
/// shape or not finite; `Cancelled`.
pub fn align(
    old: &[i32],
    places: usize,
    shared: &[Shared],
    distances: Option<ArrayView2<f64>>,
    control: &Control,
) -> Result<Alignment> {
    let table = Table::new(old, places, shared)?;
    let pairs = table.pairs(distances, control)?;
    Ok(table.alignment(old, &pairs))
}

/// Accounts by old index and new place.
struct Table {
    cells: BTreeMap<(usize, usize), u64>,
    old: Vec<u64>,
    new: Vec<u64>,
    common: u64,
}

impl Table {
    fn new(ids: &[i32], places: usize, shared: &[Shared]) -> Result<Table> {
        let index: BTreeMap<i32, usize> = ids.iter().enumerate().map(|(i, &id)| (id, i)).collect();
        if index.len() < ids.len() {
            return Err(Error::invalid("an old segment id is given twice"));
        }
        let mut table = Table { cells: BTreeMap::new(), old: vec![0; ids.len()], new: vec![0; places], common: 0 };
        for entry in shared.iter().filter(|entry| entry.accounts > 0) {
            let known = |id: i32| {
                let found = index.get(&id).copied();
                found.ok_or_else(|| Error::invalid(format!("{id} is no segment id of the old model")))
            };
            let old = entry.old.map(known).transpose()?;
            if let Some(new) = entry.new.filter(|&new| new >= places) {
                return Err(Error::invalid(format!("place {new} is not below the {places} new segments")));
            }
            if let Some(old) = old {
                table.old[old] += entry.accounts;
            }
            if let Some(new) = entry.new {
                table.new[new] += entry.accounts;
            }
            match (old, entry.new) {
                (Some(old), Some(new)) => *table.cells.entry((old, new)).or_default() += entry.accounts,
                (None, None) => continue,
                _ => {}
            }
            table.common += entry.accounts;
        }
        Ok(table)
    }

    fn jaccard(&self, (old, new): (usize, usize)) -> f64 {
        let both = self.cells.get(&(old, new)).copied().unwrap_or(0);
        let either = self.old[old] + self.new[new] - both;
        if either == 0 {
            0.0
        } else {
            both as f64 / either as f64
        }
    }

    /// The best matching: new place of each old segment. Pairs with more than half in common are part of every best
    /// one, since what either side could share with others is less than that; so only the rest has to be solved.
    fn pairs(&self, distances: Option<ArrayView2<f64>>, control: &Control) -> Result<Vec<Option<usize>>> {
        if let Some(d) = distances {
            let (rows, columns) = d.dim();
            if (rows, columns) != (self.old.len(), self.new.len()) || !d.iter().all(|x| x.is_finite()) {
                let (old, new) = (self.old.len(), self.new.len());
                return Err(Error::invalid(format!(
                    "distances must be {old} × {new} finite numbers, they are {rows} × {columns}"
                )));
            }
        }
        let mut pairs = vec![None; self.old.len()];
        let mut taken = vec![false; self.new.len()];
        for &(old, new) in self.cells.keys() {
            if self.jaccard((old, new)) > SAME {
                pairs[old] = Some(new);
                taken[new] = true;
            }
        }
        let furthest = distances.map_or(0.0, |d| d.iter().fold(0.0f64, |a, x| a.max(x.abs())));
        let mut options = vec![Vec::new(); self.old.len()];
        for (&(old, new), &accounts) in &self.cells {
            if pairs[old].is_some() || taken[new] {
                continue;
            }
            let far = distances.filter(|_| furthest > 0.0).map_or(0.0, |d| d[(old, new)].abs() / furthest);
            // Accounts first; then the number of pairs and the distances, in units too small to outweigh one account.
            options[old].push((new, (far * FARTHEST as f64) as i128 - FARTHEST - i128::from(accounts) * ACCOUNT));
        }
        for (old, new) in sparse_assignment(&options, self.new.len(), control)?.into_iter().enumerate() {
            pairs[old] = pairs[old].or(new);
        }
        Ok(pairs)
    }

    fn alignment(&self, ids: &[i32], pairs: &[Option<usize>]) -> Alignment {
        let of = |pair: (usize, usize)| self.cells.get(&pair).copied().unwrap_or(0);
        let at_least = |part: u64, whole: u64| part as f64 >= PART * whole as f64;
        // Which new ones an old one fell into, and which old ones a new one was put together from.
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); ids.len()];
        let mut sources: Vec<Vec<usize>> = vec![Vec::new(); self.new.len()];
        for (&(old, new), &accounts) in &self.cells {
            if 2 * accounts > self.new[new] && at_least(accounts, self.old[old]) {
                parts[old].push(new);
            }
            if 2 * accounts > self.old[old] && at_least(accounts, self.new[new]) {
                sources[new].push(old);
            }
        }
        let split = |old: usize| parts[old].len() > 1;
        let merged = |new: usize| sources[new].len() > 1;
        let mut source = vec![false; ids.len()];
        sources.iter().filter(|from| from.len() > 1).flatten().for_each(|&old| source[old] = true);
        let mut part = vec![false; self.new.len()];
        parts.iter().filter(|into| into.len() > 1).flatten().for_each(|&new| part[new] = true);
        let together = |accounts: &[u64]| accounts.len() == 1 && accounts[0] == self.common;
        let dissolves = together(&self.old) && self.new.len() > 1 || together(&self.new) && self.old.len() > 1;
        let continues = |old: usize| pairs[old].filter(|&new| !dissolves && self.jaccard((old, new)) >= SAME);

        let mut old_of = vec![None; self.new.len()];
        pairs.iter().enumerate().for_each(|(old, new)| new.iter().for_each(|&new| old_of[new] = Some(old)));
        let old = (0..ids.len()).map(|i| OldSegment {
            id: ids[i],
            accounts: self.old[i],
            change: match () {
                () if split(i) => Change::Split,
                () if source[i] => Change::Merged,
                () if continues(i).is_some() => Change::Kept,
                () => Change::Dissolved,
            },
            matched: pairs[i],
            jaccard: pairs[i].map_or(0.0, |new| self.jaccard((i, new))),
            continues: continues(i).is_some(),
            went_to: most_first(self.cells.range((i, 0)..=(i, usize::MAX)).map(|(&(_, new), &n)| (new, n))),
        });
        let mut came_from: Vec<Vec<(i32, u64)>> = vec![Vec::new(); self.new.len()];
        self.cells.iter().for_each(|(&(old, new), &n)| came_from[new].push((ids[old], n)));
        let new = came_from.into_iter().enumerate().map(|(i, from)| {
            let keeps = old_of[i].filter(|&old| continues(old).is_some());
            NewSegment {
                accounts: self.new[i],
                change: match () {
                    () if part[i] => Change::Split,
                    () if merged(i) => Change::Merged,
                    () if keeps.is_some() => Change::Kept,
                    () => Change::New,
                },
                keeps: keeps.map(|old| ids[old]),
                jaccard: old_of[i].map_or(0.0, |old| self.jaccard((old, i))),
                came_from: most_first(from.into_iter()),
            }
        });
        let pairs = || pairs.iter().enumerate().filter_map(|(old, new)| Some((old, (*new)?)));
        let matched = pairs().map(of).sum();
        let continuing = pairs().filter(|&(old, _)| continues(old).is_some()).map(of).sum();
        Alignment {
            old: old.collect(),
            new: new.collect(),
            common: self.common,
            matched,
            continuing,
            overlap: (self.common > 0).then(|| continuing as f64 / self.common as f64),
        }
    }
}

/// What the largest distance costs.
const FARTHEST: i128 = 1 << 32;
/// What one account is worth: more than the distances of all pairs together.
const ACCOUNT: i128 = 1 << 52;

fn most_first<T: Ord + Copy>(flows: impl Iterator<Item = (T, u64)>) -> Vec<(T, u64)> {
    let mut flows: Vec<(T, u64)> = flows.collect();
    flows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    flows
}
