"""Describes how a route is shown on made-up merchants (`vs-st demo`): acts, of things that happen, and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Act:
    """One part of the show.

    Attributes:
        title: what is to be seen, a sentence that ends with a colon or a full stop.
        later: how much later than the act before it plays; nobody waits for it.
        before: commands that are run first, without `vs-st`, such as to say whom to call.
        orders: what the stand-ins are told to let happen; they say it in sentences.
        commands: what is run then. Who wants to see all sees their output.
        looks: what only those see who want to see all: commands that show one record in detail.
        outcome: whether what the last sync wrote is shown to those, too.
        worker: whether a worker takes what the systems tell, in place of a command.
        decided: what was decided, where a report's counts do not say it.
        answered: the order that waits for what the worker writes; the stand-ins say how long it took.
    """

    title: str
    later: timedelta = timedelta(0)
    before: tuple[tuple[str, ...], ...] = ()
    orders: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    looks: tuple[tuple[str, ...], ...] = ()
    outcome: bool = False
    worker: bool = False
    decided: str = ""
    answered: str = ""


@dataclass(frozen=True, slots=True)
class Demo:
    """The show of one route.

    Attributes:
        scenario: the world of the stand-ins. about: what is shown, a sentence.
        decided: how the counts of a report's `planned` are said, in this order: key, and what follows the number.
        written: the same of its `synced`.
        pasted: systems into whose own pages a person pastes our URL, since no call of ours can tell it.
    """

    scenario: str
    about: str
    acts: tuple[Act, ...]
    decided: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    pasted: tuple[str, ...] = ()
