"""Reads what a callback of Gupshup says, in its version 2 envelope (notices.md 3.4, 4). Pure: no clock, no file.

Data flow: one JSON object {app, timestamp, type, payload} -> a receipt, a reply, a consent, news of a template, a bill.

It is read leniently: what is missing is None, what is no text or no time says nothing. A reply's postback stands inside
the inner payload, or beside it (rulings, notices 23).

It is long because each kind of callback has values of its own, and all are read by the same few rules.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.names import BILLING, CONSENT, RECEIPT, REPLY, TEMPLATE

TYPES: Final = {
    "message-event": RECEIPT,
    "message": REPLY,
    "user-event": CONSENT,
    "template-event": TEMPLATE,
    "billing-event": BILLING,
}
"""What a callback's `type` is about."""

TEXT, BUTTON, MEDIA = "text", "button", "media"
ENQUEUED, SENT, DELIVERED, READ, FAILED, DELETED = "enqueued", "sent", "delivered", "read", "failed", "deleted"
OURS: Final = frozenset({ENQUEUED, FAILED})
"""Receipts whose `id` is Gupshup's own message id; that of the others is WhatsApp's."""
_KINDS: Final = {"text": TEXT, "quick_reply": BUTTON, "button_reply": BUTTON, "list_reply": BUTTON, "button": BUTTON}
_SILENT: Final = frozenset({"reaction"})  # a thumb on a message asks for nothing
OPTED_IN, OPTED_OUT = "opted-in", "opted-out"
LONGEST_TEXT: Final = 500  # of a reply, that is stored (R48)
_LONGEST_WORD: Final = 200
_SEPARATORS: Final = re.compile(r"[\s_-]+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")  # optedOut
_PUNCTUATION: Final = re.compile(r"[\s().-]")
_MEXICO, _BRAZIL = re.compile(r"(52)1([0-9]{10})"), re.compile(r"(55[1-9][0-9])([6-9][0-9]{7})")
_IN_MS: Final = 100_000_000_000  # epoch seconds of the year 5138
_OLDEST, _NEWEST = timedelta(days=30), timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message.

    Attributes:
        key: what makes a second one of it say nothing (3.4). at: UTC without zone.
        wa_id: WhatsApp's id of the message, where this one teaches it.
    """

    key: str
    id: str
    gs_id: str | None
    type: str
    at: datetime
    destination: str | None = field(default=None, repr=False)
    code: str | None = None
    reason: str | None = field(default=None, repr=False)

    @property
    def wa_id(self) -> str | None:
        """Return WhatsApp's id of the message; None where the receipt has none."""
        return self.id if self.type not in OURS and self.id and self.id != self.gs_id else None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a customer wrote, or tapped."""

    message_id: str
    phone: str = field(repr=False)
    kind: str
    at: datetime
    text: str | None = field(default=None, repr=False)
    button_text: str | None = field(default=None, repr=False)
    postback: str | None = None
    context_gs_id: str | None = None
    context_id: str | None = None

    @property
    def said(self) -> str:
        """Return the words by which it may be a STOP or a START."""
        return self.text or self.button_text or ""


@dataclass(frozen=True, slots=True)
class OptIn:
    """What Gupshup says of somebody's opt-in."""

    phone: str = field(repr=False)
    is_in: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class TemplateNews:
    """A template that has changed; the list says how it stands."""

    template_id: str | None
    status: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Deduction:
    """What Gupshup has billed for a message."""

    key: str
    gs_id: str | None
    type: str | None
    detail: Mapping[str, Any]
    at: datetime


Said = Receipt | Reply | OptIn | TemplateNews | Deduction


@dataclass(frozen=True, slots=True)
class _Came:
    """When a callback was received, and when it is taken, by VS_ST_NOW there and here; UTC without zone."""

    received_at: datetime
    taken_at: datetime


def said_in(callback: object, received_at: datetime, taken_at: datetime | None = None) -> Said | None:
    """Return what a callback says; None where it is nothing that we know.

    Args:
        received_at: UTC without zone; it stands for a time that is missing, or cannot be.
        taken_at: now; None: it is taken as it is received.
    """
    came = _Came(received_at, taken_at or received_at)
    if not isinstance(callback, Mapping) or not isinstance(callback.get("payload"), Mapping):
        return None
    kind, payload = TYPES.get(str(callback.get("type"))), callback["payload"]
    if kind == RECEIPT:
        return _receipt(callback, payload, came)
    if kind == REPLY:
        return _reply(callback, payload, came)
    if kind == CONSENT:
        phone, word = (
            phone_of(payload.get("phone")) or phone_of(callback.get("phone")),
            _SEPARATORS.sub("-", _CAMEL.sub("-", str(payload.get("type")).strip()).lower()),
        )
        if phone is None or word not in (OPTED_IN, OPTED_OUT):
            return None
        return OptIn(phone, word == OPTED_IN, time_in(callback, payload, came))
    if kind == TEMPLATE:
        return TemplateNews(_id(payload.get("id")), _word(payload.get("status")), time_in(callback, payload, came))
    if kind == BILLING:
        return _deduction(callback, payload, came)
    return None


def _receipt(callback: Mapping[str, Any], payload: Mapping[str, Any], came: _Came) -> Receipt | None:
    inner = payload.get("payload")
    inner = inner if isinstance(inner, Mapping) else {}
    kind, id, gs_id = _word(payload.get("type")), _id(payload.get("id")), _id(payload.get("gsId"))
    if kind is None or (id is None and gs_id is None):
        return None
    code = next((one for one in (inner.get("code"), payload.get("code")) if one is not None), None)
    reason = next((one for one in (inner.get("reason"), payload.get("reason")) if isinstance(one, str)), None)
    return Receipt(
        _key(callback.get("app"), id, gs_id, kind),
        id or gs_id or "",
        gs_id,
        kind.lower(),
        time_in(callback, payload, came),
        phone_of(payload.get("destination")),
        _id(code),
        None if reason is None else reason[:_LONGEST_WORD],
    )


def _reply(callback: Mapping[str, Any], payload: Mapping[str, Any], came: _Came) -> Reply | None:
    inner, sender, context = (
        part if isinstance(part, Mapping) else {}
        for part in (payload.get("payload"), payload.get("sender"), payload.get("context"))
    )
    phone = phone_of(payload.get("source")) or phone_of(sender.get("phone"))
    id, word = _id(payload.get("id")), str(payload.get("type")).strip().lower()
    if phone is None or word in _SILENT:
        return None
    if id is None:  # it may be a STOP all the same; one that comes again says the same
        id = "none:" + hashlib.sha256(json.dumps(callback, sort_keys=True, default=str).encode()).hexdigest()[:32]
    kind = _KINDS.get(word, MEDIA)
    words = next(
        (one for one in (inner.get("title"), inner.get("text"), inner.get("reply")) if isinstance(one, str)), None
    )
    if kind == MEDIA:
        words = next((one for one in (inner.get("text"), inner.get("caption")) if isinstance(one, str)), None)
    posted = [inner.get("postbackText"), payload.get("postbackText"), inner.get("id"), inner.get("reply")]
    ours = [one for one in posted if isinstance(one, str) and one.startswith("vs:")]
    told = [one for one in posted[:2] if isinstance(one, str)]
    return Reply(
        id,
        phone,
        kind,
        time_in(callback, payload, came),
        None if kind == BUTTON else _text(inner.get("text")) or _text(words),
        _text(words) if kind == BUTTON else None,
        (ours or told or [""])[0][:_LONGEST_WORD] or None if kind != MEDIA else None,
        _id(context.get("gsId")),
        _id(context.get("id")),
    )


def _deduction(callback: Mapping[str, Any], payload: Mapping[str, Any], came: _Came) -> Deduction:
    deductions, references = (
        part if isinstance(part, Mapping) else {} for part in (payload.get("deductions"), payload.get("references"))
    )
    gs_id = _id(references.get("gsId")) or _id(payload.get("gsId"))
    id = gs_id or _id(references.get("id")) or _id(payload.get("id"))
    kind = _word(deductions.get("type"))
    key = (
        _key(id, kind)
        if id is not None
        else _key(hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest())
    )
    detail = {str(name): value for name, value in deductions.items() if isinstance(value, (str, int, float, bool))}
    return Deduction(key, gs_id, kind, detail, time_in(callback, payload, came))


def opt_out_in(callback: object, is_stop: Callable[[str], bool]) -> str | None:
    """Return the phone (E.164) that a callback opts out, by a STOP or as an event; None: it opts nobody out."""
    said = said_in(callback, datetime(2000, 1, 1))
    if isinstance(said, Reply):
        return said.phone if is_stop(said.said) else None
    return said.phone if isinstance(said, OptIn) and not said.is_in else None


# --- values -----------------------------------------------------------------------------------------------------------


def time_in(callback: Mapping[str, Any], payload: Mapping[str, Any], came: _Came) -> datetime:
    """Return when it happened: the payload's time, else the callback's, else that of receipt (4).

    A time that cannot be (later than its receipt and than now, or over 30 days before both) says nothing: an opt-out
    that a wrong clock dates back would count as older than the consent that it ends. Now counts, because a receiver's
    own clock may stand where VS_ST_NOW was when it was started.
    """
    oldest = min(came.received_at, came.taken_at) - _OLDEST
    newest = max(came.received_at, came.taken_at) + _NEWEST
    inner = payload.get("payload")
    for told in (*((inner.get("ts"), inner.get("timestamp")) if isinstance(inner, Mapping) else ()), payload.get("ts"),
                 payload.get("timestamp"), callback.get("timestamp")):  # fmt: skip
        at = as_time(told)
        if at is not None and oldest <= at <= newest:
            return at
    return came.received_at


def as_time(told: object) -> datetime | None:
    """Return a time of epoch seconds or milliseconds, by their size; UTC without zone."""
    if isinstance(told, bool) or not isinstance(told, (int, float, str)):
        return None
    try:
        number = float(told)
        return datetime.fromtimestamp(number / 1000 if number >= _IN_MS else number, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


def phone_of(told: object) -> str | None:
    """Return a phone in E.164, with its `+`, as an address would spell it; None: it is none.

    WhatsApp still knows some phones by the numbers that they had: of Mexico with a 1 after the 52, of Brazil without
    the 9 of a mobile phone. Somebody who writes STOP from one is the person that was written.
    """
    if isinstance(told, bool) or not isinstance(told, (int, str)):
        return None
    digits = _PUNCTUATION.sub("", str(told)).removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15 and digits[0] != "0"):
        return None
    if found := _MEXICO.fullmatch(digits) or _BRAZIL.fullmatch(digits):
        digits = found[1] + ("9" if found[1].startswith("55") else "") + found[2]
    return f"+{digits}"


def _id(told: object) -> str | None:
    if isinstance(told, bool) or not isinstance(told, (int, str)):
        return None
    text = str(told).strip()
    return text if 0 < len(text) <= _LONGEST_WORD and text.isprintable() else None


def _word(told: object) -> str | None:
    return told.strip()[:64] if isinstance(told, str) and told.strip() and told.isprintable() else None


def _text(told: object) -> str | None:
    return told[:LONGEST_TEXT] if isinstance(told, str) else None


def _key(*parts: object) -> str:
    return "|".join("" if one is None else str(one) for one in parts)
