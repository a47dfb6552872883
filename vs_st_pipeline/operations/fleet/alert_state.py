"""What every address was told of whom: `alerts.json` in the data folder, whole at any moment.

Several processes may write it, and not all of them know every address: a shell without `VS_ST_ALERTS`, or with other
ones, beside Dagster's daemon. So what an address was told stays, also where the process that writes does not know it;
else the daemon would tell it all once again, and would never tell that somebody is well whom it had forgotten. An
address is let go when no process has known it for thirty days: then nobody means it any more.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from pathlib import Path
from threading import Lock

import msgspec

from vs_st_pipeline.platform.atomic_file import write_atomically

DAY = 86_400.0
LET_GO_AFTER = 30 * DAY  # seconds


class Address(msgspec.Struct, forbid_unknown_fields=True):
    """One address.

    Attributes:
        seen_at: when a process last knew it, to a day; epoch seconds of the true time, whatever `VS_ST_NOW` says.
        told: merchant -> the troubles told of him since his last good sync.
    """

    seen_at: float
    told: dict[str, list[str]] = {}


_DECODER = msgspec.json.Decoder(dict[str, Address])


class AlertState:
    """What was told, to be added to while the alerts' lock is held.

    Args:
        names: addresses that this process knows, also those that it cannot read just now.
    """

    def __init__(self, path: Path, names: Collection[str]) -> None:
        self._path, self._lock, self._now = path, Lock(), time.time()
        before = read_addresses(path)
        self._addresses = {
            name: one for name, one in before.items() if name in names or self._now - one.seen_at < LET_GO_AFTER
        }
        self._changed = len(self._addresses) < len(before)
        for name in self._addresses.keys() & set(names):
            if abs(self._now - self._addresses[name].seen_at) > DAY:
                self._addresses[name].seen_at, self._changed = self._now, True

    def of(self, name: str) -> dict[str, list[str]]:
        """What this address was told, by merchant."""
        address = self._addresses.get(name)
        return address.told if address else {}

    def remember(self, name: str, about: Iterable[tuple[str, str | None]]) -> None:
        """Keep that an address was told of these: merchants and their trouble, None where there is none any more."""
        with self._lock:
            address = self._addresses.setdefault(name, Address(self._now))
            address.seen_at = self._now
            for merchant, trouble in about:
                if trouble is None:
                    address.told.pop(merchant, None)
                else:
                    address.told[merchant] = [*address.told.get(merchant, []), trouble]
            self._write()

    def keep(self) -> None:
        """Write who was seen and who is let go, where nothing else made that necessary."""
        with self._lock:
            if self._changed:
                self._write()

    def _write(self) -> None:
        write_atomically(self._path, msgspec.json.encode(self._addresses))
        self._changed = False


def read_addresses(path: Path) -> dict[str, Address]:
    """All addresses and what they were told; nothing where it cannot be read, so that all trouble is told again."""
    try:
        return _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
