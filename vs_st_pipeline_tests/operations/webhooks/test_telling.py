"""A system that lists no webhooks is told our URL once, and what it was told is remembered (R36, consumers.md 3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vs_st_pipeline import routes
from vs_st_pipeline.connectors.sopost import CONNECTOR
from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.operations.merchant_files import NotChanged
from vs_st_pipeline.operations.webhooks import leaving, registering, rotating, wanted
from vs_st_pipeline.operations.webhooks.entry import Entry
from vs_st_pipeline.operations.webhooks.site import Site
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks, WebhookSettings
from vs_st_pipeline.sandbox.sopost.server import SoPost
from vs_st_pipeline_tests.connectors.sopost.world import World
from vs_st_pipeline_tests.sandbox.served import GLOW, Served, served

SECRET = "0123456789abcdef0123456789abcdef"
SITE = Site("https://hooks.example.com", [SECRET])


def url(generation: int = 1) -> str:
    return f"{SITE.url}/hooks/sopost/{make_token(SECRET, 'sopost', GLOW, generation)}"


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(SoPost) as box:
        yield box


@pytest.fixture
def world(running: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    running.control.reset()
    route: Any = SimpleNamespace(name="consumers", hinted=SimpleNamespace(wants={"sopost": frozenset({"order"})}))
    monkeypatch.setattr(wanted, "CONNECTORS", (CONNECTOR,))
    monkeypatch.setattr(routes, "ROUTES", (route,))
    found = World(running, tmp_path)
    found.set(entity_ids=(running.control.keys()["organisation"],))
    yield found
    found.close()


def register(world: World, **more: Any) -> Entry:
    return registering.register(world.run(), SITE, **more)


def there(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.box.control.report("webhooks")
    return found


def states(entry: Entry) -> list[str]:
    return [row.state.value for row in entry.hooks]


def test_c3_1_one_post_per_entity_and_the_same_again_sends_nothing(world: World) -> None:
    campaigns = tuple(world.box.control.keys()["campaigns"])
    world.set(entity_type="Campaign", entity_ids=campaigns)
    entry = register(world)
    assert (entry.status, states(entry), entry.done["made"], entry.calls) == ("ok", ["told"] * 2, 2, {"sopost": 2})
    posted = [one for one in world.box.control.journal() if one["path"] == "/webhooks"]
    assert len(posted) == 2
    assert [
        {key: hook[key] for key in ("url", "events", "entity_type", "entity_id")} for hook in there(world)
    ] == [
        {"url": url(), "events": ["OrderEvent"], "entity_type": "Campaign", "entity_id": one} for one in campaigns
    ]  # fmt: skip
    again = register(world)
    assert (again.status, again.done["kept"], again.calls.total(), again.says) == ("ok", 2, 0, [])
    assert register(world, again=True).done["made"] == 2
    assert len(there(world)) == 4
    assert states(registering.look(world.run(), SITE)) == ["told"] * 2
    assert url().rpartition("/")[2] not in (world.folder / "merchants" / GLOW / "webhooks.json").read_text()


@pytest.mark.parametrize(("answer", "note"), [(201, None), (200, "200"), (409, None)])
def test_c3_1_another_2xx_and_409_are_success_with_a_note(world: World, answer: int, note: str | None) -> None:
    world.box.control.set_switch("webhook_create", answer)
    entry = register(world)
    assert (entry.status, states(entry), len(entry.says)) == ("ok", ["told"], 0 if note is None else 1)
    assert note is None or note in entry.says[0]
    again = register(world, again=True)
    assert (again.status, states(again)) == ("ok", ["told"])
    assert any("409" in one for one in again.says) == (answer == 409)


def test_r36_what_was_not_told_is_unproven_and_told_by_whom_it_can_be(world: World) -> None:
    world.set(entity_ids=())
    entry = register(world)
    assert (entry.status, states(entry), entry.calls.total()) == ("partial", ["unproven"], 0)
    assert "entity_ids" in entry.says[0]
    assert "no way to list or remove" in entry.says[0]
    registering.note_shown(world.run(), SITE)
    assert states(registering.look(world.run(), SITE)) == ["told"]


def test_c3_1_an_entity_that_sopost_does_not_know_is_a_setting_to_mend(world: World) -> None:
    world.set(entity_type="Campaign", entity_ids=("0" * 8 + "-0000-4000-9000-" + "0" * 12,))
    entry = register(world)
    assert entry.error is not None
    assert (entry.status, entry.error.kind, states(entry)) == ("failed", "config", ["unproven"])
    world.box.control.set_fault("401", path_regex="/webhooks")
    entry = register(world)
    assert entry.error is not None
    assert entry.error.kind == "auth"


def test_r36_a_lost_answer_is_not_taken_for_told_and_it_may_be_there(world: World) -> None:
    world.box.control.set_fault("reset", path_regex="/webhooks", when="after")
    entry = register(world)
    assert (entry.status, states(entry), len(there(world))) == ("failed", ["unproven"], 1)
    assert leaving.known_webhooks(world.folder, GLOW) is None
    world.box.control.clear_faults()
    assert register(world).status == "ok"


def test_r36_another_token_is_told_and_the_older_one_left_to_sopost_s_people(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(world)
    written: dict[str, Any] = {}

    def change(path: Path, merchant: str, values: dict[str, Any], environ: Any) -> None:
        written.update(values)

    monkeypatch.setattr(rotating, "change", change)
    entry = rotating.rotate(world.run(), SITE, world.folder, {})
    assert written["webhooks.sopost.generation"] == 2
    assert written["webhooks.sopost.previous_until"] is not None
    assert (entry.status, states(entry), entry.done["made"]) == ("ok", ["told"], 1)
    assert [hook["url"] for hook in there(world)] == [url(), url(2)]
    assert any("only its own people remove" in one for one in entry.says)


def test_r36_a_token_whose_url_nobody_has_called_yet_is_not_counted_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older token holds until a call has come by the new one: a third one would end it (calls would be lost)."""
    register(world)
    changed: dict[str, Any] = {}

    def change(path: Path, merchant: str, values: dict[str, Any], environ: Any) -> None:
        changed.update(values)

    monkeypatch.setattr(rotating, "change", change)
    until = datetime.now(UTC) + timedelta(hours=24)
    world.webhooks = WebhookSettings(systems={"sopost": SystemWebhooks(generation=2, previous_until=until)})
    register(world)
    entry = rotating.rotate(world.run(), SITE, world.folder, {})
    assert (changed, len(there(world))) == ({}, 2)
    assert any("no call has come by its present URL yet" in one for one in entry.says)
    rotating.rotate(world.run(), SITE, world.folder, {}, at_once=True)
    assert changed == {"webhooks.sopost.previous_until": None}
    call = Call("order", "1")
    inbox = Inbox(world.run().warehouse.data_dir)
    inbox.put([Arrival(GLOW, "sopost", call, ("consumers",), until.isoformat(), proves=2)])
    rotating.rotate(world.run(), SITE, world.folder, {})
    assert changed["webhooks.sopost.generation"] == 3


def test_r64_a_rotation_in_a_person_s_file_is_finished_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(world)
    changed: list[str] = []

    def change(path: Path, merchant: str, values: dict[str, Any], environ: Any) -> None:
        changed.extend(values)
        raise NotChanged("a person's file", [f"{key}: {value}" for key, value in values.items()])

    monkeypatch.setattr(rotating, "change", change)
    assert rotating.rotate(world.run(), SITE, world.folder, {}).status == "waiting"
    assert len(there(world)) == 1
    changed.clear()
    world.webhooks = WebhookSettings(systems={"sopost": SystemWebhooks(generation=2)})
    entry = rotating.rotate(world.run(), SITE, world.folder, {})
    assert (entry.status, changed, [hook["url"] for hook in there(world)]) == ("ok", [], [url(), url(2)])


def test_c3_1_nothing_is_removed_and_that_is_said(world: World) -> None:
    register(world)
    entry = registering.remove(world.run(), SITE)
    assert (entry.status, entry.done["removed"], len(there(world))) == ("ok", 0, 1)
    assert any("no way to take it back" in one for one in entry.says)
    left = leaving.remove_webhooks(world.folder, GLOW, {}, find=lambda: None, run_of=lambda _: world.run())
    assert left.left is None


def test_h39_whoever_is_paused_is_told_nothing(world: World) -> None:
    run = world.run()
    paused = replace(run, merchant=replace(run.merchant, paused=frozenset({"consumers"}), routes=()))
    assert registering.register(paused, SITE).hooks == []
    assert there(world) == []
