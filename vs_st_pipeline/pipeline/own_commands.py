"""Describes commands that only one route has, and those of the house under a route's own name: `vs-st <route> ...`.

Also the jobs of Dagster that do what such a command does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.platform.run import Run


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a route's own command.

    Attributes:
        flag: as it is typed: `--consented-at`.
        takes: what stands behind it, as the usage shows it; `""`: nothing, it is said or not.
        required: it must be given. many: it may be given several times; its value is a tuple then.
        whole: what stands behind it is a whole number from 1 on. usual: its value where it is not given.
    """

    flag: str
    says: str
    takes: str = ""
    required: bool = False
    many: bool = False
    whole: bool = False
    usual: Any = None

    @property
    def name(self) -> str:
        """Return under which name its value is given."""
        return self.flag.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Told:
    """What a route's own command says: for `--json`, and for people.

    Attributes:
        well: it exits with 0, else with 1. error: what ended it early, told besides.
        exact: the lines are to be copied, such as CSV: no terminal breaks them.
    """

    json: dict[str, Any]
    lines: list[str]
    well: bool = True
    error: PipelineError | None = None
    exact: bool = False


Typed = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command that only one route has: `vs-st <route> <name> --merchant ID`.

    Attributes:
        name: a word, or two: the first one is a group of commands then.
        says: what it does, in one short line: it stands in the list of commands. more: what its own page says besides.
        arguments: what names things, as the usage shows them; each is given by its name in small letters. One that ends
            with `...` is given once or more often, as a tuple.
        do: run and what was typed -> what is said. Raises BadArguments where it means nothing.
        acts: it calls a system or writes: the merchant must be enabled, and the route on.
        asks: what is asked before it is done, for a person to agree with (`--yes`); None: nothing needs to be.
            Raises as `do`.
        needs_yes: where no person can be asked, it is done only with `--yes`; False: then it is done without.
        for_account: it is about an account that sends for merchants: `--account ID` in place of `--merchant ID`. `do`
            gets a run of any merchant that has the account (`Route.accounts`), and `account` with what was typed.
        for_many: it is about several merchants, `--merchant ID...` or `--all`, whose runs it gets, in place of `do`.
    """

    name: str
    says: str
    do: Callable[[Run, Typed], Told]
    arguments: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    acts: bool = False
    asks: Callable[[Run, Typed], str] | None = None
    for_account: bool = False
    for_many: Callable[[Sequence[Run], Typed], Told] | None = None
    more: str = ""
    needs_yes: bool = True


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


@dataclass(frozen=True, slots=True)
class JobField:
    """What a person fills in before a job of Dagster is launched.

    Attributes:
        choices: the words of which it is one; empty: any text.
        many: a list. required: it must be given; else it is `""`, or an empty list.
    """

    name: str
    says: str
    choices: tuple[str, ...] = ()
    many: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class OwnJob:
    """A job that only one route has: for people who look at Dagster and have no command line.

    Attributes:
        fields: what it is given, besides the merchant.
        do: run and what was filled in -> what is said; where it is not `well`, the run of Dagster fails. Raises as
            `OwnCommand.do`.
    """

    name: str
    says: str
    do: Callable[[Run, Typed], Told]
    fields: tuple[JobField, ...] = ()
