"""Understands Eshopbox's webhooks: which order one names, and what it says of the order's journey (notices.md 3.4, W6).

A hook hints at an order, which is read first; its word counts only where no read can show a status, and only with the
header that proves it (R12). It carries neither an id nor a time: the same body may come for a second failed delivery,
so none is taken for a repetition here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.domain.hints import ORDER, Call
from vs_st_pipeline.platform.hooks import Hooks, calls_in, text_of, word_of

_WORDS: Final = ("resource", "eventType", "eventSubType")
_ORDER: Final = "customerOrderNumber"
_IDS: Final = (_ORDER, "vendorOrderNumber", "externalShipmentID", "customerReturnNumber", "order_id", "orderDate")
_TRACKING: Final = ("trackingID", "trackingId", "awbNumber")
BY_HAND: Final = (
    "register the URL by Eshopbox's webhook API or their support, for shipment and returnShipment, with the header "
    "x-api-key that stands under `webhooks.eshopbox` (docs/notices.md)"
)


def read(body: bytes) -> Sequence[Call]:
    """Return the hints of a body; never raises. What names no order is a `whole`."""
    return calls_in(body, _understand)


def _understand(said: Mapping[str, Any]) -> Call | None:
    data = said.get("response_data")
    if not isinstance(data, dict) or (number := text_of(data.get(_ORDER))) is None:
        return None
    words = {key: word for key in _WORDS if (word := word_of(said.get(key))) is not None}
    ids = {key: text for key in _IDS if (text := text_of(data.get(key))) is not None}
    tracking = next((text for key in _TRACKING if (text := text_of(data.get(key))) is not None), None)
    slug = text_of(said.get("accountSlug"))
    kept = words | ids | {key: text for key, text in (("accountSlug", slug), (_TRACKING[0], tracking)) if text}
    account = None if slug is None else slug.casefold()
    return Call(ORDER, number, event=words.get("eventSubType"), account=account, kept=kept)


def _workspace(settings: EshopboxSettings) -> str:
    return settings.workspace.casefold()


HOOKS: Final = Hooks(
    read, frozenset({ORDER}), body_limit=1_048_576, answers_get=True, by_hand=BY_HAND, account=_workspace
)
