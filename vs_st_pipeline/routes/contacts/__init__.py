"""Joins Vinoshipper customers and orders to SimpleTexting contacts."""

from __future__ import annotations

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.routes.contacts.settings import ContactsSettings

ROUTE = Route(
    "contacts",
    (vinoshipper.CONNECTOR, simpletexting.CONNECTOR),
    needs=(frozenset({vinoshipper.CONNECTOR.name}), frozenset({simpletexting.CONNECTOR.name})),
    settings=ContactsSettings,
)
