"""An answer is the order that was asked for, whole enough to be used, or nothing (consumers.md 3.9, routes.md R22)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from vs_st_pipeline.connectors.sopost.orders import believe, kept_text, understand
from vs_st_pipeline.domain.errors import BadRecord

ORDER = {"id": "A1", "status": " APPROVED ", "activity_id": "act", "email": "a@example.com", "consents": []}
NOON = datetime(2026, 11, 29, 12)


def answer(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize("body", [
    ORDER, {**ORDER, "id": "a1"}, {**ORDER, "consents": None}, {**ORDER, "custom_questions": None},
    {key: value for key, value in ORDER.items() if key != "consents"}, {"data": ORDER}, {"data": ORDER, "meta": {}},
])  # fmt: skip
def test_c3_9_usable(body: dict[str, Any]) -> None:
    found = understand(answer(body), "a1")
    assert (found.status, found.activity_id) == ("APPROVED", "act")
    assert json.loads(found.text) == body.get("data", body)


@pytest.mark.parametrize("body", [
    [], [ORDER], "text", 7, None, {}, {"data": [ORDER]}, {"data": {}}, {**ORDER, "id": "a2"}, {**ORDER, "id": None},
    {**ORDER, "id": ""}, {**ORDER, "status": ""}, {**ORDER, "status": "  "}, {**ORDER, "status": None},
    {**ORDER, "status": 1}, {"id": "a1"}, {**ORDER, "consents": {}}, {**ORDER, "consents": "none"},
    {**ORDER, "custom_questions": {}}, {**ORDER, "error": "not found"}, {"status": "APPROVED", "data": {"id": "a1"}},
])  # fmt: skip
def test_c3_9_not_usable(body: Any) -> None:
    with pytest.raises(BadRecord):
        understand(answer(body), "a1")


def test_c3_9_what_is_stored_is_what_came(  # numbers as they were written, what nobody knows, half an emoji mended
) -> None:
    text = b'{"id":"a1","status":"APPROVED","price":1.10,"big":123456789012345678901234567890,"new":{"a":[1e400]}}'
    found = understand(text, "a1")
    assert found.text.encode() == text
    stored = believe(found, None, None, NOON)
    assert (stored.text, stored.kept, stored.again) == (found.text, {}, False)


def test_r23_what_is_absent_is_carried_over_and_what_is_null_is_not() -> None:
    before = json.dumps({**ORDER, "id": "a1", "telephone": "+1", "address": {"town": "London", "line_1": "1 A St"}})
    now = understand(b'{"id":"a1","status":"SENT","email":null,"price":2.50,"address":{"town":null},"x":1e999}', "a1")
    stored = believe(now, before, None, NOON)
    told = json.loads(stored.text)
    assert (told["status"], told["email"], told["telephone"]) == ("SENT", None, "+1")
    assert told["address"] == {"town": None, "line_1": "1 A St"}
    assert '"price":2.50' in stored.text
    assert stored.again
    again = believe(now, stored.text, kept_text(stored.kept), NOON.replace(minute=15))
    assert "telephone" not in json.loads(again.text)
    assert not again.again
