"""Whatever happens in whatever order: parcels, hooks, receipts, taps, faults and kills, by chance (notices.md 12.2).

Nothing is told twice, out of order, too late, of a baseline, or of what the parcel has left behind; each failure is
answered at most once; and everything that was sent is in a ledger.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.sandbox.scenarios.parcels_accounts import TITLES
from vs_st_pipeline_tests.support.notices import KAPASKRAFT, MITTI_HOME, Record, Scene, number_of, phone_of
from vs_st_pipeline_tests.support.notices_worlds import BACKWARD, ENABLED, FORWARD

WAY = ("packed", "dispatched", "intransit", "out_for_delivery", "failed_delivery", "out_for_delivery", "delivered")
FAULTS = ("reset_after_accept", "500_before_accept", "500_after_accept", "truncated_after_accept", "502_html", "429")
RANKS = {
    "created": 10, "packed": 20, "dispatched": 30, "intransit": 30, "out_for_delivery": 30, "failed_delivery": 40,
    "delivered": 50,
}  # fmt: skip
READ_AGAIN = timedelta(minutes=11)  # an order is read anew before a claim if its read is older than ten


class Chance:
    """A world in which things happen by chance."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene, self.chance = scene, random.Random(seed)
        self.orders: list[Record] = []
        self.places: dict[str, int] = {}
        self.said: list[str] = []

    def live(self, steps: int) -> None:
        """Let so many things happen, and settle."""
        acts = [self.goes_on] * 6 + [self.syncs] * 5 + [self.orders_one, self.tells, self.tells, self.taps, self.waits]
        acts += [self.waits, self.calls, self.fault, self.is_killed, self.late_scan]
        for _ in range(steps):
            act = self.chance.choice(acts)
            self.said.append(act.__name__)
            act()
        self.scene.gupshup.clear_faults(self.scene.account)
        for _ in range(3):
            self.scene.later(minutes=20)
            self.scene.hook()
            self.scene.callbacks()
            self.scene.sync()

    def orders_one(self) -> None:
        if len(self.orders) < 5:
            self.orders.append(self.scene.order())

    def goes_on(self) -> None:
        if self.orders:
            number = number_of(self.chance.choice(self.orders))
            place = self.places.get(number, 0)
            if place < len(WAY):
                self.scene.advance(number, WAY[place])
                self.places[number] = place + 1
            elif place == len(WAY):
                self.scene.advance(number, "created", resource="returnShipment", shipment=f"{number}-R")
                self.places[number] = place + 1
            elif place == len(WAY) + 1:
                self.scene.advance(number, "complete", resource="returnShipment", shipment=f"{number}-R")
                self.places[number] = place + 1

    def late_scan(self) -> None:
        if self.orders:
            at = self.scene.now - timedelta(minutes=self.chance.randint(1, 600))
            self.scene.advance(self.chance.choice(self.orders), "intransit", at=at)

    def tells(self) -> None:
        styles = ["normal", "duplicated", "reordered", "dropped"]
        self.scene.eshopbox.set_switch("hook_style", self.chance.choice(styles))
        self.scene.hook()

    def calls(self) -> None:
        styles = ["normal", "duplicated", "reordered", "dropped", "late_no_gsid"]
        self.scene.gupshup.set_switch("receipt_style", self.chance.choice(styles), self.scene.account)
        self.scene.callbacks()

    def taps(self) -> None:
        sent = [one for one in self.scene.sends() if one["template"].endswith("failed_delivery")]
        if sent:
            one = self.chance.choice(sent)
            button = self.chance.choice(sorted(TITLES.values()))
            self.scene.reply(f"+{one['destination']}", "button", button=button, to=one["message_id"])

    def waits(self) -> None:
        self.scene.later(minutes=self.chance.choice([1, 7, 30, 200, 800]))

    def fault(self) -> None:
        kind = self.chance.choice(FAULTS)
        path = self.chance.choice(["template/msg", "template$"])
        self.scene.gupshup.set_fault(kind, self.scene.account, path_regex=path, count=1)

    def syncs(self) -> None:
        self.scene.sync()

    def is_killed(self) -> None:
        place = f"any:{self.chance.randint(1, 90)}"
        command = ("sync", "--merchant", self.scene.merchant, "--route", "notices", "--json")
        self.scene.started(*command, VS_ST_KILL_AT=place)

    # What may not be.

    def wrong(self) -> Iterator[str]:
        for order in self.orders:
            number = number_of(order)
            sends = self.scene.sends(to=phone_of(order))
            told = [(one["template"].partition("-")[2], _time(one["time"])) for one in sends if one["fails"] is None]
            truth = self.scene.eshopbox.find(number, self.scene.merchant)
            yield from self._out_of_order(number, [status for status, _ in told])
            for status, at in told:
                yield from self._late(number, status, at, truth)

    def _out_of_order(self, number: str, told: list[str]) -> Iterator[str]:
        for ranks in (FORWARD, BACKWARD):
            way = [ranks[one] for one in told if one in ranks]
            if way != sorted(way):
                yield f"{number} out of order: {told}"
        for status in set(told):
            if told.count(status) > (1 if status != "failed_delivery" else 3):
                yield f"{number} twice: {told}"

    def _late(self, number: str, status: str, at: datetime, truth: Record) -> Iterator[str]:
        if status in BACKWARD:
            return
        timeline = [(one["status"], _time(one["time"])) for one in next(iter(truth["shipments"].values()))["timeline"]]
        own = [when for word, when in timeline if RANKS.get(word) == FORWARD[status] and when <= at]
        if not own:
            yield f"{number} told of {status} before it was"
            return
        age = timedelta(hours=12 if status == "created" else 24)
        if at - min(own) > age + timedelta(seconds=2):
            yield f"{number} told of {status} {at - min(own)} late"
        newer = [word for word, when in timeline if RANKS.get(word, 0) > FORWARD[status] and when < at - READ_AGAIN]
        if newer:
            yield f"{number} told of {status} after {newer}"


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens(alone: Scene, seed: int) -> None:
    scene = alone
    scene.merchant = (KAPASKRAFT, MITTI_HOME)[seed % 2]
    scene.order(number="OLD", phone="+919740099999")
    scene.based(enabled=ENABLED, cap={"messages": 100})
    world = Chance(scene, seed)
    world.live(60)
    assert [*world.wrong(), *scene.wrong()] == [], world.said
    assert not [one for one in scene.sends() if one["destination"] == "919740099999"]
    kinds = {one["error"]["kind"] for one in scene.reports if one["error"]}
    assert not kinds & {"internal", "auth", "config"}, kinds
