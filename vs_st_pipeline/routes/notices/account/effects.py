"""Does what a code of a failed message asks for, besides that it failed (notices.md 7.4): consents, pauses, templates.

Data flow: a code, of a receipt or an answer -> consents, pauses, template_faults of the account's file.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup import codes
from vs_st_pipeline.connectors.gupshup.codes import ForAccount, ForPhone
from vs_st_pipeline.routes.notices.account import consents, pauses
from vs_st_pipeline.routes.notices.account.claim import Claim
from vs_st_pipeline.routes.notices.account.consents import Consent
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.words import ConsentSource

RETRY_GAPS: Final = (timedelta(minutes=15), timedelta(hours=1))
"""How long after the receipt that it failed a message may be tried again, the first and the second time (7.4)."""

OF_PHONE: Final = {
    ForPhone.NOT_ON_WHATSAPP: (ConsentSource.CODE_1002, consents.ABSENT),
    ForPhone.OUT: (ConsentSource.CODE_1012, consents.OUT),
    ForPhone.VOID_IN: (ConsentSource.CODE_1006, consents.VOID),
}
"""Source and state of the row that a code adds to a phone's consents."""


def is_retryable(code: str | None) -> bool:
    """Say whether a message that failed by this code may be tried again."""
    return codes.meaning(code).retryable


def retry_at(code: str | None, retries: int, at: datetime) -> datetime | None:
    """Return when a message that failed by this code may be tried again; None: never.

    Args:
        retries: how often it was tried again. at: when it failed (rulings, notices 25).
    """
    return at + RETRY_GAPS[retries] if is_retryable(code) and retries < len(RETRY_GAPS) else None


def of_code(
    db: sqlite3.Connection,
    store: AccountStore,
    claim: Claim,
    code: str | None,
    at: datetime,
    now: datetime,
    phone: str | None = None,
) -> None:
    """Do what a code asks for, in the caller's transaction.

    Args:
        at: when it failed. phone: the message's destination; None: not known, then its hash alone is.
    """
    means = codes.meaning(code)
    if means.phone is not None:
        source, state = OF_PHONE[means.phone]
        told = {"code": code, "notice_id": claim.notice_id}
        consents.add(store, db, [Consent(phone, source, state, at, phone_hash=claim.phone_hash, evidence=told)])
    if means.account is ForAccount.STOP:
        pauses.stop_in(db, now, kind=pauses.CONFIG, why=means.why)
    elif means.account is ForAccount.SLOW:
        pauses.slow_in(db, now, means.why)
    if means.template is not None and claim.template_id is not None:
        pauses.refuse_template_in(db, claim.template_id, claim.form, str(means.template), now, code)
