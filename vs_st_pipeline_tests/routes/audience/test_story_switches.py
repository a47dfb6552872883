"""Every value of every switch of WayMore is lived with, one at a time (audience.md 11): nothing is lost or wrong."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.sandbox.core.audience_switches import AUDIENCE_SWITCHES
from vs_st_pipeline_tests.support.audience import Scene, once

NEEDS: dict[tuple[str, Any], dict[str, Any]] = {
    ("success_body", "empty"): {"ack": "status"},
    ("success_body", "text"): {"ack": "status"},
    ("success_body", "json_no_message"): {"ack": "status"},
    ("block_names", "capitalised"): {"block_names": "capitalised"},
    ("dates", "dmy"): {"dates": "dmy"},
    ("dates", "mdy"): {"dates": "mdy"},
    ("unknown_keys", "refuse"): {"extras": False},
}
"""What the settings have to say at a value."""
CANNOT = {("mass_triggers", True)}
"""What no client can prevent: the README says so."""
VALUES = [(name, value) for name, values in AUDIENCE_SWITCHES["waymore"].items() for value in values[1:]]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), VALUES, ids=lambda one: str(one))
def test_a_value_of_a_switch_is_lived_with(audience_scene: Scene, name: str, value: Any) -> None:
    if name == "endpoints_answer":
        pytest.skip("registering with `discover` has tests of its own")
    scene = audience_scene
    scene.waymore.set_switch(name, value)
    scene.settings(**NEEDS.get((name, value), {}))
    scene.drop()
    for _ in range(12):  # a busy answer ends a sync
        report = scene.sync()
        if report["status"] == "ok" and report["history"]["state"] == "done":
            break
        scene.later(minutes=10)
    assert report["history"]["state"] == "done", report
    scene.later(seconds=2)
    scene.change("customers", "1", phone="+17075550199")
    scene.drop()
    for _ in range(6):
        if scene.sync()["status"] == "ok":
            break
        scene.later(minutes=10)
    assert once(scene.events("CustomerUpdate")) == {"CustomerUpdate": 1}
    wrong = scene.wrong()
    assert [one for one in wrong if (name, value) not in CANNOT or "message for history" not in one] == []


@pytest.mark.slow
def test_records_that_are_refused_hold_up_nobody_else(audience_scene: Scene) -> None:
    """5.1.4: a bad record is found by halving, the block is done without it; put right, it goes as a part."""
    scene = audience_scene
    bad = ["3", "p2", "o4"]
    scene.waymore.set_switch("reject", bad)
    scene.settings()
    scene.drop()
    report = scene.sync()
    assert (report["status"], report["history"]["state"]) == ("partial", "done"), report
    blocks = report["history"]["blocks"]
    assert [blocks[name]["rejected"] for name in ("customers", "products", "orders")] == [1, 1, 1]
    assert scene.wrong(excused=bad) == []
    scene.waymore.set_switch("reject", [])
    scene.later(hours=30)
    scene.synced()
    assert scene.wrong() == []
    assert scene.events() == []
