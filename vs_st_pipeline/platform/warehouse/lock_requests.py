"""How a process that waits for a file asks the one that holds it to let it go: a lock on an empty file beside it.

DuckDB gives a file to one process at a time, and to attach it anew costs more than most uses of it. So who works with a
file keeps it for as long as nobody else wishes to have it. The lock is the wish, not the file: whose process was killed
wishes for nothing any more.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def requesting_release(path: Path) -> Iterator[None]:
    """While the block lasts, whoever holds the file at `path` knows that somebody waits for it."""
    try:
        handle = os.open(_beside(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a folder that cannot be written; what is waited for tells of it
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def is_release_requested(path: Path) -> bool:
    """Whether somebody waits for the file at `path`."""
    try:
        handle = os.open(_beside(path), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False  # nobody ever did
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".wanted")  # stays: whoever removed it could take another one's wish away
