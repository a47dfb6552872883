"""Compares what targets should say with what they say, by the ledger, and stores the difference: for state routes.

Data flow: Target, synced.* -> planned.*

Who stands for whom, who is held back and what is wanted is decided by the route, which hands in its targets. Planning
writes nothing but `planned`: what it learns (a value found there already, a value stored in another form) waits in
`planned.learned` until a sync pushes, so that a dry run moves nothing. Targets whose wanted values and live body are
the same as when they were last found settled are not compared again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.diff import LedgerEntry, compare
from vs_st_pipeline.domain.plan import WAITING_RETRY, Wanted
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline.plan_store import Reasons, TargetT, store_changes, store_targets
from vs_st_pipeline.pipeline.targets import Differences, Live, Plan, Target
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY


def make_plan(
    run: Run,
    db: Db,
    targets: Sequence[TargetT],
    *,
    unmatched: Sequence[tuple[Ref, str | None]] = (),
    meaning: str,
    map_fingerprint: str,
    reads: Mapping[str, int],
    brake: Callable[[Differences], Sequence[Verdict]],
    reasons: Reasons[TargetT],
) -> Plan:
    """Compare these targets, and store the plan in one transaction.

    Args:
        unmatched: records of the destination that stand for nothing, with their phones.
        meaning: what decides, besides its own values, whether a target must be compared again.
        map_fingerprint: of the field map.
        reads: rows of the complete reads by which the next sync is measured, by name.
        brake: returns why a plan with these differences is not safe to push; nothing where it is.
        reasons: returns why a target's changes are wanted; asked only of those that change.
    """
    plan = Plan(unmatched=len(unmatched), held=Counter(target.held for target in targets if target.held))
    with db.transaction():
        store_targets(run, db, targets, unmatched, meaning)
        rows = _compare(run, db, targets)
        plan.verdicts = list(brake(rows))
        store_changes(
            run, db, plan, targets, rows, map_fingerprint=map_fingerprint, reads=reads, reasons=reasons
        )  # fmt: skip
    plan.noted = Counter(note for target in targets for note in target.noted)
    return plan


def _compare(run: Run, db: Db, targets: Iterable[Target]) -> Differences:
    unsettled = {
        Ref(*row)
        for row in db.rows(
            f"""select {KEY} from planned.targets as p left join synced.settled as s using ({KEY})
                where p.fingerprint is not null and s.fingerprint is distinct from p.fingerprint"""
        )
    }
    rows = Differences(accepted=ledger.read_accepted(db, unsettled))
    rejected = retries.read_rejected(db)
    for target in targets:
        ref, live, wanted = target.ref, target.live, target.wanted
        if live is None or wanted is None or ref not in unsettled:
            continue
        accepted = rows.accepted.get(ref, {})
        if live.read_run == run.run_id:
            found = compare(wanted, live.value, accepted)
            rows.learned += [(ref, *learned) for learned in found.learned]
        else:  # not read in this run: what was accepted is what is known, and nothing is proved
            found = compare(wanted, as_accepted(live, wanted, accepted), accepted)
        target.notes |= found.notes
        if not found.changes:
            continue
        rows.would_change[ref] = found.changes
        waiting = rejected.get(ref)
        if waiting and waiting.changes_hash == retries.request_hash(found.changes) and waiting.waits_at(run.now()):
            target.notes.add(WAITING_RETRY)
        else:
            rows.changes[ref] = found.changes
    return rows


def as_accepted(live: Live, wanted: Sequence[Wanted], accepted: Mapping[str, LedgerEntry]) -> Callable[[str, str], str]:
    """Return a lookup, by kind and key, of what a record holds: by the ledger where it knows, else as last read."""
    known: dict[tuple[str, str], str] = {
        (want.kind, want.key): entry.sent if entry.stored is None else entry.stored
        for want in wanted
        if (entry := accepted.get(want.field)) is not None
    }
    return lambda kind, key: known[kind, key] if (kind, key) in known else live.value(kind, key)
