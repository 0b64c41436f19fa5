//! What an account is and keeps: its archetype, its favourite underlyings, its hours.

use super::archetype::Archetype;
use super::instrument::Kind;
use super::market::{COUNT, UNDERLYINGS};
use super::random::{Random, Stream};

/// Each block of six consecutive accounts holds every archetype once, in an order of its own: the archetypes are
/// equally frequent, and adding accounts changes nobody's.
pub(super) fn planted(seed: u64, account: u32) -> Archetype {
    let size = Archetype::ALL.len();
    order_of(seed, u64::from(account) / size as u64)[account as usize % size]
}

pub(super) fn order_of(seed: u64, block: u64) -> [Archetype; 6] {
    let mut order = Archetype::ALL;
    let mut random = Random::new(seed, Stream::Block(block));
    for i in (1..order.len()).rev() {
        order.swap(i, random.below(i + 1));
    }
    order
}

pub(super) fn cumulative<const N: usize>(weights: [f64; N]) -> [f64; N] {
    let mut sum = 0.0;
    weights.map(|weight| {
        sum += weight;
        sum
    })
}

/// The account's own ranking of the underlyings (popular ones tend to come first), with weights that fall by the
/// factor exp(-focus) from rank to rank, for each kind over those that list it.
pub(super) fn favourites(focus: f64, random: &mut Random) -> [[f64; COUNT]; 5] {
    let mut order: [(f64, usize); COUNT] = std::array::from_fn(|u| (UNDERLYINGS[u].popularity + random.normal(), u));
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut weights = [0.0; COUNT];
    for (rank, &(_, underlying)) in order.iter().enumerate() {
        weights[underlying] = libm::exp(-focus * rank as f64);
    }
    Kind::ALL.map(|kind| cumulative(std::array::from_fn(|u| if kind.listed_on(u) { weights[u] } else { 0.0 })))
}

/// A day that peaks at an hour of the account's own.
pub(super) fn trading_hours(concentration: f64, random: &mut Random) -> [f64; 24] {
    let peak = 24.0 * random.uniform();
    cumulative(std::array::from_fn(|hour| {
        let angle = (hour as f64 + 0.5 - peak) * (std::f64::consts::PI / 12.0);
        libm::exp(concentration * (libm::cos(angle) - 1.0))
    }))
}
