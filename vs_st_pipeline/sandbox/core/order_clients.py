"""Calls the control API of Commerce7's stand-in, and writes the settings of route `orders`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from vs_st_pipeline.sandbox.core.clients import Record
from vs_st_pipeline.sandbox.core.consumer_clients import AccountControl
from vs_st_pipeline.sandbox.scenarios.orders_accounts import account_of


class Commerce7Control(AccountControl):
    """Control of Commerce7's stand-in; orders are named by id or by number."""

    def orders(self, merchant: str | None = None) -> list[Record]:
        """Return all orders."""
        return self.all("orders", merchant)

    def order(self, id: int | str, merchant: str | None = None) -> Record:
        """Return one order."""
        return self.one("orders", id, merchant)

    def place(self, merchant: str | None = None, **fields: Any) -> Record:
        """Add a paid order: `lines` {sku, quantity, price}, `state`, `hours` ago; the rest replaces what is usual."""
        found: Record = self.act("orders/place", merchant, **fields)
        return found

    def patch_order(self, id: int | str, merchant: str | None = None, touch: bool = True, **fields: Any) -> Record:
        """Change an order; without `touch` its `updatedAt` stays."""
        return self.patch("orders", id, fields, merchant, touch)

    def pay(self, order: int | str, merchant: str | None = None) -> Record:
        """Capture what was authorized."""
        found: Record = self.act("orders/pay", merchant, order_id=order)
        return found

    def cancel(self, order: int | str, merchant: str | None = None) -> Record:
        """Cancel an order."""
        found: Record = self.act("orders/cancel", merchant, order_id=order)
        return found

    def refund(
        self, order: int | str, lines: dict[str, int] | None = None, merchant: str | None = None, **more: Any
    ) -> Record:
        """Refund an order: quantities by SKU, none for all of it; `shipping` True, `amount` of cents besides."""
        found: Record = self.act("orders/refund", merchant, order_id=order, lines=lines, **more)
        return found

    def exchange(self, order: int | str, merchant: str | None = None, **more: Any) -> Record:
        """Exchange a bottle of an order: SKUs `back` and `new`."""
        found: Record = self.act("orders/exchange", merchant, order_id=order, **more)
        return found

    def fulfil(self, order: int | str, *tracking: str, merchant: str | None = None, **more: Any) -> Record:
        """Fulfill an order as somebody at the shop does; mails nobody unless `sendTransactionEmail` is True."""
        found: Record = self.act("orders/fulfil", merchant, order_id=order, tracking=list(tracking), **more)
        return found

    def unfulfil(self, order: int | str, merchant: str | None = None) -> Record:
        """Take the last fulfillment of an order back."""
        found: Record = self.act("orders/unfulfil", merchant, order_id=order)
        return found

    def say(self, order: int | str, *issues: str, merchant: str | None = None, **more: Any) -> Record:
        """Leave a message of an app on an order: `app` (Commerce7's own one), `status`."""
        found: Record = self.act("say", merchant, order_id=order, issues=list(issues), **more)
        return found

    def mails(self, merchant: str | None = None) -> list[Record]:
        """Return what customers were mailed: {order_id, order_number, to, tracking, fulfillment_id, by, at}."""
        return self.all("mails", merchant)

    def said(self, order: int | str, merchant: str | None = None, app: str | None = None) -> list[Record]:
        """Return the attempts of an app (None: ours) on an order, oldest first: {id, status, activityDate, issues}."""
        id, name = self.order(order, merchant)["id"], app or self.keys(merchant)["app_id"]
        kept = self.all("app_syncs", merchant)
        return [tried for one in kept if (one["objectId"], one["appId"]) == (id, name) for tried in one["attempts"]]

    def cases(self, merchant: str | None = None) -> list[Record]:
        """Return why each order is there, and what comes of it: {order_id, order_number, code, state, why}."""
        found: dict[str, list[Record]] = self.report("cases", merchant or self.first_merchant)
        return found[merchant or self.first_merchant]

    def send(self, *orders: int | str, merchant: str | None = None, action: str = "Update") -> int:
        """Send webhook calls about orders; return the number of calls."""
        events = [{"object": "Order", "action": action, "order_number": order} for order in orders]
        return self.send_webhooks(events, merchant)


def order_sections(merchant: str, url: str, keys: Record, now: datetime, kept: Callable[[str, str], str]) -> Record:
    """Return the sections `commerce7` and `orders` of a merchant; `kept` stores a secret, by file name."""
    return {
        "commerce7": {
            "base_url": f"{url}/v1",
            "tenant": keys["tenant"],
            "app_id": kept(f"{merchant}.c7_app_id", keys["app_id"]),
            "app_secret": kept(f"{merchant}.c7_app_secret", keys["app_secret"]),
            "requests_per_minute": 100,
        },
        "orders": account_of(merchant).route_settings(now),
    }
