"""Route `audience` in the sandbox's world `shop_small`, for the contracts: a shop was told, then it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline_tests.contracts.benches import Answered, files_in, http_answering
from vs_st_pipeline_tests.support.audience import ROUTE, Scene

WRITES = frozenset({"authenticate", "send_part", "send_event"})
OLD, NEW = "101", "zq-new"


@dataclass
class AudienceBench:
    """A shop's history was told; then a customer's name changes, and somebody signs up."""

    scene: Scene
    stored: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())
    statements = frozenset[tuple[str, bytes]]()

    def begin(self, *, synced: bool = True) -> None:
        scene = self.scene
        scene.lose()
        scene.begin()
        scene.settings()
        scene.drop()
        if synced:
            assert self.sync() == "ok"
            scene.later(seconds=2)  # shop times have no fractions: who comes now must not look older than the history
        customer = scene.rows_of("customers")[0]
        scene.change("customers", customer["customer_id"], first_name="Marisol")
        scene.put("customers", customer_id=NEW, first_name="Nora", last_name="Newcomer", email="nora@example.com")
        scene.drop()
        self._writes = scene.last_call()

    def sync(self, *, well: bool = False, full: bool = False) -> str:
        shift = self.scene.shift
        if well:
            self.scene.shift = shift + timedelta(hours=2)
        report = self.scene.sync(*["--full"][: int(full)])
        self.scene.shift = shift
        return str(report["error"]["kind"] if report["error"] else report["status"])

    def plan(self) -> None:
        planned = self.scene.plan()
        assert planned["status"] == "ok", planned

    def at_destination(self) -> Any:
        scene = self.scene
        kinds = ("customers", "products", "orders")
        return {kind: sorted(scene.ids(kind)) for kind in kinds} | {
            "subscribers": sorted(scene.subscribers()),
            "events": [(what, str(data)) for what, data in scene.events()],
            "parts": scene.parts(),
        }

    def written(self) -> int:
        return self.scene.last_call() - self._writes

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
