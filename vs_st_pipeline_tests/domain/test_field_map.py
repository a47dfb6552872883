"""The field map: what it refuses and on which line, the values it gives, where they came from, and their keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vs_st_pipeline
from vs_st_pipeline.connectors.simpletexting.builtin_fields import BUILTINS
from vs_st_pipeline.connectors.simpletexting.custom_fields import CustomField, FieldKeys, resolve_fields
from vs_st_pipeline.domain import attributes
from vs_st_pipeline.domain.attributes import ATTRIBUTES
from vs_st_pipeline.domain.customer import Customer, Membership
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.field_map import FieldMap, LineageEntry, cut, explain, wanted_values
from vs_st_pipeline.domain.formats import FORMATS, parse_moment
from vs_st_pipeline.domain.order import Order, Package
from vs_st_pipeline.platform.settings import field_map_yaml

PACIFIC = ZoneInfo("America/Los_Angeles")
CustomerProfile = partial(attributes.CustomerProfile, system="vinoshipper")
read_field_map = partial(field_map_yaml.read_field_map, builtins=BUILTINS)
DEFAULT_TEXT = (Path(vs_st_pipeline.__file__).parent / "routes" / "contacts" / "field_map.yaml").read_text(
    encoding="utf-8"
)

OLD = Order(
    "90000000003",
    700101,
    "SUCCESS",
    "DELIVERED",
    purchased_at=parse_moment("2026-01-31T23:30:00-08:00"),
    customer_since=parse_moment("2025-02-11"),
    total=Decimal("100.005"),
)
NEW = Order(
    "90000000017",
    700101,
    "SUCCESS",
    "LABELS_GENERATED",
    purchased_at=parse_moment("2026-05-28T19:31:00-07:00"),
    shipped_at=parse_moment("2026-05-30T23:12:00-07:00"),
    cart_type="WEB",
    rate_code="03",
    rate_description="UPS Ground",
    carrier="UPS",
    packages=(Package(None, "1Z17"), Package("UPS", " "), Package("UPS", "1Z18")),
    total=Decimal("128.71"),
    receipt_url="https://example.com/r/17",
    receipt_known=True,
)
CANCELLED = replace(NEW, number="90000000018", order_status="CANCELLED", purchased_at=parse_moment("2026-05-30"))
MARISOL = Customer(
    700101,
    "Marisol",
    "Vantongeren",
    "marisol@example.com",
    "7075550142",
    date(1981, 9, 4),
    True,
    "Sebastopol",
    "CA",
    (
        Membership(2, "Reserve", parse_moment("2025-06-01"), True),
        Membership(1, "Hillside Six", parse_moment("2025-02-11"), False),
    ),
)


def one_row(row: str) -> str:
    return f"version: 1\nfields:\n  - {{to: Fine, value: x, policy: fill}}\n  - {row}\n"


def values(field_map: FieldMap, facts: attributes.CustomerProfile) -> dict[str, str]:
    return {wanted.map_field.to: wanted.value for wanted in wanted_values(field_map, facts, PACIFIC)}


def value_of(row: str, facts: attributes.CustomerProfile) -> str | None:
    return values(read_field_map(f"version: 1\nfields: [{row}]", "one.yaml"), facts).get("X")


@pytest.fixture(scope="module")
def default_map() -> FieldMap:
    return read_field_map(DEFAULT_TEXT, "field_map.yaml")


# --- the default map


def test_the_default_map_has_every_row_in_order(default_map: FieldMap) -> None:
    rows = [(field.to, field.kind, field.policy) for field in default_map.fields]
    fill = [(name, "builtin", "fill") for name in ("firstName", "lastName", "email", "birthday")]
    labels = (
        "VScustomerID, City, State, Club Name, Club Status, Signup Date, Order Count, Lifetime Value, Last Order Date, "
        "VS Last Order Number, Order Status, Payment Status, Channel, Delivery Method, Order Total, Shipped Date, "
        "Delivered Date, Tracking Number, Tracking URL, Receipt URL"
    )
    assert rows == [*fill, ("Source", "custom", "fill"), *((name, "custom", "mirror") for name in labels.split(", "))]


def test_a_whole_contact(default_map: FieldMap) -> None:
    assert values(default_map, CustomerProfile(MARISOL, [OLD, CANCELLED, NEW], True)) == {
        "firstName": "Marisol",
        "lastName": "Vantongeren",
        "email": "marisol@example.com",
        "birthday": "1981-09-04",
        "Source": "Vinoshipper",
        "VScustomerID": "700101",
        "City": "Sebastopol",
        "State": "CA",
        "Club Name": "Hillside Six, Reserve",
        "Club Status": "Active",
        "Signup Date": "02/11/2025",
        "Order Count": "2",
        "Lifetime Value": "228.72",
        "Last Order Date": "05/28/2026",
        "VS Last Order Number": "90000000018",
        "Order Status": "Cancelled",
        "Payment Status": "Success",
        "Channel": "WEB",
        "Delivery Method": "UPS Ground",
        "Order Total": "128.71",
        "Shipped Date": "05/30/2026",
        "Delivered Date": "",
        "Tracking Number": "1Z17, 1Z18",
        "Tracking URL": "https://www.ups.com/track?tracknum=1Z17",
        "Receipt URL": "https://example.com/r/17",
    }


def test_a_customer_without_anything_is_known_to_have_nothing(default_map: FieldMap) -> None:
    found = values(default_map, CustomerProfile(Customer(7, has_detail=True), [], True))
    said = {"Source": "Vinoshipper", "VScustomerID": "7", "Order Count": "0", "Lifetime Value": "0.00"}
    assert {name: value for name, value in found.items() if value} == said
    assert len(found) == len(default_map.fields)


def test_values_come_in_the_order_of_the_map(default_map: FieldMap) -> None:
    wanted = wanted_values(default_map, CustomerProfile(MARISOL, [NEW], True), PACIFIC)
    assert tuple(value.map_field for value in wanted) == default_map.fields


SUMS = {"Order Count", "Lifetime Value", "Signup Date"}
FROM_NEWEST = {
    "VS Last Order Number",
    "Order Status",
    "Payment Status",
    "Channel",
    "Delivery Method",
    "Order Total",
    "Shipped Date",
    "Delivered Date",
    "Tracking Number",
    "Tracking URL",
    "Receipt URL",
}


@pytest.mark.parametrize(
    ("facts", "unknown"),
    [
        (CustomerProfile(MARISOL, [NEW], True), set()),
        (CustomerProfile(MARISOL, [NEW], False), SUMS),
        (CustomerProfile(MARISOL, [CANCELLED], False), SUMS | {"Last Order Date"}),
        (CustomerProfile(MARISOL, [], False), SUMS | FROM_NEWEST | {"Last Order Date"}),
        (CustomerProfile(MARISOL, [], True), set()),
        (CustomerProfile(replace(MARISOL, has_detail=False), [NEW], True), {"City", "State", "birthday"}),
        (CustomerProfile(MARISOL, [replace(NEW, receipt_known=False)], True), {"Receipt URL"}),
        (CustomerProfile(MARISOL, [replace(NEW, receipt_url=None)], True), set()),
    ],
)
def test_what_is_unknown_is_left_out_and_never_blanked(
    default_map: FieldMap, facts: attributes.CustomerProfile, unknown: set[str]
) -> None:
    assert {field.to for field in default_map.fields} - set(values(default_map, facts)) == unknown


def test_an_empty_receipt_is_known_to_be_empty(default_map: FieldMap) -> None:
    assert values(default_map, CustomerProfile(MARISOL, [replace(NEW, receipt_url=None)], True))["Receipt URL"] == ""


# --- single values


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("{to: X, from: newest_order.purchased_at, as: date, policy: mirror}", "05/28/2026"),
        ("{to: X, from: newest_order.purchased_at, as: iso_date, policy: mirror}", "2026-05-28"),
        ("{to: X, from: newest_order.purchased_at, policy: mirror}", "2026-05-28"),
        ("{to: X, from: newest_order.order_status, policy: mirror}", "LABELS_GENERATED"),
        ("{to: X, from: newest_order.order_status, as: words, policy: mirror}", "Labels Generated"),
        ("{to: X, from: newest_order.total, as: integer, policy: mirror}", "129"),
        ("{to: X, from: newest_order.total, policy: mirror}", "128.71"),
        ("{to: X, from: customer.order_count, as: money, policy: mirror}", "2.00"),
        ("{to: X, from: customer.club_names, policy: mirror}", "Hillside Six, Reserve"),
        ("{to: X, from: last_counted_order.number, policy: mirror}", "90000000017"),
        ("{to: X, value: 007, policy: mirror}", "007"),  # a constant is taken as written
        ("{to: X, value: 'a: b', policy: mirror}", "a: b"),
    ],
)
def test_forms_of_sources(row: str, value: str) -> None:
    assert value_of(row, CustomerProfile(MARISOL, [OLD, NEW], True)) == value


@pytest.mark.parametrize(
    ("zone", "day"), [("America/Los_Angeles", "05/28/2026"), ("America/New_York", "05/28/2026"), ("UTC", "05/29/2026")]
)
def test_dates_are_in_the_merchants_zone(default_map: FieldMap, zone: str, day: str) -> None:
    wanted = wanted_values(default_map, CustomerProfile(MARISOL, [NEW], True), ZoneInfo(zone))
    assert {value.map_field.to: value.value for value in wanted}["Last Order Date"] == day


def test_builtin_texts_are_cut_where_simpletexting_ends() -> None:
    text = (
        "version: 1\nfields:\n"
        "  - {to: firstName, kind: builtin, from: customer.first_name, policy: fill}\n"
        "  - {to: lastName, kind: builtin, from: customer.last_name, policy: fill}\n"
        "  - {to: comment, kind: builtin, from: customer.city, policy: fill}\n"
        "  - {to: email, kind: builtin, from: customer.email, policy: fill}\n"
        "  - {to: Long, from: customer.city, policy: fill}\n"
    )
    long = replace(
        MARISOL, first_name="a" * 101, last_name="é" * 100, city="c" * 1001, email="e" * 108 + "@example.com"
    )
    found = values(read_field_map(text, "m.yaml"), CustomerProfile(long, [], True))
    assert {name: len(value) for name, value in found.items()} == {
        "firstName": 100,
        "lastName": 100,
        "comment": 1000,
        "email": 120,
        "Long": 1001,
    }


# --- where values came from


@pytest.mark.parametrize(
    ("to", "sources"),
    [
        ("City", [("customer", "700101", "shippingAddress.city", "Sebastopol")]),
        ("VScustomerID", [("customer", "700101", "id", "700101")]),
        ("birthday", [("customer", "700101", "dateOfBirth", "1981-09-04")]),
        (
            "Club Name",
            [
                ("customer", "700101", "memberships[].clubName", "Reserve"),
                ("customer", "700101", "memberships[].clubName", "Hillside Six"),
            ],
        ),
        (
            "Club Status",
            [
                ("customer", "700101", "memberships[].hold", "true"),
                ("customer", "700101", "memberships[].hold", "false"),
            ],
        ),
        ("Signup Date", [("order", "90000000003", "customer.customerSince", "2025-02-11")]),
        (
            "Lifetime Value",
            [("order", "90000000003", "total", "100.005"), ("order", "90000000017", "total", "128.71")],
        ),
        ("Order Count", [("order", number, "status", "SUCCESS") for number in ("90000000003", "90000000017")]),
        ("Last Order Date", [("order", "90000000017", "purchasedAt", "2026-05-29T02:31:00Z")]),
        ("Delivered Date", []),
        ("Delivery Method", [("order", "90000000018", "shipping.rateDescription", "UPS Ground")]),
        (
            "Tracking Number",
            [
                ("order", "90000000018", "shipping.packages[].trackingNumber", "1Z17"),
                ("order", "90000000018", "shipping.packages[].trackingNumber", "1Z18"),
            ],
        ),
        ("Tracking URL", [("order", "90000000018", "shipping.packages[].trackingNumber", "1Z17")]),
        ("Receipt URL", [("receipt", "90000000018", "receiptUrl", "https://example.com/r/17")]),
    ],
)
def test_explained(default_map: FieldMap, to: str, sources: list[tuple[str, str, str, str]]) -> None:
    field = next(field for field in default_map.fields if field.to == to)
    expected = [LineageEntry("vinoshipper", *source) for source in sources]
    assert explain(field, CustomerProfile(MARISOL, [OLD, CANCELLED, NEW], True)) == expected


def test_a_pickup_is_explained_by_its_rate_code(default_map: FieldMap) -> None:
    field = next(field for field in default_map.fields if field.to == "Delivery Method")
    pickup = replace(NEW, rate_code="PCKP")
    expected = [LineageEntry("vinoshipper", "order", "90000000017", "shipping.rateCode", "PCKP")]
    assert explain(field, CustomerProfile(MARISOL, [pickup], True)) == expected


def test_a_signup_without_orders_is_explained_by_the_club(default_map: FieldMap) -> None:
    field = next(field for field in default_map.fields if field.to == "Signup Date")
    expected = [LineageEntry("vinoshipper", "customer", "700101", "memberships[].dateJoined", "2025-02-11")]
    assert explain(field, CustomerProfile(MARISOL, [], True)) == expected


def test_a_constant_is_explained_by_the_map(default_map: FieldMap) -> None:
    field = next(field for field in default_map.fields if field.to == "Source")
    assert explain(field, CustomerProfile(MARISOL, [], True)) == [
        LineageEntry("field_map", "constant", "Source", "value", "Vinoshipper")
    ]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_value_has_sources_and_an_unknown_one_has_none(name: str) -> None:
    field = read_field_map(f"version: 1\nfields: [{{to: X, from: {name}, policy: mirror}}]", "m.yaml").fields[0]
    delivered = replace(NEW, delivered_at=parse_moment("2026-06-02"), customer_since=parse_moment("2026-01-01"))
    row = f"{{to: X, from: {name}, policy: mirror}}"
    known, nothing = (
        CustomerProfile(MARISOL, [delivered], True),
        CustomerProfile(replace(MARISOL, has_detail=False), [], False),
    )
    assert value_of(row, known)
    assert explain(field, known)
    if value_of(row, nothing) is None:
        assert explain(field, nothing) == []


# --- what is refused


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("- a\n", 1, "must be a mapping"),
        ("version: 1\nfields: [\n", 3, "not YAML"),
        ("version: 1\nfields:\n  - \x07\n", 3, "not YAML"),
        ("version: 1\n---\nversion: 1\n", 2, "not YAML"),
        ("version: 1\nfields: *x\n", 2, "not YAML"),
        ("[" * 5000, 1, "nested too deeply"),
        ("version: 1\nfields: []\nfield: []\n", 3, "unknown key 'field' in the field map; there are version, fields"),
        ("version: 1\nversion: 1\nfields: []\n", 2, "stands twice"),
        ("fields: []\n", 1, "lacks the key 'version'"),
        ("# x\nversion: 1\n", 2, "lacks the key 'fields'"),
        ("fields: []\nversion: 2\n", 2, "version must be 1"),
        ("version: '1'\nfields: []\n", 1, "version must be 1"),
        ("version: 1.0\nfields: []\n", 1, "version must be 1"),
        ("version: [1]\nfields: []\n", 1, "version must be 1"),
        ("version: 1\nfields:\n", 2, "fields must be a list"),
        ("version: 1\nfields:\n  City: customer.city\n", 3, "fields must be a list"),
        (one_row("City"), 4, "a field must be a mapping"),
        (
            one_row("{to: A, source: customer.city, policy: fill}"),
            4,
            "unknown key 'source' in a field; there are to, kin",
        ),
        (one_row("{[to]: A, value: x, policy: fill}"), 4, "unknown key '(not a text)'"),
        (one_row("{<<: {to: A}, value: x, policy: fill}"), 4, "unknown key '<<'"),
        (one_row("{to: A, to: B, value: x, policy: fill}"), 4, "key 'to' stands twice"),
        (one_row("{value: x, policy: fill}"), 4, "lacks the key 'to'"),
        (one_row("{to: A, value: x}"), 4, "lacks the key 'policy'"),
        (one_row("{to: ' ', value: x, policy: fill}"), 4, "'to' must be a text"),
        (one_row("{to: [A], value: x, policy: fill}"), 4, "'to' must be a text"),
        (one_row("{to: A, value: null, policy: fill}"), 4, "'value' must be a text"),
        (one_row("{to: A, value: '', policy: fill}"), 4, "'value' must be a text"),
        (one_row("{to: A, policy: fill}"), 4, "needs either 'from' or 'value'"),
        (one_row("{to: A, from: customer.city, value: x, policy: fill}"), 4, "not both"),
        (one_row("{to: A, value: x, as: text, policy: fill}"), 4, "'as' goes with 'from'"),
        (one_row("{to: A, value: x, policy: mirrored}"), 4, "unknown 'mirrored' in 'policy'; there are fill, mirror"),
        (one_row("{to: A, value: x, policy: Fill}"), 4, "unknown 'Fill' in 'policy'"),
        (
            one_row("{to: A, kind: own, value: x, policy: fill}"),
            4,
            "unknown 'own' in 'kind'; there are custom, builtin",
        ),
        (one_row("{to: A, from: customer.town, policy: fill}"), 4, "unknown 'customer.town' in 'from'; there are cust"),
        (
            one_row("{to: A, from: customer.city, as: upper, policy: fill}"),
            4,
            "unknown 'upper' in 'as'; there are text",
        ),
        (
            one_row("{to: contactPhone, kind: builtin, value: x, policy: fill}"),
            4,
            "no builtin field that may be written",
        ),
        (one_row("{to: listIds, kind: builtin, value: x, policy: fill}"), 4, "no builtin field that may be written"),
        (one_row("{to: subscriptionStatus, kind: builtin, value: OPT_IN, policy: mirror}"), 4, "no builtin field"),
        (one_row("{to: firstname, kind: builtin, value: x, policy: fill}"), 4, "there are firstName, lastName, email"),
        (one_row("{to: fine, value: y, policy: fill}"), 4, "'fine' is already written by line 3"),
        (one_row("{to: Fine, from: customer.city, policy: fill}"), 4, "already written by line 3"),
        (
            one_row("{to: birthday, kind: builtin, from: customer.birth_date, as: date, policy: fill}"),
            4,
            "written as iso_date",
        ),
        (one_row("{to: birthday, kind: builtin, from: customer.city, policy: fill}"), 4, "written as iso_date"),
        (
            "version: 1\nfields:\n  - to: A\n    from: customer.city\n    as: money\n    policy: fill\n",
            5,
            "is a text and",
        ),
        (
            "version: 1\nfields:\n  - to: A\n    from: customer.cities\n    policy: fill\n",
            4,
            "unknown 'customer.cities'",
        ),
    ],
)
def test_refused_with_file_and_line(text: str, line: int, says: str) -> None:
    with pytest.raises(BadSettings) as refused:
        read_field_map(text, "maps/mine.yaml")
    assert refused.value.message.startswith(f"maps/mine.yaml:{line}: ")
    assert says in refused.value.message


@pytest.mark.parametrize("key", ["from", "as"])
def test_every_name_that_exists_is_told(key: str) -> None:
    row = {"from": "{to: A, from: nonsense, policy: fill}", "as": "{to: A, from: customer.id, as: x, policy: fill}"}[
        key
    ]
    with pytest.raises(BadSettings) as refused:
        read_field_map(one_row(row), "m.yaml")
    assert all(name in refused.value.message for name in (ATTRIBUTES if key == "from" else FORMATS))


FITS = {
    "customer.city": {"text", "words"},
    "customer.order_count": {"text", "money", "integer"},
    "newest_order.total": {"text", "money", "integer"},
    "newest_order.shipped_at": {"text", "date", "iso_date"},
    "customer.club_names": {"text", "list"},
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("source", FITS)
def test_a_form_must_suit_the_source(source: str, form: str) -> None:
    text = f"version: 1\nfields: [{{to: A, from: {source}, as: {form}, policy: fill}}]"
    if form in FITS[source]:
        assert read_field_map(text, "m.yaml").fields[0].form == form
        return
    with pytest.raises(BadSettings, match=f"cannot be written as '{form}'"):
        read_field_map(text, "m.yaml")


@pytest.mark.parametrize("name", BUILTINS.names)
def test_builtins_that_may_be_written(name: str) -> None:
    source = "customer.birth_date" if name == "birthday" else "customer.email"
    text = f"version: 1\nfields: [{{to: {name}, kind: builtin, from: {source}, policy: fill}}]"
    assert read_field_map(text, "m.yaml").fields[0].to == name


def test_the_fingerprint_is_of_the_meaning() -> None:
    first, second = "{to: A, value: x, policy: fill}", "{to: B, from: customer.city, policy: mirror}"

    def print_of(*rows: str) -> str:
        return read_field_map(f"version: 1\nfields: [{', '.join(rows)}]", "m.yaml").fingerprint

    same = read_field_map(f"# mine\nfields:\n - {second}\n - {first}\nversion: 1", "other.yaml").fingerprint
    others = [
        print_of(first),
        print_of(first.replace("x", "y"), second),
        print_of(first.replace("fill", "mirror"), second),
        print_of(first, second.replace("city", "state")),
        print_of(first, second.replace("policy", "as: words, policy")),
        print_of(first.replace("A", "C"), second),
    ]
    assert print_of(first, second) == same
    assert len({same, *others}) == len(others) + 1


# --- the account's custom fields


def resolved(to: list[str], *custom_fields: CustomField) -> tuple[dict[str, str], list[str]]:
    rows = ", ".join(f"{{to: {name}, value: x, policy: fill}}" for name in to)
    found = resolve_fields(read_field_map(f"version: 1\nfields: [{rows}]", "m.yaml"), custom_fields)
    return {field.to: key for field, key in found.available}, [field.to for field in found.missing]


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ([CustomField("Order Count", "order_count")], "order_count"),
        ([CustomField("ORDER count", "oc")], "oc"),
        ([CustomField("Orders", "order count")], "order count"),
        ([CustomField("Orders", "ORDER COUNT")], "ORDER COUNT"),
        ([CustomField("Order Count", "")], "Order Count"),
        ([CustomField("order count", " ")], "order count"),
        ([CustomField("order count", "a"), CustomField("Order Count", "b")], "b"),  # exact label first
        ([CustomField("x", "Order Count"), CustomField("order count", "b")], "b"),  # a label beats a tag
        ([CustomField("Order Count", "a"), CustomField("Order Count", "b")], "a"),
        ([CustomField("Order  Count", "order_count")], None),  # equality only
        ([CustomField("Order Counts", "order_counts")], None),
        ([CustomField("", ""), CustomField("x", "")], None),
        ([], None),
    ],
)
def test_custom_fields_are_found(fields: list[CustomField], key: str | None) -> None:
    available, missing = resolved(["Order Count"], *fields)
    assert available == ({"Order Count": key} if key else {})
    assert missing == ([] if key else ["Order Count"])


def test_two_rows_for_one_field_of_the_account() -> None:
    assert resolved(["Order Count", "order_count"], CustomField("Order Count", "order_count")) == (
        {"Order Count": "order_count"},
        ["order_count"],
    )


def test_builtins_are_always_there_and_beside_custom_fields_of_their_name(default_map: FieldMap) -> None:
    found = resolve_fields(default_map, [CustomField("Email", "email"), CustomField("City", "city")])
    assert {field.to: key for field, key in found.available} == {
        "firstName": "firstName",
        "lastName": "lastName",
        "email": "email",
        "birthday": "birthday",
        "City": "city",
    }
    assert len(found.available) + len(found.missing) == len(default_map.fields)


ACCOUNT = [CustomField("City", "city_1"), CustomField("Order Count", "order_count"), CustomField("Bare", "")]


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ({"city_1": "Sebastopol", "order_count": "7"}, {"city_1": "Sebastopol", "order_count": "7"}),
        ({"City": "Sebastopol", "ORDER COUNT": "7"}, {"city_1": "Sebastopol", "order_count": "7"}),
        ({"CITY_1": "Sebastopol", "bare": "x"}, {"city_1": "Sebastopol", "Bare": "x"}),
        ({"theirs": "kept", "Zip Code": "95472"}, {"theirs": "kept", "Zip Code": "95472"}),
        ({"city_1": None, "theirs": None}, {"city_1": "", "theirs": ""}),
        ({"city_1": "tag", "City": "label"}, {"city_1": "tag"}),
        ({"City": "label", "city_1": "tag"}, {"city_1": "tag"}),
        ({"order_count": 7, "City": True, "theirs": ["a"]}, {"order_count": "7", "city_1": "true", "theirs": '["a"]'}),
        ({"order_count": Decimal("7.50")}, {"order_count": "7.50"}),
        ({}, {}),
    ],
)
def test_live_values_under_the_keys_we_write(live: dict[str, object], expected: dict[str, str]) -> None:
    assert FieldKeys(ACCOUNT).values(live) == expected


def test_a_merge_tag_beats_another_fields_label() -> None:
    account = [CustomField("City", "city_1"), CustomField("Town", "city")]
    assert FieldKeys(account).values({"city": "a", "City": "b"}) == {"city": "a", "city_1": "b"}


# --- where a text is cut ---

GRAPE, FAMILY, FLAG = "\U0001f347", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1fa\U0001f1f8"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a" * 100, "a" * 100),
        ("a" * 101, "a" * 100),
        ("\u00e9" * 101, "\u00e9" * 100),
        (GRAPE * 50, GRAPE * 50),
        (GRAPE * 51, GRAPE * 50),
        (GRAPE * 100, GRAPE * 50),
        ("a" * 99 + GRAPE, "a" * 99),  # never half of a pair
        ("a" * 98 + GRAPE, "a" * 98 + GRAPE),
        ("a" * 99 + "e\u0301", "a" * 99),  # e and its accent
        ("a" * 98 + "e\u0301", "a" * 98 + "e\u0301"),
        ("a" * 98 + "e\u0301\u0323", "a" * 98),
        ("a" * 95 + FAMILY, "a" * 95),
        ("a" * 92 + FAMILY, "a" * 92 + FAMILY),
        ("a" * 92 + FAMILY + "b", "a" * 92 + FAMILY),
        ("a" * 98 + "\u2764\ufe0f", "a" * 98 + "\u2764\ufe0f"),
        ("a" * 99 + "\u2764\ufe0f", "a" * 99),
        ("a" * 98 + "\U0001f44d\U0001f3fd", "a" * 98),  # a thumb and its skin
        ("a" * 98 + FLAG, "a" * 98),
        ("a" * 92 + FLAG * 3, "a" * 92 + FLAG * 2),
        ("a" + "\u0301" * 200, "a" + "\u0301" * 99),  # one character alone that is too long
        ("\u200d" * 101, "\u200d" * 100),
        ("", ""),
    ],
)
def test_c36_a_text_is_cut_by_utf_16_units_at_a_whole_character(text: str, left: str) -> None:
    assert cut(text, 100) == left


@given(st.text(alphabet="ae\u0301\u200d\ufe0f\U0001f347\U0001f1fa\U0001f3fd", max_size=40), st.integers(1, 20))
def test_c36_what_is_left_is_the_beginning_and_never_too_long(text: str, longest: int) -> None:
    left = cut(text, longest)
    assert text.startswith(left)
    assert units(left) <= longest
    assert left == text or units(text) > longest
    assert cut(left, longest) == left


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_c36_names_and_a_comment_are_cut_so() -> None:
    row = "{to: %s, kind: builtin, from: customer.first_name, policy: fill}"
    rows = "\n".join(f"  - {row % name}" for name in ("firstName", "lastName", "comment"))
    field_map = read_field_map(f"version: 1\nfields:\n{rows}\n", "cut.yaml")
    told = values(field_map, CustomerProfile(replace(MARISOL, first_name=GRAPE * 600), [], True))
    assert told == {"firstName": GRAPE * 50, "lastName": GRAPE * 50, "comment": GRAPE * 500}
