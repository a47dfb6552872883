"""Reads what the sources' words mean: the route's own map, or a merchant's file of the same form (notices.md 3.5).

Data flow: statuses.yaml, or the file that `notices.statuses` names -> StatusMap, checked; every fault has its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import sha256
from importlib import resources
from typing import Final, Literal

from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.platform.settings.own_files import text_of
from vs_st_pipeline.platform.settings.yaml_source import Node, load_with_lines

VERSION: Final = 1
Unit = Literal["order", "shipment", "return"]
_KEYS: Final = ("key", "unit", "rank", "repeats", "ends", "announce", "from")
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NAME: Final = re.compile(r"(eshopbox\.(shipment|return)|vinoshipper|commerce7)\.([^.*]*[^.*\s][^.*]*\*?)")
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_COMPLETE, _RESTOCKED = "eshopbox.return.complete", "eshopbox.return.completerestocked"  # as `_plain` writes them


@dataclass(frozen=True, slots=True)
class Meaning:
    """A status of ours.

    Attributes:
        rank: greater is further on. repeats: it can come again. ends: nothing comes after it.
        announce: it may be told to people.
    """

    key: str
    unit: Unit
    rank: int
    repeats: bool = False
    ends: bool = False
    announce: bool = True


@dataclass(frozen=True, slots=True)
class StatusMap:
    """All statuses, and which of the sources' words stand for each.

    Attributes:
        of_key: by their keys, in the file's order. fingerprint: changes with whatever is staged by it.
    """

    of_key: Mapping[str, Meaning]
    fingerprint: str
    _exact: Mapping[str, str] = field(repr=False)
    _begins: Mapping[str, str] = field(repr=False)
    _known: dict[str, Meaning | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys of all statuses."""
        return tuple(self.of_key)

    @property
    def announced(self) -> tuple[str, ...]:
        """Return the keys of those that may be told to people."""
        return tuple(key for key, meaning in self.of_key.items() if meaning.announce)

    def of(self, name: str) -> Meaning | None:
        """Return what a source's word means, `eshopbox.shipment.packed`; None: it is silent."""
        if name in self._known:
            return self._known[name]
        found = self._known[name] = self._find(name)
        return found

    def _find(self, name: str) -> Meaning | None:
        plain = _plain(name)
        if (key := self._exact.get(plain)) is None:
            key = next((key for begin, key in self._begins.items() if plain.startswith(begin)), None)
        return None if key is None else self.of_key[key]


@lru_cache(maxsize=1024)
def squeezed(word: str) -> str:
    """Return a word as words are compared: without case, blanks, `-` and `_`."""
    return _OTHER.sub("", word.casefold())


def read(own: OwnFile) -> StatusMap:
    """Return the merchant's map, checked.

    Raises:
        BadSettings: its file cannot be read or is refused; the message names file and line.
    """
    if own.path is None:
        return _default()
    return parse(text_of(own, f"the statuses {own.path}"), str(own.path))


@cache
def _default() -> StatusMap:
    return parse((resources.files(__package__) / "statuses.yaml").read_text(encoding="utf-8"), "statuses.yaml")


@lru_cache(maxsize=64)
def parse(text: str, name: str) -> StatusMap:
    """Return the map that a YAML text holds; `name`: of its file, for messages.

    Raises:
        BadSettings: anything is unknown, missing, twice or does not suit.
    """
    top = load_with_lines(text, name)
    entries = top.mapping(("version", "statuses"))
    for key in ("version", "statuses"):
        if key not in entries:
            raise top.problem(f"{key} is missing")
    if entries["version"].scalar() != VERSION:
        raise entries["version"].problem(f"must be {VERSION}, the only form there is")
    of_key: dict[str, Meaning] = {}
    names = _Names()
    for node in entries["statuses"].items():
        row = node.mapping(_KEYS)
        meaning = _meaning(node, row)
        if meaning.key in of_key:
            raise row["key"].problem(f"{meaning.key} stands twice")
        of_key[meaning.key] = meaning
        for one in row["from"].items():
            names.add(one, meaning)
    if not of_key:
        raise entries["statuses"].problem("no status stands here; without any, nothing is ever told")
    names.say_of_restocked()
    told = repr((sorted(names.exact.items()), sorted(names.begins.items()), sorted(map(repr, of_key.values()))))
    return StatusMap(of_key, sha256(told.encode()).hexdigest()[:16], names.exact, names.begins)


def _meaning(node: Node, row: Mapping[str, Node]) -> Meaning:
    for key in ("key", "unit", "rank", "from"):
        if key not in row:
            raise node.problem(f"this status lacks the key {key}")
    key = row["key"].text()
    if not _KEY.fullmatch(key):
        raise row["key"].problem("expected small letters, digits and _, such as on_the_way")
    flags = {name: row[name].boolean() for name in ("repeats", "ends", "announce") if name in row}
    unit: Unit = row["unit"].choice(("order", "shipment", "return"))  # type: ignore[assignment]
    rank = row["rank"].integer()
    if not 0 <= rank <= 1000:
        raise row["rank"].problem("must be a whole number from 0 to 1000")
    return Meaning(key, unit, rank, **flags)


class _Names:
    """Collects whose each name is; one name stands in one status only.

    Attributes:
        exact: by whole name. begins: by the beginning that stands before a `*`.
    """

    def __init__(self) -> None:
        self.exact: dict[str, str] = {}
        self.begins: dict[str, str] = {}

    def add(self, node: Node, meaning: Meaning) -> None:
        written = node.text()
        found = _NAME.fullmatch(written)
        if found is None:
            raise node.problem(
                "expected eshopbox.shipment.WORD, eshopbox.return.WORD, vinoshipper.WORD or commerce7.WORD; a word may "
                "end with *"
            )
        if found[2] and (found[2] == "return") != (meaning.unit == "return"):
            raise node.problem(f"a word of a {found[2]} cannot be a status of a unit `{meaning.unit}`")
        plain, many = _plain(written), written.endswith("*")
        for other, key in (*self.exact.items(), *self.begins.items()):
            begins = other in self.begins
            if other == plain or (many and other.startswith(plain)) or (begins and plain.startswith(other)):
                raise node.problem(f"this name stands in {key} already; a name stands in one status only")
        (self.begins if many else self.exact)[plain] = meaning.key

    def say_of_restocked(self) -> None:
        """Let a return that is complete and all restocked be complete, where the file does not tell it from others.

        A mixed return is not `restocked`, also where the file writes only that complete is (13.14).
        """
        if _RESTOCKED in self.exact or _COMPLETE not in self.exact:
            return
        self.exact[_RESTOCKED] = self.exact[_COMPLETE]
        if self.exact[_COMPLETE] == "restocked":
            del self.exact[_COMPLETE]


def _plain(name: str) -> str:
    place, _, word = name.rpartition(".")
    return f"{place}.{squeezed(word)}"
