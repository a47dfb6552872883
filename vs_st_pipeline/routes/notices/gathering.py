"""Reads what the rules look at, for many notices at once or for one (notices.md 4, 5).

Data flow: staged.journey_events, notice_orders, recipients, consents; synced.notices, synced.actions -> `Facts`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import PHONE, phone_name, read_suppressed
from vs_st_pipeline.routes.notices import status_map, values
from vs_st_pipeline.routes.notices.consent import Row
from vs_st_pipeline.routes.notices.journey import Event
from vs_st_pipeline.routes.notices.judged import AccountNow, Facts, Recipient, Told
from vs_st_pipeline.routes.notices.messages import notice_id
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.status_map import StatusMap
from vs_st_pipeline.routes.notices.terms import Terms
from vs_st_pipeline.routes.notices.values import Order, Values
from vs_st_pipeline.routes.notices.words import ActionState, Basis, ConsentSource, MessageKind

SHARED_WITHIN: Final = timedelta(days=30)
ABSENT: Final = "absent"  # state of a consent row: the phone is not on WhatsApp
OF_AN_ORDER: Final = (ConsentSource.ESHOPBOX_FLAG, ConsentSource.ATTESTATION)
"""What an order says of itself: it is read there, and a row that was once used says nothing of another order."""

_EVENT: Final = """e.unit_key, e.status, e.occurrence, e.rank, e.ends, e.source_status, e.occurred_at, e.last_at,
    e.basis, e.confirmed, e.hook_at, e.attempt_at, e.answered_at, e.noted"""
_TOLD: Final = """notice_id, unit_key, status, occurrence, state, coalesce(accepted_at, claimed_at, changed_at),
    accepted_at, retry_at, if(accepted_at is not null or retries > 0, account, null), merchant_order"""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for all notices of a run."""

    merchant_id: str
    now: datetime
    real: float
    settings: NoticesSettings
    statuses: StatusMap
    terms: Terms
    zone: Any

    @classmethod
    def of(cls, session: NoticesSession, terms: Terms) -> Frame:
        """Return it for a run, as of now."""
        run = session.run
        return cls(
            run.merchant.id, run.now(), time.time(), session.settings, status_map.read(session.settings.statuses),
            terms, run.merchant.time_zone,
        )  # fmt: skip

    def event(self, row: Sequence[Any]) -> Event:
        """Return a row of staged.journey_events."""
        meaning = self.statuses.of_key.get(row[1])
        return Event(
            row[0], row[1], row[2], row[3], row[4], meaning is not None and meaning.repeats, row[5] or "", row[6],
            row[7], None if row[8] is None else Basis(row[8]), row[9], row[10], row[11], row[12], row[13],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A status that may become a notice: new, or one that waits."""

    notice_id: str
    merchant_order: str
    order_number: str | None
    facts: Facts


def candidates(db: Db, frame: Frame, enabled: Collection[str], only: Collection[str] | None) -> list[Candidate]:
    """Return what is to be judged, with what the rules of the status itself look at (5.1-5.3).

    What was dropped for good, or may be out, is not looked at again; a status that is disabled only where a notice of
    it waits.

    Args:
        only: orders; None: all.
    """
    with _orders(db, only) as among:
        rows = db.rows(
            f"""select {_EVENT}, e.first_seen_at, e.in_baseline, e.merchant_order, o.order_number, o.placed_at, r.phone
                from staged.journey_events as e
                left join synced.notices as s on s.kind = 'notice' and s.unit_key = e.unit_key and s.status = e.status
                    and s.occurrence = e.occurrence
                left join staged.notice_orders as o on o.merchant_order = e.merchant_order
                left join staged.recipients as r on r.merchant_order = e.merchant_order
                where e.confirmed and {among} and (s.state = 'waiting'
                    or (s.notice_id is null and e.status in (select unnest($enabled))))
                order by e.unit_key, e.status, e.occurrence""",
            {"enabled": sorted(enabled)},
        )
    return [_candidate(frame, row) for row in rows]


def these(db: Db, frame: Frame, notice_ids: Collection[str]) -> list[Candidate]:
    """Return these notices of the plan; those whose status is not known any more are not among them."""
    rows = db.rows(
        f"""select {_EVENT}, e.first_seen_at, e.in_baseline, e.merchant_order, o.order_number, o.placed_at, r.phone
            from planned.notices as p join staged.journey_events as e using (unit_key, status, occurrence)
            left join staged.notice_orders as o on o.merchant_order = e.merchant_order
            left join staged.recipients as r on r.merchant_order = e.merchant_order
            where e.confirmed and p.notice_id in (select unnest($these))""",
        {"these": sorted(notice_ids)},
    )
    return [_candidate(frame, row) for row in rows]


def _candidate(frame: Frame, row: Sequence[Any]) -> Candidate:
    first_seen_at, in_baseline, merchant_order, order_number, placed_at, phone = row[14:]
    event = frame.event(row)
    own = notice_id(frame.merchant_id, event.unit_key, event.status, event.occurrence)
    facts = Facts(
        own, frame.now, frame.real, frame.settings, frame.statuses, frame.terms, frame.zone, event, first_seen_at,
        in_baseline, Order(merchant_order, "", order_number or "", placed_at=placed_at), recipient=Recipient(phone),
    )  # fmt: skip
    return Candidate(own, merchant_order, order_number, facts)


@contextmanager
def _orders(db: Db, only: Collection[str] | None, table: str = "e") -> Iterator[str]:
    if only is None:
        yield "true"
        return
    with db.batch({"merchant_order": sorted(only)}) as batch:
        yield f"{table}.merchant_order in (select merchant_order from {batch})"


def units_of_hooks(db: Db, frame: Frame, found: Iterable[Candidate]) -> None:
    """Give the events of their units to those that only hooks tell of (5.1)."""
    of_hooks = [one for one in found if one.facts.event.basis == Basis.HOOK]
    if of_hooks:
        events = events_of(db, frame, {one.merchant_order for one in of_hooks})
        for one in of_hooks:
            one.facts.unit = [event for event in events.get(one.merchant_order, ()) if _is_of(event, one)]


def _is_of(event: Event, one: Candidate) -> bool:
    return event.unit_key == one.facts.event.unit_key


def fill(
    db: Db, session: NoticesSession, frame: Frame, found: Sequence[Candidate], account: AccountNow,
    claims: Callable[[str], list[Told]] | None = None,
) -> None:  # fmt: skip
    """Read all else that the rules look at, into the facts of these.

    Args:
        claims: of an order: what the accounts say of its messages, beside the ledger; None: the ledger is in step.
    """
    if not found:
        return
    orders = {one.merchant_order for one in found}
    events, told, acted = events_of(db, frame, orders), _told(db, orders), _acted(db, orders)
    staged, people = _staged(db, orders), _recipients(db, frame, orders)
    phones = {one.phone for one in people.values() if one.phone is not None}
    consents, absent = _consents(db, phones, account)
    for one in found:
        it, key = one.facts, one.merchant_order
        it.siblings = events.get(key, ())
        it.unit = [event for event in it.siblings if _is_of(event, one)]
        it.order = staged.get(key)
        it.recipient = people.get(key, Recipient())
        of_order = {row.notice_id: row for row in told.get(key, ())}
        for row in claims(key) if claims is not None else ():
            if row.was_claimed or row.notice_id not in of_order:
                of_order[row.notice_id] = row
        it.told = list(of_order.values())
        it.own = of_order.get(one.notice_id)
        it.acted_at = acted.get(it.event.unit_key, ())
        if it.recipient.phone is not None:
            rows = consents.get(it.recipient.phone, [])
            it.consents = [row for row in rows if row.merchant_order in (None, "", key)]
            it.absent_at = absent.get(it.recipient.phone)
        it.account = account
        if it.order is not None:
            it.values = Values(
                it.order, it.event.unit_key, it.recipient.name, it.recipient.phone, frame.settings, session.run.merchant
            )


def events_of(db: Db, frame: Frame, orders: Collection[str]) -> dict[str, list[Event]]:
    """Return the events of these orders, by order."""
    found: dict[str, list[Event]] = {}
    with _orders(db, orders) as among:
        rows = db.rows(
            f"""select {_EVENT}, e.merchant_order from staged.journey_events as e where {among}
                order by e.unit_key, e.status, e.occurrence"""
        )
    for row in rows:
        found.setdefault(row[14], []).append(frame.event(row))
    return found


def _told(db: Db, orders: Collection[str]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = {}
    with _orders(db, orders, "n") as among:
        rows = db.rows(
            f"""select {_TOLD} from synced.notices as n where {among} and kind = ?
                and (state <> 'dropped' or accepted_at is not null)""",
            [MessageKind.NOTICE],
        )
    for row in rows:
        found.setdefault(row[9], []).append(Told(*row[:9]))
    return found


def _acted(db: Db, orders: Collection[str]) -> dict[str, list[datetime]]:
    """Return when actions of ours were taken, or may have been, by unit."""
    found: dict[str, list[datetime]] = {}
    with _orders(db, orders, "a") as among:
        rows = db.rows(
            f"""select n.unit_key, a."at" from synced.actions as a join synced.notices as n using (notice_id)
                where {among} and a.state in (select unnest($taken))""",
            {"taken": [str(ActionState.DONE), str(ActionState.UNKNOWN), str(ActionState.SENDING)]},
        )
    for unit_key, at in rows:
        found.setdefault(unit_key, []).append(at)
    return found


def _staged(db: Db, orders: Collection[str]) -> dict[str, Order]:
    with _orders(db, orders, "o") as among:
        rows = db.rows(f"select {values.COLUMNS} from staged.notice_orders as o where {among}")
    return {row[0]: Order.of_row(row) for row in rows}


def _recipients(db: Db, frame: Frame, orders: Collection[str]) -> dict[str, Recipient]:
    with _orders(db, orders, "r") as among:
        rows = db.rows(
            f"""select merchant_order, phone, phone_fault, name, zones, under_age from staged.recipients as r
                where {among}"""
        )
    phones = {row[1] for row in rows if row[1] is not None}
    shared = _shared(db, frame, phones)
    forgotten = read_suppressed(db)
    gone = {one for one in phones if forgotten and forgotten.knows(PHONE, phone_name(one))}
    return {
        row[0]: Recipient(row[1], row[2], row[3], tuple(row[4] or ()), bool(row[5]), row[1] in shared, row[1] in gone)
        for row in rows
    }


def _shared(db: Db, frame: Frame, phones: Collection[str]) -> set[str]:
    """Return the phones that more people than may be have given in 30 days, by order date (5.7; rulings 21)."""
    with db.batch({"phone": sorted(phones)}) as batch:
        rows = db.rows(
            f"""select phone from staged.recipients as r join staged.notice_orders as o using (merchant_order)
                where phone in (select phone from {batch}) and trim(coalesce(r.name, '')) <> ''
                  and (o.placed_at is null or o.placed_at >= $since::timestamp)
                group by phone
                having count(distinct lower(regexp_replace(trim(r.name), '\\s+', ' ', 'g'))) > $most""",
            {"since": frame.now - SHARED_WITHIN, "most": frame.settings.shared_phone_limit},
        )
    return {row[0] for row in rows}


def _consents(db: Db, phones: Collection[str], account: AccountNow) -> tuple[dict[str, list[Row]], dict[str, datetime]]:
    """Return consent rows of the selected account by phone, and when a phone was not on WhatsApp, by any account."""
    found: dict[str, list[Row]] = {}
    absent: dict[str, datetime] = {}
    own = account.account.id if account.account is not None else None
    with db.batch({"phone": sorted(phones)}) as batch:
        rows = db.rows(
            f"""select phone, account, source, state, "at", merchant_order, evidence, number from staged.consents
                where phone in (select phone from {batch}) and source not in (select unnest($own)) order by "at" """,
            {"own": [str(one) for one in OF_AN_ORDER]},
        )
    for phone, of_account, source, state, at, merchant_order, evidence, number in rows:
        if state == ABSENT:
            absent[phone] = at
        elif of_account == own:
            found.setdefault(phone, []).append(Row(source, state, at, merchant_order or None, evidence, number))
    return found, absent
