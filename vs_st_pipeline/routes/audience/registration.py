"""Keeps a merchant's registration at WayMore in a file of its own, out of the database (audience.md 3.1).

Data flow: `merchants/ID/waymore.json` (0600) <-> `Registration`.

The uuid is the credential of every later call and is told only once: a rebuild, or a database that somebody opens,
neither loses nor shows it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.audience.systems import DESTINATION

FILE: Final = "waymore.json"
_TIMES: Final = ("asked_at", "registered_at", "next_try_at", "leaving_since")


class State(StrEnum):
    """How far the registration is."""

    NONE = "none"
    ASKING = "asking"
    REGISTERED = "registered"
    UNINSTALLING = "uninstalling"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Registration:
    """What `waymore.json` holds. Times are UTC without zone.

    Attributes:
        uuid: the credential; None where none is known, or where the settings give it. Never shown: not in `repr`.
        domain, source: that were registered. salt, username_hash, password_hash: of what was last asked with.
        endpoints: URLs that `discover` has told, by `auth`, `data`, `event`; moved: one of them is nobody's any more.
        blocks_done: blocks of the history that are done for good, and when.
        asked_at, registered_at: when WayMore was asked, and when it said yes. refused: refusals in a row, and
            next_try_at when it may be asked again. asked_again: a 409 or a cut answer is asked once more.
        accepted: whether WayMore has accepted any part or event of this registration (5.1.4).
        event_url: where events went last, for a merchant that is out of the file.
        leaving_since: when `disconnect` was first tried. left_untold: it was given up, and WayMore was not told.
        more: keys of a newer version of this program, kept as they are.
    """

    state: State = State.NONE
    uuid: str | None = field(default=None, repr=False)
    domain: str | None = None
    source: str | None = None
    salt: str | None = None
    username_hash: str | None = None
    password_hash: str | None = None
    endpoints: dict[str, str] = field(default_factory=dict)
    moved: bool = False
    blocks_done: dict[str, str] = field(default_factory=dict)
    asked_at: datetime | None = None
    registered_at: datetime | None = None
    refused: int = 0
    next_try_at: datetime | None = None
    asked_again: bool = False
    accepted: bool = False
    event_url: str | None = None
    leaving_since: datetime | None = None
    left_untold: bool = False
    more: dict[str, Any] = field(default_factory=dict)


_FIELDS: Final = tuple(one.name for one in fields(Registration) if one.name != "more")


def path_in(folder: Path) -> Path:
    """Return where the registration lies in a merchant's folder."""
    return folder / FILE


def read(run: Run) -> Registration:
    """Return a merchant's registration; one that never registered has state `none`.

    Raises:
        BadSettings: the file is there and cannot be read: nothing is sent, and it is not overwritten.
    """
    return read_in(run.warehouse.data_dir / "merchants" / run.merchant.id)


def read_in(folder: Path) -> Registration:
    """Return the registration in a merchant's folder; raises as `read` does."""
    path = path_in(folder)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Registration()
    try:
        held = json.loads(raw)
        known = {key: value for key, value in held.items() if key in _FIELDS}
        known["state"] = State(known["state"])
        for key in _TIMES:
            if known.get(key) is not None:
                known[key] = datetime.fromisoformat(known[key])
        found = Registration(**known, more={key: value for key, value in held.items() if key not in _FIELDS})
        if not all(isinstance(one, dict) for one in (found.endpoints, found.blocks_done)):
            raise ValueError
        return found
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadSettings(
            f"{path} cannot be read; it holds the registration at WayMore, so nothing is sent. Put back a backup; "
            "without one, ask Routee for the uuid, set waymore.uuid, and remove the file",
            system=DESTINATION,
        ) from None


def write(run: Run, registration: Registration) -> None:
    """Write a merchant's registration, whole and durably: temporary file, fsync, rename, fsync of the folder."""
    write_in(run.warehouse.folder(run.merchant.id), registration)


def write_in(folder: Path, registration: Registration) -> None:
    """Write the registration into a merchant's folder, as `write` does."""
    held = asdict(registration)
    held |= {key: held[key].isoformat() for key in _TIMES if held[key] is not None}
    held |= held.pop("more")
    failpoint("waymore.json")
    write_atomically(path_in(folder), json.dumps(held, indent=1).encode())
    failpoint("waymore.json written")


def mark_block_done(run: Run, block: str) -> None:
    """Note that a block of the history is done for good (5.1.6)."""
    known = read(run)
    if block not in known.blocks_done:
        write(run, replace(known, blocks_done={**known.blocks_done, block: run.now().isoformat()}))


def mark_accepted(run: Run) -> None:
    """Note that WayMore has accepted something of this registration; written once."""
    known = read(run)
    if not known.accepted:
        write(run, replace(known, accepted=True))


def key_of(salt: str, event: str) -> str:
    """Return the `Idempotency-Key` of a call that a registration makes once: 32 hex."""
    return hashlib.blake2b(event.encode(), key=bytes.fromhex(salt), digest_size=16).hexdigest()


def hashed(known: Registration, username: str, password: str) -> Registration:
    """Return the registration with the salted hashes of these keys, under its salt or a new one."""
    known = salted(known)
    salt = known.salt or ""
    return replace(known, username_hash=_hash(salt, username), password_hash=_hash(salt, password))


def salted(known: Registration) -> Registration:
    """Return the registration with a salt: no two shops' keys and hashes may be alike."""
    return known if known.salt else replace(known, salt=secrets.token_hex(16))


def is_username(known: Registration, username: str) -> bool:
    """Say whether this is the user name that was registered; True where none is known."""
    return _is(known, known.username_hash, username)


def is_password(known: Registration, password: str) -> bool:
    """Say whether this is the password that was last asked with; True where none is known."""
    return _is(known, known.password_hash, password)


def _is(known: Registration, kept: str | None, value: str) -> bool:
    return kept is None or known.salt is None or hmac.compare_digest(kept, _hash(known.salt, value))


def _hash(salt: str, value: str) -> str:
    return hashlib.scrypt(value.encode("utf-8", "surrogatepass"), salt=bytes.fromhex(salt), n=2**12, r=8, p=1).hex()
