"""Writes what a plan says, if the brake lets it pass, and remembers what was accepted: for state routes.

Data flow: planned.* -> the destination, which yields outcomes -> synced.*

What a crash left open is settled before anything is written (`settle`). A destination that yields outcomes is pushed
by `push`; one that has to record while it reads and sends, because what it learns of one record decides about the next
(an answer may name another record than the one we know), writes by itself inside of `deliver`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec.structs import replace

from vs_st_pipeline.domain.brake import ALL, Verdict
from vs_st_pipeline.domain.brake import refusal as refusal_of
from vs_st_pipeline.domain.diff import compare
from vs_st_pipeline.domain.errors import Internal, Unsafe
from vs_st_pipeline.domain.plan import Change, Wanted
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline.targets import Plan
from vs_st_pipeline.pipeline.verdicts import is_refused
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger, outbox, outcomes, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry, Proof
from vs_st_pipeline.platform.warehouse.outcomes import Outbox, Outcome, PushCounts, ReadValue


class Destination(Protocol):
    """Where a state route writes."""

    def proofs(self, db: Db, run_id: str, refs: Sequence[Ref]) -> Mapping[Ref, Proof]:
        """Return what this run has read of these records itself, from what is stored."""

    def push(self, run: Run, refs: Sequence[Ref], outbox: Outbox) -> Iterator[Outcome]:
        """Write these records, in whatever requests it likes; what is yielded is recorded before it goes on."""

    def settle(self, run: Run, sent: Sequence[OutboxEntry]) -> Iterator[Outcome]:
        """Say what became of what an earlier run sent, by reading."""


def settle(run: Run, destination: Destination, counts: PushCounts) -> None:
    """Settle what an earlier run left without an outcome: by reading, never by sending it again."""
    with run.open() as db:
        sent = [entry for entries in outbox.read_open(db).values() for entry in entries]
    if sent:
        _record_each(run, destination.settle(run, sent), counts)


def push(run: Run, destination: Destination, counts: PushCounts) -> None:
    """Write what is planned, and record outcome by outcome.

    Args:
        counts: counted up outcome by outcome, so that a run that fails midway still reports what it did.

    Raises:
        Unsafe: the plan was refused by the brake and this run does not allow it.
        PipelineError: the destination as a whole cannot be written now; what was accepted is remembered.
    """
    deliver(run, lambda refs: _record_each(run, destination.push(run, refs, _Outbox(run, destination)), counts))


def deliver(run: Run, write: Callable[[Sequence[Ref]], None]) -> None:
    """Have the planned targets written if the brake lets the plan pass; then remember what the plan had learned.

    Args:
        write: writes these targets and records each outcome; an error in it ends the push.

    Raises:
        Unsafe: the plan was refused by the brake and this run does not allow it.
    """
    with run.open() as db:
        refused = refusal(run, db)
        refs = [Ref(*row) for row in db.rows(f"select distinct {KEY} from planned.changes order by all")]
    if refused:
        raise Unsafe(refused)
    with run.open() as db, db.transaction():
        _note_run(run, db)
        if run.allow_unsafe:
            ledger.forget_all_losses(db)
    write(refs)
    with run.open() as db, db.transaction():
        retries.forget_suspects(db)
        retries.forget_settled_rejects(db)
        ledger.record_observed(db, at=run.now(), run_id=run.run_id)
        db.execute("delete from planned.learned")  # the plan of its targets may stand for long
        ledger.record_links(db, at=run.now())
        ledger.record_baseline(db, at=run.now())
        ledger.record_settled(db)


def deliver_some(run: Run, plan: Plan, refs: Sequence[Ref], write: Callable[[Sequence[Ref]], None]) -> None:
    """Do the same for targets that were planned by themselves (`planning.plan_some`); all others stay as they are.

    What they would lose is stored before anything is written, because it counts for a day (`safety.COUNTED_FOR`).

    Args:
        plan: of these targets. refs: those of them that may be written.

    Raises:
        Unsafe: with what targeted syncs took of late it is too much.
    """
    with run.open() as db, db.batch(key_columns(refs)) as these:
        wanted = db.rows(f"select distinct {KEY} from planned.changes semi join {these} using ({KEY}) order by all")
    changing, losing = [Ref(*row) for row in wanted], plan.losing.intersection(refs)
    if (refused := plan.unsafe) and (changing or losing):
        raise Unsafe(refused)
    with run.open() as db, db.transaction():
        _note_run(run, db)
        if losing:
            ledger.record_losses(db, losing, at=run.now(), run_id=run.run_id)
    write(changing)
    with run.open() as db, db.transaction(), db.batch(key_columns(refs)) as these:
        retries.forget_settled_rejects(db, among=these)
        ledger.record_observed(db, at=run.now(), run_id=run.run_id, among=these)
        db.execute(f"delete from planned.learned where ({KEY}) in (select ({KEY}) from {these})")
        ledger.record_links(db, at=run.now(), among=these)
        ledger.record_settled(db, among=these)
        if losing:
            ledger.forget_losses(db, losing.intersection(changing), run_id=run.run_id)


def _note_run(run: Run, db: Db) -> None:
    if db.row("select 1 from planned.changes limit 1") or db.row("select 1 from planned.learned limit 1"):
        ledger.record_run(db, run.run_id, run.trigger)


def standing_refusal(db: Db) -> str | None:
    """Return why the stored whole plan is refused, by the last sync or as it was made; None where it is not."""
    kept = [Verdict(*row) for row in db.rows("select part, rule, loss, sentence from synced.verdicts order by all")]
    if kept:
        return refusal_of(kept)
    sentence: str | None = db.value(
        "select unsafe from planned.plan where run_id not in (select run_id from synced.allowed)"
    )
    return sentence


def refusal(run: Run, db: Db) -> str | None:
    """Return why the plan is refused; None where it is safe, or a person lets pass what the last sync was refused for.

    A run that is no dry run remembers what was refused, or who let it pass, before anything is written.
    """
    plan = db.row("select unsafe from planned.plan")
    found = [Verdict(*row) for row in db.rows("select part, rule, loss, sentence from planned.verdicts order by all")]
    if plan is None:
        raise Internal("there is no plan to push; make one first (`vs-st sync` does both)")
    sentence: str | None = plan[0]
    if sentence and not found:  # a plan of a version that did not keep them
        found = [Verdict(ALL, "plan", 1, sentence)]
    if not is_refused(run, db, found, sentence):
        return None
    return f"{sentence}{MORE_THAN_ALLOWED}" if run.allow_unsafe else sentence


MORE_THAN_ALLOWED = " (it lets pass what the last sync was refused for, and this is something else or more)"


def _record_each(run: Run, found: Iterable[Outcome], counts: PushCounts) -> None:
    for outcome in found:
        with run.open() as db, db.transaction():
            outcomes.record(db, outcome, counts, at=run.now())


@dataclass(frozen=True, slots=True)
class _Outbox:
    """The outbox as one push of one destination uses it."""

    run: Run
    destination: Destination

    def still_wanted(self, ref: Ref, live: ReadValue) -> list[Change]:
        """Return what a record lacks by the plan, as it stands now; with the reasons that the plan gave."""
        with self.run.open() as db:
            text = db.value("select wanted from planned.targets where system = ? and object = ? and id = ?", ref)
            accepted = ledger.read_accepted(db, [ref]).get(ref, {})
            why = {
                row[0]: row[1:]
                for row in db.rows(
                    """select field, coalesce(rule, ''), coalesce(sources, '') from planned.changes
                       where system = ? and object = ? and id = ?""",
                    ref,
                )
            }
        changes = compare([Wanted(*row) for row in json.loads(text or "[]")], live, accepted).changes
        return [
            replace(change, rule=why[change.field][0], sources=why[change.field][1]) if change.field in why else change
            for change in changes
        ]

    def store(
        self, items: Sequence[tuple[Ref, Sequence[Change]]], *, call: str, evidence: Mapping[str, Any] | None = None
    ) -> list[OutboxEntry]:
        """Store what is about to be sent in one request.

        Raises:
            Internal: this run has not read a record among them as writable; nothing is stored.
        """
        run, send_id = self.run, uuid.uuid4().hex
        sent = [
            OutboxEntry(send_id, ref, run.run_id, call, None, tuple(changes), evidence or {}) for ref, changes in items
        ]
        with run.open() as db, db.transaction():
            outbox.enqueue(db, sent, self.destination.proofs(db, run.run_id, [ref for ref, _ in items]), at=run.now())
        return sent

    def acknowledged(self, sent: Sequence[OutboxEntry], evidence: Mapping[str, Any]) -> None:
        """Record what a request was acknowledged with, so that its outcome can be asked for even if this run dies."""
        with self.run.open() as db:
            outbox.record_acknowledged(db, sent[0].send_id, evidence)
