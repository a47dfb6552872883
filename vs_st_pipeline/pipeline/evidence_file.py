"""Keeps the evidence file of a merchant and route: what must outlive the database (routes.md R35).

Data flow: a claim, before its send -> one line with fsync -> after a loss, the outbox.

`merchants/ID/<route>.evidence.jsonl`, 0600, one JSON object a line. A line that was cut by a power loss is skipped: its
write was never said to be done, so nothing left because of it. Written under the route's sync lock only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run

Line = dict[str, Any]
_ENCODE: Final = msgspec.json.Encoder(enc_hook=dict).encode  # a history writes a line for each subscriber


def evidence_path(folder: Path, route: str) -> Path:
    """Return where a route's evidence lies in a merchant's folder."""
    return folder / f"{route}.evidence.jsonl"


def evidence_files(folder: Path) -> list[Path]:
    """Return all evidence files in a merchant's folder; `offboard` asks before it removes them."""
    return sorted(folder.glob("*.evidence.jsonl"))


@dataclass(frozen=True, slots=True)
class Position:
    """How much of which file has been read."""

    inode: int
    size: int


class EvidenceFile:
    """One evidence file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def of(run: Run) -> EvidenceFile:
        """Return the file of a run's merchant and route."""
        return EvidenceFile(evidence_path(run.warehouse.folder(run.merchant.id), run.route))

    def append(self, lines: Iterable[Mapping[str, Any]], *, durable: bool = True) -> None:
        """Add lines, all in one write.

        Args:
            durable: they are on the disk when this returns. Else they survive this process, but not the machine.

        Raises:
            OSError: there is no room, or the folder cannot be written.
        """
        data = b"".join(_ENCODE(line) + b"\n" for line in lines)
        is_new = not self.path.exists()
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":  # the line before was cut
                data = b"\n" + data
            _write_whole(handle, data)
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        failpoint("evidence")

    def position(self) -> Position:
        """Return which file this is now, and how long."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return Position(0, 0)
        return Position(found.st_ino, found.st_size)

    def read(self, start: int = 0) -> Iterator[Line]:
        """Return the lines from a byte on; what is no whole line is skipped."""
        try:
            with open(self.path, "rb") as file:
                file.seek(start)
                for raw in file:
                    try:
                        line = json.loads(raw)
                    except (ValueError, RecursionError):
                        continue
                    if isinstance(line, dict):
                        yield line
        except FileNotFoundError:
            return

    def rewrite(self, change: Callable[[Line], Line | None]) -> bool:
        """Replace the file by one with these lines changed (None: without it); say whether anything was.

        At any moment, power or not, one of the two is there whole.
        """
        before = list(self.read())
        after = [line for line in (change(dict(line)) for line in before) if line is not None]
        if after == before:
            return False
        write_atomically(self.path, b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in after))
        return True


def _write_whole(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
