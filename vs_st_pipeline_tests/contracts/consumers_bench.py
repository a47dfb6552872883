"""Route `consumers` in the sandbox's world of the same name, for the contracts: few people, and all three CRMs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline_tests.contracts.benches import Answered, files_in, http_answering
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.consumers import HUBSPOT, KLAVIYO, ROUTE, SALESFORCE, Scene, is_write

SYSTEMS = next(one.connectors for one in ROUTES if one.name == ROUTE)
OLD, NEW = "plain@example.com", "newcomer@example.com"
WRITES = frozenset(
    {
        *("create_contacts", "update_contacts", "write_statuses", "add_members", "remove_members"),
        *("import_profile", "start_import", "subscribe", "unsubscribe", "add_to_list", "remove_from_list"),
        *("create_contacts", "update_contacts", "add_members", "delete_members", "update_members"),
    }
)
FIELDS = {HUBSPOT: ("firstname", "lastname", "sopost_"), SALESFORCE: ("FirstName", "LastName", "SoPost_")}


@dataclass
class ConsumersBench:
    """A person was subscribed; then a newcomer orders, and the first one once more."""

    scene: Scene
    stored: Mapping[str, str] = field(
        default_factory=lambda: {
            stream.table: stream.key for one in CONNECTORS if one in SYSTEMS for stream in one.streams
        }
    )
    statements = frozenset[tuple[str, bytes]]()

    def begin(self, *, synced: bool = True) -> None:
        scene = self.scene
        scene.box.reset()
        for system, switch in ((KLAVIYO, "subscribe_lag_polls"), (KLAVIYO, "job_lag_polls")):
            scene.box.running[system].control.set_switch(switch, 0)  # what is taken shows at once: no sync waits
        scene.now = None
        if scene.data.exists():  # the data folder is lost
            shutil.rmtree(scene.data)
            forget_files()
        plain = next(one for one in scene.box.sopost.control.orders(scene.merchant) if one["email"] == OLD)
        scene.tell(str(plain["id"]))
        if synced:
            assert self.sync() == "ok"
        scene.order(OLD, full_name="Marisol van Tongeren")
        scene.order(NEW, full_name="Nora Newcomer")
        self._writes = self._count()

    def sync(self, *, well: bool = False, full: bool = False) -> str:
        now = self.scene.now
        if well:  # for this command alone: what the stand-ins see is not made older
            self.scene.now = (now or datetime.now(UTC)) + timedelta(days=2)
        report = self.scene.sync(*["--full"][: int(full)])
        self.scene.now = now
        return str(report["error"]["kind"] if report["error"] else report["status"])

    def plan(self) -> None:
        planned = self.scene.plan()
        assert {one["crm"] for one in planned["crms"] if one["consumers"]} == {HUBSPOT, KLAVIYO, SALESFORCE}, planned

    def at_destination(self) -> Any:
        look = self.scene.look()
        found: dict[Any, Any] = {}
        for email in (OLD, NEW):
            found |= _values(HUBSPOT, email, look.contacts.get(email, {}))
            found |= _values(SALESFORCE, email, next(iter(look.people.get(email, [])), {}))
            attributes = look.profiles.get(email, {}).get("attributes", {})
            said = {name: attributes.get(name) for name in ("first_name", "last_name")} | attributes.get(
                "properties", {}
            )
            found |= {(KLAVIYO, email, name): value for name, value in said.items()}
            for crm in (HUBSPOT, KLAVIYO, SALESFORCE):
                found[crm, email, "subscribed"] = email in look.subscribed(crm)
        return found

    def written(self) -> int:
        return self._count() - self._writes

    def _count(self) -> int:
        crms = (HUBSPOT, KLAVIYO, SALESFORCE)
        return sum(is_write(entry) for crm in crms for entry in self.scene.journal(crm))

    @contextmanager
    def open(self) -> Iterator[Db]:
        with warehouse_at(self.scene.data).open(self.scene.merchant, ROUTE) as db:
            yield db

    def beside(self) -> Any:
        waiting = self.scene.inbox.ask("select state, count(*) from hints group by 1 order by 1")
        self.scene.inbox.close()
        return files_in(self.scene.data / "merchants" / self.scene.merchant), waiting

    def answering(self, answered: Answered) -> Any:
        return http_answering(answered, WRITES)


def _values(crm: str, email: str, record: Mapping[str, Any]) -> dict[Any, Any]:
    return {(crm, email, name): value for name, value in record.items() if name.startswith(FIELDS[crm])}
