"""(e) fit_segmentation of 1,000,000 x 20 from a table of features, k chosen over 2 to 10 and 10 starts at the chosen k,
against the same work with ADBC and scikit-learn: at most half the time.

Three comparisons, of planted clusters and of uniform noise:

- whole: each does everything, from the rows in the database to the labels in the database, with the k that it chose. The rival
  fits every k once on all rows, as most would write it. Ours scans k on a sample with 10 starts, so there is a second rival that
  does so too. Ours also tells whether the segments are real (resamples for every k, sets of rows without groups), which the rival
  is timed without and with.
- k given, the rival's: nothing is chosen on either side; here the inertias and the labels of both are compared.
- choose_k, which computes every criterion and writes nothing, against the rival's with the gap and the prediction strength.

Each is run once, after the table was read: the longest takes minutes. Then memory against its budget, an iteration of k-means
against the bandwidth of the memory, and scoring.

    psql -v rows=1000000 -f benches/fit.sql && python benches/fit.py target/release/examples/kmeans_rival
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from measure import ROUNDS, Query, check, connect, verdict
from rival import CORES, Extra, Rival
from sklearn.metrics import adjusted_rand_score

KS = range(2, 11)
# What ours does; checked against the model where the model tells.
SCAN_ROWS, SCAN_STARTS, SILHOUETTE_ROWS = 20_000, 10, 5_000
REPLICATE_ROWS, REPLICATE_STARTS = 2_000, 3
# Of the sets without groups there are two kinds.
REPLICATES = {"guard": 2 * 50, "bootstrap": 50, "prediction strength": 50, "gap": 50}
# What the rival does, so that both work on the same numbers.
STANDARDISED = '{"transform": "identity", "winsorise": null, "scale": "standard", "weights": null, "pca": null}'
TARGET = 0.5
# Of the run that is held against the memory's bandwidth.
BANDWIDTH_K, ITERATIONS = 10, 20


class Memory(threading.Thread):
    """Peak of a backend's own memory (RssAnon: without the shared buffers it has touched) while it runs, in bytes."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.before, self.peak, self.done = pid, self.now(pid), 0, threading.Event()

    @staticmethod
    def now(pid):
        with open(f"/proc/{pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        return int(fields["RssAnon"].split()[0]) * 1024

    def run(self):
        while not self.done.wait(0.005):
            self.peak = max(self.peak, self.now(self.pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def declared(name, table):
    """A segmentation of its own for every measurement: a second fit would also compare itself with the first."""
    with connect() as connection:
        connection.execute(f"SELECT create_segmentation('{name}', features => '{table}', account => 'account_id')")
        connection.execute(f"SELECT count(*) FROM {table}")


def fit(name, table, arguments):
    """(seconds, the model as JSON), in a session of its own, so that the memory before it is that of a fresh backend."""
    declared(name, table)
    with connect() as connection:
        with Memory(connection.info.backend_pid) as memory:
            started = time.perf_counter()
            connection.execute(f"SELECT fit_segmentation('{name}', {arguments}, preparation => '{STANDARDISED}')")
            seconds = time.perf_counter() - started
        model = json.loads(connection.execute(f"SELECT segment_model('{name}')::text").fetchone()[0])
        check(model["provenance"]["sampled_from"] is None, f"the fit of {name} is of a sample")
        budget = connection.execute("SELECT pg_size_bytes(current_setting('maintenance_work_mem'))").fetchone()[0]
    quality, above = model["quality"], memory.peak - memory.before
    print(f"  ours, {arguments}: {seconds:.2f} s, k = {len(model['segments'])}, inertia {quality['inertia']:.6g} ({quality['k_reason']})")
    print(f"    memory peak {above / 2**20:.0f} MiB, budget (maintenance_work_mem) {budget / 2**20:.0f} MiB: {above / budget:.2f} of it", flush=True)
    return seconds, model


def choose_k(table):
    name = f"{table}_choice"
    declared(name, table)
    with connect() as connection:
        started = time.perf_counter()
        connection.execute(f"SELECT count(*) FROM choose_k('{name}', k_max => {max(KS)}, preparation => '{STANDARDISED}')")
        seconds = time.perf_counter() - started
    print(f"  ours, choose_k: {seconds:.2f} s", flush=True)
    return seconds


def show(name, rival):
    parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in rival.seconds.items())
    print(f"  {name}: {sum(rival.seconds.values()):.2f} s, k = {rival.k}, inertia {rival.inertia:.6g} ({parts})", flush=True)


def setting(table, what):
    print(f"\n  {what}")
    seconds, model = fit(table, table, f"k_max => {max(KS)}")
    quality = model["quality"]
    for key, rows in [("silhouette_rows", SILHOUETTE_ROWS), ("scan_rows", SCAN_ROWS), ("replicate_rows", REPLICATE_ROWS)]:
        check(len(model["segments"]) == 1 or quality[key] == rows, f"{key} is {quality[key]}")
    choice = choose_k(table)
    plain = Rival(table, KS, SILHOUETTE_ROWS)
    plain.extra = Extra(KS, REPLICATE_ROWS, SILHOUETTE_ROWS, REPLICATE_STARTS, REPLICATES)
    plain.run()
    show("ADBC and scikit-learn, every k on all rows", plain)
    print(f"    {plain.figures}")
    sampled = Rival(table, KS, SILHOUETTE_ROWS, plain.k, SCAN_ROWS, SCAN_STARTS)
    sampled.run()
    show(f"ADBC and scikit-learn, every k on {SCAN_ROWS:,} rows, {SCAN_STARTS} starts", sampled)

    same, given = f"{table}_same", plain.k
    again, other = fit(same, table, f"k => {given}")
    inertia = other["quality"]["inertia"]
    check(inertia <= plain.inertia * (1 + 1e-6), f"our inertia {inertia} is above {plain.inertia}")
    with connect() as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0")
        labels = connection.execute(f"SELECT segment_id FROM {same}_segments s ORDER BY s.account").fetchall()
        theirs = connection.execute(f"SELECT segment FROM {table}_labels ORDER BY account_id").fetchall()
    agreement = adjusted_rand_score([row[0] for row in labels], [row[0] for row in theirs])
    print(f"  labels with k = {given} on both sides: adjusted Rand index {agreement:.4f}")

    extras = ("guard", "bootstrap", "prediction strength", "gap")
    base = plain.total(but=extras)
    verdict("e", f"{what}: whole, each its own k", seconds / base, TARGET)
    if len(model["segments"]) == 1:
        # Ours then fits one segment at the end, which costs nothing: with all of a second fit on top it cannot look better than it is.
        verdict("e", f"{what}: whole and a second fit with k = {given}", (seconds + again) / base, TARGET)
    verdict("e", f"{what}: whole, rival scans a sample", seconds / sampled.total(), None)
    verdict("e", f"{what}: whole, rival with guard, resamples", seconds / plain.total(but=extras[2:]), None)
    verdict("e", f"{what}: k = {given} given to both", again / plain.total(but=("choose k", *extras)), None)
    verdict("e", f"{what}: choose_k, every criterion", choice / plain.total(but=("final fit", "write")), None)


def bandwidth(binary):
    """An iteration over noise, where hardly any row can be skipped."""
    rows, columns = 1_000_000, 20
    data = np.random.default_rng(1).random((rows, columns))
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("data", "start")]
        data.astype("<f8").tofile(paths[0])
        data[:BANDWIDTH_K].astype("<f8").tofile(paths[1])
        for threads in sorted({1, CORES}):
            arguments = [paths[0], rows, columns, BANDWIDTH_K, ITERATIONS, paths[1], threads]
            out = subprocess.run([binary, *map(str, arguments)], check=True, capture_output=True, text=True).stdout
            print(f"  k-means of noise, k = {BANDWIDTH_K}, {threads} threads, against memory bandwidth: {out.splitlines()[-1]}")


def scoring(table):
    """Stored vectors by one backend without workers, by the model's value and by the segmentation's name."""
    connection = connect()
    connection.execute("SET max_parallel_workers_per_gather = 0")
    names = ", ".join(f"f{i}" for i in range(1, 21))
    connection.execute(f"CREATE TABLE vectors AS SELECT account_id, ARRAY[{names}] AS vector FROM {table}")
    connection.execute("VACUUM (ANALYZE, FREEZE) vectors")
    for how, model in [("the active model, by name", f"'{table}'"), ("the model as a value", f"(SELECT segment_model('{table}'))")]:
        query = Query(connection, f"SELECT account_id, assign_segment(vector, {model}) AS segment FROM vectors")
        query.run()
        runs = [query.run() for _ in range(ROUNDS)]
        seconds = statistics.median(run[0] for run in runs)
        print(f"  scoring {runs[0][2]:,} stored vectors on one core, {how}: {seconds:.3f} s, {runs[0][2] / seconds:,.0f} rows/s")


def main():
    print(f"  {CORES} cores; preparation {STANDARDISED}")
    setting("features_planted", "planted")
    setting("features_noise", "noise")
    print()
    scoring("features_planted")
    bandwidth(sys.argv[1])


if __name__ == "__main__":
    # Read by the OpenMP and BLAS libraries of joblib's processes when they load; this process has loaded them.
    os.environ.setdefault("OMP_NUM_THREADS", str(CORES))
    main()
