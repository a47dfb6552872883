"""Judges people: whose address is subscribed and by what evidence, and who is held (audience.md 8.1-8.4).

Data flow: staged.shop_customers, shop_subscribers, shop_orders -> planned.audience_addresses, planned.audience_held.
"""

from __future__ import annotations

from collections.abc import Collection

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.session import AudienceSession


def judge(session: AudienceSession) -> None:
    """Make `planned.audience_addresses` and `planned.audience_held` anew, and count them in the report."""
    raise NotImplementedError


def may_be_subscribed(session: AudienceSession, db: Db, addresses: Collection[str]) -> frozenset[str]:
    """Return those of these addresses that are subscribed and not held now: asked before each sending (8.3)."""
    raise NotImplementedError


def held_among(session: AudienceSession, db: Db, kind: str, ids: Collection[str]) -> frozenset[str]:
    """Return those of these records (customer, order, subscriber, cart, wish: by its customer) that are held now."""
    raise NotImplementedError
