"""Merging what a source said into what is staged (audience.md 4.1, 4.3, 4.4, 10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

import vs_st_pipeline
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.merging import Incoming, Merged, merge

ROOT = Path(vs_st_pipeline.__file__).parent
T0 = datetime(2026, 5, 20, 12)
HOUR = timedelta(hours=1)
TYPES = {"total": "decimal(18,2)", "price": "decimal(18,2)", "quantity": "double", "stock": "double",
         "position": "integer", "at": "timestamp", "opted_in": "boolean", "subscribed": "boolean",
         "created_at": "timestamp", "updated_at": "timestamp", "opted_at": "timestamp", "since": "timestamp",
         "categories": "varchar[]", "paid": "boolean", "own_at": "timestamp", "added_at": "timestamp"}  # fmt: skip


class World:
    """A merchant's file in memory; `now` is its clock."""

    def __init__(self) -> None:
        cursor = duckdb.connect(":memory:", config={"threads": 2})
        for schema in ("raw", "staged", "planned", "synced"):
            cursor.execute(f"create schema {schema}")
        for folder in ("platform/warehouse", "routes/audience"):
            for path in sorted((ROOT / folder / "sql").glob("*.sql")):
                cursor.execute(path.read_text())
        self.db, self.now = Db(cursor), T0

    def table(self, name: str, rows: list[dict[str, Any]], columns: str = "") -> str:
        names = columns.split() or (list(rows[0]) if rows else ["customer_id"])
        kinds = ", ".join(f'"{one}" {TYPES.get(one, "varchar")}' for one in names)
        self.db.execute(f"create or replace temp table {name} ({kinds})")
        for row in rows:
            values = ", ".join("?" for _ in names)
            self.db.execute(f"insert into {name} values ({values})", [row.get(one) for one in names])
        return name

    def merge(self, kind: str, rows: list[dict[str, Any]], *, columns: str = "", **more: Any) -> Merged:
        parts = {name: self.table(f"in_{name}", *one) for name, one in more.pop("parts", {}).items()}
        written = more.pop("written_at", self.now)
        clock = datetime.now(UTC)
        run: Any = SimpleNamespace(now=lambda: self.now, run_id="run", clock=lambda: clock)
        incoming = Incoming(kind, self.table("in_rows", rows, columns), written, parts, **more)
        with self.db.transaction():
            return merge(SimpleNamespace(run=run), self.db, incoming)  # type: ignore[arg-type]

    def one(self, sql: str) -> Any:
        row = self.db.row(sql)
        return row[0] if row and len(row) == 1 else row


@pytest.fixture
def world() -> World:
    return World()


def order(order_id: str = "o1", **more: Any) -> dict[str, Any]:
    return {"order_id": order_id, "customer_id": "c1", "status": "new", "total": "10.00", "created_at": T0} | more


def lines(*rows: tuple[str, int, str, float]) -> list[dict[str, Any]]:
    return [dict(zip(("order_id", "position", "product_id", "quantity"), row, strict=True)) for row in rows]


def test_unchanged_rows_are_not_written_and_move_no_generation(world: World) -> None:
    """4.1: an unchanged record costs a comparison and no write."""
    parts = {"shop_order_lines": (lines(("o1", 5, "p1", 1), ("o1", 9, "p2", 2)),)}
    assert world.merge("orders", [order()], parts=parts, complete=True) == Merged(1, 0, 0)
    stood = world.db.rows("select rowid, * from staged.shop_orders")
    world.now += HOUR
    assert world.merge("orders", [order()], parts=parts, complete=True) == Merged()
    assert world.db.rows("select rowid, * from staged.shop_orders") == stood
    assert world.one("select generation from staged.shop_generation") == 1
    assert world.db.rows("select position, product_id from staged.shop_order_lines order by 1") == [
        (1, "p1"),
        (2, "p2"),
    ]


def test_whatever_is_written_moves_the_generation(world: World) -> None:
    """8.2: people are judged anew where the generation has moved, so evidence alone moves it too."""
    world.merge("customers", [{"customer_id": "c1", "email": "ann@example.com", "opted_in": True, "evidence": None}])
    before = world.one("select generation from staged.shop_generation")
    world.now += HOUR
    proof = '{"system": "shop"}'
    world.merge("customers", [{"customer_id": "c1", "email": "ann@example.com", "opted_in": True, "evidence": proof}])
    assert world.one("select evidence from staged.shop_customers") == proof
    assert world.one("select generation from staged.shop_generation") == before + 1


def test_changed_lines_change_the_record_and_its_digest(world: World) -> None:
    """6.2: what an event compares includes the parts; lines in another order of rows are the same lines."""
    world.merge("orders", [order()], parts={"shop_order_lines": (lines(("o1", 1, "p1", 1)),)})
    digest = world.one("select digest from staged.shop_orders")
    world.now += HOUR
    assert world.merge("orders", [order()], parts={"shop_order_lines": (lines(("o1", 1, "p1", 2)),)}).changed == 1
    assert world.one("select digest from staged.shop_orders") != digest
    assert world.one("select seen_at from staged.shop_orders") == world.now
    assert world.db.rows("select quantity from staged.shop_order_lines") == [(2.0,)]


@pytest.mark.parametrize(
    ("column", "compared"),
    [("sku", False), ("updated_at", False), ("name", True), ("stock", True), ("price", True)],
)
def test_the_digest_takes_in_what_events_compare(world: World, column: str, compared: bool) -> None:
    """6.2: sku and updated_at cause no event, all else does, stock too."""
    row = {"product_id": "p1", "sku": "s", "name": "n", "price": "1", "stock": "3", "updated_at": T0,
           "categories": ["a", "b"]}  # fmt: skip
    world.merge("products", [row])
    digest = world.one("select digest from staged.shop_products")
    other = T0 + HOUR if column == "updated_at" else "7"
    assert world.merge("products", [row | {column: other, "categories": ["b", "a", "a"]}]).changed == 1
    assert (world.one("select digest from staged.shop_products") != digest) == compared


def test_columns_not_told_stay(world: World) -> None:
    """4.1: a column that the source does not know stays as it is."""
    world.merge("customers", [{"customer_id": "c1", "first_name": "Ann", "phone": "1"}])
    world.merge("customers", [{"customer_id": "c1", "first_name": None}])
    assert world.one("select first_name, phone from staged.shop_customers") == (None, "1")


def test_unusable_rows_go_nowhere_and_the_rest_goes(world: World) -> None:
    """10: a row without key, customer_id 0, an order without total, status or time."""
    world.merge("customers", [{"customer_id": "0"}, {"customer_id": None}, {"customer_id": "c1"}], complete=True)
    world.merge("orders", [order("o1"), order("o2", total=None), order("o3", created_at=None), order("", status="x")])
    assert world.db.rows("select customer_id from staged.shop_customers") == [("c1",)]
    assert world.db.rows("select order_id from staged.shop_orders") == [("o1",)]
    assert world.db.rows("select kind, id from staged.unusable order by all") == [
        ("customer", ""), ("customer", "0"), ("order", ""), ("order", "o2"), ("order", "o3"),
    ]  # fmt: skip


def test_a_key_twice_is_the_newer_else_the_last(world: World) -> None:
    """10: the newer updated_at, else the last; noted."""
    rows: list[dict[str, Any]] = [
        {"customer_id": "c1", "first_name": "new", "updated_at": T0}, {"customer_id": "c1", "first_name": "old",
         "updated_at": T0 - HOUR}, {"customer_id": "c2", "first_name": "first", "updated_at": None},
        {"customer_id": "c2", "first_name": "last", "updated_at": None}, {"customer_id": "c3", "first_name": "x"},
    ]  # fmt: skip
    world.merge("customers", rows, complete=True)
    assert world.db.rows("select customer_id, first_name from staged.shop_customers order by 1") == [
        ("c1", "new"), ("c2", "last"), ("c3", "x"),
    ]  # fmt: skip
    noted = "select id from staged.shop_notes where word = 'duplicate_key' order by 1"
    assert world.db.rows(noted) == [("c1",), ("c2",)]
    world.merge("customers", rows[2:], complete=True)
    assert world.db.rows(noted) == [("c2",)]


def test_a_complete_read_says_who_is_gone_and_back(world: World) -> None:
    """4.3: whoever is not in a complete read is gone; a row is never deleted; back again it is known."""
    world.merge("customers", [{"customer_id": "c1"}, {"customer_id": "c2"}], complete=True)
    world.now += HOUR
    assert world.merge("customers", [{"customer_id": "c1"}], complete=True).gone == 1
    assert world.one("select gone_at from staged.shop_customers where customer_id = 'c2'") == world.now
    assert world.merge("customers", [{"customer_id": "c1"}], complete=True).gone == 0
    assert world.merge("customers", [{"customer_id": "c2"}]) == Merged(0, 1, 0)
    assert world.one("select count(*) from staged.shop_customers where gone_at is null") == 2
    assert world.db.rows("select rows from staged.shop_reads") == [(2,), (1,), (1,)]


def test_an_unusable_row_is_not_gone(world: World) -> None:
    """10: what cannot be read stands as it was."""
    world.merge("orders", [order("o1")], complete=True)
    world.now += HOUR
    assert world.merge("orders", [order("o1", total=None)], complete=True) == Merged()
    assert world.one("select total, gone_at from staged.shop_orders")[1] is None


def test_the_newer_of_post_and_drop_wins(world: World) -> None:
    """4.4: of one record the newer wins; a complete drop removes nothing that a newer post brought."""
    world.merge("customers", [{"customer_id": "c1", "first_name": "drop"}], complete=True)
    world.now += 3 * HOUR
    post = {"first_name": "post", "at": T0 + 2 * HOUR}
    world.merge("customers", [{"customer_id": "c1"} | post, {"customer_id": "c2"} | post], posted=True)
    assert (
        world.merge("customers", [{"customer_id": "c1", "first_name": "drop"}], complete=True, written_at=T0 + HOUR)
        == Merged()
    )
    assert world.db.rows("select first_name, gone_at from staged.shop_customers") == [("post", None), ("post", None)]
    world.merge("customers", [{"customer_id": "c1", "first_name": "drop"}], complete=True, written_at=T0 + 3 * HOUR)
    assert world.db.rows("select customer_id, first_name, gone_at is null from staged.shop_customers order by 1") == [
        ("c1", "drop", True), ("c2", "post", False),
    ]  # fmt: skip


def test_an_old_post_does_not_outdo_a_drop_that_changed_nothing(world: World) -> None:
    """4.4: a record that a newer complete drop showed unchanged was so then."""
    world.merge("customers", [{"customer_id": "c1", "first_name": "Ann"}], complete=True)
    world.now += 2 * HOUR
    world.merge("customers", [{"customer_id": "c1", "first_name": "Ann"}], complete=True)
    world.merge("customers", [{"customer_id": "c1", "first_name": "Old", "at": T0 + HOUR}], posted=True)
    assert world.one("select first_name from staged.shop_customers") == "Ann"


def test_times_of_the_house(world: World) -> None:
    """6.4: own time, when the change was seen (of a post: its `at`), and the last complete read that lacked it."""
    world.merge("customers", [{"customer_id": "c1", "created_at": T0 - HOUR}], complete=True, ended_at=T0 + HOUR / 2)
    world.now += 2 * HOUR
    at = T0 + HOUR
    world.merge("customers", [{"customer_id": "c2", "at": at, "first_name": "x"}], posted=True)
    read = "select own_at, posted_at, written_at, seen_at, lacked_at from staged.shop_customers where customer_id = "
    assert world.one(read + "'c1'") == (T0 - HOUR, None, T0, T0, None)
    assert world.one(read + "'c2'") == (at, at, at, at, T0 + HOUR / 2)


def test_a_consent_changes_only_from_no_to_yes(world: World) -> None:
    """8.2: a yes where nothing was known is no change from no to yes; a time of its own counts."""

    def seen(**row: Any) -> Any:
        world.now += HOUR
        world.merge("customers", [{"customer_id": "c1", "opted_in": None, "opted_at": None, "evidence": None} | row])
        return world.one("select opted_changed_at, evidence from staged.shop_customers")

    assert seen(opted_in=True, evidence="first") == (None, "first")
    assert seen(opted_in=True, evidence="again") == (None, "first")
    assert seen(opted_in=False, evidence="no") == (world.now, "no")
    assert seen(opted_in=True, evidence="yes") == (world.now, "yes")
    assert seen(opted_in=True, opted_at=T0, evidence="own") == (T0, "yes")


def test_orphans_and_lines_of_nothing(world: World) -> None:
    """10: lines of an unknown order are noted; a quantity not above 0 is left out; parts twice are noted."""
    rows = lines(("o1", 1, "p1", 1), ("o1", 2, "p2", 0), ("o9", 1, "p1", 1), ("o1", 3, "p3", 1), ("o1", 3, "p4", 1))
    world.merge("orders", [order()], parts={"shop_order_lines": (rows,)})
    assert world.db.rows("select product_id from staged.shop_order_lines order by position") == [("p1",), ("p4",)]
    assert world.db.rows("select word, kind, id from staged.shop_notes order by all") == [
        ("duplicate_key", "order_line", "o1"), ("orphan", "order_line", "o9"),
    ]  # fmt: skip


def test_a_cart_line_without_option_stands_once(world: World) -> None:
    """Rulings, audience 5: a null option_id is "no option"."""
    rows = [{"cart_id": "k1", "product_id": "p1", "option_id": one, "quantity": 2} for one in (None, "", "o1")]
    world.merge("carts", [{"cart_id": "k1", "customer_id": "0"}], parts={"shop_cart_lines": (rows,)})
    assert world.db.rows("select option_id from staged.shop_cart_lines order by 1 nulls first") == [(None,), ("o1",)]
    assert world.one("select customer_id from staged.shop_carts") is None


def test_wishes_have_two_ids(world: World) -> None:
    """4.1: a wish is a pair."""
    pairs = [{"customer_id": "c1", "product_id": one, "added_at": T0} for one in ("p1", "p2")]
    assert world.merge("wishlists", pairs, complete=True).came == 2
    assert world.merge("wishlists", pairs[:1], complete=True).gone == 1
    assert world.merge("wishlists", pairs, complete=True) == Merged(0, 1, 0)
