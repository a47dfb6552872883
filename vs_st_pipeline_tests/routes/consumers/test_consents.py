"""What an order's consents mean, and what became of those that it showed before (consumers.md 7.1, 7.11, 7.12)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from vs_st_pipeline.routes.consumers.bodies import ConsentSaid
from vs_st_pipeline.routes.consumers.consents import ConsentRow, ConsentWords, rows_of
from vs_st_pipeline.routes.consumers.settings import ConsentEntry

T0, T1 = datetime(2026, 5, 1), datetime(2026, 5, 2)
NEWS = ConsentEntry.model_construct(consent_id="News", data_handler="Glow Skin", text_version="v2", ignore=False)
OLD = ConsentEntry.model_construct(consent_id="Old", data_handler="Glow Skin", text_version=None, ignore=True)


def words(*entries: ConsentEntry, without_is_given: bool = False) -> ConsentWords:
    return ConsentWords.of(["APPROVED", "Given"], ["WITHDRAWN", "NO"], without_is_given, entries)


WORDS = words(NEWS, OLD)
NOTHING_LISTED = words()


def said(status: str | None = "approved", consent_id: str = "NEWS", handler: str = "glow  skin", **more: Any) -> Any:
    return ConsentSaid(consent_id, handler, more.pop("name", "Our news"), status, **more)


def row(**changed: Any) -> ConsentRow:
    """A consent as it was staged when its order gave it."""
    usual: dict[str, Any] = {
        "consent_id": "News", "data_handler": "Glow Skin", "consent_name": "Our news", "status": "approved",
        "given": True, "entry": "mapped", "verdict": "given", "text_version": "v2", "ever_given": True,
        "once_given": True,
    }  # fmt: skip
    return ConsentRow(**{**usual, **changed})


STANDING = {"given": True, "vanished_at": None, "withdrawn_at": None, "ever_given": True, "once_given": True}
VANISHED = {"given": False, "vanished_at": T1, "withdrawn_at": None, "ever_given": True, "once_given": True}
WITHDRAWN = {"given": False, "vanished_at": None, "withdrawn_at": T1, "ever_given": True, "once_given": True}
NEVER = {"given": False, "vanished_at": None, "withdrawn_at": None, "ever_given": False, "once_given": False}
NOT_NOW = {**NEVER, "once_given": True}  # as the settings see it now, it was never given
KEPT = {**NOT_NOW, "ever_given": True}


def rows(
    entries: Sequence[ConsentSaid] | None, *before: ConsentRow, by: ConsentWords = WORDS, counts: bool = True,
    is_new_read: bool = True,
) -> list[ConsentRow]:  # fmt: skip
    return rows_of(entries, before, by, counts=counts, read_at=T1, is_new_read=is_new_read)


def became(found: Sequence[ConsentRow]) -> dict[str, Any]:
    [one] = found
    return {name: getattr(one, name) for name in STANDING}


# --- what an entry means ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("Approved ", "given"), ("GIVEN", "given"), ("withdrawn", "refused"), ("No", "refused"),
        ("maybe", "neither"), ("", "neither"), (None, "neither"),
    ],
)  # fmt: skip
def test_c7_1_what_a_status_means(status: str | None, verdict: str) -> None:
    assert WORDS.verdict(status) == verdict


def test_c7_1_what_no_status_means_is_the_settings_to_say() -> None:
    assert words(without_is_given=True).verdict(None) == "given"


@pytest.mark.parametrize(
    ("consent_id", "handler", "kind"),
    [
        ("news", "GLOW skin", "mapped"),
        ("old", "Glow Skin", "ignored"),
        ("news", "Another", "handler_mismatch"),
        ("other", "Glow Skin", "unmapped"),
    ],
)
def test_c7_1_id_and_handler_must_be_those_of_one_entry(consent_id: str, handler: str, kind: str) -> None:
    [found] = rows([said(consent_id=consent_id, handler=handler)])
    assert (found.entry, found.given) == (kind, kind == "mapped")


def test_rulings_6_a_row_has_id_handler_and_wording_as_the_map_writes_them_and_the_name_as_the_order_does() -> None:
    [listed] = rows([said()])
    assert (listed.consent_id, listed.data_handler, listed.text_version) == ("News", "Glow Skin", "v2")
    assert (listed.consent_name, listed.status, listed.verdict) == ("Our news", "approved", "given")
    [other] = rows([said("no", "Other", "Else")])
    assert (other.consent_id, other.data_handler, other.text_version, other.verdict) == (
        "Other", "Else", None, "refused",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (("APPROVED", "WITHDRAWN"), "WITHDRAWN"),
        (("WITHDRAWN", "APPROVED"), "WITHDRAWN"),
        (("APPROVED", "maybe"), "maybe"),
        (("maybe", "APPROVED"), "maybe"),
        (("maybe", "WITHDRAWN"), "WITHDRAWN"),
        (("WITHDRAWN", "maybe"), "WITHDRAWN"),
        (("APPROVED", "Given"), "APPROVED"),  # of two that say the same, the first is kept
    ],
)
def test_c7_1_the_same_pair_twice_is_given_only_if_each_is(statuses: tuple[str, str], status: str) -> None:
    [found] = rows([said(statuses[0], name="First"), said(statuses[1], name="Second")])
    assert (found.status, found.consent_name, found.given) == (status, "First", status == "APPROVED")


# --- what became of it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "counts", "expected"),
    [
        (said(), True, STANDING),
        (said(), False, NEVER),
        (said("maybe"), True, NEVER),
        (said("withdrawn"), True, NEVER),  # nothing was ever given
        (said(handler="Another"), True, NEVER),
    ],
)
def test_c7_1_given_in_an_order_that_counts_by_an_entry_that_is_listed(
    entry: ConsentSaid, counts: bool, expected: dict[str, Any]
) -> None:
    assert became(rows([entry], counts=counts)) == expected


@pytest.mark.parametrize(
    ("entry", "old", "how", "expected"),
    [
        # 7.11: a later read of the same order shows it taken back
        (said("withdrawn"), row(), {}, WITHDRAWN),
        (said("withdrawn"), row(vanished_at=T0, given=False), {}, WITHDRAWN),
        (said("withdrawn"), row(withdrawn_at=T0, given=False), {}, {**WITHDRAWN, "withdrawn_at": T0}),
        (said("withdrawn"), row(ever_given=False, given=False), {}, WITHDRAWN),  # not listed for a while
        (said("withdrawn"), row(once_given=False, ever_given=False, given=False), {}, NEVER),
        (said("withdrawn"), row(), {"counts": False, "is_new_read": False}, KEPT),
        # 7.12: with a status that says nothing
        (said("maybe"), row(), {}, VANISHED),
        (said(None), row(), {}, VANISHED),
        (said("maybe"), row(vanished_at=T0, given=False), {}, {**VANISHED, "vanished_at": T0}),
        (said("maybe"), row(withdrawn_at=T0, given=False), {}, {**WITHDRAWN, "withdrawn_at": T0}),
        (said("maybe"), row(ever_given=False, given=False), {}, NOT_NOW),
        (said("maybe"), row(), {"counts": False, "is_new_read": False}, KEPT),
        # given anew
        (said(), row(withdrawn_at=T0, given=False), {}, STANDING),
        (said(), row(vanished_at=T0, given=False), {}, STANDING),
        # an order that counts no more undoes nothing
        (said(), row(), {"counts": False}, KEPT),
        # the very same answer by other settings
        (said(), row(), {"by": NOTHING_LISTED, "is_new_read": False}, NOT_NOW),
        (said(), row(), {"by": NOTHING_LISTED}, KEPT),
        (said("maybe"), row(), {"is_new_read": False}, NOT_NOW),
        (said("maybe"), row(vanished_at=T0, given=False), {"is_new_read": False}, {**VANISHED, "vanished_at": T0}),
        (
            said("withdrawn"), row(withdrawn_at=T0, given=False), {"is_new_read": False},
            {**WITHDRAWN, "withdrawn_at": T0},
        ),
        (said(), row(), {"is_new_read": False}, STANDING),
    ],
)  # fmt: skip
def test_c7_12_what_became_of_a_consent_that_is_shown(
    entry: ConsentSaid, old: ConsentRow, how: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert became(rows([entry], old, **how)) == expected


@pytest.mark.parametrize(
    ("old", "how", "expected"),
    [
        (row(), {}, VANISHED),
        (row(vanished_at=T0, given=False), {}, {**VANISHED, "vanished_at": T0}),
        (row(withdrawn_at=T0, given=False), {}, {**WITHDRAWN, "withdrawn_at": T0}),
        (row(), {"counts": False}, VANISHED),
    ],
)
def test_c7_12_an_entry_that_is_gone_has_vanished(
    old: ConsentRow, how: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert became(rows([], old, **how)) == expected


def test_c7_12_what_was_never_given_leaves_nothing_behind() -> None:
    assert rows([], row(given=False, ever_given=False)) == []
    other = row(consent_id="Other", data_handler="Else")
    assert [one.consent_id for one in rows([said()], row(), other)] == ["News", "Other"]


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ([], {**KEPT, "once_given": False}),
        ([row()], KEPT),
        ([row(vanished_at=T0, given=False)], {**VANISHED, "vanished_at": T0}),
    ],
)
def test_r23_what_an_answer_left_out_stands_and_subscribes_nobody(
    old: list[ConsentRow], expected: dict[str, Any]
) -> None:
    assert became(rows([said(carried=True)], *old)) == expected
    assert became(rows([said("withdrawn", carried=True)], row())) == WITHDRAWN


# --- without the order's body -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "how", "expected"),
    [
        (row(), {}, STANDING),
        (row(given=False, ever_given=False, once_given=False), {}, STANDING),  # its entry is listed now
        (row(), {"by": NOTHING_LISTED}, NOT_NOW),
        (row(), {"counts": False}, KEPT),
        (row(status="maybe"), {}, NOT_NOW),
        (row(vanished_at=T0, given=False), {}, {**VANISHED, "vanished_at": T0}),
        (row(withdrawn_at=T0, given=False), {}, {**WITHDRAWN, "withdrawn_at": T0}),
        (row(vanished_at=T0, given=False), {"by": NOTHING_LISTED}, {**VANISHED, "vanished_at": T0}),
    ],
)
def test_c10_6_without_its_body_an_order_is_seen_by_what_was_staged(
    old: ConsentRow, how: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert became(rows(None, old, **how)) == expected


def test_c10_6_what_was_staged_is_written_as_the_map_writes_it_now() -> None:
    old = row(consent_id="NEWS", data_handler="glow skin", text_version="v1", entry="unmapped", verdict="neither")
    [listed] = rows(None, old)
    assert (listed.consent_id, listed.data_handler, listed.text_version) == ("News", "Glow Skin", "v2")
    assert (listed.entry, listed.verdict) == ("mapped", "given")
    [other] = rows(None, old, by=NOTHING_LISTED)
    assert (other.consent_id, other.data_handler, other.text_version) == ("NEWS", "glow skin", "v1")
    assert (other.entry, other.verdict) == ("unmapped", "given")
