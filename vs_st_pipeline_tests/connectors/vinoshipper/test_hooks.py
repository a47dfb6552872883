"""What a call of Vinoshipper's means, and what is kept of it (webhooks-onboarding.md H11, H12, H16; rulings, 8)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.hooks import HOOKS
from vs_st_pipeline.domain.hints import Call

SITE = "https://vinoshipper.com/api/v3/p"


def one(**said: Any) -> Call:
    [call] = HOOKS.read(json.dumps(said).encode())
    return call


def meant(**said: Any) -> tuple[str, str | None]:
    call = one(**said)
    return call.kind, call.id


@pytest.mark.parametrize(
    ("said", "kind", "id"),
    [
        ({"identifier": "90000000017", "subject": "ORDER", "event": "APPROVED"}, "order", "90000000017"),
        ({"identifier": 90000000017, "subject": "ORDER"}, "order", "90000000017"),
        ({"identifier": "B-17/4 ä", "subject": "order"}, "order", "B-17/4 ä"),
        ({"identifier": "../../evil", "subject": "ORDER"}, "order", "../../evil"),
        ({"identifier": "x" * 200, "subject": "ORDER"}, "order", "x" * 200),
        ({"identifier": "700101", "subject": "CUSTOMER", "event": "DELETED"}, "customer", "700101"),
        ({"identifier": 700101, "subject": "CUSTOMER"}, "customer", "700101"),
        ({"identifier": "0" * 19, "subject": "CUSTOMER"}, "customer", "0" * 19),
        ({"identifier": "5", "subject": "CLUB_MEMBERSHIP", "hrefV3": f"{SITE}/customers/7/memberships/5"},
         "membership", "5"),
        ({"identifier": "5", "subject": "CLUB_MEMBERSHIP"}, "membership", "5"),
        ({"identifier": "1", "subject": "PRODUCT", "hrefV3": f"{SITE}/orders/1"}, "nothing", None),
        ({"identifier": "1", "subject": "CART"}, "nothing", None),
        ({"subject:": "ORDER", "identifier": "1", "event:": "UPDATED"}, "order", "1"),
        # Without subject or identifier the path tells.
        ({"identifier": "1", "hrefV3": f"{SITE}/orders/1"}, "order", "1"),
        ({"hrefV3": f"{SITE}/orders/A%2F1?x=y"}, "order", "A/1"),
        ({"hrefV3": f"{SITE}/customers/700101/"}, "customer", "700101"),
        ({"hrefV3": f"{SITE}/customers/7/memberships/5"}, "membership", "5"),
        ({"subject": "ORDER", "hrefV3": f"{SITE}/orders/1"}, "order", "1"),
        ({"hrefV3": "http://evil.example:99999/orders/1"}, "order", "1"),
        # A subject that nobody knows: the path's record, else nothing.
        ({"subject": "NEW", "identifier": "9", "hrefV3": f"{SITE}/orders/1"}, "order", "1"),
        ({"subject": "NEW", "identifier": "9"}, "nothing", None),
        # Not understood.
        ({}, "whole", None),
        ({"subject": "ORDER"}, "whole", None),
        ({"identifier": "1"}, "whole", None),
        ({"identifier": "..", "subject": "ORDER"}, "whole", None),
        ({"identifier": "", "subject": "ORDER"}, "whole", None),
        ({"identifier": "x" * 201, "subject": "ORDER"}, "whole", None),
        ({"identifier": "a\nb", "subject": "ORDER"}, "whole", None),
        ({"identifier": "a\x00b", "subject": "ORDER"}, "whole", None),
        ({"identifier": "\ud800", "subject": "ORDER"}, "whole", None),
        ({"identifier": True, "subject": "ORDER"}, "whole", None),
        ({"identifier": 1.5, "subject": "ORDER"}, "whole", None),
        ({"identifier": None, "subject": "ORDER"}, "whole", None),
        ({"identifier": ["1"], "subject": "ORDER"}, "whole", None),
        ({"identifier": "0" * 20, "subject": "CUSTOMER"}, "whole", None),
        ({"identifier": "-1", "subject": "CUSTOMER"}, "whole", None),
        ({"identifier": "１２", "subject": "CUSTOMER"}, "whole", None),
        ({"subject": "ORDER", "hrefV3": f"{SITE}/customers/7"}, "whole", None),
        ({"hrefV3": "http://[broken/orders/1"}, "whole", None),
        ({"hrefV3": f"{SITE}/orders/%2E%2E"}, "whole", None),
    ],
)  # fmt: skip
def test_h16_what_a_call_names(said: dict[str, Any], kind: str, id: str | None) -> None:
    assert meant(**said) == (kind, id)


@pytest.mark.parametrize("body", [b"", b" \r\n", b"[]", b"null", b" [ ] "])
def test_h11_an_empty_body_is_a_ping(body: bytes) -> None:
    assert [call.kind for call in HOOKS.read(body)] == ["ping"]


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"ping", b"5", b'"text"', b"true", b"\xff\xfe\xfd", b"[" * 60_000, b'{"a":' * 10_000, b"9" * 60_000,
        b'{"identifier": ' + b"9" * 60_000 + b', "subject": "ORDER"}', b"\x00" * 100, b"identifier=1&subject=ORDER",
        b"<xml/>",
    ],
)  # fmt: skip
def test_h11_h12_what_is_not_understood_is_a_whole_kept_as_size_and_hash(body: bytes) -> None:
    [call] = HOOKS.read(body)
    assert (call.kind, call.id) == ("whole", None)
    assert call.kept == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_h11_of_an_array_100_elements_are_calls_and_a_whole_stands_for_the_rest() -> None:
    def kinds(count: int) -> list[str]:
        body = [{"identifier": str(number), "subject": "ORDER"} for number in range(count)]
        return [call.kind for call in HOOKS.read(json.dumps(body).encode())]

    assert kinds(100) == ["order"] * 100
    assert kinds(101) == ["order"] * 100 + ["whole"]
    assert [call.kind for call in HOOKS.read(b'[{"identifier": "1", "subject": "ORDER"}, 5, [], "x"]')] == [
        "order",
        "whole",
        "whole",
        "whole",
    ]


def test_h12_only_these_keys_are_kept() -> None:
    call = one(
        identifier="1",
        subject="ORDER",
        event="UPDATED",
        href="https://vinoshipper.com/secret",
        hrefV3="https://user:key@vinoshipper.com/api/v3/p/orders/1?token=abc#x",
        customer={"email": "mari@example.com"},
        note="please leave at the door",
    )
    assert call.kept == {"identifier": "1", "subject": "ORDER", "event": "UPDATED", "hrefV3": "/api/v3/p/orders/1"}
    assert (call.event, call.event_id) == ("UPDATED", None)
    assert one(identifier="1", subject="ORDER", event="mari@example.com").kept == {
        "identifier": "1",
        "subject": "ORDER",
    }


def test_h11_of_a_key_that_is_there_twice_the_last_one_counts() -> None:
    [call] = HOOKS.read(b'{"identifier": "1", "identifier": "2", "subject": "CUSTOMER"}')
    assert call.id == "2"


def test_h38_a_test_of_ours_is_known_by_its_nonce() -> None:
    [call] = HOOKS.read(b'{"vs-st-test": "abc-123"}')
    assert (call.kind, call.kept) == ("test", {"vs-st-test": "abc-123"})
    assert [call.kind for call in HOOKS.read(b'{"vs-st-test": {"a": 1}}')] == ["whole"]
    assert [call.kind for call in HOOKS.read(b'{"vs-st-test": "a", "subject": "NEW"}')] == ["nothing"]
