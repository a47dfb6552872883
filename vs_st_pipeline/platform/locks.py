"""Takes locks between processes, all of them on files: the one place that knows how.

`file_lock` is held while something is done, and waited for. `try_lock` says that a process lives: the kernel takes it
away from one that was killed. A request to release says that another process waits for a file that DuckDB gives to one
process at a time: attaching it again costs more than most uses of it, so a process that works with a file keeps it for
as long as no other one asks for it. Only the rate limiter locks by itself, on the file that holds its number: thousands
of times a second.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["FileLock", "Timeout", "file_lock", "is_release_requested", "requesting_release", "try_lock"]


def file_lock(path: Path, *, timeout: float = -1) -> FileLock:
    """Return a lock that one process and thread holds at a time, as a context or by `acquire`.

    Args:
        timeout: seconds to wait for it; 0: not at all, below 0: for ever.

    Raises (where it is taken): `Timeout`.
    """
    return FileLock(path, mode=0o600, timeout=timeout, thread_local=False, is_singleton=False)


def try_lock(path: Path) -> int:
    """Take a lock without waiting, and return the handle that holds it until it is closed.

    Raises:
        BlockingIOError: another process or handle holds it. OSError: the file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def requesting_release(path: Path) -> Iterator[None]:
    """Tell the process that holds the file at `path`, while the block lasts, that another one waits for it."""
    try:
        handle = os.open(_beside(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a folder that cannot be written; opening the file itself will report it
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def is_release_requested(path: Path) -> bool:
    """Say whether another process waits for the file at `path`."""
    try:
        handle = os.open(_beside(path), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False  # no process ever did
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".wanted")  # never removed: that could take another process's request away
