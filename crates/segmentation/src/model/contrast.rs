//! How clearly a segment differs from the rest of the accounts in one feature: by ranks, so that neither the curve of the
//! feature nor a few huge values matter.

use crate::control::Control;
use crate::error::Result;
use std::f64::consts::FRAC_1_SQRT_2;

/// Rows sorted or merged between two looks at whether to stop.
const RUN: usize = 1 << 16;

/// A segment against the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Contrast {
    /// Cliff's delta: P(here > there) - P(here < there)
    pub delta: f64,
    /// Two-sided p-value of the Mann-Whitney U test; None where all values are the same
    pub p: Option<f64>,
}

/// The contrast of each segment; None where the segment or the rest has no value. Labels of `k` and more are of the rest of
/// every segment. Values that are not finite are left out.
///
/// U from mean ranks, with the normal approximation, the correction for ties and that for continuity (Mann and Whitney 1947;
/// SciPy's `mannwhitneyu(method="asymptotic")`); delta = 2 U / (n m) - 1 (Cliff 1993). Ranks are summed as whole numbers, so
/// the order of equal values cannot matter.
pub(super) fn contrasts(
    values: impl Iterator<Item = (f64, u32)>,
    k: usize,
    control: &Control,
) -> Result<Vec<Option<Contrast>>> {
    let known = values.filter(|(x, _)| x.is_finite()).map(|(x, label)| (x + 0.0, label));
    let sorted = sorted(known.collect(), control)?;
    let n = sorted.len() as u128;
    // Twice the rank sums, which are whole; and the sum of t³ - t over runs of t equal values.
    let (mut ranks, mut sizes, mut ties) = (vec![0u128; k + 1], vec![0u128; k + 1], 0u128);
    let mut from = 0;
    let mut look = 0;
    while from < sorted.len() {
        if from >= look {
            control.check()?;
            look = from + RUN;
        }
        let x = sorted[from].0;
        let to = from + sorted[from..].iter().take_while(|v| v.0 == x).count();
        let twice_mean = (from + to + 1) as u128;
        for &(_, label) in &sorted[from..to] {
            let place = (label as usize).min(k);
            ranks[place] += twice_mean;
            sizes[place] += 1;
        }
        let t = (to - from) as u128;
        ties += t * t * t - t;
        from = to;
    }
    let contrast = |s: usize| {
        let (here, rest) = (sizes[s], n - sizes[s]);
        if here == 0 || rest == 0 {
            return None;
        }
        let pairs = here as f64 * rest as f64;
        let u = 0.5 * (ranks[s] - here * (here + 1)) as f64;
        let total = n as f64;
        let variance = pairs / 12.0 * ((total + 1.0) - ties as f64 / (total * (total - 1.0)));
        let p = (variance > 0.0).then(|| {
            let z = ((u - 0.5 * pairs).abs() - 0.5) / variance.sqrt();
            libm::erfc(z * FRAC_1_SQRT_2).min(1.0)
        });
        Some(Contrast { delta: (2.0 * u / pairs - 1.0).clamp(-1.0, 1.0), p })
    };
    Ok((0..k).map(contrast).collect())
}

/// Ascending by value.
fn sorted(mut values: Vec<(f64, u32)>, control: &Control) -> Result<Vec<(f64, u32)>> {
    for run in values.chunks_mut(RUN) {
        control.check()?;
        run.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    }
    let mut width = RUN;
    let mut merged = Vec::with_capacity(if width < values.len() { values.len() } else { 0 });
    while width < values.len() {
        merged.clear();
        for pair in values.chunks(2 * width) {
            let (mut a, mut b) = pair.split_at(width.min(pair.len()));
            while !a.is_empty() && !b.is_empty() {
                control.check()?;
                for _ in 0..RUN {
                    let (Some(x), Some(y)) = (a.first(), b.first()) else { break };
                    if y.0 < x.0 {
                        merged.push(*y);
                        b = &b[1..];
                    } else {
                        merged.push(*x);
                        a = &a[1..];
                    }
                }
            }
            merged.extend_from_slice(a);
            merged.extend_from_slice(b);
        }
        std::mem::swap(&mut values, &mut merged);
        width *= 2;
    }
    Ok(values)
}

/// p-values adjusted for their number so that, of those at most q, no more than a share of q is expected to be by chance:
/// the least of p · m / rank over the larger ones (Benjamini and Hochberg 1995; SciPy's `false_discovery_control`).
pub(super) fn adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut out = vec![1.0; p.len()];
    let mut least: f64 = 1.0;
    for (rank, &i) in order.iter().enumerate().rev() {
        least = least.min(p[i] * p.len() as f64 / (rank + 1) as f64);
        out[i] = least;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn oracle() -> Value {
        serde_json::from_str(include_str!("../../tests/data/rules_oracle.json")).unwrap()
    }

    fn numbers(v: &Value) -> Vec<f64> {
        v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    }

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-12 * expected.abs().max(1e-3), "{got} is not {expected}");
    }

    #[test]
    fn scipy_agrees() {
        let oracle = oracle();
        for case in oracle["small"].as_array().unwrap() {
            let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
            let rows = a.into_iter().map(|x| (x, 0)).chain(b.into_iter().map(|x| (x, 7)));
            let found = contrasts(rows, 1, &Control::new()).unwrap()[0].unwrap();
            near(found.p.unwrap(), case["p"].as_f64().unwrap());
            near(found.delta, case["delta"].as_f64().unwrap());
        }
        let discovery = &oracle["discovery"];
        for (got, expected) in adjusted(&numbers(&discovery["p"])).into_iter().zip(numbers(&discovery["adjusted"])) {
            near(got, expected);
        }
        assert!(adjusted(&[]).is_empty());
    }

    #[test]
    fn what_cannot_be_told() {
        let none = |rows: &[(f64, u32)], k| contrasts(rows.iter().copied(), k, &Control::new()).unwrap();
        assert_eq!(none(&[], 2), [None, None]);
        assert_eq!(none(&[(1.0, 0), (2.0, 0), (f64::NAN, 1), (f64::INFINITY, 1)], 2), [None, None]);
        let same = none(&[(1.0, 0), (1.0, 1), (1.0, 1)], 2);
        assert_eq!(same, [Some(Contrast { delta: 0.0, p: None }); 2]);
        let apart = none(&[(-0.0, 0), (0.0, 1)], 2);
        assert_eq!(apart[0].unwrap().delta, 0.0);
        let control = Control::new();
        control.cancel();
        assert!(contrasts([(1.0, 0)].into_iter(), 1, &control).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        /// Several runs are merged in order.
        #[test]
        fn long_columns_are_sorted(seed in any::<u64>(), n in RUN..5 * RUN) {
            let values: Vec<(f64, u32)> = (0..n as u64)
                .map(|i| (((i ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64, i as u32))
                .collect();
            let mut expected: Vec<f64> = values.iter().map(|v| v.0).collect();
            expected.sort_by(f64::total_cmp);
            let got = sorted(values, &Control::new()).unwrap();
            prop_assert!(got.iter().map(|v| v.0).eq(expected));
            let mut rows: Vec<u32> = got.iter().map(|v| v.1).collect();
            rows.sort_unstable();
            prop_assert!(rows.into_iter().eq(0..n as u32));
        }

        /// Delta by counting pairs.
        #[test]
        fn delta_counts_pairs(rows in prop::collection::vec((0i32..9, 0u32..4), 1..60)) {
            let rows: Vec<(f64, u32)> = rows.into_iter().map(|(x, s)| (f64::from(x), s)).collect();
            for (s, found) in contrasts(rows.iter().copied(), 3, &Control::new()).unwrap().into_iter().enumerate() {
                type Rows = Vec<(f64, u32)>;
                let (here, rest): (Rows, Rows) = rows.iter().partition(|r| r.1 == s as u32);
                let sign = |x: f64, y: f64| f64::from(i8::from(x > y) - i8::from(x < y));
                let sum: f64 = here.iter().flat_map(|a| rest.iter().map(move |b| sign(a.0, b.0))).sum();
                let expected = sum / (here.len() * rest.len()) as f64;
                match found {
                    None => prop_assert!(here.is_empty() || rest.is_empty()),
                    Some(c) => prop_assert!((c.delta - expected).abs() < 1e-12),
                }
            }
        }
    }
}
