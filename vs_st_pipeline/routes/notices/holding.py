"""Takes over what a plan has judged: what waits and why, what is dropped for good, each reason told once (5, 7.8).

Data flow: planned.notices, a verdict right before a claim -> synced.notices, staged.activity.

All of it runs in the caller's transaction. What is or may be out is not touched.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.activity_bulk import Entry, add_all
from vs_st_pipeline.routes.notices.words import Drop, State, What

_UNTOLD: Final = (Drop.BEFORE_START, Drop.NOT_ENABLED)
"""Reasons that make no row of activity: they are of what happened before anybody wanted a message."""


def verdicts(db: Db, run: Run) -> tuple[Counter[str], Counter[str]]:
    """Take over what this plan has judged: rows for what is new, reasons for what waits, drops for good.

    What is or may be out is not touched. A status that is disabled is not stored (rulings, notices 12).

    Returns:
        Notices that were dropped now, by reason, without `not_enabled`; those that wait, by reason.
    """
    now = run.now()
    told = db.rows(
        """select p.notice_id, p.verdict, p.reason, p.rule, p.until, p.merchant_order, p.status, s.state
           from planned.notices as p left join synced.notices as s using (notice_id)
           where p.reason is not null and p.reason not in (select unnest($untold))
             and (s.notice_id is null or (s.state = 'waiting' and (s.reason is distinct from p.reason)))""",
        {"untold": [str(one) for one in _UNTOLD]},
    )
    dropped = Counter[str](
        dict(
            db.rows(
                """select p.reason, count(*) from planned.notices as p left join synced.notices as s using (notice_id)
                   where p.verdict = 'dropped' and p.reason <> ? and (s.notice_id is null or s.state = 'waiting')
                   group by 1""",
                [Drop.NOT_ENABLED],
            )
        )
    )
    waiting = Counter[str](
        dict(
            db.rows(
                """select p.reason, count(*) from planned.notices as p left join synced.notices as s using (notice_id)
                   where p.verdict = 'waiting' and (s.notice_id is null or s.state = 'waiting') group by 1"""
            )
        )
    )
    db.execute(
        """update synced.notices as s set state = if(p.verdict = 'dropped', 'dropped', 'waiting'), reason = p.reason,
               rule = p.rule, until = p.until, changed_at = $now::timestamp, run_id = $run_id
           from planned.notices as p where p.notice_id = s.notice_id and s.state = 'waiting'
             and (p.verdict = 'dropped' or (p.reason, p.rule, p.until) is distinct from (s.reason, s.rule, s.until))""",
        {"now": now, "run_id": run.run_id},
    )
    db.execute(
        """insert into synced.notices (notice_id, kind, unit_key, status, occurrence, merchant_order, order_number,
               state, reason, rule, until, first_seen_at, changed_at, run_id)
           select notice_id, 'notice', unit_key, status, occurrence, merchant_order, order_number,
               if(verdict = 'dropped', 'dropped', 'waiting'), reason, rule, until, $now::timestamp, $now::timestamp,
               $run_id
           from planned.notices as p anti join synced.notices using (notice_id)
           where p.reason is distinct from $disabled""",
        {"now": now, "run_id": run.run_id, "disabled": str(Drop.NOT_ENABLED)},
    )
    add_all(
        db,
        run,
        [
            _entry(notice_id, merchant_order, status, reason, rule, until, verdict == "dropped")
            for notice_id, verdict, reason, rule, until, merchant_order, status, _ in told
        ],
    )
    return dropped, waiting


def held(
    db: Db,
    run: Run,
    notice_id: str,
    reason: str,
    *,
    rule: int | None = None,
    until: datetime | None = None,
    drops: bool = False,
) -> bool:
    """Let one wait, or drop it, right before it would have left; say whether it moved. One that may be out stays.

    It is for what was judged again, could not be claimed, or certainly did not leave us.
    """
    row = db.row("select state, merchant_order, status from synced.notices where notice_id = ?", [notice_id])
    if row is None or row[0] not in (State.WAITING, State.SENDING):
        return False
    db.execute(
        """update synced.notices set state = ?, reason = ?, rule = ?, until = ?, changed_at = ?, run_id = ?
           where notice_id = ?""",
        [State.DROPPED if drops else State.WAITING, reason, rule, until, run.now(), run.run_id, notice_id],
    )
    if reason not in _UNTOLD:
        add_all(db, run, [_entry(notice_id, row[1], row[2], reason, rule, until, drops)])
    return True


def _entry(
    notice_id: str, merchant_order: str | None, status: str | None, reason: str, rule: int | None,
    until: datetime | None, drops: bool,
) -> Entry:  # fmt: skip
    """Return the row that tells why a notice waits or was dropped: once for each reason (7.8)."""
    return Entry(
        What.HELD,
        f"held {notice_id} {reason}",
        merchant_order,
        notice_id,
        detail={
            "status": status, "reason": reason, "rule": rule, "dropped": drops,
            "until": None if until is None else until.isoformat(),
        },
    )  # fmt: skip
