"""A toy route that keeps state equal: what a shop knows of people -> a CRM's people, by `fill` and `mirror`.

It is made of nothing but the toolkit for such routes: here stands only what is about these two systems.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from pathlib import Path
from typing import Any

from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.plan import Change, Wanted
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.pipeline import delivery, planning, safety
from vs_st_pipeline.pipeline.targets import Differences, Plan, Target
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
LAYOUT = Layout((SHARED, Lineage("crm", ((1, CRM_SQL),))))
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
        for ref in refs:
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


def targets_of(shop: Books, live: Mapping[Ref, Live]) -> list[Target]:
    """Who stands for whom (by id), who is held back, and what is wanted."""
    found = []
    for known in shop.list():
        ref = person(known.get("id", ""))
        if ref in live:
            wanted = [Wanted(name, name, "custom", policy, known.get(name, "")) for name, policy in FIELDS.items()]
            held = stopped(live[ref])
            here = None if held else live[ref]
            found.append(Target(ref, Ref("shop", "people", ref.id), "id", None, here, None if held else wanted, held))
    return found


def sync(run: Run, shop: Books, crm: Crm) -> tuple[Plan, PushCounts]:
    """The story of this route."""
    counts = PushCounts()
    with run.warehouse.keeping(run.merchant.id), run.warehouse.sync_lock(run.merchant.id):
        reads = {"people": len(crm.land(run, crm.books.list()))}
        if not run.dry_run:
            delivery.settle(run, crm, counts)
        with run.open() as db:
            live = crm.stored(db)
            targets = targets_of(shop, live)
            matched = {target.ref for target in targets}

            def brake(rows: Differences) -> str | None:
                def loses(ref: Ref, _: safety.LinkedBefore | None) -> bool:
                    return ref not in matched or any(not change.new for change in rows.would_change.get(ref, ()))

                return safety.check_safety(db, live, reads, loses)

            plan = planning.make_plan(
                run, db, targets, unmatched=[(ref, None) for ref in live if ref not in matched], meaning="1",
                map_fingerprint="toy 1", reads=reads, brake=brake,
                reasons=lambda target, changes: [(one.policy, f"people {target.subject.id}") for one in changes],
            )  # fmt: skip
        if not run.dry_run:
            delivery.push(run, crm, counts)
    return plan, counts


@dataclass(frozen=True)
class Merchant:
    id: str = "one"


def run_in(folder: Path, now: datetime, **how: Any) -> Run:
    merchant: Any = Merchant()
    return Run(merchant, Warehouse(folder / "data", {"contacts": LAYOUT}), lambda: now, **how)


if __name__ == "__main__":  # a process that may be killed
    at = Path(sys.argv[1])
    sync(run_in(at, datetime.fromisoformat(sys.argv[2])), Books(at / "shop.json"), Crm(Books(at / "crm.json")))
