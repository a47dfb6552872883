"""The peer of route `audience`: the loop that a competent engineer writes in a morning.

It reads a drop with DuckDB, fetches rows by the thousand, makes the guide's items of them and posts them a hundred at a
time, in the order of the guide, over a connection that is kept; a busy answer is tried again (`Retry`, three times).

What it has not got is what takes more than a morning: it remembers nothing, so that a run that ends in the middle
begins anew and tells all a second time; a part that is refused is lost; it knows no change from what was there before.

Run with a JSON file ({drop, url, part}); prints what it took as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import requests
from urllib3.util.retry import Retry

from benchmarks.memory import peak_mb
from benchmarks.requests_alone import OneContext

Record = dict[str, Any]
ROWS = 1_000
CUSTOMERS = """
    select c.customer_id, last_name, first_name, birth_date::varchar, email, phone,
        list({'country': country, 'city': city, 'address1': address1, 'postcode': postcode, 'company': company})
    from '{drop}/customers.parquet' as c left join '{drop}/addresses.parquet' as a using (customer_id)
    group by all order by 1"""
SUBSCRIBERS = "select customer_id, email from '{drop}/customers.parquet' where opted_in order by 1"
PRODUCTS = """
    select product_id, name, description, short_description, categories, stock, price::double
    from '{drop}/products.parquet' order by 1"""
ORDERS = """
    select order_id, customer_id, status, shipping_method, payment_method, total::varchar,
        list({'product_id': product_id, 'quantity': quantity::varchar})
    from '{drop}/orders.parquet' join '{drop}/order_lines.parquet' using (order_id) group by all order by 1"""


def customer(row: tuple[Any, ...]) -> Record:
    """Return the guide's item."""
    id, last, first, born, email, phone, addresses = row
    who = {"id": id, "lastname": last, "firstname": first, "birthday": born, "email": email, "phone": phone}
    return {"customer": who, "addresses": [{k: v or "" for k, v in one.items()} for one in addresses], "cart": {}}


def subscriber(row: tuple[Any, ...]) -> Record:
    """Return the plugin's item."""
    said = {"id_shop": "1", "id_shop_group": "1", "newsletter_date_add": "N/A", "ip_registration_newsletter": "N/A"}
    return {"subscriber": {"id": row[0], "email": row[1], **said, "http_referer": "N/A", "active": 1}}


def product(row: tuple[Any, ...]) -> Record:
    """Return the guide's item."""
    id, name, text, short, categories, stock, price = row
    said = {"product_id": id, "name": name, "description": text, "short_description": short, "categories": categories}
    more = {"discount": {}, "product_options": [], "image_link": "", "product_link": ""}
    return {**said, "stock_quantity": stock, "price": price, **more}


def order(row: tuple[Any, ...]) -> Record:
    """Return the guide's item."""
    id, who, status, way, payment, total, lines = row
    said = {"customer_id": who, "order_id": id, "order_status": status, "shipping_method": way}
    return {"order_details": {**said, "payment_method": payment, "total_price": total}, "order_products": lines}


BLOCKS = (
    ("customers", CUSTOMERS, customer),
    ("subscribers", SUBSCRIBERS, subscriber),
    ("products", PRODUCTS, product),
    ("orders", ORDERS, order),
)


class Teller:
    """A session that is kept, and a count of what it sent."""

    def __init__(self, url: str, uuid: str) -> None:
        self.url, self.uuid, self.requests, self.bytes = url, uuid, 0, 0
        self.session = requests.Session()
        again = Retry(total=3, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None)
        self.session.mount("http://", OneContext(max_retries=again))

    def tell(self, name: str, items: list[Record]) -> None:
        """Send one part."""
        block = {"name": name, "description": f"shop {name}", "object": items}
        body = json.dumps({"uuid": self.uuid, "data": [block]}).encode()
        answer = self.session.post(self.url, data=body, headers={"Content-Type": "application/json"}, timeout=30)
        answer.raise_for_status()
        self.requests, self.bytes = self.requests + 1, self.bytes + len(body)


def parts(db: duckdb.DuckDBPyConnection, query: str, make: Any, size: int) -> Iterator[list[Record]]:
    """Yield the items of a block, so many at a time."""
    found, waiting = db.execute(query), list[Record]()
    while rows := found.fetchmany(ROWS):
        for row in rows:
            waiting.append(make(row))
            if len(waiting) == size:
                yield waiting
                waiting = []
    if waiting:
        yield waiting


def main() -> None:
    """Tell everything, and measure it."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    wall, cpu = time.perf_counter(), time.process_time()
    teller = Teller(job["url"], "a uuid")
    with duckdb.connect() as db:
        for name, query, make in BLOCKS:
            for part in parts(db, query.replace("{drop}", job["drop"]), make, int(job["part"])):
                teller.tell(name, part)
    print(json.dumps(measured(teller, wall, cpu)))


def measured(teller: Teller, wall: float, cpu: float) -> Record:
    """Return what it took since then."""
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
        "requests": teller.requests,
        "bytes": teller.bytes,
    }


if __name__ == "__main__":
    main()
