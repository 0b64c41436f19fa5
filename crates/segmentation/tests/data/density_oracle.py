"""Writes density_oracle.json: HDBSCAN of scikit-learn (labels, probabilities) and of scikit-learn-contrib (condensed tree,
new rows). GLOSH is computed from their condensed tree by the paper: their own `outlier_scores_` look for the densest
rows in the branch of a row alone, the paper also in the branches below it. A row that leaves at the very distance at
which its branch split off has null: whether it leaves the branch or the parent is a matter of how ties are broken. So is its label.

    pip install scikit-learn==1.9.1 hdbscan==0.8.44 && python density_oracle.py
"""

import json
import hdbscan
import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs, make_moons

rng = np.random.RandomState(4)
moons = np.vstack([make_moons(300, noise=0.06, random_state=1)[0], rng.uniform([-1.5, -1], [2.5, 1.5], (40, 2))])
blobs = np.vstack([make_blobs([90, 60, 120], 3, cluster_std=[0.5, 1.0, 1.5], random_state=2)[0],
                   rng.uniform(-12, 12, (50, 3))])
new = {"moons": rng.uniform([-1.5, -1], [2.5, 1.5], (60, 2)), "blobs": rng.uniform(-12, 12, (60, 3))}


def glosh(tree, rows):
    """1 - lambda of the row / largest lambda in its branch or below."""
    deepest = {}
    for line in tree:
        deepest[line["parent"]] = max(deepest.get(line["parent"], 0), line["lambda_val"])
    while True:
        before = dict(deepest)
        for line in tree:
            deepest[line["parent"]] = max(deepest[line["parent"]], deepest.get(line["child"], 0))
        if before == deepest:
            break
    birth = {line["child"]: line["lambda_val"] for line in tree if line["child"] >= rows}
    leaves = {line["child"]: 1 - line["lambda_val"] / deepest[line["parent"]] for line in tree if line["child"] < rows}
    tied = {line["child"] for line in tree if line["child"] < rows and birth.get(line["parent"]) == line["lambda_val"]}
    return [None if row in tied else float(leaves[row]) for row in range(rows)]


cases = []
for name, x in [("moons", moons), ("blobs", blobs)]:
    for size, points in [(10, 5), (15, 15), (30, 8)]:
        ours = HDBSCAN(min_cluster_size=size, min_samples=points, algorithm="brute", copy=True).fit(x)
        # Theirs does not count the row itself.
        theirs = hdbscan.HDBSCAN(min_cluster_size=size, min_samples=points - 1, approx_min_span_tree=False,
                                 prediction_data=True, algorithm="prims_kdtree").fit(x)
        assert (np.abs(ours.probabilities_ - theirs.probabilities_) < 1e-9).all()
        labels, _ = hdbscan.approximate_predict(theirs, new[name])
        pairs = {(int(a), int(b)) for a, b in zip(ours.labels_, theirs.labels_)}
        there = {b: a for a, b in pairs}
        cases.append({
            "data": name, "min_cluster_size": size, "min_points": points, "labels": ours.labels_.tolist(),
            "probabilities": ours.probabilities_.tolist(),
            "glosh": glosh(theirs.condensed_tree_.to_numpy(), len(x)),
            "predicted": [there.get(int(b), -1) for b in labels],
        })
json.dump({"moons": moons.tolist(), "blobs": blobs.tolist(), "new": {k: v.tolist() for k, v in new.items()},
           "cases": cases}, open("density_oracle.json", "w"))
