"""Drops of the generic shop: what is read, what is refused whole, in which order (audience.md 4.3, 5.5, 10)."""

from __future__ import annotations

import contextlib
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.shop.drops import REQUIRED
from vs_st_pipeline.connectors.shop.settings import ShopSettings
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.audience import dropped
from vs_st_pipeline.routes.audience.from_shop import ShopSource
from vs_st_pipeline.routes.audience.sources import Seen
from vs_st_pipeline_tests.routes.audience.test_merging import ROOT, T0, World


class Site(World):
    """A site that drops files into a folder, and the merchant's file that takes them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        for path in sorted((ROOT / "connectors/shop/sql").glob("*.sql")):
            self.db.script(path.read_text())
        self.merchant = Merchant(
            "hillside", "Hillside", time_zone=ZoneInfo("America/New_York"), sections={"shop": ShopSettings(drop=folder)}
        )

    def drop(self, name: str, complete: bool = True, rows: dict[str, int] | None = None, **files: Any) -> None:
        where = self.folder / name
        where.mkdir()
        for file, text in files.items():
            path = where / file.replace("__", "-").replace("_csv", ".csv").replace("_jsonl", ".jsonl").replace(
                "_gz", ".gz"
            )
            path.write_bytes(gzip.compress(text.encode()) if path.name.endswith("gz") else text.encode())
        named = rows if rows is not None else {file.split("__")[0].rsplit("_", 1)[0]: None for file in files}
        # fmt: off
        ready = {"taken_at": "2026-05-20T12:00:00Z", "complete": complete,
                 "tables": {table: {} if number is None else {"rows": number} for table, number in named.items()}}
        # fmt: on
        (where / "_READY.json").write_text(json.dumps(ready))

    def session(self) -> Any:
        db = self.db

        class Run(SimpleNamespace):
            def open(self) -> Any:
                return contextlib.nullcontext(db)

        clock = datetime.now(UTC)
        run = Run(now=lambda: self.now, run_id="run", clock=lambda: clock, merchant=self.merchant)
        told = SimpleNamespace(seen=dict.fromkeys(("customers", "orders"), 0))
        return SimpleNamespace(run=run, seen=Seen(), told=told)

    def stage(self) -> str:
        session = self.session()
        dropped.stage(session)
        return " ".join(error.message for error in session.seen.failed.values())

    def names(self) -> list[Any]:
        return self.db.rows(
            "select customer_id, first_name from staged.shop_customers where gone_at is null order by 1"
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_csv_with_bom_is_read_as_it_says(site: Site) -> None:
    """4.3: header line, BOM allowed, true/false/1/0, empty = null, lists as JSON, local time without an offset."""
    site.drop(
        "1",
        customers_csv="\ufeffcustomer_id,first_name,opted_in,created_at,x_tier,colour\n"
        "007,Ann,1,2026-05-01T08:00:00,gold,\n"
        "8,,maybe,2026-05-01,,\n9,Bo,,2026-05-01T08:00:00Z,,\n",
        products_csv='product_id,categories,price,stock\np1,"[""red"",""dry""]",1.25,2\n',
    )
    assert site.stage() == ""
    assert site.db.rows(
        "select customer_id, first_name, opted_in, created_at, own_at, extra from staged.shop_customers order by 1"
    ) == [
        ("007", "Ann", True, datetime(2026, 5, 1, 12), datetime(2026, 5, 1, 12), '{"tier":"gold"}'),
        ("8", None, False, datetime(2026, 5, 1, 4), datetime(2026, 5, 2, 4), None),
        ("9", "Bo", None, datetime(2026, 5, 1, 8), datetime(2026, 5, 1, 8), None),
    ]
    assert site.one("select categories, price::varchar, stock from staged.shop_products") == (["red", "dry"], "1.25", 2)
    assert site.db.rows("select word, kind, id from staged.shop_notes order by all") == [
        ("bad_value", "customers", "8"), ("extra_column", "customers", "colour"),
    ]  # fmt: skip
    evidence = site.one("select evidence from staged.shop_customers where customer_id = '007'")
    assert json.loads(evidence)["field"] == "customers.opted_in"


def test_all_kinds_of_files_and_several_of_a_table(site: Site) -> None:
    """4.3: .csv, .csv.gz, .parquet, .jsonl, .jsonl.gz; several files of one table."""
    site.drop(
        "1", rows={"customers": 4}, customers__1_csv="customer_id,first_name\n1,a\n",
        customers__2_csv_gz="first_name,customer_id\nb,2\n",
        customers__10_jsonl='{"customer_id": "3", "first_name": "c"}\n',
    )  # fmt: skip
    where = f"{site.folder}/1/customers-11.parquet"
    site.db.execute(f"copy (select 4 as customer_id, 'd' as first_name) to '{where}' (format parquet)")
    assert site.stage() == ""
    assert site.names() == [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]


@pytest.mark.parametrize(
    ("files", "rows", "says"),
    [
        ({"customers_csv": "customer_id\n1\n"}, {"customers": 2}, "1 row, "),
        ({"customers_csv": "name\n1\n"}, None, "no column customer_id"),
        ({"customers_csv": "customer_id,x_email\n1,a\n"}, None, "x_email"),
        ({"customers_csv": 'customer_id,first_name\n1,"a\n'}, None, "cannot be read"),
        ({"customers_csv": ""}, None, "cannot be read"),
        ({"customers_csv": "customer_id\n1\n"}, {"customers": 1, "orders": 0}, "no file"),
        ({"customers_jsonl": '{"customer_id": "1"'}, None, "cannot be read"),
    ],
)
def test_a_drop_is_refused_whole(site: Site, files: Any, rows: Any, says: str) -> None:
    """4.3: what does not fit refuses the drop; what is staged stands; the next complete one heals."""
    site.drop("1", customers_csv="customer_id,first_name\n1,a\n")
    site.stage()
    site.drop("2", rows=rows, **files)
    site.drop("3", complete=False, customers_csv="customer_id,first_name\n1,waits\n")
    assert says in site.stage()
    assert site.names() == [("1", "a")]
    site.drop("4", customers_csv="customer_id,first_name\n1,healed\n")
    assert site.stage() == ""
    assert site.names() == [("1", "healed")]


@pytest.mark.parametrize("fault", ["ready", "file"])
def test_a_complete_drop_heals_whatever_the_refused_one_named(site: Site, fault: str) -> None:
    """4.3, rulings audience 5: drops wait up to the next complete one, not up to one that names the same tables."""
    site.drop("1", customers_csv="customer_id,first_name\n1,a\n", rows={"customers": 1, "carts": 1})
    if fault == "ready":
        (site.folder / "1" / "_READY.json").write_text('{"taken_at": "2026-')
    assert "refused whole" in site.stage()
    site.drop("2", customers_csv="customer_id,first_name\n1,healed\n")
    assert site.stage() == ""
    assert site.stage() == ""
    site.drop("3", complete=False, customers_csv="customer_id,first_name\n2,b\n")
    assert site.stage() == ""
    assert site.names() == [("1", "healed"), ("2", "b")]


def test_extras_keep_their_spelling(site: Site) -> None:
    """5.5: a column's name without `x_` is the key; the first file's spelling counts for all of a table."""
    site.drop(
        "1",
        customers__1_csv="Customer_ID,x_loyaltyTier\n1,gold\n",
        customers__2_jsonl='{"customer_id": "2", "X_LoyaltyTier": "tin"}\n',
    )
    assert site.stage() == ""
    assert site.db.rows("select customer_id, extra from staged.shop_customers order by 1") == [
        ("1", '{"loyaltyTier":"gold"}'), ("2", '{"loyaltyTier":"tin"}'),
    ]  # fmt: skip
    site.drop("2", customers_csv="customer_id,x_Email\n1,a\n")
    assert "x_Email" in site.stage()


def test_an_empty_text_is_null_in_every_kind_of_file(site: Site) -> None:
    """4.3, 10: another kind of file is no change of a customer, and an order without status is unusable."""
    site.drop("1", customers_csv="customer_id,phone\n1,\n")
    site.stage()
    before = site.one("select digest from staged.shop_customers")
    site.drop(
        "2",
        customers_jsonl='{"customer_id": "1", "phone": ""}\n',
        orders_jsonl='{"order_id": "o1", "status": "", "total": 1, "created_at": "2026-05-01"}\n',
    )
    assert site.stage() == ""
    assert site.one("select digest from staged.shop_customers") == before
    assert site.one("select count(*) from staged.shop_orders") == 0
    assert site.one("select count(*) from staged.unusable where kind = 'order'") == 1


@pytest.mark.parametrize("ending", ["jsonl", "jsonl_gz"])
def test_half_an_emoji_refuses_no_drop(site: Site, ending: str) -> None:
    """5.4: lone surrogates become U+FFFD; numbers and all else stay as they are written."""
    lines = (
        '{"order_id": 1, "status": "s\\ud83d", "total": 150.00, "created_at": "2026-05-01", "city": "\\\\ud83d"}',
        '{"order_id": 2, "status": "\\ud83d\\ude00", "total": 2, "created_at": "2026-05-01", "city": "\\udc00"}',
    )
    site.drop("1", rows={"orders": 2}, **{f"orders_{ending}": "\n".join(lines) + "\n"})
    assert site.stage() == ""
    assert site.db.rows("select order_id, status, total::varchar, city from staged.shop_orders order by 1") == [
        ("1", "s\ufffd", "150.00", "\\ud83d"), ("2", "\U0001f600", "2.00", "\ufffd"),
    ]  # fmt: skip


@pytest.mark.parametrize("day", ["infinity", "-infinity", "10000-01-01", "99999-12-31"])
def test_a_day_that_no_calendar_has_is_unknown(site: Site, day: str) -> None:
    """5.4, 10: impossible dates are unknown, and noted."""
    site.drop(
        "1",
        customers_csv=f"customer_id,birth_date,created_at\n1,{day},{day}\n",
        products_csv=f"product_id,discount_end\np1,{day}\n",
        subscribers_csv=f"email,since\na@x.example,{day}\n",
    )
    assert site.stage() == ""
    assert site.one("select birth_date, created_at, own_at from staged.shop_customers") == (None, None, None)
    assert site.one("select discount_end from staged.shop_products") is None
    assert site.one("select since from staged.shop_subscribers") is None
    assert {row[0] for row in site.db.rows("select kind from staged.shop_notes where word = 'bad_value'")} == {
        "customers", "products", "subscribers",
    }  # fmt: skip


@pytest.mark.parametrize("attributes", ["size L", "[1]", "null", '"L"', "{"])
def test_attributes_that_are_no_object_are_unknown(site: Site, attributes: str) -> None:
    """4.1, 10: a value that cannot be read is unknown, and noted; nobody could render it."""
    quoted = attributes.replace('"', '""')
    site.drop(
        "1", products_csv="product_id\np1\n",
        options_csv="product_id,option_id,position,attributes\n"
        f'p1,o1,1,"{quoted}"\np1,o2,2,"{{""size"": ""L""}}"\np1,o3,3,\n',
    )  # fmt: skip
    assert site.stage() == ""
    assert site.db.rows("select option_id, attributes from staged.shop_options order by 1") == [
        ("o1", None), ("o2", '{"size": "L"}'), ("o3", None),
    ]  # fmt: skip
    assert site.db.rows("select word, kind, id from staged.shop_notes") == [("bad_value", "options", "p1")]


def test_the_newest_complete_drop_counts_and_what_comes_after(site: Site) -> None:
    """4.3: in order of name as text; a drop without _READY.json is not looked at; nothing is read twice."""
    site.drop("1", customers_csv="customer_id,first_name\n1,a\n2,b\n")
    site.drop("2", customers_csv="customer_id,first_name\n1,c\n")
    site.drop("3", complete=False, customers_csv="customer_id,first_name\n3,d\n")
    (site.folder / "4").mkdir()
    (site.folder / "4" / "customers.csv").write_text("customer_id\n9\n")
    assert site.stage() == ""
    assert site.names() == [("1", "c"), ("3", "d")]
    assert site.db.rows("select name from raw.shop_drops order by 1") == [("2",), ("3",)]
    assert site.stage() == ""
    assert site.one("select count(*) from raw.shop_drops") == 2


def test_parts_of_an_older_drop_belong_to_the_records_of_a_newer(site: Site) -> None:
    """4.3: for each table the newest complete drop that names it counts, and the `false` ones after it."""
    orders = "order_id,status,total,created_at\n"
    lines = "order_id,position,product_id,quantity\n"
    site.drop("1", orders_csv=orders + "o1,old,1,2026-05-01\n", order_lines_csv=lines + "o1,1,p1,1\no2,1,p2,1\n")
    site.drop("2", complete=False, order_lines_csv=lines + "o2,1,p3,1\n")
    site.drop("3", orders_csv=orders + "o1,new,1,2026-05-01\no2,new,1,2026-05-01\n")
    assert site.stage() == ""
    assert site.db.rows("select order_id, product_id from staged.shop_order_lines order by 1") == [
        ("o1", "p1"), ("o2", "p3"),
    ]  # fmt: skip
    assert site.db.rows("select order_id, status from staged.shop_orders order by 1") == [("o1", "new"), ("o2", "new")]
    assert site.one("select count(*) from staged.shop_notes where word = 'orphan'") == 0
    assert site.stage() == ""
    assert site.one("select count(*) from raw.shop_drops") == 3


def test_what_the_first_complete_drop_names_is_known_where_a_newer_one_counts(site: Site) -> None:
    """5.1.1: the block of a table that the first complete drop names is no block that is done without a request."""
    site.drop("1", customers_csv="customer_id\n1\n", products_csv="product_id\np1\n")
    site.drop("2", customers_csv="customer_id\n1\n2\n")
    assert site.stage() == ""
    session = site.session()
    assert [ShopSource().can_have(session, block) for block in ("customers", "products", "orders")] == [
        True, True, False,
    ]  # fmt: skip


def test_parts_alone_replace_those_of_named_records(site: Site) -> None:
    """4.3: the parts of a named order are replaced whole; a complete table of lines is the whole table."""
    orders = "order_id,status,total,created_at\no1,new,1,2026-05-01\no2,new,1,2026-05-01\n"
    lines = "order_id,position,product_id,quantity\n"
    site.drop("1", orders_csv=orders, order_lines_csv=lines + "o1,1,p1,1\no1,2,p2,1\no2,1,p1,1\n")
    site.stage()
    site.drop("2", complete=False, order_lines_csv=lines + "o1,1,p9,1\n")
    assert site.stage() == ""
    read = "select order_id, product_id from staged.shop_order_lines order by all"
    assert site.db.rows(read) == [("o1", "p9"), ("o2", "p1")]
    site.drop("3", order_lines_csv=lines + "o1,1,p9,1\n")
    assert site.stage() == ""
    assert site.db.rows(read) == [("o1", "p9")]
    assert site.one("select count(*) from staged.shop_orders where gone_at is null") == 2


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("beside", [{}, {"products_csv": "product_id,name\np1,new\n"}])
def test_parts_bring_back_nobody_who_is_gone(site: Site, complete: bool, beside: dict[str, str]) -> None:
    """4.3, 6.2: who is gone from a complete read is back when a table of such records names it, not its parts alone."""
    options = {"options_csv": "product_id,option_id,position\np1,o,1\np2,o,1\n"}
    site.drop("1", products_csv="product_id,name\np1,a\np2,b\n", **options)
    site.stage()
    site.drop("2", products_csv="product_id,name\np1,a\n")
    site.stage()
    there = "select product_id from staged.shop_products where gone_at is null"
    assert site.db.rows(there) == [("p1",)]
    site.drop("3", complete=complete, **options, **beside)
    assert site.stage() == ""
    assert site.db.rows(there) == [("p1",)]


def test_subscribers_are_known_by_their_address(site: Site) -> None:
    """Rulings, audience 5: subscribers need email or address."""
    site.drop("1", subscribers_csv="email,subscribed,since\n Ann@X.example ,true,2026-05-01T00:00:00Z\n")
    assert site.stage() == ""
    assert site.one("select address, subscribed from staged.shop_subscribers") == ("ann@x.example", True)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("ending", ["jsonl", "jsonl_gz"])
def test_lines_of_json_may_be_none(site: Site, ending: str, complete: bool) -> None:
    """4.3: a table of no row has no line that could name a column; it is an empty table, whichever it is."""
    whole = {f"{table}_{ending}": "" for table in REQUIRED}
    site.drop("1", customers_csv="customer_id\n1\n")
    site.stage()
    site.drop("2", complete=complete, rows=dict.fromkeys(REQUIRED, 0), **whole)
    assert site.stage() == ""
    assert [row[0] for row in site.names()] == ([] if complete else ["1"])


def test_an_empty_table_is_a_whole_table(site: Site) -> None:
    """4.3: a table named is the whole table, an empty one too; the brake is who asks (9)."""
    site.drop("1", customers_csv="customer_id\n1\n")
    site.stage()
    site.drop("2", customers_csv="customer_id\n")
    assert site.stage() == ""
    assert site.names() == []
    assert site.now == T0
