"""Asks where parcels are whose order does not say it (notices.md 3.2; W5).

Data flow: parcels with a tracking id and without a status -> `GET /api/v1/shipping/trackingDetails`, twenty at once ->
their words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vs_st_pipeline.connectors.eshopbox.client import MOST_TRACKED, EshopboxClient
from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.order_record import OrderSaid, UnitSaid, read_tracking, rows_in, tracking_of
from vs_st_pipeline.domain.errors import BadAnswer, Refused
from vs_st_pipeline.domain.records import is_error
from vs_st_pipeline.platform.http.client import NOT_THERE


def complete(client: EshopboxClient, orders: Sequence[OrderSaid]) -> None:
    """Add what tracking says of parcels whose order shows no status; what it does not know of stays as it is.

    Raises:
        BadAnswer: the answer is none, or about other parcels alone. PipelineError: as the client does.
    """
    waiting: dict[str, list[tuple[OrderSaid, UnitSaid]]] = {}
    for order in orders:
        for unit in order.units:
            if unit.tracking_id is not None and not unit.shows_status:
                waiting.setdefault(unit.tracking_id, []).append((order, unit))
    # A comma in an id would be taken for two.
    ids = sorted(one for one in waiting if "," not in one)
    for start in range(0, len(ids), MOST_TRACKED):
        asked = ids[start : start + MOST_TRACKED]
        try:
            answer = client.tracking(asked)
        except Refused as error:
            if error.http_status not in NOT_THERE:
                raise
            continue  # it knows of none of these
        for tracking_id, row in _rows(answer, asked).items():
            for order, unit in waiting[tracking_id]:
                unit.take(read_tracking(row, client.settings.time_zone, order.faults))


def _rows(answer: Any, asked: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    told = answer.get("data") if isinstance(answer, Mapping) and not is_error(answer) else answer
    if not isinstance(told, list):
        raise _bad("the answer holds no list of parcels")
    found = {name: row for row in rows_in(told) if (name := tracking_of(row)) is not None}
    if found and found.keys().isdisjoint(asked):
        raise _bad("the answer is about other parcels than those that were asked for")
    return {name: row for name, row in found.items() if name in asked}


def _bad(what: str) -> BadAnswer:
    return BadAnswer(what, system=ESHOPBOX, call="tracking")
