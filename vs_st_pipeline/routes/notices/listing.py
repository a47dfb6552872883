"""Reads an account's lists where they are due: its templates (2.4) and, for `gupshup_list`, its users (5.9)."""

from __future__ import annotations

from vs_st_pipeline.routes.notices.session import NoticesSession


def read(session: NoticesSession) -> None:
    """Read the lists of this merchant's accounts that are due, into the accounts' files; a bad list changes nothing."""
    raise NotImplementedError
