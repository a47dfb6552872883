"""Understands Commerce7's webhooks: which order a call names (orders.md 3; routes.md R12, R48; rulings, orders 5).

A call carries the whole record, and none of it is believed or kept but its id: the order is read. What its
`callbackUrl` shows is what the pass over changed orders shows, so that URL is never fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.registering import BY_HAND, Commerce7Registrar
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.connectors.commerce7.streams import ORDER, PRODUCT
from vs_st_pipeline.domain.hints import CUSTOMER, NOTHING, WHOLE, Call
from vs_st_pipeline.platform.hooks import Hooks, calls_in, text_of, word_of

BODY_LIMIT: Final = 2**20  # a whole order, with all that belongs to it
_KINDS: Final = {"order": ORDER, "product": PRODUCT, "customer": CUSTOMER}
ALL: Final = "all"  # the catalogue is read whole, whatever of it changed
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def read(body: bytes) -> Sequence[Call]:
    """Return the calls of a body; never raises."""
    return calls_in(body, _understand)


def _understand(said: Mapping[str, Any]) -> Call | None:
    """Return what one call means.

    `Order`, `Customer`: that one is to be read, whatever happened to it; `Product`: the catalogue, or that product,
    as the route wants; any other object: nothing, for none but these can be read by the id that a call names. A
    call about many, or about something without a name, has a whole sync look: its passes show what changed.
    """
    payload = said.get("payload")
    payload = payload if isinstance(payload, Mapping) else {}
    subject, action = word_of(said.get("object")), word_of(said.get("action"))
    tenant, record = text_of(said.get("tenantId")), text_of(payload.get("id"))
    record = record if record is not None and _ID.fullmatch(record) else None
    parts = {"object": subject, "action": action, "payload.id": record, "tenantId": tenant}
    kept = {key: value for key, value in parts.items() if value is not None}
    name = (subject or "").strip().lower()
    if not name and "orderNumber" in payload:  # an order, whether or not it is called one
        name = ORDER
    if name and name not in _KINDS:
        return Call(NOTHING, event=action, account=tenant, kept=kept)
    if name == PRODUCT:
        return Call(PRODUCT, record or ALL, event=action, account=tenant, kept=kept)
    if name and record is not None:
        return Call(_KINDS[name], record, event=action, account=tenant, kept=kept)
    if name or "callbackUrl" in payload:
        return Call(WHOLE, event=action, account=tenant, kept=kept)
    return None


def _tenant(settings: Commerce7Settings) -> str:
    return settings.tenant


HOOKS: Final = Hooks(
    read,
    frozenset({ORDER, PRODUCT, CUSTOMER}),
    body_limit=BODY_LIMIT,
    registrar=Commerce7Registrar,
    by_hand=BY_HAND,
    account=_tenant,
)
