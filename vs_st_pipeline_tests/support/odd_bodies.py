"""Makes bodies as Vinoshipper might send them, ordinary and odd, and lands and stages them in a file of their own.

Two in five are odd: unknown keys and words, values of other types, absent and null keys, dates and amounts in other
forms, ids as text, keys twice, deep nesting, characters of every kind, keys in another order. What is odd is drawn from
a seed, so that two ways of reading can be shown the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from vs_st_pipeline.connectors.vinoshipper import landing, landing_orders, order_search, staging
from vs_st_pipeline.connectors.vinoshipper.carried import Detail
from vs_st_pipeline.connectors.vinoshipper.client import OrderPage, VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.read_queue import hint
from vs_st_pipeline.domain.errors import PipelineError, TryLater
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.http.client import Answer
from vs_st_pipeline.platform.http.tape import Tape
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.suppression import CUSTOMER, EMAIL, ORDER, PHONE, suppress
from vs_st_pipeline.platform.warehouse.unreadable import record_unreadable

Body = dict[str, Any]
NOW = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
ROUNDS = (timedelta(0), timedelta(minutes=5), timedelta(minutes=25), timedelta(days=2))
ODD = 0.4
SETTINGS = """
merchants:
  - {id: one, name: One, time_zone: America/Los_Angeles,
     vinoshipper: {api_key: "env:KEY", api_secret: "env:KEY"}, simpletexting: {api_token: "env:KEY"}}
"""


class Raw(str):
    """JSON text that stands in a body as it is: numbers that Python would write otherwise."""


HUGE, LARGE, TINY = Raw("1e400"), Raw("123456789012345678901234567890"), Raw("0.0000001")
DATES: list[Any] = [
    *("2026-01-05", "2026-01-05T10:11:12Z", "2026-01-05T10:11:12.123456789-08:00", "2026-01-05 10:11", "05.01.2026"),
    *("0001-01-01T00:00:00-08:00", "1900-01-01T00:00:00-08:00", "1970-01-01T00:00:00+00:00", "9999-12-31", " "),
    *("2026-01-05T00:00:00-08:00", "2026-02-31T10:11:12-08:00", "2026-01-05T10:11:12+25:00"),
    *("2999-01-01T00:00:00-08:00", "1971-12-31T23:00:00-08:00", "2026-03-04T10:00:00-08:00"),
    *("2026-W02-1T10:11:12-08:00", "2026-01-05T101112.5-08:00", "2026-01-05t10:11:12-08:00"),
    *("2026-03-01T23:59:59-08:00", "2026-03-02T05:00:00+14:00", "2031-01-01T10:00:00-08:00"),
    *("2026-01-05T10:11:12-0800", "2026-01-05T10:11:12-08", "２０２６-01-05T10:11:12-08:00", "20260105T101112-0800"),
    *(None, 5, 1767600000000, {}, [], "", "2026-01-05T10:11:12[America/New_York]", True, "2031-01-01", "2026-03-03"),
]  # fmt: skip
TEXTS: list[Any] = [
    "",
    "  ",
    "\u00a0",
    "Zo\u00eb \U0001f377",
    "a" * 3000,
    "\u0000x",
    "'; --",
    7,
    True,
    None,
    [],
    {},
    "\u2028",
]
IDS: list[Any] = [
    None,
    0,
    -1,
    "700001",
    " 700002 ",
    Raw("700003.0"),
    Raw("7e5"),
    LARGE,
    2**63,
    2**63 - 1,
    True,
    "x",
    {},
    [],
]
PHONES: list[Any] = [
    *(None, "7075551212", {}, {"number": None, "country": None}, {"number": 7075551212, "country": 1}, []),
    *({"number": "+44 20 7946 0000", "country": "44"}, {"number": "707 555 1212 ext. 4", "country": "US"}, True),
    *({"number": "7075551212"}, {"country": 1}, {"number": "7075551212", "country": True, "extension": None}),
    *({"number": "7075551212", "country": Raw("1.0")}, {"number": "n/a", "country": ""}, {"number": [], "country": 1}),
    *({"number": "(415) 555-0199", "country": 1}, {"number": "", "country": "1"}, {"number": "555", "country": None}),
]  # fmt: skip
MEMBERSHIPS: list[Any] = [
    *(None, "", {}, [None], [{}], ["Red"], [{"id": None, "clubName": None, "dateJoined": None, "hold": None}]),
    [{"id": 5, "clubName": " ", "dateJoined": "2020-01-02", "hold": True}],
    [{"id": "7", "clubName": "Red", "dateJoined": "2020-01-02T00:00:00Z", "hold": False}],
    [{"id": 8, "clubName": "Red", "dateJoined": "2020-01-02T09:00:00-08:00", "hold": "true"}],
    [{"id": 0, "clubName": "Zero", "dateJoined": None, "hold": False}, {"id": 9, "clubName": "Red"}],
    [{"id": 3, "club": {"name": "In club"}, "dateJoined": "2019-01-01T10:00:00Z", "hold": False}],
    [{"id": 4, "clubName": "Both", "club": {"name": "Other"}, "dateJoined": "1900-01-01", "hold": True}],
    [{"id": 5, "clubName": "Gold", "dateJoined": "2021-01-01", "hold": False, "tier": {"x": 1}}],
    [{"id": 5, "clubName": "Gold", "dateJoined": "2021-01-01", "hold": False}] * 2,
]
AMOUNTS: list[Any] = [
    *(0, 100, Raw("100.00"), Raw("1e3"), -5, Raw("-0"), Raw("-0.00"), Raw("-12.50"), TINY, Raw("0.000001"), "12.30"),
    *("1.200", "$1,200.50", Raw("12345678901234567.89"), LARGE, HUGE, None, "", True, [], {"amount": 5}, "n/a"),
    *(Raw("999999999999999.999999"), Raw("0.1234567"), Raw("123456789012345678.5")),
]
WORDS: list[Any] = [
    *("success", "DELIVERED", "Canceled", "CANCELLED", "DELETED", "PENDING", "ON_A_BOAT", "new member", None, "", 5),
    *(["SUCCESS"], {"a": 1}, "AGE_VERIFICATION_FAILED", "RETURNED", True),
]
BIRTHS: list[Any] = [
    *(None, "", {}, {"day": 1, "month": 1, "year": 1900}, {"day": 31, "month": 2, "year": 1980}, "1980-04-17", "1980"),
    *([1980, 4, 17], {"day": 0, "month": 0, "year": 0}, {"day": 1, "month": 1, "year": 2015}, {"year": 1980}, 1980),
    *({"day": "17", "month": "4", "year": "1980"}, {"day": 1, "month": 1, "year": 1850}, True, {"d": 1}),
    *({"day": 1, "month": 1, "year": 1980, "era": "AD"}, {"day": None, "month": None, "year": None}),
    *({"day": 1, "month": 1, "year": LARGE}, {"day": -1, "month": 1, "year": 1980}),
    *({"day": 2, "month": 3, "year": 2026}, {"day": 5, "month": 6, "year": 3000}),
]  # fmt: skip
SHIPPINGS: list[Any] = [None, "", [], "UPS", {}, {"carrier": "UPS"}, {"rateCode": 3, "packages": {}}]
PACKAGES: list[Any] = [
    *(None, "", {}, [], [None], [{}], ["box"], [{"carrier": " ", "trackingNumber": 123}], [{"trackingNumber": "1Z"}]),
    [{"carrier": "UPS", "trackingNumber": None}, {"carrier": None, "trackingNumber": "\u00e9 1"}],
    [{"carrier": 5, "trackingNumber": ["1Z"]}],
]
FORGOTTEN = [(CUSTOMER, "700004"), (PHONE, "7075550009"), (EMAIL, "person.700011@example.com"), (ORDER, "A-0007")]
HINTED = {"customer": ["700002", "700004", "700010"], "order": ["A-0003", "A-0007", "A-0012"]}
STATUSES = (
    *(("SUCCESS", "DELIVERED"),) * 4,
    *(("SUCCESS", "OPEN"), ("PENDING", "OPEN"), ("DELETED", "PROBLEM"), ("SUCCESS", "RETURNED")),
)
ANYTHING: list[Any] = [None, "", "x", 0, Raw("1.5"), HUGE, LARGE, True, [], {}, {"a": {"b": [1, {"c": None}]}}]


def item(id_: int, rnd: random.Random) -> Body:
    """An ordinary item of the customer list."""
    clubs = [
        {"id": id_ * 10 + n, "clubName": club, "dateJoined": f"20{n + 10}-05-06", "hold": n == 1}
        for n, club in enumerate(rnd.choice(((), (), ("Red",), ("White ", "Zo\u00eb's"))))
    ]
    phone = {"number": f"(707) 555-{id_ % 10_000:04}", "country": rnd.choice(("1", 1, "US")), "extension": None}
    return {
        "id": id_,
        "email": f" Person.{id_}@Example.com",
        "primaryPhone": phone,
        "firstName": rnd.choice(("Ana", "Zo\u00eb", "", None)),
        "lastName": "Vine",
        "memberships": clubs,
        "clubMember": bool(clubs),
        "clubsOnHold": False,
        "creditCard": rnd.choice((None, {"type": "VISA", "last": [4, 2]})),
    }  # fmt: skip


def customer(id_: int, rnd: random.Random) -> Body:
    """An ordinary detail of a customer."""
    return {
        **item(id_, rnd),
        "dateOfBirth": {"day": 1 + id_ % 28, "month": 1 + id_ % 12, "year": 1940 + id_ % 60},
        "shippingAddress": {"street1": "1 Lane", "city": "Napa", "stateCode": "CA"},
        "optedIntoMarketingEmails": True,
    }


def order(number: str, owner: int, rnd: random.Random) -> Body:
    """An ordinary detail of an order."""
    day = f"20{rnd.randrange(19, 26)}-{rnd.randrange(1, 13):02}-{rnd.randrange(1, 29):02}"
    status, stage = rnd.choice(STATUSES)
    return {
        "orderNumber": number,
        "cartType": rnd.choice(("WEB", "CLUB", None)),
        "status": status,
        "orderStatus": stage,
        "customer": {
            "id": owner,
            "email": f"person.{owner}@example.com",
            "address": {"city": "Napa"},
            "dateOfBirth": rnd.choice((None, {"day": 1 + owner % 28, "month": 5, "year": 1950 + owner % 50})),
            "customerSince": "2019-01-02",
        },
        "products": [{"productName": "Pinot \U0001f377", "price": Raw("265.81"), "taxes": {"taxRate": 0}}],
        "shipping": {
            "carrier": rnd.choice(("UPS", None)),
            "rateCode": "03",
            "rateDescription": "UPS Ground",
            "price": Raw("18.5"),
            "packages": [{"carrier": "UPS", "trackingNumber": f"1Z{number}", "box": {"lbs": 9}}],
        },
        "total": Raw(f"{rnd.randrange(0, 900)}.{rnd.randrange(100):02}"),
        "purchasedAt": f"{day}T11:13:10-08:00",
        "canceledAt": None,
        "shippedAt": rnd.choice((None, f"{day}T12:00:00-07:00")),
        "deliveredAt": rnd.choice((None, f"{day}T22:00:00-08:00")),
        "metaFields": {},
    }


def row(body: Body) -> Body:
    """The row of the order search of an order."""
    buyer = body.get("customer")
    return {
        "orderNumber": body.get("orderNumber"),
        "orderStatus": body.get("orderStatus"),
        "saleAmount": body.get("total"),
        "purchasedAt": body.get("purchasedAt"),
        "shippedAt": body.get("shippedAt"),
        "customer": {"id": buyer.get("id"), "email": "x@example.com"} if isinstance(buyer, dict) else buyer,
    }


PLACES: dict[str, list[Any]] = {
    **dict.fromkeys(("id", "customer.id"), IDS),
    **dict.fromkeys(("firstName", "lastName", "email", "cartType", "shipping.carrier", "shipping.rateCode"), TEXTS),
    **dict.fromkeys(("shipping.rateDescription", "shippingAddress.city", "shippingAddress.stateCode"), TEXTS),
    **dict.fromkeys(("purchasedAt", "shippedAt", "deliveredAt", "canceledAt", "customer.customerSince"), DATES),
    **dict.fromkeys(("dateOfBirth", "customer.dateOfBirth"), BIRTHS),
    **dict.fromkeys(("status", "orderStatus"), WORDS),
    **{"primaryPhone": PHONES, "memberships": MEMBERSHIPS, "total": AMOUNTS, "shipping.packages": PACKAGES},
    **{"customer": [None, "nobody", [], {}], "shipping": SHIPPINGS},
    "shippingAddress": [None, "Napa", [], {}, {"city": 5}],
    **dict.fromkeys(("surprise", "error", "errors", "errorCode", "odd name"), ANYTHING),
    **dict.fromkeys(("creditCard", "products", "metaFields"), ANYTHING),
    **dict.fromkeys(("customer.surprise", "customer.birthDate", "customer.DOB", "shipping.surprise"), BIRTHS),
    "birthday": BIRTHS,
    "orderNumber": [None, 5, " A-1 ", "", Raw("17.0"), ["A"], "\u00c4\U0001f377"],
}  # fmt: skip


def make_odd(body: Body, rnd: random.Random, places: Sequence[str] = ()) -> str:
    """Change one to three things in a body, at these places if any are given, and write it."""
    for _ in range(rnd.choice((1, 1, 1, 2, 3))):
        own = [place for place in places or PLACES if place.partition(".")[0] in body or rnd.random() < 0.15]
        place = rnd.choice(own or list(places))
        head, _, last = place.rpartition(".")
        inside = body.get(head) if head else body
        if not isinstance(inside, dict):
            continue
        if last in inside and rnd.random() < 0.25:
            del inside[last]
        else:
            inside[last] = deepcopy(rnd.choice(PLACES[place]))
    if rnd.random() < 0.3:
        body = dict(rnd.sample(list(body.items()), len(body)))
    text = write(body, ensure_ascii=rnd.random() < 0.5)
    if rnd.random() < 0.1 and body:  # a key twice: the last counts
        name = rnd.choice([name for name in body if name in PLACES] or list(body))
        text = f"{text[:-1]}, {json.dumps(name)}: {write(rnd.choice(PLACES.get(name, ANYTHING)))}}}"
    return f" {text}\n" if rnd.random() < 0.1 else text


def write(value: Any, *, ensure_ascii: bool = False) -> str:
    """Write JSON, `Raw` as it is."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        parts = (
            f"{json.dumps(k, ensure_ascii=ensure_ascii)}: {write(v, ensure_ascii=ensure_ascii)}"
            for k, v in value.items()
        )
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list):
        return f"[{', '.join(write(part, ensure_ascii=ensure_ascii) for part in value)}]"
    return json.dumps(value, ensure_ascii=ensure_ascii)


@dataclass
class World:
    """Bodies of one account at one time; `next` changes some of them."""

    seed: int
    count: int = 40
    places: Sequence[str] = ()  # where bodies are odd; none: anywhere
    items: dict[int, str] = field(default_factory=dict)
    customers: dict[int, str] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)

    def rounds(self) -> Iterator[timedelta]:
        """Yield the times at which all is read, with the bodies as they are then."""
        rnd = random.Random(self.seed)
        for since in ROUNDS:
            for n in range(self.count):
                own, number = 700_001 + n, f"A-{n:04}"
                owner = 700_001 + rnd.randrange(self.count)
                if since and rnd.random() < 0.5:
                    continue
                body = order(number, owner if not since or rnd.random() < 0.1 else 700_001 + n, rnd)
                for texts, key, told in (
                    (self.items, own, item(own, rnd)),
                    (self.customers, own, customer(own, rnd)),
                    (self.orders, number, body),
                    (self.rows, number, row(body)),
                ):
                    texts[key] = make_odd(told, rnd, self.places) if rnd.random() < ODD else write(told)  # type: ignore[index]
            yield since


class Answers:
    """Stands where the HTTP client stands."""

    def __init__(self) -> None:
        self.body, self.tape = b"", Tape()

    def request(self, call: str, method: str, path: str, *, shape: Any, **_: object) -> Answer[Any]:
        return Answer(msgspec.json.decode(self.body, type=shape), 200, None, None)


class Client(VinoshipperClient):
    """The product's client, its network aside."""

    def __init__(self) -> None:
        self.http = self.answers = Answers()  # type: ignore[assignment]

    def tell(self, read: Callable[[Any], Any], asked: object, text: str) -> Any:
        """Ask for one record, which answers so; returns the error where it is not believed."""
        self.answers.body = text.encode()
        try:
            return read(asked).text
        except PipelineError as error:
            return error


def land_and_stage(world: World, folder: Path) -> Iterator[tuple[Run, list[str]]]:
    """Land and stage each round of a world; yields the run, and the errors of single reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "merchants.yaml").write_text(SETTINGS)
    merchant = read_merchants(folder / "merchants.yaml", {"KEY": "none"}).merchants[0]
    warehouse = warehouse_at(folder / "data")
    with warehouse.keeping(merchant.id):
        for place, since in enumerate(world.rounds()):
            run = Run(merchant, warehouse, lambda since=since: NOW + since, run_id=f"run-{place}")  # type: ignore[misc]
            yield run, _land_and_stage(run, world, place)


def _land_and_stage(run: Run, world: World, place: int) -> list[str]:
    client, errors = Client(), list[str]()
    with run.open() as db, db.transaction():
        if place == 1:  # somebody is forgotten by each of their names
            suppress(db, FORGOTTEN, run.now())
        for kind, ids in HINTED.items():
            hint(db, kind, ids, "somebody said so", run.now())
            record_unreadable(db, kind, {ids[0]: TryLater("no answer"), ids[-1]: TryLater("no answer")}, run.now())
    items = [found for text in world.items.values() if (found := landing.customer_item(text.encode()))]
    landing.land_customers(run, list({one.customer_id: one for one in items}.values()))
    page = order_search._page(OrderPage(None, [text.encode() for text in world.rows.values()]))
    with run.open() as db, db.transaction():
        landing_orders.land_order_rows(db, page.rows, run.now())
        known = {row[0] for row in db.rows("select order_number from raw.vinoshipper_orders")}
        customers = {row[0] for row in db.rows("select customer_id from raw.vinoshipper_customers")}
    orders = _read(client, client.order, {n: text for n, text in world.orders.items() if n in known}, errors, place)
    people = {id_: text for id_, text in world.customers.items() if id_ in customers and id_ % 3}
    details = _read(client, client.customer, people, errors, place)
    landing_orders.land_order_details(run, orders, run.now())
    landing.land_customer_details(run, details, after_walk=place % 2 == 1)
    landing_orders.land_receipts(run, [(row.id, f"https://r/{row.id}", "read") for row in orders[:: place + 2]])
    staging.stage(run)
    return errors


def _read(client: Client, read: Any, texts: dict[Any, str], errors: list[str], place: int) -> list[Detail]:
    found = []
    for n, (key, text) in enumerate(texts.items()):
        if place and n % 17 == place:  # gone
            found.append(Detail(str(key), None))
            continue
        told = client.tell(read, key, text)
        if isinstance(told, str):
            found.append(Detail(str(key), told))
        else:
            errors.append(f"{key}: {told}")
    return found


def tables(run: Run) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, but for hashes of forgotten people, whose salt is another each time."""
    with run.open() as db:
        names = db.rows(
            """select schema_name, table_name from duckdb_tables()
               where database_name = current_database() and table_name not in ('schema_version', 'forgotten')
               order by all"""
        )
        return {f"{schema}.{table}": db.rows(f"select * from {schema}.{table} order by all") for schema, table in names}
