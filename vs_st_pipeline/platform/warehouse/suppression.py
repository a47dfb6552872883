"""Keeps forgotten people out by hashes, and is the one place that knows how to erase a person from every table.

Data flow: what names a person (phone, e-mail, ids) -> raw.forgotten; whatever is about to be stored -> `admit`.

The hashes are salted, so that a hash alone says nothing. With the whole file one can still try all ten digits against a
phone's hash: the hashes keep a person out, they do not hide that `vs-st forget` was asked for them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeVar

from vs_st_pipeline.domain.formats import as_mapping
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns
from vs_st_pipeline.platform.warehouse.state import clear_cached, set_state
from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.platform.warehouse.unreadable import uncache_unreadable

PHONE, EMAIL, CUSTOMER, CONTACT, ORDER = "phone", "email", "customer", "contact", "order"
REWRITE = "rewrite"  # the state that says: erased rows may still lie in free blocks of the file
_KEYS = {"contact_id": CONTACT, "customer_id": CUSTOMER, "order_number": ORDER, "phone": PHONE}
_MEMO = "forgotten"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identifiers:
    """All that names one person: ten-digit phones, e-mails in small letters, and the ids of their records as text.

    Attributes:
        others: (kind, id) of records of any other kind, by the words of their streams.
    """

    phones: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    contacts: set[str] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)
    others: set[tuple[str, str]] = field(default_factory=set)

    def names(self) -> list[tuple[str, str]]:
        """Return (kind, value) of each."""
        kinds = ((PHONE, self.phones), (EMAIL, self.emails), (CUSTOMER, self.customers), (CONTACT, self.contacts))
        named = [(kind, value) for kind, values in (*kinds, (ORDER, self.orders)) for value in sorted(values)]
        return named + sorted(self.others)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The kept hashes, by salt; false where no one was forgotten."""

    by_salt: dict[str, set[str]]

    def __bool__(self) -> bool:
        return bool(self.by_salt)

    def knows(self, kind: str, value: object) -> bool:
        """Say whether this names a forgotten person; None and blanks name no one."""
        return value not in (None, "") and any(
            hash_of(salt, kind, value) in hashes for salt, hashes in self.by_salt.items()
        )


def phone_name(text: str) -> str | None:
    """Return a phone as it is hashed: ten NANP digits, of any other number its digits; None where it has hardly any."""
    return parse_nanp(text) or (digits if len(digits := re.sub(r"[^0-9]", "", text)) >= 7 else None)


def email_name(record: object) -> str | None:
    """Return the e-mail of a record as it is hashed, None where it has none."""
    email = as_mapping(record).get("email")
    return email.strip().casefold() or None if isinstance(email, str) else None


def hash_of(salt: str, kind: str, value: object) -> str:
    """Return the hash that is kept of a name, in hexadecimal digits."""
    return blake2b(f"{kind} {value}".encode(), key=bytes.fromhex(salt), digest_size=16).hexdigest()


def read_suppressed(db: Db) -> Suppressed:
    """Return the hashes of all forgotten people."""
    by_salt: dict[str, set[str]] = {}
    for hashed, salt, _ in suppressed_hashes(db):
        by_salt.setdefault(salt, set()).add(hashed)
    return Suppressed(by_salt)


def suppressed_hashes(db: Db) -> set[tuple[str, str, str]]:
    """Return every hash, with its salt and the day since which it is kept (ISO)."""
    return db.cached(
        _MEMO, lambda: {(row[0], row[1], row[2].isoformat()) for row in db.rows("select * from raw.forgotten")}
    )


def copy_hashes(db: Db, rows: Sequence[tuple[str, str, str]]) -> None:
    """Add hashes that another copy has: (hash, salt, day)."""
    columns = {name: [row[index] for row in rows] for index, name in enumerate(("hash", "salt", "day"))}
    with db.batch(columns) as batch:
        db.execute(f"insert or ignore into raw.forgotten select hash, salt, cast(day as date) from {batch}")
    db.uncache(_MEMO)


def suppress(db: Db, names: Iterable[tuple[str, str]], now: datetime) -> None:
    """Keep the hashes of these names, inside the caller's transaction; what is known already stays as it is."""
    forgotten = read_suppressed(db)
    salt = min(forgotten.by_salt, default=None) or secrets.token_hex(16)
    hashes = [hash_of(salt, kind, value) for kind, value in names if not forgotten.knows(kind, value)]
    with db.batch({"hash": sorted(set(hashes))}) as batch:
        db.execute(f"insert or ignore into raw.forgotten select hash, ?, ? from {batch}", [salt, now.date()])
    db.uncache(_MEMO)


def filter_suppressed(
    db: Db,
    records: Sequence[T],
    stream: Stream,
    names_of: Callable[[T], tuple[object, Iterable[tuple[str, object]], str | None]],
    now: datetime,
) -> list[T]:
    """Return the records that may be stored: all but the records of people who were forgotten.

    A record that is shut out for one name (a new customer under a forgotten phone) is known by its own id from then
    on, and what was stored under that id before that was known is erased.

    Args:
        stream: what the records are, and where they are stored.
        names_of: returns a record's own id, what else may name its person, and its e-mail, which is kept out as well
            if the person was forgotten.
    """
    forgotten = read_suppressed(db)
    if not forgotten:
        return list(records)
    kind = stream.kind
    admitted: list[T] = []
    shut_out: list[str] = []
    new: list[tuple[str, str]] = []
    for record in records:
        own, others, email = names_of(record)
        known = forgotten.knows(kind, own)
        if not known and not any(forgotten.knows(*name) for name in others):
            admitted.append(record)
            continue
        shut_out.append(str(own))
        new += [] if known else [(kind, str(own))]
        new += [(EMAIL, email)] if email and not forgotten.knows(EMAIL, email) else []
    if new:
        suppress(db, new, now)
    if shut_out and _is_stored(
        db, stream, shut_out
    ):  # it was not known before that the record is this person's, or an old file was put back
        erase(db, [(kind, own) for own in shut_out], now)
    return admitted


def _is_stored(db: Db, stream: Stream, ids: Sequence[str]) -> bool:
    with db.batch({"id": ids}) as batch:
        own = f"cast({stream.key} as varchar) in (select id from {batch})"
        return bool(db.rows(f"select 1 from {stream.table} where {own} limit 1"))


# --- erasing ------------------------------------------------------------------------------------------------------


def erase(db: Db, names: Sequence[tuple[str, str]], now: datetime) -> int:
    """Delete every row of every table that is about these names, inside the caller's transaction.

    Tables are found by the names of their columns, so that a table of a later version is not forgotten: `contact_id`,
    `customer_id`, `order_number`, `phone`, `kind` with `id`, and `system`, `object`, `id`, also with something before
    them. Values that another contact was given from the person's records (a contact that once stood for them) go too,
    with all that is remembered of that field.

    Returns:
        How many rows were deleted; if any, the state `REWRITE` is set.
    """
    tables = _tables(db)
    names = [*names, *_orders_of(db, tables, [value for kind, value in names if kind == CUSTOMER])]
    gone = 0
    with db.batch({"kind": [name[0] for name in names], "value": [name[1] for name in names]}) as batch:
        gone += _erase_what_was_made_of_it(db, tables, names)
        for table, columns in tables.items():
            found = [
                f"cast({column} as varchar) in (select value from {batch} where kind = '{kind}')"
                for column, kind in _KEYS.items()
                if column in columns
            ]
            if {"kind", "id"} <= columns:
                found.append(f"(kind, id) in (select (kind, value) from {batch})")
            for prefix in _prefixes(columns):
                found.append(f"({_kind(prefix)}, {prefix}id) in (select (kind, value) from {batch})")
            if found:
                gone += len(db.rows(f"delete from {table} where {' or '.join(found)} returning 1"))
    clear_cached(db)
    uncache_unreadable(db)
    if gone:
        set_state(db, REWRITE, True, now)
    return gone


def known_names(db: Db, forgotten: Suppressed) -> list[tuple[str, str]]:
    """Return (kind, value) of forgotten people that stand in any table, in the columns that `erase` uses."""
    found: set[tuple[str, str]] = set()
    for table, columns in _tables(db).items():
        stored = [(f"'{kind}'", key) for key, kind in _KEYS.items() if key in columns]
        stored += [("kind", "id")] * ({"kind", "id"} <= columns)
        stored += [(_kind(prefix), f"{prefix}id") for prefix in _prefixes(columns)]
        for named_as, key in stored:
            for kind, value in db.rows(f"select distinct {named_as}, cast({key} as varchar) from {table}"):
                if forgotten.knows(kind, phone_name(value or "") if kind == PHONE else value):
                    found.add((kind, value))
    return sorted(found)


def _prefixes(columns: set[str]) -> list[str]:
    """Return what stands before `system`, `object` and `id` wherever these columns name a record."""
    return [
        column.removesuffix("object") for column in columns
        if column.endswith("object") and {column.replace("object", "system"), column.replace("object", "id")} <= columns
    ]  # fmt: skip


def _kind(prefix: str) -> str:
    return f"rtrim({prefix}object, 's')"  # `contacts` are of the kind `contact`


def _tables(db: Db) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for schema, table, column in db.rows(
        """select c.schema_name, c.table_name, c.column_name from duckdb_columns() as c
           join duckdb_tables() as t using (database_name, schema_name, table_name)
           where database_name = current_database()"""
    ):
        found.setdefault(f'"{schema}"."{table}"', set()).add(column)
    return found


def _orders_of(db: Db, tables: dict[str, set[str]], customers: Sequence[str]) -> list[tuple[str, str]]:
    """Return the orders of these customers, as raw tables name both."""
    found: set[str] = set()
    with db.batch({"customer_id": customers}) as batch:
        for table, columns in tables.items():
            if table.startswith('"raw".') and {"order_number", "customer_id"} <= columns:
                of_these = f"cast(customer_id as varchar) in (select customer_id from {batch})"
                found.update(row[0] for row in db.rows(f"select order_number from {table} where {of_these}"))
    return [(ORDER, number) for number in sorted(found)]


def _erase_what_was_made_of_it(db: Db, tables: dict[str, set[str]], names: Sequence[tuple[str, str]]) -> int:
    """Delete values made of these records; `sources` names a value's records: `customer 700101; order 9000, 9001`."""
    patterns = [
        f"(^|; ){kind} ([^;]*, )?({'|'.join(values)})(,|;|$)"
        for kind in (CUSTOMER, ORDER)
        if (values := [re.escape(value) for named, value in names if named == kind])
    ]
    pairs: list[Any] = []
    for table, columns in tables.items():
        if {"id", "field", "sources"} <= columns:
            for pattern in patterns:
                pairs += db.rows(f"select {KEY}, field from {table} where regexp_matches(sources, ?)", [pattern])
    gone = 0
    if pairs:
        with db.batch({**key_columns(row[:3] for row in pairs), "field": [row[3] for row in pairs]}) as batch:
            for table, columns in tables.items():
                if {"system", "object", "id", "field"} <= columns:
                    of_these = f"({KEY}, field) in (select ({KEY}, field) from {batch})"
                    gone += len(db.rows(f"delete from {table} where {of_these} returning 1"))
    return gone
