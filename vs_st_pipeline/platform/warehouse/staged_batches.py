"""Finds raw rows whose staged copy is out of date, some thousands at a time, and names what in them cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from vs_st_pipeline.domain.codec import read_json
from vs_st_pipeline.domain.formats import Moment
from vs_st_pipeline.domain.records import Kept
from vs_st_pipeline.platform.warehouse.connection import Db

BATCH = 5_000


_NOT_UNDERSTOOD = {
    "birth_date": "so nothing is written to the contact",
    "phone": "so the customer is matched by the phone that was read before",
    "total": "so the lifetime value is not known",
    "status": "so it is not known whether the order counts",
    "order_status": "so it is not known whether the order counts",
    "purchased_at": "so it is not known which order is the newest",
    "customer_since": "so the signup date is not known",
}


def not_understood(name: str) -> str:
    """Return the sentence that a person is told of a value that is given and cannot be read."""
    then = _NOT_UNDERSTOOD.get(name, "so what is made of it stays as it is")
    return f"{name.replace('_', ' ')}: something is given that cannot be understood, {then}"


def kept_of(text: str | None) -> Kept:
    """Return the values that are carried over, from a column of `raw`; an empty mapping where it is null."""
    return dict(read_json(text)) if text else {}


def stale_rows(db: Db, hashes: str, bodies: str, count: int | None = None) -> Iterator[list[tuple[Any, ...]]]:
    """Return raw rows that are not staged as they are now, in the order of keys, some thousands at a time.

    What to stage is kept as keys and hashes in a table, and each batch is a range of keys, so that DuckDB reads the
    bodies of that range only.

    Args:
        hashes: query for key, source_hash and staged_hash of all raw rows that count.
        bodies: query for the rows of `temp.stale` whose key is between $first and $last. It has `is_staged` too, for
            callers that replace a staged row: most rows are new, and need not be looked for.
        count: how many there are, where that is known; None: it is not.
    """
    if count == 0:
        return
    stale = f"from ({hashes}) where staged_hash is distinct from source_hash"
    db.execute(
        f"""create or replace temp table stale as
            select key, source_hash, staged_hash is not null as is_staged {stale}"""
    )
    ranges = db.rows(
        f"""select min(key), max(key) from (select key, row_number() over (order by key) - 1 as place from temp.stale)
            group by place // {BATCH} order by 1"""
    )
    for first, last in ranges:
        yield db.rows(bodies, {"first": first, "last": last})
    db.execute("drop table temp.stale")


def as_columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Turn rows, at least one, into the columns of a batch."""
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def insert_staged(
    db: Db, table: str, names: Sequence[str], types: Mapping[str, str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert staged rows, at least one; a birth date comes as text.

    Args:
        names: of their columns, in the order of the values in each row. types: as in `Db.batch`.
    """
    with db.batch(as_columns(names, rows), types) as batch:
        db.execute(
            f"insert into {table} by name select * replace (cast(birth_date as date) as birth_date) from {batch}"
        )


def delete_staged(db: Db, table: str, key: str, keys: list[Any]) -> None:
    """Delete staged rows by their keys, text or whole numbers."""
    if keys:
        with db.batch({"key": keys}, {"key": "int"} if isinstance(keys[0], int) else {}) as batch:
            db.execute(f"delete from {table} where {key} in (select key from {batch})")


def replace_unusable(db: Db, kind: str, looked_at: list[str], found: list[tuple[str, str]]) -> None:
    """Store what cannot be used of the records that were looked at, in the place of what was stored of them before.

    Args:
        kind: `customer` or `order`.
        looked_at: ids of these records.
        found: id and reason.
    """
    with db.batch({"id": looked_at}) as batch:
        db.execute(f"delete from staged.unusable where kind = ? and id in (select id from {batch})", [kind])
    if found:
        with db.batch({"id": [row[0] for row in found], "reason": [row[1] for row in found]}) as batch:
            db.execute(f"insert into staged.unusable select ?, id, reason from {batch}", [kind])


def unread_as_json(unread: frozenset[str]) -> str | None:
    """Return names that are not understood as a sorted JSON list, None where there are none."""
    return json.dumps(sorted(unread)) if unread else None


def moment_as_text(moment: Moment | None) -> str | None:
    """Return a time or a date in ISO form, None where there is none."""
    if isinstance(moment, datetime):
        return moment.isoformat()
    return moment.isoformat() if isinstance(moment, date) else None
