"""What SimpleTexting answers is believed as far as it proves itself, and one contact's trouble is its own (2026-11)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting import accidental_contacts, contacts, emails, push_singly, write_set
from vs_st_pipeline.connectors.simpletexting.accidental_contacts import _epoch
from vs_st_pipeline.connectors.simpletexting.batch import write_body
from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.custom_fields import CustomField, FieldKeys
from vs_st_pipeline.connectors.simpletexting.stored_contacts import live_contact
from vs_st_pipeline.domain.codec import encode, read_json
from vs_st_pipeline_tests.support.between import Between, Told, between
from vs_st_pipeline_tests.support.story import (
    BRAM,
    FFION,
    HALLORANS,
    MARISOL,
    ODALYS,
    RENSKE,
    SYNCED,
    TEST,
    Record,
    Story,
)

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow
HUGE = "1e99999999999999999999"


@pytest.fixture
def wire(story: Story) -> Iterator[Between]:
    """What lies between the pipeline and the texting service."""
    with between(story.box.simpletexting.url) as server:
        through(story, server)
        yield server


def through(story: Story, wire: Between, **simpletexting: Any) -> None:
    own: Record = {"base_url": wire.url + "/v2", **simpletexting}
    story.settings({TEST: {"simpletexting": own}}, give_up_after="1s")


def listed(told: Told) -> bool:
    return told.method == "GET" and told.ends("/api/contacts") and told.status == 200


def rows(story: Story, sql: str) -> list[tuple[Any, ...]]:
    with story.as_run().open() as db:
        return db.rows(sql)


def change_all(story: Story) -> None:
    for customer in story.shop.customers(TEST):
        story.shop.patch_customer(customer["id"], shippingAddress={"city": "Occidental"})


def written(story: Story) -> set[str]:
    return {phone for phone in SYNCED if story.contact(phone).get("City") == "Occidental"}


def requests_for(story: Story, ending: str) -> int:
    return sum(entry["path"].endswith(ending) for entry in story.texting.journal(TEST))


# --- C10, C22: where a list ends ----------------------------------------------------------------------------------


def test_the_task_of_a_batch_may_be_a_number(story: Story, wire: Between) -> None:
    story.texting.set_switch("tasks_delay_polls", 0)
    through(story, wire, write_one_by_one_up_to=0)

    def number(told: Told) -> None:
        if told.ends("batch-update") and told.status == 201:
            told.json = {"id": 507199810}

    def done(told: Told) -> None:
        if told.ends("batch-update", "507199810"):
            told.status, told.json = 200, {"status": "DONE", "results": []}  # so that reading tells

    wire.rules.append(number)
    wire.before.append(done)
    assert story.synced()["synced"] == {"accepted": 7, "rejected": 0, "unknown": 0}


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("what", ["/api/contacts", "/api/custom-fields"])
def test_c10_a_page_past_the_end_may_be_refused_where_the_list_says_that_all_came(
    story: Story, wire: Between, what: str, status: int
) -> None:
    """What SimpleTexting answers past the end is not known (facts, 2.2)."""

    def refuse(told: Told) -> None:
        if told.ends(what) and int(told.query.get("page", 0)) > 0:
            told.status, told.body = status, b'{"code": "INTERNAL_ERROR", "errorCode": "UNKNOWN_ERR"}'

    wire.rules.append(refuse)
    assert story.synced()["synced"]["accepted"] == 7

    def cut(told: Told) -> None:
        if told.ends(what) and told.status == 200:
            page = json.loads(told.body)
            told.body = encode({**page, "content": page["content"][:-1]})

    wire.rules.append(cut)
    story.failed("bad_answer", "--full", system="simpletexting")


LIES: dict[str, Any] = {
    "of the page": lambda body: {**body, "totalElements": len(body["content"]), "totalPages": 1},
    "of the page, no pages": lambda body: {"content": body["content"], "totalElements": len(body["content"])},
    "zero": lambda body: {**body, "totalElements": 0, "totalPages": 0},
    "negative": lambda body: {**body, "totalElements": -1, "totalPages": -1},
    "null": lambda body: {**body, "totalElements": None, "totalPages": None},
    "text": lambda body: {**body, "totalElements": "many", "totalPages": "one"},
    "beyond all bounds": lambda body: {**body, "totalElements": 10**30},
    "none": lambda body: {"content": body["content"]},
}


@pytest.mark.parametrize("lie", LIES)
def test_c10_a_total_that_lies_ends_no_list_and_makes_nobody_gone(story: Story, wire: Between, lie: str) -> None:
    story.texting.set_switch("page_cap", 5)  # the custom fields come in several pages too

    def lies(told: Told) -> None:
        if told.method == "GET" and told.status == 200 and told.ends("/contacts") or told.ends("/custom-fields"):
            told.json = LIES[lie](told.json)

    wire.rules.append(lies)
    there = len(story.texting.contacts(TEST))
    for _ in range(2):
        assert story.synced()["raw"]["contacts"] == there
    assert rows(story, "select count(*) from raw.simpletexting_contacts where gone") == [(0,)]
    assert story.run("check", "--merchant", TEST, "--json").of()["missing_fields"] == []
    assert "Lifetime Value" in story.contact(MARISOL)


def test_c10_what_a_quiet_and_a_first_sync_ask_for(story: Story, wire: Between) -> None:
    through(story, wire, full_read="24h")
    story.clear_journals()
    story.synced()
    assert (requests_for(story, "/contacts"), requests_for(story, "/custom-fields")) == (2, 2)
    story.synced()
    story.clear_journals()
    story.synced()
    assert (requests_for(story, "/contacts"), requests_for(story, "/custom-fields")) == (1, 1)


def test_contacts_written_in_one_moment_are_within_the_overlap_all_or_none(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.synced()
    monkeypatch.setattr(contacts, "OVERLAP_ROWS", 4)
    mark = datetime(2026, 6, 17, 19, tzinfo=UTC)

    def overlap(*seconds_ago: float) -> float:
        with story.as_run().open() as db:
            db.execute("delete from raw.simpletexting_contacts")
            for place, ago in enumerate(seconds_ago):
                body = json.dumps({"contactId": str(place), "updated": (mark - timedelta(seconds=ago)).isoformat()})
                db.execute(
                    """insert into raw.simpletexting_contacts (contact_id, body, body_hash, read_at, read_run, gone)
                       values (?, ?, '', now(), '', false)""",
                    [str(place), body],
                )
            return (mark - contacts._overlapping(db, mark)).total_seconds()

    assert overlap(0, 1, 2, 3) == 3600  # all of them are a page
    assert overlap(0, 1, 2, 3, 4, 5) == 3
    assert overlap(0, 1, 2, 2, 2, 2, 5) == 1  # six would be more than a page takes
    assert overlap(0, 0, 0, 0, 0, 0, 5) == 0  # the mark's own moment is always asked for
    assert overlap(1, 1, 1, 1, 1, 1, 5) == 1


def test_c22_a_list_whose_order_changes_with_every_request_is_read_by_walks_that_are_joined(
    story: Story, wire: Between
) -> None:
    everybody = [json.dumps(contact) for contact in story.texting.contacts(TEST)]
    turn = [0]

    def shuffled(told: Told) -> None:
        if listed(told):
            turn[0] += 7
            page = int(told.query["page"])
            order = everybody[turn[0] % len(everybody) :] + everybody[: turn[0] % len(everybody)]
            rows = [json.loads(row) for row in order[page * 5 : page * 5 + 5]]
            told.json = {"content": rows, "totalElements": len(everybody)}

    wire.rules.append(shuffled)
    assert story.run("plan", "--merchant", TEST, "--json").of()["status"] == "ok"
    assert rows(story, "select count(*) from raw.simpletexting_contacts where not gone") == [(len(everybody),)]


# --- C13, C21, C35: shapes ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "shape"),
    [
        *(("customFields", shape) for shape in ([{"name": "Wine", "value": "Syrah"}], "Syrah", 7)),
        *(("contactPhone", shape) for shape in (7, ["7075550142"], {}, True)),
        *(("email", shape) for shape in (7, [], {"address": "m@example.com"})),
    ],
)
def test_c13_a_contact_that_is_not_understood_is_left_alone(story: Story, wire: Between, key: str, shape: Any) -> None:
    story.synced()
    story.texting.set_switch("custom_fields_write", "replace")
    spoilt = story.id_of(MARISOL)

    def other_shape(told: Told) -> None:
        if told.method != "GET" or "/api/contacts" not in told.path:
            return
        body = told.json
        for row in body.get("content", [body]):
            if row.get("contactId") == spoilt:
                row[key] = shape
        told.json = body

    wire.rules.append(other_shape)
    change_all(story)
    done = story.sync()
    report = done.of()
    assert report["error"] is None, done
    assert report["planned"]["noted"]["unreadable"] == 1
    assert written(story) == set(SYNCED) - {MARISOL}
    assert rows(story, "select id from raw.unreadable where kind = 'contact'") == [(spoilt,)]
    wire.rules.clear()
    story.synced()
    assert rows(story, "select id from raw.unreadable where kind = 'contact'") == []
    assert written(story) == set(SYNCED)
    story.clean()


@pytest.mark.parametrize(("shape", "held"), [(7, True), (True, True), (700101, False)])
def test_another_value_that_is_no_text_does_not_go_back_in_place_of_somebodys_text(
    story: Story, wire: Between, shape: object, held: bool
) -> None:
    story.synced()
    story.synced()  # what was written is read back
    story.texting.set_switch("custom_fields_write", "replace")
    tag = next(row["mergeTag"] for row in story.texting.custom_fields(TEST) if row["label"] == "VScustomerID")

    def as_no_text(told: Told) -> None:
        if told.method == "GET" and "/api/contacts" in told.path:
            body = told.json
            for row in body.get("content", [body]):
                if row.get("contactPhone") == MARISOL:
                    row["customFields"][tag] = shape
            told.json = body

    wire.rules.append(as_no_text)
    change_all(story)
    report = story.sync().of()
    assert report["planned"]["noted"].get("unreadable", 0) == int(held)
    assert written(story) == set(SYNCED) - ({MARISOL} if held else set())
    wire.rules.clear()
    story.synced()
    assert story.contact(MARISOL)["VScustomerID"] == "700101"
    story.clean()


def test_a_phone_that_comes_as_a_number_is_the_same_phone(story: Story, wire: Between) -> None:
    def as_numbers(told: Told) -> None:
        if listed(told):
            body = told.json
            for row in body["content"]:
                row["contactPhone"] = int(row["contactPhone"])
            told.json = body

    wire.rules.append(as_numbers)
    story.synced()
    assert set(story.written_phones()) == set(SYNCED)


@pytest.mark.slow
@pytest.mark.parametrize("with_id", [True, False])
@pytest.mark.parametrize("singly", [True, False])
def test_c13_the_email_of_a_contact_that_was_never_understood_is_taken(
    story: Story, wire: Between, singly: bool, with_id: bool
) -> None:
    through(story, wire, write_one_by_one_up_to=100 if singly else 0)
    email = story.shop.customer(700108)["email"]
    taker = story.texting.contact(BRAM)["contactId"]
    story.texting.patch_contact(RENSKE, email="")
    story.texting.patch_contact(BRAM, email=email.upper())

    def other_shape(told: Told) -> None:
        if told.method == "GET" and "/api/contacts" in told.path:
            body = told.json
            for row in body.get("content", [body]):
                if row.get("contactId") == taker:
                    row["customFields"] = ["?"]
                    if not with_id:
                        del row["contactId"]
            told.json = body

    wire.rules.append(other_shape)
    plan = story.run("plan", "--merchant", TEST, "--json").of()
    assert "email" not in [change["field"] for row in plan["contacts"] for change in row["changes"]
                           if row["customer_id"] == 700108]  # fmt: skip
    done = story.sync()
    assert done.of()["error"] is None, done
    assert story.texting.contact(RENSKE)["email"] in ("", None)
    assert story.contact(RENSKE)["VScustomerID"] == "700108", "the rest was written"
    assert story.run("forget", "--merchant", TEST, "--yes", BRAM).exit_code == 0
    assert email.upper() not in json.dumps(rows(story, "select value from raw.marks"))
    wire.rules.clear()
    story.texting.patch_contact(BRAM, email="")
    story.sync()
    assert story.texting.contact(RENSKE)["email"] == email
    story.clean()


@pytest.mark.parametrize("which", ["all of them", "five in a row"])
def test_c13_where_many_are_so_nothing_is_written(story: Story, wire: Between, which: str) -> None:
    def other_shape(told: Told) -> None:
        if listed(told):
            body = told.json
            for row in body["content"] if which == "all of them" else body["content"][3:8]:
                row["customFields"] = [{"a": 1}]
            told.json = body

    wire.rules.append(other_shape)
    story.failed("bad_answer", system="simpletexting")
    assert story.writes() == []


@pytest.mark.parametrize("row", ["7", "null", "{}", '{"contactPhone": "7075550142"}', f'{{"contactId": {HUGE}}}'])
def test_c21_a_row_that_is_no_contact_ends_no_list_and_makes_nobody_gone(story: Story, wire: Between, row: str) -> None:
    story.synced()
    story.texting.delete_contact(BRAM)

    def odd(told: Told) -> None:
        if listed(told) and told.query["page"] == "0":
            told.body = told.body.replace(b'"content":[', f'"content":[{row},'.encode())

    wire.rules.append(odd)
    change_all(story)
    assert story.sync().of()["error"] is None
    assert written_of(story, set(SYNCED) - {BRAM}) == set(SYNCED) - {BRAM}
    bram = f"select gone from raw.simpletexting_contacts where body like '%{BRAM}%'"
    wire.rules.clear()
    story.synced()
    assert rows(story, bram) == [(True,)]


def written_of(story: Story, phones: set[str]) -> set[str]:
    return {phone for phone in phones if story.contact(phone).get("City") == "Occidental"}


@pytest.mark.parametrize("number", [HUGE, "9" * 4400])
def test_c21_a_number_beyond_all_bounds_spoils_one_contact(story: Story, wire: Between, number: str) -> None:
    spoilt = story.id_of(MARISOL)

    def beyond(told: Told) -> None:
        if told.method == "GET" and "/api/contacts" in told.path:
            mark = f'"contactId":"{spoilt}"'.encode()
            told.body = told.body.replace(mark, mark + f',"score":{number}'.encode())

    wire.rules.append(beyond)
    report = story.sync().of()
    assert report["error"] is None
    assert report["planned"]["noted"]["unreadable"] == 1
    assert report["synced"]["accepted"] == len(SYNCED) - 1


@pytest.mark.slow
def test_c35_foreign_values_go_back_as_they_came_and_whole_floats_read_as_whole_numbers() -> None:
    odd = '{"a": 1.10, "b": 1e5, "c": 123456789012345678901234567890, "d": {"e": [1.0]}, "f": true, "g": 7.0}'
    text = f'{{"contactPhone": "7075550142", "customFields": {{"vscustomerid": 7.00103e5, {odd[1:]}}}'
    contact = live_contact("c", text, "", FieldKeys([CustomField("VScustomerID", "vscustomerid")]))
    assert contact.custom["vscustomerid"] == "700103"
    assert contact.custom["g"] == "7"
    body = encode({"x": write_body(contact, [])["contactPhone"], "y": contact.odd})
    assert body is not None
    for part in ('"a":1.10', '"b":1e5', '"c":123456789012345678901234567890', '{"e": [1.0]}', '"g":7.0'):
        assert part in body.decode()
    assert read_json(body)["y"]["f"] is True


def test_c35_a_customer_id_read_back_as_a_float_links_and_is_not_written_again(story: Story, wire: Between) -> None:
    story.synced()

    def as_float(told: Told) -> None:
        if told.method == "GET" and "/api/contacts" in told.path:
            told.body = told.body.replace(b'"vscustomerid":"700101"', b'"vscustomerid":700101.0')
            told.body = told.body.replace(b'"vscustomerid":"700103"', b'"vscustomerid":"700103.0"')

    wire.rules.append(as_float)
    story.clear_journals()
    for _ in range(2):
        story.synced()
    assert story.writes() == []
    why = story.run("why", "--merchant", TEST, MARISOL, "--json").json
    assert (why["linked_by"], why["customer_id"]) == ("VScustomerID", 700101)


# --- C14: clocks --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_c14_a_contact_updated_in_2221_hides_no_new_opt_in(story: Story, wire: Between) -> None:
    through(story, wire, full_read="24h")
    story.texting.patch_contact(RENSKE, touch=False, updated="2221-01-01T00:00:00.000Z")
    story.synced()
    [(mark,)] = rows(story, "select value from raw.marks where name = 'contacts_since'")
    assert datetime.fromisoformat(json.loads(mark)) <= datetime.now(UTC)
    story.texting.add_contact("7075550152")
    story.synced()
    assert "7075550152" in {row[0] for row in rows(story, "select phone from planned.targets")}


@pytest.mark.slow
def test_c14_a_mark_in_the_future_is_drawn_back_and_all_are_read(story: Story, wire: Between) -> None:
    through(story, wire, full_read="24h")
    story.synced()
    with story.as_run().open() as db, db.transaction():
        db.execute("update raw.marks set value = '\"2221-01-01T00:00:00+00:00\"' where name = 'contacts_since'")
    story.texting.add_contact("7075550152")
    story.synced()
    assert "7075550152" in {row[0] for row in rows(story, "select phone from planned.targets")}
    [(mark,)] = rows(story, "select value from raw.marks where name = 'contacts_since'")
    assert datetime.fromisoformat(json.loads(mark)) <= datetime.now(UTC)


@pytest.mark.parametrize("date", ["", "Fri, 01 Jan 2221 00:00:00 GMT", "soon"])
def test_c14_without_a_date_that_can_be_right_the_machines_clock_bounds_the_mark(
    story: Story, wire: Between, date: str
) -> None:
    wire.date = date
    story.texting.patch_contact(RENSKE, touch=False, updated="2219-01-01T00:00:00.000Z")
    story.synced()
    [(mark,)] = rows(story, "select value from raw.marks where name = 'contacts_since'")
    assert datetime.fromisoformat(json.loads(mark)) <= datetime.now(UTC) + timedelta(days=1)


@pytest.mark.slow
def test_c14_one_old_row_does_not_make_a_list_of_updates_a_list_of_all(story: Story, wire: Between) -> None:
    through(story, wire, full_read="24h")
    story.synced()
    old = json.dumps({**story.texting.contact(MARISOL), "updated": "1999-01-01T00:00:00Z"})

    def with_an_old_one(told: Told) -> None:
        if listed(told) and "since" in told.query and told.query["page"] == "0":
            told.json = {"content": [json.loads(old)], "totalElements": 1, "totalPages": 1}

    wire.rules.append(with_an_old_one)
    story.synced()
    assert rows(story, "select count(*) from raw.simpletexting_contacts where gone") == [(0,)]


@pytest.mark.parametrize("updated", ["yesterday", 1700000000, "2026-05-28T19:31:00", None])
@pytest.mark.slow
def test_c14_times_in_no_form_that_is_read_mislead_nobody(story: Story, wire: Between, updated: Any) -> None:
    through(story, wire, full_read="24h")

    def odd(told: Told) -> None:
        if listed(told):
            body = told.json
            for row in body["content"]:
                row["updated"] = row["created"] = updated
            told.json = body

    wire.rules.append(odd)
    story.synced()
    story.texting.add_contact("7075550152")
    story.synced()
    assert "7075550152" in {row[0] for row in rows(story, "select phone from planned.targets")}
    assert rows(story, "select count(*) from raw.simpletexting_contacts where gone") == [(0,)]


def test_c14_a_time_without_zone_deletes_nobody() -> None:
    assert _epoch("2026-05-28T19:31:00") is None
    assert _epoch("2026-05-28") is None
    assert _epoch("2026-05-28T19:31:00.000Z") == _epoch("2026-05-28T12:31:00-07:00") is not None
    assert accidental_contacts.HEADER_SECONDS == 1.0


# --- R22, R40: single reads ---------------------------------------------------------------------------------------

SPOILT: dict[str, Any] = {
    "500": lambda told: told.fails(500),
    "403": lambda told: (setattr(told, "status", 403), setattr(told, "json", {"code": "NO"})),
    "400": lambda told: (setattr(told, "status", 400), setattr(told, "json", {"code": "NO"})),
    "410": lambda told: (setattr(told, "status", 410), setattr(told, "json", {"code": "NO"})),
    "422": lambda told: (setattr(told, "status", 422), setattr(told, "json", {"code": "NO"})),
    "hollow": lambda told: setattr(told, "json", {}),
    "an error": lambda told: setattr(told, "json", {**told.json, "error": "unavailable"}),
    "no status": lambda told: setattr(told, "json", {k: v for k, v in told.json.items() if k != "subscriptionStatus"}),
    "no object": lambda told: setattr(told, "json", [told.json]),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", [*SPOILT, "another's body"])
def test_r40_one_contact_that_cannot_be_read_singly_stops_nobody(
    story: Story, wire: Between, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    story.synced()
    monkeypatch.setattr(write_set, "READ_AGAIN_AFTER", timedelta(0))  # each is read again before it is written
    one, other = story.id_of(MARISOL), json.dumps(story.texting.contact(BRAM))

    def spoils(told: Told) -> None:
        if told.method == "GET" and told.ends("/contacts", one):
            if how == "another's body":
                told.json = json.loads(other)
            else:
                SPOILT[how](told)

    wire.rules.append(spoils)
    change_all(story)
    now = datetime.now(UTC)
    report = story.sync(now=now.isoformat()).of()
    assert report["error"] is None, report
    assert report["planned"]["noted"]["unreadable"] == 1
    assert written(story) == set(SYNCED) - {MARISOL}
    assert rows(story, f"select body like '%{MARISOL}%' from raw.simpletexting_contacts where contact_id = '{one}'")[0][
        0
    ]
    [(attempts,)] = rows(story, "select attempts from raw.unreadable where kind = 'contact'")
    assert attempts == 1
    for minutes, tries in ((1, 2), (2, 2), (20, 3)):  # growing gaps
        story.sync(now=(now + timedelta(minutes=minutes)).isoformat())
        assert rows(story, "select attempts from raw.unreadable where kind = 'contact'") == [(tries,)]
    wire.rules.clear()
    assert story.sync(now=(now + timedelta(days=2)).isoformat()).of()["synced"]["accepted"] == 1
    assert written(story) == set(SYNCED)
    assert rows(story, "select * from raw.unreadable where kind = 'contact'") == []


@pytest.mark.slow
def test_r40_five_in_a_row_are_the_systems_trouble(
    story: Story, wire: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.synced()
    monkeypatch.setattr(write_set, "READ_AGAIN_AFTER", timedelta(0))
    wire.before.append(lambda told: told.fails(500) if told.method == "GET" and "/contacts/" in told.path else None)
    change_all(story)
    story.failed("try_later", system="simpletexting")
    assert written(story) == set()


@pytest.mark.slow
def test_r22_settling_one_contact_that_cannot_be_read_leaves_only_it_unknown(story: Story, wire: Between) -> None:
    story.synced()
    one = story.id_of(MARISOL)
    wire.rules.append(lambda told: told.fails(500) if told.ends("/contacts", one) else None)  # written, nobody heard
    change_all(story)
    report = story.sync().of()
    assert (report["status"], report["synced"]) == ("partial", {"accepted": 6, "rejected": 0, "unknown": 1})
    wire.rules.clear()
    story.synced()
    assert written(story) == set(SYNCED)


def test_r22_a_write_whose_answer_names_another_contact_takes_neither_for_gone(story: Story, wire: Between) -> None:
    story.synced()
    one, other = story.id_of(MARISOL), story.id_of(BRAM)

    def mixed_up(told: Told) -> None:
        if told.method == "PUT" and told.ends("/contacts", one):
            told.json = {"id": other}

    wire.rules.append(mixed_up)
    change_all(story)
    assert story.synced()["synced"] == {"accepted": 7, "rejected": 0, "unknown": 0}
    assert rows(story, "select count(*) from raw.simpletexting_contacts where gone") == [(0,)]
    story.clean()


# --- C20: a write that fails as a whole ---------------------------------------------------------------------------


def spoils_any(phones: set[str], status: int) -> Any:
    def spoil(told: Told) -> None:
        updates = told.sent.get("updates", [told.sent]) if isinstance(told.sent, dict) else []
        if told.method != "GET" and phones & {update["contactPhone"] for update in updates}:
            told.fails(status)

    return spoil


@pytest.mark.slow
@pytest.mark.parametrize("status", [403, 500])
@pytest.mark.parametrize("bad", [{BRAM}, {MARISOL}, {BRAM, FFION}, {RENSKE, HALLORANS}])
def test_c20_a_name_that_fails_a_whole_batch_keeps_nobody_else_from_being_written(
    story: Story, wire: Between, status: int, bad: set[str]
) -> None:
    story.texting.set_switch("tasks_delay_polls", 0)
    through(story, wire, write_one_by_one_up_to=0, batch_wait="2s")
    wire.before.append(spoils_any(bad, status))
    story.failed("try_later", system="simpletexting")
    report = story.sync().of()
    assert (report["status"], report["synced"]["rejected"]) == ("partial", len(bad)), report
    assert report["synced"]["accepted"] == len(SYNCED) - len(bad)
    assert report["synced"]["unknown"] == 0
    assert {row[0] for row in rows(story, "select code from synced.rejects")} == {"WRITE_FAILS"}
    wire.before.clear()
    story.sync()
    assert all("City" in story.contact(phone) for phone in bad - {RENSKE})
    story.clean()


@pytest.mark.slow
def test_c20_an_outage_still_ends_as_try_later_with_few_requests(story: Story, wire: Between) -> None:
    through(story, wire, write_one_by_one_up_to=0)
    wire.before.append(lambda told: told.fails(500) if told.method != "GET" else None)
    for _ in range(3):
        asked = [0]
        wire.before.append(lambda told, asked=asked: asked.__setitem__(0, asked[0] + (told.method != "GET")))
        story.failed("try_later", system="simpletexting")
        assert asked[0] < 30
    assert rows(story, "select * from synced.rejects") == []
    wire.before.clear()
    story.synced()


def test_c20_one_by_one_a_contact_whose_write_always_fails_stops_nobody(story: Story, wire: Between) -> None:
    wire.before.append(spoils_any({MARISOL}, 403))
    report = story.sync().of()
    assert (report["status"], report["synced"]) == ("partial", {"accepted": 6, "rejected": 1, "unknown": 0})
    assert rows(story, "select code from synced.rejects") == [("WRITE_FAILS",)]


@pytest.mark.slow
def test_c20_one_by_one_several_in_a_row_go_last_in_the_next_sync(story: Story, wire: Between) -> None:
    ids = sorted(story.id_of(phone) for phone in SYNCED)
    first = {phone for phone in SYNCED if story.id_of(phone) in ids[: push_singly.FAILURES_IN_A_ROW]}
    wire.before.append(spoils_any(first, 500))
    story.failed("try_later", system="simpletexting")
    report = story.sync().of()
    assert (report["status"], report["synced"]["accepted"]) == ("partial", len(SYNCED) - len(first))
    assert report["synced"]["rejected"] == len(first)


# --- C23: a refusal for a field that is only to be filled in ------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("most_alone", [0, 50], ids=["by batch", "one by one"])
def test_c23_a_contact_refused_for_its_email_gets_all_other_fields(
    story: Story, wire: Between, most_alone: int
) -> None:
    story.texting.set_switches({"email_unique": True, "tasks_delay_polls": 0})
    through(story, wire, write_one_by_one_up_to=most_alone, batch_wait="2s")
    email = story.shop.customer(700103)["email"]
    taken = json.dumps(story.texting.add_contact("7075550199", email=email))

    def hidden(told: Told) -> None:  # who has it does not show it, so that only a refusal tells
        if told.method == "GET" and "/api/contacts" in told.path and told.status == 200:
            told.body = told.body.replace(json.loads(taken)["email"].encode(), b"")

    wire.rules.append(hidden)
    now = datetime.now(UTC)
    report = story.sync(now=now.isoformat()).of()
    assert (report["status"], report["synced"]["rejected"]) == ("partial", 1), report
    assert story.contact(BRAM)["Order Count"]
    why = story.run("why", "--merchant", TEST, BRAM, "--json").json
    states = {found["field"]: found["state"] for found in why["fields"]}
    assert (states["email"], states["Order Count"]) == ("rejected", "synced")
    for minutes, attempts in ((1, 2), (2, 2), (20, 3)):
        story.sync(now=(now + timedelta(minutes=minutes)).isoformat())
        assert rows(story, "select attempts from synced.rejects") == [(attempts,)]
    story.clean()


@pytest.mark.parametrize("text", ["n/a", "none", "a b@example.com", "@example.com", "me@", "me"])
def test_c23_what_is_no_address_is_left_out(story: Story, wire: Between, text: str) -> None:
    assert not emails.is_address(text)
    story.shop.patch_customer(700103, email=text)
    assert story.synced()["synced"]["accepted"] == len(SYNCED)
    assert "email" not in story.contact(BRAM)


# --- ruling 2: an edited VScustomerID -----------------------------------------------------------------------------


@pytest.mark.parametrize("edit", ["", "nonsense", "700108", "999999"])
def test_ruling_2_an_edited_customer_id_is_put_back(story: Story, wire: Between, edit: str) -> None:
    story.synced()
    before = story.contact(MARISOL)
    story.texting.patch_contact(MARISOL, customFields={"vscustomerid": edit})
    report = story.synced()
    assert report["planned"]["noted"].get("edited_there") == 1
    assert story.contact(MARISOL) == before


@pytest.mark.slow
def test_ruling_2_with_the_ledger_lost_or_another_phone_the_carried_id_leads(story: Story, wire: Between) -> None:
    story.synced()
    story.texting.patch_contact(MARISOL, customFields={"vscustomerid": "700108"})
    story.forget()
    story.sync()
    assert story.run("why", "--merchant", TEST, MARISOL, "--json").json["customer_id"] == 700108


def test_ruling_2_where_the_phone_is_no_more_the_customers_the_carried_id_leads(story: Story, wire: Between) -> None:
    story.synced()
    story.texting.patch_contact(ODALYS, contactPhone="7075550188", customFields={"vscustomerid": "700101"})
    story.sync()
    assert story.run("why", "--merchant", TEST, "7075550188", "--json").json["customer_id"] == 700101


def test_text_that_comes_as_an_object_is_not_put_in_its_place(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A custom field of theirs comes wrapped once: it would go back so with our next write of the contact."""
    story.begin_synced()
    field = next(one for one in story.texting.custom_fields(TEST) if one["label"] == "Birthday Gift Sent")
    contact = story.texting.contact(BRAM, TEST)
    text = contact["customFields"][field["mergeTag"]]
    assert text
    story.shop.patch_customer(int(story.contact(BRAM)["VScustomerID"]), shippingAddress={"city": "Elsewhere"})
    usual_page, usual = SimpleTextingClient.list_contacts, SimpleTextingClient._single

    def wrapped(body: bytes) -> bytes:
        found = json.loads(body)
        if field["mergeTag"] in (found.get("customFields") or {}) and found["contactId"] == contact["contactId"]:
            found["customFields"][field["mergeTag"]] = {"value": text}
        return json.dumps(found).encode()

    def page(self: SimpleTextingClient, *arguments: Any, **named: Any) -> Any:
        found = usual_page(self, *arguments, **named)
        return replace(found, rows=[wrapped(row) for row in found.rows])

    def single(self: SimpleTextingClient, key: str) -> Any:
        body = wrapped(usual(self, key)[0])
        return body, json.loads(body)

    with monkeypatch.context() as lying:
        lying.setattr(SimpleTextingClient, "list_contacts", page)
        lying.setattr(SimpleTextingClient, "_single", single)
        report = story.sync().of()
        assert (report["status"], report["planned"]["noted"].get("unreadable")) == ("partial", 1)
        assert story.texting.contact(BRAM, TEST)["customFields"] == contact["customFields"]
    story.synced()
    assert story.contact(BRAM)["City"] == "Elsewhere"
    assert story.texting.contact(BRAM, TEST)["customFields"][field["mergeTag"]] == text
    story.clean()
