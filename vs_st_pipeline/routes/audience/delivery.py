"""Delivers events one by one, in order, and moves the ledger with each answer (audience.md 6.3, 6.4, 7).

Data flow: synced.audience_outbox -> WayMore -> synced.audience_told, synced.base_*.

Each event costs one commit: what came of the one before, and that the next one is about to leave.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from vs_st_pipeline.connectors.waymore.answers import Answer, Outcome
from vs_st_pipeline.domain.errors import PipelineError, TryLater
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import calls, events, evidence, late, outbox, registering
from vs_st_pipeline.routes.audience.gates import Drop, Gates, Go, GoesLate, Wait
from vs_st_pipeline.routes.audience.outbox import Row
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.systems import DESTINATION
from vs_st_pipeline.routes.audience.words import Event, Noted

IN_A_ROW: Final = 3  # entities without an outcome, one after the other
DEAD_AFTER: Final = timedelta(days=30)
HOLD: Final = "hold"
_CALL: Final = "event"

Settle = Callable[[Db], None]


def unsubscribe(session: AudienceSession) -> None:
    """Send each Newsletter false that is due; raises as `send` does."""
    _Delivery(session, unsubscribes=True).run()


def send(session: AudienceSession) -> None:
    """Send every event that is due, in order; an entity's trouble holds up no other entity (7.5).

    Raises:
        PipelineError: `try_later`, `auth`, `bad_answer`: the run stops here, and nothing is lost.
    """
    _Delivery(session, unsubscribes=False).run()


@dataclass(slots=True)
class _Delivery:
    """One run's delivery.

    Attributes:
        settle: what the last answer says, to be stored with what comes next.
        in_a_row: entities without an outcome, one after the other.
    """

    session: AudienceSession
    unsubscribes: bool
    settle: Settle | None = None
    in_a_row: int = 0
    settled: int = 0
    url: str = ""
    uuid: str = ""

    def run(self) -> None:
        """Send what is due, in order."""
        session = self.session
        with session.run.open() as db:
            outbox.take_over(db)
            rows = outbox.read(db, unsubscribes=self.unsubscribes)
            if not rows:
                return
            calls.ask_gate(session, db)
            gates = Gates.look(session, db, rows)
        self.url, self.uuid = registering.endpoint(session, _CALL), registering.uuid_of(session)
        try:
            for row in rows:
                self._one(row, gates)
        finally:
            self._end()

    def _one(self, row: Row, gates: Gates) -> None:
        session, run = self.session, self.session.run
        gate = gates.of(row)
        if isinstance(gate, Wait) or row.key in session.tried:
            gates.blocked.add(row.entity)
            return
        if run.stop():
            raise TryLater("stopped by hand; the next sync goes on where this one was", system=DESTINATION)
        with run.open() as db, db.transaction(), self._settled(db):
            if isinstance(gate, GoesLate):
                late.add(db, gate.block, [gate.id], run.now())
                outbox.settle(db, row, outbox.LATE, run.now(), run.run_id)
                gates.blocked.add(row.entity)
                self._keep_maybe(db, row)
                return
            if isinstance(gate, Drop):
                session.told.noted[Noted.LATE] += gate.is_late
                outbox.settle(db, row, gate.state, run.now(), run.run_id)
                self._keep_maybe(db, row)
                return
            assert isinstance(gate, Go)
            if gate.data is not None:
                outbox.change_data(db, row.key, gate.data)
            data = gate.data if gate.data is not None else outbox.data(db, row.key)
            outbox.ask(db, row, run.now())
        session.tried.add(row.key)
        if row.event is Event.NEWSLETTER:
            evidence.write_newsletter(run, row.id, row.key, subscribed=not row.unsubscribes, evidence=row.evidence)
        self._send(row, data, gates)

    def _keep_maybe(self, db: Db, row: Row) -> None:
        """See that a Newsletter false goes to whom a true may have reached that goes no more, and to nobody else."""
        if row.event is not Event.NEWSLETTER or row.unsubscribes:
            return
        if row.may_have_arrived:
            db.execute("update synced.base_subscribers set maybe = true where address = ?", [row.id])
        else:
            db.execute(
                "delete from synced.base_subscribers where address = ? and told = 'outbox' and not maybe", [row.id]
            )

    def _send(self, row: Row, data: str, gates: Gates) -> None:
        session = self.session
        body = events.body(row.event, data.encode(), self.uuid)

        def call() -> Answer:
            return session.waymore.event(self.url, body, row.key)

        resend = session.settings.on_unknown != HOLD
        sent = calls.send(session, call, resend=resend, maybe=row.may_be_out)
        session.told.noted[Noted.MAYBE_TWICE] += bool(sent.again)
        if sent.outcome is Outcome.ACCEPTED:
            session.told.accepted += 1
            self.in_a_row = 0
            self.settle = lambda db: self._accepted(db, row, sent)
            calls.note_accepted(session)
            return
        with session.run.open() as db, db.transaction():
            stop = self._not_accepted(db, row, sent)
        gates.blocked.add(row.entity)
        if stop is not None:
            raise stop

    def _accepted(self, db: Db, row: Row, sent: calls.Sent) -> None:
        run = self.session.run
        outbox.settle(
            db, row, outbox.ACCEPTED, run.now(), run.run_id, tries=sent.tries, http_status=sent.answer.http_status
        )
        calls.remember(self.session, db, sent, _CALL)
        self.settled += 1

    def _not_accepted(self, db: Db, row: Row, sent: calls.Sent) -> PipelineError | None:
        """Store what became of an event that was not accepted; return the error with which the run stops, if any."""
        session, now = self.session, self.session.run.now()
        calls.remember(session, db, sent, _CALL)
        status = sent.answer.http_status
        if sent.outcome is Outcome.NOT_SENT:
            state = outbox.UNKNOWN if row.may_be_out else row.state
            outbox.move(db, row, state, tries=sent.tries, http_status=status, next_at=row.next_at)
            outbox.release(db, row)
            return calls.error_of(sent)
        if sent.outcome is Outcome.UNKNOWN:
            session.told.unknown += 1
            outbox.move(db, row, outbox.UNKNOWN, tries=sent.tries, http_status=status)
            self.in_a_row += 1
            if sent.answer.stop is not None:
                return sent.answer.stop
            return calls.error_of(sent) if self.in_a_row >= IN_A_ROW else None
        self.in_a_row = 0
        session.told.rejected += 1
        gap = calls.gap_after(row.refusals + 1)
        dead = row.first_refused_at is not None and now - row.first_refused_at >= DEAD_AFTER
        outbox.move(
            db, row, outbox.DEAD if dead else outbox.REJECTED, tries=sent.tries, http_status=status,
            next_at=now + gap if gap else None, refused_at=now,
        )  # fmt: skip
        return sent.answer.stop

    @contextlib.contextmanager
    def _settled(self, db: Db) -> Iterator[None]:
        """Store the last answer; where the transaction comes to nothing it is stored by the next one."""
        settle, self.settle = self.settle, None
        try:
            if settle is not None:
                settle(db)
            yield
        except BaseException:
            self.settle = settle
            raise

    def _end(self) -> None:
        session = self.session
        with session.run.open() as db, db.transaction(), self._settled(db):
            if self.settled:
                outbox.note_told(db, session.run.run_id)
