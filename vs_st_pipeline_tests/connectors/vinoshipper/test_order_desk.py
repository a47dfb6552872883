"""The order desk at Vinoshipper, over sockets: what each answer means (orders.md 6.3), and each switch of the desk.

It is long because each value of each switch is tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.order_desk import VinoshipperDesk, order_desk
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadRecord, Internal, PipelineError, TryLater
from vs_st_pipeline.domain.order_desk import (
    Compliance,
    Conflict,
    Done,
    HeldOrder,
    NotReached,
    OrderDesk,
    Package,
    RefusedWrite,
    UnknownOutcome,
)
from vs_st_pipeline.sandbox.core.switches import ORDER_DESK
from vs_st_pipeline.sandbox.vinoshipper.server import Vinoshipper
from vs_st_pipeline_tests.connectors.vinoshipper.desks import C7_ID, HILLSIDE, NUMBER, Record, client_of, desk_of, order
from vs_st_pipeline_tests.sandbox.served import Served, not_tried, served

WRITES = ("create_order", "update_order", "cancel_order")


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Vinoshipper, "orders") as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


@pytest.fixture
def desk(box: Served) -> VinoshipperDesk:
    return desk_of(box)


def created(desk: OrderDesk, *lines: tuple[str, int, str], **changed: Any) -> HeldOrder:
    """Read, create, and hold what was made."""
    body = order(*lines, **changed)
    desk.read(body["orderNumber"])
    answer = desk.create(body)
    assert isinstance(answer, Done), answer
    return answer.held


def ours(box: Served) -> list[str]:
    return list(box.control.accepted(HILLSIDE).get(C7_ID, []))


def writes(box: Served) -> list[Record]:
    """What was asked to be written; `POST`s of searches aside."""
    asked = [entry for entry in box.control.journal(HILLSIDE) if entry["method"] != "GET"]
    return [entry for entry in asked if not entry["path"].endswith(("/search", "/check-compliance", "/list"))]


# What an order says.


def test_o6_2_a_read_is_the_order_that_was_asked_for_or_404_in_json(box: Served, desk: VinoshipperDesk) -> None:
    assert desk.read(NUMBER) is None
    created(desk)
    held = desk.read(NUMBER)
    assert held is not None
    assert (held.number, held.status, held.order_status) == (NUMBER, "SUCCESS", "OPEN")
    assert (held.compliance, held.shop_order_id) == (Compliance.COMPLIANT, C7_ID)
    assert (held.zip5, held.state, held.quantities) == ("95472", "CA", {"PINOT22": 2})
    assert (held.ship_date, held.age_verified, held.problems) == (date(2030, 12, 24), True, ())
    assert (held.total, held.taxes) == (Decimal("107.81"), Decimal("7.91"))
    assert held.purchased_at is not None
    assert held.purchased_at.tzinfo is None
    assert abs(held.purchased_at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)
    assert (held.shipped_at, held.packages, held.trace_id is None) == (None, (), False)
    assert '"orderNumber"' in held.body


@pytest.mark.parametrize("lie", ["other_record", "hollow", "error_body", "two_keys"])
def test_r22_another_answer_than_the_order_says_nothing(box: Served, desk: VinoshipperDesk, lie: str) -> None:
    created(desk)
    box.control.set_fault(lie, path_regex="/orders/")
    with pytest.raises(BadRecord):
        desk.read(NUMBER)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "html_other", "status": 404}, TryLater),
        ({"kind": "500_empty", "status": 404}, TryLater),
        ({"kind": "410"}, PipelineError),
        ({"kind": "500_empty"}, TryLater),
        ({"kind": "truncated"}, TryLater),
        ({"kind": "403"}, BadKey),
        ({"kind": "login_page"}, BadKey),
    ],
)
def test_o6_2_nothing_but_a_404_in_json_says_that_it_is_not_there(
    box: Served, desk: VinoshipperDesk, fault: Record, error: type[PipelineError]
) -> None:
    box.control.set_fault(**fault, path_regex="/orders/")
    with pytest.raises(error):
        desk.read(NUMBER)


def test_an_order_that_is_cut_short_says_nothing(box: Served, desk: VinoshipperDesk) -> None:
    created(desk)
    box.control.set_fault("truncated", path_regex="/orders/")
    with pytest.raises(BadAnswer):
        desk.read(NUMBER)


def test_an_order_of_another_winery_is_not_there(box: Served, desk: VinoshipperDesk) -> None:
    created(desk)
    assert desk_of(box, "blue-oak").read(NUMBER) is None


# What the answer to a write means.


def test_o6_3_done_is_an_answer_that_names_the_order(box: Served, desk: VinoshipperDesk) -> None:
    desk.read(NUMBER)
    answer = desk.create(order())
    assert isinstance(answer, Done)
    assert (answer.http_status, answer.held.status, answer.held.total) == (200, "SUCCESS", Decimal("107.81"))
    (entry,) = writes(box)
    assert (entry["method"], entry["path"]) == ("POST", "/api/v3/p/orders")
    assert entry["body"]["products"] == [{"productId": "PINOT22", "quantity": 2, "price": 42.1}]
    assert box.control.findings() == []


def test_amounts_go_out_digit_by_digit(box: Served, desk: VinoshipperDesk) -> None:
    body = order(("PINOT22", 1, "0.10"), taxes=Decimal("1234567890123.45"))
    assert isinstance(desk.create(body), Done)
    held = desk.read(NUMBER)
    assert held is not None
    assert held.taxes == Decimal("1234567890123.45")
    for amount in (0.1, Decimal("NaN")):
        with pytest.raises(Internal):
            desk.create(order(orderNumber="HILLSIDE-9002", taxes=amount))
    assert len(writes(box)) == 1


UNKNOWN: list[tuple[str, Record]] = [
    ("time-out", {"kind": "slow", "seconds": 2}),
    ("reset", {"kind": "reset"}),
    ("cut short", {"kind": "truncated"}),
    ("other HTML", {"kind": "html_other"}),
    ("other HTML with 400", {"kind": "html_other", "status": 400}),
    ("400 without JSON", {"kind": "500_empty", "status": 400}),
    ("422 without JSON", {"kind": "500_empty", "status": 422}),
    ("404", {"kind": "404"}),
    ("408", {"kind": "500_empty", "status": 408}),
    ("410", {"kind": "410"}),
    ("500", {"kind": "500"}),
    ("502", {"kind": "html_other", "status": 502}),
    ("504", {"kind": "500_empty", "status": 504}),
    ("a block page's look with the system's own trace id", {"kind": "html_other", "status": 503}),
    ("a block page with a status of the system", {"kind": "cloudflare_503", "status": 502}),
    ("no orderNumber", {"kind": "wrong_shape"}),
    ("hollow", {"kind": "hollow"}),
    ("an error with 200", {"kind": "error_body"}),
]


@pytest.mark.parametrize("fault", [fault for _, fault in UNKNOWN], ids=[name for name, _ in UNKNOWN])
def test_o6_3_all_else_is_unknown_and_nothing_is_repeated(box: Served, desk: VinoshipperDesk, fault: Record) -> None:
    box.control.set_switch("cf_ray_on_all", True)
    for write, call in ((lambda: desk.create(order()), "create"), (lambda: desk.update(NUMBER, order()), "update")):
        box.control.clear_journal()
        box.control.set_fault(**fault, path_regex="/orders", when="after")
        answer = write()
        assert isinstance(answer, UnknownOutcome), (call, answer)
        assert len(writes(box)) == 1
        box.control.clear_faults()
    assert ours(box) == [NUMBER]


NOT_REACHED: list[tuple[str, Record]] = [
    ("429", {"kind": "500_empty", "status": 429}),
    ("429 in the system's words", {"kind": "429", "retry_after": 1}),
    *((f"block page {status}", {"kind": f"cloudflare_{status}"}) for status in (403, 429, 503)),
]


@pytest.mark.parametrize("fault", [fault for _, fault in NOT_REACHED], ids=[name for name, _ in NOT_REACHED])
def test_o6_3_too_many_and_a_block_page_have_not_reached_it(box: Served, desk: VinoshipperDesk, fault: Record) -> None:
    box.control.set_fault(**fault, path_regex="/orders")
    writes_made = [
        desk.create(order()),
        desk.update(NUMBER, order()),
        desk.cancel(NUMBER, "why", restore_inventory=True),
    ]
    for answer in writes_made:
        assert isinstance(answer, NotReached), answer
        assert isinstance(answer.error, TryLater)
    assert len(writes(box)) == 3


def test_o6_3_no_connection_has_not_reached_it(box: Served) -> None:
    client = client_of(box)
    client.http.go_to("http://127.0.0.1:9")
    assert isinstance(order_desk(client).create(order()), NotReached)


def test_a_run_that_is_stopped_before_the_request_leaves_has_not_reached_it(box: Served) -> None:
    client = client_of(box)

    class Stopped:
        def wait(self) -> float:
            raise TryLater("stopped")

    client.http._pace = Stopped()
    assert isinstance(order_desk(client).create(order()), NotReached)
    assert writes(box) == []


@pytest.mark.parametrize("fault", ["401", "403", "login_page", "redirect_login"])
def test_o6_3_a_key_that_is_not_accepted_is_raised(box: Served, desk: VinoshipperDesk, fault: str) -> None:
    box.control.set_fault(fault, path_regex="/orders")
    for write in (
        lambda: desk.create(order()),
        lambda: desk.update(NUMBER, order()),
        lambda: desk.cancel(NUMBER, "why", restore_inventory=True),
    ):
        with pytest.raises(BadKey):
            write()
    assert len(writes(box)) == 3


@pytest.mark.parametrize("status", [400, 422])
def test_o6_3_refused_is_json_400_and_422(box: Served, desk: VinoshipperDesk, status: int) -> None:
    box.control.set_fault(str(status), path_regex="/orders")
    answer = desk.create(order())
    assert isinstance(answer, RefusedWrite)
    assert (answer.http_status, answer.code, answer.is_compliance) == (status, "VALIDATION", False)
    assert answer.unknown_keys == ()
    assert answer.trace_id is not None
    assert [(one.code, one.type) for one in answer.problems] == [("validation", "VALIDATION")]


def test_what_is_wrong_with_an_order_is_told(box: Served, desk: VinoshipperDesk) -> None:
    answer = desk.create(order(("NOWHERE", 1, "10"), to={"postalCode": "9547"}))
    assert isinstance(answer, RefusedWrite)
    assert [(one.code, one.description) for one in answer.problems] == [
        ("invalid", "Postal code is not valid"),
        ("not_found", "Product NOWHERE was not found"),
    ]


def test_an_order_that_has_problems_is_done_and_says_them(box: Served, desk: VinoshipperDesk) -> None:
    held = created(desk, to={"stateCode": "UT"})
    assert (held.status, held.order_status, held.compliance) == ("PENDING", "PROBLEM", Compliance.NOT_COMPLIANT)
    (problem,) = held.problems
    assert (problem.code, problem.type) == ("STATE_CLOSED", "COMPLIANCE_VIOLATION")
    answer = desk.update(NUMBER, order())
    assert isinstance(answer, Done)
    assert (answer.held.status, answer.held.compliance) == ("SUCCESS", Compliance.COMPLIANT)


def test_a_number_with_a_slash_goes_as_one_step_of_the_path(box: Served, desk: VinoshipperDesk) -> None:
    number = "HILL/SIDE 9001"
    created(desk, orderNumber=number)
    held = desk.read(number)
    assert held is not None
    assert held.number == number


def test_an_order_without_a_number_is_never_sent(box: Served, desk: VinoshipperDesk) -> None:
    with pytest.raises(Internal):
        desk.create(order(orderNumber=None))
    assert writes(box) == []


# Each switch.


def test_duplicate_number(box: Served, desk: VinoshipperDesk) -> None:
    expected = [Conflict, Conflict, Done, UnknownOutcome, Done]
    for value, kind in box.each("duplicate_number", expected):
        created(desk)
        answer = desk.create(order(("ZIN21", 1, "38.00")))
        assert isinstance(answer, kind), (value, answer)
        held = desk.read(NUMBER)
        assert held is not None
        assert held.quantities == ({"ZIN21": 1} if value == "overwrites" else {"PINOT22": 2}), value


def test_a_number_of_another_winery_is_a_conflict(box: Served, desk: VinoshipperDesk) -> None:
    created(desk)
    neighbor = desk_of(box, "blue-oak")
    assert isinstance(neighbor.create(order()), Conflict)
    assert isinstance(neighbor.update(NUMBER, order()), Conflict)
    assert isinstance(neighbor.cancel(NUMBER, "why", restore_inventory=True), UnknownOutcome)  # 404


def test_problem_answer(box: Served, desk: VinoshipperDesk) -> None:
    for value, _ in box.each("problem_answer", [None, None]):
        desk.read(NUMBER)
        answer = desk.create(order(to={"stateCode": "UT"}))
        if value == "200_pending":
            assert isinstance(answer, Done)
            assert answer.held.compliance is Compliance.NOT_COMPLIANT
            continue
        assert isinstance(answer, RefusedWrite)
        assert (answer.code, answer.is_compliance) == ("COMPLIANCE", True)
        assert [(one.code, one.type) for one in answer.problems] == [("STATE_CLOSED", "COMPLIANCE")]
        assert desk.read(NUMBER) is None


def test_status_after_create(box: Served, desk: VinoshipperDesk) -> None:
    expected = ["SUCCESS", "PENDING", "PENDING", "PAYMENT_AUTHORIZED", "AWAITING_REVIEW"]
    for value, status in box.each("status_after_create", expected):
        held = created(desk)
        assert (held.status, held.order_status, held.problems) == (status, "OPEN", ()), value
        assert held.compliance is Compliance.COMPLIANT


def test_paid_key(box: Served, desk: VinoshipperDesk) -> None:
    for value, stage in box.each("paid_key", ["OPEN", "OPEN", "UNPAID"]):
        assert created(desk).order_status == stage, value


def test_o5_1_unknown_keys_are_those_that_the_answer_names(box: Served, desk: VinoshipperDesk) -> None:
    for value, expected in box.each("unknown_keys", [set(), {"sourceUrl", "businessName", "fees", "isPaid"}]):
        body, told = order(), set()
        while isinstance(answer := desk.create(body), RefusedWrite):
            assert len(answer.unknown_keys) == 1, answer
            told.update(answer.unknown_keys)
            for holder in (body, body["shipToAddress"]):
                holder.pop(answer.unknown_keys[0], None)
        assert isinstance(answer, Done), (value, answer)
        assert told == (expected | {"disableCustomerNotifications"} if expected else set())
    for key in ("metaFields", "paid"):
        box.control.set_switch("unknown_keys", [key])
        answer = desk.update(NUMBER, order())
        assert isinstance(answer, RefusedWrite)
        assert answer.unknown_keys == (key,)


def test_meta_fields(box: Served, desk: VinoshipperDesk) -> None:
    for value, shown in box.each("meta_fields", [C7_ID, None]):
        held = created(desk)
        assert held.shop_order_id == shown, value
        assert held.quantities == {"PINOT22": 2}


def test_late_commit(box: Served, desk: VinoshipperDesk) -> None:
    for value, seen in box.each("late_commit", [[True] * 3, [False, False, True]]):
        created(desk)
        assert [desk.read(NUMBER) is not None for _ in range(3)] == seen, value


def test_put_accepted(box: Served, desk: VinoshipperDesk) -> None:
    for value, kind in box.each("put_accepted", [Conflict, Done, Done]):
        created(desk)
        answer = desk.update(NUMBER, order(("ZIN21", 1, "38.00")))
        assert isinstance(answer, kind), (value, answer)
        if isinstance(answer, Done):
            assert answer.held.quantities == ({"ZIN21": 1} if value == "updates" else {"PINOT22": 2})
        assert ours(box) == [NUMBER]


def test_restore_key(box: Served, desk: VinoshipperDesk) -> None:
    for value, kind in box.each("restore_key", [Done, Done, RefusedWrite]):
        created(desk)
        before = box.control.stock(HILLSIDE)["PINOT22"]
        answer = desk.cancel(NUMBER, "refunded", restore_inventory=True)
        assert isinstance(answer, kind), (value, answer)
        if isinstance(answer, RefusedWrite):
            assert answer.unknown_keys == ("restoreInventory",)
            assert isinstance(desk.cancel(NUMBER, "refunded", restore_inventory=True, with_key=False), Done)
            assert "restoreInventory" not in writes(box)[-1]["body"]
        assert box.control.stock(HILLSIDE)["PINOT22"] - before == (2 if value == "restoreInventory" else 0)
    assert isinstance(desk.cancel(NUMBER, "refunded", restore_inventory=False), RefusedWrite)
    assert writes(box)[-1]["body"] == {"reason": "refunded"}


def test_second_cancel(box: Served, desk: VinoshipperDesk) -> None:
    for value, kind in box.each("second_cancel", [RefusedWrite, Done, Done]):
        created(desk)
        assert isinstance(desk.cancel(NUMBER, "refunded", restore_inventory=True), Done)
        answer = desk.cancel(NUMBER, "refunded", restore_inventory=True)
        assert isinstance(answer, kind), (value, answer)
        assert len(box.control.cancellations()) == (2 if value == "second_negative" else 1)


def test_cancel_after_label(box: Served, desk: VinoshipperDesk) -> None:
    for value, kind in box.each("cancel_after_label", [Done, RefusedWrite]):
        created(desk)
        box.control.advance(NUMBER)
        answer = desk.cancel(NUMBER, "refunded", restore_inventory=True)
        assert isinstance(answer, kind), (value, answer)


def test_cancel_shows(box: Served, desk: VinoshipperDesk) -> None:
    for value, seen in box.each("cancel_shows", [["CANCELLED"] * 3, ["OPEN", "OPEN", "CANCELLED"]]):
        created(desk)
        assert isinstance(desk.cancel(NUMBER, "refunded", restore_inventory=True), Done)
        reads = [desk.read(NUMBER) for _ in range(3)]
        assert [held.order_status for held in reads if held] == seen, value
    held = desk.read(NUMBER)
    assert held is not None
    assert (held.canceled_at is None, held.cancel_reason, held.status) == (False, "refunded", "SUCCESS")


def test_sku_match(box: Served, desk: VinoshipperDesk) -> None:
    for value, kind in box.each("sku_match", [RefusedWrite, Done]):
        answer = desk.create(order(("port19", 1, "44.00")))
        assert isinstance(answer, kind), (value, answer)
    held = desk.read(NUMBER)
    assert held is not None
    assert held.quantities == {"PORT19": 1}


def test_duplicate_lines(box: Served, desk: VinoshipperDesk) -> None:
    for value, told in box.each("duplicate_lines", [(3, "98"), (3, "114"), (2, "60"), None]):
        answer = desk.create(order(("ZIN21", 1, "38.00"), ("ZIN21", 2, "30.00")))
        if told is None:
            assert isinstance(answer, RefusedWrite)
            assert answer.unknown_keys == ()
            continue
        assert isinstance(answer, Done), (value, answer)
        assert answer.held.quantities == {"ZIN21": told[0]}, value
        lines = json.loads(answer.held.body, parse_float=Decimal)["products"]
        assert sum(Decimal(str(line["price"])) * line["quantity"] for line in lines) == Decimal(told[1]), value


def test_tracking(box: Served, desk: VinoshipperDesk) -> None:
    expected = [[2, 2, 2, 2], [0, 2, 2, 2], [0, 1, 1, 2, 2], [0, 0, 0, 0]]
    for value, seen in box.each("tracking", expected):
        created(desk)
        box.control.advance(NUMBER, packages=2)
        numbers = []
        for place in range(len(seen)):
            if place == 1:
                box.control.advance(NUMBER)
            held = desk.read(NUMBER)
            assert held is not None
            assert len(held.packages) in (0, 2)
            numbers.append(sum(package.tracking_number is not None for package in held.packages))
        assert numbers == seen, value
        assert held.order_status == "SHIPPED"
        assert held.shipped_at is not None
        assert all(isinstance(one, Package) and one.carrier in ("UPS", None) for one in held.packages)


def test_products_call(box: Served, desk: VinoshipperDesk) -> None:
    skus = set(box.control.stock(HILLSIDE))
    for value, way in box.each("products_call", ["products", "feed", "none"]):
        found = desk.catalogue()
        assert found.way == way, value
        assert {one.sku for one in found.products} <= skus
        if way == "products":
            assert {one.sku for one in found.products} == skus
        if way == "feed":
            assert skus - {one.sku for one in found.products} == {"NEWRED"}  # not approved
            asked = [entry["path"] for entry in box.control.journal(HILLSIDE)]
            assert any("/feeds/vs/" in path for path in asked)
        if way != "none":
            assert {one.sku: one.price for one in found.products}["PINOT22"] == Decimal(42)
            assert {one.sku: one.name for one in found.products}["PINOT22"]


def test_every_value_of_every_switch_is_tried() -> None:
    assert set(not_tried(str(Path(__file__)), "vinoshipper")) & set(ORDER_DESK) == set()


# Searches and questions.


def test_o3_rows_of_what_was_shipped_and_of_what_was_placed(box: Served, desk: VinoshipperDesk) -> None:
    created(desk)
    created(desk, orderNumber="HILLSIDE-9002", metaFields={"c7_order_id": "x"})
    box.control.advance(NUMBER, to="SHIPPED")
    today = datetime.now(UTC).date()
    window = today - timedelta(days=2), today
    placed = {row.number: row for row in desk.placed(*window)}
    assert {NUMBER, "HILLSIDE-9002"} <= set(placed)
    assert (placed[NUMBER].order_status, placed[NUMBER].total) == ("SHIPPED", Decimal("107.81"))
    shipped = {row.number: row for row in desk.shipped(*window)}
    assert NUMBER in shipped
    assert "HILLSIDE-9002" not in shipped
    assert shipped[NUMBER].digest == placed[NUMBER].digest != placed["HILLSIDE-9002"].digest
    box.control.advance(NUMBER)
    assert {row.number: row.digest for row in desk.placed(*window)}[NUMBER] != placed[NUMBER].digest


def test_o3_a_search_that_shows_less_than_a_window_is_asked_otherwise(box: Served) -> None:
    made = datetime.now(UTC) - timedelta(days=1)
    first, last = made.date() - timedelta(days=1), made.date() + timedelta(days=1)
    for paging, by_date in (("pageIndex", "works"), ("offset", "works"), ("pageIndex", "ignored")):
        box.control.reset()
        box.control.set_switches({"paging": paging, "page_cap": 5, "date_filter": by_date})
        desk = desk_of(box)
        numbers = {f"HILLSIDE-{9001 + i}" for i in range(12)}
        for number in numbers:
            created(desk, orderNumber=number, metaFields={"c7_order_id": number})
        box.control.advance("HILLSIDE-9001", to="SHIPPED")
        assert numbers <= {row.number for row in desk.placed(first, last)}, (paging, by_date)
        shipped = {row.number for row in desk.shipped(first, last)}
        assert shipped & numbers == {"HILLSIDE-9001"}
        box.control.advance("HILLSIDE-9002", to="SHIPPED", at=(made - timedelta(days=30)).isoformat())
        if by_date == "ignored":
            with pytest.raises(BadAnswer):
                desk.shipped(first, last)
        again = VinoshipperDesk(client_of(box), desk.learned)
        assert numbers <= {row.number for row in again.placed(first, last)}


def test_o8_compliance_is_asked_without_writing(box: Served, desk: VinoshipperDesk) -> None:
    assert desk.check_compliance(order())["isCompliant"] is True
    told = desk.check_compliance(order(to={"stateCode": "UT"}))
    assert (told["isCompliant"], told["orderProblems"][0]["code"]) == (False, "STATE_CLOSED")
    asked = box.control.journal(HILLSIDE)[-1]
    assert set(asked["body"]) == {"customer", "shipToAddress", "productIdType", "products"}
    assert (writes(box), box.control.books()) == ([], [])
