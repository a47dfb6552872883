"""Copies a merchant's own part of an account into its database: consents, receipts, replies, templates, claims.

Data flow: account.sqlite (since the last copy) -> staged.receipts, replies, consents, templates; synced.notices.
"""

from __future__ import annotations

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.routes.notices.session import NoticesSession


def copy(session: NoticesSession, account: GupshupAccount) -> None:
    """Copy what is new, in one transaction, with the activity and the counts that follow from it (7.5, 7.8)."""
    raise NotImplementedError
