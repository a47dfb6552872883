"""Accepted writes are recorded together: in their order, each once, and before anything is decided by the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from vs_st_pipeline.connectors.simpletexting import push
from vs_st_pipeline.connectors.simpletexting.batch import BatchOutcome
from vs_st_pipeline.connectors.simpletexting.client import BATCH, UPDATE, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.outcomes import TASK, OutcomeRecorder
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import connection, ledger
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts

SETTINGS = """\
merchants:
  - id: one
    vinoshipper: {api_key: env:KEY, api_secret: env:KEY}
    simpletexting: {api_token: env:KEY}
"""
ONE, OTHER = "c1", "c2"


class NoAnswers:
    """An account that is not asked anything here."""

    server_time = None


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    (tmp_path / "merchants.yaml").write_text(SETTINGS, encoding="utf-8")
    [merchant] = read_merchants(tmp_path / "merchants.yaml", {"KEY": "none"}).merchants
    made = Run(merchant, warehouse_at(tmp_path / "data"), lambda: datetime.now(UTC))
    with made.keeping():
        for contact_id in (ONE, OTHER):
            shows(made, contact_id, "")
        yield made


@pytest.fixture
def outcomes(run: Run) -> OutcomeRecorder:
    return OutcomeRecorder(run, cast(SimpleTextingClient, NoAnswers()), PushCounts())


def shows(run: Run, contact_id: str, city: str) -> None:
    """Let this run have read a contact with this city."""
    body = json.dumps({"contactId": contact_id, "contactPhone": "7075550101", "customFields": {"City": city}})
    with run.open() as db:
        db.execute("delete from raw.simpletexting_contacts where contact_id = ?", [contact_id])
        db.execute(
            """insert into raw.simpletexting_contacts by name
               select ? as contact_id, ? as body, md5(?) as body_hash, now()::timestamp as read_at, ? as read_run,
                      '7075550101' as phone, 'OPT_IN' as status""",
            [contact_id, body, body, run.run_id],
        )


def sending(outcomes: OutcomeRecorder, city: str, contact_id: str = ONE, call: str = UPDATE) -> OutboxEntry:
    change = Change("City", "City", "custom", "mirror", "", city)
    [sent] = outcomes.sending([(contact_id, "7075550101", [change])], call=call)
    return sent


def stored(run: Run, sql: str) -> list[tuple[Any, ...]]:
    with run.open() as db:
        return db.rows(sql)


def recorded(run: Run) -> dict[str, str]:
    """The ledger, after a look that it is what its history says."""
    with run.open() as db:
        found = ledger.read_accepted(db, [contact_ref(ONE), contact_ref(OTHER)])
        assert {(ref, name): entry for ref, of in found.items() for name, entry in of.items()} == ledger.replay(db)
    return {ref.id: of["City"].sent for ref, of in found.items()}


def test_a_contact_that_is_written_twice_in_one_push_has_the_later_value(run: Run, outcomes: OutcomeRecorder) -> None:
    for city in ("First", "Second"):
        outcomes.accept([sending(outcomes, city)])
    outcomes.flush()
    assert recorded(run) == {ONE: "Second"}


def test_two_writes_of_one_contact_that_crashes_left_open_are_settled_in_their_order(
    run: Run, outcomes: OutcomeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for city in ("First", "Second"):
        sent = sending(outcomes, city, call=BATCH)
        outcomes.acknowledged([sent], f"task of {city}")
    done = BatchOutcome(accepted=[ONE], done=True)
    monkeypatch.setattr(push, "collect", lambda *_, **__: done)
    settled = PushCounts()
    assert push.settle_outstanding(run, outcomes.st, settled) == {ONE}
    assert recorded(run) == {ONE: "Second"}
    assert stored(run, "select count(*) from synced.writes where outcome is null") == [(0,)]


def test_a_later_refusal_outlives_an_earlier_write_of_the_same_contact(run: Run, outcomes: OutcomeRecorder) -> None:
    outcomes.accept([sending(outcomes, "First")])
    outcomes.reject(sending(outcomes, "Second"), "X", 400)
    outcomes.flush()
    assert recorded(run) == {ONE: "First"}
    assert stored(run, "select id, code from synced.rejects") == [(ONE, "X")]


def test_a_later_refusal_outlives_an_earlier_write_that_a_crash_left_open(
    run: Run, outcomes: OutcomeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for city in ("First", "Second"):
        sent = sending(outcomes, city, call=BATCH)
        outcomes.acknowledged([sent], city)
    told = {"First": BatchOutcome(accepted=[ONE], done=True), "Second": BatchOutcome(rejected={ONE: "X"}, done=True)}
    monkeypatch.setattr(push, "collect", lambda _, task_id, *__, **___: told[task_id])
    push.settle_outstanding(run, outcomes.st, PushCounts())
    assert recorded(run) == {ONE: "First"}
    assert stored(run, "select id, code from synced.rejects") == [(ONE, "X")]


def test_what_is_proved_by_reading_is_recorded_before_the_contact_is_compared_again(
    run: Run, outcomes: OutcomeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a value that is stored in another form would be sent again by the parts of a batch that failed."""
    sent = sending(outcomes, "Occidental, CA", call=BATCH)
    monkeypatch.setattr(OutcomeRecorder, "_read_again", lambda *_, **__: set[str]())
    shows(run, ONE, "Occidental")
    outcomes.settle([sent], sends_again=True)
    assert recorded(run) == {ONE: "Occidental, CA"}


def test_a_stop_right_after_the_recording_records_nothing_twice(
    run: Run, outcomes: OutcomeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes.accept([sending(outcomes, "First")])

    def stopped(place: str) -> None:
        if place == "committed":
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(connection, "failpoint", stopped)
        with pytest.raises(KeyboardInterrupt):
            outcomes.flush()
    outcomes.flush()  # as a push does, however it ends
    assert recorded(run) == {ONE: "First"}
    assert stored(run, "select event from synced.history") == [("accepted",)]


def test_an_error_while_recording_leaves_all_of_it_to_the_next_run(
    run: Run, outcomes: OutcomeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for contact_id in (ONE, OTHER):
        outcomes.accept([sending(outcomes, "First", contact_id)])

    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as context:
        context.setattr("vs_st_pipeline.connectors.simpletexting.outcomes.forget_unreadable", fails)
        with pytest.raises(ZeroDivisionError):
            outcomes.flush()
    outcomes.flush()
    assert recorded(run) in ({}, {ONE: "First", OTHER: "First"})
    outcome = "accepted" if recorded(run) else None
    assert stored(run, "select distinct outcome from synced.writes") == [(outcome,)]
    assert TASK not in stored(run, "select evidence from synced.writes")[0][0]
