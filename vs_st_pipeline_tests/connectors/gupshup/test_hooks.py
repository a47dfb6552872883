"""Gupshup's callbacks: kinds, what makes one a repetition (3.4), and what is stored of it (R48)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vs_st_pipeline.connectors.gupshup.hooks import BODY_LIMIT, HOOKS, read
from vs_st_pipeline.domain.hints import PING, WHOLE, Call


def callback(kind: str, payload: object, **more: Any) -> dict[str, Any]:
    return {"app": "KapasApp", "timestamp": 1764500000000, "version": 2, "type": kind, "payload": payload} | more


RECEIPT = {"id": "wa-1", "gsId": "gs-1", "type": "delivered", "destination": "919812345678", "payload": {"ts": 1}}
REPLY = {"id": "r-1", "source": "919812345678", "type": "text", "payload": {"text": "deliver again"}}
USER = {"phone": "919812345678", "type": "opted-in"}
BILL = {"deductions": {"type": "UTILITY"}, "references": {"id": "wa-1", "gsId": "gs-1"}}
TEMPLATE = {"id": "t-1", "status": "paused"}


def call(kind: str, payload: object, **more: Any) -> Call:
    [found] = read(json.dumps(callback(kind, payload, **more)).encode())
    return found


def test_limits_are_the_contracts() -> None:
    """R11, R30, R31: 256 KiB, 1,000 a second after 5,000 at once, stored whatever is off, for ever, GET is 200."""
    assert (HOOKS.body_limit, HOOKS.rate, HOOKS.burst) == (262_144, 1_000.0, 5_000)
    assert (HOOKS.stores_when_off, HOOKS.expires, HOOKS.answers_get) == (True, False, True)


@pytest.mark.parametrize(
    ("type_", "payload", "kind", "event"),
    [
        ("message-event", RECEIPT, "receipt", "delivered"),
        ("message", REPLY, "reply", "text"),
        ("user-event", USER, "consent", "opted-in"),
        ("template-event", TEMPLATE, "template", None),
        ("billing-event", BILL, "billing", None),
    ],
)
def test_each_type_is_a_kind_and_is_kept_whole(type_: str, payload: object, kind: str, event: str | None) -> None:
    found = call(type_, payload)
    assert (found.kind, found.id, found.event) == (kind, None, event)
    assert found.kept == {"callback": callback(type_, payload)}
    assert found.kind in HOOKS.kinds


SAME = [
    ("message-event", RECEIPT, {"timestamp": 1}, {"payload": {"ts": 2}}),
    ("message", REPLY, {"timestamp": 1}, {"type": "quick_reply"}),
    ("user-event", USER, {"version": 3}, {"name": "Asha"}),
    ("billing-event", BILL, {"timestamp": 1}, {"references": {"id": "other", "gsId": "gs-1"}}),
]
OTHER = [
    ("message-event", RECEIPT, {"app": "B"}, {"id": "wa-2"}),
    ("message-event", RECEIPT, {}, {"gsId": "gs-2"}),
    ("message-event", RECEIPT, {}, {"type": "read"}),
    ("message-event", RECEIPT, {}, {"gsId": None}),
    ("message", REPLY, {}, {"id": "r-2"}),
    ("message", REPLY, {"app": "B"}, {}),
    ("user-event", USER, {"timestamp": 1764500000001}, {}),
    ("user-event", USER, {}, {"type": "opted-out"}),
    ("user-event", USER, {}, {"phone": "919812345679"}),
    ("billing-event", BILL, {}, {"deductions": {"type": "MARKETING"}}),
    ("billing-event", BILL, {}, {"references": {"id": "wa-2"}}),
    ("template-event", TEMPLATE, {"timestamp": 1}, {}),
    ("template-event", TEMPLATE, {}, {"status": "approved"}),
]


@pytest.mark.parametrize(("type_", "payload", "around", "inside"), SAME)
def test_the_same_callback_again_is_one(type_: str, payload: Any, around: Any, inside: Any) -> None:
    assert call(type_, payload).event_id == call(type_, {**payload, **inside}, **around).event_id


@pytest.mark.parametrize(("type_", "payload", "around", "inside"), OTHER)
def test_another_callback_is_another(type_: str, payload: Any, around: Any, inside: Any) -> None:
    assert call(type_, payload).event_id != call(type_, {**payload, **inside}, **around).event_id


def test_a_key_names_nobody() -> None:
    assert "9812345678" not in str(call("user-event", USER).event_id)


def test_texts_of_a_reply_are_cut() -> None:
    long = "a" * 600
    found = call("message", {**REPLY, "payload": {"text": long}, "sender": {"name": long}})
    payload = found.kept["callback"]["payload"]
    assert payload["payload"]["text"] == payload["sender"]["name"] == "a" * 500


HOSTILE: list[tuple[bytes, str]] = [
    (b"", PING),
    (b"null", PING),
    (b"{", WHOLE),
    (b"\xff\xfe", WHOLE),
    (b"[" * 10_000, WHOLE),
    (b'{"type": "message-event"}', WHOLE),
    (b'{"type": "message", "payload": []}', WHOLE),
    (b'{"type": ["message"], "payload": {}}', WHOLE),
    (b'{"type": "message", "payload": {"id": {"a": 1}}}', "reply"),
    (b'{"type": "billing-event", "payload": {"references": 3, "deductions": []}}', "billing"),
    (b'{"type": "message", "payload": {"id": "\\ud800", "payload": "\\u0000"}}', "reply"),
    (b'{"object": "whatsapp_business_account", "entry": []}', WHOLE),
]


@pytest.mark.parametrize(("body", "kind"), HOSTILE)
def test_any_bytes_are_understood_or_whole(body: bytes, kind: str) -> None:
    found = read(body)
    assert [one.kind for one in found] == [kind]
    json.dumps([dict(one.kept) for one in found])


def test_no_element_of_an_array_is_lost() -> None:
    body = json.dumps([callback("message", {**REPLY, "id": str(number)}) for number in range(300)]).encode()
    assert len(body) < BODY_LIMIT
    assert len({one.event_id for one in read(body)}) == 300


@pytest.mark.parametrize(("type_", "payload"), [("message", REPLY), ("message-event", RECEIPT), ("user-event", USER)])
def test_what_is_shown_of_a_callback_names_nobody(type_: str, payload: Any) -> None:
    """`vs-st inbox show`: no phone, no words, and no id of WhatsApp's, in which there is a phone."""
    found = call(type_, {**payload, "sender": {"name": "Asha Rao"}})
    assert HOOKS.shows is not None
    shown = HOOKS.shows(found.kept)
    said = json.dumps(shown)
    assert (shown["type"], shown["payload"]["type"]) == (type_, payload["type"])
    assert not any(word in said for word in ("9812345678", "deliver again", "Asha", "wa-1", "r-1"))
    assert HOOKS.shows({"size": 3, "sha256": "ab"}) == {"size": 3, "sha256": "ab"}


@pytest.mark.parametrize("type_", ["message", "message-event", "user-event", "template-event", "billing-event"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("[" * depth + "]" * depth, id=f"{depth} deep") for depth in (40, 500, 900, 985, 100_000)
    ] + ['"a\\ud83d"', '{"\\udc00": 1}', "NaN", "-Infinity", "1" * 4_300, "1e999"],
)  # fmt: skip
def test_what_no_file_can_hold_is_kept_all_the_same(type_: str, value: str) -> None:
    """H3: whatever the bytes are, reading never raises, and what is kept can be stored, and read again anywhere."""
    body = f'{{"app": "A", "type": "{type_}", "payload": {{"id": "r", "gsId": {value}, "x": {value}, "type": "text"}}}}'
    [found] = read(body.encode())
    assert json.loads(json.dumps(found.kept, allow_nan=False)) == found.kept
    json.dumps(found.kept, ensure_ascii=False).encode()
    assert found.kind != WHOLE or len(value) > 1_900


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("message"),
    lambda one: st.lists(one) | st.dictionaries(st.sampled_from(["app", "type", "payload", "id", "\ud800"]), one),
))  # fmt: skip
def test_any_json_is_read(value: Any) -> None:
    for body in (value, {"type": "message", "payload": {"id": value}}, {"type": "billing-event", "payload": value}):
        for found in read(json.dumps(body).encode()):
            json.dumps(found.kept, ensure_ascii=False, allow_nan=False).encode()


@given(st.binary())
def test_any_bytes_are_read(body: bytes) -> None:
    assert read(body)
