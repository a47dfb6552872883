"""A person is found among the contacts that were read, and their bodies are reduced."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from vs_st_pipeline.connectors.hubspot import CONNECTOR
from vs_st_pipeline.connectors.hubspot.streams import CONTACTS
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, Identifiers, read_suppressed, suppress
from vs_st_pipeline_tests.contracts.files import warehouse_of
from vs_st_pipeline_tests.contracts.members import file_of

NOW = datetime(2026, 3, 1, 12)


def test_c10_5_a_person_is_found_by_address_and_by_contact(tmp_path: Path) -> None:
    with warehouse_of(tmp_path, file_of(CONNECTOR)).open("one") as db, db.transaction():
        rows = [("1", "ada@example.com", datetime(2026, 1, 1)), ("2", "straße@example.com", NOW)]
        for id_, email, at in rows:
            body = '{"id": "' + id_ + '", "properties": {"firstname": "Ada"}}'
            db.execute(
                f"insert into {CONTACTS.table} values ('hubspot', 'contacts', ?, ?, ?, ?, 'r')", [id_, email, body, at]
            )
        found = Identifiers()
        CONNECTOR.find_named(db, Identifiers(emails={"ada@example.com"}), found)
        assert (found.records, found.emails) == ({CONTACTS.kind: {"1"}}, {"ada@example.com"})
        names = Identifiers(records={CONTACTS.kind: {"2"}})
        CONNECTOR.find_person(db, names)
        assert names.emails == {"strasse@example.com"}
        suppress(db, [(EMAIL, "strasse@example.com")], NOW)
        assert list(CONNECTOR.find_suppressed(db, read_suppressed(db))) == [(CONTACTS.kind, "2")]
        CONNECTOR.prune(db, datetime(2026, 2, 1))
        assert db.rows(f"select body from {CONTACTS.table} order by id") == [
            ('{"id":"1"}',), ('{"id": "2", "properties": {"firstname": "Ada"}}',),
        ]  # fmt: skip
