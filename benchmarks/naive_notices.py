"""The peer of route `notices`: the loop that a competent engineer writes in a morning.

It walks the list of orders, reads each over a connection that is kept (busy answers are tried again, `Retry`, three
times), notes each status of its parcel in SQLite, and where delivery failed and nothing is noted as sent, it posts the
template and notes the message's id, one commit each.

What it has not got is what takes more than a morning: nothing is on the disk before a message leaves, so that one whose
answer is lost, or after which the power goes, goes twice; `Retry` posts again what was taken already; it knows no
opt-out, no quiet hours, no limit, no order of statuses, and no template that was changed.

Run with a JSON file ({url, database}); prints what it took as a line of JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from urllib3.util.retry import Retry

from benchmarks.memory import peak_mb
from benchmarks.requests_alone import OneContext

Record = dict[str, Any]


class Loop:
    """The loop: a session, and a database."""

    def __init__(self, url: str, database: str) -> None:
        self.url = url
        self.session = requests.Session()
        again = Retry(total=3, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None)
        self.session.mount("http://", OneContext(max_retries=again))
        self.db = sqlite3.connect(database)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute(
            "create table if not exists events (number text, status text, at text, unique (number, status))"
        )
        self.db.execute("create table if not exists sent (number text primary key, message_id text)")

    def read(self) -> list[Record]:
        """Read every order and note its statuses; returns those whose delivery failed."""
        numbers, page = list[str](), 1
        while rows := self._get("/w/brand/api/v1/orders/erp", filters="", page=page, perPage=100)["orders"]:
            numbers += [row["customerOrderNumber"] for row in rows]
            page += 1
        failed = []
        for number in numbers:
            order = self._get(f"/api/order/{quote(number, safe='')}")
            with self.db:
                for step in order["items"][0]["timeline"]:
                    row = (number, step["status"], step["time"])
                    self.db.execute("insert or ignore into events values (?, ?, ?)", row)
            if order["items"][0]["status"] == "failed_delivery":
                failed.append(order)
        return failed

    def tell(self, order: Record) -> None:
        """Send the message of an order, unless it is noted."""
        number, to = order["customerOrderNumber"], order["shippingAddress"]
        if self.db.execute("select 1 from sent where number = ?", [number]).fetchone():
            return
        template = {"id": "t-failed_delivery", "params": [to["customerName"], number]}
        form = {"channel": "whatsapp", "source": "919810000002", "destination": f"91{to['contactPhone']}",
                "src.name": "app", "template": json.dumps(template)}  # fmt: skip
        answer = self.session.post(f"{self.url}/wa/api/v1/template/msg", form, headers={"apikey": "k"}, timeout=30)
        answer.raise_for_status()
        with self.db:
            self.db.execute("insert into sent values (?, ?)", [number, answer.json()["messageId"]])

    def _get(self, path: str, **params: Any) -> Any:
        answer = self.session.get(self.url + path, params=params, timeout=30)
        answer.raise_for_status()
        return answer.json()


def main() -> None:
    """Read, tell, and measure both."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    loop = Loop(job["url"], job["database"])
    times = [(time.perf_counter(), time.process_time())]
    failed = loop.read()
    times.append((time.perf_counter(), time.process_time()))
    for order in failed:
        loop.tell(order)
    times.append((time.perf_counter(), time.process_time()))
    found: Record = {"events": loop.db.execute("select count(*) from events").fetchone()[0], "messages": len(failed)}
    for name, one, other in zip(("read", "send"), times, times[1:], strict=False):
        found |= {f"{name}_wall": other[0] - one[0], f"{name}_cpu": other[1] - one[1]}
    found["peak_mb"] = peak_mb()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
