"""Route `audience` under every switch of WayMore and of a shop's site, and killed between any two effects.

A kill comes at every place between two effects of the sync that registers a shop and tells its history, of one that
tells a day's news, and of the command that takes a shop out of WayMore; others come at any moment, while answers are
lost. The syncs after it must leave one registration that counts, each record in one part that was taken, each event
told under one key and again only where an answer was lost, and nobody subscribed who did not ask for it
(audience.md 12). Reads of Commerce7 and of Vinoshipper lie in each way: then nothing is told that is not so, and all
comes right with the truth. The judge is the one of the stories, `vs_st_pipeline_tests/support/audience.py`.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from proof.forks import Ended, Forks
from proof.route_trials import RouteFigures, box_of, forks, free_leases, unit, units_of_kills, units_of_lies
from proof.units import Proof, Unit
from proof.world import Finding
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline_tests.support.audience import RIVER_BEND, ROUTE, STONE_MILL, Record, Scene, hurrying
from vs_st_pipeline_tests.support.audience_worlds import (
    DAY,
    LISTED,
    SWITCHES,
    WAYMORE,
    Switches,
    again,
    live_a_day,
    meet,
    not_of,
    open_shop,
    told,
)
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.pairs import all_pairs

PLACE_PARTS, RANDOM_UNITS, RANDOM_EACH = 12, 10, 10
BEGIN, NEWS, LEAVING = "registration and history", "a day's events", "uninstall"
CASES = (BEGIN, NEWS, LEAVING)
SYNCS = 8
LOSING = ("reset", "500_empty", "truncated", "hollow")
CALLS = ("/api/authenticate", "/api/data", "/api/event")
WORLD = "shop_small"
PART = 5  # records: each block has several parts, or nearly so


class Audience(RouteFigures):
    """What the trials came to."""


# --- switches ---------------------------------------------------------------------------------------------------------


@cache
def rows() -> list[tuple[str, Switches]]:
    """Every value by itself, and every pair of values within WayMore; each with a name that stays."""
    found: list[tuple[str, Switches]] = []
    for system, switches in SWITCHES.items():
        for name, values in switches.items():
            for value in values[1:]:
                chosen = [value] if name in LISTED else value
                found.append((f"{system} {name} {value}", {system: {name: chosen}}))
    pairs = enumerate(all_pairs(SWITCHES[WAYMORE]))
    return found + [(f"{WAYMORE} pairs {number}", {WAYMORE: row}) for number, row in pairs]


def live(figures: Audience, name: str, switches: Switches) -> None:
    """Live through one world.

    Raises:
        Finding: something is told that is not so, or twice, or not at all.
    """
    began = time.monotonic()
    with _scene() as scene, hurrying():
        wrong = meet(scene, switches)
    figures.lived(name, began)
    if wrong:
        raise Finding(f"{name}: {switches}", wrong)


@contextmanager
def _scene(**more: Any) -> Iterator[Scene]:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(box_of(WORLD), Path(folder), **more)
        try:
            yield scene
        finally:
            forget_files()
            scene.inbox.close()


# --- kills ------------------------------------------------------------------------------------------------------------


@dataclass
class Trial:
    """One world, in which something is killed."""

    scene: Scene
    forks: Forks
    before: int = 0

    def sync(self, **how: Any) -> Ended:
        """Sync in a process of its own."""
        scene = self.scene
        how = {"later": scene.shift.total_seconds(), "route": ROUTE, **how}
        return self.forks.sync(scene.folder / "merchants.yaml", scene.data, scene.merchant, **how)

    def act(self, case: str, **how: Any) -> Ended:
        """What is killed: a sync, or the command that takes the shop out."""
        if case == LEAVING:
            return self.sync(command=["disconnect", "--merchant", self.scene.merchant, "--yes"], **how)
        return self.sync(**how)

    def begin(self, case: str) -> None:
        """Let everything be ready for what is to be killed."""
        scene = self.scene
        open_shop(scene)
        scene.settings(part_records=PART)
        scene.drop()
        if case == BEGIN:
            return
        self._well("the history")
        scene.later(seconds=2)
        self.before = scene.last_call()
        live_a_day(scene)
        scene.drop()
        if case == LEAVING:  # what was not taken waits, an unsubscribe among it
            self._fault("cloudflare_503", path_regex="/api/event")
            self.sync()
            self.scene.waymore.clear_faults(scene.merchant)
            self.scene.later(minutes=10)

    def _fault(self, kind: str, **fields: Any) -> None:
        self.scene.waymore.set_fault(kind, self.scene.merchant, **fields)

    def _well(self, what: str) -> None:
        for turn in range(1, SYNCS + 1):
            ended = self.sync()
            if ended.status == "ok" and ended.report.get("history", {}).get("state") in ("done", None):
                return
            self.scene.later(minutes=10 * turn)  # an answer without a message is waited for by the hour
        raise Finding(what, [str(ended)])

    def judged(self, case: str, kills: int) -> list[str]:
        """What is wrong, after a few syncs that nothing disturbs."""
        scene = self.scene
        scene.inbox.close()
        free_leases(scene.data)
        if case == LEAVING:
            return self._gone()
        self._well("the syncs after the kill")
        wrong = scene.wrong(killed=bool(kills))
        wrong += not_of(DAY if case == NEWS else {}, told(scene, self.before))
        if (extra := again(scene)) > kills:
            wrong.append(f"{extra} calls went again though they had been answered")
        if scene.subscribers() != scene.consents():
            wrong.append(f"subscribed: {sorted(scene.subscribers())}, not {sorted(scene.consents())}")
        if not scene.waymore.known(scene.merchant)["registered"]:
            wrong.append("it is not registered")
        calm = scene.last_call()
        self._well("one more sync")
        return wrong + ([] if scene.last_call() == calm else ["a sync with no news called WayMore"])

    def _gone(self) -> list[str]:
        scene = self.scene
        for _ in range(SYNCS):
            ended = self.act(LEAVING)
            if ended.status == "ok":
                break
            scene.later(minutes=10)
        # The answer to Uninstall may have come and not been kept: then it is said once more.
        wrong = [one for one in scene.wrong(settled=False, killed=True) if "call_before_registration" not in one]
        wrong += [] if ended.status == "ok" else [f"disconnect: {ended}"]
        if scene.waymore.known(scene.merchant)["registered"]:
            wrong.append("WayMore counts on it still")
        if "c@people.example" in scene.subscribers():
            wrong.append("who opted out is subscribed still")
        unsaid = {name: count for name, count in DAY.items() if " False" in name}
        found = {name: keys for name, keys in told(scene, self.before).items() if "Newsletter" in name}
        wrong += not_of(unsaid, found)
        calm, ended = scene.last_call(), self.sync()
        if ended.status != "ok" or scene.last_call() != calm:
            wrong.append(f"a sync of a shop that has left: {ended}")
        return wrong


@contextmanager
def _trial() -> Iterator[Trial]:
    with _scene() as scene:
        yield Trial(scene, forks())


@cache
def places(case: str) -> int:
    """How many places between two effects a case comes to."""
    with _trial() as trial:
        trial.begin(case)
        return trial.act(case, kill_at=f"{failpoints.ANY}:0").reached[failpoints.ANY]


def kill(figures: Audience, case: str, how: Record, *, faults: Sequence[Record] = ()) -> None:
    """Kill once, go on, and judge.

    Raises:
        Finding: something is not as it must be.
    """
    with _trial() as trial:
        trial.begin(case)
        trial.scene.waymore.set_switch("fault", list(faults) or None)
        ended = trial.act(case, **how)
        trial.scene.waymore.clear_faults(trial.scene.merchant)
        figures.killed += ended.killed
        figures.ended_before += not ended.killed
        figures.trials[f"{case}{', answers lost' if faults else ''}"] += 1
        try:
            wrong = trial.judged(case, int(ended.killed))
        except Finding as finding:
            finding.trial = f"{case}, {how}, {faults}: {finding.trial}"
            raise
    if wrong:
        raise Finding(f"{case}, {how}, {faults}", wrong)


def at_places(figures: Audience, case: str, part: int) -> None:
    """Kill at each place of one case; of so many parts, that one. Every second time an answer is lost before it."""
    for turn, place in enumerate(range(1 + part, places(case) + 1, PLACE_PARTS)):
        figures.places.add((case, place))
        chance = random.Random(place)
        faults = [_losing(chance)] if turn % 2 else []
        kill(figures, case, {"kill_at": f"{failpoints.ANY}:{place}"}, faults=faults)


def at_moments(figures: Audience, first: int) -> None:
    """Kill at moments and places made by chance, while answers are lost."""
    for seed in range(first, first + RANDOM_EACH):
        chance = random.Random(seed)
        case = chance.choice(CASES)
        how: Record = {"kill_at": f"{failpoints.ANY}:{chance.randrange(1, places(case) + 1)}"}
        if chance.random() < 0.5:
            how = {"kill_after": chance.uniform(0.02, 0.8)}
        try:
            kill(figures, case, how, faults=[_losing(chance) for _ in range(chance.choice((1, 2, 3)))])
        except Finding as finding:
            finding.trial = f"seed {seed}: {finding.trial}"
            raise


def _losing(chance: random.Random) -> Record:
    fault = {"kind": chance.choice(LOSING), "path_regex": chance.choice(CALLS)}
    return fault | {"method": "POST", "count": 1, "skip": chance.randrange(4), "when": "after"}


# --- lies -------------------------------------------------------------------------------------------------------------

READS: dict[str, tuple[str, ...]] = {
    "commerce7": ("/v1/customer$", "/v1/customer-address$", "/v1/product$", "/v1/order$", "/v1/cart$"),
    "vinoshipper": ("/customers/list", "/customers/[0-9]+$", "/orders(/search)?$", "/orders/[0-9]+$", "/products"),
}
"""Paths that are read, as faults name them."""
UNDER_AGE = ("almo", "tovah")
OF = {"commerce7": STONE_MILL, "vinoshipper": RIVER_BEND}
LIES = (
    "hollow", "error_body", "two_keys", "other_record", "truncated", "wrong_shape", "html_other", "login_page", "404",
    "500", "403",
)  # fmt: skip


def lie(figures: Audience, system: str, path: str, kind: str) -> None:
    """Let one read lie before the history is told, and after it.

    Raises:
        Finding: something is told that is not so, or does not come right with the truth.
    """
    figures.trials[f"lies of {system}"] += 1
    expected = _whole(system)
    with _scene(merchant=OF[system]) as scene:
        trial, control = Trial(scene, forks()), scene.box.running[system].control
        _open(scene)
        for _ in _while(control, kind, path):
            scene.later(minutes=5)  # what is absent twice, 15 minutes apart, is gone (routes.md R23)
            trial.sync()
        wrong = [f"while it lied: {one}" for one in scene.wrong(settled=False)]
        for _ in range(SYNCS):  # a record that could not be read is asked for again in growing gaps
            trial._well("the truth after a lie")
            if not _differs(expected, scene):
                break
            scene.later(hours=4)
        wrong += _differs(expected, scene)
        before = scene.last_call()
        for _ in _while(control, kind, path):
            scene.later(minutes=5)
            trial.sync(full=True)
        scene.later(hours=1)
        trial._well("the truth after the last lie")
        events = scene.events(since=before)
        wrong += [f"an event of what never happened: {one}" for one in events]
        wrong += scene.wrong(settled=False, late=True)
    if wrong:
        raise Finding(f"{system} {path} {kind}", wrong)


def _open(scene: Scene) -> None:
    """Begin; nobody's age counts, for who is of age tomorrow would be told or not as the clock goes."""
    scene.begin()
    scene.settings(minimum_age=0)
    scene.waymore.tell(scene.merchant, consent=[f"{name}@example.com" for name in UNDER_AGE])


def _while(control: Any, kind: str, path: str) -> Iterator[int]:
    control.set_fault(kind, path_regex=path)
    yield from range(2)
    control.clear_faults()


@cache
def _whole(system: str) -> dict[str, Any]:
    """What WayMore knows of a shop that nobody lied of."""
    with _scene(merchant=OF[system]) as scene:
        _open(scene)
        Trial(scene, forks())._well("a calm history")
        found = _known(scene)
        scene.begin()
    return found


def _known(scene: Scene) -> dict[str, Any]:
    kinds = ("customers", "products", "orders")
    return {kind: sorted(scene.ids(kind)) for kind in kinds} | {"subscribers": sorted(scene.subscribers())}


def _differs(expected: dict[str, Any], scene: Scene) -> list[str]:
    found = _known(scene)
    return [f"{kind}: {found[kind]}, not {ids}" for kind, ids in expected.items() if found[kind] != ids]


# --- all of it --------------------------------------------------------------------------------------------------------


def short() -> Audience:
    """One of each."""
    figures = Audience()
    for case in CASES:
        place = places(case) * 3 // 5
        figures.places.add((case, place))
        kill(figures, case, {"kill_at": f"{failpoints.ANY}:{place}"})
    return figures


def units() -> list[Unit]:
    """All of them."""
    worlds: list[tuple[str, Callable[[Audience], None]]] = [
        (name, partial(live, name=name, switches=switches)) for name, switches in rows()
    ]
    return [
        *(unit(Audience, name, trials) for name, trials in worlds),
        *units_of_kills(Audience, CASES, PLACE_PARTS, at_places, RANDOM_UNITS, RANDOM_EACH, at_moments),
        *units_of_lies(Audience, READS, LIES, lie),
    ]


PROOF = Proof("audience", Audience, units, routes=("audience",))
