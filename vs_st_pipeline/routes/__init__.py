"""Joins systems: one folder per route, and nothing else. A new route is a folder here and a line in `ROUTES`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes import (
    audience,
    consumers,
    contacts,
    notices,
    orders,
)

ROUTES: tuple[Route, ...] = (
    contacts.ROUTE,  # the first one: its files and names are older than routes are
    orders.ROUTE,
    audience.ROUTE,
    notices.ROUTE,
    consumers.ROUTE,
)


def routes_of(merchant: Merchant, names: Collection[str] = ()) -> tuple[Route, ...]:
    """Return the routes of a merchant that are on, in the table's order.

    Args:
        names: only these; empty for all.
    """
    return tuple(route for route in ROUTES if route.is_on(merchant) and (not names or route.name in names))


def faults_of(merchant: Merchant, names: Collection[str] = ()) -> Mapping[str, BadSettings]:
    """Return why routes of a merchant cannot be used, by the route's name; the merchant's other routes go on.

    A route that is paused or off today fails nothing, whatever its settings (routes.md R51).
    """
    rest = at_rest(merchant)
    return {name: fault for name, fault in merchant.faults.items() if name not in rest and (not names or name in names)}


def has_route(merchant: Merchant, route: Route) -> bool:
    """Say whether a merchant has this route; one whose settings of it are wrong has it, and it fails."""
    return route.is_on(merchant) or route.name in faults_of(merchant)


def paused_of(merchant: Merchant) -> frozenset[str]:
    """Return the names of the routes that the merchant's entry pauses."""
    return merchant.paused


def at_rest(merchant: Merchant) -> frozenset[str]:
    """Return the names of the routes that the merchant has and that do nothing today: paused, or off (`Merchant.off`).

    What they have stored may be looked at; a run of one succeeds and does nothing.
    """
    return merchant.paused | merchant.off.keys()
