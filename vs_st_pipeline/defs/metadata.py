"""Makes what an asset's page shows of a stage: numbers, what was asked for, small tables of masked people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagster import MetadataValue, TableColumn, TableMetadataValue, TableRecord, TableSchema

from vs_st_pipeline.defs.stage_assets import ASSETS_OF_STAGE
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.session import StageDone
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts import tables
from vs_st_pipeline.routes.contacts.words import MEANINGS

if TYPE_CHECKING:
    import pandas as pd

ROWS = 10  # of a table of people: the event log keeps every run of each merchant for good

_CUSTOMERS = "select count(*) from raw.vinoshipper_customers where deleted_at is null"
_COUNTS = {
    "raw/simpletexting/contacts": {"contacts stored": "select count(*) from raw.simpletexting_contacts where not gone"},
    "raw/vinoshipper/customers": {
        "customers stored": _CUSTOMERS,
        "with details": f"{_CUSTOMERS} and detail_status = 200",
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


def of_stage(run: Run, done: StageDone) -> dict[str, dict[str, Any]]:
    """Return asset -> what its tables show of a stage just made; a view that fails is named and fails nothing else."""
    found = {}
    for asset in ASSETS_OF_STAGE[done.name]:
        shown: dict[str, Any] = {}
        try:
            shown |= _views(run, asset)
        except Exception as error:
            shown["view"] = f"could not be made ({type(error).__name__}); the stage itself is done"
        if done.asked:
            asked = [
                {"asked": row.what, "because": row.why, "records": row.records, "found": row.found}
                for row in done.asked
            ]
            shown["what was asked"] = table(asked)
        shown["requests sent"] = sum(done.calls.values())
        if done.calls:
            rows = [{"call": name, "requests": count} for name, count in sorted(done.calls.items())]
            shown["requests by call"] = table(rows)
        shown["seconds"] = round(done.seconds, 3)
        if options := [name for name in ("full", "allow_unsafe", "dry_run") if getattr(run, name)]:
            shown["options"] = ", ".join(options)
        found[asset] = shown
    return found


def with_report(made: Mapping[str, dict[str, Any]], report: Report) -> dict[str, dict[str, Any]]:
    """Return the same with what only the report knows in front: that is what a reader in a hurry wants."""
    ended = report.status if report.error is None else f"{report.status} later: {sentence(report.error)}"
    found = {}
    for asset, shown in made.items():
        short, known = _reported(asset, report, shown)
        found[asset] = {"in short": short, "this merchant's run": ended, **known, **shown}
        found[asset]["run"] = MetadataValue.dagster_run(report.run_id)
    return found


def sentence(error: PipelineError) -> str:
    """Return `auth: ...`: the kind, and what to do; errors carry no personal data by their own rule."""
    return f"{error.kind}: {error}"


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> TableMetadataValue:
    """Return rows as a table of the UI; every cell is text or a whole number."""
    names = list(columns) or list(rows[0])
    schema = TableSchema(
        [TableColumn(name, "int" if rows and isinstance(rows[0][name], int) else "string") for name in names]
    )
    return MetadataValue.table([TableRecord({name: _cell(row[name]) for name in names}) for row in rows], schema)


def _views(run: Run, asset: str) -> dict[str, Any]:
    """Return numbers and tables; the file is opened once, and once more for each table that has rows (mostly none)."""
    with run.open() as db:
        shown: dict[str, Any] = {name: int(db.value(sql)) for name, sql in _COUNTS.get(asset, {}).items()}
        if asset == _PLANNED and (refused := db.value("select unsafe from planned.plan")):
            shown["brake"] = refused
        if changes := db.rows(_BY_FIELD[asset], {"run": run.run_id}) if asset in _BY_FIELD else []:
            shown["changes by field"] = table([{"field": field, "contacts": count} for field, count in changes])
        filled = [
            (name, view) for name, rows, view in _TABLES.get(asset, ()) if db.value(f"select count(*) from {rows}")
        ]
    for name, view in filled:
        frame = view(run)
        if not frame.empty:
            rows = [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]
            shown[name] = table(rows, [str(column) for column in frame.columns])
    return shown


def _unusable(run: Run, kind: str) -> pd.DataFrame:
    found = tables.unusable_records(run, limit=ROWS * 10)
    return found[found["kind"] == kind].head(ROWS)


def _rejected(run: Run) -> pd.DataFrame:
    """Return refused contacts in few columns: what it means and what to do needs room."""
    found = tables.rejected_contacts(run, limit=ROWS)
    told = zip(found["means"], found["do"], found["then"], strict=True)
    found["what it means, what to do"] = [f"{means} → {do} It is {then}." for means, do, then in told]
    return found[["phone", "code", "for", "what it means, what to do"]]


_PLANNED, _SYNCED = "planned/simpletexting/contacts", "synced/simpletexting/contacts"

_BY_FIELD = {
    _PLANNED: "select field, count(*) from planned.changes where $run is not null group by 1 order by min(position)",
    _SYNCED: """select field, count(*) from synced.history where run_id = $run and event = 'accepted'
                group by 1 order by 1""",
}

# Name of the table, the rows that it needs to be shown, and how to make it.
_TABLES: dict[str, tuple[tuple[str, str, Callable[[Run], pd.DataFrame]], ...]] = {
    "staged/customers": (
        ("unusable", "staged.unusable where kind = 'customer'", lambda run: _unusable(run, "customer")),
    ),
    "staged/orders": (("unusable", "staged.unusable where kind = 'order'", lambda run: _unusable(run, "order")),),
    _PLANNED: (
        ("what changes", "planned.changes", lambda run: tables.planned_changes(run, limit=ROWS)),
        (
            "who is held back",
            "planned.targets where held is not null",
            lambda run: tables.held_contacts(run, limit=ROWS),
        ),
        ("who is worth knowing", "planned.notes", lambda run: tables.noted_contacts(run, limit=ROWS)),
    ),
    _SYNCED: (
        (
            "what was accepted",
            "synced.history where event = 'accepted'",
            lambda run: tables.accepted_changes(run, run.run_id, limit=ROWS),
        ),
        ("rejected, tried again later", "synced.rejects", lambda run: _rejected(run)),
    ),
}


def _reported(asset: str, report: Report, shown: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return one sentence, and the report's own numbers."""
    if asset.startswith("raw/"):
        what = asset.rpartition("/")[2]
        seen = report.seen_of(what)
        return f"{seen} {what} seen with {shown.get('requests sent')} requests", {f"{what} seen": seen}
    if asset.startswith("planned/"):
        numbers: dict[str, Any] = {
            "contacts to write": report.planned_contacts,
            "values to write": report.planned_fields,
            "contacts held back": report.held.total(),
            "contacts of no customer": report.unmatched,
        }
        for name, counter in (("held back by reason", report.held), ("worth knowing by reason", report.noted)):
            rows = [
                {"reason": key, "contacts": count, "means": MEANINGS.get(key, "")} for key, count in counter.items()
            ]
            if rows:
                numbers[name] = table(rows)
        short = f"{report.planned_contacts} contacts to write ({report.planned_fields} values)"
        short += f", {report.held.total()} held back, {report.unmatched} are no customers of the shop"
        return f"the brake refuses this plan; {short}" if shown.get("brake") else short, numbers
    if asset.startswith("synced/"):
        numbers = {
            "contacts accepted": report.accepted,
            "contacts rejected": report.rejected,
            "contacts unknown": report.unknown,
        }
        short = ", ".join(f"{count} {name}" for name, count in numbers.items())
        if report.waiting and report.waiting[0] > report.rejected:
            numbers["contacts refused so far, tried again later"] = report.waiting[0]
            short += f"; {report.waiting[0]} were refused so far and are tried again later"
        return short, numbers
    unusable = next((count for name, count in shown.items() if name.startswith("unusable ")), 0)
    return f"{shown.get('dagster/row_count')} rows, {unusable} records that cannot be used in full", {}


def _cell(value: Any) -> str | int:
    if isinstance(value, int):
        return value
    return "" if value is None or value != value else str(value)
