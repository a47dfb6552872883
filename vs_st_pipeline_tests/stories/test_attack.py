"""Inputs of the kinds of C1 to C37 that no case names: other forms, other places, hollow answers where lists are asked.

Each is a whole sync against the sandbox over a real socket, with a server between that changes what is answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline_tests.stories.test_trust import ADULT_ID
from vs_st_pipeline_tests.support.between import Between, Told, between
from vs_st_pipeline_tests.support.story import BRAM, MARISOL, TEST, Record, Story

pytestmark = pytest.mark.slow  # five seconds each; `make proof` runs them

DETAIL, LIST, ORDER, SEARCH = r"/customers/\d+$", r"/customers/list$", r"/orders/[^/]+$", r"/orders(/search)?$"
CONTACTS, FIELDS = r"/api/contacts$", r"/custom-fields$"
NEXT_DAYS = timedelta(days=2)

Change = Callable[[Any], object]


def telling(path: str, change: Change) -> Callable[[Told], None]:
    """A rule that changes good answers to reads of this path; what `change` returns, if it is an object, is told."""

    def rule(told: Told) -> None:
        if re.search(path, told.path) and told.status == 200 and told.method in ("GET", "POST"):
            body = told.json
            new = change(body)
            told.json = new if isinstance(new, dict) else body

    return rule


@contextmanager
def shop_telling(story: Story, path: str, change: Change) -> Iterator[Between]:
    """The shop answers so until the block ends."""
    with between(story.box.vinoshipper.url) as wire:
        wire.rules.append(telling(path, change))
        story.settings({TEST: {"vinoshipper": {"base_url": wire.url}}}, give_up_after="1s")
        yield wire
    story.settings()


@contextmanager
def texting_telling(story: Story, path: str, change: Change) -> Iterator[Between]:
    """The texting service answers so until the block ends."""
    with between(story.box.simpletexting.url) as wire:
        wire.rules.append(telling(path, change))
        story.settings({TEST: {"simpletexting": {"base_url": wire.url + "/v2"}}}, give_up_after="1s")
        yield wire
    story.settings()


def rows(story: Story, sql: str) -> list[tuple[Any, ...]]:
    with story.as_run().open() as db:
        return db.rows(sql)


@pytest.fixture
def synced(story: Story) -> Story:
    story.begin_synced()
    return story


# --- the gate of age ------------------------------------------------------------------------------------------------

ODD_BIRTHS: list[Any] = [
    {"date": "2010-04-17"},
    {"Year": 2010, "Month": 4, "Day": 17},
    {"value": {"day": 17, "month": 4, "year": 2010}},
    {"dayOfMonth": 17, "monthValue": 4, "yearOfEra": 2010},
    {"error": "temporarily unavailable"},
    {"day": 17, "month": 4, "year": -2010},
    {"day": None, "month": None, "year": None, "date": "2010-04-17"},
]


@pytest.mark.parametrize("form", ODD_BIRTHS, ids=str)
def test_a_birth_date_in_an_object_of_other_names_keeps_the_gate_closed(story: Story, form: Any) -> None:
    before = story.contact(MARISOL)
    with shop_telling(story, f"/customers/{ADULT_ID}$", lambda body: body.update(dateOfBirth=form)):
        held = story.synced()["planned"]["held"]
    assert held.get("age_unknown") == 1 or held.get("under_age") == 2
    assert story.contact(MARISOL) == before


@pytest.mark.parametrize("key", ["DateOfBirth", "dateofbirth", "date_of_birth", "birthDate", "birthday"])
@pytest.mark.parametrize("beside", ["nothing", "null"])
def test_a_birth_date_under_another_name_of_it_is_no_absence(story: Story, key: str, beside: str) -> None:
    def renamed(body: Record) -> None:
        body.pop("dateOfBirth", None)
        if beside == "null":
            body["dateOfBirth"] = None
        body[key] = {"day": 17, "month": 4, "year": 2010}

    before = story.contact(MARISOL)
    with shop_telling(story, f"/customers/{ADULT_ID}$", renamed):
        assert story.synced()["planned"]["held"]["under_age"] == 2
    assert story.contact(MARISOL) == before


# --- ids in other forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["float", "blanks", "number"])
def test_an_order_whose_number_comes_in_another_form_is_that_order(synced: Story, form: str) -> None:
    def written(body: Record) -> None:
        number = body["orderNumber"]
        if form == "blanks":
            body["orderNumber"] = f" {number} "
        elif number.isdigit():
            body["orderNumber"] = float(number) if form == "float" else int(number)

    before = synced.everybody()
    with shop_telling(synced, ORDER, written):
        synced.synced("--full")
    assert synced.everybody() == before


@pytest.mark.parametrize("where", ["customer list", "order search", "order search's customers"])
def test_ids_as_floats_are_those_ids(story: Story, where: str) -> None:
    def floats(body: Record) -> None:
        for row in body.get("items") or next((v for v in body.values() if isinstance(v, list)), []):
            if where == "order search's customers":
                if row.get("customer") and row["customer"].get("id"):
                    row["customer"]["id"] = float(row["customer"]["id"])
            elif where == "customer list":
                row["id"] = float(row["id"])
            elif row["orderNumber"].isdigit():
                row["orderNumber"] = float(row["orderNumber"])

    with shop_telling(story, LIST if where == "customer list" else SEARCH, floats):
        story.synced()
    assert story.contact(MARISOL)["Order Count"] == "3"
    before = story.everybody()
    assert story.synced("--full")["planned"]["fields"] == 0
    assert story.everybody() == before


# --- lists that say nothing -----------------------------------------------------------------------------------------

NEWEST = "90000000017"  # of Marisol
BRAM_ID = 700103
UNAVAILABLE = {"error": "temporarily unavailable"}


@pytest.mark.parametrize("error", [UNAVAILABLE, {"errorCode": "UNKNOWN_ERR"}, {"errors": [{"code": "X"}]}], ids=str)
def test_a_search_that_is_an_error_beside_an_empty_list_counts_nobodys_orders(story: Story, error: Record) -> None:
    before = story.everybody()
    with shop_telling(story, SEARCH, lambda body: {"results": [], "total": 0, **error}):
        story.failed("bad_answer", system="vinoshipper")
    assert story.everybody() == before
    story.synced()
    assert story.contact(MARISOL)["Order Count"] == "3"


def test_a_search_whose_rows_are_all_no_orders_counts_nobodys_orders(story: Story) -> None:
    def spoilt(body: Record) -> Record:
        return {key: [None] * len(value) if isinstance(value, list) else value for key, value in body.items()}

    with shop_telling(story, SEARCH, spoilt):
        assert story.sync().of()["status"] in ("partial", "failed")
    assert "Order Count" not in story.contact(MARISOL)
    story.synced("--full")
    assert story.contact(MARISOL)["Order Count"] == "3"


def without_order(number: str, row: Any) -> Change:
    """Answers of the search with this row where the order's was."""

    def spoilt(body: Record) -> Record:
        def rows_of(value: Any) -> Any:
            return [row if one["orderNumber"] == number else one for one in value] if isinstance(value, list) else value

        return {key: rows_of(value) for key, value in body.items()}

    return spoilt


@pytest.mark.parametrize("row", [None, 7, {}, UNAVAILABLE, {"orderNumber": None}], ids=str)
def test_a_row_of_the_search_that_is_no_order_takes_nothing_from_any_sum(story: Story, row: Any) -> None:
    with shop_telling(story, SEARCH, without_order(NEWEST, row)):
        report = story.sync().of()
    assert (report["status"], report["error"]) == ("partial", None)
    assert report["unseen"]
    told = story.contact(MARISOL)
    assert not {"Order Count", "Lifetime Value", "VS Last Order Number"} & told.keys()
    assert told["City"] == "Sebastopol"
    story.synced(now=datetime.now(UTC) + timedelta(days=8))
    assert story.contact(MARISOL)["Order Count"] == "3"


@pytest.mark.parametrize("row", [None, {}, UNAVAILABLE], ids=str)
@pytest.mark.parametrize("paging", ["page", "none"])
def test_a_row_that_is_no_order_takes_nothing_from_any_sum_where_dates_are_ignored(
    story: Story, row: Any, paging: str
) -> None:
    story.shop.set_switches({"date_filter": "ignored", "paging": paging})
    with shop_telling(story, SEARCH, without_order(NEWEST, row)):
        for _ in range(2):  # the second looks from the newest down to what it knows
            report = story.sync().of()
            assert (report["status"], report["error"]) == ("partial", None)
            assert any("no way to see whether that is all" in sentence for sentence in report["unseen"])
            told = story.contact(MARISOL)
            assert not {"Order Count", "Lifetime Value", "VS Last Order Number"} & told.keys()
            assert told["City"] == "Sebastopol"
    story.synced()
    assert story.contact(MARISOL)["Order Count"] == "3"
    assert story.contact(MARISOL)["VS Last Order Number"] == NEWEST


def test_where_dates_are_ignored_a_row_that_is_no_order_hides_none_that_is_newer(story: Story) -> None:
    story.shop.set_switches({"date_filter": "ignored", "page_cap": 5})
    oldest = min(story.shop.orders(TEST), key=lambda order: str(order["purchasedAt"]))["orderNumber"]
    with shop_telling(story, SEARCH, without_order(oldest, UNAVAILABLE)):
        assert story.sync().of()["status"] == "partial"
    told = story.contact(MARISOL)
    assert told["VS Last Order Number"] == NEWEST
    assert "Order Count" not in told
    # A look that ends where all is known does not get as far: what was not seen stays told, until all is read again.
    report = story.sync().of()
    assert report["status"] == "partial"
    assert len(report["unseen"]) == 2
    assert "Order Count" not in story.contact(MARISOL)
    story.synced(now=datetime.now(UTC) + timedelta(days=8))
    assert story.contact(MARISOL)["Order Count"] == "3"


def test_a_customer_list_that_is_an_error_beside_an_empty_list_is_bad_answer(synced: Story) -> None:
    with shop_telling(synced, LIST, lambda body: {"items": [], "total": 0, **UNAVAILABLE}):
        synced.failed("bad_answer", system="vinoshipper")


@pytest.mark.parametrize("row", [None, 7, {}, UNAVAILABLE, {"id": None}], ids=str)
def test_a_row_of_the_customer_list_that_is_nobody_makes_nobody_missing(synced: Story, row: Any) -> None:
    def spoilt(body: Record) -> None:
        body["items"] = [row if item["id"] == ADULT_ID else item for item in body["items"]]

    with shop_telling(synced, LIST, spoilt):
        for days in range(3):
            synced.sync(now=datetime.now(UTC) + timedelta(days=days))
    assert rows(synced, "select count(*) from raw.vinoshipper_customers where deleted_at is not null") == [(0,)]
    synced.shop.patch_customer(ADULT_ID, shippingAddress={"city": "Occidental"})
    synced.synced()
    assert synced.contact(MARISOL)["City"] == "Occidental"


@pytest.mark.parametrize(
    "spoilt", ["[" * 5000 + "]" * 5000, "NaN", "-Infinity", "01", '"\\x"'], ids=lambda text: text[:9]
)
def test_an_item_of_the_customer_list_that_is_no_json_is_its_own_trouble(synced: Story, spoilt: str) -> None:
    def rule(told: Told) -> None:
        if re.search(LIST, told.path):
            body = told.json
            for item in body["items"]:
                if item["id"] == ADULT_ID:
                    item["loyaltyPoints"] = "SPOILT"
            told.body = json.dumps(body).replace('"SPOILT"', spoilt).encode()

    synced.shop.patch_customer(BRAM_ID, shippingAddress={"city": "Occidental"})
    with shop_telling(synced, "^$", lambda body: None) as wire:
        wire.rules.append(rule)
        for days in range(3):
            assert synced.sync(now=datetime.now(UTC) + timedelta(days=days)).of()["error"] is None
    assert synced.contact(BRAM)["City"] == "Occidental"
    assert rows(synced, "select count(*) from raw.vinoshipper_customers where deleted_at is not null") == [(0,)]
    synced.shop.patch_customer(ADULT_ID, shippingAddress={"city": "Occidental"})
    synced.synced()
    assert synced.contact(MARISOL)["City"] == "Occidental"


@pytest.mark.parametrize("body", ['{"items": [{"id": 1}, {"id": 2', '{"items": [], "total": NaN}', '{"items": [NaN}]}'])
def test_a_customer_list_that_is_no_json_outside_of_its_items_is_bad_answer(synced: Story, body: str) -> None:
    def rule(told: Told) -> None:
        if re.search(LIST, told.path):
            told.body = body.encode()

    with shop_telling(synced, "^$", lambda body: None) as wire:
        wire.rules.append(rule)
        synced.failed("bad_answer", system="vinoshipper")


@pytest.mark.parametrize("path", [CONTACTS, FIELDS])
def test_a_list_of_the_texting_service_that_is_an_error_is_bad_answer(synced: Story, path: str) -> None:
    with texting_telling(synced, path, lambda body: {"content": [], **UNAVAILABLE}):
        synced.failed("bad_answer", system="simpletexting")
    assert rows(synced, "select count(*) from raw.simpletexting_contacts where gone") == [(0,)]
    assert synced.writes() == []


@pytest.mark.parametrize("how", ["empty", "hollow"])
def test_custom_fields_that_are_all_gone_at_once_are_no_statement(synced: Story, how: str) -> None:
    def lost(body: Record) -> Record:
        return {"content": [] if how == "empty" else [{} for _ in body["content"]], "totalElements": 0}

    synced.shop.patch_customer(ADULT_ID, shippingAddress={"city": "Occidental"})
    with texting_telling(synced, FIELDS, lost):
        synced.failed("bad_answer", system="simpletexting")
    synced.synced()
    assert synced.contact(MARISOL)["City"] == "Occidental"


@pytest.mark.parametrize("body", [b"{}", b"<html>Not Found</html>"], ids=["json", "page"])
def test_orders_that_all_answer_404_at_once_are_the_systems_trouble(synced: Story, body: bytes) -> None:
    def not_there(told: Told) -> None:
        if re.search(ORDER, told.path):
            told.status, told.body = 404, body

    before = synced.everybody()
    with shop_telling(synced, "^$", lambda body: None) as wire:
        wire.before.append(not_there)
        for arguments in ((), ("--full",)):
            synced.failed("bad_answer", *arguments, system="vinoshipper")
    assert synced.everybody() == before
    synced.synced()
    assert synced.everybody() == before


# --- values in other forms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [str.lower, str.title, lambda text: f" {text} "], ids=["lower", "title", "blanks"])
def test_a_status_in_other_letters_is_that_status(synced: Story, form: Callable[[str], str]) -> None:
    before = synced.everybody()
    with shop_telling(
        synced, ORDER, lambda body: body.update(status=form(body["status"]), orderStatus=form(body["orderStatus"]))
    ):
        synced.synced("--full")
    assert synced.everybody() == before


@pytest.mark.parametrize("part", ["purchasedAt", "shippedAt", "deliveredAt", "customerSince"])
def test_a_date_that_is_still_to_come_is_not_known(synced: Story, part: str) -> None:
    def ahead(body: Record) -> None:
        inside = body["customer"] if part == "customerSince" else body
        if inside and inside.get(part):
            inside[part] = "2221-01-01T00:00:00-08:00"

    before = synced.everybody()
    with shop_telling(synced, ORDER, ahead):
        synced.synced("--full")
    assert synced.everybody() == before


@pytest.mark.parametrize("placeholder", ["1900-01-01", "1970-01-01T00:00:00Z", "1969-12-31"])
def test_a_placeholder_is_no_signup_date(synced: Story, placeholder: str) -> None:
    def since(body: Record) -> None:
        if body["customer"]:
            body["customer"]["customerSince"] = placeholder

    before = synced.everybody()
    with shop_telling(synced, ORDER, since):
        synced.synced("--full")
    assert synced.everybody() == before


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("part", ["memberships", "shippingAddress", "shipping", "packages"])
def test_a_blank_text_in_the_place_of_a_list_or_an_object_clears_nothing(synced: Story, part: str, value: str) -> None:
    def blank(body: Record) -> None:
        for row in body.get("items", [body]):
            if part == "packages":
                (row.get("shipping") or {})["packages"] = value
            elif part in row:
                row[part] = value

    before = synced.everybody()
    with shop_telling(synced, r"/(customers/(list|\d+)|orders/[^/]+)$", blank):
        for now in (None, datetime.now(UTC) + NEXT_DAYS):
            synced.synced("--full", now=now)
    assert synced.everybody() == before


def test_a_total_that_may_be_thousands_or_thousandths_is_not_known(synced: Story) -> None:
    before = synced.everybody()
    with shop_telling(synced, ORDER, lambda body: body.update(total="1.200")):
        synced.synced("--full")
    assert synced.everybody() == before


def test_r37_an_order_below_nothing_is_a_correction_and_no_order(synced: Story) -> None:
    before = synced.contact(MARISOL)
    synced.shop.add_order(
        ADULT_ID, orderNumber="CORRECTION", total="-45.00", status="SUCCESS", purchasedAt=datetime.now(UTC).isoformat()
    )
    synced.synced()
    assert synced.contact(MARISOL) == before


# --- contacts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hollow",
    [lambda row: {"contactId": row["contactId"]}, lambda row: {**row, **UNAVAILABLE}],
    ids=["id alone", "error"],
)
def test_a_contact_that_is_hollow_in_the_list_replaces_nothing(
    synced: Story, hollow: Callable[[Record], Record]
) -> None:
    one = synced.id_of(MARISOL)

    def spoilt(body: Record) -> None:
        body["content"] = [hollow(row) if row["contactId"] == one else row for row in body["content"]]

    [(before,)] = rows(synced, f"select body from raw.simpletexting_contacts where contact_id = '{one}'")
    with texting_telling(synced, CONTACTS, spoilt):
        done = synced.sync().of()
    assert (done["error"], done["planned"]["noted"].get("unreadable")) == (None, 1)
    assert rows(synced, f"select body from raw.simpletexting_contacts where contact_id = '{one}'") == [(before,)]
    assert "unreadable" not in synced.synced()["planned"]["noted"]


@pytest.mark.parametrize("wrap", [lambda value: {"value": value}, lambda value: [value]], ids=["object", "list"])
def test_custom_fields_whose_values_are_wrapped_go_back_to_nobody(synced: Story, wrap: Change) -> None:
    def wrapped(body: Record) -> None:
        for row in body["content"]:
            row["customFields"] = {key: wrap(value) for key, value in (row.get("customFields") or {}).items()}

    before = synced.everybody()
    synced.shop.patch_customer(ADULT_ID, shippingAddress={"city": "Occidental"})
    with texting_telling(synced, CONTACTS, wrapped):
        synced.failed("bad_answer", system="simpletexting")
    assert synced.everybody() == before
    assert synced.writes() == []


@pytest.mark.parametrize("first", ["OPT_OUT", "OPT_IN"])
def test_a_contact_that_comes_twice_with_two_consents_is_not_written(synced: Story, first: str) -> None:
    second = {"OPT_OUT": "OPT_IN", "OPT_IN": "OPT_OUT"}[first]
    one = synced.id_of(MARISOL)

    def twice(body: Record) -> None:
        body["content"] = [
            {**row, "subscriptionStatus": status} if row["contactId"] == one else row
            for row in body["content"]
            for status in ((first, second) if row["contactId"] == one else ("",))
        ]

    synced.shop.patch_customer(ADULT_ID, shippingAddress={"city": "Occidental"})
    with texting_telling(synced, CONTACTS, twice):
        held = synced.sync().of()["planned"]["held"]
    assert held["opted_out"] == 2
    assert synced.contact(MARISOL)["City"] == "Sebastopol"
    synced.synced()
    assert synced.contact(MARISOL)["City"] == "Occidental"


def test_a_write_that_is_answered_by_its_id_and_an_error_is_not_accepted(synced: Story) -> None:
    synced.shop.patch_customer(ADULT_ID, shippingAddress={"city": "Occidental"})
    one = synced.id_of(MARISOL)

    def not_done(told: Told) -> None:
        if told.method == "PUT":
            told.status, told.json = 200, {"id": one, **UNAVAILABLE}

    with texting_telling(synced, "^$", lambda body: None) as wire:
        wire.before.append(not_done)
        for _ in range(3):
            assert synced.sync().of()["synced"]["accepted"] == 0
    synced.sync(now=datetime.now(UTC) + NEXT_DAYS)
    assert synced.contact(MARISOL)["City"] == "Occidental"


def test_without_the_field_of_the_customer_id_no_contact_becomes_another_persons(synced: Story) -> None:
    synced.texting.patch_contact(MARISOL, customFields={"vscustomerid": "700103"})
    synced.forget()
    synced.sync()  # Marisol's contact is Bram's by its id, whatever the phone says
    assert synced.contact(MARISOL)["Order Count"] == synced.contact(BRAM)["Order Count"]
    before = synced.contact(MARISOL)

    def without(body: Record) -> None:
        body["content"] = [row for row in body["content"] if row["label"] != "VScustomerID"]

    with texting_telling(synced, FIELDS, without):
        synced.sync("--allow-unsafe")
    assert synced.contact(MARISOL) == before
