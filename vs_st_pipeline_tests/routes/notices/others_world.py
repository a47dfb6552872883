"""Wineries whose parcels are told of: scenarios `orders` and `shop_small` with Gupshup's stand-in, the real command.

Two worlds: `orders` has a winery that sells at Commerce7 and ships by Vinoshipper, with or without route `orders`; the
other one is read by route `audience`, or `contacts`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from vs_st_pipeline.domain.hints import ORDER, Call
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.inbox.store import Arrival
from vs_st_pipeline.sandbox.core.notices_clients import GupshupControl
from vs_st_pipeline.sandbox.core.notices_findings import notices_findings
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import HOUSE, STATUSES
from vs_st_pipeline_tests.support import orders
from vs_st_pipeline_tests.support.notices import Scene as Brand

__all__ = ["HOUSE", "Parcels"]

Record = dict[str, Any]
ROUTE = "notices"


class Parcels(orders.Scene):
    """A winery of scenario `orders` that tells of its parcels as well."""

    def told_of(
        self,
        *edits: Callable[[Record], None],
        enabled: Collection[str] = STATUSES,
        without: Collection[str] = (),
        **notices: Any,
    ) -> Path:
        """Write the merchants file: nothing settles, all is read in every sync.

        Args:
            edits: of this merchant's entry. enabled: statuses that are announced.
            without: sections that the entry does not have. notices: further keys of section `notices`.
        """
        path = self.box.write_settings(self.folder, give_up_after="2s")
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in whole["merchants"]:
            if "notices" not in entry:
                continue
            if "orders" in entry:
                entry["orders"].setdefault("refresh", dict(orders.ALWAYS))
            if "vinoshipper" in entry:
                entry["vinoshipper"]["refresh"] = {"open_orders": "0s", "customer_list": "0s"}
            entry["notices"] |= {"settle": "0s", **notices}
            for status, one in entry["notices"]["notifications"].items():
                one["enabled"] = status in enabled
            if entry["id"] == self.merchant:
                for section in without:
                    entry.pop(section, None)
                for edit in edits:
                    edit(entry)
        path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        return path

    @property
    def gupshup(self) -> GupshupControl:
        """Gupshup's stand-in."""
        return self.box.gupshup.control

    def later(self, **gap: float) -> None:
        """Let time go by, here and at all stand-ins."""
        super().later(**gap)
        self.gupshup.move_clock(timedelta(**gap).total_seconds())

    def synced_route(self, route: str = ROUTE, *arguments: str) -> Record:
        """`vs-st sync --route ROUTE --json`; it must go well."""
        done = self.run("sync", "--merchant", self.merchant, "--route", route, "--json", *arguments)
        report = done.of(self.merchant)
        assert (report["status"], report["error"]) == ("ok", None), report
        return report

    def sends(self) -> list[Record]:
        """Messages that Gupshup took, oldest first."""
        found: list[Record] = self.gupshup.sends(HOUSE)
        return found

    def planned(self) -> Record:
        """`vs-st plan --route notices --json`."""
        return self.run("plan", "--merchant", self.merchant, "--route", ROUTE, "--json").of(self.merchant)

    def messages_to(self) -> list[tuple[str, str]]:
        """Which status was told to which phone, oldest first."""
        return [(one["template"].removeprefix("house-"), "+" + one["destination"]) for one in self.sends()]

    def received(self) -> None:
        """Let Gupshup say of all messages that they were delivered, so that none waits for another."""
        Brand(self.box, self.folder, self.merchant, self.shift).callbacks()

    def rows(self, sql: str, values: Any = ()) -> list[Record]:
        """Rows of the route's file, as objects."""
        with warehouse_at(self.data).open(self.merchant, ROUTE) as db:
            names = [row[0] for row in db.rows(f"describe {sql}", values)]
            return [dict(zip(names, row, strict=True)) for row in db.rows(sql, values)]

    def stand(self) -> list[tuple[str, str, str | None]]:
        """How all messages stand: (status, state, reason)."""
        return [
            (one["status"], one["state"], one["reason"])
            for one in self.rows(
                """select * from synced.notices where reason is distinct from 'before_start'
                   order by first_seen_at, status"""
            )
        ]

    def found(self) -> list[Record]:
        """What Gupshup's stand-in finds wrong."""
        return notices_findings(self.box.running)

    def hinted(self, system: str, record: str) -> None:
        """Let a system tell of an order, some seconds ago."""
        self.inbox.put([Arrival(self.merchant, system, Call(ORDER, record), (ROUTE,), self.now.isoformat())])
        self.inbox.ask("update hints set stored_at = stored_at - 10 where state = 'waiting'")

    def worked(self, *arguments: str) -> list[Record]:
        """`vs-st work --once --json`: its reports."""
        done = self.run("work", "--once", "--json", "--merchant", self.merchant, *arguments)
        found: list[Record] = done.json["merchants"]
        assert all(one["status"] == "ok" for one in found), found
        return found
