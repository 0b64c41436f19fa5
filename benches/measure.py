"""What the benches share: a connection, taking turns, and the verdict that benches/run collects.

Environment: PGHOST and the like name the cluster (scripts/cluster env); PGSEG_RESULTS is the file of verdicts;
PGSEG_ROUNDS the number of turns (5).
"""

import os
import statistics
import time

ROUNDS = int(os.environ.get("PGSEG_ROUNDS", "5"))


def connect():
    """A session in UTC with autocommit; psycopg may be absent for the benches that need none."""
    import psycopg

    # Not prepared after some repetitions: a kept plan would outlive a SET of the number of workers.
    connection = psycopg.connect(autocommit=True, prepare_threshold=None)
    connection.execute("SET timezone = 'UTC'")
    return connection


def cpu_seconds(pid):
    """CPU time of a process so far, or None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


class Query:
    """A rival that is one statement. Its rows are counted in the server, so that none is sent, but all are made."""

    def __init__(self, connection, sql):
        self.connection = connection
        self.sql = f"SELECT count(q) FROM ({sql.strip()} OFFSET 0) AS q"

    def run(self):
        """(seconds, CPU seconds of the backend without parallel workers, rows)"""
        pid = self.connection.info.backend_pid
        cpu, started = cpu_seconds(pid), time.perf_counter()
        rows = self.connection.execute(self.sql).fetchone()[0]
        seconds = time.perf_counter() - started
        return seconds, None if cpu is None else cpu_seconds(pid) - cpu, rows

    def plan(self):
        """The plan's nodes above the scan in one line, with the workers launched."""
        text = self.connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {self.sql}").fetchall()
        lines = [line.strip().removeprefix("->").strip() for (line,) in text]
        keep = ("Aggregate", "Gather", "Scan", "Join", "Sort", "Workers Launched")
        nodes = [line.split(" (actual")[0] for line in lines if any(k in line.split(" (")[0] for k in keep)]
        return " < ".join(n for n in nodes if not n.startswith(("Sort Key", "Sort Method", "Subquery")))


def take_turns(rivals, rounds=ROUNDS):
    """Runs all rivals once to warm up, then `rounds` times in turns. Returns {name: median seconds}; prints each median."""
    runs = {name: [] for name in rivals}
    for query in rivals.values():
        query.run()
    for _ in range(rounds):
        for name, query in rivals.items():
            runs[name].append(query.run())
    counts = {run[2] for all_runs in runs.values() for run in all_runs}
    if len(counts) != 1:
        raise SystemExit(f"the rivals do not give the same number of rows: {sorted(counts)}")
    medians = {}
    width = max(map(len, rivals))
    for name, all_runs in runs.items():
        seconds = [run[0] for run in all_runs]
        medians[name] = statistics.median(seconds)
        cpu = "" if all_runs[0][1] is None else f", backend's CPU {statistics.median(run[1] for run in all_runs):8.3f} s"
        print(f"  {name:{width}}  {medians[name]:8.3f} s  ({min(seconds):.3f} to {max(seconds):.3f}{cpu})", flush=True)
    return medians


def verdict(bench, what, ratio, target, note=""):
    """Prints and records time of ours / time of the rival; met where it is at most `target` (None: for information)."""
    if target is None:
        outcome, limit = "for information", ""
    else:
        outcome, limit = "met" if ratio <= target else "MISSED", f"{target:.4g}"
    print(f"  => {what}: ratio {ratio:.3f}{f', target at most {limit}: {outcome}' if limit else ''}{note}", flush=True)
    if "PGSEG_RESULTS" in os.environ:
        with open(os.environ["PGSEG_RESULTS"], "a") as file:
            file.write(f"{bench}\t{what}\t{ratio:.3f}\t{limit}\t{outcome}\n")


def check(condition, message):
    """What the figures stand on: a bench that measured something else must not print any."""
    if not condition:
        raise SystemExit(f"bench is void: {message}")
