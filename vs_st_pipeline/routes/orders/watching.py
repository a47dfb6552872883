"""Looks at what becomes of orders at Vinoshipper, with as few requests as it takes (orders.md 3, 4.2; ruling 1).

    windows of shipped days    every `refresh.shipped`    rows; what differs from what is held, or is missing, is read
    windows of placed days     every `refresh.open`       of open sent orders; or their details, if those are fewer
    settled orders             every `refresh.settled`    details, for 60 days
    what a row cannot show     with both windows          details: numbers, what is wrong, what was not there
    not accepted yet           4.2's own times            details

What a read means is decided in `standing`. Orders that seem to be gone are recorded only once the brake (9) lets the
sync pass: `session.once_safe`. Refreshes go by the machine's clock, all else by the run's (rulings, 2).

It is long because one list is made of all that is due, so that no order is read twice in a sync, and the brake is asked
about all of it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.errors import BadAnswer, PipelineError, Refused
from vs_st_pipeline.domain.order_desk import HeldOrder, HeldRow
from vs_st_pipeline.domain.single_reads import SingleReads, gap_after
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.run import RequestLogEntry
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import ledger, notes, outbox, standing
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.notes import STUCK, UNREADABLE
from vs_st_pipeline.routes.orders.session import OrdersSession, Turned
from vs_st_pipeline.routes.orders.states import Stage, State
from vs_st_pipeline.routes.orders.systems import SHIPPER

SHIPPED_BACK: Final = timedelta(days=2)
SETTLED_FOR: Final = timedelta(days=60)
HOURLY: Final = timedelta(hours=1)
MOST_GONE: Final = 10  # brake (b): more than this, and than this share
GONE_ABOVE: Final = 30  # per cent
GONE: Final = "gone"
SETTLED: Final = (Stage.DELIVERED, Stage.RETURNED)
PAGE: Final = 25  # rows, as clients have seen it
_A_DAY: Final = timedelta(days=1)
_TURNED: Final = "turned"  # fact: orders that seem to be gone, while the brake holds
_GONE_WORDS: Final = ("CANCELLED", "DELETED")


def watch(session: OrdersSession, only: Collection[str] | None = None) -> None:
    """Read what is due of the orders at Vinoshipper, and record what it means.

    Args:
        only: ids of the orders that a command or a hint is about: these are read, whatever is due. None: those of the
            session, else what is due.

    Raises:
        PipelineError: Vinoshipper cannot be asked.
    """
    work = _Watch(session, session.only if only is None else frozenset(only))
    if work.only is None:
        notes.look(session)
    work.read()
    if work.is_braked:
        _keep_turned(session)


def gone(session: OrdersSession) -> list[Verdict]:
    """Judge how many open orders this run has seen as gone (9 b); recorded they are once the brake lets it pass.

    Those that an earlier run has seen so, and that were not read since, count.
    """
    if session.there is not None:  # not all were read, and nothing is written
        return []
    with session.run.open() as db:
        names, of = _turned(session, db), _count_open(db)
        stored = ledger.fact(db, _TURNED)
    if names or stored:
        session.once_safe.append(lambda: _believe(session, names))
    if len(names) <= MOST_GONE or len(names) * 100 <= of * GONE_ABOVE:
        return []
    says = f"{len(names)} of {of} open orders are cancelled or gone at Vinoshipper all at once (over {GONE_ABOVE} %)"
    return [Verdict(SHIPPER, GONE, len(names), says)]


@dataclass(frozen=True, slots=True)
class _Task:
    """A detail to read. row: the search's row that made it due."""

    order_id: str
    number: str
    why: str
    row: HeldRow | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """What is held of an order that stands at Vinoshipper, as far as a row of a search could differ from it."""

    row: OrderRow
    order_status: str | None
    total: Decimal | None
    placed_on: date | None
    row_digest: str | None
    row_at: datetime | None
    read_at: datetime | None
    waits: bool


@dataclass(slots=True)
class _Watch:
    session: OrdersSession
    only: frozenset[str] | None
    tasks: dict[str, _Task] = field(default_factory=dict)
    passes: list[str] = field(default_factory=list)

    # What is due.

    def read(self) -> None:
        """Read all that is due."""
        run = self.session.run
        with run.open() as db:
            in_doubt = {one.order_id for one in outbox.open_writes(db, (*outbox.MAKING, outbox.CANCEL))}
            if self.only is not None:
                self._add(
                    _Task(row.order_id, row.vs_number, "named")
                    for row in ledger.find(db, self.only).values()
                    if row.vs_number and row.order_id not in in_doubt
                )
            else:
                self._add(self._not_accepted(db))
                shipped = self._is_due(db, "shipped", _refresh(self.session, "shipped"))
                opened = self._is_due(db, "open", _refresh(self.session, "open"))
                held = _held(db) if shipped or opened else {}
                if held:  # what the brake keeps from being recorded may be there again
                    turned = {str(one) for one in ledger.fact(db, _TURNED) or ()}
                    self._add(_task(one, "seemed to be gone") for one in held.values() if one.row.order_id in turned)
        if self.only is None:
            if held and shipped:
                self._shipped_days(held)
            if held and opened:
                self._open_orders(held)
            if held:
                self._add(_task(one, "a row cannot show what it waits for") for one in held.values() if one.waits)
            self.passes += ["shipped"] * shipped + ["open"] * opened
            with run.open() as db:
                self._add(self._settled(db))
        # Read, and counted, where unknown writes are settled (6.4); or read in this run, and gone.
        for order_id in (in_doubt | self.session.turned.keys()) & self.tasks.keys():
            del self.tasks[order_id]
        done = self._read_each(list(self.tasks.values()))
        if done and self.passes:
            with run.open() as db, db.transaction():
                for name in self.passes:
                    ledger.keep_fact(db, run, _fact_of(name), time.time())

    def _add(self, tasks: Iterable[_Task]) -> None:
        for task in tasks:
            known = self.tasks.get(task.order_id)
            if known is None or (known.row is None and task.row is not None):
                self.tasks[task.order_id] = task

    def _is_due(self, db: Db, name: str, every: timedelta) -> bool:
        last = ledger.fact(db, _fact_of(name))
        if self.session.run.full or not isinstance(last, int | float):
            return True
        return not 0 <= time.time() - last < every.total_seconds()

    def _not_accepted(self, db: Db) -> Iterator[_Task]:
        """Yield orders that Vinoshipper has not accepted, where 4.2 wants them read now.

        Those too that a rule holds back since they failed there.
        """
        for row in ledger.read(
            db,
            """vs_number is not null and (state = 'sending'
               or (next_read_at <= $now and list_contains(['failed', 'not_required'], state)))""",
            {"now": self.session.run.now()},
        ):
            why = "pending" if row.state is State.SENDING else "not accepted"
            yield _Task(row.order_id, str(row.vs_number), why)

    def _shipped_days(self, held: dict[str, _Held]) -> None:
        """Add the orders that a search by days of shipping shows otherwise than they are held."""
        if not any(one.row.stage in (None, Stage.FULFILLED) for one in held.values()):
            return
        today = self.session.run.now().date()
        try:
            rows = self.session.desk.shipped(today - SHIPPED_BACK, today + _A_DAY)
        except (BadAnswer, Refused):  # this account's search has no such days: the open orders show it, a little later
            return
        self._compare(rows, held, ())

    def _open_orders(self, held: dict[str, _Held]) -> None:
        """Add the open orders that their rows show otherwise, or not at all; or all, where that takes less requests."""
        with self.session.run.open() as db:
            per_day = ledger.fact(db, "rows_a_day")
        density = float(per_day) if isinstance(per_day, int | float) else 0.0
        undated = [one for one in held.values() if one.placed_on is None]
        self._add(_task(one, "open") for one in undated)
        for first, last, orders in _clusters([one for one in held.values() if one.placed_on is not None]):
            days = (last - first).days + 1
            expected = max(len(orders), int(density * days))
            if -(-expected // PAGE) > len(orders):
                self._add(_task(one, "open") for one in orders)
                continue
            try:
                rows = self.session.desk.placed(first, last)
            except (BadAnswer, Refused):  # the search cannot be believed, or there is none: then each is read
                self._add(_task(one, "open") for one in orders)
                continue
            density = len(rows) / days
            self._compare(rows, held, orders)
        if density and density != per_day:
            with self.session.run.open() as db, db.transaction():
                ledger.keep_fact(db, self.session.run, "rows_a_day", round(density, 3))

    def _compare(self, rows: Sequence[HeldRow], held: dict[str, _Held], expected: Iterable[_Held]) -> None:
        """Add the orders that rows show otherwise than they are held, and expected ones that have none."""
        shown = {row.number: row for row in rows}
        agreed = []
        for number, row in shown.items():
            one = held.get(number)
            if one is None:
                continue
            if _agrees(row, one):
                agreed.append(row)
            else:
                self._add([_task(one, "its row differs", row)])
        self._add(_task(one, "no row shows it") for one in expected if str(one.row.vs_number) not in shown)
        _keep_rows(self.session, agreed)

    def _settled(self, db: Db) -> Iterator[_Task]:
        """Yield orders that are delivered, returned, voided or stuck, and were not read for `refresh.settled`."""
        run = self.session.run
        every = _refresh(self.session, "settled")
        real = utc_now_naive()
        rows = db.rows(
            """select o.order_id, o.vs_number, r.read_at_real
               from synced.orders as o
               left join raw.vinoshipper_sent_orders as r using (vs_number)
               left join synced.order_notes as n on n.order_id = o.order_id and n.note = $stuck
               where o.vs_number is not null and (
                   (o.state = 'sent' and list_contains($settled::varchar[], o.stage) and o.stage_at >= $since)
                   or (o.state = 'voided' and o.voided_at >= $since)
                   or (o.state = 'sent' and n.since >= $since))
                 and (r.read_at_real is null or r.read_at_real <= $due or r.read_at_real > $real)
               order by r.read_at_real nulls first, o.order_id""",
            {
                "stuck": STUCK,
                "settled": [str(stage) for stage in SETTLED],
                "since": run.now() - SETTLED_FOR,
                "due": real - every,
                "real": real + HOURLY,
            },
        )
        for order_id, number, _ in rows:
            yield _Task(order_id, number, "settled")

    # Reading.

    def _read_each(self, tasks: Sequence[_Task]) -> bool:
        """Read these details, one after the other; say whether all were read.

        Raises:
            PipelineError: it is the system's trouble (R40), or the system cannot be asked.
        """
        run, desk = self.session.run, self.session.desk
        with run.open() as db:
            resting, known = _unreadable(db, run.now())
        tasks = [task for task in tasks if run.full or self.only is not None or task.number not in resting]
        reads, place = SingleReads(len(tasks)), 0
        for place, task in enumerate(tasks, 1):
            if place > 1 and self.only is None and run.over_budget(self._sent()):
                place -= 1
                break
            try:
                held = desk.read(task.number)
            except PipelineError as error:
                reads.went_wrong(task.number, error, known=task.number in known)
                self._note_unreadable(task)
            else:
                reads.went_well()
                self._take(task, held)
        if reads.all_failed:
            self._ask_one_that_went_well(reads)
        for why in dict.fromkeys(task.why for task in tasks[:place]):
            count = sum(task.why == why for task in tasks[:place])
            run.request_log.append(RequestLogEntry("orders at Vinoshipper", why, count, f"{count} read"))
        return place == len(tasks)

    def _sent(self) -> int:
        return sum(calls.total() for calls in self.session.report.calls.values())

    def _take(self, task: _Task, held: HeldOrder | None) -> None:
        """Record a read, or keep it for the brake where the order would be gone by it."""
        with self.session.run.open() as db, db.transaction():
            row = ledger.find(db, [task.order_id]).get(task.order_id)
            if row is None or row.vs_number != task.number:
                return
            if self.is_braked:
                if _turns(db, row, held):
                    self.session.turned[task.order_id] = Turned(held, task.why, task.row)
                    return
                self.session.stands.add(task.order_id)
            _record(self.session, db, row, Turned(held, task.why, task.row))

    def _note_unreadable(self, task: _Task) -> None:
        run = self.session.run
        with run.open() as db, db.transaction():
            tries = db.value("select tries from raw.vinoshipper_sent_orders where vs_number = ?", [task.number]) or 0
            db.execute(
                """insert into raw.vinoshipper_sent_orders (vs_number, tries, next_try_at)
                   values ($number, $tries, $next)
                   on conflict (vs_number) do update set tries = excluded.tries, next_try_at = excluded.next_try_at""",
                {"number": task.number, "tries": tries + 1, "next": run.now() + gap_after(tries + 1)},
            )
            ledger.note(db, run, task.order_id, UNREADABLE, SHIPPER)

    def _ask_one_that_went_well(self, reads: SingleReads) -> None:
        """Read an order that was read well before, after all reads failed: these orders' trouble, or the system's?"""
        with self.session.run.open() as db:
            found = db.row(
                """select vs_number from raw.vinoshipper_sent_orders
                   where body is not null and not list_contains($failed::varchar[], vs_number)
                   order by read_at_real desc limit 1""",
                {"failed": list(reads.failed)},
            )
        if found is not None:
            self.session.desk.read(found[0])
        elif reads.several:
            raise next(iter(reads.failed.values()))

    @property
    def is_braked(self) -> bool:
        """Say whether the brake is asked: not where a command names the orders (9)."""
        return self.session.only is None or self.session.run.trigger == "hint"


# --- the brake (9 b) ------------------------------------------------------------------------------------------------


def _turned(session: OrdersSession, db: Db) -> list[str]:
    """Return the ids of sent orders that seem to be gone, and were not recorded so, by this run or an earlier one."""
    before = {str(one) for one in ledger.fact(db, _TURNED) or ()} - session.turned.keys() - session.stands
    before &= {row.order_id for row in ledger.find(db, before).values() if row.state is State.SENT}
    return [*session.turned, *sorted(before)]


def _keep_turned(session: OrdersSession) -> None:
    """Keep what this run has seen as gone: whatever becomes of it, a later one judges that too."""
    with session.run.open() as db:
        names, stored = _turned(session, db), ledger.fact(db, _TURNED)
        if names != (stored or []):
            with db.transaction():
                ledger.keep_fact(db, session.run, _TURNED, names)


def _believe(session: OrdersSession, order_ids: Sequence[str]) -> None:
    """Record what these orders are now; those that were not read in this run are."""
    run = session.run
    for order_id in order_ids:
        with run.open() as db:
            row = ledger.find(db, [order_id]).get(order_id)
        if row is None or row.vs_number is None:
            continue
        seen = session.turned.get(order_id) or Turned(session.desk.read(row.vs_number), "gone")
        with run.open() as db, db.transaction():
            _record(session, db, row, seen)
    with run.open() as db, db.transaction():
        if ledger.fact(db, _TURNED):
            ledger.keep_fact(db, run, _TURNED, [])


def _record(session: OrdersSession, db: Db, row: OrderRow, seen: Turned) -> None:
    if is_news := standing.is_news(db, row, seen.held):
        row = standing.apply(session, db, row, seen.held, by=seen.why)
    standing.put_off(db, row, session.run.now())
    db.execute(
        "delete from synced.order_notes where order_id = ? and note = ? and says = ?",
        [row.order_id, UNREADABLE, SHIPPER],
    )
    if seen.held is None or not is_news:  # it was read all the same
        db.execute(
            "update raw.vinoshipper_sent_orders set tries = 0, next_try_at = null where vs_number = ?",
            [row.vs_number],
        )
    if seen.row is not None and seen.held is not None:
        _keep_digest(db, seen.row)


def _refresh(session: OrdersSession, name: str) -> timedelta:
    """Return how old a kind of read may be (2)."""
    every: timedelta = getattr(session.settings.refresh, name)
    return every


# --- what is held -------------------------------------------------------------------------------------------------


def _held(db: Db) -> dict[str, _Held]:
    """Return the open sent orders by number: neither settled nor stuck."""
    rows = ledger.read(
        db,
        """state = 'sent' and vs_number is not null
           and (stage is null or not list_contains($settled::varchar[], stage))
           and order_id not in (select order_id from synced.order_notes where note = $stuck)""",
        {"settled": [str(stage) for stage in SETTLED], "stuck": STUCK},
    )
    shown = {
        number: told
        for number, *told in db.rows(
            """select r.vs_number, s.order_status, s.total, s.purchased_at, r.row_digest, r.row_at_real, r.read_at_real,
                      r.missing_since is not null,
                      len(from_json(s.packages, '["json"]')) = 0
                          or len(list_filter(from_json(s.packages, '[{"tracking_number": "varchar"}]'),
                                             lambda p: p.tracking_number is null)) > 0
               from raw.vinoshipper_sent_orders as r left join staged.shipments as s using (vs_number)"""
        )
    }
    troubled = {
        order_id for (order_id,) in db.rows("select order_id from synced.order_notes where note = 'problem_there'")
    }
    found = {}
    for row in rows:
        status, total, placed, digest, row_at, read_at, missing, lacks = shown.get(row.vs_number, [None] * 8)
        waits = bool(missing) or row.order_id in troubled or (row.stage == Stage.SHIPPED and bool(lacks))
        found[str(row.vs_number)] = _Held(
            row, status, _amount(total), placed.date() if placed else None, digest, row_at, read_at, waits
        )
    return found


def _amount(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def _task(one: _Held, why: str, row: HeldRow | None = None) -> _Task:
    return _Task(one.row.order_id, str(one.row.vs_number), why, row)


def _agrees(row: HeldRow, one: _Held) -> bool:
    """Say whether a row shows an order as it is held.

    The digest of the last row counts as long as the detail was not read since; then what both show is compared.
    """
    if one.read_at is None:
        return False
    if one.row_digest is not None and one.row_at is not None and one.row_at >= one.read_at:
        return row.digest == one.row_digest
    if row.order_status is None or row.order_status != one.order_status:
        return False
    return row.total is None or one.total is None or row.total == one.total


def _keep_rows(session: OrdersSession, rows: Sequence[HeldRow]) -> None:
    """Keep the digests of rows that show orders as they are held."""
    if not rows:
        return
    columns = {"number": [row.number for row in rows], "digest": [row.digest for row in rows]}
    with session.run.open() as db, db.transaction(), db.batch(columns) as batch:
        db.execute(
            f"""update raw.vinoshipper_sent_orders as r set row_digest = b.digest, row_at_real = $real
                from {batch} as b where r.vs_number = b.number
                  and (r.row_digest is distinct from b.digest or r.row_at_real < r.read_at_real)""",
            {"real": utc_now_naive()},
        )


def _keep_digest(db: Db, row: HeldRow) -> None:
    db.execute(
        "update raw.vinoshipper_sent_orders set row_digest = ?, row_at_real = read_at_real where vs_number = ?",
        [row.digest, row.number],
    )


def _clusters(orders: Sequence[_Held]) -> Iterator[tuple[date, date, list[_Held]]]:
    """Yield windows of days that hold these orders, a day wider at both ends, and the orders of each."""
    by_day = sorted(orders, key=lambda one: (str(one.placed_on), one.row.order_id))
    at = 0
    while at < len(by_day):
        end = at + 1
        while end < len(by_day) and _day(by_day[end]) - _day(by_day[end - 1]) <= 3 * _A_DAY:
            end += 1
        yield _day(by_day[at]) - _A_DAY, _day(by_day[end - 1]) + _A_DAY, by_day[at:end]
        at = end


def _day(one: _Held) -> date:
    assert one.placed_on is not None
    return one.placed_on


def _unreadable(db: Db, now: datetime) -> tuple[set[str], set[str]]:
    """Return the numbers that could not be read and wait for their next try, and all that could not be read."""
    rows = db.rows("select vs_number, next_try_at from raw.vinoshipper_sent_orders where tries > 0")
    return {number for number, at in rows if at is not None and at > now}, {number for number, _ in rows}


def _turns(db: Db, row: OrderRow, held: HeldOrder | None) -> bool:
    """Say whether an open sent order seems to be gone by this read, and did not before."""
    if row.state is not State.SENT or row.stage in SETTLED:
        return False
    if held is not None:
        return held.order_status in _GONE_WORDS or held.status in _GONE_WORDS
    return not db.value("select missing_reads from raw.vinoshipper_sent_orders where vs_number = ?", [row.vs_number])


def _count_open(db: Db) -> int:
    return int(
        db.value(
            """select count(*) from synced.orders where state = 'sent'
               and (stage is null or not list_contains(?::varchar[], stage))""",
            [[str(stage) for stage in SETTLED]],
        )
    )


def _fact_of(name: str) -> str:
    return f"watched_{name}"
