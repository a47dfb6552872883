"""Writes Gupshup's callbacks: receipts, replies, and events of users, templates and billing (format version 2).

It only writes; the stand-in keeps, sends and repeats what is written here.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.gupshup.account import Account, Sent
from vs_st_pipeline.sandbox.gupshup.template import Template
from vs_st_pipeline.sandbox.gupshup.told import Told

RECEIPTS = ("enqueued", "sent", "delivered", "read", "failed", "deleted")
LIFE = ("enqueued", "sent", "delivered", "read")
"""What becomes of a message of which nobody says anything else."""
MEDIA = ("image", "file", "audio", "video", "sticker")
KINDS = ("text", "button", "list_reply", *MEDIA, "location", "contact")
"""What a person may answer with."""
UNDELIVERABLE = 131026
GSID_FOR = timedelta(days=7)
REASONS = {
    "500": "Internal server error",
    "1002": "Number does not exist on WhatsApp",
    "1003": "Unable to send message: wallet balance is low",
    "1006": "User has not opted in",
    "1012": "User has opted out",
    "4001": "Message sending rate limit hit",
    "4003": "Template did not match",
    "4005": "Template is paused",
    "131026": "Message undeliverable",
    "131047": "Re-engagement message",
    "131048": "Spam rate limit hit",
}


def receipts(
    account: Account,
    sent: Sent,
    types: Sequence[str],
    switches: Record,
    *,
    code: int | str | None = None,
    reason: str | None = None,
    at: datetime | None = None,
) -> list[Told]:
    """Write the receipts of a message, and the bill that comes with `sent`.

    Args:
        types: of `RECEIPTS`. code, reason: of a `failed` one.
        at: when it happens, for all of them; None: now.
    """
    found: list[Told] = []
    for type in types:
        if type not in RECEIPTS:
            raise ValueError(f"a receipt is one of {', '.join(RECEIPTS)}, not {type!r}")
        when = at or account.clock.now()
        told = Told(account.id, type, _receipt(account, sent, type, switches, when, code, reason), sent.message_id)
        found.append(told)
        if type == "failed":
            sent.failures.append((str(code or UNDELIVERABLE), told))
            if switches["failed_then_delivered"]:
                body = _receipt(account, sent, "delivered", switches, when, None, None)
                found.append(Told(account.id, "delivered", body, sent.message_id))
        if type == "sent" and switches["billing_events"] == "sent":
            found.append(Told(account.id, "billing", _bill(account, sent, when), sent.message_id))
    return found


def _receipt(
    account: Account,
    sent: Sent,
    type: str,
    switches: Record,
    at: datetime,
    code: int | str | None,
    reason: str | None,
) -> Record:
    own = type == "enqueued" or (type == "failed" and switches["failed_style"] == "sync_id")
    late = at - sent.at > GSID_FOR or (
        switches["receipt_style"] == "late_no_gsid" and type in ("delivered", "read", "deleted")
    )
    payload: Record = {"id": sent.message_id if own else sent.wa_id}
    if not own and not late:
        payload["gsId"] = sent.message_id
    payload |= {"type": type, "destination": sent.destination}
    how = switches["receipt_time"]
    stamp = None if how == "missing" else _ms(at) if how == "ms" else _ms(at) // 1000
    inner: Record = {}
    if type == "failed":
        code = code or UNDELIVERABLE
        inner = {"code": code, "reason": reason or REASONS.get(str(code), "Message failed")}
    elif type == "sent":
        inner = {"pricing": {"policy": "PMP", "category": sent.category.lower(), "type": "regular"}}
    if stamp is not None and type != "enqueued" and not (type == "failed" and own):
        inner["ts"] = stamp
    payload["payload"] = inner
    body = _envelope(account, "message-event", payload, at)
    if stamp is None:
        del body["timestamp"]
    else:
        body["timestamp"] = stamp
    return body


def _bill(account: Account, sent: Sent, at: datetime) -> Record:
    deductions = {"type": "regular", "model": "PMP", "source": "whatsapp", "category": sent.category.lower(),
                  "billable": sent.template is not None}  # fmt: skip
    references = {"id": sent.wa_id, "gsId": sent.message_id, "destination": sent.destination}
    return _envelope(account, "billing-event", {"deductions": deductions, "references": references}, at)


def reply(
    account: Account,
    phone: str,
    kind: str,
    switches: Record,
    *,
    text: str | None = None,
    button: str | int | None = None,
    to: Sent | None = None,
    at: datetime | None = None,
    who: str = "A Customer",
    id: str | None = None,
) -> Told:
    """Write what a person sent: a text, a tap on a button, media.

    Args:
        button: title or index of a quick reply of the message `to`; None: the first one.
        id: of the person's message; None: a new one.
    """
    if kind not in KINDS:
        raise ValueError(f"a reply is one of {', '.join(KINDS)}, not {kind!r}")
    type, inner = kind, _inner(kind, text)
    if kind == "button":
        type, inner = _tap(switches, *_button(button, to))
    code = "1" if phone.startswith("1") else phone[:2]
    payload: Record = {
        "id": id or "ABEG" + uuid.uuid4().hex,
        "source": phone,
        "type": type,
        "payload": inner,
        "sender": {"phone": phone, "name": who, "country_code": code, "dial_code": phone[len(code) :]},
    }
    context = {"id": to.wa_id, "gsId": to.message_id} if to else {}
    shown = {"both": ("id", "gsId"), "id_only": ("id",), "gsid_only": ("gsId",), "none": ()}
    context = {key: value for key, value in context.items() if key in shown[switches["reply_context"]]}
    if context:
        payload["context"] = context
    return Told(account.id, f"reply {type}", _envelope(account, "message", payload, at or account.clock.now()))


def _button(button: str | int | None, to: Sent | None) -> tuple[int | None, str, str | None]:
    """Return index, title and postback of a button."""
    if to is None:
        raise ValueError("a tap needs the message that has the button: to=MESSAGE_ID")
    if isinstance(button, int) or button is None:
        index, title = button or 0, ""
        if index >= len(to.titles):
            raise ValueError(f"the message has {len(to.titles)} buttons")
        title = to.titles[index]
    else:
        title = button
        if title not in to.titles:
            return None, title, None
        index = to.titles.index(title)
    return index, title, to.postbacks.get(index)


def _tap(switches: Record, index: int | None, title: str, postback: str | None) -> tuple[str, Record]:
    echoed = {"postbackText": postback} if postback and switches["reply_postback"] == "echoed" else {}
    match switches["reply_type"]:
        case "quick_reply":
            return "quick_reply", {"text": title, "type": "button", **echoed}
        case "button_reply":
            number = 0 if index is None else index
            return "button_reply", {"title": title, "id": str(number), "reply": f"{title} {number + 1}", **echoed}
    return "text", {"text": title}


def _inner(kind: str, text: str | None) -> Record:
    url = f"https://filemanager.example/{kind}"
    if kind in MEDIA:
        caption = {"caption": text} if text is not None else {}
        return {"url": url, "contentType": f"{kind}/any", "urlExpiry": 1, **caption}
    if kind == "location":
        return {"longitude": "77.59", "latitude": "12.97"}
    if kind == "contact":
        return {"contacts": [{"name": {"formatted_name": "Somebody"}, "phones": [{"phone": "+91 98100 00009"}]}]}
    if kind == "list_reply":
        title = text or "Choice"
        return {"title": title, "id": "1", "reply": title, "postbackText": "1", "description": ""}
    return {"text": text if text is not None else "Hello"}


def user_event(account: Account, phone: str, type: str) -> Told:
    """Write that somebody has opted in or out."""
    body = _envelope(account, "user-event", {"phone": phone, "type": type}, account.clock.now())
    return Told(account.id, type, body)


def template_event(account: Account, template: Template, before: Record) -> Told | None:
    """Write how a template's status or category changed; None: neither did, and nobody is told."""
    now, fields = account.clock.now(), template.fields
    named = {"id": template.id, "elementName": fields["elementName"], "languageCode": fields["languageCode"]}
    payload: Record
    if fields["status"] != before["status"]:
        status = template.status.lower()
        if status == "paused":
            payload = {"type": "status-update", **named, "status": status, "description": "Low quality"}
        else:
            reason = "Not in line with the policy" if status == "rejected" else None
            payload = {**named, "status": status, "rejectedReason": reason}
    elif fields["category"] != before["category"]:
        payload = {
            "type": "category-update",
            **named,
            "category": {"old": before["category"], "new": fields["category"]},
        }
    else:
        return None
    return Told(account.id, "template", _envelope(account, "template-event", payload, now))


def _envelope(account: Account, type: str, payload: Record, at: datetime) -> Record:
    return {"app": account.app_name, "timestamp": _ms(at), "version": 2, "type": type, "payload": payload}


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def styled(batch: Sequence[Told], style: str) -> list[Told]:
    """Return a batch as it goes out under a value of `receipt_style`."""
    if style == "dropped":
        return [told for told in batch if told.of is None]
    if style == "reordered":
        return list(reversed(batch))
    if style == "duplicated":
        return [told for told in batch for _ in range(2)]
    return list(batch)


def moment(value: Any) -> datetime | None:
    """Read a moment of a control request: ISO with its offset."""
    return None if value is None else datetime.fromisoformat(str(value))
