"""Every key of every answer that a sync reads is missing, null, of another type, or the record is another one.

One thing at a time, for one answer or for all of one sync, after a good sync and with news waiting. Then: no value at
SimpleTexting becomes what neither stood there nor is right, nobody is written who may not be, and the sync ends in a
way that fits. Afterwards the answers are true again, and a few syncs (15 minutes, a day, two days later) must come to
what a sync from scratch has.

What the vendor may say by a null he says: where a key may be null, values may follow it, a birth date aside.
"""

from __future__ import annotations

import json
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import requests

from proof.kills import busy
from proof.mutate import EACH, ERROR, HOLLOW, KEY_OPS, OTHER, RECORD_OPS, REMOVE, paths_of
from proof.units import Figures, Proof, Unit
from proof.world import BATCH, MODES, Expected, Finding, World, told
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.story import MARISOL, TEST, Record, differences

ALL, ONE = "all", "one"
FITTING = {"ok", "partial", "bad_answer", "try_later", "auth", "unsafe"}
CUSTOMER, ORDER = "700101", "90000000017"
SAMPLE = 8

# Keys that the fact sheets say are never null; of all others null is a statement of the vendor.
NEVER_NULL: dict[str, set[str]] = {
    "customers": {
        *("total", "items", "items.[]", "items.[].id", "items.[].memberships", "items.[].memberships.[]"),
        *("items.[].memberships.[].id", "items.[].memberships.[].clubId", "items.[].memberships.[].clubName"),
        *("items.[].memberships.[].hold", "items.[].memberships.[].pickup", "items.[].clubMember"),
        "items.[].clubsOnHold",
    },
    "customer": {
        *("id", "lastName", "optedIntoMarketingEmails", "memberships", "memberships.[]", "memberships.[].id"),
        *("memberships.[].clubId", "memberships.[].clubName", "memberships.[].hold", "memberships.[].pickup"),
        *("dateOfBirth.day", "dateOfBirth.month", "dateOfBirth.year"),
    },
    "memberships": {"total", "items", "items.[]", "items.[].id"},
    "orders": {"results", "results.[]", "results.[].orderNumber"},
    "order": {
        *("orderNumber", "status", "orderStatus", "customer", "products", "products.[]", "shipping", "total"),
        *("shipping.packages", "shipping.packages.[]", "isCompliant", "orderProblems"),
    },
    "receipt": {"orderNumber"},
    "contacts": {"content", "content.[]", "totalPages", "totalElements", "content.[].contactId"},
    "contact": {"contactId"},
    "custom_fields": {"content", "content.[]", "totalPages", "totalElements", "content.[].label"},
}
# What a contact does not have it does not show, so that absent is a statement too, and so are empty objects and texts.
OWN = ("firstName", "lastName", "email", "birthday", "comment", "lists", "customFields", "contactPhone")
# A receipt without an address says that there is none (interface.md, section 6: "none or 4xx: empty").
ADDRESS = "url"


@dataclass
class Structure(Figures):
    """What the trials came to."""

    trials: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    right_after: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"trials                        {self.trials.total()}: " + told(self.trials)
        yield f"answers mutated               {self.answers.total()}: " + told(self.answers)
        yield "mutated syncs ended           " + told(self.ended)
        yield "right after                   " + told(self.right_after)
        yield from super().lines()


@dataclass(frozen=True)
class Trial:
    """One thing that is done to the answers of one sync."""

    kind: str
    path: str
    op: str
    scope: str

    def __str__(self) -> str:
        return f"{self.kind} {self.path or '(the record)'}: {self.op}, {self.scope}"

    def is_statement(self) -> bool:
        """Whether the vendor may mean it, so that values may follow."""
        if self.op == "null":
            return self.path not in NEVER_NULL[self.kind] and bool(self.path)
        if self.kind == "receipt":
            return self.op == REMOVE and self.path == ADDRESS
        names = self.path.split(".")
        return self.kind in ("contact", "contacts") and self.op == REMOVE and any(name in OWN for name in names)


# --- what there is to be mutated --------------------------------------------------------------------------------------


@cache
def keys() -> dict[str, list[str]]:
    """Every key of every kind of answer, as the small world shows them; an empty one for the record itself."""
    with Sandbox("small") as box:
        box.simpletexting.control.set_switch("null_style", "null")
        found = {kind: ["", *paths_of(bodies)] for kind, bodies in _asked(box).items()}
    custom = ("content.[].customFields.", "customFields.")
    return {kind: [path for path in paths if not _other_field(path, custom)] for kind, paths in found.items()}


def _other_field(path: str, before: Iterable[str]) -> bool:
    """Custom fields have one form; these few stand for all."""
    known = ("vscustomerid", "lifetime_value", "city", "favorite_varietal")
    return any(path.startswith(start) and path.removeprefix(start) not in known for start in before)


def _asked(box: Sandbox) -> dict[str, list[Any]]:
    merchant = box.merchants[0]
    shop, texting = box.vinoshipper, box.simpletexting
    with requests.Session() as ask:

        def at_shop(path: str) -> Any:
            return ask.get(f"{shop.url}/api/v3/p/{path}", auth=(merchant.vs_key, merchant.vs_secret), timeout=30).json()

        def at_texting(path: str) -> Any:
            known = {"Authorization": f"Bearer {merchant.st_token}"}
            return ask.get(f"{texting.url}/v2/api/{path}", headers=known, timeout=30).json()

        listed = ask.post(
            f"{shop.url}/api/v3/p/customers/list",
            json={"pageIndex": 0, "pageSize": 500},
            auth=(merchant.vs_key, merchant.vs_secret),
            timeout=30,
        ).json()
        numbers = [row["orderNumber"] for row in at_shop("orders")["results"] if "/" not in row["orderNumber"]]
        return {
            "customers": [listed],
            "customer": [at_shop(f"customers/{row['id']}") for row in listed["items"]],
            "memberships": [at_shop("clubs/memberships")],
            "orders": [at_shop("orders")],
            "order": [at_shop(f"orders/{number}") for number in numbers],
            "receipt": [at_shop(f"orders/{ORDER}/receipt")],
            "contacts": [at_texting("contacts")],
            "contact": [at_texting(f"contacts/{row['contactId']}") for row in box.simpletexting.control.contacts(TEST)],
            "custom_fields": [at_texting("custom-fields")],
        }


def trials_of(kind: str, path: str) -> list[Trial]:
    """All that is done to one key."""
    is_record = not path or path.endswith(f".{EACH}") or path == EACH
    ops: tuple[str, ...] = RECORD_OPS if is_record else KEY_OPS
    if path.count(EACH) > 1 or (path and kind in ("customer", "order", "receipt", "contact")):
        ops = tuple(op for op in ops if op != OTHER)  # an element is none of the records that are read
    found = [Trial(kind, path, op, ALL) for op in ops]
    single = ops if is_record else (REMOVE, "null", KEY_OPS[2 + zlib.crc32(path.encode()) % 5])
    return found + [Trial(kind, path, op, ONE) for op in single]


# --- one trial --------------------------------------------------------------------------------------------------------


def meet(world: World, figures: Structure, trial: Trial, number: int) -> None:
    """Do it.

    Raises:
        Finding: something is not as it must be.
    """
    mode = MODES[number % 2]
    expected = _expected(world)
    world.begin(mode)
    for what in busy(world.box):
        world.happen(what)
    before = world.everybody()
    world.clear_journal()
    ended = world.sync(mode, mutate=_order(world, trial))
    figures.trials[f"{trial.scope}: {trial.op}" if ended.mutated else "not met"] += 1
    if not ended.mutated:
        return
    figures.answers[trial.kind] += len(ended.mutated)
    outcome = ended.kind or ended.status
    figures.ended[outcome] += 1
    wrong = [] if outcome in FITTING else [f"the mutated sync ended with {ended.report['error']}"]
    if not trial.is_statement():  # whom no gate ever lets through is looked for in any case: `World.forbidden`
        wrong += [f"{phone} was written and may not be" for phone in world.written() if phone not in expected.writable]
    wrong += _misled(world, trial, before, expected) + world.forbidden()
    world.later += 16 * 60  # a second absence sooner says nothing more
    turns, left = world.well_again(mode, expected)
    if (
        left and trial.is_statement()
    ):  # what followed from it may stand, as it would for whoever knows nothing of before
        left = world.settled(world.apart(mode))
    figures.right_after[f"{turns} syncs"] += not left
    wrong += left + world.forbidden()
    if wrong:
        raise Finding(f"{trial}, {mode}", wrong)


def _expected(world: World) -> Expected:
    return world.expected(BATCH, {}, list(busy(world.box)))


def _order(world: World, trial: Trial) -> Record:
    shop, texting = world.box.vinoshipper.control, world.box.simpletexting.control
    names = {"customer": CUSTOMER, "customers": CUSTOMER, "order": ORDER, "orders": ORDER, "receipt": ORDER}
    order: Record = {"kind": trial.kind, "path": trial.path, "op": trial.op}
    if trial.scope == ONE:
        id = texting.contact(MARISOL, TEST)["contactId"] if trial.kind in ("contact", "contacts") else ""
        order |= {"only": names.get(trial.kind, id), "count": 1}
    if trial.op == OTHER:
        others: Record = {
            "customer": shop.customer(700110),
            "customers": shop.customer(700110),
            "order": shop.order("90000000003"),
            "orders": shop.order("90000000003"),
            "receipt": {"orderNumber": "90000000003", "total": 64.25, "url": "https://receipts.example.com/other"},
            "contact": texting.contacts(TEST)[-1],
            "contacts": texting.contacts(TEST)[-1],
        }
        order["other"] = json.loads(json.dumps(others.get(trial.kind, {}), default=str))
    return order


def _misled(world: World, trial: Trial, before: dict[str, Record], expected: Expected) -> list[str]:
    wrong = []
    for phone, values in world.everybody().items():
        right, stood = expected.contacts.get(phone, {}), before.get(phone, {})
        for name, (_, now) in differences(stood, values).items():
            if now == right.get(name) or (trial.is_statement() and "dateOfBirth" not in trial.path):
                continue
            wrong.append(f"{phone} {name}: {stood.get(name)!r} became {now!r}, right is {right.get(name)!r}")
    return wrong


# --- all of them ------------------------------------------------------------------------------------------------------


def _all(world: World, trials: Iterable[Trial]) -> Structure:
    figures, began = Structure(), time.monotonic()
    wrong: list[str] = []
    for number, trial in enumerate(trials):
        try:
            meet(world, figures, trial, number)
        except Finding as finding:  # the next trial begins anew, and one unit tells all that it has found
            wrong.append(str(finding))
    if wrong:
        raise Finding(f"{len(wrong)} trials", wrong)
    figures.seconds = time.monotonic() - began
    return figures


def sample() -> list[Trial]:
    """A few, always the same ones: what real systems have been seen to do, and some by chance."""
    seen = [
        Trial("customer", "", HOLLOW, ONE),
        Trial("customer", "", ERROR, ONE),
        Trial("customer", "", OTHER, ONE),
        Trial("customer", "dateOfBirth", REMOVE, ALL),
        Trial("customers", "items.[].memberships", REMOVE, ALL),
        Trial("order", "", HOLLOW, ONE),
        Trial("order", "", OTHER, ONE),
        Trial("order", "total", "null", ONE),
        Trial("contacts", "content.[].customFields", "list", ALL),
    ]
    rest = [trial for kind, paths in keys().items() for path in paths for trial in trials_of(kind, path)]
    rest.sort(key=lambda trial: zlib.crc32(str(trial).encode()))
    asked = [trial for trial in rest if trial.kind != "contact" and trial not in seen]
    return [*seen, *asked][:SAMPLE]


def short(world: World) -> Structure:
    """A few."""
    return _all(world, sample())


def _unit(kind: str, path: str) -> Unit:
    return Unit(f"{kind} {path}".strip(), lambda opened: _all(opened(), trials_of(kind, path)))


def units() -> list[Unit]:
    """All of them, a key in each unit."""
    return [_unit(kind, path) for kind, paths in keys().items() for path in paths]


PROOF = Proof("structure", Structure, units, routes=("contacts",))
