"""Describes one message: a notice, an answer to an unexpected reply, or the confirmation of an action (7, 8).

Pure: no clock, no file, no network.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.routes.notices.words import MessageKind


@dataclass(frozen=True, slots=True)
class Button:
    """A quick reply as the message has it: what it does (None: nothing of ours), and its title."""

    action: str | None
    title: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent, once.

    Attributes:
        notice_id: `n_...` of a notice; `x_...` of the rest. It is the claim's key.
        template_id: None: a session message, `text` alone.
        text: the body as it reads. params: values of its placeholders, in order.
        exempt: it counts in no cap (`cap.exempt`, or no notice).
        consent: the row of staged.consents that is used; `{}` for what answers a reply.
        occurred_at, occurred_to: what it tells of occurred not before and not after (UTC without zone).
        reply_id: message_id of the reply that it answers.
        form: a fingerprint of what fills the placeholders by the settings; a refusal by code holds as long as it (7.4).
    """

    notice_id: str
    kind: MessageKind
    account: GupshupAccount
    phone: str = field(repr=False)
    text: str = field(repr=False)
    template_id: str | None = None
    category: str | None = None
    params: Sequence[str] = field(default=(), repr=False)
    buttons: Sequence[Button] = ()
    exempt: bool = False
    consent: Mapping[str, Any] = field(default_factory=dict, repr=False)
    unit_key: str | None = None
    status: str | None = None
    occurrence: int | None = None
    occurred_at: datetime | None = None
    occurred_to: datetime | None = None
    merchant_order: str | None = None
    order_number: str | None = None
    reply_id: str | None = None
    form: str | None = None


def buttons_as_json(buttons: Sequence[Button]) -> str:
    """Return quick replies as they are stored: what each does, and its title (rulings, notices 5)."""
    return json.dumps([asdict(one) for one in buttons], ensure_ascii=False)


def notice_id(merchant: str, unit_key: str, status: str, occurrence: int) -> str:
    """Return a notice's id: `n_` and the first 26 of the lower-case base32 of the sha256 of what it is about (5)."""
    return "n_" + _short(f"v1|{merchant}|{unit_key}|{status}|{occurrence}")


def answer_id(account: str, message_id: str, kind: str) -> str:
    """Return the id of an answer to a reply: of account, the reply's message id, and kind (8.5)."""
    return "x_" + _short(f"v1|{account}|{message_id}|{kind}")


def _short(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:20]).decode("ascii").lower()[:26]  # 32 of 56
