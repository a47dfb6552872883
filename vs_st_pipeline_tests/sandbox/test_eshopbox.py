"""Eshopbox's stand-in answers, tells and judges as notices.md 11 and the assumed wire forms say, by every switch."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from vs_st_pipeline.sandbox.core.clients import ControlError
from vs_st_pipeline.sandbox.eshopbox.server import Eshopbox
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import KAPASKRAFT, MITTI_HOME
from vs_st_pipeline_tests.sandbox.served import Api, Record, Served, not_tried, served
from vs_st_pipeline_tests.support.loopback import PostServer

TOKEN, RESOLUTION = "/api/v1/generateToken", "/api/v2/ndrResolution"
PLAIN, SIGNS, TWO, BACK = "KK1001", "KK/10 07#A", "KK1003", "KK1009"
SHOWN_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


class Receiver(PostServer):
    """Takes posts, and says 204."""

    def __init__(self) -> None:
        self.taken: list[tuple[Mapping[str, str], bytes]] = []
        super().__init__()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int | None:
        self.taken.append((headers, body))
        return 204


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Eshopbox, "parcels") as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def grant(box: Served, merchant: str = KAPASKRAFT, **other: Any) -> Record:
    """What asks for a token."""
    keys = box.control.keys(merchant)
    names = ("client_id", "client_secret", "refresh_token")
    return {"grant_type": "refresh_token", **{name: keys[name] for name in names}, **other}


def api(box: Served, merchant: str = KAPASKRAFT) -> Api:
    """A caller with a token."""
    token = box.api()("POST", TOKEN, grant(box, merchant)).json["access_token"]
    return box.api(Authorization=f"Bearer {token}")


def order(box: Served, number: str = PLAIN, by: Api | None = None) -> Record:
    found: Record = (by or api(box))("GET", f"/api/order/{quote(number, safe='')}").json
    return found


def listed(box: Served, by: Api | None = None, **query: Any) -> Record:
    found: Record = (by or api(box))("GET", f"/w/{KAPASKRAFT}/api/v1/orders/erp", **query).json
    return found


def tracked(box: Served, *ids: str) -> list[Record]:
    path = f"/w/{KAPASKRAFT}/api/v1/shipping/trackingDetails"
    found: list[Record] = api(box)("GET", path, trackingIds=",".join(ids)).json["data"]
    return found


def answer_of(box: Served, by: Api, number: str = PLAIN, code: str = "ACTF001", **other: Any) -> Any:
    """Call ndrResolution as a good client does; what is None is left out."""
    shown = order(box, number, by)
    parcel = box.control.find(number)["shipments"]
    body = {
        "customerOrderNumber": number,
        "resolutionCode": code,
        "trackingId": next(iter(parcel.values()))["trackingId"],
        "contactPhoneNumber": shown["shippingAddress"]["contactPhone"],
        **other,
    }
    return by("POST", RESOLUTION, {name: value for name, value in body.items() if value is not None})


def said_no(reply: Any) -> bool:
    return bool(reply.status >= 400 or reply.json.get("status") == "error")


def whats(box: Served) -> list[str]:
    return [one["what"] for one in box.control.findings()]


def test_a_token_is_of_one_workspace_and_ends(box: Served) -> None:
    by = api(box)
    assert order(box, by=by)["customerOrderNumber"] == PLAIN
    assert by("GET", "/api/order/MH-2001").status == 404
    assert by("GET", f"/w/{MITTI_HOME}/api/v1/orders/erp").status == 403
    box.control.move_clock(86_401)
    assert by("GET", f"/api/order/{PLAIN}").status == 401
    by = api(box)
    box.control.expire_tokens(KAPASKRAFT)
    assert by("GET", f"/api/order/{PLAIN}").status == 401
    assert whats(box) == ["other_workspace"]
    assert box.control.token_requests(KAPASKRAFT) == 2
    assert "eshopbox-" not in str(box.control.journal())


def test_what_is_no_secret_gets_no_token(box: Served) -> None:
    wrong = grant(box, client_secret="another")
    for value, expected in box.each("bad_credentials", [401, 400, 200]):
        reply = box.api()("POST", TOKEN, wrong)
        assert reply.status == expected, value
        assert ("<html>" in reply.text) == (value == "login_page")
        assert box.api(Authorization="Bearer nothing")("GET", f"/api/order/{PLAIN}").status == 401


def test_how_long_a_token_lives_is_said_or_not(box: Served) -> None:
    for value, expected in box.each("token_life", [86400, 90, None]):
        asked = box.api()("POST", TOKEN, grant(box)).json
        assert asked.get("expires_in") == expected
        by = box.api(Authorization=f"Bearer {asked['access_token']}")
        box.control.move_clock(91)
        assert by("GET", f"/api/order/{PLAIN}").status == (401 if value == 90 else 200)


def test_two_tokens_within_a_minute_are_a_finding_and_may_be_refused(box: Served) -> None:
    for _, expected in box.each("token_rate_limit", [200, 429]):
        assert [box.api()("POST", TOKEN, grant(box)).status for _ in range(2)] == [200, expected]
        assert whats(box) == ["token_storm"]
        box.control.move_clock(61)
        assert box.api()("POST", TOKEN, grant(box)).status == 200
        assert whats(box) == ["token_storm"]


def test_a_detail_has_what_the_facts_name(box: Served) -> None:
    shown = order(box, SIGNS)
    assert {"id", "externalChannelID", "vendorOrderNumber", "orderDate", "isCOD", "paymentType", "subtotal",
            "orderTotal", "balanceDue", "onHold", "created_at", "updated_at", "shippingAddress", "billingAddress",
            "items", "brand",
            "invoiceNumber", "isWhatsAppEnabledForNotifications", "returns", "ndrDetails"} <= set(shown)  # fmt: skip
    assert re.fullmatch(SHOWN_TIME, shown["orderDate"])
    [item] = shown["items"]
    assert {"lineItemSequenceNumber", "orderItemID", "itemID", "sku", "productName", "quantity", "status", "timeline",
            "statusUpdatedAt", "externalShipmentID", "courierName", "trackingID", "ndrDetails"} <= {*item}  # fmt: skip
    assert [one["status"] for one in item["timeline"]] == [
        "created", "packed", "dispatched", "intransit", "out_for_delivery",
    ]  # fmt: skip
    two = order(box, TWO)
    assert [one["status"] for one in two["items"]] == ["delivered", "out_for_delivery"]
    [back] = order(box, BACK)["returns"]
    assert (back["status"], len(back["items"])) == ("picked_up", 1)


STATUS_SHOWN = {"item": (True, True), "tracking_only": (False, True), "none": (False, False)}


def test_where_a_status_is_shown(box: Served) -> None:
    for value, (in_detail, in_tracking) in box.each("status_in_detail", list(STATUS_SHOWN.values())):
        [item], [back] = order(box, PLAIN)["items"], order(box, BACK)["returns"]
        assert ("status" in item, "timeline" in item, "status" in back) == (in_detail,) * 3, value
        assert (listed(box)["orders"][0]["orderStatus"] is not None) == in_detail
        assert ["status" in one for one in tracked(box, "AWBKK1001S1", "NOTHING")] == [in_tracking]


def test_when_a_status_came(box: Served) -> None:
    for _, names in box.each("status_time", [{"statusUpdatedAt", "timeline"}, {"statusUpdatedAt"}, set()]):
        for row in (order(box)["items"][0], order(box, BACK)["returns"][0], tracked(box, "AWBKK1001S1")[0]):
            assert {"statusUpdatedAt", "timeline"} & set(row) == names


def test_in_which_zone_times_are(box: Served) -> None:
    box.control.order(KAPASKRAFT, number="Z1", placed="2026-11-01T00:00:00Z")
    kept = box.control.find("Z1", KAPASKRAFT)
    for _, expected in box.each("clock_zone", ["2026-11-01 05:30:00", "2026-11-01 00:00:00"]):
        box.control.order(KAPASKRAFT, number="Z1", placed=kept["orderDate"])
        assert order(box, "Z1")["orderDate"] == expected


def test_whether_the_flag_is_there(box: Served) -> None:
    for _, expected in box.each("opt_in_flag", [(1, 0), (None, None), (1, 1)]):
        by, name = api(box), "isWhatsAppEnabledForNotifications"
        assert (order(box, PLAIN, by).get(name), order(box, "KK1004", by).get(name)) == expected


def test_how_phones_are_written(box: Served) -> None:
    for _, expected in box.each("phone_form", ["9845000001", "+919845000001", "09845000001", "98******01"]):
        by = api(box)
        assert order(box, PLAIN, by)["shippingAddress"]["contactPhone"] == expected
        assert order(box, "KK1011", by)["shippingAddress"]["contactPhone"] == "+14155550132"


def test_under_which_key_a_tracking_id_stands(box: Served) -> None:
    names = ["trackingID", "trackingId", "awbNumber"]
    for value, key in box.each("tracking_key", [*names, None]):
        box.control.advance(PLAIN, "intransit", KAPASKRAFT)
        [hook] = box.control.take_hooks(PLAIN, KAPASKRAFT)
        for row in (order(box)["items"][0], order(box, BACK)["returns"][0], hook["body"]["response_data"]):
            assert [name for name in names if name in row] == ([key] if key else []), value
            assert key is None or row[key]


def test_the_list_is_filtered_by_dates_wherever_they_stand(box: Served) -> None:
    every = {one["customerOrderNumber"] for one in listed(box)["orders"]}
    assert len(every) == 12
    young = max(listed(box)["orders"], key=lambda one: str(one["orderDate"]))
    for value, count in box.each("list_filter", [1, 12]):
        day = young["orderDate"]
        for query in ({"from": day}, {"filters": f"orderDate={day}&page=1"}, {"orderDate[gte]": day}):
            assert listed(box, **query)["total"] == count, value


def test_the_list_has_pages_or_one(box: Served) -> None:
    for value, expected in box.each("list_paging", [(12, [5, 5, 2, 0]), (5, [5, 5, 5, 5])]):
        pages = [listed(box, page=number, perPage=5)["orders"] for number in range(1, 5)]
        assert (len({one["objectID"] for page in pages for one in page}), list(map(len, pages))) == expected, value
        dates = [one["orderDate"] for one in pages[0]]
        assert dates == sorted(dates, reverse=True)
    box.control.reset()
    inside = [listed(box, **query)["orders"][0]["objectID"] for query in ({"page": 2, "perPage": 3},
              {"pageNo": 2, "per_page": 3}, {"filters": "page=2&limit=3"})]  # fmt: skip
    assert len(set(inside)) == 1


def test_how_a_date_that_is_not_yet_is_written(box: Served) -> None:
    for _, expected in box.each("null_dates", ["0000-00-00 00:00:00", None, "absent"]):
        assert order(box).get("expectedShipDate", "absent") == expected


def test_what_became_of_returned_items(box: Served) -> None:
    for value, expected in box.each("return_items", [["restocked", "damaged"], ["damaged", "damaged"], None]):
        [back] = order(box, "KK1010")["returns"]
        assert [one["returnStatus"] for one in back["items"]] == expected if expected else "items" not in back, value
    box.control.reset()
    assert order(box, BACK)["returns"][0]["items"][0]["returnStatus"] is None, "it is not back yet"


def test_an_order_is_added_and_advances(box: Served) -> None:
    made = box.control.order(KAPASKRAFT, number="N 1", phone="+919740000001", name="Nila Nair")
    assert order(box, "N 1")["shippingAddress"]["customerName"] == "Nila Nair"
    box.control.advance("N 1", "failed_delivery", KAPASKRAFT, resolutions=["ACTF001"], reason="Closed")
    shown = order(box, "N 1")
    assert shown["items"][0]["status"] == "failed_delivery"
    assert shown["ndrDetails"] == {"reason": "Closed", "resolutions": ["ACTF001"], "submittedResolution": None}
    box.control.advance("N 1", "intransit", KAPASKRAFT, at="2026-01-01T00:00:00Z")
    assert order(box, "N 1")["items"][0]["status"] == "failed_delivery", "a late scan is no newer status"
    box.control.advance("N 1", "out_for_delivery", KAPASKRAFT)
    assert order(box, "N 1")["ndrDetails"] is None
    box.control.advance("N 1", "created", KAPASKRAFT, resource="returnShipment", shipment="R1", refundAmount="10.50")
    box.control.advance("N 1", "complete", KAPASKRAFT, resource="returnShipment")
    [back] = order(box, "N 1")["returns"]
    assert (back["externalShipmentID"], back["status"], back["refundAmount"]) == ("R1", "complete", "10.50")
    told = box.control.untold(KAPASKRAFT)
    assert [(one["resource"], one["status"]) for one in told if one["order"] == "N 1"] == [
        ("shipment", "created"), ("shipment", "failed_delivery"), ("shipment", "intransit"),
        ("shipment", "out_for_delivery"), ("returnShipment", "created"), ("returnShipment", "complete"),
    ]  # fmt: skip
    for wrong in (
        {"order": "N 2"},
        {"order": "N 1", "shipment": "S9"},
        {"order": "KK1002", "resource": "returnShipment"},
    ):
        with pytest.raises(ControlError):
            box.control.advance(status="packed", merchant=KAPASKRAFT, **wrong)
    assert made["customerOrderNumber"] == "N 1"


def test_a_hook_names_what_moved_and_no_time(box: Served, receiver: Receiver) -> None:
    box.control.begin_hooks(f"{receiver.url}/hooks", "the key", KAPASKRAFT)
    box.control.advance(PLAIN, "failed_delivery", KAPASKRAFT)
    assert box.control.send_hooks(PLAIN, KAPASKRAFT) == 1
    assert box.control.send_hooks(PLAIN, KAPASKRAFT) == 0
    [call] = _ended(box, 1)
    body = call["body"]
    assert (body["resource"], body["eventType"], body["eventSubType"]) == ("shipment", "PUT", "failed_delivery")
    assert (body["accountSlug"], body["response_data"]["customerOrderNumber"]) == (KAPASKRAFT, PLAIN)
    assert body["response_data"]["order_id"] == order(box)["id"]
    assert [headers["x-api-key"] for headers, _ in receiver.taken] == ["the key"]


def test_by_itself_a_hook_goes_where_that_is_on(box: Served, receiver: Receiver) -> None:
    box.control.begin_hooks(receiver.url, "", KAPASKRAFT)
    box.control.set_switch("auto_webhooks", "on")
    box.control.advance(PLAIN, "failed_delivery", KAPASKRAFT)
    answer_of(box, api(box))
    assert [one["about"] for one in _ended(box, 2)] == [
        "shipment failed_delivery", "shipment ndr_resolution_submitted",
    ]  # fmt: skip


Told = list[tuple[str | None, str]]
WAY: Told = [("shipment", "packed"), ("shipment", "dispatched")]
STYLES: list[Told] = [
    WAY,
    [WAY[0], WAY[0], WAY[1], WAY[1]],
    WAY[::-1],
    [],
    [],
    [("shipment", "parcel_rebooked")] * 2,
    [(None, "packed"), (None, "dispatched")],
]


def test_how_hooks_come(box: Served) -> None:
    for value, expected in box.each("hook_style", STYLES):
        for _, status in WAY:
            box.control.advance("KK1012", status, KAPASKRAFT)
        told = [one["body"] for one in box.control.take_hooks("KK1012", KAPASKRAFT)]
        assert [(one.get("resource"), one["eventSubType"]) for one in told] == expected, value
        if value == "delayed":
            box.control.advance("KK1012", "intransit", KAPASKRAFT)
            later = box.control.take_hooks("KK1012", KAPASKRAFT)
            assert [one["body"]["eventSubType"] for one in later] == ["packed", "dispatched"]


def test_which_header_comes_with_a_hook(box: Served) -> None:
    for _, name in box.each("hook_headers", ["X-Api-Key", "x-api-key", None]):
        box.control.advance(PLAIN, "intransit", KAPASKRAFT)
        [hook] = box.control.take_hooks(PLAIN, KAPASKRAFT)
        assert list(hook["headers"]) == ([name] if name else [])


def _ended(box: Served, count: int) -> list[Record]:
    ends = time.monotonic() + 10
    while True:
        found: list[Record] = box.control.deliveries()
        if len(found) >= count and all(one["state"] == "sent" for one in found):
            return found
        assert time.monotonic() < ends, found
        time.sleep(0.01)


# --- resolutions ------------------------------------------------------------------------------------------------------


def fail(box: Served, number: str = PLAIN, **how: Any) -> Api:
    box.control.advance(number, "failed_delivery", KAPASKRAFT, **how)
    return api(box)


def test_whether_ndr_details_are_there(box: Served) -> None:
    for value, there in box.each("ndr_details", [True, False]):
        by = fail(box, resolutions=["ACTF001"])
        shown = order(box, by=by)
        assert ("ndrDetails" in shown, "ndrDetails" in shown["items"][0]) == (there, there), value
        assert said_no(answer_of(box, by, code="ACTF003"))
        assert whats(box) == (["not_offered"] if there else []), "who was not told cannot know"


def test_what_an_answer_looks_like(box: Served) -> None:
    for value, expected in box.each("ndr_answer", [200, 202, 200]):
        reply = answer_of(box, fail(box))
        [call] = box.control.resolutions(KAPASKRAFT)
        assert (reply.status, said_no(reply)) == (expected, value == "200_error")
        assert call["did"] == ("refused" if value == "200_error" else "submitted")


def test_a_second_resolution_of_one_failure(box: Served) -> None:
    for _, refused in box.each("ndr_twice", [True, False]):
        by = fail(box)
        assert not said_no(answer_of(box, by))
        assert said_no(answer_of(box, by)) == refused
        assert whats(box) == ([] if refused else ["ndr_twice"])
        box.control.advance(PLAIN, "out_for_delivery", KAPASKRAFT)
        box.control.advance(PLAIN, "failed_delivery", KAPASKRAFT)
        assert not said_no(answer_of(box, by)), "another failure is another question"
        assert whats(box) == ([] if refused else ["ndr_twice"])


def test_how_a_resolution_is_seen(box: Served) -> None:
    for value, expected in box.each("ndr_seen", [(True, False, 1), (False, True, 0), (False, False, 0)]):
        by = fail(box)
        box.control.take_hooks(PLAIN, KAPASKRAFT)
        answer_of(box, by)
        shown = order(box, by=by)
        item = shown["items"][0]
        in_timeline = "ndr_resolution_submitted" in [one["status"] for one in item["timeline"]]
        submitted = shown["ndrDetails"]["submittedResolution"]
        assert item["status"] == "failed_delivery"
        assert submitted is None or submitted["resolutionCode"] == "ACTF001"
        told = box.control.take_hooks(PLAIN, KAPASKRAFT)
        assert (in_timeline, submitted is not None, len(told)) == expected, value


DATES: list[tuple[str, str]] = [("2026-12-24", "24-12-2026"), ("24-12-2026", "2026-12-24")]


def test_how_a_new_date_must_be_written(box: Served) -> None:
    for _, (good, bad) in box.each("deferred_date", DATES):
        by = fail(box)
        for date in (bad, None, "tomorrow"):
            assert said_no(answer_of(box, by, code="ACTF002", deferredDate=date))
        assert said_no(answer_of(box, by, code="ACTF001", deferredDate=good)), "a date is for a new date alone"
        assert not said_no(answer_of(box, by, code="ACTF002", deferredDate=good))


def test_whether_a_source_may_be_named(box: Served) -> None:
    for _, refused in box.each("action_source", [False, True]):
        by = fail(box)
        assert said_no(answer_of(box, by, actionSource="whatsapp")) == refused
        assert said_no(answer_of(box, by)) != refused, "the first one was taken, or nothing was"


WRONG: list[tuple[Record, str | None]] = [
    ({"contactPhoneNumber": "9845000099"}, "wrong_phone"),
    ({"trackingId": "AWBKK1002S1"}, None),
    ({"customerOrderNumber": "KK9999"}, None),
    ({"resolutionCode": "ACTF009"}, None),
    ({"trackingId": None}, None),
    ({"contactPhoneNumber": ""}, None),
]


@pytest.mark.parametrize(("other", "finding"), WRONG)
def test_what_is_refused(box: Served, other: Record, finding: str | None) -> None:
    assert said_no(answer_of(box, fail(box), **other))
    assert whats(box) == ([finding] if finding else [])
    assert [one["did"] for one in box.control.resolutions(KAPASKRAFT)] == ["refused"]


def test_who_is_not_in_failed_delivery_is_refused(box: Served) -> None:
    assert said_no(answer_of(box, api(box)))
    assert whats(box) == []


Faulty = tuple[str, Record, bool]
UNKNOWN: list[Faulty] = [
    ("500", {}, True),
    ("500", {"when": "after"}, True),
    ("reset", {"when": "after"}, True),
    ("truncated", {}, True),
    ("html_other", {}, True),
    ("429", {}, False),
    ("401", {}, False),
]


@pytest.mark.parametrize(("kind", "how", "finding"), UNKNOWN)
def test_a_repeat_is_a_finding_where_the_first_may_have_been_taken(
    box: Served, kind: str, how: Record, finding: bool
) -> None:
    """A client never repeats what may have been taken: it does not know that a fault came before."""
    by, again = fail(box), _calling(box)
    box.control.set_switch("ndr_twice", "accepted")
    box.control.set_fault(kind, path_regex="ndrResolution", count=1, **how)
    again(by)
    again(box.api(Authorization=by.headers["Authorization"]))
    assert whats(box) == (["ndr_twice"] if finding else [])


def _calling(box: Served) -> Callable[[Api], None]:
    def call(by: Api) -> None:
        try:
            answer_of(box, by)
        except (ConnectionError, OSError):
            by.connection.close()

    return call


def test_every_switch_is_tried() -> None:
    assert not_tried(__file__, "eshopbox") == []
