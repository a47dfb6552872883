"""What the commands print of this route, to the letter: consumers.md 8; routes.md R3, R4, R8, R17, R51, R52, R57."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from vs_st_pipeline_tests.support.consumers import GLOW, ROUTE, SOAP, Record, Scene

Left = dict[str, Any]
EMAIL = "ada.lovage@example.com"


def asked(scene: Scene, *words: str) -> Record:
    done = scene.run(*words)
    return {"code": done.exit_code, "out": done.out, "err": done.err}


def of_the_world(scene: Scene) -> Left:
    """Sync a world in which some are refused, and ask all about it."""
    scene.settings()
    scene.tell_all()
    scene.sync()
    route = ("--merchant", GLOW, "--route", ROUTE)
    left = {
        "check": asked(scene, "check", *route, "--json"),
        "check text": asked(scene, "check", *route),
        "merchants": asked(scene, "merchants", "--json"),
    }
    scene.settings(lambda entry: entry.update(enabled=False))
    left["disabled"] = asked(scene, "merchants", "--json")
    return left


@pytest.fixture(scope="module")
def left(tell: Callable[[str, Callable[[Scene], Any]], Any]) -> Left:
    found: Left = tell("letter", of_the_world)
    return found


def said(left: Left, what: str) -> Record:
    found: Record = json.loads(left[what]["out"])
    return found


def test_r3_check_of_one_route_names_what_that_routes_maps_may_use(left: Left) -> None:
    names = said(left, "check")["field_map"]["from"]
    assert {"consumer.email", "answers.<question id>"} <= set(names)
    assert {name.split(".")[0] for name in names} == {
        "consumer", "newest_order", "consents", "answers", "answer_ids"
    }  # fmt: skip
    assert "newest_order.short_id" in left["check text"]["out"]
    assert "last_counted_order" not in left["check text"]["out"]


def test_r8_what_to_do_about_refused_people_speaks_of_consumers(left: Left) -> None:
    row = said(left, "merchants")["merchants"][0]
    assert row["says"].endswith("consumers refused")
    assert row["do"].startswith("`vs-st why` says of a consumer what was refused")


def test_r4_a_disabled_merchant_is_shown_with_the_route_that_it_has(left: Left) -> None:
    rows = [(row["merchant"], row["route"], row["state"]) for row in said(left, "disabled")["merchants"]]
    assert rows == [(GLOW, ROUTE, "off"), (SOAP, ROUTE, "new")] or rows == [(SOAP, ROUTE, "new"), (GLOW, ROUTE, "off")]
