"""Scenario `orders` is what its chapter says, starts what it needs, and tells what no client may have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.sandbox import SWITCHES, Sandbox
from vs_st_pipeline.sandbox.core.order_findings import accepted, order_findings
from vs_st_pipeline.sandbox.scenarios.index import load, merchants_of
from vs_st_pipeline.sandbox.scenarios.orders_accounts import APP_SECRET

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HILLSIDE, BLUE_OAK = "hillside", "blue-oak"
CODES = (
    "before_start", "dont_send", "exchange", "refund", "unknown_value", "carry_out", "pickup", "no_destination",
    "country", "state_not_chosen", "cancelled", "fulfilled_already", "nothing_to_ship", "refunded",
    "partly_refunded", "not_paid", "quarantined", "partly_fulfilled", "late", "carrier_pickup", "address",
    "zip_state", "under_age", "no_email", "no_name", "no_sku", "bad_quantity", "bad_money", "sum_mismatch",
    "bundle_unclear", "unknown_rate", "several_rates", "unknown_sku",
)  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox("orders", now=NOW) as box:
        yield box


def part_of(merchant: Any) -> dict[str, Any]:
    found: dict[str, Any] = merchant.parts["commerce7"]
    return found


def test_there_is_an_order_for_each_code_each_for_a_reason() -> None:
    world = load("orders", NOW)
    codes = Counter(case["code"] for merchant in world for case in part_of(merchant)["cases"])
    assert set(CODES) <= set(codes)
    assert set(codes) - set(CODES) == {"sent", "adopted", "number_taken", "compliance"}
    for merchant in world:
        cases = part_of(merchant)["cases"]
        assert {case["order_id"] for case in cases} == set(part_of(merchant)["orders"])
        assert {case["state"] for case in cases} <= {"sent", "voided", "failed", "not_required", "waiting"}
        told = [case["why"] for case in cases if not case["why"].endswith("of its own")]
        assert len(told) == len(set(told))


def test_a_world_is_the_same_each_time_and_shares_no_id_between_wineries() -> None:
    first, again = load("orders", NOW), load("orders", NOW)
    assert [merchant.parts for merchant in first] == [merchant.parts for merchant in again]
    assert [merchant.orders for merchant in first] == [merchant.orders for merchant in again]
    one, other = map(part_of, first)
    for table in ("orders", "products", "customers"):
        assert not set(one[table]) & set(other[table])
    numbers = [{order["orderNumber"] for order in part["orders"].values()} for part in (one, other)]
    assert numbers[1] & numbers[0]
    assert [max(each) - min(each) + 1 - len(each) for each in numbers] == [0, 1]  # the second one has a gap


def test_what_may_be_sent_was_paid_lately_and_numbers_follow_time() -> None:
    for merchant in load("orders", NOW):
        orders = part_of(merchant)["orders"]
        for case in part_of(merchant)["cases"]:
            if case["code"] in ("sent", "number_taken", "compliance"):
                assert orders[case["order_id"]]["orderPaidDate"] > (NOW - timedelta(hours=48)).isoformat()[:19]
        placed = sorted(orders.values(), key=lambda order: str(order["createdAt"]))
        assert [order["orderNumber"] for order in placed] == sorted(order["orderNumber"] for order in placed)


def test_links_name_the_numbers_of_their_orders() -> None:
    orders = part_of(load("orders", NOW)[0])["orders"]
    linked = [(order, link) for order in orders.values() for link in order["linkedOrders"]]
    assert len(linked) > 5
    for order, link in linked:
        other = orders[link["orderId"]]
        assert (other["orderNumber"], other["previousOrderNumber"]) == (link["orderNumber"], order["orderNumber"])


def test_a_stand_in_gets_its_own_part_alone() -> None:
    (here,) = load("orders:50", NOW, without=("orders", "customers", "gupshup"))
    assert (list(here.parts), here.orders) == (["commerce7"], {})
    assert Counter(case["code"] for case in part_of(here)["cases"]) == {"sent": 46, "pickup": 2, "state_not_chosen": 2}
    (there,) = load("orders:50", NOW, without=("commerce7", "gupshup"))
    assert list(there.parts) == ["vinoshipper"]
    assert {product["sku"] for product in there.parts["vinoshipper"]["products"]} >= {"PINOT22", "PORT19", "OLD18"}
    many = load("orders:2x3", NOW)
    assert [merchant.id for merchant in many] == ["winery-0001", "winery-0002", "winery-0003"]
    assert len({id for merchant in many for id in part_of(merchant)["orders"]}) == 6
    for wrong in ("orders:0", "orders:x", "orders:3x0"):
        with pytest.raises(ValueError, match="no scenario"):
            merchants_of(wrong)


def test_what_vinoshipper_holds_at_the_start_goes_with_the_cases(box: Sandbox) -> None:
    box.reset()
    cases = {case["order_number"]: case for case in box.commerce7.control.cases()}
    held = {order["orderNumber"]: order for order in box.vinoshipper.control.orders(HILLSIDE)}
    (bare,) = (name for name in held if not name.startswith("HILLSIDE-"))
    assert cases[int(bare)]["code"] == "sent"
    there = {int(name.rpartition("-")[2]): order for name, order in held.items() if name != bare}
    told = {number: (cases[number]["code"], cases[number]["state"]) for number in there}
    assert Counter(told.values()) == {
        ("adopted", "sent"): 3, ("adopted", "voided"): 1, ("compliance", "failed"): 1, ("number_taken", "failed"): 1
    }  # fmt: skip
    adopted = {number for number, case in cases.items() if case["code"] in ("adopted", "number_taken")}
    assert adopted < set(there)
    for number, (code, state) in told.items():
        ours = there[number]["metaFields"].get("c7_order_id") == cases[number]["order_id"]
        assert ours is (code != "number_taken" and state != "voided")
    assert box.vinoshipper.control.orders(BLUE_OAK) == []
    assert {len(orders) for orders in accepted(box.running, HILLSIDE).values()} == {1}


def test_settings_name_the_route_and_both_systems(box: Sandbox, tmp_path: Path) -> None:
    assert list(box.running) == ["vinoshipper", "commerce7"]
    whole = yaml.safe_load(box.write_settings(tmp_path).read_text())
    assert whole["defaults"]["vinoshipper"] == {"requests_per_second": 500}
    one, other = whole["merchants"]
    assert set(one) == {"id", "name", "vinoshipper", "commerce7", "orders"}
    assert one["orders"] == {"start": "2026-10-30", "states": ["CA", "NY", "TX"]}
    assert other["orders"] == {
        "start": "2026-10-30", "states": ["CA", "OR"], "number_prefix": "BO", "bundles": "as_items"
    }  # fmt: skip
    assert one["commerce7"]["tenant"] == "hillside"
    assert one["commerce7"]["base_url"] == f"{box.commerce7.url}/v1"
    assert (tmp_path / "keys" / "hillside.c7_app_secret").read_text() == f"{APP_SECRET}\n"


def test_no_client_may_send_twice_or_elsewhere(box: Sandbox) -> None:
    box.reset()
    assert box.findings() == []
    order = box.commerce7.control.place()
    there = box.vinoshipper.control

    def made(number: str, state: str = "CA", status: str = "SUCCESS", **more: Any) -> None:
        there.add_order(None, HILLSIDE, orderNumber=number, status=status, shipToAddress={"stateCode": state}, **more)

    mine = {"metaFields": {"c7_order_id": order["id"]}}
    made("HILLSIDE-refused", status="PROBLEM", **mine)
    made(f"HILLSIDE-{order['orderNumber']}", orderStatus="CANCELLED", **mine)
    made("CR-1", total="-20.00", **mine)
    made("90000000001", "UT")
    assert box.findings() == []
    made("another", "UT", **mine)
    found = [(f["system"], f["merchant"], f["what"]) for f in box.findings()]
    assert found == [
        ("vinoshipper", HILLSIDE, "state_not_chosen"), ("vinoshipper", HILLSIDE, "accepted_more_than_once")
    ]  # fmt: skip
    assert [f["what"] for f in order_findings(box.running, ("CA", "UT"))] == ["accepted_more_than_once"]


def test_no_client_may_mail_twice(box: Sandbox) -> None:
    box.reset()
    control = box.commerce7.control
    order = control.place()
    for _ in range(2):
        control.fulfil(order["id"], "1Z1", sendTransactionEmail=True)
        control.unfulfil(order["id"])
    assert [mail["by"] for mail in control.mails()] == ["person"] * 2
    assert box.findings() == []


def test_every_switch_value_is_taken(box: Sandbox) -> None:
    box.reset()
    control = box.commerce7.control
    for name, values in SWITCHES["commerce7"].items():
        for value in values:
            control.set_switch(name, value)
            assert control.switches()[name] == value
    box.reset()
    with pytest.raises(Exception, match="no switch"):
        control.set_switch("cursors", "x")


def test_the_other_worlds_may_have_it_too(tmp_path: Path) -> None:
    with Sandbox("small", ports={"commerce7": 0}) as small:
        assert list(small.running) == ["vinoshipper", "simpletexting", "commerce7"]
        control = small.commerce7.control
        assert control.orders() == []
        assert control.place()["orderNumber"] == 1001
        assert control.keys("other-winery")["prefix"] == "OTHER-WINERY"
        entry = yaml.safe_load(small.write_settings(tmp_path).read_text())["merchants"][0]
        assert set(entry) == {"id", "name", "vinoshipper", "simpletexting", "commerce7", "orders"}
