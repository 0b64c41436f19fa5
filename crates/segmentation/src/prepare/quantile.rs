//! Quantiles by selection: order statistics of an unsorted column without sorting it.

/// A few order statistics of a sample, enough for the type-7 quantiles that were asked for.
#[derive(Debug, Default)]
pub struct OrderStatistics {
    n: usize,
    at: Vec<(usize, f64)>,
}

/// The two ranks a type-7 quantile lies between and how far it is from the first.
fn position(n: usize, q: f64) -> (usize, usize, f64) {
    let h = q * (n - 1) as f64;
    let low = (h.floor() as usize).min(n - 1);
    (low, (low + 1).min(n - 1), h - low as f64)
}

fn between(a: f64, b: f64, t: f64) -> f64 {
    // Halving first keeps the difference of two huge values of opposite sign finite.
    if t == 0.0 || a == b {
        a
    } else {
        2.0 * (a * 0.5 + (b * 0.5 - a * 0.5) * t)
    }
}

impl OrderStatistics {
    /// Selects what the quantiles `qs` (each in [0, 1]) and the extra `ranks` need. Reorders `values`, which must be
    /// finite; O(n log of the number of ranks).
    pub fn select(values: &mut [f64], qs: &[f64], ranks: &[usize]) -> OrderStatistics {
        let n = values.len();
        if n == 0 {
            return OrderStatistics::default();
        }
        let mut wanted: Vec<usize> = ranks.iter().map(|&r| r.min(n - 1)).collect();
        for &q in qs {
            let (low, high, _) = position(n, q);
            wanted.extend([low, high]);
        }
        wanted.sort_unstable();
        wanted.dedup();
        let mut at = Vec::with_capacity(wanted.len());
        pick(values, 0, &wanted, &mut at);
        OrderStatistics { n, at }
    }

    /// The value of that rank (0 = smallest); NaN if it was not asked for.
    pub fn rank(&self, rank: usize) -> f64 {
        match self.at.binary_search_by_key(&rank, |p| p.0) {
            Ok(i) => self.at[i].1,
            Err(_) => f64::NAN,
        }
    }

    /// Type-7 quantile (numpy's "linear", R's default); NaN of an empty sample.
    pub fn quantile(&self, q: f64) -> f64 {
        self.quantile_of(q, |x| x)
    }

    /// Type-7 quantile of the sample put through the non-decreasing `f`.
    pub fn quantile_of(&self, q: f64, f: impl Fn(f64) -> f64) -> f64 {
        if self.n == 0 {
            return f64::NAN;
        }
        let (low, high, t) = position(self.n, q);
        between(f(self.rank(low)), f(self.rank(high)), t)
    }
}

/// Median rank first, then each side within the part of the slice that selection already separated.
fn pick(values: &mut [f64], offset: usize, wanted: &[usize], at: &mut Vec<(usize, f64)>) {
    if wanted.is_empty() || values.is_empty() {
        return;
    }
    let middle = wanted.len() / 2;
    let rank = wanted[middle];
    let (left, &mut found, right) = values.select_nth_unstable_by(rank - offset, f64::total_cmp);
    pick(left, offset, &wanted[..middle], at);
    at.push((rank, found));
    pick(right, rank + 1, &wanted[middle + 1..], at);
}

/// Type-7 quantile of finite values (reordered); NaN of none.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    OrderStatistics::select(values, &[q], &[]).quantile(q)
}
