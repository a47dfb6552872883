"""Says which assets each stage makes: customers and orders are staged together, all others are one to one."""

from __future__ import annotations

from collections.abc import Iterable

ASSETS_OF_STAGE: dict[str, tuple[str, ...]] = {
    "raw/simpletexting/contacts": ("raw/simpletexting/contacts",),
    "raw/vinoshipper/customers": ("raw/vinoshipper/customers",),
    "raw/vinoshipper/orders": ("raw/vinoshipper/orders",),
    "staged": ("staged/customers", "staged/orders"),
    "planned": ("planned/simpletexting/contacts",),
    "synced": ("synced/simpletexting/contacts",),
}


def stages_for(assets: Iterable[str], *, dry_run: bool) -> list[str]:
    """Return the stages that make these assets, in their order; a dry run ends before anything is written."""
    wanted = set(assets)
    return [
        stage
        for stage, made in ASSETS_OF_STAGE.items()
        if not wanted.isdisjoint(made) and not (dry_run and stage == "synced")
    ]
