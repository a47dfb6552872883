"""Trust: an answer that says nothing changes nothing, and one record's trouble is its own (routes.md R22, R23, R40).

The cases C1 to C16 of real life, each as a whole sync against the sandbox: first all is well, then the shop lies.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import urllib3

from vs_st_pipeline.platform.http.deadline import Adapter
from vs_st_pipeline_tests.support.story import BRAM, FFION, MARISOL, TEST, Record, Story

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

ADULT_ID, MINOR_ID = 700101, 700106  # Marisol, Piper
LINNEA, LINNEAS = "7075550152", "90000000016"  # a customer without a contact; an order settled long since
OF_MARISOL = f"/customers/{ADULT_ID}$"
OF_PIPER = f"/customers/{MINOR_ID}$"
LATER, NEXT_DAY = timedelta(minutes=16), timedelta(days=1, minutes=1)


@pytest.fixture
def synced(story: Story) -> Story:
    story.begin_synced()
    return story


def newest_of(story: Story, customer_id: int) -> Record:
    orders = [o for o in story.shop.orders(TEST) if (o["customer"] or {}).get("id") == customer_id and o["purchasedAt"]]
    return max(orders, key=lambda order: datetime.fromisoformat(order["purchasedAt"]))


def partial(story: Story, *arguments: str, now: datetime | None = None) -> Record:
    """A sync that goes on without what cannot be read, and says so."""
    done = story.sync(*arguments, now=now)
    report = done.of()
    assert (done.exit_code, report["status"], report["error"]) == (1, "partial", None), report
    return report


# --- R22: another record, an error, a hollow answer ------------------------------------------------------------------


@pytest.mark.parametrize("lie", ["hollow", "error_body", "two_keys", "other_record"])
def test_c1_c3_a_lie_about_a_minor_opens_no_gate_and_a_lie_about_an_adult_changes_nothing(
    synced: Story, lie: str
) -> None:
    before = synced.everybody()
    for where in (OF_PIPER, OF_MARISOL):
        synced.shop.set_fault(lie, path_regex=where)
        report = partial(synced)
        assert report["planned"]["noted"]["unreadable"] == 1
        assert report["planned"]["held"]["under_age"] == 1
        assert synced.everybody() == before
        synced.shop.clear_faults()
    assert synced.writes() == []
    assert "unreadable" not in synced.synced(now=datetime.now(UTC) + NEXT_DAY)["planned"]["noted"]


@pytest.mark.parametrize("lie", ["hollow", "error_body", "two_keys", "other_record"])
def test_c2_a_lie_about_an_order_takes_nothing_from_its_sums(synced: Story, lie: str) -> None:
    before = synced.contact(MARISOL)
    number = newest_of(synced, ADULT_ID)["orderNumber"]
    synced.shop.set_fault(lie, path_regex=f"/orders/{number}$")
    report = partial(synced)
    assert report["planned"]["noted"]["unreadable"] == 1
    assert synced.contact(MARISOL) == before
    assert synced.writes() == []


def test_c3_nobody_gets_another_ones_name_in_a_first_sync(story: Story) -> None:
    story.shop.set_fault("other_record", path_regex=f"/customers/{ADULT_ID}$")
    before = story.contact(MARISOL)
    report = partial(story)
    assert report["planned"]["noted"]["unreadable"] == 1
    assert report["planned"]["noted"]["not_read_yet"] >= 1
    assert story.contact(MARISOL) == before, "never read before, so not written at all"
    assert story.contact(FFION)["VScustomerID"] == "700110", "everybody else is"


# --- R23: absent is no statement --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        *("shipping", "customer", "cartType", "shipping: null", "customer: null", "customer: empty"),
        *("customer.customerSince", "shipping.rateDescription"),
    ],
)
@pytest.mark.slow
def test_r23_a_first_answer_that_lacks_a_part_is_read_again_however_long_the_order_is_settled(
    story: Story, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    story.texting.add_contact(LINNEA, TEST)
    with monkeypatch.context() as patch:
        told_otherwise(patch, f"/orders/{LINNEAS}$", leaving_out(part))
        story.sync()
    story.sync()
    assert story.contact(LINNEA)["Delivery Method"] == "UPS Ground"
    assert story.contact(LINNEA)["Channel"] == "WEB"
    since = story.shop.order(LINNEAS)["customer"]["customerSince"]
    assert story.contact(LINNEA)["Signup Date"] == f"{since[5:7]}/{since[8:10]}/{since[:4]}"


def leaving_out(part: str) -> Callable[[Any], None]:
    """Return what leaves a part (`customer`) or a key in it (`customer.id`) out, or says null or nothing of it."""
    key, _, how = part.partition(": ")
    first, _, last = key.partition(".")

    def change(body: Any) -> None:
        if how:
            body[first] = None if how == "null" else {}
        else:
            (body[first] if last else body).pop(last or first, None)

    return change


@pytest.mark.parametrize("part", ["shipping: null", "shipping.rateDescription"])
def test_r23_a_newer_order_whose_first_answer_lacks_a_part_takes_nothing_away(
    synced: Story, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    before = synced.contact(MARISOL)
    number = synced.shop.add_order(ADULT_ID, TEST)["orderNumber"]
    with monkeypatch.context() as patch:
        told_otherwise(patch, f"/orders/{number}$", leaving_out(part))
        synced.sync()
    assert synced.contact(MARISOL)["VS Last Order Number"] == number
    assert synced.contact(MARISOL)["Delivery Method"] == before["Delivery Method"] == "UPS Ground"


def test_a_part_that_is_never_null_is_no_statement_where_it_is(synced: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    before = synced.contact(MARISOL)
    number = newest_of(synced, ADULT_ID)["orderNumber"]
    synced.shop.patch_order(number, TEST, cartType="POS")
    with monkeypatch.context() as patch:
        told_otherwise(patch, f"/orders/{number}$", leaving_out("shipping: null"))
        synced.sync()
    assert synced.contact(MARISOL) == {**before, "Channel": "POS"}


def _without(story: Story, customer_id: int, *keys: str) -> None:
    record = story.shop.customer(customer_id)
    story.shop.call(
        "PUT",
        f"records/customers/{customer_id}",
        {key: value for key, value in record.items() if key not in (*keys, "memberships", "clubMember")},
        merchant=TEST,
    )


def test_c1_an_address_that_is_absent_stays_and_goes_with_the_second_absence(synced: Story) -> None:
    before = synced.contact(MARISOL)
    start = datetime.now(UTC)
    _without(synced, ADULT_ID, "shippingAddress")
    synced.synced(now=start)
    synced.synced(now=start + timedelta(minutes=5))
    assert synced.contact(MARISOL) == before
    synced.synced(now=start + LATER)
    after = synced.contact(MARISOL)
    assert "City" not in after
    assert "State" not in after
    assert {k: v for k, v in before.items() if k not in ("City", "State")} == after


def test_a_null_address_is_a_statement_and_clears_at_once(synced: Story) -> None:
    synced.shop.patch_customer(ADULT_ID, shippingAddress=None)
    synced.synced()
    assert "City" not in synced.contact(MARISOL)


def told_otherwise(monkeypatch: pytest.MonkeyPatch, path: str, change: Callable[[Any], None]) -> None:
    """Change what answers of this path say, between the socket and the client."""
    build = Adapter.build_response

    def changed(adapter: Adapter, request: requests.PreparedRequest, response: Any) -> requests.Response:
        if re.search(path, request.url or ""):
            body = json.loads(response.read(decode_content=True))
            change(body)
            headers = {k: v for k, v in response.headers.items() if k.lower() != "content-length"}
            raw = io.BytesIO(json.dumps(body).encode())
            response.release_conn()
            response = urllib3.HTTPResponse(raw, headers, response.status, preload_content=False)
        return build(adapter, request, response)

    monkeypatch.setattr(Adapter, "build_response", changed)


OTHER_ID = 700110  # Ffion


def _of_another(body: Any) -> None:
    for row in body.get("results", [body]):
        if row.get("customer") and row["customer"]["id"] == ADULT_ID:
            row["customer"]["id"] = OTHER_ID


@pytest.mark.parametrize("where", [r"/orders/\d+$", r"/orders(\?|$)"], ids=["detail", "search row"])
@pytest.mark.slow
def test_an_order_that_names_another_owner_once_stays_whose_it_was(
    synced: Story, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before, start = synced.everybody(), datetime.now(UTC)
    with monkeypatch.context() as patch:
        told_otherwise(patch, where, _of_another)
        synced.synced(now=start)
        synced.synced(now=start + timedelta(minutes=14))
        assert synced.everybody() == before
    synced.synced(now=start + timedelta(minutes=15))
    synced.synced("--full", now=start + timedelta(days=8))
    assert synced.everybody() == before
    assert synced.writes() == []


def test_an_order_whose_detail_names_another_owner_again_later_is_his(
    synced: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime.now(UTC)
    told_otherwise(monkeypatch, r"/orders(/\d+|\?.*)?$", _of_another)
    had, has = (int(synced.contact(phone)["Order Count"]) for phone in (MARISOL, FFION))
    synced.synced("--allow-unsafe", now=start)
    assert synced.contact(MARISOL)["Order Count"] == str(had)
    synced.synced("--allow-unsafe", now=start + LATER)
    left, got = (int(synced.contact(phone)["Order Count"]) for phone in (MARISOL, FFION))
    assert left < had, "those that were read again"
    assert left + got == had + has


@pytest.mark.parametrize("where", [r"/orders/\d+$", r"/orders(\?|$)"], ids=["detail", "search row"])
def test_a_new_order_whose_row_and_detail_contradict_each_other_counts_for_nobody_yet(
    synced: Story, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before, start = synced.everybody(), datetime.now(UTC)
    had = int(synced.contact(MARISOL)["Order Count"])
    at = (start - timedelta(minutes=5)).isoformat()
    number = synced.shop.add_order(ADULT_ID, purchasedAt=at, total="20.00")["orderNumber"]

    def swapped(body: Any) -> None:
        for row in body.get("results", [body]):
            if row.get("orderNumber") == number:
                row["customer"]["id"] = OTHER_ID

    with monkeypatch.context() as patch:
        told_otherwise(patch, where, swapped)
        synced.synced(now=start)
        synced.synced(now=start + timedelta(minutes=5))
        assert synced.everybody() == before
    synced.synced(now=start + LATER)
    synced.synced(now=start + 2 * LATER)
    assert synced.contact(MARISOL)["Order Count"] == str(had + 1)
    assert synced.contact(FFION) == before[FFION]


def _drop_memberships(body: Any) -> None:
    for row in body.get("items", [body]):
        row.pop("memberships", None)


def test_c4_memberships_that_are_absent_everywhere_leave_the_club(
    synced: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = synced.contact(MARISOL)
    start = datetime.now(UTC)
    told_otherwise(monkeypatch, r"/customers/(list|\d+)$", _drop_memberships)
    synced.synced(now=start)
    assert synced.contact(MARISOL) == before
    synced.synced("--allow-unsafe", now=start + LATER)
    assert "Club Name" not in synced.contact(MARISOL), "a second absence, later, is believed"


def test_r23_a_part_of_a_part_that_is_absent_leaves_what_was_known(
    synced: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = synced.everybody()

    def drop(body: Any) -> None:
        for row in body.get("items", [body]):
            for membership in row.get("memberships") or []:
                for key in ("hold", "clubName", "club", "dateJoined"):
                    membership.pop(key, None)
        for package in (body.get("shipping") or {}).get("packages") or []:
            package.pop("trackingNumber", None)

    told_otherwise(monkeypatch, r"/(customers/(list|\d+)|orders/[^/?]+)$", drop)
    synced.synced()
    assert synced.everybody() == before


@pytest.mark.slow
def test_r23_a_known_birth_date_outlives_every_absence_and_one_null(synced: Story) -> None:
    start = datetime.now(UTC)
    for says in ({}, "", [], {"day": None, "month": None, "year": None}, "1900-01-01"):
        synced.shop.call("PUT", f"records/customers/{MINOR_ID}", {**_bare(synced), "dateOfBirth": says}, merchant=TEST)
        for now in (start, start + LATER, start + NEXT_DAY):
            assert synced.synced(now=now)["planned"]["held"]["under_age"] == 1, says
    _without(synced, MINOR_ID, "dateOfBirth")
    for now in (start + NEXT_DAY, start + 2 * NEXT_DAY, start + 4 * NEXT_DAY):
        assert synced.synced(now=now)["planned"]["held"]["under_age"] == 1
    synced.shop.patch_customer(MINOR_ID, dateOfBirth=None)
    for order in synced.shop.orders(TEST):
        if (order["customer"] or {}).get("id") == MINOR_ID:
            synced.shop.patch_order(order["orderNumber"], customer={"dateOfBirth": None})
    first = start + 5 * NEXT_DAY
    for now in (first, first + timedelta(hours=23)):
        assert synced.synced(now=now)["planned"]["held"]["under_age"] == 1
    assert synced.writes() == []
    after = synced.synced(now=first + NEXT_DAY)
    assert "under_age" not in after["planned"]["held"], "null twice, a day apart, is a statement"
    assert after["planned"]["noted"]["age_unknown"] >= 1


def _bare(story: Story, customer_id: int = MINOR_ID) -> Record:
    record = story.shop.customer(customer_id)
    return {key: value for key, value in record.items() if key not in ("memberships", "clubMember")}


# --- given, and not understood ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", [[2010, 4, 17], {"day": 17.0, "month": 4.0, "year": 2010.0}, "2010/04/17", "2221-01-01"]
)
def test_c5_a_minor_in_another_form_is_a_minor(story: Story, form: object) -> None:
    story.shop.call(
        "PUT", f"records/customers/{ADULT_ID}", {**_bare(story, ADULT_ID), "dateOfBirth": form}, merchant=TEST
    )
    before = story.contact(MARISOL)
    assert story.synced()["planned"]["held"]["under_age"] == 2
    assert story.contact(MARISOL) == before


@pytest.mark.parametrize("form", [{"day": 5, "month": 6, "year": None}, "n/a", True, 7.5])
def test_c5_a_birth_date_that_nobody_can_read_keeps_the_gate_closed_and_is_listed(synced: Story, form: object) -> None:
    before = synced.contact(MARISOL)
    record = {
        **_bare(synced, ADULT_ID),
        "dateOfBirth": form,
        "shippingAddress": {"city": "Elsewhere", "stateCode": "OR"},
    }
    synced.shop.call("PUT", f"records/customers/{ADULT_ID}", record, merchant=TEST)
    assert synced.synced()["planned"]["held"]["age_unknown"] == 1
    assert synced.contact(MARISOL) == before
    checked = synced.run("check", "--merchant", TEST, "--json").json["merchants"][0]
    assert [row["id"] for row in checked["not_understood"] if "birth date" in row["why"]] == [str(ADULT_ID)]
    told = synced.run("why", "--merchant", TEST, MARISOL)
    assert f"not understood: customer {ADULT_ID}" in told.out


def test_c6_a_birth_date_with_a_time_is_that_day(story: Story) -> None:
    today = datetime(2026, 5, 16, 12, tzinfo=UTC)
    record = {**_bare(story, ADULT_ID), "dateOfBirth": "2005-05-17T00:00:00.000Z"}
    story.shop.call("PUT", f"records/customers/{ADULT_ID}", record, merchant=TEST)
    assert story.synced(now=today)["planned"]["held"]["under_age"] == 2, "of age tomorrow, not today"


def test_c7_a_placeholder_is_no_evidence(story: Story) -> None:
    story.settings(require_age_evidence=True)
    story.shop.patch_customer(ADULT_ID, dateOfBirth={"day": 1, "month": 1, "year": 1900})
    before = story.contact(MARISOL)
    story.synced()
    assert story.contact(MARISOL) == before


@pytest.mark.parametrize("total", [None, "n/a", "1.200,00"])
def test_c8_a_total_that_cannot_be_read_leaves_the_lifetime_value(synced: Story, total: object) -> None:
    before = synced.contact(MARISOL)
    number = newest_of(synced, ADULT_ID)["orderNumber"]
    synced.shop.call("PUT", f"records/orders/{number}", {**synced.shop.order(number), "total": total}, merchant=TEST)
    synced.synced()
    assert synced.contact(MARISOL) == before
    checked = synced.run("check", "--merchant", TEST, "--json").json["merchants"][0]
    assert number in [row["id"] for row in checked["not_understood"]]


def test_c8_money_with_commas_is_read(synced: Story) -> None:
    before = synced.everybody()
    for form in ("text", "comma_text", "dollar_text"):
        synced.shop.set_switch("money_form", form)
        synced.synced()
        assert synced.everybody() == before, form


def test_c9_where_the_newest_order_is_not_known_its_fields_stay(synced: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    before = synced.contact(MARISOL)
    number = newest_of(synced, ADULT_ID)["orderNumber"]
    order = {**synced.shop.order(number), "orderStatus": "DELIVERED", "cartType": "PHONE"}
    synced.shop.set_switch("date_time_form", "zone_suffix")
    synced.synced()
    assert synced.contact(MARISOL) == before, "the zone in brackets is read"
    synced.shop.set_switch("date_time_form", "offset")
    synced.shop.call("PUT", f"records/orders/{number}", order, merchant=TEST)
    for at in ("last week", 1780000000):
        with monkeypatch.context() as patch:
            told_otherwise(patch, f"/orders/{number}$", lambda body, at=at: body.update(purchasedAt=at))
            synced.synced()
        assert synced.contact(MARISOL) == before, at
    synced.synced()
    assert synced.contact(MARISOL)["Channel"] == "PHONE", "and when it can be read again, they follow"


# --- R40: one record's trouble is its own -----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "403", "400", "410", "422"])
def test_c12_one_customer_who_cannot_be_read_stops_nobody(synced: Story, fault: str) -> None:
    synced.shop.patch_customer(ADULT_ID, shippingAddress={"city": "Elsewhere"})
    synced.shop.patch_customer(700110, shippingAddress={"city": "Napa"})
    synced.shop.set_fault(fault, path_regex=OF_MARISOL)
    before = synced.contact(MARISOL)
    assert partial(synced)["planned"]["noted"]["unreadable"] == 1
    assert synced.contact(MARISOL) == before
    assert synced.contact(FFION)["City"] == "Napa"
    told = synced.run("why", "--merchant", TEST, MARISOL)
    assert f"cannot be read: customer {ADULT_ID} cannot be read since" in told.out
    assert "worth knowing, unreadable" in told.out
    checked = synced.run("check", "--merchant", TEST, "--json").json["merchants"][0]
    assert [(row["kind"], row["id"]) for row in checked["unreadable"]] == [("customer", str(ADULT_ID))]
    synced.shop.clear_faults()
    synced.synced()
    assert synced.contact(MARISOL)["City"] == "Elsewhere", "the first try after it is the next sync's"


@pytest.mark.slow
def test_r40_the_gaps_grow(synced: Story) -> None:
    start = datetime.now(UTC)
    synced.shop.set_fault("500", path_regex=OF_MARISOL)

    def asked(minutes: float) -> bool:
        synced.clear_journals()
        partial(synced, now=start + timedelta(minutes=minutes))
        return any(entry["path"].endswith(f"/customers/{ADULT_ID}") for entry in synced.shop.journal(TEST))

    assert [asked(m) for m in (0, 1, 2, 15, 17, 30, 48)] == [True, True, False, False, True, False, True]


@pytest.mark.parametrize("where", ["receipt", "order", "contact"])
def test_c12_the_same_of_an_order_and_of_a_receipt(synced: Story, where: str) -> None:
    number = newest_of(synced, ADULT_ID)["orderNumber"]
    before = synced.contact(MARISOL)
    if where == "order":
        synced.shop.set_fault("403", path_regex=f"/orders/{number}$")
        report = partial(synced)
        assert report["planned"]["noted"]["unreadable"] == 1
    elif where == "receipt":
        synced.shop.set_fault("403", path_regex=f"/orders/{number}/receipt$")
        report = synced.synced("--full")
        assert report["planned"]["noted"]["receipt_unreadable"] == 1
    assert synced.contact(MARISOL) == before


@pytest.mark.slow
def test_r40_where_nobody_can_be_read_it_is_the_systems_trouble(synced: Story) -> None:
    synced.shop.set_fault("500", path_regex=r"/customers/\d+$")
    synced.failed("try_later", system="vinoshipper")
    synced.shop.clear_faults()
    synced.shop.set_fault("403", path_regex=r"/customers/\d+$")
    synced.failed("auth", system="vinoshipper")
    synced.shop.clear_faults()
    synced.shop.set_fault("hollow", path_regex=r"/customers/\d+$")
    synced.failed("bad_answer", system="vinoshipper")
    synced.shop.clear_faults()
    assert "unreadable" not in synced.synced()["planned"]["noted"], "nobody was kept apart"


def test_r22_a_receipt_of_another_order_is_unreadable(synced: Story) -> None:
    before = synced.everybody()
    synced.shop.set_fault("other_record", path_regex="/receipt$")
    report = synced.synced("--full")
    assert report["planned"]["noted"]["receipt_unreadable"] >= 1
    assert synced.everybody() == before


# --- C16, ruling 3 ----------------------------------------------------------------------------------------------------


def test_c16_receipts_are_asked_for_only_where_the_map_and_the_account_want_them(story: Story) -> None:
    story.texting.delete_custom_field("Receipt URL")
    story.synced()
    assert not [entry for entry in story.shop.journal(TEST) if entry["path"].endswith("/receipt")]


def test_ruling_3_the_orders_copy_counts_where_the_customers_own_date_is_unknown(story: Story) -> None:
    number = newest_of(story, ADULT_ID)["orderNumber"]
    order = story.shop.order(number)
    copy = {**order, "customer": {**order["customer"], "dateOfBirth": {"day": 1, "month": 1, "year": 2012}}}
    story.shop.call("PUT", f"records/orders/{number}", copy, merchant=TEST)
    story.shop.patch_customer(ADULT_ID, dateOfBirth=None)
    before = story.contact(MARISOL)
    assert story.synced()["planned"]["held"]["under_age"] == 2
    assert story.contact(MARISOL) == before


def test_ruling_3_a_failed_age_check_is_noted_and_held_where_evidence_is_asked_for(story: Story) -> None:
    story.shop.patch_order(newest_of(story, ADULT_ID)["orderNumber"], status="AGE_VERIFICATION_FAILED")
    assert story.synced()["planned"]["noted"]["age_unverified"] == 1
    story.settings(require_age_evidence=True)
    held = story.synced()["planned"]["held"]["age_unknown"]
    story.shop.patch_order(newest_of(story, ADULT_ID)["orderNumber"], status="SUCCESS")
    assert story.synced()["planned"]["held"]["age_unknown"] == held - 1


@pytest.mark.slow
def test_c21_numbers_beyond_all_bounds_stop_nobody(synced: Story) -> None:
    before = synced.everybody()
    for how in ("unread_exponent", "unread_digits", "read_exponent", "read_digits"):
        synced.shop.set_switch("numbers", how)
        done = synced.sync().of()
        assert done["status"] in ("ok", "partial"), (how, done)
        assert synced.everybody() == before, how


def test_c23_what_is_no_address_is_left_out(story: Story) -> None:
    story.shop.patch_customer(700103, email="n/a")
    story.texting.patch_contact(BRAM, TEST, email="")
    story.synced()
    assert "email" not in story.contact(BRAM)
    assert story.contact(BRAM)["VScustomerID"] == "700103", "everything else is written"
