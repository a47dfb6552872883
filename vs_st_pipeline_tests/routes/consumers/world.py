"""Runs route `consumers` in this process against the stand-ins over real sockets: settings, runs, looks at tables."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from vs_st_pipeline.domain.hints import ORDER, Call
from vs_st_pipeline.pipeline.route import layout_of
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import House, Merchant, RouteNeeds, Section, read_merchants
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.consumers.report import ConsumersReport
from vs_st_pipeline.routes.consumers.route import ROUTE
from vs_st_pipeline.routes.consumers.systems import NAME
from vs_st_pipeline.sandbox import Sandbox

GLOW, SOAP = "glow-skin", "bare-soap"
Record = dict[str, Any]
HOUSE = House(
    tuple(Section(one.name, model) for one in (*ROUTE.connectors, ROUTE) if (model := one.settings) is not None),
    (RouteNeeds(NAME, ROUTE.needs, None),),
)


class World:
    """One data folder, beside stand-ins that tests share.

    Attributes:
        now: the clock of the runs, aware; it goes with the machine's, ahead by `ahead`.
        changed: what a test changes in a merchant's sections, by merchant and section.
    """

    def __init__(
        self, box: Sandbox, folder: Path, crms: Collection[str] = ("hubspot", "klaviyo", "salesforce")
    ) -> None:
        self.box, self.folder, self.crms = box, folder, crms
        self.data = folder / "data"
        self.inbox = Inbox(self.data)
        self.warehouse = Warehouse(self.data, {NAME: layout_of(ROUTE)})
        self.ahead = timedelta(0)
        self.changed: dict[str, Record] = {}
        self._events = 0

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def merchant(self, name: str = GLOW) -> Merchant:
        path = self.box.write_settings(self.folder)
        whole = yaml.safe_load(path.read_text())
        for entry in whole["merchants"]:
            for crm in ("hubspot", "klaviyo", "salesforce"):
                if crm not in self.crms:
                    entry.pop(crm, None)
            for consent in entry.get("consumers", {}).get("consents", ()):
                for crm in {"hubspot", "klaviyo", "salesforce"} - set(self.crms):
                    consent.pop(crm, None)
            kept = [one for one in entry["consumers"]["consents"] if len(one) > 2]
            entry["consumers"]["consents"] = kept
            for section, values in self.changed.get(entry["id"], {}).items():
                entry[section] = {**entry[section], **values}
        path.write_text(yaml.safe_dump(whole))
        found = read_merchants(path, {}, HOUSE)
        return next(one for one in found.merchants if one.id == name)

    def run(self, merchant: str = GLOW, **how: Any) -> Run:
        return Run(self.merchant(merchant), self.warehouse, lambda: self.now, route=NAME, inbox=self.inbox, **how)

    def event(self, order: Record, word: str = "APPROVED", merchant: str = GLOW) -> None:
        """A webhook tells of an order, as the receiver stores it."""
        self.events([order], word, merchant)

    def events(self, orders: Iterable[Record], word: str | None = None, merchant: str = GLOW) -> None:
        arrivals = []
        for order in orders:
            self._events += 1
            status = word or str(order.get("status") or "APPROVED")
            kept = {"event_id": f"e{self._events}", "event": status, "order_id": order["id"], "activity_id": ""}
            call = Call(ORDER, order["id"].lower(), event=status, event_id=f"e{self._events}", kept=kept)
            arrivals.append(Arrival(merchant, "sopost", call, (NAME,), self.now.isoformat()))
        self.inbox.put(arrivals)

    def tell_all(self, merchant: str = GLOW) -> int:
        """Tell of every order of a merchant."""
        orders = self.box.sopost.control.orders(merchant)
        self.events(orders, merchant=merchant)
        return len(orders)

    def sync(self, merchant: str = GLOW, **how: Any) -> ConsumersReport:
        report = ROUTE.sync(self.run(merchant, **how))
        assert isinstance(report, ConsumersReport)
        return report

    def rows(self, sql: str, params: Any = None, merchant: str = GLOW) -> list[tuple[Any, ...]]:
        with self.warehouse.open(merchant, NAME) as db:
            return db.rows(sql, params)

    def evidence(self, merchant: str = GLOW) -> list[Record]:
        path = self.data / "merchants" / merchant / f"{NAME}.evidence.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
