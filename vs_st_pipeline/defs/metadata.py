"""What an asset's page shows of one merchant's stop: numbers, what was asked for, and small tables of masked people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagster import MetadataValue, TableColumn, TableMetadataValue, TableRecord, TableSchema

from vs_st_pipeline import previews
from vs_st_pipeline.change import (
    AGE_UNKNOWN,
    AMBIGUOUS_PHONE,
    CANNOT_CLEAR,
    EDITED_THERE,
    GONE,
    NOT_CONFIRMED,
    OPTED_OUT,
    RECEIPT_UNREADABLE,
    UNDER_AGE,
    WAITING_RETRY,
)
from vs_st_pipeline.defs.stops import ASSETS_OF_STOP
from vs_st_pipeline.errors import PipelineError
from vs_st_pipeline.pipeline import StopDone
from vs_st_pipeline.report import Report
from vs_st_pipeline.run import Run

if TYPE_CHECKING:
    import pandas as pd

ROWS = 10  # of a table of people: each merchant's every run stays in the event log for good

REASONS = {
    OPTED_OUT: "said STOP at SimpleTexting; never written",
    NOT_CONFIRMED: "has not confirmed the sign-up at SimpleTexting; written once confirmed",
    AMBIGUOUS_PHONE: "several customers share the phone; the one with the newest order is taken, or none (settings)",
    UNDER_AGE: "known to be under 21 at Vinoshipper; never written before the birthday",
    AGE_UNKNOWN: "Vinoshipper knows no birth date; written all the same, or not (settings)",
    EDITED_THERE: "somebody edited our field at SimpleTexting; it is put back",
    CANNOT_CLEAR: "SimpleTexting does not let this field be emptied; left until the value changes",
    GONE: "no longer at SimpleTexting when it was to be written",
    WAITING_RETRY: "refused before; tried again later",
    RECEIPT_UNREADABLE: "the receipt could not be read now; that field is left as it is",
}

_COUNTS = {
    "raw/simpletexting/contacts": {"contacts stored": "select count(*) from raw.simpletexting_contacts where not gone"},
    "raw/vinoshipper/customers": {
        "customers stored": "select count(*) from raw.vinoshipper_customers where deleted_at is null",
        "with details": "select count(*) from raw.vinoshipper_customers where deleted_at is null and detail_status = 200",
    },
    "raw/vinoshipper/orders": {
        "orders stored": "select count(*) from raw.vinoshipper_orders",
        "with details": "select count(*) from raw.vinoshipper_orders where detail_status = 200",
        "receipts read": "select count(*) from raw.vinoshipper_orders where receipt_state = 'read'",
    },
    "staged/customers": {
        "dagster/row_count": "select count(*) from staged.customers",
        "with a phone": "select count(*) from staged.customers where phone is not null",
        "unusable customers": "select count(*) from staged.unusable where kind = 'customer'",
    },
    "staged/orders": {
        "dagster/row_count": "select count(*) from staged.orders",
        "that count (paid, not returned)": "select count(*) from staged.orders where counted",
        "unusable orders": "select count(*) from staged.unusable where kind = 'order'",
    },
}


def of_stop(run: Run, done: StopDone) -> dict[str, dict[str, Any]]:
    """Asset -> metadata of a stop just made; a view that fails is named and spoils nothing."""
    found = {}
    for asset in ASSETS_OF_STOP[done.name]:
        shown: dict[str, Any] = {"seconds": round(done.seconds, 3), "requests sent": sum(done.calls.values())}
        if done.calls:
            rows = [{"call": name, "requests": count} for name, count in sorted(done.calls.items())]
            shown["requests by call"] = table(rows)
        try:
            shown |= _numbers(run, asset) | _tables(run, asset)
        except Exception as error:
            shown["view"] = f"could not be made ({type(error).__name__}); the stop itself is done"
        found[asset] = shown
    return found


def add_report(made: Mapping[str, dict[str, Any]], report: Report) -> None:
    """Say on every asset how this merchant's whole run ended, and what only the report knows."""
    for asset, shown in made.items():
        shown["run status"] = (
            report.status if report.error is None else f"{report.status} later: {sentence(report.error)}"
        )
        shown["run"] = MetadataValue.dagster_run(report.run_id)
        shown |= {name: value for name, value in _reported(asset, report).items()}


def sentence(error: PipelineError) -> str:
    """`auth: ...`: the kind, and what to do; errors carry no personal data by their own rule."""
    return f"{error.kind}: {error}"


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> TableMetadataValue:
    """Rows as a table of the UI; every cell is text or a whole number."""
    names = list(columns) or list(rows[0])
    schema = TableSchema(
        [TableColumn(name, "int" if rows and isinstance(rows[0][name], int) else "string") for name in names]
    )
    return MetadataValue.table([TableRecord({name: _cell(row[name]) for name in names}) for row in rows], schema)


def _numbers(run: Run, asset: str) -> dict[str, Any]:
    with run.open() as db:
        return {name: int(db.value(sql)) for name, sql in _COUNTS.get(asset, {}).items()}


def _tables(run: Run, asset: str) -> dict[str, Any]:
    if asset.startswith("staged/"):
        kind = asset.removeprefix("staged/").removesuffix("s")
        unusable = previews.unusable_records(run, limit=ROWS * 10)
        return _shown("unusable", unusable[unusable["kind"] == kind].head(ROWS))
    if asset.startswith("planned/"):
        return (
            _shown("what changes", previews.planned_changes(run, limit=ROWS * 2))
            | _shown("who is held back", previews.held_contacts(run, limit=ROWS))
            | _shown("worth knowing", previews.noted_contacts(run, limit=ROWS))
        )
    if asset.startswith("synced/"):
        return _shown("what was accepted", previews.accepted_changes(run, run.run_id, limit=ROWS * 2)) | _shown(
            "rejected, tried again later", previews.rejected_contacts(run, limit=ROWS)
        )
    return {}


def _reported(asset: str, report: Report) -> dict[str, Any]:
    if asset == "raw/simpletexting/contacts":
        return {"contacts seen": report.contacts}
    if asset == "raw/vinoshipper/customers":
        return {"customers seen": report.customers}
    if asset == "raw/vinoshipper/orders":
        return {"orders seen": report.orders}
    if asset.startswith("planned/"):
        shown: dict[str, Any] = {
            "contacts to write": report.planned_contacts,
            "values to write": report.planned_fields,
            "contacts of no customer": report.unmatched,
            "contacts held back": report.held.total(),
        }
        for name, counter in (("held back by reason", report.held), ("noted by reason", report.noted)):
            rows = [{"reason": key, "contacts": count, "means": REASONS.get(key, "")} for key, count in counter.items()]
            if rows:
                shown[name] = table(rows)
        return shown
    if asset.startswith("synced/"):
        return {
            "contacts accepted": report.accepted,
            "contacts rejected": report.rejected,
            "contacts unknown": report.unknown,
        }
    return {}


def _shown(name: str, frame: pd.DataFrame) -> dict[str, Any]:
    if frame.empty:
        return {}
    # A mostly empty frame is not worth a line: whoever sees the name expects rows under it.
    return {name: table(frame.to_dict("records"), [str(column) for column in frame.columns])}


def _cell(value: Any) -> str | int:
    if isinstance(value, int):
        return value
    return "" if value is None or value != value else str(value)
