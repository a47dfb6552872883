"""Stores records as they are believed, beside what a route makes of them (routes.md R22, R23).

Data flow: (id, JSON as it came) + what is stored of it -> body as it is believed, what is carried over, what is mapped.

A table of such records has the columns id, body, sha (of the JSON as it came), kept (what is carried over), mapped,
read_at, changed (raised by each change that staging must see); and perhaps one that names whose the record is. It has
no key: the old row is taken away first, in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.records import RecordKind, believed, carry
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

AT_ONCE: Final = 1000
_BEYOND: Final = "a number that nothing can hold"
_JSON: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=lambda _value: _BEYOND)


@dataclass(frozen=True, slots=True)
class KeptTable:
    """Where records of one kind stand.

    Attributes:
        kind: which keys are documented, and which are sticky. keys: all that is kept of a body.
        map: what is staged of a record as it is believed, read in a run; None: nothing.
        owner: the column that names whose a record is; None: there is none.
        shut_out: whether a record of this owner is stored no more.
    """

    table: str
    kind: RecordKind
    keys: tuple[str, ...]
    map: Callable[[Mapping[str, Any], Run], dict[str, Any] | None]
    owner: str | None = None
    shut_out: Callable[[Db, Collection[str]], set[str]] = lambda _db, _owners: set()


@dataclass(frozen=True, slots=True)
class Came:
    """A record as it came. text: the JSON of all that is kept of it. owner: whose it is."""

    id: str
    text: str
    owner: str | None = None

    @property
    def sha(self) -> str:
        """Return what stands for the text wherever two are compared."""
        return sha_of(self.text)


def sha_of(text: str) -> str:
    """Return what stands for a JSON text wherever two are compared."""
    return sha256(text.encode()).hexdigest()


def as_json(value: Any) -> str:
    """Return JSON as it is stored; numbers digit by digit."""
    return _JSON.encode(value).decode()


def text_of(table: KeptTable, body: Mapping[str, Any]) -> str:
    """Return the JSON of all that is kept of a body."""
    return as_json({key: body[key] for key in table.keys if key in body})


def next_change(db: Db, table: KeptTable) -> int:
    """Return the number of a change of this table that is about to be stored."""
    return int(db.value(f"select coalesce(max(changed), 0) + 1 from {table.table}"))


def land(run: Run, db: Db, table: KeptTable, came: Sequence[Came], number: int) -> int:
    """Store records, inside the caller's transaction, each id once; returns how many are other ones now.

    Args:
        number: of this change (`next_change`).
    """
    changed = 0
    for first in range(0, len(came), AT_ONCE):
        changed += _land(run, db, table, came[first : first + AT_ONCE], number)
    return changed


def _land(run: Run, db: Db, table: KeptTable, came: Sequence[Came], number: int) -> int:
    now = run.now()
    with db.batch({"id": [one.id for one in came]}) as batch:
        before = {
            row[0]: row[1:]
            for row in db.rows(f"select id, body, kept, sha from {table.table} semi join {batch} using (id)")
        }
    out = table.shut_out(db, {one.owner for one in came if one.owner is not None})
    rows: list[dict[str, Any]] = []
    for one in came:
        if one.owner in out:
            continue
        body = try_object(one.text) or {}
        held_text, kept, former = before.get(one.id, (None, None, None))
        held = try_object(held_text)
        found = carry(table.kind, body, held, try_object(kept) or {}, now) if held is not None else {}
        carried = as_json(found) if found else None
        if one.sha == former and carried == kept:
            continue  # nothing new, and what is lacking is lacking not long enough to be believed
        whole = believed(table.kind, body, found)
        mapped = table.map(whole, run)
        rows.append(
            {
                "id": one.id,
                **({} if table.owner is None else {table.owner: one.owner}),
                "body": as_json(whole),
                "sha": one.sha,
                "kept": carried,
                "mapped": None if mapped is None else as_json(mapped),
                "read_at": now.isoformat(),
                "changed": number,
            }
        )
    if rows:
        with db.batch({name: [row[name] for row in rows] for name in rows[0]}, {"changed": "int"}) as batch:
            db.execute(f"delete from {table.table} where id in (select id from {batch})")
            db.execute(
                f"insert into {table.table} by name select * replace (read_at::timestamp as read_at) from {batch}"
            )
    return len(rows)


def land_one(run: Run, table: KeptTable, came: Came) -> bool:
    """Store a record that was read by itself; returns whether it is another one now."""
    with run.open() as db, db.transaction():
        return land(run, db, table, [came], next_change(db, table)) > 0
