"""Names the tables of the say-once toolkit: a route that says things once lists them among its file's owners."""

from __future__ import annotations

from importlib import resources
from typing import Final

from vs_st_pipeline.platform.warehouse.migrations import Lineage, read_lineage

ONCE: Final[Lineage] = read_lineage("once", resources.files("vs_st_pipeline.pipeline.once") / "sql")
