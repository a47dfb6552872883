"""A merchant's file in memory, its staged rows written by hand: what diff, taking and brake are tried on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

import vs_st_pipeline
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import brake, diffing, taking
from vs_st_pipeline.routes.audience.report import new_report
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.systems import NAME
from vs_st_pipeline.routes.audience.words import BLOCKS

ROOT = Path(vs_st_pipeline.__file__).parent
NOW = datetime(2026, 5, 20, 12)
BEGUN = NOW - timedelta(days=10)
NEW, OLD = NOW - timedelta(minutes=5), NOW - timedelta(days=3)

# table -> ids, and the parts that its digest takes in.
KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "customers": (("customer_id",), ("shop_addresses",)),
    "subscribers": (("address",), ()),
    "products": (("product_id",), ("shop_options",)),
    "wishlists": (("customer_id", "product_id"), ()),
    "orders": (("order_id",), ("shop_order_lines",)),
    "carts": (("cart_id",), ("shop_cart_lines",)),
}
_NOT_COMPARED = {"sku", "position", "created_at", "updated_at", "opted_in", "opted_at", "cart_id"}


_COPIES = itertools.count()


class _Warehouse:
    def __init__(self, db: Db) -> None:
        self.db = db

    @contextmanager
    def use(self, merchant: str, route: str) -> Iterator[Db]:
        yield self.db
        self.db.flush()


class World:
    """One merchant's file; `at` is its clock, `settings` are those of section `waymore`."""

    def __init__(self, *, done: bool = True, **settings: Any) -> None:
        self.cursor = duckdb.connect(":memory:", config={"threads": 1})
        for schema in ("raw", "staged", "planned", "synced"):
            self.cursor.execute(f"create schema {schema}")
        for folder in ("platform/warehouse", "routes/audience"):
            for path in sorted((ROOT / folder / "sql").glob("*.sql")):
                self.cursor.execute(path.read_text())
        self.db = Db(self.cursor)
        self.settings = settings
        self.at, self.generation, self.posts = NOW, 0, 0
        self.runs: dict[str, Any] = {}
        if done:
            self.finish()

    def copy(self) -> World:
        """Return a world like this one, which is not touched by what becomes of the other."""
        made = World.__new__(World)
        name = f"copy_{next(_COPIES)}"
        self.cursor.execute(f"attach ':memory:' as {name}")
        self.cursor.execute(
            f"copy from database {self.cursor.execute('select current_database()').fetchall()[0][0]} to {name}"
        )
        made.cursor = self.cursor.cursor()
        made.cursor.execute(f"use {name}")
        made.db = Db(made.cursor)
        made.settings, made.runs = dict(self.settings), {}
        made.at, made.generation, made.posts = self.at, self.generation, self.posts
        return made

    def finish(self) -> None:
        """Have the history done."""
        self.cursor.execute("delete from synced.audience_blocks")
        for block in BLOCKS:
            self.store("synced.audience_blocks", block=block, state="done", begun_at=BEGUN, done_at=BEGUN)

    def session(self) -> AudienceSession:
        merchant = Merchant(
            "hillside",
            "Hillside",
            sections={
                "waymore": WaymoreSettings(
                    domain="https://www.hillside.example", uuid=Secret("u", "env:U"), **self.settings
                )
            },
        )
        warehouse: Any = _Warehouse(self.db)
        run = Run(merchant, warehouse, lambda: self.at.replace(tzinfo=UTC), route=NAME, **self.runs)
        return AudienceSession(run, new_report("hillside"))

    # --- what is staged ---------------------------------------------------------------------------------------------

    def stage(self, kind: str, *key: Any, parts: list[dict[str, Any]] | None = None, **columns: Any) -> None:
        """Stage a record, in place of the one that stands; what is not named stays as it is."""
        ids, part_tables = KINDS[kind]
        where = dict(zip(ids, key, strict=True))
        old = self.row(f"staged.shop_{kind}", where)
        row = {"own_at": NEW, "seen_at": self.at, "written_at": self.at, "lacked_at": None, **(old or {}), **where}
        if old is not None:
            row["seen_at"] = self.at
        row |= columns
        if part_tables:
            (table,) = part_tables
            name = ids[0]
            if parts is not None:
                self.cursor.execute(f"delete from staged.{table} where {name} = ?", [key[0]])
                for position, part in enumerate(parts):
                    more = {} if table == "shop_cart_lines" else {"position": position}
                    self.store(f"staged.{table}", **{name: key[0], **more, **part})
            said = sorted(
                map(str, self.rows(f"select * exclude ({name}) from staged.{table} where {name} = '{key[0]}'"))
            )
            house = {"own_at", "seen_at", "written_at", "lacked_at", "posted_at", "digest", "gone_at"}
            told = [str(v) for k, v in sorted(row.items()) if k not in house | _NOT_COMPARED and v is not None]
            row["digest"] = self.db.value("select hash(?)", [json.dumps([told, said])])
        elif kind == "subscribers":
            row["digest"] = 0
        self.cursor.execute(f"delete from staged.shop_{kind} where {' and '.join(f'{n} = ?' for n in ids)}", [*key])
        self.store(f"staged.shop_{kind}", **row)
        self.changed()

    def customer(self, id: str = "c1", **columns: Any) -> None:
        self.stage("customers", id, **columns)

    def product(self, id: str = "p1", **columns: Any) -> None:
        self.stage("products", id, **columns)

    def order(self, id: str = "o1", **columns: Any) -> None:
        known = self.row("staged.shop_orders", {"order_id": id}) or {}
        first: dict[str, Any] = {} if known else {"customer_id": "c1", "status": "NEW", "total": 10, "created_at": NEW}
        self.stage("orders", id, **(first | columns))

    def cart(self, customer: str | None = "c1", *lines: tuple[str, int], id: str = "k1", **columns: Any) -> None:
        parts = [{"product_id": product, "option_id": None, "quantity": quantity} for product, quantity in lines]
        self.stage("carts", id, parts=parts, customer_id=customer, **columns)

    def wish(self, customer: str = "c1", product: str = "p1", **columns: Any) -> None:
        self.stage("wishlists", customer, product, **columns)

    def address(self, address: str = "a@example.com", subscribed: bool = True, **columns: Any) -> None:
        """Judge an address, as `people` does."""
        old = self.row("planned.audience_addresses", {"address": address}) or {}
        first = {"email": address, "mixed": False, "own_at": NEW, "seen_at": self.at, "evidence": '{"system":"shop"}'}
        self.cursor.execute("delete from planned.audience_addresses where address = ?", [address])
        row = {**first, **old, **columns, "address": address, "subscribed": subscribed}
        self.store("planned.audience_addresses", **row)

    def hold(self, kind: str, id: str, reason: str = "under_age") -> None:
        self.store("planned.audience_held", kind=kind, id=id, reason=reason)

    def release(self) -> None:
        self.cursor.execute("delete from planned.audience_held")

    def post(self, event: str, kind: str, id: str, value: Any, at: datetime | None = None) -> None:
        self.posts += 1
        self.store(
            "staged.shop_passed_on", number=self.posts, event=event, kind=kind, id=id, value=json.dumps(value),
            seen_at=at or self.at,
        )  # fmt: skip
        self.changed()

    def changed(self) -> None:
        self.generation += 1
        self.cursor.execute("update staged.shop_generation set generation = ?", [self.generation])

    # --- what is done -----------------------------------------------------------------------------------------------

    def diff(self) -> list[tuple[Any, ...]]:
        """Make the plan; returns event and id of all news, `late` and `silent` said where they are."""
        diffing.diff(self.session())
        return self.news()

    def news(self) -> list[tuple[Any, ...]]:
        rows = self.db.rows("select event, id, late, silent from planned.audience_news order by number")
        return [
            (event, id, *(["late"] if late else []), *(["silent"] if silent else []))
            for event, id, late, silent in rows
        ]

    def take(self) -> list[tuple[str, str]]:
        """Plan and take; returns event and id of what is in the outbox, in order."""
        session = self.session()
        diffing.diff(session)
        brake.ask(session)
        taking.take(session)
        return self.outbox()

    def outbox(self) -> list[tuple[str, str]]:
        return [(row["event"], row["id"]) for row in self.waiting()]

    def waiting(self) -> list[dict[str, Any]]:
        return [
            {**row, "data": json.loads(row["data"])}
            for row in self.rows("select * from synced.audience_outbox order by number")
        ]

    def deliver(self) -> list[dict[str, Any]]:
        """Have all that waits acknowledged; returns it."""
        sent = self.waiting()
        for table in ("customers", "subscribers", "products", "wishes", "orders", "carts"):
            self.cursor.execute(
                f"update synced.base_{table} set told = 'told', told_key = 'k', told_at = ? where told = 'outbox'",
                [self.at],
            )
        self.cursor.execute("delete from synced.audience_outbox")
        return sent

    def told(self) -> None:
        """Have all that is staged told, by events that are acknowledged."""
        self.take()
        self.deliver()

    # --- rows -------------------------------------------------------------------------------------------------------

    def rows(self, sql: str, params: list[Any] | None = None) -> list[dict[str, Any]]:
        names, rows = self.db.columns(sql, params)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def row(self, table: str, where: Mapping[str, Any]) -> dict[str, Any] | None:
        terms = " and ".join(f"{name} = ?" for name in where)
        found = self.rows(f"select * from {table} where {terms}", [*where.values()])
        return found[0] if found else None

    def notes(self) -> set[tuple[str, str]]:
        return {(word, id) for word, id in self.db.rows("select word, id from planned.audience_notes")}

    def late(self) -> list[tuple[str, str]]:
        return self.db.rows("select block, id from synced.audience_late order by all")

    def store(self, table: str, **columns: Any) -> None:
        """Add a row, with those of the columns that the table has."""
        schema, name = table.split(".")
        known = self.db.cached(
            f"columns {table}",
            lambda: {
                row[0]
                for row in self.db.rows(
                    "select column_name from duckdb_columns() where schema_name = ? and table_name = ?", [schema, name]
                )
            },
        )
        told = {key: value for key, value in columns.items() if key in known}
        names = ", ".join(f"${key} as {key}" for key in told)
        self.cursor.execute(f"insert into {table} by name select {names}", told)
