"""Names the systems that this route joins, in the order in which reports name them."""

from __future__ import annotations

from typing import Any, Final

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.platform.connector import Connector

SYSTEMS: Final[tuple[Connector[Any], ...]] = (vinoshipper.CONNECTOR, simpletexting.CONNECTOR)
