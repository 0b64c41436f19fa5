#!/usr/bin/env python3
"""Compares our k-means with scikit-learn's Lloyd on the same data and the same start.

    cargo build --release -p segmentation --example kmeans_rival
    python benches/kmeans_vs_sklearn.py target/release/examples/kmeans_rival

Needs numpy and scikit-learn. 1,000,000 x 20, k = 8, 20 iterations, as many threads as there are cores for both, run
in turns. Our time includes packing; neither time includes reading or making the data. Exits with 1 when the inertias
differ by more than 1e-9, or when one of them stopped early: then the times do not compare.
"""
import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

from measure import verdict

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("binary", help="path of the built example kmeans_rival")
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--cols", type=int, default=20)
parser.add_argument("-k", type=int, default=8)
parser.add_argument("--iterations", type=int, default=20)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
parser.add_argument("--limit", type=float, default=0.5, help="largest accepted ratio of the medians")
args = parser.parse_args()

# Read by the OpenMP and BLAS libraries when they load.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(args.threads)

import numpy as np  # noqa: E402
import sklearn  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

warnings.simplefilter("ignore", ConvergenceWarning)


def make_data():
    """Overlapping clusters, so that 20 iterations do not converge; the start is k of the rows."""
    rng = np.random.default_rng(20240229)
    centres = rng.normal(0.0, 1.0, (args.k, args.cols))
    data = rng.normal(0.0, 1.0, (args.rows, args.cols))
    data += centres[rng.integers(0, args.k, args.rows)]
    return data, data[rng.choice(args.rows, args.k, replace=False)].copy()


def rival(data, start):
    model = KMeans(args.k, init=start, n_init=1, max_iter=args.iterations, tol=0, algorithm="lloyd")
    started = time.perf_counter()
    model.fit(data)
    return time.perf_counter() - started, model.inertia_, model.n_iter_


def ours(data_file, start_file):
    shape = [args.rows, args.cols, args.k, args.iterations]
    command = [args.binary, data_file, *map(str, shape), start_file, str(args.threads)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, inertia, iterations = re.match(r"seconds=(\S+) inertia=(\S+) iterations=(\d+)", out).groups()
    return float(seconds), float(inertia), int(iterations), out.splitlines()[-1]


def main():
    print(f"python {platform.python_version()}, numpy {np.__version__}, scikit-learn {sklearn.__version__}")
    print(f"{args.rows} x {args.cols}, k = {args.k}, {args.iterations} iterations, {args.threads} threads")
    print(f"  theirs: KMeans({args.k}, init=start, n_init=1, max_iter={args.iterations}, tol=0, algorithm='lloyd').fit(data)")
    print(f"  ours:   {args.binary} data.f64 {args.rows} {args.cols} {args.k} {args.iterations} start.f64 {args.threads}")
    data, start = make_data()
    with tempfile.TemporaryDirectory() as folder:
        data_file, start_file = os.path.join(folder, "data.f64"), os.path.join(folder, "start.f64")
        data.astype("<f8").tofile(data_file)
        start.astype("<f8").tofile(start_file)
        theirs_runs, our_runs = [], []
        for turn in range(args.rounds):
            theirs_runs.append(rival(data, start))
            our_runs.append(ours(data_file, start_file))
            print(f"round {turn + 1}: scikit-learn {theirs_runs[-1][0]:.3f} s, ours {our_runs[-1][0]:.3f} s")
    their_seconds = statistics.median(run[0] for run in theirs_runs)
    our_seconds = statistics.median(run[0] for run in our_runs)
    their_inertia, our_inertia = theirs_runs[-1][1], our_runs[-1][1]
    ratio = our_seconds / their_seconds
    difference = abs(our_inertia - their_inertia) / their_inertia
    print(f"medians: scikit-learn {their_seconds:.3f} s, ours {our_seconds:.3f} s, ratio {ratio:.3f}")
    print(f"inertia: scikit-learn {their_inertia:.17g}, ours {our_inertia:.17g}, relative difference {difference:.2e}")
    print(f"ours against memory bandwidth: {our_runs[-1][3]}")
    print(f"iterations: scikit-learn {theirs_runs[-1][2]}, ours {our_runs[-1][2]}")
    verdict("b", "k-means / scikit-learn", ratio, args.limit)
    failures = []
    if difference > 1e-9:
        failures.append(f"inertias differ by {difference:.2e}, above 1e-9")
    if any(run[2] != args.iterations for run in theirs_runs + our_runs):
        failures.append("a run converged before its last iteration, so the times do not compare")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
