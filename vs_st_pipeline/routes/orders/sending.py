"""Sends one order: reads the shop, judges, reads the shipper, writes once, and records what it heard (orders.md 6).

Data flow: order id -> shop -> `rules.judge` -> shipper (at most 30 s old) -> outbox, evidence -> create or update ->
ledger.

Between any two steps the power may go:

    read, nothing stored           as if new
    outbox row, no evidence line   nothing was sent; unknown all the same, so it is read (6.4)
    evidence line, no answer       the same: it may have been sent
    answer, not recorded           the same: a read shows what it made

The row is committed before the line, the line is on the disk before the request leaves, and no request leaves whose
read of the shipper is older than 30 s, however long it waited for its turn.

It is long because all that may happen between the first read and the recorded answer of one order stands here once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.connectors.commerce7 import reading, stored
from vs_st_pipeline.domain.errors import BadKey, Forbidden, KeptBack, PipelineError
from vs_st_pipeline.domain.order_desk import (
    Compliance,
    Conflict,
    Done,
    HeldOrder,
    NotReached,
    RefusedWrite,
    UnknownOutcome,
    WriteAnswer,
)
from vs_st_pipeline.domain.shop_order import ShopCustomer, ShopOrder
from vs_st_pipeline.domain.single_reads import SingleReads, is_of_one_record
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.inbox.store import UNUSABLE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import adopting, content, evidence, leaving, ledger, outbox, reads, rules, standing
from vs_st_pipeline.routes.orders.ended import UNSETTLED, Ended
from vs_st_pipeline.routes.orders.knowing import DONT_SEND, dropped_keys, known_of, tenant_of
from vs_st_pipeline.routes.orders.known import Known
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.outbox import Outcome, Write
from vs_st_pipeline.routes.orders.payload import MAY_BE_DROPPED, Payload
from vs_st_pipeline.routes.orders.rules import Verdict
from vs_st_pipeline.routes.orders.standing import Heard, Shows
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, STAGE_OF, State, ThereCode, Waits
from vs_st_pipeline.routes.orders.systems import SHIPPER
from vs_st_pipeline.routes.orders.voiding import void

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

__all__ = ["Ended", "each", "look", "send", "void"]

_PAID_KEYS: Final = ("paid", "isPaid", "Paid")
FRESH_SHOP: Final = 120.0  # seconds; 3: how old this sync's read of the shop may be
FRESH_HINTED: Final = 30.0  # rulings, orders 2
LOOKED_WITHIN: Final = 20.0  # seconds; a read there that is older is made anew, so that the write has time to leave
ANOTHER_RECORD: Final = "another_record"  # an answer that is another order: the desk's word for it
LONGEST_WAIT: Final = 20.0  # seconds between two tries that did not reach the shipper
MOST_KEPT_BACK: Final = 5  # tries of a write that waits too long for its turn; the next sync goes on
_sleep: Callable[[float], None] = time.sleep


def send(
    session: OrdersSession, order_id: str, *, accept: Collection[str] = frozenset(), who: str | None = None
) -> Ended:
    """Judge an order on a fresh read, and send it if that may be; under the sync lock.

    What calls for a send (4.2) is decided before; this asks nothing but whether it may be done, and how.

    Args:
        accept: codes that a person passes, this once.
        who: the person who wants it (`cli:USER`); None: the sync itself.

    Raises:
        PipelineError: the shop or the shipper is down, or does not accept the key. What is known is stored.
        OSError: the evidence cannot be written: nothing was sent.
    """
    with session.urgent(Urgency.WRITE):
        return _Sending(session, order_id, frozenset(accept), who).send()


def each(
    session: OrdersSession, order_ids: Iterable[str], may_go: Callable[[str], bool] = lambda _: True
) -> Iterator[Ended]:
    """Send orders one after the other, each once; one that cannot be read stops nobody, many are the system's trouble.

    Args:
        may_go: asked before each of them; one that may not is passed over.

    Raises:
        PipelineError: as `send`, or too many reads in a row have failed (routes.md R40).
    """
    ids = list(dict.fromkeys(order_ids))
    asked = SingleReads(len(ids))
    for order_id in ids:
        if not may_go(order_id):
            continue
        ended = send(session, order_id)
        yield ended
        if ended.error is None:
            asked.went_well()
        else:
            asked.went_wrong(order_id, ended.error)


class _Sending:
    """One order on its way."""

    def __init__(self, session: OrdersSession, order_id: str, accept: frozenset[str], who: str | None) -> None:
        self.session, self.run, self.order_id = session, session.run, order_id
        self.accept, self.who = accept, who
        self.absent: set[str] = set()
        self.customer: ShopCustomer | None = None
        self.deadline = time.monotonic() + self.run.merchant.give_up_after.total_seconds()
        self.tries = 0
        self.was_failed = self.was_kept_back = self.failed_there = False
        self.content = ""

    def send(self) -> Ended:
        with self.run.open() as db:
            row = ledger.find(db, [self.order_id]).get(self.order_id)
            last = None if self.who is None else outbox.latest(db, self.order_id)
        if row is None:
            return Ended(self.order_id, None)
        if row.state in (State.SENT, State.VOIDED):
            return Ended(self.order_id, row, row.state is State.SENT)
        self.was_failed = row.state is State.FAILED
        self.failed_there = self.was_failed and row.code in BY_SHIPPER and row.code != ThereCode.NUMBER_TAKEN
        self.was_kept_back = row.state is State.NOT_REQUIRED and row.code == DONT_SEND
        if self.session.settings.mode != "live" or self.run.dry_run:
            return Ended(self.order_id, row, code=str(Waits.SHADOW))
        if self.who is not None:
            if row.code == "unknown_sku":  # rulings 8
                reads.read_catalogue_there(self.session)
            if (last is not None and last.is_open) or (row.state is State.SENDING and not _left_nothing(last)):
                return Ended(self.order_id, row, code=UNSETTLED, unknown=True)
            self._say_person(row)
        while True:
            if (ended := self._once()) is not None:
                return ended

    def _say_person(self, row: OrderRow) -> None:
        with self.run.open() as db, db.transaction():
            accepted = f", accepting {', '.join(sorted(self.accept))}" if self.accept else ""
            told = f"send{accepted}"
            if self.was_kept_back:  # lifted (4.2): what stands there counts as of any other order
                lifted: dict[str, Any] = {"state": State.WAITING, "code": str(Waits.TRY_LATER), "judged_content": None}
                ledger.move(db, self.run, row, "person", told, who=self.who, **lifted)
            else:
                ledger.act(db, self.run, self.order_id, "person", told, code=row.code, who=self.who)

    def _once(self) -> Ended | None:
        """Read, judge, read there, write; None: it is to be done once more, from the beginning."""
        try:
            order = self._read_shop()
            if order is None:
                return self._wait(Waits.TRY_LATER, note="gone_at_commerce7")
            row, known, verdict = self._judge(order)
        except PipelineError as error:
            return self._could_not_read(error)
        if verdict.state is not State.SENDING or verdict.payload is None:
            return self._not_to_be_sent(row, verdict)
        number = known.number_of(order)
        try:
            held = self.session.desk.look(number, within=LOOKED_WITHIN)
            read_at = self.session.desk.looks[number].at
        except PipelineError as error:
            return self._could_not_read(error)
        failpoint("read there")
        expected = verdict.payload.sent
        call = self._decide(row, number, held, verdict.payload)
        if call is None:
            return self._took_what_stands(number, held)
        if call == outbox.CREATE and (ended := self._look_for_plain(number, order, expected)) is not None:
            return ended
        if self.run.stop():
            return self._wait(Waits.TRY_LATER)
        row, write = self._begin(row, call, number, verdict.payload, order, known, verdict)
        try:
            answer = self._write(call, number, verdict.payload.body, read_at)
        except PipelineError as error:  # nothing was written (order_desk)
            waits = Waits.AUTH if isinstance(error, BadKey) else Waits.TRY_LATER
            changes = self._waiting(row, waits, settled=True)
            text = f"not sent: {error.kind}"
            self._end(row, write, Outcome.NOT_REACHED, text, error.http_status, error.trace_id, changes)
            raise
        return self._take(row, write, answer, verdict.payload)

    # --- reading the shop, judging ------------------------------------------------------------------------------------

    def _read_shop(self) -> ShopOrder | None:
        session, run = self.session, self.run
        with run.open() as db:
            hinted = self.order_id in session.hinted or _is_hinted(run, db, self.order_id)
            fresh = session.read_at(self.order_id, FRESH_HINTED if hinted else FRESH_SHOP)
            order = stored.load(db, [self.order_id]).get(self.order_id) if fresh else None
        if order is None:
            order = self._read_one(self.order_id, "send")
        if order is None:
            return None
        self._read_linked(order)
        if self.customer is None and _lacks_customer(order):
            self.customer = reading.read_customer(run, session.shop, order.customer_id or "")
        return order if self.customer is None else replace(order, customer=_merged(order.customer, self.customer))

    def _read_one(self, order_id: str, by: str) -> ShopOrder | None:
        at = time.monotonic()
        order = reading.read_one(self.run, self.session.shop, order_id, by)
        if order is not None:
            self.session.reads[order_id] = at
        return order

    def _read_linked(self, order: ShopOrder) -> None:
        """Read linked orders that are not held, which may be refunds (4.1)."""
        if not order.linked:
            return
        with self.run.open() as db:
            held = {one.id for one in stored.linked_to(db, order)}
            lacking = [one for one in order.linked if one not in held and one != order.id]
            known = db.rows(
                "select id from raw.commerce7_orders where list_contains($ids::varchar[], id) and paid_at < $start",
                {"ids": lacking, "start": self.session.settings.start_at(self.run.merchant.time_zone)},
            )
        self.absent |= {row[0] for row in known}
        for order_id in lacking:
            if order_id in self.absent or self._read_one(order_id, "linked") is not None:
                continue
            if reads.is_surely_gone(self.session, order, order_id):
                self.absent.add(order_id)

    def _judge(self, order: ShopOrder) -> tuple[OrderRow, Known, Verdict]:
        with self.run.open() as db:
            row = ledger.find(db, [self.order_id])[self.order_id]
            known = known_of(
                self.session, db, order, row, accept=self.accept, lifted=self.who is not None, absent=self.absent
            )
        self.content = content.content_hash(order, known.linked)
        return row, known, rules.judge(order, known)

    def _not_to_be_sent(self, row: OrderRow, verdict: Verdict) -> Ended:
        """Record what the rules say on this very read (4.1); what VS may hold of it is looked at first (`+`)."""
        if verdict.look_first and not row.looked_there:
            try:
                ended = self._look_first(row)
            except PipelineError as error:
                return self._could_not_read(error)
            if ended is not None:
                return ended
        with self.run.open() as db, db.transaction():
            row = ledger.find(db, [self.order_id])[self.order_id]
            now = (str(verdict.state), verdict.code)
            changes: dict[str, Any] = {"judged_content": self.content, "looked_back": self._looked_back(row)}
            if (str(row.state), row.code) != now:
                changes |= {
                    "state": verdict.state, "code": verdict.code, "sending_since": None,
                    "says": json.dumps(verdict.says, default=str) if verdict.says else None,
                }  # fmt: skip
                if not standing.may_be_taken_yet(row):
                    changes |= {"next_read_at": None, "failed_at": None}
                if verdict.state is State.FAILED and not self.was_failed:
                    self.session.counts.add("failed", self.order_id)
                if verdict.state is State.NOT_REQUIRED and row.state is not State.NOT_REQUIRED:
                    self.session.counts.add("not_required", self.order_id)
                text = f"{verdict.state}: {verdict.code}"
                row = ledger.move(db, self.run, row, "judged", text, who=self.who, **changes)
            else:
                row = replace(row, **changes)
                ledger.store(db, row)
        return Ended(self.order_id, row, passable=verdict.passable)

    def _look_first(self, row: OrderRow) -> Ended | None:
        after = look(self.session, self.order_id)
        if (after.state, after.code) != (row.state, row.code):  # it is there, and stands as it does there
            return Ended(self.order_id, after, after.state is State.SENT)
        return None

    # --- reading there, deciding --------------------------------------------------------------------------------------

    def _decide(self, row: OrderRow, number: str, held: HeldOrder | None, payload: Payload) -> str | None:
        """Return how it is written (6.2): created, updated, or not, since what stands there says how it stands."""
        with self.run.open() as db, db.transaction():
            if held is None:
                standing.apply(self.session, db, row, None, by="send")  # counts as one of the three reads (6.4)
            last = outbox.latest(db, self.order_id)
            known = standing.is_known(db, number)
            ours = held is not None and self._is_ours(db, row, held)
        if held is None:
            if last is None or last.outcome in outbox.LEFT_NOTHING:
                return outbox.CREATE
            # It stood there once: three reads without it are enough only where it is known that it was not accepted
            # (4.2), or a person wants it. A sync that knows it from the evidence alone never makes it again.
            was_taken = last.outcome in (Outcome.DONE, Outcome.ADOPTED)
            wanted = self.failed_there or self.who is not None
            return outbox.CREATE if last.missing and (wanted or not was_taken) else None
        if not ours:
            return None
        shown = standing.shows(held, ours=True)
        if shown not in (Shows.REFUSED, Shows.PENDING) or held.order_status in STAGE_OF:
            return None
        if last is not None and last.is_open:
            waited = self.run.now() - last.at >= self.session.settings.settle_wait
            # The same once more alters nothing, even if it was taken and does not show yet; another body might.
            same = last.body_hash == leaving.hash_of(payload.body) or last.shown >= outbox.READS
            return outbox.UPDATE if last.call == outbox.UPDATE and waited and same else None
        again = last is not None and last.outcome in outbox.LEFT_NOTHING and (known or last.call == outbox.UPDATE)
        waits = known and row.state is not State.SENDING  # it failed before, and waited for its turn
        return outbox.UPDATE if self.failed_there or again or waits else None

    def _is_ours(self, db: Db, row: OrderRow, held: HeldOrder) -> bool:
        if held.shop_order_id is None and standing.is_known(db, held.number):
            return True  # it was read as ours before
        return adopting.is_ours(held, self.order_id, adopting.expected(db, row))

    def _took_what_stands(self, number: str, held: HeldOrder | None) -> Ended:
        """Record what stands there in place of writing: ours is adopted, somebody else's makes the number taken."""
        with self.run.open() as db, db.transaction():
            row = ledger.find(db, [self.order_id])[self.order_id]
            ours = held is not None and self._is_ours(db, row, held)
            if ours and row.vs_number is None:
                row = replace(row, vs_number=number)
            row = standing.apply(self.session, db, row, held, by="send", proved=ours, was_failed=self.was_failed)
            last = outbox.latest(db, self.order_id)
            is_open = last is not None and last.is_open
            if held is not None and not ours and row.state not in (State.SENT, State.VOIDED):
                row = self._take_number(db, row, number)
            elif held is None or standing.shows(held, ours=True) is Shows.NOTHING or is_open:
                changes = self._waiting(row)
                if any(getattr(row, name) != value for name, value in changes.items()):
                    row = ledger.move(db, self.run, row, "judged", "waiting: try_later", **changes)
            else:
                row = replace(row, judged_content=self.content)
                ledger.store(db, row)
        return Ended(self.order_id, row, row.state is State.SENT, unknown=is_open)

    def _take_number(self, db: Db, row: OrderRow, number: str) -> OrderRow:
        return standing.take_number(
            self.session, db, row, was_failed=self.was_failed, judged_content=self.content,
            vs_number=row.vs_number or number,
        )  # fmt: skip

    def _look_for_plain(self, number: str, order: ShopOrder, sent: Mapping[str, Any]) -> Ended | None:
        """Look for the bare number before a first create: the shop's own app may have sent it (6.2)."""
        if self.session.settings.also_look_for != "plain":
            return None
        with self.run.open() as db:
            if outbox.latest(db, self.order_id) is not None:
                return None
        try:
            held = self.session.desk.look(order.number, within=LOOKED_WITHIN)
        except PipelineError as error:
            return self._could_not_read(error)
        if held is None:
            return None
        with self.run.open() as db, db.transaction():
            row = ledger.find(db, [self.order_id])[self.order_id]
            if adopting.looks_like(held, self.order_id, sent):
                row = replace(row, vs_number=held.number, judged_content=self.content)
                row = standing.apply(self.session, db, row, held, by="plain", proved=True)
            else:
                row = self._take_number(db, row, number)
        return Ended(self.order_id, row, row.state is State.SENT)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _begin(
        self, row: OrderRow, call: str, number: str, payload: Payload, order: ShopOrder, known: Known, verdict: Verdict
    ) -> tuple[OrderRow, Write]:
        changes: dict[str, Any] = {
            "vs_number": row.vs_number or number, "judged_content": self.content,
            "sending_since": row.sending_since or self.run.now(), "looked_back": self._looked_back(row),
        }  # fmt: skip
        if row.code != ThereCode.NOT_REACHABLE:  # that one stays failed until something is heard
            changes |= {"state": State.SENDING, "code": None, "says": None, "failed_at": None, "next_read_at": None}
        self.tries += 1
        return leaving.begin(
            self.session, row, call, number, payload.body, who=self.who, sent=payload.sent,
            sent_hash=content.sent_hash(order), notes={**verdict.notes, **payload.notes}, prefix=known.number_prefix,
            **changes,
        )  # fmt: skip

    def _write(self, call: str, number: str, body: Mapping[str, Any], read_at: float) -> WriteAnswer:
        desk = self.session.desk
        with leaving.kept_young(self.session, read_at):
            return desk.create(body) if call == outbox.CREATE else desk.update(number, body)

    def _take(self, row: OrderRow, write: Write, answer: WriteAnswer, payload: Payload) -> Ended | None:
        """Record what an answer means (6.3); None: it is to be done once more."""
        failpoint("heard")
        if isinstance(answer, Done):
            held = answer.held
            if held.number == write.vs_number and not adopting.is_anothers(held, self.order_id, payload.sent):
                return self._done(write, answer)
            return self._conflict(row, write, answer.http_status, held.trace_id)
        if isinstance(answer, RefusedWrite):
            return self._refused(row, write, answer, payload)
        if isinstance(answer, Conflict):
            return self._conflict(row, write, answer.http_status, answer.trace_id)
        if isinstance(answer, NotReached):
            return self._not_reached(row, write, answer.error)
        return self._unknown(row, write, answer)

    def _done(self, write: Write, answer: Done) -> Ended:
        heard = Heard(write, answer.http_status, answer.held.trace_id, self.who)
        with self.run.open() as db, db.transaction():
            row = ledger.find(db, [self.order_id])[self.order_id]
            row = standing.apply(
                self.session, db, row, answer.held, by="send", heard=heard, proved=True, was_failed=self.was_failed
            )
        evidence.append_end(self.run, replace(write, outcome=str(Outcome.DONE)))
        return Ended(self.order_id, row, row.state is State.SENT)

    def _refused(self, row: OrderRow, write: Write, answer: RefusedWrite, payload: Payload) -> Ended | None:
        keys = self._droppable(answer, payload.body)
        if keys:
            text = f"refused: unknown keys {', '.join(sorted(keys))}"
            self._end(row, write, Outcome.REFUSED, text, answer.http_status, answer.trace_id)
            leaving.drop_keys(self.session, keys)
            return None
        now, code = self.run.now(), standing.refused_code(answer)
        problems = [{"code": p.code, "description": p.description, "type": p.type} for p in answer.problems]
        if not self.was_failed:
            self.session.counts.add("failed", self.order_id)
        changes: dict[str, Any] = {
            "state": State.FAILED, "code": str(code), "says": None, "sending_since": None, "failed_at": now, "reads": 0,
            "next_read_at": now + standing.first_gap(code), "problems": json.dumps(problems),
            "compliance_at": now, "trace_id": answer.trace_id,
        }  # fmt: skip
        if answer.is_compliance:
            changes["compliance"] = str(Compliance.NOT_COMPLIANT)
        row = self._end(row, write, Outcome.REFUSED, f"refused: {code}", answer.http_status, answer.trace_id, changes)
        return Ended(self.order_id, row)

    def _droppable(self, answer: RefusedWrite, body: Mapping[str, Any]) -> frozenset[str]:
        """Return the keys that are left out from now on; never the last one that says that it is paid (5.1)."""
        with self.run.open() as db:
            dropped = dropped_keys(db)
        keys = frozenset(answer.unknown_keys) & MAY_BE_DROPPED - dropped
        paid = [key for key in _PAID_KEYS if key in body]
        if paid and keys >= set(paid):
            keys -= {paid[0]} if len(paid) > 1 else set(paid)
        return keys

    def _conflict(self, row: OrderRow, write: Write, http_status: int | None, trace_id: str | None) -> Ended:
        """Read what has the number: ours is adopted, all else makes it taken (6.3)."""
        self._end(row, write, Outcome.CONFLICT, "the number is taken", http_status, trace_id)
        return self._read_back(write, taken=True)

    def _unknown(self, row: OrderRow, write: Write, answer: UnknownOutcome) -> Ended:
        leaving.told(self.session, row, write, answer.why, answer.http_status, answer.trace_id, who=self.who)
        return self._read_back(write, taken=answer.why == ANOTHER_RECORD)

    def _read_back(self, write: Write, *, taken: bool) -> Ended:
        """Read at once what became of a write (6.4).

        Args:
            taken: if it is not there, the number is somebody else's.
        """
        assert write.vs_number is not None
        try:
            held = self.session.desk.read(write.vs_number)
        except PipelineError as error:
            return self._could_not_read(error, unknown=True)
        with self.run.open() as db, db.transaction():
            row = ledger.find(db, [self.order_id])[self.order_id]
            row = standing.apply(self.session, db, row, held, by="settle", was_failed=self.was_failed)
            if held is None and taken:
                if (now := outbox.latest(db, self.order_id)) is not None and now.is_open:
                    outbox.end(db, self.run, now, Outcome.CONFLICT)
                row = self._take_number(db, row, write.vs_number)
            last = outbox.latest(db, self.order_id)
        return Ended(self.order_id, row, row.state is State.SENT, unknown=last is not None and last.is_open)

    def _not_reached(self, row: OrderRow, write: Write, error: PipelineError) -> Ended | None:
        """Record it; it is read and written again within `give_up_after` (6.4).

        Raises:
            PipelineError: the error, when that time is over; the order stays `sending`.
        """
        text = f"not reached: {error.kind}"
        row = self._end(row, write, Outcome.NOT_REACHED, text, error.http_status, error.trace_id)
        if isinstance(error, KeptBack):  # its read was too old: it is read again, and no system is in trouble
            return Ended(self.order_id, row) if self.tries >= MOST_KEPT_BACK else None
        wait = min(LONGEST_WAIT, 0.5 * 2 ** min(self.tries, 10))
        if time.monotonic() + wait >= self.deadline or self.run.stop():
            raise error
        _sleep(wait)
        return None

    # --- what it comes to ---------------------------------------------------------------------------------------------

    def _end(
        self,
        row: OrderRow,
        write: Write,
        outcome: Outcome,
        text: str,
        http_status: int | None,
        trace_id: str | None,
        changed: Mapping[str, Any] | None = None,
    ) -> OrderRow:
        return leaving.end(
            self.session, row, write, outcome, text, http_status=http_status, trace_id=trace_id, who=self.who,
            changed=changed,
        )  # fmt: skip

    def _could_not_read(self, error: PipelineError, *, unknown: bool = False) -> Ended:
        """Keep an order waiting of which a system said nothing; nothing is sent (6.2).

        Raises:
            PipelineError: the error, where it is not about this order alone.
        """
        bad_key = isinstance(error, BadKey) and not isinstance(error, Forbidden) and error.system == SHIPPER
        ended = self._wait(Waits.AUTH if bad_key else Waits.TRY_LATER)
        if not is_of_one_record(error):
            raise error
        return replace(ended, error=error, unknown=unknown)

    def _wait(self, waits: Waits, note: str | None = None) -> Ended:
        with self.run.open() as db, db.transaction():
            row = ledger.find(db, [self.order_id])[self.order_id]
            changes = self._waiting(row, waits)
            if note is not None:
                ledger.note(db, self.run, self.order_id, note)
            if any(getattr(row, name) != value for name, value in changes.items()):
                row = ledger.move(db, self.run, row, "judged", f"waiting: {waits}", **changes)
        return Ended(self.order_id, row, code=str(waits))

    def _waiting(self, row: OrderRow, waits: Waits = Waits.TRY_LATER, *, settled: bool = False) -> dict[str, Any]:
        """Return how a row changes that waits; what failed there, or is not settled, stands as it does."""
        if row.state is State.FAILED and row.code in BY_SHIPPER:
            return {} if self.who else {"judged_content": None}  # it was to go again, and still is
        if row.state is State.SENDING and not settled:
            return {}
        if row.state is State.NOT_REQUIRED and self.who is None:
            return {"judged_content": None}
        return {"state": State.WAITING, "code": str(waits), "says": None, "sending_since": None}

    def _looked_back(self, row: OrderRow) -> bool:
        return row.looked_back or (self.who is not None and self.was_kept_back)


def look(session: OrdersSession, order_id: str) -> OrderRow:
    """Read an order at the shipper once before it is recorded that it does not go (4.1, `+`); ours is adopted.

    Raises:
        PipelineError: the shipper said nothing of it; nothing is recorded.
    """
    run, settings = session.run, session.settings
    with run.open() as db:
        row = ledger.find(db, [order_id])[order_id]
        likes = adopting.expected(db, row)
        tried = outbox.latest(db, order_id) is not None
        number = row.vs_number or outbox.number_of(db, order_id)
    number = number or f"{settings.prefix(tenant_of(run))}-{row.order_number}"
    held = session.desk.look(number, within=LOOKED_WITHIN)
    ours = held is not None and adopting.is_ours(held, order_id, likes)
    if held is None and settings.also_look_for == "plain" and not tried:
        held = session.desk.look(row.order_number, within=LOOKED_WITHIN)
        ours = held is not None and any(adopting.looks_like(held, order_id, one) for one in likes)
    with run.open() as db, db.transaction():
        row = replace(ledger.find(db, [order_id])[order_id], looked_there=True)
        if held is not None and ours:
            row = replace(row, vs_number=row.vs_number or held.number)
            row = standing.apply(session, db, row, held, by="look", proved=True)
        elif held is None and row.vs_number is not None:
            row = standing.apply(session, db, row, None, by="look")
        ledger.store(db, row)
    return row


def _is_hinted(run: Run, db: Db, order_id: str) -> bool:
    """Say whether a hint about an order waits, handed over or in the inbox."""
    if db.value("select count(*) from raw.commerce7_hints where id = ?", [order_id]):
        return True
    try:
        waiting = [] if run.inbox is None else run.inbox.waiting([run.merchant.id], route=run.route)
    except UNUSABLE:
        return True  # nobody knows
    return any(one.record == order_id for one in waiting)


def _left_nothing(last: Write | None) -> bool:
    return last is None or last.outcome in outbox.LEFT_NOTHING


def _lacks_customer(order: ShopOrder) -> bool:
    has_email = order.customer is not None and any("@" in email for email in order.customer.emails)
    return order.customer_id is not None and not has_email


def _merged(given: ShopCustomer | None, read: ShopCustomer) -> ShopCustomer:
    """Complete what the order says of its customer by the customer's own record."""
    if given is None:
        return read
    return ShopCustomer(
        id=given.id or read.id,
        first_name=given.first_name or read.first_name,
        last_name=given.last_name or read.last_name,
        emails=(*given.emails, *read.emails),
        phones=given.phones or read.phones,
        birth_date=given.birth_date or read.birth_date,
    )
