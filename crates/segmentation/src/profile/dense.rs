//! The dense form of a profile: sums (class G), sets (class M), day and decayed sums, sketches, and the log of events
//! (class O).

use crate::error::Result;
use crate::profile::allocation::Allocation;
use crate::profile::codec::{Reader, Sink};
use crate::profile::daily::Daily;
use crate::profile::days::{day_of, Days, DAY};
use crate::profile::decay::{Decay, SUMS};
use crate::profile::distinct::Distinct;
use crate::profile::fill::{Fill, Kind};
use crate::profile::ordered::{Class, Event, Log};
use crate::profile::section::{bit, next_section, Lost, Tag, LOSABLE, NO_GROUP, TAGS};
use crate::profile::sketch::Sketch;
use crate::profile::sums::{Count, Money, Sums};
use crate::profile::trade::{Mark, Num, Text};
use crate::profile::{assets, flows, money, options};
use allocator_api2::alloc::Allocator;

/// Largest number of keys with a sum of their own.
const UNDERLYINGS: usize = 128;
const VENUES: usize = 16;
const COLLATERALS: usize = 16;
/// Largest number of buckets of the sketches.
const SIZE_BUCKETS: usize = 160;
const LEVERAGE_BUCKETS: usize = 64;

pub struct Dense<A: Allocator + Clone> {
    pub sums: Sums,
    pub instruments: Distinct<A>,
    pub underlyings: Distinct<A>,
    pub orders: Distinct<A>,
    pub counterparties: Distinct<A>,
    pub days: Days<A>,
    /// Days with a leveraged token.
    pub token_days: Days<A>,
    pub by_underlying: Allocation<A>,
    pub by_venue: Allocation<A>,
    pub by_collateral: Allocation<A>,
    /// Sizes of trades in USD.
    pub sizes: Sketch<A>,
    /// Declared leverage.
    pub leverage: Sketch<A>,
    pub decay: Decay<A>,
    pub daily: Daily<A>,
    pub log: Log<A>,
}

impl<A: Allocator + Clone> Dense<A> {
    pub fn new(alloc: A) -> Self {
        Dense {
            sums: Sums::new(),
            instruments: Distinct::new(alloc.clone()),
            underlyings: Distinct::new(alloc.clone()),
            orders: Distinct::new(alloc.clone()),
            counterparties: Distinct::new(alloc.clone()),
            days: Days::new(alloc.clone()),
            token_days: Days::new(alloc.clone()),
            by_underlying: Allocation::new(alloc.clone(), UNDERLYINGS),
            by_venue: Allocation::new(alloc.clone(), VENUES),
            by_collateral: Allocation::new(alloc.clone(), COLLATERALS),
            sizes: Sketch::new(alloc.clone(), SIZE_BUCKETS),
            leverage: Sketch::new(alloc.clone(), LEVERAGE_BUCKETS),
            decay: Decay::new(alloc.clone()),
            daily: Daily::new(alloc.clone()),
            log: Log::new(alloc),
        }
    }

    /// For about so many fills, and to be read before long.
    pub fn of_fills(alloc: A, fills: usize) -> Self {
        let mut dense = Dense { log: Log::plain(alloc.clone(), fills), ..Dense::new(alloc) };
        dense.orders.reserve(fills);
        dense.counterparties.reserve(fills);
        dense.instruments.reserve(fills.min(16));
        dense.underlyings.reserve(fills.min(16));
        dense.sizes.reserve(fills);
        dense.daily.reserve(fills);
        dense
    }

    pub fn add(&mut self, fill: &Fill) {
        let s = &mut self.sums;
        s.tick(Count::Fills);
        s.first = s.first.min(fill.at);
        s.last = s.last.max(fill.at);
        let day = day_of(fill.at);
        s.tick_time(day, fill.at.wrapping_sub(i64::from(day).wrapping_mul(DAY)));
        self.days.insert(day);
        if let Some(key) = fill.symbol(Text::Instrument) {
            s.tick(Count::WithInstrument);
            self.instruments.insert(key);
        }
        if let Some(key) = fill.symbol(Text::OrderId) {
            s.tick(Count::WithOrder);
            self.orders.insert(key);
        }
        if let Some(key) = fill.symbol(Text::Counterparty) {
            s.tick(Count::WithCounterparty);
            self.counterparties.insert(key);
        }
        if let Some(key) = fill.underlying() {
            s.tick(Count::Keyed);
            self.underlyings.insert(key);
        }
        if let Some(kind) = fill.kind() {
            s.tick(Count::Kinded);
            s.tick_kind(kind);
            if kind == Kind::LeveragedToken as usize {
                self.token_days.insert(day);
            }
        }
        if let Some(fee) = fill.num(Num::FeeUsd).and_then(money::from_usd) {
            s.tick(Count::WithFee);
            s.pay(Money::AllFees, fee);
        }
        if let Some(liquidated) = fill.mark(Mark::Liquidation) {
            s.tick(Count::LiquidationKnown);
            if liquidated {
                s.tick(Count::Liquidations);
            }
        }
        if let Some(leverage) = fill.num(Num::Leverage).filter(|&l| l >= 0.0) {
            self.leverage.add(leverage);
        }
        if let Some(stop) = fill.mark(Mark::Stop) {
            s.tick(Count::OrderTyped);
            if stop {
                s.tick(Count::Stops);
            }
        }
        if let Some(own) = fill.mark(Mark::SelfTrade) {
            s.tick(Count::SelfKnown);
            if own {
                s.tick(Count::SelfTrades);
            }
        }
        let usd = fill.notional_usd();
        let volume = usd.and_then(money::from_usd);
        let pnl = fill.num(Num::RealisedPnlUsd).and_then(money::from_usd);
        if let Some(pnl) = pnl {
            s.tick(Count::WithPnl);
            s.pay(Money::Pnl, pnl);
            match pnl {
                1.. => {
                    s.tick(Count::Wins);
                    s.pay(Money::Gains, pnl);
                }
                0 => (),
                _ => {
                    s.tick(Count::Losses);
                    s.pay(Money::Losses, -pnl);
                }
            }
        }
        if fill.is_option() {
            options::add(s, fill, usd.zip(volume));
        }
        self.log.push(&event(fill, volume, pnl));
        self.daily.add(day, volume, pnl);
        if let (Some(usd), Some(volume)) = (usd, volume) {
            self.add_priced(fill, volume, usd);
        } else {
            if fill.num(Num::Quantity).is_some() {
                self.sums.tick(if fill.is_option() { Count::NoSpot } else { Count::NoPrice });
            }
            self.decay.add(fill.at, 0, [0; SUMS - 2]);
        }
    }

    fn add_priced(&mut self, fill: &Fill, volume: i128, usd: f64) {
        let s = &mut self.sums;
        s.tick(Count::Priced);
        s.pay(Money::Volume, volume);
        s.largest = s.largest.max(volume);
        self.sizes.add(usd);
        let side = fill.mark(Mark::Side);
        let maker = fill.mark(Mark::Maker);
        let mut decayed = [0; SUMS - 2];
        if fill.mark(Mark::SelfTrade) != Some(true) {
            if let Some(sell) = side {
                decayed[..2].copy_from_slice(&[1, if sell { -1 } else { 1 }]);
            }
            if let Some(maker) = maker {
                decayed[2..].copy_from_slice(&[1, i8::from(maker)]);
            }
        }
        self.decay.add(fill.at, volume, decayed);
        if let Some(fee) = fill.num(Num::FeeUsd).and_then(money::from_usd) {
            s.pay(Money::Fee, fee);
            s.pay(Money::FeeVolume, volume);
        }
        flows::add(s, fill, volume, usd);
        if let Some(kind) = fill.kind() {
            s.pay(Money::Kinded, volume);
            s.pay_kind(kind, volume);
        }
        if let Some(key) = fill.symbol(Text::Underlying) {
            s.tick(Count::WithUnderlying);
            s.pay(Money::WithUnderlying, volume);
            if let Some(sum) = assets::class_of(key) {
                s.pay(sum, volume);
            }
        }
        if let Some(key) = fill.underlying() {
            self.by_underlying.add(key, volume);
        }
        if let Some(key) = fill.symbol(Text::Venue) {
            self.by_venue.add(key, volume);
        }
        if let Some(key) = fill.symbol(Text::Collateral) {
            self.by_collateral.add(key, volume);
        }
        if let Some(leg) = fill.mark(Mark::Leg) {
            s.pay(Money::ComboKnown, volume);
            s.pay(Money::Combo, if leg { volume } else { 0 });
        }
        if let Some(isolated) = fill.mark(Mark::Isolated) {
            s.pay(Money::MarginKnown, volume);
            s.pay(Money::Isolated, if isolated { volume } else { 0 });
        }
        if let Some(liquidated) = fill.mark(Mark::Liquidation) {
            s.pay(Money::LiquidationKnown, volume);
            s.pay(Money::Liquidated, if liquidated { volume } else { 0 });
        }
        if let Some(factor) = fill.num(Num::TokenFactor) {
            s.weigh(Money::TokenFactor, Money::TokenVolume, volume, usd * factor.abs());
        }
        if let Some(leverage) = fill.num(Num::Leverage).filter(|&l| l >= 0.0) {
            s.weigh(Money::Leverage, Money::LeverageVolume, volume, usd * leverage);
        }
    }

    /// Writes the sections; `working` keeps the log unfolded, for a state that is not finished yet. Sections that are
    /// lost are left out.
    pub fn write(&self, working: bool, lost: Lost, out: &mut impl Sink) {
        for tag in TAGS.into_iter().skip(1) {
            let log = if working { Tag::Collected } else { Tag::Folded };
            if lost & bit(tag) != 0 || (tag as u8 >= Tag::Folded as u8 && tag != log) {
                continue;
            }
            if tag == Tag::Collected && lost & bit(Tag::Folded) != 0 {
                continue;
            }
            out.u8(tag as u8);
            match tag {
                Tag::End => (),
                Tag::Sums => self.sums.write(out),
                Tag::Instruments => self.instruments.write(out),
                Tag::Underlyings => self.underlyings.write(out),
                Tag::Orders => self.orders.write(out),
                Tag::Counterparties => self.counterparties.write(out),
                Tag::Days => self.days.write(out),
                Tag::TokenDays => self.token_days.write(out),
                Tag::ByUnderlying => self.by_underlying.write(out),
                Tag::ByVenue => self.by_venue.write(out),
                Tag::ByCollateral => self.by_collateral.write(out),
                Tag::Sizes => self.sizes.write(out),
                Tag::Leverage => self.leverage.write(out),
                Tag::Decay => self.decay.write(out),
                Tag::Daily => self.daily.write(out),
                Tag::Folded => self.log.write_folded(out),
                Tag::Collected => self.log.write_collected(out),
            }
        }
        out.u8(Tag::End as u8);
    }

    /// Adds the sections that [`Dense::write`] wrote with the same `lost`.
    pub fn absorb(&mut self, lost: Lost, r: &mut Reader) -> Result<()> {
        let mut seen = 0;
        while let Some(tag) = next_section(&mut seen, lost, r)? {
            match tag {
                Tag::End => (),
                Tag::Sums => self.sums.absorb(r)?,
                Tag::Instruments => self.instruments.absorb(r)?,
                Tag::Underlyings => self.underlyings.absorb(r)?,
                Tag::Orders => self.orders.absorb(r)?,
                Tag::Counterparties => self.counterparties.absorb(r)?,
                Tag::Days => self.days.absorb(r)?,
                Tag::TokenDays => self.token_days.absorb(r)?,
                Tag::ByUnderlying => self.by_underlying.absorb(r)?,
                Tag::ByVenue => self.by_venue.absorb(r)?,
                Tag::ByCollateral => self.by_collateral.absorb(r)?,
                Tag::Sizes => self.sizes.absorb(r)?,
                Tag::Leverage => self.leverage.absorb(r)?,
                Tag::Decay => self.decay.absorb(r)?,
                Tag::Daily => self.daily.absorb(r)?,
                Tag::Folded => self.log.absorb_folded(r)?,
                Tag::Collected => self.log.absorb_collected(r)?,
            }
        }
        Ok(())
    }

    /// Takes away the sections that [`Dense::write`] wrote. Answers the sections that are unknown from then on, or
    /// `None` where more would be taken than there is. `mine` are the sections that are unknown already, which are read
    /// over.
    pub fn subtract(&mut self, mine: Lost, lost: Lost, r: &mut Reader) -> Result<Option<Lost>> {
        let mut unknown = lost | NO_GROUP;
        let mut seen = 0;
        while let Some(tag) = next_section(&mut seen, lost, r)? {
            let known = match tag {
                Tag::ByUnderlying | Tag::ByVenue | Tag::ByCollateral if mine & bit(tag) != 0 => {
                    self.by_underlying.absorb(r).map(|()| false)?
                }
                Tag::Sizes | Tag::Leverage if mine & bit(tag) != 0 => self.sizes.absorb(r).map(|()| false)?,
                Tag::Decay if mine & bit(tag) != 0 => self.decay.absorb(r).map(|()| false)?,
                Tag::Daily if mine & bit(tag) != 0 => self.daily.absorb(r).map(|()| false)?,
                Tag::Sums => match self.sums.subtract(r)? {
                    Some(()) => true,
                    None => return Ok(None),
                },
                Tag::ByUnderlying => self.by_underlying.subtract(r)?,
                Tag::ByVenue => self.by_venue.subtract(r)?,
                Tag::ByCollateral => self.by_collateral.subtract(r)?,
                Tag::Sizes => self.sizes.subtract(r)?,
                Tag::Leverage => self.leverage.subtract(r)?,
                Tag::Decay => self.decay.subtract(r)?,
                Tag::Daily => self.daily.subtract(r)?,
                // Read over: they cannot be subtracted.
                Tag::Instruments | Tag::Underlyings | Tag::Orders | Tag::Counterparties => {
                    self.instruments.absorb(r).map(|()| false)?
                }
                Tag::Days | Tag::TokenDays => self.days.absorb(r).map(|()| false)?,
                Tag::Folded => self.log.absorb_folded(r).map(|()| false)?,
                Tag::Collected => self.log.absorb_collected(r).map(|()| false)?,
                Tag::End => true,
            };
            if !known {
                unknown |= bit(tag);
            }
        }
        Ok(Some(unknown & LOSABLE))
    }
}

/// What the features that need the order of time see of a fill.
pub(super) fn event_of(fill: &Fill) -> Event {
    let pnl = fill.num(Num::RealisedPnlUsd).and_then(money::from_usd);
    event(fill, fill.notional_usd().and_then(money::from_usd), pnl)
}

fn event(fill: &Fill, volume: Option<i128>, pnl: Option<i128>) -> Event {
    // An account that trades with itself has the same position afterwards.
    let own = fill.mark(Mark::SelfTrade) == Some(true);
    Event {
        at: fill.at,
        key: fill.symbol(Text::Instrument),
        quantity: fill.sign().filter(|_| !own).and_then(|sign| Some(sign * fill.face()?)),
        notional: volume,
        pnl,
        // The notional of these is not what they cost.
        price: match fill.is_option() {
            true => fill.num(Num::Price),
            false => (fill.mark(Mark::Inverse) == Some(true)).then(|| fill.num(Num::Price).unwrap_or(0.0)),
        },
        class: match fill.kind() {
            Some(kind) if kind == Kind::Option as usize => Class::Option,
            Some(kind) if kind == Kind::Perpetual as usize => Class::Perpetual,
            Some(kind) if kind == Kind::LeveragedToken as usize => Class::LeveragedToken,
            _ => Class::Other,
        },
        expiry: fill.num(Num::Expiry).map(|at| at as i64),
    }
}
