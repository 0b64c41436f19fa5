"""How well scikit-learn finds the planted archetypes, after the extension's default preparation.

Reads features per account as CSV (archetype, then FEATURES in order) from a command; prints the adjusted Rand index for
each noise and seed, the best single feature's, and the k the silhouette picks.
Usage: planted.py COMMAND ACCOUNTS DAYS [SEEDS], where any program run as `COMMAND accounts days seed noise` writes that CSV.
Needs numpy and scikit-learn.
"""

import subprocess
import sys

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_score

GROUPS = {
    "volume": ["volume_usd", "trades", "average_trade_usd", "fee_bps"],
    "flow": ["order_flow_imbalance", "maker_ratio", "hour_entropy", "weekend_share"],
    "allocation": ["instruments", "hhi", "entropy"],
    "activity": ["active_days", "tenure_days", "recency_days"],
    "derivatives": [f"share_{k}" for k in ("spot", "future", "perpetual", "option", "leveraged_token", "other")],
}
FEATURES = (
    "volume_usd trades average_trade_usd fee_bps instruments hhi entropy order_flow_imbalance maker_ratio hour_entropy "
    "weekend_share active_days tenure_days recency_days share_spot share_future share_perpetual share_option "
    "share_leveraged_token share_other"
).split()
GROUP_OF = {feature: group for group, members in GROUPS.items() for feature in members}
ASINH = {"volume_usd", "average_trade_usd"}
LOG = {"trades", "instruments"}


def transform(x, how):
    if how == "asinh":
        c = np.median(np.abs(x))
        return np.arcsinh(x / c) if c > 0 else x
    if how == "log1p":
        return np.log1p(x)
    if how == "hellinger":
        return np.sqrt(np.clip(x, 0, None))
    if how == "logit":
        c = np.clip(x, 1e-3, 1 - 1e-3)
        return np.log(c / (1 - c))
    return x


def scale_of(x, how):
    if how == "standard":
        return x.mean(), x.std()
    q25, m, q75 = np.quantile(x, [0.25, 0.5, 0.75])
    if q75 > q25:
        return m, q75 - q25
    mad = 1.4826 * np.median(np.abs(x - m))
    return (m, mad) if mad > 0 else (m, x.std())


def prepare(raw, share="hellinger", ratio="identity", days="log1p", scale="robust", pca=0.9, weights=True):
    columns, groups = [], []
    for j, name in enumerate(FEATURES):
        x = raw[:, j]
        if np.ptp(x) == 0:
            continue
        if name in ASINH:
            how = "asinh"
        elif name in LOG:
            how = "log1p"
        elif GROUP_OF[name] == "activity":
            how = days
        elif GROUP_OF[name] == "derivatives":
            how = share
        elif name in ("maker_ratio", "weekend_share"):
            how = ratio
        else:
            how = "identity"
        x = transform(x, how)
        x = np.clip(x, *np.quantile(x, [0.005, 0.995]))
        centre, width = scale_of(x, scale)
        if width == 0:
            continue
        columns.append((x - centre) / width)
        groups.append(GROUP_OF[name])
    if weights:
        w = np.array([1 / np.sqrt(groups.count(g)) for g in groups])
        w *= np.sqrt(len(w) / (w**2).sum())
        columns = [c * f for c, f in zip(columns, w)]
    z = np.column_stack(columns)
    return PCA(pca, svd_solver="full").fit_transform(z) if pca else z


def kmeans(z, k, seed=1):
    return KMeans(k, n_init=10, random_state=seed).fit_predict(z)


def read(command, accounts, days, seed, noise):
    text = subprocess.run([command, str(accounts), str(days), str(seed), str(noise)], capture_output=True, text=True, check=True)
    rows = [line.split(",") for line in text.stdout.splitlines()]
    return np.array([r[0] for r in rows]), np.array([[float(v) for v in r[1:]] for r in rows])


def best_k(z, k_max=10):
    scores = {k: silhouette_score(z, kmeans(z, k)) for k in range(2, k_max + 1)}
    return max(scores, key=scores.get), scores


def main():
    command, accounts, days = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    seeds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    for noise in (0, 0.25, 0.5, 1):
        full, single, ks = [], [], []
        for seed in range(1, seeds + 1):
            truth, raw = read(command, accounts, days, seed, noise)
            z = prepare(raw)
            full.append(adjusted_rand_score(truth, kmeans(z, 6)))
            ks.append(best_k(z)[0])
            if noise == 0:
                one = {}
                for j, name in enumerate(FEATURES):
                    x = raw[:, j : j + 1]
                    if np.ptp(x) > 0:
                        shown = transform(x, "asinh" if name in ASINH else "identity")
                        one[name] = adjusted_rand_score(truth, kmeans(shown, 6))
                best = max(one, key=one.get)
                single.append((round(one[best], 3), best, round(one["volume_usd"], 3)))
        print(f"noise {noise}: ARI min {min(full):.3f} mean {np.mean(full):.3f} max {max(full):.3f}; k {ks}")
        if single:
            print("  best single feature (ARI, name, ARI of volume):", *single)


if __name__ == "__main__":
    main()
