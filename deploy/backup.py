"""Copies a data folder while everything runs: `python deploy/backup.py DATA_DIR TARGET [--wait SECONDS]`.

It needs nothing but Python. What is copied when, and why in this order, is in docs/operations.md ("Back up and
restore"): a copy may know less than what had been done when it was made, never more, and evidence is never older than
a database beside it. TARGET must not be there yet. It exits with 1 where something could not be copied, and names it.
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
    if (data / "inbox.sqlite").exists():
        copy_sqlite(data / "inbox.sqlite", target / "inbox.sqlite")
    for merchant in folders(data / "merchants"):
        left += copy_merchant(merchant, made(target / "merchants" / merchant.name), wait)
    for account in folders(data / "accounts"):
        into = made(target / "accounts" / account.name)
        for path in sorted(account.glob("*.sqlite")):
            copy_sqlite(path, into / path.name)
        copy_files(account, into, lambda path: path.suffix != ".sqlite")
    for path in sorted(data.iterdir()):
        if path.is_dir() and path.name not in NOT_COPIED and not path.is_symlink():
            shutil.copytree(path, target / path.name, ignore=shutil.ignore_patterns("*.lock"), symlinks=True)
    copy_files(data, target, lambda path: path.name not in NOT_COPIED)
    return left


def copy_merchant(folder: Path, into: Path, wait: float) -> list[str]:
    """Copy one merchant's files: each route's database while no sync of it runs, what lies beside them after it."""
    left = []
    for path in sorted(folder.glob("*.duckdb")):
        route = DEFAULT if path.stem == "warehouse" else path.stem
        until = time.monotonic() + wait
        with opened(folder / f"{route}.lock") as sync, opened(path.with_name(f"{path.name}.wanted")) as wanted:
            fcntl.flock(wanted, fcntl.LOCK_SH)  # a process that keeps the file between two syncs lets it go
            if not (taken(sync, fcntl.flock, until) and copy_duckdb(path, into, until)):
                left.append(f"{folder.name}: {path.name} is in use for longer than {wait:.0f} s; it was not copied")
    copy_files(folder, into, lambda path: ".duckdb" not in path.name and path.name != "quiet.bin")
    return left


def copy_duckdb(path: Path, into: Path, until: float) -> bool:
    """Copy a database that no process has open; say whether that was so in time."""
    with opened(path) as handle:
        if not taken(handle, fcntl.lockf, until):  # DuckDB's own lock
            return False
        log = path.with_name(f"{path.name}.wal")
        if log.exists():  # of a process that was killed
            shutil.copy2(log, into / log.name)
        with open(handle, "rb", closefd=False) as there, open(into / path.name, "wb") as here:
            shutil.copyfileobj(there, here, 1 << 20)
    return True


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a file to lock it, made where it is not there."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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


def copy_files(folder: Path, into: Path, wanted: Callable[[Path], bool]) -> None:
    """Copy the files of a folder itself, but locks and what SQLite keeps beside its files."""
    for path in sorted(folder.iterdir()):
        passes = path.suffix not in (".lock", ".wanted", ".new", *SQLITE) and wanted(path)
        if passes and path.is_file():
            shutil.copy2(path, into / path.name)


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
