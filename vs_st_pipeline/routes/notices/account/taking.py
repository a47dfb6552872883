"""Takes what an account's callbacks say out of the inbox (notices.md 3.4): STOPs, receipts, then replies.

Data flow: inbox entries of the account -> account.sqlite, in one transaction -> inbox: done. A second taking of an entry
says nothing. A reply goes to the merchant whose message it answers (8.1); its merchant is hinted at.
"""

from __future__ import annotations

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.routes.notices.session import NoticesSession


def take(session: NoticesSession, account: GupshupAccount) -> None:
    """Take the whole inbox of an account, under the account's own lock, whoever the callbacks are about."""
    raise NotImplementedError
