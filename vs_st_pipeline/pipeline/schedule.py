"""Keeps when a route is due next for a merchant, where a schedule reads it without opening a database (routes.md R16).

`merchants/ID/<route>.due`, one ISO time. It can be lost: a route without it is due.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vs_st_pipeline.domain.records import LARGEST_GAP
from vs_st_pipeline.domain.single_reads import waits
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.run import Run

SOON = timedelta(minutes=1)  # for what is looked at in every sync
NEVER = datetime.max.replace(tzinfo=UTC)


def due_path(data_dir: Path, merchant_id: str, route: str) -> Path:
    """Return where a route's next time lies."""
    return data_dir / "merchants" / merchant_id / f"{route}.due"


def write_next_due(run: Run, at: datetime | None) -> None:
    """Store when the route is due next (UTC without zone); None: only a hint makes it due.

    One further off than any gap becomes a look after the greatest gap: else it would look like a wrong clock's.

    A targeted sync never puts off what is due: it has looked at a few records alone, and where hints come often, no
    whole sync would ever begin. Where no time is stored, the route is due, and stays so.
    """
    path = due_path(run.warehouse.data_dir, run.merchant.id, run.route)
    at = min(at, run.now() + LARGEST_GAP) if at else None
    if run.trigger == "hint":
        stands = read_next_due(run.warehouse.data_dir, run.merchant.id, run.route)
        if stands is None or stands <= (NEVER if at is None else at.replace(tzinfo=UTC)):
            return
    text = at.replace(tzinfo=UTC).isoformat() if at else "never"
    write_atomically(path, text.encode())


def is_due(at: datetime | None, now: datetime) -> bool:
    """Say whether a route is due that `read_next_due` says this time of; `now` is aware.

    A time further off than any gap was set by a clock that was ahead: to wait for it could take years.
    """
    return at is None or (at != NEVER and not waits(at, now))


def read_next_due(data_dir: Path, merchant_id: str, route: str) -> datetime | None:
    """Return when a route is due next, aware: `NEVER` where only a hint makes it due, None where that is not known."""
    try:
        with open(os.fspath(due_path(data_dir, merchant_id, route)), encoding="ascii") as file:
            text = file.read().strip()
        return NEVER if text == "never" else datetime.fromisoformat(text).astimezone(UTC)
    except (OSError, ValueError, TypeError):
        return None
