"""What an answer to a write means (orders.md 6.3): one request each, and whatever is not sure is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7.writing import ShopDone, fulfil, tell
from vs_st_pipeline.domain.errors import BadKey
from vs_st_pipeline.domain.order_desk import NotReached, RefusedWrite, UnknownOutcome
from vs_st_pipeline_tests.connectors.commerce7.world import World


def form(world: World, **changed: Any) -> dict[str, Any]:
    return {
        "sendTransactionEmail": True,
        "type": "Shipped",
        "fulfillmentDate": f"{world.now():%Y-%m-%dT%H:%M:%S}.000Z",
        "shipped": {"trackingNumbers": ["1Z999"], "carrier": "UPS"},
        "packageCount": 1,
        **changed,
    }


def posts(world: World) -> int:
    return len([one for one in world.box.control.journal() if one["method"] == "POST" and "/v1/" in one["path"]])


def said(order_id: str, *issues: str) -> dict[str, Any]:
    return {"objectType": "Order", "objectId": order_id, "status": "Success", "issues": list(issues), "actions": []}


def test_o7_a_fulfilment_is_done_if_the_answer_is_that_order(world: World) -> None:
    plain = world.plain()
    world.one(plain["id"])
    done = fulfil(world.client(), plain["id"], form(world), whole=True)
    assert isinstance(done, ShopDone)
    assert done.order is not None
    assert [one.tracking_numbers for one in done.order.fulfilments] == [("1Z999",)]
    again = fulfil(world.client(), plain["id"], form(world), whole=True)
    assert isinstance(again, RefusedWrite)
    assert again.http_status == 422
    assert again.problems[0].description == "Can not fulfill an order that is marked Fulfilled"
    assert [mail["order_id"] for mail in world.box.control.mails()] == [plain["id"]]


def test_o7_part_of_an_order_goes_by_its_lines(world: World) -> None:
    plain = world.order(lines=[{"sku": "PINOT22", "quantity": 2}])
    world.one(plain["id"])
    part = form(world, items=[{"sku": "PINOT22", "quantityFulfilled": 1}])
    done = fulfil(world.client(), plain["id"], part, whole=False)
    assert isinstance(done, ShopDone)
    assert done.order is not None
    assert [line.quantity_fulfilled for line in done.order.lines] == [1]
    wrong = fulfil(world.client(), plain["id"], form(world, items=[]), whole=False)
    assert isinstance(wrong, RefusedWrite)
    assert [one.code for one in wrong.problems] == ["items"]


ANSWERS: list[tuple[str, type]] = [
    ("400", RefusedWrite), ("422", RefusedWrite), ("429", NotReached), ("cloudflare_403", NotReached),
    ("404", UnknownOutcome), ("410", UnknownOutcome), ("500", UnknownOutcome), ("reset", UnknownOutcome),
    ("truncated", UnknownOutcome), ("html_other", UnknownOutcome), ("hollow", UnknownOutcome),
    ("error_body", UnknownOutcome), ("wrong_shape", UnknownOutcome), ("login_page", BadKey), ("401", BadKey),
]  # fmt: skip


def test_o6_3_each_answer_to_a_write(world: World) -> None:
    world.box.control.set_switch("fulfil_again", "second_fulfilment")  # so that each may be the first
    plain, client = world.plain()["id"], world.client()
    for when in ("before", "after"):
        for fault, kind in ANSWERS:
            if when == "after" and kind is not UnknownOutcome:
                continue  # what is refused or not reached was not done
            world.box.control.set_fault(fault, count=1, method="POST", when=when)
            world.box.control.clear_journal()
            try:
                answer: object = fulfil(client, plain, form(world), whole=True)
            except BadKey as error:
                answer = error
            assert isinstance(answer, kind), (fault, when)
            assert posts(world) == 1, "whatever comes, it is not sent again"


def test_o6_3_no_connection_has_not_reached_it(world: World) -> None:
    world.settings = type(world.settings)(**{**dict(world.settings), "base_url": "http://127.0.0.1:9/v1"})
    assert isinstance(fulfil(world.client(), "x", form(world), whole=True), NotReached)
    assert isinstance(tell(world.client(), said("x", "Shipped")), NotReached)


def test_o7_a_message_is_left_once_and_403_or_404_mean_that_there_is_no_way(world: World) -> None:
    plain = world.plain()["id"]
    for value, wanted in world.each("app_sync", [ShopDone, RefusedWrite, RefusedWrite]):
        answer = tell(world.client(), said(plain, "Shipped"))
        assert isinstance(answer, wanted)
        assert answer.http_status == (200 if wanted is ShopDone else value)
    world.box.control.reset()
    for fault, kind in (("hollow", UnknownOutcome), ("500", UnknownOutcome), ("429", NotReached)):
        world.box.control.set_fault(fault, count=1, method="POST")
        assert isinstance(tell(world.client(), said(plain, "Shipped")), kind)
    world.box.control.set_fault("401", count=1)
    with pytest.raises(BadKey):
        tell(world.client(), said(plain, "Shipped"))


def test_o11_each_switch_of_a_fulfilment(world: World) -> None:
    plain = world.plain()["id"]
    no_carrier = {"shipped": {"trackingNumbers": ["1Z"]}}
    no_numbers = {"shipped": {"trackingNumbers": [], "carrier": "UPS"}}
    for name, changed in (("fulfil_without_carrier", no_carrier), ("fulfil_without_tracking", no_numbers)):
        for _, wanted in world.box.each(name, [ShopDone, RefusedWrite]):
            assert isinstance(fulfil(world.client(), plain, form(world, **changed), whole=True), wanted)
    for _, wanted in world.box.each("fulfil_again", [RefusedWrite, ShopDone]):
        first, second = (fulfil(world.client(), plain, form(world), whole=True) for _ in range(2))
        assert isinstance(first, ShopDone)
        assert isinstance(second, wanted)
