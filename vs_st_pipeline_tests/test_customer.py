"""Customers from loose JSON: which source leads, what counts as missing, clubs and ages."""

from __future__ import annotations

from datetime import date
from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vs_st_pipeline.customer import (
    Customer,
    Membership,
    age_on,
    birth_date,
    club_names,
    club_status,
    customer_from,
    earliest_membership,
    is_under,
    last_birth_date,
)
from vs_st_pipeline.text_forms import parse_moment

TODAY = date(2026, 6, 1)


def phone(number: object, country: object = None) -> dict[str, object]:
    return {"number": number, "country": country, "extension": None}


LISTED: dict[str, object] = {
    "id": 700101,
    "email": "marisol@example.com",
    "firstName": "Marisol",
    "lastName": "Vantongeren",
    "primaryPhone": phone("7075550142", "1"),
    "memberships": [
        {"id": 81234, "clubId": 912, "clubName": "Hillside Six", "dateJoined": "2025-02-11", "hold": False},
    ],
}
DETAIL: dict[str, object] = {
    "id": 700101,
    "email": " mari@example.com ",
    "firstName": "Mari",
    "lastName": "Tongeren",
    "primaryPhone": phone("4155550199"),
    "dateOfBirth": {"day": 4, "month": 9, "year": 1981},
    "shippingAddress": {"city": " Sebastopol", "stateCode": "CA"},
    "memberships": [{"id": 5, "club": {"id": 912, "name": "Reserve"}, "dateJoined": None, "hold": True}],
}


def built(list_item: object, detail: object = None) -> Customer:
    found = customer_from(list_item, detail, TODAY)  # type: ignore[arg-type]
    assert found is not None
    return found


def member(
    name: str | None = "Six", joined: str | None = None, on_hold: bool = False, id: int | None = None
) -> Membership:
    return Membership(id, name, parse_moment(joined), on_hold)


def test_each_source_leads_where_it_is_the_better_one() -> None:
    assert built(LISTED, DETAIL) == Customer(
        customer_id=700101,
        first_name="Mari",
        last_name="Tongeren",
        email="mari@example.com",
        phone="7075550142",
        birth_date=date(1981, 9, 4),
        has_detail=True,
        city=" Sebastopol",
        state="CA",
        memberships=(Membership(81234, "Hillside Six", date(2025, 2, 11), False),),
    )


def test_the_list_alone_leaves_the_detail_unknown() -> None:
    customer = built(LISTED)
    assert not customer.has_detail
    assert (customer.first_name, customer.email) == ("Marisol", "marisol@example.com")
    assert (customer.city, customer.state, customer.birth_date) == (None, None, None)


def test_the_detail_alone_is_a_whole_customer() -> None:
    customer = built(None, DETAIL)
    assert customer.phone == "4155550199"
    assert customer.memberships == (Membership(5, "Reserve", None, True),)


def test_a_blank_in_the_detail_is_filled_from_the_list() -> None:
    customer = built(LISTED, DETAIL | {"firstName": " ", "lastName": None, "email": ""})
    assert (customer.first_name, customer.last_name) == ("Marisol", "Vantongeren")
    assert customer.email == "marisol@example.com"


def test_a_list_item_without_phone_is_not_helped_by_the_detail() -> None:
    assert built(LISTED | {"primaryPhone": None}, DETAIL).phone is None


def test_only_the_primary_phone_counts() -> None:
    other = {
        "phone": "7075550142",
        "mobilePhone": phone("7075550142"),
        "shippingAddress": {"phoneNumber": "7075550142"},
    }
    assert built(LISTED | {"primaryPhone": None} | other, DETAIL | other).phone is None


def test_an_empty_list_of_memberships_is_an_answer_and_a_missing_one_is_not() -> None:
    assert built(LISTED | {"memberships": []}, DETAIL).memberships == ()
    assert built(LISTED | {"memberships": None}, DETAIL).memberships == (Membership(5, "Reserve", None, True),)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (phone("7075550142", "1"), "7075550142"),
        (phone("7075550142", 1), "7075550142"),
        (phone("7075550142", {"code": 44}), "7075550142"),  # a country of a wrong type says nothing
        (phone("7075550142", "44"), None),
        (phone(7075550142), None),
        (phone(None), None),
        ("7075550142", None),
        ([], None),
    ],
)
def test_phones_of_any_shape(raw: object, expected: str | None) -> None:
    assert built(LISTED | {"primaryPhone": raw}).phone == expected


@pytest.mark.parametrize("key", [*DETAIL, *LISTED])
@pytest.mark.parametrize("junk", [None, "", "x", 5, -1.5, True, [], ["x"], [None], {}, {"x": {}}, [[1]], {"id": "x"}])
def test_wrong_types_never_raise(key: str, junk: object) -> None:
    for listed, detail in (({"id": 1, key: junk}, None), (None, {"id": 1, key: junk}), ({"id": 1}, {key: junk})):
        customer = customer_from(listed, detail, TODAY)
        assert customer is None or isinstance(customer.customer_id, int)


@pytest.mark.parametrize(("raw", "expected"), [("700101", 700101), (700101, 700101)])
def test_ids_may_be_digit_texts(raw: object, expected: int) -> None:
    assert built({"id": raw}).customer_id == expected


@pytest.mark.parametrize("raw", [None, "", "x", 0, True, {}])
def test_without_an_id_there_is_no_customer(raw: object) -> None:
    assert customer_from({"id": raw}, None, TODAY) is None
    assert customer_from(None, None, TODAY) is None
    assert customer_from({"id": raw}, {"id": 7}, TODAY) == Customer(7, has_detail=True)


@pytest.mark.parametrize("row", [{}, {"hold": True}, {"id": "x", "clubName": " "}, "Six", None])
def test_an_empty_membership_is_none(row: object) -> None:
    assert built(LISTED | {"memberships": [row]}).memberships == ()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((4, 9, 1981), date(1981, 9, 4)),
        ((29, 2, 2000), date(2000, 2, 29)),
        ((1, 1, 1900), date(1900, 1, 1)),
        ((1, 6, 2026), TODAY),
        ((2, 6, 2026), None),  # tomorrow
        ((29, 2, 2001), None),
        ((31, 12, 1899), None),
        ((0, 9, 1981), None),
        ((4, 13, 1981), None),
        ((4, 9, 10**30), None),
        (("4", 9, 1981), None),
        ((4, 9, 1981.0), None),
        ((True, 9, 1981), None),
        ((None, None, None), None),
    ],
)
def test_birth_dates(parts: tuple[object, object, object], expected: date | None) -> None:
    assert birth_date(*parts, TODAY) == expected


@pytest.mark.parametrize(
    ("born", "today", "age"),
    [
        (date(2005, 6, 1), date(2026, 5, 31), 20),
        (date(2005, 6, 1), date(2026, 6, 1), 21),
        (date(2004, 2, 29), date(2025, 2, 28), 20),
        (date(2004, 2, 29), date(2025, 3, 1), 21),
        (date(2004, 2, 29), date(2024, 2, 29), 20),
        (date(2005, 12, 31), date(2026, 12, 30), 20),
        (date(2026, 6, 1), date(2026, 6, 1), 0),
    ],
)
def test_ages(born: date, today: date, age: int) -> None:
    assert age_on(born, today) == age
    assert is_under(born, today, 21) == (age < 21)


@given(born=st.dates(date(1900, 1, 1), date(2040, 1, 1)), today=st.dates(date(1960, 1, 1), date(2060, 1, 1)))
@example(born=date(2004, 2, 29), today=date(2025, 2, 28))
@example(born=date(2007, 2, 28), today=date(2028, 2, 29))
@example(born=date(2007, 3, 1), today=date(2028, 2, 29))
def test_whoever_was_born_after_the_last_birth_date_is_under_age(born: date, today: date) -> None:
    assert is_under(born, today) == (born > last_birth_date(today))


@given(born=st.dates(date(1900, 1, 1), date(2020, 1, 1)), years=st.integers(0, 120))
def test_nobody_is_older_before_his_birthday(born: date, years: int) -> None:
    day = date(born.year + years, born.month, min(born.day, 28))
    assert years - 1 <= age_on(born, day) <= years
    assert age_on(born, day.replace(day=1)) <= age_on(born, day)


def test_club_names_by_joining_then_id_once_each() -> None:
    rows = [
        member("Reserve", "2025-03-01T00:00:00Z", id=9),  # 28 February in California
        member("Late", None, id=2),
        member("Later", None, id=3),
        member("Six", "2025-02-28", id=7, on_hold=True),
        member("Same Day", "2025-02-28", id=8),
        member(" ", "2020-01-01", id=1),
        member(None, "2020-01-01", id=1),
        member("Six", "2026-01-01", id=10),
        member("No id", None),
    ]
    expected = ["Six", "Same Day", "Reserve", "Late", "Later", "No id"]
    assert club_names(rows) == expected
    assert club_names(rows[::-1]) == expected


@pytest.mark.parametrize(
    ("holds", "status"),
    [((), ""), ((False,), "Active"), ((True,), "On Hold"), ((True, False), "Active"), ((True, True), "On Hold")],
)
def test_club_status(holds: tuple[bool, ...], status: str) -> None:
    for order in permutations(holds):
        assert club_status([member(on_hold=on_hold) for on_hold in order]) == status


@pytest.mark.parametrize(
    ("hold", "status"), [(True, "On Hold"), (False, "Active"), (None, "Active"), ("true", "Active"), (1, "Active")]
)
def test_only_a_true_hold_is_a_hold(hold: object, status: str) -> None:
    assert (
        club_status(built(LISTED | {"memberships": [{"id": 1, "clubName": "Six", "hold": hold}]}).memberships) == status
    )


def test_the_earliest_membership_is_an_instant_not_a_text() -> None:
    rows = [member(joined="2025-02-11"), member(joined=None), member(joined="2025-02-11T05:00:00Z")]
    assert earliest_membership(rows) == parse_moment("2025-02-11T05:00:00Z")
    assert earliest_membership([member(joined=None)]) is None
    assert earliest_membership([]) is None
