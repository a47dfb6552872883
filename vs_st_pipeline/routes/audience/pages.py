"""Says what the pages of this route's assets show; people are masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.pages import (
    ROW_COUNT,
    ROWS,
    Page,
    Short,
    Table,
    View,
    count_of,
    outcomes,
    read_of,
    rows_there,
)
from vs_st_pipeline.pipeline.tables import Frame, read_table
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.audience.assets import (
    C7,
    HISTORY,
    PLANNED_HISTORY,
    POSTS,
    REGISTRATION,
    STAGED_KINDS,
    VS_PRODUCTS,
)
from vs_st_pipeline.routes.audience.report import AudienceReport, progress
from vs_st_pipeline.routes.audience.stage_names import PLAN, PUSH, READ
from vs_st_pipeline.routes.audience.words import MEANINGS


def _of(report: Report) -> AudienceReport:
    assert isinstance(report, AudienceReport)
    return report


def _planned(report: Report, shown: Mapping[str, Any]) -> Short:
    told = _of(report)
    numbers: dict[str, Any] = {"events planned": told.events.total(), "late history planned": told.late}
    if told.events.total():
        numbers["events by name"] = Table(
            [{"event": str(name), "planned": count} for name, count in sorted(told.events.items()) if count]
        )
    for name, counts in (("held back by reason", told.held), ("worth knowing by reason", told.noted)):
        if rows := [
            {"reason": str(k), "records": n, "means": MEANINGS.get(k, "")} for k, n in sorted(counts.items()) if n
        ]:
            numbers[name] = Table(rows)
    events, late = counted(told.events.total(), "events"), counted(told.late, "events")
    return f"{events} to tell, {late} as late history; {told.held.total()} held back", numbers


def _history(report: Report, shown: Mapping[str, Any]) -> Short:
    history = _of(report).history
    rows = [{"block": name, **told} for name, told in history["blocks"].items()]
    return progress(history, names_state=True), {"history": history["state"], "blocks": Table(rows)}


def _registration(report: Report, shown: Mapping[str, Any]) -> Short:
    return _of(report).registration, {"registration": _of(report).registration}


def _synced(report: Report, shown: Mapping[str, Any]) -> Short:
    numbers = {"accepted": report.accepted, "rejected": report.rejected, "unknown": report.unknown}
    return outcomes(numbers, "events and records"), numbers


def _masked(run: Run, sql: str, values: list[Any]) -> Frame:
    found = read_table(run, sql, values)
    found["id"] = [mask_email(one) if one and "@" in one else one for one in found["id"]]
    return found


def _view(sql: str) -> Any:
    return lambda run: _masked(run, sql, [ROWS])


_NEWS: Final = _view(
    """select event, kind, id, array_to_string(changed, ', ') as changed from planned.audience_news
       where not late order by number limit ?"""
)
_LATE: Final = _view("select kind, id, event from planned.audience_news where late order by number limit ?")
_HELD: Final = _view(
    """select kind, id, reason from planned.audience_held
       order by row_number() over (partition by reason order by id), reason limit ?"""
)
_NOTED: Final = _view(
    """select word as reason, kind, id from planned.audience_notes
       order by row_number() over (partition by word order by kind, id), word limit ?"""
)
_WAITS: Final = _view(
    """select event, kind, id, state, tries, coalesce(http_status, 0) as http_status from synced.audience_outbox
       order by number limit ?"""
)


PAGES: Final = {
    READ: Page(in_short=read_of("customers", "products", "orders")),
    POSTS: Page(in_short=read_of("posts")),
    VS_PRODUCTS: Page(in_short=read_of("products")),
    C7["customers"]: Page(in_short=read_of("customers")),
    C7["addresses"]: Page(in_short=read_of("customers")),
    C7["products"]: Page(in_short=read_of("products")),
    C7["carts"]: Page(in_short=read_of("carts")),
    C7["orders"]: Page(in_short=read_of("orders")),
    **{
        key: Page({ROW_COUNT: count_of(f"staged.shop_{kind}")}, in_short=rows_there)
        for kind, key in STAGED_KINDS.items()
    },
    PLANNED_HISTORY: Page(
        {"people held": count_of("planned.audience_held", "where kind = 'customer'")},
        views=(
            View("who is held back", "planned.audience_held", _HELD),
            View("what goes as late history", "planned.audience_news where late", _LATE),
        ),
        in_short=_history,
    ),
    PLAN: Page(
        {"events not taken into the outbox yet": count_of("planned.audience_news", "where not late and not silent")},
        views=(
            View("what would be told", "planned.audience_news where not late", _NEWS),
            View("worth knowing, some by record", "planned.audience_notes", _NOTED),
        ),
        in_short=_planned,
    ),
    REGISTRATION: Page(in_short=_registration),
    HISTORY: Page({"records that wait for late history": count_of("synced.audience_late")}, in_short=_history),
    PUSH: Page(
        {
            "events waiting": count_of("synced.audience_outbox"),
            "calls acknowledged": count_of("synced.audience_told", "where state = 'accepted'"),
        },
        views=(View("what waits", "synced.audience_outbox", _WAITS),),
        in_short=_synced,
    ),
}
