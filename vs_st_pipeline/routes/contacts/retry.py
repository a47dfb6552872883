"""Tries refused contacts now, whatever their gap: for a person who has just corrected the cause of the refusal.

Setting the gap aside is all that is special; what follows is a sync like any other, with its gates and its brake.
"""

from __future__ import annotations

from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.simpletexting.stored_contacts import read_identities
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import retries
from vs_st_pipeline.routes.contacts.session import open_session
from vs_st_pipeline.routes.contacts.sync import sync


def retry(run: Run, phone: str | None = None) -> Report | None:
    """Set the gaps of refused contacts aside and sync; never raises, because the report says what went wrong.

    Args:
        phone: only contacts with this phone (in any form that reduces to ten NANP digits); None for all.

    Returns:
        The report of the sync; None where no contact waits, and then no system was called.
    """
    waits = True
    with open_session(run) as session:
        waits = _set_gaps_aside(run, parse_nanp(phone) if phone else None)
    if session.report.status == FAILED:
        return session.report
    return sync(run) if waits else None


def _set_gaps_aside(run: Run, digits: str | None) -> bool:
    """Set the gaps aside; return whether any contact waits."""
    if not run.file().exists():
        return False
    with run.open() as db, db.transaction():
        waiting = {ref.id for ref in retries.read_rejected(db)}
        if digits is not None:
            waiting = {contact.contact_id for contact in read_identities(db, waiting) if contact.phone == digits}
        retries.set_gaps_aside(db, map(contact_ref, waiting), at=run.now())
    return bool(waiting)
