"""Calls the control API of the stand-ins of Gupshup and Eshopbox."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from vs_st_pipeline.sandbox.core.clients import Record
from vs_st_pipeline.sandbox.core.consumer_clients import AccountControl

_FIRST = "-first-"


class GupshupControl(AccountControl):
    """Control of Gupshup's stand-in; what other controls call a merchant is an account here.

    Where an account may be left out, it is the message's own, or the one that wrote last to the phone.
    """

    def __init__(self, url: str, first_merchant: str, trusted: Path | None = None) -> None:
        super().__init__(url, _FIRST, trusted)
        self._accounts: list[str] | None = None

    def accounts(self) -> list[str]:
        """Return the ids of all accounts."""
        if self._accounts is None:
            self._accounts = [str(one["id"]) for one in self.call("GET", "merchants")]
        return self._accounts

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Send one control request; the first account is asked for by its name, which only the stand-in knows."""
        if query.get("merchant") == _FIRST:
            query["merchant"] = self.accounts()[0]
        return super().call(method, path, body, **query)

    def keys(self, merchant: str | None = None) -> Record:
        """Return an account's `app_name`, `app_id`, `api_key`, `number`, `callback_url`."""
        return super().keys(merchant or self.accounts()[0])

    # Callbacks.

    def set_callback_url(self, account: str, url: str) -> None:
        """Tell where an account's callbacks go; it outlives a reset."""
        self.act("callback_url", account=account, url=url)

    def flush_callbacks(self, account: str | None = None, seconds: float = 10) -> list[Record]:
        """Send what waits to be told, and wait for it; return the calls (as `deliveries` does) that were made.

        Args:
            seconds: how long to wait at most: under `callback_retry` until_2xx a call may never end.
        """
        before = self.act("flush", account=account)["before"]
        until = time.monotonic() + seconds
        while self.report("under_way", account) and time.monotonic() < until:
            time.sleep(0.01)
        return [one for one in self.deliveries(account) if one["delivery"] > before]

    def take_callbacks(self, account: str | None = None) -> list[Record]:
        """Return what waits to be told - {account, about, body} - in the place of sending it; it counts as told."""
        found: list[Record] = self.act("take", account=account)
        return found

    def waiting(self, account: str | None = None) -> list[Record]:
        """Return what waits to be told: {account, about, body}."""
        found: list[Record] = self.report("waiting", account)
        return found

    def tell(self, account: str, body: Any) -> None:
        """Let a callback come that is of no kind below: another app's, of no known type, a text that is no JSON."""
        self.act("tell", account=account, body=body)

    # What people and WhatsApp do.

    def receipts(
        self,
        message_id: str,
        types: Sequence[str],
        *,
        code: int | str | None = None,
        reason: str | None = None,
        at: str | None = None,
    ) -> Record:
        """Let receipts of a message come, in the place of `enqueued sent delivered read`, which come by themselves.

        Args:
            types: enqueued, sent, delivered, read, failed, deleted; none: it gets no receipt at all.
            code, reason: of a `failed` one (131026). at: ISO with its offset, for all of them; None: now.
        """
        found: Record = self.act("receipts", message_id=message_id, types=list(types), code=code, reason=reason, at=at)
        return found

    def reply(
        self,
        phone: str,
        kind: str,
        text: str | None = None,
        button: str | int | None = None,
        to: str | None = None,
        *,
        account: str | None = None,
        at: str | None = None,
        id: str | None = None,
        who: str | None = None,
    ) -> Record:
        """Let somebody write: {account, id, callbacks}.

        Args:
            kind: text, button, list_reply, image, file, audio, video, sticker, location, contact.
            text: of a text, or a caption. button: title or index of the message's quick reply; None: the first.
            to: message id that it answers; None: a tap is on the last template to the phone, anything else on nothing.
            id: of the person's own message, to write the same twice. who: what WhatsApp calls the person.
        """
        said: Record = {"text": text, "button": button, "to": to, "account": account, "at": at, "id": id, "who": who}
        found: Record = self.act("reply", phone=phone, kind=kind, **said)
        return found

    def opt_in(self, phone: str, account: str | None = None) -> Record:
        """Let somebody opt in: the users' list shows it, and a user-event tells it."""
        found: Record = self.act("opt_in", phone=phone, account=account)
        return found

    def opt_out(self, phone: str, account: str | None = None) -> Record:
        """Let somebody opt out: the users' list shows it, and a user-event tells it."""
        found: Record = self.act("opt_out", phone=phone, account=account)
        return found

    def allow(self, phone: str, account: str | None = None, orders: Sequence[str] = ()) -> None:
        """Say that somebody may be written to though Gupshup does not know it: by an order's flag, an attestation.

        Args:
            account: None: all of them.
            orders: numbers of this person's orders: a template that names one goes to nobody else (`wrong_person`).
        """
        self.act("allow", phone=phone, account=account, orders=list(orders))

    def set_template(self, id: str, account: str | None = None, **fields: Any) -> Record:
        """Change a template: `status`, `category`, `data`, `buttons`, `header`, ...; an event tells the first two."""
        found: Record = self.act("set_template", id=id, account=account, **fields)
        return found

    def expect_repeat(self, phone: str) -> None:
        """Let what a phone got come again without being `twice`: it has happened anew, or a person wants it so."""
        self.act("expect_repeat", phone=phone)

    # What came of it.

    def sends(
        self, account: str | None = None, *, accepted: bool | None = True, kind: str | None = None
    ) -> list[Record]:
        """Return the calls that send, oldest first.

        Each is {seq, account, kind, accepted, message_id, wa_id, destination, template, params, postbacks, text,
        refused, fails, time}.

        Args:
            accepted: those that were taken, or refused; None: all.
            kind: `template` or `text` (a session message); None: both.
        """
        found: list[Record] = self.report("sends", account)
        return [one for one in found if accepted in (None, one["accepted"]) and kind in (None, one["kind"])]


class EshopboxControl(AccountControl):
    """Control of Eshopbox's stand-in; an order is named by its customerOrderNumber."""

    def orders(self, merchant: str | None = None) -> list[Record]:
        """Return all orders, as they are kept: times in UTC, phones in E.164."""
        return self.all("orders", merchant)

    def find(self, number: str, merchant: str | None = None) -> Record:
        """Return one order."""
        return self.one("orders", number, merchant)

    def order(self, merchant: str | None = None, **fields: Any) -> Record:
        """Add an order, placed now unless `placed` says otherwise; a hook of its first shipment waits to be sent.

        Args:
            fields: `number`, `placed` (ISO), `name`, `phone` (E.164), `whatsapp` (the flag; None: absent), `address`,
                `items`, `shipments`, `returns` as `parcels_model.order_of` takes them, and keys of the detail itself.
        """
        found: Record = self.call("POST", "order", fields, merchant=merchant or self.first_merchant)
        return found

    def advance(
        self,
        order: str,
        status: str,
        merchant: str | None = None,
        *,
        at: datetime | str | None = None,
        shipment: str | None = None,
        resource: str = "shipment",
        **more: Any,
    ) -> Record:
        """Let a parcel reach a status, in Eshopbox's words; a read shows it, and a hook waits to be sent.

        Args:
            at: when; the stand-in's present. shipment: id of the shipment or return; the first one.
            resource: `shipment`, or `returnShipment` (whose `created` makes a new one).
            more: `hook` (False: none is told), `reason` and `resolutions` of a failure; of a new return `lines`,
                `refundAmount`, `returned` (what became of each item, by line).
        """
        when = at.isoformat() if isinstance(at, datetime) else at
        found: Record = self.act(
            "advance", merchant, order=order, status=status, at=when, shipment=shipment, resource=resource, **more
        )
        return found

    def change(self, number: str, fields: Record, merchant: str | None = None) -> Record:
        """Change what an order says, which no hook tells."""
        return self.patch("orders", number, fields, merchant)

    def begin_hooks(self, url: str, header_value: str = "", merchant: str | None = None, tries: int = 3) -> None:
        """Tell where a workspace's hooks go, and what its registration's header says; it outlives a reset."""
        self.act("hooks_at", merchant, url=url, header_value=header_value, tries=tries)

    def send_hooks(self, order: str | None = None, merchant: str | None = None) -> int:
        """Send the hooks of an order that nobody was sent yet, or all; return the number of calls."""
        return int(self.act("send_hooks", merchant, order=order)["calls"])

    def take_hooks(self, order: str | None = None, merchant: str | None = None) -> list[Record]:
        """Return the hooks of an order, or all, in the place of sending them: {headers, body}."""
        found: list[Record] = self.act("take_hooks", merchant, order=order)
        return found

    def untold(self, merchant: str | None = None) -> list[Record]:
        """Return the hooks that nobody was sent yet: {merchant, order, resource, status, parcel}."""
        found: list[Record] = self.report("untold", merchant)
        return found

    def resolutions(self, merchant: str | None = None) -> list[Record]:
        """Return the calls of ndrResolution as the journal has them, and what each did: submitted, refused, null."""
        found: list[Record] = self.report("resolutions", merchant)
        return found

    def token_requests(self, merchant: str | None = None) -> int:
        """Return how often a workspace's client asked for a token."""
        return int(self.report("token_requests", merchant or self.first_merchant)[merchant or self.first_merchant])

    def expire_tokens(self, merchant: str | None = None) -> None:
        """Let all access tokens of a workspace end."""
        self.act("expire", merchant)
