"""What the stories of route `consumers` share: a world with its settings, the real command, looks, and a judge.

The judge (`wrong`) holds of every story, whatever it is about (consumers.md section 12): the stand-ins find nothing
that no consent covers, nobody is subscribed against an opt-out, and each subscription in their books rests on exactly
one line of evidence, so that an order's consent never subscribes twice.

It is long because stories, switches and kills are told in one set of words.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.evidence_file import evidence_path
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.consumer_findings import overridden
from vs_st_pipeline.sandbox.scenarios.consumer_accounts import ACCOUNTS
from vs_st_pipeline_tests.support.commanding import Commanding
from vs_st_pipeline_tests.support.opened_files import opened

Record = dict[str, Any]

GLOW, SOAP = "glow-skin", "bare-soap"
ROUTE, SOPOST, HUBSPOT, KLAVIYO, SALESFORCE = "consumers", "sopost", "hubspot", "klaviyo", "salesforce"
CRMS = (HUBSPOT, KLAVIYO, SALESFORCE)
NEWS, TRIAL, OWN = "news", "trial", "sopost"
NAMES = ACCOUNTS[GLOW]
SUBSCRIBED = {HUBSPOT: ("subscribed", "subscription"), KLAVIYO: ("subscribe_asked", "list")}
SUBSCRIBED |= {SALESFORCE: ("member_added", "campaign")}
LISTED = ("list_added", "list")
SENT = ("accepted", "awaiting_confirmation", "unknown", "undone")
"""Outcomes of evidence after which the same consent may not be sent again (but for Klaviyo's three tries)."""


def address(text: Any) -> str:
    """Return what a person is known by."""
    return unicodedata.normalize("NFC", str(text or "")).strip().lower()


def key_of(email: str) -> str:
    """Return the key of a person: what all rows about them go by, and what stands at Salesforce."""
    return "sp_" + hashlib.sha256(address(email).encode()).hexdigest()[:40]


def consent(which: str = NEWS, status: str | None = "APPROVED", merchant: str = GLOW, **changed: Any) -> Record:
    """Return an entry of an order's consents; None leaves the status out."""
    id, name, handler = ACCOUNTS[merchant].consents[which]
    entry = {"consent_id": id, "consent_name": name, "data_handler": handler, **changed}
    return entry if status is None else {**entry, "status": status}


_WRITES = re.compile(
    r"batch/(create|update|upsert)$|statuses/batch/write$|memberships/(add|remove)$"
    r"|/profile-import$|/profile-bulk-import-jobs$|bulk-(create|delete)-jobs$|/relationships/profiles$"
    r"|/composite/sobjects(/[^/]+/[^/]+)?$"
)


def is_write(entry: Record) -> bool:
    """Say whether a request at a CRM changes something; several APIs read by POST."""
    return entry["method"] != "GET" and _WRITES.search(entry["path"]) is not None


def without_crms(*crms: str) -> Callable[[Record], None]:
    """Return what takes CRMs out of an entry, with their targets."""

    def edit(entry: Record) -> None:
        for crm in crms:
            entry.pop(crm)
            for row in entry["consumers"]["consents"]:
                row.pop(crm, None)
        kept = [row for row in entry["consumers"]["consents"] if row.get("ignore") or set(row) & set(CRMS)]
        entry["consumers"]["consents"] = kept

    return edit


@dataclass(frozen=True)
class Look:
    """What the three CRMs say of a merchant's people, by address.

    Attributes:
        status: at HubSpot, of the news subscription. contacts: HubSpot's properties. listed: on HubSpot's list.
        consent: at Klaviyo. on: Klaviyo's list id -> who is on it. awaiting: address and list, to be confirmed.
        people: Salesforce's contacts. members: of the campaign.
    """

    status: dict[str, str]
    contacts: dict[str, Record]
    listed: set[str]
    consent: dict[str, str]
    profiles: dict[str, Record]
    on: dict[str, set[str]]
    awaiting: set[tuple[str, str]]
    people: dict[str, list[Record]]
    members: set[str]

    def subscribed(self, crm: str) -> set[str]:
        """Return who is subscribed to news there, and on the list that goes with it."""
        match crm:
            case "hubspot":
                return {email for email, word in self.status.items() if word == "SUBSCRIBED"} & self.listed
            case "klaviyo":
                return self.on[NAMES.klaviyo_list] & {e for e, word in self.consent.items() if word == "SUBSCRIBED"}
        return self.members

    def known(self, crm: str) -> set[str]:
        """Return of whom there is a record."""
        match crm:
            case "hubspot":
                return set(self.contacts)
            case "klaviyo":
                return set(self.profiles)
        return set(self.people)


@dataclass
class Scene(Commanding):
    """A world, its settings and its data folder.

    Attributes:
        now: what the command takes for now; None: the clock's.
    """

    route = ROUTE

    box: Sandbox
    folder: Path
    now: datetime | None = None
    more_environment: dict[str, str] = field(default_factory=dict)
    merchant: str = GLOW
    orders: int = 0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        self.inbox = Inbox(self.data)

    # How it begins.

    def settings(self, *edits: Callable[[Record], None], **defaults: Any) -> Path:
        """Write the merchants file; edits are of this merchant's entry, the rest goes into `defaults`."""
        quick = {"give_up_after": "2s", "klaviyo": {"batch_wait": "2s", "requests_per_second": 500}}
        path = self.box.write_settings(self.folder, **{**quick, **defaults})
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in whole["merchants"]:
            if entry["id"] == self.merchant:
                for edit in edits:
                    edit(entry)
        path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        return path

    def begin(self) -> None:
        """Begin in a world as it was at its start, with no event told."""
        self.box.reset()
        self.now = None

    # What happens.

    def order(self, email: str | None, *consents: Any, told: bool = True, event: str = "APPROVED", **more: Any) -> str:
        """Let somebody order, with the consent for news where none is named (`None`: without any); tell of it."""
        self.orders += 1
        given = [] if consents == (None,) else list(consents) or [consent(merchant=self.merchant)]
        fields = {"full_name": "Ada Lovage", "email": email, "consents": given, **more}
        made: Record = self.box.sopost.control.create(self.merchant, **fields)
        id = str(made["id"])
        if told:
            self.tell(id, event)
        return id

    def tell(self, order_id: str, event: str = "APPROVED", *, times: int = 1, **more: Any) -> None:
        """Put an event where the receiver puts it, as the connector understands it."""
        body = {"event_id": f"{order_id} {event}", "event": event, "order_id": order_id}
        body |= {"activity_id": NAMES.activities[0], **more}
        self.receive(*[json.dumps(body).encode()] * times)

    def tell_all(self) -> None:
        """Tell of all that SoPost's webhooks would have told so far."""
        events = [event for order in self.box.sopost.control.orders(self.merchant) for event in _story(order)]
        self.receive(*(json.dumps(event).encode() for event in events))

    def receive(self, *bodies: bytes) -> None:
        """Put bodies of webhooks into the inbox."""
        hooks = next(one.hooks for one in CONNECTORS if one.name == SOPOST)
        assert hooks is not None
        at = (self.now or datetime.now(UTC)).isoformat()
        calls = [call for body in bodies for call in hooks.read(body)]
        self.inbox.put([Arrival(self.merchant, SOPOST, call, (ROUTE,), at) for call in calls])
        self.inbox.close()

    def later(self, **gap: float) -> None:
        """Let time go by, here and at the stand-ins."""
        seconds = timedelta(**gap).total_seconds()
        self.now = (self.now or datetime.now(UTC)) + timedelta(seconds=seconds)
        for handle in self.box.running.values():
            handle.control.move_clock(seconds)

    # The command.

    def clock(self) -> datetime | None:
        """What the command is to take for now; None: the machine's time."""
        return self.now

    # What came of it.

    def look(self) -> Look:
        """Look at all three CRMs, past their APIs."""
        hubspot, klaviyo = self.box.hubspot.control, self.box.klaviyo.control
        salesforce, merchant, names = self.box.salesforce.control, self.merchant, ACCOUNTS[self.merchant]
        contacts = {one["id"]: one["properties"] for one in hubspot.all("contacts", merchant)}
        news = str(names.subscriptions[0])
        rows = {address(one["email"]): one for one in hubspot.all("subscriptions", merchant)}
        on_list = hubspot.report("members", merchant)[merchant].get(names.hubspot_list, ())
        profiles = {one["id"]: one for one in klaviyo.all("profiles", merchant)}
        emails = {id: address(one["attributes"]["email"]) for id, one in profiles.items()}
        on = klaviyo.report("members", merchant)[merchant]
        people: dict[str, list[Record]] = {}
        rows_of = salesforce.all("contacts", merchant)
        for one in rows_of:
            if not one.get("IsDeleted"):
                people.setdefault(address(one["Email"]), []).append(one)
        by_id = {one["Id"]: address(one["Email"]) for one in rows_of}
        members = [one for one in salesforce.all("members", merchant) if not one.get("IsDeleted")]
        return Look(
            status={e: row[news]["status"] for e, row in rows.items() if news in row},
            contacts={address(one.get("email")): one for one in contacts.values()},
            listed={address(contacts[id].get("email")) for id in on_list if id in contacts},
            consent={emails[id]: one["marketing"]["consent"] for id, one in profiles.items()},
            profiles={emails[id]: one for id, one in profiles.items()},
            on={
                list_id: {emails[id] for id in on.get(list_id, ())}
                for list_id in (names.klaviyo_list, names.klaviyo_trial)
            },
            awaiting={(emails[one["id"]], one["list"]) for one in klaviyo.report("awaiting", merchant)},
            people=people,
            members={by_id[one["ContactId"]] for one in members if one["CampaignId"] == names.campaign},
        )

    def books(self, crm: str) -> list[Record]:
        """Return what the API did to this merchant's people at a CRM."""
        found: list[Record] = self.box.running[crm].control.books(self.merchant)
        return found

    def journal(self, system: str) -> list[Record]:
        """Return requests of this merchant to a system."""
        found: list[Record] = self.box.running[system].control.journal(self.merchant)
        return found

    def clear_journals(self) -> None:
        """Forget all requests so far."""
        for handle in self.box.running.values():
            handle.control.clear_journal()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Record]:
        """Return rows of the route's file, as objects."""
        with opened(self.data, self.merchant, ROUTE) as db:
            names = [row[0] for row in db.rows(f"describe {sql}", values)]
            return [dict(zip(names, row, strict=True)) for row in db.rows(sql, values)]

    def evidence(self, email: str | None = None, crm: str | None = None) -> list[Record]:
        """Return the evidence, oldest first; of an address, of a CRM."""
        if not warehouse_at(self.data).file(self.merchant, ROUTE).exists():
            return []
        found = self.rows("select * from synced.consent_evidence order by sent_at, evidence_id")
        wanted = key_of(email) if email else None
        return [one for one in found if wanted in (None, one["key"]) and crm in (None, one["crm"])]

    def evidence_lines(self) -> list[Record]:
        """Return the lines of the evidence file (R35)."""
        path = evidence_path(self.data / "merchants" / self.merchant, ROUTE)
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wrong(self) -> list[str]:
        """Return what no story may ever leave behind; nothing, if all is well."""
        found = [f"a finding: {one}" for one in self.box.findings()]
        found += [f"against an opt-out: {one}" for one in overridden(self.box.running)]
        rows = self.evidence()
        found += _twice(rows)
        for crm in CRMS:
            found += _unlike_books(crm, self.books(crm), [one for one in rows if one["crm"] == crm])
        return found


def _twice(rows: Iterable[Record]) -> list[str]:
    """Return consents of orders that were sent more than once for one target."""
    named = Counter(
        (one["crm"], one["order_id"], one["consent_id"], one["data_handler"], one["target"])
        for one in rows
        if one["action"] == "subscribe" and one["outcome"] in SENT
    )
    return [f"{times} lines of evidence for {what}" for what, times in named.items() if times > 1]


def _unlike_books(crm: str, books: Iterable[Record], rows: Sequence[Record]) -> list[str]:
    """Return subscriptions and list members in a CRM's books that no evidence is for, or too many of them."""
    what, target = SUBSCRIBED[crm]
    asked: Counter[tuple[str, str]] = Counter()
    found = []
    for entry in books:
        if entry["what"] == what:
            asked[key_of(entry["email"]), str(entry[target])] += 1
        elif entry["what"] == LISTED[0]:
            list_id, key = str(entry[LISTED[1]]), key_of(entry["email"])
            named = [one for one in rows if one["key"] == key and list_id in (one["target"], *_lists(one))]
            if not any(one["action"] in ("subscribe", "add_to_list") for one in named):
                found.append(f"{crm}: no evidence for {entry}")
    allowed: Counter[tuple[str, str]] = Counter()
    for one in rows:
        if one["action"] == "subscribe":
            allowed[one["key"], one["target"]] += int(one["tries"])
    found += [f"{crm}: {key} was subscribed {n} times, evidence is for {allowed[key]}" for key, n in asked.items()
              if n > allowed[key]]  # fmt: skip
    return found


def _lists(row: Record) -> list[str]:
    return [str(one) for one in json.loads(row["lists"] or "[]")]


def _story(order: Record) -> list[Record]:
    """Return the events by which an order became what it is."""
    word = str(order["status"])
    way = [word] if word == "PENDING" else ["PENDING", word]
    if word in ("DISPATCHED", "DELIVERED"):
        way = ["PENDING", "APPROVED", word]
    id, activity = order["id"], order.get("activity_id")
    return [{"event_id": f"{id} {one}", "event": one, "order_id": id, "activity_id": activity} for one in way]
