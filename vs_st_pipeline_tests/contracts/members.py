"""Who has to keep the contracts: the members of the two tuples, and toys, which prove that others would fit."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.pipeline.once.schema import ONCE
from vs_st_pipeline.pipeline.route import Route, layout_of
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline_tests.support.toy_route import SHOP, Toy, route_of
from vs_st_pipeline_tests.toys import parcels, state

TOY_ROUTE = route_of(Toy())

CONNECTORS_AND_TOYS: dict[str, Connector[Any]] = {one.name: one for one in (*CONNECTORS, SHOP)}
ROUTES_AND_TOYS: dict[str, Route] = {one.name: one for one in (*ROUTES, TOY_ROUTE)}

LAYOUTS: dict[str, Layout] = {
    **{name: layout_of(route) for name, route in ROUTES_AND_TOYS.items()},
    "a toy of the state toolkit": state.LAYOUT,
    "a toy of the say-once toolkit": Layout((SHARED, ONCE, parcels.TABLES)),
}
"""What a file holds, by the route that it is of."""


def file_of(connector: Connector[Any]) -> Layout:
    """What a file holds that knows this system and no other."""
    own = (read_lineage(connector.name, connector.migrations),) if connector.migrations else ()
    return Layout((SHARED, *own))
