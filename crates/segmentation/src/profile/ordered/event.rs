//! One trade as the ordered features see it, and its record in the log.
//!
//! A record holds the time since the record before, and what the event says, in as many bytes as that needs: 6 for a
//! bare time, about 25 for a trade with everything. But for the time it stands for itself, so that records can be
//! sorted by their places.

use crate::profile::money;

/// What one trade says to the features that need the order of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Event {
    /// Microseconds since 2000-01-01 UTC.
    pub at: i64,
    /// Hash of the instrument; its 40 leading bits count.
    pub key: Option<u64>,
    /// Quantity times contract size, positive for a purchase; none where any of it or the side is unknown.
    pub quantity: Option<f64>,
    /// Absolute notional in money units.
    pub notional: Option<i128>,
    /// Realised P&L in money units; 0 for a fill that closes nothing.
    pub pnl: Option<i128>,
    /// Price per unit, where the notional per unit is not one: options (whose notional is the underlying's) and inverse
    /// contracts (whose notional is their face); of the latter 0 where it is not known. Only compared with other prices
    /// of the same instrument.
    pub price: Option<f64>,
    pub class: Class,
    /// When the instrument ends, and with it any position in it, after the fills of that instant.
    pub expiry: Option<i64>,
}

/// What features of positions tell apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    #[default]
    Other,
    Option,
    Perpetual,
    LeveragedToken,
}

impl Class {
    pub fn of(code: u8) -> Option<Class> {
        [Class::Other, Class::Option, Class::Perpetual, Class::LeveragedToken].get(usize::from(code)).copied()
    }
}

/// The expiry of what has none.
pub const NEVER: i64 = i64::MAX;

/// 40 leading bits of a key. The lowest bit is set in all of them, so that none is 0.
fn short(key: u64) -> u64 {
    key & !0xFF_FFFF | 1
}

/// Amounts of one trade stay below 2^97, and sums of 2^25 trades below 2^122.
const MONEY_LIMIT: u128 = 1 << 97;
/// Quantities and prices that count are within 1e-30 and 1e30, so that no arithmetic on them overflows.
const LARGEST: f64 = 1e30;

impl Event {
    /// The price at which this fill gains or loses against others in its instrument; `None` where it is not known.
    pub fn unit_price(&self) -> Option<f64> {
        let of_notional = || {
            let price = money::to_usd(self.notional?) / self.quantity?.abs();
            (self.class != Class::Option && price <= LARGEST).then_some(price)
        };
        match self.price {
            Some(0.0) if self.class != Class::Option => None,
            Some(price) => Some(price),
            None => of_notional(),
        }
    }

    /// Leaves only what can be used: a fill without an instrument, a side, a quantity or a notional, or after its
    /// instrument has ended, takes no part in positions, and a number out of range counts as not given.
    pub fn restrict(&mut self) {
        let within = |v: &f64| v.abs() <= LARGEST;
        let money = |v: i128| v.unsigned_abs() < MONEY_LIMIT;
        self.notional = self.notional.filter(|&n| n >= 0 && money(n));
        self.pnl = self.pnl.filter(|&p| money(p));
        let sized = self.quantity.is_some_and(|q| within(&q) && q.abs() >= 1.0 / LARGEST);
        let lives = self.expiry.is_none_or(|expiry| expiry >= self.at);
        match self.key {
            Some(key) if sized && lives && self.notional.is_some() => {
                self.key = Some(short(key));
                self.price = self.price.filter(within);
                self.expiry = self.expiry.filter(|&expiry| expiry < NEVER);
            }
            _ => *self = Event { at: self.at, notional: self.notional, pnl: self.pnl, ..Event::default() },
        }
    }

    /// What the order of events of one instant goes by: the bits of all that is in them, so that it depends on nothing
    /// else. Of one instrument, purchases come before sales.
    pub fn order(&self) -> impl Ord + use<> {
        let bits = |v: Option<f64>| v.map(f64::to_bits);
        (self.key, bits(self.quantity), self.notional, self.pnl, bits(self.price), self.class, self.expiry)
    }
}

/// The head of a record: lengths in bytes of the step in time (bits 0 to 3), of the notional (4 to 7) and of the P&L
/// (8 to 11), where 0 means none; and flags. Then follow the step, the key with its class and expiry, the quantity, the price,
/// and the amounts.
const KEY_SLOT: u16 = 1 << 12;
const KEY_WHOLE: u16 = 1 << 13;
const KEY_EXPIRING: u16 = KEY_SLOT | KEY_WHOLE;
const PRICE: u16 = 1 << 14;

/// Instruments that a record names by one byte: by their leading bits, first come.
pub const SLOTS: usize = 32;

/// An instrument; a key of 0 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub key: u64,
    pub class: Class,
    pub expiry: i64,
}

impl Slot {
    pub const EMPTY: Slot = Slot { key: 0, class: Class::Other, expiry: NEVER };
}

pub fn slot_of(key: u64) -> usize {
    (key >> (64 - SLOTS.trailing_zeros())) as usize
}

fn zigzag(v: i128) -> u128 {
    ((v << 1) ^ (v >> 127)) as u128
}

fn unzigzag(v: u128) -> i128 {
    (v >> 1) as i128 ^ -((v & 1) as i128)
}

/// A record takes at most 2 + 8 + 5 + 1 + 8 + 8 + 8 + 13 + 13 bytes. An amount is put down as 16 bytes, of which those that it
/// needs are kept.
pub const LONGEST: usize = 72;

/// An event in as few bytes as it needs: the first `length` of these.
pub struct Record {
    pub bytes: [u8; LONGEST],
    pub length: usize,
}

impl Record {
    /// `before` is the time of the record before; `known` tells that the instrument is in its slot.
    pub fn of(event: &Event, before: i64, known: bool) -> Self {
        let mut record = Record { bytes: [0; LONGEST], length: 2 };
        let step = event.at.wrapping_sub(before);
        let mut head = record.integer(u128::from(((step << 1) ^ (step >> 63)) as u64), 0);
        if let (Some(key), Some(quantity)) = (event.key, event.quantity) {
            if known {
                head |= KEY_SLOT;
                record.put([slot_of(key) as u8]);
            } else {
                head |= if event.expiry.is_some() { KEY_EXPIRING } else { KEY_WHOLE };
                let [a, b, c, d, e, ..] = key.to_be_bytes();
                record.put([a, b, c, d, e, event.class as u8]);
                if let Some(expiry) = event.expiry {
                    record.put(expiry.to_le_bytes());
                }
            }
            record.put(quantity.to_le_bytes());
        }
        if let Some(price) = event.price {
            head |= PRICE;
            record.put(price.to_le_bytes());
        }
        if let Some(notional) = event.notional {
            head |= record.integer(notional as u128, 1) << 4;
        }
        if let Some(pnl) = event.pnl {
            head |= record.integer(zigzag(pnl), 1) << 8;
        }
        record.bytes[..2].copy_from_slice(&head.to_le_bytes());
        record
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.length..self.length + N].copy_from_slice(&bytes);
        self.length += N;
    }

    /// Puts down an integer in as many bytes as it needs, at least `least`; answers how many.
    fn integer(&mut self, v: u128, least: u32) -> u16 {
        let length = (16 - v.leading_zeros() / 8).max(least);
        self.put(v.to_le_bytes());
        self.length -= 16 - length as usize;
        length as u16
    }
}

/// Records from the front; `None` for bytes that are none.
pub struct Records<'a> {
    pub bytes: &'a [u8],
    pub slots: &'a [Slot],
    /// Time of the last one.
    pub at: i64,
}

impl Records<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = tail;
        Some(*head)
    }

    fn integer(&mut self, length: u16) -> Option<u128> {
        let (head, tail) = self.bytes.split_at_checked(usize::from(length))?;
        let mut v = [0; 16];
        match self.bytes.first_chunk::<16>() {
            Some(all) => v = (u128::from_le_bytes(*all) & !(u128::MAX << (8 * length))).to_le_bytes(),
            None => v[..head.len()].copy_from_slice(head),
        }
        self.bytes = tail;
        Some(u128::from_le_bytes(v))
    }

    fn number(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.take()?)).filter(|v| v.abs() <= LARGEST)
    }

    pub fn next(&mut self) -> Option<Event> {
        let head = u16::from_le_bytes(self.take()?);
        let step = u64::try_from(self.integer(head & 15)?).ok()?;
        self.at = self.at.wrapping_add((step >> 1) as i64 ^ -((step & 1) as i64));
        let mut event = Event { at: self.at, ..Event::default() };
        match head & KEY_EXPIRING {
            KEY_SLOT => {
                let [slot] = self.take()?;
                let slot = self.slots.get(usize::from(slot)).filter(|slot| slot.key != 0)?;
                event.key = Some(slot.key);
                event.class = slot.class;
                event.expiry = (slot.expiry != NEVER).then_some(slot.expiry);
            }
            0 => (),
            whole => {
                let [a, b, c, d, e, class] = self.take()?;
                event.class = Class::of(class)?;
                event.key = Some(short(u64::from_be_bytes([a, b, c, d, e, 0, 0, 0])));
                if whole == KEY_EXPIRING {
                    event.expiry = Some(i64::from_le_bytes(self.take()?));
                }
            }
        }
        if event.key.is_some() {
            event.quantity = Some(self.number()?);
        }
        if head & PRICE != 0 {
            event.price = Some(self.number()?);
        }
        let mut amount = |length, read: fn(u128) -> i128| {
            let v = if length == 0 { return Some(None) } else { read(self.integer(length)?) };
            Some((v.unsigned_abs() < MONEY_LIMIT).then_some(v))
        };
        event.notional = amount(head >> 4 & 15, |v| v as i128)?;
        event.pnl = amount(head >> 8 & 15, unzigzag)?;
        Some(event)
    }
}
