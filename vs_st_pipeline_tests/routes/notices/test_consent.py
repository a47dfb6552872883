"""Who may be written: each kind of evidence, and what ends it (notices.md 5.8, 5.9)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from vs_st_pipeline.routes.notices.consent import IN, OUT, VOID, Row, is_out, proof
from vs_st_pipeline.routes.notices.words import ConsentSource as Source

AT = datetime(2026, 5, 20, 12)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ALL = ("eshopbox_flag", "gupshup_event", "gupshup_list", "attestation")
GONE = Row(Source.STOP_WORD, OUT, AT)


@pytest.mark.parametrize(
    ("source", "later", "still_out"),
    [
        (Source.START_WORD, SECOND, False),
        (Source.START_WORD, timedelta(0), True),  # STOP and START at one time: STOP
        (Source.START_WORD, -SECOND, True),
        (Source.OPERATOR, SECOND, False),
        (Source.OPERATOR, timedelta(0), True),
        (Source.GUPSHUP_EVENT, MINUTE, True),
        (Source.GUPSHUP_EVENT, MINUTE + SECOND, False),
        (Source.GUPSHUP_LIST, timedelta(days=9), True),
        (Source.ESHOPBOX_FLAG, timedelta(days=9), True),
        (Source.ATTESTATION, timedelta(days=9), True),
    ],
)
def test_only_three_words_bring_a_phone_back(source: Source, later: timedelta, still_out: bool) -> None:
    assert is_out([GONE, Row(source, IN, AT + later)]) == still_out


def test_what_voids_a_yes_brings_nobody_back() -> None:
    assert is_out([GONE, Row(Source.OPERATOR, VOID, AT + MINUTE)])


@pytest.mark.parametrize(
    "source", [Source.STOP_WORD, Source.CODE_1012, Source.GUPSHUP_EVENT, Source.GUPSHUP_LIST, Source.OPERATOR]
)
def test_whoever_says_out_is_heard(source: Source) -> None:
    assert is_out([Row(source, OUT, AT)])
    assert not is_out([])


def test_the_newest_out_counts() -> None:
    assert is_out([GONE, Row(Source.START_WORD, IN, AT + MINUTE), Row(Source.STOP_WORD, OUT, AT + 2 * MINUTE)])


@pytest.mark.parametrize("source", ALL)
def test_a_kind_counts_only_where_the_settings_name_it(source: str) -> None:
    row = Row(source, IN, AT)
    assert proof([row], [], [source], "client") == row
    assert proof([row], [], [one for one in ALL if one != source], "client") is None
    assert proof([], [row], [source], "client") == row


def test_an_operator_always_counts_and_a_start_never() -> None:
    assert proof([Row(Source.OPERATOR, IN, AT)], [], ["eshopbox_flag"], "client") is not None
    assert proof([Row(Source.START_WORD, IN, AT)], [], ALL, "client") is None
    assert proof([Row(Source.OPERATOR, OUT, AT)], [], ALL, "client") is None


@pytest.mark.parametrize("source", [Source.OPERATOR, Source.GUPSHUP_EVENT, Source.GUPSHUP_LIST])
def test_on_a_house_account_nothing_counts_that_names_no_customer(source: Source) -> None:
    assert proof([Row(source, IN, AT)], [], ALL, "house") is None
    assert proof([Row(source, IN, AT)], [], ALL, "client") is not None


@pytest.mark.parametrize("source", [Source.ESHOPBOX_FLAG, Source.ATTESTATION])
def test_on_a_house_account_the_order_counts(source: Source) -> None:
    assert proof([], [Row(source, IN, AT, "eshopbox:1")], ALL, "house") is not None


def test_a_code_voids_what_is_not_newer_than_it() -> None:
    void = Row("code_1006", VOID, AT)
    assert proof([void, Row(Source.GUPSHUP_EVENT, IN, AT)], [], ALL, "client") is None
    newer = Row(Source.GUPSHUP_EVENT, IN, AT + SECOND)
    assert proof([void, newer], [], ALL, "client") == newer
    assert proof([void], [Row(Source.ESHOPBOX_FLAG, IN, AT)], ALL, "client") is None


def test_the_newest_evidence_is_used() -> None:
    newest = Row(Source.ESHOPBOX_FLAG, IN, AT + SECOND, "eshopbox:1")
    assert proof([Row(Source.GUPSHUP_LIST, IN, AT)], [newest], ALL, "client") == newest


@pytest.mark.parametrize("source", [Source.OPERATOR, Source.GUPSHUP_EVENT, Source.GUPSHUP_LIST])
def test_who_opted_in_to_another_number_has_not_opted_in_to_this_one(source: Source) -> None:
    row = Row(source, IN, AT, number="+919810000001")
    assert proof([row], [], ALL, "client", "+919810000002") is None
    assert proof([row], [], ALL, "client", "+919810000001") == row
    assert proof([row], [], ALL, "client") == row, "which number this one is, is not known"
    of_none = Row(source, IN, AT)
    assert proof([of_none], [], ALL, "client", "+919810000001") == of_none


def test_who_opted_out_of_another_number_is_out_of_this_one_too() -> None:
    rows = [Row(Source.STOP_WORD, OUT, AT, number="+919810000001")]
    assert is_out(rows)
    assert not is_out([*rows, Row(Source.START_WORD, IN, AT + SECOND, number="+919810000001")])


def test_what_is_stored_with_a_claim_has_its_evidence_as_an_object() -> None:
    row = Row(Source.GUPSHUP_EVENT, IN, AT, evidence='{"event": "opted-in"}')
    assert row.as_json("+919810000111", "client:kk")["evidence"] == {"event": "opted-in"}
