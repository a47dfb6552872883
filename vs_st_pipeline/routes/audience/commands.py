"""Says what this route can be asked, and in which words: plan, why, history, retry, and what the house asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadArguments, BadSettings
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.legend import legend
from vs_st_pipeline.pipeline.route import Again, DryRun, HistoryAgain, Question, Retry
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.audience import explain, history, registration, retry, sync
from vs_st_pipeline.routes.audience.assets import TITLE
from vs_st_pipeline.routes.audience.report import progress
from vs_st_pipeline.routes.audience.systems import NAME
from vs_st_pipeline.routes.audience.words import BLOCKS, MEANINGS, Kind

Record = dict[str, Any]
MOST_SHOWN: Final = 14


# --- plan -------------------------------------------------------------------------------------------------------------


def _named(kind: str, record_id: str) -> str:
    return mask_email(record_id) if kind == Kind.ADDRESS else record_id


def _plan_lines(report: Report, rows: Record, name: str) -> list[str]:
    lines = [f"{name}: {report.ended}"]
    if rows["history"]:
        lines.append(f"  {progress(rows['history'], names_state=True)}")
        if waiting := {block: count for block, count in rows["history"].get("waiting", {}).items() if count}:
            told = ", ".join(f"{count} {block}" for block, count in waiting.items())
            lines.append(f"  would go as history: {told}; events only after it")
        elif not (rows["events"] or rows["late"]):
            lines.append("  no events")
    for one in rows["events"]:
        changed = f"  [{', '.join(one['changed'])}]" if one["changed"] else ""
        lines.append(f"    {one['event']:24} {one['kind']} {_named(one['kind'], one['id'])}{changed}")
    lines += [f"    late history             {one['block']} {one['id']}" for one in rows["late"]]
    lines += [
        f"    {one['kind']} {_named(one['kind'], one['id'])} is held back: {one['reason']}" for one in rows["held"]
    ]
    lines += [
        f"    {one['kind']} {_named(one['kind'], one['id'])} is worth knowing: {one['noted']}" for one in rows["noted"]
    ]
    return lines + legend(
        [*(one["reason"] for one in rows["held"]), *(one["noted"] for one in rows["noted"])], MEANINGS
    )


DRY_RUN: Final = DryRun(sync.dry_run, dict(sync.NOTHING), _plan_lines)


# --- questions about one record ---------------------------------------------------------------------------------------

WHY: Final = Question(explain.ARGUMENTS, explain.explain, explain.lines, explain.check)
HISTORY: Final = Question(explain.ARGUMENTS, explain.explain, explain.lines, explain.check)


def _record(words: Sequence[str]) -> tuple[str, str]:
    """Return the kind and the id of a record that may wait; a wish and a search are named as `why` names them."""
    if len(words) != len(explain.ARGUMENTS):
        raise BadArguments("name one record, as KIND ID")
    if words[0] in (Kind.WISH, Kind.SEARCH):
        return words[0], words[1]
    return explain.named(words)


def _retry(run: Run, again: Again) -> Report | None:
    kind, record_id = _record(again.records) if again.records else (None, None)
    return retry.retry(run, kind, record_id, drop=again.drop)


RETRY: Final = Retry(
    "[KIND ID]",
    takes=lambda word: word != "",
    go=_retry,
    most=2,
    nothing=("nothing that was refused waits", "nothing of that name waits"),
    can_drop=True,
)


HISTORY_AGAIN: Final = HistoryAgain(
    tuple(map(str, BLOCKS)),
    history.again,
    f"the history is sent to {TITLE} once more, from its begin; it may keep records twice",
)


# --- what the house asks ----------------------------------------------------------------------------------------------


def progress_of(data_dir: Path, merchant_id: str) -> str:
    """Say how far the history is, such as `history: orders 43 %`, as the last sync left it; `""` where it is done.

    A merchant that was disconnected looks well, since its syncs are: that it tells nobody anything is said here.
    """
    try:
        state = registration.read_in(data_dir / "merchants" / merchant_id).state
    except BadSettings:  # the sync says so, and what to do
        return ""
    if state is registration.State.DISCONNECTED:
        return "disconnected; `vs-st connect` registers it again"
    known = (read_status(data_dir, merchant_id, NAME).last_run or {}).get("history")
    return progress(known) if isinstance(known, dict) else ""


def count_stored(warehouse: Warehouse, merchant_id: str) -> int:
    """Count the records that are kept of a merchant's shop."""
    if not warehouse.file(merchant_id, NAME).exists():
        return 0
    tables = ("shop_customers", "shop_products", "shop_orders")
    with warehouse.open(merchant_id, NAME) as db:
        return sum(int(db.value(f"select count(*) from staged.{table}")) for table in tables)


def outcome(run: Run, run_id: str) -> list[str]:
    """Say what a sync told WayMore, part by part and event by event, for example."""
    with run.open() as db:
        rows = db.rows(
            """select call, coalesce(event, block), kind, id, json_array_length(ids), state from synced.audience_told
               where run_id = ? and call in ('history', 'late', 'event') order by rowid""",
            [run_id],
        )
    if not rows:
        return []
    lines = ["", f"{run.merchant.name}"]
    for call, what, kind, record_id, records, state in rows[:MOST_SHOWN]:
        named = counted(records, "records") if call != "event" else f"{kind} {_named(kind, record_id)}"
        lines.append(f"  {call:8} {what:24} {named:40} {state}")
    return [*lines, *([f"  and {len(rows) - MOST_SHOWN} more"] if len(rows) > MOST_SHOWN else [])]


def waiting(run: Run) -> Record:
    """Return what waits to be told, by what it is (`vs-st inbox`)."""
    found: Record = {"events": 0, "late": 0}
    if not run.file().exists():
        return found
    with run.open() as db:
        found["events"] = int(db.value("select count(*) from synced.audience_outbox"))
        found["late"] = int(db.value("select count(*) from synced.audience_late"))
    return found
