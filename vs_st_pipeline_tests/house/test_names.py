"""No room that is there for all systems names one: what is about one system stands in its connector or in a route.

Tests, proofs and examples are about systems and may name them; the package may not. The list below is what is left,
each with its reason; it holds nothing that is no longer needed, so it can only shrink.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vs_st_pipeline.connectors import CONNECTORS

ROOT = Path(__file__).resolve().parents[2] / "vs_st_pipeline"
ROOMS_OF_SYSTEMS = ("connectors", "routes", "sandbox")
TO_COME = ("commerce7", "waymore", "gupshup", "sopost", "salesforce", "klaviyo", "hubspot", "eshopbox")

ALLOWED = {
    "__init__.py": "says in one sentence what the package is for, and where a newcomer begins to read",
    "destinations/simpletexting/field_map.yaml": "the contract names this path of the map; it is a link to the route's",
    **{
        f"destinations/{crm}/consumer_map.yaml": "the contract names this path of the map; it is a link to the route's"
        for crm in ("hubspot", "klaviyo", "salesforce")
    },
}

PLAIN = frozenset({"shop"})
"""Names of systems that are words of the language, too: whoever sells has a shop."""
NAMES = re.compile(
    "|".join(
        sorted(
            {re.escape(word) for one in CONNECTORS if one.name not in PLAIN for word in (one.name, one.title)}
            | set(TO_COME)
        )
    ),
    re.IGNORECASE,
)


def naming() -> dict[str, list[int]]:
    """Return by file the lines that name a system."""
    found: dict[str, list[int]] = {}
    for path in sorted(path for kind in ("py", "sql", "yaml") for path in ROOT.rglob(f"*.{kind}")):
        name = path.relative_to(ROOT)
        if name.parts[0] not in ROOMS_OF_SYSTEMS:
            lines = path.read_text(encoding="utf-8").splitlines()
            if hits := [number for number, line in enumerate(lines, 1) if NAMES.search(line)]:
                found[name.as_posix()] = hits
    return found


def test_no_room_for_all_systems_names_one() -> None:
    told = {name: lines for name, lines in naming().items() if name not in ALLOWED}
    assert told == {}, "say it in the connector or the route, or take the name from what is handed in"


def test_the_list_of_exceptions_holds_nothing_that_is_no_longer_needed() -> None:
    assert sorted(set(ALLOWED) - set(naming())) == []


@pytest.mark.parametrize("line", ["raw.vinoshipper_customers", "at SimpleTexting", "HubSpot", "VS_ST_VINOSHIPPER_RATE"])
def test_a_name_is_found_however_it_is_written(line: str) -> None:
    assert NAMES.search(line)


def test_no_room_for_all_routes_imports_one() -> None:
    """The table of routes is all that they know: what is about one route is taken from its value."""
    one = re.compile(r"vs_st_pipeline\.routes\.[a-z]|vs_st_pipeline\.routes import [a-z, ]*\bcontacts\b")
    found = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if path.relative_to(ROOT).parts[0] not in ROOMS_OF_SYSTEMS and one.search(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "let the route bring it along (`pipeline/route.py`)"
