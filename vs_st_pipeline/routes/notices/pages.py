"""Says what the pages of this route's assets show; people are masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.phone import mask_phone
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.pages import ROW_COUNT, ROWS, Page, Short, Table, View, count_of, read_of, rows_there
from vs_st_pipeline.pipeline.tables import Frame, read_table
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.assets import (
    ACTIONS,
    CONSENTS,
    PLANNED_ACTIONS,
    RECEIPTS,
    RECIPIENTS,
    REPLIES,
    TEMPLATES,
)
from vs_st_pipeline.routes.notices.meanings import MEANINGS
from vs_st_pipeline.routes.notices.report import NoticesReport
from vs_st_pipeline.routes.notices.stage_names import PLAN, PUSH, READ, STAGED


def _of(report: Report) -> NoticesReport:
    assert isinstance(report, NoticesReport)
    return report


def _reasons(counts: Mapping[Any, int]) -> Table | None:
    rows = [{"reason": str(k), "messages": n, "means": MEANINGS.get(k, "")} for k, n in sorted(counts.items()) if n]
    return Table(rows) if rows else None


def _planned(report: Report, shown: Mapping[str, Any]) -> Short:
    told = _of(report)
    numbers: dict[str, Any] = {"messages due": told.messages}
    for name, counts in (("waiting by reason", told.waits), ("dropped by reason", told.dropped), ("noted", told.noted)):
        if (table := _reasons(counts)) is not None:
            numbers[name] = table
    return (
        f"{counted(told.messages, 'messages')} due; {told.waits.total()} wait, {told.dropped.total()} dropped",
        numbers,
    )


def _sent(report: Report, shown: Mapping[str, Any]) -> Short:
    told = _of(report)
    numbers = {
        "accepted": told.accepted, "rejected": told.rejected, "unknown": told.unknown,
        **{name: told.counts[name] for name in ("delivered", "read", "failed")},
    }  # fmt: skip
    return f"messages: {', '.join(f'{count} {name}' for name, count in numbers.items())}", numbers


def _acted(report: Report, shown: Mapping[str, Any]) -> Short:
    told = _of(report)
    numbers = {name: told.counts[f"actions_{name}"] for name in ("done", "refused", "unknown")}
    return f"actions: {', '.join(f'{count} {name}' for name, count in numbers.items())}", numbers


def _actions(report: Report, shown: Mapping[str, Any]) -> Short:
    return f"{counted(_of(report).actions, 'actions')} due", {"actions due": _of(report).actions}


def _masked(run: Run, sql: str, values: list[Any]) -> Frame:
    found = read_table(run, sql, values)
    found["phone"] = [mask_phone(one) if one else one for one in found["phone"]]
    return found


def _view(sql: str) -> Any:
    return lambda run: _masked(run, sql, [ROWS])


_WOULD_GO: Final = _view(
    """select order_number as "order", status, phone from planned.notices where verdict = 'due' order by seq limit ?"""
)


def _held(verdict: str) -> Any:
    """Make what does not go now, of each reason some; a time is UTC, to the minute."""
    until = ", strftime(until, '%Y-%m-%d %H:%M') as until" if verdict == "waiting" else ""
    return _view(
        f"""select order_number as "order", status, reason{until}, phone from planned.notices
            where verdict = '{verdict}'
            order by row_number() over (partition by reason order by notice_id), reason limit ?"""
    )


_WENT: Final = _view(
    """select order_number as "order", status, state, code, strftime(claimed_at, '%Y-%m-%d %H:%M') as sent_utc,
           destination as phone from synced.notices
       where claimed_at is not null order by claimed_at desc limit ?"""
)


def _staged(table: str) -> Page:
    return Page({ROW_COUNT: count_of(f"staged.{table}")}, in_short=rows_there)


PAGES: Final = {
    READ: Page(in_short=read_of("orders", "hooks")),
    TEMPLATES: Page(in_short=read_of("templates")),
    RECEIPTS: Page(in_short=read_of("receipts")),
    REPLIES: Page(in_short=read_of("replies")),
    STAGED: _staged("journey_events"),
    RECIPIENTS: _staged("recipients"),
    CONSENTS: _staged("consents"),
    PLAN: Page(
        {"messages that would go": count_of("planned.notices", "where verdict = 'due'")},
        views=(
            View("what would go", "planned.notices where verdict = 'due'", _WOULD_GO),
            View("what waits, and why", "planned.notices where verdict = 'waiting'", _held("waiting")),
            View("what does not go, and why", "planned.notices where verdict = 'dropped'", _held("dropped")),
        ),
        in_short=_planned,
    ),
    PLANNED_ACTIONS: Page(in_short=_actions),
    PUSH: Page(
        {"messages sent": count_of("synced.notices", "where accepted_at is not null")},
        views=(View("what went", "synced.notices", _WENT),),
        in_short=_sent,
    ),
    ACTIONS: Page({"actions done": count_of("synced.actions", "where state = 'done'")}, in_short=_acted),
}
