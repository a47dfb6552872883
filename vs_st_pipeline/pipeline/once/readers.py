"""Lets one route read a system for all routes of a merchant (routes.md R34), without one writing another's file.

Data flow: other routes' hints -> (peek) -> this reader's hints -> reads -> once.answered -> (peek) -> their hints.

Each route keeps its own hints. The reader looks into the others' files for what they want, and reads it as well; they
look into the reader's file for what it has answered, and wait until then. Who cannot look now does without news.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.pipeline.once import hints
from vs_st_pipeline.pipeline.once.hints import Hint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

T = TypeVar("T")


def ask_others(run: Run, system: str, others: Collection[str]) -> list[str]:
    """Take over what other routes want read of a system; returns the routes that could not be asked.

    A dry run takes nothing over.
    """
    silent: list[str] = []
    for other in sorted(set(others) - {run.route}):
        try:
            wanted = run.peek(other, partial(hints.waiting, origin=other, system=system))
        except TryLater:
            silent.append(other)
            continue
        if wanted and not run.dry_run:
            with run.open() as db, db.transaction():
                hints.copy_from(db, wanted, run.now())
    return silent


def settled_by_reader(run: Run, reader: str, system: str) -> list[Hint]:
    """Return this route's hints that the reader has settled: its staged rows are newer than they are.

    The caller settles them (`hints.settle`) in the transaction that takes the rows over. All others wait.
    """
    with run.open() as db:
        own = hints.waiting(db, origin=run.route, system=system)
    if not own:
        return []
    try:
        answered = run.peek(
            reader,
            lambda db: {
                (row[0], row[1]): row[2]
                for row in db.rows(
                    "select object, id, seq from once.answered where origin = ? and system = ?", [run.route, system]
                )
            },
        )
    except TryLater:
        return []
    return [hint for hint in own if answered.get((hint.object, hint.id), -1) >= hint.seq]


def read_other(run: Run, route: str, read: Callable[[Db], T], otherwise: T) -> tuple[T, str | None]:
    """Return another route's rows, or `otherwise` and why there is no news."""
    try:
        return run.peek(route, read), None
    except TryLater as error:
        return otherwise, error.message
