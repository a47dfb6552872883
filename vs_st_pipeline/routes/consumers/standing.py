"""Says what people are told of besides how runs end: silence, what must never be, what was undone or withdrawn.

Data flow: the route's tables -> `Report.troubles` -> the status file -> alerts (consumers.md 8).

Called at the end of each run that may have written, while the sync lock is held; an occurrence is told of for a day, so
that runs that follow each other closely lose none.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from vs_st_pipeline.domain.report import Report, Trouble
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.consumers import metrics
from vs_st_pipeline.routes.consumers.assets import SOURCE, TITLES
from vs_st_pipeline.routes.consumers.checks import CHECKS, MUST_NEVER

TOLD_FOR: Final = timedelta(days=1)
QUIET: Final = "quiet"
ALERTS: Final = {
    QUIET: (
        f"No event of {SOURCE} came for longer than sopost.quiet_after. See whether orders come in there; if so, "
        "`vs-st consumers register --again`, then import what was missed."
    ),
    "undone": (
        "Somebody opted out while we subscribed them, and was unsubscribed again at once. Nothing is to be done if "
        "the CRM lists them as unsubscribed."
    ),
    "withdrawn": (
        "A consent was withdrawn, and what was done because of it is undone. Nothing is to be done; `vs-st why` "
        "says it of one person."
    ),
    **{check.name: f"{check.counted.capitalize()}. {check.means}" for check in CHECKS if check.name in MUST_NEVER},
}
"""What people are told of besides how runs end, by the word that a message begins with."""


def look(run: Run, report: Report) -> None:
    """Fill in what the report has to tell people besides; a dry run tells nobody."""
    if run.dry_run:
        return
    with run.open() as db:
        if get_state(db, metrics.FIRST_SYNC) is None:
            with db.transaction():
                set_state(db, metrics.FIRST_SYNC, run.now().isoformat(), run.now())
        report.troubles = [*_standing(run, db), *_occurrences(run, db)]


def _standing(run: Run, db: Db) -> Iterator[Trouble]:
    is_quiet, told = metrics.quiet_for(run, db)
    if is_quiet:
        check = next(one for one in CHECKS if one.name == "inbox_is_not_quiet")
        yield Trouble(QUIET, f"{SOURCE} is quiet: {told}.\nWhat to do: {check.means}")
    for check in CHECKS:
        lacks = check.asset.split("/")[2] not in run.merchant.sections
        if check.name in MUST_NEVER and not lacks and (found := check.find(run, db)).count:
            which = f"{check.asset}: {found.count} {check.counted}"
            whom = f" ({found.sample})" if found.sample else ""
            yield Trouble(f"{check.name} at {check.asset.split('/')[2]}", f"{which}{whom}.\n{check.means}")


def _occurrences(run: Run, db: Db) -> Iterator[Trouble]:
    since = run.now() - TOLD_FOR
    for crm, run_id, people in db.rows(
        """select crm, run_id, count(distinct key) from synced.consent_evidence
           where outcome = 'undone' and outcome_at >= ? group by 1, 2 order by 1, 2""",
        [since],
    ):
        yield Trouble(
            "undone",
            f"{people} opted out at {TITLES[crm]} between our look and our subscribing; they are unsubscribed again."
            "\nWhat to do: nothing, if that lists them as unsubscribed. `vs-st consumers evidence` shows each.",
            f"{crm} {run_id}",
        )
    for at, consents in db.rows(
        """select withdrawn_at, count(*) from staged.consents where withdrawn_at >= ? and ever_given
           group by 1 order by 1""",
        [since],
    ):
        yield Trouble(
            "withdrawn",
            f"{consents} consents were withdrawn at {SOURCE}. What was done because of them is undone, unless "
            "consumers.on_withdrawn says `note`.\nWhat to do: nothing, but see `vs-st why` where somebody asks.",
            at.isoformat(),
        )
