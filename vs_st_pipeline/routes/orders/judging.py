"""Judges how orders stand by what is held of them, and says which may be sent (orders.md 4.1, 4.2; rulings 4).

Data flow: planned.orders_due and the ledger -> `rules.judge` -> the ledger, its activity and notes, `Judged`.

Judged are orders of which something is new, and those that wait or that a rule holds back; of the latter only where
what they were judged by has changed as well (settings, catalogue, day), since else the answer is the same. Whatever is
judged here is judged again by `sending`, on the very read that is sent.

What is not known yet is read first, where the verdict depends on it: an order whose row in a list was no read, orders
that are linked to it, its customer, the shipper's catalogue. A verdict that could forget an order which was sent (`+`)
is recorded once the shipper was read (`look_first`), after the brake.

It is long because how an order comes to its state, and what is read for that, has to be seen together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import reading, stored
from vs_st_pipeline.connectors.commerce7.order_record import lacks
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.codec import encode, try_object
from vs_st_pipeline.domain.errors import Forbidden, PipelineError, Refused
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import evidence, ledger, messages, outbox, reads, rules, sending, staging, standing
from vs_st_pipeline.routes.orders.knowing import DONT_SEND, dropped_keys, is_kept_back
from vs_st_pipeline.routes.orders.known import Known
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.rows import put
from vs_st_pipeline.routes.orders.rules import Verdict
from vs_st_pipeline.routes.orders.session import Judged, OrdersSession, Ready
from vs_st_pipeline.routes.orders.staging import BEFORE_START, Staged
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, DONT_SEND_MESSAGE, State, ThereCode, Waits
from vs_st_pipeline.routes.orders.systems import SHIPPER

AT_ONCE: Final = 500  # orders judged together
MOST_READS: Final = 300  # at each system in one sync, for verdicts that wait for one (ruling 4)
LATE_FIND: Final = timedelta(minutes=15)  # 4.1 `dont_send`: first seen so long after it was paid
HOURLY: Final = timedelta(hours=1)
OWN_NOTES: Final = ("no_birth_date", "no_phone", "ship_date_past", "zip_state", "tax_short")
"""Notes that a judgement gives, and takes away."""
_HARMLESS: Final = frozenset(
    {"customer", "billTo", "giftMessage", "shippingInstructions", "selectedShippingOptions", "shipping", "customerId"}
    | {"subTotal", "taxTotal", "shipTotal", "complianceStatus", "carrierPickupLocation"}
)
"""Keys that no rule reads after which an order is not required: such a verdict stands without them."""
_BY_CUSTOMER: Final = frozenset({"no_email", "no_name"})
STOOD_STILL: Final = "stood_still"  # fact: when the ledger knew of something last, before it stood still for long
FIRST_SYNC: Final = "first_seen_in_first_sync"  # fact: orders first seen up to then are looked for, whatever their code


@dataclass(slots=True)
class Case:
    """One order under judgement.

    Attributes:
        lacking: keys that the last answer lacked; empty where it was a whole read.
        unread: its verdict rests on a read that could not be made in this run, so nothing is recorded of it.
    """

    staged: Staged
    row: OrderRow | None
    order: ShopOrder | None
    linked: Sequence[ShopOrder] = ()
    absent: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    verdict: Verdict | None = None
    unread: bool = False

    @property
    def id(self) -> str:
        return self.staged.order_id

    @property
    def stays_taken(self) -> bool:
        """Say whether its number is somebody else's, and no rule says that it is not to be sent anyway."""
        is_taken = self.row is not None and self.row.code == ThereCode.NUMBER_TAKEN
        return is_taken and self.verdict is not None and self.verdict.state is not State.NOT_REQUIRED

    @property
    def is_recorded(self) -> bool:
        """Say whether a verdict of it was ever recorded: until then it is seen for the first time (4.1)."""
        row = self.row
        return row is not None and not (row.state is State.WAITING and row.judged_content is None)


def begin(session: OrdersSession) -> None:
    """Note that a ledger is new or lost: whatever it finds may have been sent before (ruling 4)."""
    run = session.run
    with run.open() as db:
        if ledger.fact(db, FIRST_SYNC) is None:
            with db.transaction():
                ledger.keep_fact(db, run, FIRST_SYNC, "open")
        _doubt_what_may_be_older(run, db)


def _doubt_what_may_be_older(run: Run, db: Db) -> None:
    """Note which orders were seen before this ledger stood still: it may be an older one that was put back.

    Then a person may have kept them back since, so that is read back at the shop before they are sent (6, crash table).
    """
    now, last = run.now(), db.value(_LAST_KNOWN)
    if last is None or timedelta(0) <= now - last <= LATE_FIND:
        return
    known = ledger.fact(db, STOOD_STILL)
    if db.value(
        """select 1 from synced.orders where list_contains(['waiting', 'failed', 'not_required'], state)
               and not looked_back and first_seen_at <= $last and ($known is null or first_seen_at > $known) limit 1""",
        {"last": last, "known": None if known is None else datetime.fromisoformat(known)},
    ):
        with db.transaction():
            ledger.keep_fact(db, run, STOOD_STILL, last.isoformat())


_LAST_KNOWN: Final = """select max("at") from (
    select max("at") as "at" from synced.order_activity union all select max(done_at) from raw.commerce7_passes)"""


def judge(session: OrdersSession) -> None:
    """Judge all that is to be judged; what may be sent, and what waits for a look, is in `session.judged` then."""
    session.judged = Judged()
    work = _Judging(session, session.judged)
    run = session.run
    with run.open() as db:
        ids = _candidates(session, db, work)
        work.stands(db)
    judged: set[str] = set()
    while ids:  # a second time where linked orders came in on the way
        for start in range(0, len(ids), AT_ONCE):
            work.judge(ids[start : start + AT_ONCE])
        judged.update(ids)
        with run.open() as db:
            ids = [one for one in _candidates(session, db, work) if one not in judged]
    with run.open() as db, db.transaction():
        _forget_planned(db, session)
        if session.only is None and ledger.fact(db, FIRST_SYNC) == "open":
            last = db.value("select max(first_seen_at) from staged.shop_orders")
            ledger.keep_fact(db, run, FIRST_SYNC, (last or run.now()).isoformat())


# --- whom ---------------------------------------------------------------------------------------------------------

_STANDS: Final = """(o.state = 'waiting' or (o.state = 'failed' and not list_contains($never::varchar[], o.code)))"""
_NEVER: Final = [*map(str, BY_SHIPPER), str(ThereCode.FORGOTTEN)]


def _candidates(session: OrdersSession, db: Db, work: _Judging) -> list[str]:
    """Return the orders to judge, oldest paid first."""
    now = session.run.now()
    rows = db.rows(
        f"""select s.order_id from staged.shop_orders as s left join synced.orders as o using (order_id)
            where (s.order_id in (select order_id from planned.orders_due)
                   or (o.judged_content is null and list_contains(['failed', 'not_required'], o.state))
                   or s.order_id in (select o.order_id from synced.orders as o where {_STANDS} and (
                       o.judged_by is distinct from $key or o.judged_content is null
                       or (o.code = 'unknown_sku' and $hourly)
                       or (o.code is distinct from 'late' and o.paid_at < $late and o.state <> 'waiting'))))
              and ($only is null or list_contains($only::varchar[], s.order_id))
              and not s.erased
              and (o.state is null or not list_contains(['sent', 'voided', 'sending'], o.state))
              and o.code is distinct from $forgotten
              and (o.code is distinct from $taken or s.order_id in (select order_id from planned.orders_due))
            order by s.paid_at, s.order_id""",
        {
            "key": work.key, "late": now - session.settings.not_later_than, "never": _NEVER,
            "hourly": work.is_catalogue_old,
            "only": None if session.only is None else sorted(session.only),
            "taken": str(ThereCode.NUMBER_TAKEN), "forgotten": str(ThereCode.FORGOTTEN),
        },
    )  # fmt: skip
    return [row[0] for row in rows]


# --- the judgement ------------------------------------------------------------------------------------------------


class _Judging:
    """One run's judgement."""

    def __init__(self, session: OrdersSession, judged: Judged) -> None:
        self.session, self.run, self.judged = session, session.run, judged
        self.reads = SingleReads()
        self.left = MOST_READS
        run, settings = self.run, session.settings
        tenant = run.merchant.section(Commerce7Settings).tenant
        with run.open() as db:
            self.dropped, self.kept_back = dropped_keys(db), evidence.kept_back(db)
            self.first_sync = ledger.fact(db, FIRST_SYNC)
            self.catalogue, self.catalogue_at = _catalogue(db)
            tried = db.value("select tried_at from raw.catalogues where system = ?", [SHIPPER])
        self.is_catalogue_old = tried is None or run.now() - tried >= HOURLY
        self.known = Known(
            settings, settings.prefix(tenant), tenant, run.merchant.time_zone, run.today(), run.now(),
            dropped_keys=self.dropped,
        )  # fmt: skip
        self.key = self.judged.key = self._key()
        self.refreshed = False

    def _key(self) -> str:
        """Return a fingerprint of what every judgement rests on besides the order."""
        told = [_plain(self.known.settings), self.known.tenant, str(self.known.zone), str(self.known.today)]
        told += [sorted(self.dropped), self.catalogue_at, *sorted(self.kept_back)]
        return sha256(json.dumps(told, default=str, sort_keys=True).encode()).hexdigest()[:24]

    def stands(self, db: Db) -> None:
        """Take over what is judged already, and stands as it was: it may be sent, or it may not."""
        session, told = self.session, self.session.told
        rows = db.rows(
            f"""select o.order_id, o.state, o.code, o.paid_at, o.first_seen_at, o.looked_back
                from synced.orders as o
                where {_STANDS} and o.judged_by = $key and o.judged_content is not null
                  and not (o.code is distinct from 'late' and o.paid_at < $late and o.state <> 'waiting')
                  and not (o.code is not distinct from 'unknown_sku' and $hourly)
                  and o.order_id not in (select order_id from planned.orders_due)
                  and ($only is null or list_contains($only::varchar[], o.order_id))""",
            {
                "key": self.key, "late": self.run.now() - session.settings.not_later_than, "never": _NEVER,
                "hourly": self.is_catalogue_old,
                "only": None if session.only is None else sorted(session.only),
            },
        )  # fmt: skip
        for order_id, state, code, paid_at, first_seen_at, looked_back in rows:
            if state == State.WAITING and code != "not_paid":
                self.judged.ready[order_id] = Ready(order_id, paid_at, first_seen_at, looked_back)
            else:
                told.held[code] += 1

    def judge(self, order_ids: Sequence[str]) -> None:
        """Judge some orders, and record what came of each."""
        cases = self._load(order_ids)
        for case in cases:
            self.decide(case)
        cases = self._read_more(cases)
        cases = self._refresh_catalogue(cases)
        with self.run.open() as db, db.transaction():
            for case in cases:
                self._record(db, case)
            _done(db, [case.id for case in cases])

    def _load(self, order_ids: Collection[str]) -> list[Case]:
        with self.run.open() as db:
            return self.load(db, order_ids)

    def load(self, db: Db, order_ids: Collection[str]) -> list[Case]:
        """Return these orders with what they are judged by, but those with a write that is not settled."""
        found = staging.find(db, order_ids)
        rows, orders = ledger.find(db, order_ids), stored.load(db, order_ids)
        linked, absent = linked_of(db, orders.values())
        lacking = _lacking(db, stored.not_whole(db, order_ids))
        in_doubt = {one.order_id for one in outbox.open_writes(db, outbox.MAKING)}
        return [
            Case(
                found[one], rows.get(one), orders.get(one), linked.get(one, ()), absent.get(one, frozenset()),
                lacking.get(one, frozenset()),
            )
            for one in order_ids
            if one in found and one not in in_doubt
        ]  # fmt: skip

    def decide(self, case: Case, *, accept_catalogue: bool = True) -> None:
        """Judge one order by what is held; None where nothing of it is."""
        if case.staged.before_start:
            case.verdict = Verdict(State.NOT_REQUIRED, BEFORE_START)
            return
        if case.order is None:  # a body that was reduced: what was decided stands
            case.verdict = None
            return
        row = case.row
        kept_back = is_kept_back(row) or case.id in self.kept_back
        known = replace(
            self.known,
            linked=case.linked,
            absent=case.absent,
            catalogue=self.catalogue if accept_catalogue else None,
            dont_send=kept_back,
            forgotten=case.staged.erased,
            vs_number=row.vs_number if row else None,
        )
        case.verdict = rules.judge(case.order, known)

    # --- what is read first -----------------------------------------------------------------------------------------

    def _read_more(self, cases: list[Case]) -> list[Case]:
        """Read what verdicts depend on and is not held, and judge these orders again."""
        wanted: dict[str, str] = {}
        for case in cases:
            if self._lacks_a_read(case):
                wanted[case.id] = reads.SINGLE
            if case.verdict is not None and case.verdict.code == Waits.TRY_LATER and case.order is not None:
                held = {one.id for one in case.linked} | case.absent
                wanted |= {one: reads.LINKED for one in case.order.linked if one not in held}
        read, gone = set(), set()
        for order_id, by in wanted.items():
            if self.left <= 0 or self.session.read_at(order_id, reads.READ_SECONDS):
                continue
            self.left -= 1
            there = reads.read_order(self.session, self.reads, order_id, by)
            if order_id not in self.reads.failed:
                read.add(order_id)
                if there is None:
                    gone.add(order_id)
        if read:
            with self.run.open() as db, db.transaction():
                staging.stage_some(self.run, db, sorted(read - gone))
            cases = self._load([case.id for case in cases])
            for case in cases:
                if case.order is not None:
                    order, lacking = case.order, gone.intersection(case.order.linked)
                    case.absent |= {one for one in lacking if reads.is_surely_gone(self.session, order, one)}
                self.decide(case)
        for case in cases:
            case.unread = self._lacks_a_read(case) and case.id not in gone
            if not case.unread:
                self._read_customer(case)
        return cases

    def _lacks_a_read(self, case: Case) -> bool:
        """Say whether a verdict rests on a row of a list that lacks what is read (rulings, orders 2)."""
        verdict = case.verdict
        if not case.lacking or verdict is None or verdict.state is State.SENDING or verdict.code == BEFORE_START:
            return False
        return not (verdict.state is State.NOT_REQUIRED and case.lacking <= _HARMLESS)

    def _read_customer(self, case: Case) -> None:
        """Read who bought, where an order does not say and could not be sent for want of it (3)."""
        order, verdict = case.order, case.verdict
        if order is None or verdict is None or verdict.code not in _BY_CUSTOMER or order.customer_id is None:
            return
        if order.customer is not None and any("@" in one for one in order.customer.emails):
            return
        if self.left <= 0:
            case.unread = True
            return
        self.left -= 1
        try:
            customer = reading.read_customer(self.run, self.session.shop, order.customer_id)
        except PipelineError as error:
            self.reads.went_wrong(f"customer {order.customer_id}", error)
            self.session.told.noted["unreadable"] += 1
            case.unread = True
            return
        self.reads.went_well()
        if customer is not None:
            case.order = replace(order, customer=customer)
            self.decide(case)

    def _refresh_catalogue(self, cases: list[Case]) -> list[Case]:
        """Read the shipper's catalogue again where an order met a SKU that it lacks (3); judge these orders again."""
        lacking = [one for one in cases if one.verdict is not None and one.verdict.code == "unknown_sku"]
        if not lacking:
            return cases
        at = self.catalogue_at
        new = any(at is None or at < one.staged.first_seen_at or not one.is_recorded for one in lacking)
        if (new or self.is_catalogue_old) and not self.refreshed:
            self.refreshed, self.is_catalogue_old = True, False
            if reads.read_catalogue_there(self.session):
                with self.run.open() as db:
                    self.catalogue, self.catalogue_at = _catalogue(db)
                self.key = self.judged.key = self._key()
        for case in lacking:
            self.decide(case)
            if case.verdict is None or case.verdict.code != "unknown_sku":
                continue
            if self.catalogue_at is None or self.catalogue_at < case.staged.first_seen_at:
                self.decide(case, accept_catalogue=False)  # it is older than the order: it says nothing of it
        return cases

    # --- what is recorded -------------------------------------------------------------------------------------------

    def _record(self, db: Db, case: Case) -> None:
        verdict = case.verdict
        if verdict is None:
            return
        if case.unread:
            self._leave(db, case)
        elif case.row is not None and case.stays_taken:
            ledger.store(db, replace(case.row, judged_content=case.staged.content_hash))  # never written (ruling 8)
        elif verdict.state is State.SENDING:
            self._may_go(db, case, verdict)
        elif self._is_to_look_for(case, verdict):
            self.judged.looks[case.id] = case
            self._wait(db, case, Waits.TRY_LATER, judged=False)
        else:
            record(self.session, db, case, self.key)

    def _leave(self, db: Db, case: Case) -> None:
        """Have an order judged again in the next sync; what was decided of it before stands until then."""
        row = case.row
        if row is None or row.state is State.WAITING:
            self._wait(db, case, Waits.TRY_LATER, judged=False)
        elif row.judged_content is not None:
            ledger.store(db, replace(row, judged_content=None))

    def _is_to_look_for(self, case: Case, verdict: Verdict) -> bool:
        """Say whether the shipper is read before this is recorded (`+`), so that a lost ledger forgets nothing."""
        if case.is_recorded or (case.row is not None and case.row.looked_there) or verdict.state is State.WAITING:
            return False
        return verdict.look_first or (
            verdict.code not in rules.NEVER_LOOKED_FOR and self._is_of_first_sync(case.staged.first_seen_at)
        )

    def _is_of_first_sync(self, first_seen_at: datetime) -> bool:
        told = self.first_sync
        return told == "open" or (isinstance(told, str) and first_seen_at <= datetime.fromisoformat(told))

    def _may_go(self, db: Db, case: Case, verdict: Verdict) -> None:
        row, staged, run = case.row, case.staged, self.run
        looked_back = row is not None and row.looked_back
        self.judged.ready[case.id] = Ready(case.id, staged.paid_at, staged.first_seen_at, looked_back)
        _plan(db, run, case, verdict)
        _keep_notes(db, run, case.id, verdict.notes)
        if row is not None and row.state is State.FAILED and row.code in BY_SHIPPER:
            return  # it stays as it is until it is sent: the shipper holds it, not accepted (4.2)
        self._wait(db, case, self._wait_code(), judged=True)

    def _wait_code(self) -> str:
        return str(Waits.SHADOW) if self.session.settings.mode == "shadow" else self.session.waits_for

    def _wait(self, db: Db, case: Case, code: str, *, judged: bool) -> None:
        """Have an order wait; that is news where it stood otherwise."""
        row, run = case.row, self.run
        by = {"judged_content": case.staged.content_hash, "judged_by": self.key} if judged else {}
        changes: dict[str, Any] = {"state": State.WAITING, "code": str(code), "says": None, **by}
        if row is None:
            ledger.store(db, staging.new_row(run, case.staged, **changes))
            ledger.act(db, run, case.id, "seen", _seen(case))
            if judged:
                ledger.act(db, run, case.id, "judged", _MAY_GO, code=str(code))
        elif row.state is not State.WAITING or (row.code == "not_paid" and judged):
            ledger.move(db, run, row, "judged", _MAY_GO if judged else "to be judged", **changes)
        else:
            ledger.store(db, replace(row, **changes))


_MAY_GO: Final = "may be sent"


def record(session: OrdersSession, db: Db, case: Case, key: str, *, looked: bool = False) -> OrderRow:
    """Record a verdict by which an order is not sent now, inside the caller's transaction; returns how it stands."""
    verdict, row, run = case.verdict, case.row, session.run
    assert verdict is not None
    assert verdict.state is not State.SENDING
    _keep_notes(db, run, case.id, {})
    changes: dict[str, Any] = {
        "state": verdict.state,
        "code": verdict.code,
        "says": json.dumps(verdict.says, default=str) if verdict.says else None,
        "judged_content": case.staged.content_hash,
        "judged_by": key,
        "paid_at": case.staged.paid_at,
        "order_number": case.staged.order_number,
    }
    if looked or (row is not None and row.looked_there):
        changes["looked_there"] = True
    if verdict.code != BEFORE_START:
        session.told.held[str(verdict.code)] += 1
    if row is None and verdict.code == BEFORE_START:
        return staging.new_row(run, case.staged, **changes)  # only its id is kept
    before = None if row is None else row.state
    if verdict.state in (State.FAILED, State.NOT_REQUIRED) and before is not verdict.state:
        session.counts.add(str(verdict.state), case.id)
    text = rules.sentence(str(verdict.code), verdict.says)
    if row is None:
        row = staging.new_row(run, case.staged, **changes)
        ledger.store(db, row)
        ledger.act(db, run, case.id, "seen", _seen(case))
        ledger.act(db, run, case.id, "judged", text, code=row.code)
        return row
    same = ("state", "code", "says")
    if all(getattr(row, name) == changes[name] for name in same) and case.is_recorded:
        after = replace(row, **changes)
        if after != row:
            ledger.store(db, after)
        return after
    ends = verdict.state is not State.FAILED or row.state is not State.FAILED or row.code in BY_SHIPPER
    if ends and not standing.may_be_taken_yet(row):
        changes |= {"next_read_at": None, "reads": 0}
    return ledger.move(db, run, row, "judged", text, **changes)


def _seen(case: Case) -> str:
    return f"order {case.staged.order_number}, paid {case.staged.paid_at:%Y-%m-%dT%H:%M:%SZ}"


def _keep_notes(db: Db, run: Run, order_id: str, notes: Mapping[str, str]) -> None:
    known = ledger.notes_of(db, [order_id]).get(order_id, {})
    ledger.unnote(db, order_id, [word for word in OWN_NOTES if word in known and word not in notes])
    for word, says in notes.items():
        ledger.note(db, run, order_id, word, says)


def _plan(db: Db, run: Run, case: Case, verdict: Verdict) -> None:
    payload = verdict.payload
    assert payload is not None
    row = case.row
    there = row is not None and row.state is State.FAILED and row.code in BY_SHIPPER
    planned = {
        "order_id": case.id, "vs_number": payload.number, "action": "update" if there else "create",
        "body_hash": sha256(encode(payload.body) or b"").hexdigest(),
        "lines": json.dumps(payload.sent.get("lines"), default=str),
        "total": payload.sent.get("money", {}).get("total"), "run_id": run.run_id, "planned_at": run.now(),
    }  # fmt: skip
    put(db, "planned.vinoshipper_orders", "order_id", planned)


def _forget_planned(db: Db, session: OrdersSession) -> None:
    """Take out of the plan what is not to be sent any more, inside the caller's transaction."""
    if session.only is not None:
        db.execute(
            """delete from planned.vinoshipper_orders
               where list_contains(?::varchar[], order_id) and not list_contains(?::varchar[], order_id)""",
            [sorted(session.only), sorted(session.judged.ready)],
        )
        return
    with db.batch({"order_id": sorted(session.judged.ready)}) as batch:
        if db.value(
            f"select 1 from planned.vinoshipper_orders where order_id not in (select order_id from {batch}) limit 1"
        ):
            db.execute(f"delete from planned.vinoshipper_orders where order_id not in (select order_id from {batch})")


def _done(db: Db, ids: Sequence[str]) -> None:
    if ids:
        with db.batch({"order_id": list(ids)}) as batch:
            db.execute(f"delete from planned.orders_due where order_id in (select order_id from {batch})")


# --- after the brake ----------------------------------------------------------------------------------------------


def look_first(session: OrdersSession) -> None:
    """Read the shipper for verdicts that could forget an order which was sent, and record them (4.1 `+`, ruling 4).

    What is not read in this sync waits. Then what a person said at the shop of orders that are to be sent is read back.
    """
    if session.refused is not None:
        return
    with session.asking_there():
        _look_there(session)
    _look_back(session)


def _look_there(session: OrdersSession) -> None:
    run, judged = session.run, session.judged
    cases = sorted(judged.looks.values(), key=lambda one: (one.staged.paid_at, one.id))[:MOST_READS]
    asked = SingleReads(len(cases))
    for place, case in enumerate(cases):
        if session.there is not None or (place and session.over_budget):
            return
        if look_at(session, asked, case.id) is None:
            continue
        with run.open() as db, db.transaction():
            row = ledger.find(db, [case.id])[case.id]
            if row.state is State.WAITING:
                record(session, db, replace(case, row=row), judged.key, looked=True)
            del judged.looks[case.id]
    reads.ask_another(session, asked)


def look_at(session: OrdersSession, asked: SingleReads, order_id: str) -> bool | None:
    """Read an order at the shipper that may have been sent before, and adopt it if it is ours (6.2).

    Returns:
        Whether the shipper holds an order of ours; None: that could not be read.
    """
    run = session.run
    try:
        after = sending.look(session, order_id)
    except PipelineError as error:
        asked.went_wrong(order_id, error)
        session.told.noted["unreadable"] += 1
        return None
    asked.went_well()
    if after.state is State.WAITING:
        return False
    if after.judged_content is None and after.code != ThereCode.AGE_VERIFICATION:
        with run.open() as db, db.transaction():  # only what changes from now on has it judged again
            staged = staging.find(db, [order_id])[order_id]
            ledger.store(db, replace(after, judged_content=staged.content_hash))
    return True


def _look_back(session: OrdersSession) -> None:
    """Read "Don't Send" back from the shop, once, for orders that are to be sent and were first seen late (4.1).

    Also for those that were seen before the ledger stood still: somebody may have put an older one back. All that a
    club run may need are more than the first ones should wait for: the rest is asked about when its turn comes.
    """
    run, settings, judged = session.run, session.settings, session.judged
    if settings.messages == "off" or session.there is not None:
        return
    with run.open() as db:
        told: Any = ledger.fact(db, STOOD_STILL)
    doubted = datetime.min if told is None else datetime.fromisoformat(told)
    left = settings.send_at_most  # an order that is kept back makes room for the next one, which is asked about too
    asked = 0
    for one in judged.oldest_first():
        if left <= 0:
            break
        left -= 1
        if one.looked_back or (one.first_seen_at - one.paid_at <= LATE_FIND and one.first_seen_at > doubted):
            continue
        if asked >= MOST_READS:
            judged.asks_back.add(one.order_id)
            continue
        asked += 1
        try:
            left += _is_kept_back(session, one.order_id)
        except Forbidden:
            return  # this app may not read messages: all else goes on (7.4)


def may_go(session: OrdersSession, order_id: str) -> bool:
    """Say, right before its send, whether an order that was not asked about yet (`_look_back`) may still go.

    Raises:
        PipelineError: the shop does not say it.
    """
    asks = session.judged.asks_back
    if order_id not in asks:
        return True
    asks.discard(order_id)
    try:
        return not _is_kept_back(session, order_id)
    except Forbidden:
        asks.clear()
        return True


def _is_kept_back(session: OrdersSession, order_id: str) -> bool:
    """Read what was said of an order at the shop; say whether it is "Don't Send", which is recorded then.

    Raises:
        Forbidden: this app may not read messages. PipelineError: the shop does not say it.
    """
    try:
        said = messages.read_back(session, order_id)
    except Refused as error:
        if error.http_status != 404:
            raise
        said = None  # nothing of this order, which says nothing of the others
    with session.run.open() as db, db.transaction():
        row = ledger.find(db, [order_id])[order_id]
        if said != DONT_SEND_MESSAGE:
            ledger.store(db, replace(row, looked_back=True))
            return False
        case = Case(staging.find(db, [order_id])[order_id], row, None)
        case.verdict = Verdict(State.NOT_REQUIRED, DONT_SEND)
        record(session, db, replace(case, row=replace(row, looked_back=True)), session.judged.key)
        db.execute("delete from planned.vinoshipper_orders where order_id = ?", [order_id])
        del session.judged.ready[order_id]
        return True


def to_send(session: OrdersSession) -> list[str]:
    """Return the orders to send in this sync, oldest paid first."""
    return [one.order_id for one in session.judged.oldest_first()[: session.settings.send_at_most]]


def end_waiting(session: OrdersSession) -> None:
    """Say of each order that may be sent and was not why it waits: `queued`, `try_later`, `auth`, or `shadow` (4.2)."""
    judged = session.judged
    if not session.writes and session.settings.mode != "shadow":
        return
    if session.settings.mode == "shadow":
        code = str(Waits.SHADOW)
    else:
        code = str(Waits.QUEUED) if session.there is None else session.waits_for
    left = judged.ready.keys() - (judged.tried if session.there is None else ())
    if not left:
        return
    with session.run.open() as db, db.transaction(), db.batch({"order_id": sorted(left)}) as batch:
        db.execute(
            f"""update synced.orders set code = $code, updated_at = $now
                where state = 'waiting' and code is distinct from $code
                  and order_id in (select order_id from {batch})""",
            {"code": code, "now": session.run.now()},
        )


def bodies(session: OrdersSession, db: Db) -> list[tuple[str, str, dict[str, Any]]]:
    """Return id, number and body of each order that may be sent, oldest paid first."""
    work = _Judging(session, session.judged)
    found = []
    for one in session.judged.oldest_first():
        for case in work.load(db, [one.order_id]):
            work.decide(case)
            if case.verdict is not None and case.verdict.payload is not None:
                found.append((case.id, case.staged.order_number, case.verdict.payload.body))
    return found


# --- what is held -------------------------------------------------------------------------------------------------


def linked_of(db: Db, orders: Iterable[ShopOrder]) -> tuple[dict[str, list[ShopOrder]], dict[str, frozenset[str]]]:
    """Return what is linked to orders, by their ids: stored orders, and ids that need no read.

    These are of orders that are not there any more, or of which only the id is kept (paid before `start`).
    """
    pairs: set[tuple[str, str]] = set()
    orders = list(orders)
    named = [(order.id, one) for order in orders for one in order.linked]
    with db.batch({"id": [one.id for one in orders]}) as batch:
        pairs |= {
            (row[0], row[1])
            for row in db.rows(
                f"""select previous_id, id from raw.commerce7_orders
                    where previous_id in (select id from {batch}) and id <> previous_id and body is not null"""
            )
        }
    names = sorted({one for _, one in named})
    held = stored.load(db, {*names, *(other for _, other in pairs)})
    kept = set(names) - set(stored.unheld(db, names))
    absent = {one for one in kept if one not in held} | stored.gone(db, names)
    pairs |= {(order_id, one) for order_id, one in named if one in held}
    found: dict[str, list[ShopOrder]] = {}
    for order_id, other in sorted(pairs):
        if other in held:
            found.setdefault(order_id, []).append(held[other])
    return found, {order.id: frozenset(absent.intersection(order.linked)) for order in orders}


def _lacking(db: Db, ids: Collection[str]) -> dict[str, frozenset[str]]:
    """Return which keys the last answers of orders lacked, at their first level."""
    if not ids:
        return {}
    with db.batch({"id": sorted(ids)}) as batch:
        rows = db.rows(f"select id, body from raw.commerce7_orders semi join {batch} using (id) where body is not null")
    return {
        order_id: frozenset(key.partition(".")[0].partition("[")[0] for key in lacks(try_object(text) or {}))
        for order_id, text in rows
    }


def _catalogue(db: Db) -> tuple[frozenset[str] | None, datetime | None]:
    """Return the SKUs that the shipper sells and when they were read; None: never, or never believed."""
    at = db.value("select read_at from raw.catalogues where system = ?", [SHIPPER])
    if at is None:
        return None, None
    return frozenset(str(row[0]) for row in db.rows("select sku from raw.vinoshipper_products")), at


def _plain(value: Any) -> Any:
    """Return settings as JSON tells them, the same in every process."""
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, SettingsModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    return str(value)
