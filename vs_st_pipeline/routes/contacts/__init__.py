"""Joins Vinoshipper customers and orders to SimpleTexting contacts."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.warehouse.migrations import read_legacy
from vs_st_pipeline.routes.contacts import (
    assets,
    check,
    checks,
    commands,
    demo,
    pages,
    report,
    setup,
    sync,
    targeted,
    words,
)
from vs_st_pipeline.routes.contacts.settings import ContactsSettings
from vs_st_pipeline.routes.contacts.stage_names import STAGES, SYNCED
from vs_st_pipeline.routes.contacts.systems import NAME, SYSTEMS

_SQL = resources.files(__name__) / "sql"

ROUTE = Route(
    NAME,
    SYSTEMS,
    needs=(frozenset({vinoshipper.CONNECTOR.name}), frozenset({simpletexting.CONNECTOR.name})),
    settings=ContactsSettings,
    migrations=_SQL,
    legacy=read_legacy(_SQL / "legacy"),
    does="SimpleTexting contacts saying what Vinoshipper knows",
    records="contacts",
    stages=STAGES,
    writes=SYNCED,
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
    hinted=targeted.HINTED_SYNC,
    reconcile=commands.RECONCILE,
    forget=commands.FORGET,
    setup=setup.SETUP,
    outcome=commands.outcome,
    demo=demo.DEMO,
    count_stored=commands.count_stored,
    map_names=words.ATTRIBUTE_NAMES,
    words=words.WORDS,
    # Writes that were sent, or were about to be, with no outcome known: a sync settles them by reading. Batches that
    # may still take effect, and contacts that we may have made.
    carried={"synced.writes": "outcome is null or phone is not null", "synced.doubted": "true"},
)
