"""Route `notices` under every switch of Gupshup and Eshopbox, and killed between any two effects.

A kill comes at every place between two effects of a first sync, of one that tells what became of parcels, of one that
acts on answers, of one that sends again what Gupshup certainly did not, of a worker that a hook started, and of one
that takes the callbacks of a number which several merchants share; others come at any moment, while answers are lost.
Receipts come in each style, a second process works for another merchant of the same number, and between the kill and
what follows the merchant's database is lost, rebuilt, or an older one is put back, or the account's file is lost. At
most one message is taken per notice, at most four become unknown, each of them is settled by its receipt alone, and
Eshopbox is asked for one thing per answer (notices.md 12.1). Reads of either system lie in each way: then nothing is
told that is not so, and all comes right with the truth. The judge is the one of the stories,
`vs_st_pipeline_tests/support/notices.py`.

It is long because what is proved of the route stands in one file, as for the others.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from proof.forks import Ended, Forks
from proof.notices_lives import Life
from proof.route_trials import RouteFigures, box_of, forks, free_leases, more_forks, unit, units_of_kills, units_of_lies
from proof.units import Proof, Unit
from proof.world import Finding
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import CONFIRMED
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.notices import (
    ESHOPBOX,
    GUPSHUP,
    HOUSE,
    KAPASKRAFT,
    MITTI_HOME,
    OWN,
    ROUTE,
    Record,
    Scene,
    hurrying,
    number_of,
    phone_of,
)
from vs_st_pipeline_tests.support.notices_worlds import ENABLED, NOTHING_GOES, SWITCHES, Switches, Value, meet
from vs_st_pipeline_tests.support.pairs import all_pairs

PLACE_PARTS, RANDOM_UNITS, RANDOM_EACH = 20, 15, 10
LIVES, LIVES_EACH = 60, 3
FIRST, TOLD, ANSWERED, RETRIED, HINTED, SHARED = (
    "a first sync", "parcels", "answers", "a retry", "a hook", "callbacks of all"
)  # fmt: skip
CASES = (FIRST, TOLD, ANSWERED, RETRIED, HINTED, SHARED)
STYLES = tuple(SWITCHES[GUPSHUP]["receipt_style"])
DATABASE, OLDER, REBUILT, ACCOUNT = "the database", "an older one put back", "rebuilt", "the account's file"
LOSSES = (None, OLDER, None, DATABASE, None, ACCOUNT, None, REBUILT)
SENDS, ACTS = "/msg$", "/ndrResolution$"
LOSING = ("reset", "500_empty", "truncated", "hollow")
MOST_UNKNOWN = 4
OUT = ("accepted", "enqueued", "sent", "delivered", "read", "failed", "unknown")
WORLD = "parcels"


@dataclass
class Notices(RouteFigures):
    """What the trials came to.

    Attributes:
        unknown: how many messages were unknown after a kill. settled: of those that Gupshup had, by the receipts.
    """

    unknown: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    settled: int = 0

    def lines(self) -> Iterator[str]:
        """For people."""
        yield "unknown after a kill          " + ", ".join(
            f"{count} times {many}" for many, count in sorted(self.unknown.items())
        )
        yield f"messages taken, unknown settled {self.taken}, {self.settled}"
        yield from super().lines()


# --- switches ---------------------------------------------------------------------------------------------------------


@cache
def rows() -> list[tuple[str, Switches, Value | None]]:
    """Every value by itself, and every pair of values within each system; each with a name that stays.

    What keeps every message back begins when the parcel has come to its end.
    """
    found: list[tuple[str, Switches, Value | None]] = []
    for system, switches in SWITCHES.items():
        for name, values in switches.items():
            for value in values[1:]:
                row = (system, name, value)
                alone = ({}, row) if row in NOTHING_GOES else ({system: {name: value}}, None)
                found.append((f"{system} {name} {value}", *alone))
    for system, switches in SWITCHES.items():
        going = {
            name: [value for value in values if (system, name, value) not in NOTHING_GOES]
            for name, values in switches.items()
        }
        found += [(f"{system} pairs {i}", {system: row}, None) for i, row in enumerate(all_pairs(going))]
    return found


def live(figures: Notices, name: str, switches: Switches, last: Value | None) -> None:
    """Live through one world.

    Raises:
        Finding: something is told that may not be, or twice, or not at all.
    """
    began = time.monotonic()
    with _scene() as scene, hurrying():
        wrong = meet(scene, switches, last)
    figures.lived(name, began)
    if wrong:
        raise Finding(f"{name}: {switches} {last}", wrong)


@contextmanager
def _scene(**more: Any) -> Iterator[Scene]:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(box_of(WORLD), Path(folder), **more)
        try:
            yield scene
        finally:
            forget_files()
            scene.inbox.close()


def by_chance(figures: Notices, first: int) -> None:
    """Live through lives made by chance.

    Raises:
        Finding: something was told that may not be.
    """
    for seed in range(first, first + LIVES_EACH):
        with _scene() as scene, hurrying():
            life = Life(scene, seed)
            wrong = life.live()
            figures.worlds["a life made by chance"] += 1
            figures.taken += len(scene.sends())
        if wrong:
            raise Finding(f"seed {seed}: {' '.join(life.acts)}", wrong)


# --- kills ------------------------------------------------------------------------------------------------------------


@dataclass
class Trial:
    """One world, in which something is killed.

    Attributes:
        due: orders, and the status of each that is to be told of, once. beside: the same of the other merchant of this
            number. answered: orders whose customers asked for something. again: a message that is sent once more.
    """

    scene: Scene
    forks: Forks
    due: list[tuple[Record, str]] = field(default_factory=list)
    beside: list[tuple[Record, str]] = field(default_factory=list)
    answered: list[Record] = field(default_factory=list)
    again: Record | None = None

    def sync(self, merchant: str | None = None, by: Forks | None = None, **how: Any) -> Ended:
        """Sync in a process of its own."""
        scene = self.scene
        how = {"later": scene.shift.total_seconds(), "route": ROUTE, **how}
        return (by or self.forks).sync(scene.folder / "merchants.yaml", scene.data, merchant or scene.merchant, **how)

    def act(self, case: str, **how: Any) -> Ended:
        """What is killed: a sync, or a worker; it takes the callbacks of a number that several merchants share."""
        if case == HINTED:
            return self.sync(work=0.0, **how)
        if case == SHARED:
            return self.sync(command=["work", "--once"], **how)
        return self.sync(**how)

    def both(self, case: str, **how: Any) -> Ended:
        """The same, while another process syncs: the other merchant, or this one."""
        other = KAPASKRAFT if self.scene.is_house else self.scene.merchant
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(self.sync, other, more_forks())
            ended = self.act(case, **how)
            beside.result()
        return ended

    def begin(self, case: str) -> None:
        """Let everything be ready for what is to be killed."""
        scene = self.scene
        scene.begin_alone()
        old = scene.order(number="OLD", phone="+919740099999")
        for status in ("packed", "out_for_delivery", "failed_delivery"):
            scene.advance(old, status, hook=False)
        scene.settings(
            enabled=ENABLED,
            cap={"messages": 50},
            merchants={KAPASKRAFT: {"accounts": [{"kind": "house", "account": HOUSE, "charges_confirmed": CONFIRMED}]}},
            unexpected={"enabled": True, "text": "Please tap a button."},
            confirmations={"reattempt": {"text": "We try again."}, "cancel": {"text": "We cancel."}},
        )  # fmt: skip
        if case == FIRST:
            return
        for merchant in (scene.merchant, *([KAPASKRAFT] if scene.is_house else [])):
            self._well(merchant)
        scene.later(seconds=2)
        if case in (ANSWERED, SHARED, RETRIED):
            self._told(case)
        scene.inbox.close()
        shutil.copytree(scene.home, scene.folder / f"kept-{DATABASE}")
        if case in (TOLD, HINTED, RETRIED):
            for status in ("created", "packed", "failed_delivery") * (1 if case == RETRIED else 2):
                self.due.append((self._order(status), status))
        if scene.is_house:
            for status in ("packed", "failed_delivery"):
                self.beside.append((self._order(status, KAPASKRAFT), status))
        if case in (ANSWERED, SHARED):
            titles = ("Reattempt delivery", "Cancel order", "Reattempt delivery")
            for (order, _), title in zip(self.due, titles, strict=False):
                scene.reply(phone_of(order), "button", button=title)
                self.answered.append(order)
            scene.reply(phone_of(self.due[3][0]), "text", text="where is my parcel, please")
        scene.later(minutes=1)
        scene.inbox.close()

    def _told(self, case: str) -> None:
        scene = self.scene
        for _ in range(1 if case == RETRIED else 4):
            self.due.append((self._order("failed_delivery"), "failed_delivery"))
        self._well()
        if case == RETRIED:
            [self.again] = scene.sends()
            scene.receipts(self.again, "failed", code=4001)
            self._well()
            scene.later(minutes=20)
            return
        scene.callbacks()
        scene.later(minutes=3)
        self._well()

    def _order(self, status: str, merchant: str | None = None) -> Record:
        scene = self.scene
        order = scene.order(merchant)
        scene.gupshup.allow(phone_of(order), HOUSE if scene.is_house else OWN.id, orders=[number_of(order)])
        scene.hook(order, merchant)
        if status != "created":
            scene.advance(order, status, merchant)
            scene.hook(order, merchant)
        return order

    def _well(self, merchant: str | None = None) -> Ended:
        ended = self.sync(merchant)
        if ended.status == "failed":
            raise Finding("a sync that nothing disturbs", [str(ended)])
        return ended

    def lose(self, what: str | None) -> None:
        """Lose something, or put back what was before."""
        scene = self.scene
        if what == OLDER and (scene.folder / f"kept-{DATABASE}").exists():
            (scene.folder / f"kept-{DATABASE}").rename(scene.folder / f"kept-{OLDER}")
            scene.put_back(OLDER)
        elif what == DATABASE:
            scene.lose(database_alone=True)
        elif what == ACCOUNT:
            scene.lose(account=True)
        elif what == REBUILT and scene.home.exists():
            words = ["rebuild", "--merchant", scene.merchant, "--route", ROUTE, "--yes"]
            # What it finds to be unknown makes its sync partial, which is a 1.
            if (ended := self.sync(command=words)).report["exit_code"] not in (0, 1):
                raise Finding("rebuild", [str(ended)])

    def open_claims(self) -> list[Record]:
        """Claims of which nobody knows what came of them."""
        if not (self.scene.data / "accounts" / self.scene.account / "account.sqlite").exists():
            return []
        if not self.scene.of_account("select 1 from sqlite_master where name = 'claims'"):
            return []  # killed before it was made
        return self.scene.of_account("select * from claims where state in ('open', 'unknown')")

    def judged(self, figures: Notices, case: str, loss: str | None, style: str) -> list[str]:
        """What is wrong, after a few syncs that nothing disturbs."""
        scene = self.scene
        free_leases(scene.data)
        self.lose(loss)
        scene.later(seconds=61)  # a token is asked for at most once a minute, also where the one who asked was killed
        self._round()
        before = {one["notice_id"] for one in self.open_claims() if one["state"] == "unknown"}
        for _ in range(3):
            scene.callbacks()
            scene.later(minutes=6)
            self._round()
        unsettled = {one["notice_id"]: one for one in self.open_claims()}
        figures.settled += len(before - set(unsettled))
        figures.taken += len(self._sends())
        # What was lost when nobody had written it down elsewhere cannot be found in a ledger.
        wrong = scene.wrong(booked=loss is None, excused=("token_storm",))
        wrong += [*self._repeated(), *self._asked(loss)]
        if style != "dropped":
            wrong += self._unsettled(unsettled.values())
        if loss not in (DATABASE, REBUILT):
            wrong += self._untold(case)
        calm = len(self._sends()), len(scene.resolutions())
        scene.callbacks()
        scene.later(minutes=6)
        self._round()
        if calm != (len(self._sends()), len(scene.resolutions())):
            wrong.append("a sync with no news sent something")
        return wrong

    def _round(self) -> None:
        for merchant in (self.scene.merchant, *([KAPASKRAFT] if self.scene.is_house else [])):
            self._well(merchant)

    def _sends(self) -> list[Record]:
        return self.scene.sends(HOUSE) + self.scene.sends(OWN.id)

    def _repeated(self) -> Iterator[str]:
        """Messages that were taken twice: by what their buttons say, else by phone and text."""
        found: dict[tuple[str, ...], list[Record]] = {}
        for one in self._sends():
            said = sorted(one["postbacks"].values())
            found.setdefault(tuple(said) if said else (one["destination"], one["text"]), []).append(one)
        for key, sent in found.items():
            may_repeat = self.again is not None and sent[0]["message_id"] == self.again["message_id"]
            if len(sent) > 1 + may_repeat:
                yield f"taken {len(sent)} times: {key}"
        phones = {one["destination"] for one in self._sends()}
        if "919740099999" in phones:
            yield "told of what was there before"

    def _asked(self, loss: str | None) -> Iterator[str]:
        """Answers that were acted on twice, or of which nobody knows."""
        done = Counter(
            one["body"]["customerOrderNumber"] for one in self.scene.resolutions() if one["did"] == "submitted"
        )
        yield from (f"{number} was acted on {count} times" for number, count in done.items() if count > 1)
        if loss is not None or not self.answered:
            return
        rows = self.scene.rows("select a.*, order_number from synced.actions a join synced.notices using (notice_id)")
        states = {row["order_number"]: row["state"] for row in rows}
        for order in self.answered:
            number = number_of(order)
            fits = ("done",) if done[number] else ("unknown",)  # what it tells itself settles what was submitted
            if states.get(number) not in fits:
                yield f"the action for {number} is {states.get(number)}, and was submitted {done[number]} times"

    def _unsettled(self, claims: Any) -> Iterator[str]:
        """Messages that are unknown though Gupshup has told of them."""
        orders = {number_of(order): order for order, _ in (*self.due, *self.beside)}
        had = Counter(one["destination"] for one in self._sends() if one["kind"] == "template")
        for claim in claims:
            order = orders.get(claim["order_number"])
            if claim["kind"] != "notice" or order is None or not had[phone_of(order).removeprefix("+")]:
                continue
            ids = {one["message_id"] for one in self._sends() if one["destination"] == phone_of(order)[1:]}
            if claim["message_id"] is None or claim["message_id"] in ids:
                yield f"its receipt came, and it is {claim['state']} still: {claim['order_number']} {claim['status']}"

    def _untold(self, case: str) -> Iterator[str]:
        """Statuses that were neither told, nor are unknown."""
        for merchant, due in ((self.scene.merchant, self.due), (KAPASKRAFT, self.beside)):
            rows = self.scene.rows("select * from synced.notices", merchant=merchant) if due else []
            states = {(row["order_number"], row["status"]): (row["state"], row["reason"]) for row in rows}
            for order, status in due:
                state, reason = states.get((number_of(order), status), ("unseen", None))
                if state not in OUT:
                    yield f"{case}: {number_of(order)} {status} is {state} {reason}"


@contextmanager
def _trial(merchant: str = KAPASKRAFT) -> Iterator[Trial]:
    with _scene(merchant=merchant) as scene:
        yield Trial(scene, forks())


@cache
def places(case: str) -> int:
    """How many places between two effects a case comes to."""
    with _trial(MITTI_HOME if case == SHARED else KAPASKRAFT) as trial:
        trial.begin(case)
        return trial.act(case, kill_at=f"{failpoints.ANY}:0").reached[failpoints.ANY]


def kill(
    figures: Notices, case: str, how: Record, turn: int, *, faults: Sequence[Record] = (), at: str = GUPSHUP
) -> None:
    """Kill once, go on, and judge.

    Args:
        turn: decides the style of receipts, what is lost, whose sync it is, and whether another process works too.
        at: the system whose answers are lost.

    Raises:
        Finding: something is not as it must be.
    """
    style, loss = STYLES[turn % len(STYLES)], LOSSES[turn % len(LOSSES)] if case != FIRST else None
    merchant = MITTI_HOME if turn % 2 or case == SHARED else KAPASKRAFT
    told = f"{case}, {how}, turn {turn}: {style}, {loss}, {merchant}, {list(faults)}"
    with _trial(merchant) as trial:
        trial.begin(case)
        control = trial.scene.box.running[at].control
        trial.scene.gupshup.set_switch("receipt_style", style)
        control.set_switch("fault", list(faults) or None)
        unknown = len(trial.open_claims())
        ended = (trial.both if turn % 3 == 2 and case != FIRST else trial.act)(case, **how)
        control.clear_faults()
        new = len(trial.open_claims()) - unknown
        figures.unknown[str(new)] += 1
        figures.killed += ended.killed
        figures.ended_before += not ended.killed
        figures.trials[f"{case}{', answers lost' if faults else ''}"] += 1
        try:
            wrong = trial.judged(figures, case, loss, style)
        except Finding as finding:
            finding.trial = f"{told}: {finding.trial}"
            raise
        if new > MOST_UNKNOWN + len(faults):
            wrong.append(f"{new} messages became unknown")
    if wrong:
        raise Finding(told, wrong)


def at_places(figures: Notices, case: str, part: int) -> None:
    """Kill at each place of one case; of so many parts, that one."""
    for place in range(1 + part, places(case) + 1, PLACE_PARTS):
        figures.places.add((case, place))
        kill(figures, case, {"kill_at": f"{failpoints.ANY}:{place}"}, place + part)


def at_moments(figures: Notices, first: int) -> None:
    """Kill at moments and places made by chance, while answers are lost."""
    for seed in range(first, first + RANDOM_EACH):
        chance = random.Random(seed)
        case = chance.choice(CASES[1:])
        how: Record = {"kill_at": f"{failpoints.ANY}:{chance.randrange(1, places(case) + 1)}"}
        if chance.random() < 0.5:
            how = {"kill_after": chance.uniform(0.05, 1.2)}
        acts = case == ANSWERED and chance.random() < 0.5
        faults = [
            {"kind": chance.choice(LOSING), "path_regex": ACTS if acts else SENDS, "method": "POST", "count": 1}
            | {"skip": chance.randrange(4), "when": "after"}
            for _ in range(chance.choice((0, 1, 2)))
        ]
        try:
            kill(figures, case, how, chance.randrange(1000), faults=faults, at=ESHOPBOX if acts else GUPSHUP)
        except Finding as finding:
            finding.trial = f"seed {seed}: {finding.trial}"
            raise


# --- lies -------------------------------------------------------------------------------------------------------------

READS: dict[str, tuple[str, ...]] = {
    ESHOPBOX: ("/api/order/", "/orders/erp$", "/trackingDetails$", "/generateToken$"),
    GUPSHUP: ("/template$", "/users/"),
}
"""Paths that are read, as faults name them."""
LIES = (
    "hollow", "error_body", "two_keys", "other_record", "truncated", "wrong_shape", "html_other", "login_page", "404",
    "500", "403",
)  # fmt: skip


def lie(figures: Notices, system: str, path: str, kind: str) -> None:
    """Let one read lie while parcels go on; they are told as soon as it is true again, and nothing else is.

    Raises:
        Finding: something is told that is not so, or does not come right with the truth.
    """
    figures.trials[f"lies of {system}"] += 1
    with _scene() as scene:
        trial, control = Trial(scene, forks()), scene.box.running[system].control
        if path == "/trackingDetails$":
            scene.eshopbox.set_switch("status_in_detail", "tracking_only")
        trial.begin(TOLD)
        control.set_fault(kind, path_regex=path)
        for full in (False, True):
            scene.later(hours=2)  # past every list's age, and a token's rest
            trial.sync(full=full)
            scene.callbacks()
        told = len(scene.sends())
        wrong = [f"while it lied: {one}" for one in scene.wrong()]
        control.clear_faults()
        for _ in range(3):
            scene.later(minutes=20)
            ended = trial.sync()
            scene.callbacks()
        if ended.status == "failed":
            wrong.append(f"after {told} messages, the truth after a lie: {ended}")
        wrong += [*scene.wrong(), *trial._repeated(), *trial._untold(f"{system} {path} {kind}")]
        wrong += _never(trial)
    if wrong:
        raise Finding(f"{system} {path} {kind}", wrong)


def _never(trial: Trial) -> Iterator[str]:
    """Messages of what has not happened."""
    ranks = {status: place for place, status in enumerate(("created", "packed", "on_the_way", "failed_delivery"))}
    happened = {phone_of(order).removeprefix("+"): ranks[status] for order, status in trial.due}
    for one in trial.scene.sends():
        status = one["template"].partition("-")[2]
        if ranks.get(status, 9) > happened.get(one["destination"], -1):
            yield f"never happened: {status} to ...{one['destination'][-3:]}"


# --- all of it --------------------------------------------------------------------------------------------------------


def short() -> Notices:
    """One of each."""
    figures = Notices()
    for turn, case in enumerate(CASES):
        place = places(case) * 3 // 5
        figures.places.add((case, place))
        kill(figures, case, {"kill_at": f"{failpoints.ANY}:{place}"}, turn)
    return figures


def units() -> list[Unit]:
    """All of them."""
    worlds: list[tuple[str, Callable[[Notices], None]]] = [
        (name, partial(live, name=name, switches=switches, last=last)) for name, switches, last in rows()
    ]
    return [
        *(unit(Notices, name, trials) for name, trials in worlds),
        *(unit(Notices, f"lives {n}", partial(by_chance, first=n * LIVES_EACH)) for n in range(LIVES // LIVES_EACH)),
        *units_of_kills(Notices, CASES, PLACE_PARTS, at_places, RANDOM_UNITS, RANDOM_EACH, at_moments),
        *units_of_lies(Notices, READS, LIES, lie),
    ]


PROOF = Proof("notices", Notices, units, routes=("notices",))
