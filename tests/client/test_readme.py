"""The README's table of column names is what create_segmentation finds, name by name."""

import re

from harness import ROOT, rows

TYPES = {"number": "float8", "boolean": "boolean", "text": "text", "integer": "bigint", "timestamptz": "timestamptz"}


def table():
    """(input, first names, other names, type of column) of every row."""
    text = (ROOT / "README.md").read_text()
    lines = text[text.index("| input | first | then | type |") :].split("\n\n", 1)[0].splitlines()[2:]
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = re.match(r"`(\w+)`", cells[0])[1]
        names = [[n for n in cell.split(", ") if n] for cell in cells[1:3]]
        yield name, names[0], names[1], TYPES[re.match(r"\w+", cells[3])[0]]


def test_every_name_is_found(db):
    inputs = list(table())
    with db.connect() as c:
        for name, first, others, kind in inputs:
            for column in first + others:
                needed = {"account": "account bigint", "executed_at": "executed_at timestamptz"}
                needed.pop(name, None)
                c.execute(f"CREATE TABLE t ({', '.join(needed.values())}, {column} {kind})")
                found = rows(c, "SELECT object, source FROM create_segmentation('s', 't') WHERE item = 'column' AND status = 'mapped'")
                expected = {(n, n) for n in needed} | {(name, column)}
                assert set(found) == expected, (name, column, found)
                c.execute("SELECT drop_segmentation('s')")
                c.execute("DROP TABLE t")
            if others:
                # Both at once: the first name wins.
                needed = {"account": "account bigint", "executed_at": "executed_at timestamptz"}
                needed.pop(name, None)
                c.execute(f"CREATE TABLE t ({', '.join(needed.values())}, {others[0]} {kind}, {first[0]} {kind})")
                source = "SELECT source FROM create_segmentation('s', 't') WHERE item = 'column' AND object = %s"
                assert rows(c, source, name) == [(first[0],)]
                c.execute("SELECT drop_segmentation('s')")
                c.execute("DROP TABLE t")


def test_every_input_is_in_the_table(db):
    with db.connect() as c:
        c.execute("CREATE TABLE t (account bigint, executed_at timestamptz)")
        reported = {r[0] for r in rows(c, "SELECT object FROM create_segmentation('s', 't') WHERE item = 'column'")}
    assert reported == {name for name, *_ in table()}
