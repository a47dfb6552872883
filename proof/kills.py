"""A sync is killed, at every place between two effects and at any moment; the next one must leave everything right.

Right is what an undisturbed sync that knows nothing of before makes of the same world. Besides, the ledger must be what
stands there and what the history tells, nothing may be open, nobody made, and nothing written that may not be.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from proof.forks import Forks
from proof.units import Figures, Opener, Proof, Unit
from proof.world import BATCH, ID_OF, LINNEA, MODES, SINGLY, Expected, Finding, Happening, World, happenings
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.lies import LYING_FAULTS
from vs_st_pipeline_tests.support.story import BRAM, FFION, MARISOL, ODALYS, RENSKE, TEST, Record

RANDOM_WORLDS, KILLS_IN_EACH, PARTS = 60, 5, 15
SHORT_TARGETED = (20, 60)
SHORT_PLACES = {SINGLY: (88, 101, 117, 134), BATCH: (92, 99, 105, 112, 116)}

# Switches under which an undisturbed sync ends well; the first value is the default.
SWITCHES: dict[str, list[Any]] = {
    "custom_fields_write": ["merge", "replace"],
    "custom_fields_read_key": ["merge_tag", "label"],
    "empty_string_value": ["clear", "store_empty", "ignore"],
    "null_style": ["absent", "null", "empty_string"],
    "since_inclusive": [True, False],
    "poll_status_code": [200, 201],
    "in_progress_results": ["absent", "empty", "partial"],
    "task_never_done": [False, True],
    "tasks_delay_polls": [1, 0, 3],
    "put_missing_contact": ["create", 404],
    "page_cap": [500, 5],
    "email_unique": [False, True],
    "max_value_length": [None, 30],
    "trim_values": [False, True],
    "bad_item_in_batch": ["whole_request_refused", "item_fails"],
    "unknown_custom_field": ["ignore", "fail_item", "fail_request"],
    "opt_out_touches_updated": [True, False],
}
# Under these a value is stored otherwise than it was sent, and what it was stored as is learnt by the next look.
LEARNT = {"max_value_length", "trim_values", "empty_string_value"}

LIES = (*LYING_FAULTS, "400", "403", "410", "422", "500")
TOLD = (
    "/customers/[0-9]+$",
    "/customers/700101$",
    "/orders/[^/]+$",
    "/orders/90000000017$",
    "/receipt$",
    "/list$",
    "/orders$",
)
"""Paths of the shop whose answers lie."""


@dataclass
class Kills(Figures):
    """What the trials came to."""

    trials: Counter[str] = field(default_factory=Counter)
    places: set[tuple[str, str, int]] = field(default_factory=set)
    killed: int = 0
    ended_before: int = 0
    sent_twice: int = 0
    made_and_deleted: int = 0
    settled: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield "trials                        " + ", ".join(f"{count} {what}" for what, count in self.trials.items())
        yield f"killed, ended before the kill {self.killed}, {self.ended_before}"
        yield f"places between two effects    {len(self.places)}"
        yield f"values sent twice             {self.sent_twice}"
        yield f"contacts made, deleted again  {self.made_and_deleted}"
        yield "what the outbox came to       " + ", ".join(f"{n} {what}" for what, n in self.settled.most_common())
        yield from super().lines()


@dataclass(frozen=True)
class Trial:
    """One world and what disturbs its sync; its text is enough to do it again."""

    kind: str
    mode: str
    happenings: tuple[Happening, ...]
    disturbed: tuple[Record, ...]
    switches: Record = field(default_factory=dict)
    faults: tuple[Record, ...] = ()
    lies: tuple[Record, ...] = ()  # of the shop


def run(world: World, trial: Trial, expected: Expected, figures: Kills) -> None:
    """Do it.

    Raises:
        Finding: something is not as it must be.
    """
    world.begin(trial.mode)
    texting = world.box.simpletexting.control
    texting.set_switches(trial.switches)
    for what in trial.happenings:
        world.happen(what)
    before = {contact["contactPhone"]: contact for contact in texting.contacts(TEST)}
    world.clear_journal()
    texting.set_switch("fault", list(trial.faults), TEST)
    shop = world.box.vinoshipper.control
    shop.set_switch("fault", list(trial.lies), TEST)
    wrong: list[str] = []
    for how in trial.disturbed:
        ended = world.sync(trial.mode, **how)
        figures.killed += ended.killed
        figures.ended_before += not ended.killed
        if ended.kind == "internal":
            wrong.append(f"the disturbed sync ended with {ended.report['error']}")
        wrong += world.forbidden() if not ended.killed else []
    texting.clear_faults(TEST)
    shop.clear_faults(TEST)
    vanishes = any(what[0] == "vanish" for what in trial.happenings)
    fine = ("ok", "partial") if vanishes else ("ok",)
    if trial.lies:
        wrong += world.well_again(trial.mode, expected, fine)[1]
    else:
        ended = world.sync(trial.mode)
        if ended.status not in fine:
            wrong.append(f"the undisturbed sync ended with {ended}")
    sent = values_sent(texting.journal(TEST), before)
    for _ in range(2 if LEARNT & trial.switches.keys() else 1 if vanishes else 0):
        world.sync(trial.mode)
    wrong += world.forbidden() + world.settled(expected)
    wrong += [
        f"{phone} was written and may not be" for phone in world.written() if phone not in may_be(world, expected)
    ]
    allowed = 1 + len(trial.disturbed) + world.tries_lost()
    wrong += [f"{value} was sent {times} times" for value, times in sent.items() if times > allowed]
    figures.sent_twice += sum(times - 1 for times in sent.values())
    figures.made_and_deleted += world.made()
    figures.settled.update(world.outcomes())
    figures.trials[trial.kind] += 1
    if wrong:
        raise Finding(str(trial), wrong)


def may_be(world: World, expected: Expected) -> set[str]:
    """Phones that a sync may send something under: an expected one, or one whose contact vanished on the way."""
    return expected.writable | world.deleted


def values_sent(journal: list[Record], before: dict[str, Record]) -> Counter[tuple[str, str, str]]:
    """How often each new value was sent: by phone, field and value. What stood there and goes along is not counted."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for entry in journal:
        if entry["method"] not in ("PUT", "POST") or not isinstance(entry["body"], dict):
            continue  # a read, or a body that the kill cut short
        for update in entry["body"].get("updates", [entry["body"]]):
            phone = update["contactPhone"]
            stood = before.get(phone, {"customFields": {}})
            custom = update.get("customFields", {})
            values = {**{key: value for key, value in update.items() if key != "customFields"}, **custom}
            counts.update(
                (phone, key, str(value))
                for key, value in values.items()
                if key != "contactPhone" and (stood.get(key) or stood["customFields"].get(key) or "") != value
            )
    return counts


# --- every place --------------------------------------------------------------------------------------------------


def busy(box: Sandbox, *more: Happening) -> tuple[Happening, ...]:
    """A bit of everything that a sync can meet."""
    return (
        ("order", MARISOL, "NEW1", "33.00", _at(box)),
        ("club", MARISOL, "Reserve"),
        ("city", RENSKE, "Napa"),
        ("leave clubs", FFION),
        ("join", LINNEA),
        ("edit", BRAM, "city", "Edited There"),
        ("edit", ODALYS, "firstName", ""),
        *more,
    )


def _at(box: Sandbox) -> str:
    return box.now.isoformat(timespec="seconds")


HINTS: tuple[Happening, ...] = (
    *(("hint", "order", "NEW1"), ("hint", "customer", str(ID_OF[MARISOL])), ("hint", "customer", str(ID_OF[RENSKE]))),
    *(("hint", "customer", str(ID_OF[FFION])), ("hint", "contact", LINNEA), ("hint", "order", "NEVER")),
)
"""What webhooks say of it: some of it, and something that is not there."""


_SLOW: Record = {"tasks_delay_polls": 3, "in_progress_results": "partial"}
CASES: dict[str, tuple[str, tuple[Happening, ...], Record]] = {
    SINGLY: (SINGLY, (), {}),
    BATCH: (BATCH, (), {}),
    "by batch, one vanishes": (BATCH, (("vanish", RENSKE),), _SLOW),
    "targeted": (SINGLY, HINTS, {}),
    "targeted, one vanishes": (SINGLY, (*HINTS, ("vanish", RENSKE)), {}),
}


def at_every_place(world: World, figures: Kills, case: str, part: int, parts: int) -> None:
    """Kill at each place of one case, once; of so many parts, that one."""
    mode, more, switches = CASES[case]
    happened = busy(world.box, *more)
    expected = world.expected(mode, switches, list(happened))
    kind: Record = {"hinted": True} if case.startswith("targeted") else {}
    for name, turn in places(world, mode, happened, switches, **kind)[part::parts]:
        figures.places.add((f"{mode} {more}", name, turn))
        how: Record = {"kill_at": f"{name}:{turn}", **kind}
        run(world, Trial("at a place", mode, happened, (how,), switches), expected, figures)


def at_a_few_places(world: World, figures: Kills) -> None:
    """Kill where most is at stake: from the plan on."""
    happened = busy(world.box)
    expected = world.expected(SINGLY, {}, list(happened))
    for mode, turns in SHORT_PLACES.items():
        for turn in turns:
            figures.places.add((mode, failpoints.ANY, turn))
            how = ({"kill_at": f"{failpoints.ANY}:{turn}"},)
            run(world, Trial("at a place", mode, happened, how), expected, figures)
    hinted = (*happened, *HINTS)
    expected = world.expected(SINGLY, {}, list(hinted))
    for turn in SHORT_TARGETED:
        figures.places.add(("targeted", failpoints.ANY, turn))
        targeted: Record = {"kill_at": f"{failpoints.ANY}:{turn}", "hinted": True}
        run(world, Trial("targeted", SINGLY, hinted, (targeted,)), expected, figures)


def places(
    world: World, mode: str, happened: Sequence[Happening], switches: Record, **kind: Any
) -> list[tuple[str, int]]:
    """Every place that an undisturbed sync of this world, and of this kind, comes to."""
    world.begin(mode)
    world.box.simpletexting.control.set_switches(switches)
    for what in happened:
        world.happen(what)
    reached = world.sync(mode, kill_at=f"{failpoints.ANY}:0", **kind).reached
    return [(name, turn) for name in failpoints.NAMES for turn in range(1, reached.get(name, 0) + 1)]


def the_first_sync_at_places(world: World, figures: Kills, mode: str, *, first: int, every: int) -> None:
    """Kill the first sync of all, when there is no file yet, at every so many places."""
    world.begin_anew()
    expected = world.reached_from_scratch(mode)
    world.begin_anew()
    reached = world.sync(mode, kill_at=f"{failpoints.ANY}:0").reached[failpoints.ANY]
    for turn in range(first, reached + 1, every):
        world.begin_anew()
        how = {"kill_at": f"{failpoints.ANY}:{turn}"}
        figures.killed += world.sync(mode, **how).killed
        ended = world.sync(mode)
        wrong = [] if ended.status == "ok" else [str(ended)]
        wrong += world.forbidden() + world.settled(expected)
        figures.trials["of a first sync"] += 1
        if wrong:
            raise Finding(f"first sync {mode} killed at {how}", wrong)


# --- any moment ---------------------------------------------------------------------------------------------------


def at_random_moments(world: World, figures: Kills, seeds: Sequence[int], kills: int) -> None:
    """Kill in worlds made by chance, at moments made by chance."""
    for seed in seeds:
        chance = random.Random(seed)
        mode = chance.choice(MODES)
        names = chance.sample(sorted(SWITCHES), chance.choice((0, 1, 2, 4)))
        switches = {name: chance.choice(SWITCHES[name][1:]) for name in names}
        if LEARNT & switches.keys():  # what is never told and does not show either stays unknown
            switches.pop("task_never_done", None)
        happened = tuple(happenings(seed, chance.randrange(2, 12), _at(world.box)))
        expected = world.expected(mode, switches, list(happened))
        began = time.monotonic()
        world.begin(mode)
        for what in happened:
            world.happen(what)
        world.sync(mode)
        lasts = time.monotonic() - began
        for _ in range(kills):
            disturbed = tuple(_kill(chance, lasts) for _ in range(chance.choice((1, 1, 1, 2, 3))))
            faults = tuple(_fault(chance) for _ in range(chance.choice((0, 0, 1, 2))))
            lies = tuple(lie(chance) for _ in range(chance.choice((0, 0, 1, 3))))
            more = [word for word, found in (("faults", faults), ("lies", lies)) if found]
            kind = f"at a moment ({' and '.join(more) or 'no faults'})"
            trial = Trial(kind, mode, happened, disturbed, switches, faults, lies)
            try:
                run(world, trial, expected, figures)
            except Finding as finding:
                finding.trial = f"seed {seed}: {finding.trial}"
                raise


def _kill(chance: random.Random, lasts: float) -> Record:
    if chance.random() < 0.25:
        return {"kill_at": f"{failpoints.ANY}:{chance.randrange(60, 180)}"}
    return {"kill_after": chance.uniform(0.3, 1.05) * lasts}


def _fault(chance: random.Random) -> Record:
    method = chance.choice(("PUT", "POST", "GET"))
    return {
        "kind": chance.choice(("reset", "slow", "500_empty", "truncated", "cloudflare_503", "html_other")),
        "method": method,
        "skip": chance.randrange(6) if method != "POST" else 0,
        "count": chance.choice((1, 1, 2)),
        "seconds": chance.choice((0.02, 0.2)),
        "when": chance.choice(("before", "after")),
    }


def lie(chance: random.Random) -> Record:
    """A lie of the shop, or one record's trouble, as a fault."""
    return {
        "kind": chance.choice(LIES),
        "path_regex": chance.choice(TOLD),
        "skip": chance.randrange(3),
        "count": chance.choice((1, 1, 2, None)),
    }


# --- all of it ----------------------------------------------------------------------------------------------------


@contextmanager
def opened() -> Iterator[World]:
    """A world of its own."""
    with Sandbox("small") as box, Forks() as forks, tempfile.TemporaryDirectory() as folder:
        yield World(box, forks, Path(folder))


def short(world: World) -> Kills:
    """A few kills."""
    figures, began = Kills(), time.monotonic()
    at_a_few_places(world, figures)
    figures.seconds = time.monotonic() - began
    return figures


def _timed(trials: Callable[[World, Kills], None], name: str) -> Unit:
    def run(opened: Opener) -> Figures:
        figures, world, began = Kills(), opened(), time.monotonic()
        trials(world, figures)
        figures.seconds = time.monotonic() - began
        return figures

    return Unit(name, run)


def units() -> list[Unit]:
    """All kills."""
    found = []
    for case in CASES:
        for part in range(PARTS):
            found.append(_timed(partial(at_every_place, case=case, part=part, parts=PARTS), f"{case} {part}/{PARTS}"))
    for mode in MODES:
        for first in range(1, 20, 5):
            trials = partial(the_first_sync_at_places, mode=mode, first=first, every=20)
            found.append(_timed(trials, f"first sync {mode} {first}/20"))
    for seed in range(RANDOM_WORLDS):
        found.append(_timed(partial(at_random_moments, seeds=[seed], kills=KILLS_IN_EACH), f"seed {seed}"))
    return found


PROOF = Proof("kills", Kills, units, routes=("contacts",))
