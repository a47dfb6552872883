"""Joins Vinoshipper customers and orders to SimpleTexting contacts."""

from __future__ import annotations

from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.routes.contacts import assets, check, checks, commands, pages, report, sync

ROUTE = Route(
    "contacts",
    report.CONNECTORS,
    is_on=lambda merchant: merchant.enabled,
    does="SimpleTexting contacts saying what Vinoshipper knows",
    records="contacts",
    stages=sync.STAGES,
    writes=sync.SYNCED,
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
    reconcile=commands.RECONCILE,
    forget=commands.FORGET,
    outcome=commands.outcome,
    count_stored=commands.count_stored,
    # Writes that were sent, or were about to be, with no outcome known: a sync settles them by reading. Batches that
    # may still take effect, and contacts that we may have made.
    carried={"synced.writes": "outcome is null or phone is not null", "synced.doubted": "true"},
)
