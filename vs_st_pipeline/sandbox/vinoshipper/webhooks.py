"""Registers and calls the shop's webhooks: unsigned, one subject each, and without a word about whose they are."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from vs_st_pipeline.sandbox.core.asgi import HTML, Answer, Record, Request, dumps, json_answer
from vs_st_pipeline.sandbox.core.sender import Call, Sender, readable

ORDER, CUSTOMER, MEMBERSHIP = "ORDER", "CUSTOMER", "CLUB_MEMBERSHIP"
SUBJECTS = (ORDER, CUSTOMER, MEMBERSHIP, "PRODUCT", "CART")
FOLDERS = {ORDER: "orders", CUSTOMER: "customers"}
BASE = "https://vinoshipper.com/api/v3/p"
TRIES: dict[str, int | None] = {"none": 1, "3_times": 3, "until_2xx": None}

Failure = Callable[..., Answer]
OwnerOf = Callable[[str], int | None]  # membership id -> customer id


class VsHooks:
    """The webhooks of one merchant.

    Args:
        owner_of: tells whose membership it is, None where nobody knows.
    """

    def __init__(self, merchant_id: str, sender: Sender, owner_of: OwnerOf) -> None:
        self.merchant_id = merchant_id
        self.registered: dict[str, Record] = {}
        self._sender = sender
        self._owner_of = owner_of
        self._said = 0

    def register(self, form: Record) -> Record:
        """Register one URL for one subject."""
        id = secrets.token_hex(6)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record = {key: form.get(key) for key in ("subject", "url", "description")}
        self.registered[id] = {"id": id, **record, "createdAt": now}
        return self.registered[id]

    def answer(self, request: Request, rest: list[str], switches: Record, failure: Failure) -> Answer | None:
        """Answer what is asked below /profile/webhooks; None where there is no such call or no such webhook."""
        api = switches["webhooks_api"]
        if api == 403:
            return failure(403, "ACCESS_DENIED", "Webhooks are not enabled for this account")
        if api == 404:
            return None
        match request.method, rest:
            case "GET", []:
                return json_answer(list(self.registered.values()))
            case "POST", []:
                return self._post(request.json_object(), api, failure)
            case "DELETE", [id] if id in self.registered:
                self.registered.pop(id, None)
                return Answer(204)
            case "GET", [id, "logs"] if id in self.registered:
                return self._logs(id, switches["webhook_logs"])
        return None

    def _post(self, form: Record, api: Any, failure: Failure) -> Answer:
        subject = form.get("subject")
        if not form.get("url") or not subject:
            return failure(400, "VALIDATION", "must not be blank", "subject" if form.get("url") else "url")
        if subject not in SUBJECTS or (api == "refuses_membership" and subject == MEMBERSHIP):
            return failure(400, "VALIDATION", "no such subject", "subject")
        made = self.register(form)
        if api == "duplicates_on_post":
            self.register(form)
        if api == "made_but_500":
            return failure(500, "SERVER_ERROR", "Internal error")
        return json_answer(made)

    def _logs(self, id: str, how: Any) -> Answer | None:
        if how == 404:
            return None
        if how == "html":
            return Answer(200, b"<!doctype html><html><body><h1>Logs</h1></body></html>", HTML)
        rows = [
            {"webhookId": id, "sentAt": _instant(log["sentAt"]), "statusCode": log["statusCode"],
             "body": readable(log["body"])}
            for log in self._sender.log_of(self.merchant_id, id)
        ]  # fmt: skip
        if how == "nested_text":  # the body as text within the text of a request
            told = [{**row, "request": json.dumps({"body": json.dumps(row.pop("body"), default=str)})} for row in rows]
            return json_answer({"items": told})
        return json_answer(rows if how == "array" else {"items": rows})

    def send(self, events: Sequence[Record], switches: Record) -> int:
        """Send what the style makes of these events ({identifier, subject, event}); return the number of calls."""
        style = str(switches["webhook_style"])
        if style == "dropped":
            return 0
        told = list(events)
        if style == "duplicated":
            told = [event for event in told for _ in range(2)]
        if style == "card_declined":
            told = [{"identifier": "00000000000", "subject": ORDER, "event": "CARD_DECLINED"}, *told]
        late = False
        if style == "reordered":
            # Several at once come in reverse; of those that come one by one every second overtakes the one before.
            told = told[::-1]
            if len(told) == 1:
                self._said += 1
                late = self._said % 2 == 1
        calls = []
        for hook in list(self.registered.values()):
            mine = [self._body(event, style, switches) for event in told if event.get("subject") == hook["subject"]]
            bodies = [dumps(mine)] if style == "array" and mine else [_written(body, style) for body in mine]
            calls += [
                Call(
                    self.merchant_id, hook["id"], str(hook["url"]), str(hook["subject"]), body,
                    TRIES[str(switches["webhook_resend"])], late=late,
                )
                for body in bodies
            ]  # fmt: skip
        return self._sender.put(calls)

    def _body(self, event: Record, style: str, switches: Record) -> Record:
        identifier: Any = str(event.get("identifier"))
        subject = event.get("subject")
        path = quote(identifier, safe="")
        if subject == MEMBERSHIP:
            owner = self._owner_of(identifier) if switches["membership_href"] == "customer" else None
            path = f"clubs/memberships/{path}" if owner is None else f"customers/{owner}/memberships/{path}"
        else:
            path = f"{FOLDERS.get(str(subject), 'records')}/{path}"
        if style == "numeric_identifier" and identifier.isdigit():
            identifier = int(identifier)
        name = "SOMETHING_NEW" if style == "unknown_event" else event.get("event", "UPDATED")
        body = {
            "identifier": identifier,
            "subject": subject,
            "event:" if style == "event_colon" else "event": name,
            "href": f"{BASE}/{path}".replace("v3", "v2"),
            "hrefV3": f"{BASE}/{path}",
        }
        absent = {"no_subject": ("subject",), "href_only": ("identifier", "subject", "event", "href")}.get(style, ())
        return {key: value for key, value in body.items() if key not in absent}


def _written(body: Record, style: str) -> bytes:
    if style == "empty_body":
        return b""
    if style == "not_json":
        return f"identifier={body['identifier']}&subject={body['subject']}".encode()
    return dumps(body)


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


# What a change is told as.


def order_event(number: str, before: Record | None, after: Record | None) -> Record:
    """Return the event for a changed order: of several that fit the most telling one."""
    event = "UPDATED"
    if after is None:
        event = "DELETED"
    elif before is None:
        event = "CREATED"
    elif "CANCELLED" in (after.get("orderStatus"), after.get("status")) and before.get("orderStatus") != "CANCELLED":
        event = "CANCELLED"
    elif _tracking(after) - _tracking(before):
        event = "TRACKING_NUMBER_ADDED"
    elif after.get("status") == "SUCCESS" != before.get("status"):
        event = "APPROVED"
    return {"identifier": number, "subject": ORDER, "event": event}


def _tracking(order: Record) -> set[Any]:
    packages = (order.get("shipping") or {}).get("packages") or []
    return {package.get("trackingNumber") for package in packages} - {None, ""}


def customer_event(id: str, before: Record | None, after: Record | None) -> Record:
    """Return the event for a changed customer."""
    return {"identifier": id, "subject": CUSTOMER, "event": _plain(before, after)}


def membership_event(id: str, before: Record | None, after: Record | None) -> Record:
    """Return the event for a changed membership."""
    ended = bool(after and after["cancelled"]) and not (before and before["cancelled"])
    return {"identifier": id, "subject": MEMBERSHIP, "event": "CANCELLED" if ended else _plain(before, after)}


def _plain(before: Record | None, after: Record | None) -> str:
    return "DELETED" if after is None else "CREATED" if before is None else "UPDATED"
