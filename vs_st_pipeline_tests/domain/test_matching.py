"""Contacts are linked by the customer id they carry, else by phone; of several customers one is chosen."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import permutations

import pytest

from vs_st_pipeline.domain.matching import Candidate, ContactIdentity, Link, carried_id, choose, link

linked_by = partial(link, id_field="VScustomerID")

CUSTOMERS = {700101, 700102, 700103}
BY_PHONE = {"7075550142": [700103, 700102], "4155550199": [700101]}


def at(day: int) -> datetime:
    return datetime(2026, 5, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("phone", "carried", "candidates", "by"),
    [
        ("4155550199", None, (700101,), "phone"),
        ("+1 (415) 555-0199 x7", "", (700101,), "phone"),
        ("7075550142", None, (700102, 700103), "phone"),
        ("7075550142", "700101", (700101,), "VScustomerID"),  # whatever the phones say
        (None, " 700101 ", (700101,), "VScustomerID"),
        ("4155550199", "999999", (700101,), "phone"),  # no such customer
        ("4155550199", "7001O1", (700101,), "phone"),
        ("4155550199", "700102.0", (700102,), "VScustomerID"),  # C35: a number field's way of writing it
        ("4155550199", "7.00102e5", (700102,), "VScustomerID"),
        ("4155550199", "700102.5", (700101,), "phone"),
        ("4155550199", "1e99", (700101,), "phone"),
        ("4155550199", "700 102", (700101,), "phone"),
        ("4155550199", "-700102", (700101,), "phone"),
        ("4155550199", "\uff17\uff10\uff10\uff11\uff10\uff12", (700101,), "phone"),  # full-width 700102
        ("4155550199", "7" * 5000, (700101,), "phone"),
    ],
)
def test_linked(phone: str | None, carried: str | None, candidates: tuple[int, ...], by: str) -> None:
    links = linked_by([ContactIdentity("c1", phone, carried)], CUSTOMERS, BY_PHONE)
    assert links == {"c1": Link("c1", candidates, by)}


@pytest.mark.parametrize(
    ("phone", "carried"),
    [(None, None), ("", " "), ("2125550100", None), ("+44 4155550199", None), ("x", "999999"), ("2125550100", "0")],
)
def test_not_linked(phone: str | None, carried: str | None) -> None:
    assert linked_by([ContactIdentity("c1", phone, carried)], CUSTOMERS, BY_PHONE) == {}


def test_what_we_wrote_there_beats_what_somebody_has_made_of_it() -> None:
    links = linked_by([ContactIdentity("c1", "4155550199", "700101")], CUSTOMERS, BY_PHONE, {"c1": 700102})
    assert links == {"c1": Link("c1", (700102,), "VScustomerID")}


@pytest.mark.parametrize(
    ("text", "carried"), [("1e17", 10**17), ("9" * 18, 10**18 - 1), ("1e18", None), ("1" * 19, None), (None, None)]
)
def test_an_id_has_eighteen_digits_at_most(text: str | None, carried: int | None) -> None:
    assert carried_id(text) == carried


def test_two_contacts_may_stand_for_one_customer() -> None:
    links = linked_by(
        [ContactIdentity("a", "4155550199"), ContactIdentity("b", None, "700101"), ContactIdentity("c")],
        CUSTOMERS,
        BY_PHONE,
    )
    assert {name: found.candidates for name, found in links.items()} == {"a": (700101,), "b": (700101,)}


def test_a_customer_named_twice_under_a_phone_is_one_candidate() -> None:
    assert linked_by([ContactIdentity("a", "2125550100")], CUSTOMERS, {"2125550100": [2, 1, 2]})["a"].candidates == (
        1,
        2,
    )


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([Candidate(1)], 1),
        ([Candidate(1, at(2)), Candidate(2, at(1))], 1),
        ([Candidate(1, at(1)), Candidate(2, None, at(1)), Candidate(3)], 1),
        ([Candidate(1, at(1), at(9)), Candidate(2, at(1), at(3)), Candidate(3, at(1))], 2),
        ([Candidate(1, None, at(3)), Candidate(2, None, at(9)), Candidate(3)], 1),
        ([Candidate(1, at(1), at(3)), Candidate(2, at(1), at(3))], 2),
        ([Candidate(9), Candidate(10)], 10),
        ([Candidate(1, datetime(1969, 1, 1, tzinfo=UTC)), Candidate(2)], 1),  # before the epoch is still an order
        ([Candidate(1, None, datetime(1969, 1, 1, tzinfo=UTC)), Candidate(2, None, at(1))], 1),
    ],
)
def test_chosen_whatever_the_order(candidates: list[Candidate], chosen: int) -> None:
    for rows in permutations(candidates):
        assert choose(rows) == chosen


def test_nobody_to_choose() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose([])
