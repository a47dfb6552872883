"""A worker is killed anywhere, beside a schedule that syncs the same merchant; another one goes on with its hints.

Right is what an undisturbed sync from scratch makes of the same world, with nothing left to write and no hint left
open. No value may be sent more often than once, but those that were under way at a kill.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from proof.forks import Ended, Forks
from proof.kills import values_sent
from proof.units import Figures, Opener, Proof, Unit
from proof.world import CITIES, CLUBS, ID_OF, SINGLY, Finding, Happening, World
from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, ORDER, Call
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.support.story import ODALYS, TEST

KILLS, UNITS = 200, 20
LEASE = 120.0  # seconds that the clock of the one who goes on is ahead: what a dead worker held is free by then
ROUTE = "contacts"


@dataclass
class Works(Figures):
    """What the kills came to."""

    killed: int = 0
    ended_before: int = 0
    beside: int = 0
    sent_twice: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"workers killed, ended before  {self.killed}, {self.ended_before}; {self.beside} beside a sync"
        yield f"values sent twice             {self.sent_twice}"
        yield "hints                         " + ", ".join(f"{n} {what}" for what, n in self.outcomes.most_common())
        yield from super().lines()


def events(chance: random.Random, at: str) -> list[tuple[Happening, Call]]:
    """What happens, each with the webhook that tells it."""
    found: list[tuple[Happening, Call]] = []
    for number, phone in enumerate(chance.sample(sorted({*ID_OF} - {ODALYS}), 3)):
        happening: Happening
        match chance.randrange(3):
            case 0:
                name = f"WORK{number}"
                happening = ("order", phone, name, f"{20 + chance.randrange(60)}.00", at)
                found.append((happening, Call(ORDER, name, event="CREATED")))
            case 1:
                happening = ("city", phone, chance.choice(CITIES[:3]))
                found.append((happening, Call(CUSTOMER, str(ID_OF[phone]), event="UPDATED")))
            case _:
                happening = ("club", phone, chance.choice(CLUBS))
                found.append((happening, Call(CUSTOMER, str(ID_OF[phone]), event="UPDATED")))
    return found


def put(world: World, told: list[tuple[Happening, Call]]) -> None:
    """Webhooks have told so, some seconds ago."""
    inbox = Inbox(world.data, lambda: time.time() - 10)
    arrivals = [Arrival(TEST, "vinoshipper", call, (ROUTE,), world.box.now.isoformat()) for _, call in told]
    contact = world.box.simpletexting.control.contact(ODALYS, TEST)
    report = Call(CONTACT, contact["contactId"], ODALYS, event="UNSUBSCRIBE_REPORT", event_id="r1", opts_out=True)
    inbox.put([*arrivals, Arrival(TEST, "simpletexting", report, (ROUTE,), world.box.now.isoformat())])
    inbox.close()


def work(world: World, **how: Any) -> Ended:
    """One worker that works off what is due."""
    settings = world.settings(SINGLY)
    return world.forks.sync(settings, world.data, TEST, **{"later": world.later, "work": 0.0, **how})


def trial(world: World, beside: Forks, seed: int, figures: Works) -> None:
    """One world by chance, one kill.

    Raises:
        Finding: something is not as it must be.
    """
    chance = random.Random(seed)
    at = world.box.now.isoformat(timespec="seconds")
    told = events(chance, at)
    happened = [what for what, _ in told] + [("opt out", ODALYS)]
    expected = world.expected(SINGLY, {}, happened)
    world.begin(SINGLY)
    for what in happened:
        world.happen(what)
    put(world, told)
    texting = world.box.simpletexting.control
    before = {contact["contactPhone"]: contact for contact in texting.contacts(TEST)}
    world.clear_journal()
    together = chance.random() < 0.5
    schedule = threading.Thread(
        target=lambda: beside.sync(world.settings(SINGLY), world.data, TEST, inbox=True, later=world.later)
    )
    if together:
        schedule.start()
        time.sleep(chance.uniform(0.0, 0.25))
    how: dict[str, Any] = {"kill_at": f"{failpoints.ANY}:{chance.randrange(1, 75)}"}
    if chance.random() < 0.4:
        how = {"kill_after": chance.uniform(0.02, 0.6)}
    ended = work(world, **how)
    if together:
        schedule.join()
    figures.killed += ended.killed
    figures.ended_before += not ended.killed
    figures.beside += together
    wrong = world.forbidden()
    after = work(world, work=LEASE)
    wrong += [f"the next worker ended with {after}"] if after.status not in ("ok", "None") else []
    last = world.forks.sync(world.settings(SINGLY), world.data, TEST, inbox=True, later=world.later)
    wrong += [f"the sync ended with {last}"] if last.status != "ok" else []
    sent = values_sent(texting.journal(TEST), before)
    wrong += [f"{value} was sent {times} times" for value, times in sent.items() if times > 1 + ended.killed]
    figures.sent_twice += sum(times - 1 for times in sent.values())
    wrong += world.forbidden() + world.settled(expected)
    world.clear_journal()
    quiet = world.forks.sync(world.settings(SINGLY), world.data, TEST, inbox=True, later=world.later)
    if values_sent(texting.journal(TEST), {}):
        wrong.append(f"something was left to write: {quiet.report['synced']}")
    inbox = Inbox(world.data)
    open_ones = inbox.ask("select kind, record, state, error from hints where state in ('waiting', 'working')")
    wrong += [f"a hint is open: {row}" for row in open_ones]
    figures.outcomes.update(str(row[0]) for row in inbox.ask("select coalesce(outcome, state) from hints"))
    inbox.close()
    if wrong:
        raise Finding(f"seed {seed}: {how}, beside a sync: {together}, {happened}", wrong)


def trials(opened: Opener, first: int, count: int) -> Works:
    """Some of them."""
    figures, world, began = Works(), opened(), time.monotonic()
    with Forks() as beside:
        for seed in range(first, first + count):
            trial(world, beside, seed, figures)
    figures.seconds = time.monotonic() - began
    return figures


def units() -> list[Unit]:
    """All kills."""
    each = KILLS // UNITS
    return [Unit(f"kills {one * each}", partial(trials, first=one * each, count=each)) for one in range(UNITS)]


PROOF = Proof("worker", Works, units, routes=("contacts",))
