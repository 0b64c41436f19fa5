//! What happens to one account, in the order of time: its fills, and the venue's clock, which settles expiries, takes
//! funding, calls margin and writes the daily snapshot.

use super::account::Account;
use super::book::{Valuation, MAINTENANCE};
use super::calendar::{DAY, HOUR, START};
use super::instrument::tick;
use super::market::Market;
use super::{SimSnapshot, SimTrade};

/// Funding and expiries are every eight hours.
const PERIOD: i64 = 8 * HOUR;
/// A snapshot is taken at 23:59 UTC.
const SNAPSHOT: i64 = DAY - 60_000_000;
/// Margins are looked at where the equity was below this multiple of them.
const NEAR: f64 = 3.0;
/// An account keeps this multiple of its margins and payments, and some orders' worth.
const KEPT: f64 = 1.8;
/// A liquidation goes on until the equity is this multiple of the maintenance margin.
const SAFE: f64 = 1.5;
/// What an account withdraws of what it does not need, and how likely on a day.
const WITHDRAWN: f64 = 0.4;
const WITHDRAWAL: f64 = 0.1;

/// What comes out of an account.
// Nearly all are trades, and none is kept.
#[allow(clippy::large_enum_variant)]
pub(super) enum Event {
    Trade(SimTrade),
    Snapshot(SimSnapshot),
}

impl Account {
    /// The next event in time order, or `None` at the end of the period. `trade_id` and the flows of a trade
    /// are left 0.
    pub fn next(&mut self, market: &Market) -> Option<Event> {
        loop {
            if let Some(trade) = self.forced.pop_front() {
                return Some(Event::Trade(trade));
            }
            let end = i64::from(market.days) * DAY;
            let clock = self.clock.filter(|&at| at < end);
            match (self.coming(), clock) {
                (Some(at), clock) if clock.is_none_or(|clock| at < clock) => {
                    let trade = self.trade(market, at);
                    self.clock.get_or_insert_with(|| after(market, at));
                    return Some(Event::Trade(trade));
                }
                (_, Some(at)) => {
                    self.clock = Some(after(market, at));
                    if at % DAY == SNAPSHOT {
                        return Some(Event::Snapshot(self.snapshot(market, at)));
                    }
                    self.tick(market, at);
                }
                (_, None) => return None,
            }
        }
    }

    /// One beat of the clock.
    fn tick(&mut self, market: &Market, at: i64) {
        if at % PERIOD == 0 {
            for (instrument, position) in self.book.settle(market, at) {
                let price =
                    if instrument.strike().is_some() { market.spot(instrument.underlying, at) } else { position.cost };
                self.inventory[instrument.underlying] -= position.units * price / self.behaviour.size;
            }
            self.funding += self.book.fund(market, at);
        }
        let crash = market.crash.as_ref().is_some_and(|crash| crash.next_watch(at - 1) == Some(at));
        if crash || self.book.equity() < NEAR * self.book.required {
            let value = self.book.value(market, at);
            self.margin_call(market, at, value);
        }
    }

    /// Closes positions, the largest margin first, while the equity does not cover the maintenance margin.
    fn margin_call(&mut self, market: &Market, at: i64, mut value: Valuation) {
        let mut maintenance = MAINTENANCE * value.initial_margin;
        if self.book.equity() >= maintenance {
            return;
        }
        value.margined.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for (instrument, margin) in value.margined {
            let time = at.max(self.last_time + 1);
            if let Some(trade) = self.liquidate(market, time, instrument) {
                self.last_time = time;
                self.forced.push_back(trade);
            }
            maintenance -= MAINTENANCE * margin;
            if self.book.equity() >= SAFE * maintenance && maintenance > 0.0 {
                break;
            }
        }
    }

    fn snapshot(&mut self, market: &Market, at: i64) -> SimSnapshot {
        let value = self.book.value(market, at);
        let kept = KEPT * self.book.required + 5.0 * self.behaviour.size / self.behaviour.leverage;
        let spare = self.book.equity() - kept;
        if spare > 0.0 && self.random.uniform() < WITHDRAWAL {
            let withdrawn = tick(WITHDRAWN * spare);
            self.book.balance -= withdrawn;
            self.flow -= withdrawn;
        }
        let equity_usd = self.book.equity();
        let maintenance_margin_usd = MAINTENANCE * value.initial_margin;
        let largest = value.deltas.iter().fold(0.0f64, |most, delta| most.max(delta.abs()));
        let cushion = (equity_usd - maintenance_margin_usd).max(0.0);
        SimSnapshot {
            account: self.number,
            taken_at: START + at,
            equity_usd,
            flow_usd: std::mem::take(&mut self.flow),
            initial_margin_usd: value.initial_margin,
            maintenance_margin_usd,
            gross_notional_usd: value.gross_notional,
            delta_usd: value.deltas.iter().map(|delta| delta.abs()).sum(),
            gross_delta_usd: value.gross_delta,
            net_delta_usd: value.deltas.iter().sum(),
            liquidation_distance: (value.initial_margin > 0.0 && cushion < largest).then(|| cushion / largest),
            funding_usd: std::mem::take(&mut self.funding),
        }
    }
}

/// The first moment of the clock after `at`.
fn after(market: &Market, at: i64) -> i64 {
    let period = (at / PERIOD + 1) * PERIOD;
    let day = at / DAY * DAY;
    let snapshot = if at < day + SNAPSHOT { day + SNAPSHOT } else { day + DAY + SNAPSHOT };
    let watch = market.crash.as_ref().and_then(|crash| crash.next_watch(at));
    watch.map_or(period.min(snapshot), |watch| watch.min(period).min(snapshot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::instrument::Instrument;
    use crate::simulate::Params;
    use std::collections::BTreeMap;

    /// Equity from the cash that changed hands, without any average cost; inverse contracts, whose cash is coin, at
    /// face times the change since each fill, less what the fills say was realised.
    #[test]
    fn equity_is_cash_and_what_is_held() {
        let params = Params { crash_day: Some(20), days: 40, ..Params::default() };
        let market = Market::new(params.seed, params.days, params.crash_day);
        let mut snapshots = 0;
        for number in 0..30 {
            let mut account = Account::new(&params, number);
            let (mut cash, mut turnover) = (0.0, 0.0);
            let mut held: BTreeMap<Instrument, f64> = BTreeMap::new();
            let mut coin: BTreeMap<Instrument, (f64, f64)> = BTreeMap::new();
            while let Some(event) = account.next(&market) {
                match event {
                    Event::Trade(t) => {
                        let units = t.quantity * t.contract_size * if t.is_buy { 1.0 } else { -1.0 };
                        turnover += t.notional_usd;
                        cash -= t.fee_usd;
                        if t.inverse {
                            let (face, closed) = coin.entry(t.listed).or_default();
                            // Average of 1 / price over what is open, from the coin owed.
                            let before = *face;
                            *face += units;
                            if before * units >= 0.0 {
                                *closed += units / t.price;
                            } else if before.abs() >= units.abs() {
                                cash += -units * (t.price * *closed / before - 1.0);
                                *closed *= *face / before;
                            } else {
                                cash += before * (t.price * *closed / before - 1.0);
                                *closed = *face / t.price;
                            }
                        } else {
                            cash -= units * t.price;
                            *held.entry(t.listed).or_default() += units;
                        }
                    }
                    Event::Snapshot(s) => {
                        let at = s.taken_at - START;
                        cash += s.flow_usd - s.funding_usd;
                        let mut worth = 0.0;
                        for (instrument, units) in &mut held {
                            let expiry = instrument.expiry(&market).filter(|&expiry| expiry <= at);
                            let value = *units * instrument.mark(&market, expiry.unwrap_or(at)).price;
                            if expiry.is_some() {
                                cash += value;
                                *units = 0.0;
                            } else {
                                worth += value;
                            }
                        }
                        for (instrument, (face, closed)) in &coin {
                            worth += instrument.mark(&market, at).price * closed - face;
                        }
                        let expected = cash + worth;
                        assert!((s.equity_usd - expected).abs() < 1e-9 * turnover + 1e-6, "{s:?} {expected}");
                        snapshots += 1;
                    }
                }
            }
        }
        assert!(snapshots > 500, "{snapshots}");
    }
}
