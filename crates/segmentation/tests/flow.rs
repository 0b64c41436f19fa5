//! Order-flow figures against worked numbers, and their identities.

use proptest::prelude::*;
use segmentation::flow::*;
use segmentation::Kind;

#[track_caller]
fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-11 * b.abs().max(1.0), "{a} is not {b}");
}

const FLOWS: [f64; 6] = [100.0, -50.0, 200.0, -150.0, 75.0, -25.0];
const CHANGES: [f64; 6] = [1.2, -0.4, 2.1, -1.7, 0.6, -0.1];

/// scipy.stats.linregress; the line through the origin by sum xy / sum xx.
#[test]
fn kyles_lambda() {
    let line = kyle_lambda(&FLOWS, &CHANGES, true).unwrap();
    close(line.slope, 0.010580645161290);
    close(line.intercept, 0.018817204301075);
    close(line.r_squared.unwrap(), 0.987232584745763);
    // t of a correlation: r sqrt((n - 2) / (1 - r^2)).
    let r2 = line.r_squared.unwrap();
    close(line.t.unwrap(), (r2 * 4.0 / (1.0 - r2)).sqrt());
    assert_eq!(line.bins, 6);
    assert!(!line.holds_for_an_account());
    let origin = kyle_lambda(&FLOWS, &CHANGES, false).unwrap();
    close(origin.slope, 0.010615384615385);
    assert_eq!(origin.intercept, 0.0);
}

#[test]
fn kyles_lambda_at_the_edges() {
    assert_eq!(kyle_lambda(&[], &[], true), None);
    assert_eq!(kyle_lambda(&[1.0], &[1.0], true), None);
    assert_eq!(kyle_lambda(&[2.0, 2.0, 2.0], &[1.0, 2.0, 3.0], true), None);
    assert_eq!(kyle_lambda(&[0.0, 0.0], &[1.0, 2.0], false), None);
    assert_eq!(kyle_lambda(&[f64::MAX, -f64::MAX], &[1.0, 2.0], true), None);
    let perfect = kyle_lambda(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0], true).unwrap();
    assert_eq!((perfect.slope, perfect.intercept, perfect.r_squared, perfect.t), (2.0, 0.0, Some(1.0), None));
    let still = kyle_lambda(&[1.0, 2.0, 3.0], &[5.0, 5.0, 5.0], true).unwrap();
    assert_eq!((still.slope, still.r_squared), (0.0, None));
    let two = kyle_lambda(&[1.0, 2.0], &[1.0, 3.0], true).unwrap();
    assert_eq!((two.slope, two.t), (2.0, None));
    // NaN and what has no partner are left out.
    let (mut x, mut y) = (FLOWS.to_vec(), CHANGES.to_vec());
    x.extend([f64::NAN, 5.0, 7.0]);
    y.extend([1.0, f64::INFINITY]);
    assert_eq!(kyle_lambda(&x, &y, true), kyle_lambda(&FLOWS, &CHANGES, true));
    // 200 bins of a line with little noise hold for an account.
    let x: Vec<f64> = (0..200).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| 0.5 * x + f64::from(*x as i32 % 3)).collect();
    assert!(kyle_lambda(&x, &y, true).unwrap().holds_for_an_account());
    assert!(!kyle_lambda(&x[1..], &y[1..], true).unwrap().holds_for_an_account());
}

fn buys(volume: f64) -> Trade {
    Trade { volume, buy_share: 1.0 }
}

fn sells(volume: f64) -> Trade {
    Trade { volume, buy_share: 0.0 }
}

#[test]
fn vpin_of_four_buckets() {
    let bucket = |bought, sold| Bucket { bought, sold };
    let buckets = [bucket(60.0, 40.0), bucket(30.0, 70.0), bucket(80.0, 20.0), bucket(50.0, 50.0)];
    close(vpin(&buckets).unwrap(), 0.30);
    assert_eq!(vpin(&[]), None);
    assert_eq!(vpin(&[Bucket::default()]), None);
    let rolling = rolling_vpin(&buckets, 2);
    assert_eq!(rolling[0], None);
    for (found, expected) in rolling[1..].iter().zip([0.3, 0.5, 0.3]) {
        close(found.unwrap(), expected);
    }
    // The same from trades that cross the edges.
    let trades = [buys(60.0), sells(110.0), buys(110.0), sells(20.0), buys(50.0), sells(75.0)];
    let filled = Buckets::fill(&trades, 100.0).unwrap();
    assert_eq!(filled.full, buckets);
    assert_eq!(filled.rest, bucket(0.0, 25.0));
    assert_eq!(filled.began, [0, 0, 1, 2, 3, 3]);
}

#[test]
fn buckets_at_the_edges() {
    let one = Buckets::fill(&[buys(350.0)], 100.0).unwrap();
    assert_eq!((one.full.len(), one.rest.bought), (3, 50.0));
    let ill = [buys(f64::NAN), buys(-1.0), buys(f64::INFINITY), buys(0.0), Trade { volume: 1.0, buy_share: 1.1 }];
    let none = Buckets::fill(&ill, 1.0).unwrap();
    assert_eq!((none.full.len(), none.rest, none.began.len()), (0, Bucket::default(), 5));
    for size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Buckets::fill(&[], size).unwrap_err().kind, Kind::InvalidParameter);
    }
    let error = Buckets::fill(&[buys(1e18)], 1e-9).unwrap_err();
    assert_eq!(error.kind, Kind::LimitExceeded);
    assert!(error.message.starts_with("bucket size = 0.000000001 makes"), "{}", error.message);
}

#[test]
fn bulk_classification() {
    assert_eq!(bulk_buy_share(0.0, 1.0), Some(0.5));
    close(bulk_buy_share(1.0, 1.0).unwrap(), 0.841344746068543);
    close(bulk_buy_share(-3.0, 2.0).unwrap(), 0.066807201268858);
    assert_eq!(bulk_buy_share(1.0, 0.0), None);
    assert_eq!(bulk_buy_share(f64::NAN, 1.0), None);
    // A bar of 100 with two deviations up counts 97.7 as bought.
    let bar = Trade { volume: 100.0, buy_share: bulk_buy_share(2.0, 1.0).unwrap() };
    close(vpin(&Buckets::fill(&[bar], 100.0).unwrap().full).unwrap(), 0.954499736103642);
}

#[test]
fn toxic_trades() {
    // Ten balanced buckets, then one-sided ones: the last window is the most toxic.
    let mut trades: Vec<Trade> = (0..20).map(|i| if i % 2 == 0 { buys(50.0) } else { sells(50.0) }).collect();
    trades.extend([buys(100.0), buys(100.0), buys(30.0)]);
    let flags = toxic(&trades, 100.0, 3).unwrap();
    assert_eq!(flags[..4], [None; 4]);
    assert!(flags[4..20].iter().all(|f| *f == Some(false)));
    assert_eq!(flags[20..], [Some(false), Some(true), None]);
    assert_eq!(toxic(&[], 1.0, 50).unwrap(), []);
}

#[test]
fn lsv_by_hand() {
    close(adjustment_factor(10, 0.5).unwrap(), 0.123046875);
    close(lsv(8, 10, 0.5).unwrap(), 0.176953125);
    assert_eq!(lsv(4, 4, 0.5), None, "fewer than five accounts");
    assert_eq!(lsv(11, 10, 0.5), None);
    assert_eq!(lsv(5, 10, f64::NAN), None);
    assert_eq!(lsv(5, 10, 1.5), None);
    assert_eq!(lsv(10, 10, 1.0), Some(0.0));
    assert_eq!(adjustment_factor(0, 0.5), None);
    // For many accounts it goes to sqrt(2 p (1 - p) / (pi n)).
    let n = 100_000_000u64;
    let limit = (2.0 * 0.3 * 0.7 / (std::f64::consts::PI * n as f64)).sqrt();
    assert!((adjustment_factor(n, 0.3).unwrap() / limit - 1.0).abs() < 1e-6);
    close(mean_lsv(&[(8, 10), (2, 10), (1, 2), (9, 3)]).unwrap(), 0.176953125);
    assert_eq!(mean_lsv(&[(1, 2)]), None);
}

#[test]
fn herding_of_an_account() {
    assert_eq!(herding(&[(10.0, 5.0), (-30.0, -1.0)]), Some(1.0));
    assert_eq!(herding(&[(10.0, -5.0), (-30.0, 1.0)]), Some(-1.0));
    assert_eq!(herding(&[(10.0, 5.0), (-30.0, 1.0)]), Some(-0.5));
    assert_eq!(herding(&[(10.0, 0.0), (10.0, 3.0)]), Some(0.5));
    assert_eq!(herding(&[(0.0, 1.0)]), None);
    assert_eq!(herding(&[(f64::NAN, 1.0), (1.0, f64::NAN), (2.0, 1.0)]), Some(1.0));
    assert_eq!(herding(&[]), None);
}

#[test]
fn markouts() {
    close(markout(1.0, 100.0, 101.0).unwrap(), 100.0);
    close(markout(-1.0, 100.0, 101.0).unwrap(), -100.0);
    // A maker that sold at 100.1 over a mid of 100, which then rose to 100.3.
    let costs = Costs::of(-1.0, 100.1, 100.0, 100.3).unwrap();
    close(costs.spread_capture, 1e3 / 100.1);
    close(costs.markout, -2e3 / 100.1);
    close(costs.impact, 3e3 / 100.1);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(markout(1.0, bad, 1.0), None);
        assert_eq!(markout(1.0, 1.0, bad), None);
        assert_eq!(Costs::of(1.0, 1.0, bad, 1.0), None);
    }
    for side in [0.0, 2.0, f64::NAN] {
        assert_eq!(markout(side, 1.0, 1.0), None);
    }
    assert_eq!(markout(1.0, 1e-300, 1e300), None, "beyond float8");
}

#[test]
fn trends() {
    assert_eq!(trend_score(&[(100.0, 3.0), (-100.0, -9.0)]), Some(1.0));
    assert_eq!(trend_score(&[(100.0, -3.0)]), Some(-1.0));
    close(trend_score(&[(100.0, 1.5), (300.0, 0.0)]).unwrap(), 0.125);
    assert_eq!(trend_score(&[(100.0, f64::NAN), (50.0, 6.0)]), Some(1.0));
    assert_eq!(trend_score(&[(0.0, 1.0)]), None);
    assert_eq!(trend_score(&[]), None);
}

proptest! {
    #[test]
    fn a_line_is_found(
        slope in -5.0..5.0f64,
        intercept in -5.0..5.0f64,
        xs in prop::collection::vec(-100.0..100.0f64, 3..50),
    ) {
        let ys: Vec<f64> = xs.iter().map(|x| intercept + slope * x).collect();
        let spread = xs.iter().cloned().fold(f64::MIN, f64::max) - xs.iter().cloned().fold(f64::MAX, f64::min);
        prop_assume!(spread > 1.0);
        let line = kyle_lambda(&xs, &ys, true).unwrap();
        prop_assert!((line.slope - slope).abs() < 1e-9 && (line.intercept - intercept).abs() < 1e-9);
    }

    /// Scaling flow scales the slope, shifting prices nothing but the intercept; the residuals are orthogonal.
    #[test]
    fn least_squares(xy in prop::collection::vec((-100.0..100.0f64, -10.0..10.0f64), 3..50), scale in 0.1..10.0f64) {
        let (xs, ys): (Vec<f64>, Vec<f64>) = xy.iter().cloned().unzip();
        let Some(line) = kyle_lambda(&xs, &ys, true) else { return Ok(()) };
        prop_assume!(xs.iter().any(|x| (x - xs[0]).abs() > 1.0));
        let scaled: Vec<f64> = xs.iter().map(|x| x * scale).collect();
        let other = kyle_lambda(&scaled, &ys, true).unwrap();
        prop_assert!((other.slope * scale - line.slope).abs() < 1e-9 * (1.0 + line.slope.abs()));
        let shifted: Vec<f64> = ys.iter().map(|y| y + 3.0).collect();
        let other = kyle_lambda(&xs, &shifted, true).unwrap();
        prop_assert!((other.intercept - line.intercept - 3.0).abs() < 1e-9);
        let residual = |x: f64, y: f64| y - line.intercept - line.slope * x;
        let sum: f64 = xy.iter().map(|&(x, y)| residual(x, y)).sum();
        let with_x: f64 = xy.iter().map(|&(x, y)| residual(x, y) * x).sum();
        prop_assert!(sum.abs() < 1e-7 && with_x.abs() < 1e-5);
        prop_assert!(line.r_squared.is_none_or(|r| (0.0..=1.0).contains(&r)));
    }

    /// No volume is lost, every full bucket is full, and cutting trades in two changes nothing.
    #[test]
    fn buckets(trades in prop::collection::vec((0.01..300.0f64, 0.0..=1.0f64), 0..60), size in 10.0..200.0f64) {
        let whole: Vec<Trade> = trades.iter().map(|&(volume, buy_share)| Trade { volume, buy_share }).collect();
        let filled = Buckets::fill(&whole, size).unwrap();
        for b in &filled.full {
            prop_assert!((b.bought + b.sold - size).abs() < 1e-9 * size);
        }
        let total: f64 = whole.iter().map(|t| t.volume).sum();
        let held: f64 = filled.full.iter().chain([&filled.rest]).map(|b| b.bought + b.sold).sum();
        prop_assert!((total - held).abs() < 1e-9 * (1.0 + total));
        let bought: f64 = whole.iter().map(|t| t.volume * t.buy_share).sum();
        let held: f64 = filled.full.iter().chain([&filled.rest]).map(|b| b.bought).sum();
        prop_assert!((bought - held).abs() < 1e-9 * (1.0 + total));
        let halves: Vec<Trade> = whole.iter().flat_map(|t| [Trade { volume: t.volume / 2.0, ..*t }; 2]).collect();
        let again = Buckets::fill(&halves, size).unwrap();
        prop_assert!(again.full.len().abs_diff(filled.full.len()) <= 1);
        for (a, b) in again.full.iter().zip(&filled.full) {
            prop_assert!((a.bought - b.bought).abs() < 1e-8 * size);
        }
        if let Some(v) = vpin(&filled.full) {
            prop_assert!((0.0..=1.0).contains(&v));
        }
        prop_assert_eq!(toxic(&whole, size, 5).unwrap().len(), whole.len());
    }

    /// The closed form is the sum over all numbers of buyers.
    #[test]
    fn adjustment(n in 1..200u64, p in 0.0..=1.0f64) {
        let (nf, mut sum) = (n as f64, 0.0);
        for k in 0..=n {
            let kf = k as f64;
            let ways = libm::lgamma(nf + 1.0) - libm::lgamma(kf + 1.0) - libm::lgamma(nf - kf + 1.0);
            sum += ways.exp() * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32) * (kf / nf - p).abs();
        }
        prop_assert!((adjustment_factor(n, p).unwrap() - sum).abs() < 1e-11);
    }

    /// By chance alone the expected herding is 0.
    #[test]
    fn no_herding_by_chance(n in 5..60u64, p in 0.01..0.99f64) {
        let mut expected = 0.0;
        let mut chance = (1.0 - p).powi(n as i32);
        for k in 0..=n {
            expected += chance * lsv(k, n, p).unwrap();
            chance *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
        }
        prop_assert!(expected.abs() < 1e-11);
    }

    #[test]
    fn scores_are_bounded(bins in prop::collection::vec((-1e9..1e9f64, -10.0..10.0f64), 0..40)) {
        for score in [herding(&bins), trend_score(&bins)].into_iter().flatten() {
            prop_assert!(score.abs() <= 1.0 + 1e-12);
        }
        let mirrored: Vec<(f64, f64)> = bins.iter().map(|&(a, b)| (-a, b)).collect();
        prop_assert_eq!(herding(&mirrored), herding(&bins).map(|x| 0.0 - x));
        prop_assert_eq!(trend_score(&mirrored), trend_score(&bins).map(|x| 0.0 - x));
    }

    /// Effective is realised plus impact.
    #[test]
    fn costs_add_up(buy: bool, price in 1e-3..1e6f64, mid in -0.1..0.1f64, later in -0.5..0.5f64) {
        let side = if buy { 1.0 } else { -1.0 };
        let costs = Costs::of(side, price, price * (1.0 + mid), price * (1.0 + later)).unwrap();
        prop_assert!((costs.spread_capture - costs.markout - costs.impact).abs() <= 1e-9);
        let other = Costs::of(-side, price, price * (1.0 + mid), price * (1.0 + later)).unwrap();
        prop_assert_eq!(costs.markout, -other.markout);
    }
}
