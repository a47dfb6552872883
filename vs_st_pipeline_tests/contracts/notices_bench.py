"""Route `notices` in the sandbox's world `parcels`, for the contracts: nothing was there, then two deliveries fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from vs_st_pipeline.connectors.eshopbox.acting import CALL as RESOLVE
from vs_st_pipeline.connectors.eshopbox.tokens import TOKEN
from vs_st_pipeline.connectors.gupshup.client import TEMPLATE, TEXT
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline_tests.contracts.benches import Answered, files_in, http_answering
from vs_st_pipeline_tests.support.notices import ROUTE, Scene

WRITES = frozenset({TEMPLATE, TEXT, RESOLVE, TOKEN})  # a token is no read of a record
FAILED = "failed_delivery"


@dataclass
class NoticesBench:
    """A brand without orders was synced; then two orders come, and neither can be delivered."""

    scene: Scene
    stored: Mapping[str, str] = field(default_factory=lambda: {"raw.eshopbox_orders": "id"})
    statements = frozenset[tuple[str, bytes]]()

    def begin(self, *, synced: bool = True) -> None:
        scene = self.scene
        scene.lose()
        scene.begin_alone()
        scene.settings(enabled=(FAILED,))
        if synced:
            assert self.sync() == "ok"
            scene.later(seconds=2)
        for number in ("ONE", "TWO"):
            order = scene.order(
                number=number, name=f"Customer {number}", phone=f"+9197400{len(number):02d}0{ord(number[0])}"
            )
            for status in ("dispatched", "out_for_delivery", FAILED):
                scene.advance(order, status)
        scene.hook()
        scene.later(minutes=2)
        self._sent = len(scene.sends()) + len(scene.resolutions())

    def sync(self, *, well: bool = False, full: bool = False) -> str:
        shift = self.scene.shift
        if well:
            self.scene.shift = shift + timedelta(hours=2)
        report = self.scene.sync(*["--full"][: int(full)])
        self.scene.shift = shift
        return str(report["error"]["kind"] if report["error"] else report["status"])

    def plan(self) -> None:
        planned = self.scene.plan()
        assert planned["messages"], planned

    def at_destination(self) -> Any:
        return {one["destination"]: one["text"] for one in self.scene.sends()}

    def written(self) -> int:
        return len(self.scene.sends()) + len(self.scene.resolutions()) - self._sent

    @contextmanager
    def open(self) -> Iterator[Db]:
        with warehouse_at(self.scene.data).open(self.scene.merchant, ROUTE) as db:
            yield db

    def beside(self) -> Any:
        scene = self.scene
        waiting = scene.inbox.ask("select state, count(*) from hints group by 1 order by 1")
        scene.inbox.close()
        accounts = files_in(scene.data / "accounts" / scene.account)
        # A file that is read in WAL mode has two more beside it for as long as somebody reads it.
        return files_in(scene.home), {name: text for name, text in accounts.items() if name.endswith(".jsonl")}, waiting

    def answering(self, answered: Answered) -> Any:
        return http_answering(answered, WRITES)
