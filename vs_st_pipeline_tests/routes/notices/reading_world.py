"""Eshopbox's stand-in over real sockets, and what a sync has of one merchant: its file, its clock, its hooks.

It reads and stages, and goes no further: no command, no account, no message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.eshopbox import CONNECTOR, hook_queue, reading
from vs_st_pipeline.connectors.eshopbox.client import EshopboxClient
from vs_st_pipeline.connectors.eshopbox.hooks import read
from vs_st_pipeline.connectors.eshopbox.reading import OrdersRead
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings, Refresh
from vs_st_pipeline.connectors.eshopbox.streams import ORDERS
from vs_st_pipeline.domain.codec import encode
from vs_st_pipeline.domain.hints import Hint, HintState
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks, WebhookSettings
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline.routes.notices import eshopbox_staging, journeys, status_map
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import KAPASKRAFT
from vs_st_pipeline_tests.sandbox.served import Served

ROUTE = "notices"
Row = dict[str, Any]


class Fast:
    """A rate limiter that lets all pass."""

    def wait(self) -> float:
        return 0.0


def layout() -> Layout:
    assert CONNECTOR.migrations is not None
    own = read_lineage(ROUTE, resources.files("vs_st_pipeline.routes.notices") / "sql")
    lineages = (SHARED, read_lineage("eshopbox", CONNECTOR.migrations), own)
    return Layout(lineages, None, (("eshopbox", ORDERS),))


class World:
    """One merchant of the stand-in, whose orders are those that a test makes."""

    def __init__(self, box: Served, folder: Path) -> None:
        self.box, self.folder = box, folder
        self.control = box.control
        self.shift = timedelta()
        self.warehouse = Warehouse(folder, {ROUTE: layout()}, wait_seconds=5)
        keys = self.control.keys()
        self.proof: str | None = "x-api-key"
        self.eshopbox = EshopboxSettings(
            workspace=keys["workspace"],
            client_id=Secret(keys["client_id"], "env:ID"),
            client_secret=Secret(keys["client_secret"], "env:SECRET"),
            refresh_token=Secret(keys["refresh_token"], "env:REFRESH"),
            base_url=box.url,
            workspace_url=f"{box.url}/w/{keys['workspace']}",
            auth_url=f"{box.url}/api/v1/generateToken",
            requests_per_second=1000.0,
            refresh=Refresh(orders=timedelta(0), open_orders=timedelta(0), reconcile=timedelta(days=1)),
        )
        self.notices = NoticesSettings(countries=("IN",))
        self.clients: list[EshopboxClient] = []
        self._numbers, self._entries = count(1), count(1)

    def empty(self) -> World:
        """Take all orders away that the world begins with."""
        for one in self.control.orders():
            self.control.delete("orders", one["customerOrderNumber"])
        return self

    def set(self, **values: Any) -> None:
        """Change settings of Eshopbox."""
        self.eshopbox = self.eshopbox.model_copy(update=values)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def later(self, **gap: float) -> None:
        self.shift += timedelta(**gap)
        self.control.move_clock(timedelta(**gap).total_seconds())

    @property
    def merchant(self) -> Merchant:
        own = SystemWebhooks(header=self.proof, header_value="k") if self.proof else SystemWebhooks()
        return Merchant(
            KAPASKRAFT,
            "KapasKraft",
            time_zone=ZoneInfo("Asia/Kolkata"),
            give_up_after=timedelta(seconds=1),
            webhooks=WebhookSettings(systems={"eshopbox": own}),
            routes=(ROUTE,),
            sections={"eshopbox": self.eshopbox, "notices": self.notices},
        )

    def run(self, **more: Any) -> Run:
        return Run(self.merchant, self.warehouse, lambda: self.now, route=ROUTE, **more)

    def client(self) -> EshopboxClient:
        found = EshopboxClient(self.merchant, Fast())
        found.keep_token_in(self.folder / "tokens", lambda: self.now.replace(tzinfo=None))
        self.clients.append(found)
        return found

    # --- what a sync does ---

    def read(self, **more: Any) -> OrdersRead:
        """Read what is due."""
        run = self.run(**more)
        with run.keeping():
            with run.open() as db:
                also = eshopbox_staging.numbers_of(
                    db, "select merchant_order from staged.journey_events where not confirmed"
                )
            return reading.read_due(run, self.client(), also=also)

    def stage(self) -> int:
        return eshopbox_staging.stage(self.run(), self.notices).orders

    def sync(self) -> OrdersRead:
        """Read and stage; nothing may go wrong."""
        found = self.read()
        assert found.error is None, found.error
        self.stage()
        return found

    def hook(self, order: Row | str | None = None) -> list[Row]:
        """Bring the hooks of an order that nobody was told of; returns their bodies."""
        number = None if order is None else _number(order)
        bodies = [one["body"] for one in self.control.take_hooks(number)]
        self.bring(*bodies)
        return bodies

    def bring(self, *bodies: Row) -> None:
        """Bring hooks as they stand."""
        hints = []
        for body in bodies:
            for call in read(encode(body) or b""):
                entry = next(self._entries)
                at = self.now.isoformat()
                hints.append(
                    Hint(entry, entry, KAPASKRAFT, ROUTE, "eshopbox", call.kind, call.id, None, call.event, None,
                         0.0, at, 0, HintState.WAITING, json.dumps(dict(call.kept)))
                )  # fmt: skip
        hook_queue.keep(self.run(), hints)

    # --- what came of it ---

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.run().open() as db:
            return db.rows(sql, list(values) or None)

    def events(self, order: Row | str | None = None) -> dict[str, Row]:
        """Staged events by `status` or `status occurrence` from the second one on, of one order or of the only one."""
        where = "" if order is None else f"where o.order_number = '{_number(order)}'"
        with self.run().open() as db:
            names, rows = db.columns(
                f"""select e.* from staged.journey_events as e join staged.notice_orders as o using (merchant_order)
                    {where} order by status, occurrence"""
            )
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return {f"{one['status']} {one['occurrence']}".removesuffix(" 1"): one for one in found}

    def newest(self, order: Row | str) -> str | None:
        """The status that the one parcel of an order is in."""
        from vs_st_pipeline.routes.notices import journey

        statuses = status_map.read(self.notices.statuses)
        with self.run().open() as db:
            key = db.value("select merchant_order from staged.notice_orders where order_number = ?", [_number(order)])
            rows = db.rows("select distinct unit_key from staged.journey_events where merchant_order = ?", [key])
            units = journeys.of_units(db, statuses, [row[0] for row in rows])
        [own] = [events for unit, events in units.items() if unit.startswith("shipment:")]
        found = journey.newest(own)
        return None if found is None else found.status

    def order_row(self, order: Row | str) -> Row:
        with self.run().open() as db:
            names, rows = db.columns(
                """select * from staged.notice_orders join staged.recipients using (merchant_order)
                   where order_number = ?""",
                [_number(order)],
            )
        assert len(rows) == 1
        return dict(zip(names, rows[0], strict=True))

    # --- what happens there ---

    def order(self, **fields: Any) -> Row:
        number = next(self._numbers)
        usual: Mapping[str, Any] = {"number": f"T{number:03d}", "phone": f"+9197400{number:05d}", "name": "Asha Rao"}
        found: Row = self.control.order(**{**usual, **fields})
        return found

    def advance(self, order: Row | str, status: str, **how: Any) -> Row:
        found: Row = self.control.advance(_number(order), status, **how)
        return found

    def asked(self) -> list[str]:
        """Paths that were asked for since the journal was cleared; it is cleared."""
        found = [one["path"] for one in self.control.journal()]
        self.control.clear_journal()
        return found

    def close(self) -> None:
        for client in self.clients:
            client.close()


def _number(order: Row | str) -> str:
    return order if isinstance(order, str) else str(order["customerOrderNumber"])
