"""Holds what the stages of one run share: clients, made when first needed, and the report so far.

An error inside a session becomes the report's error (`open_session`): one merchant's trouble is its own.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from vs_st_pipeline.domain.errors import BadArguments, BadSettings, Internal, Interrupted, PipelineError, TryLater
from vs_st_pipeline.domain.report import FAILED, OK, PARTIAL, Report
from vs_st_pipeline.platform.connector import Account, Client, ClientT, Connector
from vs_st_pipeline.platform.crash_reports import describe
from vs_st_pipeline.platform.garbage import collect_less
from vs_st_pipeline.platform.http.rate_limit import RateLimiter, Urgency, WindowLimiter, limiter_path
from vs_st_pipeline.platform.http.tape import Tape
from vs_st_pipeline.platform.locks import Timeout
from vs_st_pipeline.platform.run import RequestLogEntry, Run, new_run_id

DAMAGED = (
    "a database that several processes share is damaged: {0}/inbox.sqlite, or an account.sqlite below {0}/accounts. "
    "Stop all processes, find it by `sqlite3 FILE 'pragma integrity_check'`, move it away, and start again. An "
    "account's is made again from what lies beside it; what had come by webhook and waits, the next whole syncs read"
)
T = TypeVar("T")
SessionT = TypeVar("SessionT", bound="Session")
ReportT = TypeVar("ReportT", bound=Report)


@dataclass(frozen=True, slots=True)
class CancellableLimiter:
    """A rate limiter that stops waiting when the run is asked to stop."""

    limiter: RateLimiter
    stop: Callable[[], bool]
    urgency: Callable[[], Urgency] = lambda: Urgency.TURN

    def wait(self) -> float:
        """Wait for a permit; returns the seconds waited.

        Raises:
            TryLater: the run was stopped.
        """
        if self.stop():
            raise TryLater("stopped by hand; the next sync goes on where this one was")
        return self.limiter.wait(self.stop, self.urgency())


def limiter_of(account: Account, path: Path, fleet: RateLimiter | None = None) -> RateLimiter:
    """Return the limiter of an account, as its system counts requests."""
    if account.requests_per_minute is not None:
        return WindowLimiter(path, account.requests_per_minute, fleet=fleet)
    return RateLimiter(path, account.requests_per_second, fleet=fleet)


@dataclass(slots=True)
class StageDone:
    """A stage that has just been run, or a part of it.

    Attributes:
        seconds: how long it took so far.
        calls: requests sent for it, by system and call name.
        asked: the questions that were asked for it, why, and what they found.
        run: the run that made it, in whose files it lies: those of a dry run may be a copy, and gone after the run.
        failed: a later part of it went wrong.
    """

    name: str
    run: Run
    seconds: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    asked: list[RequestLogEntry] = field(default_factory=list)
    failed: bool = False


@dataclass(slots=True)
class Session:
    """One merchant's run under way.

    Attributes:
        report: what the run did so far.
        selected: names of the stages to run.
        on_stage: called for each stage as it is done; twice, with the sum, for a stage that is done in two parts.
        tape: what all its clients ask and hear.
        urgency: what its requests are for now; where several sessions share a rate, the most urgent go first (R49).
    """

    run: Run
    report: Report
    selected: Collection[str] = ()
    on_stage: Callable[[StageDone], None] = lambda _: None
    tape: Tape = field(default_factory=Tape)
    urgency: Urgency = Urgency.TURN
    _done: dict[str, StageDone] = field(default_factory=dict)
    _clients: dict[str, Client] = field(default_factory=dict)
    _limiters: list[RateLimiter] = field(default_factory=list)

    def do(self, stage: str, make: Callable[..., T], *arguments: Any) -> T | None:
        """Run a stage, or a part of it, if it is selected; returns what `make` returns, else None."""
        if stage not in self.selected:
            return None
        started, called, asked = time.monotonic(), Counter(self.report.calls_by_name()), len(self.run.request_log)
        self.tape.stage = stage
        done = self.done_of(stage)
        try:
            made = make(self, *arguments)
        except BaseException:
            done.failed = True
            raise
        done.seconds += time.monotonic() - started
        done.calls += Counter(self.report.calls_by_name()) - called
        done.asked += self.run.request_log[asked:]
        self.on_stage(done)
        return made

    def done_of(self, stage: str) -> StageDone:
        """Return what was done so far for a stage."""
        return self._done.setdefault(stage, StageDone(stage, self.run))

    def keep(self, *stages: str) -> None:
        """Report stages as done that stand as an earlier run made them."""
        for stage in stages:
            self.do(stage, lambda _: None)

    @contextmanager
    def urgent(self, urgency: Urgency) -> Iterator[None]:
        """Have the requests of this block go before, or after, those of others that share a rate (routes.md R49)."""
        before, self.urgency = self.urgency, urgency
        try:
            yield
        finally:
            self.urgency = before

    def client(self, connector: Connector[ClientT]) -> ClientT:
        """Return the system's client, made at the first call; the report counts its calls."""
        if connector.name not in self._clients:
            limiter = self._limiter(connector.name, connector.account(self.run.merchant))
            self._clients[connector.name] = client = connector.connect(self.run.merchant, limiter)
            client.http.tape = self.tape
            self.report.calls[connector.name] = client.http.calls  # the client goes on counting in it
        return cast(ClientT, self._clients[connector.name])

    def _limiter(self, system: str, account: Account) -> CancellableLimiter:
        """Return the limiter that all processes with this key share, whatever the merchant; with any fleet limiter."""
        self._make_folder()
        folder = self.run.warehouse.pace_dir
        fleet_rate = self.run.fleet_rates.get(system)
        fleet = RateLimiter(folder / f"{system}-fleet", fleet_rate) if fleet_rate else None
        path = limiter_path(folder, system, account.base_url, account.rate_key)
        limiter = limiter_of(account, path, fleet)
        self._limiters += [limiter, *([fleet] if fleet else [])]
        return CancellableLimiter(limiter, self.run.stop, lambda: self.urgency)

    def _make_folder(self) -> None:
        self.run.warehouse.folder(self.run.merchant.id)  # makes the data folder, with its mode

    def close(self) -> None:
        """Close the clients and limiters that were made."""
        for client in self._clients.values():
            client.http.close()
        for limiter in self._limiters:
            limiter.close()


class FolderlessSession(Session):
    """A session that makes no folder for the merchant: before its entry is written (H40), or after it has left."""

    def _make_folder(self) -> None:
        self.run.warehouse.make()


@contextmanager
def opened(session: SessionT) -> Iterator[SessionT]:
    """Open a session; an error inside becomes its report's error, and its clients are closed.

    Raises:
        BadArguments: what a person typed means nothing; that is no error of the run.
    """
    run, report, started = session.run, session.report, time.monotonic()
    report.trigger = run.trigger
    collect_less()
    try:
        with run.keeping():
            yield session
        report.status = PARTIAL if report.is_partial() else OK
    except BadArguments:
        raise
    except PipelineError as error:
        report.status, report.error = FAILED, error
    except (sqlite3.OperationalError, Timeout):  # a file or its lock: busy for seconds, or the disk is full
        report.status = FAILED
        report.error = TryLater("a file that several processes share could not be read or written just now")
    except OSError as error:
        report.status = FAILED
        report.error = BadSettings(
            f"the file {error.filename or f'below {run.warehouse.data_dir}'} cannot be used "
            f"({error.strerror or 'no reason told'}): is the disk full or the folder read-only? Make room or make it "
            "writable, and sync again"
        )
    except Exception as error:
        # The text of another library's exception may hold a person's data; its type and place are enough to find it.
        damaged = type(error) is sqlite3.DatabaseError  # SQLite's word for a file that it cannot make out
        told = BadSettings(DAMAGED.format(run.warehouse.data_dir)) if damaged else Internal(describe(error))
        report.status, report.error = FAILED, told
    finally:
        session.close()
        report.seconds = time.monotonic() - started


def at_rest(run: Run, report: Report) -> Report:
    """Return the report of a run whose route is off: nothing is called, nothing made (routes.md R51)."""
    fault = None if run.route in run.merchant.paused else run.merchant.faults.get(run.route)
    report.status, report.error = (FAILED, fault) if fault else (OK, None)
    return report


def again_if_interrupted(run: Run, once: Callable[[Run], ReportT]) -> tuple[Run, ReportT]:
    """Run once, and at once a second time where something outside of it interrupted the run (`Interrupted`).

    Returns:
        The run that came last, and its report, with what the first one cost.
    """
    report = once(run)
    if isinstance(report.error, Interrupted) and not run.stop():
        run, first = replace(run, run_id=new_run_id()), report
        report = once(run)
        report.add_earlier_try(first)
    return run, report


def in_a_copy(
    run: Run, open_session: Callable[[Run], AbstractContextManager[SessionT]], work: Callable[[Run], ReportT]
) -> ReportT:
    """Run something in a copy of the merchant's file that is thrown away; where there can be none, the report says why.

    Nothing that a later sync decides by is moved by it (routes.md R27).
    """
    trial = run.warehouse.trial(run.merchant.id, run.route)
    with open_session(run) as session, run.sync_lock(), trial as warehouse:
        return work(replace(run, warehouse=warehouse))
    return cast("ReportT", session.report)
