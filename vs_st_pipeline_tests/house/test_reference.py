"""The reference says what the code says (routes.md R28), and what it says is all that the code has."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain import plan
from vs_st_pipeline.operations.fleet import health, inbox_troubles
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.settings.model import fields_of
from vs_st_pipeline.platform.settings.variables import variables
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.routes.audience import words as audience
from vs_st_pipeline.routes.consumers import words as consumers
from vs_st_pipeline.routes.notices import words as notices
from vs_st_pipeline.routes.orders import states

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "vs_st_pipeline"
PAGE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)


def test_r28_the_reference_is_what_the_code_says() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["page"]()
    assert made == PAGE, "run python scripts/reference.py"
    for connector in CONNECTORS:
        for key in () if connector.settings.implied else fields_of(connector.settings):
            assert f"| `{key}` |" in made


def test_every_cell_of_the_reference_says_something() -> None:
    bare = [line for line in PAGE.splitlines() if line.startswith("| ") and line.endswith("|  |")]
    assert bare == [], "say it in the docstring, help or text beside the thing"


def test_each_link_of_its_contents_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9 _-]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("#")
    }
    links = set(re.findall(r"\(#([^)]+)\)", PAGE))
    assert len(links) > len(ROUTES)
    assert links - headings == set()


def test_every_variable_that_the_code_reads_is_listed() -> None:
    listed = {one.name for one in variables(connector.name for connector in CONNECTORS)}
    named = {
        name
        for path in CODE.rglob("*.py")
        for name in re.findall(r'"(VS_ST_[A-Z_]*[A-Z])"', path.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert named - listed == set()


# --- words and alerts -------------------------------------------------------------------------------------------------


@each_route
def test_a_report_says_what_each_of_its_keys_is_and_the_route_what_its_words_mean(route: Route) -> None:
    report = route.report("id", "run")
    assert list(report.keys) == list(report.as_json())
    counted = {key for key, value in report.as_json()["planned"].items() if value == {}} - {"events"}
    assert counted - route.words.keys() == set(), "words that a report counts, and nobody explains"
    for where, words in route.words.items():
        assert words, where
        assert all(says.strip() for says in words.values())


COUNTED: dict[str, dict[str, set[str]]] = {
    "contacts": {"held": set(plan.HELD_REASONS)},
    "orders": {"held": {*states.Waits, *states.ThereCode}, "noted": set(states.NOTES)},
    "audience": {"held": set(audience.Held), "noted": set(audience.Noted)},
    "notices": {"dropped": set(notices.Drop), "waiting": set(notices.Wait), "noted": set(notices.Noted)},
    "consumers": {"held": set(consumers.HELD), "noted": {*consumers.NOTED_AT_THE_TOP, consumers.UNDONE}},
}
"""What the routes count, by their own lists."""


@each_route
def test_every_word_that_a_route_lists_has_a_meaning(route: Route) -> None:
    for where, words in COUNTED[route.name].items():
        assert {str(word) for word in words} - route.words[where].keys() == set()


def troubles_of(route: Route) -> dict[str, str]:
    """Where each alert of a route is made: the word that it begins with, `""` where only the running program knows."""
    found: dict[str, str] = {}
    for path in (CODE / "routes" / route.name).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            node.target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Trouble":
                found[_word(node.args[0], names)] = f"{path.name}:{node.lineno}"
    return found


def _word(made: ast.expr, names: dict[str, Any]) -> str:
    if isinstance(made, ast.Name):
        return str(names[made.id])
    first = made.values[0] if isinstance(made, ast.JoinedStr) else made
    return str(first.value).split()[0] if isinstance(first, ast.Constant) else ""


@each_route
def test_a_route_says_of_every_alert_that_it_makes_what_it_is(route: Route) -> None:
    made = troubles_of(route)
    known = {word for word in made if word}
    assert known - route.alerts.keys() == set()
    if "" not in made:  # else its words are names of checks
        assert route.alerts.keys() - known == set()
    else:
        assert route.alerts.keys() - known <= {check.name for check in route.checks if check.blocking}


def alerts() -> list[str]:
    """Return every word that an alert begins with."""
    of_all = (*health.TROUBLE, *inbox_troubles.ALERTS)
    return [*of_all, *(word for route in ROUTES for word in route.alerts)]


def test_the_page_on_operations_says_what_to_do_when_an_alert_comes() -> None:
    """Each alert stands in the table of incidents, with something to do behind it; and no other one does."""
    _, _, incidents = OPERATIONS.partition("## When an alert comes")
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", incidents.partition("\n## ")[0], re.MULTILINE)
    told = {word for first in rows for word in re.findall(r"`([^`]+)`", first)}
    assert told == set(alerts())
