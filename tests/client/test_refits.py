"""Refits with other seeds and of bootstrap samples keep ids and names for the segments that are found again.

The planted clusters are drawn here, which accounts belong together is known, and the Jaccard of a segment with what it was is counted here.
"""

import random

import pytest
from harness import rows, value

SEEDS = 100
SAMPLES = 10
CENTRES = [(0, 0, 0), (9, 0, 2), (0, 9, -2), (9, 9, 0), (4.5, 4.5, 12)]
PER_CLUSTER = 200
STABLE = 0.75


def plant(connection, spread=1.2) -> None:
    drawn = random.Random(20)
    connection.execute("CREATE TABLE planted (id int PRIMARY KEY, x float8, y float8, z float8)")
    connection.execute("CREATE TABLE f (id int PRIMARY KEY, x float8, y float8, z float8)")
    with connection.cursor().copy("COPY planted FROM STDIN") as copy:
        for i in range(len(CENTRES) * PER_CLUSTER):
            copy.write_row([i, *(c + drawn.gauss(0, spread) for c in CENTRES[i % len(CENTRES)])])
    connection.execute("INSERT INTO f SELECT * FROM planted")
    rows(connection, "SELECT * FROM create_segmentation('s', features => 'f', account => 'id')")


def labels(connection) -> dict:
    return {i: (segment_id, name) for i, segment_id, name in rows(connection, "SELECT account, segment_id, segment FROM s_segments")}


def by_segment(found: dict) -> dict:
    groups = {}
    for account, label in found.items():
        groups.setdefault(label, set()).add(account)
    return groups


def test_other_seeds_keep_ids_and_names(db):
    with db.connect() as c:
        plant(c)
        rows(c, "SELECT * FROM fit_segmentation('s', k => 5)")
        before = labels(c)
        assert len(set(before.values())) == 5
        for seed in range(2, SEEDS + 2):
            rows(c, "SELECT * FROM fit_segmentation('s', k => 5, seed => %s)", seed)
            assert labels(c) == before, f"seed {seed}"
            assert value(c, "SELECT active_version FROM segmentation.segmentations") == seed
        assert value(c, "SELECT count(*) FROM segmentation.segment_names") == 5


def kept(before: dict, after: dict) -> int:
    """How many segments of `after` have a Jaccard above STABLE with one of `before`; each must have its id and name."""
    common = before.keys() & after.keys()
    old = by_segment({a: before[a] for a in common})
    new = by_segment({a: after[a] for a in common})
    stable = 0
    for label, members in new.items():
        jaccard, ancestor = max((len(members & o) / len(members | o), name) for name, o in old.items())
        if jaccard > STABLE:
            stable += 1
            assert label == ancestor, f"{ancestor} became {label} with Jaccard {jaccard:.2f}"
    return stable


@pytest.mark.parametrize("spread", [1.2, 6.0])
def test_bootstrap_samples_keep_ids_and_names(db, spread):
    """Every sample is drawn with replacement; the accounts in it once or more are what is fitted on. At the larger spread the
    clusters run into each other, and not every segment is found again."""
    drawn = random.Random(7)
    n = len(CENTRES) * PER_CLUSTER
    with db.connect() as c:
        plant(c, spread)
        rows(c, "SELECT * FROM fit_segmentation('s', k => 5)")
        stable = 0
        for sample in range(SAMPLES):
            before = labels(c)
            inside = sorted({drawn.randrange(n) for _ in range(n)})
            c.execute("TRUNCATE f")
            c.execute("INSERT INTO f SELECT * FROM planted WHERE id = ANY(%s)", (inside,))
            rows(c, "SELECT * FROM fit_segmentation('s', k => 5, seed => %s, force => true, reason => 'another sample')", sample + 1)
            after = labels(c)
            assert value(c, "SELECT active_version FROM segmentation.segmentations") == sample + 2
            assert len(before.keys() & after.keys()) > n / 3
            stable += kept(before, after)
        if spread < 2:
            assert stable == 5 * SAMPLES, "the planted clusters are far enough apart to be found in every sample"
        else:
            assert SAMPLES < stable < 5 * SAMPLES, "some are found again, and some are not"


def test_other_seeds_where_clusters_run_into_each_other(db):
    with db.connect() as c:
        plant(c, 6.0)
        rows(c, "SELECT * FROM fit_segmentation('s', k => 5)")
        stable = 0
        for seed in range(2, 12):
            before = labels(c)
            rows(c, "SELECT * FROM fit_segmentation('s', k => 5, seed => %s, force => true, reason => 'another seed')", seed)
            stable += kept(before, labels(c))
        assert stable > 10


def test_another_k_splits_and_merges(db):
    """Three places of which one holds three clusters: 3 -> 5 splits it, 5 -> 3 merges its parts, and the others keep their ids."""
    drawn = random.Random(3)
    near = [(100, 0), (112, 0), (106, 10)]
    centres = [(0, 0), (0, 100), *near]
    with db.connect() as c:
        c.execute("CREATE TABLE f (id int PRIMARY KEY, x float8, y float8)")
        with c.cursor().copy("COPY f FROM STDIN") as copy:
            for i in range(1500):
                # The two far places hold most accounts, so that most keep their segment.
                place = i % 2 if i < 1050 else 2 + i % 3
                copy.write_row([i, *(m + drawn.gauss(0, 1) for m in centres[place])])
        rows(c, "SELECT * FROM create_segmentation('s', features => 'f', account => 'id')")
        rows(c, "SELECT * FROM fit_segmentation('s', k => 3)")
        three = labels(c)
        far = {three[0], three[1]}
        whole = three[1499][0]
        rows(c, "SELECT * FROM fit_segmentation('s', k => 5)")
        assert value(c, "SELECT active_version FROM segmentation.segmentations") == 2
        five = labels(c)
        assert {five[0], five[1]} == far and five[0] == three[0]
        parts = {five[i][0] for i in range(1050, 1500)}
        assert len(parts) == 3 and parts.isdisjoint(i for i, _ in far)
        split = rows(c, "SELECT old_segments, new_segments, accounts FROM segmentation.segment_changes WHERE version = 2 AND change = 'split'")
        assert split == [([whole], sorted(split[0][1]), 450)] and set(split[0][1]) == parts
        assert value(c, "SELECT count(*) FROM segmentation.segment_changes WHERE version = 2 AND change = 'kept'") == 2

        rows(c, "SELECT * FROM fit_segmentation('s', k => 3)")
        assert value(c, "SELECT active_version FROM segmentation.segmentations") == 3
        again = labels(c)
        assert {again[0], again[1]} == far
        merged = rows(c, "SELECT old_segments, new_segments, accounts FROM segmentation.segment_changes WHERE version = 3 AND change = 'merged'")
        assert len(merged) == 1 and set(merged[0][0]) == parts and merged[0][1] == [again[1499][0]] and merged[0][2] == 450
        # The merged segment is a new one: none of its parts is half of it, and the one that was split does not come back.
        assert again[1499][0] not in parts | {whole}
        assert value(c, "SELECT count(*) FROM segmentation.segment_names WHERE dissolved_in = 3") == 3
