"""What an answer is due: a value with its tolerance, and the sums and means that the oracle builds values with."""

import math

import numpy as np


class About:
    """A value and how far from it an answer may be: 1e-9 relative, where sums cancel relative to what they are made of (scale)."""

    def __init__(self, low, high=None, scale=0.0, slack=1e-9):
        high = low if high is None else high
        self.low, self.high = float(min(low, high)), float(max(low, high))
        self.tolerance = slack * max(abs(self.low), abs(self.high), scale, 1e-3)

    def agrees(self, value, times=1) -> bool:
        return value is not None and self.low - times * self.tolerance <= value <= self.high + times * self.tolerance

    def __repr__(self):
        return f"{self.low!r}" if self.low == self.high else f"[{self.low!r}, {self.high!r}]"


def total(values):
    values = list(values)
    return About(math.fsum(values), scale=math.fsum(map(abs, values)) + len(values))


def ratio(parts, wholes, times=1.0):
    """times * sum of parts / sum of wholes; None without a row, or where the wholes add up to nothing."""
    parts, wholes = list(parts), list(wholes)
    whole = math.fsum(wholes)
    if not wholes or whole == 0:
        return None
    # Every term is rounded to 1e-9 USD, that is relative to all of them together by less than one such unit each.
    size = math.fsum(map(abs, parts)) + len(parts)
    return About(times * math.fsum(parts) / whole, scale=abs(times) * size / abs(whole))


def weighted(rows, value):
    """Notional-weighted mean of value(row) over the rows that have a notional and a value."""
    pairs = [(r["n"], value(r)) for r in rows if r["n"] is not None]
    pairs = [(n, v) for n, v in pairs if v is not None]
    return ratio((n * v for n, v in pairs), (n for n, v in pairs))


def share(rows, test):
    """Share of the notional of the rows for which test says true, among those for which it says true or false."""
    return weighted(rows, lambda r: None if test(r) is None else float(test(r)))


def spread_of_sketch(values, buckets):
    """Relative error of a sketch of these values: 1 %, doubled whenever it has more buckets than it may (Epicoco et al. 2020)."""
    alpha = 0.01
    keys = {math.ceil(math.log(v) / math.log((1 + alpha) / (1 - alpha))) for v in values if v > 0}
    while len(keys) > buckets:
        keys = {-(-key // 2) for key in keys}
        alpha = 2 * alpha / (1 + alpha * alpha)
    return alpha * 1.0001


def sketched(values, q, buckets):
    """A quantile out of a sketch: within its error of the values on both sides of the rank."""
    alpha = spread_of_sketch(values, buckets)
    low, high = np.quantile(values, q, method="lower"), np.quantile(values, q, method="higher")
    return About(low * (1 - alpha), high * (1 + alpha))
