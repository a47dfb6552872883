"""Tells what hints name, by the real worker's command against the stand-ins (routes.md R13; audience.md 5.1.7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.platform.inbox.store import Arrival
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.audience import RIVER_BEND, STONE_MILL, Scene, hurrying

SYSTEMS = {STONE_MILL: "commerce7", RIVER_BEND: "vinoshipper"}
CONSENT: dict[str, dict[str, Any]] = {
    STONE_MILL: {"emailMarketingStatus": "Unsubscribed"},
    RIVER_BEND: {"optedIntoMarketingEmails": False},
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shops() -> Iterator[Sandbox]:
    with Sandbox("shop_small") as box:
        yield box


@pytest.fixture(params=list(SYSTEMS))
def scene(
    request: pytest.FixtureRequest, shops: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    found = Scene(shops, tmp_path, request.param)
    found.begin()
    found.settings(history_slice="0s")
    with hurrying():
        yield found
    found.inbox.close()


def _control(scene: Scene) -> Any:
    return getattr(scene.box, SYSTEMS[scene.merchant]).control


def _hint(scene: Scene, kind: str, record: str) -> None:
    call = Call(kind, record, event="Update")
    system, at = SYSTEMS[scene.merchant], scene.now.isoformat()
    scene.inbox.put([Arrival(scene.merchant, system, call, ("audience",), at)])


def _outcomes(scene: Scene) -> list[str]:
    rows = scene.inbox._rows("select outcome from hints where merchant = ? order by hint", [scene.merchant])
    return [row[0] for row in rows]


def test_a_hinted_customer_is_told_at_once_and_an_unsubscribe_first(scene: Scene) -> None:
    """4.2, 6.3, 8.3: a changed opt-in shows at once after a webhook; an id that nobody has is `gone`."""
    scene.synced()
    control, before = _control(scene), scene.last_call()
    own = str(control.all("customers", scene.merchant)[0]["id"])
    control.patch("customers", own, {"firstName": "Hinted", **CONSENT[scene.merchant]}, scene.merchant)
    _hint(scene, "customer", own)
    _hint(scene, "order", "nothing")
    scene.later(seconds=60)
    assert scene.run("work", "--once").exit_code == 0
    told = scene.events(since=before)
    assert [event for event, _ in told] == ["Newsletter", "CustomerUpdate"]
    assert told[0][1]["subscription"] is False
    assert _outcomes(scene) == ["written", "gone"]
    assert scene.synced()["planned"]["events"] == {}
    assert scene.wrong() == []


def test_a_lost_database_tells_nothing_twice(scene: Scene) -> None:
    """5.1.7: blocks that `waymore.json` knows as done are taken silently, noted `base_lost`; unsubscribes go."""
    scene.synced()
    before = scene.last_call()
    scene.lose(database_alone=True)
    report = scene.synced()
    assert report["planned"]["noted"]["base_lost"] >= 4
    scene.synced()
    assert not scene.parts(since=before)
    assert {event for event, _ in scene.events(since=before)} <= {"Newsletter"}
    assert not any(data["subscription"] for _, data in scene.events(since=before))
    assert scene.synced()["planned"]["events"] == {}


def test_an_unsubscribe_that_was_missed_is_told_after_a_loss(scene: Scene) -> None:
    """5.1.7, R35: whoever may have been told as subscribed and is so no more gets one Newsletter false."""
    scene.synced()
    control, before = _control(scene), scene.last_call()
    own = str(control.all("customers", scene.merchant)[0]["id"])
    scene.lose(database_alone=True)
    control.patch("customers", own, CONSENT[scene.merchant], scene.merchant)
    for _ in range(3):
        scene.synced()
    told = [data for event, data in scene.events(since=before) if event == "Newsletter"]
    assert not any(data["subscription"] for data in told)
    assert own in {str(data["customer_id"]) for data in told}
    assert len({data["email"] for data in told}) == len(told)
