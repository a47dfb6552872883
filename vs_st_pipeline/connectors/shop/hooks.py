"""Understands what a site posts: content, stored whole, for nothing of it can be read back (audience.md 4.4; R12, R48).

The site's developer is told the index of what is not understood, and then nothing of the call is stored (R11).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.domain.hints import WHOLE, Call
from vs_st_pipeline.platform.hooks import Hooks, calls_in, text_of

POST: Final = "post"
MOST_POSTS: Final = 500
EVENTS: Final = frozenset({
    "CustomerAdd", "CustomerUpdate", "CartUpdate", "ProductAdd", "ProductUpdate", "ProductStockUpdate",
    "ProductOutOfStock", "OrderAdd", "OrderStatusUpdate", "OrderPaymentConfirmed", "WishlistAdd", "WishlistDelete",
    "Newsletter", "Search",
})  # fmt: skip
_SPELT: Final = {"ProductoutOfStock": "ProductOutOfStock"}  # the guide's own spelling


def read(body: bytes) -> Sequence[Call]:
    """Return the posts of a body; never raises. A body that holds none is one that is not understood."""
    if body.strip() in (b"", b"[]", b"null"):
        return [Call(WHOLE)]
    return calls_in(body, _understand, MOST_POSTS)


def event_of(said: Mapping[str, Any]) -> str | None:
    """Return the event's name as 6.2 writes it; None where there is no such event."""
    name = said.get("event")
    name = _SPELT.get(name, name) if isinstance(name, str) else None
    return name if name in EVENTS else None


def data_of(said: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a post's `data`, also where it is the only element of an array, as the vendor's plugin sends it."""
    data = said.get("data")
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    return data if isinstance(data, dict) else None


def _understand(said: Mapping[str, Any]) -> Call | None:
    event, data, at, own = event_of(said), data_of(said), said.get("at"), said.get("id")
    if event is None or data is None or not _is_time(at) or (own is not None and text_of(own) is None):
        return None
    return Call(POST, event=event, event_id=key_of(said), kept={"post": dict(said)})


def _is_time(at: Any) -> bool:
    if at is None:
        return True
    try:
        return isinstance(at, str) and bool(datetime.fromisoformat(at.strip()))
    except ValueError:
        return False


def key_of(said: Mapping[str, Any]) -> str | None:
    """Return what a post is known by: its id, else its body with its `at`; None: it may come any number of times."""
    if said.get("id") is not None:
        return f"id {text_of(said['id'])}"
    if said.get("at") is None:
        return None
    body = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return f"body {hashlib.sha256(body.encode()).hexdigest()}"


HOOKS: Final = Hooks(
    read,
    frozenset({POST}),
    body_limit=1_048_576,
    rate=300.0,
    burst=3_000,
    stores_when_off=True,
    expires=False,
    answers_counts=True,
    most_elements=MOST_POSTS,
    by_hand="give the URL to the site's developer, who posts events to it (docs/shop-export.md)",
)
