"""Understands SoPost's webhooks: which order an event names (consumers.md 3.3, 3.4; rulings, consumers 1).

An event says when to read an order, and never what is written, but for its word and when it came (routes.md R12). What
cannot be asked for again is stored whatever is off, and never expires (R30, R31).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.registering import BY_HAND, SoPostTeller
from vs_st_pipeline.connectors.sopost.streams import ORDER
from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.platform.hooks import Hooks, calls_in, text_of

ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
BODY_LIMIT: Final = 65_536
_MOST_EVENTS: Final = BODY_LIMIT  # of one array: all that a body can hold, since none can be asked for again


def read(body: bytes) -> Sequence[Call]:
    """Return the events of a body; never raises. What names no order is a `whole`: nothing of it is kept but its size
    and hash.
    """
    return calls_in(body, _understand, _MOST_EVENTS)


def _understand(said: Mapping[str, Any]) -> Call | None:
    order_id = said.get("order_id")
    if not isinstance(order_id, str) or not ORDER_ID.fullmatch(order_id):
        return None
    event_id, event, activity = (text_of(said.get(key)) or "" for key in ("event_id", "event", "activity_id"))
    parts = {"event_id": event_id, "event": event, "order_id": order_id, "activity_id": activity}
    return Call(
        ORDER,
        order_id.lower(),  # an order's id is one in any case
        event=event or None,
        event_id=event_key(event_id, order_id, event) if event_id else None,
        kept={key: value for key, value in parts.items() if value},
    )


def event_key(event_id: str, order_id: str, event: str) -> str:
    """Return what an event is known by: the same triple is the same event, however often it comes (3.4)."""
    return json.dumps([event_id, order_id.lower(), event], ensure_ascii=False, separators=(",", ":"))


HOOKS: Final = Hooks(
    read,
    frozenset({ORDER}),
    body_limit=BODY_LIMIT,
    rate=300.0,
    burst=3_000,
    stores_when_off=True,
    expires=False,
    most_elements=_MOST_EVENTS,
    teller=SoPostTeller,
    by_hand=BY_HAND,
)
