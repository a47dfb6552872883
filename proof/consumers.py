"""Route `consumers` under every switch of its four stand-ins, alone and in pairs, and killed between any two effects.

A kill comes at every place between two effects of a first sync, and of a second one in which consents were withdrawn;
a third of them also lose the database. Others come at any moment, while answers are lost. The syncs after it must leave
everybody subscribed who consented, nobody twice, nobody made twice, nothing without a line of evidence, and nothing
open. Each read of each system lies in each way: then nothing may change but what is so, and all comes right with the
truth. The receiver is killed between storing an event and its 204 as in `proof/receiver.py`, with events of SoPost.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from proof import receiver
from proof.forks import Ended, Forks
from proof.route_trials import (
    RouteFigures,
    box_of,
    forks,
    free_leases,
    receiver_units,
    unit,
    units_of_kills,
    units_of_lies,
)
from proof.units import Proof, Unit
from proof.world import Finding
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.consumer_switches import CONSUMER_SWITCHES
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.consumer_worlds import FAILED, Switches, hurrying, meet, with_companions
from vs_st_pipeline_tests.support.consumers import (
    CRMS,
    ROUTE,
    SUBSCRIBED,
    TRIAL,
    Record,
    Scene,
    consent,
    key_of,
)
from vs_st_pipeline_tests.support.pairs import all_pairs

PLACE_PARTS, RANDOM_UNITS, RANDOM_EACH, RECEIVER_UNITS, RECEIVER_EACH = 10, 10, 10, 10, 10
FIRST, SECOND = "the first sync", "a second sync"
WAITS = (0.0, 2 * 3600.0, 2 * 3600.0)
LOST_ANSWERS = ("statuses/batch/", "contacts/batch/", "memberships/", "bulk-create-jobs", "profile-import", "sobjects")


class Consumers(RouteFigures):
    """What the trials came to."""


# --- switches ---------------------------------------------------------------------------------------------------------


@cache
def rows() -> list[tuple[str, Switches]]:
    """Every value by itself, and every pair of values within each system; each with a name that stays."""
    found: list[tuple[str, Switches]] = []
    for system, switches in CONSUMER_SWITCHES.items():
        for name, values in switches.items():
            for value in values[1:]:
                found.append((f"{system} {name} {value}", {system: with_companions(system, {name: value})}))
    for system, switches in CONSUMER_SWITCHES.items():
        calm = {name: [v for v in values if _is_calm(system, name, v)] for name, values in switches.items()}
        found += [(f"{system} pairs {i}", {system: row}) for i, row in enumerate(all_pairs(calm))]
    return found


def _is_calm(system: str, name: str, value: Any) -> bool:
    """Say whether a value lets anything else be seen: what ends every sync is met alone."""
    kept = tuple(value) if isinstance(value, list) else value
    return (system, name, kept) not in FAILED and (name, value) != ("webhook_style", "dropped")


def live(figures: Consumers, name: str, switches: Switches) -> None:
    """Live through one world.

    Raises:
        Finding: somebody is not where they must be, and nothing says why; or something is done that may never be.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        _box().reset()
        scene = Scene(_box(), Path(folder))
        try:
            with hurrying():
                wrong = meet(scene, switches)
        finally:
            forget_files()
            scene.inbox.close()
    figures.lived(name, began)
    if wrong:
        raise Finding(f"{name}: {switches}", wrong)


def _box() -> Sandbox:
    return box_of("consumers")


# --- kills ------------------------------------------------------------------------------------------------------------


@dataclass
class Trial:
    """One world, in which a sync is killed."""

    scene: Scene
    forks: Forks
    ahead: float = 0.0
    told: list[tuple[str, str]] = field(default_factory=list)
    wanted: dict[str, set[str]] = field(default_factory=dict)
    unwanted: dict[str, set[str]] = field(default_factory=dict)

    def sync(self, **how: Any) -> Ended:
        """Sync in a process of its own."""
        settings = self.scene.folder / "merchants.yaml"
        how = {"later": self.ahead, "route": ROUTE, **how}
        return self.forks.sync(settings, self.scene.data, self.scene.merchant, **how)

    def later(self, seconds: float) -> None:
        self.ahead += seconds
        self.scene.later(seconds=seconds)

    def order(self, name: str, *consents: Any) -> str:
        id = self.scene.order(f"{name}@example.com", *consents)
        self.told.append((id, "APPROVED"))
        return id

    def tell_again(self) -> None:
        for id, word in self.told:
            self.scene.tell(id, word)

    # How it begins.

    def begin(self, case: str) -> None:
        """Let everything be ready for the sync that is to be killed."""
        scene = self.scene
        scene.settings(lambda entry: entry["consumers"].update(follow_status=True), give_up_after="2s")
        both = {name: self.order(name) for name in ("plain", "o'neil", "goes")}
        self.order("both", consent(), consent(TRIAL))
        self.order("nothing", None)
        for _ in range(2):
            self.order("twice")
        self._known_people()
        names = ("plain", "o'neil", "both", "twice", "known", "offlist", "already")
        self.wanted = {crm: {f"{name}@example.com" for name in (*names, "goes")} for crm in CRMS}
        self.unwanted = {crm: {"nothing@example.com"} for crm in CRMS}
        if case == FIRST:
            return
        self.settle()
        sopost = scene.box.sopost.control
        sopost.set_consents(both["goes"], [consent(status="WITHDRAWN")])
        sopost.set_status(both["goes"], "DISPATCHED")
        scene.tell(both["goes"], "DISPATCHED")
        self.told.append((both["goes"], "DISPATCHED"))
        self.order("plain")
        self.order("newcomer")
        for crm in CRMS:
            self.wanted[crm] = self.wanted[crm] - {"goes@example.com"} | {"newcomer@example.com"}
            self.unwanted[crm] |= {"goes@example.com"}

    def settle(self) -> None:
        """Sync until nothing is open: on a busy machine `give_up_after` is over before a job at Klaviyo has ended.

        Raises:
            Finding: something is open still.
        """
        for waited in WAITS:
            if waited:
                self.later(waited)
            ended = self.sync()
            if ended.status == "ok":
                return
            if ended.status == "failed":
                break
        raise Finding("the syncs before", [str(ended)])

    def _known_people(self) -> None:
        sopost = self.scene.box.sopost.control
        world = {str(one["email"]): str(one["id"]) for one in sopost.orders(self.scene.merchant)}
        for name in ("known", "offlist", "already"):
            self.told.append((world[f"{name}@example.com"], "APPROVED"))
            self.scene.tell(*self.told[-1])

    def opted_out(self, name: str) -> None:
        """Let somebody order who opted out of all CRMs since."""
        box, email = self.scene.box, f"{name}@example.com"
        box.hubspot.control.add("contacts", {"email": email})
        box.klaviyo.control.add("profiles", {"email": email})
        box.salesforce.control.add("contacts", {"Email": email, "LastName": "Out"})
        self.order(name)
        box.hubspot.control.unsubscribe(email)
        box.klaviyo.control.unsubscribe(email)
        box.salesforce.control.suppress(email)
        for crm in CRMS:
            self.unwanted[crm].add(email)

    def odd(self) -> list[str]:
        """Who is subscribed and must not be."""
        look = self.scene.look()
        return [f"{crm}: {who} is subscribed" for crm in CRMS for who in self.unwanted[crm] & look.subscribed(crm)]

    def silent(self, ended: Ended) -> list[str]:
        """What is not done although the report says that all is well."""
        look = self.scene.look()
        return [
            f"{crm}: the report says ok, and {sorted(left)} are not subscribed"
            for crm in CRMS
            if ended.status == "ok" and (left := self.wanted[crm] - look.subscribed(crm))
        ]

    def lose_database(self) -> None:
        """Lose what DuckDB has; the evidence file is kept, and SoPost tells of everything once more."""
        for path in (self.scene.data / "merchants" / self.scene.merchant).glob(f"{ROUTE}.duckdb*"):
            path.unlink()
        self.tell_again()

    # What must come of it.

    def judged(self) -> list[str]:
        """What is wrong, after a few syncs that nothing disturbs."""
        self.scene.inbox.close()
        free_leases(self.scene.data)
        ended = Ended(True, {})
        for waited in WAITS:
            if waited:
                self.later(waited)
            ended = self.sync()
            if ended.status == "failed":
                return [f"a sync after the kill: {ended}"]
        scene, look = self.scene, self.scene.look()
        wrong = [] if ended.status == "ok" else [f"the last sync: {ended}"]
        wrong += scene.wrong()
        for crm in CRMS:
            found = look.subscribed(crm)
            wrong += [f"{crm}: {who} is not subscribed" for who in sorted(self.wanted[crm] - found)]
            wrong += [f"{crm}: {who} is subscribed" for who in sorted(self.unwanted[crm] & found)]
            wrong += _more_than_once(crm, scene.books(crm))
        for email, people in look.people.items():
            if len(people) > 1 and email != "double@example.com":
                wrong.append(f"{email} has {len(people)} contacts at Salesforce")
        wrong += self._open()
        return wrong

    def _open(self) -> list[str]:
        scene = self.scene
        wrong = [
            f"in the outbox still: {row}" for row in scene.rows("select * from synced.writes where outcome is null")
        ]
        rows = scene.evidence()
        wrong += [f"evidence without an outcome: {row}" for row in rows if row["outcome"] == "unknown"]
        kept = repr(scene.evidence_lines())
        wrong += [f"not in the evidence file: {row}" for row in rows if row["evidence_id"] not in kept]
        states = scene.inbox.ask("select state, count(*) from hints where state in ('waiting', 'working') group by 1")
        scene.inbox.close()
        return wrong + [f"hints are open: {states}"] * bool(states)


def _more_than_once(crm: str, books: Sequence[Record]) -> list[str]:
    """Whom a CRM was asked to subscribe to one target more than once, or made more than once."""
    what, target = SUBSCRIBED[crm]
    asked = Counter((key_of(one["email"]), str(one[target])) for one in books if one["what"] == what)
    made = Counter(key_of(one["email"]) for one in books if one["what"] == "created")
    wrong = [f"{crm}: subscribed {n} times: {who}" for who, n in asked.items() if n > 1]
    return wrong + [f"{crm}: made {n} times: {who}" for who, n in made.items() if n > 1]


@contextmanager
def _trial() -> Iterator[Trial]:
    with tempfile.TemporaryDirectory() as folder:
        _box().reset()
        scene = Scene(_box(), Path(folder))
        try:
            yield Trial(scene, forks())
        finally:
            forget_files()
            scene.inbox.close()


@cache
def places(case: str) -> int:
    """How many places between two effects the sync of a case comes to."""
    with _trial() as trial:
        trial.begin(case)
        return trial.sync(kill_at=f"{failpoints.ANY}:0").reached[failpoints.ANY]


def kill(figures: Consumers, case: str, how: Record, *, lose: bool = False, faults: Sequence[Any] = ()) -> None:
    """Kill one sync, go on, and judge.

    Raises:
        Finding: something is not as it must be.
    """
    with _trial() as trial:
        trial.begin(case)
        for crm, fault in faults:
            trial.scene.box.running[crm].control.set_fault(**fault)
        ended = trial.sync(**how)
        for crm in CRMS:
            trial.scene.box.running[crm].control.clear_faults()
        figures.killed += ended.killed
        figures.ended_before += not ended.killed
        figures.trials[f"{case}{', database lost' if lose else ''}{', answers lost' if faults else ''}"] += 1
        wrong = trial.scene.wrong() if not ended.killed else []
        if lose:
            trial.lose_database()
        wrong += trial.judged()
    if wrong:
        raise Finding(f"{case}, {how}, database lost: {lose}, {faults}", wrong)


def at_places(figures: Consumers, case: str, part: int) -> None:
    """Kill at each place of one case; of so many parts, that one."""
    for place in range(1 + part, places(case) + 1, PLACE_PARTS):
        figures.places.add((case, place))
        kill(figures, case, {"kill_at": f"{failpoints.ANY}:{place}"}, lose=place // PLACE_PARTS % 3 == 0)


def at_moments(figures: Consumers, first: int) -> None:
    """Kill at moments and places made by chance, while answers are lost."""
    for seed in range(first, first + RANDOM_EACH):
        chance = random.Random(seed)
        case = chance.choice((FIRST, SECOND))
        how: Record = {"kill_at": f"{failpoints.ANY}:{chance.randrange(1, places(case) + 1)}"}
        if chance.random() < 0.5:
            how = {"kill_after": chance.uniform(0.02, 1.2)}
        faults = []
        for _ in range(chance.choice((1, 2, 3))):
            fault: Record = {"kind": chance.choice(("reset", "500_empty", "truncated", "hollow", "html_other"))}
            fault |= {
                "path_regex": chance.choice(LOST_ANSWERS),
                "count": 1,
                "skip": chance.randrange(2),
                "when": "after",
            }
            faults.append((chance.choice(CRMS), fault))
        try:
            kill(figures, case, how, lose=chance.random() < 0.2, faults=faults)
        except Finding as finding:
            finding.trial = f"seed {seed}: {finding.trial}"
            raise


# --- lies -------------------------------------------------------------------------------------------------------------

READS = {
    "sopost": ("/orders/",),
    "hubspot": (
        "contacts/batch/read$", "statuses/batch/read$", "unsubscribe-all/read$", "/crm/lists/[^/]+/[0-9]+$",
        "/memberships$", "/definitions$", "/properties/", "/account-info/",
    ),
    "klaviyo": ("/api/profiles$", "/api/lists/[^/]+$", "/api/lists/[^/]+/profiles$", "/accounts$", "/api/profiles/"),
    "salesforce": ("/oauth2/token$", "/composite$", "/describe$", "/query"),
}  # fmt: skip
"""Paths that are read, as faults name them."""
LIES = (
    "hollow", "error_body", "two_keys", "other_record", "truncated", "wrong_shape", "html_other", "login_page", "404",
)  # fmt: skip


def lie(figures: Consumers, system: str, path: str, kind: str) -> None:
    """Let one read lie in a first sync, and then in one that has all orders again, of people who were written.

    Raises:
        Finding: something changes that is not so, or does not come right with the truth.
    """
    figures.trials[f"lies of {system}"] += 1
    with _trial() as trial:
        scene, control = trial.scene, trial.scene.box.running[system].control
        trial.begin(FIRST)
        trial.opted_out("just.now")
        control.set_fault(kind, path_regex=path)
        first = trial.sync()
        wrong = scene.wrong() + trial.odd() + trial.silent(first)
        control.clear_faults()
        wrong += trial.judged()
        before = scene.look()
        for id, _ in trial.told:
            scene.box.sopost.control.set_status(id, "DISPATCHED")
            scene.tell(id, "DISPATCHED")
        control.set_fault(kind, path_regex=path)
        trial.sync()
        changed = [name for name in vars(before) if getattr(before, name) != getattr(scene.look(), name)]
        wrong += [f"a lie about people who are in sync has changed {changed}"] * bool(changed)
        control.clear_faults()
        wrong += trial.judged()
    if wrong:
        raise Finding(f"{system} {path} {kind}", wrong)


# --- all of it --------------------------------------------------------------------------------------------------------


def short() -> Consumers:
    """A few of each."""
    figures = Consumers()
    for case in (FIRST, SECOND):
        last = places(case)
        for place in (last // 2, last * 4 // 5):
            figures.places.add((case, place))
            kill(figures, case, {"kill_at": f"{failpoints.ANY}:{place}"}, lose=case == SECOND and place == last // 2)
    return figures


def units() -> list[Unit]:
    """All of them."""
    return [
        *(unit(Consumers, name, partial(live, name=name, switches=switches)) for name, switches in rows()),
        *units_of_kills(Consumers, (FIRST, SECOND), PLACE_PARTS, at_places, RANDOM_UNITS, RANDOM_EACH, at_moments),
        *units_of_lies(Consumers, READS, LIES, lie),
        *receiver_units(Consumers, RECEIVER_UNITS, RECEIVER_EACH, receiver.SAMPLES),
    ]


PROOF = Proof("consumers", Consumers, units, routes=("consumers",))
