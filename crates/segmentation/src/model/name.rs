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
/// segments would be called the same, then " (2)", " (3)", … One segment without noise beside it is "all accounts".
pub(super) fn names(profiles: &[Vec<FeatureProfile>], titles: &[&str], noise: u64) -> Vec<String> {
    if profiles.len() == 1 && noise == 0 {
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
        if let Some(free) = numbered(name).find(|name| !taken.contains(name)) {
            *name = free;
        }
        taken.insert(name.clone());
    }
    names
}

/// The name, and then the same with " (2)", " (3)", … in the place of the number that it has already.
pub fn numbered(name: &str) -> impl Iterator<Item = String> {
    let number = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let numberless = name.strip_suffix(')').and_then(|start| start.rsplit_once(" ("));
    let base = numberless.filter(|(_, end)| number(end)).map_or(name, |(base, _)| base).to_string();
    std::iter::once(name.to_string()).chain((2..).map(move |n: u64| format!("{base} ({n})")))
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn a_name_has_one_number() {
        let first = |name: &str| numbered(name).take(3).collect::<Vec<_>>();
        assert_eq!(first("high a"), ["high a", "high a (2)", "high a (3)"]);
        assert_eq!(first("high a (7)"), ["high a (7)", "high a (2)", "high a (3)"]);
        assert_eq!(first("high a (USD)"), ["high a (USD)", "high a (USD) (2)", "high a (USD) (3)"]);
        assert_eq!(first("()"), ["()", "() (2)", "() (3)"]);
    }
}
