"""fit_segmentation ends where scikit-learn's best of many starts does, or below it."""

import json
import os

import numpy as np
import pytest
from harness import value
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

RAW = {"transform": "identity", "winsorise": None, "scale": None, "weights": None, "pca": None, "max_missing": 1, "correlated": None}
SEEDS = range(6) if os.environ.get("PGSEG_LONG") else range(2)


def anisotropic():
    x, _ = datasets.make_blobs(n_samples=1500, random_state=170)
    return x @ np.array([[0.6, -0.6], [-0.4, 0.8]])


SETS = {
    "iris": (lambda: datasets.load_iris().data, [2, 3, 8]),
    "wine": (lambda: datasets.load_wine().data, [3, 6]),
    "wine, standardised": (lambda: StandardScaler().fit_transform(datasets.load_wine().data), [3, 6]),
    "breast cancer": (lambda: datasets.load_breast_cancer().data, [2, 5]),
    "breast cancer, standardised": (lambda: StandardScaler().fit_transform(datasets.load_breast_cancer().data), [2, 5]),
    "digits": (lambda: datasets.load_digits().data, [10]),
    "make_blobs": (lambda: datasets.make_blobs(n_samples=2000, n_features=5, centers=12, cluster_std=2.0, random_state=3)[0], [5, 12]),
    "make_moons": (lambda: datasets.make_moons(n_samples=1000, noise=0.05, random_state=0)[0], [2, 7]),
    "make_circles": (lambda: datasets.make_circles(n_samples=1000, factor=0.5, noise=0.05, random_state=0)[0], [2, 8]),
    "anisotropic": (anisotropic, [3, 9]),
}


def best_of_many(x, k):
    runs = [KMeans(k, n_init=100, tol=0, random_state=seed).fit(x) for seed in SEEDS]
    return min(run.inertia_ for run in runs)


@pytest.mark.parametrize("name", SETS)
def test_inertia_of_the_best_of_many_starts(db, name):
    make, ks = SETS[name]
    x = make()
    with db.connect() as c:
        columns = ", ".join(f"f{i} float8" for i in range(x.shape[1]))
        c.execute(f"CREATE TABLE numbers (id int PRIMARY KEY, {columns})")
        with c.cursor().copy("COPY numbers FROM STDIN") as copy:
            for i, row in enumerate(x):
                copy.write_row([i, *map(float, row)])
        c.execute("SELECT * FROM create_segmentation('them', features => 'numbers', account => 'id')")
        for k in ks:
            theirs = best_of_many(x, k)
            for seed in (1, 2, 3):
                c.execute(
                    "SELECT * FROM fit_segmentation('them', k => %s, seed => %s, preparation => %s, force => true, reason => 'another k')",
                    (k, seed, json.dumps(RAW)),
                )
                ours = value(c, "SELECT inertia FROM segmentation.models WHERE active")
                # Better is fine: below, the labels say that it is true.
                assert abs(ours / theirs - 1) < 1e-6 or ours < theirs, f"{name}, k = {k}, seed {seed}: {ours} against {theirs}"
                within = value(c, WITHIN.format(", ".join(f"f{i}" for i in range(x.shape[1]))))
                assert abs(ours / within - 1) < 1e-9, f"{name}, k = {k}: the labels have {within}"


# Of the labels alone: squared distances of all values to the means of their segments.
WITHIN = """
SELECT sum(n * v) FROM (
  SELECT count(*) AS n, var_pop(x) AS v
  FROM (SELECT segment_id_of(id) AS segment, x, f FROM numbers, unnest(ARRAY[{}]) WITH ORDINALITY AS u (x, f)) AS s
  GROUP BY segment, f) AS t"""
