"""The peer of route `orders`: what a competent engineer writes in a day, as many a shop's integration is written.

Each tick, for each winery: the orders that were paid since the last tick are listed at Commerce7; whatever is paid and
ships to a chosen state is posted to Vinoshipper; each order that was posted and is not delivered yet is read at
Vinoshipper, and once it is shipped it is fulfilled at Commerce7 with its tracking numbers, and the customer mailed.

It is written with care: connections are kept, answers that are busy or broken are tried again after a while (`Retry`,
three times, for writes too, since an order that is not sent is lost money), what is done is remembered in a file after
each order, and one winery's trouble is its own. Numbers carry the winery's prefix, as the vendor asks.

What it has not got is what takes more than a day: it asks nobody before it posts, so what an answer that never came has
done is done again; it reads every open order in every tick, whatever has changed; a refund or an edit that comes later
is not seen; and it fulfills by what its own file says.

Run with a JSON file ({wineries, state, ticks}); prints what it took as a line of JSON. With `ticks: "stdin"` it makes a
tick for each line of its input, which is a time.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from urllib3.util.retry import Retry

from benchmarks.memory import peak_mb
from benchmarks.requests_alone import OneContext

Record = dict[str, Any]
SHIPPED, OVER = ("SHIPPED", "DELIVERED"), ("DELIVERED", "PICKED_UP", "RETURNED", "CANCELLED")
CARRIERS = {"UPS": "UPS", "FEDEX": "FedEx", "GLS": "GSO"}
OVERLAP = timedelta(minutes=10)


class Api:
    """One system: a session that is kept, retries, and a count of requests."""

    def __init__(self, name: str, url: str, auth: tuple[str, str], counts: Counter[str], **headers: str) -> None:
        self._name, self._url, self._counts = name, url, counts
        self.session = requests.Session()
        self.session.auth = auth
        self.session.headers.update(headers)
        again = Retry(total=3, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None)
        self.session.mount("https://", OneContext(max_retries=again))
        self.session.mount("http://", OneContext(max_retries=again))

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Send a request; an answer that is an error is raised."""
        self._counts[self._name] += 1
        answer = self.session.request(method, self._url + path, json=body, timeout=30, **more)
        answer.raise_for_status()
        return answer


class Winery:
    """One winery, and what its file remembers: orders by id, {number, done}."""

    def __init__(self, given: Record, folder: Path, counts: Counter[str]) -> None:
        self.given, self.path = given, folder / f"{given['id']}.json"
        self.shop = Api("commerce7", given["shop_url"], tuple(given["shop_key"]), counts, tenant=given["tenant"])
        self.there = Api("vinoshipper", given["there_url"], tuple(given["there_key"]), counts)
        self.known: Record = {"since": given["since"], "orders": {}}
        if self.path.exists():
            self.known = json.loads(self.path.read_text(encoding="utf-8"))

    def remember(self) -> None:
        """Write down what is done."""
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(self.known), encoding="utf-8")
        draft.replace(self.path)

    def tick(self, now: datetime) -> list[str]:
        """Send what is new, and look at all that is under way; return what failed."""
        failed = []
        began = (now - OVERLAP).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        for order in self._paid():
            try:
                self._send(order)
            except (requests.RequestException, KeyError, ValueError) as error:
                failed.append(f"send {order.get('orderNumber')}: {type(error).__name__}")
        self.known["since"] = began
        for id, one in self.known["orders"].items():
            if not one["over"]:
                try:
                    self._follow(id, one)
                except (requests.RequestException, KeyError, ValueError) as error:
                    failed.append(f"follow {one['number']}: {type(error).__name__}")
        self.remember()
        return failed

    def _paid(self) -> Iterator[Record]:
        cursor = "start"
        while cursor:
            query = {"orderPaidDate": f"gte:{self.known['since']}", "limit": 50, "cursor": cursor}
            page = self.shop("GET", "/order", params=query).json()
            yield from page["orders"]
            cursor = page.get("cursor")

    def _send(self, order: Record) -> None:
        ships = (order["orderDeliveryMethod"], order["paymentStatus"]) == ("Ship", "Paid")
        regular = order.get("purchaseType") not in ("Refund", "Exchange") and order["total"] > 0
        if order["id"] in self.known["orders"] or not ships or not regular:
            return
        if order["shipTo"]["stateCode"] not in self.given["states"]:
            return
        number = f"{self.given['prefix']}-{order['orderNumber']}"
        try:
            self.there("POST", "/api/v3/p/orders", payload(order, number))
        except requests.HTTPError as error:  # a number that is taken is ours: an answer was lost
            if error.response is None or "CONFLICT" not in error.response.text:
                raise
        self.known["orders"][order["id"]] = {"number": number, "fulfilled": False, "over": False}
        self.remember()

    def _follow(self, id: str, one: Record) -> None:
        held = self.there("GET", f"/api/v3/p/orders/{quote(one['number'], safe='')}").json()
        if held["orderStatus"] in SHIPPED and not one["fulfilled"]:
            packages = (held.get("shipping") or {}).get("packages") or []
            numbers = [package["trackingNumber"] for package in packages if package["trackingNumber"]]
            shipped: Record = {"trackingNumbers": numbers}
            if packages and packages[0]["carrier"] in CARRIERS:
                shipped["carrier"] = CARRIERS[packages[0]["carrier"]]
            at = datetime.fromisoformat(held["shippedAt"]).timestamp()
            form = {
                "type": "Shipped",
                "sendTransactionEmail": True,
                "fulfillmentDate": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at)),
                "packageCount": max(1, len(packages)),
                "shipped": shipped,
            }
            self.shop("POST", f"/order/{id}/fulfillment/all", form)
            one["fulfilled"] = True
            self.remember()
        one["over"] = held["orderStatus"] in OVER


def payload(order: Record, number: str) -> Record:
    """Return an order as Vinoshipper takes it."""
    buyer, to, bill = order["customer"], order["shipTo"], order.get("billTo") or order["shipTo"]
    rate = order["shipping"][0]
    return {
        "orderNumber": number,
        "metaFields": {"c7_order_id": order["id"]},
        "customer": {
            "email": buyer["emails"][0]["email"],
            "firstName": buyer["firstName"] or bill["firstName"],
            "lastName": buyer["lastName"] or bill["lastName"],
            "address": _address(bill),
        },
        "shipToAddress": {
            "firstName": to["firstName"],
            "lastName": to["lastName"],
            **_address(to),
            "country": "US",
        },
        "productIdType": "SKU",
        "products": [
            {"productId": one["sku"], "quantity": one["quantity"], "price": one["price"] / 100}
            for one in order["items"]
            if one["hasShipping"]
        ],
        "shippingRate": {"carrier": "UPS", "rateCode": rate["code"], "price": order["shipTotal"] / 100},
        "taxes": order["taxTotal"] / 100,
        "disableCustomerNotifications": True,
        "paid": True,
        "isPaid": True,
    }


def _address(one: Record) -> Record:
    return {
        "street1": one["address"],
        "street2": one["address2"],
        "city": one["city"],
        "stateCode": one["stateCode"],
        "postalCode": one["zipCode"],
    }


def main() -> None:
    """Run a job, tick by tick, and measure it."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    counts = Counter[str]()
    folder = Path(job["state"])
    folder.mkdir(exist_ok=True)
    wineries = [Winery(given, folder, counts) for given in job["wineries"]]
    times = (line.strip() for line in sys.stdin) if job["ticks"] == "stdin" else iter(job["ticks"])
    for at in times:
        wall, cpu, before = time.perf_counter(), time.process_time(), Counter(counts)
        failed = [one for winery in wineries for one in _tick(winery, datetime.fromisoformat(at))]
        told = {
            "requests": dict(counts - before),
            "failed": failed,
            "cpu": time.process_time() - cpu,
            "wall": time.perf_counter() - wall,
            "peak_mb": peak_mb(),
        }
        print(json.dumps(told), flush=True)


def _tick(winery: Winery, now: datetime) -> list[str]:
    """Make a winery's tick; its trouble is its own."""
    try:
        return winery.tick(now)
    except (requests.RequestException, KeyError, ValueError) as error:
        return [f"{winery.given['id']}: {type(error).__name__}"]


if __name__ == "__main__":
    main()
