"""The same fit by a user with ADBC and scikit-learn: rows out, StandardScaler, KMeans for every k, labels back.

ADBC is the fastest way out of PostgreSQL there is for Python: binary COPY into Arrow columns.
"""

import os
import time

import adbc_driver_postgresql.dbapi
import numpy as np
import pyarrow
from joblib import Parallel, delayed
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

SEED = 1
CORES = len(os.sched_getaffinity(0))


class Rival:
    """Scans k on `scan_rows` rows (None: all) with `scan_starts` starts; silhouettes are of `silhouette_rows` rows. The final fit
    is of `k` segments (None: of the k chosen)."""

    def __init__(self, table, ks, silhouette_rows, k=None, scan_rows=None, scan_starts=1, extra=None):
        self.table, self.ks, self.silhouette_rows, self.k = table, ks, silhouette_rows, k
        self.scan_rows, self.scan_starts, self.extra = scan_rows, scan_starts, extra

    def run(self):
        self.seconds, self.started = {}, time.perf_counter()
        keys, raw = self.read()
        data = StandardScaler().fit_transform(raw)
        self.lap("scale")
        rng = np.random.default_rng(SEED)
        scanned = data if self.scan_rows is None else data[rng.choice(len(data), self.scan_rows, replace=False)]
        self.silhouettes = {}
        for k in self.ks:
            labels = KMeans(k, n_init=self.scan_starts, random_state=SEED).fit(scanned).labels_
            self.silhouettes[k] = silhouette_score(scanned, labels, sample_size=self.silhouette_rows, random_state=SEED)
        self.chosen = max(self.silhouettes, key=self.silhouettes.get)
        self.k = self.k or self.chosen
        self.lap("choose k")
        if self.extra:
            rows = data[rng.choice(len(data), min(len(data), self.extra.rows), replace=False)]
            self.figures = self.extra.run(rows, self.k, self.lap)
        model = KMeans(self.k, n_init=10, random_state=SEED).fit(data)
        self.labels, self.inertia = model.labels_, model.inertia_
        self.lap("final fit")
        self.write(keys)

    def total(self, but=()):
        return sum(seconds for part, seconds in self.seconds.items() if part not in but)

    def lap(self, name):
        now = time.perf_counter()
        self.seconds[name], self.started = now - self.started, now

    def read(self):
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {self.table}")
            rows = cursor.fetch_arrow_table()
        columns = [column.to_numpy() for column in rows.columns]
        data = np.empty((len(rows), len(columns) - 1))
        for i, column in enumerate(columns[1:]):
            data[:, i] = column
        self.lap("read")
        return columns[0], data

    def write(self, keys):
        labels = pyarrow.table({"account_id": keys, "segment": self.labels})
        with connect() as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(f"{self.table}_labels", labels, mode="replace")
            cursor.execute(f"ALTER TABLE {self.table}_labels ADD PRIMARY KEY (account_id)")
            connection.commit()
        self.lap("write")


def connect():
    # libpq takes host, port, user and database from the environment.
    return adbc_driver_postgresql.dbapi.connect("postgresql:///")


class Extra:
    """What tells whether the segments are real, on a sample: a permutation guard at the chosen k; the bootstrap,
    prediction strength and the gap statistic at every k. One process a core, one thread each: KMeans itself gains little
    from threads on so few rows."""

    def __init__(self, ks, rows, silhouette_rows, starts, replicates):
        """`replicates`: how often guard, bootstrap, prediction strength and gap cluster."""
        self.ks, self.rows, self.silhouette_rows = ks, rows, silhouette_rows
        self.starts, self.replicates = starts, replicates

    def run(self, data, k, lap):
        """Figures at `k`; calls `lap` with the name of each part when it is done."""
        jobs = {what: [(k, b) for k in self.ks for b in range(count)] for what, count in self.replicates.items()}
        mean = lambda found, what: np.mean([x for x, job in zip(found, jobs[what]) if job[0] == k], axis=0)
        with Parallel(n_jobs=CORES) as parallel:
            real = self.silhouette(data, k, 0)
            by_chance = parallel(delayed(self.permuted)(data, k, b) for b in range(self.replicates["guard"]))
            p = (1 + sum(s >= real for s in by_chance)) / (len(by_chance) + 1)
            lap("guard")
            whole = {k: self.fit(data, k, SEED) for k in self.ks}
            found = parallel(delayed(self.bootstrapped)(data, whole[k].labels_, k, b) for k, b in jobs["bootstrap"])
            jaccard = mean(found, "bootstrap").min()
            lap("bootstrap")
            found = parallel(delayed(self.strength)(data, k, b) for k, b in jobs["prediction strength"])
            strength = mean(found, "prediction strength")
            lap("prediction strength")
            found = parallel(delayed(self.strewn)(data, k, b) for k, b in jobs["gap"])
            gap = mean(found, "gap") - np.log(whole[k].inertia_)
            lap("gap")
        return ", ".join(f"{name} {x:.3f}" for name, x in [("p", p), ("Jaccard", jaccard), ("prediction strength", strength), ("gap", gap)])

    def fit(self, data, k, seed):
        return KMeans(k, n_init=self.starts, random_state=seed).fit(data)

    def silhouette(self, data, k, seed):
        labels = self.fit(data, k, seed).labels_
        return silhouette_score(data, labels, sample_size=self.silhouette_rows, random_state=seed)

    def permuted(self, data, k, seed):
        return self.silhouette(np.random.default_rng(seed).permuted(data, axis=0), k, seed)

    def bootstrapped(self, data, whole, k, seed):
        """Jaccard of each cluster with the nearest of a bootstrap sample's, over the rows drawn."""
        drawn = np.unique(np.random.default_rng(seed).integers(0, len(data), len(data)), return_counts=True)
        rows = np.repeat(*drawn)
        again = self.fit(data[rows], k, seed).labels_[np.concatenate([[0], np.cumsum(drawn[1])[:-1]])]
        return overlaps(whole[drawn[0]], again, k)

    def strength(self, data, k, seed):
        """Tibshirani & Walther 2005: how often pairs of a test cluster share a training cluster, in the worst one."""
        order = np.random.default_rng(seed).permutation(len(data))
        train, test = data[order[: len(data) // 2]], data[order[len(data) // 2 :]]
        predicted, labels = self.fit(train, k, seed).predict(test), self.fit(test, k, seed).labels_
        both = table(labels, predicted, k)
        sizes = both.sum(axis=1)
        pairs = (both * (both - 1)).sum(axis=1) / np.maximum(sizes * (sizes - 1), 1)
        return pairs[sizes > 1].min(initial=1.0)

    def strewn(self, data, k, seed):
        """log of the inertia of rows strewn over the box of the principal components (Tibshirani, Walther & Hastie 2001)."""
        centred = data - data.mean(axis=0)
        axes = np.linalg.svd(centred, full_matrices=False)[2]
        turned = centred @ axes.T
        rows = np.random.default_rng(seed).uniform(turned.min(axis=0), turned.max(axis=0), turned.shape)
        return np.log(self.fit(rows @ axes, k, seed).inertia_)


def table(a, b, k):
    return np.bincount(a.astype(np.int64) * k + b, minlength=k * k).reshape(k, k).astype(float)


def overlaps(a, b, k):
    both = table(a, b, k)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return (both / np.maximum(either, 1)).max(axis=1)
