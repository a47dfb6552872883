"""Route `orders` in the sandbox's world of the same name, for the contracts: a sent order, a scanned one, a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from vs_st_pipeline.connectors import commerce7
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline_tests.contracts.benches import Answered, files_in, http_answering
from vs_st_pipeline_tests.support.orders import ROUTE, Scene

WRITES = frozenset({"create_order", "update_order", "cancel_order", "fulfil", "app_sync"})
OFTEN = {"shipped": "0s", "open": "0s", "settled": "7d", "products": "0s", "reconcile": "24h"}


@dataclass
class OrdersBench:
    """Two orders were sent; then one is scanned, and somebody buys again."""

    scene: Scene
    stored: Mapping[str, str] = field(
        default_factory=lambda: {stream.table: stream.key for stream in commerce7.CONNECTOR.streams}
    )
    statements = frozenset[tuple[str, bytes]]()

    def begin(self, *, synced: bool = True) -> None:
        scene = self.scene
        scene.lose()
        scene.begin_alone()
        scene.settings(refresh=OFTEN)
        first, second = scene.place("PINOT22", "ZIN21"), scene.place("CHARD23")
        if synced:
            assert self.sync() == "ok"
            scene.label(first)
            scene.scan(first)
        else:
            scene.change(second, paymentStatus="Cancelled")
        scene.place("SPARK20")
        scene.clear_journals()

    def sync(self, *, well: bool = False, full: bool = False) -> str:
        shift = self.scene.shift
        if well:  # for this command alone: what the stand-ins see is not made older
            self.scene.shift = shift + timedelta(days=2)
        report = self.scene.sync(*["--full"][: int(full)])
        self.scene.shift = shift
        return str(report["error"]["kind"] if report["error"] else report["status"])

    def plan(self) -> None:
        planned = self.scene.plan()
        assert (planned["status"], len(planned["orders"])) == ("ok", 1), planned

    def at_destination(self) -> Any:
        scene = self.scene
        found: dict[Any, Any] = {}
        for order in scene.shop.orders(scene.merchant):
            there = scene.there(order) or {}
            number = order["orderNumber"]
            found[number, "there"] = (there.get("status"), there.get("orderStatus"), str(there.get("total")))
            found[number, "accepted"] = scene.accepted(order)
            found[number, "fulfilled"] = order["fulfillmentStatus"]
            found[number, "mails"] = len(scene.mails(order))
        return found

    def written(self) -> int:
        return len(self.scene.writes())

    @contextmanager
    def open(self) -> Iterator[Db]:
        with warehouse_at(self.scene.data).open(self.scene.merchant, ROUTE) as db:
            yield db

    def beside(self) -> Any:
        waiting = self.scene.inbox.ask("select state, count(*) from hints group by 1 order by 1")
        self.scene.inbox.close()
        return files_in(self.scene.home), waiting

    def answering(self, answered: Answered) -> Any:
        return http_answering(answered, WRITES)
