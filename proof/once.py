"""A say-once route is killed at every place between two effects, under every rule for an unknown outcome.

The route is a toy (`vs_st_pipeline_tests.toys`), so that the toolkit is proved and no system's ways. Right is what
`toys.kills.judge` says, by the toy shop's own books; a third of the kills also lose the database.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from proof.units import Figures, Opener, Proof, Unit
from proof.world import Finding
from vs_st_pipeline.pipeline.once.items import OnUnknown
from vs_st_pipeline_tests.toys import kills
from vs_st_pipeline_tests.toys.shop import Shop
from vs_st_pipeline_tests.toys.world import Forks

PARTS = 3


@dataclass
class Once(Figures):
    """What the kills came to."""

    kills: Counter[str] = field(default_factory=Counter)
    places: set[tuple[str, str, int]] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield "kills                         " + ", ".join(f"{count} {what}" for what, count in self.kills.items())
        yield f"places between two effects    {len(self.places)}"
        yield from super().lines()


def _part(_: Opener, rule: str, fault: str | None, part: int) -> Once:
    figures, began = Once(), time.monotonic()
    with Shop() as shop, Forks() as forks, tempfile.TemporaryDirectory() as folder:
        trials = kills.Trials(shop, forks, Path(folder), rule, fault)
        for place in range(1 + part, trials.places()["any"] + 1, PARTS):
            lose = place // PARTS % 3 == 0
            wrong = trials.kill(f"any:{place}", lose=lose)
            figures.kills[f"{rule}{' and a lost database' if lose else ''}"] += 1
            figures.places.add((rule, fault or "no fault", place))
            if wrong:
                raise Finding(f"{rule}, {fault}, killed at place {place}, lost: {lose}", wrong)
    figures.seconds = time.monotonic() - began
    return figures


def units() -> list[Unit]:
    """All rules, under no fault, a lost answer, and a lost request."""
    return [
        Unit(
            f"{rule.value} {fault or 'no fault'} {part + 1}/{PARTS}",
            partial(_part, rule=rule.value, fault=fault, part=part),
        )
        for rule in OnUnknown
        for fault in kills.FAULTS
        for part in range(PARTS)
    ]


PROOF = Proof("once", Once, units, routes=())
