"""A call is an event or unusable, and of an event four parts are kept (consumers.md 3.2-3.4; rulings, consumers 1)."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.sopost.hooks import HOOKS, read
from vs_st_pipeline.domain.hints import ORDER, WHOLE, Call
from vs_st_pipeline.platform.inbox import questions
from vs_st_pipeline.platform.inbox.questions import Filter
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox

EVENT = {"event_id": "9f2c", "event": "APPROVED", "order_id": "A1b2-C_3", "activity_id": "act-1"}


def one(body: Any) -> Call:
    [call] = read(json.dumps(body).encode())
    return call


def test_c3_3_of_an_event_four_parts_are_kept_and_nothing_else() -> None:
    call = one({**EVENT, "email": "somebody@example.com", "version": 2})
    assert (call.kind, call.id, call.event) == (ORDER, "a1b2-c_3", "APPROVED")
    assert call.kept == EVENT
    assert one({"order_id": "x"}).kept == {"order_id": "x"}
    assert one({"order_id": "x", "event": "WITH COURIER 7"}).event == "WITH COURIER 7"


@pytest.mark.parametrize(
    "body",
    [
        b"no json", b"7", b'"text"', b"{}", b'{"order_id": 7}', b'{"order_id": null}', b'{"order_id": ""}',
        b'{"order_id": "a b"}', b'{"order_id": "../x"}', json.dumps({"order_id": "x" * 101}).encode(),
        '{"order_id": "é"}'.encode(), b"[[1]]", b"\xff\xfe", b'{"order_id": "x\\n"}',
    ],
)  # fmt: skip
def test_c3_3_what_names_no_order_is_kept_as_length_and_hash(body: bytes) -> None:
    [call] = read(body)
    assert (call.kind, call.id, call.event_id) == (WHOLE, None, None)
    assert call.kept == {"size": len(body), "sha256": sha256(body).hexdigest()}


def test_consumers_1_elements_of_an_array_are_entries_and_none_is_left_out() -> None:
    body = json.dumps([{"order_id": f"o{number}"} for number in range(2000)] + [{}]).encode()
    calls = read(body)
    assert [call.id for call in calls[:2000]] == [f"o{number}" for number in range(2000)]
    assert calls[2000].kind == WHOLE
    assert len(calls) == 2001


def test_c3_4_an_event_is_known_by_its_triple_and_one_without_an_id_by_nothing() -> None:
    key = one(EVENT).event_id
    assert key is not None
    assert one({**EVENT, "order_id": "a1B2-c_3", "activity_id": "other", "more": 1}).event_id == key
    others = [{**EVENT, "event_id": "9f2d"}, {**EVENT, "event": "REJECTED"}, {**EVENT, "order_id": "a2"}]
    assert len({key, *(one(body).event_id for body in others)}) == 4
    # A number is its text; what is no text and no number is absent.
    assert one({**EVENT, "event_id": 7}).event_id == one({**EVENT, "event_id": "7"}).event_id
    for absent in (None, "", True, [], {}, 1.5):
        assert one({**EVENT, "event_id": absent}).event_id is None


def test_c3_4_the_same_event_again_is_the_same_entry_and_one_without_an_id_is_another(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for body in (EVENT, EVENT, {**EVENT, "event_id": None}, {**EVENT, "event_id": None}):
        call = one({key: value for key, value in body.items() if value is not None})
        inbox.put([Arrival("glow", "sopost", call, ("consumers",), "2026-11-29T12:00:00+00:00")])
    rows = questions.listing(inbox, Filter(), 9)["entries"]
    assert [(row["event_id"], row["times"]) for row in rows] == [(None, 1), (None, 1), ("9f2c", 2)]
    assert {row["id"] for row in rows} == {"a1b2-c_3"}


def test_r11_r30_r31_limits_and_that_nothing_is_lost() -> None:
    assert (HOOKS.body_limit, HOOKS.rate, HOOKS.burst) == (65_536, 300, 3_000)
    assert (HOOKS.stores_when_off, HOOKS.expires) == (True, False)
    assert "no way to list or remove" in HOOKS.by_hand
