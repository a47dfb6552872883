"""Sends paid orders of a shop at Commerce7 to Vinoshipper once, and tells the shop what becomes of them."""

from __future__ import annotations

from vs_st_pipeline.routes.orders.route import ROUTE

__all__ = ["ROUTE"]
