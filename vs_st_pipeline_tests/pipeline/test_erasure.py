"""A person is found through what each system declares, whatever the order, and in no file that lacks the system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.locks import file_lock
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, Lineage
from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.platform.warehouse.suppression import (
    CUSTOMER,
    PHONE,
    Identifiers,
    Suppressed,
    erase,
    known_names,
    read_suppressed,
    suppress,
)
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


# --- several systems in one file ----------------------------------------------------------------------------------

CELLAR = (  # two systems whose records have the same ids, and whose tables the same columns
    ("cellar", Stream("customers", "cellar customer", "raw.cellar_customers", "id")),
    ("cellar", Stream("orders", "cellar order", "raw.cellar_orders", "order_number", ("cellar slip",))),
    ("shop", Stream("customers", CUSTOMER, "raw.shop_customers", "customer_id")),
    ("shop", Stream("orders", "order", "raw.shop_orders", "order_number")),
)
CELLAR_SQL = """
    create table raw.cellar_customers (id varchar, body varchar);
    create table raw.cellar_orders (order_number varchar, customer_id varchar, body varchar);
    create table raw.cellar_later (order_number varchar, note varchar);
    create table raw.shop_customers (customer_id varchar, body varchar);
    create table raw.shop_orders (order_number varchar, customer_id varchar, body varchar);
    create table staged.later (customer_id varchar, said varchar);
    insert into raw.cellar_customers values ('1', 'his'), ('2', 'of another');
    insert into raw.cellar_orders values ('7', '1', 'his');
    insert into raw.cellar_later values ('7', 'his'), ('8', 'of another');
    insert into raw.shop_customers values ('1', 'hers'), ('2', 'of another');
    insert into raw.shop_orders values ('7', '1', 'hers'), ('9', '2', 'of another');
    insert into staged.later values ('1', 'hers'), ('2', 'of another');
"""


@pytest.fixture
def cellar(tmp_path: Path) -> Iterator[Db]:
    layout = Layout((SHARED, Lineage("cellar", ((1, CELLAR_SQL),))), streams=CELLAR)
    with Warehouse(tmp_path, {"contacts": layout}).open("a-winery") as db:
        for system in ("cellar", "shop"):
            db.execute(
                """insert into synced.links values ('texts', 'contacts', 'of ' || ?, ?, 'customers', '1', 'phone', null,
                                                    now()::timestamp)""",
                [system, system],
            )
        for kind in ("cellar order", "cellar slip", "order"):
            db.execute(
                """insert into raw.unreadable (kind, id, error, why, attempts, first_at, last_at, next_at)
                   select ?, '7', 'try_later', 'broken', 1, now(), now(), now()""",
                [kind],
            )
        yield db


def left(db: Db) -> dict[str, list[str]]:
    """Whose rows are left, by table."""
    found = {
        table: [row[0] for row in db.rows(f"select {column} from {table} order by 1")]
        for table, column in (
            ("raw.cellar_customers", "body"), ("raw.cellar_later", "note"), ("raw.shop_customers", "body"),
            ("raw.cellar_orders", "body"), ("raw.shop_orders", "body"), ("synced.links", "id"),
            ("staged.later", "said"), ("raw.unreadable", "kind"),
        )
    }  # fmt: skip
    return {table: rows for table, rows in found.items() if rows}


def test_records_of_another_system_with_the_same_ids_stay(cellar: Db) -> None:
    with cellar.transaction():
        erase(cellar, [("cellar customer", "1")], datetime(2026, 11, 1))
    assert left(cellar) == {
        "raw.cellar_customers": ["of another"],
        "raw.cellar_later": ["of another"],
        "raw.shop_customers": ["hers", "of another"],
        "raw.shop_orders": ["hers", "of another"],
        "synced.links": ["of shop"],
        "staged.later": ["of another"],  # it does not say whose customers these are: better one row too many
        "raw.unreadable": ["order"],
    }


def test_and_the_other_way_round_by_the_names_of_columns_too(cellar: Db) -> None:
    with cellar.transaction():
        erase(cellar, [(CUSTOMER, "1")], datetime(2026, 11, 1))
    assert left(cellar) == {
        "raw.cellar_customers": ["his", "of another"],
        "raw.cellar_later": ["his", "of another"],
        "raw.cellar_orders": ["his"],
        "raw.shop_customers": ["of another"],
        "raw.shop_orders": ["of another"],
        "synced.links": ["of cellar"],
        "staged.later": ["of another"],
        "raw.unreadable": ["cellar order", "cellar slip"],
    }


def test_who_is_known_by_hash_is_found_by_system_in_every_table(cellar: Db) -> None:
    with cellar.transaction():
        suppress(cellar, [("cellar customer", "1"), ("vault members", "m1")], datetime(2026, 11, 1))
        cellar.execute(
            """insert into synced.links values ('vault', 'members', 'm1', 'shop', 'customers', '2', 'phone', null,
                                                now()::timestamp)"""
        )
    found = known_names(cellar, read_suppressed(cellar))
    assert found == [("cellar customer", "1"), ("vault members", "m1")], "and nobody's of another system with that id"
    with cellar.transaction():
        erase(cellar, found, datetime(2026, 11, 1))
    assert left(cellar)["synced.links"] == ["of shop"]


def test_no_two_kinds_of_record_are_kept_out_under_one_word() -> None:
    words = [word for one in CONNECTORS for stream in one.streams for word in (stream.kind, *stream.parts)]
    assert len({*words, "phone", "email"}) == len(words) + 2
    assert not [word for word in words if "'" in word or ";" in word or "," in word]


def test_two_routes_do_not_write_the_copy_at_once(story: Story) -> None:
    """Both would write one draft: it would be damaged, and every sync refused until a person removes it."""
    erasure.forget(story.as_run(), PHONE_NUMBER, SYSTEMS)
    run = replace(story.as_run(), warehouse=warehouse_at(story.data, wait_seconds=0.1))
    folder = run.warehouse.folder(run.merchant.id)
    (folder / "forgotten.json").unlink()  # as after a loss: it is to be written again
    with file_lock(folder / "forgotten.lock"), pytest.raises(TryLater, match="forgetting somebody"):
        erasure.begin(run, SYSTEMS)
    assert not (folder / "forgotten.json").exists()
    erasure.begin(run, SYSTEMS)
    assert (folder / "forgotten.json").exists()
