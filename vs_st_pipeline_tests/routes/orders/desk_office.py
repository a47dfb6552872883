"""A whole sync without sockets: the dispatch of `dispatch`, with passes that show the shop's orders and app messages.

What is faked is what other tests hold over real sockets: the passes, catalogues, windows. All else is the route's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7 import gaps, landing, products, reading
from vs_st_pipeline.connectors.commerce7.order_record import read_order
from vs_st_pipeline.connectors.commerce7.passes import PassesRead
from vs_st_pipeline.domain.errors import Forbidden, PipelineError, Refused
from vs_st_pipeline.domain.order_desk import Catalogue, ShipperProduct
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.routes.orders import alerts, fulfilling, messages, stages, sync, watching
from vs_st_pipeline.routes.orders.session import OrdersSession
from vs_st_pipeline.routes.orders.settings import Refresh
from vs_st_pipeline_tests.routes.orders.dispatch import Dispatch, Shipper, Shop


@dataclass
class Till(Shop):
    """The shop. lists: ids that the passes show; None: all. lacking: keys that rows of a list lack.

    said: first lines of our app's last message, by order id; None: the app may not read them. unsaid: ids of orders
        that are answered by 404, since nobody said anything of them.
    """

    lists: set[str] | None = None
    lacking: tuple[str, ...] = ()
    share: tuple[int, int] = (0, 0)
    missing: frozenset[str] = frozenset()
    said: dict[str, str] | None = field(default_factory=dict)
    unsaid: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    http: Any = None


@dataclass
class Cellar(Shipper):
    """The shipper. skus: of its catalogue; an error: it does not tell. catalogues: how often it was asked."""

    skus: Iterable[str] | PipelineError = ("CAB-2020",)
    catalogues: int = 0

    def catalogue(self) -> Catalogue:
        self.catalogues += 1
        if isinstance(self.skus, PipelineError):
            raise self.skus
        return Catalogue(tuple(ShipperProduct(sku) for sku in self.skus), "products")


@dataclass
class Office(Dispatch):
    """One merchant whose syncs are judged here: passes show orders, the rest is real."""

    shop: Till = field(default_factory=Till)
    shipper: Cellar = field(default_factory=Cellar)

    def whole(self, **run: Any) -> OrdersSession:
        """Sync once; what went wrong is raised."""
        session = self.session(**run)
        self.last = session
        session.run.warehouse.sync_lock = None  # type: ignore[method-assign, assignment]
        stages.begin(session)
        try:
            sync.read_and_judge(session)
            session.do("orders/synced/vinoshipper/orders", stages.write)
            if trouble := session.there or session.trouble:
                raise trouble
        finally:
            stages.end(session)
        return session

    def told(self) -> dict[str, Any]:
        """Return the report of the last sync."""
        report: dict[str, Any] = self.last.told.as_json()
        return report

    def reads(self) -> list[str]:
        """Return the numbers read at the shipper since the last call."""
        found = [number for call, number in self.shipper.log if call == "read"]
        self.shipper.log.clear()
        return found


def open_office(monkeypatch: pytest.MonkeyPatch, folder: Any, **settings: Any) -> Office:
    """Return an office whose passes, catalogues and windows are the test's own."""
    office = Office(folder, {"refresh": Refresh(), **settings})

    def passes(run: Any, client: Till, **_: Any) -> PassesRead:
        found = PassesRead(window_share=client.share, window_missing=client.missing, reconciled=client.share != (0, 0))
        ids = client.orders if client.lists is None else client.lists & client.orders.keys()
        seen = []
        for id_ in sorted(ids):
            body = {key: value for key, value in client.orders[id_].items() if key not in client.lacking}
            seen.append(landing.Seen(body, read_order(body), "paid", False, True, utc_now_naive()))
        with run.open() as db, db.transaction():
            for id_, one in landing.store(db, run, seen).items():
                found.found.add(id_)
                if one.whole:
                    found.read_at[id_] = -1000.0  # long ago: a send reads it again
        return found

    def read_back(session: OrdersSession, order_id: str) -> str | None:
        office.shop.asked.append(order_id)
        if office.shop.said is None:
            raise Forbidden("not yours", system="commerce7", call="app_syncs", http_status=403)
        if order_id in office.shop.unsaid:
            raise Refused("no messages", system="commerce7", call="app_syncs", http_status=404)
        return office.shop.said.get(order_id)

    monkeypatch.setattr(reading, "read_passes", passes)
    monkeypatch.setattr(messages, "read_back", read_back)
    monkeypatch.setattr(gaps, "look", lambda run, client, **_: gaps.GapsLooked())
    monkeypatch.setattr(products, "read_catalogue", lambda run, client: 1)
    for module, name in ((watching, "watch"), (fulfilling, "fulfil"), (messages, "tell"), (alerts, "look")):
        monkeypatch.setattr(module, name, lambda *_: None)
    return office
