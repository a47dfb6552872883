"""Understands Gupshup's callbacks: receipts, replies, consents, news of templates, bills (notices.md 3.4).

Nothing of them can be read back, so they are content: the envelope is stored as it came, a reply's texts cut (R48).
They are stored whatever is off, and never expire (R30, R31). Whose app one is of is decided when it is taken.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.names import BILLING, CALLBACK, CONSENT, KINDS, RECEIPT, REPLY, TEMPLATE
from vs_st_pipeline.connectors.gupshup.settings import GupshupSettings
from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.platform.hooks import Hooks, calls_in, word_of

BODY_LIMIT: Final = 262_144
LONGEST_TEXT: Final = 500
_DEEPEST: Final = 32
_OF_TYPE: Final = {
    "message-event": RECEIPT,
    "message": REPLY,
    "user-event": CONSENT,
    "template-event": TEMPLATE,
    "billing-event": BILLING,
}
BY_HAND: Final = (
    "in Gupshup's dashboard, enter the URL as the app's callback URL, format version 2, with all events of messages, "
    "templates, billing and users (docs/notices.md)"
)


def read(body: bytes) -> Sequence[Call]:
    """Return the callbacks of a body; never raises. What is none is a `whole`: of it only size and hash are kept."""
    return calls_in(body, _understand, BODY_LIMIT)  # all that a body can hold, since none can be asked for again


def _understand(told: Mapping[str, Any]) -> Call | None:
    said = _storable(told)
    kind, payload = _OF_TYPE.get(str(said.get("type"))), said.get("payload")
    if kind is None or not isinstance(payload, dict):
        return None
    kept = _cut(said) if kind == REPLY else said
    return Call(kind, event=word_of(payload.get("type")), event_id=event_key(kind, said), kept={CALLBACK: kept})


def event_key(kind: str, said: Mapping[str, Any]) -> str:
    """Return what a callback is known by: one that comes again says nothing (3.4).

    It is a hash, because some of what it is made from is a person's phone.
    """
    app, payload = said.get("app"), said.get("payload")
    inner = payload if isinstance(payload, dict) else {}
    parts: list[Any] | None = None
    match kind:
        case "receipt" if inner.get("id") or inner.get("gsId"):
            parts = [app, inner.get("id"), inner.get("gsId"), inner.get("type")]
        case "reply" if inner.get("id"):
            parts = [app, inner.get("id")]
        case "consent":
            parts = [app, inner.get("phone", said.get("phone")), inner.get("type"), said.get("timestamp")]
        case "billing":
            references, deductions = _part(inner, "references"), _part(inner, "deductions")
            if one := references.get("gsId") or references.get("id"):
                parts = [app, one, deductions.get("type")]
    what = said if parts is None else parts
    return f"{kind} {hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()}"


def _part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _storable(value: Any, depth: int = 0) -> Any:
    """Return a value that every file and every reader can hold; nobody can send another one in its place.

    Half an emoji is the replacement character: one that a database refuses would stop all callbacks of its account,
    STOPs too. What is no number is null, and so is what lies deeper than any callback does.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, dict)) and depth >= _DEEPEST:
        return None
    if isinstance(value, list):
        return [_storable(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(one, depth + 1) for key, one in value.items()}
    return value


def _cut(value: Any) -> Any:
    """Return a value with every text in it cut."""
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    if isinstance(value, list):
        return [_cut(one) for one in value]
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()}
    return value


def shown(kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what may be shown of a callback: nobody's phone, name or words; WhatsApp's ids have a phone in them."""
    said = _part(kept, CALLBACK)
    inner = {key: word_of(_part(said, "payload").get(key)) for key in ("gsId", "type", "status")}
    return {
        **{key: value for key, value in kept.items() if key != CALLBACK},
        **{key: word for key in ("app", "type") if (word := word_of(said.get(key))) is not None},
        **({"payload": {key: word for key, word in inner.items() if word is not None}} if said else {}),
    }


def _has_client_account(settings: GupshupSettings) -> bool:
    return settings.client is not None


HOOKS: Final = Hooks(
    read,
    KINDS,
    body_limit=BODY_LIMIT,
    rate=1_000.0,
    burst=5_000,
    stores_when_off=True,
    expires=False,
    answers_get=True,
    most_elements=BODY_LIMIT,
    by_hand=BY_HAND,
    has_url=_has_client_account,
    shows=shown,
)
