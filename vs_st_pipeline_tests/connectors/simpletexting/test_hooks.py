"""What a call of SimpleTexting's means, and what is kept of it (webhooks-onboarding.md H12, H16; rulings, 8)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting.hooks import HOOKS
from vs_st_pipeline.domain.hints import Call

CONTACT, PHONE = "6176f999141c0060668b258e", "7075550142"


def one(kind: Any = "INCOMING_MESSAGE", values: Any = None, **more: Any) -> Call:
    said = {"reportId": "r1", "webhookId": "w1", "type": kind, **({} if values is None else {"values": values}), **more}
    [call] = HOOKS.read(json.dumps(said).encode())
    return call


@pytest.mark.parametrize(
    ("values", "kind", "id", "phone"),
    [
        ({"contactPhone": PHONE}, "contact", None, PHONE),
        ({"contactPhone": "+1 (707) 555-0142"}, "contact", None, PHONE),
        ({"phone": PHONE, "contactId": CONTACT}, "contact", CONTACT, PHONE),
        ({"contactId": CONTACT.upper()}, "contact", CONTACT, None),
        ({"contactId": "nonsense", "contactPhone": PHONE}, "contact", None, PHONE),
        ({"phone": "12345", "contactPhone": PHONE}, "contact", None, PHONE),
        ({"contactPhone": 7075550142}, "contact", None, PHONE),
        ({"contactPhone": "12345"}, "nothing", None, None),
        ({"contactId": "nonsense"}, "whole", None, None),
        ({"contactId": CONTACT + "0"}, "whole", None, None),
        ({"contactPhone": None}, "whole", None, None),
        ({}, "whole", None, None),
        (None, "whole", None, None),
        ("text", "whole", None, None),
        ([], "whole", None, None),
    ],
)
def test_h16_which_contact_a_report_names(values: Any, kind: str, id: str | None, phone: str | None) -> None:
    call = one(values=values)
    assert (call.kind, call.id, call.phone) == (kind, id, phone)


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("INCOMING_MESSAGE", "contact"),
        ("UNSUBSCRIBE_REPORT", "contact"),
        ("CONTACT_PHONE_UPDATE", "contact"),
        ("SOMETHING_NEW", "contact"),
        (None, "contact"),
        ("OUTGOING_MESSAGE", "nothing"),
        ("DELIVERY_REPORT", "nothing"),
        ("NON_DELIVERED_REPORT", "nothing"),
        ("OPENING_A_CONVERSATION", "nothing"),
        ("CLOSING_A_CONVERSATION", "nothing"),
    ],
)
def test_h16_messages_deliveries_and_conversations_are_no_hint(type: str | None, kind: str) -> None:
    assert one(type, {"contactPhone": PHONE}).kind == kind


def test_h23_an_unsubscribe_report_alone_opts_out() -> None:
    assert one("UNSUBSCRIBE_REPORT", {"contactId": CONTACT, "phone": PHONE}).opts_out
    assert not one("INCOMING_MESSAGE", {"contactPhone": PHONE, "text": "STOP"}).opts_out


def test_h12_no_message_text_is_kept_ever() -> None:
    values = {
        "messageId": "m1",
        "subject": "Hi",
        "text": "I live at 5 Main St",
        "mediaItems": ["https://example.com/a.jpg"],
        "accountPhone": "8005550100",
        "contactPhone": PHONE,
        "timestamp": "2026-11-29T01:00:00Z",
        "category": "SMS",
    }
    for kind in ("INCOMING_MESSAGE", "OUTGOING_MESSAGE", "SOMETHING_NEW"):
        call = one(kind, values)
        assert call.kept == {
            "reportId": "r1",
            "webhookId": "w1",
            "type": kind,
            "contactPhone": PHONE,
            "messageId": "m1",
            "timestamp": "2026-11-29T01:00:00Z",
        }
    odd = one("I live at 5 Main St, Napa!", {"contactId": "I live at 5 Main St, Napa!", "phone": PHONE})
    assert "Main" not in json.dumps(odd.kept)


def test_h17_the_event_id_is_the_reports() -> None:
    assert one(values={"phone": PHONE}).event_id == "r1"
    assert one(values={"phone": PHONE}, reportId=17).event_id == "17"
    assert one(values={"phone": PHONE}, reportId=None).event_id is None
    assert one(values={"phone": PHONE}, reportId="x" * 201).event_id is None
    assert one("DELIVERY_REPORT", {"contactPhone": PHONE}).event_id == "r1"
