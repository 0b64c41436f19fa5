"""(a) account_profile with every column that a feature reads, over the same 5 million trades of 50,000 accounts.

Against a count and a sum over the same table (at most 6 times as long), also where the table is partitioned by account;
with the memory of the aggregation an account; and the memory of 1,000,000 accounts of 10 trades each (at most 2 GiB).
"""

import re

from measure import Query, check, connect, take_turns, verdict

COUNT = "SELECT account_id, count(*), sum(quantity*price) FROM trades_all GROUP BY account_id"
INPUTS = (
    "notional_usd quote_usd fee_usd is_maker trade_id order_id counterparty underlying kind venue collateral contract_size "
    "inverse strike expiry option_type underlying_price implied_volatility token_factor leverage realised_pnl_usd "
    "is_liquidation order_type combo_id mid mid_1m mid_5m underlying_return_1d mid_1s mid_10s mid_1h underlying_return_1h "
    "underlying_return_7d own_flow_usd others_flow_usd is_toxic is_self_trade implied_volatility_1m implied_volatility_5m "
    "underlying_price_1m underlying_price_5m margin_mode"
).split()
ABSENT = ("notional_usd", "quote_usd", "trade_id")
AGGREGATE = f"""account_profile(trade(executed_at, quantity, price, side, instrument,
              {', '.join('NULL' if i in ABSENT else i for i in INPUTS)}))"""
PROFILE = f"SELECT account_id, {AGGREGATE} AS profile FROM trades_all GROUP BY account_id"
TEN_EACH = f"""SELECT n % 1000000, {AGGREGATE} AS profile
       FROM (SELECT *, row_number() OVER () AS n FROM trades_all, generate_series(1, 2)) AS t GROUP BY 1"""


# What a venue with many accounts does: then each process makes whole profiles, and none is put together by one.
PARTITIONS = 8


def partition(connection):
    connection.execute("CREATE TABLE trades_by_account (LIKE trades_all) PARTITION BY HASH (account_id)")
    for i in range(PARTITIONS):
        connection.execute(
            f"CREATE TABLE trades_by_account_{i} PARTITION OF trades_by_account FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {i})"
        )
    connection.execute("INSERT INTO trades_by_account SELECT * FROM trades_all")
    connection.execute("VACUUM (ANALYZE, FREEZE) trades_by_account")
    connection.execute("SET enable_partitionwise_aggregate = on")


def memory_kb(connection, sql):
    text = "\n".join(r[0] for r in connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {sql}").fetchall())
    found = re.search(r"Batches: (\d+)  Memory Usage: (\d+)kB", text)
    check(found and found[1] == "1", f"the aggregation did not stay in memory:\n{text}")
    return int(found[2])


def main():
    connection = connect()
    connection.execute("SET work_mem = '3GB'")
    print(f"commands:\n  count and sum  {COUNT}\n  profile        {PROFILE}")
    partition(connection)
    for workers, table, kind in (
        (0, "trades_all", "serial"),
        (2, "trades_all", "2 workers"),
        (2, "trades_by_account", f"2 workers, {PARTITIONS} partitions by account"),
    ):
        connection.execute(f"SET max_parallel_workers_per_gather = {workers}")
        print(f"all columns, {kind}:")
        rivals = {
            name: Query(connection, sql.replace("trades_all", table))
            for name, sql in (("count and sum", COUNT), ("profile", PROFILE))
        }
        median = take_turns(rivals)
        verdict("a", f"all columns, {kind}: profile / count and sum", median["profile"] / median["count and sum"], 6)
    connection.execute("DROP TABLE trades_by_account")
    connection.execute("SET max_parallel_workers_per_gather = 0")
    kb = memory_kb(connection, PROFILE)
    print(f"memory of the aggregation: {kb / 1024:.0f} MiB, {kb * 1024 / 50_000:.0f} bytes an account of 100 trades")
    kb = memory_kb(connection, TEN_EACH)
    print(f"1,000,000 accounts of 10 trades: {kb / 1048576:.2f} GiB, {kb * 1024 / 1_000_000:.0f} bytes an account")
    verdict("a", "all columns: memory of 1,000,000 accounts of 10 trades, of 2 GiB", kb / 2097152, 1)
    size = connection.execute(f"SELECT avg(pg_column_size(profile)), max(pg_column_size(profile)) FROM ({PROFILE}) AS p")
    print("stored profile: {:.0f} bytes on average, {} at most".format(*size.fetchone()))


if __name__ == "__main__":
    main()
