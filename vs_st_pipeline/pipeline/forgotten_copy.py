"""Keeps a copy of who was forgotten beside the files of a merchant's routes, which all of them share.

Data flow: raw.forgotten of one route <-> `forgotten.json` <-> raw.forgotten of the others.

A file that was lost, or put back from before, learns from the copy whom it must keep out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vs_st_pipeline.domain.errors import BadSettings, TryLater
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.cpu_slots import waiting
from vs_st_pipeline.platform.locks import Timeout, file_lock
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import copy_hashes, suppressed_hashes

COPY, LOCK = "forgotten.json", "forgotten.lock"


def keep_two_copies(run: Run, erase_again: Callable[[Db], None]) -> None:
    """Bring the hashes in a route's file and the merchant's copy in step.

    Args:
        erase_again: erases whom the file had not heard of, inside the transaction that takes their hashes over.

    Raises:
        BadSettings: the copy is damaged.
        TryLater: another route does the same, and did not end in time.
    """
    folder = run.warehouse.folder(run.merchant.id)
    with run.open() as db:  # which makes the folder
        stored = suppressed_hashes(db)
    if not stored and not (folder / COPY).exists():
        return
    with _copy_lock(run):  # other routes write the copy too
        copied = _read(folder / COPY)
        with run.open() as db:
            stored = suppressed_hashes(db)
            if missing := sorted(copied - stored):
                with db.transaction():
                    copy_hashes(db, missing)
                    erase_again(db)
        if stored - copied:
            write_atomically(folder / COPY, json.dumps(sorted(stored | copied)).encode())


@contextmanager
def _copy_lock(run: Run) -> Iterator[None]:
    lock = file_lock(run.warehouse.folder(run.merchant.id) / LOCK)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with waiting():  # whoever waits holds no file
                lock.acquire(timeout=run.warehouse.wait_seconds)
    except Timeout:
        raise TryLater("another route of this merchant is forgetting somebody") from None
    try:
        yield
    finally:
        lock.release()


def _read(path: Path) -> set[tuple[str, str, str]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {(str(hashed), bytes.fromhex(salt).hex(), str(on)) for hashed, salt, on in rows}
    except FileNotFoundError:
        return set()
    except (ValueError, TypeError):
        raise BadSettings(
            f"the file {path} is damaged: it keeps out people who were forgotten; put it back from a backup, or remove "
            "it (the database beside it has the same, unless that was lost too)"
        ) from None
