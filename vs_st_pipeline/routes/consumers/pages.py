"""Says what the pages of this route's assets show; people are masked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from vs_st_pipeline.connectors import hubspot, klaviyo, salesforce
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.pages import (
    ROW_COUNT,
    ROWS,
    InShort,
    Page,
    Short,
    Table,
    View,
    count_of,
    outcomes,
    rows_there,
)
from vs_st_pipeline.pipeline.tables import Frame, read_table
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.consumers import codes
from vs_st_pipeline.routes.consumers.assets import ANSWERS, CONSENTS, STAGED_ORDERS
from vs_st_pipeline.routes.consumers.report import ConsumersReport, CrmPart
from vs_st_pipeline.routes.consumers.stage_names import CONTACTS, EVENTS, ORDERS, PLANNED, STAGED, SYNCED
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES
from vs_st_pipeline.routes.consumers.words import MEANINGS

STREAMS: Final = {one.CONNECTOR.name: one.CONNECTOR.streams[0] for one in (hubspot, klaviyo, salesforce)}


def _events(report: Report, shown: Mapping[str, Any]) -> Short:
    taken = report.seen.get("events", 0)
    return f"{counted(taken, 'events')} taken from the inbox", {"events taken": taken}


def _orders(report: Report, shown: Mapping[str, Any]) -> Short:
    read = report.seen.get("orders", 0)
    words = report.orders if isinstance(report, ConsumersReport) else {}
    told = ", ".join(f"{count} {word}" for word, count in words.items() if count)
    return f"{counted(read, 'orders')} read or tried" + (f": {told}" if told else ""), {"orders read": read}


def _part_of(report: Report, crm: str) -> CrmPart:
    found = report.crms.get(crm) if isinstance(report, ConsumersReport) else None
    return found or CrmPart(crm)


def _in_spite(part: CrmPart, told: str) -> str:
    """Say what went wrong at a CRM before what was done all the same: of none to write, it may not have been asked."""
    return f"{part.error.kind}: {part.error.message}; so far {told}" if part.error else told


def _found(crm: str) -> InShort:
    def in_short(report: Report, shown: Mapping[str, Any]) -> Short:
        part = _part_of(report, crm)
        return _in_spite(part, f"{counted(part.looked, 'records')} found"), {"records found": part.looked}

    return in_short


def _planned(crm: str) -> InShort:
    def in_short(report: Report, shown: Mapping[str, Any]) -> Short:
        part = _part_of(report, crm)
        numbers: dict[str, Any] = {f"{word} planned": part.planned[word] for word in ("consumers", "fields")}
        numbers["subscriptions planned"] = part.planned["subscriptions"]
        for name, counter in (("held back by reason", part.held), ("worth knowing by reason", part.noted)):
            rows = [{"reason": k, "consumers": n, "means": MEANINGS.get(k, "")} for k, n in counter.items() if n]
            if rows:
                numbers[name] = Table(rows)
        short = ", ".join(
            (
                f"{counted(part.planned['consumers'], 'consumers')} to write",
                counted(part.planned["subscriptions"], "subscriptions"),
            )
        )
        return _in_spite(part, f"{short}; {part.held.total()} held back"), numbers

    return in_short


def _synced(crm: str) -> InShort:
    def in_short(report: Report, shown: Mapping[str, Any]) -> Short:
        part = _part_of(report, crm)
        counts = {"accepted": part.accepted, "rejected": part.rejected, "unknown": part.unknown}
        short = outcomes(counts, "consumers")
        numbers = {f"consumers {name}": count for name, count in counts.items()}
        return _in_spite(part, short), numbers

    return in_short


def _masked(run: Run, sql: str, values: list[Any]) -> Frame:
    found = read_table(run, sql, values)
    found["email"] = [mask_email(one) for one in found["email"]]
    return found


_MINUTE: Final = "strftime({}, '%Y-%m-%d %H:%M')"
# Two ids in one column, since a page 1,280 wide would cut a wider table.
_RESTS_ON: Final = "{0}.consent_id || ' of order ' || {0}.order_id as \"because of consent\""


def _changes(crm: str) -> Callable[[Run], Frame]:
    def make(run: Run) -> Frame:
        found = _masked(
            run,
            f"""select email_key as email, coalesce(action, '') as action, changes from planned.{crm}_consumers
                where action is not null order by key limit ?""",
            [ROWS],
        )
        # Which fields, and not what they say: most describe a person.
        found["changes"] = [", ".join(str(one.get("field")) for one in json.loads(text)) for text in found["changes"]]
        return found

    return make


def _subscriptions(crm: str) -> Callable[[Run], Frame]:
    sql = f"""select c.email_key as email, s.action, s.target, {_RESTS_ON.format("s")}
              from planned.{crm}_subscriptions as s join planned.{crm}_consumers as c using (key)
              order by c.key, s.consent_id limit ?"""
    return lambda run: _masked(run, sql, [ROWS])


def _held(crm: str) -> Callable[[Run], Frame]:
    sql = f"""select email_key as email, held as reason from planned.{crm}_consumers where held is not null
              order by row_number() over (partition by held order by key), held limit ?"""
    return lambda run: _masked(run, sql, [ROWS])


def _evidence(crm: str) -> Callable[[Run], Frame]:
    sql = f"""select coalesce(email, '(forgotten)') as email, action || ': ' || outcome as "what became of it", target,
                     {_RESTS_ON.format("e")}, strftime(sent_at, '%Y-%m-%d %H:%M') as "sent (UTC)"
              from synced.consent_evidence as e where crm = ? order by seq desc limit ?"""
    return lambda run: _masked(run, sql, [crm, ROWS])


def _refused(crm: str) -> Callable[[Run], Frame]:
    sql = """select target, code, count(*) as people, strftime(min(first_at), '%Y-%m-%d %H:%M') as since
             from synced.subscription_rejects where crm = ? group by 1, 2 order by 3 desc, 1 limit ?"""
    return lambda run: read_table(run, sql, [crm, ROWS])


def _refused_people(crm: str) -> Callable[[Run], Frame]:
    sql = f"""select coalesce(c.email_key, p.email_key, '') as email, coalesce(r.code, '') as code, r.attempts as tries,
                     {_MINUTE.format("r.first_at")} as since, {_MINUTE.format("r.next_at")} as "next try (UTC)"
              from synced.rejects as r left join synced.consumers as c on (c.crm, c.key) = (r.system, r.id)
              left join planned.{crm}_consumers as p on p.key = r.id
              where r.system = ? and r.object = 'consumer' order by r.first_at, r.id limit ?"""
    return lambda run: _masked(run, sql, [crm, ROWS])


def _refusals(crm: str) -> str:
    """Return what refusals stand at a CRM, of people and of subscriptions, as SQL behind `from`."""
    return f"""(select coalesce(code, '{codes.NO_CODE}') as code from synced.rejects
                where system = '{crm}' and object = 'consumer'
                union all select coalesce(code, '{codes.NO_CODE}') from synced.subscription_rejects
                where crm = '{crm}') as refusals"""


def _codes(crm: str) -> Callable[[Run], Frame]:
    """Return what the codes of refusals mean, each once, in few columns: what to do needs room."""

    def make(run: Run) -> Frame:
        sql = f"select code, count(*) as times from {_refusals(crm)} group by 1 order by 2 desc, 1 limit ?"
        found = read_table(run, sql, [ROWS])
        found["what it means, what to do"] = [codes.meaning(code) for code in found["code"]]
        found["code"] = [f"{code} ({times})" for code, times in zip(found["code"], found["times"], strict=True)]
        return found[["code", "what it means, what to do"]]

    return make


def _of(crm: str) -> dict[str, Page]:
    planned, mine = f"planned.{crm}_consumers", f"where crm = '{crm}'"
    return {
        CONTACTS[crm]: Page({"records stored": count_of(STREAMS[crm].table)}, in_short=_found(crm)),
        PLANNED[crm]: Page(
            {"planned, with those that need nothing": count_of(planned)},
            views=(
                View("what changes", f"{planned} where action is not null", _changes(crm)),
                View("who is subscribed to what", f"planned.{crm}_subscriptions", _subscriptions(crm)),
                View("who is held back", f"{planned} where held is not null", _held(crm)),
            ),
            in_short=_planned(crm),
        ),
        SYNCED[crm]: Page(
            {
                "consumers known": count_of("synced.consumers", mine),
                "rows of evidence": count_of("synced.consent_evidence", mine),
            },
            by_field=f"""select field, count(*) from synced.history
                         where run_id = $run and event = 'accepted' and system = '{crm}' group by 1 order by 1""",
            views=(
                View(
                    "consumers refused, tried again later",
                    f"synced.rejects where system = '{crm}' and object = 'consumer'",
                    _refused_people(crm),
                ),
                View("what was refused, by code", _refusals(crm), _codes(crm)),
                View("evidence, newest first", f"synced.consent_evidence {mine}", _evidence(crm)),
                View("subscriptions refused, tried again later", f"synced.subscription_rejects {mine}", _refused(crm)),
            ),
            in_short=_synced(crm),
        ),
    }


PAGES: Final = {
    EVENTS: Page({"events stored": count_of("raw.sopost_events")}, in_short=_events),
    ORDERS: Page(
        {
            "orders known": count_of("raw.sopost_orders"),
            "orders read": count_of("raw.sopost_orders", "where read_at is not null"),
            "given up": count_of("raw.sopost_orders", "where gave_up"),
        },
        in_short=_orders,
    ),
    **{
        key: Page({ROW_COUNT: count_of(table)}, in_short=rows_there)
        for key, table in (
            (STAGED_ORDERS, "staged.sopost_orders"),
            (CONSENTS, "staged.consents"),
            (ANSWERS, "staged.answers"),
            (STAGED, "staged.consumers"),
        )
    },
    **{key: page for crm in CRM_NAMES for key, page in _of(crm).items()},
}
