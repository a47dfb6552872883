"""Gives each process a folder where DuckDB puts what does not fit into memory, and removes those of dead processes.

Such files hold people's data. DuckDB removes its own when it ends well; after a crash they would stay for ever. The
sign that a process lives is a lock on a file in its folder: the folder itself cannot be locked where it lies on another
machine.
"""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from vs_st_pipeline.platform.locks import try_lock
from vs_st_pipeline.platform.own_folder import make_own_folder

LIVES = "lives.lock"


def claim_dir(tmp: Path) -> tuple[Path, int | None]:
    """Make a folder for this process below `tmp`, and return it with the handle whose lock says that the process lives.

    The handle is None where the folder or the lock cannot be made.
    """
    folder = tmp / uuid.uuid4().hex
    try:
        make_own_folder(tmp)
        folder.mkdir(mode=0o700)
        handle = try_lock(folder / LIVES)
    except OSError:  # other code reports a full disk or a read-only folder
        return folder, None
    return folder, handle


def remove_stale(tmp: Path) -> None:
    """Remove what dead processes left; folders of living ones are locked and stay."""
    for folder in tmp.iterdir() if tmp.is_dir() else ():
        with suppress(OSError):
            if not folder.is_dir():
                folder.unlink()
                continue
            handle = try_lock(folder / LIVES)
            try:
                shutil.rmtree(folder)
            finally:
                os.close(handle)
