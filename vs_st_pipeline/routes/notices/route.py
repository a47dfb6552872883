"""Describes route `notices` as the rest of the house sees it."""

from __future__ import annotations

from importlib import resources
from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupSettings
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.notices import (
    alerts,
    assets,
    check,
    checks,
    commands,
    demo,
    forgetting,
    leaving,
    meanings,
    pages,
    report,
    setup,
    sync,
    targeted,
)
from vs_st_pipeline.routes.notices.session import SYSTEMS
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.stage_names import PUSH, STAGES
from vs_st_pipeline.routes.notices.systems import NAME, SOURCES

# What no system can tell again: what was said, done and noted. `started_at` is not carried: what a lost or rebuilt
# database has not seen is history (5.1).
CARRIED: Final = {f"synced.{table}": "true" for table in ("notices", "actions", "activity_push")} | {
    "staged.activity": "true",
    "staged.replies": "true",
    "staged.receipts": "true",
}


def accounts_of(merchant: Merchant) -> tuple[str, ...]:
    """Return the ids of the accounts that a merchant has installed."""
    if not merchant.has(NoticesSettings):
        return ()
    return tuple(one.id for one in merchant.section(GupshupSettings).accounts)


ROUTE = Route(
    NAME,
    SYSTEMS,
    needs=(frozenset({NAME}), frozenset(SOURCES)),
    settings=NoticesSettings,
    migrations=resources.files("vs_st_pipeline.routes.notices") / "sql",
    does="customers told of their order's journey on WhatsApp, and their answers acted on",
    records="orders told of",
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
    leave=leaving.leave,
    count_stored=leaving.count_stored,
    carried=CARRIED,
    commands=commands.COMMANDS,
    asked="Try templates, preview messages, bill, settle and stop them.",
    demo=demo.DEMO,
    accounts=accounts_of,
    words=meanings.WORDS,
    alerts=alerts.ALERTS,
    held_advice=alerts.HELD_ADVICE,
    open_advice=(
        "`vs-st why --route notices` says of each message how it stands; `vs-st retry --route notices` releases what "
        "was refused, and `vs-st notices resolve` settles what nobody knows."
    ),
)
