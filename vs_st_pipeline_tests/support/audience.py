"""What the stories of route `audience` share: a shop with its settings, the real command, acts at the shop, a judge.

The judge (`wrong`) holds after every story, whatever it is about (audience.md 11, 12), by the stand-ins' own books: no
call that may not be, no message of an automation for what was there before all, no record lost or in two parts that
were taken, nobody subscribed who is not at the shop, and nobody's data or key anywhere but where it belongs.

It is long because stories, switches and kills are told in one set of words.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.audience_clients import ShopControl, WaymoreControl
from vs_st_pipeline.sandbox.core.shop_sections import drop_of
from vs_st_pipeline.sandbox.scenarios.shop_worlds import CORNER_SHOP, RIVER_BEND, STONE_MILL
from vs_st_pipeline_tests.support.commanding import Commanding, forget_files
from vs_st_pipeline_tests.support.opened_files import opened
from vs_st_pipeline_tests.support.orders import hurrying

__all__ = ["CORNER_SHOP", "RIVER_BEND", "STONE_MILL", "Scene", "hurrying"]

Record = dict[str, Any]

ROUTE = "audience"
BLOCKS = ("customers", "subscribers", "products", "wishlist", "orders")
OFTEN = 1000  # requests a second: the pace is no part of a story
KILLED = ("second_registration",)
"""What is no fault of a client that was killed: its answer came, and it did not live to keep it."""


@dataclass
class Scene(Commanding):
    """A world, its settings and its data folder.

    Attributes:
        shift: by how much the present is later than the clock's.
        said: what all commands but `plan` have said.
    """

    route = ROUTE
    shows_people = ("plan", "why", "history")

    box: Sandbox
    folder: Path
    merchant: str = CORNER_SHOP
    shift: timedelta = timedelta()
    more_environment: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        self.inbox = Inbox(self.data)
        self.history: dict[str, list[str]] = {}

    @property
    def waymore(self) -> WaymoreControl:
        """WayMore's stand-in."""
        return self.box.waymore.control

    @property
    def shop(self) -> ShopControl:
        """The generic shop's stand-in."""
        return self.box.shop.control

    @property
    def now(self) -> datetime:
        """What the command takes for now."""
        return datetime.now(UTC) + self.shift

    @property
    def is_shop(self) -> bool:
        """Whether the merchant has the generic shop."""
        return self.merchant == CORNER_SHOP

    # How it begins.

    def settings(self, *edits: Callable[[Record], None], **waymore: Any) -> Path:
        """Write the merchants file; edits are of this merchant's entry, the rest goes into its section `waymore`."""
        path = self.box.write_settings(self.folder, give_up_after="2s")
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in whole["merchants"]:
            entry["waymore"]["requests_per_second"] = OFTEN
            if entry["id"] == self.merchant:
                entry["waymore"] |= waymore
                for edit in edits:
                    edit(entry)
        path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        return path

    def begin(self) -> None:
        """Begin in a world as it was at its start, whose shop has dropped nothing yet."""
        self.box.reset()
        self.shift = timedelta()
        shutil.rmtree(self.folder / "drop", ignore_errors=True)
        self.shop.begin_drops(str(drop_of(self.folder, self.merchant)), self.merchant)
        if "commerce7" in self.box.running:
            self.box.commerce7.control.set_switch("limit_per_minute", None)
        if self.is_shop:
            self.history = self.known_now()
            self.waymore.tell(self.merchant, history=self.history)

    def begin_alone(self) -> None:
        """Begin with a shop that has nobody and nothing yet, so that a story is about its own alone."""
        self.begin()
        for table in ("cart_lines", "carts", "order_lines", "orders", "wishlists", "options", "products",
                      "subscribers", "addresses", "customers"):  # fmt: skip
            for row in self.rows_of(table):
                self.remove(table, *_key(table, row))
        self.history = {}
        self.waymore.tell(self.merchant, history={}, consents=[])

    def known_now(self) -> dict[str, list[str]]:
        """What the shop has now, by block: an event must not be the first to tell it."""
        return {
            "customers": [one["customer_id"] for one in self.rows_of("customers")],
            "products": [one["product_id"] for one in self.rows_of("products")],
            "orders": [one["order_id"] for one in self.rows_of("orders")],
        }

    # What happens at the shop.

    def rows_of(self, table: str) -> list[Record]:
        """All rows of a table of the shop."""
        return self.shop.all(table, self.merchant)

    def put(self, table: str, **columns: Any) -> Record:
        """Add a row to a table of the shop; times that are not said are now."""
        return self.shop.add(table, columns, self.merchant)

    def change(self, table: str, *key: Any, **columns: Any) -> Record:
        """Change a row of a table of the shop."""
        return self.shop.patch(table, "/".join(map(str, key)), columns, self.merchant)

    def remove(self, table: str, *key: Any) -> None:
        """Take a row out of a table of the shop."""
        self.shop.delete(table, "/".join(map(str, key)), self.merchant)

    def drop(self, **how: Any) -> Record:
        """Let the shop drop what it has now, and tell WayMore's judge who has opted in."""
        self.consented()
        return self.shop.drop(self.merchant, **how)

    def post(self, *posts: Record, **how: Any) -> list[Record]:
        """Let the shop post."""
        return self.shop.post(*posts, merchant=self.merchant, **how)

    def consents(self) -> set[str]:
        """Addresses that the shop's tables let be told as subscribed: one says yes, none says no."""
        says: dict[str, bool] = {}
        for table, key in (("customers", "opted_in"), ("subscribers", "subscribed")):
            for one in self.rows_of(table):
                if one.get("email") and one.get(key) is not None:
                    address = str(one["email"]).strip().lower()
                    says[address] = says.get(address, True) and one[key] in (True, "true", "1", 1)
        return {address for address, yes in says.items() if yes}

    def consented(self) -> None:
        """Tell WayMore's judge who opted in as things are at the shop."""
        if self.is_shop:
            self.waymore.tell(self.merchant, consents=sorted(self.consents()))

    def later(self, **gap: float) -> None:
        """Let time go by, here and at the stand-ins."""
        self.shift += timedelta(**gap)
        for system in ("waymore", "shop", "commerce7"):
            if system in self.box.running:
                self.box.running[system].control.move_clock(timedelta(**gap).total_seconds())

    # The command.

    def clock(self) -> datetime | None:
        """What the command is to take for now; None: the machine's time."""
        return self.now if self.shift else None

    def told(self, **settings: Any) -> Record:
        """Write settings, let the shop drop all and tell it: the state from which most stories go on."""
        self.settings(**settings)
        if self.is_shop:
            self.drop()
        report = self.synced()
        assert report["history"]["state"] in ("done", "skipped"), report
        self.later(seconds=2)  # the shop's times have no fractions: what comes now must not look older than the history
        return report

    def changed(self, *arguments: str, **how: Any) -> list[tuple[str, Record]]:
        """Let the shop drop what it has now, sync, and return the events that went: (event, data)."""
        before = self.last_call()
        self.drop(**how)
        self.synced(*arguments)
        return self.events(since=before)

    # What came of it.

    def last_call(self) -> int:
        """The number of the newest call at WayMore."""
        return max((one["seq"] for one in self.waymore.journal(self.merchant)), default=0)

    def events(self, *kinds: str, since: int = 0) -> list[tuple[str, Record]]:
        """Events that were taken, oldest first: (event, data)."""
        found = self.waymore.events(self.merchant, *kinds)
        return [(one["what"], one["data"]) for one in found if one["seq"] > since]

    def parts(self, since: int = 0) -> list[tuple[str, int]]:
        """Parts that were sent, oldest first: (block, number of records)."""
        found = self.waymore.calls(self.merchant, since)
        return [(one["what"], len(one["data"])) for one in found if "event" not in one]

    def record(self, kind: str, id: str) -> Record:
        """A record as WayMore has it."""
        found: Record = self.waymore.record(kind, id, self.merchant)
        return found

    def ids(self, kind: str) -> set[str]:
        """Ids of all records of a kind at WayMore."""
        return set(self.waymore.ids(kind, self.merchant))

    def subscribers(self) -> set[str]:
        """Addresses that WayMore has as subscribed."""
        return set(self.waymore.known(self.merchant)["subscribers"])

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Record]:
        """Rows of the route's file, as objects."""
        with opened(self.data, self.merchant, ROUTE) as db:
            names = [row[0] for row in db.rows(f"describe {sql}", values)]
            return [dict(zip(names, row, strict=True)) for row in db.rows(sql, values)]

    @property
    def home(self) -> Path:
        """The merchant's folder."""
        return self.data / "merchants" / self.merchant

    def lose(self, *, database_alone: bool = False) -> None:
        """Lose the data folder, or the database alone."""
        forget_files()
        self.inbox.close()
        if not database_alone:
            shutil.rmtree(self.data, ignore_errors=True)
            return
        for path in self.home.glob(f"{ROUTE}.duckdb*"):
            path.unlink()

    # The judge.

    def wrong(
        self, *, settled: bool = True, killed: bool = False, late: bool = False, excused: Collection[str] = ()
    ) -> list[str]:
        """Return what no story may ever leave behind; nothing, if all is well.

        Args:
            late: a part of the shop could be read late, so that a record may go again as late history, with more in it.
            settled: nothing is under way any more: what the shop has is told, and who opted out is no subscriber.
            killed: a process was killed at its work.
            excused: ids that are held, refused or gone, so that they need not be told.
        """
        allowed = KILLED if killed else ()
        found = [f"a violation: {one}" for one in self.waymore.violations() if one["what"] not in allowed]
        found += [f"a message for history: {one}" for one in self._messages_for_history()]
        found += [f"in two parts: {one}" for one in self._in_two_parts(late)]
        if settled and self.is_shop:
            found += [f"never told: {one}" for one in self._lost(set(excused))]
            found += [f"subscribed still: {one}" for one in sorted(self.subscribers() - self.consents())]
        return found + [f"a leak of {one}" for one in self.leaks()]

    def _messages_for_history(self) -> Iterator[Record]:
        old = {("welcome", id) for id in self.history.get("customers", ())}
        old |= {("thanks", id) for id in self.history.get("orders", ())}
        for one in self.waymore.messages(self.merchant):
            if one["by"] == "mass" or (one["what"], one["id"]) in old:
                yield one

    def _in_two_parts(self, late: bool) -> Iterator[str]:
        """Records in two parts of other keys that were both acknowledged and read by the client.

        Args:
            late: only those that say the same.
        """
        parts: dict[tuple[str, ...], set[str]] = {}
        for call in self.waymore.calls(self.merchant):
            if "event" in call or call["fault"] or call["refused"] or not 200 <= (call["status"] or 0) < 300:
                continue
            for item in call["data"]:
                if call["what"] in ("customers", "products", "orders"):
                    name = (call["what"], _id(call["what"], item), *([json.dumps(item)] if late else []))
                    parts.setdefault(name, set()).add(call["key"])
        yield from (f"{name[0]} {name[1]}" for name, keys in parts.items() if len(keys) > 1)

    def _lost(self, excused: set[str]) -> Iterator[str]:
        known = {kind: self.ids(kind) for kind in ("customers", "products", "orders")}
        for kind, ids in self.known_now().items():
            yield from (f"{kind} {id}" for id in ids if id not in known[kind] and id not in excused)

    def leaks(self) -> list[str]:
        """What of people and keys stands where it may not: output, logs, and files that are no database."""
        text = "\n".join((*self.said, *self._files())).casefold()
        found = {f"a key of {len(one)}" for one in self._keys() if one.casefold() in text}
        people = "\n".join(self.said).casefold()
        return sorted({*found, *(one for one in self.canaries() if one.casefold() in people)})

    def _keys(self) -> set[str]:
        found = self.waymore.keys(self.merchant)
        return {value for name in ("password", "uuid") if (value := found[name])}

    def canaries(self) -> set[str]:
        """E-mails, phones, family names, birth dates of the shop's people."""
        columns = ("email", "phone", "last_name", "birth_date")
        people = [*self.rows_of("customers"), *self.rows_of("orders")] if self.is_shop else []
        found = {str(one[name]) for one in people for name in columns if one.get(name)}
        return {one for one in found if len(one) >= 6}

    def _files(self) -> Iterator[str]:
        """Files that hold no key: the database and the registration's own file aside."""
        for path in sorted(self.data.rglob("*")):
            if path.is_file() and path.name != "waymore.json":
                yield f"{path.name} {path.read_bytes().decode('latin-1')}"


def once(rows: Sequence[tuple[str, Record]]) -> Counter[str]:
    """How many events of which kind."""
    return Counter(event for event, _ in rows)


def _id(block: str, item: Record) -> str:
    if block == "customers":
        return str(item["customer"]["id"])
    return str(item["product_id"] if block == "products" else item["order_details"]["order_id"])


def _key(table: str, row: Record) -> tuple[str, ...]:
    from vs_st_pipeline.sandbox.shop.tables import KEYS

    return tuple("" if row[name] is None else str(row[name]) for name in KEYS[table])
