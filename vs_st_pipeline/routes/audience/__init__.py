"""Route `audience`: a shop's people, products and orders, told to WayMore once as history and then as events."""

from __future__ import annotations

from vs_st_pipeline.routes.audience.route import ROUTE

__all__ = ["ROUTE"]
