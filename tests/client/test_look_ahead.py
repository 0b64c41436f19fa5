"""Rows at or after as_of replaced by poison change nothing: not a feature, not a model, not an answer."""

import pytest
from harness import Database, rows, value

AS_OF = "2024-01-29 00:00:00+00"
SIZE = "accounts => 40, days => 40"
TABLES = {
    "trades": (f"simulate_trades({SIZE})", "executed_at"),
    "equity": (f"simulate_snapshots({SIZE})", "taken_at"),
    "quotes": (f"simulate_quotes({SIZE})", "quoted_at"),
    "prices": ("simulate_prices(days => 40)", "priced_at"),
}
INSTANTS = (AS_OF, "2024-01-29 00:00:00.000001+00", "2024-02-03 12:00:00+00", "2099-01-01+00", "infinity")
NUMBERS = ("'NaN'", "'infinity'", "'-infinity'", "1e308", "-1e308", "5e-324", "1e19", "-7")
SNAPSHOTS = ", ".join(
    f"{c} => {c}"
    for c in ("taken_at", "equity_usd", "flow_usd", "initial_margin_usd", "maintenance_margin_usd", "gross_notional_usd", "delta_usd",
              "gross_delta_usd", "net_delta_usd", "liquidation_distance", "funding_usd")
)  # fmt: skip
TRADES = ", ".join(
    f"{c} => {c}"
    for c in ("executed_at", "quantity", "price", "side", "instrument", "notional_usd", "fee_usd", "is_maker", "order_id", "counterparty",
              "underlying", "kind", "venue", "collateral", "contract_size", "inverse", "strike", "expiry", "option_type", "underlying_price",
              "implied_volatility", "token_factor", "leverage", "realised_pnl_usd", "is_liquidation", "order_type", "combo_id")
)  # fmt: skip


def poison(connection, table, time):
    """Every row from as_of on gets other numbers and names, and more such rows come to every account, instrument or underlying."""
    columns = rows(
        connection,
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        table,
    )
    key = columns[0][0] if table != "trades" else "account_id"
    garbage = {
        "double precision": f"(ARRAY[{', '.join(NUMBERS)}]::float8[])[1 + (hashtext(t::text) & 7)]",
        "text": "'poison ' || hashtext(t::text)",
        "boolean": "hashtext(t::text) % 2 = 0",
        "bigint": "hashint8(1)::bigint",
    }
    allowed = {"side": "'sell'", "option_type": "'put'", "kind": "'leveraged_token'"}
    changed = {c: allowed.get(c, garbage[kind]) for c, kind in columns if kind in garbage and c != key and c != "trade_id"}
    connection.execute(f"UPDATE {table} AS t SET {', '.join(f'{c} = {v}' for c, v in changed.items())} WHERE {time} >= '{AS_OF}'")
    kept = [c for c, _ in columns if c not in changed and c not in (key, time)]
    for instant in INSTANTS:
        cells = [f"'{instant}'", *(f"t.{c}" for c in kept), *changed.values()]
        connection.execute(
            f"""INSERT INTO {table} ({', '.join((key, time, *kept, *changed))})
            SELECT {', '.join((f't.{key}', *cells))} FROM (SELECT DISTINCT ON ({key}) * FROM {table} WHERE {time} < '{AS_OF}' ORDER BY {key}, {time}) AS t"""
        )


def make(database, variant):
    """The simulated venue: whole, cut off at as_of, or poisoned from as_of on."""
    with database.connect() as c:
        for table, (function, time) in TABLES.items():
            c.execute(f"CREATE TABLE {table} AS SELECT * FROM {function}")
            if table == "trades":
                c.execute("ALTER TABLE trades DROP archetype")
            if table == "quotes":
                c.execute("CREATE INDEX ON quotes (instrument, quoted_at)")
            if variant == "cut":
                c.execute(f"DELETE FROM {table} WHERE {time} >= '{AS_OF}'")
            elif variant == "poisoned":
                poison(c, table, time)


@pytest.fixture(scope="module")
def worlds():
    databases = {variant: Database() for variant in ("whole", "cut", "poisoned")}
    for variant, database in databases.items():
        make(database, variant)
    yield databases
    for database in databases.values():
        database.drop()


def same(worlds, ask):
    """What ask(connection) answers in all three worlds, which must be the same."""
    answers = {}
    for variant, database in worlds.items():
        with database.connect() as c:
            answers[variant] = ask(c)
    for variant in ("cut", "poisoned"):
        if answers[variant] != answers["whole"]:
            first = next(((a, b) for a, b in zip(answers["whole"], answers[variant]) if a != b), None)
            raise AssertionError(f"{variant} differs from whole: {first if first else (len(answers['whole']), len(answers[variant]))}")
    return answers["whole"]


def test_the_poison_is_there(worlds):
    def count(variant, table, time):
        with worlds[variant].connect() as c:
            return value(c, f"SELECT count(*) FROM {table} WHERE {time} >= '{AS_OF}'")

    for table, (_, time) in TABLES.items():
        assert count("cut", table, time) == 0
        assert count("poisoned", table, time) > count("whole", table, time) > 0


def test_profiles_of_the_rows_before(worlds):
    """As SQL users write it: a WHERE on the time, and features at that instant."""
    ask = f"""SELECT account_id, f.* FROM (
            SELECT account_id, t.p + s.p AS p
            FROM (SELECT account_id, account_profile(trade({TRADES})) AS p FROM trades WHERE executed_at < '{AS_OF}' GROUP BY account_id) AS t
            JOIN (SELECT account_id, account_profile(account_snapshot({SNAPSHOTS})) AS p FROM equity WHERE taken_at < '{AS_OF}' GROUP BY account_id) AS s
            USING (account_id)) AS q, features(q.p, '{AS_OF}') AS f ORDER BY account_id, f.feature"""
    assert len(same(worlds, lambda c: rows(c, ask))) > 1000


def test_small_profiles_of_all_rows(worlds):
    """A profile small enough to hold its rows leaves the later ones out by itself. A large one says that it cannot."""
    ask = f"""SELECT account_id, p.day, f.* FROM (
            SELECT account_id, executed_at::date - '2024-01-24'::date AS day, account_profile(trade({TRADES})) AS p FROM trades AS t
            WHERE executed_at >= '2024-01-24' AND executed_at < '{AS_OF}' GROUP BY 1, 2) AS p
        LEFT JOIN (SELECT account_id, account_profile(trade({TRADES})) AS later FROM trades WHERE executed_at >= '{AS_OF}' GROUP BY 1) AS l USING (account_id),
        features(CASE WHEN later IS NULL THEN p.p ELSE p.p + later END, '{AS_OF}') AS f ORDER BY 1, 2, 3"""
    answers = {}
    for variant, database in worlds.items():
        with database.connect() as c:
            answers[variant] = {r[:3]: r[3:] for r in rows(c, ask)}
    told = 0
    for key, expected in answers["cut"].items():
        for variant in ("whole", "poisoned"):
            got = answers[variant][key]
            if got[2] != "after_as_of":
                assert got == expected, (variant, key, got, expected)
                told += got[0] is not None
    assert told > 1000


def test_models_and_segments(worlds):
    def fit(c):
        if not value(c, "SELECT count(*) FROM segmentation.segmentations"):
            rows(c, "SELECT * FROM create_segmentation('clients', 'trades')")
        c.execute("SET client_min_messages = error")
        fitted = rows(
            c, "SELECT segment_id, segment, accounts, share, volume_share, description FROM fit_segmentation('clients', as_of => %s)", AS_OF
        )
        model = value(c, "SELECT segment_model('clients')::text")
        accounts = "SELECT DISTINCT account_id FROM trades"
        labels = rows(c, f"SELECT account_id, segment_of(account_id, 'clients', %s) FROM ({accounts}) AS a ORDER BY 1", AS_OF)
        return [*fitted, model, *labels]

    answer = same(worlds, fit)
    assert len([x for x in answer if len(x) == 2]) == 40


def test_sources(worlds):
    """With snapshots, quotes and prices joined in: the wide relation of features, the model, and the segments."""

    def ask(c):
        c.execute("SET client_min_messages = error")
        rows(c, "SELECT * FROM create_segmentation('sourced', 'trades', sources => '{\"snapshots\": \"equity\", \"quotes\": \"quotes\", \"prices\": \"prices\"}')")
        wide = rows(c, "SELECT to_jsonb(f)::text FROM segmentation_features('sourced', %s) AS f ORDER BY 1", AS_OF)
        rows(c, "SELECT * FROM fit_segmentation('sourced', as_of => %s)", AS_OF)
        labels = rows(
            c, "SELECT account_id, segment_of(account_id, 'sourced', %s) FROM (SELECT DISTINCT account_id FROM trades) AS a ORDER BY 1", AS_OF
        )
        return [*wide, value(c, "SELECT segment_model('sourced')::text"), *labels]

    assert len(same(worlds, ask)) >= 80
