"""Registers and calls Commerce7's webhooks: the whole record each time, one object and action for each registration."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from vs_st_pipeline.sandbox.commerce7.listing import invalid
from vs_st_pipeline.sandbox.core.accounts import iso
from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, dumps, json_answer
from vs_st_pipeline.sandbox.core.sender import Call, Sender, readable

OBJECTS = (
    "Allocation", "Cart", "Club", "Club Membership", "Club Package", "Collection", "Coupon", "Customer",
    "Customer Address", "Customer Credit Card", "Group", "Order", "Product", "Promotion", "Reservation", "Tag",
    "Transaction Email",
)  # fmt: skip
ACTIONS = ("Create", "Update", "Bulk Update", "Delete", "Send")
TRIES: dict[str, int | None] = {"none": 1, "3_times": 3, "until_2xx": None}
CALLBACK = "bulk-update"
NO_ORDER = "00000000-0000-4000-8000-000000000000"
ELSEWHERE = "another-tenant"

Payload = Callable[[str, str], Record | None]  # object, id


class C7Hooks:
    """The webhooks of one tenant.

    Args:
        payload: gives the record that is told of; None: it is gone.
    """

    def __init__(self, merchant_id: str, tenant: str, sender: Sender, payload: Payload) -> None:
        self.merchant_id = merchant_id
        self.tenant = tenant
        self.registered: dict[str, Record] = {}
        self.host = ""
        self._sender = sender
        self._payload = payload
        self._said = 0

    def answer(self, request: Request, rest: list[str]) -> Answer | None:
        """Answer what is asked at /web-hook; None where there is no such call or no such webhook."""
        match request.method, rest:
            case "GET", []:
                rows = [_seen(hook) for hook in self.registered.values()]
                return json_answer({"webHooks": rows, "total": len(rows)})
            case "POST", []:
                self.host = request.header(b"host") or ""
                id = str(uuid.uuid4())
                self.registered[id] = self._checked(id, request.json_object())
                return json_answer(_seen(self.registered[id]))
            case "GET", [id] if id in self.registered:
                return json_answer(_seen(self.registered[id]))
            case "PUT", [id] if id in self.registered:
                self.registered[id] = self._checked(id, {**self.registered[id], **request.json_object()})
                return json_answer(_seen(self.registered[id]))
            case "DELETE", [id] if id in self.registered:
                del self.registered[id]
                return Answer(204)
        return None

    def _checked(self, id: str, form: Record) -> Record:
        wrong = []
        if form.get("object") not in OBJECTS:
            wrong.append(("object", '"object" must be one of the allowed values'))
        if form.get("action") not in ACTIONS:
            wrong.append(("action", '"action" must be one of the allowed values'))
        if not str(form.get("url") or "").startswith(("http://", "https://")):
            wrong.append(("url", '"url" must be a valid uri'))
        if wrong:
            raise invalid(*wrong)
        names = ("object", "action", "url", "username", "password", "notes", "notificationEmail")
        now = iso(datetime.now(UTC))
        made = {"id": id, **{name: form.get(name) for name in names}}
        return {**made, "createdAt": form.get("createdAt") or now, "updatedAt": now}

    def log(self, request: Request) -> Answer:
        """Answer which calls there were: `isSuccess`, `object`, `action` and `updatedAt` (from) choose among them."""
        since = request.query.get("updatedAt", "").partition(":")[2]
        rows = []
        for id, hook in self.registered.items():
            for attempt in self._sender.log_of(self.merchant_id, id):
                status, at = attempt["statusCode"], iso(datetime.fromtimestamp(attempt["sentAt"], UTC))
                good = 200 <= status < 300
                told = readable(attempt["body"])
                error = None if good else {"status": status, "message": f"Request failed with status code {status}"}
                rows.append({
                    "id": str(uuid.uuid5(uuid.UUID(id), at)), "url": hook["url"], "object": hook["object"],
                    "action": hook["action"], "payload": told.get("payload") if isinstance(told, dict) else told,
                    "user": None, "isSuccess": good, "error": error, "createdAt": at, "updatedAt": at,
                })  # fmt: skip
        for name in ("object", "action"):
            rows = [row for row in rows if request.query.get(name, row[name]) == row[name]]
        if "isSuccess" in request.query:
            rows = [row for row in rows if str(row["isSuccess"]).lower() == request.query["isSuccess"]]
        rows = [row for row in rows if row["updatedAt"] >= since]
        return json_answer({"webHookLogs": rows, "total": len(rows)})

    def send(self, events: Sequence[Record], switches: Record) -> int:
        """Send what the style makes of these events ({object, action, id}); return the number of calls."""
        style = str(switches["webhook_style"])
        if style == "dropped":
            return 0
        told = [{"object": "Order", "action": "Update", **event} for event in events]
        if style == "duplicated":
            told = [event for event in told for _ in range(2)]
        if style == "card_declined":
            told = [{"object": "Order", "action": "Update", "id": NO_ORDER}, *told]
        late = False
        if style == "reordered":
            # Several at once come in reverse; of those that come one by one every second overtakes the one before.
            told = told[::-1]
            if len(told) == 1:
                self._said += 1
                late = self._said % 2 == 1
        calls = []
        for hook in list(self.registered.values()):
            about = (hook["object"], hook["action"])
            mine = [self._body(event, style) for event in told if (event["object"], event["action"]) == about]
            bodies = [dumps(mine)] if style == "array" and mine else [_written(body, style) for body in mine]
            headers = partial(_basic, hook) if hook.get("username") else None
            tries = TRIES[str(switches["webhook_resend"])]
            calls += [
                Call(
                    self.merchant_id, hook["id"], hook["url"], " ".join(about), body, tries, late=late, headers=headers
                )
                for body in bodies
            ]
        return self._sender.put(calls)

    def _body(self, event: Record, style: str) -> Record:
        id = str(event["id"])
        payload: Any = self._payload(event["object"], id) or {"id": id}
        action: Any = event["action"]
        if style == "numeric_identifier":
            payload = {**payload, "id": int(id[-12:], 16) if len(id) == 36 else 0}
        if style in ("bulk_update", "href_only"):
            payload = {"callbackUrl": f"http://{self.host}/v1/{CALLBACK}/{id}?cursor=start"}
            action = "Bulk Update"
        if style == "unknown_event":
            action = "Something New"
        body = {
            "object": event["object"],
            "action:" if style == "event_colon" else "action": action,
            "payload": payload,
            "user": None,
            "tenantId": ELSEWHERE if style == "other_tenant" else self.tenant,
        }
        absent = {"no_subject": ("object",), "href_only": ("object", "action", "user", "tenantId")}.get(style, ())
        return {key: value for key, value in body.items() if key not in absent}


def _seen(hook: Record) -> Record:
    return {key: value for key, value in hook.items() if key != "password"}


def _basic(hook: Record, body: bytes) -> dict[str, str]:
    pair = f"{hook['username']}:{hook.get('password') or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _written(body: Record, style: str) -> bytes:
    if style == "empty_body":
        return b""
    if style == "not_json":
        return f"object={body['object']}&id={body['payload'].get('id')}".encode()
    return dumps(body)
