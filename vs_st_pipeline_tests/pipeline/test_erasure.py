"""A person is found through what each system declares, whatever the order, and in no file that lacks the system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.platform.warehouse.suppression import CUSTOMER, PHONE, Identifiers, Suppressed
from vs_st_pipeline.routes.contacts.systems import SYSTEMS
from vs_st_pipeline_tests.support.story import Story

PHONE_NUMBER = "4155550123"
PEOPLE = Stream("people", CUSTOMER, "raw.toy_people", "customer_id")
VISITS = Stream("visits", "visit", "raw.toy_visits", "customer_id")


def by_phone(db: Db, names: Identifiers) -> None:
    for customer_id, phone in db.rows("select customer_id, phone from raw.toy_people"):
        if phone in names.phones:
            names.customers.add(customer_id)


def by_customer(db: Db, names: Identifiers) -> None:
    rows = db.rows("select customer_id, email from raw.toy_visits")
    names.emails.update(email for customer_id, email in rows if customer_id in names.customers)


def forgotten_phones(db: Db, suppressed: Suppressed) -> Iterable[tuple[str, str]]:
    rows = db.rows("select customer_id, phone from raw.toy_people")
    return [(CUSTOMER, customer_id) for customer_id, phone in rows if suppressed.knows(PHONE, phone)]


def toy(name: str, stream: Stream) -> Connector:  # type: ignore[type-arg]
    return replace(SYSTEMS[0], name=name, streams=(stream,), find_person=lambda _db, _names: None)


VISITED = replace(toy("visits", VISITS), find_person=by_customer)
KNOWN = replace(toy("people", PEOPLE), find_person=by_phone, find_suppressed=forgotten_phones)


def tables(story: Story) -> None:
    with story.as_run().open() as db:
        db.execute("create table raw.toy_people (customer_id varchar, phone varchar)")
        db.execute("create table raw.toy_visits (customer_id varchar, email varchar)")
        db.execute("insert into raw.toy_people values ('c1', ?), ('c2', '4155550199')", [PHONE_NUMBER])
        db.execute("insert into raw.toy_visits values ('c1', 'a@example.com'), ('c2', 'b@example.com')")


def test_one_systems_records_lead_to_anothers_in_any_order(story: Story) -> None:
    tables(story)
    for systems in ((VISITED, KNOWN, *SYSTEMS), (*SYSTEMS, KNOWN, VISITED)):
        traces = erasure.find(story.as_run(), PHONE_NUMBER, systems).traces
        assert (traces.customers, traces.emails) == ({"c1"}, {"a@example.com"})


def test_a_table_that_only_a_connector_knows_is_erased_and_nobody_else_in_it(story: Story) -> None:
    tables(story)
    erasure.forget(story.as_run(), PHONE_NUMBER, (VISITED, KNOWN, *SYSTEMS))
    with story.as_run().open() as db:
        assert db.rows("select customer_id from raw.toy_people") == [("c2",)]
        assert db.rows("select customer_id from raw.toy_visits") == [("c2",)]


def test_a_system_whose_tables_a_file_lacks_is_not_asked(story: Story) -> None:
    def never(*_: object) -> None:
        raise AssertionError("asked")

    absent = replace(toy("absent", replace(PEOPLE, table="raw.absent")), find_person=never)
    assert erasure.find(story.as_run(), PHONE_NUMBER, (absent, *SYSTEMS)).as_json()["customers"] == 0


def test_an_older_file_that_was_put_back_is_cleared_of_whom_it_names_by_phone_alone(story: Story) -> None:
    erasure.forget(story.as_run(), PHONE_NUMBER, SYSTEMS)
    tables(story)
    with story.as_run().open() as db:
        db.execute("delete from raw.forgotten")  # as the older file was
    erasure.begin(story.as_run(), (KNOWN, *SYSTEMS))
    with story.as_run().open() as db:
        assert db.rows("select customer_id from raw.toy_people") == [("c2",)]
        assert db.value("select count(*) from raw.forgotten") >= 2, "whoever is found so is known by the id from now on"
