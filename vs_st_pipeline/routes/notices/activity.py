"""Records what was said and done, row by row, and tells `activity.push_url` (notices.md 7.8, 8.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import What


def add(
    db: Db,
    run: Run,
    what: What,
    *,
    merchant_order: str | None = None,
    notice_id: str | None = None,
    message_id: str | None = None,
    account_kind: str | None = None,
    number: str | None = None,
    mode: str | None = None,
    key: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a row, in the caller's transaction.

    Args:
        key: what makes a second row of the same say nothing, such as `held NOTICE REASON`; None: always a row.
    """
    raise NotImplementedError


def push(session: NoticesSession) -> None:
    """Tell `push_url` each row, in order per order, at least once, until 2xx; nothing where none is set."""
    raise NotImplementedError
