"""Every two values of two switches of the texting service, and of how answers fail: right after a few syncs, or said.

Each combination is met by a winery that is in use. Its syncs are failed first, then left alone; nobody may be made or
written wrongly under any of them, and what does not come right must be said by the report.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from proof.kills import busy
from proof.units import Figures, Proof, Unit
from proof.world import MODES, Expected, Finding, World
from vs_st_pipeline.sandbox import SWITCHES
from vs_st_pipeline_tests.pairs import all_pairs
from vs_st_pipeline_tests.stories import TEST, Record

# Never asked for, no way that the service goes on its own, or tried by itself (`short_list`).
LEFT_OUT = {
    "webhook_retry", "webhook_duplicates", "webhook_reorder", "double_post_race", "unknown_task", "fault",
    "latency_seconds", "block_after_per_second", "block_status", "reject", "short_list",
}  # fmt: skip
FAILED_SYNCS, CLEAN_SYNCS = 2, 4
FITTING = {"bad_answer", "try_later"}
NEWCOMER = "7075559000"  # signs up while pages are turned, and need not be seen at once


def _every(nth: int, kind: str, **more: Any) -> list[Record]:
    return [{"kind": kind, "skip": nth * (turn + 1), "count": 1, "seconds": 0.05, **more} for turn in range(10)]


PROFILES: dict[str, list[Record]] = {
    "answers come": [],
    "every third is lost": _every(3, "reset", when="after"),
    "every second is 500": _every(2, "500_empty"),
    "every fourth is cut": _every(4, "truncated", when="after"),
    "writes are lost": _every(1, "reset", method="PUT", when="after") + _every(1, "reset", method="POST", when="after"),
}


def combinations() -> list[Record]:
    """The rows, always the same ones; `profile` is how answers fail."""
    values: dict[str, list[Any]] = {"profile": list(PROFILES)}
    values |= {name: found for name, found in SWITCHES["simpletexting"].items() if name not in LEFT_OUT}
    # A list that tells more than it gives ends every sync where it begins, so it meets the failing answers only.
    short = [{"profile": profile, "short_list": True} for profile in PROFILES]
    return [*all_pairs(values), *short]


@dataclass
class Met(Figures):
    """What the combinations came to."""

    combinations: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"combinations                  {self.combinations}"
        yield "failed syncs ended            " + ", ".join(f"{n} {what}" for what, n in self.failed.most_common())
        yield "right after                   " + ", ".join(f"{n} {what}" for what, n in sorted(self.after.items()))
        yield from super().lines()


def meet(world: World, figures: Met, row: Record, number: int) -> None:
    """One combination.

    Raises:
        Finding: it neither comes right nor is said why not, or something is done that may never be.
    """
    mode = MODES[number % 2]
    switches = {name: value for name, value in row.items() if name != "profile"}
    happened = busy(world.box)
    try:
        expected: Expected | None = world.expected(mode, switches, list(happened))
    except Finding:
        expected = None  # not even an undisturbed one comes through; then none may say that all is well
    world.begin(mode)
    texting = world.box.simpletexting.control
    for what in happened:
        world.happen(what)
    texting.set_switches(switches)
    texting.set_switch("fault", PROFILES[row["profile"]], TEST)
    wrong: list[str] = []
    for _ in range(FAILED_SYNCS):
        ended = world.sync(mode)
        figures.failed[ended.kind or ended.status] += 1
        wrong += (
            [] if ended.status != "failed" or ended.kind in FITTING else [f"a failed sync: {ended.report['error']}"]
        )
    texting.clear_faults(TEST)
    left, told = ["nothing was tried"], ""
    for turn in range(1, CLEAN_SYNCS + 1):
        ended = world.sync(mode)
        told = ended.kind or ended.status
        if expected is None:
            left = ["a sync from scratch does not come through, this one says that it does"] if told == "ok" else []
            break
        waiting = world.waiting()  # what never shows cannot be told from what was never done: told of, and tried again
        left = [one for one in world.settled(expected) if not any(phone in one for phone in (NEWCOMER, *waiting))]
        if not left and told == "ok":
            figures.after[f"{turn} syncs" + (", some wait to be tried again" if waiting else "")] += 1
            break
    if told != "ok" and not wrong and (told == "partial" or told in FITTING):
        figures.after[f"said: {told}"] += 1
        left = []
    wrong += left + [one for one in world.forbidden() if NEWCOMER not in one]
    figures.combinations += 1
    if wrong:
        odd = {name: value for name, value in switches.items() if value != SWITCHES["simpletexting"][name][0]}
        raise Finding(f"{mode}, {row['profile']}, {odd}", wrong)


def _all(world: World, rows: Sequence[tuple[int, Record]]) -> Met:
    figures, began = Met(), time.monotonic()
    for number, row in rows:
        meet(world, figures, row, number)
    figures.seconds = time.monotonic() - began
    return figures


def short(world: World) -> Met:
    """Two of them."""
    return _all(world, list(enumerate(combinations()))[1:3])


def _unit(number: int, row: Record) -> Unit:
    return Unit(f"row {number}", lambda opened: _all(opened(), [(number, row)]))


def units() -> list[Unit]:
    """All of them."""
    return [_unit(number, row) for number, row in enumerate(combinations())]


PROOF = Proof("switches", Met, units)
