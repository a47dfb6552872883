"""Keeps what was taken over of Commerce7 and Vinoshipper: orders, and the words that reads of them have shown.

Data flow: `others` <-> staged.source_orders, staged.source_words; when orders were read last -> staged.notice_orders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.journey import Fact
from vs_st_pipeline.routes.notices.other_words import Kept


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of staged.source_orders."""

    own: str
    number: str
    read_at: datetime
    merchant_order: str | None
    linked_id: str | None
    linked_number: str | None
    was_own: bool


def stored(db: Db, source: str, own: Sequence[str]) -> dict[str, Stored]:
    """Return what is stored of a source's orders, by their own ids."""
    with db.batch({"own": sorted(set(own))}) as batch:
        rows = db.rows(
            f"""select own, order_number, read_at, merchant_order, linked_id, linked_number, was_own
                from staged.source_orders where source = ? and own in (select own from {batch})""",
            [source],
        )
    return {row[0]: Stored(*row) for row in rows}


def next_seq(db: Db) -> int:
    """Return the first free number of a word."""
    return 1 + int(db.value("select coalesce(max(seq), 0) from staged.source_words"))


def words(db: Db, source: str, own: Sequence[str]) -> dict[str, list[Kept]]:
    """Return the words that are stored of a source's orders, by their own ids, in order of arrival."""
    found: dict[str, list[Kept]] = defaultdict(list)
    with db.batch({"own": sorted(set(own))}) as batch:
        rows = db.rows(
            f"""select own, seq, word, own_at, bound, seen_at, stands from staged.source_words
                where source = ? and own in (select own from {batch}) order by seq""",
            [source],
        )
    for key, *rest in rows:
        found[key].append(Kept(*rest))
    return found


def store(db: Db, source: str, rows: Sequence[Mapping[str, Any]], kept: Sequence[tuple[str, Kept]]) -> None:
    """Replace what is stored of these orders, inside the caller's transaction."""
    with db.batch({"own": [row["own"] for row in rows]}) as batch:
        for table in ("source_orders", "source_words"):
            db.execute(f"delete from staged.{table} where source = ? and own in (select own from {batch})", [source])
    columns: dict[str, Sequence[str | None]] = {name: [_text(row[name]) for row in rows] for name in rows[0]}
    with db.batch(columns) as batch:
        db.execute(
            f"""insert into staged.source_orders by name
                select * replace (read_at::timestamp as read_at, was_own::boolean as was_own,
                                  under_age::boolean as under_age) from {batch}"""
        )
    if not kept:
        return
    told: dict[str, Sequence[str | None]] = {
        "seq": [str(one.seq) for _, one in kept],
        "own": [own for own, _ in kept],
        "word": [one.text for _, one in kept],
        "own_at": [_text(one.own_at) for _, one in kept],
        "bound": [_text(one.bound) for _, one in kept],
        "seen_at": [_text(one.seen_at) for _, one in kept],
        "stands": [_text(one.stands) for _, one in kept],
    }
    with db.batch(told) as batch:
        db.execute(
            f"""insert into staged.source_words by name
                select seq::bigint as seq, ? as source, own, word, own_at::timestamp as own_at,
                       bound::timestamp as bound, seen_at::timestamp as seen_at, stands::boolean as stands
                from {batch}""",
            [source],
        )


def facts(db: Db, affected: Collection[str]) -> dict[str, list[Fact]]:
    """Return what stands of these journeys, whichever system told it, by merchant_order."""
    found: dict[str, list[Fact]] = defaultdict(list)
    with db.batch({"merchant_order": sorted(affected)}) as batch:
        rows = db.rows(
            f"""select o.merchant_order, w.source, w.seq, w.word, w.own_at, w.bound, w.seen_at
                from staged.source_words as w join staged.source_orders as o using (source, own)
                where w.stands and o.merchant_order in (select merchant_order from {batch})"""
        )
    for merchant_order, source, *rest in rows:
        found[merchant_order].append(Kept(*rest).fact(source, f"order:{merchant_order}"))
    return found


def note_reads(db: Db, source: str, read_at: Iterable[tuple[str, datetime]]) -> None:
    """Note when orders were read last whose rows read the same (5.6), inside the caller's transaction."""
    rows = list(read_at)
    with db.batch({"own": [own for own, _ in rows], "at": [at.isoformat() for _, at in rows]}) as batch:
        newer = db.rows(
            f"""select o.own, o.merchant_order, b."at" from {batch} as b
                join staged.source_orders as o on o.own = b.own and o.source = ?
                where b."at"::timestamp > o.read_at""",
            [source],
        )
    if not newer:
        return
    with db.batch({"own": [row[0] for row in newer], "at": [row[2] for row in newer]}) as batch:
        db.execute(
            f"""update staged.source_orders as o set read_at = b."at"::timestamp
                from {batch} as b where o.source = ? and o.own = b.own""",
            [source],
        )
    note_journeys(db, {row[1] for row in newer if row[1] is not None})


def note_journeys(db: Db, affected: Collection[str]) -> None:
    """Note when these journeys were read last: as long ago as any of their orders was (5.6)."""
    if not affected:
        return
    with db.batch({"merchant_order": sorted(affected)}) as batch:
        db.execute(
            f"""update staged.notice_orders as n set read_at = o.read_at
                from (select merchant_order, min(read_at) as read_at from staged.source_orders
                      where merchant_order in (select merchant_order from {batch}) group by 1) as o
                where o.merchant_order = n.merchant_order and o.read_at <> n.read_at"""
        )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)
