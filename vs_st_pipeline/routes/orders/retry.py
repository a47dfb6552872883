"""Sends failed orders again, named ones or all with one code: `send` for each, after a person has seen the list.

Nothing is forced: each order is judged, and read at Vinoshipper, as `vs-st orders send` does.
"""

from __future__ import annotations

from vs_st_pipeline.domain.errors import BadArguments, BadSettings
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import OK, PARTIAL, Report
from vs_st_pipeline.pipeline.route import Again
from vs_st_pipeline.pipeline.schedule import write_next_due
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.orders import acting, due, finding, ledger, sending, show, stages
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.sentences import CODES
from vs_st_pipeline.routes.orders.session import open_session
from vs_st_pipeline.routes.orders.stage_names import PUSH
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline.routes.orders.told import why_of


def find(run: Run, again: Again) -> list[str]:
    """Return what would be sent, a line for each order. Raises BadArguments: a word names no order, a code is none."""
    rows = _rows(run, again)
    count = f"{counted(len(rows), 'orders')} {'is' if len(rows) == 1 else 'are'}"
    lines = [f"{run.merchant.id}: {count} judged and sent now"]
    for row in rows:
        lines.append(
            f"  {row.order_number}: {row.message or row.state}{f' ({row.code}) {why_of(row)}' if row.code else ''}"
        )
    return lines


def retry(run: Run, again: Again) -> Report | None:
    """Send these orders; returns the report of that, None where there are none. Never raises but BadArguments.

    Its `synced` counts what became so now, as everywhere; what was failed and is still, it counts as noted and open,
    and names with the reason.
    """
    rows = _rows(run, again)
    if not rows:
        return None
    with open_session(run, (PUSH,)) as session, run.sync_lock():
        if not session.writes:
            raise BadSettings("orders.mode is `shadow`, so nothing is sent")
        stages.begin(session)
        session.only = frozenset(row.order_id for row in rows)
        try:
            for row in rows:
                ended = sending.send(session, row.order_id, who=run.who)
                if not ended.done:
                    session.told.not_sent.append(f"{row.order_number}: {acting.why_not(ended)}")
        finally:
            write_next_due(run, run.now())
            with run.open() as db:
                due.count(session, db)
            session.told.add_up()
    if session.told.not_sent and session.report.status == OK:
        session.report.status = PARTIAL
    return session.report


def _rows(run: Run, again: Again) -> list[OrderRow]:
    if again.code is not None and again.code not in CODES:
        raise BadArguments("there is no such code; `vs-st orders list --state failed` shows those that stand")
    if not run.file().exists():
        if again.records:
            raise show.unknown(again.records[0])
        return []
    with run.open() as db:
        if again.code is not None:
            given = {"code": again.code}
            return ledger.read(db, "state = 'failed' and code = $code", given)
        ids = [finding.held(db, word, show.prefix_of(run.merchant)) for word in again.records]
        for word, order_id in zip(again.records, ids, strict=True):
            if order_id is None:
                raise show.unknown(word)
        found = ledger.find(db, [one for one in ids if one is not None])
    return [row for row in found.values() if row.state not in (State.SENT, State.VOIDED)]
