//! Drawdown of additive P&L as an ordered monoid (class O): stretches of time merge in their order, exactly.

/// A stretch of P&L in integer units of money. The default is an empty stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawdown {
    pub total: i128,
    /// Highest cumulated P&L, at least 0: the start counts.
    pub max_prefix: i128,
    /// Lowest cumulated P&L, at most 0.
    pub min_prefix: i128,
    /// Largest fall from a point to a later one, at least 0.
    pub drawdown: i128,
}

impl Drawdown {
    pub fn of(pnl: i128) -> Drawdown {
        Drawdown { total: pnl, max_prefix: pnl.max(0), min_prefix: pnl.min(0), drawdown: pnl.saturating_neg().max(0) }
    }

    /// `self` followed by `next`. Saturates, far beyond any sum of money that passed the checks of a trade.
    pub fn then(self, next: Drawdown) -> Drawdown {
        let lowest_after = self.total.saturating_add(next.min_prefix);
        Drawdown {
            total: self.total.saturating_add(next.total),
            max_prefix: self.max_prefix.max(self.total.saturating_add(next.max_prefix)),
            min_prefix: self.min_prefix.min(lowest_after),
            drawdown: self.drawdown.max(next.drawdown).max(self.max_prefix.saturating_sub(lowest_after)),
        }
    }
}
