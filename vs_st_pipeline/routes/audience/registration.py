"""Keeps a merchant's registration at WayMore in a file of its own, out of the database (audience.md 3.1).

Data flow: `merchants/ID/waymore.json` (0600) <-> `Registration`.

The uuid is the credential of every later call and is told only once: a rebuild, or a database that somebody opens,
neither loses nor shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from vs_st_pipeline.platform.run import Run


class State(StrEnum):
    """How far the registration is."""

    NONE = "none"
    ASKING = "asking"
    REGISTERED = "registered"
    UNINSTALLING = "uninstalling"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Registration:
    """What `waymore.json` holds.

    Attributes:
        uuid: the credential; None where none is known, or where the settings give it. Never shown: not in `repr`.
        blocks_done: blocks of the history that are done for good, and when (UTC without zone).
        endpoints: URLs that `discover` has told, by `auth`, `data`, `event`.
        accepted: whether WayMore has accepted any part or event of this registration (5.1.4).
    """

    state: State = State.NONE
    uuid: str | None = field(default=None, repr=False)
    domain: str | None = None
    source: str | None = None
    username_hash: str | None = None
    password_hash: str | None = None
    endpoints: dict[str, str] = field(default_factory=dict)
    blocks_done: dict[str, str] = field(default_factory=dict)
    asked_at: datetime | None = None
    registered_at: datetime | None = None
    tries: int = 0
    next_try_at: datetime | None = None
    accepted: bool = False
    more: dict[str, Any] = field(default_factory=dict)


def read(run: Run) -> Registration:
    """Return a merchant's registration; one that never registered has state `none`.

    Raises:
        BadSettings: the file is there and cannot be read: nothing is sent, and it is not overwritten.
    """
    raise NotImplementedError


def write(run: Run, registration: Registration) -> None:
    """Write a merchant's registration, whole and durably: temporary file, fsync, rename, fsync of the folder."""
    raise NotImplementedError


def mark_block_done(run: Run, block: str) -> None:
    """Note that a block of the history is done for good (5.1.6)."""
    raise NotImplementedError


def mark_accepted(run: Run) -> None:
    """Note that WayMore has accepted something of this registration; written once."""
    raise NotImplementedError
