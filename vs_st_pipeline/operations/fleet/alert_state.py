"""Stores what every address was told about each merchant: `alerts.json` in the data folder, whole at any moment.

Several processes may write it, and not all of them know every address: a shell without `VS_ST_ALERTS`, or with other
addresses, beside Dagster's daemon. So what an address was told is kept even where the process that writes does not know
the address. Otherwise the daemon would tell it all again, and would never tell that a forgotten merchant is well. An
address is dropped when no process has known it for thirty days: it is then out of use.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from pathlib import Path
from threading import Lock

import msgspec

from vs_st_pipeline.platform.atomic_file import write_atomically

DAY = 86_400.0
DROP_AFTER = 30 * DAY  # seconds


class Address(msgspec.Struct, forbid_unknown_fields=True):
    """One address.

    Attributes:
        seen_at: when a process last knew it, to a day; epoch seconds of the true time, whatever `VS_ST_NOW` says.
        told: merchant -> the troubles told about it since its last good sync.
    """

    seen_at: float
    told: dict[str, list[str]] = {}


_DECODER = msgspec.json.Decoder(dict[str, Address])


class AlertState:
    """What was told, to be added to while the lock of the alerts is held.

    Args:
        names: addresses that this process knows, including those that it cannot read now.
    """

    def __init__(self, path: Path, names: Collection[str]) -> None:
        self._path, self._lock, self._now = path, Lock(), time.time()
        before = read_addresses(path)
        self._addresses = {
            name: one for name, one in before.items() if name in names or self._now - one.seen_at < DROP_AFTER
        }
        self._changed = len(self._addresses) < len(before)
        for name in self._addresses.keys() & set(names):
            if abs(self._now - self._addresses[name].seen_at) > DAY:
                self._addresses[name].seen_at, self._changed = self._now, True

    def of(self, name: str) -> dict[str, list[str]]:
        """Return what this address was told, by merchant."""
        address = self._addresses.get(name)
        return address.told if address else {}

    def remember(self, name: str, about: Iterable[tuple[str, str | None]]) -> None:
        """Store that an address was told these: merchants and their trouble, None where the trouble is over."""
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
        """Write which addresses were seen and which are dropped, unless another change has already written it."""
        with self._lock:
            if self._changed:
                self._write()

    def _write(self) -> None:
        write_atomically(self._path, msgspec.json.encode(self._addresses))
        self._changed = False


def read_addresses(path: Path) -> dict[str, Address]:
    """Read all addresses and what they were told; return nothing if unreadable, so that all trouble is told again."""
    try:
        return _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
