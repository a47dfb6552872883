"""Which assets each stop of the way makes: customers and orders are staged together, all else is one to one."""

from __future__ import annotations

from collections.abc import Iterable

ASSETS_OF_STOP: dict[str, tuple[str, ...]] = {
    "raw/simpletexting/contacts": ("raw/simpletexting/contacts",),
    "raw/vinoshipper/customers": ("raw/vinoshipper/customers",),
    "raw/vinoshipper/orders": ("raw/vinoshipper/orders",),
    "staged": ("staged/customers", "staged/orders"),
    "planned": ("planned/simpletexting/contacts",),
    "synced": ("synced/simpletexting/contacts",),
}


def stops_for(assets: Iterable[str], *, dry_run: bool) -> list[str]:
    """The stops that make these assets, in the order of the way; a dry run ends before anything is written."""
    wanted = set(assets)
    return [
        stop
        for stop, made in ASSETS_OF_STOP.items()
        if not wanted.isdisjoint(made) and not (dry_run and stop == "synced")
    ]
