"""Joins Vinoshipper customers and orders to SimpleTexting contacts."""

from __future__ import annotations

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.pipeline.route import Route

ROUTE = Route("contacts", (vinoshipper.CONNECTOR, simpletexting.CONNECTOR), is_on=lambda merchant: merchant.enabled)
