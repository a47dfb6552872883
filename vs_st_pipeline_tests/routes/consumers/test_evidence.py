"""What is kept of evidence, lost, put back and forgotten: consumers.md 7.9, 10.5, routes.md R35, R67."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.emails import person_key
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, read_suppressed, suppress
from vs_st_pipeline.routes.consumers import evidence
from vs_st_pipeline_tests.routes.consumers.fake_crm import FakeCrm
from vs_st_pipeline_tests.routes.consumers.office import JANE, JOHN, Office, two_people


@pytest.fixture
def office(tmp_path: Path) -> Office:
    found = Office(tmp_path, FakeCrm(tmp_path / "crm.json"))
    found.due(*two_people())
    found.sync()
    return found


def test_c10_5_of_a_forgotten_person_ids_times_targets_and_a_salted_hash_stay(office: Office) -> None:
    run = office.run()
    with run.open() as db, db.transaction():
        suppress(db, [(EMAIL, JANE)], run.now())
        assert evidence.take_out(db, read_suppressed(db)) == 2
    with run.open() as db:
        forgotten = read_suppressed(db)
        evidence.rewrite_file(run, forgotten)
    rows = office.rows("select email, key, order_id, target, sent_at is not null from synced.consent_evidence")
    theirs = [row for row in rows if row[0] is None]
    assert len(theirs) == 2
    assert all(row[1] != person_key(JANE) and row[2] and row[3] and row[4] for row in theirs)
    text = json.dumps(office.lines())
    assert JANE not in text
    assert person_key(JANE) not in text
    assert JOHN in text
    before = office.rows("select count(*) from synced.consent_evidence")
    assert evidence.recover(office.run()) == 0
    assert office.rows("select count(*) from synced.consent_evidence") == before
    with run.open() as db, db.transaction():
        assert evidence.take_out(db, forgotten) == 0


def test_r67_evidence_is_kept_for_seven_years(office: Office) -> None:
    office.now += timedelta(days=7 * 365)
    evidence.prune(office.run())
    assert len(office.lines()) > 3
    office.now += timedelta(days=8)
    evidence.prune(office.run())
    assert office.rows("from synced.consent_evidence") == []
    assert all(line["what"] != "evidence" for line in office.lines())


def test_c7_9_the_rows_of_one_address_are_shown_with_their_times_in_utc(office: Office) -> None:
    with office.run().open() as db:
        [used, other] = evidence.of_person(db, JANE)
    assert (used["action"], used["outcome"], used["state_before"]) == ("subscribe", "accepted", "never")
    assert (other["action"], other["outcome"]) == ("already", "accepted")
    assert used["sent_at"] == "2026-06-01T12:00:00Z"
    assert used["lists"] == ["42"]
    assert {"consent_id", "data_handler", "text_version", "body_sha256", "event_ids", "earliest_at"} <= used.keys()


def test_r35_damaged_and_foreign_lines_say_nothing(office: Office) -> None:
    path = office.folder / "data" / "merchants" / "one" / "consumers.evidence.jsonl"
    with path.open("a") as file:
        for line in ({"what": "evidence", "evidence_id": "x"}, {"what": "outcome", "evidence_id": 3}, [1]):
            file.write(json.dumps(line) + "\n")
    before = office.rows("from synced.consent_evidence")
    assert evidence.recover(office.run()) == 0
    assert office.rows("from synced.consent_evidence") == before
