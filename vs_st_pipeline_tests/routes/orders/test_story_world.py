"""The whole world `orders` by the real command: each order stands as its case says, and goes on from day to day.

The world says why each of its orders is there and what comes of it in a first sync; nothing of that is computed here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from vs_st_pipeline.routes.orders.states import MESSAGES, State
from vs_st_pipeline_tests.routes.orders.conftest import Tell
from vs_st_pipeline_tests.support.orders import (
    ALWAYS,
    BLUE_OAK,
    COMMERCE7,
    HILLSIDE,
    NOT_REQUIRED,
    SENT,
    VINOSHIPPER,
    WAITING,
    Record,
    Scene,
    codes,
)

ANSWERED = {"compliance": "compliance", "number_taken": "number_taken"}
IDLE = {**ALWAYS, "shipped": "15m", "open": "1h", "settled": "7d", "products": "24h", "reconcile": "24h"}
KEYS = {
    "raw": {"orders", "vinoshipper_orders"},
    "planned": {"send", "fulfil", "messages", "held", "noted"},
    "synced": {"sent", "adopted", "failed", "not_required", "voided", "fulfilled", "messages", "unknown"},
    "calls": {"commerce7", "vinoshipper"},
}


@dataclass
class First:
    """What a first sync and a second one left."""

    cases: list[Record]
    first: Record
    listed: dict[str, Record]
    told: dict[str, list[str]]
    wrong: list[str]
    second: Record
    second_asked: dict[str, int]
    second_writes: list[str]


@dataclass
class Left(First):
    """What the whole story left."""

    plan: Record
    plan_writes: list[str]
    plan_wrong: list[str]
    shadow: Record
    shadow_writes: list[str]
    shadow_listed: dict[str, Record]
    days: list[tuple[str, Record, list[str]]]
    last_listed: dict[str, Record]
    shown: Record
    mails: Counter[str]
    products: Record
    oak_cases: list[Record]
    oak_listed: dict[str, Record]
    oak_wrong: list[str]
    reread: Record
    reread_writes: list[str]


def _first(scene: Scene) -> dict[str, Any]:
    left: dict[str, Any] = {"cases": scene.shop.cases(HILLSIDE)}
    scene.settings(refresh=IDLE)
    left |= {"first": scene.sync(), "listed": scene.listed(), "wrong": scene.wrong()}
    left["told"] = {one["order_id"]: scene.told({"id": one["order_id"]}) for one in left["cases"]}
    scene.clear_journals()
    left["second"] = scene.sync()
    left["second_asked"] = {system: len(scene.journal(system)) for system in (COMMERCE7, VINOSHIPPER)}
    left["second_writes"] = scene.writes()
    return left


def first_story(scene: Scene) -> First:
    """Sync, and sync again."""
    return First(**_first(scene))


def story(scene: Scene) -> Left:
    """Plan and shadow beside; sync, sync again, and on for days; the neighbor; all of it again from nothing."""
    left: dict[str, Any] = {"oak_cases": scene.shop.cases(BLUE_OAK)}
    beside = Scene(scene.box, scene.folder / "beside")
    beside.folder.mkdir()
    beside.settings()
    beside.clear_journals()
    left |= {"plan": beside.plan(), "plan_writes": beside.writes(), "plan_wrong": beside.wrong(settled=False)}
    beside.settings(mode="shadow")
    left |= {"shadow": beside.sync(), "shadow_writes": beside.writes(), "shadow_listed": beside.listed()}
    beside.inbox.close()

    left |= _first(scene)
    scene.settings()
    sent = [scene.order(id) for id, one in left["listed"].items() if one["state"] == SENT and one["sent_at"]]
    ours = {entry["number"] for entry in scene.shipper.books(HILLSIDE) if entry["what"] == "created"}
    sent = [one for one in sent if scene.number(one) in ours]
    left["days"] = []
    for word, act in (("Fulfilled", scene.label), ("Shipped", scene.scan), ("Delivered", scene.deliver)):
        scene.later(hours=20)
        for order in sent:
            act(order)
        report = scene.sync()
        wrong = scene.wrong()
        stages = {one["stage"] for id, one in scene.listed().items() if id in {order["id"] for order in sent}}
        left["days"].append((word, report, [*wrong, *(str(stage) for stage in stages if stage != word)]))
    left |= {"last_listed": scene.listed(), "shown": scene.show(sent[0])}
    left["mails"] = Counter(mail["order_id"] for mail in scene.shop.mails(HILLSIDE))
    left["products"] = scene.run("orders", "products", "--merchant", HILLSIDE, "--json").json

    oak = Scene(scene.box, scene.folder, BLUE_OAK, scene.shift)
    oak.settings()
    oak.sync()
    left |= {"oak_listed": oak.listed(), "oak_wrong": oak.wrong()}
    oak.inbox.close()

    scene.lose()
    scene.clear_journals()
    left |= {"reread": scene.sync(), "reread_writes": scene.writes()}
    left["wrong"] += scene.wrong()
    return Left(**left)


@pytest.fixture(scope="module")
def first(tell: Tell) -> First:
    found: First = tell("first", first_story)
    return found


@pytest.fixture(scope="module")
def left(tell: Tell) -> Left:
    found: Left = tell("world", story)
    return found


def test_o4_each_case_stands_as_the_world_says(first: First) -> None:
    odd = []
    for case in first.cases:
        row = first.listed.get(case["order_id"])
        if case["code"] == "before_start":
            odd += [f"{case['why']}: listed, though only its id is kept"] if row else []
            continue
        if row is None:
            odd.append(f"{case['why']}: not listed")
            continue
        code = None if case["state"] in (SENT, "voided") else ANSWERED.get(case["code"], case["code"])
        if (row["state"], row["code"]) != (case["state"], code):
            odd.append(f"{case['why']}: {row['state']} {row['code']}, not {case['state']} {code}")
    assert odd == []


def test_o12_nothing_is_wrong_after_the_first_sync(first: First) -> None:
    assert first.wrong == []
    assert first.first["status"] == "partial", "orders failed"


def test_o4_2_words_of_states(first: First) -> None:
    assert {row["message"] for row in first.listed.values()} == set(MESSAGES.values())
    for id, row in first.listed.items():
        assert row["message"] == MESSAGES[State(row["state"])]
        if row["state"] == WAITING:
            assert first.told[id] == [], "an order that waits has no words"
        else:
            words = "Don't Send" if row["code"] == "dont_send" else row["stage"] or row["message"]
            assert first.told[id][-1] == words, row


def test_o8_the_report_has_every_key_and_its_sums_are_right(first: First) -> None:
    for key, inner in KEYS.items():
        assert inner <= set(first.first[key]), key
    stands = Counter(row["state"] for row in first.listed.values())
    there = Counter(case["code"] for case in first.cases)
    synced = first.first["synced"]
    assert synced["sent"] == there["sent"], first.first
    assert synced["adopted"] == there["adopted"]
    assert synced["failed"] == stands["failed"]
    assert synced["not_required"] == stands["not_required"]
    assert (synced["voided"], synced["unknown"]) == (0, 0)
    assert first.first["planned"]["held"]["not_paid"] == 1
    assert "before_start" not in first.first["planned"]["held"]


def test_o12_an_idle_sync_asks_commerce7_twice_and_vinoshipper_not(first: First) -> None:
    # The world has more than 50 orders in the windows of a first sync; those of a second one are few.
    assert first.second["status"] == "ok", first.second
    assert first.second_writes == []
    assert first.second_asked[VINOSHIPPER] == 0
    assert first.second["synced"]["sent"] == 0
    assert first.second["planned"]["noted"]["failed_before"] > 10


@pytest.mark.slow
def test_o3_plan_and_shadow_read_and_write_nothing(left: Left) -> None:
    assert (left.plan_writes, left.plan_wrong, left.shadow_writes) == ([], [], [])
    assert len(left.plan["orders"]) == left.first["planned"]["send"] > 20
    assert left.shadow["planned"]["send"] == left.first["planned"]["send"]
    stands = codes(left.shadow_listed.values())
    assert stands[WAITING, "shadow"] == left.shadow["planned"]["send"]
    assert not any(state in ("sending",) for state, _ in stands)


@pytest.mark.slow
def test_o7_an_order_goes_on_from_day_to_day_and_its_customer_is_mailed_once(left: Left) -> None:
    assert [(word, wrong) for word, _, wrong in left.days] == [("Fulfilled", []), ("Shipped", []), ("Delivered", [])]
    fulfilled = [report["synced"]["fulfilled"] for _, report, _ in left.days]
    assert fulfilled[0] == fulfilled[2] == 0
    assert fulfilled[1] == len(left.mails) > 20
    assert set(left.mails.values()) == {1}


@pytest.mark.slow
def test_o8_show_has_every_key_and_tells_the_life_of_an_order(left: Left) -> None:
    shown = left.shown.get("order", left.shown)
    row = {"order_id", "order_number", "vs_number", "state", "message", "code", "compliance", "stage", "noted"}
    row |= {"paid_at", "sent_at", "updated_at"}
    assert row <= set(next(iter(left.last_listed.values())))
    assert row | {"problems", "sent", "packages", "fulfilment", "activity"} <= set(shown)
    assert (shown["state"], shown["stage"], shown["compliance"]) == ("sent", "Delivered", "compliant")
    assert shown["fulfilment"]["mailed"] is True
    assert {"seen", "judged", "sending", "answered", "stage", "fulfilment"} <= {
        one["kind"] for one in shown["activity"]
    }
    assert [one for one in shown["packages"] if one["tracking_number"]]


@pytest.mark.slow
def test_o8_products_are_compared_sku_by_sku(left: Left) -> None:
    found = {one["sku"]: one for one in left.products["products"]}
    assert (found["PINOT22"]["found"], found["PINOT22"]["difference"]) == ("both", "0.00")
    assert (found["LIBRARY"]["found"], found["OLD18"]["found"]) == ("only_commerce7", "only_vinoshipper")
    assert found["port19"]["found"] == "case_differs"
    assert (found["ROSE24"]["commerce7_price"], found["ROSE24"]["vinoshipper_price"]) == ("24.00", "26.00")
    assert found["ROSE24"]["difference"] == "2.00"


@pytest.mark.slow
def test_o2_the_neighbor_has_its_own_states_prefix_and_bundles(left: Left) -> None:
    assert left.oak_wrong == []
    for case in left.oak_cases:
        row = left.oak_listed[case["order_id"]]
        assert (row["state"], row["code"]) == (case["state"], None if case["state"] == SENT else case["code"]), case
        if row["state"] == SENT:
            assert re.fullmatch(r"BO-\d+", row["vs_number"])


@pytest.mark.slow
def test_o4_1_a_lost_ledger_forgets_nothing_that_was_sent(left: Left) -> None:
    assert not [entry for entry in left.reread_writes if "fulfillment" in entry or "/orders" in entry], (
        left.reread_writes
    )
    assert left.reread["synced"]["sent"] == left.reread["synced"]["fulfilled"] == 0
    assert left.wrong == []
    assert left.reread["synced"]["adopted"] >= left.first["synced"]["sent"]


@pytest.mark.slow
def test_o4_2_not_required_stays_whatever_time_does(left: Left) -> None:
    for id, row in left.listed.items():
        if row["state"] == NOT_REQUIRED:
            assert (left.last_listed[id]["state"], left.last_listed[id]["code"]) == (NOT_REQUIRED, row["code"])
