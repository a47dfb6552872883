"""Assembles what Dagster shows and runs; the only module that Dagster loads. What things are is in `defs`."""

from __future__ import annotations

from vs_st_pipeline import routes
from vs_st_pipeline.defs.everything import definitions_of

defs = definitions_of(routes.ROUTES)
