//! What a trade adds to the sums of order flow: direction, maker or taker, and how prices moved before and after it.
//!
//! Moves are signed by the account's side, so that a positive figure is a gain to the account. A trade of an account
//! with itself moves nothing between accounts and is left out here; it counts in volume.

use crate::profile::fill::Fill;
use crate::profile::sums::{Count, Money, Sums};
use crate::profile::trade::{Mark, Num};

/// Standardised returns beyond this many deviations count as this many.
pub const TREND_CLIP: f64 = 3.0;

const MARKOUTS: [(Num, Money, Money); 5] = [
    (Num::Mid1s, Money::Markout1s, Money::Markout1sVolume),
    (Num::Mid10s, Money::Markout10s, Money::Markout10sVolume),
    (Num::Mid1m, Money::Markout1m, Money::Markout1mVolume),
    (Num::Mid5m, Money::Markout5m, Money::Markout5mVolume),
    (Num::Mid1h, Money::Markout1h, Money::Markout1hVolume),
];

const TRENDS: [(Num, Money, Money); 3] = [
    (Num::UnderlyingReturn1h, Money::Trend1h, Money::Trend1hVolume),
    (Num::UnderlyingReturn1d, Money::Trend1d, Money::Trend1dVolume),
    (Num::UnderlyingReturn7d, Money::Trend7d, Money::Trend7dVolume),
];

/// Adds the flow of a priced trade; `volume` is its notional in units of money, `usd` the same in USD.
pub fn add(s: &mut Sums, fill: &Fill, volume: i128, usd: f64) {
    if fill.mark(Mark::SelfTrade) == Some(true) {
        return s.tick(Count::SelfPriced);
    }
    let maker = fill.mark(Mark::Maker);
    if let Some(maker) = maker {
        s.tick(Count::Flagged);
        s.pay(Money::Flagged, volume);
        if maker {
            s.pay(Money::Maker, volume);
        } else {
            s.tick(Count::Takers);
            if let Some(toxic) = fill.mark(Mark::Toxic) {
                s.tick(Count::ToxicKnown);
                s.pay(Money::ToxicKnown, volume);
                s.pay(Money::Toxic, if toxic { volume } else { 0 });
            }
        }
    }
    let Some(sell) = fill.mark(Mark::Side) else {
        if maker == Some(false) {
            s.tick(Count::TakersUnsided);
        }
        return;
    };
    let signed = if sell { -volume } else { volume };
    s.tick(Count::Sided);
    s.pay(Money::Sided, volume);
    s.pay(Money::Signed, signed);
    match maker {
        Some(true) => (),
        Some(false) => {
            s.pay(Money::TakerSided, volume);
            s.pay(Money::TakerSigned, signed);
        }
        None => s.tick(Count::SidedUnflagged),
    }
    if fill.num(Num::Quantity).is_none() {
        s.tick(Count::SidedNoQuantity);
    }
    let price = fill.num(Num::Price).filter(|&p| p > 0.0);
    if price.is_none() {
        s.tick(Count::SidedNoPrice);
    }
    // Most tables know nothing of what follows.
    const MOVES: u32 = (1 << (Num::UnderlyingReturn7d as usize + 1)) - (1 << Num::Mid as usize);
    if fill.present & MOVES == 0 && fill.own_flow().is_none() {
        return;
    }
    let sign = if sell { -1.0 } else { 1.0 };
    if let Some(price) = price {
        let per_price = usd * sign / price;
        let gain = |to: f64| per_price * (to - price);
        let mid = fill.num(Num::Mid);
        if let Some(mid) = mid {
            s.weigh(Money::Spread, Money::SpreadVolume, volume, gain(mid));
        }
        for (after, sum, of) in MARKOUTS {
            if let Some(after) = fill.num(after) {
                s.weigh(sum, of, volume, gain(after));
            }
        }
        if let (Some(mid), Some(after)) = (mid, fill.num(Num::Mid5m)) {
            s.weigh(Money::Impact, Money::ImpactVolume, volume, gain(mid) - gain(after));
        }
    }
    for (z, sum, of) in TRENDS {
        if let Some(z) = fill.num(z) {
            s.weigh(sum, of, volume, usd * sign * z.clamp(-TREND_CLIP, TREND_CLIP) / TREND_CLIP);
        }
    }
    let Some(own) = fill.own_flow() else { return };
    s.tick(Count::OwnFlow);
    if let Some(others) = fill.others_flow() {
        s.tick(Count::HerdKnown);
        // Summed over the bin's trades, s·N·sgn(own) is |own|, and s·N·sgn(others) is own·sgn(others).
        s.pay(Money::HerdOwn, signed * i128::from(own));
        s.pay(Money::Herd, signed * i128::from(others));
    }
}
