"""What `vs-st why` says of an order to a person (notices.md 9)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.routes.notices import explain
from vs_st_pipeline.routes.notices.meanings import WORDS

SETTINGS = SimpleNamespace(enabled=lambda status: status == "delivered")
MERCHANT = cast(Any, SimpleNamespace(name="KapasKraft", section=lambda kind: SETTINGS))


def _told(flag: bool | None, consents: list[dict[str, Any]], statuses: list[dict[str, Any]]) -> str:
    order = {"order_number": "KK1", "source": "eshopbox", "read_at": "2026-03-01T00:00:00Z", "whatsapp_flag": flag}
    answer = {"order": order, "recipient": None, "consents": consents, "statuses": statuses}
    return "\n".join(explain.lines({**answer, "actions": [], "activity": []}, ["KK1"], MERCHANT))


@pytest.mark.parametrize(("flag", "nothing"), [(True, False), (False, True), (None, True)])
def test_the_flag_of_the_order_is_an_evidence(flag: bool | None, nothing: bool) -> None:
    told = _told(flag, [], [])
    assert ("nothing says that this phone may be written" in told) == nothing
    assert ("(eshopbox_flag)" in told) != nothing


def test_an_opt_out_stands_beside_the_flag() -> None:
    told = _told(True, [{"state": "out", "source": "stop", "at": "2026-03-01T00:00:00Z"}], [])
    assert "consent  out by stop" in told
    assert "(eshopbox_flag)" in told


NOTHING = {
    "unit_key": "order:1", "occurred_at": None, "state": None, "reason": None, "rule": None, "means": "", "until": None,
    "text": None, "notice_id": None, "template_id": None,
}  # fmt: skip


def test_a_status_whose_notification_is_off_is_not_said_to_be_waited_for() -> None:
    told = _told(None, [], [{**NOTHING, "status": "created"}, {**NOTHING, "status": "delivered"}])
    assert "created order:1, at a time nobody knows: no message: its notification is off" in told
    assert "delivered order:1, at a time nobody knows: no message: it is not judged yet" in told


def test_a_message_is_shown_with_the_id_that_retry_and_resolve_ask_for() -> None:
    one = {**NOTHING, "status": "delivered", "state": "rejected", "notice_id": "n_1", "template_id": "t1"}
    assert "    notice n_1, template t1" in _told(None, [], [one]).splitlines()


def test_what_happened_is_said_in_words_and_to_the_second() -> None:
    detail = {"reason": "settling", "dropped": False, "until": "2026-03-01T00:01:00.625397", "none": None}
    rows = [
        {"at": "2026-03-01T00:00:00Z", "what": "held", "mode": None, "detail": detail},
        {"at": "2026-03-01T00:02:00Z", "what": "held", "mode": None, "detail": {"reason": "stale", "dropped": True}},
    ]
    assert explain.activity_lines(rows) == [
        "  2026-03-01T00:00:00Z  held: reason settling, until 2026-03-01T00:01:00Z",
        "  2026-03-01T00:02:00Z  held: reason stale, dropped",
    ]


def test_names_keep_their_capitals() -> None:
    assert WORDS["code of a failed message"]["1002"] == "The number is not on WhatsApp."


def test_a_status_that_there_is_not_is_refused_with_the_names() -> None:
    with pytest.raises(BadArguments, match="there are: created, packed"):
        explain._check_status("shipped", [])
    explain._check_status("restocked", [])  # not reached yet
    explain._check_status("shipped", [{"status": "shipped"}])  # of a map of the merchant's own


def test_what_is_said_of_the_whole_order_has_a_name() -> None:
    assert explain.by_unit({"": {"reason": "x"}, "S1": {"reason": "y"}}) == {
        "order": {"reason": "x"}, "S1": {"reason": "y"},
    }  # fmt: skip
    assert explain.by_unit(None) is None
