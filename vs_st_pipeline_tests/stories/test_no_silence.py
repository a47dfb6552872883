"""Whatever paging and filters do, together: raw holds the whole world, or an error says what could not be seen.

`test_switches.py` tries each value alone. Here every pair of values of the reading switches meets at least once, since
a way round one oddity may be shut by another. Each stop of raw is made by itself, so that one that gives up hides no
other. There are three looks: at a new account; after changes, with the customer list not due; and with it due.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts import sync as pipeline
from vs_st_pipeline.routes.contacts.stage_names import STAGES
from vs_st_pipeline.sandbox import SWITCHES, Sandbox
from vs_st_pipeline_tests.support.pairs import SHOP, TEXTING, all_pairs
from vs_st_pipeline_tests.support.story import NOW_AND_ALWAYS, ODALYS, TEST, with_settings

Record = dict[str, Any]

CONTACTS, CUSTOMERS, ORDERS = (name for name in STAGES if name.startswith("raw/"))
SAMPLE = 10  # cases of each test in `make test`; the others count as pytest.mark.slow
EVERY_STOP = (CONTACTS, CUSTOMERS, ORDERS)
LINNEA, NEWCOMER, JUST_JOINED = "7075550152", "7075550177", 700300
FULL_DAY = 28  # more than a page of 25
CHANGING = ("paging", "page_cap", "date_filter", "dup_rows", "total_key", "customers_paging", "customers_page_cap")


def combinations(system: str, names: Sequence[str]) -> list[Any]:
    """Test parameters, each named by what is not the default."""
    found = []
    for row in all_pairs({name: SWITCHES[system][name] for name in names}):
        odd = [f"{name}={value}" for name, value in row.items() if value != SWITCHES[system][name][0]]
        marks = [pytest.mark.slow] if len(found) % 3 else []  # two of three in `make proof` only
        found.append(pytest.param(row, id=",".join(odd) or "defaults", marks=marks))
    return found


# --- the world as it is, and raw as it is -------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """All records of the test winery at a moment, by id."""

    customers: dict[int, Record]
    orders: dict[str, Record]
    contacts: dict[str, Record]

    @property
    def linked(self) -> set[int]:
        """Customers whom an opted-in contact may stand for: by phone, or named by the contact."""
        opted_in = [c for c in self.contacts.values() if c["subscriptionStatus"] == "OPT_IN"]
        phones = {contact["contactPhone"] for contact in opted_in}
        told = {str(contact["customFields"].get("vscustomerid") or "").strip() for contact in opted_in}
        return {id for id, c in self.customers.items() if str(id) in told or phone_of(c) in phones}


def phone_of(customer: Record) -> str | None:
    """Ten digits of a North American phone."""
    phone = customer["primaryPhone"] or {"number": "", "country": "1"}
    found = re.fullmatch(r"\D*1?\D*(\d{3})\D*(\d{3})\D*(\d{4})(?: x\d+)?", phone["number"] or "")
    return "".join(found.groups()) if found and phone["country"] == "1" else None


def raw(db: Db, table: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = db.rows(f"select {columns} from raw.{table} where {where}")
    return found


def ids_wrong(what: str, held: set[Any], before: set[Any], after: set[Any]) -> list[str]:
    """What was there before a look must be held; what came while it lasted may be; nothing else."""
    return [f"{what} {id} is missing" for id in sorted(before & after - held)] + [
        f"{what} {id} does not exist" for id in sorted(held - after)
    ]


def customers_wrong(db: Db, before: World, after: World) -> list[str]:
    """How raw's customers differ from the world's."""
    rows = raw(db, "vinoshipper_customers", "customer_id, list_body, detail_body", "deleted_at is null")
    wrong = ids_wrong("customer", {row[0] for row in rows}, set(before.customers), set(after.customers))
    shown = ("id", "email", "firstName", "lastName", "primaryPhone")
    for id, listed, detail in rows:
        now = after.customers.get(id, {})
        if listed and any(json.loads(listed)[key] != now.get(key) for key in shown):
            wrong.append(f"customer {id} is listed otherwise")
        if id in after.linked & before.linked and (not detail or json.loads(detail) != now):
            wrong.append(f"customer {id} has another detail")
    return wrong


def orders_wrong(db: Db, before: World, after: World) -> list[str]:
    """How raw's orders differ from the world's: those of linked customers by their details, others by search rows."""
    known = {row[0] for row in raw(db, "vinoshipper_customers", "customer_id", "deleted_at is null")}
    linked = after.linked & before.linked
    columns, there = "order_number, customer_id, search_body, detail_body", "detail_status is distinct from 404"
    rows = raw(db, "vinoshipper_orders", columns, there)
    held = {row[0] for row in rows}
    # R24: what is not there is said not to be; the shop's days may be those of another zone.
    told = {row[0] + timedelta(days=days) for row in raw(db, "unseen_windows", "day", "told") for days in (-1, 0, 1)}
    wrong = [
        f"order {number} is missing"
        for number in sorted(set(before.orders) & set(after.orders) - held)
        if datetime.fromisoformat(before.orders[number]["purchasedAt"]).date() not in told
    ]
    for number, owner, row, detail in rows:
        now = after.orders.get(number)
        if owner in linked and owner not in known:
            continue  # the customers could not be seen, and were said not to be; nobody asks for his details
        if now is None:
            wrong.append(f"order {number} does not exist")
        elif owner in linked:
            if not detail or json.loads(detail) != now:
                wrong.append(f"order {number} has another detail")
        elif (told := json.loads(row)) and (
            any(told.get(key) != now[key] for key in ("orderNumber", "orderStatus", "purchasedAt", "shippedAt"))
            or (told["saleAmount"], told["customer"]["id"], owner) != (now["total"], *[now["customer"]["id"]] * 2)
        ):
            wrong.append(f"order {number} is found otherwise")
    return wrong


def contacts_wrong(db: Db, before: World, after: World) -> list[str]:
    """How raw's contacts differ from the world's; a time that moves while the list is read may be either."""
    rows = raw(db, "simpletexting_contacts", "contact_id, body", "not gone")
    wrong = ids_wrong("contact", {row[0] for row in rows}, set(before.contacts), set(after.contacts))
    labels = {"VScustomerID": "vscustomerid", "Favorite Varietal": "favorite_varietal"}
    for id, text in rows:
        told, now = json.loads(text), after.contacts.get(id, {})
        fields = {labels.get(key, key): value for key, value in (told.get("customFields") or {}).items()}
        if any(
            (told.get(key) or None) != (now.get(key) or None)
            for key in ("contactPhone", "subscriptionStatus", "firstName")
        ):
            wrong.append(f"contact {id} says something else")
        if any((fields.get(tag) or None) != now.get("customFields", {}).get(tag) for tag in labels.values()):
            wrong.append(f"contact {id} has other fields")
    return wrong


Wrong = Callable[[Db, World, World], list[str]]
ORACLE: dict[str, Wrong] = {CONTACTS: contacts_wrong, CUSTOMERS: customers_wrong, ORDERS: orders_wrong}
NAMES = {CONTACTS: "contact list", CUSTOMERS: "customer list", ORDERS: "order"}


# --- looks --------------------------------------------------------------------------------------------------------


class Eye:
    """Looks at one world again and again; each test has raw tables of its own."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self.warehouse = warehouse_at(folder / "data")
        quick = {"requests_per_second": 100_000}
        box.write_settings(
            folder,
            give_up_after="2s",
            vinoshipper={**quick, "refresh": NOW_AND_ALWAYS, "history_from": "2025-01-01"},
            simpletexting=quick,
        )
        self.settings: Merchant = read_merchants(folder / "merchants.yaml", {}).merchants[0]
        self.count = 0
        self.now = datetime.now(UTC)

    def begin(self) -> None:
        """The world as at the start, some more orders, and empty tables."""
        self.box.reset()
        self.count += 1
        self.merchant = replace(self.settings, id=f"look-{self.count}")
        shop = self.box.vinoshipper.control
        for i in range(FULL_DAY):  # a release: all on one day, by linked customers and others
            at = f"2026-03-05T10:{i:02d}:00-08:00"
            shop.add_order((700101, 700108, 700126)[i % 3], orderNumber=f"DAY{i:02d}", purchasedAt=at, total="30.00")
        for i in range(8):
            at = (self.now - timedelta(days=20 * i + 15)).isoformat(timespec="seconds")
            shop.add_order((700101, 700126)[i % 2], orderNumber=f"OPEN{i}", purchasedAt=at, total="40.00")

    def go_on_from(self, file: Path) -> None:
        """Tables as another look left them."""
        shutil.copy(file, self.warehouse.folder(self.merchant.id) / file.name)

    def changes(self) -> None:
        """What happens between two looks."""
        shop, texting = self.box.vinoshipper.control, self.box.simpletexting.control
        now = datetime.now(UTC).isoformat(timespec="seconds")
        shop.add_order(700108, orderNumber="NEW1", purchasedAt=now, total="20.00")
        for i in range(7):  # more than a small page
            shop.add_order(700126, orderNumber=f"NEW2{i}", purchasedAt=now, total="21.00")
        shop.patch_order("OPEN2", orderStatus="SHIPPED", shippedAt=now)
        shop.delete_order("TW 2026/0006")
        phone = {"number": NEWCOMER, "country": "1", "extension": None}
        shop.add_customer(id=JUST_JOINED, firstName="Just", lastName="Joined", primaryPhone=phone)
        shop.add_order(JUST_JOINED, orderNumber="NEW3", purchasedAt=now, total="22.00")
        texting.add_contact(LINNEA)
        texting.add_contact(NEWCOMER)
        texting.opt_out(ODALYS)

    def world(self) -> World:
        shop, texting = self.box.vinoshipper.control, self.box.simpletexting.control
        return World(
            {record["id"]: record for record in shop.customers(TEST)},
            {record["orderNumber"]: record for record in shop.orders(TEST)},
            {record["contactId"]: record for record in texting.contacts(TEST)},
        )

    def look(
        self,
        stops: tuple[str, ...],
        may_fail: Callable[[str], bool] = lambda _: False,
        unseen: tuple[int, str] = (0, "-"),
        **refresh: Any,
    ) -> list[str]:
        """Make these stops one by one; what raw then holds wrongly though nothing was said, and unfit errors.

        Args:
            may_fail: whether a stop may say that it could not see everything.
            unseen: a customer whom this look need not see yet, and how the numbers of such orders end.
            refresh: intervals, where not everything is to be read.
        """
        merchant = with_settings(self.merchant, "vinoshipper", refresh=refresh)
        before = self.world()
        before.customers.pop(unseen[0], None)
        for number in [number for number in before.orders if number.endswith(unseen[1])]:
            del before.orders[number]
        errors = {
            stop: pipeline.run_stages(Run(merchant, self.warehouse, lambda: datetime.now(UTC)), [stop]).error
            for stop in stops
        }
        after, silent = self.world(), []
        with self.warehouse.open(merchant.id) as db:
            for stop, error in errors.items():
                if error is None:
                    silent += [f"{stop}: {wrong}" for wrong in ORACLE[stop](db, before, after)]
                elif error.kind != "bad_answer" or NAMES[stop] not in error.message or not may_fail(stop):
                    silent.append(f"{stop}: {error.kind}, {error.message}")
        return silent


@pytest.fixture(scope="module")
def eye_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eye]:
    with Sandbox("small") as box:
        eye = Eye(box, tmp_path_factory.mktemp("silence"))
        yield eye


@pytest.fixture
def eye(eye_of_module: Eye) -> Eye:
    eye_of_module.begin()
    return eye_of_module


# --- no combination is silent -------------------------------------------------------------------------------------


DEFAULTS = {name: SWITCHES["vinoshipper"][name][0] for name in SHOP}


def shop_may_give_up(switches: Record) -> Callable[[str], bool]:
    """Where there is no way round: then, and only then, a stop may say that it could not see everything."""
    page = switches["customers_page_cap"]
    customers = switches["short_list"] or (switches["customers_paging"] == "ignored" and page < 25)
    narrow = switches["date_filter"] == "ignored" or switches["page_cap"] < 25 or switches["dup_rows"]
    orders = switches["paging"] == "none" and narrow
    return lambda stop: bool({CUSTOMERS: customers, ORDERS: orders}.get(stop))


# What two switches do together where a third one has its default, and no pair above has it so.
MORE = [pytest.param({**DEFAULTS, "orders_change_while_paged": True, "total_key": "total"}, id="arrival told by total")]


@pytest.mark.parametrize("switches", [*combinations("vinoshipper", SHOP), *MORE])
def test_no_pair_of_switches_at_the_shop_hides_anything_silently(eye: Eye, switches: Record) -> None:
    shop, may_fail = eye.box.vinoshipper.control, shop_may_give_up(switches)
    found: dict[str, list[str]] = {}
    shop.set_switches(switches)
    found["new account"] = eye.look(EVERY_STOP, may_fail)
    eye.changes()
    shop.set_switches(switches)  # what happens once, while pages are turned, happens again
    unseen = (
        0 if switches["customer_search"] == "works" else JUST_JOINED,
        # What comes in with an old date while its window is read shows nowhere but in a total.
        "-LATE" if switches["total_key"] == "none" or switches["envelope"] == "array" else "-",
    )
    found["list not due"] = eye.look(EVERY_STOP, may_fail, unseen, customer_list=timedelta(hours=1))
    found["list due"] = eye.look((CUSTOMERS,), may_fail)
    assert [f"{when}: {wrong}" for when, silent in found.items() for wrong in silent] == []


ENDS = (
    ("paging", "page_cap", "dup_rows", "total_key", "order_total", "order_sort"),
    ("customers_paging", "customers_page_cap", "customers_total", "customers_order", "customers_past_the_end"),
)


def ends() -> Iterator[Any]:
    """All pairs, and orders of several rows that shuffle with all that such a list may tell and do else."""
    for names in ENDS:
        yield from combinations("vinoshipper", names)
    for cap, key, total in ((5, "none", "true"), (25, "total", "true"), (5, "total", "page"), (25, "none", "true")):
        yield pytest.param(
            {"dup_rows": True, "order_sort": "shuffled", "page_cap": cap, "total_key": key, "order_total": total},
            id=f"several rows, shuffled, pages of {cap}, {key}, {total}",
        )


@pytest.mark.parametrize("switches", list(ends()))
def test_no_pair_of_what_tells_the_end_of_a_list_hides_anything_silently(eye: Eye, switches: Record) -> None:
    """C10, C11, C22: totals, sorting, paging and shuffling, whatever they do together."""
    totals = {switches.get("customers_total"): CUSTOMERS, switches.get("order_total"): ORDERS}

    def may_fail(stop: str) -> bool:
        lies = stop == CUSTOMERS and switches.get("customers_paging") == "ignored"
        return stop in (totals.get("more"), totals.get("huge")) or lies

    eye.box.vinoshipper.control.set_switches(switches)
    found = {"new account": eye.look((CONTACTS, CUSTOMERS, ORDERS), may_fail)}
    eye.changes()
    found["list due"] = eye.look((CONTACTS, CUSTOMERS, ORDERS), may_fail)
    assert [f"{when}: {wrong}" for when, silent in found.items() for wrong in silent] == []


@pytest.mark.slow
@pytest.mark.parametrize("switches", combinations("vinoshipper", CHANGING))
def test_a_shop_that_changes_its_ways_hides_nothing_silently(
    eye: Eye, seen: tuple[Path, World], switches: Record
) -> None:
    """What was learnt of the shop is not what it does from now on."""
    eye.go_on_from(seen[0])
    may_fail = shop_may_give_up({**DEFAULTS, **switches})
    other_names = switches["paging"] != "pageIndex"  # those that were learnt have no effect any more
    eye.changes()
    eye.box.vinoshipper.control.set_switches(switches)
    assert eye.look(EVERY_STOP, lambda stop: may_fail(stop) or (stop == ORDERS and other_names)) == []


def test_an_order_that_goes_while_its_page_is_turned_takes_no_other_with_it(eye: Eye) -> None:
    """The rows after it move up by one, and the first of the next page is on none; the total tells."""
    shop = eye.box.vinoshipper.control
    shop.set_switch("total_key", "total")
    assert eye.look((ORDERS,)) == []
    turns = page_turns(eye, "2026-03-05")
    eye.begin()
    shop.set_switch("total_key", "total")
    change = {"kind": "orders", "op": "delete", "id": f"DAY{FULL_DAY - 1}"}
    shop.add_hook(change, on="request", nth=turns[0], path_regex="/orders$")
    assert eye.look((ORDERS,)) == []
    assert f"DAY{FULL_DAY - 1}" not in eye.world().orders


def test_where_no_total_tells_it_the_reconciliation_brings_what_slipped_between_two_pages(eye: Eye) -> None:
    """Only a second reading of every page could know it at once; it is known within the reconciliation's period."""
    shop = eye.box.vinoshipper.control
    day = (eye.now - timedelta(days=9)).date().isoformat()

    def release() -> None:
        for i in range(FULL_DAY):
            at = f"{day}T10:{i:02d}:00-08:00"
            shop.add_order((700101, 700108)[i % 2], orderNumber=f"REL{i:02d}", purchasedAt=at, total="30.00")

    release()
    assert eye.look((ORDERS,)) == []
    turns = page_turns(eye, day)
    eye.begin()
    release()
    change = {"kind": "orders", "op": "delete", "id": f"REL{FULL_DAY - 1}"}
    shop.add_hook(change, on="request", nth=turns[0], path_regex="/orders$")
    assert len(eye.look((ORDERS,))) == 1
    assert eye.look((ORDERS,)) == []


def page_turns(eye: Eye, day: str) -> list[int]:
    """Which searches so far asked for a second page of a window that holds this day."""
    searches = [e["query"] for e in eye.box.vinoshipper.control.journal(TEST) if e["path"].endswith("/orders")]
    return [
        number
        for number, asked in enumerate(searches, 1)
        if asked.get("pageIndex") == "1" and str(asked["processed.start"]) <= day < str(asked["processed.end"])
    ]


def texting_may_give_up(switches: Record) -> Callable[[str], bool]:
    """Only a list that tells more than it gives has no way round."""
    return lambda stop: stop == CONTACTS and bool(switches["short_list"])


@pytest.mark.parametrize("begin", [pytest.param("so from the start", marks=pytest.mark.slow), "later"])
@pytest.mark.parametrize("switches", combinations("simpletexting", TEXTING))
def test_no_pair_of_switches_at_the_texting_service_hides_anything_silently(
    eye: Eye, seen: tuple[Path, World], switches: Record, begin: str
) -> None:
    texting, may_fail = eye.box.simpletexting.control, texting_may_give_up(switches)
    found: dict[str, list[str]] = {}
    if begin == "later":
        eye.go_on_from(seen[0])
    else:
        texting.set_switches(switches)
        found["new account"] = eye.look((CONTACTS,), may_fail)
    eye.changes()
    texting.set_switches(switches)
    found["updated since"] = eye.look((CONTACTS,), may_fail)
    texting.delete_contact(NEWCOMER)
    eye.merchant = with_settings(eye.merchant, "simpletexting", full_read=timedelta(0))
    found["all again"] = eye.look((CONTACTS,), may_fail)
    assert [f"{when}: {wrong}" for when, silent in found.items() for wrong in silent] == []


# --- and the oracle can tell --------------------------------------------------------------------------------------

SPOILT = {
    "a customer is lost": (CUSTOMERS, "delete from raw.vinoshipper_customers where customer_id = 700102"),
    "a customer is made up": (CUSTOMERS, "insert into raw.vinoshipper_customers (customer_id) values (1)"),
    "a customer is old news": (
        CUSTOMERS, "update raw.vinoshipper_customers set list_body = replace(list_body, 'Linnea', 'Nea')",
    ),
    "a detail is old news": (
        CUSTOMERS, "update raw.vinoshipper_customers set detail_body = replace(detail_body, 'Sebastopol', 'Bodega')",
    ),
    "an order is lost": (ORDERS, "delete from raw.vinoshipper_orders where order_number = 'DAY27'"),
    "an order is made up": (
        ORDERS, "insert into raw.vinoshipper_orders (order_number, search_body) values ('0', '{}')",
    ),
    "an order of somebody linked is old news": (
        ORDERS, "update raw.vinoshipper_orders set detail_body = replace(detail_body, 'OPEN', 'SHIPPED')",
    ),
    "an order of somebody else is old news": (
        ORDERS, "update raw.vinoshipper_orders set search_body = replace(search_body, 'OPEN', 'SHIPPED')",
    ),
    "an order is taken for gone": (
        ORDERS, "update raw.vinoshipper_orders set detail_status = 404 where order_number = 'DAY00'",
    ),
    "a contact is lost": (
        CONTACTS, "delete from raw.simpletexting_contacts where body like '%7075550142%'",
    ),
    "a contact is taken for gone": (
        CONTACTS, "update raw.simpletexting_contacts set gone = true where body like '%7075550142%'",
    ),
    "a contact is old news": (
        CONTACTS, "update raw.simpletexting_contacts set body = replace(body, 'OPT_OUT', 'OPT_IN')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_the_oracle_sees_what_is_spoilt(eye: Eye, seen: tuple[Path, World], what: str) -> None:
    kept, world = seen
    stop, sql = SPOILT[what]
    eye.go_on_from(kept)
    with eye.warehouse.open(eye.merchant.id) as db:
        assert ORACLE[stop](db, world, world) == []
        db.execute(sql)
        assert ORACLE[stop](db, world, world) != []


@pytest.fixture(scope="module")
def seen(eye_of_module: Eye) -> tuple[Path, World]:
    """Tables after a good look, and the world that was looked at."""
    eye_of_module.begin()
    assert eye_of_module.look(EVERY_STOP) == []
    return eye_of_module.warehouse.file(eye_of_module.merchant.id), eye_of_module.world()


def test_all_pairs_meet() -> None:
    values = {name: SWITCHES["vinoshipper"][name] for name in SHOP}
    rows = list(all_pairs(values))
    for a, b in itertools.combinations(values, 2):
        met = {(repr(row[a]), repr(row[b])) for row in rows}
        assert met == {(repr(x), repr(y)) for x in values[a] for y in values[b]}
