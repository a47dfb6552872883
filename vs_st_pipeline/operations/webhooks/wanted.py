"""Says which systems of a merchant can call us, and what for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vs_st_pipeline import routes
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.hints import name_of_account
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def systems_with_hooks(merchant: Merchant) -> list[Connector[Any]]:
    """Return the systems of a merchant that can call us, in the table's order."""
    return [
        one
        for one in CONNECTORS
        if one.hooks is not None and one.name in merchant.sections and one.hooks.gives_url(merchant.sections[one.name])
    ]


def shared_names(merchant: Merchant) -> list[tuple[str, str]]:
    """Return the shared accounts of a merchant whose routes are on: system, and what calls stand under in the inbox."""
    found = dict[tuple[str, str], None]()
    for route in routes.ROUTES:
        if route.name in _on(merchant) and route.hinted is not None and route.hinted.shared is not None:
            systems = [one.name for one in route.connectors if one.shared is not None]
            for account in route.hinted.shared.accounts(merchant):
                found |= {(system, name_of_account(account)): None for system in systems}
    return list(found)


def wanted_kinds(merchant: Merchant, system: str) -> frozenset[str]:
    """Return the kinds of records that the merchant's routes that are on read at a system (routes.md R55).

    Whether the merchant is enabled and active is another question: it is registered before it is (H41).
    """
    return _kinds(system, _on(merchant)) if merchant.webhooks.enabled else frozenset()


def idle_kinds(merchant: Merchant, system: str) -> frozenset[str]:
    """Return the kinds that are not wanted for now: of routes that are paused, or of all where webhooks are off.

    What is registered for them is left: a pause ends, and in the meantime calls are answered all the same (H5).
    """
    names = {*merchant.paused, *(_on(merchant) if not merchant.webhooks.enabled else ())}
    return _kinds(system, names) - wanted_kinds(merchant, system)


def _on(merchant: Merchant) -> set[str]:
    return {*merchant.routes, *merchant.off} - merchant.paused - merchant.faults.keys()


def _kinds(system: str, names: Collection[str]) -> frozenset[str]:
    wants = [route.hinted.wants for route in routes.ROUTES if route.name in names and route.hinted is not None]
    return frozenset(kind for one in wants for kind in one.get(system, ()))
