"""Sends webhook calls of both systems: who registered, what is sent in which disorder, and the delivery log."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record, dumps

Call = tuple[str, str, Record]  # registration id, URL, body


def post(url: str, body: Record) -> int:
    """Send a webhook body by POST; return the status, 0 where no server answered."""
    request = urllib.request.Request(url, dumps(body), {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


class VsHooks:
    """The shop's webhooks of one merchant: unsigned, and without a word about whose they are."""

    def __init__(self) -> None:
        self.registered: dict[str, Record] = {}
        self.logs: list[Record] = []

    def register(self, form: Record) -> Record:
        """Register one URL for one subject."""
        id = secrets.token_hex(6)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record = {key: form.get(key) for key in ("subject", "url", "description")}
        self.registered[id] = {"id": id, **record, "createdAt": now}
        return self.registered[id]

    def logs_of(self, id: str) -> list[Record]:
        """Return the deliveries of one webhook, newest first."""
        if id not in self.registered:
            raise KeyError(id)
        return [log for log in reversed(self.logs) if log["webhookId"] == id]

    def calls(self, events: list[Record], style: str) -> list[Call]:
        """Return what is sent for these events ({identifier, subject, event}), in the given style."""
        if style == "dropped":
            return []
        if style == "reordered":
            events = events[::-1]
        if style == "duplicated":
            events = [event for event in events for _ in range(2)]
        if style == "card_declined":
            events = [{"identifier": "00000000000", "subject": "ORDER", "event": "CARD_DECLINED"}, *events]
        return [
            (hook["id"], str(hook["url"]), _vs_body(event, style))
            for event in events
            for hook in self.registered.values()
            if hook["subject"] == event.get("subject")
        ]

    def deliver(self, calls: list[Call]) -> None:
        """Send and log."""
        for id, url, body in calls:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self.logs.append({"webhookId": id, "sentAt": now, "body": body, "statusCode": post(url, body)})


def _vs_body(event: Record, style: str) -> Record:
    identifier: Any = str(event.get("identifier"))
    kind = {"ORDER": "orders", "CUSTOMER": "customers"}.get(str(event.get("subject")), "clubs/memberships")
    path = f"https://vinoshipper.com/api/v3/p/{kind}/{identifier}"
    if style == "numeric_identifier" and identifier.isdigit():
        identifier = int(identifier)
    name = "SOMETHING_NEW" if style == "unknown_event" else event.get("event", "UPDATED")
    return {
        "identifier": identifier,
        "subject": event.get("subject"),
        "event:" if style == "event_colon" else "event": name,
        "href": path.replace("v3", "v2"),
        "hrefV3": path,
    }


class StHooks:
    """The texting service's webhooks of one account."""

    def __init__(self) -> None:
        self.registered: dict[str, Record] = {}
        self.logs: list[Record] = []

    def register(self, form: Record, id: str | None = None) -> str:
        """Register a URL for some triggers, or replace a registration as a whole."""
        id = id or "61" + secrets.token_hex(11)
        keys = ("url", "triggers", "requestPerSecLimit", "accountPhone", "contactPhone")
        self.registered[id] = {"webhookId": id, **{key: form[key] for key in keys if key in form}}
        return id

    def calls(self, events: list[Record], switches: Record) -> list[Call]:
        """Return what is sent for these events ({type, values})."""
        calls = [
            (
                hook["webhookId"],
                str(hook["url"]),
                {
                    "reportId": secrets.token_hex(12),
                    "webhookId": hook["webhookId"],
                    "type": event.get("type"),
                    "values": event.get("values") or {},
                },
            )
            for event in events
            for hook in self.registered.values()
            if event.get("type") in hook["triggers"]
        ]
        if switches["webhook_duplicates"]:
            calls = [call for call in calls for _ in range(2)]
        return calls[::-1] if switches["webhook_reorder"] else calls

    def deliver(self, calls: list[Call], retry: str) -> None:
        """Send and log; where the switch says so, a call that failed is sent twice more."""
        for id, url, body in calls:
            for _ in range(1 if retry == "none" else 3):
                status = post(url, body)
                self.logs.append({"webhookId": id, "body": dict(body), "statusCode": status})
                if 200 <= status < 300:
                    break
                if retry == "new_report_id":
                    body = {**body, "reportId": secrets.token_hex(12)}
