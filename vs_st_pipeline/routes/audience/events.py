"""Renders the `data` of each event exactly (audience.md 6.1, 6.2): pure functions of staged rows, no database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vs_st_pipeline.routes.audience.items import Record, Style
from vs_st_pipeline.routes.audience.words import Event


def data_of(event: Event, record: Record, about: Mapping[str, Any], style: Style) -> dict[str, Any]:
    """Return the `data` of an event.

    Args:
        record: the staged row with its parts; of an OrderAdd besides `customer` (the customer's row or None) and
            `newsletter` (whether the order's address is subscribed).
        about: what the news says besides: option_id, status, subscription, email, search_string, ...
    """
    raise NotImplementedError
