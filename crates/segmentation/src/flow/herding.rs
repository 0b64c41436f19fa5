//! Whether accounts trade the same way.

/// Bins with fewer active accounts say nothing: the measure is biased there (Bellando 2012, "The bias in a standard
/// measure of herding", Economics Bulletin).
pub const LEAST_ACCOUNTS: u64 = 5;

/// How far the share of buyers is from `p` when `active` accounts buy independently with chance `p`: the mean of
/// |B/n - p| for a binomial B, in closed form (De Moivre 1730). `None` with no account or `p` outside 0 to 1.
pub fn adjustment_factor(active: u64, p: f64) -> Option<f64> {
    if active == 0 || !(0.0..=1.0).contains(&p) {
        return None;
    }
    if p == 0.0 || p == 1.0 {
        return Some(0.0);
    }
    let n = active as f64;
    // E|B - np| = 2 v (1 - p) P(B = v) with v = floor(np) + 1.
    let v = ((n * p).floor() + 1.0).min(n);
    let log_ways = libm::lgamma(n + 1.0) - libm::lgamma(v + 1.0) - libm::lgamma(n - v + 1.0);
    let chance = libm::exp(log_ways + v * libm::log(p) + (n - v) * libm::log1p(-p));
    Some(2.0 * (v / n) * (1.0 - p) * chance)
}

/// Herding in one bin: |buyers/active - p| less what chance alone gives; `p` is the expected share of buyers
/// (Lakonishok, Shleifer and Vishny 1992, "The impact of institutional trading on stock prices"). Above 0 the accounts
/// move together. `None` with fewer than [`LEAST_ACCOUNTS`], more buyers than accounts, or `p` outside 0 to 1.
pub fn lsv(buyers: u64, active: u64, p: f64) -> Option<f64> {
    if active < LEAST_ACCOUNTS || buyers > active {
        return None;
    }
    Some((buyers as f64 / active as f64 - p).abs() - adjustment_factor(active, p)?)
}

/// Mean herding over bins of (buyers, active accounts), with `p` their overall share of buyers. Bins that [`lsv`] has
/// no answer for are left out, of `p` too. `None` when none is left.
pub fn mean_lsv(bins: &[(u64, u64)]) -> Option<f64> {
    let usable = || bins.iter().filter(|(buyers, active)| *active >= LEAST_ACCOUNTS && buyers <= active);
    let (buyers, active) = usable().fold((0.0, 0.0), |(b, n), bin| (b + bin.0 as f64, n + bin.1 as f64));
    if active == 0.0 {
        return None;
    }
    let p = buyers / active;
    let n = usable().count() as f64;
    let sum: f64 = usable().filter_map(|&(b, a)| lsv(b, a, p)).sum();
    Some(sum / n)
}

/// Share of an account's flow that goes the way of all others, less the share that goes against it: bins of (own,
/// others) signed flow, weighted by |own|, in [-1, 1]. Bins where either is NaN or infinite are left out; others' flow
/// of 0 counts for neither. `None` where the own flow is 0.
pub fn herding(bins: &[(f64, f64)]) -> Option<f64> {
    let (mut along, mut all) = (0.0, 0.0);
    for &(own, others) in bins.iter().filter(|(own, others)| own.is_finite() && others.is_finite()) {
        all += own.abs();
        along += own * sign(others);
    }
    (all > 0.0 && all.is_finite()).then(|| along / all)
}

fn sign(x: f64) -> f64 {
    if x == 0.0 {
        0.0
    } else {
        x.signum()
    }
}
