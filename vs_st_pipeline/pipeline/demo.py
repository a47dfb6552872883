"""Describes how a route is shown on made-up merchants (`vs-st demo`): acts, of things that happen, and commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Act:
    """One part of the show.

    Attributes:
        title: what is to be seen, a sentence that ends with a colon or a full stop.
        later: how much later than the act before it plays; nobody waits for it.
        before: commands that are run first, without `vs-st`, such as to say whom to call.
        orders: what the stand-ins are told to let happen; they say it in sentences.
        commands: what is run then.
        outcome: whether what the last sync wrote is shown.
    """

    title: str
    later: timedelta = timedelta(0)
    before: tuple[tuple[str, ...], ...] = ()
    orders: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    outcome: bool = False


@dataclass(frozen=True, slots=True)
class Demo:
    """The show of one route.

    Attributes:
        scenario: the world of the stand-ins. about: what is shown, a sentence.
        pasted: systems into whose own pages a person pastes our URL, since no call of ours can tell it.
    """

    scenario: str
    about: str
    acts: tuple[Act, ...]
    pasted: tuple[str, ...] = ()
