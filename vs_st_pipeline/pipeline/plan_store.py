"""Stores a plan of a state route in `planned`, and counts it there.

Data flow: Target, Differences, Plan -> planned.targets, planned.changes, planned.notes, planned.learned,
planned.verdicts, planned.plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from vs_st_pipeline.domain.plan import Change, Wanted
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline.targets import Differences, Plan, Target, Unmatched
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns

TargetT = TypeVar("TargetT", bound=Target)
Reasons = Callable[[TargetT, Sequence[Change]], Iterable[tuple[str, str]]]
"""Returns for each change of a target the rule by which it is wanted, and the records that it was made from."""


_OF_TARGETS = ("targets", "changes", "notes", "learned")


def forget_plan(db: Db) -> None:
    """Delete the plan's own row and what the brake says of it: there is no plan until the next one is whole."""
    for table in ("plan", "verdicts", "basis"):
        db.execute(f"delete from planned.{table}")


def forget_planned(db: Db, refs: Sequence[Ref]) -> None:
    """Delete what is planned for these records; their new plan is stored afterwards."""
    counts = "select " + ", ".join(f"(select count(*) from planned.{table})" for table in _OF_TARGETS)
    [found] = db.rows(counts)  # as a rule most are empty, and that is known without a look at them
    with db.batch(key_columns(refs)) as batch:
        for table, count in zip(_OF_TARGETS, found, strict=True):
            if count:
                db.execute(f"delete from planned.{table} where ({KEY}) in (select ({KEY}) from {batch})")


def store_targets(run: Run, db: Db, targets: Sequence[Target], unmatched: Iterable[Unmatched], meaning: str) -> None:
    """Store these targets, and those that stand for nothing; their changes are stored afterwards.

    Args:
        meaning: what decides, besides its own values, whether a target must be compared again.
    """
    rows: list[tuple[Any, ...]] = []
    for target in targets:
        wanted = dump_wanted(target.wanted) if target.wanted is not None else None
        live = target.live
        rows.append(
            (
                *(*target.ref, target.phone, *target.subject, target.linked_by, target.held, target.subject_at),
                json.dumps(target.evidence) if target.evidence else None,
                wanted,
                _md5(f"{wanted}{live.body_hash}{meaning}") if wanted is not None and live else None,
                live.body_hash if live and live.read_run == run.run_id else None,
            )
        )
    rows += [(*one.ref, one.phone, *[None] * 10) for one in unmatched]
    names = (
        *("system", "object", "id", "phone", "subject_system", "subject_object", "subject_id", "linked_by", "held"),
        *("subject_at", "evidence", "wanted", "fingerprint", "compared"),
    )
    with db.batch({name: [row[index] for row in rows] for index, name in enumerate(names)}) as batch:
        db.execute(f"insert into planned.targets by name select * from {batch}")


def store_changes(db: Db, targets: Sequence[TargetT], rows: Differences, reasons: Reasons[TargetT]) -> None:
    """Store the changes and notes of these targets, and what was learned of them."""
    by_ref = {target.ref: target for target in targets}
    changes = [
        (ref, position, change, *why)
        for ref, found in sorted(rows.changes.items())
        for position, (change, why) in enumerate(zip(found, reasons(by_ref[ref], found), strict=True))
    ]
    if changes:
        columns: dict[str, list[Any]] = {
            **key_columns(row[0] for row in changes),
            "position": [row[1] for row in changes],
            "field": [row[2].field for row in changes],
            "key": [row[2].key for row in changes],
            "kind": [row[2].kind for row in changes],
            "policy": [row[2].policy for row in changes],
            "old": [row[2].old or "" for row in changes],
            "new": [row[2].new for row in changes],
            "rule": [row[3] for row in changes],
            "sources": [row[4] for row in changes],
        }
        with db.batch(columns, {"position": "int"}) as batch:
            db.execute(f"insert into planned.changes by name select * from {batch}")
    notes = [(target.ref, note) for target in targets for note in target.noted]
    if notes:
        with db.batch({**key_columns(row[0] for row in notes), "note": [row[1] for row in notes]}) as batch:
            db.execute(f"insert into planned.notes by name select * from {batch}")
    if rows.learned:
        columns = {
            **key_columns(row[0] for row in rows.learned),
            **{name: [row[index] for row in rows.learned] for index, name in enumerate(("field", "sent", "stored"), 1)},
        }
        with db.batch(columns) as batch:
            db.execute(f"insert into planned.learned by name select * from {batch}")


def count_plan(db: Db, plan: Plan) -> None:
    """Count what is planned, for all targets, into `plan`."""
    for what, reason, count in db.rows(
        f"""select 'held', held, count(*) from planned.targets where held is not null group by held
            union all select 'noted', note, count(*) from planned.notes group by note
            union all select 'unmatched', null, count(*) from planned.targets where subject_id is null
            union all select 'fields', null, count(*) from planned.changes
            union all select 'targets', null, count(*) from (select distinct {KEY} from planned.changes)"""
    ):
        if what in ("held", "noted"):
            getattr(plan, what)[reason] = count
        else:
            setattr(plan, what, count)


def store_plan(run: Run, db: Db, plan: Plan, *, map_fingerprint: str, reads: Mapping[str, int]) -> None:
    """Store the plan's own row and what the brake says of it.

    Args:
        reads: rows of the complete reads that the brake judged.
    """
    for one in plan.verdicts:
        db.execute("insert into planned.verdicts values (?, ?, ?, ?)", [one.part, one.rule, one.loss, one.sentence])
    db.execute(
        "insert into planned.plan values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(run.run_id, run.now(), map_fingerprint, plan.targets, plan.fields, plan.unmatched, plan.unsafe),
            json.dumps(dict(reads)),
        ],
    )


def dump_wanted(wanted: Sequence[Wanted]) -> str:
    """Return wanted values as the JSON text in `planned.targets`; a push may compare with it after a fresh read."""
    return json.dumps([[row.field, row.key, row.kind, row.policy, row.value] for row in wanted], ensure_ascii=False)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
