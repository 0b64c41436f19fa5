"""(d) assign_segment(vector, model), 200,000 vectors of 20 features and 8 segments, against plain SQL for the nearest
centroid: at least 10 times as fast, which is a ratio of at most 0.1.

Two rivals. The expression a person writes: squared distances by unnest, over a table of centroids. And the fastest one
known: a statement generated for the model, with every centroid written out as constants, over features that are columns
rather than an array; |x - c|^2 is reduced to the part that differs between centroids, so a term is one product.
"""

from measure import Query, check, connect, take_turns, verdict

OURS = "SELECT account_id, assign_segment(vector, (SELECT segment_model('bench'))) AS segment FROM vectors"
BY_NAME = "SELECT account_id, assign_segment(vector, 'bench') AS segment FROM vectors"
UNNEST = """SELECT account_id, (SELECT segment FROM centroids
         ORDER BY (SELECT sum((x - y) * (x - y)) FROM unnest(vector, centre) AS t (x, y)) LIMIT 1) AS segment FROM vectors"""


def unrolled(connection):
    """argmax of x.c - |c|^2 / 2 is the nearest centroid; CASE finds which of the eight scores is the greatest."""
    scores, names = [], []
    for place, segment, centre in connection.execute("SELECT place, segment, centre FROM centroids ORDER BY place"):
        terms = " + ".join(f"f{i + 1} * {c!r}::float8" for i, c in enumerate(centre))
        scores.append(f"{terms} - {sum(c * c for c in centre) / 2!r}::float8 AS s{place}")
        names.append((place, segment.replace("'", "''")))
    choice = " ".join(f"WHEN s{place} THEN '{name}'" for place, name in names)
    best = "greatest(" + ", ".join(f"s{place}" for place, _ in names) + ")"
    inner = f"SELECT account_id, {', '.join(scores)} FROM features OFFSET 0"
    return f"SELECT account_id, CASE {best} {choice} END AS segment FROM ({inner}) AS t"


def main():
    connection = connect()
    connection.execute("SET max_parallel_workers_per_gather = 0")
    model = "segment_model('bench')::text::jsonb"
    sampled, rows, pca = connection.execute(
        f"SELECT {model} #> '{{provenance,sampled_from}}', {model} #> '{{provenance,rows}}', {model} #> '{{preparation,pca}}'"
    ).fetchone()
    check((sampled, rows, pca) == (None, 200_000, None), f"the model has sampled_from {sampled}, rows {rows}, pca {pca}")
    rivals = {
        "assign_segment": OURS,
        "assign_segment by name": BY_NAME,
        "plain SQL": UNNEST,
        "unrolled SQL": unrolled(connection),
    }
    print("commands (serial); features are the same numbers as vector, in 20 columns:")
    for name, sql in rivals.items():
        print(f"  {name:22} {sql if len(sql) < 400 else sql[:250] + ' ... ' + sql[-250:]}")
    for name, sql in rivals.items():
        wrong = connection.execute(
            f"SELECT count(*) FROM ({sql}) AS a JOIN bench_segments s ON s.account = a.account_id WHERE a.segment IS DISTINCT FROM s.segment"
        ).fetchone()[0]
        check(wrong == 0, f"{name} differs from the fit's own segments for {wrong} of 200,000 vectors")
    median = take_turns({name: Query(connection, sql) for name, sql in rivals.items()})
    ours = median["assign_segment"]
    verdict("d", "assign_segment / plain SQL", ours / median["plain SQL"], 0.1)
    verdict("d", "assign_segment / unrolled SQL", ours / median["unrolled SQL"], 0.1)
    verdict("d", "assign_segment by name / assign_segment", median["assign_segment by name"] / ours, None)


if __name__ == "__main__":
    main()
