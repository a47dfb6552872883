"""What messages and actions need of an order of Eshopbox, as it is staged (notices.md 4, 5.9, 6, 8.4)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.eshopbox.order_record import read_order
from vs_st_pipeline.routes.notices.eshopbox_rows import BAD_REFUND, Rows, rows_of
from vs_st_pipeline.routes.notices.units import Units

INDIA = ZoneInfo("Asia/Kolkata")
S1, S2, R1 = "shipment:eshopbox:S1", "shipment:eshopbox:S2", "return:eshopbox:R1"
AT = datetime(2026, 11, 29, 6, 30)


def item(line: int, shipment: str, **more: Any) -> dict[str, Any]:
    return {
        "lineItemSequenceNumber": line,
        "externalShipmentID": shipment,
        "trackingID": f"T-{shipment}",
        "courierName": "Swift",
        "sku": f"SKU{line}",
        "productName": f"Shirt {line}",
        "quantity": line,
        **more,
    }


def rows(event_at: dict[str, datetime] | None = None, **more: Any) -> Rows:
    body = {
        "id": 7,
        "customerOrderNumber": "A1",
        "vendorOrderNumber": "V1",
        "orderDate": "2026-11-29 12:00:00",
        "paymentType": "Prepaid",
        "invoiceNumber": "INV-1",
        "brand": "KapasKraft",
        "shippingAddress": {
            "customerName": " Asha Rao ",
            "addressLine1": "12 MG Road",
            "addressLine2": "",
            "city": "Bengaluru",
            "state": "Karnataka",
            "postalCode": "560001",
            "countryCode": "IN",
            "contactPhone": " 98450-00001",
        },
        "items": [item(1, "S1"), item(2, "S2")],
        **more,
    }
    return rows_of(body, read_order(body, "A1", INDIA), Units({}), INDIA, event_at or {})


def test_the_order_and_whom_it_goes_to() -> None:
    found = rows()
    wanted = {
        "merchant_order": "eshopbox:7",
        "source": "eshopbox",
        "order_number": "A1",
        "vendor_order_number": "V1",
        "placed_at": AT.isoformat(),
        "country": "IN",
        "state": "Karnataka",
        "postal": "560001",
        "payment": "Prepaid",
        "invoice": "INV-1",
        "tracking_id": "T-S1",
        "courier": "Swift",
        "contact_phone": " 98450-00001",  # exactly as Eshopbox has it
        "refund_amount": None,
        "ndr": None,
    }
    assert {key: found.order[key] for key in wanted} == wanted
    assert found.recipient == {
        "merchant_order": "eshopbox:7",
        "phone_raw": " 98450-00001",
        "name": "Asha Rao",
        "country": "IN",
        "state": "Karnataka",
    }
    assert json.loads(found.order["more"])["address"] == ["12 MG Road"]
    assert json.loads(found.order["more"])["units"][S2] == {"tracking_id": "T-S2", "courier": "Swift"}


def test_each_line_is_of_its_parcel_and_a_returns_lines_are_the_orders_goods() -> None:
    back = {
        "externalShipmentID": "R1",
        "refundAmount": "499",
        "items": [{"lineItemSequenceNumber": 2, "quantity": 1, "returnStatus": "restocked"}],
    }
    found = rows(returns=[back])
    lines = [(one["unit_key"], one["line"], one["sku"], one["quantity"]) for one in json.loads(found.order["items"])]
    assert lines == [(S1, "1", "SKU1", 1), (S2, "2", "SKU2", 2), (R1, "2", "SKU2", 1)]
    assert found.order["refund_amount"] == "499.00"
    assert json.loads(found.order["more"])["units"][R1]["refund_amount"] == "499.00"


@pytest.mark.parametrize(
    ("amount", "wanted", "faults"),
    [
        ("499", "499.00", []),
        (499.5, "499.50", []),
        ("0", "0.00", []),
        ("499.005", "499.01", []),
        (None, None, []),
        ("", None, []),
        ("Rs 499", None, [BAD_REFUND]),
        ("-1", None, [BAD_REFUND]),
        ("NaN", None, [BAD_REFUND]),
        (True, None, [BAD_REFUND]),
        ("1e30", None, [BAD_REFUND]),
    ],
)
def test_a_refund_is_read_or_rejected(amount: Any, wanted: str | None, faults: list[str]) -> None:
    found = rows(returns=[{"externalShipmentID": "R1", "refundAmount": amount}])
    assert (found.order["refund_amount"], found.faults) == (wanted, faults)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(1, True), (True, True), ("1", True), ("true", True), (0, False), (False, False), ("no", False), (2, False)],
)
def test_one_or_true_alone_is_an_opt_in(value: Any, wanted: bool) -> None:
    assert rows(isWhatsAppEnabledForNotifications=value).order["whatsapp_flag"] is wanted
    assert rows().order["whatsapp_flag"] is None


def test_cash_on_delivery_is_told_by_either_key() -> None:
    assert rows(paymentType=None, isCOD=1).order["payment"] == "COD"
    assert rows(paymentType="COD", isCOD=0).order["payment"] == "COD"
    assert rows(paymentType=None, isCOD=0).order["payment"] is None


NDR = {
    "reason": "Nobody at home",
    "resolutions": ["ACTF001", 2],
    "submittedResolution": {"resolutionCode": "ACTF001", "time": "2026-11-29 12:00:00"},
}
OF_NDR = {
    "reason": "Nobody at home",
    "resolutions": ["ACTF001", "2"],
    "submitted": {"code": "ACTF001", "at": AT.isoformat()},
    "event_at": None,
}


def test_what_is_said_of_a_failed_delivery_is_its_parcels_or_the_orders() -> None:
    found = json.loads(rows(items=[item(1, "S1", ndrDetails=NDR), item(2, "S2")], ndrDetails=NDR).order["ndr"])
    assert found == {S1: OF_NDR, "": OF_NDR}
    of_order = json.loads(rows(event_at={S2: AT}, ndrDetails=NDR).order["ndr"])
    assert of_order == {S2: {**OF_NDR, "event_at": AT.isoformat()}, "": OF_NDR}
    only_told = json.loads(rows(event_at={S1: AT}).order["ndr"])
    assert only_told == {S1: {"reason": None, "resolutions": None, "submitted": None, "event_at": AT.isoformat()}}


@pytest.mark.parametrize("details", [None, "none", [], {}, {"submittedResolution": None}])
def test_details_that_say_nothing_are_none(details: Any) -> None:
    found = rows(ndrDetails=details).order["ndr"]
    assert found is None or json.loads(found)[""] == {
        "reason": None,
        "resolutions": None,
        "submitted": None,
        "event_at": None,
    }
