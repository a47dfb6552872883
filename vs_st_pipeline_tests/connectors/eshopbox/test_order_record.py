"""What one order's answer tells, by whatever keys it says it (facts, W1-W3, W5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.eshopbox.order_record import (
    BAD_DATE,
    BAD_TIME,
    NO_RETURN_ID,
    OrderSaid,
    Said,
    read_order,
)
from vs_st_pipeline.connectors.eshopbox.times import UnreadableTime, read_time

INDIA = ZoneInfo("Asia/Kolkata")
AT = datetime(2026, 11, 29, 6, 30)
THERE = "2026-11-29 12:00:00"


def order(*items: dict[str, Any], **more: Any) -> OrderSaid:
    body = {"id": 7, "customerOrderNumber": "A1", "orderDate": THERE, "items": list(items), **more}
    return read_order(body, "A1", INDIA)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (THERE, AT),
        (THERE + ".0", AT),
        (f" {THERE} ", AT),
        ("2026-11-29T12:00:00", AT),
        ("2026-11-29T06:30:00Z", AT),
        ("2026-11-29 12:00:00 +05:30", AT),
        ("2026-11-29 12:00:00+0530", AT),
        (None, None),
        ("", None),
        ("0000-00-00 00:00:00", None),
        ("0000-00-00", None),
    ],
)
def test_times_are_of_the_workspaces_zone(text: str | None, at: datetime | None) -> None:
    assert read_time(text, INDIA) == at


@pytest.mark.parametrize(
    "text", ["2026-11-29", "29-11-2026 12:00:00", "yesterday", "2026-02-30 12:00:00", 1764396000, True]
)
def test_what_is_no_time_is_never_guessed(text: Any) -> None:
    with pytest.raises(UnreadableTime):
        read_time(text, INDIA)


def test_of_an_hour_that_comes_twice_the_first_is_meant() -> None:
    assert read_time("2026-10-25 02:30:00", ZoneInfo("Europe/Berlin")) == datetime(2026, 10, 25, 0, 30)


@pytest.mark.parametrize("key", ["trackingID", "trackingId", "awbNumber"])
def test_a_parcels_names(key: str) -> None:
    [unit] = order({"lineItemSequenceNumber": 1, "externalShipmentID": "S1", key: "T1", "status": "packed"}).units
    assert unit.key == "shipment:eshopbox:S1"
    assert unit.names == ("shipment:eshopbox:S1", "tracking:eshopbox:T1", "line:eshopbox:7:1")
    [unit] = order({"lineItemSequenceNumber": 1, key: "T1", "status": "packed"}).units
    assert unit.key == "shipment:eshopbox:T1"


def test_a_parcel_without_ids_is_the_orders() -> None:
    [unit] = order({"status": "packed"}, {"status": "packed"}).units
    assert (unit.key, unit.lines) == ("shipment:eshopbox:7", ["#0", "#1"])


def test_a_key_by_which_an_order_is_known_stays() -> None:
    body = {"customerOrderNumber": "A1", "items": []}
    assert read_order(body, "A1", INDIA).key == "A1"
    assert read_order(body, "A1", INDIA, "7").key == "7"


def test_items_of_one_parcel_say_the_same_once() -> None:
    item = {"externalShipmentID": "S1", "status": "packed", "statusUpdatedAt": THERE}
    [unit] = order({**item, "lineItemSequenceNumber": 1}, {**item, "lineItemSequenceNumber": 2}).units
    assert (unit.said, unit.lines) == ([Said("packed", AT)], ["1", "2"])


def test_a_timeline_is_told_oldest_first_and_the_present_status_where_it_lacks_it() -> None:
    timeline = [{"status": "dispatched", "time": "2026-11-29 13:00:00"}, {"status": "packed", "time": THERE}]
    item = {"externalShipmentID": "S1", "timeline": timeline, "status": "delivered", "statusUpdatedAt": THERE}
    [unit] = order(item).units
    assert [(one.word, one.in_timeline) for one in unit.said] == [
        ("packed", True),
        ("dispatched", True),
        ("delivered", False),
    ]
    [unit] = order({**item, "status": "Dispatched"}).units
    assert [one.word for one in unit.said] == ["packed", "dispatched"]


@pytest.mark.parametrize("time", [{}, {"time": None}, {"time": "0000-00-00 00:00:00"}])
def test_3_7_the_present_status_has_its_own_time_where_its_history_tells_none(time: dict[str, Any]) -> None:
    """`statusUpdatedAt` of an item in that status is the source's own time, whatever else stands beside it."""
    timeline = [{"status": one, **time} for one in ("packed", "failed_delivery", "dispatched", "failed_delivery")]
    [unit] = order({"timeline": timeline, "status": "Failed_Delivery", "statusUpdatedAt": THERE}).units
    assert [(one.word, one.own_at) for one in unit.said] == [
        ("packed", None),
        ("failed_delivery", None),
        ("dispatched", None),
        ("failed_delivery", AT),
    ]
    [unit] = order({"timeline": timeline, "status": "failed_delivery"}).units
    assert {one.own_at for one in unit.said} == {None}


def test_that_a_parcel_was_created_is_the_orders_to_tell() -> None:
    [unit] = order({"externalShipmentID": "S1", "status": "created"}).units
    assert (unit.said, unit.shows_status) == ([], True)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on() -> None:
    found = order(
        {"externalShipmentID": "S1", "status": "packed", "statusUpdatedAt": "soon"},
        orderDate="soon",
        returns=[{"status": "created"}, {"customerReturnNumber": "R1", "status": "created"}],
    )
    assert found.faults == [BAD_DATE, BAD_TIME, NO_RETURN_ID]
    assert found.units[0].said == [Said("packed", None, is_unreadable=True)]
    assert found.units[1].key == "return:eshopbox:R1"


@pytest.mark.parametrize(
    ("items", "word"),
    [
        ([{"returnStatus": "Restocked"}, {"returnStatus": "restocked "}], "complete_restocked"),
        ([{"returnStatus": "restocked"}, {"returnStatus": "damaged"}], "complete"),
        ([{"returnStatus": None}], "complete"),
        ([], "complete"),
        (None, "complete"),
    ],
)
def test_a_return_is_restocked_when_every_item_is(items: Any, word: str) -> None:
    row = {"externalShipmentID": "R1", "status": "complete", "return_request_date": THERE, "items": items}
    [unit] = order(returns=[row]).units
    assert [one.word for one in unit.said] == ["created", word]
    assert unit.said[0].own_at == AT


def test_an_answer_to_a_failed_delivery_is_read_from_its_details() -> None:
    ndr = {"submittedResolution": {"resolutionCode": "ACTF001", "time": THERE}}
    [unit] = order({"externalShipmentID": "S1", "status": "failed_delivery", "ndrDetails": ndr}).units
    assert [(one.word, one.own_at) for one in unit.answers] == [("ndr_resolution_submitted", AT)]
    [unit] = order({"externalShipmentID": "S1", "ndrDetails": {"submittedResolution": None}}).units
    assert unit.answers == []
