"""Check numbers for the surrogate rules, the tests of segments and false discovery: scikit-learn and SciPy.

pip install scikit-learn==1.9.1 scipy==1.17.1; python rules_oracle.py > rules_oracle.json
"""

import json

import numpy as np
from scipy.stats import false_discovery_control, mannwhitneyu
from sklearn.tree import DecisionTreeClassifier

iris = np.genfromtxt("iris.csv", delimiter=",", skip_header=1, usecols=(0, 1, 2, 3))
species = np.repeat([0, 1, 2], 50)


def tree(x, y):
    fitted = DecisionTreeClassifier(max_depth=3, min_samples_leaf=5, random_state=0).fit(x, y)
    t = fitted.tree_
    leaves = t.children_left == -1
    gini = float(np.sum(t.impurity[leaves] * t.n_node_samples[leaves]) / len(y))
    return {
        "root": int(t.feature[0]),
        "accuracy": float(fitted.score(x, y)),
        "gini": gini,
    }


# Values missing: scikit-learn tries both sides, too.
holes = iris.copy()
holes[::7, 2] = np.nan
holes[3::11, 3] = np.nan
holes[:50:2, 3] = np.nan

tests = []
for j in range(4):
    for s in range(3):
        here, rest = iris[species == s, j], iris[species != s, j]
        found = mannwhitneyu(here, rest, alternative="two-sided", method="asymptotic", use_continuity=True)
        tests.append(
            {
                "feature": j,
                "segment": s,
                "p": float(found.pvalue),
                "delta": float(2 * found.statistic / (len(here) * len(rest)) - 1),
            }
        )
adjusted = false_discovery_control([t["p"] for t in tests], method="bh")
for t, p in zip(tests, adjusted):
    t["adjusted"] = float(p)
# Far from significant, and many ties.
small = [
    ([1, 2, 2, 3, 5], [2, 2, 4, 4, 4, 9]),
    ([1.0, 1.0, 2.0], [1.0, 1.0, 1.0, 2.0]),
    ([1, 2, 3, 4], [1, 2, 3, 4]),
]
few = []
for a, b in small:
    found = mannwhitneyu(a, b, alternative="two-sided", method="asymptotic", use_continuity=True)
    few.append({"a": a, "b": b, "p": float(found.pvalue), "delta": float(2 * found.statistic / (len(a) * len(b)) - 1)})
ps = [0.9, 0.001, 0.04, 0.04, 0.03, 0.5, 1.0, 1e-12]
print(
    json.dumps(
        {
            "tree": tree(iris, species),
            "tree_with_holes": tree(holes, species),
            "tests": tests,
            "small": few,
            "discovery": {"p": ps, "adjusted": [float(p) for p in false_discovery_control(ps, method="bh")]},
        },
    )
)
