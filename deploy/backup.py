"""Copies a data folder while everything runs: `python deploy/backup.py DATA_DIR TARGET [--wait SECONDS]`.

It needs nothing but Python. What is copied when, and why in this order, is in docs/operations.md ("Back up and
restore"): a copy may know less than what had been done when it was made, never more, and evidence is never older than
a database beside it. TARGET must not be there yet. It exits with 1 where something could not be copied, and names it:
a part of the disk that cannot be read does not keep the rest from being copied. `restore.py` puts a copy back.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

DEFAULT = "sync"  # the lock of the route whose file is `warehouse.duckdb`; others are `<route>.lock`, `<route>.duckdb`
SQLITE = (".sqlite-wal", ".sqlite-shm")
NOT_COPIED = {"dagster", "pace", "tmp", "tokens", "sandbox", "runs", "proof", "merchants", "accounts", "inbox.sqlite"}


def back_up(data: Path, target: Path, wait: float) -> list[str]:
    """Copy all state; return what could not be copied, a sentence each."""
    target.mkdir(mode=0o700, parents=True)
    left: list[str] = []
    if os.statvfs(data).f_flag & os.ST_RDONLY:  # a disk that fails, or a snapshot: nobody writes it
        return copy_still(data, target)
    if (data / "inbox.sqlite").exists():
        left += tried("inbox.sqlite", copy_sqlite, data / "inbox.sqlite", target / "inbox.sqlite")
    for merchant in folders(data / "merchants"):
        into = made(target / "merchants" / merchant.name)
        left += copy_merchant(merchant, into, wait)
        left += copy_files(merchant, into, lambda path: ".duckdb" not in path.name and path.name != "quiet.bin")
    for account in folders(data / "accounts"):
        into = made(target / "accounts" / account.name)
        for path in sorted(account.glob("*.sqlite")):
            left += tried(f"{account.name}: {path.name}", copy_sqlite, path, into / path.name)
        left += copy_files(account, into, lambda path: path.suffix != ".sqlite")
    for path in sorted(data.iterdir()):
        if path.is_dir() and path.name not in NOT_COPIED and not path.is_symlink():
            left += tried(path.name, copy_tree, path, target / path.name)
    left += copy_files(data, target, lambda path: path.name not in NOT_COPIED)
    os.sync()  # what is said to be copied is on the disk
    return left


def copy_still(folder: Path, into: Path, top: bool = True) -> list[str]:
    """Copy a folder that nobody can write, as it is; return what could not be."""
    left: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.suffix in (".lock", ".wanted", ".new", ".sqlite-shm") or path.name == "quiet.bin":
            continue
        if path.is_file():
            left += tried(f"{folder.name}: {path.name}", shutil.copy2, path, into / path.name)
        elif not top or path.name not in NOT_COPIED - {"merchants", "accounts"}:
            left += copy_still(path, made(into / path.name), top=False)
    return left


def copy_merchant(folder: Path, into: Path, wait: float) -> list[str]:
    """Copy each database of one merchant, while no sync of its route runs."""
    left = []
    for path in sorted(folder.glob("*.duckdb")):
        route = DEFAULT if path.stem == "warehouse" else path.stem
        what = f"{folder.name}: {path.name}"
        try:
            left += tried(what, copy_locked, path, into / path.name, folder / f"{route}.lock", wait)
        except InUse:
            left.append(f"{what} is in use for longer than {wait:.0f} s; it was not copied")
    return left


class InUse(Exception):
    """A database is in use for longer than is waited."""


def copy_locked(path: Path, into: Path, lock: Path, wait: float) -> None:
    """Copy one database while no sync of its route runs; raises InUse."""
    until = time.monotonic() + wait
    with opened(lock) as sync, opened(path.with_name(f"{path.name}.wanted")) as wanted:
        fcntl.flock(wanted, fcntl.LOCK_SH)  # a process that keeps the file between two syncs lets it go
        if not (taken(sync, fcntl.flock, until) and copy_duckdb(path, into, until)):
            raise InUse


def copy_duckdb(path: Path, into: Path, until: float) -> bool:
    """Copy a database that no process has open; say whether that was so in time."""
    with opened(path, os.O_RDWR) as handle:
        if not taken(handle, fcntl.lockf, until):  # DuckDB's own lock
            return False
        log = path.with_name(f"{path.name}.wal")
        if log.exists():  # of a process that was killed
            shutil.copy2(log, into.with_name(log.name))
        with open(handle, "rb", closefd=False) as there, open(into, "wb") as here:
            shutil.copyfileobj(there, here, 1 << 20)
    return True


@contextmanager
def opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    """Open a file to lock it; as it stands here, it is made where it is not there."""
    handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def taken(handle: int, lock: Callable[[int, int], None], until: float) -> bool:
    """Take a lock, waiting for it; say whether it was to be had in time."""
    while True:
        try:
            lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                return False
            time.sleep(0.1)


def copy_sqlite(path: Path, into: Path) -> None:
    """Copy a SQLite file as it is at one moment, whoever writes it."""
    os.close(os.open(into, os.O_WRONLY | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path, timeout=60)) as here, closing(sqlite3.connect(into)) as there:
        here.backup(there)


def copy_files(folder: Path, into: Path, wanted: Callable[[Path], bool]) -> list[str]:
    """Copy the files of a folder itself, but locks and what SQLite keeps beside its files; return what could not be."""
    left: list[str] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        passes = path.suffix not in (".lock", ".wanted", ".new", *SQLITE) and wanted(path)
        if passes and path.is_file():
            left += tried(f"{folder.name}: {path.name}", shutil.copy2, path, into / path.name)
    return left


def copy_tree(folder: Path, into: Path) -> None:
    shutil.copytree(folder, into, ignore=shutil.ignore_patterns("*.lock"), symlinks=True)


def tried(what: str, copy: Callable[..., object], source: Path, target: Path, *more: object) -> list[str]:
    """Copy something; return why it could not be, in a sentence. What is gone by now need not be copied.

    A part of a database is no copy of it; a part of a file of lines is better than nothing.
    """
    try:
        copy(source, target, *more)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, FileNotFoundError) and not os.path.lexists(source):
            return []
        if target.is_file() and target.suffix != ".jsonl":
            for path in (target, target.with_name(f"{target.name}.wal")):
                path.unlink(missing_ok=True)
        return [f"{what} was not copied whole: {getattr(error, 'strerror', None) or error}"]
    return []


def folders(within: Path) -> list[Path]:
    return sorted(path for path in within.iterdir() if path.is_dir()) if within.exists() else []


def made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True)
    return folder


def main() -> int:
    """Back up, and say what could not be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="the data folder, VS_ST_DATA_DIR")
    parser.add_argument("target", type=Path, help="a folder that is not there yet")
    parser.add_argument("--wait", type=float, default=600.0, help="seconds to wait for a sync under way (600)")
    given = parser.parse_args()
    if not (given.data / "merchants").is_dir():
        print(f"{given.data} is no data folder: it has no `merchants`; name VS_ST_DATA_DIR", file=sys.stderr)
        return 2
    if given.target.exists():
        print(f"{given.target} is there already; name a folder that is not", file=sys.stderr)
        return 2
    os.umask(0o077)
    left = back_up(given.data, given.target, given.wait)
    print("\n".join([*left, f"copied to {given.target}"]))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
