//! The planted archetypes: what an account of each kind does on average, and how much accounts differ.
//!
//! Every figure overlaps between archetypes, and none of them tells more than two or three groups apart: an
//! archetype is a combination. So a clustering that finds them has used many features at once.

use super::random::Random;
use table::*;

/// What an account was planted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Archetype {
    /// Quotes everything on both sides, around the clock.
    MarketMaker,
    /// Takes directional perpetual positions in a few underlyings, at high leverage.
    LeveragedPerp,
    /// Writes options on few underlyings, short-dated and far out of the money, mostly on working days.
    OptionSeller,
    /// Buys spot seldom and in larger sizes, rather when it has fallen.
    SpotHolder,
    /// Trades leveraged tokens; joined lately.
    LeveragedToken,
    /// Follows the trend in futures and perpetuals by program.
    TrendBot,
}

impl Archetype {
    /// In the order of the parameter table.
    pub const ALL: [Archetype; 6] = [
        Archetype::MarketMaker,
        Archetype::LeveragedPerp,
        Archetype::OptionSeller,
        Archetype::SpotHolder,
        Archetype::LeveragedToken,
        Archetype::TrendBot,
    ];

    /// The label as SQL shows it, such as `market_maker`.
    pub fn name(self) -> &'static str {
        match self {
            Archetype::MarketMaker => "market_maker",
            Archetype::LeveragedPerp => "leveraged_perp",
            Archetype::OptionSeller => "option_seller",
            Archetype::SpotHolder => "spot_holder",
            Archetype::LeveragedToken => "leveraged_token",
            Archetype::TrendBot => "trend_bot",
        }
    }
}

/// One behavioural parameter: the mean of each archetype (in the order of [`Archetype::ALL`]) and the standard
/// deviation between accounts of one archetype, on the scale on which it is normal.
struct Trait {
    means: [f64; 6],
    sd: f64,
}

const fn of(means: [f64; 6], sd: f64) -> Trait {
    Trait { means, sd }
}

/// Kept apart so that the columns stay aligned: one of them is one archetype.
#[rustfmt::skip]
mod table {
    use super::{of, Trait};

    //                                           maker   perp  option   spot  token    bot
    pub const LN_TRADES: Trait = of([        5.60,  5.15,  4.70,  4.45,  4.80,  5.40], 0.55);
    pub const LN_SIZE: Trait = of([          8.40,  8.20,  9.00,  9.00,  8.10,  7.50], 0.65);
    pub const LOGIT_ACTIVE: Trait = of([     2.60,  0.60,  0.50, -0.80, -0.10,  1.60], 0.50);
    pub const LOGIT_START: Trait = of([     -2.60, -1.30, -2.00, -1.60, -0.40, -1.00], 0.50);
    pub const LOGIT_GAP: Trait = of([       -5.00, -3.30, -3.20, -2.00, -2.80, -4.20], 0.50);
    pub const LN_HOURS: Trait = of([        -0.80,  0.80,  1.50,  1.30,  0.90, -1.20], 0.45);
    pub const LN_WEEKEND: Trait = of([      -0.20,  0.60, -1.20,  0.20,  0.60, -0.10], 0.25);
    pub const LOGIT_MAKER: Trait = of([      1.40, -1.10,  0.60, -0.20, -1.50, -1.70], 0.45);
    pub const SIDE: Trait = of([             0.00,  0.20, -1.00,  1.20,  0.70,  0.00], 0.30);
    pub const LN_FOCUS: Trait = of([        -1.90,  0.20,  0.30, -0.40, -0.60, -0.90], 0.35);
    pub const LN_SPOT: Trait = of([         -1.60, -2.10, -2.30, -0.50, -1.30, -2.30], 0.35);
    pub const LN_FUTURE: Trait = of([       -1.70, -2.60, -1.90, -3.30, -3.60, -0.60], 0.35);
    pub const LN_PERPETUAL: Trait = of([    -1.10, -0.45, -1.80, -2.10, -1.90, -1.30], 0.35);
    pub const LN_OPTION: Trait = of([       -1.60, -2.90, -0.65, -3.10, -3.30, -3.10], 0.35);
    pub const LN_TOKEN: Trait = of([        -3.00, -2.50, -3.40, -2.10, -0.75, -3.20], 0.35);
    pub const FOLLOW: Trait = of([          -0.40,  0.40,  0.00, -0.40,  0.20,  0.90], 0.10);
    pub const INVENTORY: Trait = of([        0.60,  0.10,  0.05,  0.00,  0.05,  0.25], 0.05);
    pub const TIER: Trait = of([             3.20,  1.40,  2.20,  1.00,  0.80,  2.40], 0.80);
    pub const LN_LEVERAGE: Trait = of([      1.30,  2.90,  1.10,  0.20,  1.10,  1.60], 0.40);
    pub const LN_CUSHION: Trait = of([       0.30, -1.80, -0.80,  0.20, -0.10,  0.20], 0.30);
    pub const LOGIT_STOP: Trait = of([      -4.00, -3.40, -2.80, -2.20, -2.40, -1.20], 0.50);
    pub const LOGIT_COMBO: Trait = of([     -1.60, -3.00, -1.00, -3.20, -3.20, -2.80], 0.40);
    pub const LOGIT_SPLIT: Trait = of([     -1.60, -1.40, -1.20, -0.90, -1.30, -1.00], 0.40);
    pub const NEARNESS: Trait = of([         0.20,  0.50,  1.20, -0.30,  0.60,  0.10], 0.30);
    pub const AWAY: Trait = of([             0.50,  0.60,  1.30,  0.70,  0.60,  0.40], 0.15);
    pub const LN_COIN: Trait = of([         -0.60,  0.20,  0.30, -1.40, -1.60, -0.90], 0.50);
}

/// How one account behaves: its archetype's means, its own deviations, and as much noise as was asked for.
pub(super) struct Behaviour {
    /// Trades in 60 days.
    pub trades: f64,
    /// Median trade, USD.
    pub size: f64,
    /// Share of days traded between the first and the last.
    pub active: f64,
    /// Where in the period the account starts, as a share.
    pub start: f64,
    /// How long before the end of the period it stops, as a share.
    pub gap: f64,
    /// Concentration of trading hours (von Mises kappa).
    pub hours: f64,
    /// Weight of a weekend day against a working day.
    pub weekend: f64,
    /// Probability that a trade is passive.
    pub maker: f64,
    /// Log odds of buying.
    pub side: f64,
    /// How fast the weight falls from the favourite underlying to the next.
    pub focus: f64,
    /// Weights of spot, future, perpetual, option, leveraged token.
    pub kinds: [f64; 5],
    /// Pull of the last day's return, and of the own position, on the side.
    pub follow: f64,
    pub inventory: f64,
    /// VIP fee tier, 0..=5.
    pub tier: usize,
    /// Usual declared leverage.
    pub leverage: f64,
    /// What it pays in beyond what it needs, against the usual.
    pub cushion: f64,
    /// Share of the orders that take which are stop orders.
    pub stop: f64,
    /// Share of the option orders that have two legs.
    pub combo: f64,
    /// Probability that an order goes on after a fill.
    pub split: f64,
    /// How fast the weight of options falls from the nearest expiry to the next.
    pub nearness: f64,
    /// How far options are out of the money on average, in standard deviations.
    pub away: f64,
    /// Weight of coins as collateral against dollars.
    pub coin: f64,
}

impl Behaviour {
    /// Draws one account. `noise` moves variance from between the archetypes to within them and leaves the
    /// population as a whole alike: at 0 accounts are near their archetype, at 1 it is hardly seen, at 10 not at all.
    pub fn draw(archetype: Archetype, noise: f64, random: &mut Random) -> Self {
        let signal = libm::exp(-0.6 * libm::pow(noise, 1.2));
        let mut draw = |of: &Trait| {
            let centre = of.means.iter().sum::<f64>() / 6.0;
            let between = of.means.iter().map(|m| (m - centre) * (m - centre)).sum::<f64>() / 6.0;
            let sd = (of.sd * of.sd + (1.0 - signal * signal) * between).sqrt();
            // Beyond three deviations an account would be a caricature of its kind.
            let own = random.normal().clamp(-3.0, 3.0);
            centre + signal * (of.means[archetype as usize] - centre) + sd * own
        };
        let share = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        Behaviour {
            trades: libm::exp(draw(&LN_TRADES)).clamp(20.0, 2_000.0),
            size: libm::exp(draw(&LN_SIZE)),
            active: share(draw(&LOGIT_ACTIVE)),
            start: share(draw(&LOGIT_START)),
            gap: share(draw(&LOGIT_GAP)),
            hours: libm::exp(draw(&LN_HOURS)),
            weekend: libm::exp(draw(&LN_WEEKEND)),
            maker: share(draw(&LOGIT_MAKER)),
            side: draw(&SIDE),
            focus: libm::exp(draw(&LN_FOCUS)),
            kinds: [&LN_SPOT, &LN_FUTURE, &LN_PERPETUAL, &LN_OPTION, &LN_TOKEN].map(|kind| libm::exp(draw(kind))),
            follow: draw(&FOLLOW),
            inventory: draw(&INVENTORY).max(0.0),
            tier: draw(&TIER).round().clamp(0.0, 5.0) as usize,
            leverage: libm::exp(draw(&LN_LEVERAGE)).clamp(1.0, 60.0),
            cushion: libm::exp(draw(&LN_CUSHION)),
            stop: share(draw(&LOGIT_STOP)),
            combo: share(draw(&LOGIT_COMBO)),
            split: share(draw(&LOGIT_SPLIT)),
            nearness: draw(&NEARNESS),
            away: draw(&AWAY),
            coin: libm::exp(draw(&LN_COIN)),
        }
    }
}
