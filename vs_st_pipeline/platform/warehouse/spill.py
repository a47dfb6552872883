"""Where DuckDB puts what does not fit into memory: a folder per process, and what a dead process left is removed.

Such files hold people. DuckDB removes its own when it ends well; after a crash they would stay for ever. What says that
a process lives is a lock on a file in its folder: the folder itself cannot be locked where it lies on another machine.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

LIVES = "lives.lock"


def claim_dir(tmp: Path) -> tuple[Path, int | None]:
    """A folder for this process below `tmp`, and the handle whose lock says that it lives; None: not to be had."""
    folder = tmp / uuid.uuid4().hex
    try:
        tmp.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        handle = _locked(folder)
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
            handle = _locked(folder)
            try:
                shutil.rmtree(folder)
            finally:
                os.close(handle)


def _locked(folder: Path) -> int:
    handle = os.open(folder / LIVES, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
