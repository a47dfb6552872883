"""Looks for numbers that no order has which is held (orders.md 3): Commerce7 counts its orders up by one.

Data flow: raw.commerce7_orders -> numbers between the lowest and the highest that are not there -> an hour later one
question for each, `GET /order?q=N` -> raw.commerce7_orders, or a gap.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.commerce7 import reading, stored
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client
from vs_st_pipeline.connectors.commerce7.passes import walked_since
from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

UNKNOWN_FOR: Final = timedelta(hours=1)
MOST: Final = 20
"""Numbers that are looked for in one sync."""
LONGEST: Final = 1_000
"""Numbers in a row; where more are missing, the winery went on at another number."""


@dataclass(slots=True)
class GapsLooked:
    """What became of missing numbers.

    Attributes:
        found: ids of the orders that were found, and are stored. missing: numbers that were looked for in vain, now or
            before, and are still unknown.
    """

    found: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)


def look(run: Run, client: Commerce7Client, *, known: Collection[str] = ()) -> GapsLooked:
    """Look for the numbers that have been missing for an hour, each once.

    Args:
        known: further numbers that are known, such as of orders whose people were forgotten.

    Raises:
        PipelineError: as the client does, where it is not about one number.
    """
    with run.open() as db, db.transaction():
        since = walked_since(db)
        _note(db, known, since, run.now())
        due = db.rows(
            """select order_number from raw.commerce7_gaps where looked_at is null and noticed_at <= ?
               order by noticed_at, order_number limit ?""",
            [run.now() - UNKNOWN_FOR, MOST],
        )
    told, reads = GapsLooked(), SingleReads(len(due))
    for (number,) in due:
        if run.over_budget(client.http.calls.total()):
            break
        order = None
        try:
            order = reading.find_number(run, client, number, "gap", start=since)
        except Refused:
            pass  # it would be refused again
        except PipelineError as error:
            reads.went_wrong(number, error)
            continue  # it says nothing about the number, which is asked for in the next sync
        reads.went_well()
        if order is not None:
            told.found.add(order.id)
        with run.open() as db, db.transaction():
            db.execute(
                "update raw.commerce7_gaps set looked_at = ?, found = ? where order_number = ?",
                [run.now(), order is not None, number],
            )
    with run.open() as db:
        told.missing = standing(db)
    return told


def standing(db: Db) -> list[str]:
    """Return the numbers that were looked for in vain, and are still unknown."""
    rows = db.rows(
        f"""select order_number from raw.commerce7_gaps where looked_at is not null and not found
            and order_number not in (select order_number from {stored.TABLE}) order by order_number"""
    )
    return [row[0] for row in rows]


def _note(db: Db, known: Collection[str], since: datetime | None, now: datetime) -> None:
    """Keep in step which numbers are missing: new ones wait for an hour, those that came are gone."""
    with db.batch({"order_number": sorted(set(known))}) as batch:
        missing = db.rows(
            f"""with held as (
                    select distinct try_cast(order_number as bigint) as n from {stored.TABLE}
                    where regexp_full_match(order_number, '[0-9]{{1,15}}') and ($since is null or paid_at >= $since)
                ), known as (
                    select try_cast(order_number as bigint) as n from {stored.TABLE}
                    where regexp_full_match(order_number, '[0-9]{{1,15}}')
                    union select try_cast(order_number as bigint) from {batch}
                    where regexp_full_match(order_number, '[0-9]{{1,15}}')
                ), bounded as (
                    select n from known where n between (select min(n) from held) and (select max(n) from held)
                ), steps as (select n, lead(n) over (order by n) as following from bounded)
                select n, following from steps where following > n + 1 and following - n - 1 <= $longest order by n""",
            {"since": since, "longest": LONGEST},
        )
    wanted = {str(number) for n, following in missing for number in range(n + 1, following)}
    noted = {row[0] for row in db.rows("select order_number from raw.commerce7_gaps where not found")}
    if come := sorted(noted - wanted):
        db.execute("delete from raw.commerce7_gaps where list_contains(?::varchar[], order_number)", [come])
    if new := sorted(wanted - noted):
        with db.batch({"order_number": new}) as batch:
            db.execute(
                f"""insert or ignore into raw.commerce7_gaps (order_number, noticed_at)
                    select order_number, ? from {batch}""",
                [now],
            )
