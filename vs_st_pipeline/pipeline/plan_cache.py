"""Decides whether anything that a plan is made of has changed since syncs that found nothing to write.

Data flow: raw.*, settings, map, date and code -> one fingerprint -> the former plan stands, or a new one is made.

Most syncs find nothing, and working that out again for every contact costs many times what asking both systems does.
So a sync that found nothing to write keeps the fingerprint of all that it depended on. The fingerprint is believed from
the second such sync in a row on (the first may itself have changed what it depended on), and never by a run that is
full, a dry run, or of single stages. Code that changes what a plan depends on need not know of this: what is stored is
compared, not reported. Of the date only one thing matters: which customers are under age. A plan stands for a day, more
or less, so that not all merchants plan again at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import blake2b
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from vs_st_pipeline.domain.birth import last_birth_date
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import CLOCK_SLACK, NOTHING_TO_WRITE, get_state, set_state

STANDS_FOR = timedelta(days=1)  # half of it to half as much again


@dataclass(frozen=True, slots=True)
class CachedPlan:
    """A plan with nothing to write, and what it was made of.

    Attributes:
        fingerprint: names all that it depends on.
        plan_run: the run that made it; if `planned` holds another run's plan, this one does not stand.
        made_at: when it was made (ISO, UTC).
        confirmed: a second sync depended on the same and came to the same.
        unmatched, held, noted: its numbers, as a report tells them.
        receipts: orders whose receipts it needs.
    """

    fingerprint: str
    plan_run: str
    made_at: str
    confirmed: bool
    unmatched: int
    held: dict[str, int]
    noted: dict[str, int]
    receipts: list[str]

    def apply_to(self, report: Report) -> None:
        """Say in a report what this plan says."""
        report.plan = self.plan_run
        report.planned["unmatched"] = self.unmatched
        report.held, report.noted = Counter(self.held), Counter(self.noted)
        report.waiting = (0, 0)


def load_cached_plan(run: Run, db: Db, field_map: FieldMap) -> CachedPlan | None:
    """Return the former plan, if a plan made now would be the same and have nothing to write; else None."""
    if run.full or run.dry_run or run.allow_unsafe:
        return None
    kept = _read(db)
    if kept is None or not kept.confirmed or kept.plan_run != _plan_run(db) or not _is_current(kept, run.now()):
        return None
    if kept.fingerprint != _fingerprint(run, db, field_map):
        return None
    return None if _something_open(run, db) else kept


def save_cached_plan(run: Run, db: Db, field_map: FieldMap, report: Report, receipts: Sequence[str]) -> None:
    """Keep the plan of a whole sync, if it had nothing to write and left nothing open."""
    if run.full or run.dry_run or run.allow_unsafe:
        return
    if report.planned["contacts"] or report.rejected or report.unknown or _something_open(run, db):
        return
    made = CachedPlan(
        _fingerprint(run, db, field_map),
        _plan_run(db),
        run.now().isoformat(),
        confirmed=False,
        unmatched=report.planned["unmatched"],
        held=dict(report.held),
        noted=dict(report.noted),
        receipts=sorted(receipts),
    )
    kept = _read(db)
    if kept is not None and replace(kept, plan_run=made.plan_run, made_at=made.made_at, confirmed=False) == made:
        made = replace(made, confirmed=True)
    if made != kept:
        set_state(db, NOTHING_TO_WRITE, asdict(made), run.now())


def _read(db: Db) -> CachedPlan | None:
    found: dict[str, Any] | None = get_state(db, NOTHING_TO_WRITE)
    try:
        return CachedPlan(**found) if found else None
    except TypeError:  # kept by another version
        return None


def _is_current(kept: CachedPlan, now: datetime) -> bool:
    """Say whether the plan is young enough; one that was made in the future, by a wrong clock, does not stand."""
    digest = blake2b(kept.plan_run.encode(), digest_size=2).digest()
    spread = int.from_bytes(digest) / 2**16  # plans that were made at the same moment end at different ones
    age = now - datetime.fromisoformat(kept.made_at)
    return -CLOCK_SLACK <= age < STANDS_FOR * (0.5 + spread)


def _plan_run(db: Db) -> str:
    return db.value("select run_id from planned.plan where unsafe is null") or ""


def _something_open(run: Run, db: Db) -> bool:
    """Say whether a write waits for an answer or another try, or a contact read now was never found settled."""
    counts = db.rows(
        """select count(*) from synced.rejects
           union all
           select count(*) from synced.writes where outcome is null or phone is not null
           union all
           select count(*) from raw.unreadable where kind = 'contact'
           union all
           select count(*) from raw.simpletexting_contacts as c
           join planned.contacts as p using (contact_id) left join synced.settled as s using (contact_id)
           where c.read_run = ? and p.fingerprint is not null and s.fingerprint is distinct from p.fingerprint""",
        [run.run_id],
    )
    return any(count for (count,) in counts)


# Columns that are not here (when a record was read, whether it is to be read again) decide what is asked, not what is
# planned. Bodies are there by their hashes, so that a quiet sync reads none of them from the disk.
# One union: as subqueries of one row the same costs three times as much, all of it for planning the query.
_INPUTS = """
select 1 as part, count(*), sum(hash(customer_id, phone, list_hash, detail_hash, detail_leads, detail_status,
                                     detail_at is null, deleted_at, list_kept, detail_kept))
from raw.vinoshipper_customers
union all
select 2, count(*), sum(hash(order_number, customer_id, detail_hash, detail_status, detail_at is null,
                             receipt_url, receipt_state, detail_kept, detail_wanted))
from raw.vinoshipper_orders
union all
select 3, count(*), sum(hash(contact_id, body_hash, gone, first_source)) from raw.simpletexting_contacts
union all
select 4, count(*), hash(list((label, merge_tag) order by rowid)) from raw.simpletexting_custom_fields
union all
select 5, count(*), sum(hash(what, rows)) from raw.reads
union all
select 6, count(*), sum(hash(contact_id)) from synced.doubted
union all
select 7, count(*), max(seq) from synced.history
union all
select 8, count(*), 0 from raw.forgotten
union all
select 9, count(*), sum(hash(customer_id)) from staged.customers where birth_date > $born
union all
select 10, count(*), sum(hash(order_number)) from staged.orders where birth_date > $born
union all
select 11, count(*), $year from (select birth_year from staged.customers union all select birth_year from staged.orders)
where birth_year is not null
union all
select 12, count(*), sum(hash(kind, id)) from raw.unreadable
union all
select 13, count(*), sum(hash(day)) from raw.unseen_windows where told
"""


def _fingerprint(run: Run, db: Db, field_map: FieldMap) -> str:
    merchant = run.merchant
    settings = (
        merchant.on_ambiguous_phone,
        merchant.require_age_evidence,
        str(merchant.time_zone),
        field_map.fields,  # not its fingerprint: of two rows that mean one field of the account the first has it
        program(),
    )
    today = run.today()
    stored = sorted(db.rows(_INPUTS, {"born": last_birth_date(today), "year": today.year}))
    return blake2b(repr((settings, stored)).encode(), digest_size=16).hexdigest()


@cache
def program() -> str:
    """Return a fingerprint of the program itself: another version may work out something else from the same input."""
    found = blake2b(digest_size=16)
    for entry in _files(resources.files("vs_st_pipeline")):
        found.update(entry.read_bytes())
    return found.hexdigest()


def _files(folder: Traversable) -> list[Traversable]:
    found: list[Traversable] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir() and entry.name != "sandbox":
            found += _files(entry)
        elif entry.name.endswith((".py", ".sql", ".yaml")):
            found.append(entry)
    return found
