"""Describes a look at a list: how changes are seen that no webhook tells (webhooks-onboarding.md, section 5).

A connector says how a page is asked for and what its rows are; when to look, and what has been seen before, is decided
in `operations/worker/looks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db


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
