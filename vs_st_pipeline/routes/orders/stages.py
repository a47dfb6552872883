"""Runs each stage of route `orders` for one merchant; `sync` and `targeted` say in which order, and for whom.

Data flow: both systems -> raw; staged, planned in `staging`, `judging`, `planned`; the ledger -> sends, fulfilments,
messages -> both systems.

Trouble at the shipper ends no stage: it is kept (`session.there`), the shipper is asked no more, and the run fails when
all that it can do without it is done. Trouble at the shop ends the run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from vs_st_pipeline.connectors.commerce7 import gaps, reading, stored
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.pipeline import erasure, raw_retention
from vs_st_pipeline.pipeline.schedule import write_next_due
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.routes.orders import (
    after_sent,
    alerts,
    brake,
    due,
    evidence,
    forgetting,
    fulfilling,
    hinting,
    judging,
    ledger,
    messages,
    retention,
    sending,
    settling,
    watching,
)
from vs_st_pipeline.routes.orders import reads as reads_of
from vs_st_pipeline.routes.orders.session import SYSTEMS, OrdersSession
from vs_st_pipeline.routes.orders.states import ThereCode
from vs_st_pipeline.routes.orders.systems import SHIPPER

_SEARCH: Final = "search"  # fact: what the shipper's search obeys, and since when that is known
_LEARN_AGAIN_AFTER: Final = timedelta(days=7)
_MOST_NAMED: Final = 50  # missing numbers that a note names


# --- before and after ---------------------------------------------------------------------------------------------


def begin(session: OrdersSession) -> None:
    """Bring in step what a crash, a loss or an older file has left."""
    run = session.run
    forgetting.begin(run)
    if evidence.recover(run):
        forgetting.begin(run)
    judging.begin(session)
    with run.open() as db:
        kept = ledger.fact(db, _SEARCH)
    if kept is not None and abs(run.now() - datetime.fromisoformat(kept["since"])) < _LEARN_AGAIN_AFTER:
        session.learned = kept["learned"]


def _keep_learned(session: OrdersSession) -> None:
    """Remember what the shipper's search obeys, so that the next run need not find out again."""
    run, learned = session.run, session.learned_by_now
    if learned is None or learned == session.learned:
        return
    with run.open() as db, db.transaction():
        kept = ledger.fact(db, _SEARCH) if session.learned is not None else None
        since = run.now().isoformat() if kept is None else kept["since"]
        ledger.keep_fact(db, run, _SEARCH, {"since": since, "learned": learned})


def end(session: OrdersSession) -> None:
    """Count what stands, note when the route is due next, and remove what is kept no longer; a dry run only counts."""
    run, told = session.run, session.told
    told.seen["vinoshipper_orders"] = len(session.seen_there)
    with run.open() as db:
        due.count(session, db)
    told.plan = run.run_id
    told.parts = dict(session.failed_parts)
    told.add_up()
    if run.dry_run:
        told.rejected = 0  # orders were judged, none was refused: a plan that says so is no failure
        return
    _keep_learned(session)
    alerts.look(session)
    with run.open() as db:
        next_due = due.next_due_at(session, db)
    write_next_due(run, next_due)
    if run.trigger == "hint":  # a whole sync follows soon enough for what goes by days
        return
    raw_retention.prune_raw(run, SYSTEMS)
    retention.prune(run)
    erasure.finish(run, forgetting.OWN)


# --- what both say ------------------------------------------------------------------------------------------------


def read_shop(session: OrdersSession) -> None:
    """Read what is hinted at, then the passes, then numbers that are missing.

    Raises:
        PipelineError: the shop does not answer: then nothing else is done.
    """
    run, settings = session.run, session.settings
    with run.open() as db:
        hinted = hinting.orders(run, db)
    read_hinted(session, hinted)
    found = reading.read_passes(
        run,
        session.shop,
        start=settings.start_at(run.merchant.time_zone),
        reconcile=settings.refresh.reconcile,
        believed=partial(brake.is_believed, session),
    )
    session.reads |= found.read_at
    session.told.seen["orders"] = len(found.found | session.reads.keys())
    session.told.noted["unreadable"] += found.unreadable
    if found.reconciled:
        brake.note_window(session, found.window_share, found.window_missing)
    with run.open() as db, db.transaction():
        hinting.done_with(db, hinting.UPDATED)
    if not session.over_budget:
        _look_for_gaps(session)


def _look_for_gaps(session: OrdersSession) -> None:
    """Look for numbers that no order has (3); what is still unknown is noted of the merchant."""
    run = session.run
    found = gaps.look(run, session.shop)
    session.told.seen["orders"] += len(found.found - session.reads.keys())
    with run.open() as db, db.transaction():
        if found.missing:
            ledger.note(db, run, "", "gap", found.missing[:_MOST_NAMED])
        elif ledger.notes_of(db, [""]):
            ledger.unnote(db, "", ["gap"])


def read_hinted(session: OrdersSession, order_ids: list[str]) -> dict[str, PipelineError]:
    """Read orders of the shop singly; returns why some could not be read. A hint is done when its read is stored."""
    run, reads = session.run, SingleReads(len(order_ids))
    for order_id in order_ids:
        session.hinted.add(order_id)
        reads_of.read_order(session, reads, order_id, reads_of.HINT)
        if order_id not in reads.failed:
            with run.open() as db, db.transaction():
                hinting.done_here(db, [order_id])
    return reads.failed


def read_there(session: OrdersSession) -> None:
    """Settle what is unknown, and read at the shipper what is hinted at or due."""
    settle(session)
    if session.there is None:
        with session.asking_there():
            _read_hinted_there(session)
    if session.there is None:
        with session.asking_there():
            watching.watch(session, session.only)


def settle(session: OrdersSession) -> None:
    """Read what is unknown of earlier writes at the shipper (6.4)."""
    if session.there is None:
        with session.asking_there(), session.urgent(Urgency.WRITE):
            settling.settle(session, session.only)


def _read_hinted_there(session: OrdersSession) -> None:
    run = session.run
    with run.open() as db:
        with db.transaction():
            hinting.drop_strangers(db)
        hinted = hinting.there(run, db)
    read_hinted_there(session, hinted)


def read_hinted_there(session: OrdersSession, hinted: Sequence[hinting.Hinted]) -> set[str]:
    """Read orders at the shipper that hints name; returns the numbers of those that could not be read.

    Raises:
        PipelineError: it is the system's trouble.
    """
    if not hinted:
        return set()
    run, numbers = session.run, [one.number for one in hinted]
    with run.open() as db:
        rows = ledger.read(db, "list_contains($numbers::varchar[], vs_number)", {"numbers": numbers})
    began = time.monotonic()
    watching.watch(session, {row.order_id for row in rows})
    with run.open() as db, db.transaction():
        failed = {
            row[0]
            for row in db.rows(
                """select vs_number from raw.vinoshipper_sent_orders
                   where tries > 0 and list_contains(?::varchar[], vs_number)""",
                [numbers],
            )
            if not session.desk.was_read(row[0], since=began)
        }
        approved = {one.number for one in hinted if one.event == "APPROVED"} - failed
        for row in ledger.find(db, {one.order_id for one in rows if one.vs_number in approved}).values():
            if row.code == ThereCode.AGE_VERIFICATION:  # 4.2, ruling 3
                ledger.store(db, replace(row, judged_content=None))
        hinting.done_there(db, set(numbers) - failed)
    return failed


# --- what is written ----------------------------------------------------------------------------------------------


def write(session: OrdersSession) -> None:
    """Send what may be sent, oldest paid first, then fulfil, then tell; nothing in a run that may not write."""
    with session.urgent(Urgency.WRITE):  # with the reads that they need (R49)
        _write(session)


def _write(session: OrdersSession) -> None:
    if session.writes and session.there is None:
        with session.asking_there():
            _send(session)
    judging.end_waiting(session)  # whatever was not sent says why
    with session.asking_there():
        after_sent.look(session, None if session.only is None else session.only | session.linked)
    if session.writes and session.there is None:
        fulfilling.fulfil(session, session.only)
        messages.tell(session, session.only)


def _send(session: OrdersSession) -> None:
    """Send what an earlier try came to nothing of, and what is ready."""
    unsettled = settling.to_send_again(session, session.only)  # what came to nothing is written again (6.4)
    asked = SingleReads()
    with session.run.open() as db:
        counted = stored.unreadable(db)  # when the shop was read
    try:
        ids = [*unsettled, *judging.to_send(session)]
        for ended in sending.each(session, ids, lambda order_id: judging.may_go(session, order_id)):
            session.judged.tried.add(ended.order_id)
            if ended.error is not None and ended.order_id not in counted:  # it waits for that, so people are told (R40)
                session.told.noted["unreadable"] += 1
            if ended.error is None:
                asked.went_well()
            elif ended.error.system == SHIPPER:
                asked.went_wrong(ended.order_id, ended.error)
            if session.run.gives_way():  # a hinted order is not to wait for a club's whole run (R63)
                break
    except PipelineError as error:
        if error.system == SHIPPER:
            session.there = error  # whoever was not sent waits for the same reason: `auth`, `try_later` (4.2)
        raise
    reads_of.ask_another(session, asked)
