"""Route `orders` under every switch of its two stand-ins, alone and in pairs, and killed between any two effects.

A kill comes at every place between two effects of each sync of a life from paid to delivered, of a void by command, of
one that a refund asks for, and of a sync that a webhook started; some also lose the database, or all of the data
folder. Others come at any moment, while answers are lost. The syncs after it must leave each order accepted once, each
customer mailed once, and what was asked for done or said. Each read of either system lies in each way: then nothing may
change but what is so, and all comes right with the truth. The receiver is killed as in `proof/receiver.py`, with
webhooks of Commerce7. The judge is the one of the stories, `vs_st_pipeline_tests/support/orders.py`.

It is long because what is proved of the route stands in one file, as for route `consumers`.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.order_worlds import ENDING, STYLES, SWITCHES, Switches, meet
from vs_st_pipeline_tests.support.orders import (
    COMMERCE7,
    ROUTE,
    SENT,
    VINOSHIPPER,
    VOIDED,
    Record,
    Scene,
    hurrying,
)
from vs_st_pipeline_tests.support.pairs import all_pairs

PLACE_PARTS, RANDOM_UNITS, RANDOM_EACH, RECEIVER_UNITS, RECEIVER_EACH = 12, 10, 10, 5, 10
PAID, SCANNED, DELIVERED, VOID, REFUND, HINT = (
    "paid", "scanned", "delivered", "a void by command", "a void by refund", "a webhook",
)  # fmt: skip
CASES = (PAID, SCANNED, DELIVERED, VOID, REFUND, HINT)
WAITS = (0.0, 360.0, 360.0, 360.0, 4 * 3600.0, 4 * 3600.0)
"""Seconds between the syncs after a kill: past three reads and `settle_wait`, and past `tracking_wait`."""
LOSSES = (None, None, "the database", None, "all", None)
LOST_ANSWERS = {VINOSHIPPER: ("/orders$", "/orders/[^/]+$", "/cancel$"), COMMERCE7: ("/fulfillment", "/app-sync$")}
WORLD = "orders:1"


class Orders(RouteFigures):
    """What the trials came to."""


# --- switches ---------------------------------------------------------------------------------------------------------


@cache
def rows() -> list[tuple[str, Switches]]:
    """Every value by itself, and every pair of values within each system; each with a name that stays."""
    found: list[tuple[str, Switches]] = []
    for system, switches in SWITCHES.items():
        for name, values in switches.items():
            found += [(f"{system} {name} {value}", {system: {name: value}}) for value in values[1:]]
    for system, switches in SWITCHES.items():
        calm = {
            name: [value for value in values if (system, name, value) not in ENDING]
            for name, values in switches.items()
            if name != STYLES
        }
        found += [(f"{system} pairs {i}", {system: row}) for i, row in enumerate(all_pairs(calm))]
    return found


def live(figures: Orders, name: str, switches: Switches) -> None:
    """Live through one world.

    Raises:
        Finding: an order is not where it must be, and nothing says why; or something is done that may never be.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(_box(), Path(folder))
        try:
            with hurrying():
                wrong = meet(scene, switches, hooks="webhook" in name)
        finally:
            forget_files()
            scene.inbox.close()
    figures.lived(name, began)
    if wrong:
        raise Finding(f"{name}: {switches}", wrong)


def _box() -> Sandbox:
    return box_of(WORLD)


# --- kills ------------------------------------------------------------------------------------------------------------


@dataclass
class Trial:
    """One world, in which a sync is killed.

    Attributes:
        sent: orders that must be accepted in the end. gone: those whose parcel has left, who must be mailed once.
        over: those that must be voided. maybe: those that may be voided or not.
    """

    scene: Scene
    forks: Forks
    sent: list[Record] = field(default_factory=list)
    gone: list[Record] = field(default_factory=list)
    over: list[Record] = field(default_factory=list)
    maybe: list[Record] = field(default_factory=list)

    def sync(self, **how: Any) -> Ended:
        """Sync in a process of its own."""
        scene = self.scene
        how = {"later": scene.shift.total_seconds(), "route": ROUTE, **how}
        return self.forks.sync(scene.folder / "merchants.yaml", scene.data, scene.merchant, **how)

    def act(self, case: str, **how: Any) -> Ended:
        """What is killed: a sync, the command that voids, or work that a webhook started."""
        if case == VOID:
            (order,) = self.maybe
            words = ["orders", "void", "--merchant", self.scene.merchant, str(order["orderNumber"])]
            return self.sync(command=[*words, "--reason", "Moved", "--yes", "--json"], **how)
        if case == HINT:
            return self.sync(work=60.0, **how)
        return self.sync(**how)

    def begin(self, case: str) -> None:
        """Let everything be ready for what is to be killed."""
        scene = self.scene
        scene.settings(on_refund="void")
        self.sent = [scene.place("PINOT22", "ZIN21"), scene.place("CHARD23")]
        scene.place("PINOT22", orderDeliveryMethod="Pickup")
        if case == PAID:
            return
        self._well()
        match case:
            case "scanned" | "delivered":
                for order in self.sent:
                    scene.label(order)
                    scene.scan(order)
                self.gone = list(self.sent)
                if case == DELIVERED:
                    scene.later(hours=1)
                    self._well()
                    for order in self.sent:
                        scene.deliver(order)
            case "a void by command":
                self.maybe = self.sent[:1]
            case "a void by refund":
                scene.refund(self.sent[0])
                self.over = self.sent[:1]
            case _:
                self.sent.append(scene.place("ROSE24"))
                scene.scan(self.sent[0])
                self.gone = self.sent[:1]
                for system, body in (
                    (COMMERCE7, {"object": "Order", "action": "Create", "payload": {"id": self.sent[2]["id"]}}),
                    (VINOSHIPPER, {"identifier": scene.number(self.sent[0]), "subject": "ORDER", "event": "UPDATED"}),
                ):
                    self.tell(system, body)
        if case != HINT:
            scene.later(hours=1)

    def tell(self, system: str, body: Record) -> None:
        """Put a call where the receiver puts it, ten minutes and more after all that was written."""
        hooks = next(one.hooks for one in CONNECTORS if one.name == system)
        assert hooks is not None
        inbox = Inbox(self.scene.data, lambda: time.time() - 60)
        at = datetime.now(UTC).isoformat()
        tenant = {"tenantId": "hillside"} if system == COMMERCE7 else {}
        calls = hooks.read(json.dumps({**body, **tenant}).encode())
        inbox.put([Arrival(self.scene.merchant, system, call, (ROUTE,), at) for call in calls])
        inbox.close()

    def _well(self) -> None:
        ended = self.sync()
        if ended.status != "ok":
            raise Finding("the sync before", [str(ended)])

    def judged(self) -> list[str]:
        """What is wrong, after a few syncs that nothing disturbs."""
        scene = self.scene
        scene.inbox.close()
        free_leases(scene.data)
        ended, wrong = Ended(True, {}), list[str]()
        for waited in WAITS:
            if waited:
                scene.later(seconds=waited)
            ended = self.sync()
            if ended.status == "failed":
                return [f"a sync after the kill: {ended}"]
            wrong += scene.wrong(settled=False)
        wrong += [] if ended.status == "ok" else [f"the last sync: {ended}"]
        wrong += scene.wrong()
        listed = scene.listed()
        for order in self.sent:
            state = listed[order["id"]]["state"]
            allowed = [VOIDED] if order in self.over else [SENT, VOIDED] if order in self.maybe else [SENT]
            wrong += [f"{order['orderNumber']} is {listed[order['id']]}"] if state not in allowed else []
            numbers, mails = scene.accepted(order), scene.mails(order)
            wrong += [f"{order['orderNumber']} was accepted as {numbers}"] if len(numbers) != 1 else []
            if len(mails) != (order in self.gone):
                wrong.append(f"{order['orderNumber']} was mailed {len(mails)} times")
        if len(cancelled := scene.shipper.cancellations(scene.merchant)) > 1:
            wrong.append(f"cancelled more than once: {cancelled}")
        return wrong + self._open()

    def _open(self) -> list[str]:
        open = self.scene.rows("select call, order_id from synced.order_writes where outcome is null")
        return [f"in the outbox still: {row}" for row in open if row["call"] != "message"]


@contextmanager
def _trial() -> Iterator[Trial]:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(_box(), Path(folder))
        scene.begin_alone()
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
        return trial.act(case, kill_at=f"{failpoints.ANY}:0").reached[failpoints.ANY]


def kill(
    figures: Orders, case: str, how: Record, *, loss: str | None = None, faults: Sequence[tuple[str, Record]] = ()
) -> None:
    """Kill once, go on, and judge.

    Raises:
        Finding: something is not as it must be.
    """
    with _trial() as trial:
        trial.begin(case)
        for system in (COMMERCE7, VINOSHIPPER):
            own = [fault for of, fault in faults if of == system]
            trial.scene.box.running[system].control.set_switch("fault", own or None)
        ended = trial.act(case, **how)
        for system in (COMMERCE7, VINOSHIPPER):
            trial.scene.box.running[system].control.clear_faults()
        figures.killed += ended.killed
        figures.ended_before += not ended.killed
        figures.trials[f"{case}{f', lost {loss}' if loss else ''}{', answers lost' if faults else ''}"] += 1
        wrong = trial.scene.wrong(settled=False)
        if loss and trial.scene.home.exists():
            trial.scene.lose(database_alone=loss != "all")
        wrong += trial.judged()
    if wrong:
        raise Finding(f"{case}, {how}, lost: {loss}, {faults}", wrong)


def at_places(figures: Orders, case: str, part: int) -> None:
    """Kill at each place of one case; of so many parts, that one."""
    for turn, place in enumerate(range(1 + part, places(case) + 1, PLACE_PARTS)):
        figures.places.add((case, place))
        kill(figures, case, {"kill_at": f"{failpoints.ANY}:{place}"}, loss=LOSSES[(turn + part) % len(LOSSES)])


def at_moments(figures: Orders, first: int) -> None:
    """Kill at moments and places made by chance, while answers are lost."""
    for seed in range(first, first + RANDOM_EACH):
        chance = random.Random(seed)
        case = chance.choice(CASES)
        how: Record = {"kill_at": f"{failpoints.ANY}:{chance.randrange(1, places(case) + 1)}"}
        if chance.random() < 0.5:
            how = {"kill_after": chance.uniform(0.02, 0.8)}
        faults = []
        for _ in range(chance.choice((1, 2, 3))):
            system = chance.choice((COMMERCE7, VINOSHIPPER))
            fault: Record = {"kind": chance.choice(("reset", "500_empty", "truncated", "hollow", "html_other"))}
            fault |= {"path_regex": chance.choice(LOST_ANSWERS[system]), "method": chance.choice(("POST", "PUT"))}
            fault |= {"count": 1, "skip": chance.randrange(2), "when": "after"}
            faults.append((system, fault))
        try:
            kill(figures, case, how, loss=chance.choice(LOSSES), faults=faults)
        except Finding as finding:
            finding.trial = f"seed {seed}: {finding.trial}"
            raise


# --- lies -------------------------------------------------------------------------------------------------------------

READS = {
    COMMERCE7: ("/v1/order$", "/v1/order/[^/]+$", "/v1/product$", "/v1/customer/", "/app-syncs/"),
    VINOSHIPPER: ("/orders/HILL[^/]+$", "/orders(/search)?$", "/products$", "/profile$"),
}
"""Paths that are read, as faults name them."""
LIES = (
    "hollow", "error_body", "two_keys", "other_record", "truncated", "wrong_shape", "html_other", "login_page", "404",
    "500", "403",
)  # fmt: skip


BLIND = "'written_without_reading'"


def lie(figures: Orders, system: str, path: str, kind: str) -> None:
    """Let one read lie in a first sync, in one with news of what was sent, and in one that does a void by refund.

    Raises:
        Finding: something is done that is not so, or does not come right with the truth.
    """
    figures.trials[f"lies of {system}"] += 1
    with _trial() as trial:
        scene, control = trial.scene, trial.scene.box.running[system].control
        fault: Record = {"path_regex": path, "method": None if "search" in path else "GET"}
        trial.begin(PAID)
        trial.sent.append(scene.place("ROSE24", customer={"emails": []}))  # read at /customer
        wrong = list[str]()
        for news in ("first", "scanned", "refunded"):
            if news == "scanned":
                scene.scan(trial.sent[0])
                trial.gone = trial.sent[:1]
                trial.sent.append(scene.place("ZIN21"))
            if news == "refunded":
                scene.refund(trial.sent[1])
                trial.over = trial.sent[1:2]
            control.set_fault(kind, **fault)
            for _ in range(2):
                scene.later(hours=1)
                trial.sync()
                wrong += [f"{news}: {one}" for one in scene.wrong(settled=False)]
            control.clear_faults()
            if news == "first":
                scene.later(hours=1)
                trial.sync()
        wrong += trial.judged()
        if kind == "404":
            # The desk of the stand-in does not see a read that the lie answers in its place; the journal does.
            lied = [one for one in control.journal() if one["method"] == "GET" and one["fault"]]
            read = {f"'number': '{one['path'].rsplit('/', 1)[-1]}'" for one in lied}
            wrong = [one for one in wrong if BLIND not in one or not any(number in one for number in read)]
    if wrong:
        raise Finding(f"{system} {path} {kind}", wrong)


# --- all of it --------------------------------------------------------------------------------------------------------


def short() -> Orders:
    """A few of each."""
    figures = Orders()
    for case, loss in ((PAID, None), (SCANNED, "the database"), (VOID, None)):
        place = places(case) * 4 // 5
        figures.places.add((case, place))
        kill(figures, case, {"kill_at": f"{failpoints.ANY}:{place}"}, loss=loss)
    return figures


def units() -> list[Unit]:
    """All of them."""
    return [
        *(unit(Orders, name, partial(live, name=name, switches=switches)) for name, switches in rows()),
        *units_of_kills(Orders, CASES, PLACE_PARTS, at_places, RANDOM_UNITS, RANDOM_EACH, at_moments),
        *units_of_lies(Orders, READS, LIES, lie),
        *receiver_units(Orders, RECEIVER_UNITS, RECEIVER_EACH, receiver.ORDERS),
    ]


PROOF = Proof("orders", Orders, units, routes=("orders",))
