//! What features read: a profile's trades and snapshots as of an instant.

use crate::profile::days::{day_of, DAY};
use crate::profile::decay::SUMS;
use crate::profile::dense::Dense;
use crate::profile::equity;
use crate::profile::features::Market;
use crate::profile::money::{ratio, to_usd};
use crate::profile::ordered::Ordered;
use crate::profile::section::{bit, Lost, Tag};
use crate::profile::shares::Shares;
use crate::profile::state::{DenseView, State, LOST_SNAPSHOTS};
use crate::profile::sums::{Count, Money, Sums};
use allocator_api2::alloc::Allocator;
use std::cell::OnceCell;

/// A feature's value, or the reason why there is none.
pub type Value = Result<f64, &'static str>;

pub struct View<'a> {
    pub trades: Result<Trades<'a>, &'static str>,
    pub snapshots: Result<Snapshots<'a>, &'static str>,
}

/// The trades' part.
pub struct Trades<'a> {
    pub sums: &'a Sums,
    parts: &'a dyn Parts,
    lost: Lost,
    pub as_of: Option<i64>,
    pub market: Option<&'a Market>,
    /// What the accounts' snapshots say of the margin posted, for returns on it.
    pub posted_margin: Result<f64, &'static str>,
    ordered: OnceCell<Ordered>,
}

/// The snapshots' part.
pub struct Snapshots<'a> {
    pub equity: equity::View,
    pub market: Option<&'a Market>,
}

/// The sections of a dense profile, whatever memory they live in.
pub trait Parts {
    fn instruments(&self) -> f64;
    fn underlyings(&self) -> f64;
    fn orders(&self) -> f64;
    fn counterparties(&self) -> f64;
    fn active_days(&self) -> f64;
    fn token_days(&self) -> f64;
    fn allocation(&self, by: Tag) -> Shares;
    fn size_quantile(&self, q: f64) -> Option<f64>;
    fn size_gini(&self) -> Option<f64>;
    fn leverage_quantile(&self, q: f64) -> Option<f64>;
    fn decayed(&self, as_of: i64) -> [f64; SUMS];
    fn volume_trend(&self, first_day: i32, end_day: i32) -> Option<f64>;
    fn volume_ratio(&self, end_day: i32) -> Option<f64>;
    /// (day, volume in USD, P&L in USD) of the last days, in their order.
    fn daily(&self) -> Vec<(i32, f64, Option<f64>)>;
    fn ordered(&self) -> Ordered;
}

impl<A: Allocator + Clone> Parts for Dense<A> {
    fn instruments(&self) -> f64 {
        self.instruments.count()
    }
    fn underlyings(&self) -> f64 {
        self.underlyings.count()
    }
    fn orders(&self) -> f64 {
        self.orders.count()
    }
    fn counterparties(&self) -> f64 {
        self.counterparties.count()
    }
    fn active_days(&self) -> f64 {
        self.days.count()
    }
    fn token_days(&self) -> f64 {
        self.token_days.count()
    }
    fn allocation(&self, by: Tag) -> Shares {
        match by {
            Tag::ByVenue => self.by_venue.shares(),
            Tag::ByCollateral => self.by_collateral.shares(),
            _ => self.by_underlying.shares(),
        }
    }
    fn size_quantile(&self, q: f64) -> Option<f64> {
        self.sizes.quantile(q)
    }
    fn size_gini(&self) -> Option<f64> {
        self.sizes.gini()
    }
    fn leverage_quantile(&self, q: f64) -> Option<f64> {
        self.leverage.quantile(q)
    }
    fn decayed(&self, as_of: i64) -> [f64; SUMS] {
        self.decay.values(as_of)
    }
    fn volume_trend(&self, first_day: i32, end_day: i32) -> Option<f64> {
        self.daily.trend(first_day, end_day)
    }
    fn volume_ratio(&self, end_day: i32) -> Option<f64> {
        self.daily.ratio_7d_28d(end_day)
    }
    fn daily(&self) -> Vec<(i32, f64, Option<f64>)> {
        self.daily.iter().collect()
    }
    fn ordered(&self) -> Ordered {
        self.log.fold()
    }
}

/// Hands the profile as of an instant to `read`.
pub fn with<A: Allocator + Clone, T>(
    state: &mut State<A>,
    as_of: Option<i64>,
    market: Option<&Market>,
    read: impl FnOnce(&View) -> T,
) -> T {
    let as_of = as_of.filter(|&t| t != i64::MAX);
    let lost = state.lost();
    let equity = match state.equity() {
        _ if lost & LOST_SNAPSHOTS != 0 => Err("subtracted"),
        None => Err("no_snapshots"),
        Some(equity) => equity.at(as_of).ok_or("after_as_of"),
    };
    let equity = equity.and_then(|view| if view.snapshots == 0 { Err("no_snapshots") } else { Ok(view) });
    let posted_margin = match &equity {
        Ok(view) => view.max_initial_margin_usd.ok_or("missing:initial_margin_usd"),
        Err("no_snapshots") => Err("missing:initial_margin_usd"),
        Err(reason) => Err(*reason),
    };
    let snapshots = equity.map(|equity| Snapshots { equity, market });
    let mut read = Some((read, snapshots));
    let mut give = |parts: Option<(&dyn Parts, &Sums)>| {
        let (read, snapshots) = read.take()?;
        let trades = match parts {
            None => Err("after_as_of"),
            Some((_, sums)) if sums.count(Count::Fills) == 0 => Err("no_trades"),
            Some((parts, sums)) => {
                Ok(Trades { sums, parts, lost, as_of, market, posted_margin, ordered: OnceCell::new() })
            }
        };
        Some(read(&View { trades, snapshots }))
    };
    let told = state.with_dense(as_of, |dense| match dense {
        DenseView::Kept(dense) => give(Some((dense, &dense.sums))),
        DenseView::Made(dense) => give(Some((dense, &dense.sums))),
    });
    match told.flatten().or_else(|| give(None)) {
        Some(answer) => answer,
        None => unreachable!("the profile is read once"),
    }
}

impl Trades<'_> {
    pub fn count(&self, what: Count) -> f64 {
        self.sums.count(what) as f64
    }

    pub fn usd(&self, what: Money) -> f64 {
        to_usd(self.sums.money(what))
    }

    /// Whether any fill has a notional; if not, what most of them lack for one, in doubt the first of quantity, price and
    /// price of the underlying.
    pub fn priced(&self) -> Result<(), &'static str> {
        if self.sums.count(Count::Priced) > 0 {
            return Ok(());
        }
        let (price, spot) = (self.sums.count(Count::NoPrice), self.sums.count(Count::NoSpot));
        let quantity = self.sums.count(Count::Fills).saturating_sub(price.saturating_add(spot));
        Err(most(&[(quantity, "missing:quantity"), (price, "missing:price"), (spot, "missing:underlying_price")]))
    }

    /// Whether there is order flow: priced fills that are not of the account with itself.
    pub fn flow(&self) -> Result<(), &'static str> {
        self.priced()?;
        if self.sums.count(Count::Priced) == self.sums.count(Count::SelfPriced) {
            return Err("self_trades");
        }
        Ok(())
    }

    /// Whether any of it has what `count` counts.
    pub fn flow_with(&self, count: Count, missing: &'static str) -> Result<(), &'static str> {
        self.flow()?;
        self.some(count, missing)
    }

    /// Whether any fill has what `count` counts.
    pub fn some(&self, count: Count, missing: &'static str) -> Result<(), &'static str> {
        if self.sums.count(count) == 0 {
            return Err(missing);
        }
        Ok(())
    }

    /// `part / whole` of two sums, where it is known that fills carry the input.
    pub fn ratio(&self, part: Money, whole: Money) -> Value {
        ratio(self.sums.money(part), self.sums.money(whole)).ok_or("zero_volume")
    }

    /// `part / whole` of two sums; NULL with `missing` where no priced fill carries the input that `count` counts.
    pub fn share(&self, part: Money, whole: Money, count: Count, missing: &'static str) -> Value {
        self.priced()?;
        self.some(count, missing)?;
        self.ratio(part, whole)
    }

    /// `part / whole` of two sums, where only the whole tells whether the input was there.
    pub fn mean(&self, part: Money, whole: Money, missing: &'static str) -> Value {
        self.priced()?;
        self.some_volume()?;
        ratio(self.sums.money(part), self.sums.money(whole)).ok_or(missing)
    }

    /// Whether there is volume at all.
    pub fn some_volume(&self) -> Result<(), &'static str> {
        if self.sums.money(Money::Volume) == 0 {
            return Err("zero_volume");
        }
        Ok(())
    }

    /// The sections, where a subtraction has left this one known.
    pub fn parts(&self, tag: Tag) -> Result<&dyn Parts, &'static str> {
        if self.lost & bit(tag) != 0 {
            return Err("subtracted");
        }
        Ok(self.parts)
    }

    /// First and last fill and largest trade are known unless something was subtracted.
    pub fn extremes(&self) -> Result<&Sums, &'static str> {
        if self.lost & bit(Tag::Days) != 0 {
            return Err("subtracted");
        }
        Ok(self.sums)
    }

    pub fn since(&self, at: i64) -> Value {
        let as_of = self.as_of.ok_or("missing:as_of")?;
        Ok((i128::from(as_of) - i128::from(at)) as f64 / DAY as f64)
    }

    /// Day before which whole days lie; without as_of the day after the last fill.
    pub fn end_day(&self) -> i32 {
        self.as_of.map_or_else(|| day_of(self.sums.last) + 1, day_of)
    }

    pub fn ordered(&self) -> Result<&Ordered, &'static str> {
        self.parts(Tag::Folded)?;
        Ok(self.ordered.get_or_init(|| self.parts.ordered()))
    }
}

/// The reason with the largest count, the first of equals.
pub(super) fn most(counted: &[(u64, &'static str)]) -> &'static str {
    let mut found = (0, "undefined");
    for &(count, reason) in counted {
        if count > found.0 {
            found = (count, reason);
        }
    }
    found.1
}
