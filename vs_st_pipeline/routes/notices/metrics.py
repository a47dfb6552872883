"""Measures what the checks of this route check, from its own tables (notices.md 9.2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.pipeline.metrics import SAMPLED, Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.values import begin_of
from vs_st_pipeline.routes.notices.words import (
    RISING,
    ActionState,
    ConsentSource,
    MessageKind,
    Noted,
    ReplyOutcome,
    State,
)

_DAY: Final = timedelta(days=1)
_FEWEST_SENT: Final = 50  # messages in a day, before a share of them says something
_FEWEST_SILENT: Final = 20


def _list(states: Any) -> str:
    return ", ".join(f"'{state}'" for state in states)


_SENT: Final = _list((*RISING, State.FAILED))
_NOTICE: Final = f"kind = '{MessageKind.NOTICE}'"


def _sampled(db: Db, rows: str, values: list[Any] | None = None) -> str:
    found = db.rows(f"select n from ({rows}) as f(n) where n is not null order by 1 limit {SAMPLED}", values or [])
    return ", ".join(str(row[0]) for row in found)


def _metric(db: Db, rows: str, of: str, values: list[Any] | None = None, of_values: list[Any] | None = None) -> Metric:
    count = int(db.value(f"select count(*) from ({rows})", values or []))
    total = int(db.value(f"select count(*) from ({of})", of_values or []))
    return Metric(count, max(total, count), "", _sampled(db, rows, values) if count else "")


_ALL_SENT: Final = f"select notice_id from synced.notices where state in ({_SENT})"


def twice(run: Run, db: Db) -> Metric:
    """Measure messages that two attempts of may be with the customer: two vendor ids, by ledger or receipts."""
    rows = f"""select n.order_number from synced.notices as n where n.state in ({_SENT}) and (
                   select count(distinct r.gs_id) from staged.receipts as r
                   where r.notice_id = n.notice_id and r.gs_id is not null) > 1
                 and n.retries = 0"""
    return _metric(db, rows, _ALL_SENT)


def without_consent(run: Run, db: Db) -> Metric:
    """Measure notices that were sent without the consent that allowed them."""
    rows = f"""select order_number from synced.notices
               where {_NOTICE} and state in ({_SENT}) and coalesce(consent, '') in ('', '{{}}', 'null')"""
    return _metric(db, rows, f"{_ALL_SENT} and {_NOTICE}")


def out_of_order(run: Run, db: Db) -> Metric:
    """Measure notices that were claimed after one of greater rank of their unit."""
    rows = f"""with sent as (
                   select n.unit_key, n.order_number, n.claimed_at, any_value(e.rank) as rank
                   from synced.notices as n join staged.journey_events as e using (unit_key, status, occurrence)
                   where n.{_NOTICE} and n.state in ({_SENT}) group by all)
               select a.order_number from sent as a join sent as b using (unit_key)
               where b.rank > a.rank and b.claimed_at < a.claimed_at"""
    return _metric(db, rows, f"{_ALL_SENT} and {_NOTICE}")


def templates_unfit(run: Run, db: Db) -> Metric:
    """Measure enabled notifications that wait for their template."""
    wanted = [name for name, one in run.merchant.section(NoticesSettings).notifications.items() if one.enabled]
    rows = db.rows(
        """select distinct status, reason from planned.notices
           where verdict = 'waiting' and reason like 'template_%' order by 1, 2"""
    )
    told = ", ".join(f"{status}: {reason}" for status, reason in rows[:SAMPLED])
    return Metric(len({status for status, _ in rows}), max(len(wanted), len(rows)), told)


def unknown(run: Run, db: Db) -> Metric:
    """Measure messages of which nobody knows whether they arrived."""
    rows = f"select order_number from synced.notices where state = '{State.UNKNOWN}'"
    return _metric(db, rows, f"{_ALL_SENT} union all {rows}")


def failed(run: Run, db: Db) -> Metric:
    """Measure what failed of the last day's messages; of fewer than 50 a share says nothing."""
    since = run.now() - _DAY
    of = f"select order_number from synced.notices where state in ({_SENT}) and claimed_at > ?"
    found = _metric(db, f"{of} and state = '{State.FAILED}'", of, [since], [since])
    return found if found.of >= _FEWEST_SENT else Metric(0, found.of)


def silent(run: Run, db: Db) -> Metric:
    """Measure messages of the last hour, where none of 20 or more has had a callback."""
    since = run.now() - timedelta(hours=1)
    of = f"select order_number from synced.notices where state in ({_SENT}) and accepted_at > ?"
    bare = f"{of} and state = '{State.ACCEPTED}'"
    found = _metric(db, bare, of, [since], [since])
    return found if found.of >= _FEWEST_SILENT and found.count == found.of else Metric(0, found.of)


_ODD: Final = (
    ReplyOutcome.NOT_UNDERSTOOD, ReplyOutcome.MEDIA, ReplyOutcome.UNSOLICITED, ReplyOutcome.AMBIGUOUS,
    ReplyOutcome.OTHER_PHONE, ReplyOutcome.NOT_OFFERED, ReplyOutcome.TOO_LATE,
)  # fmt: skip


def not_understood(run: Run, db: Db) -> Metric:
    """Measure replies of the last 30 days that led to no action, not even to an opt-out."""
    since = _ago(run, 30)
    of = """select message_id from staged.replies where "at" > ?"""
    return _metric(db, f"{of} and outcome in ({_list(_ODD)})", of, [since], [since])


def actions_open(run: Run, db: Db) -> Metric:
    """Measure actions of the last 30 days that were refused, or whose outcome nobody knows."""
    since = _ago(run, 30)
    of = """select action_id from synced.actions where "at" > ?"""
    bad = _list((ActionState.REFUSED, ActionState.UNKNOWN))
    return _metric(db, f"{of} and state in ({bad})", of, [since], [since])


def clock_ahead(run: Run, db: Db) -> Metric:
    """Measure statuses whose time lies ahead of ours."""
    of = "select unit_key from staged.journey_events"
    return _metric(db, f"{of} where noted = '{Noted.CLOCK_AHEAD}'", of)


def no_opt_in(run: Run, db: Db) -> Metric:
    """Measure recent orders of whose phone nothing says that it may be written, neither an order nor anybody else."""
    settings, since = run.merchant.section(NoticesSettings), _ago(run, 7)
    of = """select o.order_number from staged.notice_orders as o join staged.recipients as r using (merchant_order)
            where o.placed_at > ? and r.phone is not null"""
    rows = f"""{of} and not exists (select 1 from staged.consents as c where c.phone = r.phone and c.state = 'in'
                                    and (c.merchant_order is null or c.merchant_order = o.merchant_order))"""
    values: list[Any] = [since]
    if ConsentSource.ESHOPBOX_FLAG in settings.opt_in:
        rows += " and not coalesce(o.whatsapp_flag, false)"
    if ConsentSource.ATTESTATION in settings.opt_in and settings.attestation is not None:
        rows += " and o.placed_at < ?"
        values.append(begin_of(settings.attestation.since, run.merchant.time_zone))
    return _metric(db, rows, of, values, [since])


def _ago(run: Run, days: int) -> datetime:
    return run.now() - timedelta(days=days)
