"""Keeps a merchant's copy of the hashes of forgotten people (`forgotten.json`), which all its routes share.

Data flow: raw.forgotten of a route's file <-> the copy beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from vs_st_pipeline.domain.errors import BadSettings, TryLater
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.locks import Timeout, file_lock
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import copy_hashes, suppressed_hashes

COPY, LOCK = "forgotten.json", "forgotten.lock"


def keep_two_copies(run: Run, erase_again: Callable[[Db], None]) -> None:
    """Bring the hashes in the route's file and the copy in step; each gets what it lacks.

    Args:
        erase_again: erases people whose hashes the file did not have, in the transaction that adds these: an older
            file was put back, or another route has forgotten them.

    Raises:
        TryLater: another route holds the copy. BadSettings: the copy is damaged.
    """
    folder = run.warehouse.folder(run.merchant.id)
    try:
        # Held from reading to writing: of two routes that add at once, neither may write what the other had not read.
        with file_lock(folder / LOCK, timeout=run.warehouse.wait_seconds):
            copied = _read(folder / COPY)
            with run.open() as db:
                stored = suppressed_hashes(db)
                if missing := sorted(copied - stored):
                    with db.transaction():
                        copy_hashes(db, missing)
                        erase_again(db)
            if stored - copied:
                write_atomically(folder / COPY, json.dumps(sorted(stored | copied)).encode())
    except Timeout:
        raise TryLater(
            f"another route of this merchant has been using {folder / COPY} for over {run.warehouse.wait_seconds:.0f} s"
        ) from None


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
