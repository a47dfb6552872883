"""Describes a look at a list: how changes are seen that no webhook tells (webhooks-onboarding.md, section 5).

A connector says how a page is asked for and what its rows are; when to look, and what has been seen before, is decided
in `operations/worker/looks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.warehouse.connection import Db

OVERLAP: Final = timedelta(minutes=10)  # rows of one moment may come to be seen one after the other


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a list.

    Attributes:
        updated: by the system's clock; aware UTC, None where it cannot be read.
        ours: the system says that we wrote it last.
    """

    id: str
    updated: datetime | None
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        full: there may be more. latest: no later time of an update can be right; aware UTC.
    """

    rows: Sequence[Row]
    full: bool
    latest: datetime


@dataclass(frozen=True, slots=True)
class Looking:
    """How a system's list is looked at.

    Attributes:
        kind: of its records, as hints name it. event: the event's word in an entry.
        page: client, and the time since which records were updated (None: all) -> the first page, oldest update first.
        known: records that are stored, with the times of their updates: those of the last ten minutes of them.
        stored: of these ids, those that are stored.
    """

    kind: str
    event: str
    page: Callable[[Any, datetime | None], Page]
    known: Callable[[Db], Sequence[Row]]
    stored: Callable[[Db, Collection[str]], set[str]]


def text_of(moment: datetime) -> str:
    """Return a time as a text that sorts as times do."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def note_rows(
    inbox: Inbox,
    merchant_id: str,
    rows: Sequence[Row],
    latest: datetime | None = None,
    *,
    before: tuple[str | None, Mapping[str, str]] | None = None,
) -> None:
    """Note rows as seen.

    Args:
        latest: a later time of an update cannot be right, and must not hide what comes; None: any can.
        before: what had been seen a moment ago (`Inbox.seen`), where the caller knows it. What others noted since then
            stands: a time in the inbox never goes back.
    """
    seen = {row.id: text_of(row.updated) for row in rows if row.updated}
    newest_before, noted = inbox.seen(merchant_id) if before is None else before
    if not seen and newest_before is not None:
        return
    right = [at for at in seen.values() if latest is None or at <= text_of(latest)]
    newest = max([*right, *([newest_before] if newest_before else [])], default=None)
    oldest = text_of(datetime.fromisoformat(newest) - OVERLAP) if newest else ""
    seen = {one: at for one, at in seen.items() if at >= oldest and noted.get(one) != at}
    if not seen and newest == newest_before and not any(at < oldest for at in noted.values()):
        return
    inbox.note_seen(merchant_id, seen, newest=newest, forget_before=oldest)
