"""Describes a route as the rest of the house sees it: what it is called, which systems it joins, when it is on.

A route is a value, made once in `routes/<route>/__init__.py` and listed in `routes.ROUTES`. Generic rooms are handed
routes and never import one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


@dataclass(frozen=True, slots=True)
class Route:
    """What joins systems.

    Attributes:
        name: its word on the command line, in reports and in asset keys.
        connectors: the systems that it reads or writes, in the order in which reports name them.
        is_on: says whether a merchant has this route.
    """

    name: str
    connectors: tuple[Connector[Any], ...]
    is_on: Callable[[Merchant], bool]
