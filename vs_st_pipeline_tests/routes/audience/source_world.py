"""A source over real sockets: what it reads, and what of it arrives at `merging`, table by table.

`merging` is stood in for: these tests are of what a source says, and its own tests of what becomes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline.routes.audience import merging, sources_table
from vs_st_pipeline.routes.audience.merging import Incoming, Merged
from vs_st_pipeline.routes.audience.session import SYSTEMS, AudienceSession, open_session
from vs_st_pipeline.routes.audience.systems import NAME
from vs_st_pipeline_tests.sandbox.served import Served

Row = dict[str, Any]
ROUTE_SQL = Path(merging.__file__).with_name("sql")


def layout() -> Layout:
    own = [(system.name, system.migrations) for system in SYSTEMS if system.migrations is not None]
    return Layout(
        (SHARED, *(read_lineage(name, folder) for name, folder in own), read_lineage(NAME, ROUTE_SQL)),
        None,
        tuple((system.name, stream) for system in SYSTEMS for stream in system.streams),
    )


class Arrived:
    """What arrived at `merging` in one staging, by kind."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {}
        self.parts: dict[str, list[Row]] = {}
        self.told: dict[str, Incoming] = {}

    def merge(self, session: AudienceSession, db: Db, incoming: Incoming) -> Merged:
        self.rows[incoming.kind] = {str(next(iter(row.values()))): row for row in _rows(db, incoming.table)}
        for name, table in incoming.parts.items():
            self.parts[name] = _rows(db, table)
            if name == "shop_options":
                columns = ", ".join(self.parts[name][0]) if self.parts[name] else "product_id, option_id"
                db.execute("delete from staged.shop_options")
                db.execute(f"insert into staged.shop_options by name select {columns} from {table}")
        self.told[incoming.kind] = incoming
        return Merged(len(self.rows[incoming.kind]))

    def of(self, name: str, key: str, value: str) -> list[Row]:
        return [row for row in self.parts[name] if row[key] == value]


def _rows(db: Db, table: str) -> list[Row]:
    names, rows = db.columns(f"select * from {table}")
    return [dict(zip(names, row, strict=True)) for row in rows]


class SourceWorld:
    """One merchant and its source. routes: that are on."""

    def __init__(self, folder: Path, sections: dict[str, SettingsModel], routes: tuple[str, ...] = (NAME,)) -> None:
        self.moved = timedelta(0)
        self.warehouse = Warehouse(folder, {NAME: layout(), "contacts": layout()}, wait_seconds=5)
        waymore = WaymoreSettings(
            domain="https://hillside.example", username=Secret("u", "env:U"), password=Secret("p", "env:P")
        )
        self.merchant = Merchant(
            "hillside", "A winery", give_up_after=timedelta(seconds=2), routes=routes,
            sections={"waymore": waymore, **sections},
        )  # fmt: skip
        self._kept = ExitStack()
        self._kept.enter_context(self.warehouse.keeping("hillside", NAME))

    def run(self, **more: Any) -> Run:
        return Run(self.merchant, self.warehouse, lambda: datetime.now(UTC) + self.moved, route=NAME, **more)

    @contextmanager
    def session(self, **more: Any) -> Iterator[AudienceSession]:
        with open_session(self.run(**more)) as session:
            yield session
        if session.report.error is not None:
            raise session.report.error

    def sync(self, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tuple[AudienceSession, Arrived]:
        """Read and stage once."""
        arrived = Arrived()
        monkeypatch.setattr(merging, "merge", arrived.merge)
        with self.session(**more) as session:
            source = sources_table.source_of(self.merchant)
            session.seen = source.read(session)
            source.stage(session)
        return session, arrived

    def stage(self, **more: Any) -> dict[str, int]:
        """Read and stage once, with the real `merging`; return rows by staged table, and the generation."""
        with self.session(**more) as session:
            source = sources_table.source_of(self.merchant)
            session.seen = source.read(session)
            source.stage(session)
        with self.run().open() as db:
            names = [row[0] for row in db.rows("select table_name from duckdb_tables() where schema_name = 'staged'")]
            found = {
                name: int(db.value(f"select count(*) from staged.{name}")) for name in names if name.startswith("shop_")
            }
            return found | {"generation": int(db.value("select generation from staged.shop_generation"))}

    def is_complete(self) -> dict[str, bool]:
        source = sources_table.source_of(self.merchant)
        blocks = ("customers", "subscribers", "products", "wishlist", "orders")
        with self.session() as session:
            return {block: source.is_complete(session, block) for block in blocks}

    def notes(self) -> set[tuple[str, str, str]]:
        with self.run().open() as db:
            return {tuple(row) for row in db.rows("select word, kind, id from staged.shop_notes")}

    def close(self) -> None:
        self._kept.close()


def extra(row: Row) -> Any:
    return json.loads(row["extra"]) if row["extra"] else None


def secret(value: str) -> Secret:
    return Secret(value, "env:KEY")


def clear(box: Served) -> None:
    box.control.reset()
    box.control.clear_journal()
