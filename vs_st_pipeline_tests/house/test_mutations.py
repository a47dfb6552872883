"""How rows of tables are changed for `python -m proof mutations`, and that what its list names is there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from proof import mutations
from proof.code import ROOT
from proof.mutants import BOUND, CONDITION, GONE, KINDS, ORDER, OUTCOME, mutants
from proof.mutated_tables import TABLES, Table
from proof.mutation_runs import dependents

SOURCE = """
LONG = 3
WORDS = frozenset({"a", "b"})
ROWS = (
    ("late", lambda it: it > LONG and it != 7),
    ("odd", lambda it: it % 2 == 1),
    ("odd", lambda it: it in (20, 40)),
)
OF = {"one": "a", "two": "b"}

def first(it):
    return next((says for says, fits in ROWS if fits(it)), None)

def classed(it):
    if it < 0:
        return "below"
    return "above"
"""


def ran(name: str, *tables: str, ordered: tuple[str, ...] = ("ROWS",)) -> dict[str, Any]:
    """Return the module's names after one change."""
    names: dict[str, Any] = {}
    [one] = [one for one in mutants(SOURCE, tables or ("ROWS",), ordered=ordered) if one.name == name]
    exec(one.code("<made up>"), names)
    return names


@pytest.mark.parametrize(
    ("change", "it", "says"),
    [
        ("ROWS late: gone", 5, "odd"),
        ("ROWS late: after the next one", 5, "odd"),
        ("ROWS late: 'late' -> 'odd'", 4, "odd"),
        ("ROWS late: it > LONG by GtE", 3, "late"),
        ("ROWS late: without it > LONG", 1, "late"),
        ("ROWS late: without it != 7", 7, "late"),
        ("ROWS late: 7 -> 8", 7, "late"),
        ("ROWS odd (2): it in (20, 40) without 20", 20, "late"),
        ("ROWS odd: it % 2 == 1 by NotEq", 2, "odd"),
    ],
)
def test_one_thing_of_one_row_is_another(change: str, it: int, says: str) -> None:
    assert ran(change)["first"](it) == says


@pytest.mark.parametrize(
    ("change", "table", "is_so"),
    [
        ("WORDS a: gone", "WORDS", lambda names: names["WORDS"] == {"b"}),
        ("OF one: gone", "OF", lambda names: names["OF"] == {"two": "b"}),
        ("OF one: 'a' -> 'b'", "OF", lambda names: names["OF"] == {"one": "b", "two": "b"}),
        ("LONG: 3 -> 4", "LONG", lambda names: names["LONG"] == 4),
        ("classed(): never it < 0", "classed", lambda names: names["classed"](-1) == "above"),
        ("classed(): it < 0 by LtE", "classed", lambda names: names["classed"](0) == "below"),
        ("classed(): return 'below' -> 'above'", "classed", lambda names: names["classed"](-1) == "above"),
    ],
)
def test_constants_and_branches_are_rows_too(change: str, table: str, is_so: Callable[[dict[str, Any]], bool]) -> None:
    assert is_so(ran(change, table))


def test_every_change_is_another_one_and_leaves_the_rest_as_it_was() -> None:
    names = ("ROWS", "WORDS", "OF", "LONG", "classed")
    made = mutants(SOURCE, names, ordered=("ROWS",))
    assert len({one.name for one in made}) == len(made)
    assert {one.kind for one in made} == set(KINDS) == {GONE, ORDER, OUTCOME, BOUND, CONDITION}
    codes = [one.code("<made up>") for one in made]
    assert compile(SOURCE, "<made up>", "exec") not in codes
    assert codes == [one.code("<made up>") for one in mutants(SOURCE, names, ordered=("ROWS",))]


def test_rows_that_say_the_same_do_not_change_places() -> None:
    orders = [one.name for one in mutants(SOURCE, ("ROWS",), ordered=("ROWS",)) if one.kind == ORDER]
    assert orders == ["ROWS late: after the next one"]
    assert not any(one.kind == ORDER for one in mutants(SOURCE, ("ROWS",)))


def test_whoever_imports_what_is_changed_is_loaded_anew() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": set(), "d": {"e"}, "e": {"d"}}
    assert dependents("c", imports) == {"a", "b", "c"}
    assert dependents("d", imports) == {"d", "e"}


def test_a_name_that_is_gone_is_told() -> None:
    with pytest.raises(ValueError, match="ROW is not in the module"):
        mutants(SOURCE, ("ROW",))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_list_names_what_is_there(table: Table) -> None:
    made = {
        one.name for one in mutants((ROOT / table.path).read_text(encoding="utf-8"), table.names, ordered=table.ordered)
    }
    assert made, "it has no row"
    assert set(table.ordered) <= set(table.names)
    assert not set(table.equivalent) - made, "these changes are none of the table's"
    assert all((ROOT / "vs_st_pipeline_tests" / test.partition("::")[0]).is_file() for test in table.tests)


@pytest.mark.slow
def test_a_change_that_no_test_notices_is_found() -> None:
    """Tests of codes know nothing of answers."""
    table = Table(
        "made up", "vs_st_pipeline/connectors/gupshup/answers.py", ("KEY_WORDS",), ("connectors/gupshup/test_codes.py",)
    )
    code = "import json; from proof.mutated_tables import Table; from proof.mutation_runs import run\n"
    code += f"print(json.dumps(run({table!r})))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["survived"] == [f"KEY_WORDS {word}: gone" for word in ("authentication", "unauthorized", "api key")]


@pytest.mark.slow
def test_a_change_that_a_test_notices_is_none() -> None:
    [table] = [one for one in TABLES if "7.3" in one.name]
    figures = mutations.change(table, "KEY_WORDS *")
    assert (figures.changed, figures.came) == ({GONE: 3}, {"noticed": 3})
