//! Names of segments: a template over the features that tell a segment apart, unique within the model.

use super::FeatureProfile;
use std::collections::{HashMap, HashSet};

/// A standardised difference smaller than this is not worth a word in a name.
const WORTH_NAMING: f64 = 0.1;

/// Features by how much they tell the segment apart, the most telling first (ties: the earlier feature).
pub(super) fn telling(profile: &[FeatureProfile]) -> Vec<usize> {
    let size = |i: usize| profile[i].difference.map_or(0.0, f64::abs);
    let mut order: Vec<usize> = (0..profile.len()).filter(|&i| size(i) >= WORTH_NAMING).collect();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
    order
}

fn template(profile: &[FeatureProfile], titles: &[&str], features: usize) -> String {
    let words: Vec<String> = telling(profile)
        .into_iter()
        .take(features)
        .map(|i| {
            let level = if profile[i].difference.is_some_and(|d| d > 0.0) { "high" } else { "low" };
            format!("{level} {}", titles[i])
        })
        .collect();
    if words.is_empty() {
        "average accounts".into()
    } else {
        words.join(", ")
    }
}

/// A name a segment: "high trading volume, low maker share" from its two most telling features; three where two
/// segments would be called the same, then " (2)", " (3)", … One segment is "all accounts".
pub(super) fn names(profiles: &[Vec<FeatureProfile>], titles: &[&str]) -> Vec<String> {
    if profiles.len() == 1 {
        return vec!["all accounts".into()];
    }
    let mut names: Vec<String> = profiles.iter().map(|p| template(p, titles, 2)).collect();
    let mut count: HashMap<String, usize> = HashMap::new();
    for n in &names {
        *count.entry(n.clone()).or_default() += 1;
    }
    for (name, profile) in names.iter_mut().zip(profiles) {
        if count.get(name).is_some_and(|&c| c > 1) {
            *name = template(profile, titles, 3);
        }
    }
    let mut taken = HashSet::new();
    for name in &mut names {
        let mut unique = name.clone();
        let mut i = 1;
        while !taken.insert(unique.clone()) {
            i += 1;
            unique = format!("{name} ({i})");
        }
        *name = unique;
    }
    names
}
