"""Calls the control API of the stand-ins of Gupshup and Eshopbox."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vs_st_pipeline.sandbox.core.clients import Record
from vs_st_pipeline.sandbox.core.consumer_clients import AccountControl

_FIRST = "-first-"
_UNDER_WAY = ("waiting", "sending")


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
        before = len(self.deliveries())
        self.act("flush", account=account)
        until = time.monotonic() + seconds
        while True:
            calls = self.deliveries(account)
            if not any(one["state"] in _UNDER_WAY for one in calls) or time.monotonic() > until:
                return [one for one in calls if one["delivery"] > before]
            time.sleep(0.01)

    def take_callbacks(self, account: str | None = None) -> list[Record]:
        """Return what waits to be told - {account, about, body} - in the place of sending it; it counts as told."""
        found: list[Record] = self.act("take", account=account)
        return found

    def waiting(self, account: str | None = None) -> list[Record]:
        """Return what waits to be told: {account, about, body}."""
        found: list[Record] = self.report("waiting", account)
        return found

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

    def allow(self, phone: str, account: str) -> None:
        """Say that somebody may be written to though Gupshup does not know it: by an order's flag, an attestation."""
        self.act("allow", phone=phone, account=account)

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
