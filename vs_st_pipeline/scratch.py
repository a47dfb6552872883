"""Where DuckDB puts what does not fit into memory: a folder per process, and what a dead process left is removed.

Such files hold people. DuckDB removes its own when it ends well; after a crash they would stay for ever.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path


def own_folder(tmp: Path) -> tuple[Path, int | None]:
    """A folder for this process below `tmp`, and the handle whose lock says that it lives; None: not to be had."""
    folder = tmp / uuid.uuid4().hex
    try:
        tmp.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # a full disk or a read-only folder is somebody else's to tell
        return folder, None
    return folder, handle


def sweep(tmp: Path) -> None:
    """Remove what processes left that live no more; folders of living ones are locked and stay."""
    for folder in tmp.iterdir() if tmp.is_dir() else ():
        with suppress(OSError):
            if not folder.is_dir():
                folder.unlink()
                continue
            handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(handle)
