"""Compares what targets should say with what they say, by the ledger, and stores the difference: for state routes.

Data flow: Target, synced.* -> planned.*

Who stands for whom, who is held back and what is wanted is decided by the route, which makes the targets that it is
asked for. Asked it is for those only whose plan may come out otherwise than the stored one (`incremental`), some
thousands at a time, so that the memory of a plan does not grow with the merchant. Comparing and storing is the same for
all routes that keep state. Planning writes nothing but `planned`: what it learns (a value found there already, a value
stored in another form) waits in `planned.learned` until a sync pushes, so that a dry run moves nothing. Targets whose
wanted values and live body are the same as when they were last found settled are not compared again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from vs_st_pipeline.domain.diff import LedgerEntry, compare
from vs_st_pipeline.domain.plan import WAITING_RETRY, Change, Wanted
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline.incremental import Incremental, InputsQuery, keep_some
from vs_st_pipeline.pipeline.plan_cache import PlanInputs, fingerprint, hash_of_basis, note_made
from vs_st_pipeline.pipeline.plan_store import (
    Reasons,
    TargetT,
    count_plan,
    forget_plan,
    forget_planned,
    store_changes,
    store_plan,
    store_targets,
)
from vs_st_pipeline.pipeline.safety import LinkedBefore, check_safety, check_some, linked_before
from vs_st_pipeline.pipeline.targets import Differences, Live, Plan, Target, Unmatched
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns

PIECE = 2_500
"""Targets that are planned at a time."""

Loses = Callable[[TargetT, LinkedBefore | None, Sequence[Change], Mapping[str, LedgerEntry]], bool]
"""Says whether a target that still stands for its subject would lose a value by these changes.

Arguments: the target, what it stood for when it was last synced, the changes, and its ledger by field.
"""


@dataclass(frozen=True, slots=True)
class Planner(Generic[TargetT]):
    """What a route plans by.

    Attributes:
        inputs: what each target's plan is made from.
        basis: what the plan of every target depends on that is stored, besides `PlanInputs.settings`; by its text.
        make: returns these records as targets with what they should say, and those among them that stand for nothing.
        share: called with targets that are planned together, by ascending name, before they are compared: it leaves
            out of what is wanted what another record has or gets. All that want the same are among them, or come later.
        meaning: what decides, besides its own values, whether a target must be compared again.
        map_fingerprint: of the field map.
        reads: rows of the complete reads by which the next sync is measured, by name.
        loses: says whether a target would lose something, for the brake.
        reasons: returns why a target's changes are wanted; asked only of those that change.
    """

    inputs: InputsQuery
    basis: tuple[object, ...]
    make: Callable[[Sequence[Ref]], tuple[Sequence[TargetT], Sequence[Unmatched]]]
    meaning: str
    map_fingerprint: str
    reads: Mapping[str, int]
    loses: Loses[TargetT]
    reasons: Reasons[TargetT]
    share: Callable[[Sequence[TargetT]], None] = lambda _: None


def make_plan(run: Run, db: Db, planner: Planner[TargetT], inputs: PlanInputs) -> Plan:
    """Bring the stored plan in step with what is stored of the records.

    It is stored in one transaction, unless it is of more than `PIECE` targets. Then it is stored piece by piece, as
    DuckDB keeps in memory what a transaction was given. A run that dies in between leaves no plan (`planned.plan`), and
    targets without inputs, which the next one plans.

    Args:
        inputs: what a plan of this route depends on.
    """
    making = _Making(run, db, planner, inputs)
    with db.transaction():
        making.begin()
        if len(making.queue) <= PIECE:
            while making.queue:
                making.plan_piece()
            return making.finish()
    while making.queue:
        with db.transaction():
            making.plan_piece()
    with db.transaction():
        return making.finish()


def plan_some(run: Run, db: Db, planner: Planner[TargetT], refs: Sequence[Ref]) -> Plan:
    """Plan these targets by themselves: the plan that is stored stands as it is, but for their rows.

    The next whole plan plans them again, with whoever else their news concern (`incremental.keep_some`).

    Returns:
        The totals of these targets alone; `losing` are those of them that would lose something.
    """
    refs = sorted(set(refs))
    plan = Plan(looked_at=len(refs))
    with db.transaction():
        targets, unmatched = planner.make(refs)
        planner.share(targets)
        forget_planned(db, refs)
        store_targets(run, db, targets, unmatched, planner.meaning)
        keep_some(db, refs, [*targets, *unmatched])
        rows = _compare(run, db, targets)
        store_changes(db, targets, rows, planner.reasons)
        plan.verdicts, plan.losing = check_some(db, refs, _losing(db, targets, rows, planner.loses), run.now())
    plan.targets, plan.fields = len(rows.changes), sum(map(len, rows.changes.values()))
    plan.unmatched = len(unmatched)
    plan.held.update(target.held for target in targets if target.held)
    plan.noted.update(note for target in targets for note in target.noted)
    return plan


class _Making(Generic[TargetT]):
    """A plan while it is made. `queue`: the targets that are still to be planned, by ascending name."""

    def __init__(self, run: Run, db: Db, planner: Planner[TargetT], inputs: PlanInputs) -> None:
        self._run, self._db, self._planner, self._inputs = run, db, planner, inputs
        self._incremental = Incremental(db, planner.inputs, hash_of_basis(inputs, planner.basis), anew=run.full)
        self._plan = Plan()
        self._losing: set[Ref] = set()
        self.queue: list[Ref] = []

    def begin(self) -> None:
        self.queue = self._incremental.find()
        self._plan.looked_at = len(self.queue)
        forget_plan(self._db)

    def plan_piece(self) -> None:
        db, planner = self._db, self._planner
        refs, self.queue = self.queue[:PIECE], self.queue[PIECE:]
        targets, unmatched = planner.make(refs)
        more = self._incremental.sharing([target.share for target in targets if target.share])
        if more:
            self._plan.looked_at += len(more)
            # By ascending name in all: one that comes later has its turn then.
            self.queue = sorted([*self.queue, *(ref for ref in more if ref > refs[-1])])
            now = [ref for ref in more if ref < refs[-1]]
            refs = [*refs, *now]
            others, stand_for_nothing = planner.make(now)
            targets = sorted([*targets, *others], key=lambda target: target.ref)
            unmatched = [*unmatched, *stand_for_nothing]
        planner.share(targets)
        if not self._incremental.everybody:
            forget_planned(db, refs)
        store_targets(self._run, db, targets, unmatched, planner.meaning)
        self._incremental.keep([*targets, *unmatched])
        rows = _compare(self._run, db, targets)
        self._losing |= _losing(db, targets, rows, planner.loses)
        store_changes(db, targets, rows, planner.reasons)

    def finish(self) -> Plan:
        db, planner, plan = self._db, self._planner, self._plan
        count_plan(db, plan)
        # A plan with something to write never stands, so nobody asks what it was made from.
        made_from = "" if plan.targets else fingerprint(db, self._inputs)
        if made_from:
            note_made(db, self._inputs)
        self._incremental.store(made_from, planned=plan.looked_at > 0)
        plan.verdicts = list(check_safety(db, planner.reads, self._losing, self._run.now()))
        store_plan(self._run, db, plan, map_fingerprint=planner.map_fingerprint, reads=planner.reads)
        return plan


def _losing(db: Db, targets: Iterable[TargetT], rows: Differences, loses: Loses[TargetT]) -> set[Ref]:
    """Return the targets that would lose a value; that one stands for another subject is seen later, of all."""
    changing = [target for target in targets if target.ref in rows.would_change]
    before = linked_before(db, changing) if changing else {}
    return {
        target.ref
        for target in changing
        if loses(target, before.get(target.ref), rows.would_change[target.ref], rows.accepted.get(target.ref, {}))
    }


def _compare(run: Run, db: Db, targets: Collection[Target]) -> Differences:
    with db.batch(key_columns(target.ref for target in targets if target.wanted is not None)) as batch:
        unsettled = {
            Ref(*row)
            for row in db.rows(
                f"""select {KEY} from planned.targets as p semi join {batch} using ({KEY})
                    left join synced.settled as s using ({KEY})
                    where p.fingerprint is not null and s.fingerprint is distinct from p.fingerprint"""
            )
        }
    rows = Differences(accepted=ledger.read_accepted(db, unsettled) if unsettled else {})
    rejected = retries.read_rejected(db) if unsettled else {}
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
