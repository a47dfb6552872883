"""Finds posts of a site that name a forgotten person (audience.md 8.5): by e-mail, phone, or ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vs_st_pipeline.domain.emails import spellings
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, PHONE, Suppressed, phone_name
from vs_st_pipeline.routes.audience.post_data import id_of, read
from vs_st_pipeline.routes.audience.words import FORGOTTEN_CUSTOMER, FORGOTTEN_ORDER

_PHONES: Final = ("phone", "phone_mobile")


def erase(db: Db, forgotten: Suppressed) -> int:
    """Delete the posts that wait and name somebody forgotten, inside the caller's transaction."""
    rows = db.rows("select number, data from raw.shop_posts where data is not null")
    numbers = [number for number, data in rows if names(forgotten, read(data))]
    with db.batch({"number": numbers}, {"number": "int"}) as batch:
        return len(db.rows(f"delete from raw.shop_posts where number in (from {batch}) returning 1"))


def kept_names(forgotten: Suppressed, post: Any) -> bool:
    """Say whether a post, as the inbox keeps it, names somebody who is forgotten."""
    return names(forgotten, read(json.dumps(post)))


def names(forgotten: Suppressed, said: Any) -> bool:
    """Say whether a post, or its `data`, names somebody who is forgotten."""
    return any(forgotten.knows(kind, value) for kind, value in _names(said))


def _names(said: Any, inside: str = "") -> Iterator[tuple[str, str | None]]:
    if isinstance(said, list):
        for one in said:
            yield from _names(one, inside)
    if not isinstance(said, Mapping):
        return
    for name, value in said.items():
        if name == "email" and isinstance(value, str):
            yield from ((EMAIL, one) for one in spellings(value))
        elif name in _PHONES and isinstance(value, str | int):
            yield PHONE, phone_name(str(value))
        elif name == "customer_id" or (name == "id" and inside == "customer"):
            yield FORGOTTEN_CUSTOMER, id_of(value)
        elif name == "order_id":
            yield FORGOTTEN_ORDER, id_of(value)
        elif name == "id" and str(said.get("event", inside)).startswith("Customer"):
            yield FORGOTTEN_CUSTOMER, id_of(value)
        else:
            yield from _names(value, str(said.get("event", "")) if name == "data" and "event" in said else name)
