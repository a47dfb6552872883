"""Tries refused people now, whatever their gap: for a person who has just corrected the cause of the refusal.

Setting the gap aside is all that is special; what follows is a sync like any other, with its judgment and its brake.
"""

from __future__ import annotations

from vs_st_pipeline.domain.emails import email_key, person_key
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import retries
from vs_st_pipeline.routes.consumers.looking import OBJECT
from vs_st_pipeline.routes.consumers.session import open_session
from vs_st_pipeline.routes.consumers.sync import sync


def retry(run: Run, email: str | None = None) -> Report | None:
    """Set the gaps of refused people and subscriptions aside and sync; never raises.

    Args:
        email: only of this address; None for all.

    Returns:
        The report of the sync; None where nobody waits, and then no system was called.
    """
    waits = True
    with open_session(run, ()) as session:
        waits = _set_gaps_aside(run, person_key(email_key(email)) if email is not None else None)
    if session.report.status == FAILED:
        return session.report
    return sync(run) if waits else None


def _set_gaps_aside(run: Run, key: str | None) -> bool:
    """Set the gaps aside, of fields and of subscriptions; return whether anybody waits."""
    if not run.file().exists():
        return False
    with run.sync_lock(), run.open() as db, db.transaction():
        refs = [ref for ref in retries.read_rejected(db) if ref.object == OBJECT and key in (None, ref.id)]
        retries.set_gaps_aside(db, refs, at=run.now())
        subscriptions = db.rows(
            """update synced.subscription_rejects set next_at = least(next_at, $now::timestamp)
               where $key is null or key = $key returning crm, key""",
            {"now": run.now(), "key": key},
        )
        people = {*refs, *(Ref(crm, OBJECT, one) for crm, one in subscriptions)}
        unknown = db.rows(
            """select crm, key from synced.consent_evidence where outcome = 'unknown' and ($key is null or key = $key)
               union select system, id from synced.writes
               where outcome is null and object = $object and ($key is null or id = $key)""",
            {"key": key, "object": OBJECT},
        )
    return bool(people or unknown)
