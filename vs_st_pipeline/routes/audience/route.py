"""Describes route `audience` as the rest of the house sees it."""

from __future__ import annotations

from importlib import resources
from typing import Final

from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.routes.audience import (
    alerts,
    assets,
    check,
    checks,
    commands,
    demo,
    forgetting,
    leaving,
    pages,
    report,
    setup,
    sync,
    targeted,
    words,
)
from vs_st_pipeline.routes.audience.session import SYSTEMS
from vs_st_pipeline.routes.audience.stage_names import PUSH, STAGES
from vs_st_pipeline.routes.audience.systems import DESTINATION, NAME, SOURCES

# What no system can tell again: what WayMore was told, by which evidence, and what waits. Blocks that are done stand in
# waymore.json too, so that a lost database sends no history twice.
CARRIED: Final = {
    f"synced.{table}": "true"
    for table in (
        *("base_customers", "base_subscribers", "base_products", "base_wishes", "base_orders", "base_carts"),
        *("audience_outbox", "audience_told", "audience_blocks", "audience_pins", "audience_parts", "audience_late"),
        *("audience_was_held", "audience_facts"),
    )
}

ROUTE = Route(
    NAME,
    SYSTEMS,
    needs=(frozenset({DESTINATION}), frozenset(SOURCES)),
    migrations=resources.files("vs_st_pipeline.routes.audience") / "sql",
    memory_mb=224,  # a million customers and as many orders; what it reads it reads once
    does="what a shop knows of its people, products and orders told to WayMore: once as history, then as events",
    records="records of the shop",
    stages=STAGES,
    writes=PUSH,
    assets=assets.ASSETS,
    checks=checks.CHECKS,
    pages=pages.PAGES,
    report=report.new_report,
    run_stages=sync.run_stages,
    dry_run=commands.DRY_RUN,
    check=check.check,
    cannot_check=check.new_result,
    why=commands.WHY,
    history=commands.HISTORY,
    retry=commands.RETRY,
    hinted=targeted.HINTED,
    forget=forgetting.FORGET,
    setup=setup.SETUP,
    next_due_at=lambda data_dir, merchant_id: read_next_due(data_dir, merchant_id, NAME),
    outcome=commands.outcome,
    under_way=leaving.under_way,
    count_stored=commands.count_stored,
    carried=CARRIED,
    demo=demo.DEMO,
    waiting=commands.waiting,
    registering=leaving.REGISTERING,
    history_again=commands.HISTORY_AGAIN,
    progress=commands.progress_of,
    words=words.WORDS,
    alerts=alerts.ALERTS,
)
