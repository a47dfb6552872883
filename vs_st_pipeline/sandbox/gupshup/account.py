"""Keeps one account (app) at Gupshup: its templates and users, what it sent, who wrote to it, what is to be told."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Clock, iso
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.core.sender import Call
from vs_st_pipeline.sandbox.gupshup.template import Template
from vs_st_pipeline.sandbox.gupshup.told import Told

SESSION = timedelta(hours=24)
"""How long after somebody wrote a text may be sent that is no template."""
TEMPLATE, TEXT = "template", "text"
IN, OUT = "OPT_IN", "OPT_OUT"


def digits(phone: Any) -> str:
    """Return a phone number as receipts and replies write it."""
    return str(phone).strip().removeprefix("+")


@dataclass
class Sent:
    """One call that sends: taken or refused.

    Attributes:
        at: by the stand-in's clock. arrived: epoch seconds.
        refused: the error's text. fails: code of the `failed` receipt that it gets by itself.
    """

    seq: int
    account: str
    kind: str
    at: datetime
    destination: str
    template: str | None = None
    params: list[Any] = field(default_factory=list)
    postbacks: dict[int, str] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)
    text: str | None = None
    category: str = "service"
    refused: str | None = None
    fails: int | None = None
    arrived: float = field(default_factory=time.time)
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    wa_id: str = field(default_factory=lambda: "gBEG" + uuid.uuid4().hex)
    failures: list[tuple[str, Told]] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        return self.refused is None

    def shown(self) -> Record:
        """Return it for the journal and the control API."""
        return {
            "seq": self.seq,
            "account": self.account,
            "kind": self.kind,
            "accepted": self.accepted,
            "message_id": self.message_id if self.accepted else None,
            "wa_id": self.wa_id if self.accepted else None,
            "destination": self.destination,
            "template": self.template,
            "params": self.params,
            "postbacks": {str(index): text for index, text in self.postbacks.items()},
            "text": self.text,
            "refused": self.refused,
            "fails": self.fails,
            "time": iso(self.at),
        }


class Account:
    """One account, made from what a world gives: `merchant.parts["gupshup"] = {"accounts": [part, ...]}`.

    An account that several merchants share stands with each of them and is taken once, by its id. A part has:
        id: the control API's name of it: `client:MERCHANT`, or the slug of a house account.
        app_name, app_id, api_key, number (E.164 with its plus).
        templates: {id, data, ...}, with what else differs from `Template`; `buttons` are titles of quick replies.
        users: {phone, status: OPT_IN | OPT_OUT}, as the users' list shows them.
        consents: phones that may be written though no user says so: their orders' flags do, or an attestation.
        orders: whose phone an order's number belongs to; a template that names it goes to nobody else.
        per_second: messages a second that nobody may exceed; without it: not judged.
    """

    def __init__(self, part: Record, clock: Clock) -> None:
        self.id, self.clock = str(part["id"]), clock
        self.app_name, self.app_id = str(part["app_name"]), str(part["app_id"])
        self.api_key, self.number = str(part["api_key"]), str(part["number"])
        self.per_second: float | None = part.get("per_second")
        now = clock.now()
        given = part.get("templates") or ()
        self.templates = {str(one["id"]): Template(one, self.app_id, now) for one in given}
        self.users = {digits(one["phone"]): str(one.get("status") or IN) for one in part.get("users") or ()}
        self.consents = {digits(phone) for phone in part.get("consents") or ()}
        self.orders = {str(number): digits(phone) for number, phone in (part.get("orders") or {}).items()}
        self.sent: list[Sent] = []
        self.waiting: list[Told] = []
        self.calling: list[Call] = []
        self.wrote: dict[str, list[datetime]] = {}
        """When each phone wrote, by the stand-in's clock."""
        self.outs: dict[str, list[Told]] = {}
        """What told that a phone wants no more; a later yes takes that away."""
        for phone, status in self.users.items():
            if status == OUT:
                self.outs[phone] = [Told(self.id, "listed", {})]
        self.calls = 0

    def message(self, message_id: str) -> Sent | None:
        """Return a message that was taken."""
        return next((one for one in self.sent if one.accepted and message_id in (one.message_id, one.wa_id)), None)

    def last_to(self, phone: str, kind: str | None = None) -> Sent | None:
        """Return the last message that was taken for a phone."""
        wanted = (one for one in reversed(self.sent) if one.accepted and one.destination == phone)
        return next((one for one in wanted if kind in (None, one.kind)), None)

    def in_session(self, phone: str) -> bool:
        """Say whether the phone wrote within the last 24 hours."""
        now = self.clock.now()
        return any(now - SESSION <= at <= now for at in self.wrote.get(phone, ()))

    def said_yes(self, phone: str) -> bool:
        """Say whether the phone may be written, as far as the world knows."""
        return self.users.get(phone) == IN or phone in self.consents

    def known_out(self, phone: str) -> bool:
        """Say whether the client knows that the phone wants no more."""
        return any(told.told_at is not None for told in self.outs.get(phone, ()))
