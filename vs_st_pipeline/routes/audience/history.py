"""Sends the history in five blocks, part by part, once; and late history (audience.md 5.1, 6.4).

Data flow: staged.shop_* -> pinned ids -> a part in synced.audience_parts -> WayMore -> the base and the ledger.

One part is under way at a time. What an answer says of one is committed together with the next one's entering: one
commit a part. So wherever the power goes, a part is either not there, or goes again with the same bytes.

It is long because what goes next, and what comes of it, are two halves of one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from vs_st_pipeline.connectors.waymore.answers import Answer, Outcome
from vs_st_pipeline.domain.errors import BadSettings, PipelineError, TryLater
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import (
    bases,
    blocks,
    calls,
    evidence,
    facts,
    items,
    keeping,
    late,
    parts,
    people,
    registering,
    window,
)
from vs_st_pipeline.routes.audience.parts import Part
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.systems import DESTINATION
from vs_st_pipeline.routes.audience.window import Window
from vs_st_pipeline.routes.audience.words import BLOCKS, Block, Noted

MOST_REFUSALS = 10  # in a row, of a registration that never had anything accepted
SYNCS_WITHOUT_OUTCOME = 3
REFUSES_EVERYTHING = "WayMore refuses everything: are uuid, dates, block_names and extras right for this account?"
_LIMIT = "part_limit"


def is_done(session: AudienceSession) -> bool:
    """Say whether all five blocks are done, so that events may go."""
    with session.run.open() as db:
        return blocks.is_done(db)


def send(session: AudienceSession) -> None:
    """Go on with the history for one slice (`history_slice`), or until all blocks are done.

    Raises:
        PipelineError: WayMore does not answer, refuses the key, or refuses everything.
    """
    if session.only is None:  # what a few hints name is no history
        try:
            _Sender(session, late=False).run()
        finally:
            with session.run.open() as db:
                blocks.fill_report(db, session.told)


def send_late(session: AudienceSession) -> None:
    """Send what is old and turned up later, in parts of its block, for what is left of the slice.

    Events of other records do not wait for a part without an outcome: the run goes on, and ends as failed.
    """
    if session.only is not None:
        return
    try:
        _Sender(session, late=True).run()
    except TryLater as error:
        if session.run.stop() or error.http_status in (429, 503):
            raise
        session.trouble = session.trouble or error


def again(run: Run, names: Collection[str] = ()) -> None:
    """Have these blocks sent once more from their begin by the next sync; none named: all (5.1.6).

    Raises:
        TryLater: a sync of the route is running.
        ValueError: there is no such block.
    """
    some = [Block(name) for name in names]
    with run.sync_lock():
        blocks.again(run, some or BLOCKS)


Settle = Callable[[Db], None]


@dataclass(slots=True)
class _Sender:
    """One run's sending of parts.

    Attributes:
        settle: what the last answer says, to be stored with what comes next.
        opened: the stretch of records that parts are cut from.
        standing: how far the block under way is; stored with each part.
        may_be_open: a part may be under way: of an earlier run, or half of one that was refused.
        settled: the key of the part that was accepted and still stands in the outbox, while a transaction lasts: the
            next one takes its row.
    """

    session: AudienceSession
    late: bool
    settle: Settle | None = None
    opened: Window | None = None
    may_be_open: bool = True
    settled: str | None = None
    standing: blocks.Standing | None = None
    url: str = ""
    uuid: str = ""
    looked_at: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Send parts till none is left, the slice or the budget is used up, or something stops it."""
        session = self.session
        with session.run.open() as db:
            if not self._has_work(db):
                return
            calls.ask_gate(session, db)
        self.url, self.uuid = registering.endpoint(session, "data"), registering.uuid_of(session)
        try:
            while True:
                part = self._next()
                if part is None:
                    return
                self._send(part)
        finally:
            self._store_answer()
            blocks.note_done(session)

    def _has_work(self, db: Db) -> bool:
        if parts.open_part(db) is not None:
            return True
        return late.is_due(db, self.session) if self.late else not blocks.is_done(db)

    def _store_answer(self) -> None:
        if self.settle is not None:
            with self.session.run.open() as db, db.transaction():
                self._settle(db)
                self._leave_outbox(db)
                self._store_standing(db)

    def _settle(self, db: Db) -> None:
        settle, self.settle, self.settled = self.settle, None, None
        if settle is not None:
            settle(db)

    def _leave_outbox(self, db: Db) -> None:
        """Take the part that was accepted out of the outbox, if no other has taken its row."""
        settled, self.settled = self.settled, None
        if settled is not None:
            parts.remove(db, settled)

    # --- what goes next -------------------------------------------------------------------------------------------

    def _next(self) -> Part | None:
        """Return the part to send now: one under way, else a new one, which has entered; None: enough, or no more."""
        while True:
            part = self._entered()
            if part is None or part.key in self.looked_at or part.run_id == self.session.run.run_id:
                return part
            self.looked_at.add(part.key)
            if (part := self._looked_at_again(part)) is not None:
                return part

    def _entered(self) -> Part | None:
        """Store the last answer, and with it the next part's entering: one commit a part."""
        session, over = self.session, self._is_over()
        before = (self.settle, self.settled, self.standing, self.may_be_open)
        try:
            with session.run.open() as db, db.transaction():
                self._settle(db)
                part = None if over else self._part_to_send(db)
                self._leave_outbox(db)
                self._store_standing(db)
        except BaseException:
            # The transaction came to nothing; the answer is stored by the next one.
            self.settle, self.settled, self.standing, self.may_be_open = before
            raise
        return part

    def _part_to_send(self, db: Db) -> Part | None:
        session = self.session
        if self.may_be_open:
            self._leave_outbox(db)
            part = parts.open_part(db)
            if part is not None and self._is_to_be_halved(part):
                self._halve(db, part, sized=True)
                part = parts.open_part(db)
            if part is not None:
                return part
        if not session.planned or session.refused is not None:
            return None  # what is staged is not judged, or not believed
        self.may_be_open = False
        return self._new_late(db) if self.late else self._new(db)

    def _is_over(self) -> bool:
        session, limit = self.session, self.session.settings.history_slice.total_seconds()
        if session.slice_began is None:
            session.slice_began = time.monotonic()
        return session.over_budget or 0 < limit <= time.monotonic() - session.slice_began

    def _is_to_be_halved(self, part: Part) -> bool:
        """Say whether a part had no outcome so often that it is treated like one that is too large (5.1.4)."""
        return part.unknown_syncs >= SYNCS_WITHOUT_OUTCOME and len(part.ids) > 1

    def _new(self, db: Db) -> Part | None:
        while True:
            standing = self.standing
            if standing is None or not standing.rest:
                self._store_standing(db)
                standing = self.standing = blocks.current(self.session, db)
            if standing is None:
                return None
            opened = self._window(db, standing)
            cut = opened.cut(standing.position, *self._limits(db, standing.block))
            # Without one, all that is left of this stretch is told to nobody.
            end, out = (opened.end, opened.end - standing.position) if cut is None else (cut.end, cut.left_out)
            self.standing = blocks.counted(replace(standing, position=end), left_out=out)
            if cut is not None:
                return self._enter(db, opened, cut, is_late=False)

    def _count(self, db: Db, block: Block, *, accepted: int = 0, rejected: int = 0, left_out: int = 0) -> None:
        """Count what became of records; `_store_standing` stores it in the same transaction."""
        before = self.standing
        if before is None or before.block is not block:
            self._store_standing(db)
            before = blocks.read(db)[block]
        self.standing = blocks.counted(before, accepted=accepted, rejected=rejected, left_out=left_out)

    def _store_standing(self, db: Db) -> None:
        if self.standing is not None:
            blocks.store(db, self.standing)

    def _window(self, db: Db, standing: blocks.Standing) -> Window:
        found = self.opened
        if (
            found is None
            or found.db is not db  # the file was let go of in between, and its temporary table with it
            or found.block is not standing.block
            or not found.start <= standing.position < found.end
        ):
            found = self.opened = window.open_window(
                self.session,
                db,
                standing.block,
                """select position, id from synced.audience_pins
                   where block = ? and position >= ? and position < ?""",
                [standing.block, standing.position, standing.position + window.RECORDS],
            )
        assert found is not None
        return found

    def _new_late(self, db: Db) -> Part | None:
        for batch in late.batches(db, self.session):
            opened = window.open_window(self.session, db, batch.block, late.IDS, [list(batch.ids)])
            assert opened is not None
            cut = opened.cut(opened.start, *self._limits(db, batch.block))
            if opened.left_out_ids:
                late.leave_out(db, batch.block, opened.left_out_ids)
            if cut is not None:
                return self._enter(db, opened, cut, is_late=True)
        return None

    def _enter(self, db: Db, opened: Window, cut: window.Cut, *, is_late: bool) -> Part:
        session = self.session
        body = window.body_of(opened.block, cut, block_names=session.settings.block_names)
        part = parts.new_part(
            db, opened.block, cut.ids, body, session.run.now(), session.run.run_id, late=is_late, evidence=cut.evidence
        )
        opened.move_base(db, cut, part.key, part.call, session.run.now())
        settled, self.settled = self.settled, None
        parts.enter(db, part, settled=settled)
        return part

    def _limits(self, db: Db, block: Block) -> tuple[int, int]:
        """Return how many records, and bytes of them, a part may have: the settings', or less, if less has passed."""
        settings = self.session.settings
        most, most_bytes = settings.part_records, settings.part_bytes
        if isinstance(kept := facts.read(db, _LIMIT), dict):
            most, most_bytes = min(most, kept["records"]), min(most_bytes, kept["bytes"])
        envelope = items.with_uuid(items.body(block, [], block_names=settings.block_names), self.uuid)
        return max(most, 1), most_bytes - len(envelope)

    def _looked_at_again(self, part: Part) -> Part | None:
        """Take out of a part of an earlier run who is not to be told any more (8.3); None where nothing is left."""
        session = self.session
        with session.run.open() as db:
            if part.block is Block.SUBSCRIBERS:
                out = set(part.ids) - people.may_be_subscribed(db, part.ids)
            elif part.block is Block.PRODUCTS:
                out = set()
            else:
                out = set(people.held_among(db, window.KINDS[part.block], part.ids))
            if not out:
                return part
            less = parts.without(part, out, block_names=session.settings.block_names)
            with db.transaction():
                keeping.take_out(db, part, out)
                if less.ids:
                    parts.store_again(db, less)
                else:
                    parts.remove(db, part.key)
                if part.late:
                    late.settle(db, part.block, list(out))
                else:
                    self._count(db, part.block, left_out=len(out))
                self._store_standing(db)
        return less if less.ids else None

    # --- sending and what comes of it -------------------------------------------------------------------------------

    def _send(self, part: Part) -> None:
        session = self.session
        if part.tries == 0:
            evidence.write_part(session.run, part)
        body = items.with_uuid(part.body, self.uuid)

        def call() -> Answer:
            return session.waymore.part(self.url, body, part.key)

        sent = calls.send(session, call, resend=True)
        if sent.outcome is Outcome.ACCEPTED:
            session.told.accepted += len(part.ids)
            self.settle = lambda db: self._accepted(db, part, sent)
            calls.note_accepted(session)
            return
        self.may_be_open = True
        with session.run.open() as db, db.transaction():
            stop = self._not_accepted(db, part, sent)
            self._store_standing(db)
        if stop is not None:
            raise stop

    def _accepted(self, db: Db, part: Part, sent: calls.Sent) -> None:
        run = self.session.run
        parts.tell(
            db, part, parts.ACCEPTED, tries=sent.tries, http_status=sent.answer.http_status, at=run.now(),
            run_id=run.run_id,
        )  # fmt: skip
        self.settled = part.key
        calls.remember(self.session, db, sent, part.call)
        blocks.forget_refusals(db)
        if part.sized:
            kept = facts.read(db, _LIMIT) or {"records": 0, "bytes": 0}
            passed = {"records": len(part.ids), "bytes": self._size(part)}
            facts.keep(db, _LIMIT, {name: max(kept[name], passed[name]) for name in passed}, run.now())
        if part.late:
            late.settle(db, part.block, part.ids)
        else:
            self._count(db, part.block, accepted=len(part.ids))

    def _size(self, part: Part) -> int:
        return len(items.with_uuid(part.body, self.uuid))

    def _not_accepted(self, db: Db, part: Part, sent: calls.Sent) -> PipelineError | None:
        """Store what became of a part that was not accepted; return the error with which the run stops."""
        session, told = self.session, self.session.told
        calls.remember(session, db, sent, part.call)
        if sent.outcome is Outcome.UNKNOWN:
            parts.note_unknown(db, part, sent.tries, silent=not sent.answer.unmarked)
            told.unknown += len(part.ids)
            return calls.error_of(sent)
        if sent.outcome is Outcome.NOT_SENT:
            return calls.error_of(sent)
        refusals = int(facts.read(db, blocks.REFUSALS) or 0) + 1
        facts.keep(db, blocks.REFUSALS, refusals, session.run.now())
        if not session.registration.accepted and refusals >= MOST_REFUSALS:
            told.rejected -= blocks.start_over(db)
            self.opened = self.standing = None
            return BadSettings(REFUSES_EVERYTHING, system=DESTINATION, http_status=sent.answer.http_status)
        if len(part.ids) > 1:
            self._halve(db, part, sized=sent.outcome is Outcome.TOO_LARGE)
            return sent.answer.stop
        told.rejected += 1
        now = session.run.now()
        parts.tell(
            db, part, parts.REJECTED, tries=sent.tries, http_status=sent.answer.http_status, at=now,
            run_id=session.run.run_id,
        )  # fmt: skip
        parts.remove(db, part.key)
        late.refuse(db, part.block, part.ids[0], sent.answer.http_status, now, session.run.run_id)
        with db.batch({"id": list(part.ids)}) as ids:
            db.execute(
                f"""update {bases.TABLES[part.block]} set told = 'rejected'
                    where {bases.IDS[part.block]} in (select id from {ids})"""
            )
        if not part.late:
            self._count(db, part.block, rejected=1)
        return sent.answer.stop

    def _halve(self, db: Db, part: Part, *, sized: bool) -> None:
        session = self.session
        if sized:
            session.told.noted[Noted.PART_TOO_LARGE] += 1
            kept = facts.read(db, _LIMIT)
            if kept and len(part.ids) <= kept["records"] and self._size(part) <= kept["bytes"]:
                facts.drop(db, _LIMIT)  # what once passed does so no more
        parts.halve(db, part, session.run.now(), sized=sized, block_names=session.settings.block_names)
        for half in db.rows("select key from synced.audience_parts"):
            self.looked_at.add(half[0])  # their records were looked at with the whole
