//! The dense form of a profile: exact sums and counts (class G), sets (class M) and the log of instants (class O).

use crate::error::Result;
use crate::profile::allocation::Allocation;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::days::{day_of, Days, DAY};
use crate::profile::distinct::Distinct;
use crate::profile::fill::{Fill, KINDS};
use crate::profile::money;
use crate::profile::ordered::Log;
use crate::profile::trade::{Mark, Num, Text};
use allocator_api2::alloc::Allocator;

/// Sums of money, in units of [`money::UNITS`] a USD. Volume is absolute notional.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Money {
    Volume,
    /// Volume of fills whose side is known, and the same with purchases positive and sales negative.
    Sided,
    Signed,
    Fee,
    /// Volume of fills whose fee is known.
    FeeVolume,
    /// Volume of fills that say whether they were maker, and of those that were.
    Flagged,
    Maker,
    /// Volume of fills whose kind is known; the volumes by kind follow it.
    Kinded,
    Kind0,
}
pub const MONEY: usize = Money::Kind0 as usize + KINDS;

/// Counts of fills by what they say.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Count {
    Fills,
    Priced,
    Sided,
    WithFee,
    Flagged,
    Kinded,
    WithInstrument,
    WithUnderlying,
}
pub const COUNTS: usize = 8;

pub const HOURS: usize = 24;
pub const WEEKDAYS: usize = 7;

/// Everything that adds up.
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
}

impl Sums {
    fn new() -> Self {
        Sums {
            money: [0; MONEY],
            counts: [0; COUNTS],
            hours: [0; HOURS],
            weekdays: [0; WEEKDAYS],
            first: i64::MAX,
            last: i64::MIN,
        }
    }

    pub fn money(&self, what: Money) -> i128 {
        self.money[what as usize]
    }

    pub fn kind_volume(&self, kind: usize) -> i128 {
        self.money[Money::Kind0 as usize + kind]
    }

    pub fn count(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    fn pay(&mut self, what: usize, amount: i128) {
        // A sum of trades cannot come near 2^127; one forged in the binary form must not panic.
        self.money[what] = self.money[what].saturating_add(amount);
    }

    fn tick(&mut self, what: Count) {
        self.counts[what as usize] = self.counts[what as usize].saturating_add(1);
    }

    fn write(&self, out: &mut impl Sink) {
        self.money.iter().for_each(|&m| out.signed(m));
        self.counts.iter().chain(&self.hours).chain(&self.weekdays).for_each(|&c| out.var(c));
        out.i64(self.first);
        out.var(self.last.abs_diff(self.first));
    }

    fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        for i in 0..MONEY {
            let amount = r.signed()?;
            self.pay(i, amount);
        }
        for slot in self.counts.iter_mut().chain(&mut self.hours).chain(&mut self.weekdays) {
            *slot = slot.saturating_add(r.var()?);
        }
        let first = r.i64()?;
        let last = first.checked_add_unsigned(r.var()?).ok_or_else(|| malformed("the last trade is out of range"))?;
        self.first = self.first.min(first);
        self.last = self.last.max(last);
        Ok(())
    }
}

pub struct Dense<A: Allocator + Clone> {
    pub sums: Sums,
    pub instruments: Distinct<A>,
    pub allocation: Allocation<A>,
    pub days: Days<A>,
    pub log: Log<A>,
}

/// Sections of the dense form. A later version adds tags; it never gives one a new meaning.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Sums = 1,
    Instruments = 2,
    Allocation = 3,
    Days = 4,
    Folded = 5,
    /// Only between parallel workers: the instants not yet folded.
    Collected = 6,
    End = 0,
}

impl<A: Allocator + Clone> Dense<A> {
    pub fn new(alloc: A) -> Self {
        Dense {
            sums: Sums::new(),
            instruments: Distinct::new(alloc.clone()),
            allocation: Allocation::new(alloc.clone()),
            days: Days::new(alloc.clone()),
            log: Log::new(alloc),
        }
    }

    pub fn add(&mut self, fill: &Fill) {
        let s = &mut self.sums;
        s.tick(Count::Fills);
        s.first = s.first.min(fill.at);
        s.last = s.last.max(fill.at);
        let day = day_of(fill.at);
        let more = |count: &mut u64| *count = count.saturating_add(1);
        more(&mut s.hours[(fill.at.rem_euclid(DAY) / (DAY / HOURS as i64)) as usize]);
        more(&mut s.weekdays[day.rem_euclid(WEEKDAYS as i32) as usize]);
        self.days.insert(day);
        self.log.push(fill.at);
        if let Some(instrument) = fill.symbol(Text::Instrument) {
            s.tick(Count::WithInstrument);
            self.instruments.insert(instrument);
        }
        let Some(volume) = fill.notional_usd().and_then(money::from_usd) else { return };
        s.tick(Count::Priced);
        s.pay(Money::Volume as usize, volume);
        if let Some(sell) = fill.mark(Mark::Side) {
            s.tick(Count::Sided);
            s.pay(Money::Sided as usize, volume);
            s.pay(Money::Signed as usize, if sell { -volume } else { volume });
        }
        if let Some(fee) = fill.num(Num::FeeUsd).and_then(money::from_usd) {
            s.tick(Count::WithFee);
            s.pay(Money::Fee as usize, fee);
            s.pay(Money::FeeVolume as usize, volume);
        }
        if let Some(maker) = fill.mark(Mark::Maker) {
            s.tick(Count::Flagged);
            s.pay(Money::Flagged as usize, volume);
            s.pay(Money::Maker as usize, if maker { volume } else { 0 });
        }
        if let Some(kind) = fill.kind() {
            s.tick(Count::Kinded);
            s.pay(Money::Kinded as usize, volume);
            s.pay(Money::Kind0 as usize + kind, volume);
        }
        if let Some(underlying) = fill.underlying() {
            s.tick(Count::WithUnderlying);
            self.allocation.add(underlying, volume);
        }
    }

    /// Writes the sections; `working` keeps the log unfolded, for a state that is not finished yet.
    pub fn write(&self, working: bool, out: &mut impl Sink) {
        out.u8(Tag::Sums as u8);
        self.sums.write(out);
        out.u8(Tag::Instruments as u8);
        self.instruments.write(out);
        out.u8(Tag::Allocation as u8);
        self.allocation.write(out);
        out.u8(Tag::Days as u8);
        self.days.write(out);
        if working {
            out.u8(Tag::Collected as u8);
            self.log.write_collected(out);
        } else {
            out.u8(Tag::Folded as u8);
            self.log.write_folded(out);
        }
        out.u8(Tag::End as u8);
    }

    /// Adds the sections that [`Dense::write`] wrote.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let mut seen = 0u8;
        loop {
            let tag = r.u8()?;
            if tag > Tag::Collected as u8 || seen & 1 << tag != 0 {
                return Err(malformed(&format!("section {tag} is unknown or there twice")));
            }
            seen |= 1 << tag;
            match tag {
                t if t == Tag::Sums as u8 => self.sums.absorb(r)?,
                t if t == Tag::Instruments as u8 => self.instruments.absorb(r)?,
                t if t == Tag::Allocation as u8 => self.allocation.absorb(r)?,
                t if t == Tag::Days as u8 => self.days.absorb(r)?,
                t if t == Tag::Folded as u8 => self.log.absorb_folded(r)?,
                t if t == Tag::Collected as u8 => self.log.absorb_collected(r)?,
                _ => break,
            }
        }
        // All of 0 to 4, and one of the two forms of the log.
        if seen & 0b11111 != 0b11111 || (seen >> 5).count_ones() != 1 {
            return Err(malformed("a section is missing"));
        }
        Ok(())
    }
}
