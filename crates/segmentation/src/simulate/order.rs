//! What an account orders: instrument, side, type, leverage, and whether it is one fill or more.

use super::account::Account;
use super::habits::cumulative;
use super::instrument::{future_expiries, has_inverse, option, option_expiries, Contract, Instrument, Kind};
use super::market::{Market, UNDERLYINGS};
use super::option::years;
use super::random::Random;

/// Most fills of one order.
const MOST_FILLS: usize = 5;
pub(super) const VENUES: [&str; 3] = ["alpha", "beta", "gamma"];
pub(super) const COLLATERAL: [&str; 4] = ["USD", "USDC", "BTC", "ETH"];
/// Leverage that venues let one choose.
const LEVERAGE: [f64; 10] = [1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 25.0, 50.0, 75.0, 100.0];
/// Share of the perpetual orders that go to the inverse contract where there is one.
const INVERSE: f64 = 0.35;
/// Share of the option orders that go to an option held.
const AGAIN: f64 = 0.2;

/// An order that is being filled.
pub(super) struct Order {
    pub number: u32,
    pub combo: Option<u32>,
    pub instrument: Instrument,
    pub is_buy: bool,
    /// The second leg of a combination, once the first is filled.
    pub leg: Option<(Instrument, bool)>,
    pub fills_left: usize,
    /// Given for the second leg: as the first.
    pub quantity: Option<f64>,
    pub is_maker: bool,
    pub order_type: &'static str,
    pub venue: &'static str,
    pub collateral: &'static str,
    pub leverage: Option<f64>,
}

impl Account {
    /// Decides on a new order.
    pub fn place(&mut self, market: &Market, at: i64) -> Order {
        let kind = Kind::ALL[self.random.pick(&self.kinds)];
        let underlying = self.random.pick(&self.underlyings[kind as usize]);
        let instrument = self.choose(market, kind, underlying, at);
        let behaviour = &self.behaviour;
        let random = &mut self.random;
        let odds = behaviour.side + behaviour.follow * market.trend(underlying, at)
            - behaviour.inventory * self.inventory[underlying].clamp(-5.0, 5.0);
        let is_buy = random.uniform() < 1.0 / (1.0 + libm::exp(-odds));
        let is_maker = random.uniform() < behaviour.maker;
        let order_type = match random.uniform() {
            _ if is_maker => "limit",
            u if u < 0.7 * behaviour.stop => "stop",
            u if u < behaviour.stop => "stop_limit",
            u if u < 0.75 => "market",
            _ => "limit",
        };
        let margined = !matches!(kind, Kind::Spot | Kind::Token);
        let leverage = margined.then(|| near(behaviour.leverage * libm::exp(0.25 * random.normal())));
        let venue = VENUES[random.pick(&self.venues)];
        let collateral = collateral(instrument, COLLATERAL[random.pick(&self.collateral)]);
        let leg = (kind == Kind::Option && random.uniform() < behaviour.combo && !self.times.is_empty())
            .then(|| second_leg(market, instrument, is_buy, random))
            // At the edge of what is listed there may be no other strike.
            .filter(|leg| leg.0 != instrument);
        let mut fills_left = 0;
        while leg.is_none() && fills_left + 1 < MOST_FILLS && random.uniform() < behaviour.split {
            fills_left += 1;
        }
        self.orders += 1;
        self.combos += u32::from(leg.is_some());
        let combo = leg.map(|_| self.combos);
        Order {
            number: self.orders,
            combo,
            instrument,
            is_buy,
            leg,
            fills_left,
            quantity: None,
            is_maker,
            order_type,
            venue,
            collateral,
            leverage,
        }
    }

    /// Chooses an instrument of a kind that the underlying lists.
    fn choose(&mut self, market: &Market, kind: Kind, underlying: usize, at: i64) -> Instrument {
        let random = &mut self.random;
        let contract = match kind {
            Kind::Spot => Contract::Spot,
            Kind::Perpetual => Contract::Perpetual { inverse: has_inverse(underlying) && random.uniform() < INVERSE },
            Kind::Token => Contract::Token { long: random.uniform() < 0.65 },
            Kind::Future => Contract::Future { expiry: future_expiries(market, at)[random.below(3)] },
            Kind::Option => return self.choose_option(market, underlying, at),
        };
        Instrument { underlying, contract }
    }

    fn choose_option(&mut self, market: &Market, underlying: usize, at: i64) -> Instrument {
        let random = &mut self.random;
        if random.uniform() < AGAIN {
            let options = self.book.positions.keys().filter(|i| i.underlying == underlying && i.kind() == Kind::Option);
            let held: Vec<&Instrument> = options.collect();
            if !held.is_empty() {
                return *held[random.below(held.len())];
            }
        }
        let nearness = self.behaviour.nearness;
        let nearest = random.pick(&cumulative(std::array::from_fn::<_, 4, _>(|i| libm::exp(-nearness * i as f64))));
        let expiry = option_expiries(market, at)[nearest];
        let call = random.uniform() < 0.55;
        let away = (self.behaviour.away + 0.5 * random.normal()) * if call { 1.0 } else { -1.0 };
        let years = years(&market.fridays[expiry], at);
        let deviation = UNDERLYINGS[underlying].volatility * years.sqrt();
        option(market, underlying, expiry, market.spot(underlying, at) * libm::exp(away * deviation), call)
    }
}

/// The second leg of a combination: the other half of a strangle, or the far half of a vertical spread.
fn second_leg(market: &Market, first: Instrument, is_buy: bool, random: &mut Random) -> (Instrument, bool) {
    let Contract::Option { expiry, strike, call } = first.contract else { return (first, !is_buy) };
    let strike = f64::from(strike);
    if random.uniform() < 0.5 {
        return (option(market, first.underlying, expiry, strike * if call { 0.85 } else { 1.15 }, !call), is_buy);
    }
    let away = 1.05 + 0.1 * random.uniform();
    let further = option(market, first.underlying, expiry, if call { strike * away } else { strike / away }, call);
    (further, !is_buy)
}

/// The coin that an inverse contract pays in, else as the account chose.
pub(super) fn collateral(instrument: Instrument, chosen: &'static str) -> &'static str {
    if instrument.inverse() {
        UNDERLYINGS[instrument.underlying].name
    } else {
        chosen
    }
}

/// The step of the venue's leverage nearest to a wish.
fn near(wish: f64) -> f64 {
    LEVERAGE.iter().copied().find(|step| step * 1.3 >= wish).unwrap_or(LEVERAGE[LEVERAGE.len() - 1])
}
