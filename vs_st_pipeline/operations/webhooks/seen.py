"""Keeps what was last seen of a merchant's webhooks: `merchants/{id}/webhooks.json` (webhooks-onboarding.md H39).

There is no token in it. Before anything is registered it says so, so that `vs-st offboard` looks even if we were
killed between a registration and the next note.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec

from vs_st_pipeline.operations.webhooks.compare import Row, State
from vs_st_pipeline.platform.atomic_file import write_atomically

FILE = "webhooks.json"


class SeenHook(msgspec.Struct, frozen=True):
    """One row as it was last seen."""

    system: str
    name: str
    state: str
    id: str | None
    url: str  # without its token


class SeenSystem(msgspec.Struct, frozen=True):
    """One system as it was last seen.

    Attributes:
        at: when, by the machine's clock, epoch seconds.
        making: something was about to be registered; what came of it was not seen yet.
        refused: names that the system did not take.
        singly: it was seen not to keep several names in one webhook.
        shown: the URL, without its token, that was shown to a person who registers it.
        told: SHA-256 of the whole URL that a system was told which lists none, by what it was told for; `""`: it may
            have been told one, and gave no answer.
    """

    at: float = 0.0
    making: bool = False
    hooks: tuple[SeenHook, ...] = ()
    foreign: int = 0
    refused: tuple[str, ...] = ()
    singly: bool = False
    shown: str | None = None
    told: dict[str, str] = {}

    def count_of_ours(self) -> int:
        """Count those of ours that were registered."""
        return sum(hook.id is not None and hook.state != State.ELSEWHERE for hook in self.hooks)

    def tells_of_ours(self) -> bool:
        """Say whether something of ours was registered, or may have been."""
        return self.making or self.count_of_ours() > 0

    def is_told(self) -> bool:
        """Say whether the system was told a URL, or may have been, that only its own people can take back."""
        return bool(self.told)

    def tells_of_elsewhere(self) -> bool:
        """Say whether some have our token and another beginning: another installation's, or ours from before."""
        return any(hook.state == State.ELSEWHERE for hook in self.hooks)


class Seen(msgspec.Struct, frozen=True):
    """A merchant's webhooks as they were last seen, by system."""

    systems: dict[str, SeenSystem] = {}

    def of(self, system: str) -> SeenSystem:
        """Return what was last seen at a system."""
        return self.systems.get(system, SeenSystem())

    @property
    def hooks(self) -> list[SeenHook]:
        """Return all rows."""
        return [hook for one in self.systems.values() for hook in one.hooks]

    @property
    def at(self) -> float | None:
        """Return when the system that was looked at longest ago was looked at; None: one never, or there is none."""
        return min((one.at for one in self.systems.values()), default=0.0) or None

    def tells_of_ours(self) -> bool:
        """Say whether something of ours was registered, or may have been."""
        return any(one.tells_of_ours() for one in self.systems.values())

    def is_told(self) -> bool:
        """Say whether a system was told a URL, or may have been, that only its own people can take back."""
        return any(one.is_told() for one in self.systems.values())

    def by_hand(self) -> list[str]:
        """Return the systems whose URL was shown to a person, who alone can enter it there and take it out."""
        return [name for name, one in self.systems.items() if one.shown is not None]

    def tells_of_elsewhere(self) -> bool:
        """Say whether some have our token and another beginning: another installation's, or ours from before."""
        return any(one.tells_of_elsewhere() for one in self.systems.values())


def path_of(data_dir: Path, merchant_id: str) -> Path:
    """Return where the file is or would be."""
    return data_dir / "merchants" / merchant_id / FILE


def read_seen(data_dir: Path, merchant_id: str) -> Seen:
    """Return what was last seen; of a file that is not there or cannot be read: nothing."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path_of(data_dir, merchant_id).read_bytes(), type=Seen)
    return Seen()


def note(data_dir: Path, merchant_id: str, system: str, now: SeenSystem, *, known: Collection[str]) -> None:
    """Note what is seen at one system; the merchant's folder must be there.

    Args:
        known: names of the merchant's systems; others are dropped, but where something of ours may be registered.

    Raises:
        OSError: the disk does not take it.
    """
    before = read_seen(data_dir, merchant_id).systems
    systems = {name: one for name, one in before.items() if name in known or one.tells_of_ours() or one.is_told()}
    systems[system] = now
    write_atomically(path_of(data_dir, merchant_id), msgspec.json.format(msgspec.json.encode(Seen(systems)), indent=1))


def seen_row(row: Row) -> SeenHook:
    """Return a row as it is kept."""
    return SeenHook(row.system, row.name, row.state, row.id, row.shown)
