"""Who is held back, by the first reason that applies, and what is noted of the others."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.domain.birth import NOT_GIVEN, UNREAD, Birth, is_doubtful
from vs_st_pipeline.domain.eligibility import age_of, ineligible_reason, notes
from vs_st_pipeline.domain.plan import HELD_REASONS

TODAY = date(2026, 6, 1)
ADULT, MINOR = date(1981, 9, 4), date(2010, 1, 1)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("OPT_IN", None),
        ("OPT_OUT", "opted_out"),
        ("WAIT_SMS_CONFIRMATION", "not_confirmed"),
        ("REJECT_CONFIRMATION", "not_confirmed"),
        ("SOMETHING_NEW", "not_confirmed"),
        ("opt_in", "not_confirmed"),
        (" OPT_IN", "not_confirmed"),
        ("", "not_confirmed"),
        (None, "not_confirmed"),
        (True, "not_confirmed"),
        (["OPT_IN"], "not_confirmed"),
    ],
)
def test_only_an_exact_opt_in_is_a_consent(status: object, reason: str | None) -> None:
    assert consent_reason(status) == reason


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({}, None),
        ({"status": "OPT_OUT", "ambiguous": True, "born": MINOR}, "opted_out"),
        ({"status": None, "ambiguous": True, "born": MINOR}, "not_confirmed"),
        ({"ambiguous": True, "on_ambiguous": "hold", "born": MINOR}, "ambiguous_phone"),
        ({"ambiguous": True, "on_ambiguous": "newest_order", "born": MINOR}, "under_age"),
        ({"ambiguous": True, "on_ambiguous": "newest_order"}, None),
        ({"ambiguous": False, "on_ambiguous": "hold"}, None),
        ({"born": MINOR, "evidence": True}, "under_age"),
        ({"born": date(2005, 6, 2)}, "under_age"),
        ({"born": date(2005, 6, 1)}, None),  # 21 today
        ({"born": None}, None),
        ({"born": None, "evidence": True}, "age_unknown"),
        ({"evidence": True}, None),
        ({"born": date(2004, 2, 29), "today": date(2025, 2, 28)}, "under_age"),
        ({"born": date(2004, 2, 29), "today": date(2025, 3, 1)}, None),
    ],
)
def test_the_first_reason_holds(case: dict[str, Any], reason: str | None) -> None:
    given: dict[str, Any] = {
        "status": "OPT_IN",
        "ambiguous": False,
        "on_ambiguous": "newest_order",
        "born": ADULT,
    } | case
    assert (
        ineligible_reason(
            consent_reason(given["status"]),
            given["ambiguous"],
            given["on_ambiguous"],
            age_of(Birth(day=given["born"]), [], None, given.get("today", TODAY)),
            given.get("evidence", False),
        )
        == reason
    )
    assert reason is None or reason in HELD_REASONS


@pytest.mark.parametrize(
    ("ambiguous", "born", "noted"),
    [
        (False, ADULT, []),
        (True, ADULT, ["ambiguous_phone"]),
        (False, None, ["age_unknown"]),
        (True, None, ["ambiguous_phone", "age_unknown"]),
    ],
)
def test_notes(ambiguous: bool, born: date | None, noted: list[str]) -> None:
    assert notes(ambiguous, age_of(Birth(day=born), [], None, TODAY)) == noted


@pytest.mark.parametrize(
    ("own", "copies", "status", "evidence", "reason", "noted"),
    [
        # Ruling 3: the customer's own date leads; the orders' copies count where that is unknown, and any minor holds.
        (Birth(day=ADULT), [Birth(day=MINOR)], "SUCCESS", False, None, []),
        (NOT_GIVEN, [Birth(day=ADULT), Birth(day=MINOR)], "SUCCESS", False, "under_age", ["age_unknown"]),
        (NOT_GIVEN, [Birth(day=ADULT)], "SUCCESS", False, None, ["age_unknown"]),
        (NOT_GIVEN, [Birth(day=ADULT)], "SUCCESS", True, "age_unknown", ["age_unknown"]),
        (NOT_GIVEN, [UNREAD], "SUCCESS", False, "age_unknown", ["age_unknown"]),
        # C5: what is given and cannot be read keeps the gate closed, whatever the setting.
        (UNREAD, [], "SUCCESS", False, "age_unknown", ["age_unknown"]),
        (UNREAD, [Birth(day=ADULT)], "SUCCESS", False, "age_unknown", ["age_unknown"]),
        (Birth(day=MINOR, unread=True), [], "SUCCESS", False, "under_age", []),
        (Birth(day=ADULT, unread=True), [], "SUCCESS", False, "age_unknown", []),
        (Birth(year=2010), [], "SUCCESS", False, "under_age", []),
        (Birth(year=2005), [], "SUCCESS", False, "age_unknown", []),  # 20 or 21
        (Birth(year=2004), [], "SUCCESS", True, None, []),
        (Birth(day=date(2026, 6, 2)), [], "SUCCESS", False, "under_age", []),  # tomorrow
        # Ruling 3: the age check of the newest order failed.
        (Birth(day=ADULT), [], "AGE_VERIFICATION_FAILED", False, None, ["age_unverified"]),
        (Birth(day=ADULT), [], "AGE_VERIFICATION_LOCKED", True, "age_unknown", ["age_unverified"]),
    ],
)
def test_c5_and_ruling_3_who_is_of_age(
    own: Birth, copies: list[Birth], status: str, evidence: bool, reason: str | None, noted: list[str]
) -> None:
    age = age_of(own, copies, status, TODAY)
    assert ineligible_reason(None, False, "newest_order", age, evidence) == reason
    assert notes(False, age) == noted


def test_a_year_alone_in_an_order_leaves_the_age_open() -> None:
    today = date(2026, 5, 20)
    assert age_of(Birth(), [Birth(year=2005)], None, today).unread
    assert not age_of(Birth(), [Birth(year=2004)], None, today).unread
    assert age_of(Birth(), [Birth(year=2006)], None, today).under
    assert not is_doubtful(Birth(day=date(2005, 1, 1), year=2005), today)
    assert not is_doubtful(NOT_GIVEN, today)
