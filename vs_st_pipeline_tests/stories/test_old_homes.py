"""A data folder that a release before has left, of each route that sends, goes on under today's code: nothing twice.

`old_files/homes.py` says how the folders came to be. The stand-ins are told the same first, by a sync of today's code
in a folder beside, so they hold what the old one says they took; whatever was sent again would be there twice.
`test_old_files.py` does the same for `contacts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.old_files import homes
from vs_st_pipeline_tests.support.consumers import CRMS, is_write

Record = dict[str, Any]


@contextmanager
def gone_on(route: str, folder: Path) -> Iterator[Any]:
    """A scene whose data folder is the old one, at the time when it was left, and stand-ins that took what it says."""
    [name] = [one for one in homes.names() if one.endswith(f"-{route}")]
    origin, left = homes.ORIGINS[route], homes.read(name)
    hurrying = import_module(f"vs_st_pipeline_tests.support.{origin.hurrying}").hurrying
    with Sandbox(origin.scenario, now=datetime.fromisoformat(left["began"])) as box, hurrying():
        beside = homes.begin(route, box, folder / "beside")
        origin.act(beside)
        beside.inbox.close()
        beside.later(
            seconds=(datetime.fromisoformat(left["ended"]) - beside.now + timedelta(minutes=1)).total_seconds()
        )
        scene = type(beside)(box, folder / "here", merchant=origin.merchant)
        if route == "consumers":
            scene.now = beside.now
        else:
            scene.shift = beside.shift
        scene.settings()
        homes.load(name, scene.data)
        for handle in box.running.values():
            handle.control.clear_journal()
        yield scene
        scene.inbox.close()


def test_a_folder_is_kept_of_each_route_that_has_no_old_file_that_can_be_synced() -> None:
    kept = {name.partition("-")[2] for name in homes.names()}
    assert kept == set(homes.ORIGINS) == {route.name for route in ROUTES} - {"contacts"}


def test_orders_of_an_old_folder_are_not_sent_again(tmp_path: Path) -> None:
    with gone_on("orders", tmp_path) as scene:
        said = scene.rows("select order_id from synced.orders where state = 'sent'")
        scene.clear_journals()
        scene.sync()
        scene.sync()
        assert scene.writes() == []
        order = scene.place()
        scene.sync()
        assert [len(scene.accepted(one)) for one in (order, *({"id": row["order_id"]} for row in said))] == [1] * 5
        assert scene.wrong() == []


def test_history_and_events_of_an_old_folder_are_not_told_again(tmp_path: Path) -> None:
    with gone_on("audience", tmp_path) as scene:
        scene.synced()
        scene.drop()
        scene.synced()
        assert (scene.parts(), scene.events()) == ([], [])
        scene.later(minutes=1)
        scene.change("customers", "1", first_name="Ann")
        assert [event for event, _ in scene.changed()] == ["CustomerUpdate"]
        assert scene.wrong() == []


def test_messages_and_actions_of_an_old_folder_are_not_repeated(tmp_path: Path) -> None:
    with gone_on("notices", tmp_path) as scene:
        before = (len(scene.sends()), len(scene.resolutions()))
        assert before == (2, 1)
        scene.synced()
        scene.callbacks()
        scene.synced()
        assert (len(scene.sends()), len(scene.resolutions())) == before
        order = scene.order(number="NEW")
        scene.failed(order)
        scene.synced()
        assert (len(scene.sends()), len(scene.resolutions())) == (3, 1)
        assert scene.wrong(booked=False) == []


def test_consents_of_an_old_folder_are_not_sent_again(tmp_path: Path) -> None:
    with gone_on("consumers", tmp_path) as scene:
        assert len(scene.evidence()) == 17
        homes.consumers_told(scene)
        scene.synced()
        scene.synced("--full")
        assert [one for crm in CRMS for one in scene.journal(crm) if is_write(one)] == []
        scene.order("new.person@example.com")
        scene.synced()
        assert all("new.person@example.com" in scene.look().subscribed(crm) for crm in CRMS)
        assert scene.wrong() == []
