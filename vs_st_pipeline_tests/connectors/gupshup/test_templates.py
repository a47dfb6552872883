"""Rows of the template list and of the users list, as forms of them may come (notices.md 2.4, 5.9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vs_st_pipeline.connectors.gupshup.templates import OptIn, read_templates, read_users

ROW: dict[str, Any] = {
    "id": "c6ae",
    "elementName": "failed_delivery",
    "status": "approved",
    "category": "Utility",
    "languageCode": "en",
    "templateType": "text",
    "data": "Hi {{1}}, order {{2}} could not be delivered, {{1}}.",
    "containerMeta": json.dumps(
        {
            "header": "Your order",
            "footer": "Thanks",
            "buttons": [
                {"type": "QUICK_REPLY", "text": "Deliver again"},
                {"type": "quick reply", "text": "Cancel order"},
                {"type": "URL", "text": "Track", "url": "https://t.example/{{1}}"},
            ],
        }
    ),
}


def test_a_row_is_read_with_header_buttons_and_placeholders() -> None:
    (found,) = read_templates([ROW])
    assert (found.id, found.status, found.category, found.type) == ("c6ae", "APPROVED", "UTILITY", "TEXT")
    assert (found.name, found.language, found.header, found.footer) == ("failed_delivery", "en", "Your order", "Thanks")
    assert found.placeholders == ("1", "2")
    assert [dict(one) for one in found.buttons] == [
        {"type": "QUICK_REPLY", "text": "Deliver again"},
        {"type": "QUICK_REPLY", "text": "Cancel order"},
        {"type": "URL", "text": "Track", "url": "https://t.example/{{1}}"},
    ]


def test_meta_may_be_an_object_and_hold_the_body() -> None:
    row = {"id": 7, "containerMeta": {"data": "Hi {{name}}", "buttons": ["?"]}}
    (found,) = read_templates([row])
    assert (found.id, found.data, found.placeholders, found.status) == ("7", "Hi {{name}}", ("name",), None)
    assert [dict(one) for one in found.buttons] == [{"type": "", "text": ""}]


@pytest.mark.parametrize("meta", ["", "{cut", "[]", None, 7])
def test_meta_that_cannot_be_read_leaves_the_rest(meta: object) -> None:
    (found,) = read_templates([ROW | {"containerMeta": meta}])
    assert (found.header, found.buttons, found.placeholders) == (None, (), ("1", "2"))


def test_what_names_no_template_says_nothing_and_the_last_of_two_counts() -> None:
    found = read_templates([{}, "x", None, {"id": ""}, ROW, ROW | {"status": "PAUSED"}])
    assert [(one.id, one.status) for one in found] == [("c6ae", "PAUSED")]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"countryCode": "91", "phoneCode": "9810000001", "optinStatus": "OPT_IN"}, OptIn("+919810000001", "in")),
        ({"countryCode": "+91", "phoneCode": "98100 00001", "optinStatus": "opt_out"}, OptIn("+919810000001", "out")),
        ({"countryCode": 91, "phoneCode": 9810000001, "optinStatus": "OPT-IN"}, OptIn("+919810000001", "in")),
        ({"phoneCode": "+919810000001", "optinStatus": "OPT_IN"}, OptIn("+919810000001", "in")),
        ({"phoneCode": "9810000001", "optinStatus": "OPT_IN"}, None),
        ({"countryCode": "91", "phoneCode": "9810000001", "optinStatus": "PENDING"}, None),
        ({"countryCode": "91", "optinStatus": "OPT_IN"}, None),
        ("x", None),
    ],
)
def test_a_user_has_a_phone_and_a_state_or_is_left_out(row: object, found: OptIn | None) -> None:
    assert read_users([row]) == ([found] if found else [])
