"""Sends what is due, and tells of accounts that take nothing (notices.md 7, 9); `desk` is how a message leaves.

Data flow: planning.due -> desk -> claims, ledger; final months -> `billed`; stopped accounts -> the report.
"""

from __future__ import annotations

from collections import deque

from vs_st_pipeline.connectors.gupshup.names import GUPSHUP
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.domain.errors import BadKey, BadSettings, GiveUp, PipelineError, TryLater
from vs_st_pipeline.routes.notices import billed, planning, readiness
from vs_st_pipeline.routes.notices.account import pauses
from vs_st_pipeline.routes.notices.desk import opened
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import State, Wait


def send(session: NoticesSession) -> None:
    """Send all notices that are due (`planning.due`); an account that is stopped or paused sends nothing more."""
    with opened(session) as desk:
        due = deque(planning.due(session))
        while due and not session.run.stop():
            desk.send_notice(due)
    billed.close_all(session.run)
    tell_of_accounts(session)


def send_one(session: NoticesSession, message: Message) -> State:
    """Claim and send one message of any kind; returns how it stands then (`WAITING`: nothing left us)."""
    with opened(session) as desk:
        if desk.closed(message.account) is None:
            desk.take_permit(message.account)
            desk.send(message)
    with session.run.open() as db:
        state = db.value("select state from synced.notices where notice_id = ?", [message.notice_id])
    return State.WAITING if state is None else State(state)


def tell_of_accounts(session: NoticesSession) -> None:
    """Let the run fail where the account that it sends by is stopped (9); other trouble makes it partial (R68)."""
    selected = session.gupshup.selected
    for account in session.gupshup.accounts:
        error = _stopped(session, account) or session.stopped.get(account.id)
        if error is None:
            continue
        if isinstance(error, TryLater) or selected is None or account.id != selected.id:
            session.report.parts.setdefault(account.id, error)
        elif session.trouble is None or isinstance(session.trouble, TryLater):
            session.trouble = error


def _stopped(session: NoticesSession, account: GupshupAccount) -> PipelineError | None:
    store = session.store(account)
    found = pauses.state(store, session.run.now()) if store.exists else None
    if found is None or found.reason != Wait.ACCOUNT_STOPPED:
        return None
    kind: type[GiveUp] = BadKey if found.kind == BadKey.kind else BadSettings
    return kind(f"account {account.id} is stopped: {readiness.stopped(session, account)}", system=GUPSHUP)
