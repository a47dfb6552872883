"""Says what the pages of this route's assets show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.pages import ROW_COUNT, ROWS, InShort, Page, Short, Table, View, outcomes, rows_counted
from vs_st_pipeline.pipeline.tables import Frame
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts import tables
from vs_st_pipeline.routes.contacts.words import MEANINGS


def _seen(what: str) -> InShort:
    def in_short(report: Report, shown: Mapping[str, Any]) -> Short:
        seen = report.seen[what]
        asked = counted(shown.get("requests sent", 0), "requests")
        return f"{counted(seen, what)} seen with {asked}", {f"{what} seen": seen}

    return in_short


def _staged(report: Report, shown: Mapping[str, Any]) -> Short:
    unusable = next((count for name, count in shown.items() if name.startswith("unusable ")), 0)
    return f"{rows_counted(shown)}, {counted(unusable, 'records')} that cannot be used in full", {}


def _planned(report: Report, shown: Mapping[str, Any]) -> Short:
    contacts, fields, unmatched = (report.planned[name] for name in ("contacts", "fields", "unmatched"))
    numbers: dict[str, Any] = {
        "contacts to write": contacts,
        "values to write": fields,
        "contacts held back": report.held.total(),
        "contacts of no customer": unmatched,
    }
    for name, counter in (("held back by reason", report.held), ("worth knowing by reason", report.noted)):
        if rows := [
            {"reason": key, "contacts": count, "means": MEANINGS.get(key, "")} for key, count in counter.items()
        ]:
            numbers[name] = Table(rows)
    short = f"{counted(contacts, 'contacts')} to write ({counted(fields, 'values')})"
    short += f", {report.held.total()} held back, {unmatched} of no customer of the shop"
    return f"the brake refuses this plan; {short}" if shown.get("brake") else short, numbers


def _synced(report: Report, shown: Mapping[str, Any]) -> Short:
    numbers = {
        "contacts accepted": report.accepted,
        "contacts rejected": report.rejected,
        "contacts unknown": report.unknown,
    }
    short = outcomes({"accepted": report.accepted, "rejected": report.rejected, "unknown": report.unknown}, "contacts")
    if report.waiting and report.waiting[0] > report.rejected:
        numbers["contacts refused so far, tried again later"] = report.waiting[0]
        short += f"; {report.waiting[0]} refused so far, tried again later"
    return short, numbers


def _unusable(kind: str) -> View:
    def make(run: Run) -> Frame:
        found = tables.unusable_records(run, limit=ROWS * 10)
        return found[found["kind"] == kind].head(ROWS)

    return View("unusable", f"staged.unusable where kind = '{kind}'", make)


def _rejected(run: Run) -> Frame:
    return tables.rejected_contacts(run, limit=ROWS)[["contact_id", "phone", "code", "for"]]


def _codes(run: Run) -> Frame:
    """Return what the codes of refused contacts mean, each once, in few columns: what to do needs room."""
    found = tables.rejected_codes(run, limit=ROWS)
    said = zip(found["means"], found["do"], found["then"], strict=True)
    found["what it means, what to do"] = [f"{means} → {do} It is {then}." for means, do, then in said]
    counts = zip(found["code"], found["contacts"], strict=True)
    found["code"] = [f"{code} ({contacts})" for code, contacts in counts]
    return found[["code", "what it means, what to do"]]


_CUSTOMERS = "select count(*) from raw.vinoshipper_customers where deleted_at is null"

PAGES = {
    "raw/simpletexting/contacts": Page(
        {"contacts stored": "select count(*) from raw.simpletexting_contacts where not gone"},
        in_short=_seen("contacts"),
    ),
    "raw/vinoshipper/customers": Page(
        {"customers stored": _CUSTOMERS, "with details": f"{_CUSTOMERS} and detail_status = 200"},
        in_short=_seen("customers"),
    ),
    "raw/vinoshipper/orders": Page(
        {
            "orders stored": "select count(*) from raw.vinoshipper_orders",
            "with details": "select count(*) from raw.vinoshipper_orders where detail_status = 200",
            "receipts read": "select count(*) from raw.vinoshipper_orders where receipt_state = 'read'",
        },
        in_short=_seen("orders"),
    ),
    "staged/customers": Page(
        {
            ROW_COUNT: "select count(*) from staged.customers",
            "with a phone": "select count(*) from staged.customers where phone is not null",
            "unusable customers": "select count(*) from staged.unusable where kind = 'customer'",
        },
        views=(_unusable("customer"),),
        in_short=_staged,
    ),
    "staged/orders": Page(
        {
            ROW_COUNT: "select count(*) from staged.orders",
            "that count (paid, not returned)": "select count(*) from staged.orders where counted",
            "unusable orders": "select count(*) from staged.unusable where kind = 'order'",
        },
        views=(_unusable("order"),),
        in_short=_staged,
    ),
    "planned/simpletexting/contacts": Page(
        texts={"brake": "select unsafe from planned.plan"},
        by_field="""select field, count(*) from planned.changes where $run is not null
                    group by 1 order by min(position)""",
        views=(
            View("what changes", "planned.changes", lambda run: tables.planned_changes(run, limit=ROWS)),
            View(
                "who is held back",
                "planned.targets where held is not null",
                lambda run: tables.held_contacts(run, limit=ROWS),
            ),
            View("who is worth knowing", "planned.notes", lambda run: tables.noted_contacts(run, limit=ROWS)),
        ),
        in_short=_planned,
    ),
    "synced/simpletexting/contacts": Page(
        by_field="""select field, count(*) from synced.history where run_id = $run and event = 'accepted'
                    group by 1 order by 1""",
        views=(
            View(
                "what was accepted",
                "synced.history where event = 'accepted'",
                lambda run: tables.accepted_changes(run, run.run_id, limit=ROWS),
            ),
            View("why refused, what to do", "synced.rejects", _codes),
            View("rejected, tried again later", "synced.rejects", _rejected),
        ),
        in_short=_synced,
    ),
}
