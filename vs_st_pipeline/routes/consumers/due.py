"""Says who is to be planned at a CRM, since when and why (consumers.md 5.7), and takes away who is done.

Data flow: staging, retries, outcomes -> planned.consumers_due -> pages of people, oldest first.

Who is due is never held whole in memory. Somebody who was refused, or of whom something may be out, stays due: the
first comes when the next try is due, the second in every sync. Whose refusal is not there any more comes as well: the
power went after what was refused had been accepted, and before the rest of the plan was sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vs_st_pipeline.domain.emails import person_key
from vs_st_pipeline.domain.records import LARGEST_GAP
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

RETRY, UNKNOWN = "retry", "unknown"
"""Why somebody stays due whose plan is no news: a refusal that waits, and an outcome that nobody knows."""

PAGE: Final = 1_000  # people


@dataclass(frozen=True, slots=True)
class Due:
    """Somebody to be planned; `since` is UTC without zone."""

    email_key: str
    why: str
    since: datetime


def pages(run: Run, crm: str, only: Collection[str] | None = None) -> Iterator[list[Due]]:
    """Return who is due at a CRM, oldest first, in pages; who waits for another try is left out.

    Args:
        only: address keys; None: everybody.
    """
    after = (datetime.min, "")
    with run.open() as db:
        waiting = waiting_keys(db, crm, run.now())
    while True:
        with run.open() as db:
            rows = db.rows(
                f"""select email_key, why, since from planned.consumers_due
                    where crm = $crm and (since, email_key) > ($since::timestamp, $key)
                    order by since, email_key limit {PAGE}""",
                {"crm": crm, "since": after[0], "key": after[1]},
            )
        if not rows:
            return
        after = rows[-1][2], rows[-1][0]
        found = [Due(*row) for row in rows if row[1] != RETRY or person_key(row[0]) not in waiting]
        found = [one for one in found if only is None or one.email_key in only]
        if found:
            yield found


def waiting_keys(db: Db, crm: str, now: datetime) -> set[str]:
    """Return the keys of those who were refused, and nothing of whom is to be tried now.

    A time that only a wrong clock can have set counts as now.
    """
    return {
        row[0]
        for row in db.rows(
            """select key from (
                   select id as key, next_at from synced.rejects where system = $crm and object = 'consumer'
                   union all select key, next_at from synced.subscription_rejects where crm = $crm)
               group by key having bool_and(next_at > $now and next_at <= $last)""",
            {"crm": crm, "now": now, "last": now + LARGEST_GAP},
        )
    }


def count(db: Db, crm: str) -> int:
    """Count who is due at a CRM, waiting or not."""
    return int(db.value("select count(*) from planned.consumers_due where crm = ?", [crm]))


def is_anybody(db: Db, crm: str, now: datetime) -> bool:
    """Say whether anybody is to be planned now; else the CRM is asked nothing (5.7)."""
    if db.row("select 1 from planned.consumers_due where crm = ? and why <> ? limit 1", [crm, RETRY]):
        return True
    rows = db.rows("select email_key from planned.consumers_due where crm = ?", [crm])
    if not rows:
        return False
    waiting = waiting_keys(db, crm, now)
    return any(person_key(row[0]) not in waiting for row in rows)


def remove(db: Db, crm: str, email_keys: Sequence[str]) -> None:
    """Take away who is done, inside the caller's transaction."""
    if email_keys:
        with db.batch({"email_key": email_keys}) as batch:
            db.execute(
                f"""delete from planned.consumers_due
                    where crm = ? and email_key in (select email_key from {batch})""",
                [crm],
            )


def keep(db: Db, crm: str, email_keys: Sequence[str], why: str, at: datetime) -> None:
    """Keep people due for another reason than they came for, inside the caller's transaction."""
    if email_keys:
        with db.batch({"email_key": sorted(email_keys)}) as batch:
            db.execute(
                f"""insert or replace into planned.consumers_due by name
                    select $crm as crm, b.email_key, $why as why, coalesce(d.since, $at::timestamp) as since
                    from {batch} as b
                    left join planned.consumers_due as d on d.crm = $crm and d.email_key = b.email_key""",
                {"crm": crm, "why": why, "at": at},
            )
