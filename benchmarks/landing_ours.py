"""Our side of `landing`: the product's own client, walks, landing and staging, with files in place of the network.

Run with a folder of pages, a data folder and how the customers come (`walk` or `changed`); prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.memory import peak_mb
from vs_st_pipeline.connectors.vinoshipper import carried, landing, landing_orders, staging
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.customer_list import forget_walk, walk_customers
from vs_st_pipeline.connectors.vinoshipper.order_search import OrderRow, OrderSearch
from vs_st_pipeline.connectors.vinoshipper.waiting import Waiting
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.http.client import Answer
from vs_st_pipeline.platform.http.tape import Tape
from vs_st_pipeline.platform.run import Run

SETTINGS = """
merchants:
  - {id: bench, name: Bench, time_zone: America/Los_Angeles,
     vinoshipper: {api_key: "env:KEY", api_secret: "env:KEY"}, simpletexting: {api_token: "env:KEY"}}
"""


class Files:
    """Stands where the HTTP client stands: each request takes the next answer of its call."""

    def __init__(self, folder: Path) -> None:
        self.tape = Tape()
        bodies = {
            name: (file.read_bytes() for file in sorted(folder.glob(f"{name}-*"))) for name in ("customers", "rows")
        }
        self._answers: dict[str, Iterator[Any]] = {
            "list_customers": bodies["customers"],
            "search_orders": bodies["rows"],
        }

    def request(
        self, call: str, method: str, path: str, *, shape: Any, params: Mapping[str, object] | None = None, **_: object
    ) -> Answer[Any]:
        beyond = call == "search_orders" and "pageIndex" in (params or {})  # each file is all of a window
        body = b'{"results": []}' if beyond else next(self._answers[call], b'{"items": []}')  # both end empty
        return Answer(msgspec.json.decode(body, type=shape), 200, None, None)

    def then(self, call: str, answers: list[msgspec.Raw]) -> None:
        self._answers[call] = iter(answers)


class Client(VinoshipperClient):
    """The product's client, its network aside."""

    def __init__(self, files: Files) -> None:
        self.http = files  # type: ignore[assignment]


def land(run: Run, folder: Path, how: str) -> None:
    """Customers, then order rows by windows, then order details: each stored in such pieces as the product makes."""
    files = Files(folder)
    vs = Client(files)
    if how == "walk":
        walk = walk_customers(run, vs)
        with run.open() as db, db.transaction():
            landing.land_complete_walk(run, db, walk.ids)
            forget_walk(db)
    else:
        texts = [text for _ in folder.glob("customers-*") for text in vs.list_customers(0, 250).items]
        landing.land_customers(run, [item for text in texts if (item := landing.customer_item(text)) is not None])
    search = OrderSearch(vs)

    def land_rows(windows: list[list[OrderRow]]) -> None:
        with run.open() as db, db.transaction():
            landing_orders.land_order_rows(db, [row for rows in windows for row in rows], run.now())

    with Waiting(land_rows) as windows:
        for _ in folder.glob("rows-*"):
            rows = [row for page in search.window(date(2019, 1, 1), date(2027, 1, 1)) for row in page]
            windows.add(rows, sum(len(row.text) for row in rows), len(rows))
    with Waiting[carried.Detail](lambda found: landing_orders.land_order_details(run, found, run.now())) as waiting:
        for file in sorted(folder.glob("orders-*")):
            details = msgspec.json.decode(file.read_bytes(), type=list[msgspec.Raw])
            files.then("order", details)
            numbers = [msgspec.json.decode(detail, type=Numbered).orderNumber for detail in details]
            for number in numbers:
                text = vs.order(number).text
                waiting.add(carried.Detail(number, text), len(text))


class Numbered(msgspec.Struct):
    """Only the number is read: the product knows it, for it asked for the order by it."""

    orderNumber: str  # noqa: N815


def main() -> None:
    """Land, stage, measure."""
    pages, data, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    data.mkdir(parents=True, exist_ok=True)
    (data / "merchants.yaml").write_text(SETTINGS)
    merchant = read_merchants(data / "merchants.yaml", {"KEY": "none"}).merchants[0]
    run = Run(merchant, warehouse_at(data), lambda: datetime.now(UTC))
    wall, cpu = time.perf_counter(), time.process_time()
    with run.warehouse.keeping(merchant.id):  # as every sync does
        land(run, pages, how)
        landed = time.process_time() - cpu
        made = staging.stage(run)
    figures = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "landing_cpu": landed,
        "peak_mb": peak_mb(),
        "rows": made["customers"] + made["orders"],
        "versions": f"vs-st, duckdb {version('duckdb')}",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
