"""A route's world for the contracts: how it is begun and synced, what its destination has taken, what it keeps.

A real route needs a bench here; `test_route.py` finds none missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from vs_st_pipeline.platform.http.client import HttpClient
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.routes.consumers import chunks
from vs_st_pipeline_tests.contracts.files import content, tables_of
from vs_st_pipeline_tests.pipeline.test_state_route import Toys
from vs_st_pipeline_tests.support.story import MARISOL, RENSKE, TEST, Story
from vs_st_pipeline_tests.toys.crm import Books
from vs_st_pipeline_tests.toys.shop import Shop
from vs_st_pipeline_tests.toys.world import World

Record = dict[str, Any]
Answered = Callable[[str], bytes | None]
"""A call's name -> the body that is put in the place of its answer; None for the true one."""

MAY_MOVE = ("planned", "staged", "raw")
"""Schemas that a dry run may write: plans, and what was read for them (interface.md, `plan`)."""


class Bench(Protocol):
    """A route in a world of its own.

    Attributes:
        stored: tables of what was read, and the columns that name a row.
        statements: calls and bodies by which a system says something true where nothing was known before, such as that
            there is nothing: a first sync has to believe them, no later one does, and a full one reads all again.
    """

    stored: Mapping[str, str]
    statements: frozenset[tuple[str, bytes]]

    def begin(self, *, synced: bool = True) -> None:
        """Begin a fresh world; one good sync has been, and there is news since."""

    def sync(self, *, well: bool = False, full: bool = False) -> str:
        """Sync, and return how it ended; `well`: at a time when nothing waits any more; `full`: read all again."""

    def plan(self) -> None:
        """Make a dry run."""

    def at_destination(self) -> Any:
        """Return every value that the destination has, by name."""

    def written(self) -> int:
        """Return how many writes the destination was asked for since `begin`."""

    def open(self) -> Any:
        """Open the route's file."""

    def beside(self) -> Any:
        """Return what the route keeps outside of its file, and what waits for it there."""

    def answering(self, answered: Answered) -> Any:
        """Put other bodies in the place of answers while the block lasts; gives the calls that read, as they come."""


def kept(bench: Bench) -> Any:
    """Return all that a later sync decides by, but what was read."""
    with bench.open() as db:
        may_move = {table for table in tables_of(db) if table.split(".")[0] in MAY_MOVE} | set(bench.stored)
        tables = [table for table in tables_of(db) if table not in may_move]
        return content(db, [*tables, "raw.forgotten"]), bench.beside()


def bodies(bench: Bench) -> dict[tuple[str, Any, str], Any]:
    """Return every stored body, by table, record and column."""
    found = {}
    with bench.open() as db:
        for table, key in bench.stored.items():
            names, rows = db.columns(f"select * from {table}")
            columns = [name for name in names if name.endswith("body")]
            for row in rows:
                known = dict(zip(names, row, strict=True))
                found |= {(table, known[key], column): known[column] for column in columns}
    return found


@contextmanager
def http_answering(answered: Answered, writes: frozenset[str]) -> Iterator[list[str]]:
    """Put other bodies in the place of answers, between the socket and the client; an answer that fails stays."""
    met: list[str] = []
    judge = HttpClient._judge

    def judged(self: HttpClient, ask: Any, heard: Any) -> Any:
        if ask.call not in writes:
            met.append(ask.call)
            body = answered(ask.call)
            if body is not None and heard.status == 200:
                heard = type(heard)(heard.status, heard.headers, body)
        return judge(self, ask, heard)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpClient, "_judge", judged)
        yield met


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the small files of a merchant's folder; not the databases, which are looked into, and not the locks."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.glob("*"))
        if path.is_file() and ".duckdb" not in path.name and not path.name.endswith(".lock")
    }


@dataclass
class ContactsBench:
    """Route `contacts` in the sandbox's small world."""

    story: Story
    stored: Mapping[str, str] = field(
        default_factory=lambda: {stream.table: stream.key for one in ROUTES[0].connectors for stream in one.streams}
    )
    writes = frozenset({"update_contact", "batch_update", "delete_contact"})
    statements = frozenset({("search_orders", b"[]")})  # one of the two forms that a window without orders has

    def begin(self, *, synced: bool = True) -> None:
        self.story.box.reset()
        if self.story.data.exists():
            self.story.forget()
        if synced:
            self.story.begin_synced()
        shop = self.story.shop
        shop.add_order(700101, orderNumber="NEW1", total="33.00", orderStatus="LABELS_GENERATED", cartType="WEB")
        shop.patch_customer(700108, shippingAddress={"city": "Napa"})
        self.story.clear_journals()

    def sync(self, *, well: bool = False, full: bool = False) -> str:
        later = datetime.now(UTC) + timedelta(days=2)
        report = self.story.sync(*["--full"][: int(full)], now=later.isoformat() if well else None).of()
        return str(report["error"]["kind"] if report["error"] else report["status"])

    def plan(self) -> None:
        done = self.story.run("plan", "--merchant", TEST, "--json")
        planned = {row["phone"] for row in done.of()["contacts"]}
        assert {MARISOL, RENSKE} <= planned, done

    def at_destination(self) -> Any:
        return {
            (phone, name): value for phone, values in self.story.everybody().items() for name, value in values.items()
        }

    def written(self) -> int:
        return len(self.story.writes())

    @contextmanager
    def open(self) -> Iterator[Db]:
        with self.story.as_run().open() as db:
            yield db

    def beside(self) -> Any:
        return files_in(self.story.data / "merchants" / TEST)

    def answering(self, answered: Answered) -> Any:
        return http_answering(answered, self.writes)


@dataclass
class SaidOnceBench:
    """The toy of the say-once toolkit, over a real socket."""

    shop: Shop
    folder: Path
    stored: Mapping[str, str] = field(default_factory=lambda: {"toy.parcels": "id"})
    statements = frozenset[tuple[str, bytes]]()
    _worlds: int = 0

    def begin(self, *, synced: bool = True) -> None:
        self._worlds += 1
        folder = self.folder / str(self._worlds)
        folder.mkdir()
        self.world = World(self.shop, folder)
        self.shop.parcel("p1", "created")
        self.shop.parcel("p2", "created")
        if synced:
            self.world.sync()
        self.shop.parcel("p1", "created", "shipped")
        self.shop.parcel("p3", "created")
        self.world.hint("e1", "p1")
        self._before = len(self.shop.messages)

    def sync(self, *, well: bool = False, full: bool = False) -> str:
        self.world.later(hours=2 if well else 0, minutes=1)
        error = self.world.sync().error
        return error.kind if error else "ok"

    def plan(self) -> None:
        assert self.world.sync(dry_run=True).waiting["planned"] > 0

    def at_destination(self) -> Any:
        return {message.key: message.body for message in self.shop.messages}

    def written(self) -> int:
        return len(self.shop.messages) - self._before

    @contextmanager
    def open(self) -> Iterator[Db]:
        with self.world.run().open() as db:
            yield db

    def beside(self) -> Any:
        return files_in(self.world.data / "merchants" / "one"), self.world.hints()

    def answering(self, answered: Answered) -> Any:
        return http_answering(answered, frozenset({"message"}))


@dataclass
class StateBench:
    """The toy of the state toolkit; its systems are files."""

    folder: Path
    stored: Mapping[str, str] = field(default_factory=lambda: {"raw.crm_people": "id"})
    statements = frozenset[tuple[str, bytes]]()
    _worlds: int = 0

    def begin(self, *, synced: bool = True) -> None:
        self._worlds += 1
        self.toys = Toys(self.folder / str(self._worlds), count=4)
        if synced:
            self.toys.sync()
            self.toys.sync()
        self.toys.shop.person("p02", city="Sonoma")
        self.toys.written()

    def sync(self, *, well: bool = False, full: bool = False) -> str:
        self.toys.sync()
        return "ok"

    def plan(self) -> None:
        plan, _ = self.toys.sync(dry_run=True)
        assert plan.targets > 0

    def at_destination(self) -> Any:
        return {
            (id_, name): value for id_, body in self.toys.crm.read()["people"].items() for name, value in body.items()
        }

    def written(self) -> int:
        return len(self.toys.crm.read()["written"])

    @contextmanager
    def open(self) -> Iterator[Db]:
        run: Run = self.toys.run()
        with run.open() as db:
            yield db

    def beside(self) -> Any:
        return files_in(self.toys.folder / "data" / "merchants" / "one")

    @contextmanager
    def answering(self, answered: Answered) -> Iterator[list[str]]:
        """The systems answer lists and single records; the client takes no body that is none of the two."""
        met: list[str] = []
        true = {"list": Books.list, "get": Books.get}

        def told(name: str) -> Callable[..., Any]:
            def tell(books: Books, *arguments: Any) -> Any:
                call = f"{books.path.stem} {name}"
                met.append(call)
                body = answered(call)
                if body is None:
                    return true[name](books, *arguments)
                said = json.loads(body)
                return (said if isinstance(said, list) else [said or {}]) if name == "list" else (said or {})

            return tell

        with pytest.MonkeyPatch.context() as patch:
            for name in true:
                patch.setattr(Books, name, told(name))
            yield met


BENCHES = ("contacts", "orders", "audience", "notices", "consumers", "a say-once toy", "a state toy")
"""Names of the benches; those of routes are the routes' own."""
SLOW = ("orders", "audience", "notices", "consumers")
"""Benches whose syncs ask so many systems that each of their answers is spoilt in `make proof` alone."""


def bench_of(name: str, request: pytest.FixtureRequest, folder: Path) -> Bench:
    """Return a bench, with what it needs of fixtures."""
    if name == "contacts":
        return ContactsBench(request.getfixturevalue("story"))
    if name == "consumers":
        from vs_st_pipeline_tests.contracts.consumers_bench import ConsumersBench  # it is made of parts of this module

        request.getfixturevalue("monkeypatch").setattr(chunks, "_FIRST_WAIT", 0.02)  # the stand-ins show it at once
        return ConsumersBench(request.getfixturevalue("scene"))
    if name == "audience":
        from vs_st_pipeline_tests.contracts.audience_bench import AudienceBench

        return AudienceBench(request.getfixturevalue("audience_scene"))
    if name == "notices":
        from vs_st_pipeline_tests.contracts.notices_bench import NoticesBench

        return NoticesBench(request.getfixturevalue("notices_scene"))
    if name == "orders":
        from vs_st_pipeline_tests.contracts.orders_bench import OrdersBench

        return OrdersBench(request.getfixturevalue("orders_scene"))
    if name == "a say-once toy":
        return SaidOnceBench(request.getfixturevalue("shop"), folder)
    return StateBench(folder)
