//! What one account holds and owes: positions at average cost, equity, margin. No randomness.
//!
//! Equity is what was paid in, plus realised profit, less fees and funding, plus what the positions gain at the marks.
//! Spot and tokens are paid in full where they are not bought on credit; those, futures, perpetuals, sold options and
//! what is sold short are on margin. An inverse
//! position of face Q USD bought at S0 has gained Q (S1 / S0 - 1) USD at S1, so its cost is kept as 1 / S0.

use super::instrument::{Contract, Instrument, Kind};
use super::market::{Market, COUNT};
use std::collections::BTreeMap;

/// Initial margin of a sold option at the money, and its floor far out of it, as a share of the underlying's price.
const OPTION_MARGIN: [f64; 2] = [0.12, 0.08];
/// Initial margin of spot sold short.
const SHORT_MARGIN: f64 = 0.2;
/// Maintenance margin as a share of the initial margin.
pub(super) const MAINTENANCE: f64 = 0.5;
/// Below this part of the larger of two amounts, their difference is rounding.
const ROUNDING: f64 = 1e-9;

/// A position in one instrument.
#[derive(Clone, Copy, Default)]
pub(super) struct Position {
    /// Signed units: contracts times contract size (of tokens: as if the issuer had never merged any).
    pub units: f64,
    /// Average cost of a unit in USD; of an inverse contract the average of 1 / price.
    pub cost: f64,
    /// Of the last fill; 1 is paid in full.
    pub leverage: f64,
}

impl Position {
    /// Adds a fill; the profit of what it closes, `None` if it closes nothing.
    fn add(&mut self, units: f64, price: f64, inverse: bool) -> Option<f64> {
        let at = if inverse { 1.0 / price } else { price };
        let closed =
            if self.units * units < 0.0 { units.abs().min(self.units.abs()) * self.units.signum() } else { 0.0 };
        let realised = (closed != 0.0).then(|| gain(closed, self.cost, price, inverse));
        let next = self.units + units;
        if next.abs() <= ROUNDING * units.abs() {
            self.units = 0.0;
        } else {
            if self.units * units >= 0.0 {
                self.cost = (self.cost * self.units + at * units) / next;
            } else if units.abs() > self.units.abs() {
                self.cost = at;
            }
            self.units = next;
        }
        realised
    }
}

fn gain(units: f64, cost: f64, price: f64, inverse: bool) -> f64 {
    if inverse {
        units * (price * cost - 1.0)
    } else {
        units * (price - cost)
    }
}

/// What all positions are worth at one moment, USD.
#[derive(Default)]
pub(super) struct Valuation {
    pub unrealised: f64,
    /// Sum of the absolute notionals.
    pub gross_notional: f64,
    pub initial_margin: f64,
    /// What is paid in full: spot and tokens held.
    pub paid: f64,
    pub gross_delta: f64,
    /// Signed, by underlying.
    pub deltas: [f64; COUNT],
    /// Margined positions and their initial margin.
    pub margined: Vec<(Instrument, f64)>,
}

/// Positions and money of one account.
#[derive(Default)]
pub(super) struct Book {
    pub positions: BTreeMap<Instrument, Position>,
    /// Paid in, plus realised, less fees and funding.
    pub balance: f64,
    /// The positions' gain when they were last valued, less what was realised of it since.
    unrealised: f64,
    /// Margin and full payments when last valued, plus those of the fills since.
    pub required: f64,
}

impl Book {
    /// Equity of the last valuation, carried on with the fills since.
    pub fn equity(&self) -> f64 {
        self.balance + self.unrealised
    }

    /// Books a fill at its price. Answers the profit realised, `None` if nothing was closed.
    pub fn fill(&mut self, market: &Market, at: i64, instrument: Instrument, fill: Position, fee: f64) -> Option<f64> {
        let merged = merged(market, at, instrument);
        let (units, price) = (fill.units * merged, fill.cost / merged);
        let position = self.positions.entry(instrument).or_default();
        let spot = market.spot(instrument.underlying, at);
        let need = |position: &Position| {
            let (margin, paid) = requirement(instrument, position, price, spot);
            margin + paid
        };
        self.required -= need(position);
        position.leverage = fill.leverage;
        let realised = position.add(units, price, instrument.inverse());
        self.required += need(position);
        if position.units == 0.0 {
            self.positions.remove(&instrument);
        }
        self.balance += realised.unwrap_or(0.0) - fee;
        self.unrealised -= realised.unwrap_or(0.0);
        realised
    }

    /// Contracts held, signed, as they count at this time.
    pub fn contracts(&self, market: &Market, at: i64, instrument: Instrument) -> f64 {
        let units = self.positions.get(&instrument).map_or(0.0, |p| p.units);
        units / merged(market, at, instrument) / instrument.contract_size()
    }

    /// Values everything at the marks.
    pub fn value(&mut self, market: &Market, at: i64) -> Valuation {
        let mut sum = Valuation::default();
        for (&instrument, position) in &self.positions {
            let mark = instrument.mark(market, at);
            let merged = merged(market, at, instrument);
            let price = mark.price / merged;
            let spot = market.spot(instrument.underlying, at);
            let delta = position.units * mark.delta / merged;
            let (margin, paid) = requirement(instrument, position, price, spot);
            sum.unrealised += gain(position.units, position.cost, price, instrument.inverse());
            sum.gross_notional += notional(instrument, position, price, spot);
            sum.gross_delta += delta.abs();
            sum.deltas[instrument.underlying] += delta;
            sum.paid += paid;
            if margin > 0.0 {
                sum.initial_margin += margin;
                sum.margined.push((instrument, margin));
            }
        }
        self.unrealised = sum.unrealised;
        self.required = sum.initial_margin + sum.paid;
        sum
    }

    /// Pays out what has expired by `at`, at the marks of the expiry. Answers the expired.
    pub fn settle(&mut self, market: &Market, at: i64) -> Vec<(Instrument, Position)> {
        let due = |instrument: &Instrument| instrument.expiry(market).is_some_and(|expiry| expiry <= at);
        let expired: Vec<_> = self.positions.iter().filter(|(i, _)| due(i)).map(|(i, p)| (*i, *p)).collect();
        for (instrument, position) in &expired {
            let price = instrument.mark(market, instrument.expiry(market).unwrap_or(at)).price;
            let gained = gain(position.units, position.cost, price, false);
            self.balance += gained;
            self.unrealised -= gained;
            self.positions.remove(instrument);
        }
        expired
    }

    /// Takes the funding of eight hours from the perpetuals; longs pay while the trend is up. Answers the sum paid.
    pub fn fund(&mut self, market: &Market, at: i64) -> f64 {
        let mut paid = 0.0;
        for (instrument, position) in &self.positions {
            if instrument.kind() == Kind::Perpetual {
                let rate = 0.000_1 * (1.0 + 0.5 * market.trend(instrument.underlying, at));
                paid += rate * position.units * instrument.mark(market, at).delta;
            }
        }
        self.balance -= paid;
        paid
    }
}

fn merged(market: &Market, at: i64, instrument: Instrument) -> f64 {
    match instrument.contract {
        Contract::Token { long } => market.merged(instrument.underlying, long, at),
        _ => 1.0,
    }
}

fn notional(instrument: Instrument, position: &Position, price: f64, spot: f64) -> f64 {
    position.units.abs()
        * match instrument.kind() {
            Kind::Option => spot,
            _ if instrument.inverse() => 1.0,
            _ => price,
        }
}

/// Initial margin and full payment of a position.
fn requirement(instrument: Instrument, position: &Position, price: f64, spot: f64) -> (f64, f64) {
    let size = notional(instrument, position, price, spot);
    let short = position.units < 0.0;
    match instrument.contract {
        Contract::Future { .. } | Contract::Perpetual { .. } => (size / position.leverage.max(1.0), 0.0),
        Contract::Option { strike, call, .. } if short => {
            let out = (f64::from(strike) / spot - 1.0) * if call { 1.0 } else { -1.0 };
            (size * (OPTION_MARGIN[0] - out.max(0.0)).max(OPTION_MARGIN[1]), 0.0)
        }
        Contract::Option { .. } => (0.0, position.units * price),
        _ if short => (size * SHORT_MARGIN, 0.0),
        _ if position.leverage > 1.0 => (size / position.leverage, 0.0),
        _ => (0.0, size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Profit of a list of fills by the definition: the open fills' average is recomputed from scratch each time.
    fn oracle(fills: &[(f64, f64)], inverse: bool) -> Vec<Option<f64>> {
        let worth = |price: f64| if inverse { -1.0 / price } else { price };
        let mut open: Vec<(f64, f64)> = Vec::new();
        let mut profits = Vec::new();
        for &(units, price) in fills {
            let held: f64 = open.iter().map(|o| o.0).sum();
            if held * units >= 0.0 {
                open.push((units, price));
                profits.push(None);
                continue;
            }
            let average = open.iter().map(|o| o.0 * worth(o.1)).sum::<f64>() / held;
            let closed = units.abs().min(held.abs()) * held.signum();
            let in_coin_or_usd = closed * (worth(price) - average);
            profits.push(Some(if inverse { in_coin_or_usd * price } else { in_coin_or_usd }));
            let left = 1.0 - closed / held;
            open.iter_mut().for_each(|o| o.0 *= left);
            if units.abs() > held.abs() {
                open = vec![(units + held, price)];
            } else if left == 0.0 {
                open.clear();
            }
        }
        profits
    }

    #[test]
    fn average_cost_profit() {
        let fills = [
            (10.0, 100.0),
            (5.0, 130.0),
            (-6.0, 120.0),
            (-9.0, 90.0),
            (-4.0, 80.0),
            (-4.0, 70.0),
            (20.0, 60.0),
            (-2.0, 66.0),
        ];
        for inverse in [false, true] {
            let mut position = Position::default();
            let profits: Vec<_> = fills.iter().map(|&(u, p)| position.add(u, p, inverse)).collect();
            for (a, b) in profits.iter().zip(oracle(&fills, inverse)) {
                assert_eq!(a.is_some(), b.is_some());
                assert!((a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < 1e-9, "{profits:?}");
            }
        }
        // By hand: 15 at 110 on average, 6 of them sold at 120; and a face of 100 USD from 100 to 125 gains 25 USD.
        let mut position = Position { units: 15.0, cost: 110.0, leverage: 1.0 };
        assert_eq!(position.add(-6.0, 120.0, false), Some(60.0));
        let mut position = Position { units: 100.0, cost: 0.01, leverage: 1.0 };
        assert_eq!(position.add(-100.0, 125.0, true), Some(25.0));
        assert_eq!(position.units, 0.0);
    }

    /// docs.deribit.com, private/pme/simulate: what BTC-PERPETUAL gains in coin where the price moves by so many per cent.
    /// Every entry is 0.314538364 coins of face times 1 - 1 / (1 + move).
    #[test]
    fn an_inverse_position_gains_what_deribit_says() {
        let vector = [
            (-16, -0.0599120693),
            (-12, -0.0428915951),
            (-8, -0.0273511621),
            (-4, -0.0131057652),
            (0, 0.0),
            (4, 0.0120976294),
        ];
        let start = 67_432.5;
        let face = 0.314538364 * start;
        for (percent, coins) in vector {
            let price = start * (1.0 + f64::from(percent) / 100.0);
            let mut position = Position::default();
            assert_eq!(position.add(face, start, true), None);
            let unrealised = gain(position.units, position.cost, price, true) / price;
            let realised = position.add(-face, price, true).unwrap() / price;
            for found in [unrealised, realised] {
                // As many digits as are published.
                assert!((found - coins).abs() < 0.51e-10, "{percent} %: {found}, not {coins}");
            }
            // Short, the opposite.
            let mut short = Position::default();
            short.add(-face, start, true);
            assert!((gain(short.units, short.cost, price, true) / price + coins).abs() < 0.51e-10);
        }
    }
}
