"""Takes hints into a whole sync: what no list shows is read first, and whoever opted out is read singly (H26)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from vs_st_pipeline.connectors import simpletexting
from vs_st_pipeline.connectors.simpletexting import contacts
from vs_st_pipeline.connectors.simpletexting.hooks import tells_opt_out
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.vinoshipper import hinted as stored
from vs_st_pipeline.connectors.vinoshipper.read_queue import HINTED
from vs_st_pipeline.connectors.vinoshipper.read_queue import hint as put_first
from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, MEMBERSHIP, ORDER, Hint
from vs_st_pipeline.domain.single_reads import is_of_one_record
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.pipeline.whole_hints import Taken
from vs_st_pipeline.platform.inbox.store import UNUSABLE
from vs_st_pipeline.platform.looking import note_rows
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.state import CLOCK_SLACK
from vs_st_pipeline.routes.contacts.session import ContactsSession

_QUEUED: Final = (ORDER, CUSTOMER)
_LINKED: Final = "in (select customer_id from raw.vinoshipper_customers where linked_run is not null)"


def hand_over(run: Run, hints: Sequence[Hint]) -> None:
    """Put hinted records at the head of a whole sync's queue; contacts and the rest are in its lists.

    Ids in no stored list are left to the lists: they show what exists (H25).
    """
    with run.open() as db, db.transaction():
        for kind in (ORDER, CUSTOMER):
            ids = {one.id for one in hints if one.kind == kind and one.id is not None}
            put_first(db, kind, [one for one in ids if stored.is_stored(db, kind, one)], HINTED, run.now())
        told = [one for one in hints if one.kind == MEMBERSHIP and one.id is not None]
        owners = {
            stored.customer_of_membership(db, one.id, [one.kept.get("hrefV3")]) for one in told if one.id is not None
        }
        ids = {str(one) for one in owners if one is not None}
        put_first(db, CUSTOMER, [one for one in ids if stored.is_stored(db, CUSTOMER, one)], HINTED, run.now())


def unread(run: Run, hints: Sequence[Hint]) -> set[int]:
    """Return the numbers of the hints whose records this sync has left to the next one, for want of budget or time.

    A record that cannot be read is not among them: it is tried again by itself, and its hint must not wait for ever.
    """
    wanted: dict[tuple[str, str | None], list[int]] = {}
    for one in hints:
        if one.kind in _QUEUED:
            wanted.setdefault((one.kind, one.id), []).append(one.hint)
    if not wanted:
        return set()
    with run.open() as db:
        left = db.rows(
            f"""select h.kind, h.id from raw.hints as h
                anti join raw.unreadable as u on (u.kind, u.id) = (h.kind, h.id)  -- read in turn, after growing gaps
                where (h.kind = '{CUSTOMER}' and try_cast(h.id as bigint) {_LINKED})
                   or (h.kind = '{ORDER}' and exists (select 1 from raw.vinoshipper_orders as o
                                                       where o.order_number = h.id and o.customer_id {_LINKED}))"""
        )
    return {number for row in left for number in wanted.get((row[0], row[1]), ())}


def read_opt_outs(session: ContactsSession, taken: Taken) -> None:
    """Read each contact singly of whom an opt-out was reported, as far as hints may ask for (H26, H27); others wait."""
    run, inbox = session.run, session.run.inbox
    reports = [one for one in taken.hints if one.kind == CONTACT and tells_opt_out(one)]
    if inbox is None or not reports:
        return
    share = run.merchant.webhooks.share
    rate = simpletexting.CONNECTOR.account(run.merchant).requests_per_second * share
    for record in dict.fromkeys(one.record for one in reports):
        hints = [one for one in reports if one.record == record]
        may = False
        with suppress(*UNUSABLE):  # busy: a whole sync goes on without it (H19), and these wait
            may = inbox.spend(run.merchant.id, SIMPLETEXTING, 1, rate)
        if not may or not _read(session, hints[0]):
            taken.waits.update(one.hint for one in hints)


def note_seen(run: Run) -> None:
    """Note for the next opt-in look what this sync saw of the contacts (rulings 9)."""
    looking, webhooks = simpletexting.CONNECTOR.looking, run.merchant.webhooks
    if run.inbox is None or run.dry_run or looking is None or not webhooks.enabled or webhooks.opt_in_look is None:
        return
    with run.open() as db:
        rows = looking.known(db)
    with suppress(*UNUSABLE):
        note_rows(run.inbox, run.merchant.id, rows, datetime.now(UTC) + CLOCK_SLACK)


def _read(session: ContactsSession, hint: Hint) -> bool:
    ids: Collection[str] = [hint.id] if hint.id else _ids_of(session.run, hint.phone)
    for contact_id in ids:
        try:
            contacts.fetch_contact(session.run, session.simpletexting, contact_id)
        except PipelineError as error:
            if not is_of_one_record(error) and not isinstance(error, Refused):
                raise
            return False
    return True


def _ids_of(run: Run, phone: str | None) -> list[str]:
    with run.open() as db:
        rows = db.rows("select contact_id from raw.simpletexting_contacts where phone = ? and not gone", [phone])
    return [row[0] for row in rows]


QUEUE: Final = Queue(hand_over, unread)
