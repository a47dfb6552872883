"""Joins Vinoshipper customers and orders to SimpleTexting contacts."""

from __future__ import annotations

from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.routes.contacts.systems import SYSTEMS

ROUTE = Route("contacts", SYSTEMS, is_on=lambda merchant: merchant.enabled)
