"""Customers from loose JSON: which source leads, what counts as missing, clubs and ages."""

from __future__ import annotations

from datetime import date
from itertools import permutations

import pytest

from vs_st_pipeline.connectors.vinoshipper.parse import customer_from
from vs_st_pipeline.domain.customer import Customer, Membership, club_names, club_status, earliest_membership
from vs_st_pipeline.domain.formats import parse_moment

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
        (phone("7075550142", {"code": 44}), None),  # it may be a number of another country, and so of somebody else
        (phone("7075550142", "44"), None),
        (phone(7075550142), "7075550142"),
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
def test_a_membership_that_names_nothing_is_none_and_proves_nothing(row: object) -> None:
    customer = built(LISTED | {"memberships": [row]})
    assert customer.memberships == ()
    assert "memberships" in customer.unread


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
    ("hold", "status"),
    [(True, "On Hold"), (False, "Active"), (None, "Active"), ("true", "On Hold"), ("False", "Active")],
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


@pytest.mark.parametrize(
    ("change", "unread"),
    [
        ({"shippingAddress": "x"}, {"city", "state"}),
        ({"shippingAddress": {"city": 5, "stateCode": ["CA"]}}, {"city", "state"}),
        ({"dateOfBirth": "n/a"}, {"birth_date"}),
        ({"dateOfBirth": {"day": 5, "month": 6, "year": None}}, {"birth_date"}),
        ({"shippingAddress": None, "dateOfBirth": None}, set()),
    ],
)
def test_what_is_given_and_not_understood_is_not_taken_for_nothing(change: dict[str, object], unread: set[str]) -> None:
    assert built(LISTED, DETAIL | change).unread == unread


@pytest.mark.parametrize(
    ("memberships", "unread"),
    [
        ("Six", {"memberships"}),
        (["Six"], {"memberships"}),
        ([{"id": 1, "clubName": 5}], {"club_name"}),
        ([{"id": 1, "clubName": "Six", "hold": 1}], {"hold"}),
        ([{"id": 1, "clubName": "Six", "dateJoined": 20250211}], {"joined"}),
        ([{"clubName": {"name": "Six"}}], {"club_name", "memberships"}),
    ],
)
def test_memberships_that_are_not_understood_are_not_none(memberships: object, unread: set[str]) -> None:
    assert built(LISTED | {"memberships": memberships}, None).unread == unread


def test_a_known_birth_date_outlives_an_answer_that_says_none() -> None:
    known = {"day": 17, "month": 4, "year": 2010}
    for says in (None, {}, "", [], "1900-01-01", {"day": None, "month": None, "year": None}):
        customer = customer_from(LISTED, DETAIL | {"dateOfBirth": says}, TODAY, known)
        assert customer is not None
        assert (customer.birth_date, customer.unread) == (date(2010, 4, 17), frozenset()), says
    customer = customer_from(LISTED, DETAIL | {"dateOfBirth": "n/a"}, TODAY, known)
    assert customer is not None
    assert (customer.birth_date, customer.unread) == (date(2010, 4, 17), {"birth_date"})
