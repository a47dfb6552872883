"""Sends what is due: judged once more, claimed, sent once, its answer noted (notices.md 7.1-7.3).

outbox row `sending` in the merchant's database   then killed: planned again
the claim in the account's file, fsynced          then killed: what the claim says, else `unknown`
the request, its answer into the claim            then: settled by `recovery`, a receipt, a reply or a person
the ledger, activity and evidence, in one go
"""

from __future__ import annotations

from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import State


def send(session: NoticesSession) -> None:
    """Send all notices that are due (`planning.due`); an account that is stopped or paused sends nothing more."""
    raise NotImplementedError


def send_one(session: NoticesSession, message: Message) -> State:
    """Claim and send one message of any kind; returns how it stands then (`WAITING`: nothing left us)."""
    raise NotImplementedError
