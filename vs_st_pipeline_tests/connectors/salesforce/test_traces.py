"""A forgotten person is found among the contacts (consumers.md 10.5), and bodies that nothing needs are reduced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from vs_st_pipeline.connectors.salesforce import CONNECTOR
from vs_st_pipeline.connectors.salesforce.streams import CONTACTS
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, Identifiers, read_suppressed, suppress
from vs_st_pipeline_tests.contracts.files import warehouse_of
from vs_st_pipeline_tests.contracts.members import file_of

NOW = datetime(2026, 3, 1, 12)
ANN, BEA, KIND = "003Gs0000000001AAA", "003Gs0000000002AAA", CONTACTS.kind


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    with warehouse_of(tmp_path, file_of(CONNECTOR)).open("one") as db:
        for id, email in ((ANN, "ann@example.com"), (BEA, "bea@example.com")):
            body = f'{{"Email": "{email}"}}'
            db.execute(
                f"insert into {CONTACTS.table} values ('salesforce', 'contacts', ?, ?, ?, ?, 'run')",
                [id, email, body, NOW],
            )
        yield db


def test_c10_5_contacts_are_found_by_address_and_by_id(db: Db) -> None:
    by_address, by_id = Identifiers(emails={"ann@example.com"}), Identifiers()
    by_id.of(KIND).add(BEA)
    for given, wanted in ((by_address, (ANN, "ann@example.com")), (by_id, (BEA, "bea@example.com"))):
        found = Identifiers()
        CONNECTOR.find_named(db, given, found)
        assert found.names() == [(EMAIL, wanted[1]), (KIND, wanted[0])]
    CONNECTOR.find_person(db, by_address)
    assert by_address.names() == [(EMAIL, "ann@example.com"), (KIND, ANN)]


def test_c10_5_a_contact_with_a_forgotten_address_is_named(db: Db) -> None:
    with db.transaction():
        suppress(db, [(EMAIL, "bea@example.com")], NOW)
    assert list(CONNECTOR.find_suppressed(db, read_suppressed(db))) == [(KIND, BEA)]


def test_bodies_read_before_a_moment_are_reduced(db: Db) -> None:
    CONNECTOR.prune(db, NOW)
    assert db.rows(f"select count(*) from {CONTACTS.table} where body = '{{}}'") == [(0,)]
    CONNECTOR.prune(db, NOW.replace(hour=13))
    assert db.rows(f"select id, email_key, body from {CONTACTS.table} order by id") == [
        (ANN, "ann@example.com", "{}"),
        (BEA, "bea@example.com", "{}"),
    ]
