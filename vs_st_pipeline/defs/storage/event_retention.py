"""Deletes old events that belong to no run: what `fleet_watch` logs, and what a person reports by hand in the UI.

Dagster deletes events only with their run, and knows no age for the others. They are rows of the same tables with an
empty run id, so they are deleted as `delete_run` deletes those of a run: events, their tags, the results of checks. Of
each asset, partition and kind of event the latest stays, and of each check the latest result: nothing is deleted that a
page shows of the present. SQLite stores all of them a second time, in the file of the run without an id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checked
from dagster._core.storage.event_log.schema import AssetEventTagsTable as Tags
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from sqlalchemy import and_, delete, func, select

PAGE = 500  # rows of one statement; SQLite is locked for other writers while it runs


def delete_runless(storage: SqlEventLogStorage, before: datetime, latest_checks: Sequence[int]) -> int:
    """Delete events of no run that were stored before a time; return how many were deleted.

    Args:
        before: aware time.
        latest_checks: rows that hold the latest result of a check; they stay.
    """
    day = before.astimezone(UTC).replace(tzinfo=None)  # as Dagster stores it
    old = and_(Events.c.run_id == RUNLESS_RUN_ID, Events.c.timestamp < day)
    latest = (
        select(func.max(Events.c.id))
        .where(Events.c.asset_key.is_not(None))
        .group_by(Events.c.asset_key, Events.c.dagster_event_type, Events.c.partition)
    )
    with storage.index_connection() as connection:
        kept = {row[0] for row in connection.execute(latest)}
        ids = [row[0] for row in connection.execute(select(Events.c.id).where(old)) if row[0] not in kept]
    for page in _pages(ids):
        with storage.index_connection() as connection:
            connection.execute(delete(Tags).where(Tags.c.event_id.in_(page)))
            connection.execute(delete(Events).where(Events.c.id.in_(page)))
    with storage.index_connection() as connection:
        results = and_(Checked.c.run_id == RUNLESS_RUN_ID, Checked.c.evaluation_event_timestamp < day)
        connection.execute(delete(Checked).where(and_(results, Checked.c.id.not_in(latest_checks))))
    if isinstance(storage, SqliteEventLogStorage):
        with storage.run_connection(RUNLESS_RUN_ID) as connection:
            connection.execute(delete(Events).where(old))
    return len(ids)


def _pages(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[at : at + PAGE] for at in range(0, len(ids), PAGE))
