"""Says which names mean one shipment, return or order (notices.md 3.6; rulings, notices 7). Pure.

Data flow: names as a read or a hook gives them, the best first -> the unit's key: its first one, for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_WEAK: Final = ("tracking:", "line:", "return_number:")
"""Kinds of names that lead to a unit only where nothing better tells it from another one."""


class Units:
    """The units of one order.

    Attributes:
        aliases: name -> unit key, all that is known. new: those of them that were not known before.
    """

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self.aliases = dict(aliases)
        self.new: dict[str, str] = {}
        self.keys: set[str] = set(self.aliases.values())
        self._named = {key for name, key in self.aliases.items() if not _is_weak(name)}

    def of(self, key: str, names: Sequence[str]) -> str:
        """Return the unit that these names mean; a new one under this key where none does.

        A parcel's own id is certain. A tracking id, or the order's lines, lead to a unit unless both have ids of their
        own that differ: then it is another parcel.

        Args:
            names: the best first; at most one of them is an id of its own.
        """
        strong = next((name for name in names if not _is_weak(name)), "")
        unit = self.aliases.get(strong)
        if unit is None:
            known = (self.aliases[name] for name in names if name in self.aliases)
            unit = next((one for one in known if not strong or one not in self._named), key)
        for name in names:
            if name not in self.aliases:
                self.aliases[name] = self.new[name] = unit
        if strong:
            self._named.add(unit)
        self.keys.add(unit)
        return unit

    def only(self, kind: str) -> str | None:
        """Return the one unit of a kind (`shipment`, `return`); None: there is none, or there are several."""
        found = [key for key in self.keys if key.startswith(f"{kind}:")]
        return found[0] if len(found) == 1 else None


def kind_of(unit_key: str) -> str:
    """Return what a unit is: `order`, `shipment` or `return`."""
    return unit_key.partition(":")[0]


def _is_weak(name: str) -> bool:
    return name.startswith(_WEAK)
