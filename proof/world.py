"""A world of the sandbox, what happens in it, what it must come to, and everything that must never be."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proof.forks import Ended, Forks
from vs_st_pipeline.connectors.simpletexting.batch import NOT_APPLIED
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.diff import LedgerEntry, is_normalized_form
from vs_st_pipeline.domain.field_map import MapField
from vs_st_pipeline.domain.hints import CONTACT, Call
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE
from vs_st_pipeline.platform.warehouse.keys import KEY
from vs_st_pipeline.routes.contacts.map_file import load_field_map
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.opened_files import opened
from vs_st_pipeline_tests.support.story import (
    BRAM,
    FFION,
    HALLORANS,
    MARISOL,
    NOW_AND_ALWAYS,
    ODALYS,
    PIPER,
    RENSKE,
    STRANGER,
    TEST,
    TOBIAS,
    WANDA,
    Record,
    differences,
    says,
)

SINGLY, BATCH = "one by one", "by batch"
MODES = (SINGLY, BATCH)
LINNEA = "7075550152"  # a customer without a contact
ID_OF = {MARISOL: 700101, ODALYS: 700111, BRAM: 700103, HALLORANS: 700105, FFION: 700110, RENSKE: 700108}
NEVER = (PIPER, TOBIAS, WANDA, STRANGER)
CLUBS = ("Hillside Six", "Reserve", "Hillside Six Magnum")
CITIES = ("Sebastopol", "Sebastopol West", "Napa", "Elk", "")
WAITS = (0, 16 * 60, 26 * 3600, 28 * 3600)
"""Seconds between the syncs that put all right: `World.well_again`."""
IN_OUTBOX = "in the outbox still"

Happening = tuple[str, ...]
"""What happens in the world: a word and its arguments, all text, so that a trial can be told in one line."""


def told(counter: Counter[str]) -> str:
    """Counts in words, the greatest first."""
    return ", ".join(f"{count} {what}" for what, count in counter.most_common())


@dataclass(frozen=True)
class State:
    """Everything that a trial begins with: the data folder and the contacts."""

    data: Path
    contacts: list[Record]


@dataclass
class Finding(AssertionError):
    """What must not be was."""

    trial: str
    wrong: list[str]

    def __str__(self) -> str:
        return "\n  ".join([f"{self.trial}:", *self.wrong])


@dataclass
class World:
    """One winery of the sandbox, its settings, and how to sync it."""

    box: Sandbox
    forks: Forks
    folder: Path
    states: dict[str, State] = field(default_factory=dict)
    known: dict[str, Expected] = field(default_factory=dict)
    data: Path = field(init=False)
    deleted: set[str] = field(default_factory=set)  # phones whose contact somebody deleted
    edited: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)  # ids of contacts that somebody deleted
    later: float = 0.0  # seconds that the clock of all rules about dates is ahead (`VS_ST_NOW`)

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        for mode in MODES:
            few = 100 if mode == SINGLY else 2
            self.box.write_settings(
                self.folder / mode,
                give_up_after="2s",
                vinoshipper={
                    "refresh": {**NOW_AND_ALWAYS, "reconcile": "24h"},
                    "requests_per_second": 100_000,
                    "history_from": "2025-01-01",
                },
                simpletexting={
                    "full_read": "0s",
                    "batch_wait": "6s",  # nominal: the waits are shorter here, their sum is counted as it is
                    "write_one_by_one_up_to": few,
                    "requests_per_second": 100_000,
                },
            )
        merchant = read_merchants(self.settings(SINGLY), {}).merchants[0]
        self.fields: dict[str, MapField] = {row.to: row for row in load_field_map(merchant).fields}

    def settings(self, mode: str) -> Path:
        return self.folder / mode / "merchants.yaml"

    def sync(self, mode: str, **how: Any) -> Ended:
        """Sync; what a person allows is what the sync before was refused for, so that may take three."""
        for _ in range(3 if how.get("allow_unsafe") else 1):
            ended: Ended = self.forks.sync(self.settings(mode), self.data, TEST, **{"later": self.later, **how})
            if ended.kind != "unsafe":
                break
        return ended

    # How it begins.

    def begin(self, mode: str) -> None:
        """As after a first good sync."""
        if mode not in self.states:
            self.begin_anew()
            ended = self.sync(mode)
            assert ended.status == "ok", ended
            keep = Path(tempfile.mkdtemp(prefix="synced-", dir=self.folder))
            shutil.copytree(self.data, keep / "data")
            self.states[mode] = State(keep / "data", self.box.simpletexting.control.contacts(TEST))
        state = self.states[mode]
        self.begin_anew()
        shutil.copytree(state.data, self.data)
        for contact in state.contacts:
            self.box.simpletexting.control.call(
                "PUT", f"records/contacts/{contact['contactId']}", contact, merchant=TEST, touch="false"
            )

    def begin_anew(self) -> None:
        """As before the first sync."""
        self.box.reset()
        self.forget()
        self.deleted, self.edited, self.gone, self.later = set(), set(), set(), 0.0

    def forget(self) -> None:
        """The data folder is lost."""
        shutil.rmtree(self.data, ignore_errors=True)

    def clear_journal(self) -> None:
        self.box.simpletexting.control.clear_journal()

    # What happens.

    def happen(self, what: Happening) -> None:
        """Carry it out; what cannot be done any more (a contact that is gone) is left."""
        shop, texting = self.box.vinoshipper.control, self.box.simpletexting.control
        word, *more = what
        there = {contact["contactPhone"]: contact for contact in texting.contacts(TEST)}
        if word in ("edit", "opt out", "opt in", "delete", "rejoin", "vanish") and more[0] not in there:
            return
        match word, more:
            case "order", [phone, number, total, at]:
                if number not in {order["orderNumber"] for order in shop.orders(TEST)}:
                    shop.add_order(ID_OF[phone], orderNumber=number, purchasedAt=at, total=total, cartType="WEB")
            case "stage", [number, stage]:
                if number in {order["orderNumber"] for order in shop.orders(TEST)}:
                    shop.patch_order(number, orderStatus=stage)
            case "city", [phone, city]:
                shop.patch_customer(ID_OF[phone], shippingAddress={"city": city or None})
            case "club", [phone, club]:
                if club not in {m["clubName"] for m in shop.customer(ID_OF[phone])["memberships"]}:
                    shop.add_membership(ID_OF[phone], clubName=club, dateJoined="2026-05-05")
            case "leave clubs", [phone]:
                for membership in shop.memberships(TEST):
                    if membership["customerId"] == ID_OF[phone]:
                        shop.patch_membership(membership["id"], cancelled=True)
            case "edit", [phone, key, value]:
                self.edited.add(phone)
                fields: Record = {key: value} if key == "firstName" else {"customFields": {key: value}}
                texting.patch_contact(phone, TEST, **fields)
            case "opt out", [phone]:
                texting.opt_out(phone, TEST)
            case "opt in", [phone]:
                texting.patch_contact(phone, TEST, subscriptionStatus="OPT_IN")
            case "join", [phone]:
                if phone not in there:
                    texting.add_contact(phone, TEST)
            case "delete" | "rejoin", [phone]:
                self.deleted.add(phone)
                self.gone.add(there[phone]["contactId"])
                texting.delete_contact(phone, TEST)
                if word == "rejoin":
                    texting.add_contact(phone, TEST)
            case "vanish", [phone]:
                self.deleted.add(phone)
                self.gone.add(there[phone]["contactId"])
                change = {"kind": "contacts", "op": "delete", "id": there[phone]["contactId"]}
                texting.add_hook(change, on="write", nth=1, merchant=TEST)
            case "hint", [kind, record_id]:
                is_contact = kind == CONTACT  # which is named by its phone
                system = SIMPLETEXTING if is_contact else VINOSHIPPER
                call = Call(kind, None if is_contact else record_id, record_id if is_contact else None, "UPDATED")
                Inbox(self.data).put([Arrival(TEST, system, call, (DEFAULT_ROUTE,), "2026-11-29T12:00:00Z")])
            case _:
                raise ValueError(what)

    # What it must come to.

    def expected(self, mode: str, switches: Record, happenings: list[Happening]) -> Expected:
        """What an undisturbed sync that knows nothing of before makes of the same world; found once."""
        key = json.dumps([mode, switches, happenings], sort_keys=True)
        if key not in self.known:
            self.known[key] = self._found(mode, switches, happenings)
        return self.known[key]

    def _found(self, mode: str, switches: Record, happenings: list[Happening]) -> Expected:
        self.begin(mode)
        self.box.simpletexting.control.set_switches(switches)
        for what in happenings:
            self.happen(("delete", *what[1:]) if what[0] == "vanish" else what)
        return self.reached_from_scratch(mode)

    def reached_from_scratch(self, mode: str) -> Expected:
        """The same for the world as it stands; the world is left as it then is."""
        self.forget()
        for _ in range(3):  # a service that sets a limit may want more than one
            ended = self.sync(mode)
            if ended.status == "ok":
                break
        else:
            raise Finding("the undisturbed sync from scratch", [str(ended)])
        with opened(self.data, TEST) as db:
            rows = db.rows("select phone from planned.targets where subject_id is not null and held is null")
        return Expected(self.everybody(), {row[0] for row in rows})

    def apart(self, mode: str) -> Expected:
        """What a sync from scratch makes of the world as it stands, beside the data folder that is kept."""
        kept = self.folder / "kept"
        self.data.rename(kept)
        try:
            return self.reached_from_scratch(mode)
        finally:
            self.forget()
            kept.rename(self.data)

    def well_again(self, mode: str, expected: Expected, fine: Collection[str] = ("ok",)) -> tuple[int, list[str]]:
        """Sync, with time passing between, until all is right: after how many, and what is wrong after the last.

        Before each sync but the first the clock moves on: past a second absence, a second null, and growing gaps.
        """
        left: list[str] = []
        for turn, waited in enumerate(WAITS, start=1):
            self.later += waited
            ended = self.sync(mode, allow_unsafe=True)
            left = self.settled(expected) + ([] if ended.status in fine else [str(ended)])
            if not left:
                return turn, []
        return len(WAITS), left

    def everybody(self) -> dict[str, dict[str, str]]:
        """What all contacts say, by phone."""
        texting = self.box.simpletexting.control
        labels = {row["mergeTag"]: row["label"] for row in texting.custom_fields(TEST)}
        return {
            contact["contactPhone"]: {
                **says(contact, labels),
                "status": contact["subscriptionStatus"],
                "comment": contact["comment"] or "",
                "lists": json.dumps(contact["lists"]),
            }
            for contact in texting.contacts(TEST)
        }

    # What must never be.

    def forbidden(self) -> list[str]:
        """What no sync may ever leave behind, disturbed or not."""
        texting = self.box.simpletexting.control
        there = {contact["contactId"] for contact in texting.contacts(TEST)}
        wrong = [f"{phone} was written, which no truth allows" for phone in self.written() if phone in NEVER]
        wrong += [f"violation {entry}" for entry in texting.violations(TEST) if entry["told"] != "OPT_IN"]
        doubted = self._doubted()
        wrong += [
            f"made {entry}"
            for entry in texting.created(TEST)
            if entry["contact_id"] in there and entry["phone"] not in doubted
        ]
        wrong += [
            f"lost {loss}"
            for loss in texting.lost(TEST)
            if not (loss.endswith(": contact") and loss.split()[1].rstrip(":") in self.gone)
        ]
        return wrong

    def settled(self, expected: Expected) -> list[str]:
        """What an undisturbed sync must leave: everything as expected, and nothing open."""
        now = self.everybody()
        doubted = self._doubted()
        wrong = [
            f"{phone} differs from what is expected: {different}"
            for phone in sorted({*expected.contacts, *now})
            if phone not in doubted and (different := differences(expected.contacts.get(phone, {}), now.get(phone, {})))
        ]
        with opened(self.data, TEST) as db:
            # A contact that is gone while its batch may still come is looked for a day longer, by design: `settle`.
            outstanding = db.rows(
                """select send_id, id, call, evidence
                   from synced.writes left join raw.simpletexting_contacts on contact_id = id
                   where outcome is null and not (call = 'batch_update' and coalesce(gone, false))"""
            )
        wrong += [f"{IN_OUTBOX} {row}" for row in outstanding]
        return wrong + self.unlike_history() + self._unlike_ledger(expected)

    def _doubted(self) -> set[str]:
        """Phones of contacts that we may have made: they are left alone, and told of."""
        there = {row["contactId"]: row["contactPhone"] for row in self.box.simpletexting.control.contacts(TEST)}
        with opened(self.data, TEST) as db:
            return {there[ref.id] for ref in ledger.read_doubted(db) if ref.id in there}

    def held(self, phone: str) -> str | None:
        """Why the last plan holds the contact with this phone back; None where it does not."""
        with opened(self.data, TEST) as db:
            found = db.value("select max(held) from planned.targets where phone = ?", [phone])
        return None if found is None else str(found)

    def waiting(self) -> set[str]:
        """Phones of contacts whose values a batch took and never showed: told of, and tried after growing gaps."""
        there = {row["contactId"]: row["contactPhone"] for row in self.box.simpletexting.control.contacts(TEST)}
        with opened(self.data, TEST) as db:
            rows = db.rows("select id from synced.rejects where code = ? and next_at > last_at", [NOT_APPLIED])
        return {there[row[0]] for row in rows if row[0] in there}

    def _ledger(self) -> dict[tuple[Ref, str], LedgerEntry]:
        with opened(self.data, TEST) as db:
            rows = db.rows(f"select {KEY}, field, sent, stored, before, resent, put_back from synced.ledger")
        return {(Ref(*row[:3]), row[3]): LedgerEntry(row[4], row[5], row[6] or "", *row[7:]) for row in rows}

    def unlike_history(self) -> list[str]:
        """Where the ledger is not what its history tells."""
        kept = self._ledger()
        with opened(self.data, TEST) as db:
            again = ledger.replay(db)
        return [
            f"the history tells {again.get(key)} of {key}, the ledger {kept.get(key)}"
            for key in sorted({*kept, *again})
            if kept.get(key) != again.get(key)
        ]

    def _unlike_ledger(self, expected: Expected) -> list[str]:
        texting = self.box.simpletexting.control
        tags = {row["label"]: row["mergeTag"] for row in texting.custom_fields(TEST)}
        live = {contact["contactId"]: contact for contact in texting.contacts(TEST)}
        wrong = []
        for (contact_id, name), entry in self._ledger().items():
            contact, row = live.get(contact_id), self.fields[name]
            if contact is None or row.policy != "mirror":
                continue
            phone = contact["contactPhone"]
            if phone in self.edited and phone not in expected.writable:
                continue  # edited and then held: nobody may put it back
            stands = contact[name] if row.kind == "builtin" else contact["customFields"].get(tags[name])
            same = stands == entry.stored if entry.stored else (stands or "") in (entry.sent, entry.stored or "")
            if not same and not (entry.stored is None and stands and is_normalized_form(entry.sent, stands)):
                wrong.append(f"the ledger has {entry} of {phone} {name!r}, there stands {stands!r}")
        return wrong

    def written(self) -> Counter[str]:
        """How often each contact was sent something since the journal was cleared, by phone."""
        counts: Counter[str] = Counter()
        for entry in self.box.simpletexting.control.journal(TEST):
            if entry["method"] in ("PUT", "POST") and isinstance(entry["body"], dict):
                counts.update(update["contactPhone"] for update in entry["body"].get("updates", [entry["body"]]))
        return counts

    def tries_lost(self) -> int:
        """Writes that met a fault, and are tried again by the very request."""
        journal = self.box.simpletexting.control.journal(TEST)
        return sum(bool(entry["fault"]) for entry in journal if entry["method"] in ("PUT", "POST"))

    def outcomes(self) -> Counter[str]:
        """What became of all that was sent."""
        with opened(self.data, TEST) as db:
            return Counter(dict(db.rows("select outcome, count(*) from synced.writes group by 1")))

    def made(self) -> int:
        """Contacts that writes of ours made, and that are gone again."""
        return len(self.box.simpletexting.control.created(TEST))


@dataclass(frozen=True)
class Expected:
    """What the contacts must come to say, by phone, and whom a sync may write."""

    contacts: dict[str, dict[str, str]]
    writable: set[str]


def happenings(seed: int, count: int, at: str) -> list[Happening]:
    """Some things that happen; the same seed, the same things.

    Args:
        at: ISO time of the orders.
    """
    chance = random.Random(seed)
    found: list[Happening] = []
    for number in range(count):
        phone = chance.choice(sorted(ID_OF))
        kinds: list[Happening] = [
            ("order", phone, f"NEW{number}", f"{chance.randrange(10, 900)}.00", at),
            ("order", phone, f"NEW{number}", f"{chance.randrange(10, 900)}.00", at),
            ("stage", "TW 2026/0007", chance.choice(("SHIPPED", "DELIVERED", "CANCELLED"))),
            ("city", phone, chance.choice(CITIES)),
            ("city", phone, chance.choice(CITIES)),
            ("club", phone, chance.choice(CLUBS)),
            ("club", phone, chance.choice(CLUBS)),
            ("leave clubs", phone),
            ("edit", phone, "city", chance.choice((*CITIES, "Edited There"))),
            ("edit", phone, "lifetime_value", "7"),
            ("edit", phone, "firstName", chance.choice(("", "Zed"))),
            ("opt out", phone),
            ("join", LINNEA),
            ("delete", phone),
            ("rejoin", phone),
            ("vanish", phone),
        ]
        found.append(chance.choice(kinds))
    return found
