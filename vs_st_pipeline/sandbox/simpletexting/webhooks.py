"""Registers and calls a texting account's webhooks: one report a call, unsigned, with an id of its own."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, dumps, json_answer
from vs_st_pipeline.sandbox.core.sender import Call, Sender
from vs_st_pipeline.sandbox.simpletexting.account import digits_of, now_text
from vs_st_pipeline.sandbox.simpletexting.errors import invalid, missing

INCOMING, UNSUBSCRIBED, PHONE_CHANGED = "INCOMING_MESSAGE", "UNSUBSCRIBE_REPORT", "CONTACT_PHONE_UPDATE"
NEWER = (PHONE_CHANGED, "OPENING_A_CONVERSATION", "CLOSING_A_CONVERSATION")
TRIGGERS = (INCOMING, "OUTGOING_MESSAGE", "DELIVERY_REPORT", "NON_DELIVERED_REPORT", UNSUBSCRIBED, *NEWER)
MOST_PER_SECOND = 25
TYPED_IN = ("KEYWORD", "INCOMING_MESSAGE")  # ways to sign up that are a text, which is told as one

Page = Callable[[list[Record]], Answer]


class StHooks:
    """The webhooks of one account.

    Args:
        account_phone: the account's own number.
    """

    def __init__(self, merchant_id: str, sender: Sender, account_phone: str) -> None:
        self.merchant_id = merchant_id
        self.registered: dict[str, Record] = {}
        self._sender = sender
        self._account_phone = account_phone
        self._said = 0

    def answer(self, request: Request, rest: list[str], switches: Record, page: Page) -> Answer | None:
        """Answer everything below /api/webhooks; None where there is no such call."""
        if rest and rest[0] not in self.registered:
            return missing("Webhook is not found", request.path)
        match request.method, rest:
            case "GET", []:
                return page(list(self.registered.values()))
            case "DELETE", [id]:
                self.registered.pop(id, None)
                return Answer(204)
            case ("POST", []) | ("PUT", [_]):
                form = request.json_object()
                problem = _problem(form, switches)
                if problem:
                    return invalid(problem, 400)
                if switches["webhook_triggers"] == "one_each":
                    form = {**form, "triggers": form["triggers"][:1]}
                return json_answer({"id": self.register(form, rest[0] if rest else None)}, 200 if rest else 201)
        return None

    def register(self, form: Record, id: str | None = None) -> str:
        """Register a URL for some triggers, or replace a registration as a whole."""
        id = id or "61" + secrets.token_hex(11)
        keys = ("url", "triggers", "requestPerSecLimit", "accountPhone", "contactPhone")
        self.registered[id] = {"webhookId": id, **{key: form[key] for key in keys if key in form}}
        return id

    def most_per_second(self, id: str) -> float | None:
        """Return how many calls a second a registration wants at most."""
        limit = (self.registered.get(id) or {}).get("requestPerSecLimit")
        return float(limit) if limit else MOST_PER_SECOND

    def send(self, events: Sequence[Record], switches: Record) -> int:
        """Send what the style makes of these events ({type, values}); return the number of calls."""
        style, late = str(switches["webhook_style"]), False
        told = [event for event in events for _ in range(2 if switches["webhook_duplicates"] else 1)]
        if switches["webhook_reorder"]:
            # Several at once come in reverse; of those that come one by one every second overtakes the one before.
            told = told[::-1]
            if len(told) == 1:
                self._said += 1
                late = self._said % 2 == 1
        calls = []
        for hook in list(self.registered.values()):
            ids: dict[int, str] = {}  # the same report again has the same id
            bodies = [
                self._report(event, hook, ids.setdefault(id(event), secrets.token_hex(12)), style)
                for event in told
                if event.get("type") in hook["triggers"] and self._passes(hook, event.get("values") or {})
            ]
            retry = switches["webhook_retry"]
            calls += [
                Call(
                    self.merchant_id, hook["webhookId"], str(hook["url"]), "+".join(hook["triggers"]), body,
                    tries=1 if retry == "none" else 3,
                    renewed=_with_new_id if retry == "new_report_id" else None,
                    late=late,
                )
                for body in ([dumps(bodies)] if style == "array" and bodies else map(dumps, bodies))
            ]  # fmt: skip
        return self._sender.put(calls)

    def _passes(self, hook: Record, values: Record) -> bool:
        """Say whether a call passes the registration's own filters by phone."""
        contact = digits_of(values.get("contactPhone") or values.get("phone") or "")
        wanted = (("contactPhone", contact), ("accountPhone", digits_of(self._account_phone)))
        return all(not hook.get(name) or digits_of(hook[name]) == phone for name, phone in wanted)

    def _report(self, event: Record, hook: Record, report_id: str, style: str) -> Record:
        values = dict(event.get("values") or {})
        if style == "plus_one_phone":
            values |= {k: f"+1{digits_of(values[k])}" for k in ("phone", "contactPhone", "accountPhone") if k in values}
        report = {
            "reportId": report_id,
            "webhookId": hook["webhookId"],
            "type": "SOMETHING_NEW" if style == "unknown_type" else event.get("type"),
            "values": values,
        }
        if style == "no_values":
            del report["values"]
        return report

    # What a change is told as.

    def change(self, before: Record | None, after: Record) -> list[Record]:
        """Return the events for a changed contact: {type, values}; most changes are told by none."""
        id, phone = after["contactId"], after["contactPhone"]
        if before is None:
            return [self.message(phone, "JOIN")] if after["updateSource"] in TYPED_IN else []
        events: list[Record] = []
        if phone != before["contactPhone"]:
            events.append({"type": PHONE_CHANGED, "values": {"contactId": id, "contactPhone": phone}})
        if after["subscriptionStatus"] == "OPT_OUT" != before["subscriptionStatus"]:
            events.append({"type": UNSUBSCRIBED, "values": {"contactId": id, "phone": phone}})
        return events

    def message(self, phone: str, text: str) -> Record:
        """Return the event for a text that a person has sent."""
        values: Record = {
            "messageId": secrets.token_hex(12),
            "subject": None,
            "mediaItems": [],
            "text": text,
            "accountPhone": self._account_phone,
            "contactPhone": phone,
            "timestamp": now_text(),
            "category": "SMS",
            "referenceType": "INCOMING_MESSAGE",
        }
        return {"type": INCOMING, "values": values}


def _problem(form: Record, switches: Record) -> str | None:
    triggers = form.get("triggers")
    if not form.get("url"):
        return "url: must not be blank"
    if not isinstance(triggers, list) or not triggers:
        return "triggers: must not be empty"
    refused = NEWER if switches["webhook_triggers"] == "new_ones_refused" else ()
    unknown = [trigger for trigger in triggers if trigger not in TRIGGERS or trigger in refused]
    if unknown:
        return f"triggers: failed to convert value {unknown[0]!r}"
    limit: Any = form.get("requestPerSecLimit")
    if limit is not None and not (isinstance(limit, int) and 0 < limit <= MOST_PER_SECOND):
        return f"requestPerSecLimit: must be between 1 and {MOST_PER_SECOND}"
    for name in ("accountPhone", "contactPhone"):
        if form.get(name) and not re.fullmatch(r"\d{10}", digits_of(form[name])):
            return f"{name}: must be a valid phone number"
    return None


def _with_new_id(body: bytes) -> bytes:
    told = json.loads(body)
    for report in told if isinstance(told, list) else [told]:
        report["reportId"] = secrets.token_hex(12)
    return dumps(told)
