"""Joins Vinoshipper customers and orders to SimpleTexting contacts."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.warehouse.migrations import read_legacy
from vs_st_pipeline.routes.contacts.settings import ContactsSettings
from vs_st_pipeline.routes.contacts.systems import SYSTEMS

_SQL = resources.files(__name__) / "sql"

ROUTE = Route(
    "contacts",
    SYSTEMS,
    needs=(frozenset({vinoshipper.CONNECTOR.name}), frozenset({simpletexting.CONNECTOR.name})),
    settings=ContactsSettings,
    migrations=_SQL,
    legacy=read_legacy(_SQL / "legacy"),
)
