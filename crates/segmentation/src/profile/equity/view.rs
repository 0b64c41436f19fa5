//! What snapshots say, as the numbers that features are.

use super::days::{DayReturn, Days};
use super::sums::{Count, Extreme, Sum, Sums};
use crate::profile::sketch::Sketch;
use allocator_api2::alloc::Allocator;

/// Figures of an account's snapshots. `None` where no snapshot carries what they are made of; figures "to equity"
/// count the snapshots with equity above 0 only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// All snapshots, whatever they say.
    pub snapshots: u64,
    /// Snapshots with equity, those of them above 0, and how many are at or below it.
    pub with_equity: u64,
    pub solvent: u64,
    pub negative_equity: Option<f64>,
    /// USD.
    pub mean_equity: Option<f64>,
    /// Delta (net in each underlying) to equity: quantiles within the error of a sketch, and the largest.
    pub effective_leverage_p50: Option<f64>,
    pub effective_leverage_p95: Option<f64>,
    pub effective_leverage_max: Option<f64>,
    /// Gross notional to equity: mean, quantiles within the error of a sketch, and the largest.
    pub gross_leverage: Option<f64>,
    pub gross_leverage_p50: Option<f64>,
    pub gross_leverage_p95: Option<f64>,
    pub gross_leverage_max: Option<f64>,
    /// Mean signed delta to equity, the pi of an implied risk aversion.
    pub net_exposure: Option<f64>,
    /// Mean maintenance margin to equity, and the share of snapshots where it is above 0.8.
    pub margin_use: Option<f64>,
    pub margin_stress: Option<f64>,
    /// Smallest distance to liquidation.
    pub liquidation_distance: Option<f64>,
    /// 1 - Σ delta / Σ gross delta, over the snapshots with both.
    pub hedge_ratio: Option<f64>,
    /// Snapshots with both, and with gross delta.
    pub with_deltas: u64,
    pub with_gross_delta: u64,
    /// USD paid.
    pub funding_usd: Option<f64>,
    /// Largest initial margin, the base of returns on margin, in USD.
    pub max_initial_margin_usd: Option<f64>,
    /// Returns of the last days, in their order.
    pub returns: Vec<DayReturn>,
    /// False where the flows are so large that there are no returns.
    pub flows_are_known: bool,
}

impl View {
    pub(super) fn of<A: Allocator + Clone>(
        sums: &Sums,
        days: &Days<A>,
        leverage: &Sketch<A>,
        gross: &Sketch<A>,
        as_of: Option<i64>,
    ) -> View {
        let with_equity = sums.count(Count::WithEquity);
        let gross_delta = sums.sum(Sum::GrossDelta);
        View {
            snapshots: 0,
            with_equity,
            solvent: with_equity.saturating_sub(sums.count(Count::Negative)),
            negative_equity: (with_equity > 0).then(|| sums.count(Count::Negative) as f64),
            mean_equity: sums.mean(Sum::Equity, Count::WithEquity),
            effective_leverage_p50: leverage.quantile(0.5),
            effective_leverage_p95: leverage.quantile(0.95),
            effective_leverage_max: sums.extreme(Extreme::Leverage),
            gross_leverage: sums.mean(Sum::Gross, Count::WithGross),
            gross_leverage_p50: gross.quantile(0.5),
            gross_leverage_p95: gross.quantile(0.95),
            gross_leverage_max: sums.extreme(Extreme::Gross),
            net_exposure: sums.mean(Sum::Net, Count::WithNet),
            margin_use: sums.mean(Sum::Margin, Count::WithMargin),
            margin_stress: (sums.count(Count::WithMargin) > 0)
                .then(|| sums.count(Count::Stressed) as f64 / sums.count(Count::WithMargin) as f64),
            // Kept with the other sign; from 0, so that none at all is not -0.
            liquidation_distance: sums.extreme(Extreme::LiquidationDistance).map(|d| 0.0 - d),
            hedge_ratio: (gross_delta > 0.0).then(|| 1.0 - sums.sum(Sum::Delta) / gross_delta),
            with_deltas: sums.count(Count::WithDeltas),
            with_gross_delta: sums.count(Count::WithGrossDelta),
            funding_usd: (sums.count(Count::WithFunding) > 0).then(|| sums.sum(Sum::Funding)),
            max_initial_margin_usd: sums.extreme(Extreme::InitialMargin),
            returns: days.returns(as_of),
            flows_are_known: days.flows_are_known(),
        }
    }

    /// The account's returns alone.
    pub fn account_returns(&self) -> Vec<f64> {
        self.returns.iter().map(|d| d.r).collect()
    }

    /// The account's returns and the market's, of the days that have both.
    pub fn returns_with_market(&self) -> (Vec<f64>, Vec<f64>) {
        self.returns.iter().filter_map(|d| Some((d.r, d.market?))).unzip()
    }

    /// The account's returns and those of both markets, of the days that have all three.
    pub fn returns_with_both(&self) -> [Vec<f64>; 3] {
        let mut all = [const { Vec::new() }; 3];
        for (r, market, second) in self.returns.iter().filter_map(|d| Some((d.r, d.market?, d.second?))) {
            all.iter_mut().zip([r, market, second]).for_each(|(column, v)| column.push(v));
        }
        all
    }
}
