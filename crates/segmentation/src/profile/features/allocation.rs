//! What an account's volume is spread over.

use super::features;
use super::view::{Trades, Value};
use super::Compute::Trades as T;
use crate::profile::fill::KINDS;
use crate::profile::money::{ratio, to_usd};
use crate::profile::section::Tag;
use crate::profile::sums::{Count, Money};
use crate::statistics::concentration::Concentration;

#[rustfmt::skip]
features! { "allocation";
    "instruments", "number of instruments", "instruments", 'M', ["instrument"], "", Log1p, true, "", "distinct instrument; beyond 128 estimated (standard error 3.25 %)", "breadth of trading", "Flajolet et al. 2007", T(|t| { t.some(Count::WithInstrument, "missing:instrument")?; Ok(t.parts(Tag::Instruments)?.instruments()) });
    "underlyings", "number of underlyings", "underlyings", 'M', ["instrument"], "", Log1p, false, "", "distinct underlying (instrument where none is given); beyond 128 estimated", "how many markets the account is in", "Flajolet et al. 2007", T(|t| { t.some(Count::Keyed, "missing:instrument")?; Ok(t.parts(Tag::Underlyings)?.underlyings()) });
    "hhi", "concentration", "share", 'G', ["quantity", "price", "instrument"], "", Identity, true, "", "Σ w², w = share of volume by underlying (instrument where none is given)", "1 is one underlying, 1/k is k of equal weight", "Herfindahl-Hirschman", T(|t| over(t, Tag::ByUnderlying, |w| w.hhi));
    "hhi_normalised", "normalised concentration", "0 to 1", 'G', ["quantity", "price", "instrument"], "", Identity, false, "", "(Σ w² - 1/k) / (1 - 1/k), k underlyings; 1 where k = 1", "concentration whatever the number of underlyings", "Herfindahl-Hirschman", T(|t| over(t, Tag::ByUnderlying, |w| w.hhi_normalised()));
    "entropy", "diversification", "nats", 'G', ["quantity", "price", "instrument"], "", Identity, true, "", "-Σ w ln w", "0 is one underlying, ln k is k of equal weight", "Shannon", T(|t| over(t, Tag::ByUnderlying, |w| w.entropy));
    "entropy_normalised", "evenness", "0 to 1", 'G', ["quantity", "price", "instrument"], "", Identity, false, "", "-Σ w ln w / ln k; 0 where k = 1", "1 where all underlyings weigh the same", "Shannon", T(|t| over(t, Tag::ByUnderlying, |w| w.entropy_normalised()));
    "effective_underlyings", "effective number of underlyings", "underlyings", 'G', ["quantity", "price", "instrument"], "", Log1p, false, "", "1 / Σ w²", "as many of equal weight would be as concentrated", "Herfindahl-Hirschman", T(|t| over(t, Tag::ByUnderlying, |w| w.effective_number()));
    "hhi_kind", "concentration by kind", "share", 'G', ["quantity", "price", "kind"], "", Identity, false, "", "Σ w², w = share of volume by kind of instrument", "1 is one kind", "Herfindahl-Hirschman", T(by_kind);
    "hhi_venue", "concentration by venue", "share", 'G', ["quantity", "price", "venue"], "", Identity, false, "", "Σ w², w = share of volume by venue", "1 is one venue", "Herfindahl-Hirschman", T(|t| { t.priced()?; given(t, Tag::ByVenue, "missing:venue")?; over(t, Tag::ByVenue, |w| w.hhi) });
    "hhi_collateral", "concentration by collateral", "share", 'G', ["quantity", "price", "collateral"], "", Identity, false, "", "Σ w², w = share of volume by collateral coin", "1 is one coin", "Herfindahl-Hirschman", T(|t| { t.priced()?; given(t, Tag::ByCollateral, "missing:collateral")?; over(t, Tag::ByCollateral, |w| w.hhi) });
    "share_btc", "bitcoin share", "share", 'G', ["quantity", "price", "underlying"], "", Hellinger, false, "", "volume in BTC or XBT / volume of known underlying", "weight of bitcoin", "", T(|t| asset(t, Money::Bitcoin));
    "share_eth", "ether share", "share", 'G', ["quantity", "price", "underlying"], "", Hellinger, false, "", "volume in ETH / volume of known underlying", "weight of ether", "", T(|t| asset(t, Money::Ether));
    "share_stablecoin", "stablecoin share", "share", 'G', ["quantity", "price", "underlying"], "", Hellinger, false, "", "volume in US-dollar stablecoins / volume of known underlying", "weight of stablecoins", "", T(|t| asset(t, Money::Stablecoin));
    "long_tail_share", "long-tail share", "share", 'J', ["quantity", "price", "instrument", "market.top_underlyings"], "", Hellinger, false, "", "volume outside the venue's 20 largest underlyings / volume of known underlying (instrument where none is given)", "weight of illiquid markets", "", T(long_tail);
}

fn known(t: &Trades) -> Result<(), &'static str> {
    t.priced()?;
    t.some(Count::Keyed, "missing:instrument")
}

fn given(t: &Trades, by: Tag, missing: &'static str) -> Result<(), &'static str> {
    if t.parts(by)?.allocation(by).entries.is_empty() {
        return Err(missing);
    }
    Ok(())
}

/// Not by the instrument where no underlying is named: what BTC-PERPETUAL is made of would be a guess.
fn asset(t: &Trades, sum: Money) -> Value {
    t.share(sum, Money::WithUnderlying, Count::WithUnderlying, "missing:underlying")
}

/// A figure of the shares of an allocation.
fn over(t: &Trades, by: Tag, figure: impl Fn(&Concentration) -> f64) -> Value {
    if by == Tag::ByUnderlying {
        known(t)?;
    }
    let amounts: Vec<f64> = t.parts(by)?.allocation(by).entries.iter().map(|e| to_usd(e.1)).collect();
    Concentration::of(&amounts).map(|c| figure(&c)).ok_or("zero_volume")
}

fn by_kind(t: &Trades) -> Value {
    t.priced()?;
    t.some(Count::Kinded, "missing:kind")?;
    let volumes: Vec<f64> = (0..KINDS).map(|k| to_usd(t.sums.kind_volume(k))).collect();
    Concentration::of(&volumes).map(|c| c.hhi).ok_or("zero_volume")
}

fn long_tail(t: &Trades) -> Value {
    known(t)?;
    let top = t.market.and_then(|m| m.top_underlyings.as_ref()).ok_or("missing:market")?;
    let volumes = t.parts(Tag::ByUnderlying)?.allocation(Tag::ByUnderlying);
    if volumes.is_grouped() {
        return Err("grouped");
    }
    let entries = &volumes.entries;
    let inside = entries.iter().filter(|(key, _)| top.contains(key)).map(|e| e.1).fold(0, i128::saturating_add);
    let total = entries.iter().map(|e| e.1).fold(0, i128::saturating_add);
    ratio(total - inside, total).ok_or("zero_volume")
}
