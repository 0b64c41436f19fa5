//! What a stored preparation must satisfy, whoever wrote it.

use super::column::{Spread, LIMIT};
use super::step::Step;
use super::stored::Stored;
use super::transform::Transform;
use super::MAX_FEATURES;
use std::collections::HashSet;

/// Everything a stored preparation must satisfy so that scoring can neither index out of range nor yield NaN.
pub(super) fn check(s: &Stored) -> std::result::Result<(), String> {
    if s.columns.is_empty() || s.columns.len() > MAX_FEATURES {
        return Err(format!("{} features, allowed are 1 to {MAX_FEATURES}", s.columns.len()));
    }
    let mut seen = HashSet::new();
    for c in &s.columns {
        let name = &c.spec.name;
        if name.is_empty() || !seen.insert(name.as_str()) {
            return Err(format!("feature name \"{name}\" is empty or used twice"));
        }
        if c.missing.checked_add(c.infinite).is_none_or(|m| m > s.rows) {
            return Err(format!("feature \"{name}\" is missing in more rows than there are"));
        }
        match (&c.kept, &c.dropped) {
            (Some(kept), None) => {
                let clipped = kept.clipped[0].checked_add(kept.clipped[1]);
                let sound = Step::new(0, kept).is_sound()
                    && kept.c.is_none_or(|c| c > 0.0)
                    && kept.c.is_some() == (kept.transform == Transform::Asinh)
                    && kept.lambda.is_some() == (kept.transform == Transform::YeoJohnson)
                    && kept.lambda.is_none_or(|l| l.abs() <= 1e3)
                    && kept.knots.is_some() == (kept.spread == Spread::Rank)
                    && (!kept.coded || c.spec.block.is_some())
                    && kept.bounds.is_none_or(|b| b.iter().all(|x| x.is_finite()))
                    && kept.scale > 0.0
                    && (0.0..=1e9).contains(&kept.weight)
                    && clipped.is_some_and(|n| n <= s.rows);
                if !sound {
                    return Err(format!("figures of feature \"{name}\" are out of range"));
                }
            }
            (None, Some(_)) => {}
            _ => return Err(format!("feature \"{name}\" must be either kept or dropped")),
        }
    }
    if s.columns.iter().all(|c| c.kept.is_none()) {
        return Err("no feature is kept".into());
    }
    let numeric = s.columns.iter().filter(|c| c.kept.as_ref().is_some_and(|k| !k.coded)).count();
    let kept = numeric + s.indicators.len();
    check_indicators(s)?;
    check_codes(s)?;
    let unit = |x: &f64| (0.0..=1.0).contains(x);
    if !unit(&s.max_missing) || s.winsorise.is_some_and(|w| !w.iter().all(unit) || w[0] >= w[1]) {
        return Err("winsorise or max_missing is out of range".into());
    }
    if s.correlated.iter().any(|c| !unit(&c.rho.abs())) {
        return Err("a correlation is out of range".into());
    }
    let Some(pca) = &s.pca else { return Ok(()) };
    let m = pca.components.len();
    if m == 0 || m > kept || pca.mean.len() != kept || pca.eigenvalues.len() != kept || pca.ratios.len() != kept {
        return Err(format!("PCA of {} dimensions does not fit {kept} features", pca.mean.len()));
    }
    if pca.components.iter().any(|c| c.len() != kept || c.iter().any(|x| !unit(&(x.abs() / (1.0 + 1e-9))))) {
        return Err("a PCA component has a wrong length or entry".into());
    }
    let finite = |v: &[f64], limit: f64| v.iter().all(|x| x.abs() <= limit);
    if pca.whiten && !pca.eigenvalues[..m].iter().all(|&v| v > 0.0) {
        return Err("a whitened component has no variance".into());
    }
    if !pca.parallel.as_deref().is_none_or(|p| p.len() == kept && finite(p, f64::MAX)) {
        return Err("the parallel analysis is out of range".into());
    }
    if !finite(&pca.mean, LIMIT) || !finite(&pca.eigenvalues, f64::MAX) || !pca.ratios.iter().all(unit) {
        return Err("a figure of the PCA is out of range".into());
    }
    Ok(())
}

/// Distinct names, and features that are kept as coordinates and belong to no other indicator.
fn check_indicators(s: &Stored) -> std::result::Result<(), String> {
    let mut names: HashSet<&str> = s.columns.iter().map(|c| c.spec.name.as_str()).collect();
    let mut members = HashSet::new();
    for i in &s.indicators {
        let fits = |&f: &usize| {
            let kept = s.columns.get(f).and_then(|c| c.kept.as_ref());
            kept.is_some_and(|k| !k.coded) && members.insert(f)
        };
        let sound = i.absent <= s.rows && i.weight > 0.0 && i.weight <= 1e9;
        if i.name.is_empty()
            || !names.insert(&i.name)
            || !sound
            || i.features.is_empty()
            || !i.features.iter().all(fits)
        {
            return Err(format!("indicator \"{}\" does not fit its features", i.name));
        }
    }
    Ok(())
}

/// Every coded feature in exactly one code.
fn check_codes(s: &Stored) -> std::result::Result<(), String> {
    let mut members = HashSet::new();
    for code in &s.codes {
        let fits = |&f: &usize| {
            let coded = s.columns.get(f).and_then(|c| c.kept.as_ref()).is_some_and(|k| k.coded);
            coded && members.insert(f)
        };
        if code.features.is_empty() || !code.features.iter().all(fits) || code.mode > code.features.len() {
            return Err(format!("category \"{}\" does not fit its features", code.name));
        }
    }
    let coded = s.columns.iter().filter(|c| c.kept.as_ref().is_some_and(|k| k.coded)).count();
    if coded != members.len() {
        return Err("a feature with a code belongs to no category".into());
    }
    Ok(())
}
