//! Flow toxicity: VPIN (Easley, Lopez de Prado and O'Hara 2012, "Flow toxicity and liquidity in a high-frequency
//! world"). A statistic of an instrument or a segment: of one account it is not defined.

use crate::prepare::quantile;
use crate::risk::normal_cdf;
use crate::{Error, Kind, Result};

/// More buckets than anyone reads; what a mistyped size would make.
const MOST_BUCKETS: f64 = 1e6;

/// Volume that traded at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trade {
    /// Any unit, the same for all.
    pub volume: f64,
    /// Share of the volume that buyers started: 1 or 0 where the aggressor is known, else [`bulk_buy_share`].
    pub buy_share: f64,
}

/// A bucket of equal volume. Both in the unit of the trades.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bucket {
    pub bought: f64,
    pub sold: f64,
}

/// Trades in buckets of equal volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    /// The full ones, in time order.
    pub full: Vec<Bucket>,
    /// What the trades after the last full one came to.
    pub rest: Bucket,
    /// For each trade the number of the bucket it began in, which is `full.len()` for the rest.
    pub began: Vec<usize>,
}

/// Share of a bar's volume that buyers started, by bulk volume classification: Phi of the price change over the
/// standard deviation of such changes (same paper). `None` for NaN and a deviation not above 0.
pub fn bulk_buy_share(change: f64, deviation: f64) -> Option<f64> {
    (deviation > 0.0 && change.is_finite()).then(|| normal_cdf(change / deviation))
}

impl Buckets {
    /// Fills buckets of `size` (the paper: a day's volume / 50) with trades in time order; a trade that is larger than
    /// the room left goes on in the next. Trades of no finite volume above 0 or a share outside 0 to 1 are left out and
    /// begin where the next one does. 22023 for a size that is not a number above 0, 54000 for more than a million
    /// buckets.
    pub fn fill(trades: &[Trade], size: f64) -> Result<Buckets> {
        if !(size > 0.0 && size.is_finite()) {
            return Err(Error::invalid(format!("bucket size = {size} is not above the limit of 0"))
                .hint("a day's volume divided by 50 is usual"));
        }
        let valid = |t: &&Trade| t.volume > 0.0 && t.volume.is_finite() && (0.0..=1.0).contains(&t.buy_share);
        let total: f64 = trades.iter().filter(valid).map(|t| t.volume).sum();
        if total / size > MOST_BUCKETS {
            return Err(Error::new(
                Kind::LimitExceeded,
                format!("bucket size = {size} makes {:.0} buckets, above the limit of {MOST_BUCKETS:.0}", total / size),
            )
            .hint("a day's volume divided by 50 is usual"));
        }
        let mut buckets =
            Buckets { full: Vec::new(), rest: Bucket::default(), began: Vec::with_capacity(trades.len()) };
        let mut room = size;
        for trade in trades {
            buckets.began.push(buckets.full.len());
            let mut left = if valid(&trade) { trade.volume } else { 0.0 };
            while left > 0.0 {
                let part = left.min(room);
                buckets.rest.bought += part * trade.buy_share;
                buckets.rest.sold += part * (1.0 - trade.buy_share);
                left -= part;
                room -= part;
                // What rounding leaves of a bucket is none.
                if room <= size * 1e-12 {
                    buckets.full.push(std::mem::take(&mut buckets.rest));
                    room = size;
                }
            }
        }
        Ok(buckets)
    }
}

/// Mean of |bought - sold| / volume over buckets, from 0 (balanced) to 1 (one-sided). `None` without a bucket that
/// holds volume.
pub fn vpin(buckets: &[Bucket]) -> Option<f64> {
    let mut n = 0.0;
    let mut sum = 0.0;
    for b in buckets {
        let volume = b.bought + b.sold;
        if volume > 0.0 {
            n += 1.0;
            sum += (b.bought - b.sold).abs() / volume;
        }
    }
    (n > 0.0).then(|| sum / n)
}

/// VPIN of each bucket and the `window` - 1 before it (the paper: 50); `None` for the first ones, which have fewer
/// before them.
pub fn rolling_vpin(buckets: &[Bucket], window: usize) -> Vec<Option<f64>> {
    let window = window.max(1);
    (1..=buckets.len()).map(|end| if end < window { None } else { vpin(&buckets[end - window..end]) }).collect()
}

/// For each trade whether it began in a bucket whose VPIN over `window` buckets is above the 90th percentile of all of
/// them; `None` in the first buckets and in the one not full. The percentile is that of the whole sample: a description
/// of the past, not a signal. Errors as [`Buckets::fill`].
pub fn toxic(trades: &[Trade], size: f64, window: usize) -> Result<Vec<Option<bool>>> {
    let buckets = Buckets::fill(trades, size)?;
    let rolling = rolling_vpin(&buckets.full, window);
    let mut known: Vec<f64> = rolling.iter().flatten().copied().collect();
    let limit = quantile(&mut known, 0.9);
    Ok(buckets.began.iter().map(|&b| rolling.get(b).copied().flatten().map(|v| v > limit)).collect())
}
