"""Whatever is not known of HubSpot, the same people are written and subscribed once, and nobody else.

Each value of each switch alone, and each pair, are for `make proof`; `make test` has worlds in which several hold.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from vs_st_pipeline.domain.crm import Step
from vs_st_pipeline.sandbox.core.consumer_switches import CONSUMER_SWITCHES
from vs_st_pipeline_tests.connectors.hubspot.portals import NEWS, Portal, TinyRoute, people
from vs_st_pipeline_tests.sandbox.served import GLOW, Served

SWITCHES = CONSUMER_SWITCHES["hubspot"]
WORLDS = [{name: values[turn % len(values)] for name, values in SWITCHES.items()} for turn in range(3)]
ALONE = [{name: value} for name, values in SWITCHES.items() for value in values[1:]]
NO_MORE = {"rate_limit_every": 7, "rate_429": "daily"}  # ends every sync, which is a test of its own
PAIRS = [a | b for a, b in itertools.combinations(ALONE, 2) if a.keys() != b.keys() and a | b != NO_MORE]

NEW = [f"new{number}@example.com" for number in range(12)]
THERE = ["known@example.com", "Upper.Case@Example.com", "offlist@example.com", "statusonly@example.com"]
TYPO, SECOND, BINNED, ERASED, NAMELESS, BLANK = (
    f"{name}@example.{top}"
    for name, top in (
        ("typo", "con"),
        ("second.address", "com"),
        ("binned", "com"),
        ("erased", "com"),
        ("nameless", "com"),
        ("o'hara+x", "com"),
    )
)
OUT, WIDE, ALREADY = "optedout400@example.com", "wide@example.com", "already@example.com"
EVERYBODY = [*NEW, *THERE, TYPO, SECOND, BINNED, ERASED, NAMELESS, BLANK, OUT, WIDE, ALREADY]


def test_each_value_is_in_some_world() -> None:
    for name, values in SWITCHES.items():
        assert [value for value in values if value not in [world[name] for world in WORLDS]] == [], name


@pytest.mark.parametrize("world", WORLDS, ids=["first", "second", "third"])
def test_several_at_once(box: Served, make: Callable[..., Portal], world: dict[str, Any]) -> None:
    the_same_happens(box, make, world)


@pytest.mark.slow
@pytest.mark.parametrize("world", ALONE, ids=lambda world: "_".join(map(str, *world.items())))
def test_each_value_alone(box: Served, make: Callable[..., Portal], world: dict[str, Any]) -> None:
    the_same_happens(box, make, world)


@pytest.mark.slow
@pytest.mark.parametrize("world", PAIRS, ids=lambda world: "_".join(f"{name}_{value}" for name, value in world.items()))
def test_each_pair(box: Served, make: Callable[..., Portal], world: dict[str, Any]) -> None:
    the_same_happens(box, make, world)


def the_same_happens(box: Served, make: Callable[..., Portal], world: dict[str, Any]) -> None:
    """Three syncs of the same people, of whom the last two have nothing new to say."""
    box.control.set_switches(world)
    is_ = {name: world.get(name, values[0]) for name, values in SWITCHES.items()}
    route = TinyRoute(people(*EVERYBODY), {NAMELESS: {"lastname": ""}})
    portal = make()
    assert portal.crm.account() == (None if is_["account_info"] == 403 else "6100001")
    route.sync(portal)

    lists = is_["list_kind"] == "MANUAL"
    refused = {TYPO}
    refused |= {BINNED} if is_["deleted_write"] == 409 else set()
    refused |= {ERASED} if is_["blocklisted_write"] != "accepted_not_kept" else set()
    refused |= {NAMELESS} if is_["version"] == "2026-09" else set()
    assert {at for (at, step), how in route.ended.items() if how == "rejected" and step is Step.FIELDS} == refused
    assert route.held == {SECOND: "other_primary_email", WIDE: "unsubscribed_there"}

    written = [at for at in EVERYBODY if at not in (*refused, *route.held)]
    expected = [at for at in written if at != ALREADY] if lists else []
    kept_out = is_["resubscribe"] != "allowed" and lists
    assert route.ended.get((OUT, Step.CONSENT)) == (None if not lists else "rejected" if kept_out else "accepted")
    members = [box.control.contact(id_)["properties"]["email"] for id_ in box.control.report("members")[GLOW]["42"]]
    joined = {at.lower() for at in expected if at != ERASED and not (at == OUT and kept_out)}
    assert {at for at in members if at in joined} == joined
    assert not {SECOND, WIDE, *refused} & set(members)
    for at in joined:
        assert box.control.status(at)[NEWS.id]["status"] == "SUBSCRIBED", at

    for _ in range(2):
        route.sync(make())
    books = Counter(portal.books("created", "subscribed", "list_added"))
    assert [entry for entry, count in books.items() if count > 1 and entry[1] != OUT] == [], "once"
    created = {at for what, at in books if what == "created"}
    assert created <= {*NEW, BINNED, NAMELESS, BLANK, "statusonly@example.com"}
    assert {*NEW, "statusonly@example.com", BLANK} <= created
    subscribed = {at for what, at in books if what == "subscribed"}
    assert subscribed <= {at.lower() for at in expected} - {"offlist@example.com", "statusonly@example.com"}
    explained = [one for one in box.control.books() if one["what"] == "subscribed"]
    basis = None if is_["gdpr"] == "off_refused" else "CONSENT_WITH_NOTICE"
    assert {one["legal_basis"] for one in explained} <= {basis}
    assert box.control.findings() == []
    assert not any(one["told"] for one in explained if one["email"] != OUT), "nobody who was known to have opted out"
