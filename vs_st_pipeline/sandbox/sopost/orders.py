"""Keeps one brand's orders at SoPost: how they are shown, what becomes of them, and which events that makes."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Clock, iso
from vs_st_pipeline.sandbox.core.asgi import Record, merged
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

PENDING, APPROVED, REJECTED = "PENDING", "APPROVED", "REJECTED"
STAGES = ("DISPATCHED", "DELIVERED")
UNLISTED = ("WITH COURIER 7", "HANDED_TO_CONSUMER")  # words for the stages that nobody has listed


def event_id(order_id: str, word: str) -> str:
    """Return forty hex digits, always the same for one change of one order."""
    return hashlib.sha1(f"{order_id} {word}".encode(), usedforsecurity=False).hexdigest()


class Brand:
    """One merchant's account: orders, what waits to happen to them, and the events that nobody was told of."""

    def __init__(self, merchant: Merchant, part: Record, clock: Clock) -> None:
        self.merchant = merchant
        self.clock = clock
        self.orders: dict[str, Record] = part.setdefault("orders", {})
        self.hidden: set[str] = set(part.get("hidden") or ())
        self.created: dict[str, str] = dict(part.get("created") or {})
        self.organisation: str = part.get("organisation") or f"00000000-0000-4000-9000-{merchant.account:012d}"
        self.campaigns: dict[str, list[str]] = part.get("campaigns") or {}
        self.began = clock.now()
        self.reads: dict[str, int] = {}
        self.past: list[Record] = []
        self.events: list[Record] = []
        self.registered: dict[str, Record] = {}
        self.held: list[Record] = []
        self._unsent = 0
        self._world_told = False
        self._world = list(self.orders)
        self._ripe: dict[str, tuple[datetime, str]] = {}

    # What happens.

    def create(self, fields: Record, approve_after: float) -> Record:
        """Add an order; it is pending, and becomes what `status` says (APPROVED) once it was so for some seconds."""
        number = len(self.orders) + 1
        id = str(fields.get("id") or f"{self.merchant.account:08x}-0000-4000-a000-{number:012x}").lower()
        becomes = str(fields.get("status") or APPROVED)
        blank = {
            "id": id,
            "short_id": f"SP{self.merchant.account}{number:06d}",
            "activity_id": next((one for many in self.campaigns.values() for one in many), None),
            "address": {"line_1": "1 Sample Street", "town": "London", "territory": "GBR", "postcode": "N1 1AA"},
            "full_name": None,
            "email": None,
            "provider": "Form",
            "identity": hashlib.sha256(str(fields.get("email")).encode()).hexdigest(),
            "telephone": None,
            "line_items": [{"stock_partition_id": f"{self.merchant.account:08x}-0000-4000-b000-000000000001"}],
            "consents": [],
            "custom_questions": [],
        }
        self.orders[id] = merged(blank, {**fields, "id": id, "status": PENDING})
        self.created[id] = iso(self.clock.now())
        self.happened(id, PENDING)
        if becomes != PENDING:
            self._ripe[id] = (self.clock.now() + timedelta(seconds=approve_after), becomes)
        self.ripen()
        return self.orders[id]

    def ripen(self) -> None:
        """Let pending orders become what they are to be, where their time has come."""
        for id, (at, word) in list(self._ripe.items()):
            if at <= self.clock.now():
                del self._ripe[id]
                self.set_status(id, word)

    def change(self, id: str, fields: Record, replace: bool = False) -> Record:
        """Change an order; a changed status is an event."""
        before = self.orders[id]
        self.past.append(before)
        self.orders[id] = {"id": id, **fields} if replace else merged(before, fields)
        if self.orders[id].get("status") != before.get("status"):
            self._ripe.pop(id, None)
            self.happened(id, str(self.orders[id].get("status")))
        return self.orders[id]

    def set_status(self, id: str, word: str) -> Record:
        """Set an order's status."""
        return self.change(id, {"status": word})

    def advance(self, id: str) -> Record:
        """Let an order go on: pending, approved, and the stages of distribution."""
        way = (PENDING, APPROVED, *STAGES)
        at = way.index(self.orders[id]["status"]) if self.orders[id]["status"] in way else len(way)
        return self.set_status(id, way[min(at + 1, len(way) - 1)])

    def happened(self, id: str, word: str) -> None:
        """Keep an event."""
        activity = self.orders[id].get("activity_id")
        event = {"event_id": event_id(id, f"{word} {len(self.events)}"), "event": word, "order_id": id}
        self.events.append({**event, "activity_id": activity})

    def unsent(self, of_the_world: bool = True) -> list[Record]:
        """Return the events that nobody was told of, those of the world's own orders first; they count as told then."""
        self.ripen()
        found: list[Record] = []
        if of_the_world and not self._world_told:
            found = [event for id in self._world for event in self._story(id)]
            self._world_told = True
        found += self.events[self._unsent :]
        self._unsent = len(self.events)
        return found

    def _story(self, id: str) -> list[Record]:
        """Return the events by which an order of the world became what it is."""
        order = self.orders.get(id)
        if order is None:
            return []
        word = str(next((old["status"] for old in self.past if old["id"] == id), order["status"]))
        way = [PENDING] if word == PENDING else [PENDING, word]
        if word in STAGES:
            way = [PENDING, APPROVED, *STAGES[: STAGES.index(word) + 1]]
        return [
            {"event_id": event_id(id, word), "event": word, "order_id": id, "activity_id": order.get("activity_id")}
            for word in way
        ]

    # What is shown.

    def find(self, id: str) -> str | None:
        """Return the id of an order, by its id in any case."""
        return id.lower() if id.lower() in self.orders else None

    def shown(self, id: str, switches: Record) -> Record:
        """Return an order as the API shows it."""
        order = dict(self.orders[id])
        order["id"] = id.upper() if switches["id_case"] == "upper" else id
        if "status" in order:
            order["status"] = self.worded(order["status"], switches)
        if switches["order_time"] == "created_at":
            order["created_at"] = self.created.get(id) or iso(self.began)
        if order.get("consents"):
            order["consents"] = [_consent(entry, switches["consent_status"]) for entry in order["consents"]]
        elif switches["consents_key"] == "absent":
            order.pop("consents", None)
        elif switches["consents_key"] == "null":
            order["consents"] = None
        if switches["answer_shape"] == "object" and isinstance(order.get("custom_questions"), list):
            order["custom_questions"] = [_question(entry) for entry in order["custom_questions"]]
        return {"data": order} if switches["envelope"] == "data" else order

    def worded(self, word: Any, switches: Record) -> Any:
        """Return a status or an event as SoPost writes it."""
        if not isinstance(word, str):
            return word
        if word in STAGES:
            stages = switches["stages"]
            words = UNLISTED if stages == "any" else stages
            word = str(words[min(STAGES.index(word), len(words) - 1)])
        return {"upper": word, "title": word.title(), "lower": word.lower()}[switches["case"]]

    def consents(self) -> list[Record]:
        """Return every consent that any version of an order ever showed, and whether that version counts."""
        versions = (*self.past, *self.orders.values())
        approved = {order["id"] for order in versions if _word(order) in (APPROVED, *STAGES)}
        return [
            {
                "order_id": order["id"],
                "version": version,
                "counts": order["id"] in approved and _word(order) not in (PENDING, REJECTED),
                "email": order.get("email"),
                "created": self.created.get(order["id"]) or iso(self.began),
                **entry,
            }
            for version, order in enumerate(versions)
            for entry in order.get("consents") or ()
            if isinstance(entry, dict)
        ]


def _word(order: Record) -> str:
    return str(order.get("status")).strip().upper()


def _consent(entry: Any, how: str) -> Any:
    if not isinstance(entry, dict) or "status" not in entry:
        return entry
    if how == "absent":
        return {key: value for key, value in entry.items() if key != "status"}
    given = entry["status"] == APPROVED
    return {**entry, "status": how if given else str(entry["status"]).lower() if how == "approved" else entry["status"]}


def _question(entry: Any) -> Any:
    answers = entry.get("answer") if isinstance(entry, dict) else None
    return {**entry, "answer": answers[0]} if isinstance(answers, list) and len(answers) == 1 else entry
