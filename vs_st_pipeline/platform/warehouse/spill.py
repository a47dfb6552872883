"""Where DuckDB puts what does not fit into memory: a folder per process, and what a dead process left is removed.

Such files hold people. DuckDB removes its own when it ends well; after a crash they would stay for ever. What says that
a process lives is a lock on a file in its folder: the folder itself cannot be locked where it lies on another machine.
"""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from vs_st_pipeline.platform.locks import try_lock

LIVES = "lives.lock"


def claim_dir(tmp: Path) -> tuple[Path, int | None]:
    """A folder for this process below `tmp`, and the handle whose lock says that it lives; None: not to be had."""
    folder = tmp / uuid.uuid4().hex
    try:
        tmp.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        handle = try_lock(folder / LIVES)
    except OSError:  # a full disk or a read-only folder is somebody else's to tell
        return folder, None
    return folder, handle


def remove_stale(tmp: Path) -> None:
    """Remove what processes left that live no more; folders of living ones are locked and stay."""
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
