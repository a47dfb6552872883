"""Finds the targets of a state route that must be planned again: those whose inputs are not what they were planned by.

Data flow: the route's query over raw.*, staged.* -> one hash per target, against planned.inputs -> temp.plan_again.

A plan of one target is made from what is stored of it and of its subjects, from its ledger, and from what holds for
all (versions, settings, map). The route says the first in SQL, and the last is part of every hash, so that another map
plans everybody. The rest is the same for all routes and stands here. A target is planned again if

- its hash is another one, or it has none (it is new, or a former version planned it);
- something was written or learned of it since, and it is not settled by that (`planned.basis` keeps how far the history
  went; every change of the ledger is in it, and forgetting, which deletes from it, has everybody planned anew);
- it has something to write, waits for another try, or was refused: the gap may be over, the write may have failed;
- it is not settled, and was read in this run and not when it was planned, or the other way round: what is not read in
  this run is compared by the ledger, and teaches nothing;
- it shares something with one of these (an e-mail that only one contact of an account may have), also with one that is
  not there any more.

A hash is of 64 bits; that another version of DuckDB hashes otherwise plans everybody once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline.targets import Planned
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns


@dataclass(frozen=True, slots=True)
class InputsQuery:
    """What each target of a route is planned by, in SQL.

    Attributes:
        query: names every target that there is: `system, object, id`, `inputs` (a hash), `read_now` (this run has read
            it) and `before`, which is `k.inputs`. It says `{join} {known} as k using (...)`: `k` has what was found
            when the target was planned last, `named, written, share` as in `planned.inputs`.
        prepare: statements that make the temporary tables that it uses; `$name` values as in it.
        tables: names of those tables.
        values: what both use as `$name`; `$basis` is the hash of what holds for all targets.
        links: names of the fields whose ledger entries decide which subject a target stands for.
    """

    query: str
    prepare: Sequence[str] = ()
    tables: Sequence[str] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    links: Sequence[str] = ()


_TABLES = ("targets", "changes", "notes", "learned", "inputs")


class Incremental:
    """Which targets are planned in this run: lives while one plan is made, inside its transaction.

    Attributes:
        everybody: all targets that there are.
    """

    def __init__(self, db: Db, inputs: InputsQuery, basis: str, anew: bool = False) -> None:
        """Begin; with `anew` everybody is planned again, whatever is stored."""
        self._db, self._inputs, self._basis, self._anew = db, inputs, basis, anew
        self.everybody = False
        self._made = 0

    def find(self) -> list[Ref]:
        """Return the targets to plan, by ascending name; forget those that are not there any more."""
        db = self._db
        for sql in self._inputs.prepare:
            db.execute(sql, self._values(sql))
        sql = self._query("left join", "planned.inputs")
        db.execute(f"create or replace temp table plan_now as {sql}", self._values(sql))
        if self._anew:
            db.execute(f"create or replace temp table plan_again as select {KEY} from temp.plan_now")
        else:
            self._find_again()
        count, again, stale = db.rows(_COUNTS)[0]
        self.everybody = count == again
        if self.everybody:
            for table in _TABLES:
                db.execute(f"delete from planned.{table}")
        else:
            if again or stale:
                db.execute(_SHARING)
                db.execute(
                    f"""create or replace temp table plan_before as
                        select {KEY}, named, written, share from planned.inputs
                        semi join temp.plan_again using ({KEY})"""
                )
                # Whoever is planned again has no inputs until the plan is whole: a run may die before.
                db.execute(f"delete from planned.inputs where ({KEY}) in (select ({KEY}) from temp.plan_again)")
            if stale:
                for table in _TABLES:
                    db.execute(f"delete from planned.{table} where ({KEY}) not in (select ({KEY}) from temp.plan_now)")
        db.execute("create or replace temp table plan_made as from planned.inputs limit 0")
        return (
            [Ref(*row) for row in db.rows(f"select {KEY} from temp.plan_again order by all")] if again or stale else []
        )

    def _find_again(self) -> None:
        """Note who is planned again; as a rule little is open, and what is not is not looked at twice."""
        db = self._db
        found = dict(db.rows(_OPEN))
        parts = [*_ALWAYS, *(sql for name, sql in _WHERE_OPEN.items() if found[name])]
        seq = found["seq"]
        if found["history"] > seq:
            parts.append(_BY_HISTORY)
        sql = f"select distinct {KEY} from ({' union all '.join(parts)}) semi join temp.plan_now using ({KEY})"
        values = {"seq": seq, "links": list(self._inputs.links)} if found["history"] > seq else {}
        db.execute(f"create or replace temp table plan_again as {sql}", values)

    def sharing(self, shares: Sequence[str]) -> list[Ref]:
        """Return the targets that want the same as some that are planned now, and were not to be planned themselves."""
        if self.everybody or not shares:
            return []
        db = self._db
        with db.batch({"share": sorted(set(shares))}) as batch:
            found = db.rows(
                f"""select {KEY} from planned.inputs semi join {batch} using (share)
                    semi join temp.plan_now using ({KEY}) anti join temp.plan_again using ({KEY}) order by all"""
            )
        refs = [Ref(*row) for row in found]
        if refs:
            with db.batch({name: [ref[place] for ref in refs] for place, name in enumerate(Ref._fields)}) as batch:
                db.execute(f"insert into temp.plan_again by name select * from {batch}")
                db.execute(f"delete from planned.inputs where ({KEY}) in (select ({KEY}) from {batch})")
        return refs

    def keep(self, made: Sequence[Planned]) -> None:
        """Keep what was found of these targets, for their hashes."""
        self._made += len(made)
        with self._db.batch(_found(made), {"inputs": "int"}) as batch:
            self._db.execute(f"insert into temp.plan_made by name select * from {batch}")

    def store(self, fingerprint: str, planned: bool) -> None:
        """Store by what all was planned: with what was found just now, nothing else has changed meanwhile.

        Args:
            fingerprint: of all that the plan was made from.
            planned: any target was planned.
        """
        db = self._db
        # Of whom the same was found as before, the hash is the one that was worked out to find whom to plan.
        known = int(db.value(_AS_BEFORE)) if planned and not self.everybody else 0
        if planned and known < self._made:
            sql = self._query("join", "temp.plan_made")
            db.execute(
                f"""insert into planned.inputs by name
                    select {KEY}, n.inputs, {_FOUND} from ({sql}) as n join temp.plan_made using ({KEY})
                    {f"anti join planned.inputs using ({KEY})" if known else ""}""",
                self._values(sql),
            )
        db.execute(
            "insert into planned.basis select coalesce((select max(seq) from synced.history), 0), ?", [fingerprint]
        )
        for table in ("plan_now", "plan_again", "plan_before", "plan_made", *self._inputs.tables):
            db.execute(f"drop table if exists temp.{table}")

    def _query(self, join: str, known: str) -> str:
        return self._inputs.query.replace("{join}", join).replace("{known}", known)

    def _values(self, sql: str) -> dict[str, object]:
        values = {**self._inputs.values, "basis": self._basis}
        return {name: value for name, value in values.items() if f"${name}" in sql}


_FOUND = "named, written, subjects, share"
_AS_BEFORE = f"""
insert into planned.inputs by name
select {KEY}, n.inputs, m.named, m.written, m.subjects, m.share
from temp.plan_made as m join temp.plan_before as b using ({KEY}) join temp.plan_now as n using ({KEY})
where (m.named, m.written, m.share) is not distinct from (b.named, b.written, b.share)"""
_TO_PLAN_AGAIN = 0
"""The hash of whoever the next whole plan plans again, whatever its inputs are."""


def keep_some(db: Db, refs: Sequence[Ref], made: Sequence[Planned]) -> None:
    """Keep what was found of targets that were planned by themselves; the next whole plan plans them again.

    What holds for all targets, and whom else their news concern, is not looked at for a few. So no whole plan stands
    either that was made before.

    Args:
        refs: all that were asked for. made: those of them that are there.
    """
    with db.batch(key_columns(refs)) as batch:
        db.execute(f"delete from planned.inputs where ({KEY}) in (select ({KEY}) from {batch})")
    with db.batch(_found(made), {"inputs": "int"}) as batch:
        db.execute(f"insert into planned.inputs by name select * from {batch}")
    db.execute("update planned.basis set fingerprint = ''")


def _found(made: Sequence[Planned]) -> dict[str, list[Any]]:
    return {
        "inputs": [_TO_PLAN_AGAIN] * len(made),  # not known before all is found
        **{name: [one.ref[place] for one in made] for place, name in enumerate(Ref._fields)},
        "named": [one.named for one in made],
        "written": [one.written for one in made],
        "subjects": [f" {' '.join(one.subjects)} " if one.subjects else None for one in made],
        "share": [one.share for one in made],
    }


_ALWAYS = (
    f"select {KEY} from temp.plan_now where before is distinct from inputs",
    f"""select {KEY} from temp.plan_now as n join (
            select {KEY}, t.compared is not null as read_then
            from planned.targets as t left join synced.settled as s using ({KEY})
            where t.fingerprint is not null and s.fingerprint is distinct from t.fingerprint) using ({KEY})
        where read_now is distinct from read_then""",
)
_OPEN = """
select 'changes', count(*) from planned.changes
union all select 'waiting', count(*) from planned.notes where note = 'waiting_retry'
union all select 'rejects', count(*) from synced.rejects
union all select 'history', coalesce(max(seq), -1) from synced.history
union all select 'seq', coalesce(max(history), -1) from planned.basis"""
_WHERE_OPEN = {
    "changes": f"select {KEY} from planned.changes",
    "waiting": f"select {KEY} from planned.notes where note = 'waiting_retry'",
    "rejects": f"select {KEY} from synced.rejects",
}
_BY_HISTORY = f"""
select h.system, h.object, h.id
from synced.history as h
left join planned.targets as t using ({KEY})
left join synced.settled as s using ({KEY})
where h.seq > $seq
  and (t.fingerprint is null or s.fingerprint is distinct from t.fingerprint
       or (list_contains($links, h.field) and h.event <> 'stored'))"""

_COUNTS = """
select count(*), (select count(*) from temp.plan_again),
       (select count(*) from planned.targets) - count(*) filter (before is not null)
from temp.plan_now"""

# Whoever is not there any more may have had what another one wanted.
_SHARING = f"""
insert into temp.plan_again
select {KEY} from planned.inputs semi join temp.plan_now using ({KEY}) anti join temp.plan_again using ({KEY})
where share in (
    select share from planned.inputs semi join temp.plan_again using ({KEY}) where share is not null
    union all
    select share from planned.inputs anti join temp.plan_now using ({KEY}) where share is not null)"""
