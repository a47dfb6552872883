"""What the stories of route `orders` share: a world with its settings, the real command, acts at both shops, a judge.

The judge (`wrong`) holds after every story, whatever it is about (orders.md 12), by the stand-ins' own books: no order
of Commerce7 is accepted twice, nobody is mailed twice, nothing goes to a state that was not chosen, every paid order is
accepted or listed with a code, what was accepted is to the cent what the shop says, and nobody's data is anywhere.

It is long because stories, switches and kills are told in one set of words.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.pipeline.evidence_file import evidence_path
from vs_st_pipeline.platform.http import rate_limit
from vs_st_pipeline.platform.http.client import HttpClient
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.clients import VinoshipperControl
from vs_st_pipeline.sandbox.core.order_clients import Commerce7Control
from vs_st_pipeline.sandbox.core.order_findings import order_findings
from vs_st_pipeline.sandbox.scenarios.orders_accounts import account_of
from vs_st_pipeline_tests.support import unpaced
from vs_st_pipeline_tests.support.commanding import Commanding, forget_files
from vs_st_pipeline_tests.support.opened_files import opened
from vs_st_pipeline_tests.support.receiving import SECRET, receiving

Record = dict[str, Any]

HILLSIDE, BLUE_OAK = "hillside", "blue-oak"
ROUTE, COMMERCE7, VINOSHIPPER = "orders", "commerce7", "vinoshipper"
ALWAYS = dict.fromkeys(("shipped", "open", "settled", "products", "reconcile"), "0s")
SENT, FAILED, NOT_REQUIRED, VOIDED, WAITING = "sent", "failed", "not_required", "voided", "waiting"
ODD_THERE = {"problem_there", "missing_there", "gone_at_commerce7", "revived_there"}
"""Notes of a sent order that Vinoshipper does not show as accepted, or that the shop has no more."""
OTHER_NOW = {"changed_after_sent", "differs_there", "gone_at_commerce7"}
"""Notes of an order that is not at Vinoshipper what the shop says now."""
NUMBER_TAKEN = "number_taken"
CALLS_ENDED = {"sent", "failed", "dropped"}
HURRY = 20.0  # waits between tries are so many times shorter
STREET, BORN, SAID = "1 Sample Street", "1980-05-17", ("Cheers,", "Leave with neighbor")


@dataclass
class Scene(Commanding):
    """A world, its settings and its data folder.

    Attributes:
        shift: by how much the present is later than the clock's.
        states: that the settings choose; None: those of the world.
        paced: whether processes keep Commerce7's pace.
        said: what all commands but `plan` have said.
    """

    route = ROUTE

    box: Sandbox
    folder: Path
    merchant: str = HILLSIDE
    shift: timedelta = timedelta()
    more_environment: dict[str, str] = field(default_factory=dict)
    states: tuple[str, ...] | None = None
    paced: bool = False
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        self.inbox = Inbox(self.data)

    @property
    def shop(self) -> Commerce7Control:
        """Commerce7's stand-in."""
        return self.box.commerce7.control

    @property
    def shipper(self) -> VinoshipperControl:
        """Vinoshipper's stand-in."""
        return self.box.vinoshipper.control

    @property
    def now(self) -> datetime:
        """What the command takes for now."""
        return datetime.now(UTC) + self.shift

    # How it begins.

    def settings(self, *edits: Callable[[Record], None], **orders: Any) -> Path:
        """Write the merchants file; edits are of this merchant's entry, the rest goes into its section `orders`."""
        path = self.box.write_settings(self.folder, give_up_after="2s")
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in whole["merchants"]:
            entry["orders"].setdefault("refresh", dict(ALWAYS))
            if entry["id"] == self.merchant:
                entry["orders"] |= orders
                if entry["orders"]["refresh"] is None:
                    del entry["orders"]["refresh"]
                for edit in edits:
                    edit(entry)
                self.states = tuple(entry["orders"]["states"])
        path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        return path

    def begin(self, *, limit: int | None = None) -> None:
        """Begin in a world as it was at its start; the shop's limit a minute is lifted but where it is given."""
        self.box.reset()
        self.shift = timedelta()
        self.shop.set_switch("limit_per_minute", limit)

    def begin_alone(self) -> None:
        """Begin in a world where nothing was ordered yet."""
        self.begin()
        self.empty()

    def empty(self) -> None:
        """Let there be no orders at either shop, so that a story is about its own alone."""
        for merchant in self.box.merchants:
            for order in self.shop.orders(merchant.id):
                self.shop.delete("orders", order["id"], merchant.id)
            for order in self.shipper.orders(merchant.id):
                self.shipper.delete_order(order["orderNumber"], merchant.id)

    # What happens at the shops.

    def place(self, *skus: str, **fields: Any) -> Record:
        """Let somebody order and pay, a bottle of each SKU; the rest as `Commerce7Control.place` takes it."""
        if skus:
            fields["lines"] = [{"sku": sku, "quantity": n} for sku, n in Counter(skus).items()]
        return self.shop.place(self.merchant, **fields)

    def order(self, order: Record | str | int) -> Record:
        """An order as the shop has it now."""
        return self.shop.order(order["id"] if isinstance(order, dict) else order, self.merchant)

    def change(self, order: Record, touch: bool = True, **fields: Any) -> Record:
        """Change an order as somebody at the shop does."""
        return self.shop.patch_order(order["id"], self.merchant, touch, **fields)

    def refund(self, order: Record, lines: dict[str, int] | None = None, **more: Any) -> Record:
        """Refund an order, wholly where no lines are said."""
        return self.shop.refund(order["id"], lines, self.merchant, **more)

    def exchange(self, order: Record, **more: Any) -> Record:
        """Exchange a bottle of an order."""
        return self.shop.exchange(order["id"], self.merchant, **more)

    def number(self, order: Record) -> str:
        """Under which number Vinoshipper holds an order."""
        prefix = account_of(self.merchant).prefix
        return f"{prefix}-{order['orderNumber']}"

    def there(self, order: Record) -> Record | None:
        """An order as Vinoshipper has it, None: not there."""
        held = {one["orderNumber"]: one for one in self.shipper.orders(self.merchant)}
        return held.get(self.number(order))

    def go(self, order: Record, to: str, **how: Any) -> Record:
        """Let a parcel go on to a stage."""
        return self.shipper.advance(self.number(order), self.merchant, to=to, **how)

    def label(self, order: Record, **how: Any) -> Record:
        """A label is printed."""
        return self.go(order, "LABELS_GENERATED", **how)

    def scan(self, order: Record, **how: Any) -> Record:
        """The carrier scans the parcel."""
        return self.go(order, "SHIPPED", **how)

    def deliver(self, order: Record, **how: Any) -> Record:
        """The parcel is there."""
        return self.go(order, "DELIVERED", **how)

    def cancel_there(self, order: Record) -> Record:
        """Somebody at Vinoshipper cancels it."""
        return self.shipper.cancel_order(self.number(order), self.merchant)

    def later(self, **gap: float) -> None:
        """Let time go by, here and at the stand-ins."""
        self.shift += timedelta(**gap)
        for handle in (self.box.commerce7, self.box.vinoshipper):
            handle.control.move_clock(timedelta(**gap).total_seconds())

    # The command.

    def clock(self) -> datetime | None:
        """What the command is to take for now; None: the machine's time."""
        return self.now if self.shift else None

    def module(self) -> str:
        """What a process of its own runs."""
        return "vs_st_pipeline.cli.main" if self.paced else super().module()

    def orders(self, action: str, *orders: Record | str, exits: int | None = 0, **options: str) -> list[Record]:
        """`vs-st orders ACTION ORDER... --json`; what it says of each order.

        Args:
            exits: the code that it must end with; None: any.
            options: such as `accept="late"`, `reason="..."`; a bare one by `yes=""`.
        """
        named = [str(one["orderNumber"]) if isinstance(one, dict) else one for one in orders]
        more = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value) if word]
        done = self.run(ROUTE, action, "--merchant", self.merchant, *named, *more, "--json")
        assert exits is None or done.exit_code == exits, done
        found: list[Record] = done.json["orders"]
        return found

    def void(self, order: Record) -> tuple[int, Record]:
        """`vs-st orders void ORDER --reason ... --yes --json`: the exit code, and what is said of the order."""
        named = ("--merchant", self.merchant, str(order["orderNumber"]))
        done = self.run(ROUTE, "void", *named, "--reason", "Customer moved", "--yes", "--json")
        return done.exit_code, done.json["orders"][0]

    def listed(self, *arguments: str) -> dict[str, Record]:
        """`vs-st orders list --json`, by id."""
        done = self.run(ROUTE, "list", "--merchant", self.merchant, "--limit", "1000000", "--json", *arguments)
        assert done.exit_code == 0, done
        return {one["order_id"]: one for one in done.json["orders"]}

    def show(self, order: Record | str) -> Record:
        """`vs-st orders show ORDER --json`."""
        named = str(order["orderNumber"]) if isinstance(order, dict) else order
        done = self.run(ROUTE, "show", "--merchant", self.merchant, named, "--json")
        assert done.exit_code == 0, done
        found: Record = done.json
        return found

    def stands(self, order: Record) -> tuple[str, str | None]:
        """State and code of an order."""
        found = self.listed()[order["id"]]
        return found["state"], found["code"]

    # Webhooks.

    @contextmanager
    def receiving_here(self) -> Iterator[int]:
        """Let a receiver run in a thread of this process, which is cheaper; webhooks are registered."""
        whole = yaml.safe_load((self.folder / "merchants.yaml").read_text(encoding="utf-8"))
        environ = {"VS_ST_HOOK_SECRET": "env:HOOK_SECRET", "HOOK_SECRET": SECRET}
        given = (self.folder, whole["merchants"])
        with receiving(*given, inbox=self.inbox, defaults=whole["defaults"]) as receiver:
            self.more_environment |= {**environ, "VS_ST_PUBLIC_URL": f"http://127.0.0.1:{receiver.port}"}
            self._registered()
            yield receiver.port

    def _registered(self) -> None:
        done = self.run("webhooks", "register", "--merchant", self.merchant, "--json")
        assert done.exit_code == 0, done
        for handle in (self.box.commerce7, self.box.vinoshipper):
            handle.control.set_switch("auto_webhooks", "on")

    @contextmanager
    def receiving(self) -> Iterator[int]:
        """Let `vs-st receive` run, in a process of its own; all commands know its URL, and webhooks are registered."""
        secret = self.folder / "hook_secret"
        secret.write_text("made up for the tests, and longer than it has to be", encoding="utf-8")
        secret.chmod(0o600)
        self.more_environment["VS_ST_HOOK_SECRET"] = f"file:{secret}"
        receiver = self.start("receive", "--port", "0", "--json")
        assert receiver.stdout is not None
        try:
            line = receiver.stdout.readline()
            assert line, receiver.communicate()
            port = int(json.loads(line)["port"])
            self.more_environment["VS_ST_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
            self._registered()
            yield port
        finally:
            receiver.terminate()
            _, said = receiver.communicate(timeout=20)
            self.said.append(said)

    def called(self) -> None:
        """Wait until every call of a webhook has ended."""
        for handle in (self.box.commerce7, self.box.vinoshipper):
            until(partial(_are_over, handle.control))

    def worked(self, *arguments: str) -> list[Record]:
        """`vs-st work --once --json`: its reports."""
        done = self.run("work", "--once", "--json", *arguments)
        assert done.exit_code == (0 if all(one["status"] == "ok" for one in done.json["merchants"]) else 1), done
        found: list[Record] = done.json["merchants"]
        return found

    # What came of it.

    def journal(self, system: str) -> list[Record]:
        """Requests of this merchant to a system, since the journals were cleared."""
        found: list[Record] = self.box.running[system].control.journal(self.merchant)
        return found

    def asked(self, system: str) -> Counter[str]:
        """How often what was asked of a system: `GET order/{id}`, `POST orders`."""
        return Counter(f"{one['method']} {_words(one['path'])}" for one in self.journal(system))

    def writes(self) -> list[str]:
        """Requests that change something at either shop, since the journals were cleared."""
        both = [entry for system in (COMMERCE7, VINOSHIPPER) for entry in self.journal(system)]
        return [f"{entry['method']} {entry['path']}" for entry in both if is_write(entry)]

    def clear_journals(self) -> None:
        """Forget all requests so far."""
        for handle in self.box.running.values():
            handle.control.clear_journal()

    def accepted(self, order: Record) -> list[str]:
        """Numbers under which Vinoshipper accepted an order, ever."""
        return self.shipper.accepted(self.merchant).get(order["id"], [])

    def mails(self, order: Record) -> list[Record]:
        """What the customer was mailed about an order."""
        return [mail for mail in self.shop.mails(self.merchant) if mail["order_id"] == order["id"]]

    def told(self, order: Record) -> list[str]:
        """First lines of what we told the shop of an order, oldest first."""
        return [one["issues"][0]["issue"] for one in self.shop.said(order["id"], self.merchant) if one["issues"]]

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Record]:
        """Rows of the route's file, as objects."""
        with opened(self.data, self.merchant, ROUTE) as db:
            names = [row[0] for row in db.rows(f"describe {sql}", values)]
            return [dict(zip(names, row, strict=True)) for row in db.rows(sql, values)]

    # What is lost.

    @property
    def home(self) -> Path:
        """The merchant's folder."""
        return self.data / "merchants" / self.merchant

    @property
    def evidence(self) -> Path:
        """Where order numbers in use are kept besides (R35)."""
        return evidence_path(self.home, ROUTE)

    def keep(self, name: str) -> None:
        """Keep a copy of the merchant's folder, to be put back later."""
        shutil.rmtree(self.folder / f"kept-{name}", ignore_errors=True)
        forget_files()
        shutil.copytree(self.home, self.folder / f"kept-{name}")

    def put_back(self, name: str, *, evidence: bool = False) -> None:
        """Put an older database back, and the older evidence too where that is said."""
        forget_files()
        kept, today = self.folder / f"kept-{name}", self.evidence.read_bytes() if self.evidence.exists() else b""
        shutil.rmtree(self.home)
        shutil.copytree(kept, self.home)
        if not evidence and today:
            self.evidence.write_bytes(today)
            self.evidence.chmod(0o600)

    def lose(self, *, database_alone: bool = False) -> None:
        """Lose the data folder, or the database alone."""
        forget_files()
        self.inbox.close()
        if not database_alone:
            shutil.rmtree(self.data, ignore_errors=True)
            return
        for path in self.home.iterdir():
            if path != self.evidence:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    # The judge.

    def wrong(self, *, settled: bool = True) -> list[str]:
        """Return what no story may ever leave behind; nothing, if all is well.

        Args:
            settled: nothing is under way any more, so every paid order must be accepted or have a code.
        """
        found = [f"a finding: {one}" for one in self.box.findings() if one["what"] != "state_not_chosen"]
        found += [
            f"a finding: {one}"
            for one in order_findings(self.box.running, self.states)
            if one["what"] == "state_not_chosen" and one["merchant"] == self.merchant
        ]
        twice = self.shipper.accepted(self.merchant).items()
        found += [f"accepted more than once: {id} as {numbers}" for id, numbers in twice if len(numbers) > 1]
        mailed = Counter(mail["order_id"] for mail in self.shop.mails(self.merchant) if mail["by"] == "api")
        found += [f"mailed {times} times about {id}" for id, times in mailed.items() if times > 1]
        listed = self.listed() if self.home.exists() else {}
        orders = {one["id"]: one for one in self.shop.orders(self.merchant) if "id" in one}
        found += self._unlike(listed, orders)
        if settled:
            found += self._lost(listed, orders)
        return found + [f"a leak of {one}" for one in self.leaks()]

    def _held(self) -> dict[str, Record]:
        """What Vinoshipper holds of the shop's orders, by their ids; corrections are none."""
        by_number = {self.number(one): one["id"] for one in self.shop.orders(self.merchant) if "orderNumber" in one}
        found: dict[str, Record] = {}
        for held in self.shipper.orders(self.merchant):
            meta = held.get("metaFields") or {}
            id = meta.get("c7_order_id") or by_number.get(held["orderNumber"])
            if id and float(held.get("total") or 0) >= 0:
                found[id] = held
        return found

    def _lost(self, listed: dict[str, Record], orders: dict[str, Record]) -> Iterator[str]:
        """Orders that are neither accepted nor listed with a code, and states that are not so."""
        held, ever = self._held(), self.shipper.accepted(self.merchant)
        start = self._start()
        for id, order in orders.items():
            paid = order.get("orderPaidDate")
            if id not in listed:
                if order.get("paymentStatus") == "Paid" and paid and datetime.fromisoformat(paid) >= start:
                    yield f"paid and not listed: {order.get('orderNumber')}"
                continue
            state, code, noted = (listed[id][key] for key in ("state", "code", "noted"))
            there = held.get(id, {})
            accepted = there.get("status") == "SUCCESS"
            told = f"{order.get('orderNumber')} is {state} {code} {noted}, and {there.get('status')} there"
            told += f", {there.get('orderStatus')}"
            if state not in (SENT, VOIDED) and not code:
                yield f"neither sent nor a code: {told}"
            if state == SENT and not (accepted or ODD_THERE & set(noted)):
                yield f"not accepted: {told}"
            if state == VOIDED and there.get("orderStatus") != "CANCELLED" and there.get("status") != "DELETED":
                yield f"not cancelled: {told}"
            if state not in (SENT, VOIDED) and accepted and not {"accepted_there"} & set(noted) and code not in (
                "number_taken", "pending_there",
            ):  # fmt: skip
                yield f"accepted all the same: {told}"
            if id in ever and state not in (SENT, VOIDED) and accepted and code == "number_taken":
                meta = (there.get("metaFields") or {}).get("c7_order_id")
                if meta == id:
                    yield f"ours, and said to be somebody else's: {told}"

    def _start(self) -> datetime:
        whole = yaml.safe_load((self.folder / "merchants.yaml").read_text(encoding="utf-8"))
        entry = next(one for one in whole["merchants"] if one["id"] == self.merchant)
        start = datetime.fromisoformat(str(entry["orders"]["start"]))
        return start if start.tzinfo else start.replace(tzinfo=UTC) + timedelta(hours=8)

    def _unlike(self, listed: dict[str, Record], orders: dict[str, Record]) -> Iterator[str]:
        """Orders that were sent and are not to the cent what the shop says, and nothing is noted of it."""
        ours = {
            entry["number"] for entry in self.shipper.books(self.merchant) if entry["what"] in ("created", "updated")
        }
        bundles = self._bundles()
        for id, held in self._held().items():
            if held["orderNumber"] not in ours or id not in orders or held.get("status") != "SUCCESS":
                continue
            noted = set(listed.get(id, {}).get("noted") or ())
            if listed.get(id, {}).get("code") == NUMBER_TAKEN:
                noted |= (
                    OTHER_NOW  # an alert says that what stands there is not what the shop sold, and why nothing goes
                )
            odd = differences(orders[id], held, bundles)
            if "fees" in odd and "fees" in self._dropped():  # Vinoshipper knows no such key, and an alert says so
                odd = {name: pair for name, pair in odd.items() if name not in ("fees", "total")}
            if odd and not noted & OTHER_NOW:
                yield f"{held['orderNumber']} is not what the shop says: {odd}"

    def _dropped(self) -> str:
        rows = self.rows("select value from synced.order_facts where name = 'dropped_keys'")
        return str(rows[0]["value"]) if rows else ""

    def _bundles(self) -> str:
        whole = yaml.safe_load((self.folder / "merchants.yaml").read_text(encoding="utf-8"))
        entry = next(one for one in whole["merchants"] if one["id"] == self.merchant)
        return str(entry["orders"].get("bundles", "as_sku"))

    def leaks(self) -> list[str]:
        """What of people and keys stands where it may not: output, logs, and files that are no database."""
        text = "\n".join((*self.said, *self._files())).casefold()
        return sorted(one for one in self.canaries() if one.casefold() in text)

    def canaries(self) -> set[str]:
        """E-mails, phones in their forms, names, streets, birth dates, notes, keys."""
        found = {STREET, BORN, *SAID}
        for merchant in self.box.merchants:
            keys = self.shop.keys(merchant.id)
            found |= {merchant.vs_secret, merchant.vs_key, keys["app_secret"]}
            for one in self.shop.all("customers", merchant.id):
                found |= {row["email"] for row in one["emails"] if "@" in str(row.get("email"))}
                digits = {re.sub(r"\D", "", str(row.get("phone") or ""))[-10:] for row in one["phones"]}
                found |= {form for number in digits for form in (number, f"{number[:3]}-{number[3:6]}-{number[6:]}")}
                found |= {one["lastName"]} if one["lastName"] and " " not in one["lastName"] else set()
        found -= {f"Number{i}" for i in range(10_000)}
        return {one for one in found if one and len(one) >= 6}

    def _files(self) -> Iterator[str]:
        for path in sorted(self.data.rglob("*")):
            if path.is_file() and ".duckdb" not in path.name:
                yield f"{path.name} {path.read_bytes().decode('latin-1')}"


def is_write(entry: Record) -> bool:
    """Say whether a request changes something; both shops are read by POST in places."""
    reads = ("/orders/search", "/check-compliance", "/customers/list", "/customers/exists", "/estimate")
    return entry["method"] != "GET" and not any(word in entry["path"] for word in reads)


def _words(path: str) -> str:
    """A path without ids: `order/{id}`, `orders/{number}/cancel`."""
    parts = path.removeprefix("/v1/").removeprefix("/api/v3/p/").split("/")
    kept = ("search", "fulfillment", "all", "cancel", "check-compliance", "products", "webhooks", "list")
    id = "{number}" if parts[0] == "orders" else "{id}"
    return "/".join(part if i == 0 or part in kept else id for i, part in enumerate(parts))


def _are_over(control: Any) -> bool:
    return {one["state"] for one in control.deliveries()} <= CALLS_ENDED


def until(happened: Callable[[], object], seconds: float = 20.0) -> None:
    """Look again and again until it has happened."""
    ends = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < ends, "it does not happen"
        time.sleep(0.02)


# --- money ------------------------------------------------------------------------------------------------------------


def sums(order: Record) -> dict[str, int]:
    """What an order of the shop comes to in cents: goods that ship, discount, shipping, taxes, fees, total."""
    items = [one for one in order["items"] if one["quantity"] > 0]
    sent = [one for one in items if one.get("hasShipping")]
    goods = sum(one["price"] * one["quantity"] for one in sent)
    discount = sum(one["price"] * one["quantity"] for one in order["items"]) - order["subTotal"]
    taxes = order["taxTotal"]
    if len(sent) < len(order["items"]):
        taxes = sum(one.get("tax") or 0 for one in sent) + sum(way.get("tax") or 0 for way in order["shipping"])
    fees = sum((one.get("bottleDeposit") or 0) * one["quantity"] for one in sent)
    found = {"goods": goods, "discount": discount, "shipping": order["shipTotal"], "taxes": taxes, "fees": fees}
    return {**found, "total": goods - discount + order["shipTotal"] + taxes + fees}


def quantities(order: Record, bundles: str) -> Counter[str]:
    """Bottles by SKU that an order of the shop ships."""
    found: Counter[str] = Counter()
    for one in order["items"]:
        if not one.get("hasShipping") or one["quantity"] <= 0:
            continue
        inside = one.get("bundleItems") if bundles == "as_items" and one.get("type") == "Bundle" else None
        for part in inside or [{"sku": one["sku"], "quantity": 1}]:
            found[part["sku"]] += part["quantity"] * one["quantity"]
    return found


def differences(order: Record, held: Record, bundles: str = "as_sku") -> dict[str, tuple[Any, Any]]:
    """In what an order at Vinoshipper is not what the shop says; whole cents, the shop's word first."""
    there: Counter[str] = Counter()
    for one in held["products"]:
        there[one["sku"]] += one["quantity"]
    goods = sum(_cents(one["price"]) * one["quantity"] for one in held["products"])
    fees = sum(_cents(one["amount"]) for one in held.get("extraFees") or ())
    to, ship = held["shipToAddress"], order["shipTo"]
    says = sums(order)
    both = {
        "bottles": (dict(quantities(order, bundles)), dict(there)),
        "goods": (says["goods"], goods),
        "discount": (says["discount"], _cents(held.get("productDiscount") or 0)),
        "shipping": (says["shipping"], _cents(held["shipping"]["price"])),
        "taxes": (says["taxes"], _cents(held["taxesTotal"])),
        "fees": (says["fees"], fees),
        "total": (says["total"], _cents(held["total"])),
        "state": (str(ship["stateCode"]).upper(), to["stateCode"]),
        "zip": (str(ship["zipCode"])[:5], str(to["postalCode"])[:5]),
        "street": (ship["address"], to["street1"]),
        "rate": (_rate(order), (held["shipping"]["carrier"], held["shipping"]["rateCode"])),
    }
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def _rate(order: Record) -> tuple[str, str]:
    code = str(order["shipping"][0]["code"])
    return "UPS", f"{int(code):02d}" if code.isdigit() else code


def _cents(amount: Any) -> int:
    cents = Decimal(str(amount)) * 100
    assert cents == int(cents), amount
    return int(cents)


# --- around the command -----------------------------------------------------------------------------------------------


@contextmanager
def hurrying() -> Iterator[None]:
    """Make waits between tries shorter and lift Commerce7's pace while it lasts."""
    usual = time.sleep

    def shorter(seconds: float) -> None:
        usual(seconds / HURRY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HttpClient.__init__.__kwdefaults__ or {}, "sleep", shorter)
        patch.setattr(rate_limit, "MINUTE", unpaced.WINDOW)
        yield


def codes(rows: Collection[Record]) -> Counter[tuple[str, str | None]]:
    """How many orders stand how."""
    return Counter((one["state"], one["code"]) for one in rows)
