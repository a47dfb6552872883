"""Proofs cut into units with stable names: what is done is remembered, so that a run that was killed goes on.

Each unit that is over is one line of `data/proof/<proof>-<hash of its code>.jsonl`, appended by one write, so shares
may run side by side and add up. Other code (`proof.code` says what a proof rests on) has another file: nothing that was
proved of it is taken for proved of this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from proof.code import ROOT, code_hash
from proof.world import World

FOLDER = ROOT / "data" / "proof"
Opener = Callable[[], World]
"""Gives the world of this process, and starts it where it has not been wanted yet."""


@dataclass
class Figures:
    """What trials came to; those of several units add up. A proof's own are a dataclass of counters, sets and numbers.

    Attributes:
        seconds: of all units together.
    """

    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        told = {}
        for one in fields(self):
            value = getattr(self, one.name)
            told[one.name] = sorted(map(list, value)) if isinstance(value, set) else value
        return told

    def add(self, told: dict[str, Any]) -> None:
        """Add what `as_json` told of others."""
        for one in fields(self):
            value, more = getattr(self, one.name), told.get(one.name)
            if more is None:
                continue
            if isinstance(value, set):
                value.update(map(tuple, more))
            elif isinstance(value, dict):  # a counter counts on, anything else is replaced
                value.update(more)
            else:
                setattr(self, one.name, value + more)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"seconds                       {self.seconds:.0f}"


@dataclass(frozen=True)
class Unit:
    """One piece of a proof.

    Attributes:
        name: tells it from the others of its proof, and stays the same as long as the code does.
        run: does it; what must not be is raised, as a `StoredResult` or any other exception.
    """

    name: str
    run: Callable[[Opener], Figures]


@dataclass(frozen=True)
class Proof:
    """A proof and its pieces.

    Attributes:
        name: as its module in `proof` is called.
        figures: makes empty ones.
        units: names its pieces.
        routes: that it runs, so that code of others alone does not make it run again; None for all.
        tests: whether it runs tests, so that it rests on all of them.
    """

    name: str
    figures: Callable[[], Figures]
    units: Callable[[], list[Unit]]
    routes: tuple[str, ...] | None = None
    tests: bool = False

    def shared(self, share: tuple[int, int]) -> list[Unit]:
        """The units of a share (number, of how many), always the same ones."""
        number, of = share
        return [unit for i, unit in enumerate(self.units()) if i % of == number - 1]


@dataclass(frozen=True)
class Done:
    """A unit that is over; `finding` is empty where all was as it must be."""

    proof: str
    unit: str
    figures: dict[str, Any]
    finding: str
    seconds: float


@dataclass
class Memory:
    """What has been done of this state of the code.

    Attributes:
        paths: of the file of each proof, by its name.
        done: units, by their proof and name.
    """

    paths: Mapping[str, Path]
    done: dict[tuple[str, str], Done] = field(default_factory=dict)

    def read(self) -> None:
        """What stands there; of a unit that was done twice the later line counts, and a line that was cut is none."""
        self.done.clear()
        for path in self.paths.values():
            text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
            for line in text.splitlines():
                try:
                    found = Done(**json.loads(line))
                except (ValueError, TypeError):
                    continue
                self.done[found.proof, found.unit] = found

    def note(self, done: Done) -> None:
        """One more."""
        self.done[done.proof, done.unit] = done
        path = self.paths[done.proof]
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, f"\n{json.dumps(vars(done))}\n".encode())  # the line before may have been cut
        finally:
            os.close(handle)

    def forget(self) -> None:
        """Start anew."""
        for path in self.paths.values():
            path.unlink(missing_ok=True)
        self.done.clear()

    def added(self, proof: Proof, units: Iterable[Unit]) -> Figures:
        """The figures of the units that are done, together."""
        found = proof.figures()
        for unit in units:
            done = self.done.get((proof.name, unit.name))
            if done is not None:
                found.add(done.figures)
        return found

    def findings(self, proof: Proof, units: Iterable[Unit]) -> list[Done]:
        """Units that found something."""
        known = [self.done.get((proof.name, unit.name)) for unit in units]
        return [done for done in known if done is not None and done.finding]


def memory(proofs: Iterable[Proof]) -> Memory:
    """Of the code as it stands."""
    names = {one.name: code_hash(one.name, one.routes, tests=one.tests) for one in proofs}
    found = Memory({name: FOLDER / f"{name}-{code}.jsonl" for name, code in names.items()})
    found.read()
    return found
