"""Defines `vs-st work`: hints become targeted syncs within seconds, for as long as the command runs."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from vs_st_pipeline.cli import ending
from vs_st_pipeline.cli.options import json_option, select
from vs_st_pipeline.cli.output import say, say_json, say_json_line, tell
from vs_st_pipeline.cli.whole_numbers import WholeNumber
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Report

JOBS = 32


@click.command(short_help="Sync within seconds what webhooks tell of; runs on.")
@click.option("--merchant", "ids", multiple=True, metavar="ID...", help="These merchants; all that are enabled.")
@click.argument("more_ids", nargs=-1, metavar="")
@click.option("--jobs", type=WholeNumber(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
@click.option("--once", is_flag=True, help="Work what is due now or within three seconds, and end.")
@json_option
def work(ids: tuple[str, ...], more_ids: tuple[str, ...], jobs: int, once: bool, as_json: bool) -> None:
    """Turn webhooks' hints into targeted syncs within seconds, and make opt-in looks, until it is stopped.

    Several workers share the hints. `--json` prints a line for each targeted sync; with `--once` one object.
    """
    from vs_st_pipeline.operations.worker.rounds import all_well

    if more_ids and not ids:
        raise click.UsageError(f"unexpected argument '{more_ids[0]}'; name merchants with --merchant ID...")
    if ids:
        for pair in select(ids, more_ids, every=False):
            if pair.fault is not None:
                tell(f"{pair.name}: {pair.fault.message}")
    stop = threading.Event()
    worker, roster = _worker(tuple(dict.fromkeys([*ids, *more_ids])), jobs, stop)
    roster.pairs()  # settings that cannot be used end it before anything is done
    with _stopped_by_signals(stop):
        if once:
            if not as_json:
                worker.told = lambda report: say(*hint_lines(report))
            reports = worker.once()
            if as_json:
                say_json({"merchants": [report.as_json() for report in reports]})
            elif not reports:
                tell("nothing is due; `vs-st inbox` shows what came and what waits")
            _leave(worker, 0 if all_well(reports) else 1)
        worker.told = (lambda report: say_json_line(report.as_json())) if as_json else lambda r: say(*hint_lines(r))
        if not as_json:
            tell("waiting for webhooks' hints; Ctrl-C stops")
        worker.run()
        _leave(worker, 0)


def _worker(ids: tuple[str, ...], jobs: int, stop: threading.Event) -> tuple[Any, Any]:
    from vs_st_pipeline.cli import sync as cli_sync
    from vs_st_pipeline.operations.settings import fleet_rates, read_merchants
    from vs_st_pipeline.operations.webhooks.daily import DailyLooks
    from vs_st_pipeline.operations.worker.looks import Looks
    from vs_st_pipeline.operations.worker.roster import Roster, stamp_of
    from vs_st_pipeline.operations.worker.rounds import Worker
    from vs_st_pipeline.operations.worker.upkeep import Upkeep
    from vs_st_pipeline.pipeline.route import Route
    from vs_st_pipeline.platform.inbox.disk import refuse_network_disk
    from vs_st_pipeline.platform.inbox.store import Inbox
    from vs_st_pipeline.platform.run import Run
    from vs_st_pipeline.platform.settings.environment import data_dir, settings_path
    from vs_st_pipeline.platform.settings.merchants import Merchant

    folder, rates = data_dir(os.environ), fleet_rates(os.environ)
    cli_sync.clock()  # finds a VS_ST_NOW that is not a time before anything is called
    refuse_network_disk(folder)
    inbox = Inbox(folder)

    def make_run(merchant: Merchant, route: Route) -> Run:
        options = {"route": route.name, "trigger": "hint", "inbox": inbox, "lock_wait": 0.0, "stop": stop.is_set}
        return cli_sync.make_run(merchant, **options)

    def merchants(anything: bool) -> Sequence[Merchant]:
        # Who has left the file is synced no more, also where it was the last one.
        path = settings_path(os.environ)
        return read_merchants(path, os.environ, all_bad=anything, nobody=anything).merchants

    roster = Roster(
        merchants,
        lambda: stamp_of(settings_path(os.environ)),
        ids,
        lambda said: tell(f"warning: {said}"),
    )
    looks = Looks(inbox, folder, make_run, rates, cli_sync.clock)
    upkeep = Upkeep(
        inbox,
        DailyLooks(folder),
        lambda: {merchant.id: merchant for merchant, _ in roster.pairs().values()}.values(),
        lambda merchant: cli_sync.make_run(merchant, inbox=inbox, stop=stop.is_set),
        os.environ,
    )
    worker = Worker(inbox, folder, roster.pairs, make_run, jobs, looks, stop=stop, upkeep=upkeep)
    worker.woken, worker.timed, worker.now = roster.read_again, roster.timed, cli_sync.clock
    return worker, roster


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set `stop` at the first SIGTERM or SIGINT; a second one ends the process as ever."""
    before: dict[int, Any] = {}

    def handle(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in (int(signal.SIGTERM), int(signal.SIGINT)):
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


def _leave(worker: Any, code: int) -> None:
    """End now, also where a request is still under way after half a minute: its claims were given back."""
    ending.soon()
    if worker.has_unfinished:
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def hint_lines(report: Report) -> list[str]:
    """Return what a targeted sync did, in a few lines."""
    hints = report.hints
    taken = f"{counted(hints['taken'], 'hints')} of {counted(hints['records'], 'records')}"
    said = f"{report.merchant}, {report.route}: {report.ended}; {taken}"
    said += f", {hints['handed_over']} handed over" if hints["handed_over"] else ""
    said += f", {hints['dropped']} dropped" if hints["dropped"] else ""
    said += f", written after {report.lag_seconds:.1f} s" if report.lag_seconds is not None else ""
    return [said, *(line for line in report.lines() if report.accepted or report.rejected or report.unknown)]
