"""From a webhook of either shop to what it leads to: registered, received and worked by the commands themselves."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.order_switches import COMMERCE7_SWITCHES
from vs_st_pipeline_tests.support.orders import COMMERCE7, SENT, VOIDED, Record, Scene, hurrying, until

SILENT = {"dropped", "empty_body", "not_json", "other_tenant", "numeric_identifier", "bulk_update", "href_only"}
"""By these no order can be named, so that it is left to the next whole sync."""


@contextmanager
def working(scene: Scene) -> Iterator[subprocess.Popen[str]]:
    """Let `vs-st work` run, in a process of its own."""
    worker = scene.start("work", "--json")
    try:
        yield worker
    finally:
        worker.terminate()
        out, err = worker.communicate(timeout=40)
        scene.said += [out, err]


@pytest.mark.slow
def test_h26_a_webhook_of_an_order_sends_it_and_one_of_its_parcel_fulfils_it(scene: Scene) -> None:
    other = scene.place("ZIN21")
    scene.synced()
    with scene.receiving_here():
        order = scene.place("PINOT22")
        scene.called()
        scene.clear_journals()
        reports = scene.worked()
        assert [(one["route"], one["synced"]["sent"]) for one in reports] == [("orders", 1)], reports
        assert scene.stands(order) == (SENT, None)
        assert scene.asked(COMMERCE7)["GET order"] == 0, "a run that hints started reads only what they name"
        scene.later(minutes=20)
        scene.scan(order)
        scene.called()
        scene.worked()
        assert len(scene.mails(order)) == 1, "what we wrote of it is over ten minutes old (R49)"
        scene.cancel_there(other)
        scene.called()
        scene.worked()
        assert scene.stands(other) == (VOIDED, None)
    scene.later(minutes=20)
    scene.sync()
    assert len(scene.mails(order)) == 1
    assert scene.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize("style", COMMERCE7_SWITCHES["webhook_style"])
def test_o3_however_commerce7_calls_an_order_is_sent_once(scene: Scene, style: str) -> None:
    scene.synced()
    scene.shop.set_switch("webhook_style", style)
    with scene.receiving():
        order = scene.place("PINOT22")
        scene.called()
        scene.clear_journals()
        scene.worked()
        if style not in SILENT:
            assert scene.stands(order) == (SENT, None)
        scene.synced()
    assert scene.stands(order) == (SENT, None)
    assert scene.wrong() == []
    assert not [one for one in scene.shop.findings(scene.merchant) if one["what"] == "callback_fetched"]


@pytest.mark.slow
def test_o6_a_webhook_that_races_the_poll_sends_an_order_once(scene: Scene) -> None:
    """Orders come while a worker works and syncs of the schedule come one after the other."""
    scene.synced()
    orders: list[Record] = []
    with scene.receiving(), working(scene):
        for _ in range(12):
            orders.append(scene.place("PINOT22"))
            poll = scene.start("sync", "--merchant", scene.merchant, "--route", "orders", "--json")
            scene.called()
            scene.said += poll.communicate(timeout=60)
        until(lambda: all(len(scene.accepted(order)) == 1 for order in orders), 60)
        for order in orders:
            scene.scan(order)
        scene.called()
        time.sleep(2)
    for _ in range(3):
        scene.later(minutes=20)
        scene.sync()
    assert scene.wrong() == []
    assert all((len(scene.accepted(order)), len(scene.mails(order))) == (1, 1) for order in orders)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Scene]:
    """A merchant with route `contacts` too, whose first sync takes many minutes at the pace of its settings."""
    with Sandbox("growing:3000", ports={COMMERCE7: 0}) as box:
        scene = Scene(box, tmp_path, box.merchants[0].id)
        scene.paced = True
        yield scene
        scene.inbox.close()


def _at_default_rates(scene: Scene) -> None:
    path = scene.folder / "merchants.yaml"
    whole = yaml.safe_load(path.read_text())
    for section in whole["defaults"].values():
        if isinstance(section, dict):
            section.pop("requests_per_second", None)
    whole["merchants"][0]["commerce7"].pop("requests_per_minute")
    path.write_text(yaml.safe_dump(whole, sort_keys=False))


@pytest.mark.slow
@pytest.mark.parametrize("with_contacts", [False, True])
def test_o12_from_webhook_to_accepted_within_60_seconds_at_real_pace(busy: Scene, with_contacts: bool) -> None:
    scene = busy
    scene.settings(refresh=None)
    _at_default_rates(scene)
    scene.shipper.add_product("PINOT22", scene.merchant, price="42.00", approved=True, inventory=100)
    with hurrying():
        scene.synced()
    contacts = scene.start("sync", "--merchant", scene.merchant, "--route", "contacts") if with_contacts else None
    lags: list[float] = []
    try:
        with scene.receiving(), working(scene):
            time.sleep(5)
            for _ in range(6):
                order = scene.place("PINOT22")
                began = time.monotonic()
                until(partial(scene.accepted, order), 90)
                lags.append(time.monotonic() - began)
                time.sleep(3)
            if contacts is not None:
                assert contacts.poll() is None, "the sync of contacts was to last longer"
    finally:
        if contacts is not None:
            contacts.terminate()
            scene.said += contacts.communicate(timeout=60)
    print("webhook to accepted, seconds:", [round(lag, 1) for lag in lags], "with contacts" if with_contacts else "")
    assert max(lags) <= 60
    assert scene.wrong(settled=False) == []
