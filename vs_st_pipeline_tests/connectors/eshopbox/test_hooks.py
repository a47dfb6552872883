"""Eshopbox's webhooks: which order one hints at, what is kept, and that the same body may come again (3.4, R48)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vs_st_pipeline.connectors.eshopbox.hooks import HOOKS, read
from vs_st_pipeline.domain.hints import ORDER, PING, WHOLE, Call

DATA = {
    "customerOrderNumber": "KK#1/2 a", "vendorOrderNumber": "V1", "externalShipmentID": "S1", "order_id": 77,
    "orderDate": "2026-11-28 10:00:00", "trackingId": "T1", "paymentType": "COD", "customerName": "Asha Rao",
}  # fmt: skip
HOOK = {
    "resource": "shipment", "eventType": "PUT", "eventSubType": "failed_delivery", "accountSlug": "KapasKraft",
    "response_data": DATA, "request_data": {"contactPhone": "9812345678"},
}  # fmt: skip


def call(**more: Any) -> Call:
    [found] = read(json.dumps({**HOOK, **more}).encode())
    return found


def test_a_hook_names_its_order_and_nobody() -> None:
    found = call()
    assert (found.kind, found.id, found.event, found.account) == (ORDER, "KK#1/2 a", "failed_delivery", "kapaskraft")
    assert found.kept == {
        "resource": "shipment", "eventType": "PUT", "eventSubType": "failed_delivery", "accountSlug": "KapasKraft",
        "customerOrderNumber": "KK#1/2 a", "vendorOrderNumber": "V1", "externalShipmentID": "S1", "order_id": "77",
        "orderDate": "2026-11-28 10:00:00", "trackingID": "T1",
    }  # fmt: skip


def test_the_same_body_may_tell_of_a_second_failure() -> None:
    assert call().event_id is None


@pytest.mark.parametrize("name", ["trackingID", "trackingId", "awbNumber"])
def test_a_tracking_id_has_several_names(name: str) -> None:
    assert call(response_data={"customerOrderNumber": "1", name: "T9"}).kept["trackingID"] == "T9"


def test_limits_are_the_contracts() -> None:
    """R11: 1 MiB, GET on a right URL is 200; R30, R31: not stored where the route is off, and it may expire."""
    assert (HOOKS.body_limit, HOOKS.answers_get) == (1_048_576, True)
    assert (HOOKS.stores_when_off, HOOKS.expires) == (False, True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", PING),
        (b"{}", WHOLE),
        (b"[1]", WHOLE),
        (b'{"resource": "shipment", "response_data": null}', WHOLE),
        (b'{"response_data": {"customerOrderNumber": ""}}', WHOLE),
        (b'{"response_data": {"customerOrderNumber": {"a": 1}}}', WHOLE),
        (b'{"response_data": {"customerOrderNumber": 12}}', ORDER),
        (
            b'{"resource": ["x"], "accountSlug": 3, "response_data": {"customerOrderNumber": "1", "order_id": []}}',
            ORDER,
        ),
    ],
)
def test_any_body_is_understood_or_whole(body: bytes, kind: str) -> None:
    assert [one.kind for one in read(body)] == [kind]
