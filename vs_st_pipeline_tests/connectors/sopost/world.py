"""SoPost's stand-in over real sockets, and what a sync of route `consumers` has of one merchant: file, inbox, clock."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from vs_st_pipeline.connectors.sopost import CONNECTOR, counts, events
from vs_st_pipeline.connectors.sopost.client import SoPostClient
from vs_st_pipeline.connectors.sopost.hooks import HOOKS
from vs_st_pipeline.connectors.sopost.reading import OrdersRead, read_orders
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.streams import ORDERS
from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.settings.webhooks import WebhookSettings
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline_tests.sandbox.served import GLOW, Served

ROUTE = "consumers"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
Row = dict[str, Any]


class Fast:
    """A rate limiter that lets all pass."""

    def wait(self) -> float:
        return 0.0


def secret(value: str) -> Secret:
    return Secret(value, "env:KEY")


class World:
    """One merchant of the stand-in, before its first sync."""

    def __init__(self, box: Served, folder: Path) -> None:
        self.box, self.folder = box, folder
        self.now = NOON
        assert CONNECTOR.migrations is not None
        layout = Layout((SHARED, read_lineage("sopost", CONNECTOR.migrations)), None, (("sopost", ORDERS),))
        self.warehouse = Warehouse(folder, {ROUTE: layout}, wait_seconds=5)
        self.inbox = Inbox(folder)
        self.settings = SoPostSettings(base_url=box.url, token=secret(box.control.keys()["token"]))
        self.webhooks = WebhookSettings()
        self.give_up_after = timedelta(seconds=2)
        self.clients: list[SoPostClient] = []
        self._numbers = count(1)

    def set(self, **values: Any) -> None:
        """Change settings; checked as if they stood in the file."""
        self.settings = SoPostSettings(**{**dict(self.settings), **values})

    def later(self, **gone: float) -> None:
        self.now += timedelta(**gone)

    @property
    def merchant(self) -> Merchant:
        return Merchant(
            GLOW,
            "Glow Skin",
            give_up_after=self.give_up_after,
            webhooks=self.webhooks,
            routes=(ROUTE,),
            sections={"sopost": self.settings},
        )

    def run(self, **more: Any) -> Run:
        return Run(self.merchant, self.warehouse, lambda: self.now, route=ROUTE, inbox=self.inbox, **more)

    def client(self) -> SoPostClient:
        self.clients.append(SoPostClient(self.merchant, Fast()))
        return self.clients[-1]

    def post(self, body: Any) -> None:
        """Let a call come in, as the receiver stores it."""
        written = body if isinstance(body, bytes) else json.dumps(body).encode()
        at = self.now.isoformat()
        self.inbox.put([Arrival(GLOW, "sopost", call, (ROUTE,), at) for call in HOOKS.read(written)])

    def event(self, order_id: str, event: str = "APPROVED", **more: Any) -> None:
        usual = {"event_id": f"e{next(self._numbers)}", "event": event, "order_id": order_id}
        self.post({key: value for key, value in {**usual, **more}.items() if value is not None})

    def take(self, **more: Any) -> int:
        """Take what waits in the inbox, as a whole sync does."""
        run = self.run(**more)
        hints = self.inbox.claim(self.inbox.waiting([GLOW], route=ROUTE), "test") if self.inbox.exists else []
        taken = events.take(run, hints)
        self.inbox.settle(hints, Outcome.HANDED_OVER)
        return taken

    def read(self, *, follow_status: bool = False, only: Collection[str] | None = None, **more: Any) -> OrdersRead:
        client = self.client()
        return read_orders(self.run(**more), client, follow_status=follow_status, only=only)

    def sync(self, **more: Any) -> OrdersRead:
        self.take()
        return self.read(**more)

    def told(self, found: OrdersRead) -> dict[str, int]:
        """What came of a reading, `read` beside the counts."""
        return {**({"read": len(found.read)} if found.read else {}), **{k: v for k, v in found.counts.items() if v}}

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.run().open() as db:
            return db.rows(sql, list(values) or None)

    def row(self, order_id: str) -> Row:
        with self.run().open() as db:
            names, rows = db.columns("select * from raw.sopost_orders where id = ?", [order_id.lower()])
        assert len(rows) == 1, f"{len(rows)} rows of {order_id}"
        return dict(zip(names, rows[0], strict=True))

    def waits(self) -> dict[str, int]:
        with self.run().open() as db:
            return counts.waiting(db)

    # --- the stand-in ---

    def reads(self) -> list[str]:
        """The orders that were asked for since the journal was cleared, in their order; it is cleared."""
        found = [one["path"].rpartition("/")[2] for one in self.box.control.journal() if "/orders/" in one["path"]]
        self.box.control.clear_journal()
        return found

    def id_of(self, email: str) -> str:
        found: str = next(order["id"] for order in self.box.control.orders() if order["email"] == email)
        return found

    def order(self, status: str = "APPROVED", **fields: Any) -> str:
        """Make an order at SoPost; no event comes by itself. Returns its id."""
        made = self.box.control.create(status=status, **{"email": "new@example.com", "full_name": "New One", **fields})
        return str(made["id"])

    def close(self) -> None:
        for client in self.clients:
            client.close()
