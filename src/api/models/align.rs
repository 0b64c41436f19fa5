//! Ids and names of the segments of a new fit: they stay with the accounts.

use crate::api::catalogue::{self, Definition};
use crate::api::scratch::SCORES;
use crate::pg::error::{Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg};
use crate::pg::threads;
use segmentation::model::{self, Alignment, Change, Model, Shared};
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// One kind of change between two models, by ids.
pub struct SegmentChange {
    pub change: Change,
    pub old: Vec<i32>,
    pub new: Vec<i32>,
    /// Accounts that both sides have
    pub accounts: u64,
    /// Those over the accounts that either side has
    pub jaccard: f64,
}

/// What a new fit has in common with the active model.
pub struct Continuity {
    /// The version that was active
    pub against: i32,
    pub changes: Vec<SegmentChange>,
    /// Accounts that both models put somewhere, and those of them that keep their segment
    pub common: u64,
    pub continuing: u64,
    /// The active model has all of them in one segment: there is no label to keep
    pub together: bool,
}

impl Continuity {
    /// Share of the common accounts that keep their segment; `None` without common accounts.
    pub fn overlap(&self) -> Option<f64> {
        (self.common > 0).then(|| self.continuing as f64 / self.common as f64)
    }

    pub fn details(&self) -> Value {
        let change = |c: &SegmentChange| json!({ "change": c.change.name(), "old": c.old, "new": c.new, "accounts": c.accounts, "jaccard": c.jaccard });
        json!({
            "against": self.against,
            "common_accounts": self.common,
            "overlap": self.overlap(),
            "changes": self.changes.iter().map(change).collect::<Vec<_>>(),
        })
    }

    /// What changed, in words; segments that are kept are not worth one.
    pub fn sentences(&self) -> Vec<String> {
        let list = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
        let say = |c: &SegmentChange| match c.change {
            Change::Kept => None,
            Change::Split => {
                Some(format!("segment {} of version {} was split into {}", list(&c.old), self.against, list(&c.new)))
            }
            Change::Merged => {
                Some(format!("segments {} of version {} were merged into {}", list(&c.old), self.against, list(&c.new)))
            }
            Change::Dissolved => Some(format!("segment {} of version {} was dissolved", list(&c.old), self.against)),
            Change::New => {
                Some(format!("segment {} is new: it continues none of version {}", list(&c.new), self.against))
            }
        };
        self.changes.iter().filter_map(say).collect()
    }
}

/// Accounts by the segment that they are stored with and their place in the scratch scores. An account of which either does
/// not know enough (new, insufficient data) is not common.
fn shared(segments: &Relation) -> Result<Vec<Shared>> {
    let sql = format!(
        "SELECT o.segment_id, n.s[1]::int, count(*)
         FROM {} o JOIN {SCORES} n ON n.account = o.account
         WHERE (o.segment_id IS NOT NULL OR o.quality = 'noise') AND n.s[5] = 0
         GROUP BY 1, 2 ORDER BY 1, 2",
        segments.quoted()
    );
    spi::write(&sql, &[], |r| {
        let row = |i| Shared {
            old: r.get::<i32>(i, 1),
            new: r.get::<i32>(i, 2).map(|place| place as usize - 1),
            accounts: r.get::<i64>(i, 3).unwrap_or(0) as u64,
        };
        Ok((0..r.len()).map(row).collect())
    })
}

/// Aligns `places` new segments with the old ones by their common accounts.
pub fn aligned(old: Vec<i32>, places: usize, shared: Vec<Shared>) -> Result<Alignment> {
    let known = shared.iter().filter_map(|s| s.old);
    let ids: Vec<i32> = old.into_iter().chain(known).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    threads::compute(move |control| model::align(&ids, places, &shared, None, control))
}

/// The changes of an alignment, where the new segments have the ids `new`: old segments first, in the order of their ids, then
/// what continues none.
pub fn changes(found: &Alignment, new: &[i32]) -> Vec<SegmentChange> {
    let jaccard = |both: u64, old: u64, new: u64| match old + new - both {
        0 => 0.0,
        either => both as f64 / either as f64,
    };
    let mut all = Vec::new();
    for old in &found.old {
        let (change, into): (Change, Vec<usize>) = match old.change {
            Change::Split => {
                let part = |p: usize| {
                    let n = &found.new[p];
                    n.change == Change::Split && n.came_from.first().is_some_and(|&(id, _)| id == old.id)
                };
                (Change::Split, (0..new.len()).filter(|&p| part(p)).collect())
            }
            Change::Kept => (Change::Kept, old.matched.into_iter().collect()),
            Change::Dissolved | Change::New => (Change::Dissolved, Vec::new()),
            // Told with the segment that it went into.
            Change::Merged => continue,
        };
        let accounts = old.went_to.iter().filter(|(p, _)| into.contains(p)).map(|(_, n)| n).sum();
        let theirs = into.iter().map(|&p| found.new[p].accounts).sum();
        all.push(SegmentChange {
            change,
            old: vec![old.id],
            new: into.iter().map(|&p| new[p]).collect(),
            accounts,
            jaccard: jaccard(accounts, old.accounts, theirs),
        });
    }
    for (place, segment) in found.new.iter().enumerate() {
        // One that was put together from several, and one that is a part of one and took others in whole.
        let sources: Vec<&model::OldSegment> = found
            .old
            .iter()
            .filter(|o| o.change == Change::Merged && o.went_to.first().is_some_and(|&(p, _)| p == place))
            .collect();
        let of = |old: &[&model::OldSegment]| -> u64 {
            segment.came_from.iter().filter(|(id, _)| old.iter().any(|o| o.id == *id)).map(|(_, n)| n).sum()
        };
        if !sources.is_empty() {
            let accounts = of(&sources);
            all.push(SegmentChange {
                change: Change::Merged,
                old: sources.iter().map(|o| o.id).collect(),
                new: vec![new[place]],
                accounts,
                jaccard: jaccard(accounts, sources.iter().map(|o| o.accounts).sum(), segment.accounts),
            });
        } else if segment.change == Change::New {
            let (change, new) = (Change::New, vec![new[place]]);
            all.push(SegmentChange { change, old: Vec::new(), new, accounts: 0, jaccard: 0.0 });
        }
    }
    all
}

/// Gives the segments of a new fit, whose scores are in the scratch tables, their ids and names: those that continue a
/// segment of the active model keep its own, the others get new ids and names that no other segment of the model has. The
/// caller holds the lock on the segmentation's row. `None` where no model is active.
pub fn keep_labels(definition: &Definition, segments: &Relation, model: &mut Model) -> Result<Option<Continuity>> {
    let Some(against) = definition.active_version else {
        let ids = (definition.next_segment_id..).take(model.k()).collect();
        label(definition, model, ids, &[])?;
        return Ok(None);
    };
    let found = aligned(version_ids(definition, against)?, model.k(), shared(segments)?)?;
    let ids = found.ids(definition.next_segment_id)?;
    let kept: Vec<usize> = (0..model.k()).filter(|&i| found.new[i].keeps.is_some()).collect();
    label(definition, model, ids.clone(), &kept)?;
    let together = matches!(found.old.as_slice(), [one] if one.accounts == found.common);
    let (common, continuing) = (found.common, found.continuing);
    Ok(Some(Continuity { against, changes: changes(&found, &ids), common, continuing, together }))
}

/// Sets ids and names; the places in `kept` have an id that has a name already.
fn label(definition: &Definition, model: &mut Model, ids: Vec<i32>, kept: &[usize]) -> Result<()> {
    let known = names(definition, &ids)?;
    for (i, &id) in ids.iter().enumerate() {
        model.segments[i].id = id;
        if let Some(name) = known.get(&id).filter(|_| kept.contains(&i)) {
            model.segments[i].name = name.clone();
        }
    }
    for i in (0..ids.len()).filter(|i| !kept.contains(i)) {
        let wish = model.segments[i].name.clone();
        let others = |j: usize| kept.contains(&j) || j < i;
        let taken = |name: &str| (0..ids.len()).any(|j| j != i && others(j) && model.segments[j].name == name);
        let free = segmentation::model::numbered(&wish).find(|name| !taken(name));
        model.segments[i].name = free.unwrap_or(wish);
    }
    Ok(())
}

/// Names of segments by id.
pub fn names(definition: &Definition, ids: &[i32]) -> Result<BTreeMap<i32, String>> {
    let sql = "SELECT segment_id, name FROM segmentation.segment WHERE segmentation = $1 AND segment_id = ANY ($2)";
    catalogue::read(sql, &[arg(definition.name.clone()), arg(ids.to_vec())], |r| {
        Ok((0..r.len()).filter_map(|i| Some((r.get(i, 1)?, r.text(i, 2)?))).collect())
    })
}

/// Ids of the segments of a version, in the order of its model.
pub fn version_ids(definition: &Definition, version: i32) -> Result<Vec<i32>> {
    let sql = "SELECT segments FROM segmentation.fit WHERE segmentation = $1 AND version = $2";
    catalogue::read(sql, &[arg(definition.name.clone()), arg(version)], |r| {
        Ok((r.len() > 0).then(|| r.get::<Vec<i32>>(0, 1)).flatten().unwrap_or_default())
    })
}

/// What the stored segments and the scratch scores have in common, where the places of the scores have the ids `ids`: accounts
/// that both put somewhere, those of them that keep their segment, and whether the active model has all in one segment.
pub fn continuing(definition: &Definition, segments: &Relation, ids: &[i32]) -> Result<(u64, u64, bool)> {
    let all = shared(segments)?;
    let common = all.iter().filter(|s| s.old.is_some() || s.new.is_some()).map(|s| s.accounts).sum();
    let same = |s: &&Shared| s.old.is_some() && s.old == s.new.and_then(|place| ids.get(place).copied());
    let one = match definition.active_version {
        Some(version) => version_ids(definition, version)?.len() == 1,
        None => false,
    };
    Ok((common, all.iter().filter(same).map(|s| s.accounts).sum(), one && all.iter().all(|s| s.old.is_some())))
}

/// Why a model may not take the place of the active one without force; `None` where it may. Where all accounts are together, as
/// without structure, no label can be lost.
pub fn refusal(definition: &Definition, version: i32, common: u64, continuing: u64, together: bool) -> Option<Failure> {
    let enough = definition.active_version.is_none() || common == 0 || together;
    if enough || continuing as f64 >= definition.min_overlap * common as f64 {
        return None;
    }
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let name = spi::literal(&definition.name);
    let active = definition.active_version.unwrap_or_default();
    Some(
        Failure::not_ready(format!(
            "version {version} of segmentation \"{}\" was not activated: {} of {common} common accounts would keep their segment, fewer than {}",
            definition.name,
            percent(continuing as f64 / common as f64),
            percent(definition.min_overlap),
        ))
        .hint(format!(
            "look at compare_models({name}, {active}, {version}); then SELECT activate_model({name}, {version}, force => true, reason => 'why labels may change')"
        )),
    )
}
