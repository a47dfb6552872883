"""Carries out what a person asks about single orders: finds them, does the same with each, tells what came of it.

Data flow: words typed -> order ids (asked of Commerce7, where none is held) -> `Each`, under the lock -> `Told`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import reading
from vs_st_pipeline.domain.errors import BadArguments, PipelineError
from vs_st_pipeline.pipeline.own_commands import Told
from vs_st_pipeline.pipeline.schedule import write_next_due
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import finding, judging, ledger, show, stages, staging
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.session import OrdersSession, open_session
from vs_st_pipeline.routes.orders.stage_names import PUSH
from vs_st_pipeline.routes.orders.told import acted

Record = dict[str, Any]

PERSON: Final = "person"
"""Why an order is read, as the connector keeps it; and the kind of an activity that a person caused."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one order.

    Attributes:
        done: it is as it was wanted, now or since before; else the command exits with 1.
        says: what came of it, as it stands behind the order's number.
        more: what is told of it in `--json` otherwise than the ledger says. error: why a system said nothing of it.
    """

    order_id: str
    done: bool
    says: str
    more: Record = field(default_factory=dict)
    error: PipelineError | None = None


Each = Callable[[OrdersSession, str], Result]


def start_of(session: OrdersSession) -> datetime:
    """Return from when on orders are sent, UTC without zone."""
    return session.settings.start_at(session.run.merchant.time_zone)


def row_of(session: OrdersSession, order_id: str) -> OrderRow | None:
    """Return how an order stands; None: it was paid before the start, or was never judged."""
    with session.run.open() as db:
        return ledger.find(db, [order_id]).get(order_id)


def act(run: Run, words: Sequence[str], each: Each, *, asks: bool) -> Told:
    """Do the same with each order, one after the other, under the lock.

    Args:
        asks: whether an order that is not held is asked of Commerce7.

    Raises:
        BadArguments: a word names no order; then nothing was done with any.
        PipelineError: nothing could be done with any.
    """
    for word in words:
        finding.check_word(word)
    ids: dict[str, str] = {}
    unknown: list[str] = []
    results: list[Result] = []
    with open_session(run, (PUSH,)) as session, run.sync_lock():
        stages.begin(session)
        for word in words:
            if (order_id := _find(session, word, asks=asks)) is None:
                unknown.append(word)
            else:
                ids.setdefault(order_id, word)
        if not unknown:
            session.only = frozenset(ids)
            try:
                results += (each(session, order_id) for order_id in ids)
            finally:
                if not run.dry_run:
                    write_next_due(run, run.now())  # the next sync tells Commerce7
        session.told.add_up()
    error = session.report.error
    if unknown:
        raise BadArguments(f"there is no order {', '.join(unknown)}" + (" at Commerce7" if asks else " here"))
    if error is not None and not results:
        raise error
    with run.open() as db:
        return _told(run, db, ids, results, error)


def _find(session: OrdersSession, word: str, *, asks: bool) -> str | None:
    """Return the id of the order that a word names; one that is not held is read from Commerce7, and staged."""
    run = session.run
    prefix = show.prefix_of(run.merchant)
    with run.open() as db:
        held = finding.held(db, word, prefix)
    if held is not None or not asks:
        return held
    at, start, found = time.monotonic(), start_of(session), None
    number = finding.plain_number(word, prefix)
    if not finding.is_id(word):  # a row of a list may lack what a single read shows, so it is no read of the order
        found = reading.find_number(run, session.shop, number, PERSON, start=start)
    if found is None and number == word and not word.isdigit():
        found = reading.find_id(run, session.shop, finding.ids_of(word), PERSON, start=start)
        session.reads |= {found.id: at} if found is not None else {}
    if found is None:
        return None
    session.only = frozenset([found.id])
    staging.stage(session)
    judging.judge(session)
    return found.id


def _told(run: Run, db: Db, ids: dict[str, str], results: Sequence[Result], error: PipelineError | None) -> Told:
    rows = ledger.find(db, ids)
    done = {one.order_id: one for one in results}
    orders, lines = [], []
    for order_id, word in ids.items():
        result, row = done.get(order_id), rows.get(order_id)
        number = str(db.value("select order_number from staged.shop_orders where order_id = ?", [order_id]) or word)
        more = result.more if result else {}
        orders.append(acted(row, number, done=bool(result and result.done), **more))
        said = result.says if result else "was not looked at: something went wrong before"
        lines.append(f"{orders[-1]['order_number']} {said}")
        if "compliance" in more:
            lines += [f"  {line}" for line in _shown(more["compliance"])]
    error = error or next((one.error for one in results if one.error is not None), None)
    well = error is None and all(one["done"] for one in orders)
    return Told({"merchant": run.merchant.id, "orders": orders}, lines, well=well, error=error)


def _shown(answer: Record) -> list[str]:
    return json.dumps(answer, indent=2, default=str).split("\n")
