"""Decides whether an answer is the order that was asked for, and what of it is stored (consumers.md 3.9; R22, R23).

Data flow: an answer's JSON -> `Order`, or `BadRecord`. What the parts of an order mean is the route's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.domain.codec import Beyond, try_json, try_object
from vs_st_pipeline.domain.errors import BadRecord
from vs_st_pipeline.domain.records import Kept, RecordKind, believed, carry, id_text, prove, wants_another_read

ORDER: Final = RecordKind(
    system=SOPOST,
    name="order",
    id_keys=("id",),
    always=("status",),
    documented=(
        *("short_id", "activity_id", "full_name", "email", "provider", "identity", "telephone", "address"),
        *(f"address.{part}" for part in ("line_1", "line_2", "town", "district", "postcode", "territory")),
        *("line_items", "consents", "custom_questions"),
    ),
)
CONSENTS: Final = "consents"
CARRIED: Final = "_carried"
"""A key of our own in a consent that the last answer omitted and the one before had (R23)."""

_LISTS: Final = (CONSENTS, "custom_questions")


def _as_null(value: object) -> None:
    """Write a number that nothing can hold as null."""
    assert isinstance(value, Beyond), "all else that JSON is read as can be written"


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_as_null)


class _Enveloped(msgspec.Struct):
    data: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Order:
    """A usable answer.

    Attributes:
        text: the order as JSON, as it came, without an envelope.
        told: the same, read.
        status: as SoPost writes it.
        activity_id: None where it does not say.
    """

    text: str = field(repr=False)
    told: Mapping[str, Any] = field(repr=False)
    status: str
    activity_id: str | None


@dataclass(frozen=True, slots=True)
class Believed:
    """What is stored of an order: the answer, with what it omits and the one before had (R23).

    Attributes:
        kept: what is carried over. again: it is to be read again, to see whether that is gone.
    """

    text: str = field(repr=False)
    kept: Kept = field(repr=False)

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()

    @property
    def again(self) -> bool:
        return wants_another_read(ORDER, self.kept)


def understand(answer: bytes, asked: str) -> Order:
    """Return the order of an answer.

    Args:
        asked: the id that was asked for; an id is one in any case.

    Raises:
        BadRecord: it is no order, another one, or one that cannot be used.
    """
    whole, text = try_json(answer), answer
    if isinstance(whole, Mapping) and "id" not in whole and isinstance(whole.get("data"), Mapping):
        whole, text = whole["data"], bytes(msgspec.json.decode(answer, type=_Enveloped).data)
    named = {**whole, "id": (id_text(whole.get("id")) or "").lower() or None} if isinstance(whole, Mapping) else whole
    prove(ORDER, named, asked.lower())
    assert isinstance(whole, Mapping), "prove says so"
    status = whole["status"]
    if not isinstance(status, str) or not status.strip():
        raise _bad("has no status")
    if any(not isinstance(whole.get(key), list | None) for key in _LISTS):
        raise _bad("has consents or questions that are no list")
    return Order(text.decode(), whole, status.strip(), id_text(whole.get("activity_id")))


def believe(order: Order, before: str | None, kept: str | None, now: datetime) -> Believed:
    """Return what is stored of an order that was stored before.

    Args:
        before, kept: as they were stored; None: nothing was.
        now: UTC without zone.
    """
    known = try_object(before)
    if known is None:
        return Believed(order.text, {})
    found = carry(ORDER, order.told, known, try_object(kept) or {}, now)
    if not found:
        return Believed(order.text, {})
    told = believed(ORDER, order.told, found)
    if CONSENTS in found:  # they stand as they did, but nobody is subscribed by what SoPost did not say just now
        told[CONSENTS] = [{**one, CARRIED: True} if isinstance(one, dict) else one for one in told[CONSENTS]]
    return Believed(_ENCODER.encode(told).decode(), found)


def kept_text(kept: Kept) -> str | None:
    """Return what is carried over as it is stored; None for nothing."""
    return _ENCODER.encode(kept).decode() if kept else None


def _bad(what: str) -> BadRecord:
    return BadRecord(f"the answer to a read of one order {what}; what is known stands", system=SOPOST, call="order")
