"""The second peer of route `audience`: the way of the vendor's own plugin for Magento 2, over the same tables.

A hundred records a request, one block a request, each page of a table found by OFFSET in the order of its ids, and for
each record its parts by a query of their own, as its models load them. It remembers nothing but that it has run, and
takes a part for done whatever the answer was. It is to be beaten.

Run with a JSON file ({drop, url}); prints what it took as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

from benchmarks.naive_audience import Teller, customer, measured, order, product, subscriber

LIMIT = 100
TABLES = ("customers", "addresses", "products", "orders", "order_lines")
PARTS = {
    "customers": "select country, city, address1, postcode, company from addresses where customer_id = ?",
    "orders": "select product_id, quantity::varchar as quantity from order_lines where order_id = ?",
}
PAGES = (
    ("customers", "select customer_id, last_name, first_name, birth_date::varchar, email, phone from customers", 0),
    ("subscribers", "select customer_id, email from customers where opted_in", 0),
    ("products", "select product_id, name, description, short_description, categories, stock, price::double from "
     "products", 0),
    ("orders", "select order_id, customer_id, status, shipping_method, payment_method, total::varchar from orders", 0),
)  # fmt: skip
ITEMS = {"customers": customer, "subscribers": subscriber, "products": product, "orders": order}


def main() -> None:
    """Tell everything, and measure it; the tables are there before, as a shop's are, with indexes on their ids."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with duckdb.connect() as db:
        for table in TABLES:
            db.execute(f"create table {table} as select * from '{job['drop']}/{table}.parquet'")
        for table, id in (("addresses", "customer_id"), ("order_lines", "order_id")):
            db.execute(f"create index {table}_of on {table} ({id})")
        wall, cpu = time.perf_counter(), time.process_time()
        teller = Teller(job["url"], "a uuid")
        for name, query, _ in PAGES:
            offset = 0
            while rows := db.execute(f"{query} order by 1 limit {LIMIT} offset {offset}").fetchall():
                offset += LIMIT
                if name in PARTS:
                    rows = [(*row, _parts(db, PARTS[name], row[0])) for row in rows]
                teller.tell(name, [ITEMS[name](row) for row in rows])
        print(json.dumps(measured(teller, wall, cpu)))


def _parts(db: duckdb.DuckDBPyConnection, query: str, id: str) -> list[dict[str, str]]:
    found = db.execute(query, [id])
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


if __name__ == "__main__":
    main()
