"""Starts a merchant's file over: sets the old one aside, and carries over what no system can tell again.

Data flow: the old file -> its forgotten hashes, its outbox and its doubted contacts -> a new file; a sync reads the
rest.

Whatever happens on the way, one of the two files is whole and in its place: the old file gets a second name first, and
then the new file takes over the first name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.once import repair
from vs_st_pipeline.pipeline.once.schema import ONCE
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.atomic_file import replace_durably
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.own_folder import make_own_folder
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.files import Warehouse, log_of
from vs_st_pipeline.platform.warehouse.state import set_state
from vs_st_pipeline.platform.warehouse.suppression import REWRITE

Carried = Mapping[str, str]  # tables that are carried over, and which of their rows


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """What became of the old file.

    Attributes:
        set_aside: where it lies now, None where there was none.
        unsettled: number of writes without an outcome that were carried over.
        unreadable: why only the copy of the forgotten hashes could be carried over; None where everything was.
    """

    set_aside: Path | None
    unsettled: int = 0
    unreadable: str | None = None


def why_unreadable(run: Run, route: Route) -> str | None:
    """Say why the merchant's file cannot be read; return None where it can be, or where there is none.

    Raises:
        TryLater: another process holds the file.
    """
    if not run.file().exists():
        return None
    try:
        _read_carried(run, route.carried)
    except BadSettings as error:
        return error.message
    return None


def rebuild(run: Run, route: Route) -> RebuildResult:
    """Put an empty file in place of the route's own, with what is carried over.

    Of a route that says things once nothing is: its next sync fills a new file from the claims and the evidence.

    Raises:
        TryLater: a sync is running, or another process holds the file.
        BadSettings: the folder cannot be written, or the copy of the forgotten hashes is damaged.
    """
    if ONCE in route.toolkits:
        unreadable = why_unreadable(run, route)
        return RebuildResult(repair.set_aside(run, route.connectors), unreadable=unreadable)
    with run.sync_lock():
        path = run.file()
        if not path.exists():
            return RebuildResult(None)
        kept: dict[str, int] = {}
        unfinished = False
        unreadable = why_unreadable(run, route)
        workshop = erasure.work_dir(run)
        shutil.rmtree(workshop, ignore_errors=True)
        if unreadable is None:
            # After this, the copy of the hashes beside the file is whole, and it goes into the new file. A damaged copy
            # is no reason to throw away a good file, which holds the same hashes.
            with run.open() as db:
                unfinished = erasure.is_begun(db)
            erasure.bring_in_step(run, CONNECTORS)
            if not unfinished:
                erasure.finish(run)
            kept = _copy_carried(run, route.carried, workshop)
        draft = _draft(run, kept, workshop, unfinished=unfinished)
        stamp = f"{utc_now_naive():%Y%m%dT%H%M%S%f}"
        aside = path.with_name(f"{path.name}.{stamp}.bak")
        if log_of(path).exists():  # of a file that could not be opened; it must not be read into the new file
            log_of(path).rename(log_of(aside))
        _give_second_name(path, aside)
        replace_durably(draft, path)
        shutil.rmtree(workshop, ignore_errors=True)
    return RebuildResult(aside, kept.get("synced.writes", 0), unreadable)


def _read_carried(run: Run, carried: Carried) -> None:
    """Read all that is carried over, without keeping any of it."""
    with run.open() as db:
        for table, which in carried.items():
            db.value(f"select bit_xor(hash(t)) from {table} as t where {which}")


def _copy_carried(run: Run, carried: Carried, workshop: Path) -> dict[str, int]:
    """Copy what is carried over to files of its own, however much it is; returns how many rows of each table."""
    make_own_folder(workshop.parent)
    workshop.mkdir(mode=0o700)
    with run.open() as db:
        for table, which in carried.items():
            db.execute(f"copy (select * from {table} where {which}) to '{_quoted(workshop, table)}' (format parquet)")
        return {table: int(db.value(f"select count(*) from {table} where {which}")) for table, which in carried.items()}


def _draft(run: Run, carried: Collection[str], workshop: Path, *, unfinished: bool) -> Path:
    """Make the new file.

    Args:
        unfinished: a `forget` was cut off. The route's next sync does the rest, which alone knows the route's files.
    """
    warehouse = Warehouse(workshop, run.warehouse.layouts, wait_seconds=run.warehouse.wait_seconds)
    with warehouse.open(run.merchant.id, run.route) as db, db.transaction():
        for table in carried:
            db.execute(f"insert into {table} by name select * from read_parquet('{_quoted(workshop, table)}')")
        if unfinished:
            set_state(db, REWRITE, True, run.now())
    return warehouse.file(run.merchant.id, run.route)


def _quoted(workshop: Path, table: str) -> str:
    return str(workshop / f"{table}.parquet").replace("'", "''")


def _give_second_name(path: Path, aside: Path) -> None:
    try:
        os.link(path, aside)
    except OSError:  # a file system without hard links
        shutil.copy2(path, aside)
