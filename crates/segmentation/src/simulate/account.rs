//! One account: from its behaviour to its trades, day by day.

use super::archetype::{Archetype, Behaviour};
use super::calendar::{DAY, HOUR, START};
use super::instrument::{quote, tick, Kind};
use super::market::{Market, COUNT, UNDERLYINGS};
use super::random::{Random, Stream};
use super::{Params, SimTrade};

/// Spread of the sizes of one account's trades and of its busy and quiet days (standard deviations of logarithms).
const SIZE_SPREAD: f64 = 0.5;
const DAY_SPREAD: f64 = 0.3;
/// Fee relative to the lowest tier.
const TAKER_DISCOUNT: [f64; 6] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5];
const MAKER_DISCOUNT: [f64; 6] = [1.0, 0.8, 0.6, 0.4, 0.1, -0.2];

/// Where one account stands; holds the times of one day and nothing else of its trades.
pub(super) struct Account {
    number: u32,
    archetype: Archetype,
    behaviour: Behaviour,
    random: Random,
    /// Cumulative weights of the kinds, of the underlyings for each kind, and of the hours.
    kinds: [f64; 5],
    underlyings: [[f64; COUNT]; 5],
    hours: [f64; 24],
    /// Days still to come, as [next, last].
    day: i64,
    last_day: i64,
    /// Trades on an average active day.
    intensity: f64,
    /// Times of the day at hand, latest first.
    times: Vec<i64>,
    last_time: i64,
    /// Net USD bought, in median trades.
    position: f64,
    sequence: u32,
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
        Account {
            number,
            archetype,
            kinds: cumulative(behaviour.kinds),
            underlyings: favourites(behaviour.focus, &mut random),
            hours: trading_hours(behaviour.hours, &mut random),
            day: first_day,
            last_day,
            intensity: wanted / active,
            times: Vec::new(),
            last_time: i64::MIN,
            position: 0.0,
            sequence: 0,
            behaviour,
            random,
        }
    }

    /// The next trade in time order, or `None` at the account's end. `trade_id` is left 0.
    pub fn next_trade(&mut self, market: &Market) -> Option<SimTrade> {
        while self.times.is_empty() {
            if self.day > self.last_day {
                return None;
            }
            self.draw_day();
        }
        let at = self.times.pop()?.max(self.last_time.saturating_add(1));
        self.last_time = at;
        Some(self.trade(market, at))
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
            let within = (self.random.uniform() * HOUR as f64) as i64;
            self.times.push(day * DAY + hour * HOUR + within);
        }
        self.times.sort_unstable_by(|a, b| b.cmp(a));
    }

    fn trade(&mut self, market: &Market, at: i64) -> SimTrade {
        let random = &mut self.random;
        let kind = Kind::ALL[random.pick(&self.kinds)];
        let underlying = random.pick(&self.underlyings[kind as usize]);
        let quote = quote(market, kind, underlying, at, random);
        let behaviour = &self.behaviour;
        let odds = behaviour.side + behaviour.follow * market.trend(underlying, at)
            - behaviour.inventory * self.position.clamp(-5.0, 5.0);
        let is_buy = random.uniform() < 1.0 / (1.0 + libm::exp(-odds));
        let is_maker = random.uniform() < behaviour.maker;
        let wanted = behaviour.size * libm::exp(SIZE_SPREAD * random.normal());
        // A taker pays the spread, a maker earns it.
        let half_spread = 0.000_1 * random.uniform() * if is_buy == is_maker { -1.0 } else { 1.0 };
        let price = tick(quote.fair * (1.0 + half_spread));
        let unit = if kind == Kind::Option { quote.unit } else { price };
        let quantity = tick(wanted / unit);
        let notional_usd = quantity * unit;
        self.position += notional_usd / behaviour.size * if is_buy { 1.0 } else { -1.0 };
        let (taker, maker) = kind.fees();
        let bps =
            if is_maker { maker * MAKER_DISCOUNT[behaviour.tier] } else { taker * TAKER_DISCOUNT[behaviour.tier] };
        self.sequence += 1;
        SimTrade {
            trade_id: 0,
            account: self.number,
            sequence: self.sequence,
            executed_at: START + at,
            instrument: quote.name,
            underlying: UNDERLYINGS[underlying].name,
            kind: kind.name(),
            is_buy,
            quantity,
            price,
            notional_usd,
            fee_usd: notional_usd * bps / 10_000.0,
            is_maker,
            archetype: self.archetype,
        }
    }
}

/// Each block of six consecutive accounts holds every archetype once, in an order of its own: the archetypes are
/// equally frequent, and adding accounts changes nobody's.
fn planted(seed: u64, account: u32) -> Archetype {
    let size = Archetype::ALL.len();
    let mut order = Archetype::ALL;
    let mut random = Random::new(seed, Stream::Block(u64::from(account) / size as u64));
    for i in (1..size).rev() {
        order.swap(i, random.below(i + 1));
    }
    order[account as usize % size]
}

fn cumulative<const N: usize>(weights: [f64; N]) -> [f64; N] {
    let mut sum = 0.0;
    weights.map(|weight| {
        sum += weight;
        sum
    })
}

/// The account's own ranking of the underlyings (popular ones tend to come first), with weights that fall by the
/// factor exp(-focus) from rank to rank, for each kind over those that list it.
fn favourites(focus: f64, random: &mut Random) -> [[f64; COUNT]; 5] {
    let mut order: [(f64, usize); COUNT] = std::array::from_fn(|u| (UNDERLYINGS[u].popularity + random.normal(), u));
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut weights = [0.0; COUNT];
    for (rank, &(_, underlying)) in order.iter().enumerate() {
        weights[underlying] = libm::exp(-focus * rank as f64);
    }
    Kind::ALL.map(|kind| cumulative(std::array::from_fn(|u| if kind.listed_on(u) { weights[u] } else { 0.0 })))
}

/// A day that peaks at an hour of the account's own.
fn trading_hours(concentration: f64, random: &mut Random) -> [f64; 24] {
    let peak = 24.0 * random.uniform();
    cumulative(std::array::from_fn(|hour| {
        let angle = (hour as f64 + 0.5 - peak) * (std::f64::consts::PI / 12.0);
        libm::exp(concentration * (libm::cos(angle) - 1.0))
    }))
}
