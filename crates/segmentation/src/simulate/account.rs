//! One account: from its behaviour to its orders and their fills. What happens to it besides is in `life`.

use super::archetype::{Archetype, Behaviour};
use super::book::{Book, Position};
use super::calendar::{DAY, HOUR, START};
use super::habits::{cumulative, favourites, order_of, planted, trading_hours};
use super::instrument::{tick, Instrument, Kind, Mark};
use super::market::{Market, COUNT, UNDERLYINGS};
use super::order::{collateral, Order, COLLATERAL, VENUES};
use super::random::{Random, Stream};
use super::{Counterparty, Params, SimTrade};
use std::collections::VecDeque;

/// Spread of the sizes of one account's trades and of its busy and quiet days (standard deviations of logarithms).
const SIZE_SPREAD: f64 = 0.5;
const DAY_SPREAD: f64 = 0.3;
/// Fee relative to the lowest tier.
const TAKER_DISCOUNT: [f64; 6] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5];
const MAKER_DISCOUNT: [f64; 6] = [1.0, 0.8, 0.6, 0.4, 0.1, -0.2];
/// The last moment of an hour at which an order starts: its other fills stay within the day.
const LAST_START: i64 = HOUR - 10_000_000;
/// Share of the fills against a position of about their size that close it.
const CLOSE: f64 = 0.5;
/// Shares of the fills against the account itself, and against market makers that have no account here.
const SELF: f64 = 0.000_5;
const OUTSIDE: f64 = 0.35;
const OUTSIDERS: usize = 8;

/// Where one account stands; holds the times of one day, the positions, and nothing else of its trades.
pub(super) struct Account {
    pub number: u32,
    archetype: Archetype,
    pub behaviour: Behaviour,
    pub random: Random,
    /// Cumulative weights of the kinds, of the underlyings for each kind, of the hours, venues and collateral.
    pub kinds: [f64; 5],
    pub underlyings: [[f64; COUNT]; 5],
    hours: [f64; 24],
    pub venues: [f64; 3],
    pub collateral: [f64; 4],
    /// Days still to come, as [next, last].
    day: i64,
    last_day: i64,
    /// Trades on an average active day.
    intensity: f64,
    /// Times of the day at hand, latest first.
    pub times: Vec<i64>,
    coming: Option<i64>,
    pub last_time: i64,
    /// Net USD bought, in median trades, by underlying.
    pub inventory: [f64; COUNT],
    pub sequence: u32,
    pub orders: u32,
    pub combos: u32,
    order: Option<Order>,
    pub book: Book,
    /// Deposits less withdrawals, and funding paid, since the last snapshot.
    pub flow: f64,
    pub funding: f64,
    /// The next moment of the venue's clock; `None` before the first trade.
    pub clock: Option<i64>,
    /// Forced trades that have not been answered yet.
    pub forced: VecDeque<SimTrade>,
}

/// Who takes much leverage keeps it apart.
fn margin_mode(leverage: f64) -> &'static str {
    if leverage > 10.0 {
        "isolated"
    } else {
        "cross"
    }
}

impl Account {
    pub fn new(params: &Params, number: u32) -> Self {
        let archetype = planted(params.seed, number);
        let mut random = Random::new(params.seed, Stream::Account(u64::from(number)));
        let behaviour = Behaviour::draw(archetype, params.noise, &mut random);
        let days = f64::from(params.days);
        let first_day = ((days * behaviour.start) as i64).min(i64::from(params.days) - 1);
        let last_day = ((days * (1.0 - behaviour.gap)) as i64).clamp(first_day, i64::from(params.days) - 1);
        let wanted = (behaviour.trades * days / 60.0).max(1.0);
        let active = ((last_day - first_day + 1) as f64 * behaviour.active).max(1.0);
        let coin = 0.15 * behaviour.coin;
        Account {
            number,
            archetype,
            kinds: cumulative(behaviour.kinds),
            underlyings: favourites(behaviour.focus, &mut random),
            hours: trading_hours(behaviour.hours, &mut random),
            venues: cumulative([(); 3].map(|()| libm::exp(random.normal()))),
            collateral: cumulative([1.0, 0.8, coin, 0.7 * coin].map(|w| w * libm::exp(0.7 * random.normal()))),
            day: first_day,
            last_day,
            intensity: wanted / active,
            times: Vec::new(),
            coming: None,
            last_time: i64::MIN,
            inventory: [0.0; COUNT],
            sequence: 0,
            orders: 0,
            combos: 0,
            order: None,
            book: Book::default(),
            flow: 0.0,
            funding: 0.0,
            clock: None,
            forced: VecDeque::new(),
            behaviour,
            random,
        }
    }

    /// Time of the next fill, `None` at the account's end.
    pub fn coming(&mut self) -> Option<i64> {
        if self.coming.is_none() {
            while self.times.is_empty() {
                if self.day > self.last_day {
                    return None;
                }
                self.draw_day();
            }
            // Each fill uses up one of the day's times, and those of one order follow each other at once.
            let drawn = self.times.pop()?;
            self.coming = Some(match self.order {
                Some(_) => self.last_time + 1_000 + (500_000.0 * self.random.uniform()) as i64,
                None => drawn,
            });
        }
        self.coming.map(|at| at.max(self.last_time.saturating_add(1)))
    }

    /// The next fill, at the time that [`Account::coming`] gave.
    pub fn trade(&mut self, market: &Market, at: i64) -> SimTrade {
        self.coming = None;
        self.last_time = at;
        let mut order = match self.order.take() {
            Some(order) => order,
            None => self.place(market, at),
        };
        let mark = order.instrument.mark(market, at);
        let wanted = self.behaviour.size * libm::exp(SIZE_SPREAD * self.random.normal());
        // A taker pays the spread, a maker earns it.
        let sign = if order.is_buy == order.is_maker { -1.0 } else { 1.0 };
        let spread = order.instrument.half_spread() * (0.4 + 0.6 * self.random.uniform());
        let price = tick(mark.price * (1.0 + sign * spread));
        let quantity = match order.quantity {
            Some(quantity) => quantity,
            None => self.quantity(market, at, &order, wanted, price),
        };
        let trade = self.fill(market, at, &order, &mark, price, quantity);
        if let Some((instrument, is_buy)) = order.leg.take() {
            self.order = Some(Order { instrument, is_buy, quantity: Some(quantity), fills_left: 0, ..order });
        } else if order.fills_left > 0 {
            order.fills_left -= 1;
            self.order = Some(order);
        }
        self.top_up();
        // What is left of an order at the end of the day is cancelled.
        if self.times.is_empty() {
            self.order = None;
        }
        trade
    }

    /// Closes the whole position at the venue's order: at a price worse than the mark.
    pub fn liquidate(&mut self, market: &Market, at: i64, instrument: Instrument) -> Option<SimTrade> {
        let held = self.book.contracts(market, at, instrument);
        let leverage = self.book.positions.get(&instrument)?.leverage;
        let mark = instrument.mark(market, at);
        let slip = (0.001 + 0.004 * self.random.uniform()) * if instrument.kind() == Kind::Option { 10.0 } else { 1.0 };
        let price = tick(mark.price * if held < 0.0 { 1.0 + slip } else { 1.0 - slip });
        let margined = !matches!(instrument.kind(), Kind::Spot | Kind::Token);
        self.orders += 1;
        let order = Order {
            number: self.orders,
            combo: None,
            instrument,
            is_buy: held < 0.0,
            leg: None,
            fills_left: 0,
            quantity: None,
            is_maker: false,
            order_type: "market",
            venue: VENUES[self.random.pick(&self.venues)],
            collateral: collateral(instrument, COLLATERAL[self.random.pick(&self.collateral)]),
            leverage: margined.then_some(leverage),
        };
        let trade = self.fill(market, at, &order, &mark, price, clean(held.abs()));
        Some(SimTrade { is_liquidation: true, ..trade })
    }

    /// Draws the times of the next day; none if the account rests.
    fn draw_day(&mut self) {
        let day = self.day;
        self.day += 1;
        let weight = if day % 7 >= 5 { self.behaviour.weekend } else { 1.0 };
        let edge = self.sequence == 0 || day == self.last_day;
        if self.random.uniform() >= self.behaviour.active * weight.min(1.0 / self.behaviour.active) && !edge {
            return;
        }
        let busy = libm::exp(DAY_SPREAD * self.random.normal() - 0.5 * DAY_SPREAD * DAY_SPREAD);
        let count = (self.intensity * busy * weight.sqrt() + self.random.uniform()).floor().max(1.0) as usize;
        for _ in 0..count {
            let hour = self.random.pick(&self.hours) as i64;
            let within = (self.random.uniform() * LAST_START as f64) as i64;
            self.times.push(day * DAY + hour * HOUR + within);
        }
        self.times.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Contracts of a fill worth about `wanted` USD; often all that is held, if that is about as much.
    fn quantity(&mut self, market: &Market, at: i64, order: &Order, wanted: f64, price: f64) -> f64 {
        let instrument = order.instrument;
        let each = instrument.contract_size()
            * match instrument.kind() {
                Kind::Option => tick(market.spot(instrument.underlying, at)),
                _ if instrument.inverse() => 1.0,
                _ => price,
            };
        let held = self.book.contracts(market, at, instrument) * if order.is_buy { -1.0 } else { 1.0 };
        if (0.3..3.0).contains(&(held * each / wanted)) && self.random.uniform() < CLOSE {
            return clean(held);
        }
        if instrument.inverse() {
            (wanted / each).round().max(1.0)
        } else {
            tick(wanted / each)
        }
    }

    /// Books a fill and writes it down.
    fn fill(&mut self, market: &Market, at: i64, order: &Order, mark: &Mark, price: f64, quantity: f64) -> SimTrade {
        let instrument = order.instrument;
        let kind = instrument.kind();
        let underlying_price = tick(market.spot(instrument.underlying, at));
        let size = instrument.contract_size();
        let notional_usd = quantity
            * size
            * match kind {
                Kind::Option => underlying_price,
                _ if instrument.inverse() => 1.0,
                _ => price,
            };
        let (taker, maker) = kind.fees();
        let tier = self.behaviour.tier;
        let bps = if order.is_maker { maker * MAKER_DISCOUNT[tier] } else { taker * TAKER_DISCOUNT[tier] };
        let fee_usd = notional_usd * bps / 10_000.0;
        let sign = if order.is_buy { 1.0 } else { -1.0 };
        // Spot and tokens may be bought on credit, up to five times what one has.
        let leverage = order.leverage.unwrap_or((self.behaviour.leverage / 4.0).clamp(1.0, 5.0));
        let filled = Position { units: sign * quantity * size, cost: price, leverage };
        let realised_pnl_usd = self.book.fill(market, at, instrument, filled, fee_usd);
        self.inventory[instrument.underlying] += sign * notional_usd / self.behaviour.size;
        let counterparty = self.counterparty(market);
        self.sequence += 1;
        SimTrade {
            trade_id: 0,
            account: self.number,
            sequence: self.sequence,
            executed_at: START + at,
            instrument: instrument.name(market),
            underlying: UNDERLYINGS[instrument.underlying].name,
            kind: kind.name(),
            is_buy: order.is_buy,
            quantity,
            price,
            notional_usd,
            fee_usd,
            is_maker: order.is_maker,
            archetype: self.archetype,
            order: order.number,
            counterparty,
            venue: order.venue,
            collateral: order.collateral,
            contract_size: size,
            inverse: instrument.inverse(),
            strike: instrument.strike(),
            expiry: instrument.expiry(market).map(|at| START + at),
            option_type: instrument.option_type(),
            underlying_price,
            implied_volatility: mark.volatility,
            token_factor: instrument.token_factor(),
            leverage: order.leverage,
            margin_mode: order.leverage.map(margin_mode),
            realised_pnl_usd,
            is_liquidation: false,
            order_type: order.order_type,
            combo: order.combo,
            own_flow_usd: 0.0,
            others_flow_usd: 0.0,
            is_toxic: false,
            listed: instrument,
        }
    }

    /// Who is on the other side: only accounts before this one, so that it does not matter how many there are.
    fn counterparty(&mut self, market: &Market) -> Counterparty {
        let random = &mut self.random;
        let size = Archetype::ALL.len() as u32;
        match random.uniform() {
            u if u < SELF => Counterparty::Account(self.number),
            u if u < SELF + OUTSIDE || self.number == 0 => Counterparty::MarketMaker(random.below(OUTSIDERS) as u8),
            // Half of the rest against the planted market maker of an earlier block of accounts.
            u if u < 0.5 * (1.0 + SELF + OUTSIDE) && self.number >= size => {
                let block = random.below((self.number / size) as usize) as u64;
                let maker = order_of(market.seed, block).iter().position(|&a| a == Archetype::MarketMaker);
                Counterparty::Account(block as u32 * size + maker.unwrap_or(0) as u32)
            }
            _ => Counterparty::Account(random.below(self.number as usize) as u32),
        }
    }

    /// Pays in when the equity does not cover margin and full payments any more: generously at first, later enough for
    /// some more orders.
    fn top_up(&mut self) {
        let missing = self.book.required - self.book.equity();
        if missing > 0.0 {
            let cushion = if self.flow == 0.0 && self.sequence == 1 { 2.0 } else { 0.2 };
            let cushion = self.behaviour.cushion * (cushion + 0.8 * self.random.uniform());
            let paid = missing + self.book.required * cushion;
            let paid = tick(paid.max(self.behaviour.size / self.behaviour.leverage));
            self.book.balance += paid;
            self.flow += paid;
        }
    }
}

/// Takes the rounding out of a sum of quantities, which have at most eight decimals.
fn clean(quantity: f64) -> f64 {
    ((quantity * 1e8).round() / 1e8).max(1e-8)
}
