"""Describes commands that only one route has, and those of the house under a route's own name: `vs-st <route> ...`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vs_st_pipeline.platform.run import Run


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a route's own command.

    Attributes:
        flag: as it is typed: `--consented-at`.
        takes: what stands behind it, as the usage shows it; `""`: nothing, it is said or not.
    """

    flag: str
    says: str
    takes: str = ""

    @property
    def name(self) -> str:
        """Return under which name its value is given."""
        return self.flag.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Told:
    """What a route's own command says: for `--json`, and for people; `well`: it exits with 0."""

    json: dict[str, Any]
    lines: list[str]
    well: bool = True


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command that only one route has: `vs-st <route> <name> --merchant ID`.

    Attributes:
        arguments: what names things, as the usage shows them; each is given by its name in small letters.
        do: run and what was typed -> what is said. Raises BadArguments where it means nothing.
    """

    name: str
    says: str
    do: Callable[[Run, Mapping[str, Any]], Told]
    arguments: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherName:
    """A command of the house under a route's own name: `vs-st <route> <name>` (routes.md R52).

    Attributes:
        of: the command: `("webhooks", "register")`.
        given: parameters of it that are not asked for, by name, because the route says them.
    """

    name: str
    of: tuple[str, ...]
    given: Mapping[str, Any]
