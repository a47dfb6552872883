"""Defines `vs-st sync` and `vs-st plan`: the main job, and its dry run."""

from __future__ import annotations

import getpass
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from vs_st_pipeline.cli.options import Selection, json_option, merchant_options, select
from vs_st_pipeline.cli.output import say, say_json, tell
from vs_st_pipeline.cli.progress import Progress
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.report import FAILED, OK, Report
from vs_st_pipeline.operations.settings import fleet_rates
from vs_st_pipeline.platform.cpu_slots import CpuSlots
from vs_st_pipeline.platform.settings.environment import data_dir, now
from vs_st_pipeline.platform.settings.merchants import Merchant

if TYPE_CHECKING:
    from vs_st_pipeline.platform.run import Run

JOBS = 16


@click.command()
@merchant_options
@json_option
@click.option("--full", is_flag=True, help="Read everything again.")
@click.option("--allow-unsafe", is_flag=True, help="Let a sync pass once that the brake has refused.")
@click.option("--jobs", type=click.IntRange(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    help="About so many requests to Vinoshipper per merchant; what can wait is left for the next syncs.",
)
@click.option("--verbose", is_flag=True, help="Also print how often each call was made.")
def sync(
    ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    every: bool,
    as_json: bool,
    full: bool,
    allow_unsafe: bool,
    jobs: int,
    budget: int | None,
    verbose: bool,
) -> None:
    """Read both systems, plan the difference, write it, and store what was accepted: the main job."""
    from vs_st_pipeline.cli.alerts import tell_alerts
    from vs_st_pipeline.routes.contacts import sync as pipeline

    selection = select(ids, more_ids, every)
    reports = for_each(
        selection, jobs, lambda merchant, progress: pipeline.sync(
            make_run(merchant, full=full, allow_unsafe=allow_unsafe, budget=budget, progress=progress)
        )
    )  # fmt: skip
    if every:  # the tick of an installation without Dagster; a person who names a merchant sees its result in any case
        tell_alerts()  # before anything is printed: alerts do not depend on whether the report can be printed
    if as_json:
        say_json({"merchants": [report.as_json() for report in reports]})
    else:
        for report in reports:
            say(*sync_lines(report, verbose))
    sys.exit(0 if all(report.status == OK for report in reports) else 1)


@click.command()
@merchant_options
@json_option
@click.option("--jobs", type=click.IntRange(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
def plan(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, as_json: bool, jobs: int) -> None:
    """Show what a sync would write, which contacts are held back, and why. Writes nothing at SimpleTexting.

    Shows phones and values in full: it exists to be checked by a person.
    """
    from vs_st_pipeline.routes.contacts import sync as pipeline

    found = for_each(
        select(ids, more_ids, every), jobs,
        lambda merchant, progress: pipeline.dry_run(make_run(merchant, progress=progress, dry_run=True)),
    )  # fmt: skip
    plans = [
        result if isinstance(result, tuple) else (result, {"contacts": [], "held": [], "noted": []}) for result in found
    ]
    if as_json:
        say_json(
            {
                "merchants": [
                    {
                        "merchant": report.merchant,
                        "status": report.status,
                        "error": report.error.as_report() if report.error else None,
                        **rows,
                    }
                    for report, rows in plans
                ]
            }
        )
    else:
        for report, rows in plans:
            say(*_plan_lines(report, rows))
    sys.exit(0 if all(report.status == OK for report, _ in plans) else 1)


def make_run(merchant: Merchant, **options: Any) -> Run:
    """Make a run of this merchant with the environment's data folder and clock."""
    from vs_st_pipeline.operations.warehouse import warehouse_at
    from vs_st_pipeline.platform.run import Run

    global _warehouse
    with _MAKING:
        if _warehouse is None:
            _warehouse = warehouse_at(data_dir(os.environ))
    options = {"started_by": f"vs-st, {_user()}", "fleet_rates": fleet_rates(os.environ), **options}
    return Run(merchant, _warehouse, clock, stop=_STOPPED.is_set, **options)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return f"user {os.getuid()}"


_warehouse: Any = None
_MAKING, _STOPPED = threading.Lock(), threading.Event()


def clock() -> datetime:
    """Return the present, or the time that `VS_ST_NOW` sets."""
    return now(os.environ)


def for_each(selection: Selection, jobs: int, work: Callable[[Merchant, Callable[[str], None]], Any]) -> list[Any]:
    """Work on many merchants at once in this process; return results in the file's order.

    One merchant's failure affects no other merchant.
    """
    clock()  # finds a VS_ST_NOW that is not a time before anything is called
    preload()
    cpu_slots = CpuSlots()
    with Progress([merchant.id for merchant in selection.merchants]) as progress:

        def one(merchant: Merchant) -> Any:
            with cpu_slots.taken():
                result = work(merchant, lambda said: progress.say(merchant.id, said))
            progress.done(merchant.id, result[0] if isinstance(result, tuple) else result)
            return result

        with ThreadPoolExecutor(max_workers=jobs) as pool:
            futures = [pool.submit(one, merchant) for merchant in selection.merchants]
            try:
                results = [future.result() for future in futures]
            except KeyboardInterrupt:
                _STOPPED.set()  # work under way ends at its next request, and says how far it came
                tell("stopping after the requests that are under way ...")
                results = [future.result() for future in futures]
    return [*results, *(_not_begun(name, error) for name, error in selection.bad)]


def _not_begun(merchant_id: str, error: PipelineError) -> Report:
    from vs_st_pipeline.routes.contacts.report import new_report

    report = new_report(merchant_id)
    report.status, report.error = FAILED, error
    return report


def preload() -> None:
    """Import what the threads need before they start, so that none of them waits for another's import lock."""
    from vs_st_pipeline.routes.contacts import sync as pipeline  # noqa: F401


def sync_lines(report: Report, verbose: bool = False) -> list[str]:
    """Return what a sync did, in a few lines."""
    lines = [f"{report.merchant}: {status_text(report)}"]
    if report.error is None or report.seen_of("contacts"):
        lines += [
            f"  read     {', '.join(f'{report.seen[one]} {one[1]}' for one in report.shape.seen)}",
            f"  planned  {report.planned_contacts} contacts to write, {report.planned_fields} values; "
            f"{report.unmatched} contacts are no customers",
            f"  synced   {report.accepted} accepted, {report.rejected} rejected, {report.unknown} unknown",
        ]
        lines += [
            f"  {title:8} {_counts(counts)}"
            for title, counts in (("held", report.held), ("noted", report.noted))
            if counts
        ]
    lines += [f"  unseen   {sentence}" for sentence in report.unseen]
    calls = report.calls_by_name()
    lines.append(f"  calls    {sum(calls.values())} in {report.seconds:.1f} s")
    if verbose:
        lines += [f"           {count:6} {name}" for name, count in calls.items()]
    return lines


def _plan_lines(report: Report, rows: dict[str, Any]) -> list[str]:
    lines = [f"{report.merchant}: {status_text(report)}; {len(rows['contacts'])} contacts to write"]
    for contact in rows["contacts"]:
        lines.append(f"  {contact['phone'] or contact['contact_id']} is customer {contact['customer_id']}")
        for change in contact["changes"]:
            old, new = change["old"] or "(empty)", change["new"] or "(cleared)"
            lines.append(f"      {change['field']:24} {old} -> {new}   [{change['policy']}]")
    lines += [f"  {row['phone'] or row['contact_id']} is held back: {row['reason']}" for row in rows["held"]]
    lines += [f"  {row['phone'] or row['contact_id']} is worth knowing: {row['reason']}" for row in rows["noted"]]
    return lines


def status_text(report: Report) -> str:
    """Return how it ended, and what went wrong."""
    if report.error is None:
        return report.status
    trace = f" (trace {report.error.trace_id})" if report.error.trace_id else ""
    where = f" at {report.error.system}" if report.error.system else ""
    return f"{report.status}, {report.error.kind}{where}: {report.error.as_report()['message']}{trace}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
