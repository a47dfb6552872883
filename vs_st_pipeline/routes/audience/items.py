"""Renders the history's items exactly (audience.md 5.2-5.5): pure functions of staged rows, no database.

A record is a mapping of the columns of staged.shop_* (4.1), its parts as lists under `addresses`, `options`, `lines`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any

from vs_st_pipeline.routes.audience.words import Block

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Style:
    """How a merchant's settings want things written.

    Attributes:
        dates: iso, dmy or mdy. extras: whether extras and `order_create_date` go. today: in the merchant's zone.
        product_link, cart_link: templates, or None.
    """

    dates: str
    extras: bool
    today: date
    zone: tzinfo
    product_link: str | None = None
    cart_link: str | None = None


def item(block: Block, record: Record, style: Style) -> dict[str, Any]:
    """Return one item of a block (5.3). A customer's `lines` are those of the cart, if any."""
    raise NotImplementedError


def body(block: Block, items: list[dict[str, Any]], *, block_names: str) -> bytes:
    """Return a part's body without the uuid (5.2): compact JSON that begins with `{"data"`; `with_uuid` completes it."""
    raise NotImplementedError


def with_uuid(body_without: bytes, uuid: str) -> bytes:
    """Return the body as it is sent."""
    raise NotImplementedError
