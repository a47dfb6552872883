"""Begins the report of one run of this route, with the keys that it always has (interface.md, section 3)."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.report import Report, Shape

CUSTOMERS: Final = (VINOSHIPPER, "customers")
ORDERS: Final = (VINOSHIPPER, "orders")
CONTACTS: Final = (SIMPLETEXTING, "contacts")
SHAPE: Final = Shape(seen=(CUSTOMERS, ORDERS, CONTACTS), systems=(VINOSHIPPER, SIMPLETEXTING))


def new_report(merchant_id: str, run_id: str = "") -> Report:
    """Return a report in which nothing was done yet."""
    return Report(merchant_id, run_id, shape=SHAPE)
