"""Fulfills an order at the shop once its parcel was scanned, so that its customer is mailed once (orders.md 7.2, 7.3).

Data flow: the ledger, staged.shipments -> the order, read at the shop -> at most one POST -> synced.fulfilments.

The order is read first, always: whatever stands there already is taken for done, so a lost ledger writes nothing a
second time. The outbox row is committed before the POST leaves. Where its answer says nothing, the shop is the witness
(6.4): it is written again only after three reads without it, the third `settle_wait` or more after the try.

It is long because what a read of the shop may show, and what an answer may say, have to be judged side by side.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.connectors.commerce7 import reading, stored, writing
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.order_desk import NotReached, RefusedWrite, UnknownOutcome
from vs_st_pipeline.domain.shop_order import ShopFulfilment, ShopOrder
from vs_st_pipeline.domain.single_reads import SingleReads, gap_after
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import after_sent, evidence, ledger, outbox
from vs_st_pipeline.routes.orders import reads as reads_of
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.money import is_above_zero, whole
from vs_st_pipeline.routes.orders.outbox import Outcome, Write
from vs_st_pipeline.routes.orders.states import Stage
from vs_st_pipeline.routes.orders.systems import SHOP

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

SHIPPED, PICKED_UP = "Shipped", "Picked Up"
CARRIERS: Final = {"UPS": "UPS", "FEDEX": "FedEx", "GLS": "GSO"}
MAILED_WITHIN: Final = timedelta(days=5)
DONE, FOUND_THERE, BY_OTHER, REFUSED = "done", "found_there", "fulfilled_by_other", "refused"
MOST_TRIES: Final = 3  # in one sync, of a write that certainly was not taken
_LOOKED: Final = "fulfilments_looked"  # fact: the last change at the shop that was looked at


def fulfil(session: OrdersSession, only: Collection[str] | None = None) -> None:
    """Fulfill what was shipped, oldest first; first settle what is unknown, and note what changed since.

    Args:
        only: ids of the orders that this run is about; None: all.

    Raises:
        PipelineError: the shop cannot be asked, or does not accept the key.
    """
    run = session.run
    with run.open() as db:
        orders, counted = due(session, db, only), stored.unreadable(db)
    reads = SingleReads(len(orders))
    for one in orders if session.writes else ():
        try:
            _Fulfilling(session, one).go()
        except PipelineError as error:
            reads.went_wrong(one.order_id, error)
            if one.order_id not in counted:  # it waits for that, so people are told (R40)
                session.told.noted["unreadable"] += 1
        else:
            reads.went_well()
    with run.open() as db, db.transaction():
        _note_what_changed(session, db, only)


def plan(session: OrdersSession, db: Db, only: Collection[str] | None = None) -> int:
    """Store what would be fulfilled as planned, inside the caller's transaction; returns how many orders."""
    orders = due(session, db, only)
    run = session.run
    for one in orders:
        says = {"type": one.kind, "numbers": list(one.numbers), "date": one.date}
        db.execute(
            "insert or replace into planned.commerce7_orders values (?, 'fulfil', ?, ?, ?)",
            [one.order_id, json.dumps(says), run.run_id, run.now()],
        )
    return len(orders)


# --- what is due --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be told of an order's parcel.

    Attributes:
        numbers: of all packages, once each, in order. carrier: as Vinoshipper names it.
        at: when it was shipped, or, where that is not told, when it was first seen (UTC without zone).
        picked_up: it was picked up, and never shipped. lacks: there is a package without a number, or none at all.
    """

    order_id: str
    numbers: tuple[str, ...]
    carrier: str | None
    at: datetime
    picked_up: bool
    lacks: bool
    first_seen_at: datetime

    @property
    def kind(self) -> str:
        return PICKED_UP if self.picked_up else SHIPPED

    @property
    def date(self) -> str:
        """Return the date as it is written: ISO with milliseconds."""
        return f"{self.at.isoformat(timespec='milliseconds')}Z"


def due(session: OrdersSession, db: Db, only: Collection[str] | None = None) -> list[Parcel]:
    """Return the parcels of which the shop is to be told now, oldest paid first.

    A parcel waits until all of its packages have numbers, or `tracking_wait` is over; a refusal, for its next try. One
    whose fulfilment is in doubt is among them, since the shop is asked in each sync.
    """
    now, wait = session.run.now(), session.settings.tracking_wait
    in_doubt = {one.order_id for one in outbox.open_writes(db, (outbox.FULFIL,))}
    rows = ledger.read(
        db,
        """state = 'sent' and stage in ('Shipped', 'Delivered', 'Returned') and order_id not in (
               select order_id from synced.fulfilments where outcome <> 'refused' or next_at > $now)""",
        {"now": now},
    )
    found = []
    for row in rows:
        if only is not None and row.order_id not in only:
            continue
        one = parcel_of(db, row)
        if one is None:
            continue
        waits = one.lacks and not one.picked_up and now - one.first_seen_at < wait
        if row.order_id in in_doubt or not waits:
            found.append(one)
    return found


def parcel_of(db: Db, row: OrderRow) -> Parcel | None:
    """Return an order's parcel; None where it came back before it was ever seen as shipped: nothing is fulfilled."""
    shown = db.row(
        "select order_status, packages, shipped_at, delivered_at from staged.shipments where vs_number = ?",
        [row.vs_number],
    )
    order_status, packages, shipped_at, _ = shown or (None, "[]", None, None)
    stages = {
        text
        for (text,) in db.rows(
            "select distinct text from synced.order_activity where order_id = ? and kind = 'stage'", [row.order_id]
        )
    }
    if row.stage == Stage.RETURNED and not stages & {Stage.SHIPPED, Stage.DELIVERED}:
        return None
    told = json.loads(packages)
    numbers = tuple(dict.fromkeys(one["tracking_number"].strip() for one in told if one.get("tracking_number")))
    carriers = [one["carrier"] for one in told if one.get("carrier")]
    first_seen_at = row.shipped_seen_at or row.stage_at or row.updated_at
    was_shipped = shipped_at is not None or Stage.SHIPPED in stages
    return Parcel(
        order_id=row.order_id,
        numbers=numbers,
        carrier=carriers[0] if carriers else None,
        at=shipped_at or first_seen_at,
        picked_up=order_status == "PICKED_UP" and not was_shipped,
        lacks=not told or any(not one.get("tracking_number") for one in told),
        first_seen_at=first_seen_at,
    )


# --- what stands at the shop --------------------------------------------------------------------------------------


def ours_of(parcel: Parcel, order: ShopOrder, written: Write | None = None) -> ShopFulfilment | None:
    """Return the fulfilment that tells of this parcel: by one of our numbers, or, if we have none, by our date.

    Args:
        written: a write in doubt, which told the numbers and the date that were known then.
    """
    about = json.loads(written.about) if written is not None else {}
    numbers = {one.casefold() for one in (*parcel.numbers, *about.get("numbers", ()))}
    for one in order.fulfilments:
        if numbers & {number.strip().casefold() for number in one.tracking_numbers}:
            return one
    dates = [] if parcel.numbers else [parcel.date]
    if "date" in about and not about.get("numbers"):
        dates.append(about["date"])
    known = {_instant(date) for date in dates}
    return next((one for one in order.fulfilments if one.at and _instant(one.at) in known), None)


def _instant(text: str) -> datetime | str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.replace(microsecond=0)


def remaining(order: ShopOrder) -> list[dict[str, Any]]:
    """Return what is still to be fulfilled of the lines that ship, as the shop's own lines are named."""
    found = []
    for line in order.lines:
        quantity, done = whole(line.quantity), whole(line.quantity_fulfilled) or 0
        if line.has_shipping and line.sku and quantity is not None and quantity - done > 0:
            found.append({"sku": line.sku, "quantityFulfilled": quantity - done})
    return found


def is_all_fulfilled(order: ShopOrder) -> bool:
    """Say whether nothing is left to fulfill."""
    status = (order.fulfillment_status or "").casefold()
    return status in ("fulfilled", "no fulfillment required") or not remaining(order)


def is_whole(order: ShopOrder) -> bool:
    """Say whether a fulfilment of all of an order is one of what was sent: no line left out, none fulfilled."""
    lines = [line for line in order.lines if is_above_zero(line.quantity)]
    return all(line.has_shipping and not whole(line.quantity_fulfilled) for line in lines) and not order.fulfilments


def mails(parcel: Parcel, order: ShopOrder, linked: list[ShopOrder], now: datetime) -> tuple[bool, bool]:
    """Return whether the shop is to mail the customer, and whether it is too late for that (7.3)."""
    if parcel.picked_up or after_sent.refund_of(order, linked) in (after_sent.WHOLLY, after_sent.CANCELLED):
        return False, False
    is_late = now - parcel.at > MAILED_WITHIN
    return not is_late, is_late


def body_of(parcel: Parcel, order: ShopOrder, *, mail: bool, buyer: str) -> dict[str, Any]:
    """Return the body of the POST."""
    body: dict[str, Any] = {
        "sendTransactionEmail": mail,
        "type": parcel.kind,
        "fulfillmentDate": parcel.date,
        "packageCount": max(1, len(parcel.numbers)),
    }
    if parcel.picked_up:
        body["pickedUp"] = {"pickedUpBy": buyer}
    else:
        shipped: dict[str, Any] = {"trackingNumbers": list(parcel.numbers)}
        carrier = CARRIERS.get((parcel.carrier or "").strip().upper())
        body["shipped"] = shipped | ({"carrier": carrier} if carrier else {})
    if not is_whole(order):
        body["items"] = remaining(order)
    return body


def buyer_of(order: ShopOrder) -> str:
    """Return the buyer's name."""
    for who in (order.customer, order.bill_to, order.ship_to):
        if who is not None and who.last_name:
            return " ".join(filter(None, (who.first_name, who.last_name)))
    return f"buyer of order {order.number}"


# --- one order ----------------------------------------------------------------------------------------------------


class _Fulfilling:
    """One order, from the read to the answer."""

    def __init__(self, session: OrdersSession, parcel: Parcel) -> None:
        self.session, self.run, self.parcel = session, session.run, parcel
        self.order_id = parcel.order_id
        self.started = time.monotonic()
        self.tries = 0
        self.was_marked = False  # a refusal said that it is fulfilled already

    def go(self) -> None:
        """Read, judge, and write where nothing of it stands there."""
        again = True
        while again:
            order = self._read()
            if order is None:
                return
            again = self._judge(order)

    def _may_try_again(self) -> bool:
        """Say whether a write that certainly was not taken may be tried again in this sync (6.4)."""
        spent = time.monotonic() - self.started
        return spent < self.run.merchant.give_up_after.total_seconds() and not self.run.stop()

    def _read(self) -> ShopOrder | None:
        """Read the order, and its linked ones that are not held; None: it is gone, or one of these waits."""
        at = time.monotonic()
        order = reading.read_one(self.run, self.session.shop, self.order_id, "fulfil")
        if order is None:
            with self.run.open() as db, db.transaction():
                if ledger.note(db, self.run, self.order_id, after_sent.GONE):
                    ledger.act(db, self.run, self.order_id, "changed", "Commerce7 does not show it any more")
            return None
        self.session.reads[self.order_id] = at
        return order if self._knows_linked(order) else None

    def _knows_linked(self, order: ShopOrder) -> bool:
        """Read linked orders that are not held: nobody is mailed about an order that is wholly refunded (7.3)."""
        with self.run.open() as db:
            lacking = [one for one in stored.unheld(db, order.linked) if one != order.id]
        for one in lacking:
            found = reading.read_one(self.run, self.session.shop, one, "linked")
            if found is None and not reads_of.is_surely_gone(self.session, order, one):
                return False
        return True

    def _judge(self, order: ShopOrder) -> bool:
        """Do what this read asks for; returns whether it has to be read and judged once more at once."""
        run = self.run
        with run.open() as db, db.transaction():
            if self._is_done(db):
                return False
            unknown = next(reversed(outbox.open_writes(db, (outbox.FULFIL,), self.order_id)), None)
            found = ours_of(self.parcel, order, unknown)
            if found is None and unknown is not None and not self._settles(db, unknown, order):
                return False
            if found is not None:
                self._found(db, found, unknown)
                return False
            if is_all_fulfilled(order):
                self._end(db, BY_OTHER, None, mailed=None, note=BY_OTHER, text="fulfilled by somebody else")
                return False
            linked = stored.linked_to(db, order)
            mail, is_late = mails(self.parcel, order, linked, run.now())
            body = body_of(self.parcel, order, mail=mail, buyer=buyer_of(order))
            write = self._begin(db, body)
            if is_late:
                ledger.note(db, run, self.order_id, "mail_too_late")
        self.tries += 1
        return self._take(self._write(body, write), write, order, mail=mail)

    def _is_done(self, db: Db) -> bool:
        outcome = db.value("select outcome from synced.fulfilments where order_id = ?", [self.order_id])
        return outcome not in (None, REFUSED)

    def _settles(self, db: Db, unknown: Write, order: ShopOrder) -> bool:
        """Count a read that does not show an unknown write; says whether that is enough to write again."""
        after = outbox.count_missing(db, self.run, unknown, self.session.settings.settle_wait)
        if is_all_fulfilled(order):  # whoever did it: nothing is left to write
            outbox.end(db, self.run, after, Outcome.ADOPTED)
            return True
        if not after.missing:
            return False
        outbox.end(db, self.run, after, Outcome.MISSING)
        ledger.act(db, self.run, self.order_id, "settled", f"the fulfillment is not there after {after.reads} reads")
        return True

    def _found(self, db: Db, found: ShopFulfilment, unknown: Write | None) -> None:
        """Take a fulfilment that stands there for ours."""
        if unknown is None:
            self._end(db, FOUND_THERE, found.id, mailed=None, note=FOUND_THERE, text="the fulfillment is there already")
            return
        outbox.end(db, self.run, unknown, Outcome.ADOPTED)
        about = json.loads(unknown.about)
        self._end(db, DONE, found.id, mailed=about.get("mail"), note=None, text="the fulfillment is there")
        self.session.counts.add("fulfilled", self.order_id)

    def _begin(self, db: Db, body: dict[str, Any]) -> Write:
        about = {
            "numbers": list(self.parcel.numbers), "date": self.parcel.date, "mail": body["sendTransactionEmail"],
            "type": self.parcel.kind,
        }  # fmt: skip
        return outbox.begin(
            db, self.run, system=SHOP, call=outbox.FULFIL, order_id=self.order_id, vs_number=None,
            body_hash=hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest(),
            about=json.dumps(about),
        )  # fmt: skip

    def _end(
        self, db: Db, outcome: str, fulfillment_id: str | None, *, mailed: bool | None, note: str | None, text: str
    ) -> None:
        run, parcel = self.run, self.parcel
        db.execute(
            """insert into synced.fulfilments (order_id, outcome, fulfillment_id, mailed, numbers, fulfilled_at,
                   written_at, packages, after_change)
               select $id, $outcome, $fulfillment, $mailed, $numbers, $at, $now,
                   (select s.packages from staged.shipments as s join synced.orders as o using (vs_number)
                    where o.order_id = $id),
                   (select coalesce(max(changed), 0) from raw.commerce7_orders)
               on conflict (order_id) do update set outcome = excluded.outcome, numbers = excluded.numbers,
                   fulfillment_id = excluded.fulfillment_id, mailed = excluded.mailed, next_at = null,
                   fulfilled_at = excluded.fulfilled_at, written_at = excluded.written_at,
                   packages = excluded.packages, after_change = excluded.after_change""",
            {
                "id": self.order_id, "outcome": outcome, "fulfillment": fulfillment_id, "mailed": mailed,
                "numbers": json.dumps(list(parcel.numbers)), "at": parcel.at, "now": run.now(),
            },
        )  # fmt: skip
        ledger.unnote(db, self.order_id, ["fulfil_refused"])
        if note is not None:
            ledger.note(db, run, self.order_id, note)
        ledger.act(db, run, self.order_id, "fulfilment", text)

    # What the POST was answered.

    def _write(self, body: dict[str, Any], write: Write) -> writing.ShopAnswer:
        """Send the POST, once."""
        try:
            return writing.fulfil(self.session.shop, self.order_id, body, whole="items" not in body)
        except PipelineError:  # the key is not accepted: nothing was written
            with self.run.open() as db, db.transaction():
                outbox.end(db, self.run, write, Outcome.NOT_REACHED)
            raise

    def _take(self, answer: writing.ShopAnswer, write: Write, order: ShopOrder, *, mail: bool) -> bool:
        """Record the answer; returns whether the order has to be read and judged once more at once.

        Raises:
            PipelineError: the shop was not reached, and is not tried again in this sync.
        """
        match answer:
            case writing.ShopDone():
                self._done(answer, write, order, mail=mail)
                return False
            case RefusedWrite():
                return self._refused(answer, write)
            case NotReached():
                with self.run.open() as db, db.transaction():
                    outbox.end(db, self.run, write, Outcome.NOT_REACHED)
                if self.tries < MOST_TRIES and self._may_try_again():
                    return True
                raise answer.error  # what is due and was not written is no sync that went well
            case UnknownOutcome():
                with self.run.open() as db, db.transaction():
                    ledger.act(
                        db, self.run, self.order_id, "unknown", f"fulfillment: {answer.why}",
                        http_status=answer.http_status, trace_id=answer.trace_id,
                    )  # fmt: skip
                return not self.run.stop()  # read at once

    def _done(self, answer: writing.ShopDone, write: Write, before: ShopOrder, *, mail: bool) -> None:
        made = answer.order
        known = {one.id for one in before.fulfilments}
        found = ours_of(self.parcel, made) if made else None
        found = found or next((one for one in made.fulfilments if one.id not in known), None) if made else None
        with self.run.open() as db, db.transaction():
            outbox.end(db, self.run, write, Outcome.DONE, http_status=answer.http_status)
            told = "mailed to the customer" if mail else "nobody is mailed"
            self._end(db, DONE, found.id if found else None, mailed=mail, note=None, text=f"fulfilled, {told}")
        failpoint("fulfilled")
        evidence.append_fulfilled(self.run, self.order_id, found.id if found else None, mailed=mail)
        self.session.counts.add("fulfilled", self.order_id)

    def _refused(self, answer: RefusedWrite, write: Write) -> bool:
        run = self.run
        marked = any("fulfilled" in (one.description or "").casefold() for one in answer.problems)
        again = marked and not self.was_marked
        with run.open() as db, db.transaction():
            outbox.end(db, run, write, Outcome.REFUSED, http_status=answer.http_status, trace_id=answer.trace_id)
            if again:
                self.was_marked = True
                return True
            attempts = (
                db.value("select attempts from synced.fulfilments where order_id = ?", [self.order_id]) or 0
            ) + 1
            db.execute(
                """insert into synced.fulfilments (order_id, outcome, attempts, next_at) values (?, ?, ?, ?)
                   on conflict (order_id) do update set attempts = excluded.attempts, next_at = excluded.next_at""",
                [self.order_id, REFUSED, attempts, run.now() + gap_after(attempts)],
            )
            fields = sorted({one.code for one in answer.problems if one.code})
            ledger.note(db, run, self.order_id, "fulfil_refused", ", ".join(fields))
            ledger.act(
                db, run, self.order_id, "fulfilment", " ".join(["refused", *fields]), http_status=answer.http_status,
                trace_id=answer.trace_id,
            )  # fmt: skip
        return False


# --- what changes afterwards --------------------------------------------------------------------------------------


def _note_what_changed(session: OrdersSession, db: Db, only: Collection[str] | None) -> None:
    """Note numbers that came later, and fulfilments that somebody removed, inside the caller's transaction."""
    rows = db.rows(
        """select f.order_id, f.numbers, s.packages from synced.fulfilments as f
           join synced.orders as o using (order_id) join staged.shipments as s using (vs_number)
           where list_contains(['done', 'found_there'], f.outcome) and s.packages is distinct from f.packages
           order by f.order_id"""
    )
    for order_id, numbers, packages in rows:
        if only is None or order_id in only:
            _note_numbers(session, db, order_id, json.loads(numbers), packages)
    looked = ledger.fact(db, _LOOKED)
    looked = looked if isinstance(looked, int) else -1
    through = int(db.value("select coalesce(max(changed), 0) from raw.commerce7_orders"))
    for order_id, fulfillment_id, numbers, at in db.rows(
        """select f.order_id, f.fulfillment_id, f.numbers, f.fulfilled_at from synced.fulfilments as f
           join raw.commerce7_orders as r on r.id = f.order_id
           where list_contains(['done', 'found_there'], f.outcome) and r.changed > f.after_change
             and r.changed > $looked and r.gone_at is null order by f.order_id""",
        {"looked": looked},
    ):
        if only is None or order_id in only:
            _note_removed(session, db, order_id, fulfillment_id, json.loads(numbers), at)
    if only is None and through != looked:
        ledger.keep_fact(db, session.run, _LOOKED, through)


def _note_numbers(session: OrdersSession, db: Db, order_id: str, told: list[str], packages: str) -> None:
    numbers = list(dict.fromkeys(one["tracking_number"] for one in json.loads(packages) if one.get("tracking_number")))
    order = stored.load(db, [order_id]).get(order_id)
    known = {one.casefold() for one in told}
    known |= {number.casefold() for one in (order.fulfilments if order else ()) for number in one.tracking_numbers}
    new = [number for number in numbers if number.strip().casefold() not in known]
    if not new:
        ledger.unnote(db, order_id, ["tracking_changed"])
    elif ledger.note(db, session.run, order_id, "tracking_changed", ", ".join(new)):
        text = f"tracking numbers that came after the fulfillment: {', '.join(new)}"
        ledger.act(db, session.run, order_id, "fulfilment", text)


def _note_removed(
    session: OrdersSession, db: Db, order_id: str, fulfillment_id: str | None, numbers: list[str], at: datetime | None
) -> None:
    order = stored.load(db, [order_id]).get(order_id)
    if order is None:
        return
    known = {one.casefold() for one in numbers}
    is_there = any(
        one.id == fulfillment_id
        or known & {number.strip().casefold() for number in one.tracking_numbers}
        or (at is not None and one.at is not None and _instant(one.at) == at.replace(microsecond=0, tzinfo=UTC))
        for one in order.fulfilments
    )
    if is_there:
        ledger.unnote(db, order_id, ["removed_there"])
    elif ledger.note(db, session.run, order_id, "removed_there"):
        ledger.act(db, session.run, order_id, "fulfilment", "somebody removed the fulfillment at Commerce7")
    db.execute("update synced.fulfilments set removed = ? where order_id = ?", [not is_there, order_id])
