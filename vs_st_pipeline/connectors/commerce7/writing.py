"""Writes into Commerce7: a fulfilment, a message; one request each, and what its answer means (orders.md 6.3, 7).

Data flow: a body -> one request -> `ShopAnswer`; a key that is not accepted is raised. What is not surely done or
surely refused is unknown: Commerce7 is read before anything is written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.client import Commerce7Client
from vs_st_pipeline.connectors.commerce7.order_record import Unreadable, read_order
from vs_st_pipeline.domain.errors import (
    BadAnswer,
    Blocked,
    Forbidden,
    KeptBack,
    NotSent,
    PipelineError,
    Refused,
    TryLater,
)
from vs_st_pipeline.domain.order_desk import NotReached, Problem, RefusedWrite, UnknownOutcome
from vs_st_pipeline.domain.records import is_error
from vs_st_pipeline.domain.shop_order import ShopOrder

REFUSALS: Final = (400, 422)
NO_MESSAGES: Final = (403, 404)
"""Of a message: our app may not leave any, or not on this order."""
_BUSY: Final = 429


@dataclass(frozen=True, slots=True)
class ShopDone:
    """2xx in JSON. order: as it is now; None where a message was left."""

    order: ShopOrder | None = field(default=None, repr=False)
    http_status: int | None = None


ShopAnswer = ShopDone | RefusedWrite | NotReached | UnknownOutcome


def fulfil(client: Commerce7Client, order_id: str, body: Mapping[str, Any], *, whole: bool) -> ShopAnswer:
    """Fulfill an order (`whole`), or the lines that the body names, once. Done only if the answer is that order.

    Raises:
        PipelineError: the key is not accepted (BadKey), or a setting is at fault: nothing was written.
    """
    try:
        answer = client.fulfil(order_id, body, whole=whole)
    except PipelineError as error:
        return _of_error(error, REFUSALS)
    try:
        order = read_order(answer.value)
    except Unreadable:
        return UnknownOutcome(BadAnswer.kind, answer.status)
    if order.id != order_id:
        return UnknownOutcome("another_record", answer.status)
    return ShopDone(order, answer.status)


def tell(client: Commerce7Client, body: Mapping[str, Any]) -> ShopAnswer:
    """Leave a message on an order, once; `RefusedWrite` of 403 or 404: there is no way to leave one.

    Raises:
        PipelineError: the key is not accepted (401, a log-in page), or a setting is at fault: nothing was written.
    """
    try:
        answer = client.say(body)
    except Forbidden as error:
        return RefusedWrite("forbidden", http_status=error.http_status, trace_id=error.trace_id)
    except PipelineError as error:
        return _of_error(error, (*REFUSALS, *NO_MESSAGES))
    if not isinstance(answer.value, Mapping) or not answer.value or is_error(answer.value):
        return UnknownOutcome(BadAnswer.kind, answer.status)
    return ShopDone(None, answer.status)


def _of_error(error: PipelineError, refusals: tuple[int, ...]) -> ShopAnswer:
    status, trace_id = error.http_status, error.trace_id
    if isinstance(error, NotSent | Blocked | KeptBack) or status == _BUSY:
        return NotReached(error)
    if isinstance(error, Refused):
        if status in refusals and isinstance(error.said, Mapping):
            return RefusedWrite(error.code, _problems(error.said), http_status=status, trace_id=trace_id)
        return UnknownOutcome(error.kind, status, trace_id)
    if isinstance(error, TryLater | BadAnswer):
        return UnknownOutcome(error.kind, status, trace_id)
    raise error


def _problems(said: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return what a refusal names: each field that is wrong, else its one sentence."""
    rows = said.get("errors")
    named = [one for one in rows if isinstance(one, Mapping)] if isinstance(rows, list) else []
    told = [Problem(_text(one.get("field")), _text(one.get("message")), _text(said.get("type"))) for one in named]
    return tuple(told) or (Problem(None, _text(said.get("message")), _text(said.get("type"))),)


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
