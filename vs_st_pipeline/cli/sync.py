"""Defines `vs-st sync` and `vs-st plan`: the main job, and its dry run."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

import click

from vs_st_pipeline.cli import ending
from vs_st_pipeline.cli.layout import headed
from vs_st_pipeline.cli.options import Pair, json_option, merchant_options, route_option, select
from vs_st_pipeline.cli.output import say, say_json, tell
from vs_st_pipeline.cli.progress import Progress
from vs_st_pipeline.cli.trouble import to_do
from vs_st_pipeline.cli.whole_numbers import WholeNumber
from vs_st_pipeline.domain.report import FAILED, OK, Report
from vs_st_pipeline.operations.settings import fleet_rates
from vs_st_pipeline.platform.cpu_slots import CpuSlots
from vs_st_pipeline.platform.inbox.store import inbox_in
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.environment import data_dir, now
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.user import user_name
from vs_st_pipeline.routes import routes_of

JOBS = 16
T = TypeVar("T")
Rows = dict[str, Any]


@click.command(short_help="Bring every destination up to date: the main job.")
@merchant_options
@route_option
@json_option
@click.option("--full", is_flag=True, help="Read everything again.")
@click.option("--allow-unsafe", is_flag=True, help="Let a sync pass once that the brake has refused.")
@click.option("--jobs", type=WholeNumber(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
@click.option(
    "--budget",
    type=WholeNumber(min=1),
    help="About so many requests to each source per merchant; what can wait is left for the next syncs.",
)
@click.option("--verbose", is_flag=True, help="Also print how often each call was made.")
@click.option(
    "--history-again",
    is_flag=False,
    flag_value="",
    metavar="[BLOCK,...]",
    help="Send these blocks of the history once more, or all, where a route sends one. It asks first.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def sync(
    ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    every: bool,
    names: tuple[str, ...],
    as_json: bool,
    full: bool,
    allow_unsafe: bool,
    jobs: int,
    budget: int | None,
    verbose: bool,
    history_again: str | None,
    yes: bool,
) -> None:
    """Read the systems of every route, plan the difference, write it, and store what was accepted: the main job."""
    from vs_st_pipeline.cli.alerts import tell_alerts

    pairs = select(ids, more_ids, every, names)
    if not names and (option := "--allow-unsafe" if allow_unsafe else "--full" if full else ""):
        _refuse_for_several_routes(pairs, option)
    if history_again is not None:
        _begin_again(pairs, [name.strip() for name in history_again.split(",") if name.strip()], yes)

    def one(pair: Pair, merchant: Merchant, progress: Callable[[str], None]) -> Report:
        options = {"full": full, "allow_unsafe": allow_unsafe, "budget": budget, "progress": progress}
        return pair.route.sync(make_run(merchant, route=pair.route.name, **options))

    reports = for_each(pairs, jobs, one, lambda pair, report: report)
    if every:  # the tick of an installation without Dagster; a person who names a merchant sees its result in any case
        tell_alerts()  # before anything is printed: alerts do not depend on whether the report can be printed
    if as_json:
        say_json({"merchants": [report.as_json() for report in reports]})
    else:
        for pair, report in zip(pairs, reports, strict=True):
            say(*headed(sync_lines(report, pair.name, verbose)))
    sys.exit(0 if all(report.status == OK for report in reports) else 1)


def _begin_again(pairs: Sequence[Pair], names: Sequence[str], yes: bool) -> None:
    """Have the history of these merchants told once more by the sync that follows, after a person has agreed."""
    from vs_st_pipeline.cli.privacy import confirm

    asked = [(pair, again) for pair in pairs if (again := pair.route.history_again) and pair.merchant is not None]
    if len(asked) != len(pairs):
        raise click.UsageError("--history-again: name a route that sends a history, with --route NAME")
    for _, again in asked:
        if unknown := sorted(set(names) - set(again.parts)):
            raise click.UsageError(f"--history-again: no block {unknown[0]}; there are {', '.join(again.parts)}")
    for pair, again in asked:
        confirm(f"{pair.merchant_id}: {again.asks}", yes)
        assert pair.merchant is not None
        again.begin(make_run(pair.merchant, route=pair.route.name), names)


def _refuse_for_several_routes(pairs: Sequence[Pair], option: str) -> None:
    """Refuse an option that is about one route where it is not said about which (routes.md R38)."""
    for pair in pairs:
        if pair.merchant is not None and len(on := routes_of(pair.merchant)) > 1:
            there = ", ".join(route.name for route in on)
            raise click.UsageError(f"{pair.merchant_id} has the routes {there}: {option} needs --route NAME")


@click.command(short_help="Show what a sync would write; writes nothing anywhere.")
@merchant_options
@route_option
@json_option
@click.option("--jobs", type=WholeNumber(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
def plan(
    ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, names: tuple[str, ...], as_json: bool, jobs: int
) -> None:
    """Show what a sync would write, what is held back, and why. Writes nothing at any destination.

    Shows values in full: it exists to be checked by a person. Phones of route notices stand in full in --json alone.
    """

    def one(pair: Pair, merchant: Merchant, progress: Callable[[str], None]) -> tuple[Report, Rows]:
        return pair.route.dry_run.run(make_run(merchant, route=pair.route.name, progress=progress, dry_run=True))

    pairs = select(ids, more_ids, every, names)
    plans = for_each(pairs, jobs, one, lambda pair, report: (report, pair.route.dry_run.nothing))
    if as_json:
        say_json({"merchants": [_plan_json(report, rows) for report, rows in plans]})
    else:
        for pair, (report, rows) in zip(pairs, plans, strict=True):
            first, *others = pair.route.dry_run.lines(report, rows, pair.name)
            say(*headed([first, *_to_do_lines(report), *others]))
    sys.exit(0 if all(report.status == OK for report, _ in plans) else 1)


def _plan_json(report: Report, rows: Rows) -> Rows:
    return {
        "merchant": report.merchant,
        "route": report.route,
        "status": report.status,
        "error": report.error.as_report() if report.error else None,
        **rows,
    }


def make_run(merchant: Merchant, **options: Any) -> Run:
    """Make a run of this merchant with the environment's data folder and clock."""
    from vs_st_pipeline.platform.run import Run

    warehouse = the_warehouse()
    usual = {
        "started_by": f"vs-st, {user_name()}",
        "fleet_rates": fleet_rates(os.environ),
        "inbox": inbox_in(warehouse.data_dir),
        "stop": is_stopped,
    }
    return Run(merchant, warehouse, clock, **{**usual, **options})


def the_warehouse() -> Any:
    """Return the one warehouse of this process, below the environment's data folder."""
    from vs_st_pipeline.operations.warehouse import warehouse_at

    global _warehouse
    with _MAKING:
        if _warehouse is None:
            _warehouse = warehouse_at(data_dir(os.environ))
    return _warehouse


def is_stopped() -> bool:
    """Say whether a person pressed Ctrl-C."""
    return _STOPPED.is_set()


def stop_soon() -> None:
    """Let work under way end at its next request, and say so."""
    _STOPPED.set()
    tell("stopping after the requests that are under way ...")


_warehouse: Any = None
_MAKING, _STOPPED = threading.Lock(), threading.Event()


def clock() -> datetime:
    """Return the present, or the time that `VS_ST_NOW` sets."""
    return now(os.environ)


def for_each(
    pairs: Sequence[Pair],
    jobs: int,
    work: Callable[[Pair, Merchant, Callable[[str], None]], T],
    failed: Callable[[Pair, Report], T],
) -> list[T]:
    """Work on many merchants and routes at once in this process; return results in the order of the pairs.

    One pair's failure affects no other pair.

    Args:
        jobs: pairs at once.
        failed: makes a result of the report of a pair whose settings cannot be used.
    """
    clock()  # finds a VS_ST_NOW that is not a time before anything is called
    cpu_slots = CpuSlots()
    with Progress([pair.name for pair in pairs if pair.fault is None]) as progress:

        def one(pair: Pair) -> T:
            if pair.merchant is None or pair.fault is not None:
                report = pair.route.report(pair.merchant_id, "")
                report.status, report.error = FAILED, pair.fault
                return failed(pair, report)
            with cpu_slots.taken():
                result = work(pair, pair.merchant, lambda said: progress.say(pair.name, said))
            progress.done(pair.name, result[0] if isinstance(result, tuple) else result)
            return result

        with ThreadPoolExecutor(max_workers=jobs) as pool:
            futures = [pool.submit(one, pair) for pair in pairs]
            try:
                results = [future.result() for future in futures]
            except KeyboardInterrupt:
                stop_soon()  # it says how far it came
                ending.soon()
                results = [future.result() for future in futures]
    return results


def _to_do_lines(report: Report) -> list[str]:
    """Return what a person does about what ended a run, at most one line."""
    what = "" if report.error is None else to_do(report.error)
    return [f"  to do    {what}"] if what else []


def sync_lines(report: Report, name: str, verbose: bool = False) -> list[str]:
    """Return what a sync did, in a few lines; the first begins with how the merchant is named."""
    lines = [f"{name}: {report.ended}", *_to_do_lines(report), *report.lines()]
    lines += [f"  unseen   {sentence}" for sentence in report.unseen]
    calls = report.calls_by_name()
    lines.append(f"  calls    {sum(calls.values())} in {report.seconds:.1f} s")
    if verbose:
        lines += [f"           {count:6} {call}" for call, count in calls.items()]
    return lines
