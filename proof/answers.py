"""Answers of both systems are spoilt at random: the right kind of error or the right values, and no fault of ours.

Twice: every reading stop by itself, over and over on tables that hold what was spoilt before; and whole syncs, which
write. Afterwards the systems answer well, and then everything must come to what a sync from scratch has.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from proof.kills import busy
from proof.units import Figures, Opener, Proof, Unit
from proof.world import BATCH, MODES, SINGLY, Expected, Finding, World, told
from vs_st_pipeline.domain.plan import UNDER_AGE

SEEDS = 140  # some 20,000 answers
ROUNDS = 40  # of all reading stops, in one process
# Born on 31 February 1984, says the shop, which is no date. So a lie that told a date stands, and who was held as under
# age stays held (routes.md R23).
AGELESS = "7075550147"
FITTING = {"ok", "partial", "bad_answer", "try_later", "auth", "unsafe"}


@dataclass
class Spoilt(Figures):
    """What the trials came to."""

    mutations: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    misled: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"answers spoilt                {self.mutations}: " + told(self.kinds)
        yield "stops and syncs ended         " + told(self.ended)
        yield "values written as misread     " + (told(self.misled) or "none")
        yield from super().lines()

    def count(self, mutated: list[list[str]]) -> None:
        self.mutations += len(mutated)
        self.kinds.update(row[0] for row in mutated)


def _begin(world: World, mode: str) -> None:
    world.begin(mode)
    for what in busy(world.box):
        world.happen(what)


def reading(world: World, figures: Spoilt, seed: int, expected: Expected, *, rounds: int, rate: float = 0.2) -> None:
    """Every reading stop, over and over; then well again."""
    _begin(world, SINGLY)
    spoil = {"seed": seed, "rate": rate, "statuses": True}
    ended = world.sync(SINGLY, spoil=spoil, rounds=rounds)
    figures.count(ended.mutated)
    figures.ended.update(ended.report["ended"])
    wrong = [f"a stop ended with {row}" for row in ended.report["unfit"]]
    if world.written():
        wrong.append("reading wrote something")
    # A record that waits for its next try keeps a value that was misread before, and `fill` would write it for good.
    world.sync(SINGLY, rounds=1, full=True)
    _well_again(world, SINGLY, f"reading, seed {seed}", wrong, expected)


def syncing(world: World, figures: Spoilt, seed: int, expected: Expected, *, rate: float = 0.04) -> None:
    """A whole sync, and what it writes; then well again."""
    mode = MODES[seed % 2]
    _begin(world, mode)
    before = world.everybody()
    world.clear_journal()
    ended = world.sync(mode, spoil={"seed": seed, "rate": rate})
    figures.count(ended.mutated)
    outcome = ended.kind or ended.status
    figures.ended[outcome] += 1
    wrong = [] if outcome in FITTING else [f"the sync ended with {ended.report['error']}"]
    written = world.written()
    wrong += [f"{phone} was written and may not be" for phone in written if phone not in expected.writable]
    for phone, values in world.everybody().items():
        for name, value in values.items():
            if value not in (before.get(phone, {}).get(name, ""), expected.contacts.get(phone, {}).get(name, "")):
                figures.misled[name] += 1
    wrong += [f"spoilt: {row}" for row in ended.mutated] if wrong else []
    _well_again(world, mode, f"syncing, seed {seed}", wrong + world.forbidden(), expected)


def _well_again(world: World, mode: str, trial: str, wrong: list[str], expected: Expected) -> None:
    _, left = world.well_again(mode, expected)
    if left and world.held(AGELESS) == UNDER_AGE:
        left = [row for row in left if not row.startswith(AGELESS)]
    wrong = wrong + left + world.forbidden()
    if wrong:
        raise Finding(trial, wrong)


def expected(world: World) -> Expected:
    """What both modes must come to."""
    return world.expected(BATCH, {}, list(busy(world.box)))


def short(world: World) -> Spoilt:
    """A few."""
    figures, began = Spoilt(), time.monotonic()
    aim = expected(world)
    reading(world, figures, 1, aim, rounds=5, rate=0.4)
    for seed in range(2):
        syncing(world, figures, seed, aim)
    figures.seconds = time.monotonic() - began
    return figures


def _unit(seed: int) -> Unit:
    def run(opened: Opener) -> Figures:
        figures, world, began = Spoilt(), opened(), time.monotonic()
        aim = expected(world)
        reading(world, figures, seed, aim, rounds=ROUNDS)
        for number in range(4):
            syncing(world, figures, 4 * seed + number, aim)
        figures.seconds = time.monotonic() - began
        return figures

    return Unit(f"seed {seed}", run)


def units() -> list[Unit]:
    """Some 20,000 answers spoilt, a part of them in syncs that write."""
    return [_unit(seed) for seed in range(1, SEEDS + 1)]


PROOF = Proof("answers", Spoilt, units, routes=("contacts",))
