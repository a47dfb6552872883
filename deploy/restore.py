"""Puts a copy of `backup.py` back: `python deploy/restore.py BACKUP DATA_DIR`, while nothing runs.

It needs nothing but Python. What is in DATA_DIR is moved aside to `DATA_DIR.broken`. What only ever grows and may be
newer there is taken from it, as far as it can be read: who wrote STOP, what was sent on whose consent, who was
forgotten, which shop is registered. A file of it that cannot be read to its end never takes the place of the copy's.
docs/operations.md ("Back up and restore") says what is to be done then. It exits with 1 where something newer could not
be read, and names it.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
from pathlib import Path

NEWER = (
    "merchants/*/*.evidence.jsonl", "accounts/*/*.evidence.jsonl", "merchants/*/forgotten.json",
    "merchants/*/waymore.json",
)  # fmt: skip


def restore(backup: Path, data: Path, broken: Path | None) -> list[str]:
    """Put the copy back, with what is newer in the broken folder; return what of that could not be read."""
    shutil.copytree(backup, data, symlinks=True, dirs_exist_ok=True)
    left = [] if broken is None else take_newer(broken, data)
    for path in (data, *data.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
    if os.geteuid() == 0:  # whose the copy is, that one runs everything
        owner = backup.stat()
        for path in (data, *data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    os.sync()
    return left


def take_newer(broken: Path, data: Path) -> list[str]:
    """Take what may be newer in a broken folder; return what could not be read, a sentence each."""
    left = []
    for pattern in NEWER:
        for path in sorted(broken.glob(pattern)):
            here = data / path.relative_to(broken)
            problem = take_lines(path, here) if path.suffix == ".jsonl" else take_whole(path, here)
            if problem:
                left.append(f"{path}: {problem}")
    return left


def take_lines(path: Path, here: Path) -> str:
    """Take a file of one JSON object a line; of a damaged one the lines that can be read, beside the copy's."""
    told, problem = read(path)
    known = here.read_bytes() if here.exists() else b""
    if not problem and known.startswith(told):
        return ""
    if not problem and b"\0" not in told:  # a line that a power cut has cut says nothing, here as ever
        put(here, told)
        return ""
    there = set(known.split(b"\n"))
    lacking = [line for line in told.split(b"\n") if line not in there and is_json(line)]
    if lacking:
        put(here, (known if not known or known.endswith(b"\n") else known + b"\n") + b"\n".join(lacking) + b"\n")
    return f"{problem or 'it is damaged'}; {len(lacking)} lines of it were added to the copy's, others may be lost"


def take_whole(path: Path, here: Path) -> str:
    """Take a JSON file, if it is whole."""
    told, problem = read(path)
    if not problem and is_json(told):
        put(here, told)
        return ""
    return f"{problem or 'it is damaged'}; the copy's stands"


def read(path: Path) -> tuple[bytes, str]:
    """Read a file as far as it can be; return it, and why no further."""
    told = b""
    try:
        with open(path, "rb", buffering=0) as file:
            while part := file.read(4096):  # a block of the disk: what is read before a bad one counts
                told += part
    except OSError as error:
        return told, error.strerror or str(error)
    return told, ""


def is_json(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def put(path: Path, told: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(told)


def who_runs(data: Path) -> list[str]:
    """Return whose syncs run: nothing may, while its files are moved."""
    found = []
    for path in sorted(data.glob("merchants/*/*.lock")):
        try:
            with open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found.append(path.parent.name)
        except OSError:  # it cannot be read: nobody holds it
            continue
    return sorted(set(found))


def main() -> int:
    """Put it back, and say what is to be done then."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("backup", type=Path, help="what backup.py made")
    parser.add_argument("data", type=Path, help="the data folder, VS_ST_DATA_DIR")
    parser.add_argument(
        "--broken", type=Path, help="where the old folder is, if DATA_DIR is not it (a disk of its own)"
    )
    given = parser.parse_args()
    aside = given.data.with_name(f"{given.data.name}.broken")
    is_there = given.data.is_dir() and any(given.data.iterdir())
    problem = ""
    if not (given.backup / "merchants").is_dir():
        problem = f"{given.backup} is no copy of a data folder: it has no `merchants`"
    elif given.broken is not None and not (given.broken / "merchants").is_dir():
        problem = (
            f"{given.broken} is no data folder: it has no `merchants`; leave --broken out if nothing of it is left"
        )
    elif is_there and given.broken is not None:
        problem = f"{given.data} is not empty; move it away, or leave --broken out"
    elif is_there and os.path.lexists(aside):
        problem = f"{aside} is there already, of a restore before; move it away"
    elif is_there and (running := who_runs(given.data)):
        problem = f"syncs run ({', '.join(running)}); stop everything first"
    if problem:
        print(problem, file=sys.stderr)
        return 2
    os.umask(0o077)
    broken = given.broken
    if is_there:
        try:
            given.data.rename(aside)
        except OSError as error:
            print(f"{given.data} cannot be moved aside ({error.strerror}): empty it, and name the old one by --broken",
                  file=sys.stderr)  # fmt: skip
            return 2
        broken = aside
    left = restore(given.backup, given.data, broken)
    print("\n".join([*left, f"put back to {given.data}" + (f"; the old one is {broken}" if broken else "")]))
    for path in sorted(given.data.glob("merchants/*/notices.duckdb")):
        print(f"before anything else runs: vs-st notices baseline --merchant {path.parent.name}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
