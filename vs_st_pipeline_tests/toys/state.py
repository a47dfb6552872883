"""A toy route that keeps state equal: what a shop knows of people -> a CRM's people, by `fill` and `mirror`.

It is made of nothing but the toolkit for such routes: here stands only what is about these two systems.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import md5
from pathlib import Path
from typing import Any

from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.plan import Change, Wanted
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline import delivery, planning, whole_hints
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.pipeline.incremental import InputsQuery
from vs_st_pipeline.pipeline.plan_cache import PlanInputs
from vs_st_pipeline.pipeline.safety import LinkedBefore
from vs_st_pipeline.pipeline.targets import Plan, Target, Unmatched
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, Lineage
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry, Proof
from vs_st_pipeline.platform.warehouse.outcomes import Outbox, Outcome, PushCounts
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed
from vs_st_pipeline_tests.toys.crm import Books, Record

CRM_SQL = f"""create table raw.crm_people (system varchar, object varchar, id varchar, body varchar not null,
              read_run varchar not null, primary key ({KEY}))"""
SHOP_SQL = "create table raw.shop_people (id varchar primary key, body varchar not null)"
LAYOUT = Layout((SHARED, Lineage("crm", ((1, CRM_SQL),)), Lineage("shop", ((1, SHOP_SQL),))))
FIELDS: Mapping[str, Any] = {"name": "fill", "city": "mirror"}


def person(id_: str) -> Ref:
    return Ref("crm", "people", id_)


PEOPLE = "crm people"
"""The kind of record under which people are forgotten."""


@dataclass(frozen=True)
class Live:
    """Somebody at the CRM, as last read."""

    body: Record
    read_run: str

    @property
    def body_hash(self) -> str:
        return md5(json.dumps(self.body).encode(), usedforsecurity=False).hexdigest()

    def value(self, kind: str, key: str) -> str:
        return str(self.body.get(key) or "")


@dataclass(frozen=True)
class Crm:
    """The CRM's connector, as a destination."""

    books: Books
    only: frozenset[str] | None = None
    written: set[str] = field(default_factory=set)

    def land(self, run: Run, bodies: Sequence[Record]) -> list[Record]:
        """Store those that say who they are, and were not forgotten; an answer that says nothing changes nothing."""
        with run.open() as db, db.transaction():
            forgotten = read_suppressed(db)
            told = [body for body in bodies if body.get("id") and not forgotten.knows(PEOPLE, body["id"])]
            columns = {**key_columns(person(body["id"]) for body in told), "body": [json.dumps(body) for body in told]}
            with db.batch(columns) as batch:
                db.execute(
                    f"insert or replace into raw.crm_people by name select *, ? as read_run from {batch}", [run.run_id]
                )
        return told

    def stored(self, db: Db) -> dict[Ref, Live]:
        rows = db.rows(f"select {KEY}, body, read_run from raw.crm_people")
        return {Ref(*row[:3]): Live(json.loads(row[3]), row[4]) for row in rows}

    def proofs(self, db: Db, run_id: str, refs: Sequence[Ref]) -> dict[Ref, Proof]:
        known = self.stored(db)
        mine = {ref: known[ref] for ref in refs if ref in known and known[ref].read_run == run_id}
        return {ref: Proof({"stopped": live.body.get("stopped")}, stopped(live)) for ref, live in mine.items()}

    def push(self, run: Run, refs: Sequence[Ref], outbox: Outbox) -> Iterator[Outcome]:
        for ref in [one for one in refs if self.only is None or one.id in self.only]:
            found = self.books.get(ref.id)  # a plan is old when it is pushed
            for body in self.land(run, [found] if found else []):
                live = Live(body, run.run_id)
                if stopped(live) or not (changes := outbox.still_wanted(ref, live.value)):
                    continue
                [sent] = outbox.store([(ref, changes)], call="put")
                failpoint("request")
                yield from self._sent(run, sent, changes)

    def _sent(self, run: Run, sent: OutboxEntry, changes: Sequence[Change]) -> Iterator[Outcome]:
        try:
            self.books.put(sent.target.id, {change.key: change.new for change in changes})
        except Refused as refused:
            yield Outcome(sent, "rejected", refused.code, refused.http_status)
        except PipelineError:  # it may have been done
            yield from self.settle(run, [sent])
        else:
            failpoint("answer")
            self.written.add(sent.target.id)
            yield Outcome(sent, "accepted")

    def settle(self, run: Run, sent: Sequence[OutboxEntry]) -> Iterator[Outcome]:
        for one in sent:
            body = self.books.get(one.target.id)
            if body is None:
                yield Outcome(one, "gone")
            elif not self.land(run, [body]):
                yield Outcome(one, "unknown")
            else:
                shown = all(Live(body, "").value(change.kind, change.key) == change.new for change in one.changes)
                yield Outcome(one, "accepted" if shown else "not_applied")


def stopped(live: Live) -> str | None:
    return "opted_out" if live.body.get("stopped") else None


def land_shop(db: Db, people: Sequence[Record]) -> None:
    """Store what the shop knows of people, in place of what it knew; whoever was forgotten is left out."""
    forgotten = read_suppressed(db)
    told = [one for one in people if one.get("id") and not forgotten.knows(PEOPLE, one["id"])]
    with db.transaction(), db.batch({"id": [one["id"] for one in told], "body": list(map(json.dumps, told))}) as batch:
        db.execute("delete from raw.shop_people")
        db.execute(f"insert into raw.shop_people by name select * from {batch}")


def targets_of(db: Db, live: Mapping[Ref, Live], refs: Sequence[Ref]) -> tuple[list[Target], list[Unmatched]]:
    """Who stands for whom (by id), who is held back, and what is wanted: of these records."""
    found, unmatched = [], []
    with db.batch({"id": [ref.id for ref in refs]}) as batch:
        shop = {row[0]: json.loads(row[1]) for row in db.rows(f"from raw.shop_people semi join {batch} using (id)")}
    for ref in refs:
        if (known := shop.get(ref.id)) is None:
            unmatched.append(Unmatched(ref))
            continue
        wanted = [Wanted(name, name, "custom", policy, known.get(name, "")) for name, policy in FIELDS.items()]
        held = stopped(live[ref])
        here = None if held else live[ref]
        found.append(Target(ref, Ref("shop", "people", ref.id), "id", None, here, None if held else wanted, held))
    return found, unmatched


# All that one person's plan is made from: what both sides say of them.
INPUTS = f"""select c.system, c.object, c.id, c.read_run = $run as read_now, k.inputs as before,
                    hash($basis, c.body, s.body) as inputs
             from raw.crm_people as c {{join}} {{known}} as k using ({KEY})
             left join raw.shop_people as s on s.id = c.id"""


def loses(target: Target, before: LinkedBefore | None, changes: Sequence[Change], accepted: object) -> bool:
    return any(not change.new for change in changes)


def sync(run: Run, shop: Books, crm: Crm) -> tuple[Plan, PushCounts]:
    """The story of this route."""
    counts = PushCounts()
    with run.keeping(), run.sync_lock(), whole_hints.taken(run, Queue(lambda _run, _hints: None)):
        reads = {"people": len(crm.land(run, crm.books.list()))}
        if not run.dry_run:
            delivery.settle(run, crm, counts)
        with run.open() as db:
            land_shop(db, shop.list())
            plan = _plan(run, db, crm, reads)
        if not run.dry_run:
            delivery.push(run, crm, counts)
    return plan, counts


def _plan(run: Run, db: Db, crm: Crm, reads: dict[str, int]) -> Plan:
    live = crm.stored(db)
    planner = planning.Planner(
        inputs=InputsQuery(INPUTS, values={"run": run.run_id}),
        basis=(), make=lambda refs: targets_of(db, live, refs), meaning="1", map_fingerprint="toy 1",
        reads=reads, loses=loses,
        reasons=lambda target, changes: [(one.policy, f"people {target.subject.id}") for one in changes],
    )  # fmt: skip
    return planning.make_plan(run, db, planner, PlanInputs((), 1, ()))


def read_one(run: Run, shop: Books, crm: Crm, id_: str) -> bool | None:
    """Read one person at both systems; says whether anything is news, None where the shop has nobody."""
    with run.open() as db:
        before = db.rows("select body from raw.shop_people where id = ?", [id_])
    body, there = shop.get(id_), crm.books.get(id_)
    crm.land(run, [there] if there else [])
    if not body or not body.get("id"):
        return None
    with run.open() as db, db.transaction():
        db.execute("insert or replace into raw.shop_people values (?, ?)", [id_, json.dumps(body)])
    return before != [(json.dumps(body),)]


def sync_some(run: Run, crm: Crm, ids: Sequence[str], counts: PushCounts) -> set[str]:
    """Plan, and write these people alone; returns who was written."""
    written: set[str] = set()
    with run.open() as db:
        _plan(run, db, crm, {"people": len(crm.stored(db))})
    delivery.push(run, replace(crm, only=frozenset(ids), written=written), counts)
    return written


@dataclass(frozen=True)
class Merchant:
    id: str = "one"


def run_in(folder: Path, now: datetime, **how: Any) -> Run:
    merchant: Any = Merchant()
    return Run(merchant, Warehouse(folder / "data", {"contacts": LAYOUT}), lambda: now, **how)


if __name__ == "__main__":  # a process that may be killed
    at = Path(sys.argv[1])
    sync(run_in(at, datetime.fromisoformat(sys.argv[2])), Books(at / "shop.json"), Crm(Books(at / "crm.json")))
