//! What adds up over snapshots, and the extremes, all as integers: money in units of 1e-9 USD, ratios in units of 1e-9.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::money;
use crate::profile::snapshot::{Field, Snapshot};

/// The sums; of ratios to equity only where equity is above 0.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Sum {
    Equity,
    /// Delta, and gross delta, of the snapshots that carry both.
    Delta,
    GrossDelta,
    Funding,
    /// Gross notional / E, net delta / E, maintenance margin / E.
    Gross,
    Net,
    Margin,
}
pub const SUMS: usize = 7;

/// Counts of snapshots: by what they carry, and by what they say.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Count {
    WithEquity,
    /// Equity at or below 0.
    Negative,
    WithDeltas,
    WithGrossDelta,
    WithFunding,
    WithGross,
    WithNet,
    WithMargin,
    /// Maintenance margin above [`STRESS`] of equity.
    Stressed,
}
pub const COUNTS: usize = 9;

/// Largest values; of the liquidation distance the smallest, kept as the largest of its negative.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Extreme {
    Leverage,
    Gross,
    LiquidationDistance,
    InitialMargin,
}
pub const EXTREMES: usize = 4;

/// Leverage of one snapshot, where it has it: effective (net in each underlying), and gross.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leverage {
    pub effective: Option<f64>,
    pub gross: Option<f64>,
}

/// Share of equity above which maintenance margin is stress.
const STRESS: f64 = 0.8;

/// Ratios are cut at this, so that their sums cannot overflow.
const RATIO_LIMIT: f64 = 1e6;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    pub first: i64,
    pub last: i64,
    sums: [i128; SUMS],
    counts: [u64; COUNTS],
    extremes: [Option<i128>; EXTREMES],
}

/// A ratio in units of 1e-9.
fn units(ratio: f64) -> i128 {
    libm::rint(ratio.clamp(-RATIO_LIMIT, RATIO_LIMIT) * money::UNITS) as i128
}

impl Sums {
    pub fn new() -> Self {
        Sums { first: i64::MAX, last: i64::MIN, sums: [0; SUMS], counts: [0; COUNTS], extremes: [None; EXTREMES] }
    }

    pub fn count(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    /// A sum of money in USD, or of ratios.
    pub fn sum(&self, what: Sum) -> f64 {
        money::to_usd(self.sums[what as usize])
    }

    /// Sum over count; `None` of none.
    pub fn mean(&self, what: Sum, of: Count) -> Option<f64> {
        let n = self.count(of);
        (n > 0).then(|| self.sum(what) / n as f64)
    }

    pub fn extreme(&self, what: Extreme) -> Option<f64> {
        self.extremes[what as usize].map(money::to_usd)
    }

    /// Adds one snapshot; gives its leverage.
    pub fn add(&mut self, at: i64, s: &Snapshot) -> Leverage {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        let usd = |field| s.get(field).and_then(money::from_usd);
        if s.get(Field::GrossDeltaUsd).is_some() {
            self.tick(Count::WithGrossDelta);
        }
        if let (Some(delta), Some(gross)) = (usd(Field::DeltaUsd), usd(Field::GrossDeltaUsd)) {
            self.pay(Sum::Delta, delta.abs(), Count::WithDeltas);
            // Counted once, with the first of the two.
            self.sums[Sum::GrossDelta as usize] = self.sums[Sum::GrossDelta as usize].saturating_add(gross.abs());
        }
        if let Some(funding) = usd(Field::FundingUsd) {
            self.pay(Sum::Funding, funding, Count::WithFunding);
        }
        if let Some(margin) = usd(Field::InitialMarginUsd) {
            self.reach(Extreme::InitialMargin, margin);
        }
        if let Some(distance) = s.get(Field::LiquidationDistance) {
            self.reach(Extreme::LiquidationDistance, -units(distance));
        }
        let mut found = Leverage::default();
        let Some((equity, exact)) = s.get(Field::EquityUsd).zip(usd(Field::EquityUsd)) else { return found };
        self.pay(Sum::Equity, exact, Count::WithEquity);
        if equity <= 0.0 {
            self.tick(Count::Negative);
            return found;
        }
        let share = |field| s.get(field).map(|v| v / equity);
        if let Some(gross) = share(Field::GrossNotionalUsd) {
            let gross = gross.abs().min(RATIO_LIMIT);
            self.pay(Sum::Gross, units(gross), Count::WithGross);
            self.reach(Extreme::Gross, units(gross));
            found.gross = Some(gross);
        }
        if let Some(net) = share(Field::NetDeltaUsd) {
            self.pay(Sum::Net, units(net), Count::WithNet);
        }
        if let Some(margin) = share(Field::MaintenanceMarginUsd) {
            self.pay(Sum::Margin, units(margin), Count::WithMargin);
            if margin > STRESS {
                self.tick(Count::Stressed);
            }
        }
        if let Some(delta) = share(Field::DeltaUsd) {
            let leverage = delta.abs().min(RATIO_LIMIT);
            self.reach(Extreme::Leverage, units(leverage));
            found.effective = Some(leverage);
        }
        found
    }

    fn pay(&mut self, what: Sum, amount: i128, counted: Count) {
        // A sum of snapshots cannot come near 2^127; one forged in the binary form must not panic.
        self.sums[what as usize] = self.sums[what as usize].saturating_add(amount);
        self.tick(counted);
    }

    fn tick(&mut self, what: Count) {
        self.counts[what as usize] = self.counts[what as usize].saturating_add(1);
    }

    fn reach(&mut self, what: Extreme, value: i128) {
        self.extremes[what as usize] = self.extremes[what as usize].max(Some(value));
    }

    pub fn write(&self, out: &mut impl Sink) {
        out.i64(self.first);
        out.var(self.last.abs_diff(self.first));
        self.sums.iter().for_each(|&v| out.signed(v));
        self.counts.iter().for_each(|&v| out.var(v));
        for extreme in self.extremes {
            out.u8(u8::from(extreme.is_some()));
            extreme.into_iter().for_each(|v| out.signed(v));
        }
    }

    /// Adds what [`Sums::write`] wrote; gives the last instant of that part.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<i64> {
        let first = r.i64()?;
        let last = first.checked_add_unsigned(r.var()?).filter(|&t| first != i64::MIN && t != i64::MAX);
        let last = last.ok_or_else(|| malformed("the time of an account snapshot is out of range"))?;
        self.first = self.first.min(first);
        self.last = self.last.max(last);
        for sum in &mut self.sums {
            *sum = sum.saturating_add(r.signed()?);
        }
        for count in &mut self.counts {
            *count = count.saturating_add(r.var()?);
        }
        for extreme in &mut self.extremes {
            if r.below(2, "a flag")? == 1 {
                *extreme = (*extreme).max(Some(r.signed()?));
            }
        }
        Ok(last)
    }
}
