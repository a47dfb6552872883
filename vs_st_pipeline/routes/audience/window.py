"""Renders a stretch of a block's records at a time, and cuts parts from it (audience.md 5.1.2, 5.3).

Data flow: ids in order -> staged.shop_* -> a temporary table (for the base) and rendered items (for the parts).

A part is a hundred records, and to find them among a million costs as much as to find many thousands. So twenty
thousand are fetched, judged and rendered at once. Nothing staged changes meanwhile: the sync lock is held.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases, items, people
from vs_st_pipeline.routes.audience.items import Style
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.words import Block, Kind

RECORDS: Final = 20_000
_AT_ONCE: Final = 2_000  # rows as Python values, at a time: they weigh ten times what is made of them
KINDS: Final = {
    Block.CUSTOMERS: Kind.CUSTOMER,
    Block.SUBSCRIBERS: Kind.ADDRESS,
    Block.PRODUCTS: Kind.PRODUCT,
    Block.WISHLIST: Kind.CUSTOMER,
    Block.ORDERS: Kind.ORDER,
}
_PEOPLE: Final = (Block.CUSTOMERS, Block.WISHLIST, Block.ORDERS)
# What rendering needs. To make Python's dicts of structs takes DuckDB four times as long as to say them in JSON.
_FETCHED: Final = {
    Block.CUSTOMERS: """position, customer_id, first_name, last_name, birth_date, email, phone, extra,
        to_json(addresses)::varchar as addresses, to_json(lines)::varchar as lines""",
    Block.SUBSCRIBERS: "position, address, email, customer_id, subscriber_id, since, evidence",
    Block.PRODUCTS: "*",
    Block.WISHLIST: "position, customer_id, product_id",
    Block.ORDERS: """position, order_id, customer_id, status, shipping_method, payment_method, total::varchar as total,
        created_at, extra, to_json(lines)::varchar as lines""",
}
_DECODE: Final = msgspec.json.Decoder().decode
_AS_JSON: Final = {Block.CUSTOMERS: ("addresses", "lines"), Block.ORDERS: ("lines",)}
_IDS: Final = "temp.audience_ids"
_ROWS: Final = "temp.audience_window"
_STRETCH: Final = f"select * from {_ROWS} where position >= ? and position < ?"


class Rendered(NamedTuple):
    """A record that goes; a tuple, since a history makes millions.

    Attributes:
        position: its place among the ids.
    """

    position: int
    id: str
    item: bytes
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """What a part is made of.

    Attributes:
        start, end: the positions that it covers, those that are left out included. left_out: ids of these.
    """

    start: int
    end: int
    ids: tuple[str, ...]
    items: tuple[bytes, ...]
    evidence: Mapping[str, str]
    left_out: int


@dataclass(slots=True)
class Window:
    """Rendered records of a block, at `start` up to before `end`.

    Attributes:
        db: where its temporary table is; another one has no such table.
        known: some of its records are in the base already. carts: some of its customers have one.
        passed_over: ids that are not among the rendered ones, by position.
    """

    db: Db
    block: Block
    start: int
    end: int
    rendered: list[Rendered]
    known: bool
    carts: bool
    left_out_ids: list[str] = field(default_factory=list)
    _next: int = 0

    def cut(self, position: int, most: int, most_bytes: int) -> Cut | None:
        """Return what the next part is made of, from a position on; None where nothing more is to be told.

        Args:
            most: records. most_bytes: of the items and the commas between them; one that is larger alone goes alone.
        """
        while self._next and self.rendered[self._next - 1].position >= position:
            self._next -= 1
        while self._next < len(self.rendered) and self.rendered[self._next].position < position:
            self._next += 1
        chosen: list[Rendered] = []
        size = -1
        for one in itertools.islice(self.rendered, self._next, self._next + most):
            if chosen and size + 1 + len(one.item) > most_bytes:
                break
            size += 1 + len(one.item)
            chosen.append(one)
        if not chosen:
            return None
        self._next += len(chosen)
        # What is left out behind it goes with it where nothing follows, so that the block's end is reached.
        end = self.rendered[self._next].position if self._next < len(self.rendered) else self.end
        return Cut(
            position,
            end,
            tuple(one.id for one in chosen),
            tuple(one.item for one in chosen),
            {one.id: one.evidence for one in chosen if one.evidence is not None},
            end - position - len(chosen),
        )

    def move_base(self, db: Db, cut: Cut, key: str, call: str, at: object) -> None:
        """Put the records of a part into the base, inside the transaction with which the part enters."""
        if self.known:
            with db.batch({"id": list(cut.ids)}) as ids:
                bases.remove(db, self.block, ids)
        bases.add(
            db, self.block, _STRETCH, "told", key, call, at, params=[cut.start, cut.end], carts=self.carts
        )  # fmt: skip


def open_window(session: AudienceSession, db: Db, block: Block, ids: str, params: Sequence[Any]) -> Window | None:
    """Fetch, judge and render records; None where there is no id.

    Args:
        ids: a query of `position` and `id`, positions one after the other.
    """
    db.execute(f"create or replace temp table audience_ids as {ids}", params)
    stretch = db.row(f"select min(position), max(position) + 1 from {_IDS}")
    if stretch is None or stretch[0] is None:
        return None
    start, end = stretch
    column = bases.IDS[block]
    db.execute(
        f"""create or replace temp table audience_window as
            select i.position, r.* from ({bases.ROWS[block](_IDS)}) as r join {_IDS} as i on i.id = r.{column}
            order by i.position"""
    )
    all_ids = [row[0] for row in db.rows(f"select id from {_IDS} order by position")]
    held = _held(db, block, all_ids)
    if held:
        with db.batch({"id": sorted(held)}) as batch:
            db.execute(f"delete from {_ROWS} where {column} in (select id from {batch})")
    if "gone_at" in bases.COLUMNS[block]:
        db.execute(f"delete from {_ROWS} where gone_at is not null")
    known = db.value(
        f"select exists(select 1 from {bases.TABLES[block]} as b semi join {_IDS} as i on i.id = b.{column})"
    )
    carts = block is Block.CUSTOMERS and db.value(f"select exists(select 1 from {_ROWS} where lines is not null)")
    rendered = list(_render(block, db, style_of(session)))
    found = {one.id for one in rendered}
    return Window(
        db, block, start, end, rendered, bool(known), bool(carts), [one for one in all_ids if one not in found]
    )


def style_of(session: AudienceSession) -> Style:
    """Return how the merchant's settings want things written."""
    settings, run = session.settings, session.run
    return Style(
        settings.dates,
        settings.extras,
        run.today(),
        run.merchant.time_zone,
        settings.links.product,
        settings.links.cart,
    )


def _held(db: Db, block: Block, ids: Sequence[str]) -> frozenset[str]:
    """Return which records are told to nobody now: of held people, or addresses that are not subscribed (8.2-8.4)."""
    if block is Block.SUBSCRIBERS:
        return frozenset(ids) - people.may_be_subscribed(db, ids)
    return people.held_among(db, KINDS[block], ids) if block in _PEOPLE else frozenset()


def _render(block: Block, db: Db, style: Style) -> Iterator[Rendered]:
    column, has_evidence = bases.IDS[block], block is Block.SUBSCRIBERS
    make, encoded, as_json, decoded = items.maker(block), items.encoded, _AS_JSON.get(block, ()), _DECODE
    for names, rows in _some_at_a_time(db, _FETCHED[block]):
        if block is Block.WISHLIST:
            yield from _wishlists(names, rows, style)
            continue
        for row in rows:
            record = dict(zip(names, row, strict=True))
            for name in as_json:
                if record[name] is not None:
                    record[name] = decoded(record[name])
            said = record["evidence"] if has_evidence else None
            yield Rendered(record["position"], record[column], encoded(make(record, style)), said)


def _some_at_a_time(db: Db, columns: str) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
    """Return names of columns and rows in order, all rows of a position together."""
    first, last = db.row(f"select min(position), max(position) from {_ROWS}") or (None, None)
    if first is None or last is None:
        return
    for start in range(first, last + 1, _AT_ONCE):
        yield db.columns(
            f"select {columns} from {_ROWS} where position >= ? and position < ? order by position",
            [start, start + _AT_ONCE],
        )


def _wishlists(names: Sequence[str], rows: Sequence[tuple[Any, ...]], style: Style) -> Iterator[Rendered]:
    place = {name: index for index, name in enumerate(names)}
    for position, wishes in itertools.groupby(rows, key=lambda row: row[place["position"]]):
        several = list(wishes)
        who = several[0][place["customer_id"]]
        record = {"customer_id": who, "product_ids": sorted(row[place["product_id"]] for row in several)}
        yield Rendered(position, who, items.encoded(items.item(Block.WISHLIST, record, style)))


def body_of(block: Block, cut: Cut, *, block_names: str) -> bytes:
    """Return the body of a part without the uuid."""
    return items.body(block, [msgspec.Raw(one) for one in cut.items], block_names=block_names)
