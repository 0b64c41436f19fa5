"""(a) account_profile over 5 million trades of 50,000 accounts, with float8 and with numeric amounts.

Against a count and a sum (at most 3 times as long), and against plain SQL for the same features (at most half as long).
Ours against plain SQL includes feature_vector, so that both end with the same numbers; that they do is checked first.
"""

import math
import pathlib

from measure import Query, check, connect, take_turns, verdict

AS_OF = "2024-07-01"
FEATURES = (
    "volume_usd trades average_trade_usd fee_bps instruments hhi entropy order_flow_imbalance maker_ratio hour_entropy "
    "weekend_share active_days tenure_days recency_days share_spot share_future share_perpetual share_option "
    "share_leveraged_token share_other"
).split()
PLAIN = (pathlib.Path(__file__).parent / "plain_features.sql").read_text()
COUNT = "SELECT account_id, count(*), sum(quantity*price) FROM {table} GROUP BY account_id"
AGGREGATE = """account_profile(trade(executed_at, quantity, price, side, instrument, fee_usd => fee_usd,
              is_maker => is_maker, underlying => underlying, kind => kind))"""
PROFILE = f"SELECT account_id, {AGGREGATE} AS profile FROM {{table}} GROUP BY account_id"
NAMES = ", ".join(f"'{name}'" for name in FEATURES)
VECTOR = f"""SELECT account_id, feature_vector({AGGREGATE}, ARRAY[{NAMES}], timestamptz '{AS_OF}') AS features
       FROM {{table}} GROUP BY account_id"""


def plain(table):
    return PLAIN.replace("{table}", table).replace("{as_of}", AS_OF)


def check_agreement(connection, table):
    """Our features and plain SQL's are the same numbers, up to the rounding of sums of float8."""
    ours = dict(connection.execute(VECTOR.format(table=table)).fetchall())
    theirs = {row[0]: row[1:] for row in connection.execute(plain(table)).fetchall()}
    check(ours.keys() == theirs.keys(), "plain SQL and the aggregate give different accounts")
    for account, row in theirs.items():
        for name, a, b in zip(FEATURES, ours[account], row, strict=True):
            same = a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-7)
            check(same, f"{name} of account {account} is {a!r} here and {b!r} in plain SQL")
    print(f"  {table}: {len(FEATURES)} features of {len(ours)} accounts agree with plain SQL")


def main():
    connection = connect()
    for table in ("trades_float8", "trades_numeric"):
        rows, accounts = connection.execute(f"SELECT count(*), count(DISTINCT account_id) FROM {table}").fetchone()
        check((rows, accounts) == (5_000_000, 50_000), f"{table} holds {rows} trades of {accounts} accounts")
    print("commands, where {table} is trades_float8 or trades_numeric; plain SQL is benches/plain_features.sql:")
    print(f"  count and sum    {COUNT}\n  profile          {PROFILE}\n  profile+features {VECTOR}")
    for table in ("trades_float8", "trades_numeric"):
        check_agreement(connection, table)
        for workers in (0, 2):
            connection.execute(f"SET max_parallel_workers_per_gather = {workers}")
            kind = table.removeprefix("trades_") + (", serial" if workers == 0 else f", {workers} workers")
            print(f"{kind}:")
            rivals = {
                "count and sum": Query(connection, COUNT.format(table=table)),
                "profile": Query(connection, PROFILE.format(table=table)),
                "profile+features": Query(connection, VECTOR.format(table=table)),
                "plain SQL": Query(connection, plain(table)),
            }
            median = take_turns(rivals)
            for name in ("count and sum", "profile"):
                plan = rivals[name].plan()
                print(f"  plan of {name}: {plan}")
                check(("Workers Launched: 2" in plan) == (workers == 2), f"{name} ran with another number of workers")
            verdict("a", f"{kind}: profile / count and sum", median["profile"] / median["count and sum"], 3)
            verdict("a", f"{kind}: profile+features / plain SQL", median["profile+features"] / median["plain SQL"], 0.5)


if __name__ == "__main__":
    main()
