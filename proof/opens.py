"""A journal of who has which merchant's DuckDB file, for `proof.distributed`; a worker loads it (`-i proof.opens`).

Each line is one write to the end of one file, so lines of several processes do not mix. "wants" is written before the
file is attached and "left" when it is detached, so a span is never shorter than the time that the file was held, and
two spans that overlap tell of two processes of which one at least tried.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse

JOURNAL, WORKER = "VS_ST_PROOF_OPENS", "VS_ST_PROOF_WORKER"


@dataclass(frozen=True)
class Span:
    """A merchant's file in the hands of one process; `until` is infinite where it was never let go."""

    merchant: str
    worker: str
    pid: int
    since: float  # monotonic seconds
    until: float


def _note(what: str, merchant_id: str) -> None:
    line = f"{time.monotonic()} {os.environ[WORKER]} {os.getpid()} {what} {merchant_id}\n"
    handle = os.open(os.environ[JOURNAL], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def _watch() -> None:
    attach, let_go = Warehouse._attach, Warehouse._detach

    def watched_attach(self: Warehouse, held: Any) -> Db:
        _note("wants", held.merchant_id)
        try:
            return attach(self, held)
        except BaseException:
            _note("left", held.merchant_id)
            raise

    def watched_let_go(self: Warehouse, held: Any, **how: Any) -> None:
        had = held.db is not None
        try:
            let_go(self, held, **how)
        finally:
            if had:
                _note("left", held.path.parent.name)

    Warehouse._attach, Warehouse._detach = watched_attach, watched_let_go  # type: ignore[method-assign]


def read(journal: Path) -> list[Span]:
    """All spans, in the order of their beginning."""
    wanted: dict[tuple[int, str], tuple[str, float]] = {}
    spans = []
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.exists() else ():
        at, worker, pid, what, merchant = line.split()
        if what == "wants":
            wanted[int(pid), merchant] = worker, float(at)
        else:
            _, since = wanted.pop((int(pid), merchant))
            spans.append(Span(merchant, worker, int(pid), since, float(at)))
    spans += [Span(merchant, worker, pid, since, float("inf")) for (pid, merchant), (worker, since) in wanted.items()]
    return sorted(spans, key=lambda span: span.since)


def meetings(spans: Iterable[Span], died_at: float, dead: str) -> list[tuple[Span, Span]]:
    """Spans of one file in two processes that overlap; what the dead worker never let go ended with it."""
    longest: dict[str, tuple[float, Span]] = {}
    found = []
    for span in sorted(spans, key=lambda span: span.since):
        ends = min(span.until, died_at) if span.worker == dead else span.until
        ended, before = longest.get(span.merchant, (0.0, span))
        if ended > span.since and before.pid != span.pid:
            found.append((before, span))
        if ends > ended:
            longest[span.merchant] = ends, span
    return found


if JOURNAL in os.environ:
    _watch()
