"""Syncs what a few hints name: a whole sync's own stages, restricted to these records (webhooks-onboarding.md H20).

    raw      what the hinted records say         HintedReads: orders, their customers, contacts
    staged   one row per customer, order         stages.stage, stages.read_receipts
    planned  what must change in their contacts  planning.make_plan_of
    synced   what was accepted                   push.settle_outstanding, delivery.deliver_some

It differs from a whole sync in what it reads and whom it plans. It walks no list, moves no watermark, baseline,
rotation or interval, and leaves the stored plan of everybody else as it stands (H21, H22). Written is only who was read
singly by this very sync, after the hints were claimed, and found opted in.

An order, customer or contact whose news were stored stays in `raw.hints` until all is done that the hint asks for. So
one that dies, or fails midway, does not find "unchanged" the next time; and a whole sync reads it first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from vs_st_pipeline.connectors.simpletexting import push
from vs_st_pipeline.connectors.simpletexting.client import BATCH
from vs_st_pipeline.connectors.simpletexting.consent import OPT_IN
from vs_st_pipeline.connectors.simpletexting.contacts import SINCE
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.opt_outs import OptOuts
from vs_st_pipeline.connectors.simpletexting.refs import contact_columns, contact_ref
from vs_st_pipeline.connectors.vinoshipper.customers import LIST
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.errors import TryLater, Unsafe
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, MEMBERSHIP, ORDER, WHOLE, Outcome
from vs_st_pipeline.domain.plan import NOT_READ_YET, UNREADABLE
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline import delivery, erasure
from vs_st_pipeline.pipeline.hinted import MOST_RECORDS, HintDesk, Hinted
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.pipeline.targets import Plan
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import outbox
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY
from vs_st_pipeline.platform.warehouse.outbox import count_waiting
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts
from vs_st_pipeline.platform.warehouse.state import get_state
from vs_st_pipeline.platform.warehouse.unreadable import unreadable_ids
from vs_st_pipeline.routes.contacts import map_file, planning, stages, sync
from vs_st_pipeline.routes.contacts.demand import receipts_in_demand, wants_receipts
from vs_st_pipeline.routes.contacts.handed_over import hand_over
from vs_st_pipeline.routes.contacts.hinted_reads import HintedReads, HintedRecord, hinted_records
from vs_st_pipeline.routes.contacts.identity import customers_to_read
from vs_st_pipeline.routes.contacts.session import ContactsSession, open_session
from vs_st_pipeline.routes.contacts.stage_names import CUSTOMERS, ORDERS, PLANNED, STAGED, STAGES, SYNCED
from vs_st_pipeline.routes.contacts.systems import NAME, SYSTEMS

WANTS: Final = {
    VINOSHIPPER: frozenset({ORDER, CUSTOMER, MEMBERSHIP, WHOLE}),
    SIMPLETEXTING: frozenset({CONTACT, WHOLE}),
}


def run_hinted(run: Run, desk: HintDesk) -> Report:
    """Sync what is hinted at; never raises, what went wrong is in the report.

    Before the merchant's first good whole sync nothing is claimed: the hints wait for it (H21).
    """
    if NAME not in run.merchant.routes:
        return sync.off(run)
    run = replace(run, trigger="hint", inbox=run.inbox or desk.inbox)
    with open_session(run, STAGES) as session, run.sync_lock():
        opted_out = any(one.opted_out for one in desk.records)
        session.urgency = Urgency.WRITE if opted_out else Urgency.HINT  # R49
        field_map = map_file.load_field_map(run.merchant)
        if _was_synced(run):
            erasure.begin(run, SYSTEMS)
            try:
                _Targeted(session, desk, field_map).sync(hinted_records(desk.claim(run)))
                erasure.finish(run)
            finally:
                desk.finish(session.report)
    return session.report


def _was_synced(run: Run) -> bool:
    """Say whether a whole sync went well, and left what this one builds on in the file that is there now."""
    if read_status(run.warehouse.data_dir, run.merchant.id, run.route).last_good_sync_at is None:
        return False
    with run.open() as db:
        return get_state(db, SINCE) is not None and get_state(db, LIST) is not None


def _read(_: ContactsSession, reads: HintedReads, record: HintedRecord) -> None:
    reads.read(record)


class _Targeted:
    """One targeted sync under way."""

    def __init__(self, session: ContactsSession, desk: HintDesk, field_map: FieldMap) -> None:
        self._session, self._desk, self._map = session, desk, field_map
        self._run = session.run
        self._reads = HintedReads(session, desk)
        self._pushed = PushCounts()

    def sync(self, records: Sequence[HintedRecord]) -> None:
        session, reads = self._session, self._reads
        with self._run.open() as db:
            if refused := delivery.standing_refusal(db):
                raise Unsafe(refused)
            for record in records:
                reads.settle_without_asking(db, record)
        self._settle(records)
        asking = [record for record in records if record.outcome is None]
        asking.sort(key=lambda record: record.failed_before)  # one that fails anew keeps nobody waiting
        for record in asking[MOST_RECORDS:]:
            record.waits = 0.0
        asking = asking[:MOST_RECORDS]
        try:
            for record in asking:
                session.do(ORDERS if record.kind == ORDER else CUSTOMERS, _read, reads, record)
                self._settle([record])
            self._bring_right([record for record in asking if record.is_open])
        finally:
            self._settle(records)
        reads.judge(asking)  # the report fails where nothing could be read
        session.report.noted[UNREADABLE] += sum(record.error is not None for record in asking)

    def _settle(self, records: Sequence[HintedRecord]) -> None:
        """Tell the desk what became of records, as far as it was not told."""
        new = [record for record in records if not record.settled and not record.is_open]
        self._unmark(new)
        for record in new:
            if record.outcome is not None:
                self._desk.settle(record.hints, record.outcome)
            elif record.waits is not None:
                self._desk.leave(record.hints, record.waits)
            elif record.error is not None:
                self._desk.fail(record.hints, record.error.kind)
            record.settled = True

    def _unmark(self, records: Iterable[HintedRecord]) -> None:
        """Take what is done out of the queue; what is handed over, or failed, stays at its head."""
        done = [
            mark
            for record in records
            if record.outcome not in (None, Outcome.HANDED_OVER)
            for mark in record.take_marks()
        ]
        if done:
            with self._run.open() as db, db.transaction():
                for kind, record_id in done:
                    db.execute("delete from raw.hints where kind = ? and id = ?", [kind, record_id])

    # --- from what was read to what is written ------------------------------------------------------------------------

    def _bring_right(self, records: Sequence[HintedRecord]) -> None:
        """Bring the contacts of these records to what the rules want, and say what became of each record."""
        self._leave_batches(records)
        if not any(record.contacts for record in records if record.is_open):
            return
        session = self._session
        session.do(STAGED, stages.stage)
        session.do(ORDERS, self._read_receipts, records)
        session.do(STAGED, self._read_contacts, records)
        read = sorted({one for record in records if record.is_open for one in record.contacts})
        plan = session.do(PLANNED, self._plan, read) or Plan()
        earlier = self._open_writes(read)
        try:
            session.do(SYNCED, self._push, plan, read, self._writable(records))
        except BaseException:
            self._say(records, earlier, broke=True)
            raise
        self._say(records, earlier)

    def _leave_batches(self, records: Sequence[HintedRecord]) -> None:
        """Hand over whose contacts an earlier sync has sent by a batch without an outcome: a list settles that."""
        contacts = {one for record in records for one in record.contacts}
        with self._run.open() as db, db.batch(contact_columns(sorted(contacts))) as batch:
            rows = db.rows(
                f"""select id from synced.writes semi join {batch} using ({KEY}) where outcome is null and call = ?""",
                [BATCH],
            )
        late = {row[0] for row in rows}
        for record in records:
            if record.is_open and not late.isdisjoint(record.contacts):
                record.outcome = Outcome.HANDED_OVER

    def _read_receipts(self, session: ContactsSession, records: Sequence[HintedRecord]) -> None:
        run = self._run
        contacts = {one for record in records if record.is_open for one in record.contacts}
        with run.open() as db:
            if not wants_receipts(db, self._map):
                return
            linked = self._reads.linked(contacts)
            wanted = customers_to_read(linked.contacts, linked.links)
            numbers = receipts_in_demand(run, db, wanted, self._map, linked)[0]
        # Where hints may ask for no more, the rest is written all the same: that field is left for a whole sync.
        numbers = numbers[: self._reads.room]
        if numbers and self._desk.may_ask(VINOSHIPPER, len(numbers)):
            stages.read_receipts(session, numbers)

    def _read_contacts(self, _: ContactsSession, records: Sequence[HintedRecord]) -> None:
        for record in records:
            self._reads.read_contacts(record)

    def _plan(self, session: ContactsSession, contact_ids: Sequence[str]) -> Plan:
        plan, report = planning.make_plan_of(self._run, self._map, contact_ids), session.report
        report.planned |= {"contacts": plan.targets, "fields": plan.fields, "unmatched": plan.unmatched}
        report.held, report.noted = plan.held, plan.noted
        return plan

    def _writable(self, records: Sequence[HintedRecord]) -> list[str]:
        """Return the contacts that may be written: read by this sync, opted in, and not for an opt-out alone."""
        meant = {one for record in records if record.is_open and not record.opts_out for one in record.contacts}
        return sorted(one for one in meant if self._reads.status_of(one) == OPT_IN)

    def _push(self, session: ContactsSession, plan: Plan, read: Collection[str], writable: Sequence[str]) -> None:
        run, st, pushed, report = self._run, session.simpletexting, self._pushed, session.report
        try:
            moved = push.settle_outstanding(run, st, pushed, among=read)
            delivery.deliver_some(
                run,
                plan,
                [contact_ref(one) for one in writable],
                lambda refs: push.write(run, st, pushed, [ref.id for ref in refs], moved, alone=True),
            )
        finally:
            report.accepted, report.rejected, report.unknown = pushed.accepted, pushed.rejected, pushed.unknown
            report.noted, report.held = report.noted + pushed.noted, report.held + pushed.held
            with run.open() as db:
                report.waiting = count_waiting(db)

    # --- what became of it --------------------------------------------------------------------------------------------

    def _open_writes(self, contact_ids: Collection[str]) -> set[str]:
        with self._run.open() as db:
            found = outbox.read_open(db)
        return {send_id for send_id, sent in found.items() if any(one.target.id in contact_ids for one in sent)}

    def _say(self, records: Sequence[HintedRecord], earlier: Collection[str], *, broke: bool = False) -> None:
        """Say what became of each record: of several outcomes the first that fits (`domain.hints.Outcome`).

        Args:
            earlier: requests of former syncs that were open when this one began to write.
            broke: the push did not come to its end.
        """
        with self._run.open() as db:
            for record in (one for one in records if one.is_open):
                found = {self._outcome_of(db, one, earlier, broke=broke) for one in record.contacts}
                if None in found:
                    record.error = TryLater("not all is known that became of a write", system=SIMPLETEXTING)
                else:
                    record.outcome = next(filter(found.__contains__, _PRECEDENCE), Outcome.NOT_LINKED)

    def _outcome_of(self, db: Db, contact_id: str, earlier: Collection[str], *, broke: bool) -> Outcome | None:
        """Return what became of one contact; None where it is not known, and the hint waits for another try."""
        writes = {
            outcome
            for send_id, run_id, outcome in db.rows(
                "select send_id, run_id, outcome from synced.writes where id = ?", [contact_id]
            )
            if run_id == self._run.run_id or send_id in earlier
        }
        if "accepted" in writes:
            return Outcome.WRITTEN
        if None in writes:
            return None
        if "rejected" in writes:
            return Outcome.HANDED_OVER  # it is tried again by whole syncs, after growing gaps
        live = db.row(
            "select status, phone from raw.simpletexting_contacts where contact_id = ? and not gone", [contact_id]
        )
        row = db.row("select subject_id, held from planned.targets where id = ?", [contact_id])
        if live is None or row is None:
            return Outcome.GONE
        if row[0] is None:
            return Outcome.NOT_LINKED
        if row[1] is not None or live[0] != OPT_IN or OptOuts(self._run).holds(contact_id, live[1]):
            return Outcome.HELD
        if db.row("select 1 from planned.notes where id = ? and note = ?", [contact_id, NOT_READ_YET]):
            return Outcome.HANDED_OVER
        planned = db.row("select 1 from planned.changes where id = ?", [contact_id])
        if planned and (broke or contact_id in unreadable_ids(db, CONTACT)):
            return None
        return Outcome.UNCHANGED


_PRECEDENCE: Final = (
    *(Outcome.WRITTEN, Outcome.HANDED_OVER, Outcome.HELD, Outcome.UNCHANGED, Outcome.NOT_LINKED, Outcome.GONE),
)

HINTED_SYNC: Final = Hinted(WANTS, run_hinted, hand_over)
