//! What a fill earned after it, and what it traded after.

/// Standardised returns count up to this many deviations.
const FARTHEST: f64 = 3.0;

/// A fill's costs, in basis points of its price and signed so that more is better for the account:
/// `spread_capture = markout + impact`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// How much better than the mid price the fill was; negative for a taker.
    pub spread_capture: f64,
    /// What is left of it when the mid price has moved on: the realised part.
    pub markout: f64,
    /// What the mid price moved against the account.
    pub impact: f64,
}

impl Costs {
    /// `side` +1 bought, -1 sold; prices in one currency: the fill's, the mid price at it and the one some time later.
    /// `None` for a price not above 0, NaN, infinities, and another side.
    pub fn of(side: f64, price: f64, mid: f64, later: f64) -> Option<Costs> {
        Some(Costs {
            spread_capture: markout(side, price, mid)?,
            markout: markout(side, price, later)?,
            impact: in_price(side, mid - later, price).filter(|x| x.is_finite())?,
        })
    }
}

/// Profit of a fill at a later mid price, basis points of its price: 1e4 side (later - price) / price. With the mid
/// price at the fill itself it is the spread captured. `side` +1 bought, -1 sold. `None` for a price not above 0, NaN,
/// infinities, and another side.
pub fn markout(side: f64, price: f64, later: f64) -> Option<f64> {
    let valid = |p: f64| p > 0.0 && p.is_finite();
    if !valid(price) || !valid(later) {
        return None;
    }
    in_price(side, later - price, price).filter(|x| x.is_finite())
}

fn in_price(side: f64, difference: f64, price: f64) -> Option<f64> {
    (side.abs() == 1.0).then(|| 1e4 * side * difference / price)
}

/// Whether an account follows trends, in [-1, 1]: fills of (signed notional, return of the underlying before the fill
/// in its standard deviations), the return clipped at 3 on both sides: sum s N z / (3 sum N). Above 0 it buys what
/// rose. Fills where either is NaN or infinite are left out. `None` where the notional is 0.
pub fn trend_score(fills: &[(f64, f64)]) -> Option<f64> {
    let (mut along, mut all) = (0.0, 0.0);
    for &(signed, z) in fills.iter().filter(|(signed, z)| signed.is_finite() && z.is_finite()) {
        all += signed.abs();
        along += signed * (z.clamp(-FARTHEST, FARTHEST) / FARTHEST);
    }
    (all > 0.0 && all.is_finite()).then(|| along / all)
}
