"""The formulas of the statistics that features are made of, for the oracle: on plain numbers, without minimum counts."""

import math

import numpy as np
from scipy import optimize, stats
from scipy.special import ndtr


def herfindahl(shares):
    return math.fsum(w * w for w in shares)


def entropy(shares):
    return -math.fsum(w * math.log(w) for w in shares if w > 0)


def gini(sizes):
    x = sorted(sizes)
    n = len(x)
    return 2 * math.fsum(i * v for i, v in enumerate(x, 1)) / (n * math.fsum(x)) - (n + 1) / n


def drawdown(steps):
    """Largest fall of the running total from its highest point so far, the start included."""
    path = np.concatenate([[0.0], np.cumsum(steps)])
    return float(np.max(np.maximum.accumulate(path) - path))


def value_at_risk(r, a):
    return -float(np.quantile(r, a))  # type 7


def expected_shortfall(r, a):
    x, na = sorted(r), len(r) * a
    whole = math.floor(na + 1e-12)
    rest = na - whole if na - whole > 1e-12 else 0.0
    return -(math.fsum(x[:whole]) + (rest * x[whole] if rest else 0.0)) / na


def cornish_fisher_z(z, s, k):
    """None where the map from z is not increasing everywhere (its derivative is a quadratic in z)."""
    a, b, c = k / 8 - s * s / 6, s / 3, 1 - k / 8 + 5 * s * s / 36
    if not (a > 0 and b * b - 4 * a * c <= 0 or a == 0 and b == 0 and c > 0):
        return None
    return z + (z * z - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s * s / 36


def cornish_fisher_var(r, a):
    z = cornish_fisher_z(stats.norm.ppf(a), stats.skew(r), stats.kurtosis(r))
    return None if z is None else -(np.mean(r) + z * np.std(r, ddof=1))


def downside(r):
    return math.sqrt(np.mean(np.minimum(r, 0) ** 2))


def burstiness(gaps):
    n, r = len(gaps), np.std(gaps) / np.mean(gaps)
    return (math.sqrt(n + 1) * r - math.sqrt(n - 1)) / ((math.sqrt(n + 1) - 2) * r + math.sqrt(n - 1))


def memory(gaps):
    return float(np.corrcoef(gaps[:-1], gaps[1:])[0, 1])


def clock(hours):
    """Length and hour of the mean of the hours on the circle of a day."""
    mean = np.mean(np.exp(2j * np.pi * np.asarray(hours, float) / 24))
    return abs(mean), math.degrees(math.atan2(mean.imag, mean.real)) % 360 / 15


def black76(f, k, sigma, t, call):
    """Value, delta, gamma, vega (per 1.00) and theta (a year) of an option without interest."""
    sd = sigma * math.sqrt(t)
    d1, w = math.log(f / k) / sd + sd / 2, 1 if call else -1
    density = stats.norm.pdf(d1)
    return (w * (f * ndtr(w * d1) - k * ndtr(w * (d1 - sd))), w * ndtr(w * d1), density / (f * sd), f * density * math.sqrt(t),
            -f * density * sigma / (2 * math.sqrt(t)))  # fmt: skip


def implied_volatility(v, f, k, t, call):
    """None outside the bounds that no arbitrage sets, or outside 1e-4 to 10. Solved on the side that is out of the money."""
    time_value = v - max(f - k if call else k - f, 0.0)
    if not 0 < time_value < min(f, k):
        return None
    error = lambda sigma: black76(f, k, sigma, t, k > f)[0] - time_value  # noqa: E731
    if error(1e-4) > 0 or error(10.0) < 0:
        return None
    return optimize.brentq(error, 1e-4, 10.0, xtol=1e-16, rtol=1e-14, maxiter=500)
