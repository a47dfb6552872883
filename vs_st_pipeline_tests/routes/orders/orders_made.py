"""Makes orders for tests of rules and payload: records of the stand-in that the connector read, somewhat changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.commerce7.order_record import read_order
from vs_st_pipeline.domain.codec import encode, read_json
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.routes.orders.known import Known
from vs_st_pipeline.routes.orders.rules import Verdict, judge
from vs_st_pipeline.routes.orders.settings import OrdersSettings
from vs_st_pipeline.sandbox.core.asgi import merged
from vs_st_pipeline.sandbox.scenarios.orders_accounts import WINES, account_of
from vs_st_pipeline.sandbox.scenarios.orders_shop import customer_record, line, order_record

NOW = datetime(2026, 11, 29, 20, tzinfo=UTC)
TODAY = date(2026, 11, 29)
ZONE = ZoneInfo("America/Los_Angeles")
ACCOUNT = account_of("hillside")
BUYER = customer_record(ACCOUNT, 1, "Marisol", "Vantongeren", NOW - timedelta(days=200))
SETTINGS = OrdersSettings(start=date(2026, 11, 1), states=frozenset({"CA", "NY", "TX"}))
SENT = "sent"
_SETTINGS = frozenset(OrdersSettings.model_fields)
_KNOWN = frozenset(one.name for one in fields(Known))

__all__ = ["line"]

Body = dict[str, Any]


def body(*lines: Mapping[str, Any], number: int = 1, hours: float = 5, **changed: Any) -> Body:
    """Return the record of a good order: two bottles to California; `changed` is put over it, part by part."""
    made: Body = order_record(ACCOUNT, number, BUYER, NOW - timedelta(hours=hours), lines)
    return merged(made, changed)  # type: ignore[no-any-return]


def read(record: Body) -> ShopOrder:
    """Read a record as it comes over the wire."""
    return read_order(read_json(encode(record) or b""))


def made(*lines: Mapping[str, Any], number: int = 1, hours: float = 5, **changed: Any) -> ShopOrder:
    """Return a good order, with something changed."""
    return read(body(*lines, number=number, hours=hours, **changed))


def known(**changed: Any) -> Known:
    """Return what is known besides a good order; keys of `Known` and of the settings may be changed."""
    assert changed.keys() <= _SETTINGS | _KNOWN, changed.keys()
    own = {key: value for key, value in changed.items() if key in _SETTINGS}
    given: dict[str, Any] = {
        "settings": OrdersSettings.model_validate({**dict(SETTINGS), **own}),
        "number_prefix": "HILLSIDE",
        "tenant": "hillside",
        "zone": ZONE,
        "today": TODAY,
        "now": NOW.replace(tzinfo=None),
        "catalogue": frozenset(WINES) - {"LIBRARY"},
    }
    return Known(**(given | {key: value for key, value in changed.items() if key in _KNOWN - _SETTINGS}))


def judged(order: ShopOrder, **changed: Any) -> Verdict:
    """Return what the rules say of an order."""
    return judge(order, known(**changed))


def code(order: ShopOrder, **changed: Any) -> str:
    """Return the code of an order, `sent` where it may be sent."""
    return judged(order, **changed).code or SENT
