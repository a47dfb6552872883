"""Keeps what was decided while a merchant was onboarded: `merchants/ID/onboarding.json`, for its owner alone.

What a person skipped, agreed to and said, who was told, and how each step ended. Everything else is looked at again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.locks import file_lock
from vs_st_pipeline.platform.warehouse.files import Warehouse

FILE: Final = "onboarding.json"


class Recorded(msgspec.Struct, frozen=True):
    """Who said something, and when (ISO, UTC)."""

    by: str
    at: str


class Told(msgspec.Struct, frozen=True):
    """A confirmation to one address.

    Attributes:
        at: when it was about to be sent. taken: whether the service took it; None: not known, and so it is not sent
            again.
    """

    at: str
    taken: bool | None = None


class Content(msgspec.Struct):
    """What the file holds.

    Attributes:
        accepted: words of `--accept` that a person agreed to. skipped: by step, what is done without.
        recorded: by step, who said it. told: by the reference of an address.
        planned: the counts of the dry run, as a report has them.
        steps: how each step ended the last time: step, state, says, do. complete: all were done or skipped.
    """

    accepted: list[str] = []
    skipped: dict[str, list[str]] = {}
    recorded: dict[str, Recorded] = {}
    told: dict[str, Told] = {}
    planned: dict[str, Any] | None = None
    missing_fields: list[dict[str, str]] = []
    steps: list[dict[str, str]] = []
    complete: bool = False


_DECODER = msgspec.json.Decoder(Content)


@dataclass(slots=True)
class Memory:
    """One merchant's file, and what of it is known.

    Attributes:
        who: who is onboarding. at: when, ISO in UTC.
        on_disk: whether it may be written: not before the merchant's entry is.
        claimed: addresses that this process tells; of all others the file knows better.
    """

    path: Path
    who: str
    at: str
    content: Content
    on_disk: bool
    claimed: set[str] = field(default_factory=set)

    @property
    def accepted(self) -> list[str]:
        return self.content.accepted

    @property
    def skipped(self) -> dict[str, list[str]]:
        return self.content.skipped

    def record(self, what: str) -> None:
        """Note that a person said something: who, and when."""
        self.content.recorded[what] = Recorded(self.who, self.at)

    def save(self) -> None:
        """Write the file, if it may be written.

        Raises:
            OSError: the disk does not take it.
        """
        if self.on_disk:
            with file_lock(self.path.with_suffix(".lock")):
                with suppress(BadSettings):  # what cannot be read any more is written anew
                    self._take_told()
                self._write()

    def claim(self, address: str) -> bool:
        """Note that an address is about to be told; False where it was told, by whatever process.

        Raises:
            OSError: the disk does not take it. BadSettings: the file cannot be read any more.
        """
        with file_lock(self.path.with_suffix(".lock")):
            self._take_told()
            told = self.content.told.get(address)
            if told is not None and told.taken is not False:
                return False
            self.content.told[address] = Told(self.at)
            self.claimed.add(address)
            self._write()
        return True

    def _take_told(self) -> None:
        """Take over whom other processes have told meanwhile, so that writing the file does not forget it."""
        told = (read_content(self.path) or Content()).told
        self.content.told |= {address: one for address, one in told.items() if address not in self.claimed}

    def _write(self) -> None:
        write_atomically(self.path, msgspec.json.format(msgspec.json.encode(self.content), indent=1) + b"\n")


def read_memory(warehouse: Warehouse, merchant_id: str, who: str, at: str) -> Memory:
    """Return what is kept of a merchant's onboarding.

    Raises:
        BadSettings: it cannot be read, so that it is not known who was told.
    """
    path = warehouse.data_dir / "merchants" / merchant_id / FILE
    content = read_content(path)
    return Memory(path, who, at, content or Content(), on_disk=content is not None)


def read_content(path: Path) -> Content | None:
    """Return what a file holds, None where there is none.

    Raises:
        BadSettings: it cannot be read.
    """
    try:
        return _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise BadSettings(f"{path} cannot be read: {reason}; remove it to begin anew") from None


def onboarded(data_dir: Path) -> Iterator[tuple[str, Path]]:
    """Yield the ids of the merchants that were onboarded, and their files, by id."""
    try:
        names = sorted(entry.name for entry in os.scandir(data_dir / "merchants") if entry.name[0] != ".")
    except FileNotFoundError:
        return
    for name in names:
        path = data_dir / "merchants" / name / FILE
        if path.exists():
            yield name, path
