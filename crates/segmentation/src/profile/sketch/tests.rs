use super::*;
use crate::profile::testing::{any_tree, bytes, harm, hostile, merged, merges, taken_away};
use allocator_api2::alloc::Global;
use proptest::prelude::*;

fn sketch(bound: usize, xs: &[f64]) -> Sketch<Global> {
    let mut s = Sketch::new(Global, bound);
    xs.iter().for_each(|&x| s.add(x));
    s
}

#[test]
fn constants_are_those_of_one_per_cent() {
    // 2 atanh(1/100) = ln(101/99), of which the rounded quotient has lost digits.
    assert_eq!(2.0 * libm::atanh(0.01), LN_GAMMA);
    assert!((LN_GAMMA * PER_LN - 1.0).abs() < 3e-16);
    assert_eq!((key(ZERO.next_up()), key(f64::MAX)), (LOWEST, HIGHEST));
    const { assert!(HIGHEST - LOWEST < 1 << (64 - COUNT_BITS)) };
    assert_eq!((key(1.0), key(1.0f64.next_up()), key(1.0f64.next_down())), (0, 1, 0));
    assert_eq!((coarser(3, 1), coarser(4, 1), coarser(-3, 1), coarser(-4, 1), coarser(5, 3)), (2, 2, -1, -2, 1));
}

#[test]
fn gini_of_the_reference() {
    // domain.md 1.1: 1, 2, 3, 4, 10 -> 0.4.
    assert!((sketch(160, &[3.0, 1.0, 10.0, 4.0, 2.0]).gini().unwrap() - 0.4).abs() < 0.01);
    assert_eq!(sketch(160, &[7.0; 1000]).gini(), Some(0.0));
    assert_eq!(sketch(160, &[0.0, 0.0, 0.0, 5.0]).gini(), Some(0.75));
    assert_eq!(sketch(160, &[f64::MAX, f64::MAX]).gini(), Some(0.0));
    assert_eq!(sketch(160, &[1.0]).gini(), None);
    assert_eq!(sketch(160, &[0.0, 0.0]).gini(), None);
}

#[test]
fn numbers_that_do_not_count() {
    let s = sketch(160, &[f64::NAN, f64::INFINITY, -1.0, f64::NEG_INFINITY, -0.0, 1e-9, 5e-324]);
    assert_eq!((s.count(), s.quantile(0.5), s.quantile(1.5)), (3, Some(0.0), None));
    assert_eq!(sketch(160, &[]).quantile(0.5), None);
    assert_eq!(bytes(&sketch(160, &[])), [0, 0, 0]);
}

#[test]
fn the_whole_range_of_doubles_stays_bounded() {
    for bound in [2, 3, 64, 160] {
        let mut s = Sketch::new(Global, bound);
        (0..200_000).for_each(|i| s.add(libm::exp(f64::from(i) * 0.0036 - 20.0)));
        assert_eq!(s.count(), 200_000);
        assert!(s.buckets.len() <= bound && u64::from(s.level) < LEVELS && bytes(&s).len() < 5 * bound + 12);
        assert!(s.quantile(1.0).unwrap().is_finite() && s.gini().unwrap().is_finite());
        assert_eq!(bytes(&merged(sketch(bound, &[]), &[&bytes(&s)]).unwrap()), bytes(&s));
    }
}

fn numbers(n: usize) -> impl Strategy<Value = std::vec::Vec<f64>> {
    (0.1f64..40.0, -15.0f64..5.0).prop_flat_map(move |(width, low)| {
        let one = prop_oneof![
            9 => (low..low + width).prop_map(libm::exp),
            1 => Just(0.0),
            1 => (1u32..50).prop_map(f64::from),
        ];
        prop::collection::vec(one, 1..n)
    })
}

proptest! {
    #[test]
    fn quantiles_are_within_the_error(xs in numbers(600), q in 0.0f64..=1.0, bound in prop::sample::select(vec![16usize, 64, 160])) {
        let s = sketch(bound, &xs);
        let mut sorted: std::vec::Vec<f64> = xs.iter().map(|&x| if x <= ZERO { 0.0 } else { x }).collect();
        sorted.sort_by(f64::total_cmp);
        let exact = sorted[(q * (xs.len() - 1) as f64) as usize];
        prop_assert!((s.quantile(q).unwrap() - exact).abs() <= exact * s.error() * (1.0 + 1e-9));
        prop_assert_eq!(s.error() == ERROR, s.level == 0);
    }

    #[test]
    fn gini_is_that_of_the_numbers(xs in numbers(600)) {
        let s = sketch(4096, &xs);
        let mut sorted = xs.clone();
        sorted.sort_by(f64::total_cmp);
        let (n, sum) = (xs.len() as f64, sorted.iter().sum::<f64>());
        let ranked: f64 = sorted.iter().enumerate().map(|(i, x)| (i + 1) as f64 * x).sum();
        match s.gini() {
            Some(g) => prop_assert!((g - (2.0 * ranked / (n * sum) - (n + 1.0) / n)).abs() < 0.011),
            None => prop_assert!(n < 2.0 || sorted.iter().all(|&x| x <= ZERO)),
        }
    }

    /// The level is a function of the set of numbers: any order, partition and tree of merging gives equal bytes.
    #[test]
    fn any_tree_of_merges_gives_the_same_bytes(xs in numbers(600), merges in merges(), bound in prop::sample::select(vec![2usize, 5, 16, 64, 160])) {
        any_tree(&xs, &merges, |some| sketch(bound, some))?;
    }

    #[test]
    fn what_was_added_can_be_taken_away(a in numbers(80), b in numbers(80), bound in prop::sample::select(vec![16usize, 160])) {
        let both = sketch(bound, &[&a[..], &b[..]].concat());
        prop_assert_eq!(taken_away(&a, &b, |some| sketch(bound, some))?, both.level == 0);
        let mut alone = sketch(bound, &a);
        let more = bytes(&sketch(bound, &[1e30]));
        prop_assert!(alone.level > 0 || alone.subtract(&mut Reader::new(&more)).is_err());
    }

    #[test]
    fn hostile_bytes_are_errors_or_sketches(xs in numbers(300), harm in harm()) {
        hostile(&sketch(64, &xs), &harm, || sketch(64, &[]), || sketch(64, &[1.0, 2.0]), |s| {
            prop_assert!(s.buckets.len() <= 64 && u64::from(s.level) < LEVELS);
            prop_assert!(s.quantile(0.5).is_none_or(f64::is_finite) && s.gini().is_none_or(f64::is_finite));
            Ok(())
        })?;
    }
}

#[test]
fn every_short_form_is_an_error() {
    let whole = bytes(&sketch(64, &[1.0, 2.0, 3.0, 0.0]));
    (0..whole.len()).for_each(|n| assert!(merged(sketch(64, &[]), &[&whole[..n]]).is_err()));
}
