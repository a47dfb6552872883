"""Keeps forgotten people out by hashes, and is the one place that knows how to erase a person from every table.

Data flow: what names a person (phone, e-mail, ids) -> raw.forgotten; what is about to be stored -> `filter_suppressed`.

The hashes are salted, so that a hash alone says nothing. With the whole file one can still try all ten digits against a
phone's hash: the hashes keep a person out, they do not hide that `vs-st forget` was asked for them.

It is long because what keeps people out and what erases them must agree on what names a record, table by table.
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
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns
from vs_st_pipeline.platform.warehouse.outbox import erase_changes
from vs_st_pipeline.platform.warehouse.state import clear_cached, set_state
from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.platform.warehouse.unreadable import uncache_unreadable

PHONE, EMAIL, CUSTOMER, CONTACT, ORDER = "phone", "email", "customer", "contact", "order"
REWRITE = "rewrite"  # the state that says: erased rows may still lie in free blocks of the file
_KEYS = {"contact_id": CONTACT, "customer_id": CUSTOMER, "order_number": ORDER}  # also where no stream says so
_MEMO = "forgotten"
EVIDENCE = "evidence_id"
"""A table with this column proves consents, and outlives the records that it is about."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identifiers:
    """All that names one person: ten-digit phones, e-mails in small letters, and the ids of their records as text.

    Attributes:
        records: ids by the kind of record (`Stream.kind`).
    """

    phones: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    records: dict[str, set[str]] = field(default_factory=dict)

    def of(self, kind: str) -> set[str]:
        """Return the ids of this kind of record; what is added to them is added here."""
        return self.records.setdefault(kind, set())

    @property
    def customers(self) -> set[str]:
        return self.of(CUSTOMER)

    @property
    def contacts(self) -> set[str]:
        return self.of(CONTACT)

    @property
    def orders(self) -> set[str]:
        return self.of(ORDER)

    def names(self) -> list[tuple[str, str]]:
        """Return (kind, value) of each."""
        kinds = ((PHONE, self.phones), (EMAIL, self.emails), *sorted(self.records.items()))
        return [(kind, value) for kind, values in kinds for value in sorted(values)]


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

    Tables are found by the names of their columns, so that a table of a later version is not forgotten:

        a stream's key, and its name with `_id`
                                     in its own table, and in any table of its system: that system's records. In a table
                                     that no system has, such as `staged.orders`, whatever records are named so
        `kind` with `id`
        `system`, `object`, `id`     also with something before them: of that very system
        `phone`

    A table with the column `evidence_id` is left: what proves a consent stays; its owner takes the person out of it.
    Values that another record was given from the person's records (a contact that once stood for them) go too, with
    all that is remembered of that field.

    Returns:
        How many rows were deleted; if any, the state `REWRITE` is set.
    """
    tables = _tables(db)
    names = _with_parts(db, _with_dependents(db, tables, names))
    refs = [ref for name in names for ref in _refs(db, name)]
    gone = 0
    with (
        db.batch({"kind": [name[0] for name in names], "value": [name[1] for name in names]}) as batch,
        db.batch(key_columns(refs)) as records,
    ):
        gone += _erase_what_was_made_of_it(db, tables, names)
        for table, columns in tables.items():
            found = [
                f"cast({column} as varchar) in (select value from {batch} where kind in ({_quoted(kinds)}))"
                for column, kinds in _key_columns_of(db, table, columns).items()
            ]
            if {"kind", "id"} <= columns:
                found.append(f"(kind, id) in (select (kind, value) from {batch})")
            for prefix in _prefixes(columns):
                own = ", ".join(f"{prefix}{column}" for column in KEY.split(", "))
                found.append(f"({own}) in (select ({KEY}) from {records})")
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
        stored = [
            (f"'{kind}'", key) for key, kinds in _key_columns_of(db, table, columns).items() for kind in sorted(kinds)
        ]
        stored += [("kind", "id")] * ({"kind", "id"} <= columns)
        for named_as, key in stored:
            for kind, value in db.rows(f"select distinct {named_as}, cast({key} as varchar) from {table}"):
                if forgotten.knows(kind, phone_name(value or "") if kind == PHONE else value):
                    found.add((kind, value))
        for prefix in _prefixes(columns):
            own = ", ".join(f"{prefix}{column}" for column in KEY.split(", "))
            for system, object_, id_ in db.rows(f"select distinct {own} from {table} where {prefix}id is not null"):
                if forgotten.knows(kind := kind_of(db, system, object_), id_):
                    found.add((kind, id_))
    return sorted(found)


def kind_of(db: Db, system: str, object_: str) -> str:
    """Return the word under which records of a system are kept out: its stream's, else their own two words."""
    declared = (stream.kind for owner, stream in db.streams if (owner, stream.name) == (system, object_))
    return next(declared, f"{system} {object_}")


def _refs(db: Db, name: tuple[str, str]) -> list[Ref]:
    """Return the records that a name of this kind means, as `kind_of` names them."""
    kind, value = name
    if found := [Ref(system, stream.name, value) for system, stream in db.streams if stream.kind == kind]:
        return found
    system, _, object_ = kind.partition(" ")
    return [Ref(system, object_, value)] if object_ else []


def _key_columns_of(db: Db, table: str, columns: set[str]) -> dict[str, set[str]]:
    """Return the columns of a table that name records or phones, and the kinds that may stand in each."""
    owner = _owner(db, table)
    found = {PHONE: {PHONE}} if PHONE in columns else {}
    for column in columns:
        named = [(system, one) for system, one in db.streams if column == one.key or column in _names_elsewhere(one)]
        own = [one for _, one in named if one.key == column and _same(one.table, table)]
        others = [(system, one) for system, one in named if column in _names_elsewhere(one)]
        if streams := own or [one for system, one in others if system == owner] or [one for _, one in others]:
            found[column] = {one.kind for one in streams}
        elif column in _KEYS and not named:
            found[column] = {_KEYS[column]}
    return found


def _names_elsewhere(stream: Stream) -> set[str]:
    """Return the columns that name such a record in other tables: its key, unless that is `id`, and `customer_id`."""
    return {stream.key, f"{stream.name.removesuffix('s')}_id"} - {"id"}


def _owner(db: Db, table: str) -> str | None:
    """Return the system whose answers a table of `raw` holds, by its stream or its name; None where it is no one's."""
    for system, stream in db.streams:
        if _same(stream.table, table):
            return system
    systems = {system for system, _ in db.streams if table.startswith(f'"raw"."{system}_')}
    return max(systems, key=len, default=None)


def _same(name: str, quoted: str) -> bool:
    return quoted == '"{}"."{}"'.format(*name.split(".", 1))


def _quoted(kinds: Iterable[str]) -> str:
    return ", ".join(f"'{kind}'" for kind in sorted(kinds))


def _prefixes(columns: set[str]) -> list[str]:
    """Return what stands before `system`, `object` and `id` wherever these columns name a record."""
    return [
        column.removesuffix("object") for column in columns
        if column.endswith("object") and {column.replace("object", "system"), column.replace("object", "id")} <= columns
    ]  # fmt: skip


def _tables(db: Db) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for schema, table, column in db.rows(
        """select c.schema_name, c.table_name, c.column_name from duckdb_columns() as c
           join duckdb_tables() as t using (database_name, schema_name, table_name)
           where database_name = current_database()"""
    ):
        found.setdefault(f'"{schema}"."{table}"', set()).add(column)
    return {table: columns for table, columns in found.items() if EVIDENCE not in columns}


def _with_dependents(db: Db, tables: dict[str, set[str]], names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Add the records of the same system that name one of these: a customer's orders, an order's shipments."""
    found = dict.fromkeys(names)
    known = -1
    while known != len(found):
        known = len(found)
        for system, stream in db.streams:
            columns = next((have for table, have in tables.items() if _same(stream.table, table)), set())
            for owner, other in db.streams:
                for column in (columns & _names_elsewhere(other)) - {stream.key} if owner == system else ():
                    with db.batch({"value": [value for kind, value in found if kind == other.kind]}) as batch:
                        of_these = f"cast({column} as varchar) in (select value from {batch})"
                        rows = db.rows(f"select cast({stream.key} as varchar) from {stream.table} where {of_these}")
                    found.update(dict.fromkeys((stream.kind, row[0]) for row in rows))
    return list(found)


def _with_parts(db: Db, names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Add what is read of these records by itself: an order's receipt."""
    parts = {stream.kind: stream.parts for _, stream in db.streams}
    return [*names, *((part, value) for kind, value in names for part in parts.get(kind, ()))]


def _erase_what_was_made_of_it(db: Db, tables: dict[str, set[str]], names: Sequence[tuple[str, str]]) -> int:
    """Delete values made of these records; `sources` names a value's records: `customer 700101; order 9000, 9001`."""
    by_kind: dict[str, list[str]] = {}
    for kind, value in names:
        if kind not in (PHONE, EMAIL):
            by_kind.setdefault(kind, []).append(re.escape(value))
    patterns = [
        f"(^|; ){re.escape(kind)} ([^;]*, )?({'|'.join(values)})(,|;|$)" for kind, values in sorted(by_kind.items())
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
    theirs = {(*row[:3], row[3]) for row in pairs}
    return gone + erase_changes(
        db,
        lambda ref, change: (
            (*ref, change.field) in theirs or any(re.search(pattern, change.sources) for pattern in patterns)
        ),
    )
