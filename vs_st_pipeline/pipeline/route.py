"""Describes a route as the rest of the house sees it: what it is called, which systems it joins, when it is on.

A route is a value, made once in `routes/<route>/__init__.py` and listed in `routes.ROUTES`. Generic rooms are handed
routes and never import one.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, Legacy, read_lineage


@dataclass(frozen=True, slots=True)
class Route:
    """What joins systems.

    Attributes:
        name: its word on the command line, in reports and in asset keys.
        connectors: the systems that it reads or writes, in the order in which reports name them.
        needs: names of the sections that a merchant's entry must name to have this route; of each set one will do.
        settings: what the route's own section may hold, or which keys of an entry are the route's; None: nothing.
        migrations: the folder of its own tables' numbered SQL; None where it needs none.
        legacy: how its file was made before each owner had a lineage of its own.
    """

    name: str
    connectors: tuple[Connector[Any], ...]
    needs: tuple[frozenset[str], ...]
    settings: type[SettingsModel] | None = None
    migrations: Traversable | None = None
    legacy: Legacy | None = None

    def is_on(self, merchant: Merchant) -> bool:
        """Say whether this route is to be run for a merchant."""
        return merchant.enabled and self.name in merchant.routes


def layout_of(route: Route) -> Layout:
    """Return what this route's files hold: what all share, its connectors' tables, and its own."""
    own = [(connector.name, connector.migrations) for connector in route.connectors]
    own.append((route.name, route.migrations))
    return Layout((SHARED, *(read_lineage(owner, folder) for owner, folder in own if folder)), route.legacy)
