//! What each segment looks like, in the units the user knows.

use super::contrast::{adjusted, contrasts};
use super::FeatureProfile;
use crate::control::Control;
use crate::error::Result;
use crate::prepare::{quantile, OrderStatistics, Preparation, Step, CHUNK, MAD_TO_SD};
use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

/// One profile a feature: of all rows, and of each segment.
pub(super) struct Profiles {
    pub overall: Vec<FeatureProfile>,
    pub segments: Vec<Vec<FeatureProfile>>,
}

/// Profiles of every feature of `raw` (rows × features) under `labels` (each below `k`); features in parallel.
pub(super) fn profiles(
    preparation: &Preparation,
    raw: ArrayView2<f64>,
    labels: &[u32],
    k: usize,
    control: &Control,
) -> Result<Profiles> {
    let mut steps: Vec<Option<&Step>> = vec![None; preparation.columns().len()];
    for step in preparation.steps() {
        steps[step.index] = Some(step);
    }
    let features: Vec<(FeatureProfile, Vec<FeatureProfile>)> = preparation
        .columns()
        .par_iter()
        .enumerate()
        .map(|(j, column)| {
            control.check()?;
            let (overall, mut parts) = spread(&column.spec.name, raw.column(j), labels, k, control)?;
            control.check()?;
            if let Some(step) = steps[j] {
                let differences = differences(step, raw.column(j), labels, k);
                parts.iter_mut().zip(differences).for_each(|(p, d)| p.difference = d);
            }
            let rows = raw.column(j).into_iter().copied().zip(labels.iter().copied());
            for (part, contrast) in parts.iter_mut().zip(contrasts(rows, k, control)?) {
                part.effect = contrast.map(|c| c.delta);
                part.p = contrast.and_then(|c| c.p);
            }
            Ok((overall, parts))
        })
        .collect::<Result<_>>()?;
    let mut all = Profiles { overall: Vec::new(), segments: vec![Vec::new(); k] };
    for (overall, parts) in features {
        all.overall.push(overall);
        all.segments.iter_mut().zip(parts).for_each(|(s, p)| s.push(p));
    }
    let tested = || all.segments.iter().flatten();
    let mut adjusted = adjusted(&tested().filter_map(|p| p.p).collect::<Vec<f64>>()).into_iter();
    for profile in all.segments.iter_mut().flatten().filter(|p| p.p.is_some()) {
        profile.p_adjusted = adjusted.next();
    }
    Ok(all)
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

fn mean(values: &[f64]) -> f64 {
    values.chunks(CHUNK).map(|c| c.iter().fold(0.0, |s, x| s + x)).fold(0.0, |s, x| s + x) / values.len() as f64
}

fn quartiles(feature: &str, values: &mut [f64]) -> FeatureProfile {
    let mean = finite(mean(values));
    let ordered = OrderStatistics::select(values, &[0.25, 0.5, 0.75], &[]);
    let at = |q| finite(ordered.quantile(q));
    FeatureProfile {
        feature: feature.to_string(),
        n: values.len() as u64,
        q25: at(0.25),
        median: at(0.5),
        q75: at(0.75),
        mean,
        z: None,
        lift: None,
        difference: None,
        effect: None,
        p: None,
        p_adjusted: None,
    }
}

fn spread(
    feature: &str,
    raw: ArrayView1<f64>,
    labels: &[u32],
    k: usize,
    control: &Control,
) -> Result<(FeatureProfile, Vec<FeatureProfile>)> {
    // Values grouped by segment, within a segment in row order; those of no segment last.
    let group = |label: u32| (label as usize).min(k);
    let mut start = vec![0usize; k + 2];
    for (x, &label) in raw.iter().zip(labels) {
        start[group(label) + 1] += usize::from(x.is_finite());
    }
    for s in 0..=k {
        start[s + 1] += start[s];
    }
    let mut values = vec![0.0; start[k + 1]];
    let mut next = start.clone();
    for (&x, &label) in raw.iter().zip(labels) {
        if x.is_finite() {
            values[next[group(label)]] = x;
            next[group(label)] += 1;
        }
    }
    // Before selection reorders: a sum must not depend on how it does.
    let mean_of_all = finite(mean(&values));
    let mut parts = Vec::with_capacity(k);
    for s in 0..k {
        control.check()?;
        parts.push(quartiles(feature, &mut values[start[s]..start[s + 1]]));
    }
    control.check()?;
    let mut overall = quartiles(feature, &mut values);
    overall.mean = mean_of_all;
    control.check()?;
    let mad = overall.median.map_or(0.0, |m| {
        values.iter_mut().for_each(|x| *x = (*x - m).abs());
        MAD_TO_SD * quantile(&mut values, 0.5)
    });
    for p in &mut parts {
        if let (Some(here), Some(all)) = (p.median, overall.median) {
            p.z = finite((here - all) / mad).filter(|_| mad > 0.0);
        }
        if let (Some(here), Some(all)) = (p.mean, overall.mean) {
            p.lift = finite(here / all).filter(|_| all > 0.0);
        }
    }
    Ok((overall, parts))
}

/// (mean of the segment - mean of all) / sd of all, after winsorising and transform, missing values as the median.
fn differences(step: &Step, raw: ArrayView1<f64>, labels: &[u32], k: usize) -> Vec<Option<f64>> {
    let shaped: Vec<f64> = raw.iter().map(|&x| step.shaped(x)).collect();
    // One place more, for the rows of no segment.
    let mut sums = vec![0.0; k + 1];
    let mut counts = vec![0u64; k + 1];
    for (values, labels) in shaped.chunks(CHUNK).zip(labels.chunks(CHUNK)) {
        let mut part = vec![0.0; k + 1];
        for (x, &label) in values.iter().zip(labels) {
            let place = (label as usize).min(k);
            part[place] += x;
            counts[place] += 1;
        }
        sums.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    }
    let all = mean(&shaped);
    let squares: Vec<f64> = shaped.into_iter().map(|x| (x - all) * (x - all)).collect();
    let sd = mean(&squares).sqrt();
    sums.iter()
        .zip(&counts)
        .take(k)
        .map(|(&sum, &n)| finite((sum / n as f64 - all) / sd).filter(|_| n > 0 && sd > 0.0))
        .collect()
}
