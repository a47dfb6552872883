"""What `vs-st why` says of an order to a person (notices.md 9)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.cli.layout import laid_out
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.routes.notices import explain
from vs_st_pipeline.routes.notices.commands import DRY_RUN
from vs_st_pipeline.routes.notices.meanings import MEANINGS, WORDS
from vs_st_pipeline.routes.notices.report import new_report
from vs_st_pipeline.routes.notices.words import Wait

SETTINGS = SimpleNamespace(enabled=lambda status: status == "delivered")
ZONE = ZoneInfo("Asia/Kolkata")
MERCHANT = cast(Any, SimpleNamespace(name="KapasKraft", section=lambda kind: SETTINGS, time_zone=ZONE))


def _told(flag: bool | None, consents: list[dict[str, Any]], statuses: list[dict[str, Any]]) -> str:
    order = {"order_number": "KK1", "source": "eshopbox", "read_at": "2026-03-01T00:00:00Z", "whatsapp_flag": flag}
    answer = {"order": order, "recipient": None, "consents": consents, "statuses": statuses}
    return "\n".join(explain.lines({**answer, "actions": [], "activity": []}, ["KK1"], MERCHANT))


@pytest.mark.parametrize(("flag", "nothing"), [(True, False), (False, True), (None, True)])
def test_the_flag_of_the_order_is_an_evidence(flag: bool | None, nothing: bool) -> None:
    told = _told(flag, [], [])
    assert ("nothing says that this phone may be written" in told) == nothing
    assert ("(eshopbox_flag)" in told) != nothing


def test_of_a_forgotten_person_it_is_said_that_it_was_forgotten() -> None:
    order = {"order_number": "KK1", "source": "eshopbox", "read_at": "2026-03-01T00:00:00Z", "whatsapp_flag": True}
    answer: dict[str, Any] = {"order": order, "recipient": None, "consents": [], "statuses": [], "forgotten": True}
    told = explain.lines({**answer, "actions": [], "activity": []}, ["KK1"], MERCHANT)
    assert told[1] == "  to       nobody: the person was forgotten; what was done before is kept without details"


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
    assert explain.activity_lines(rows, ZONE) == [
        "  2026-03-01 05:30:00  held: reason settling, until 2026-03-01 05:31:00",
        "  2026-03-01 05:32:00  held: reason stale, dropped",
    ]


def test_times_are_the_merchants_and_it_says_so() -> None:
    one = {**NOTHING, "status": "packed", "occurred_at": "2026-03-01T20:00:00Z", "until": "2026-03-02T01:00:00.5"}
    told = _told(None, [{"state": "in", "source": "operator", "at": "2026-03-01T00:00:00Z"}], [one])
    assert told.startswith("KapasKraft: order KK1 of eshopbox, read 2026-03-01 05:30:00 (times are those of Asia/Kolk")
    assert "consent  in by operator, 2026-03-01 05:30:00" in told
    assert "packed order:1, 2026-03-02 01:30:00: no message" in told
    assert "looked at again at 2026-03-02 06:30:00" in told


def test_what_a_word_means_is_said_once(held: dict[str, Any]) -> None:
    told = _told(None, [], [held, {**held, "status": "packed"}])
    assert told.count("It is older than max_age.") == 1
    assert told.count("dropped: stale (rule 4)") == 2


def test_each_line_of_a_text_is_a_line(held: dict[str, Any]) -> None:
    lines = _told(None, [], [{**held, "text": "Hi Asha,\nyour parcel"}]).splitlines()
    assert lines[-2:] == ["    said: Hi Asha,", "          your parcel"]


@pytest.fixture
def held() -> dict[str, Any]:
    """A status whose message was dropped."""
    return {
        **NOTHING, "status": "delivered", "state": "dropped", "reason": "stale", "rule": 4,
        "means": MEANINGS["stale"],
    }  # fmt: skip


def _plan(waiting: list[dict[str, Any]], dropped: list[dict[str, Any]]) -> list[str]:
    report = new_report("kk")
    report.zone = ZONE
    rows = {"messages": [], "actions": [], "waiting": waiting, "dropped": dropped}
    return DRY_RUN.lines(report, rows, "kk")


def test_a_plan_says_below_its_lists_what_each_word_in_them_means() -> None:
    waits = {"status": "packed", "reason": "settling", "until": "2026-03-01T00:01:00.625397Z", "detail": None}
    lacks = {"status": "packed", "reason": "missing_value", "until": None, "detail": "courier"}
    stale = {"status": "created", "reason": "stale", "until": None, "detail": None}
    lines = _plan(
        [{**waits, "order": "1"}, {**waits, "order": "2"}, {**lacks, "order": "3"}], [{**stale, "order": "4"}]
    )
    assert lines == [
        "kk: ok",
        "  no message would go",
        "    packed of order 1 waits: settling, looked at again 2026-03-01 05:31:00",
        "    packed of order 2 waits: settling, looked at again 2026-03-01 05:31:00",
        "    packed of order 3 waits: missing_value (courier)",
        "    created of order 4 is dropped: stale",
        "  what these words mean:",
        f"    settling       {MEANINGS['settling']}",
        f"    missing_value  {MEANINGS['missing_value']}",
        "    stale          It is older than max_age.",
        "  times are those of Asia/Kolkata",
    ]
    assert _plan([], [{**stale, "order": "4"}])[-1].endswith("It is older than max_age.")
    settled = "  what earlier syncs sent or dropped is settled: `vs-st why` tells of it"
    assert _plan([], []) == ["kk: ok", "  no message would go", settled]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_of_a_plan_is_wider_than_the_terminal(width: int) -> None:
    waits = {"status": "failed_delivery", "until": "2026-03-01T00:01:00.625397Z", "detail": "it went by client:kk"}
    lines = _plan([{**waits, "reason": reason, "order": "KK1001"} for reason in Wait], [])
    rows = [row for line in lines for row in laid_out(line, width)]
    assert max(map(len, rows)) <= width


@pytest.mark.parametrize(
    ("reason", "code", "state", "says"),
    [
        ("settling", None, "waiting", MEANINGS["settling"]),
        ("1002", "1002", "failed", "The number is not on WhatsApp."),
        ("Message undeliverable", "131026", "failed", "The number is not on WhatsApp."),
        ("Message undeliverable", "9", "failed", MEANINGS["failed"]),
        (None, None, "read", "It was read."),
        (None, None, None, ""),
    ],
)
def test_the_most_precise_word_is_explained(reason: str | None, code: str | None, state: str | None, says: str) -> None:
    assert explain.means(reason, code, state) == says


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
