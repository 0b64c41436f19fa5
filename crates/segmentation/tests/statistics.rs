//! The statistics against numbers computed elsewhere (numpy, scipy, empyrical), and their edges.

use segmentation::statistics::appetite::{risk_appetite_index, robust_scores, TERMS};
use segmentation::statistics::concentration::{gini, Concentration};
use segmentation::statistics::drawdown::Drawdown;
use segmentation::statistics::moments::{CoMoments, Moments};
use segmentation::statistics::regression::{line, line_through_origin, plane, trend};
use segmentation::statistics::returns::*;
use segmentation::statistics::rhythm::*;
use segmentation::statistics::sample;
use segmentation::statistics::tail::*;

const R: [f64; 10] = [0.01, -0.02, 0.015, -0.03, 0.005, 0.02, -0.01, 0.0, -0.04, 0.025];
const M: [f64; 10] = [0.02, -0.03, 0.01, -0.05, 0.0, 0.04, -0.01, 0.01, -0.06, 0.03];

/// Equal to 1e-9 of the expected number's size, or to the half of its last digit where fewer are given.
#[track_caller]
fn close(actual: impl Into<Option<f64>>, expected: f64, digit: f64) {
    let actual = actual.into().expect("a number");
    let tolerance = (1e-9 * expected.abs()).max(digit * 0.500001);
    assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
}

#[test]
fn concentration_of_shares() {
    close(gini(&[3.0, 10.0, 1.0, 4.0, 2.0]), 0.4, 0.0);
    close(gini(&[5.0, 5.0, 5.0]), 0.0, 0.0);
    close(gini(&[0.0, 0.0, 0.0, 1e308]), 0.75, 0.0);
    close(gini(&[1e308, 1e308]), 0.0, 0.0);
    for none in [&[1.0][..], &[0.0, 0.0], &[-1.0, 2.0], &[1.0, f64::NAN], &[1.0, f64::INFINITY]] {
        assert_eq!(gini(none), None);
    }
    let c = Concentration::of(&[50.0, 0.0, 20.0, 30.0]).unwrap();
    assert_eq!(c.k, 3);
    close(c.hhi, 0.38, 0.0);
    close(c.hhi_normalised(), 0.07, 0.0);
    close(c.entropy, 1.0296530140645737, 0.0);
    close(c.entropy_normalised(), 0.9372305632, 1e-10);
    close(c.effective_number(), 2.6315789474, 1e-10);
    let one = Concentration::of(&[7e300]).unwrap();
    assert_eq!((one.hhi, one.hhi_normalised(), one.entropy, one.entropy_normalised()), (1.0, 1.0, 0.0, 0.0));
    assert_eq!(Concentration::of(&[]), None);
    assert_eq!(Concentration::of(&[0.0]), None);
    assert_eq!(Concentration::of(&[1.0, -1.0]), None);
    assert_eq!(Concentration::of(&[1.0, f64::NAN]), None);
}

#[test]
fn quantiles_are_of_type_seven() {
    let x = [50.0, -2.0, -1.0, 0.0, 1.0, 10.0, 2.0, 3.0];
    for (q, expected) in [(0.01, -1.93), (0.05, -1.65), (0.25, -0.25), (0.75, 4.75), (0.95, 36.0), (1.0, 50.0)] {
        close(quantile(&x, q), expected, 0.0);
    }
    assert_eq!(quantile(&[-1e308, 1e308], 0.5), Some(0.0));
    assert_eq!(quantile(&[], 0.5), None);
    assert_eq!(quantile(&x, 1.1), None);
    assert_eq!(quantile(&[f64::NAN], 0.5), None);
}

#[test]
fn losses_in_the_tail() {
    close(value_at_risk(&R, 0.05), 0.0355, 0.0);
    close(expected_shortfall(&R, 0.10), 0.04, 0.0);
    close(expected_shortfall(&R, 0.25), 0.032, 0.0);
    close(expected_shortfall(&R, 0.05), 0.04, 0.0);
    assert!(tail_sample(&[0.0; 19], 0.05).is_none() && tail_sample(&[0.0; 20], 0.05).is_some());
    assert!(tail_sample(&[0.0; 99], 0.01).is_none() && tail_sample(&[0.0; 100], 0.01).is_some());
    assert!(tail_sample(&R, 0.0).is_none() && tail_sample(&R, f64::NAN).is_none());
    assert!(value_at_risk(&[], 0.05).is_none() && expected_shortfall(&[], 0.05).is_none());
    assert!(expected_shortfall(&[f64::NAN; 30], 0.05).is_none());
}

#[test]
fn cornish_fisher() {
    // 30 digits of these are in every table.
    close(normal_quantile(0.01), -2.326347874040841, 0.0);
    close(normal_quantile(0.05), -1.6448536269514729, 0.0);
    close(normal_quantile(0.975), 1.959963984540054, 0.0);
    close(normal_quantile(1e-300), -37.0471, 1e-4);
    assert_eq!(normal_quantile(0.5), Some(0.0));
    assert_eq!(normal_quantile(0.0), None);
    let z = normal_quantile(0.01).unwrap();
    close(cornish_fisher_quantile(z, -0.5, 3.0), -3.301284492, 1e-9);
    close(cornish_fisher_quantile(z, 0.0, 0.0), z, 0.0);
    // Maillard's domain: strong skewness needs kurtosis, and kurtosis below 0 or far above has no increasing map.
    for (s, k) in [(3.0, 1.0), (0.0, -0.1), (0.0, 9.0), (f64::NAN, 0.0)] {
        assert_eq!(cornish_fisher_quantile(z, s, k), None);
    }
    assert_eq!(cornish_fisher_var(&[0.1; 30], 0.05), None);
    let heavy: Vec<f64> = (0..200).map(|i| R[i % 10] * if i % 13 == 0 { 2.5 } else { 1.0 }).collect();
    let m = Moments::of(&heavy);
    let z = cornish_fisher_quantile(z, m.skewness().unwrap(), m.excess_kurtosis().unwrap()).unwrap();
    close(cornish_fisher_var(&heavy, 0.01), -(m.mean + m.deviation().unwrap() * z), 0.0);
}

#[test]
fn ratios_of_returns() {
    close(downside_deviation(&R, 0.0), 0.0173205081, 1e-10);
    close(sharpe(&R), -2.181941696, 1e-9);
    close(sortino(&R, 0.0), -2.757565351, 1e-9);
    close(max_drawdown(&R), -0.0599812564, 1e-10);
    close(volatility(&R), Moments::of(&R).deviation().unwrap() * 365f64.sqrt(), 0.0);
    close(annual_mean(&R), -0.9125, 0.0);
    assert_eq!(sample(&R, MIN_RETURNS), None);
    // 0.1 has no exact double, and its mean still no spread.
    assert_eq!((sharpe(&[0.1; 30]), volatility(&[0.1; 30])), (None, Some(0.0)));
    assert_eq!((sortino(&[0.1; 30], 0.0), downside_deviation(&[0.1; 30], 0.0)), (None, Some(0.0)));
    assert_eq!(max_drawdown(&[0.5, -1.5, 3.0]), Some(-1.0));
    assert_eq!(max_drawdown(&[1e308, 1e308, -0.5]), Some(-0.5));
    assert_eq!(max_drawdown(&[0.5, 0.1]), Some(0.0));
    for f in [sharpe, volatility, annual_mean, max_drawdown, |r: &[f64]| sortino(r, 0.0)] {
        assert_eq!(f(&[]), None);
        assert_eq!(f(&[f64::NAN, 1.0]), None);
        assert_eq!(f(&[f64::INFINITY, 1.0]), None);
    }
    assert_eq!(on_base(&[5.0, -10.0], 100.0), Some(vec![0.05, -0.1]));
    assert_eq!(on_base(&[5.0], 0.0), None);
    assert_eq!(on_each(&[5.0, -10.0, 1.0], &[100.0, 0.0, 10.0]), vec![0.05, 0.1]);
}

#[test]
fn implied_aversion() {
    close(kelly_fraction(0.5, 0.8), 0.78125, 0.0);
    close(implied_risk_aversion(0.5, 0.0, 0.8, 3.0), 0.2604166667, 1e-10);
    for (mu, r, sigma, pi) in [(0.5, 0.0, 0.8, 0.0), (0.5, 0.5, 0.8, 1.0), (0.5, 0.0, 0.0, 1.0), (0.5, 0.0, 0.8, -1.0)]
    {
        assert_eq!(implied_risk_aversion(mu, r, sigma, pi), None);
    }
    assert_eq!(implied_risk_aversion(f64::NAN, 0.0, 0.8, 1.0), None);
}

#[test]
fn drawdown_of_pnl_in_any_parentheses() {
    let pnl = [100, -50, 30, -200, 80, 60, -10, -90, 150].map(Drawdown::of);
    let expected = Drawdown { total: 70, max_prefix: 100, min_prefix: -120, drawdown: 220 };
    // Every way of splitting into two, each half by every split of its own, and so on.
    fn all_ways(leaves: &[Drawdown]) -> Vec<Drawdown> {
        if leaves.len() == 1 {
            return leaves.to_vec();
        }
        let mut ways = Vec::new();
        for cut in 1..leaves.len() {
            for left in all_ways(&leaves[..cut]) {
                ways.extend(all_ways(&leaves[cut..]).into_iter().map(|right| left.then(right)));
            }
        }
        ways
    }
    let ways = all_ways(&pnl);
    assert_eq!(ways.len(), 1430);
    assert!(ways.iter().all(|w| *w == expected));
    assert_eq!(Drawdown::default().then(expected).then(Drawdown::default()), expected);
    let most = Drawdown::of(i128::MIN).then(Drawdown::of(i128::MIN)).then(Drawdown::of(i128::MAX));
    assert_eq!(most.drawdown, i128::MAX);
}

#[test]
fn moments_merge() {
    let x = [4.0, 7.0, 13.0, 16.0].map(|v| 1e9 + v);
    assert_eq!(Moments::of(&x).variance(), Some(30.0));
    let mut halves = Moments::of(&x[..2]);
    halves.merge(&Moments::of(&x[2..]));
    assert_eq!(halves.variance(), Some(30.0));
    let n = R.len() as f64;
    let mean = R.iter().sum::<f64>() / n;
    let central = |p: i32| R.iter().map(|r| (r - mean).powi(p)).sum::<f64>() / n;
    for cut in 0..=R.len() {
        let mut m = Moments::of(&R[..cut]);
        m.merge(&Moments::of(&R[cut..]));
        close(m.mean, mean, 1e-17);
        close(m.population_variance(), central(2), 0.0);
        close(m.skewness(), central(3) / central(2).powf(1.5), 0.0);
        close(m.excess_kurtosis(), central(4) / central(2).powi(2) - 3.0, 0.0);
        let mut c = CoMoments::of(&R[..cut], &M[..cut]);
        c.merge(&CoMoments::of(&R[cut..], &M[cut..]));
        close(c.xy, CoMoments::of(&R, &M).xy, 0.0);
        close(c.correlation(), 0.9460130493f64.sqrt(), 1e-10);
    }
    assert_eq!(Moments::of(&[1.0]).variance(), None);
    assert_eq!((Moments::of(&[0.3; 5]).skewness(), Moments::of(&[]).population_variance()), (None, None));
}

#[test]
fn least_squares() {
    let l = line(&R, &M).unwrap();
    close(l.slope, 0.6374501992, 1e-10);
    close(l.r_squared, 0.9460130493, 1e-10);
    close(l.residual_volatility(), 0.1030648065, 1e-10);
    close(l.idiosyncratic_share(), 0.0539869507, 1e-10);
    let (q, dp) = ([100.0, -50.0, 200.0, -150.0, 75.0, -25.0], [1.2, -0.4, 2.1, -1.7, 0.6, -0.1]);
    let l = line(&dp, &q).unwrap();
    close(l.slope, 0.010580645161, 1e-12);
    close(l.intercept, 0.018817204301, 1e-12);
    close(l.r_squared, 0.987232584745, 1e-12);
    close(line_through_origin(&dp, &q).map(|l| l.slope), 0.010615384615, 1e-12);
    close(trend(&[1.0, 3.0, 5.0, 7.0]), 2.0, 0.0);
    assert_eq!(line(&R, &[0.1; 10]), None);
    assert_eq!(line(&R, &M[1..]), None);
    assert_eq!(line(&[f64::NAN, 1.0], &[1.0, 2.0]), None);
    assert_eq!(line(&[1.0], &[1.0]), None);
    let flat = line(&[0.1; 10], &M).unwrap();
    assert_eq!((flat.slope, flat.r_squared, flat.residual_volatility()), (0.0, None, Some(0.0)));
    assert_eq!(line(&[1.0, 2.0], &[1.0, 2.0]).unwrap().residual_volatility(), None);
}

#[test]
fn two_factors() {
    let second = [0.01, 0.02, -0.01, -0.02, 0.03, 0.0, 0.01, -0.03, 0.02, 0.01];
    let y: Vec<f64> = M.iter().zip(second).map(|(a, b)| 0.001 + 0.7 * a - 1.3 * b).collect();
    let p = plane(&y, &M, &second).unwrap();
    close(p.slopes[0], 0.7, 0.0);
    close(p.slopes[1], -1.3, 0.0);
    close(p.intercept, 0.001, 0.0);
    close(p.r_squared, 1.0, 0.0);
    // With residuals: they are orthogonal to both factors.
    let p = plane(&R, &M, &second).unwrap();
    let e: Vec<f64> = (0..10).map(|i| R[i] - p.intercept - p.slopes[0] * M[i] - p.slopes[1] * second[i]).collect();
    for x in [&[1.0; 10], &M, &second] {
        assert!(e.iter().zip(x).map(|(e, x)| e * x).sum::<f64>().abs() < 1e-15);
    }
    assert!(p.r_squared.unwrap() > line(&R, &M).unwrap().r_squared.unwrap());
    let double = M.map(|m| 2.0 * m);
    assert_eq!(plane(&R, &M, &double), None);
    assert_eq!(plane(&R, &M, &[0.1; 10]), None);
    assert_eq!(plane(&R[..2], &M[..2], &second[..2]), None);
}

#[test]
fn hours_on_a_circle() {
    let c = circular_mean(&[1.0, 2.0, 3.0, 23.0, 22.0]).unwrap();
    close(c.concentration, 0.885566977, 1e-9);
    close(c.hour, 0.612616, 1e-6);
    let mut counts = [0u64; HOURS];
    [1, 2, 3, 23, 22].iter().for_each(|&h: &usize| counts[h] += 1);
    let same = circular_mean_of_counts(&counts).unwrap();
    close(same.concentration, c.concentration, 0.0);
    close(same.hour, c.hour.unwrap(), 0.0);
    assert_eq!(circular_mean_of_counts(&[u64::MAX; HOURS]), Some(CircularMean { concentration: 0.0, hour: None }));
    let mut thirds = [0u64; HOURS];
    [3, 11, 19].iter().for_each(|&h: &usize| thirds[h] = 10);
    assert_eq!(circular_mean_of_counts(&thirds), Some(CircularMean { concentration: 0.0, hour: None }));
    assert_eq!(circular_mean_of_counts(&[0; HOURS]), None);
    assert_eq!(circular_mean(&[]), None);
    let late = circular_mean(&[24.0 - 1e-16]).unwrap().hour.unwrap();
    assert!((0.0..24.0).contains(&late));
}

#[test]
fn rhythm_of_gaps() {
    let times = [0.0, 1.0, 2.0, 3.0, 60.0, 61.0, 62.0, 300.0];
    let gaps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    let r = coefficient_of_variation(&gaps).unwrap();
    close(r, 1.912781569687, 1e-12);
    close(burstiness(r), 0.313371101763, 1e-12);
    close(finite_burstiness(r, gaps.len()), 0.733913626509, 1e-12);
    close(memory(&gaps), -0.252183122252, 1e-12);
    for n in [2usize, 10, 1000] {
        close(finite_burstiness((n as f64 - 1.0).sqrt(), n), 1.0, 0.0);
        close(finite_burstiness(((n as f64 - 1.0) / (n as f64 + 1.0)).sqrt(), n), 0.0, 2e-15);
        close(finite_burstiness(0.0, n), -1.0, 0.0);
    }
    assert_eq!(burstiness(0.0), Some(-1.0));
    assert_eq!(coefficient_of_variation(&[0.0, 0.0]), None);
    assert_eq!(coefficient_of_variation(&[]), None);
    assert_eq!((memory(&[2.0; 12]), memory(&[1.0, 2.0])), (None, None));
    assert_eq!((finite_burstiness(1.0, 1), burstiness(f64::NAN)), (None, None));
}

#[test]
fn risk_appetite() {
    let x = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 10.0, 50.0].map(Some);
    let z = robust_scores(&x);
    // The check numbers of the robust scale: (x - 1.5) / (4.75 + 0.25).
    for (z, want) in z.iter().zip([-0.7, -0.5, -0.3, -0.1, 0.1, 0.3, 1.7, 3.0]) {
        close(*z, want, 0.0);
    }
    // Half of the accounts at 0: no interquartile range, and still a score for the one who is not.
    let mut liquidated = [Some(0.0); 10];
    liquidated[9] = Some(0.5);
    let z = robust_scores(&liquidated);
    // Standard deviation of nine 0 and one 0.5: 0.5 · √(0.1 · 0.9) = 0.15.
    close(z[9], 3.0, 0.0);
    assert_eq!(z[0], Some(0.0));
    let few = robust_scores(&[Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(2.0), None]);
    close(few[5], 1.0 / (5.0f64 / 36.0).sqrt(), 0.0);
    assert_eq!(few[6], None);
    // Where the quartiles are equal the median absolute deviation is 0, too; the variance here is 2/5.
    close(robust_scores(&[-1.0, 0.0, 0.0, 0.0, 1.0].map(Some))[4], 1.0 / 0.4f64.sqrt(), 0.0);
    for equal in [0.0, 0.1, 1e300] {
        assert_eq!(robust_scores(&[Some(equal), Some(equal), Some(equal), None]), vec![None; 4]);
    }
    let none = [None; 8];
    let mut columns: [&[Option<f64>]; TERMS.len()] = [&none; TERMS.len()];
    for t in [0, 1, 6] {
        columns[t] = &x;
    }
    assert!(risk_appetite_index(&columns).iter().all(|a| a.index.is_none()));
    let mut holes = x;
    holes[0] = None;
    holes[1] = Some(f64::NAN);
    columns[8] = &holes;
    let all = risk_appetite_index(&columns);
    assert_eq!((all[0].index, all[1].index), (None, None));
    close(all[6].index, all[6].terms.iter().flatten().sum::<f64>() / 4.0, 0.0);
    assert_eq!((all[6].weight(), all[0].weight()), (Some(0.25), None));
    // Two terms for and two against more appetite, so that the outlier ends in the middle.
    assert_eq!(all[7].index, Some(0.0));
    assert_eq!(all[7].terms[6], Some(-3.0));
}
