"""Describes route `consumers` as the rest of the house sees it."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors import sopost
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.routes.consumers import (
    assets,
    check,
    checks,
    codes,
    commands,
    demo,
    forgetting,
    pages,
    report,
    standing,
    sync,
    targeted,
    words,
)
from vs_st_pipeline.routes.consumers.session import SYSTEMS
from vs_st_pipeline.routes.consumers.settings import ConsumersSettings
from vs_st_pipeline.routes.consumers.stage_names import PUSH, STAGES
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES, NAME

ROUTE = Route(
    NAME,
    SYSTEMS,
    needs=(frozenset({sopost.CONNECTOR.name}), frozenset({NAME}), frozenset(CRM_NAMES)),
    settings=ConsumersSettings,
    migrations=resources.files("vs_st_pipeline.routes.consumers") / "sql",
    does="people who ordered at SoPost and consented on their lists in HubSpot, Klaviyo and Salesforce",
    records="consumers",
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
    reconcile=commands.RECONCILE,
    forget=forgetting.FORGET,
    next_due_at=lambda data_dir, merchant_id: read_next_due(data_dir, merchant_id, NAME),
    outcome=commands.outcome,
    under_way=commands.under_way,
    count_stored=commands.count_stored,
    map_names=words.MAP_NAMES,
    commands=commands.COMMANDS,
    asked="Import orders, and show what a subscription rests on.",
    demo=demo.DEMO,
    waiting=commands.waiting,
    words={**words.WORDS, "code of a refusal": codes.CODES},
    alerts=standing.ALERTS,
    # What no system can tell again: which orders there are, and when they were first seen; what was sent and not heard
    # of; what was done for whom; who was deleted there; since when the settings let what happen, for the brake.
    # Evidence comes from its own file, too (R35). By which settings people were planned (planned.crm_maps) is not
    # carried, so that everybody is looked at, and the ledger found again.
    carried={
        "raw.sopost_events": "true",
        "raw.sopost_orders": "true",
        "staged.sopost_orders": "true",
        "staged.consumers": "true",
        "staged.consents": "true",
        "staged.answers": "true",
        "synced.consumers": "true",
        "synced.consent_evidence": "true",
        "synced.crm_accounts": "true",
        "synced.crm_settings": "true",
        "synced.writes": "outcome is null",
    },
)
