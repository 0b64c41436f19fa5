//! Underlyings that every venue's risk desk looks at by themselves: bitcoin, ether and the US-dollar stablecoins.
//!
//! By symbol, in capital letters, as venues write them. Another spelling is another underlying: nothing is guessed.

use crate::profile::sums::Money;
use crate::profile::symbol::key40;
use xxhash_rust::const_xxh3::xxh3_64;

const fn key(name: &str) -> u64 {
    key40(xxh3_64(name.as_bytes()))
}

/// Symbols that count as one of the three, sorted by nothing in particular: there are few.
const CLASSES: [(u64, Money); 21] = [
    (key("BTC"), Money::Bitcoin),
    (key("XBT"), Money::Bitcoin),
    (key("ETH"), Money::Ether),
    (key("USDT"), Money::Stablecoin),
    (key("USDC"), Money::Stablecoin),
    (key("DAI"), Money::Stablecoin),
    (key("USDS"), Money::Stablecoin),
    (key("USDE"), Money::Stablecoin),
    (key("FDUSD"), Money::Stablecoin),
    (key("TUSD"), Money::Stablecoin),
    (key("BUSD"), Money::Stablecoin),
    (key("PYUSD"), Money::Stablecoin),
    (key("USDP"), Money::Stablecoin),
    (key("GUSD"), Money::Stablecoin),
    (key("USDD"), Money::Stablecoin),
    (key("LUSD"), Money::Stablecoin),
    (key("FRAX"), Money::Stablecoin),
    (key("RLUSD"), Money::Stablecoin),
    (key("USD1"), Money::Stablecoin),
    (key("USDG"), Money::Stablecoin),
    (key("CRVUSD"), Money::Stablecoin),
];

/// The sum that an underlying belongs to, if any.
pub fn class_of(underlying: u64) -> Option<Money> {
    CLASSES.iter().find(|(key, _)| *key == underlying).map(|&(_, sum)| sum)
}
