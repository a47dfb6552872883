"""Describes route `orders` as the rest of the house sees it."""

from __future__ import annotations

from importlib import resources
from typing import Final

from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.routes.orders import (
    alerts,
    assets,
    check,
    checks,
    commands,
    demo,
    forgetting,
    pages,
    report,
    sentences,
    setup,
    sync,
    targeted,
)
from vs_st_pipeline.routes.orders.session import SYSTEMS
from vs_st_pipeline.routes.orders.settings import OrdersSettings
from vs_st_pipeline.routes.orders.stage_names import PUSH, STAGES
from vs_st_pipeline.routes.orders.systems import NAME

CARRIED: Final = {
    # How each order stands, what may be out, and what was said and mailed: the two systems would have to be asked for
    # each, and some of it (what a person said) neither can tell. Which orders were erased, too.
    "synced.orders": "true",
    "synced.order_notes": "true",
    "synced.order_activity": "true",
    "synced.void_reasons": "true",
    "synced.order_writes": "true",
    "synced.fulfilments": "true",
    "synced.order_messages": "true",
    "synced.order_facts": "true",
    "raw.commerce7_orders": "true",
    "staged.shop_orders": "true",
    "staged.shipments": "true",
    "planned.orders_due": "true",  # else an order that is staged and not judged yet would be judged by nobody
    "raw.commerce7_hints": "true",
    "raw.vinoshipper_order_hints": "true",
}

ROUTE = Route(
    NAME,
    SYSTEMS,
    needs=(*(frozenset({system.name}) for system in SYSTEMS), frozenset({NAME})),
    settings=OrdersSettings,
    migrations=resources.files("vs_st_pipeline.routes.orders") / "sql",
    does="paid orders of Commerce7 shipped by Vinoshipper once, and Commerce7 told what became of them",
    records="orders",
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
    under_way=commands.under_way,
    count_stored=commands.count_stored,
    carried=CARRIED,
    commands=commands.COMMANDS,
    asked="Look at orders; send, check, void them or hold them back.",
    jobs=commands.JOBS,
    demo=demo.DEMO,
    open_advice=(
        "`vs-st orders list --state failed` says of each why; `vs-st orders show ORDER` what a person does. When that "
        "is done, the next sync sees it, and `vs-st retry` tries at once what was refused."
    ),
    refused="failed",
    held_advice=alerts.HELD_ADVICE,
    waiting=commands.waiting,
    words=sentences.WORDS,
    alerts=alerts.ALERTS,
)
