"""(c) segment_of(key), 200,000 calls in one query, against a hand-written SQL function: at most a third of its time.

For information: the same look-up in PL/pgSQL, as a subquery, and as a join, which does all look-ups at once.
"""

from measure import Query, check, connect, take_turns, verdict

BODY = "SELECT segment FROM bench_segments WHERE account = $1"
SQL_FUNCTION = f"CREATE OR REPLACE FUNCTION looked_up(bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS '{BODY}'"
PLPGSQL_FUNCTION = (
    "CREATE OR REPLACE FUNCTION looked_up_plpgsql(bigint) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE "
    f"AS 'BEGIN RETURN ({BODY}); END'"
)
RIVALS = {
    "segment_of": "SELECT account_id, segment_of(account_id, 'bench') AS segment FROM callers",
    "SQL function": "SELECT account_id, looked_up(account_id) AS segment FROM callers",
    "PL/pgSQL function": "SELECT account_id, looked_up_plpgsql(account_id) AS segment FROM callers",
    "subquery": "SELECT account_id, (SELECT segment FROM bench_segments s WHERE s.account = c.account_id) AS segment FROM callers c",
    "join": "SELECT c.account_id, s.segment FROM callers c LEFT JOIN bench_segments s ON s.account = c.account_id",
}


def main():
    connection = connect()
    connection.execute("SET max_parallel_workers_per_gather = 0")
    connection.execute(SQL_FUNCTION)
    connection.execute(PLPGSQL_FUNCTION)
    print(f"commands (serial):\n  {SQL_FUNCTION}\n  {PLPGSQL_FUNCTION}")
    for name, sql in RIVALS.items():
        print(f"  {name:18} {sql}")
    expected = connection.execute(f"SELECT count(*), count(segment) FROM ({RIVALS['join']}) AS q").fetchone()
    check(expected == (200_000, 200_000), f"the table of segments has {expected[1]} of {expected[0]} accounts")
    for name, sql in RIVALS.items():
        wrong = connection.execute(
            f"SELECT count(*) FROM ({sql}) a JOIN bench_segments s ON s.account = a.account_id WHERE a.segment IS DISTINCT FROM s.segment"
        ).fetchone()[0]
        check(wrong == 0, f"{name} is wrong for {wrong} accounts")
    median = take_turns({name: Query(connection, sql) for name, sql in RIVALS.items()})
    ours = median["segment_of"]
    verdict("c", "segment_of / SQL function", ours / median["SQL function"], 1 / 3)
    for name in ("PL/pgSQL function", "subquery", "join"):
        verdict("c", f"segment_of / {name}", ours / median[name], None)


if __name__ == "__main__":
    main()
