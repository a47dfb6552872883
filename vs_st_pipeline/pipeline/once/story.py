"""Makes a route of what only it can know: how its source is read, what is to be said, and how the destination is asked.

Data flow: a source -> raw -> items -> once.outbox -> the destination.

For a route that reads, says, and nothing else, whole or only what is hinted at. One that has more to tell (another
route that reads for it, a brake) writes its story by itself, of the same parts.

It is long because it is all that such a route is: what a command, a schedule or a worker asks of it stands here once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.hints import Hint as InboxHint
from vs_st_pipeline.domain.plan import UNREADABLE
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.pipeline import session as pipeline
from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.check import CheckResult
from vs_st_pipeline.pipeline.hinted import HintDesk, Hinted
from vs_st_pipeline.pipeline.once import erasure, hints, repair
from vs_st_pipeline.pipeline.once.delivery import Delivered, Sender, deliver, settle
from vs_st_pipeline.pipeline.once.hinted import Answered, HintedReads, read_all, settle_desk
from vs_st_pipeline.pipeline.once.items import Item, Kind, Row, State
from vs_st_pipeline.pipeline.once.outbox import Outbox
from vs_st_pipeline.pipeline.once.rows import count_open, read_history, read_rows
from vs_st_pipeline.pipeline.once.schema import ONCE
from vs_st_pipeline.pipeline.once.session import opened
from vs_st_pipeline.pipeline.route import Again, Asset, DryRun, Forget, Person, Question, Retry, Route
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.pipeline.session import Session, StageDone
from vs_st_pipeline.pipeline.status_file import record_run
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.suppression import CUSTOMER, Identifiers, phone_name

RAW, PLANNED, SYNCED = STAGES = ("raw", "planned", "synced")
_MAY_BE_OUT = ("sending", "unknown")

Record = dict[str, Any]


class Reads(Protocol):
    """Reads a source into raw, and counts what it saw in the session's report; changes nothing else."""

    def __call__(self, session: Session, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Story:
    """A route that says things once.

    Attributes:
        name: the route's. records: what it says, in the plural: letters.
        connectors: the systems that it reads, and last the one that it says things at.
        read: reads the source; in a dry run too.
        ask: asks the systems something cheap for `vs-st check`, and stores nothing.
        items: what is to be said by what is stored; what was said before may be among it, and is not said again.
        sender: makes what knows the destination.
        kinds: of the items.
        every: how often the source is read.
        hinted: how single records are read that are hinted at; None where it only polls.
        is_record: whether a word that is typed after `vs-st retry` names an entity of this route, and no merchant.
    """

    name: str
    records: str
    connectors: tuple[Connector[Any], ...]
    read: Reads
    ask: Callable[[Session], object]
    items: Callable[[Run, Db], Iterable[Item]]
    sender: Callable[[Session], Sender]
    kinds: tuple[Kind, ...]
    every: timedelta
    is_record: Callable[[str], bool] = lambda word: False
    hinted: HintedReads | None = None

    def route(self, *, needs: tuple[frozenset[str], ...], does: str, **more: Any) -> Route:
        """Return the route.

        Args:
            more: what else `Route` has, in place of what is made here too.
        """
        parts: Record = {
            "records": self.records,
            "stages": STAGES,
            "writes": SYNCED,
            "assets": self.assets(),
            "report": self.new_report,
            "run_stages": self.run_stages,
            "dry_run": DryRun(self.dry_run, {self.records: []}, self._plan_lines),
            "check": self.check,
            "cannot_check": self._result,
            "why": Question(("RECORD",), self.why, self._why_lines),
            "retry": Retry("[RECORD...]", self.is_record, self.retry, most=None, find=self._tried, can_drop=True),
            "forget": Forget((self.records,), lambda person: bool(_named(person).names()), self.find, self.forget),
            "next_due_at": self.next_due_at,
            "under_way": self.under_way,
            "count_stored": self.count_stored,
            "toolkits": (ONCE,),
            "hinted": Hinted(self.hinted.wants, self.run_hinted, hints.QUEUE.hand_over) if self.hinted else None,
        }
        return Route(self.name, self.connectors, needs=needs, does=does, **{**parts, **more})

    def assets(self) -> tuple[Asset, ...]:
        """Return what the stages make: what was read of each system, what is to be said, what was taken (R15)."""
        streams = [(system, stream) for system in self.connectors for stream in system.streams]
        raw = [
            Asset(
                f"{self.name}/raw/{system.name}/{stream.name}",
                RAW,
                f"The {stream.name} at {system.title}, as it says them.",
                kinds=frozenset({"api", "duckdb"}),
            )
            for system, stream in streams
        ]
        plan, where = f"{self.name}/planned/{self.records}", self.connectors[-1]
        done = f"{self.name}/synced/{where.name}/{self.records}"
        return (
            *raw,
            Asset(plan, PLANNED, f"The {self.records} that are to be sent.", tuple(one.key for one in raw)),
            Asset(done, SYNCED, f"The {self.records} that {where.title} has taken.", (plan,), frozenset({"api"})),
        )

    # --- a run ----------------------------------------------------------------------------------------------------

    def new_report(self, merchant_id: str, run_id: str = "") -> Report:
        """Return the report of a run that has not done anything yet."""
        seen = {stream.name: 0 for system in self.connectors for stream in system.streams}
        return Report(merchant_id, run_id, route=self.name, seen=seen, planned={self.records: 0})

    def run_stages(
        self, run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = lambda _: None
    ) -> Report:
        """Run these stages, in their order: settle what is unknown, read, plan, say."""
        return self._run(run, selected, on_stage)[0]

    def dry_run(self, run: Run) -> tuple[Report, Record]:
        """Run all stages but the last; what would be said stands in the rows, in full."""
        report, items = self._run(replace(run, dry_run=True), (RAW, PLANNED))
        rows = [{"kind": item.kind, "record": item.entity, "text": item.body} for item in items]
        return report, {self.records: rows}

    def _run(
        self, run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = lambda _: None
    ) -> tuple[Report, list[Item]]:
        session = Session(run, self.new_report(run.merchant.id, run.run_id), selected, on_stage)
        report, told, planned = session.report, Delivered(), list[Item]()
        queue = hints.QUEUE if self.hinted and set(selected) == set(STAGES) else None
        with pipeline.opened(session), self._opened(run) as outbox, whole_hints.taken(run, queue):
            try:
                sender, answered = self.sender(session), Answered()
                session.do(SYNCED, lambda _: settle(outbox, sender, told))
                session.do(RAW, self.read)
                session.do(RAW, self._read_hinted, answered)
                session.do(PLANNED, self._plan, outbox, planned, answered)
                session.do(SYNCED, lambda _: deliver(outbox, sender, told))
            finally:
                report.accepted, report.rejected, report.unknown = told.accepted, told.rejected, told.unknown
                report.held, report.noted = told.waiting, told.dropped
                with run.open() as db:
                    stands = count_open(db)
                report.waiting = stands.get("rejected", 0), stands.get("unknown", 0) + stands.get("held", 0)
        if SYNCED in selected:
            record_run(run, report)
        return report, planned

    def _read_hinted(self, session: Session, answered: Answered) -> None:
        """Read what is hinted at and in no list's rows; a dry run settles nothing of it."""
        if self.hinted is None:
            return
        with session.run.open() as db:
            wanted = hints.waiting(db)
        found = read_all(session, self.hinted, wanted)
        answered.looked, answered.failed = found.looked, found.failed
        session.report.noted[UNREADABLE] += len(found.failed)

    def run_hinted(self, run: Run, desk: HintDesk) -> Report:
        """Sync only what is hinted at: the same steps, restricted to the hinted records."""
        assert self.hinted is not None
        session = Session(run, self.new_report(run.merchant.id, run.run_id), STAGES)
        report, told = session.report, Delivered()
        with pipeline.opened(session), self._opened(run) as outbox:
            claimed = desk.claim(run)
            hints.take(run, claimed)
            with run.open() as db:
                wanted = [one for one in hints.waiting(db) if one.record in _records(claimed)]
            found = Answered()
            try:
                sender = self.sender(session)
                found = read_all(session, self.hinted, wanted, desk)
                settle(outbox, sender, told, entities=found.entities)
                self._plan(session, outbox, [], found, only=found.entities)
                if found.entities:
                    deliver(outbox, sender, told, entities=found.entities)
            finally:
                report.accepted, report.rejected, report.unknown = told.accepted, told.rejected, told.unknown
                report.held, report.noted = told.waiting, told.dropped
                report.noted[UNREADABLE] += len(found.failed)
            settle_desk(run, desk, claimed, found)
            desk.finish(report)
        return report

    def _opened(self, run: Run) -> Any:
        return opened(run, self.kinds, self.connectors, next_due=lambda: run.now() + self.every)

    def _plan(
        self,
        session: Session,
        outbox: Outbox,
        planned: list[Item],
        answered: Answered,
        *,
        only: Collection[str] | None = None,
    ) -> None:
        """Store what is to be said, in the transaction that settles the hints that led to it.

        Args:
            only: these entities' items; None: all.
        """
        run = session.run
        with run.open() as db:
            items = [one for one in self.items(run, db) if only is None or one.entity in only]
            waiting = {row.key for row in outbox.open_rows(db) if only is None or row.entity in only}
        to_say = waiting.union(outbox.enqueue(items, answered.settle).new)
        planned += {item.key: item for item in items if item.key in to_say}.values()
        session.report.planned[self.records] = len(to_say)
        session.report.plan = session.run.run_id

    def _plan_lines(self, report: Report, rows: Record, name: str) -> list[str]:
        found = rows[self.records]
        return [
            f"{name}: {report.ended}; {len(found)} {self.records} to send",
            *(f"  {row['record']}  {row['kind']}  {row['text']}" for row in found),
        ]

    # --- questions ------------------------------------------------------------------------------------------------

    def check(self, run: Run) -> CheckResult:
        """Ask the systems whether the keys are good; nothing is stored or sent."""
        checked = self._result(run.merchant.id)
        checked.doubts += run.merchant.doubts
        session = Session(run, self.new_report(run.merchant.id, run.run_id))
        with pipeline.opened(session):
            self.ask(session)
        if session.report.status == FAILED and session.report.error:
            checked.errors.append(session.report.error)
        return checked

    def _result(self, merchant_id: str, error: PipelineError | None = None) -> CheckResult:
        return CheckResult(merchant_id, self.name, errors=[error] if error else [])

    def why(self, run: Run, words: Sequence[str]) -> Record:
        """Return what is to be said about one record, how it stands, and all that happened to it."""
        with run.open() as db:
            rows, history = read_rows(db, "entity = ?", [words[0]]), read_history(db, words[0])
        stands = [
            {"kind": row.kind, "state": row.state.value, "reason": row.reason, "tries": row.tries} for row in rows
        ]
        told = [{**one, "happened_at": one["happened_at"].isoformat()} for one in history]
        return {"merchant": run.merchant.id, "route": self.name, "record": words[0], "stands": stands, "history": told}

    def _why_lines(self, answer: Record, words: Sequence[str], merchant: Merchant) -> list[str]:
        stands = [f"{answer['record']}: {row['kind']} is {_stands(row)}" for row in answer["stands"]]
        return [
            *(stands or [f"{answer['record']}: nothing was ever to be said"]),
            *(f"  {one['happened_at']}  {one['kind']} {one['event']}" for one in answer["history"]),
        ]

    # --- repair and erasure ---------------------------------------------------------------------------------------

    def _tried(self, run: Run, again: Again) -> list[str]:
        with self._opened(replace(run, dry_run=True)) as outbox:
            return [f"{row.entity}  {row.kind}  {row.state}  {row.reason or ''}" for row in _meant(outbox, again)]

    def retry(self, run: Run, again: Again) -> Report | None:
        """Have what was refused or is held sent again by a sync that follows, or give it up."""
        with self._opened(run) as outbox:
            found = _meant(outbox, again)
            (repair.drop if again.drop else repair.retry)(outbox, found, who=run.started_by)
        return self.run_stages(run, STAGES) if found else None

    def find(self, run: Run, person: Person) -> dict[str, int]:
        """Count what names a person."""
        return {self.records: erasure.count(run, _named(person), self.connectors)}

    def forget(self, run: Run, person: Person) -> dict[str, int]:
        """Forget a person, whether anything is stored or not."""
        return {self.records: erasure.forget(run, _named(person), self.connectors)}

    # --- what the fleet asks --------------------------------------------------------------------------------------

    def next_due_at(self, data_dir: Path, merchant_id: str) -> datetime | None:
        """Return when the merchant is due next, None for now."""
        return read_next_due(data_dir, merchant_id, self.name)

    def under_way(self, warehouse: Warehouse, merchant_id: str) -> list[str]:
        """Say how many items may be out with nobody knowing."""
        open_ones = self._count(warehouse, merchant_id, f"once.outbox where state in {_MAY_BE_OUT}")
        told = f"{counted(open_ones, self.records)} of route {self.name} may be out, and no answer is known"
        return [told] if open_ones else []

    def count_stored(self, warehouse: Warehouse, merchant_id: str) -> int:
        """Count the items that are kept of a merchant."""
        return self._count(warehouse, merchant_id, "once.outbox")

    def _count(self, warehouse: Warehouse, merchant_id: str, rows: str) -> int:
        if not warehouse.file(merchant_id, self.name).exists():
            return 0
        with warehouse.open(merchant_id, self.name) as db:
            return int(db.value(f"select count(*) from {rows}"))


def _records(claimed: Iterable[InboxHint]) -> set[tuple[str, str, str]]:
    return {hint.record for hint in claimed}


def _meant(outbox: Outbox, again: Again) -> list[Row]:
    """Return what a person names that does not go on by itself; what may be out can only be given up."""
    codes = [again.code] if again.code else []
    states = (State.REJECTED, State.HELD, *((State.UNKNOWN,) if again.drop else ()))
    found = repair.select(outbox, entities=again.records, codes=codes)
    return [row for row in found if row.state in states]


def _named(person: Person) -> Identifiers:
    phone = phone_name(person.phone) if person.phone else None
    return Identifiers(
        phones={phone} if phone else set(),
        emails={person.email.strip().casefold()} if person.email else set(),
        records={CUSTOMER: {person.customer}} if person.customer else {},
    )


def _stands(row: Mapping[str, Any]) -> str:
    return f"{row['state']} ({row['reason']})" if row["reason"] else str(row["state"])
