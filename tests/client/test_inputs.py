"""What happens to every value in every argument of trade(...) and account_snapshot(...): one written rule each, the whole product tested.

`python tests/client/test_inputs.py` prints the rules as the table of docs/features.md.
"""

import math

import fills
import numpy as np
import oracle
import psycopg
import pytest
from harness import Database, rows, value
from returns import of_equity, of_snapshots
from random_rows import AS_OF, DAY, SNAPSHOT, START, TRADE, call_of, instant, load, random_fill

# ---- the rules
#
# counted      the row counts, and the value with it
# missing      the row counts as if the argument were NULL
# rejected     the row counts in rejected_trades() and in nothing else
# notional     rejected where the notional is then beyond 1e20 USD, unpriced (a trade without volume) where it is then unknown, else counted
# 22003 ...    an error with this SQLSTATE, raised where the value is made, before any profile sees it

NUMBERS = {
    # value: (quantity, what a notional is made of, notional_usd, other amounts in USD, flow_usd, other numbers)
    "NULL": ("notional", "notional", "notional", "missing", "missing", "missing"),
    "NaN": ("rejected",) * 6,
    "infinity": ("rejected",) * 6,
    "-infinity": ("rejected",) * 6,
    "-1": ("rejected", "counted", "counted", "counted", "counted", "counted"),
    "-0": ("counted",) * 6,
    "0": ("counted",) * 6,
    "5e-324": ("counted",) * 6,
    "-5e-324": ("rejected", "counted", "counted", "counted", "counted", "counted"),
    "1e-9": ("counted",) * 6,
    "1e11": ("notional", "notional", "counted", "counted", "counted", "counted"),
    "-100000000001": ("rejected", "notional", "counted", "counted", "rejected", "counted"),
    "1e20": ("notional", "notional", "counted", "counted", "rejected", "counted"),
    "1.0000000000000002e20": ("notional", "notional", "rejected", "rejected", "rejected", "counted"),
    "-1.0000000000000002e20": ("rejected", "notional", "rejected", "rejected", "rejected", "counted"),
    "1e154": ("notional", "notional", "rejected", "rejected", "rejected", "counted"),
    "1e308": ("notional", "notional", "rejected", "rejected", "rejected", "counted"),
    "-1e308": ("rejected", "notional", "rejected", "rejected", "rejected", "counted"),
}
# A numeric goes as it is into the numeric form of trade(...), and through PostgreSQL's own cast into a float8.
NUMERICS = {
    # value: (quantity, price and quote_usd, notional_usd and fee_usd, an argument of type float8)
    "'NaN'": ("rejected", "rejected", "rejected", "rejected"),
    "'1e400'": ("rejected", "rejected", "rejected", "22003"),
    "'-1e400'": ("rejected", "rejected", "rejected", "22003"),
    "'1e-400'": ("counted", "counted", "counted", "22003"),
    "repeat('9', 1000)": ("rejected", "rejected", "rejected", "22003"),
    "'-' || repeat('9', 1000)": ("rejected", "rejected", "rejected", "22003"),
    "'0.' || repeat('3', 1000)": ("counted", "counted", "counted", "counted"),
    "'7.' || repeat('0', 999) || '1'": ("counted", "counted", "counted", "counted"),
}
TIMES = {
    # value: (executed_at and taken_at, expiry)
    "NULL": ("rejected", "missing"),
    "infinity": ("rejected", "missing"),
    "-infinity": ("rejected", "missing"),
    "4714-11-24 00:00:00+00 BC": ("counted", "counted"),
    "1969-12-31 23:59:59.999999+00": ("counted", "counted"),
    "294276-12-31 23:59:59.999999+00": ("counted", "counted"),
}
TEXTS = {
    # value: (side, option_type, kind, other texts)
    "NULL": ("missing", "missing", "missing", "missing"),
    "''": ("22023", "22023", "counted", "counted"),
    "'rubbish'": ("22023", "22023", "counted", "counted"),
    "'NaN'": ("22023", "22023", "counted", "counted"),
    "repeat('x', 100000)": ("22023", "22023", "counted", "counted"),
    "repeat('é', 513)": ("22023", "22023", "counted", "counted"),
    "E'a\\tb\\n''\\\\\"'": ("22023", "22023", "counted", "counted"),
}
BOOLEANS = {"NULL": ("missing",), "true": ("counted",), "false": ("counted",)}

END = AS_OF - AS_OF % DAY  # 2024-08-01, the as_of of Judge.of

FACTORS = ("price", "quote_usd", "contract_size", "underlying_price")
NUMERIC_FORM = ("quantity", "price", "quote_usd", "notional_usd", "fee_usd")


def number_class(argument):
    if argument == "quantity":
        return 0
    if argument in FACTORS:
        return 1
    money = ("notional_usd", "other", "flow_usd")
    return 2 + money.index(argument if argument in money else "other") if argument in (*fills.MONEY, *fills.SNAPSHOT_MONEY) else 5


def numeric_class(argument):
    return 0 if argument == "quantity" else 1 if argument in FACTORS[:2] else 2 if argument in NUMERIC_FORM else 3


def text_class(argument):
    return {"side": 0, "option_type": 1, "kind": 2}.get(argument, 3)


def product(columns):
    """Every argument with every value of its type: (argument, value as an SQL expression, rule)."""
    for argument, kind in columns.items():
        if kind == "float8":
            for v, rules in NUMBERS.items():
                yield argument, "NULL::float8" if v == "NULL" else f"'{v}'::float8", rules[number_class(argument)]
            for v, rules in NUMERICS.items():
                yield argument, f"({v})::numeric", rules[numeric_class(argument) if columns is TRADE else 3]
        elif kind == "timestamptz":
            for v, rules in TIMES.items():
                yield argument, "NULL::timestamptz" if v == "NULL" else f"'{v}'::timestamptz", rules[argument == "expiry"]
        elif kind == "text":
            for v, rules in TEXTS.items():
                yield argument, f"({v})::text", rules[text_class(argument)]
        else:
            for v, rules in BOOLEANS.items():
                yield argument, f"{v}::boolean", rules[0]


# ---- the rows that a value is put into


def base_fills():
    """One fill of every kind with every input that it can have, an option with its notional given, and one without most inputs."""
    rng = np.random.default_rng(7)
    at = AS_OF - 10 * DAY
    out = {}
    for kind in ("spot", "option", "perpetual", "leveraged_token"):
        f = random_fill(rng, at, [kind], ("notional_usd", "combo_id", "is_self_trade", "is_liquidation", "realised_pnl_usd"), 0)
        out[kind] = f | {"realised_pnl_usd": -12.5, "is_liquidation": True, "is_self_trade": False, "combo_id": "c"}
    out["option"] |= {"implied_volatility": 0.6, "inverse": True, "side": "sell"}
    out["spot"].setdefault("quote_usd", 1.0)
    out["given"] = out["option"] | {"notional_usd": 5000.0}
    out["bare"] = {"executed_at": at, "quantity": 2.0, "price": 50.0}
    return out


def good_rows():
    """Twelve good fills and forty good days of snapshots."""
    rng = np.random.default_rng(11)
    kinds = ["spot", "option", "perpetual", "leveraged_token", "future", "option"]
    good = [random_fill(rng, AS_OF - (40 - 3 * i) * DAY - 7 * i, [kinds[i % 6]], ("is_self_trade",), 0) for i in range(12)]
    days = [
        {name: round(float(rng.uniform(0.5, 2)) * (1e3 if name.endswith("usd") else 0.01), 2 if name.endswith("usd") else 6) for name in SNAPSHOT} | {"taken_at": START + (170 + i) * DAY + 5}
        for i in range(40)
    ]
    return good, days


@pytest.fixture(scope="module")
def world():
    """A database with the good rows."""
    good, days = good_rows()
    database = Database()
    with database.connect() as c:
        load(c, "good", TRADE, {"a": good})
        load(c, "good_x", SNAPSHOT, {"a": days})
        c.execute(f"CREATE TABLE good_v AS SELECT {call_of('trade', TRADE)} AS v FROM good")
        c.execute(f"CREATE TABLE good_xv AS SELECT {call_of('account_snapshot', SNAPSHOT)} AS v FROM good_x")
    yield database, days
    database.drop()


def literal(v):
    if isinstance(v, bool):
        return str(v).lower()
    return f"'{v}'" if isinstance(v, str) else repr(v)


def arguments(columns, row, argument, expression):
    """The call with one argument replaced. Numeric amounts take the numeric form: all five of them then are numeric."""
    form = columns is TRADE and argument in NUMERIC_FORM and expression.endswith("::numeric")
    out = []
    for name, kind in columns.items():
        if name == argument:
            out.append(f"{name} => {expression}")
        elif row.get(name) is not None or name in ("executed_at", "quantity", "price", "taken_at", "equity_usd"):
            v = row.get(name)
            text = "NULL" if v is None else f"'{instant(v).isoformat()}'" if kind == "timestamptz" else literal(v)
            out.append(f"{name} => {text}::{'numeric' if form and name in NUMERIC_FORM else kind}")
    return ", ".join(out)


class Judge:
    """Profiles of the good rows with one more, and what became of it."""

    def __init__(self, connection, function, columns, good):
        self.connection, self.function, self.columns, self.good = connection, function, columns, good
        self.names = [n for (n,) in rows(connection, 'SELECT feature FROM segmentation.features ORDER BY feature COLLATE "C"')]
        self.without = self.of(None)
        self.compared = set()
        # A profile keeps days of equity in cents, and returns of the market in units of 1e-6.
        self.rounded = set(of_equity([], None, None)) - set(of_snapshots([], None))
        self.needing = {}
        for name, needs in rows(connection, "SELECT feature, needs FROM segmentation.features"):
            for need in needs:
                self.needing.setdefault(need.removeprefix("snapshot."), []).append(name)
        self.needing["implied_volatility"] = ["vega_sold", "long_vol", "moneyness_standardised"]
        for factor in (*FACTORS, "inverse", "notional_usd"):
            self.needing.setdefault(factor, []).extend(("volume_usd", "max_trade_usd", "hhi"))

    def of(self, call):
        """(rejected, features without as_of, features at as_of) of the good rows and the call."""
        union = f"SELECT v FROM {self.good}" + (f" UNION ALL SELECT {self.function}({call})" if call else "")
        query = f"""SELECT rejected_trades(p), feature_vector(p, %s), feature_vector(p, %s, '2024-08-01+00'), rejected_trades(p + p),
                    p::text::segmentation.account_profile::text = p::text FROM (SELECT account_profile(v) AS p FROM ({union}) AS u) AS s"""
        return self.connection.execute(query, (self.names, self.names)).fetchone()

    def feature(self, result, name):
        return result[1][self.names.index(name)]

    def judge(self, row, argument, expression, rule):
        """None, or what is wrong."""
        try:
            got = self.of(arguments(self.columns, row, argument, expression))
        except psycopg.Error as e:
            return None if e.sqlstate == rule else f"error {e.sqlstate} ({e}), not {rule}"
        if len(rule) == 5 and rule.isdigit():
            return f"no error {rule}"
        if not got[4]:
            return "its text is another profile"
        bad = [n for vector in got[1:3] for n, v in zip(self.names, vector) if v is not None and not math.isfinite(v)]
        if bad:
            return f"not finite: {bad}"
        return self.outcome(row, argument, expression, rule, got)

    def value_of(self, expression):
        """The value as a row of the oracle has it; None for instants, and for what is so large or so small that it
        is only a matter of rounding."""
        if "timestamptz" in expression or expression.startswith("NULL"):
            return None
        v = value(self.connection, f"SELECT {expression}")
        if isinstance(v, bool | str):
            return v
        return float(v) if math.isfinite(v) and (v == 0 or 1e-3 <= abs(v) <= 1e6) else None

    def compare(self, got, row, argument, expression, trades, snapshots):
        """Where the features that need the argument are not those of the oracle, over the good rows and this one."""
        v = self.value_of(expression)
        if v is None:
            return None
        if argument.startswith("underlying_return"):
            v = float(np.float32(v))  # as a profile keeps them
        row, wrong = row | {argument: v}, []
        mine, theirs = ([row], []) if self.columns is TRADE else ([], [row])
        expected = oracle.features([*trades, *mine], [*snapshots, *theirs], END)
        for name in self.needing.get(argument, ()):
            ours, about = got[2][self.names.index(name)], expected.get(name)
            self.compared.add((argument, name))
            if (ours is None) != (about is None) or about is not None and not about.agrees(ours, 1e5 if name in self.rounded else 1):
                wrong.append(f"{name} is {ours}, not {about}")
        return "; ".join(wrong) or None

    def outcome(self, row, argument, expression, rule, got):
        if rule == "rejected":
            return None if got[0] == 1 and got[3] == 2 and got[1:3] == self.without[1:3] else f"rejected {got[0]}, or it changed a feature"
        if got[0] != 0:
            return f"rejected, not {rule}"
        if rule == "missing":
            absent = self.of(arguments(self.columns, {k: v for k, v in row.items() if k != argument}, None, None))
            return None if got[1:3] == absent[1:3] else "not as if it were missing"
        return None


def expected_of(row, argument, expression, rule):
    """The rule "notional" decided by arithmetic, for one row: counted, unpriced or rejected."""
    if argument == "leverage" and rule == "counted" and expression.strip("('").startswith("-") and "-0'" not in expression and "e-" not in expression:
        return "missing"  # there is no leverage below 0
    if rule != "notional":
        return rule
    number = expression.split("::")[0].strip("'()")
    n = fills.notional(row | {argument: None if number == "NULL" else float(number)})
    return "unpriced" if n is None else "rejected" if n > fills.LIMIT else "counted"


@pytest.mark.parametrize("base", base_fills())
def test_every_value_in_every_argument_of_a_trade(world, base):
    database, _ = world
    row, wrong, done = base_fills()[base], [], 0
    good, _ = good_rows()
    with database.connect() as c:
        judge = Judge(c, "trade", TRADE, "good_v")
        whole = judge.of(arguments(TRADE, row, None, None))
        unread = {}
        for name, needs in rows(c, "SELECT feature, needs FROM segmentation.features"):
            for argument in set(fills.NUMBERS) - set(needs) - {"quantity", "notional_usd", "strike", "implied_volatility", *FACTORS}:
                unread.setdefault(argument, []).append(name)
        for argument, expression, rule in product(TRADE):
            expected = expected_of(row, argument, expression, rule)
            done += 1
            fault = judge.judge(row, argument, expression, "counted" if expected == "unpriced" else expected)
            if not fault and expected in ("counted", "unpriced"):
                got = judge.of(arguments(TRADE, row, argument, expression))
                if judge.feature(got, "trades") != 13:
                    fault = f"{judge.feature(got, 'trades')} trades"
                volume = judge.feature(got, "volume_usd")
                if expected == "unpriced" and volume != judge.feature(judge.without, "volume_usd"):
                    fault = "unpriced, but it has a volume"
                changed = [n for n in unread.get(argument, ()) if judge.feature(got, n) != judge.feature(whole, n)]
                if changed:
                    fault = f"it changes {changed}, which do not need it"
                fault = fault or judge.compare(got, row, argument, expression, good, ())
            if fault:
                wrong.append(f"{argument} => {expression}: {fault}; the rule says {expected}")
    assert done > 42 * 3 and not wrong, f"{len(wrong)} of {done}:\n" + "\n".join(wrong)
    # Every argument that a feature needs has had its values compared, but for the instants, for two whose values here are all errors, and
    # for trade_id, which nothing reads.
    assert {argument for argument, _ in judge.compared} >= set(TRADE) - {"executed_at", "expiry", "side", "option_type", "trade_id"}


def test_every_value_in_every_argument_of_a_snapshot(world):
    database, days = world
    row, wrong, done = days[20] | {"taken_at": days[20]["taken_at"] + 7 * fills.HOUR}, [], 0
    with database.connect() as c:
        judge = Judge(c, "account_snapshot", SNAPSHOT, "good_xv")
        for argument, expression, rule in product(SNAPSHOT):
            done += 1
            fault = judge.judge(row, argument, expression, rule)
            if not fault and rule == "counted":
                got = judge.of(arguments(SNAPSHOT, row, argument, expression))
                fault = judge.compare(got, row, argument, expression, (), days)
            if fault:
                wrong.append(f"{argument} => {expression}: {fault}; the rule says {rule}")
    assert done > 13 * 3 and not wrong, f"{len(wrong)} of {done}:\n" + "\n".join(wrong)
    assert {argument for argument, _ in judge.compared} >= set(SNAPSHOT) - {"taken_at", "flow_usd"}


def test_duplicates_count_as_given(world):
    """The unique key of the trade table is its owner's business: the same trade id twice is two trades."""
    database, days = world
    with database.connect() as c:
        for base, row in base_fills().items():
            call = arguments(TRADE, row | {"trade_id": "same"}, None, None)
            once, twice = (
                value(
                    c,
                    f"SELECT feature_vector(account_profile(t), ARRAY['trades', 'volume_usd', 'fee_usd']) FROM (SELECT trade({call}) AS t FROM generate_series(1, {n})) AS s",
                )
                for n in (1, 2)
            )
            assert twice[0] == 2 and twice[1] == 2 * once[1] and (once[2] is None or twice[2] == 2 * once[2]), (base, once, twice)
        call = arguments(SNAPSHOT, days[0], None, None)
        assert value(
            c, f"SELECT feature(account_profile(t), 'funding_usd') FROM (SELECT account_snapshot({call}) AS t FROM generate_series(1, 2)) AS s"
        ) == pytest.approx(2 * days[0]["funding_usd"], rel=1e-12)


def test_null_rows_and_no_rows(world):
    database, _ = world
    with database.connect() as c:
        for kind in ("trade", "account_snapshot"):
            assert value(c, f"SELECT account_profile(NULL::segmentation.{kind}) IS NULL")
            assert value(c, f"SELECT account_profile(v) IS NULL FROM (SELECT NULL::segmentation.{kind} AS v WHERE false) AS s")
        only_rejected = "account_profile(trade('2024-01-01+00', -1::float8, 1::float8))"
        assert value(c, f"SELECT rejected_trades({only_rejected})") == 1
        assert {r for (r,) in rows(c, f"SELECT f.value FROM (SELECT {only_rejected} AS p) AS s, features(s.p, '2024-02-01+00') AS f")} == {None}


def tables():
    """The rules as Markdown."""
    heads = {
        "number (float8)": (
            NUMBERS,
            ("`quantity`", ", ".join(f"`{f}`" for f in FACTORS), "`notional_usd`", "other amounts in USD", "`flow_usd`", "other numbers"),
        ),
        "number (numeric)": (NUMERICS, ("`quantity`", "`price`, `quote_usd`", "`notional_usd`, `fee_usd`", "an argument of type float8")),
        "instant": (TIMES, ("`executed_at`, `taken_at`", "`expiry`")),
        "text": (TEXTS, ("`side`", "`option_type`", "`kind`", "other texts")),
        "boolean": (BOOLEANS, ("all",)),
    }
    for title, (rules, columns) in heads.items():
        yield "| " + " | ".join((title, *columns)) + " |"
        yield "|" + " --- |" * (len(columns) + 1)
        for v, outcomes in rules.items():
            yield "| " + " | ".join((f"`{v}`", *(f"error {o}" if o.isdigit() else o for o in outcomes))) + " |"
        yield ""


if __name__ == "__main__":
    print("\n".join(tables()))
