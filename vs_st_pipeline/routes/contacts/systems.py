"""Names this route, and the systems that it joins in the order in which reports name them."""

from __future__ import annotations

from typing import Any, Final

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.platform.connector import Connector

NAME: Final = "contacts"
"""What this route is called on the command line, in reports and among the sections of an entry."""

SYSTEMS: Final[tuple[Connector[Any], ...]] = (vinoshipper.CONNECTOR, simpletexting.CONNECTOR)
