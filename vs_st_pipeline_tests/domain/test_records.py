"""The reader's rule: whose a record is, what its absent keys mean, and whose trouble a failed read is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadRecord, Forbidden, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.records import RecordKind, believed, carry, id_text, may_lack, prove, wants_another_read
from vs_st_pipeline.domain.single_reads import SingleReads, gap_after, is_of_one_record

NOW = datetime(2026, 6, 1, 12)
KIND = RecordKind(
    system="shop",
    name="person",
    id_keys=("id", "personId"),
    always=("name",),
    documented=("email", "address", "address.city", "clubs!", "clubs[].hold!", "clubs[].name|club"),
    sticky={"born": lambda value, today: isinstance(value, str) and value[:1].isdigit()},
)
WHOLE: dict[str, Any] = {
    "id": 7,
    "name": "Ada",
    "email": "ada@example.com",
    "address": {"city": "Elk", "state": "CA"},
    "clubs": [{"id": 1, "name": "Six", "hold": True}, {"id": 2, "name": "Reserve", "hold": False}],
    "born": "1990-01-01",
}


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in WHOLE.items() if key not in keys}


@pytest.mark.parametrize("body", [WHOLE, {"personId": "7", "name": None}, {"id": Decimal("7.0"), "name": ""}])
def test_r22_the_record_that_was_asked_for_is_believed(body: object) -> None:
    prove(KIND, body, 7)


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], None, "x", {"name": "Ada"}, {"id": None, "name": "Ada"}, {"id": True, "name": "Ada"}),
        *(WHOLE | {"id": 8}, {"id": 7}, WHOLE | {"error": "down"}, WHOLE | {"errors": [1]}, WHOLE | {"errorCode": "E"}),
    ],
)
def test_r22_anything_else_is_not(body: object) -> None:
    with pytest.raises(BadRecord):
        prove(KIND, body, 7)


def test_r22_a_connector_names_who_may_answer_for_another() -> None:
    prove(KIND, WHOLE | {"id": 8}, 7, answers_for=("8",))


def test_ids_in_any_form() -> None:
    assert [id_text(value) for value in (7, " 7 ", Decimal("7.0"), Decimal("7.5"), True, None, "", [])] == [
        *("7", "7", "7", None, None, None, None, None)
    ]


def test_r23_what_is_absent_is_carried_over_and_cleared_by_a_second_absence() -> None:
    new = without("email", "address", "clubs")
    kept = carry(KIND, new, WHOLE, {}, NOW)
    assert believed(KIND, new, kept) == WHOLE
    assert wants_another_read(KIND, kept)
    again = carry(KIND, new, believed(KIND, new, kept), kept, NOW + timedelta(minutes=14))
    assert again == kept
    assert carry(KIND, new, believed(KIND, new, kept), kept, NOW + timedelta(minutes=15)) == {}


def test_r23_a_part_of_a_part_is_carried_over_by_its_id() -> None:
    new = WHOLE | {"clubs": [{"id": 2, "name": "Reserve"}, {"id": 1, "hold": None}], "address": {"state": "CA"}}
    kept = carry(KIND, new, WHOLE, {}, NOW)
    whole = believed(KIND, new, kept)
    assert whole["clubs"] == [{"id": 2, "name": "Reserve", "hold": False}, {"id": 1, "hold": True, "name": "Six"}]
    assert whole["address"] == {"state": "CA", "city": "Elk"}
    assert new["address"] == {"state": "CA"}, "what the system said stays as it is"


def test_r23_null_blank_and_another_value_are_statements() -> None:
    new = WHOLE | {"email": None, "address": {"city": "", "state": None}, "clubs": []}
    kept = carry(KIND, new, WHOLE, {}, NOW)
    assert kept == {}
    assert believed(KIND, new, kept) == new


def test_r23_a_name_that_stands_under_another_key_is_not_absent() -> None:
    new = WHOLE | {"clubs": [{"id": 1, "club": {"name": "Seven"}, "hold": True}]}
    assert carry(KIND, new, WHOLE, {}, NOW) == {}


def test_r23_a_sticky_value_goes_by_another_one_or_by_a_null_twice_a_day_apart() -> None:
    kept: dict[str, Any] = {}
    stored: Any = WHOLE
    at = NOW
    for says in (without("born"), WHOLE | {"born": ""}, WHOLE | {"born": {}}, without("born"), WHOLE | {"born": "n/a"}):
        at += timedelta(days=9)
        kept = carry(KIND, says, believed(KIND, stored, kept), kept, at)
        stored = says
        assert kept["born"]["value"] == "1990-01-01"
        assert not wants_another_read(KIND, kept)
    null = WHOLE | {"born": None}
    kept = carry(KIND, null, believed(KIND, stored, kept), kept, at)
    kept = carry(KIND, null, believed(KIND, null, kept), kept, at + timedelta(hours=23))
    assert believed(KIND, null, kept)["born"] == "1990-01-01"
    assert carry(KIND, null, believed(KIND, null, kept), kept, at + timedelta(days=1)) == {}
    assert carry(KIND, WHOLE | {"born": "2010-04-17"}, believed(KIND, null, kept), kept, at) == {}


def test_another_owner_is_believed_when_a_second_read_confirms_him() -> None:
    kind = replace(KIND, named={"buyer": "id"})

    def told(buyer: Any) -> dict[str, Any]:
        return WHOLE | {"buyer": buyer}

    before = told({"id": 1, "since": "2020"})
    other = told({"id": "2", "since": "1999"})
    kept = carry(kind, other, before, {}, NOW)
    assert believed(kind, other, kept) == before
    assert wants_another_read(kind, kept)

    def again(new: Any, minutes: int, known: Any = kept) -> Any:
        return carry(kind, new, believed(kind, other, known), known, NOW + timedelta(minutes=minutes))

    assert again(other, 14) == kept
    assert again(other, 15) == {}
    assert again(before, 15) == {}
    third = told({"id": 3})
    assert believed(kind, third, again(third, 15)) == before
    assert again(third, 15)["=buyer"]["since"] == (NOW + timedelta(minutes=15)).isoformat()
    assert again(told({"id": None}), 15) == kept
    assert carry(kind, other, told(None), {}, NOW) == {}, "nobody is no owner that could be another one"


def test_what_speaks_of_everything_need_not_be_held_against_what_was_stored() -> None:
    today = date(2026, 6, 1)
    assert not may_lack(KIND, WHOLE, today)
    for new in (
        without("email"),
        without("born"),
        WHOLE | {"clubs": [{"id": 1, "name": "Six"}]},
        WHOLE | {"clubs": None},
    ):
        assert may_lack(KIND, new, today)


def of(kind: type[PipelineError], status: int | None = None, call: str | None = "person") -> PipelineError:
    return kind("x", call=call, http_status=status)


@pytest.mark.parametrize(
    ("error", "one"),
    [
        (of(TryLater, 500), True),
        (of(TryLater), True),  # no answer in time
        (of(TryLater, 429), False),
        (of(TryLater, call=None), False),  # stopped by hand, or a lock
        (of(Forbidden, 403), True),
        (of(BadKey, 401), False),
        (of(BadKey, 403), False),  # a log-in page
        (of(Refused, 400), True),
        (of(Refused, 410), True),
        (of(Refused, 422), True),
        (of(Refused, 404), False),
        (of(BadRecord, 200), True),
        (of(BadAnswer, 200), True),
    ],
)
def test_r40_what_may_be_one_records_trouble(error: PipelineError, one: bool) -> None:
    assert is_of_one_record(error) is one


def test_r40_five_in_a_row_are_the_systems_trouble() -> None:
    reads = SingleReads()
    for number in range(4):
        reads.went_wrong(str(number), of(TryLater, 500))
    reads.went_well()
    for number in range(4, 8):
        reads.went_wrong(str(number), of(TryLater, 500))
    with pytest.raises(TryLater):
        reads.went_wrong("8", of(TryLater, 500))


def test_r40_so_is_over_a_fifth_of_twenty_five_or_more() -> None:
    reads = SingleReads(25)
    for number in range(5):
        reads.went_wrong(str(number), of(TryLater, 500))
        reads.went_well()
    with pytest.raises(TryLater):
        reads.went_wrong("5", of(TryLater, 500))
    few = SingleReads(24)
    for number in range(12):
        few.went_wrong(str(number), of(TryLater, 500))
        few.went_well()


def test_r40_who_could_not_be_read_before_says_nothing_new_of_the_system() -> None:
    reads = SingleReads()
    for number in range(9):
        reads.went_wrong(str(number), of(TryLater, 500), known=True)
    assert reads.all_failed
    with pytest.raises(BadKey):
        reads.went_wrong("9", of(BadKey, 401), known=True)


def test_r40_the_gaps() -> None:
    assert [gap_after(n).total_seconds() / 60 for n in (1, 2, 3, 4, 20)] == [0, 15, 30, 60, 1440]
