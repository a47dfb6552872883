"""A merchant with both routes: what `contacts` makes of orders of ours and of voids, and whose turn it is (R37, R49).

The world is `small`, whose merchants have Commerce7 too where that stand-in is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.orders import COMMERCE7, VINOSHIPPER, Record, Scene, hurrying
from vs_st_pipeline_tests.support.story import MARISOL, NOW_AND_ALWAYS, TEST, says


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The test winery with both routes."""
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    with Sandbox("small", ports={COMMERCE7: 0}) as box, hurrying():
        scene = Scene(box, tmp_path, TEST)
        scene.begin()
        path = scene.settings(lambda entry: entry["vinoshipper"].update(refresh=NOW_AND_ALWAYS))
        assert path.exists()
        yield scene
        scene.inbox.close()


def contact(scene: Scene, phone: str = MARISOL) -> dict[str, str]:
    """What a contact says, by label."""
    texting = scene.box.simpletexting.control
    labels = {one["mergeTag"]: one["label"] for one in texting.custom_fields(TEST)}
    return says(texting.contact(phone, TEST), labels)


def contacts_synced(scene: Scene) -> Record:
    done = scene.run("sync", "--merchant", TEST, "--route", "contacts", "--json")
    report = done.of(TEST)
    assert report["status"] == "ok", report
    return report


@pytest.mark.slow
def test_r37_an_order_of_ours_counts_once_and_its_correction_never(both: Scene) -> None:
    contacts_synced(both)
    before = contact(both)
    email = before["email"]
    order = both.place("PINOT22", customer={"emails": [{"email": email}]})
    both.shipper.add_product("PINOT22", TEST, price="42.00", approved=True, inventory=100)
    assert both.sync()["synced"]["sent"] == 1
    contacts_synced(both)
    counted = contact(both)
    assert int(counted["Order Count"]) == int(before["Order Count"]) + 1
    assert counted["VS Last Order Number"] == both.number(order)
    assert both.void(order)[0] == 0
    assert [one for one in both.shipper.orders(TEST) if str(one["total"]).startswith("-")]
    contacts_synced(both)
    contacts_synced(both)
    after = contact(both)
    assert (after["Order Count"], after["Lifetime Value"]) == (before["Order Count"], before["Lifetime Value"])
    assert both.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize("state", ["first walk", "hint"])
def test_r49_writes_of_orders_come_first_at_the_shared_pace(both: Scene, state: str) -> None:
    """While orders are sent, a sync of `contacts` gets at most half of the pace, and orders lose none of theirs."""
    both.shipper.add_product("PINOT22", TEST, price="42.00", approved=True, inventory=100)
    path = both.folder / "merchants.yaml"
    whole: Any = yaml.safe_load(path.read_text())
    whole["defaults"]["vinoshipper"]["requests_per_second"] = 4
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    both.sync()
    if state == "hint":
        both.run("sync", "--merchant", TEST, "--route", "contacts")
    for _ in range(6):
        both.place("PINOT22")
    contacts = both.start("sync", "--merchant", TEST, "--route", "contacts", "--full")
    time.sleep(2.5)
    both.clear_journals()
    began = time.time()
    orders = both.start("sync", "--merchant", TEST, "--route", "orders", "--json")
    both.said += orders.communicate(timeout=60)
    ended = time.time()
    both.said += contacts.communicate(timeout=120)
    asked = [one for one in both.journal(VINOSHIPPER) if began <= one["time"] <= ended]
    of_orders = [
        one for one in asked if "/orders" in one["path"] and f"{TEST.upper()}-" in str(one["path"] + str(one["body"]))
    ]
    first, last = of_orders[0]["time"], of_orders[-1]["time"]
    others = [one for one in asked if first <= one["time"] <= last and one not in of_orders]
    later = [one for one in both.journal(VINOSHIPPER) if one["time"] > last and one not in of_orders]
    print(f"{state}: {last - first:.1f} s for {len(of_orders)} requests of orders, {len(others)} of contacts between")
    print(f"contacts: {len(asked) - len(of_orders)} meanwhile, {len(later)} afterwards")
    assert later, "the sync of contacts was to last longer"
    assert len([one for one in of_orders if one["method"] == "POST"]) == 6
    assert len(others) <= len(of_orders), (len(others), len(of_orders))
    assert both.wrong() == []
