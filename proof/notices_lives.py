"""Lives of parcels made by chance, by the whole of route `notices`: what is told in them may be told (notices.md 12.2).

Parcels go on and fail, in the usual order or in another; hooks come late, twice, in disorder or not at all, and so do
receipts; reads fail; customers opt out and in again; nights go by; a sync comes now and then. What Gupshup's stand-in
took is judged by what truly happened and when, of which no word goes through the product.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline_tests.support.notices import ESHOPBOX, GUPSHUP, Record, Scene, number_of, phone_of
from vs_st_pipeline_tests.support.notices_worlds import ENABLED, FORWARD, SWITCHES

STEPS, PARCELS = 40, 3
REPEATS, APART = "failed_delivery", timedelta(hours=4)
WAY = ("packed", "dispatched", "intransit", "out_for_delivery", REPEATS, "out_for_delivery", "delivered")
STATUS_OF = {word: word for word in FORWARD} | dict.fromkeys(
    ("dispatched", "intransit", "out_for_delivery"), "on_the_way"
)
HERE = ZoneInfo("Asia/Kolkata")
QUIET = (time(21), time(8))
MAX_AGE = {"created": timedelta(hours=12)}
USUAL_AGE, SLACK = timedelta(hours=24), timedelta(minutes=1)
FAULTS = ("500", "reset", "truncated", "hollow", "404")


@dataclass
class Parcel:
    """An order, where its parcel is on its way, and when it truly came to each status."""

    order: Record
    place: int = 0
    came: dict[str, list[datetime]] = field(default_factory=dict)


@dataclass
class Life:
    """A world that goes on by chance."""

    scene: Scene
    seed: int
    parcels: list[Parcel] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def live(self) -> list[str]:
        """Live it; what is wrong in the end."""
        scene = self.scene
        scene.begin_alone()
        old = scene.order(number="OLD", phone="+919740099999")
        for status in ("packed", REPEATS):
            scene.advance(old, status, hook=False)
        hours = {"from": f"{QUIET[0]:%H:%M}", "to": f"{QUIET[1]:%H:%M}", "zone": "recipient"}
        scene.settings(enabled=ENABLED, quiet_hours=hours, cap={"messages": 50})
        scene.sync()
        scene.later(minutes=1)
        acts = [self._goes_on, self._sync] * 4 + [self._time, self._callbacks] * 2
        acts += [self._style, self._consent, self._fault, self._order]
        for _ in range(STEPS):
            act = self.chance.choice(acts)
            self.acts.append(act.__name__.removeprefix("_"))
            act()
        for system in (ESHOPBOX, GUPSHUP):
            scene.box.running[system].control.clear_faults()
        for _ in range(3):
            scene.later(minutes=20)
            scene.sync()
            scene.callbacks()
        return [*scene.wrong(excused=("twice",)), *self._twice(), *self.wrong()]

    # What happens.

    def _order(self) -> None:
        if len(self.parcels) < PARCELS:
            order = self.scene.order()
            self.parcels.append(Parcel(order, came={"created": [self.scene.now]}))

    def _goes_on(self) -> None:
        if not self.parcels:
            self._order()
        one = self.chance.choice(self.parcels)
        if self.chance.random() < 0.85:
            word, one.place = WAY[one.place % len(WAY)], min(one.place + 1, len(WAY) - 1)
        else:
            word = self.chance.choice(WAY)
        self.scene.advance(one.order, word)
        one.came.setdefault(STATUS_OF[word], []).append(self.scene.now)
        if self.chance.random() < 0.7:
            self.scene.hook(one.order)
        elif self.chance.random() < 0.5:
            self.scene.eshopbox.take_hooks(number_of(one.order), self.scene.merchant)  # lost
        self.scene.later(minutes=self.chance.choice((1, 5, 40)))

    def _sync(self) -> None:
        self.scene.sync()
        self.scene.later(minutes=self.chance.choice((1, 3, 11)))

    def _time(self) -> None:
        self.scene.later(minutes=self.chance.choice((10, 90, 300, 700, 1500)))

    def _callbacks(self) -> None:
        self.scene.callbacks()

    def _style(self) -> None:
        hooks, receipts = SWITCHES[ESHOPBOX]["hook_style"], SWITCHES[GUPSHUP]["receipt_style"]
        self.scene.eshopbox.set_switch("hook_style", self.chance.choice(hooks))
        self.scene.gupshup.set_switch("receipt_style", self.chance.choice(receipts))

    def _consent(self) -> None:
        if not self.parcels:
            return
        phone = phone_of(self.chance.choice(self.parcels).order)
        if self.chance.random() < 0.6:
            self.scene.gupshup.opt_in(phone, self.scene.account)
        else:
            self.scene.gupshup.opt_out(phone, self.scene.account)

    def _fault(self) -> None:
        control: Any = self.scene.box.running[self.chance.choice((ESHOPBOX, GUPSHUP))].control
        control.set_fault(self.chance.choice(FAULTS), method="GET", count=self.chance.choice((1, 2, 5)))

    # What may not be.

    def _twice(self) -> Iterator[str]:
        """What Gupshup's stand-in found to be told twice; of a failed delivery each one that truly was may be told."""
        failed = Counter[str]()
        for found in self.scene.box.findings():
            if found["what"] == "twice" and not found["template"].endswith(f"-{REPEATS}"):
                yield f"a finding: {found}"
        for sent in self.scene.sends():
            failed[sent["destination"]] += sent["template"].endswith(f"-{REPEATS}")
        for one in self.parcels:
            told = failed[phone_of(one.order).removeprefix("+")]
            if told > (were := _apart(one.came.get(REPEATS, []))):
                yield f"{number_of(one.order)}: {told} failed deliveries were told, and there were {were}"

    def wrong(self) -> Iterator[str]:
        """What was told and may not be."""
        phones = {phone_of(one.order).removeprefix("+"): one for one in self.parcels}
        told: dict[str, list[str]] = {}
        for sent in self.scene.sends():
            parcel, status = phones.get(sent["destination"]), sent["template"].partition("-")[2]
            if parcel is None:
                yield f"told of what was there before: {status}"
                continue
            told.setdefault(number_of(parcel.order), []).append(status)
            yield from (f"{number_of(parcel.order)} {status}: {why}" for why in self._of(sent, parcel, status))
        for number, statuses in told.items():
            ranks = [FORWARD[one] for one in statuses]
            if ranks != sorted(ranks) or len(set(statuses) - {REPEATS}) < len(
                [one for one in statuses if one != REPEATS]
            ):
                yield f"{number}: in this order: {statuses}"

    def _of(self, sent: Record, parcel: Parcel, status: str) -> Iterator[str]:
        at = datetime.fromisoformat(sent["time"].replace("Z", "+00:00"))
        wall = at.astimezone(HERE).time()
        if wall >= QUIET[0] or wall < QUIET[1]:
            yield f"in a quiet hour, {wall}"
        came = [one for one in parcel.came.get(status, []) if one.astimezone(UTC) <= at + SLACK]
        if not came:
            yield "it has not happened"
        elif at - (came[-1] if status == REPEATS else came[0]) > MAX_AGE.get(status, USUAL_AGE) + SLACK:
            yield f"it is old: {at - came[0]}"


def _apart(times: Sequence[datetime]) -> int:
    """How many occurrences these are: those that come less than four hours after the one before are one with it."""
    return sum(at - before >= APART for before, at in zip(times, times[1:], strict=False)) + bool(times)
