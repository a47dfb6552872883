"""Every two values of two switches of the texting service, of lies of both systems, and of how answers fail.

Each combination is met by a winery that is in use. Its syncs are failed first, then left alone; nobody may be made or
written wrongly under any of them, and what does not come right must be said by the report. What is right is what the
truth makes, so an undisturbed sync from scratch without the lies tells it. At last the answers are true, and then all
must come right.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from proof.kills import busy
from proof.units import Figures, Proof, Unit
from proof.world import IN_OUTBOX, MODES, Expected, Finding, World
from vs_st_pipeline.sandbox import SWITCHES
from vs_st_pipeline.sandbox.core.switches import LIES, WEBHOOKS
from vs_st_pipeline_tests.support.pairs import all_pairs
from vs_st_pipeline_tests.support.story import TEST, Record, differences

# Never asked for, no way that the service goes on its own, or tried by itself (`short_list`, webhooks).
LEFT_OUT = {
    *WEBHOOKS["simpletexting"], "phones", "double_post_race", "unknown_task", "fault",
    "latency_seconds", "block_after_per_second", "block_status", "reject", "short_list",
    "firewall", "custom_fields_form",
}  # fmt: skip
# The shop's, by which its answers are read otherwise or are not true; what fails every sync is tried by itself.
SHOP = (
    "paging", "page_cap", "dup_rows", "inclusive_end", "tz", "envelope", "total_key", "customers_page_cap",
    "membership_modified_key", "cf_ray_on_all", *LIES["vinoshipper"],
)  # fmt: skip
AT_SHOP = "shop "  # before the names of the shop's switches in a row
# Values that leave people as they are, or end every sync where it begins: by themselves, in `test_switches`.
NOT_IN_PAIRS = {("birth_date_form", "text"), ("date_time_form", "no_offset"), ("absent_keys", 1), ("absent_keys", 2)}
NOT_IN_PAIRS |= {("numbers", "read_exponent"), ("numbers", "read_digits")}
NOT_IN_PAIRS |= {(name, value) for name in LIES["simpletexting"] for value in ("huge", "text", "list")}
NOT_IN_PAIRS |= {(name, value) for name in LIES["vinoshipper"] for value in ("huge", "text") if name.endswith("total")}
# Under these some are left as they are for the time being, and that is no more than noted.
MAY_LEAVE = {"shop absent_keys", "shop numbers", "absent_keys", "numbers"}
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


@cache
def combinations() -> list[Record]:
    """The rows, always the same ones; `profile` is how answers fail."""
    values: dict[str, list[Any]] = {"profile": list(PROFILES)}
    values |= {name: found for name, found in SWITCHES["simpletexting"].items() if name not in LEFT_OUT}
    values |= {AT_SHOP + name: SWITCHES["vinoshipper"][name] for name in SHOP}
    values = {
        name: [value for value in found if (name.removeprefix(AT_SHOP), value) not in NOT_IN_PAIRS]
        for name, found in values.items()
    }
    # What ends every sync where it begins meets the failing answers only.
    alone: list[Record] = [{"short_list": True}, {"custom_fields_form": "list"}]
    return [*all_pairs(values), *({"profile": profile, **row} for row in alone for profile in PROFILES)]


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
    at_shop = {name.removeprefix(AT_SHOP): value for name, value in row.items() if name.startswith(AT_SHOP)}
    switches = {name: value for name, value in row.items() if name != "profile" and not name.startswith(AT_SHOP)}
    lies = {name: value for name, value in switches.items() if name in LIES["simpletexting"]}
    true = {name: value for name, value in switches.items() if name not in lies}
    happened = busy(world.box)
    try:
        expected: Expected | None = world.expected(mode, true, list(happened))
    except Finding:
        expected = None  # not even an undisturbed one comes through; then none may say that all is well
    world.begin(mode)
    shop, texting = world.box.vinoshipper.control, world.box.simpletexting.control
    for what in happened:
        world.happen(what)
    before = world.everybody()
    texting.set_switches(switches)
    shop.set_switches(at_shop)
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
        left = _not_right(world, expected)
        if not left and told == "ok":
            waits = ", some wait to be tried again" if world.waiting() else ""
            figures.after[f"{turn} syncs{waits}"] += 1
            break
    if told != "ok" and not wrong and (told == "partial" or told in FITTING):
        figures.after[f"said: {told}"] += 1
        left = []
    honest = {name: value for name, value in row.items() if value == _first(name)}
    if told == "ok" and left and MAY_LEAVE & (row.keys() - honest.keys()):
        figures.after["some left as they are"] += 1
        left = []
    wrong += left + (_misled(world, before, expected) if expected else [])
    if expected and not wrong:  # and now the truth
        texting.set_switches({name: _first(name) for name in lies})
        shop.set_switches({name: values[0] for name, values in LIES["vinoshipper"].items()})
        world.later += 16 * 60
        _, left = world.well_again(mode, expected, ("ok", "partial") if told == "partial" else ("ok",))
        left = left and [one for one in left if not one.startswith("Ended(")] and _not_right(world, expected)
        if left and world.waiting() and all(one.startswith(IN_OUTBOX) for one in left):
            # The time that passed is past the gaps of those who wait, so the last sync has tried them once more, and
            # what it tried is settled by the next one. That comes at once, so that it finds nobody to be tried.
            world.sync(mode, allow_unsafe=True)
            left = _not_right(world, expected)
        wrong += [f"after the lies: {one}" for one in left]
    wrong += [one for one in world.forbidden() if NEWCOMER not in one]
    figures.combinations += 1
    if wrong:
        odd = {name: value for name, value in row.items() if name not in honest and name != "profile"}
        raise Finding(f"{mode}, {row['profile']}, {odd}", wrong)


def _first(name: str) -> Any:
    system = "vinoshipper" if name.startswith(AT_SHOP) else "simpletexting"
    return SWITCHES[system].get(name.removeprefix(AT_SHOP), [None])[0]


def _not_right(world: World, expected: Expected) -> list[str]:
    waiting = world.waiting()  # what never shows cannot be told from what was never done: told of, and tried again
    return [one for one in world.settled(expected) if not any(phone in one for phone in (NEWCOMER, *waiting))]


def _misled(world: World, before: dict[str, dict[str, str]], expected: Expected) -> list[str]:
    """Values that neither stood there nor are right."""
    return [
        f"{phone} {name}: {was!r} became {now!r}, right is {expected.contacts.get(phone, {}).get(name)!r}"
        for phone, values in world.everybody().items()
        if phone in before
        for name, (was, now) in differences(before[phone], values).items()
        if now != expected.contacts.get(phone, {}).get(name)
    ]


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


PROOF = Proof("switches", Met, units, routes=("contacts",))
