"""A toy sync is killed at a place between two effects; afterwards nothing may be said twice that must be said once.

What must hold depends on the rule: `read` and a sound system: exactly once. `resend`: at least once, the same bytes,
and twice only where a kill or a lost answer came between. `hold`, `never`: at most once, and what was not said stands
open for a person.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

from vs_st_pipeline_tests.toys.shop import Shop
from vs_st_pipeline_tests.toys.world import Forks, World

WANTED = ("p1 created", "p1 shipped", "p1 delivered", "p2 created", "p2 shipped")
FAULTS = (None, "reset_after", "reset_before")


class Trials:
    """Worlds that begin alike: one sync has been, and the next one has something of everything to do."""

    def __init__(self, shop: Shop, forks: Forks, folder: Path, rule: str, fault: str | None) -> None:
        self._first, self._fault = folder / "first", fault
        self._first.mkdir()
        world = World(shop, self._first, forks, on_unknown=rule)
        shop.parcel("p1", "created")
        if fault:
            shop.fault("400")
        world.fork()
        shop.parcel("p1", "created", "shipped", "delivered")
        shop.parcel("p2", "created", "shipped")
        world.hint("e1", "p2")
        shop.faults.clear()
        if fault:
            shop.fault(fault)
        self._world, self._taken, self._number = world, shop.taken(), 0

    def _begin(self) -> World:
        self._number += 1
        folder = self._first.with_name(f"trial{self._number}")
        shutil.copytree(self._first, folder)
        world = replace(self._world, folder=folder)
        world.shop.put_back(self._taken)
        world.later(hours=3)
        return world

    def places(self) -> dict[str, int]:
        """How often the second sync comes to each place between two effects; `any`: to all of them."""
        (ended,) = self._begin().fork(kill_at="any:0")
        return ended.reached

    def kill(self, at: str, *, lose: bool = False) -> list[str]:
        """Kill the second sync at a place, go on, and return what is wrong then.

        Args:
            lose: the database is lost after the kill.
        """
        world = self._begin()
        (ended,) = world.fork(kill_at=at)
        if lose:
            world.lose_database()
        wrong = []
        for _ in range(3):
            world.later(hours=1)
            for after in world.fork():
                wrong += [after.told["error"]] if after.told["error"] else []
        return wrong + judge(world, kills=int(ended.killed) + (self._fault == "reset_after"))


def judge(world: World, *, kills: int) -> list[str]:
    """What is wrong with what the shop has taken, and with what is remembered of it."""
    rule, said = world.on_unknown, Counter(world.shop.texts())
    wrong = [
        f"{text} was said {times} times"
        for text, times in said.items()
        if times > (1 + kills if rule == "resend" else 1)
    ]
    bodies: dict[str, str] = {}
    for message in world.shop.messages:
        if bodies.setdefault(message.key, message.body) != message.body:
            wrong.append(f"{message.key} has two texts")
    first: dict[str, list[str]] = {}
    for text in world.shop.texts():
        parcel, step = text.split()
        if step not in first.setdefault(parcel, []):
            first[parcel].append(step)
    for parcel, steps in first.items():
        if steps != sorted(steps, key=("created", "shipped", "delivered").index):
            wrong.append(f"{parcel} was told in the order {steps}")
    rows = world.rows("select entity, kind, state, key in (select key from once.ledger) from once.outbox")
    states = {f"{entity} {kind}": (state, in_ledger) for entity, kind, state, in_ledger in rows}
    for text in WANTED:
        state, in_ledger = states.get(text, ("not stored", False))
        if rule in ("read", "resend"):
            if (said[text] > 0, state, in_ledger) != (True, "accepted", True):
                wrong.append(f"{text}: said {said[text]} times, {state}")
        elif state == "accepted" and (not said[text] or not in_ledger):
            wrong.append(f"{text} is taken for said")
        elif state == "dropped" or (state != "accepted" and not any(_is_open(states, text, rule))):
            wrong.append(f"{text} is lost: {state}")
    books = world.rows("select parcel || ' ' || step, count(*) from toy.told where answer = 'Accepted' group by 1")
    wrong += [f"{text} is in the route's own book {times} times" for text, times in books if times != 1]
    accepted = {text for text, (state, _) in states.items() if state == "accepted"}
    if accepted != {text for text, _ in books}:
        wrong.append(f"the route's own book has {books}, the outbox {sorted(accepted)}")
    for line in world.evidence():
        json.dumps(line)
    return wrong


def _is_open(states: dict[str, tuple[str, bool]], text: str, rule: str) -> list[bool]:
    """Whether the text, or one of the same parcel before it, stands open for a person."""
    parcel = text.split()[0]
    of_it = [one for one in WANTED if one.startswith(parcel)]
    before = of_it[: of_it.index(text) + 1]
    return [states.get(one, ("", False))[0] in ("held", "unknown") for one in before]
