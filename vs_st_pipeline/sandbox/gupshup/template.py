"""Keeps one template of an account: as the list shows it, as a message of it reads, and what does not fit it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.gupshup.told import Told

PLACEHOLDER = re.compile(r"\{\{(\d+)\}\}")
MOST_CHARACTERS = 1024
QUICK_REPLY = "QUICK_REPLY"
# WhatsApp refuses a value with a line break, a tab, or more than four blanks in a row.
_NO_VALUE = re.compile(r"[\n\r\t]| {5}")
_PLAIN = ("category", "languageCode", "status", "data", "templateType", "vertical", "quality")


class Template:
    """One template.

    Attributes:
        changed_at: of its last change, by the stand-in's clock; None: as it was at the start.
        known: the client has read a list since then. event: the callback that tells it.
    """

    def __init__(self, fields: Record, app_id: str, now: datetime) -> None:
        self.fields: Record = {
            "elementName": f"name_of_{fields['id']}",
            "category": "UTILITY",
            "languageCode": "en",
            "status": "APPROVED",
            "data": "",
            "templateType": "TEXT",
            "vertical": "Order update",
            "quality": "UNKNOWN",
            "header": None,
            "footer": None,
            "buttons": [],
            **fields,
        }
        self.id = str(fields["id"])
        self.app_id, self.made_at, self.modified_at = app_id, now, now
        self.changed_at: datetime | None = None
        self.known = True
        self.event: Told | None = None

    def change(self, fields: Record, now: datetime) -> None:
        """Change it, as WhatsApp or its owner does; nobody has been told yet."""
        self.fields |= fields
        self.modified_at = self.changed_at = now
        self.known = False
        self.event = None

    @property
    def status(self) -> str:
        """Return its status in capitals."""
        return str(self.fields["status"]).upper()

    @property
    def placeholders(self) -> int:
        """Return how many values it takes."""
        return len(set(PLACEHOLDER.findall(str(self.fields["data"]))))

    @property
    def buttons(self) -> list[Record]:
        """Return its buttons; a title alone is a quick reply."""
        return [one if isinstance(one, dict) else {"type": QUICK_REPLY, "text": one} for one in self.fields["buttons"]]

    @property
    def titles(self) -> list[str]:
        """Return the titles of its quick replies."""
        return [str(one["text"]) for one in self.buttons if one.get("type") == QUICK_REPLY]

    def text(self, params: Sequence[Any]) -> str:
        """Return the body as it reads; a placeholder without a value stays."""

        def value(found: re.Match[str]) -> str:
            n = int(found[1])
            return str(params[n - 1]) if 0 < n <= len(params) else found[0]

        return PLACEHOLDER.sub(value, str(self.fields["data"]))

    def fault_of(self, params: Sequence[Any], postbacks: dict[int, str]) -> str | None:
        """Say what does not fit the template; None: all fits."""
        if not all(isinstance(one, str) for one in params):
            return "a param is no text"
        if len(params) != self.placeholders:
            return f"{len(params)} params for {self.placeholders} placeholders"
        if any(not one.strip() or _NO_VALUE.search(one) for one in params):
            return "a param is empty, or has a line break, a tab or five blanks"
        if len(self.text(params)) > MOST_CHARACTERS:
            return "the body is too long"
        if any(not 0 <= index < len(self.titles) for index in postbacks):
            return "a postback for a button that is not there"
        return None

    def shown(self, case: str) -> Record:
        """Return it as the list shows it; `case` is the switch `template_case`."""
        status = self.status if case == "APPROVED" else self.status.lower()
        sample = self.text([f"sample {n}" for n in range(1, self.placeholders + 1)])
        container: Record = {"appId": self.app_id, "data": self.fields["data"], "buttons": self.buttons,
                             "sampleText": sample, "enableSample": True}  # fmt: skip
        container |= {name: self.fields[name] for name in ("header", "footer") if self.fields[name]}
        return {
            "id": self.id,
            "appId": self.app_id,
            "elementName": self.fields["elementName"],
            **{name: self.fields[name] for name in _PLAIN},
            "status": status,
            "oldCategory": None,
            "meta": json.dumps({"example": sample}),
            "containerMeta": json.dumps(container),
            "namespace": "sandbox_namespace",
            "externalId": f"9{abs(hash_of(self.id)) % 10**14:014d}",
            "wabaId": f"1{abs(hash_of(self.app_id)) % 10**14:014d}",
            "buttonSupported": "QR" if self.titles else None,
            "createdOn": _ms(self.made_at),
            "modifiedOn": _ms(self.modified_at),
            "stage": "NONE",
            "retry": 0,
            "priority": 1,
        }


def hash_of(text: str) -> int:
    """Return a number that is the same in each run."""
    return int.from_bytes(text.encode()[-8:], "big")


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
