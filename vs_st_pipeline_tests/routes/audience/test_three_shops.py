"""One made-up shop, kept by three systems, is told alike (audience.md 4.2, 5); R34: one route reads for both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.scenarios.index import load
from vs_st_pipeline.sandbox.scenarios.shop_worlds import CORNER_SHOP, RIVER_BEND, STONE_MILL

TOLD = {  # customers, products, wishlists, orders: two people and two of their orders are held where age counts
    RIVER_BEND: (22, 10, 0, 16),  # of 20 orders one is not paid, one is below 0
    STONE_MILL: (22, 10, 0, 18),
    CORNER_SHOP: (24, 10, 5, 20),
}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox("shop_small", {"commerce7": {"limit_per_minute": None}}, ports={"simpletexting": 0}) as box:
        yield box


@pytest.fixture(autouse=True)
def _own_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command keeps the data folder that it met first, for the process; each test has another one."""
    monkeypatch.setattr(cli_sync, "_warehouse", None)


def synced(box: Sandbox, folder: Path, merchant: str, *arguments: str) -> dict[str, Any]:
    """Run the command; return the reports of the merchant by route."""
    environment = {"VS_ST_MERCHANTS": str(folder / "merchants.yaml"), "VS_ST_DATA_DIR": str(folder / "data")}
    done = CliRunner().invoke(cli, ["sync", "--merchant", merchant, "--json", *arguments], env=environment)
    assert done.exit_code == 0, done.output
    return {one["route"]: one for one in json.loads(done.stdout)["merchants"]}


def settings(box: Sandbox, folder: Path, **merchants: Any) -> None:
    box.reset()
    box.write_settings(folder, merchants)
    box.shop.control.drop(CORNER_SHOP)


@pytest.mark.slow
@pytest.mark.parametrize("merchant", [RIVER_BEND, STONE_MILL, CORNER_SHOP])
def test_a_whole_history_is_told_of_each_source(box: Sandbox, tmp_path: Path, merchant: str) -> None:
    """4.2, 5, 8.2: the model says who may be told as subscribed; the judge of the stand-in finds nothing."""
    settings(box, tmp_path, **{RIVER_BEND: {"paused": ["contacts"]}})
    report = synced(box, tmp_path, merchant, "--route", "audience")["audience"]
    known = box.waymore.control
    counts = tuple(len(known.all(kind, merchant)) for kind in ("customers", "products", "wishlist", "orders"))
    assert counts == TOLD[merchant]
    expected = {one.id: one.parts["waymore"]["consents"] for one in load("shop_small", datetime.now(UTC))}
    assert sorted(known.ids("subscribers", merchant)) == expected[merchant]
    assert report["history"]["state"] == "done"
    assert known.violations(merchant) == []
    assert known.messages(merchant) == []


@pytest.mark.slow
def test_r34_contacts_reads_a_winery_for_both(box: Sandbox, tmp_path: Path) -> None:
    """The other route asks for the feed alone; no record is asked for twice, and all of it is told."""
    settings(box, tmp_path)
    reports = [synced(box, tmp_path, RIVER_BEND) for _ in range(2)]
    singles = [
        entry["path"]
        for entry in box.vinoshipper.control.journal(RIVER_BEND)
        if entry["method"] == "GET" and entry["path"].rsplit("/", 2)[-2] in ("customers", "orders")
    ]
    assert len(singles) == len(set(singles)) == 24 + 20
    assert [one["audience"]["calls"]["vinoshipper"] for one in reports] == [2, 2]  # the profile, the feed
    assert reports[0]["contacts"]["planned"]["contacts"] == 2
    assert len(box.waymore.control.all("orders", RIVER_BEND)) == TOLD[RIVER_BEND][3]
    assert box.waymore.control.violations(RIVER_BEND) == []
