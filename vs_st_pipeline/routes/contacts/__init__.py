"""Joins Vinoshipper customers and orders to SimpleTexting contacts."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.warehouse.migrations import read_legacy
from vs_st_pipeline.routes.contacts.systems import SYSTEMS

_SQL = resources.files(__name__) / "sql"

ROUTE = Route(
    "contacts",
    SYSTEMS,
    is_on=lambda merchant: merchant.enabled,
    migrations=_SQL,
    legacy=read_legacy(_SQL / "legacy"),
)
