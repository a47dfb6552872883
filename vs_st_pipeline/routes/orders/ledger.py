"""Keeps how each order stands, what is noted of it, and what happened to it; all inside the caller's transaction.

Data flow: rules, answers, reads, a person's word -> synced.orders, synced.order_notes, synced.order_activity.

A row of the ledger moves together with its activity: whoever moves one calls `move`, which writes both.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders.rows import put
from vs_st_pipeline.routes.orders.states import MESSAGES, State

KINDS: Final = (
    *("seen", "judged", "sending", "answered", "unknown", "settled", "stage", "fulfilment", "message", "changed"),
    "person",
)


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as the ledger holds it; columns as in `sql/0001_tables.sql`. Times are UTC without zone."""

    order_id: str
    order_number: str
    vs_number: str | None
    state: State
    code: str | None
    says: str | None
    compliance: str
    compliance_at: datetime | None
    trace_id: str | None
    problems: str
    stage: str | None
    stage_at: datetime | None
    shipped_seen_at: datetime | None
    paid_at: datetime
    first_seen_at: datetime
    looked_there: bool
    looked_back: bool
    judged_content: str | None
    sending_since: datetime | None
    next_read_at: datetime | None
    reads: int
    sent_at: datetime | None
    sent: str | None
    sent_hash: str | None
    told_changes: str | None
    voided_at: datetime | None
    updated_at: datetime
    failed_at: datetime | None = None
    judged_by: str | None = None

    @property
    def message(self) -> str:
        """Return the words of its state (4.2)."""
        return MESSAGES[self.state]


COLUMNS: Final = tuple(one.name for one in fields(OrderRow))
_LIST: Final = ", ".join(COLUMNS)
FACTS: Final = "orders.facts"
"""What `Db.cached` keeps the facts as."""


def read(db: Db, where: str = "true", given: Mapping[str, Any] | None = None) -> list[OrderRow]:
    """Return the orders that a condition names, oldest paid first."""
    rows = db.rows(f"select {_LIST} from synced.orders where {where}", given or {})
    return sorted(map(_row, rows), key=lambda row: (row.paid_at, row.order_id))


def find(db: Db, order_ids: Collection[str]) -> dict[str, OrderRow]:
    """Return the orders with these ids, by id."""
    if not order_ids:
        return {}
    if len(order_ids) == 1:  # the most often by far: found by its key, with nothing to sort
        (id,) = order_ids
        found = [_row(row) for row in db.rows(f"select {_LIST} from synced.orders where order_id = ?", [id])]
    else:
        found = read(db, "list_contains($ids::varchar[], order_id)", {"ids": sorted(order_ids)})
    return {row.order_id: row for row in found}


def store(db: Db, row: OrderRow) -> None:
    """Store a row as it is."""
    put(db, "synced.orders", "order_id", {name: getattr(row, name) for name in COLUMNS})


def move(
    db: Db,
    run: Run,
    row: OrderRow,
    kind: str,
    text: str,
    *,
    http_status: int | None = None,
    trace_id: str | None = None,
    who: str | None = None,
    **changed: Any,
) -> OrderRow:
    """Change a row and write down why, inside the caller's transaction; returns the row as it stands now."""
    after = replace(row, **changed, updated_at=run.now()) if changed else row
    store(db, after)
    act(db, run, row.order_id, kind, text, code=after.code, http_status=http_status, trace_id=trace_id, who=who)
    return after


def act(
    db: Db,
    run: Run,
    order_id: str,
    kind: str,
    text: str,
    *,
    code: str | None = None,
    http_status: int | None = None,
    trace_id: str | None = None,
    who: str | None = None,
) -> None:
    """Add a row of activity (4.4). `text` names nobody: states, numbers, names of fields."""
    assert kind in KINDS, kind
    db.execute(
        """insert into synced.order_activity
           select coalesce(max(seq), 0) + 1, $order_id, $at, $kind, $text, $code, $who, $run_id, $http_status, $trace_id
           from synced.order_activity""",
        {
            "order_id": order_id,
            "at": run.now(),
            "kind": kind,
            "text": text,
            "code": code,
            "who": who or who_of(run),
            "run_id": run.run_id,
            "http_status": http_status,
            "trace_id": trace_id,
        },
    )


def who_of(run: Run) -> str:
    """Return who does something in a run: a person by a command or Dagster, else `hint` or `sync`."""
    return run.who or ("hint" if run.trigger == "hint" else "sync")


# --- notes --------------------------------------------------------------------------------------------------------


def note(db: Db, run: Run, order_id: str, word: str, says: object = "") -> bool:
    """Note something of an order while it lasts; returns whether that is news."""
    text = says if isinstance(says, str) else json.dumps(says, default=str)
    before = db.value("select says from synced.order_notes where order_id = ? and note = ?", [order_id, word])
    if before == text:
        return False
    db.execute(
        """insert into synced.order_notes values ($order_id, $word, $says, $at, $run_id)
           on conflict (order_id, note) do update set says = excluded.says, run_id = excluded.run_id""",
        {"order_id": order_id, "word": word, "says": text, "at": run.now(), "run_id": run.run_id},
    )
    return True


def unnote(db: Db, order_id: str, words: Iterable[str]) -> None:
    """Take notes away that do not hold any more."""
    for word in words:
        db.execute("delete from synced.order_notes where order_id = ? and note = ?", [order_id, word])


def notes_of(db: Db, order_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the notes of these orders, by order and word: what each says."""
    found: dict[str, dict[str, str]] = {}
    for order_id, word, says in db.rows(
        """select order_id, note, says from synced.order_notes where list_contains($ids::varchar[], order_id)
           order by since, note""",
        {"ids": sorted(order_ids)},
    ):
        found.setdefault(order_id, {})[word] = says
    return found


# --- facts of the merchant ----------------------------------------------------------------------------------------


def fact(db: Db, name: str) -> Any:
    """Return what is remembered under a name, decoded; None where nothing is."""
    text = _facts(db).get(name)
    return None if text is None else json.loads(text)


def keep_fact(db: Db, run: Run, name: str, value: object) -> None:
    """Remember something of the merchant."""
    text = json.dumps(value)
    db.execute("insert or replace into synced.order_facts values (?, ?, ?)", [name, text, run.now()])
    _facts(db)[name] = text


def _facts(db: Db) -> dict[str, str]:
    """Return all facts as they are stored: a sync asks for dozens of the same few."""
    return db.cached(FACTS, lambda: dict(db.rows("select name, value from synced.order_facts")))


def _row(values: Sequence[Any]) -> OrderRow:
    found = dict(zip(COLUMNS, values, strict=True))
    return OrderRow(**{**found, "state": State(found["state"])})
