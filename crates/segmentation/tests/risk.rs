//! Option pricing against QuantLib, Hull and vollib, and its identities.

use proptest::prelude::*;
use segmentation::risk::{black76, black_scholes, implied_volatility, Greeks};

const MONTH: f64 = 30.0 / 365.0;
const WEEK: f64 = 7.0 / 365.0;
const HALF_YEAR: f64 = 180.0 / 365.0;

/// As many digits as the source prints, 1e-9 at best.
#[track_caller]
fn close(a: f64, b: f64, digits: i32) {
    let tolerance = 0.51 * 10f64.powi(1 - digits) * b.abs();
    assert!((a - b).abs() <= tolerance.max(1e-9 * b.abs()), "{a} is not {b}");
}

struct Case {
    given: (f64, f64, f64, f64, f64, bool),
    value: f64,
    delta: f64,
    gamma: f64,
    vega: f64,
    theta: f64,
}

/// QuantLib 1.44, BlackCalculator.
const CASES: [Case; 5] = [
    Case {
        given: (1e5, 1e5, MONTH, 0.6, 0.0, true),
        value: 6853.9407182535,
        delta: 0.534269703591,
        gamma: 2.310672e-5,
        vega: 11395.09542200,
        theta: -41592.098290,
    },
    Case {
        given: (1e5, 1.2e5, MONTH, 0.7, 0.0, true),
        value: 2166.9498966888,
        delta: 0.209499268038,
        gamma: 1.434082e-5,
        vega: 8250.88486662,
        theta: -35135.018057,
    },
    Case {
        given: (1e5, 8e4, WEEK, 0.8, 0.0, false),
        value: 80.9012300732,
        delta: -0.019247544067,
        gamma: 4.230322e-6,
        vega: 649.03563017,
        theta: -13537.028858,
    },
    Case {
        given: (4000.0, 3500.0, HALF_YEAR, 0.75, 0.04, false),
        value: 542.4051244580,
        delta: -0.296710919092,
        gamma: 1.624498e-4,
        vega: 961.34688751,
        theta: -709.327991,
    },
    Case {
        given: (100.0, 100.0, 1.0, 0.2, 0.05, true),
        value: 7.5770821464,
        delta: 0.513500122982,
        gamma: 1.887965e-2,
        vega: 37.75929433,
        theta: -3.397075,
    },
];

fn priced(case: &Case) -> Greeks {
    let (f, k, t, v, r, call) = case.given;
    black76(f, k, t, v, r, call).unwrap()
}

#[test]
fn quantlib() {
    for case in &CASES {
        let g = priced(case);
        close(g.value, case.value, 11);
        close(g.delta, case.delta, 11);
        close(g.gamma, case.gamma, 7);
        close(g.vega, case.vega, 10);
        close(g.theta, case.theta, 7);
    }
    let g = priced(&CASES[0]);
    close(g.vanna, 0.05697548, 7);
    close(g.volga, -140.487478, 9);
    let g = priced(&CASES[1]);
    close(g.vanna, 0.41477461, 8);
    close(g.volga, 9610.006004, 10);
}

#[test]
fn coin_premiums() {
    for (case, price, delta) in
        [(0, 0.068539407183, 0.465730296409), (1, 0.021669498967, 0.187829769071), (2, 0.000809012301, -0.020056556368)]
    {
        let coin = priced(&CASES[case]).in_coin(1e5);
        assert!((coin.price - price).abs() < 6e-13);
        assert!((coin.delta - delta).abs() < 6e-13);
    }
}

/// Hull, "Options, Futures, and Other Derivatives": the examples of the chapters on Black-Scholes and futures options.
#[test]
fn hull() {
    close(black_scholes(42.0, 40.0, 0.5, 0.2, 0.1, 0.0, true).unwrap().value, 4.759422392872, 13);
    close(black_scholes(42.0, 40.0, 0.5, 0.2, 0.1, 0.0, false).unwrap().value, 0.808599372900, 12);
    close(black76(20.0, 20.0, 4.0 / 12.0, 0.25, 0.09, false).unwrap().value, 1.116641456559, 13);
}

#[test]
fn without_time_or_volatility() {
    for (t, v) in [(0.0, 0.5), (-1.0, 0.5), (0.0, 0.0)] {
        let g = |f, k, call| black76(f, k, t, v, 0.1, call).unwrap();
        let flat = Greeks { value: 0.0, delta: 0.0, gamma: 0.0, vega: 0.0, theta: 0.0, vanna: 0.0, volga: 0.0 };
        assert_eq!(g(110.0, 100.0, true), Greeks { value: 10.0, delta: 1.0, ..flat });
        assert_eq!(g(110.0, 100.0, false), Greeks { delta: -0.0, ..flat });
        assert_eq!(g(90.0, 100.0, false), Greeks { value: 10.0, delta: -1.0, ..flat });
        assert_eq!(g(100.0, 100.0, true).delta, 0.5);
        assert_eq!(g(100.0, 100.0, false).delta, -0.5);
    }
    let discount = (-0.1f64).exp();
    let g = black76(110.0, 100.0, 1.0, 0.0, 0.1, true).unwrap();
    close(g.value, 10.0 * discount, 14);
    close(g.delta, discount, 14);
    close(g.theta, discount, 14);
    assert_eq!(black76(110.0, 100.0, 1.0, -3.0, 0.1, true), Some(g));
}

#[test]
fn what_cannot_be_priced_is_none() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(black76(bad, 1.0, 1.0, 1.0, 0.0, true), None);
        assert_eq!(black76(1.0, bad, 1.0, 1.0, 0.0, true), None);
        assert_eq!(black76(1.0, 1.0, bad, 1.0, 0.0, true), None);
        assert_eq!(black76(1.0, 1.0, 1.0, bad, 0.0, true), None);
        assert_eq!(black76(1.0, 1.0, 1.0, 1.0, bad, true), None);
        assert_eq!(black_scholes(1.0, 1.0, 1.0, 1.0, 0.0, bad, true), None);
        assert_eq!(implied_volatility(bad, 1.0, 1.0, 1.0, 0.0, true), None);
    }
    assert_eq!(black76(0.0, 1.0, 1.0, 1.0, 0.0, true), None);
    assert_eq!(black76(1.0, -1.0, 1.0, 1.0, 0.0, true), None);
    assert_eq!(black76(1.0, 1.0, 1e9, 1.0, -1.0, true), None, "a discount factor beyond float8");
}

/// Any finite arguments give finite figures or none.
#[test]
fn extremes() {
    let sizes = [5e-324, 1e-300, 1e-9, 1.0, 1e9, 1e300, f64::MAX];
    for f in sizes {
        for k in sizes {
            for t in sizes {
                for v in sizes {
                    for call in [true, false] {
                        if let Some(g) = black76(f, k, t, v, 0.0, call) {
                            assert!(g.value >= 0.0 && g.value <= if call { f } else { k }, "{f} {k} {t} {v} {g:?}");
                            assert!(g.delta.abs() <= 1.0);
                        }
                        black_scholes(f, k, t, v, 0.1, 0.2, call);
                        implied_volatility(v, f, k, t, 0.0, call);
                    }
                }
            }
        }
    }
    let endless = black76(100.0, 120.0, 1.0, 1e200, 0.0, true).unwrap();
    assert_eq!((endless.value, endless.delta, endless.vega), (100.0, 1.0, 0.0));
}

#[test]
fn implied_outside_the_bounds_is_none() {
    let implied = |value, call| implied_volatility(value, 100.0, 80.0, 0.5, 0.0, call);
    assert_eq!(implied(19.999, true), None, "below the intrinsic value");
    assert_eq!(implied(20.0, true), None, "no time value: any small volatility gives it");
    assert_eq!(implied(20.0 + 1e-14, true), None, "a time value below the rounding of the premium");
    assert_eq!(implied(100.0, true), None, "a call costs less than the forward");
    assert_eq!(implied(80.0, false), None, "a put costs less than the strike");
    assert_eq!(implied(0.0, false), None);
    assert_eq!(implied(-1.0, false), None);
    assert_eq!(implied(79.999999, false), None, "more than 1,000 %");
    assert_eq!(implied_volatility(5.0, 100.0, 100.0, 0.0, 0.0, true), None, "no time");
    let value = |v| black76(100.0, 100.0, 1.0, v, 0.0, true).unwrap().value;
    assert_eq!(implied_volatility(value(0.9e-4), 100.0, 100.0, 1.0, 0.0, true), None);
    assert_eq!(implied_volatility(value(10.01), 100.0, 100.0, 1.0, 0.0, true), None);
    for edge in [1e-4, 10.0] {
        let found = implied_volatility(value(edge), 100.0, 100.0, 1.0, 0.0, true).unwrap();
        assert!((found - edge).abs() < 1e-9, "{found}");
    }
}

/// vollib's table of Black-Scholes prices and greeks (`data/vollib.csv`, licence beside it), to the digits it prints.
#[test]
fn vollib() {
    let mut rows = 0;
    for line in include_str!("data/vollib.csv").lines().skip(1) {
        let x: Vec<f64> = line.split(',').map(|x| x.parse().unwrap()).collect();
        let digits: Vec<f64> = line.split(',').map(last_digit).collect();
        let [s, k, r, t, v] = [x[0], x[1], x[2], x[3], x[4]];
        for (call, column) in [(true, 5), (false, 10)] {
            let g = black_scholes(s, k, t, v, r, 0.0, call).unwrap();
            let given = [g.value, g.delta, g.gamma, g.theta, g.vega];
            for (i, a) in given.iter().enumerate() {
                let b = x[column + i];
                // Zeros at the end are not printed, so a short number is no less exact than a long one.
                let tolerance = (0.51 * digits[column + i]).min(1e-5 * b.abs() + 1e-9);
                assert!((a - b).abs() <= tolerance, "{line}: {a} is not {b}");
            }
            let forward = s * (r * t).exp();
            if g.vega > 1e-8 * forward {
                let found = implied_volatility(g.value, forward, k, t, r, call).unwrap();
                let tolerance = 1e-9 + 8.0 * f64::EPSILON * g.value.max(s) / g.vega;
                assert!((found - v).abs() <= tolerance, "{line}: {found}");
            }
        }
        rows += 1;
    }
    assert_eq!(rows, 26);
}

/// Weight of the last printed digit: 1e-6 for 875.309912, 1e-31 for 2.06648e-26.
fn last_digit(number: &str) -> f64 {
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, d)| d.len() as i32);
    10f64.powi(exponent.parse::<i32>().unwrap() - decimals)
}

/// forward, strike, years, volatility, rate: what markets show, and somewhat beyond.
fn markets() -> impl Strategy<Value = (f64, f64, f64, f64, f64)> {
    (1e-3..1e6f64, -1.5..1.5f64, 1e-4..3.0f64, 0.02..4.0f64, -0.05..0.2f64)
        .prop_map(|(f, away, t, v, r)| (f, f * away.exp(), t, v, r))
}

/// Central difference of `f` at `x`, with the step halved once (Richardson) to be rid of the second-order error.
fn slope(f: impl Fn(f64) -> f64, x: f64, h: f64) -> f64 {
    let d = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
    (4.0 * d(h / 2.0) - d(h)) / 3.0
}

proptest! {
    #[test]
    fn parity((f, k, t, v, r) in markets()) {
        let (call, put) = (black76(f, k, t, v, r, true).unwrap(), black76(f, k, t, v, r, false).unwrap());
        let discount = (-r * t).exp();
        prop_assert!((call.value - put.value - discount * (f - k)).abs() <= 1e-10 * f.max(k));
        prop_assert!((call.delta - put.delta - discount).abs() <= 1e-12);
        prop_assert_eq!((call.gamma, call.vega, call.vanna, call.volga), (put.gamma, put.vega, put.vanna, put.volga));
        // The formula as the books write it, which is good where nothing cancels.
        let s = v * t.sqrt();
        let d1 = (f / k).ln() / s + s / 2.0;
        let phi = |x: f64| 0.5 * libm::erfc(-x / 2f64.sqrt());
        prop_assert!((call.value - discount * (f * phi(d1) - k * phi(d1 - s))).abs() <= 1e-12 * f.max(k));
        prop_assert!((put.value - discount * (k * phi(s - d1) - f * phi(-d1))).abs() <= 1e-12 * f.max(k));
    }

    #[test]
    fn greeks_are_the_slopes((f, k, t, v, r) in markets(), call: bool) {
        let at = |f, t, v| black76(f, k, t, v, r, call).unwrap();
        let g = at(f, t, v);
        // A step well inside the width of the kink, in the forward, in time and in volatility.
        let width = (0.02 * v * t.sqrt()).min(0.02);
        let near = |a: f64, b: f64, scale: f64, what: &str| {
            prop_assert!((a - b).abs() <= 1e-6 * scale, "{what}: {a} is not {b}, scale {scale}");
            Ok(())
        };
        let s = v * t.sqrt();
        near(g.delta, slope(|x| at(x, t, v).value, f, width * f), 1.0, "delta")?;
        near(g.gamma, slope(|x| at(x, t, v).delta, f, width * f), g.gamma + 1.0 / (f * s), "gamma")?;
        near(g.vega, slope(|x| at(f, t, x).value, v, 0.02 * v), g.vega + f * t.sqrt(), "vega")?;
        let of_theta = g.theta.abs() + f * v / t.sqrt() + r.abs() * f.max(k);
        near(g.theta, -slope(|x| at(f, x, v).value, t, 0.02 * t), of_theta, "theta")?;
        near(g.vanna, slope(|x| at(f, t, x).delta, v, 0.02 * v), g.vanna.abs() + 1.0 / v, "vanna")?;
        near(g.volga, slope(|x| at(f, t, x).vega, v, 0.02 * v), g.volga.abs() + f * t.sqrt() / v, "volga")?;
    }

    #[test]
    fn spot_greeks_are_the_slopes((s, k, t, v, r) in markets(), q in 0.0..0.1f64, call: bool) {
        let at = |s, t, v| black_scholes(s, k, t, v, r, q, call).unwrap();
        let g = at(s, t, v);
        let width = (0.02 * v * t.sqrt()).min(0.02);
        let near = |a: f64, b: f64, scale: f64| {
            prop_assert!((a - b).abs() <= 1e-6 * scale, "{a} is not {b}, scale {scale}");
            Ok(())
        };
        near(g.delta, slope(|x| at(x, t, v).value, s, width * s), 1.0)?;
        near(g.gamma, slope(|x| at(x, t, v).delta, s, width * s), g.gamma + 1.0 / (s * v * t.sqrt()))?;
        near(g.vanna, slope(|x| at(s, t, x).delta, v, 0.02 * v), g.vanna.abs() + 1.0 / v)?;
        near(g.theta, -slope(|x| at(s, x, v).value, t, 0.02 * t), g.theta.abs() + s * v / t.sqrt() + s.max(k))?;
    }

    #[test]
    fn more_volatility_is_never_cheaper((f, k, t, v, r) in markets(), call: bool, more in 1.0001..3.0f64) {
        let value = |v| black76(f, k, t, v, r, call).unwrap().value;
        let (a, b) = (value(v), value(v * more));
        prop_assert!(b >= a, "{b} < {a}");
        let discount = (-r * t).exp();
        let bound = discount * if call { f } else { k };
        prop_assert!(a >= 0.0 && b <= bound * (1.0 + 1e-15));
    }

    #[test]
    fn implied_round_trip((f, k, t, v, r) in markets(), call: bool) {
        let g = black76(f, k, t, v, r, call).unwrap();
        if g.vega <= 1e-8 * f {
            return Ok(());
        }
        // An in-the-money premium holds its time value only to its own rounding.
        let tolerance = 1e-9 + 8.0 * f64::EPSILON * g.value / g.vega;
        match implied_volatility(g.value, f, k, t, r, call) {
            Some(found) => prop_assert!((found - v).abs() <= tolerance, "{found} is not {v}"),
            None => prop_assert!(tolerance > 1e-2 * v, "none for {v}"),
        }
        if (call && k >= f) || (!call && k <= f) {
            let found = implied_volatility(g.value, f, k, t, r, call).unwrap();
            prop_assert!((found - v).abs() <= 1e-9, "{found} is not {v}");
        }
    }
}
