"""Joins systems: one folder per route, and nothing else. A new route is a folder here and a line in `ROUTES`."""

from __future__ import annotations

from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.routes import contacts

ROUTES: tuple[Route, ...] = (contacts.ROUTE,)
