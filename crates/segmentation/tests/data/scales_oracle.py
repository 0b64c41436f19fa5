"""Writes scales_oracle.json: transforms and scales by scipy and scikit-learn.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 && venv/bin/python scales_oracle.py
"""
import json
import pathlib

import numpy as np
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, StandardScaler

here = pathlib.Path(__file__).parent
iris = np.genfromtxt(here / "iris.csv", delimiter=",", skip_header=1, usecols=range(4))
x = np.array([-2.0, -1, 0, 1, 2, 3, 10, 50])

# More values than knots, many of them equal: a fifth is 0, the rest has one decimal.
draw = np.random.default_rng(7)
long = np.where(draw.random(1500) < 0.2, 0.0, np.round(np.exp(draw.normal(1.5, 1.0, 1500)), 1))
long[::7] *= -1


def deviates(column, at):
    q = QuantileTransformer(n_quantiles=1001, output_distribution="normal", subsample=None).fit(column[:, None])
    return {"values": column.tolist(), "at": at.tolist(), "deviates": q.transform(at[:, None])[:, 0].tolist()}


power = PowerTransformer(standardize=False).fit(iris)
white = PCA(3, whiten=True).fit(StandardScaler().fit_transform(iris))
lambdas = [-5.0, -1.5, 0.0, 0.5, 1.0, 2.0, 3.25]
json.dump({
    "yeo_johnson": [{"lambda": v, "values": stats.yeojohnson(x, v).tolist(), "llf": float(stats.yeojohnson_llf(v, x))} for v in lambdas],
    "most_likely": {"lambda": float(stats.yeojohnson(x)[1]), "llf": float(stats.yeojohnson_llf(stats.yeojohnson(x)[1], x))},
    "iris_lambdas": power.lambdas_.tolist(),
    "iris_power": power.transform(iris)[::15].tolist(),
    "mad": [(stats.median_abs_deviation(c, scale="normal")) for c in iris.T],
    "short": deviates(iris[:, 1], np.array([1.0, 2.0, 2.05, 2.5, 3.0, 3.01, 3.3333, 4.1, 4.4, 9.0])),
    "long": deviates(long, np.array([-1e9, -30.0, -3.3, -1.0, -0.04, 0.0, 0.05, 1.0, 1.23456, 4.5, 4.55, 20.0, 77.7, 1e9])),
    "white": white.transform(StandardScaler().fit_transform(iris))[::15].tolist(),
}, open(here / "scales_oracle.json", "w"), indent=0)
