"""Stores SoPost's events, and the orders that they name (consumers.md 3.4, 3.10; rulings, consumers 1 and 2).

Data flow: hints of the inbox -> raw.sopost_events, rows of raw.sopost_orders that wait to be read -> `reading`.

An event is kept once however often it comes, so taking the same hints again does no harm: the database's commit comes
first, then the inbox's. Which of two came first is told by numbers, not by times. Where the database was lost, or an
older one put back, what it lacks is taken again as long as the inbox keeps it: SoPost can be asked for no list, and
what it sends again is no news to the inbox.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.hooks import event_key
from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.statuses import APPROVED, classify, names_of
from vs_st_pipeline.connectors.sopost.streams import ORDER, ORDERS
from vs_st_pipeline.domain.hints import Hint
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.inbox.store import UNUSABLE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.platform.warehouse.suppression import filter_suppressed

WEBHOOK, IMPORT = "webhook", "import"
TAKEN, _TAKEN_BY = "sopost_taken", "sopost_taken_by"
"""The states that say which entry of the inbox is the newest of those that were taken, and by which run."""

_ORDERS = ORDERS.table
_AT_ONCE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as it is stored."""

    key: str
    order_id: str  # small letters
    asked_id: str
    event_id: str
    event: str
    activity_id: str
    received_at: datetime


def take(run: Run, hints: Sequence[Hint]) -> int:
    """Store the events of these hints; returns how many there are, those that were known already too.

    Orders that nobody knew wait to be read from then on. Under the route's sync lock, some thousands in a transaction:
    where it is stopped between two, all are taken once more.
    """
    own = [hint for hint in hints if (hint.system, hint.kind) == (SOPOST, ORDER)]
    found = [*_lost(run), *own]
    if found:
        with run.open() as db:
            for start in range(0, len(found), _AT_ONCE):
                with db.transaction():
                    _store(run, db, [_event(hint) for hint in found[start : start + _AT_ONCE]])
            with db.transaction():
                set_state(db, TAKEN, max(get_state(db, TAKEN) or 0, *(hint.entry for hint in found)), run.now())
                set_state(db, _TAKEN_BY, run.run_id, run.now())
    return len(own)


def _lost(run: Run) -> list[Hint]:
    """Return what the inbox keeps as done, where its newest entry is not known here: this is another file."""
    if run.inbox is None or not run.inbox.exists:
        return []
    with suppress(*UNUSABLE):
        with run.open() as db:
            known, by = get_state(db, TAKEN) or 0, get_state(db, _TAKEN_BY)
        if by == run.run_id:  # it has looked, with the first of the hints that it takes
            return []
        if run.inbox.newest_done(run.merchant.id, run.route, SOPOST) > known:
            return [one for one in run.inbox.done(run.merchant.id, run.route, SOPOST) if one.kind == ORDER]
    return []


def peek(run: Run, hints: Sequence[Hint]) -> list[str]:
    """Store the same for a dry run, whose hints nobody has claimed; returns the ids of the orders that they name.

    What is stored of an event is the same whoever stores it and whenever, so the sync that takes the entries finds it
    there, and does not read again what the dry run has read.
    """
    take(run, hints)
    return sorted({hint.id for hint in hints if (hint.system, hint.kind) == (SOPOST, ORDER) and hint.id})


def waiting(run: Run) -> list[Hint]:
    """Return the hints that wait for this run's merchant and route, claimed by nobody; it changes nothing."""
    return run.inbox.unclaimed(run.merchant.id, run.route) if run.inbox is not None else []


def _event(hint: Hint) -> Event:
    said = hint.kept
    kept = {key: str(said.get(key) or "") for key in ("event_id", "event", "order_id", "activity_id")}
    asked = kept["order_id"] or str(hint.id)
    key = (
        event_key(kept["event_id"], asked, kept["event"])
        if kept["event_id"]
        # An inbox that was put back from a backup gives numbers a second time.
        else json.dumps(["", asked.lower(), kept["event"], hint.entry, hint.at], ensure_ascii=False)
    )
    at = datetime.fromisoformat(hint.at)
    received = (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None)
    return Event(key, asked.lower(), asked, kept["event_id"], kept["event"], kept["activity_id"], received)


def _store(run: Run, db: Db, events: Iterable[Event]) -> None:
    first = dict[str, Event]()
    for event in events:
        first.setdefault(event.key, event)
    found = filter_suppressed(db, list(first.values()), ORDERS, lambda event: (event.order_id, (), None), run.now())
    with db.batch({"event_key": [event.key for event in found]}) as batch:
        known = {
            row[0] for row in db.rows(f"select event_key from raw.sopost_events semi join {batch} using (event_key)")
        }
    new = [event for event in found if event.key not in known]
    if not new:
        return
    last = db.value(
        f"""select greatest(coalesce((select max(seq) from raw.sopost_events), 0),
                            coalesce((select max(last_seq) from {_ORDERS}), 0))"""
    )
    columns: dict[str, list[Any]] = {
        "event_key": [event.key for event in new],
        "seq": list(range(last + 1, last + 1 + len(new))),
        "order_id": [event.order_id for event in new],
        "event_id": [event.event_id for event in new],
        "event": [event.event for event in new],
        "activity_id": [event.activity_id for event in new],
        "word": [loosely(event.event) for event in new],
        "received_at": [event.received_at.isoformat() for event in new],
    }
    with db.batch(columns, {"seq": "int"}) as batch:
        db.execute(
            f"""insert into raw.sopost_events
                select event_key, seq, order_id, event_id, event, activity_id, word, received_at::timestamp
                from {batch} order by seq"""
        )
    _note_orders(run, db, dict(zip(columns["seq"], new, strict=True)))


def _note_orders(run: Run, db: Db, new: dict[int, Event]) -> None:
    """Make rows of orders that were not known, and raise the last event of all."""
    settings = run.merchant.section(SoPostSettings)
    first, last = dict[str, Event](), dict[str, int]()
    for seq, event in new.items():
        first.setdefault(event.order_id, event)
        last[event.order_id] = seq
    columns: dict[str, list[Any]] = {
        "id": list(first),
        "asked_id": [event.asked_id for event in first.values()],
        "first_class": [classify(settings, event.event) for event in first.values()],
        "moment": [event.received_at.isoformat() for event in first.values()],
        "last_seq": [last[order_id] for order_id in first],
    }
    with db.batch(columns, {"last_seq": "int"}) as batch:
        db.execute(
            f"""update {_ORDERS} as o
                set last_seq = b.last_seq, first_event_at = coalesce(first_event_at, b.moment::timestamp)
                from {in_row_order(_ORDERS, batch, "id")} as b where o.rowid = b.rowid_"""
        )
        db.execute(
            f"""insert into {_ORDERS} (system, object, id, asked_id, first_seen_at, first_seen_by, first_class,
                                       first_event_at, may_create, last_seq)
                select '{SOPOST}', '{ORDERS.name}', id, asked_id, moment::timestamp, '{WEBHOOK}', first_class,
                       moment::timestamp, true, last_seq
                from {batch} anti join {_ORDERS} using (id)"""
        )
    _tell_staging(db, settings, [event for event in new.values() if classify(settings, event.event) == APPROVED])


def _tell_staging(db: Db, settings: SoPostSettings, approvals: Sequence[Event]) -> None:
    """Have orders staged anew that count from now on: read in a later stage, and now told to have been approved."""
    if not approvals:
        return
    listed = sorted(name for one in ("approved", "pending", "rejected") for name in names_of(settings, one))
    with (
        db.batch({"id": sorted({event.order_id for event in approvals})}) as batch,
        db.batch({"word": listed}) as words,
    ):
        ids = db.rows(
            f"""select id from {_ORDERS} as o semi join {batch} as b using (id)
                where read_at is not null and not was_approved and body is not null
                  and status_word not in (select word from {words})"""
        )
    raise_changed(db, [row[0] for row in ids])


def raise_changed(db: Db, ids: Sequence[str]) -> None:
    """Have these orders staged anew, inside the caller's transaction."""
    if ids:
        number = next_change(db)
        with db.batch({"id": sorted(ids)}) as batch:
            db.execute(
                f"""update {_ORDERS} as o set changed = {number}
                    from {in_row_order(_ORDERS, batch, "id")} as b where o.rowid = b.rowid_"""
            )


def next_change(db: Db) -> int:
    """Return a number for `changed` that is greater than all before."""
    return int(db.value(f"select coalesce(max(changed), 0) + 1 from {_ORDERS}"))
