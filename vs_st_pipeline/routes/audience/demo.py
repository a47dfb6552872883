"""Shows this route on made-up shops: registered once, their history sent, then one event per change."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.pipeline.demo import Demo
from vs_st_pipeline.routes.audience.systems import NAME

DEMO: Final[Demo | None] = None
assert NAME
