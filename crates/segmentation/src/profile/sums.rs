//! Everything of a profile that adds up (class G), and its first and last fill (class M).

use crate::error::Result;
use crate::profile::codec::{malformed, read_map, write_map, Reader, Sink};
use crate::profile::days::DAY;
use crate::profile::fill::{KINDS, KIND_NAMES};
use crate::profile::money;
use crate::profile::shares::Shares;
use crate::profile::symbol::{hash, key40};

/// Sums of money, in units of [`money::UNITS`] a USD. "of" names the fills whose volume it is; a sum named for a figure
/// x is Σ N·x over the fills that carry x, N being the absolute notional.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub enum Money {
    Volume,
    /// Volume of fills whose side is known, and the same with purchases positive and sales negative.
    Sided,
    Signed,
    /// The same of taker fills.
    TakerSided,
    TakerSigned,
    /// Fees of all fills; those of priced fills, and their volume.
    AllFees,
    Fee,
    FeeVolume,
    /// Volume of fills that say whether they were maker, and of those that were.
    Flagged,
    Maker,
    /// Volume of fills that name their underlying, and of those in three kinds of asset.
    WithUnderlying,
    Bitcoin,
    Ether,
    Stablecoin,
    /// Options: volume by type.
    Put,
    Call,
    /// Options with a notional and a premium: volume, premium; of those with a side the volume and the signed premium.
    PremiumVolume,
    Premium,
    PremiumSidedVolume,
    PremiumPricedSigned,
    /// Options with a premium and a side, whether they have a notional or not: premium, unsigned and signed.
    PremiumSided,
    PremiumSigned,
    /// ln(strike / underlying), the same over sigma·sqrt(T), and out of the money.
    MoneynessVolume,
    Moneyness,
    StandardisedVolume,
    Standardised,
    OtmVolume,
    Otm,
    /// Days to expiry, and the volume of the short-dated.
    ExpiryVolume,
    Expiry,
    Expiry1d,
    Expiry7d,
    Expiry30d,
    /// Greeks of options whose side is known: Σ|vega|, Σ s·vega, Σ s·gamma for 1 %, Σ s·theta a day, in USD.
    VegaSize,
    Vega,
    Gamma,
    Theta,
    /// Volume of sold options with greeks, and of those with |delta| below 0.10.
    SoldVolume,
    TailSold,
    /// Options with a side and a volatility: how that moves after the trade, in volatility points. Those with greeks, a
    /// premium and the mid and the underlying's price later: gain after a hedge of the delta, in USD.
    VolMarkout1mVolume,
    VolMarkout1m,
    VolMarkout5mVolume,
    VolMarkout5m,
    HedgedMarkout1mVolume,
    HedgedMarkout1m,
    HedgedMarkout5mVolume,
    HedgedMarkout5m,
    /// Fills that tell their margin mode, and those on isolated margin.
    MarginKnown,
    Isolated,
    /// Legs of combinations.
    ComboKnown,
    Combo,
    TokenVolume,
    TokenFactor,
    LeverageVolume,
    Leverage,
    LiquidationKnown,
    Liquidated,
    Pnl,
    Gains,
    Losses,
    /// Account-signed moves after the trade, in USD: from the price to the mid at the trade, and to the mids after it.
    SpreadVolume,
    Spread,
    Markout1sVolume,
    Markout1s,
    Markout10sVolume,
    Markout10s,
    Markout1mVolume,
    Markout1m,
    Markout5mVolume,
    Markout5m,
    Markout1hVolume,
    Markout1h,
    /// From the price to the mid, less the same five minutes later, over fills that know both.
    ImpactVolume,
    Impact,
    Trend1hVolume,
    Trend1h,
    Trend1dVolume,
    Trend1d,
    Trend7dVolume,
    Trend7d,
    HerdOwn,
    Herd,
    /// Taker volume that says whether it was toxic, and that was.
    ToxicKnown,
    Toxic,
    /// Volume of fills whose kind is known; the volumes by kind follow it.
    Kinded,
    Kind0,
}
pub const MONEY: usize = Money::Kind0 as usize + KINDS;

/// Counts of fills by what they say. "Flow" are priced fills but those of the account with itself. What almost every
/// fill says is counted by those that do not say it: a count of 0 takes no bytes.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub enum Count {
    Fills,
    Priced,
    /// Unpriced for want of a price, and of the price of an option's underlying; the others lack a quantity.
    NoPrice,
    NoSpot,
    /// Fills that say whether the account traded with itself; that it did; the priced ones of the latter.
    SelfKnown,
    SelfTrades,
    SelfPriced,
    /// Flow with a side; those of it that lack the maker flag, a quantity, a price above 0.
    Sided,
    SidedUnflagged,
    SidedNoQuantity,
    SidedNoPrice,
    /// Flow with the maker flag; takers; those of them without a side, and with a flag for toxic buckets.
    Flagged,
    Takers,
    TakersUnsided,
    ToxicKnown,
    /// Flow with a side and the account's flow of the bin, and with that of the others, too.
    OwnFlow,
    HerdKnown,
    WithFee,
    Kinded,
    WithInstrument,
    /// Fills with an underlying or, where none is named, an instrument; priced ones that name their underlying.
    Keyed,
    WithUnderlying,
    WithOrder,
    WithCounterparty,
    LiquidationKnown,
    Liquidations,
    OrderTyped,
    Stops,
    WithPnl,
    Wins,
    Losses,
    /// Options with a premium; of the account with itself; with a side and not with itself. Then those without one,
    /// for want of a quantity, of a price, and of the price of the underlying.
    Premiums,
    PremiumsSelf,
    PremiumsSided,
    NoPremiumQuantity,
    NoPremiumPrice,
    NoPremiumSpot,
    /// Options with a notional, a side and a volatility; with greeks, a side and a premium above 0, and a mid after it.
    WithVolatility,
    HedgedMid1m,
    HedgedMid5m,
    /// Options with a notional; those of them with a premium, a type, a strike, strike and price of the underlying, a
    /// moneyness, both of it and a type, an expiry, an expiry still to come, and greeks and a side.
    OptionsPriced,
    PremiumsPriced,
    Typed,
    Struck,
    StruckSpot,
    WithMoneyness,
    OtmKnown,
    Expiring,
    Dated,
    WithGreeks,
    Kind0,
}
pub const COUNTS: usize = Count::Kind0 as usize + KINDS;

pub const HOURS: usize = 24;
pub const WEEKDAYS: usize = 7;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    money: [i128; MONEY],
    counts: [u64; COUNTS],
    /// Fills by UTC hour of the day.
    pub hours: [u64; HOURS],
    /// Fills by day of the week, Saturday first (2000-01-01, day 0, was one).
    pub weekdays: [u64; WEEKDAYS],
    pub first: i64,
    pub last: i64,
    /// Largest notional.
    pub largest: i128,
}

/// Largest size of one amount, beyond any money of a trade: 2^28 of them add up.
const LARGEST: i128 = 1 << 98;

/// The nearest unit of an amount that is no trade's but a figure's; huge ones saturate, NaN is 0.
pub fn units(usd: f64) -> i128 {
    money::from_usd(usd).unwrap_or_else(|| money::whole(usd * money::UNITS).clamp(-LARGEST, LARGEST))
}

impl Sums {
    pub fn new() -> Self {
        Sums {
            money: [0; MONEY],
            counts: [0; COUNTS],
            hours: [0; HOURS],
            weekdays: [0; WEEKDAYS],
            first: i64::MAX,
            last: i64::MIN,
            largest: 0,
        }
    }

    pub fn money(&self, what: Money) -> i128 {
        self.money[what as usize]
    }

    pub fn kind_volume(&self, kind: usize) -> i128 {
        self.money[Money::Kind0 as usize + kind]
    }

    pub fn kind_count(&self, kind: usize) -> u64 {
        self.counts[Count::Kind0 as usize + kind]
    }

    /// The volumes by kind, each under the key of its name.
    pub fn by_kind(&self) -> Shares {
        let key = |kind: usize| key40(hash(KIND_NAMES[kind].as_bytes()));
        let volumes = (0..KINDS).map(|kind| (key(kind), self.kind_volume(kind)));
        let mut entries: Vec<(u64, i128)> = volumes.filter(|(_, volume)| *volume > 0).collect();
        entries.sort_unstable();
        Shares { entries, ..Shares::default() }
    }

    pub fn count(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    pub fn pay(&mut self, what: Money, amount: i128) {
        self.pay_at(what as usize, amount);
    }

    /// Adds to the sum of a kind of instrument.
    pub fn pay_kind(&mut self, kind: usize, amount: i128) {
        self.pay_at(Money::Kind0 as usize + kind, amount);
    }

    /// Counts a fill of a kind.
    pub fn tick_kind(&mut self, kind: usize) {
        let count = &mut self.counts[Count::Kind0 as usize + kind];
        *count = count.wrapping_add(1);
    }

    fn pay_at(&mut self, what: usize, amount: i128) {
        // A sum of 2^28 trades stays below 2^127; one forged in the binary form may be anything, but must not panic. So
        // with the counts.
        self.money[what] = self.money[what].wrapping_add(amount);
    }

    /// Adds N·x to a figure's sum and N to its volume.
    pub fn weigh(&mut self, figure: Money, of: Money, volume: i128, amount_usd: f64) {
        self.pay(of, volume);
        self.pay(figure, units(amount_usd));
    }

    pub fn tick(&mut self, what: Count) {
        self.counts[what as usize] = self.counts[what as usize].wrapping_add(1);
    }

    /// Counts a fill of a day (0 is 2000-01-01), so many microseconds into it.
    pub fn tick_time(&mut self, day: i32, within: i64) {
        let hour = &mut self.hours[(within / (DAY / HOURS as i64)) as usize];
        *hour = hour.wrapping_add(1);
        let weekday = &mut self.weekdays[day.rem_euclid(WEEKDAYS as i32) as usize];
        *weekday = weekday.wrapping_add(1);
    }

    fn whole_numbers(&mut self) -> impl Iterator<Item = &mut u64> {
        self.counts.iter_mut().chain(&mut self.hours).chain(&mut self.weekdays)
    }

    /// Most sums of most accounts are 0, so a map of those that are not comes first.
    pub fn write(&self, out: &mut impl Sink) {
        write_map(self.money.iter().map(|&m| m != 0), out);
        self.money.iter().filter(|&&m| m != 0).for_each(|&m| out.signed(m));
        let numbers = || self.counts.iter().chain(&self.hours).chain(&self.weekdays);
        write_map(numbers().map(|&n| n != 0), out);
        numbers().filter(|&&n| n != 0).for_each(|&n| out.var(n));
        out.i64(self.first);
        out.var(self.last.abs_diff(self.first));
        out.signed(self.largest);
    }

    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let (other, bounds) = read(r)?;
        for (mine, theirs) in self.money.iter_mut().zip(other.money) {
            *mine = mine.saturating_add(theirs);
        }
        let mut other = other;
        for (mine, theirs) in self.whole_numbers().zip(other.whole_numbers()) {
            *mine = mine.saturating_add(*theirs);
        }
        if bounds {
            self.first = self.first.min(other.first);
            self.last = self.last.max(other.last);
        }
        self.largest = self.largest.max(other.largest);
        Ok(())
    }

    /// Takes away what [`Sums::write`] wrote; first, last and largest stay as bounds. `None` where more would be taken
    /// than there is.
    pub fn subtract(&mut self, r: &mut Reader) -> Result<Option<()>> {
        let (mut other, _) = read(r)?;
        for (mine, theirs) in self.money.iter_mut().zip(other.money) {
            *mine = mine.saturating_sub(theirs);
        }
        for (mine, theirs) in self.whole_numbers().zip(other.whole_numbers()) {
            let Some(left) = mine.checked_sub(*theirs) else { return Ok(None) };
            *mine = left;
        }
        Ok(Some(()))
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self::new()
    }
}

fn read(r: &mut Reader) -> Result<(Sums, bool)> {
    let mut sums = Sums::new();
    let present = read_map(MONEY, r)?;
    for i in (0..MONEY).filter(|i| present >> i & 1 == 1) {
        sums.money[i] = r.signed()?;
        if sums.money[i] == 0 {
            return Err(malformed("a sum that is written is 0"));
        }
    }
    let present = read_map(COUNTS + HOURS + WEEKDAYS, r)?;
    for (i, slot) in sums.whole_numbers().enumerate() {
        if present >> i & 1 == 1 {
            *slot = r.var()?;
            if *slot == 0 {
                return Err(malformed("a count that is written is 0"));
            }
        }
    }
    sums.first = r.i64()?;
    sums.last = sums.first.checked_add_unsigned(r.var()?).ok_or_else(|| malformed("the last trade is out of range"))?;
    sums.largest = r.signed()?;
    if sums.largest < 0 {
        return Err(malformed("the largest trade is negative"));
    }
    Ok((sums, true))
}

const _: () = assert!(MONEY < 128 && COUNTS + HOURS + WEEKDAYS < 128, "a map holds 128 entries");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_figures_add_up_and_do_not_turn_round() {
        let mut sums = Sums::new();
        for n in 1..=1000i128 {
            sums.weigh(Money::Leverage, Money::LeverageVolume, 1, 1e300);
            assert_eq!(sums.money(Money::Leverage), n * LARGEST);
        }
        assert_eq!((units(f64::NAN), units(-1e300), units(f64::INFINITY)), (0, -LARGEST, LARGEST));
        assert!(money::from_usd(money::LIMIT_USD).unwrap() < LARGEST);
    }
}
