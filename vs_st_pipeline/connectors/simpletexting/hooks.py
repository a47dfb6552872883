"""Understands SimpleTexting's webhooks: which contact a report names (webhooks-onboarding.md H12, H16).

No message text is kept, whatever the report. A contact is read again before anything is believed of it; only that it
opted out counts at once, and no further than that nothing is written to it (H23).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.simpletexting.registering import BY_HAND, TRIGGERS, SimpleTextingRegistrar
from vs_st_pipeline.domain.hints import CONTACT, NOTHING, Call, Hint
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.platform.hooks import Hooks, calls_in, text_of, word_of

_, OPTED_OUT, NEW_PHONE = TRIGGERS
_NO_RECORD: Final = frozenset(
    {
        "OUTGOING_MESSAGE",
        "DELIVERY_REPORT",
        "NON_DELIVERED_REPORT",
        "OPENING_A_CONVERSATION",
        "CLOSING_A_CONVERSATION",
    }
)
_ID = re.compile(r"[0-9a-fA-F]{24}")
_LONGEST_PHONE, _LONGEST_TIME = 20, 40


def read(body: bytes) -> Sequence[Call]:
    """Return the calls of a body; never raises."""
    return calls_in(body, _understand)


def _understand(said: Mapping[str, Any]) -> Call | None:
    values = said.get("values")
    values = values if isinstance(values, dict) else {}
    kind, report = word_of(said.get("type")), text_of(said.get("reportId"))
    phones = [text_of(values.get(key), _LONGEST_PHONE) for key in ("phone", "contactPhone")]
    kept = {
        "reportId": report,
        "webhookId": word_of(said.get("webhookId")),
        "type": kind,
        "contactId": word_of(values.get("contactId")),
        "phone": phones[0],
        "contactPhone": phones[1],
        "messageId": word_of(values.get("messageId")),
        "timestamp": text_of(values.get("timestamp"), _LONGEST_TIME),
    }
    kept = {key: value for key, value in kept.items() if value is not None}
    name = _plain(kind)
    if name in _NO_RECORD:
        return Call(NOTHING, event=kind, event_id=report, kept=kept)
    contact, phone = kept.get("contactId"), next((found for one in phones if (found := parse_nanp(one))), None)
    contact = contact.lower() if contact is not None and _ID.fullmatch(contact) else None
    if contact is None and phone is None:
        if phones[0] or phones[1]:  # a short code: no contact of anybody's
            return Call(NOTHING, event=kind, event_id=report, kept=kept)
        return None
    return Call(CONTACT, contact, phone, event=kind, event_id=report, opts_out=name == OPTED_OUT, kept=kept)


def tells_opt_out(hint: Hint) -> bool:
    """Say whether a hint is the report that its contact opted out."""
    return _plain(hint.event) == OPTED_OUT


def tells_new_phone(hint: Hint) -> bool:
    """Say whether a hint is the report that its contact has another phone."""
    return _plain(hint.event) == NEW_PHONE


def _plain(event: str | None) -> str:
    return (event or "").strip().upper()


HOOKS = Hooks(read, frozenset({CONTACT}), registrar=SimpleTextingRegistrar, by_hand=BY_HAND)
