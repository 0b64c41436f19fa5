"""Writes prepare_oracle.json: what numpy and scikit-learn make of iris.csv.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 scikit-learn==1.9.1 && venv/bin/python prepare_oracle.py

The pipeline is written with their functions only, in the order prepare/mod.rs documents: winsorise on the raw scale,
transform, RobustScaler or StandardScaler, group weights, PCA.
"""
import json
import pathlib

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import RobustScaler, StandardScaler

here = pathlib.Path(__file__).parent
iris = np.genfromtxt(here / "iris.csv", delimiter=",", skip_header=1, usecols=range(4))

# Curved so that every transform has something to do: money, a signed flow, a share, a plain number, a count.
raw = np.column_stack([
    iris[:, 0] ** 6,
    (iris[:, 1] - 3.0) ** 3 * 40.0,
    (iris[:, 2] - 0.9) / 6.1,
    iris[:, 3],
    np.round(iris[:, 2] * iris[:, 3]),
])
groups = ["volume", "flow", "allocation", "allocation", "volume"]


def shape(x):
    c = np.median(np.abs(x[0])[x[0] != 0])
    p = np.clip(x[2], 1e-3, 1 - 1e-3)
    return [np.arcsinh(x[0] / c), np.sign(x[1]) * np.log1p(np.abs(x[1])), np.log(p / (1 - p)), np.sqrt(x[3]),
            np.log1p(x[4])], c


low, high = np.quantile(raw, [0.02, 0.97], axis=0)
unclipped_c = np.median(np.abs(raw[:, 0])[raw[:, 0] != 0])
clipped = np.clip(raw, low, high)
shaped, _ = shape(clipped.T)
shaped[0] = np.arcsinh(clipped[:, 0] / unclipped_c)
shaped = np.column_stack(shaped)
size = np.array([groups.count(g) for g in groups])
weights = np.sqrt(len(groups) / len(set(groups)) / size)


def road(scaler, center):
    weighted = scaler.fit_transform(shaped) * weights
    pca = PCA().fit(weighted)
    return {
        "center": getattr(scaler, center).tolist(), "scale": scaler.scale_.tolist(), "weighted": weighted[::10].tolist(),
        "eigenvalues": pca.explained_variance_.tolist(), "ratios": pca.explained_variance_ratio_.tolist(),
        "components": pca.components_.tolist(), "rotated": pca.transform(weighted)[::10].tolist(),
        "m": int(np.searchsorted(np.cumsum(pca.explained_variance_ratio_), 0.9) + 1),
    }


def kmeans(x, k):
    fit = KMeans(k, n_init=50, random_state=1, tol=0).fit(x)
    return {"inertia": fit.inertia_, "sizes": sorted(np.bincount(fit.labels_).tolist(), reverse=True),
            "silhouette": silhouette_score(x, fit.labels_)}


standard = StandardScaler().fit_transform(iris)
json.dump({
    "raw": raw.tolist(), "low": low.tolist(), "high": high.tolist(), "c": unclipped_c,
    "weights": weights.tolist(), "robust": road(RobustScaler(), "center_"), "standard": road(StandardScaler(), "mean_"),
    "raw_pca": {"eigenvalues": PCA().fit(iris).explained_variance_.tolist(),
                "components": PCA().fit(iris).components_.tolist()},
    "standard_kmeans": kmeans(standard, 3), "raw_kmeans": kmeans(iris, 3),
    "quartiles": np.quantile(iris, [0.25, 0.5, 0.75], axis=0).tolist(),
}, open(here / "prepare_oracle.json", "w"), indent=0)
