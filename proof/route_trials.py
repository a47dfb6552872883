"""Holds what the proofs of single routes share: figures, stand-ins that live as long as the process, units."""

from __future__ import annotations

import atexit
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from proof import receiver
from proof.forks import Forks
from proof.units import Figures, Opener, Unit
from vs_st_pipeline.platform.inbox.store import LEASE_SECONDS, Inbox
from vs_st_pipeline.sandbox import Sandbox


@dataclass
class RouteFigures(Figures):
    """What the trials of a route came to."""

    worlds: Counter[str] = field(default_factory=Counter)
    trials: Counter[str] = field(default_factory=Counter)
    places: set[tuple[str, int]] = field(default_factory=set)
    killed: int = 0
    ended_before: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    stored: int = 0

    def lines(self) -> Iterator[str]:
        """For people."""
        yield "worlds                        " + ", ".join(f"{count} of {what}" for what, count in self.worlds.items())
        yield "kills                         " + ", ".join(f"{count} in {what}" for what, count in self.trials.items())
        yield f"killed, ended before the kill {self.killed}, {self.ended_before}"
        yield f"places between two effects    {len(self.places)}"
        yield "answers of the receiver       " + ", ".join(f"{n} {what}" for what, n in self.answered.most_common())
        yield from super().lines()

    def lived(self, name: str, began: float) -> None:
        """Count a world that was lived through; `began` as `time.monotonic` said."""
        self.worlds["pairs" if " pairs " in name else "a single value"] += 1
        self.seconds += time.monotonic() - began


FiguresT = TypeVar("FiguresT", bound=RouteFigures)


@cache
def _stack() -> ExitStack:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack


@cache
def box_of(world: str) -> Sandbox:
    """Return the stand-ins of this process with a world, started when they are first wanted."""
    return _stack().enter_context(Sandbox(world))


@cache
def forks() -> Forks:
    """Return what starts syncs in processes of their own."""
    return _stack().enter_context(Forks())


@cache
def more_forks() -> Forks:
    """Return another one of them, for what works beside."""
    return _stack().enter_context(Forks())


def free_leases(data: Path) -> None:
    """Let time go by until what a dead sync had claimed is free."""
    later = Inbox(data, lambda: time.time() + 2 * LEASE_SECONDS)
    later.take_back_dead()
    later.close()


def receivers_killed(seed: int, each: int, system: str) -> receiver.Calls:
    """Kill receivers under load; the figures. It forks, so it runs in a process that has no threads."""
    calls = receiver.Calls()
    receiver.killed(calls, seed, each, receiver.SENDERS[system])
    return calls


def _receiver_killed(figures: RouteFigures, seed: int, each: int, brings: Any) -> None:
    # A process that has run other units has threads, such as those of the stand-ins: a copy of it may hold a lock for
    # ever that one of them held.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        calls = fresh.submit(receivers_killed, seed, each, brings.system).result()
    figures.killed += calls.killed
    figures.trials["the receiver"] += calls.killed
    figures.answered.update(calls.answered)
    figures.stored += calls.stored


def unit(make: Callable[[], FiguresT], name: str, trials: Callable[[FiguresT], None]) -> Unit:
    """Return a unit that fills in figures of its own."""

    def run(_: Opener) -> Figures:
        figures, began = make(), time.monotonic()
        trials(figures)
        figures.seconds = time.monotonic() - began
        return figures

    return Unit(name, run)


def receiver_units(make: Callable[[], FiguresT], units: int, each: int, brings: Any) -> list[Unit]:
    """Return units that kill the receiver between storing a call and its answer.

    Args:
        each: kills in a unit. brings: which calls come, as `receiver.killed` takes it.
    """
    return [
        unit(make, f"receiver {n}", partial(_receiver_killed, seed=n, each=each, brings=brings)) for n in range(units)
    ]


def units_of_kills(
    make: Callable[[], FiguresT],
    cases: Sequence[str],
    parts: int,
    at_places: Callable[..., None],
    random_units: int,
    random_each: int,
    at_moments: Callable[..., None],
) -> list[Unit]:
    """Return units that kill at each place of each case, in so many parts, and others at moments made by chance."""
    found = [
        unit(make, f"{case} {part}/{parts}", partial(at_places, case=case, part=part))
        for case in cases
        for part in range(parts)
    ]
    return found + [unit(make, f"moments {n}", partial(at_moments, first=n * random_each)) for n in range(random_units)]


def units_of_lies(
    make: Callable[[], FiguresT],
    reads: dict[str, tuple[str, ...]],
    kinds: Sequence[str],
    lie: Callable[..., None],
) -> list[Unit]:
    """Return units in which a read lies: each path of each system, in each way."""
    return [
        unit(make, f"lies {system} {path} {kind}", partial(lie, system=system, path=path, kind=kind))
        for system, paths in reads.items()
        for path in paths
        for kind in kinds
    ]
