//! The open positions of an account while its trades are gone through in the order of time.
//!
//! Basis is kept at average cost, and a second time in lots for the first-in-first-out age. Quantities are floating
//! point, so a position counts as closed when no more than [`DUST`] of its largest size is left; what is closed and
//! what stays open of a basis are integers that add up to it.
//!
//! A position ends when its instrument does. That closes its basis, at neither a gain nor a loss: what it was settled at
//! is not known.

use crate::profile::money;
use crate::profile::ordered::carried::{Carried, Lot, Position};
use crate::profile::ordered::event::{Class, Event, NEVER};
use crate::profile::ordered::positions::Figures;
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;
use hashbrown::HashTable;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Part of a position's largest size below which what is left is rounding. A million fills round to about 1e-10.
const DUST: f64 = 1e-9;

/// Prices that differ by less than this part are equal: neither a gain nor a loss.
const SAME_PRICE: f64 = 1e-9;

/// Funding of perpetuals is paid every eight hours, at midnight UTC, 8:00 and 16:00, as most venues have it.
const FUNDING: i64 = 8 * 3_600_000_000;

/// Room for holdings to begin with: about as many instruments as a trader has.
const HOLDINGS: usize = 14;

struct Holding<A: Allocator + Clone> {
    key: u64,
    /// Positive for long, negative for short, 0 for none.
    quantity: f64,
    /// Largest size since it was last 0.
    peak: f64,
    basis: i128,
    /// Average price paid per unit; NaN where a fill's price is not known.
    cost: f64,
    /// Whether the last price shows a gain (1), a loss (-1) or neither (0).
    paper: i8,
    /// Of a leveraged token.
    token: bool,
    expiry: i64,
    /// The expiry under which it is in [`Book::due`].
    scheduled: i64,
    /// Oldest first; those before `oldest` are closed.
    lots: Vec<Lot, A>,
    oldest: usize,
    /// Whether `lots` are all there are: not where they were too many to carry over from an earlier day.
    lots_known: bool,
}

pub struct Book<A: Allocator + Clone> {
    holdings: HashTable<Holding<A>, A>,
    alloc: A,
    figures: Figures,
    at: i64,
    /// Fills since nothing was open, and the time of the last one.
    fills: u64,
    last: i64,
    /// Expiries and keys of positions, also of those that were closed before. It lives no longer than the book.
    due: BinaryHeap<Reverse<(i64, u64)>>,
    /// Holdings that show a gain, and a loss.
    gaining: u64,
    losing: u64,
    /// Open positions in leveraged tokens.
    tokens: u64,
}

impl<A: Allocator + Clone> Book<A> {
    pub fn new(alloc: A) -> Self {
        Book {
            holdings: HashTable::with_capacity_in(HOLDINGS, alloc.clone()),
            alloc,
            figures: Figures::default(),
            at: i64::MIN,
            fills: 0,
            last: 0,
            due: BinaryHeap::new(),
            gaining: 0,
            losing: 0,
            tokens: 0,
        }
    }

    /// Goes on at an instant with what was carried over, but for what has expired until then, and with the figures so far.
    pub fn resume(carried: &Carried, figures: Figures, at: i64, alloc: A) -> Self {
        let mut book = Book { figures, at, fills: carried.fills, last: carried.last, ..Book::new(alloc) };
        (book.figures.open, book.figures.positions) = (0, 0);
        for p in carried.positions.iter().filter(|p| p.expiry >= at) {
            let mut lots = Vec::new_in(book.alloc.clone());
            lots.extend(p.lots.iter().flatten().copied());
            let holding = Holding {
                quantity: p.quantity,
                peak: p.peak,
                basis: p.basis,
                cost: p.cost,
                paper: p.paper,
                token: p.token,
                expiry: p.expiry,
                scheduled: p.expiry,
                lots,
                lots_known: p.lots.is_some(),
                ..Holding::new(p.key, book.alloc.clone())
            };
            book.figures.open = book.figures.open.saturating_add(p.basis);
            book.figures.positions += 1;
            if p.expiry < NEVER {
                book.due.push(Reverse((p.expiry, p.key)));
            }
            book.gaining += u64::from(p.paper > 0);
            book.losing += u64::from(p.paper < 0);
            book.tokens += u64::from(p.token);
            book.holdings.insert_unique(spread(p.key), holding, |h| spread(h.key));
        }
        if book.figures.positions == 0 {
            book.fills = 0;
        }
        book
    }

    /// What is open.
    pub fn carried(&self) -> Carried {
        let open = self.holdings.iter().filter(|h| h.quantity != 0.0);
        let mut positions: std::vec::Vec<Position> = open
            .map(|h| Position {
                key: h.key,
                quantity: h.quantity,
                peak: h.peak,
                basis: h.basis,
                cost: h.cost,
                paper: h.paper,
                expiry: h.expiry,
                token: h.token,
                lots: h.lots_known.then(|| h.lots[h.oldest..].to_vec()),
            })
            .collect();
        positions.sort_unstable_by_key(|p| p.key);
        Carried { fills: self.fills, last: self.last, positions }
    }

    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// Moves time on: open positions are held until then, or until they expire before.
    pub fn advance(&mut self, at: i64) {
        while let Some(&Reverse((expiry, key))) = self.due.peek().filter(|due| due.0 .0 < at) {
            self.due.pop();
            self.expire(expiry, key);
        }
        self.hold(at);
    }

    fn hold(&mut self, at: i64) {
        let time = at.abs_diff(self.at);
        let f = &mut self.figures;
        f.held = f.held.saturating_add(times(f.open, time));
        if self.tokens > 0 {
            f.token_held = f.token_held.saturating_add(time);
        }
        self.at = at;
    }

    /// Ends a position whose instrument ends, if it is still there.
    fn expire(&mut self, at: i64, key: u64) {
        let is = |h: &Holding<A>| h.key == key && h.quantity != 0.0 && h.expiry == at;
        if self.holdings.find(spread(key), is).is_none() {
            return;
        }
        self.hold(at);
        let Some(holding) = self.holdings.find_mut(spread(key), is) else { return };
        self.gaining -= u64::from(holding.paper > 0);
        self.losing -= u64::from(holding.paper < 0);
        self.tokens -= u64::from(holding.token);
        holding.paper = 0;
        let (f, basis) = (&mut self.figures, holding.basis);
        holding.clear(Class::Other, at, f);
        f.closed = f.closed.saturating_add(basis);
        f.open = f.open.saturating_sub(basis);
        f.positions -= 1;
        if f.positions == 0 {
            self.fills = 0;
        }
    }

    /// Applies a fill of the current instant. One without an instrument, a side, a quantity or a notional is left out.
    pub fn apply(&mut self, event: &Event) {
        let (Some(key), Some(quantity), Some(notional)) = (event.key, event.quantity, event.notional) else { return };
        let price = event.unit_price().unwrap_or(f64::NAN);
        let at = self.at;
        let alloc = &self.alloc;
        let f = &mut self.figures;
        let holding = self
            .holdings
            .entry(spread(key), |h| h.key == key, |h| spread(h.key))
            .or_insert_with(|| Holding::new(key, alloc.clone()))
            .into_mut();
        f.fills += 1;
        self.fills = self.fills.saturating_add(1);
        self.last = at;
        let was_open = u64::from(holding.quantity != 0.0);
        f.positions -= was_open;
        self.tokens -= was_open * u64::from(holding.token);
        holding.token = event.class == Class::LeveragedToken;
        if event.expiry.is_some() || holding.quantity == 0.0 {
            holding.expiry = event.expiry.unwrap_or(NEVER);
        }
        if holding.expiry != holding.scheduled {
            holding.scheduled = holding.expiry;
            if holding.expiry < NEVER {
                self.due.push(Reverse((holding.expiry, key)));
            }
        }
        match holding.paper {
            1 => self.gaining -= 1,
            -1 => self.losing -= 1,
            _ => (),
        }
        // What of this fill's notional opens or increases a position.
        let mut opening = notional;
        if holding.quantity * quantity < 0.0 {
            let result = holding.result(price);
            f.gains += u64::from(result > 0);
            f.losses += u64::from(result < 0);
            f.paper_gains += self.gaining;
            f.paper_losses += self.losing;
            let left = quantity.abs() - holding.quantity.abs();
            let closed = if left < -DUST * holding.peak {
                opening = 0;
                holding.reduce(quantity, event.class, at, f)
            } else {
                let rest = if left > DUST * holding.peak { left } else { 0.0 };
                f.flips += u64::from(rest > 0.0);
                opening = part(notional, rest / quantity.abs());
                let basis = holding.basis;
                holding.clear(event.class, at, f);
                if rest > 0.0 {
                    holding.increase(rest.copysign(quantity), opening, price, at);
                    f.open = f.open.saturating_add(opening);
                }
                basis
            };
            f.closed = f.closed.saturating_add(closed);
            f.open = f.open.saturating_sub(closed);
        } else {
            if holding.quantity != 0.0 {
                f.added = f.added.saturating_add(notional);
                if holding.result(price) < 0 {
                    f.added_losing = f.added_losing.saturating_add(notional);
                }
            }
            holding.increase(quantity, notional, price, at);
            f.open = f.open.saturating_add(notional);
        }
        if event.class == Class::Option && quantity < 0.0 {
            f.sold = f.sold.saturating_add(notional);
            f.sold_opening = f.sold_opening.saturating_add(opening);
        }
        let is_open = u64::from(holding.quantity != 0.0);
        f.positions += is_open;
        self.tokens += is_open * u64::from(holding.token);
        if f.positions == 0 {
            self.fills = 0;
        }
        holding.paper = holding.result(price);
        match holding.paper {
            1 => self.gaining += 1,
            -1 => self.losing += 1,
            _ => (),
        }
    }
}

impl<A: Allocator + Clone> Holding<A> {
    fn new(key: u64, alloc: A) -> Self {
        Holding {
            key,
            quantity: 0.0,
            peak: 0.0,
            basis: 0,
            cost: 0.0,
            paper: 0,
            token: false,
            expiry: NEVER,
            scheduled: NEVER,
            lots: Vec::new_in(alloc),
            oldest: 0,
            lots_known: true,
        }
    }

    /// Whether `price` is better than the average cost (1), worse (-1) or the same (0, also where it is not known).
    fn result(&self, price: f64) -> i8 {
        let gain = (price - self.cost) * self.quantity;
        let same = SAME_PRICE * (self.cost * self.quantity).abs();
        i8::from(gain > same) - i8::from(gain < -same)
    }

    fn increase(&mut self, quantity: f64, notional: i128, price: f64, at: i64) {
        let total = self.quantity + quantity;
        self.cost = if self.quantity == 0.0 { price } else { self.cost + (price - self.cost) * (quantity / total) };
        self.quantity = total;
        self.peak = self.peak.max(total.abs());
        self.basis = self.basis.saturating_add(notional);
        if self.lots_known {
            self.lots.push(Lot { at, quantity: quantity.abs(), basis: notional });
        }
    }

    /// Takes away a fill that leaves part of the position; answers the basis it closes.
    fn reduce(&mut self, quantity: f64, class: Class, at: i64, f: &mut Figures) -> i128 {
        let closed = part(self.basis, (quantity / self.quantity).abs());
        self.basis -= closed;
        self.quantity += quantity;
        f.lots_unknown |= !self.lots_known;
        let mut wanted = quantity.abs();
        let dust = DUST * self.peak;
        while let Some(lot) = self.lots.get_mut(self.oldest) {
            if lot.quantity > wanted + dust {
                let basis = part(lot.basis, wanted / lot.quantity);
                lot.basis -= basis;
                lot.quantity -= wanted;
                close(basis, class, lot.at, at, f);
                break;
            }
            wanted -= lot.quantity;
            close(lot.basis, class, lot.at, at, f);
            self.oldest += 1;
            if wanted <= dust {
                break;
            }
        }
        // Closed lots go when they are the larger half, so that each is moved about once.
        if self.oldest > 32 && self.oldest > self.lots.len() / 2 {
            self.lots.drain(..self.oldest);
            self.oldest = 0;
        }
        closed
    }

    fn clear(&mut self, class: Class, at: i64, f: &mut Figures) {
        f.lots_unknown |= !self.lots_known;
        self.lots_known = true;
        self.lots.iter().skip(self.oldest).for_each(|lot| close(lot.basis, class, lot.at, at, f));
        self.lots.clear();
        self.oldest = 0;
        (self.quantity, self.peak, self.basis) = (0.0, 0.0, 0);
    }
}

/// The table takes slots from the low bits of a hash, which keys lack: brings the high ones down.
fn spread(key: u64) -> u64 {
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)
}

fn close(basis: i128, class: Class, since: i64, at: i64, f: &mut Figures) {
    let age = at.abs_diff(since);
    f.closed_fifo = f.closed_fifo.saturating_add(basis);
    f.aged = f.aged.saturating_add(times(basis, age));
    f.ages.add(age, basis);
    if class == Class::Perpetual {
        f.perpetual_closed = f.perpetual_closed.saturating_add(basis);
        // Whoever holds at such an instant pays, or is paid.
        if at.div_euclid(FUNDING) > since.div_euclid(FUNDING) {
            f.perpetual_funded = f.perpetual_funded.saturating_add(basis);
        }
    }
}

fn times(basis: i128, time: u64) -> i128 {
    // Almost every basis fits in 63 bits, and then the product in 127.
    if let Ok(small) = i64::try_from(basis) {
        return i128::from(small) * i128::from(time);
    }
    basis.saturating_mul(i128::from(time))
}

/// `fraction` of an amount, to the nearest unit.
fn part(amount: i128, fraction: f64) -> i128 {
    money::whole(money::nearest(amount) * fraction).clamp(0, amount)
}
