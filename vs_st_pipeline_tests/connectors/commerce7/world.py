"""Commerce7's stand-in over real sockets, and what a sync of route `orders` has of a merchant: file, clock, client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vs_st_pipeline.connectors.commerce7 import CONNECTOR, gaps, reading, stored
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client
from vs_st_pipeline.connectors.commerce7.gaps import GapsLooked
from vs_st_pipeline.connectors.commerce7.passes import PassesRead
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.settings.webhooks import WebhookSettings
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline_tests.sandbox.served import Served

ROUTE, HILLSIDE, BLUE_OAK = "orders", "hillside", "blue-oak"
DAY = timedelta(days=1)
Row = dict[str, Any]


class Fast:
    """A rate limiter that lets all pass."""

    def wait(self) -> float:
        return 0.0


def secret(value: str) -> Secret:
    return Secret(value, "env:KEY")


class World:
    """One merchant of the stand-in, before its first sync."""

    def __init__(self, box: Served, folder: Path, merchant: str) -> None:
        self.box, self.merchant_id = box, merchant
        box.control.first_merchant = merchant
        assert CONNECTOR.migrations is not None
        self._layout = Layout(
            (SHARED, read_lineage("commerce7", CONNECTOR.migrations)),
            None,
            tuple(("commerce7", stream) for stream in CONNECTOR.streams),
        )
        self._folder, self._folders, self._kept = folder, 0, ExitStack()
        self.forget_all()
        self.moved = timedelta(0)
        self.start = (datetime.now(UTC) - timedelta(days=30)).replace(tzinfo=None, microsecond=0)
        self.reconcile = DAY
        keys = box.control.keys()
        self.settings = Commerce7Settings(
            base_url=f"{box.url}/v1",
            tenant=keys["tenant"],
            app_id=secret(keys["app_id"]),
            app_secret=secret(keys["app_secret"]),
        )
        self.webhooks = WebhookSettings()
        self.give_up_after = timedelta(seconds=2)
        self.clients: list[Commerce7Client] = []

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved

    def later(self, **gone: float) -> None:
        """Let time go by, here and at the stand-in."""
        self.moved += timedelta(**gone)
        self.box.control.move_clock(seconds=timedelta(**gone).total_seconds())

    @property
    def merchant(self) -> Merchant:
        return Merchant(
            self.merchant_id,
            "A winery",
            give_up_after=self.give_up_after,
            webhooks=self.webhooks,
            routes=(ROUTE,),
            sections={"commerce7": self.settings},
        )

    def run(self, **more: Any) -> Run:
        return Run(self.merchant, self.warehouse, self.now, route=ROUTE, **more)

    def client(self) -> Commerce7Client:
        self.clients.append(Commerce7Client(self.merchant, Fast()))
        return self.clients[-1]

    # --- reading ---

    def passes(self, **more: Any) -> PassesRead:
        return reading.read_passes(self.run(**more), self.client(), start=self.start, reconcile=self.reconcile)

    def one(self, order_id: str, by: str = "hint") -> ShopOrder | None:
        return reading.read_one(self.run(), self.client(), order_id, by)

    def gaps(self) -> GapsLooked:
        return gaps.look(self.run(), self.client())

    def stored(self, *order_ids: str) -> dict[str, ShopOrder]:
        with self.run().open() as db:
            return stored.load(db, order_ids or [row[0] for row in db.rows("select id from raw.commerce7_orders")])

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.run().open() as db:
            return db.rows(sql, list(values) or None)

    def row(self, order_id: str) -> Row:
        with self.run().open() as db:
            names, rows = db.columns("select * from raw.commerce7_orders where id = ?", [order_id])
        assert len(rows) == 1, f"{len(rows)} rows of {order_id}"
        return dict(zip(names, rows[0], strict=True))

    def form(self, which: str = "paid") -> str:
        """The form of a pass's dates, as it is remembered."""
        return str(self.rows("select date_form from raw.commerce7_passes where pass = ?", which)[0][0])

    # --- the stand-in ---

    def asked(self) -> list[Row]:
        """What was asked since the journal was cleared, {path, query}; it is cleared."""
        found = self.box.control.journal()
        self.box.control.clear_journal()
        return [one for one in found if one["path"].startswith("/v1/")]

    def order(self, **fields: Any) -> Row:
        """Place a paid order."""
        made: Row = self.box.control.place(**fields)
        return made

    def plain(self) -> Row:
        """The plain case of the world."""
        case = next(one for one in self.box.control.cases() if one["why"].startswith("the plain case"))
        found: Row = self.box.control.order(case["order_id"])
        return found

    def wanted(self) -> set[str]:
        """Ids of all orders that the passes have to find: all but those before `start`."""
        start = self.start.isoformat()
        rows = self.box.control.orders()
        return {one["id"] for one in rows if (one["orderPaidDate"] or one["orderSubmittedDate"]) >= start}

    def each(self, name: str, expected: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Set each value of a switch, before a first sync; `expected`: what goes with each, in order."""
        for value, wanted in self.box.each(name, expected):
            if name != "limit_per_minute":
                self.box.control.set_switch("limit_per_minute", None)
            self.forget_all()
            yield value, wanted

    def forget_all(self) -> None:
        """Begin anew with an empty file."""
        self._folders += 1
        self._kept.close()
        self.warehouse = Warehouse(self._folder / str(self._folders), {ROUTE: self._layout}, wait_seconds=5)
        self._kept.enter_context(self.warehouse.keeping(self.merchant_id, ROUTE))  # as a run does

    def close(self) -> None:
        self._kept.close()
        for client in self.clients:
            client.close()
