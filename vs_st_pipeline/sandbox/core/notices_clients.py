"""Calls the control API of the stand-ins of Gupshup and Eshopbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vs_st_pipeline.sandbox.core.clients import Record
from vs_st_pipeline.sandbox.core.consumer_clients import AccountControl


class GupshupControl(AccountControl):
    """Control of Gupshup's stand-in; what other controls call a merchant is an account here."""


class EshopboxControl(AccountControl):
    """Control of Eshopbox's stand-in; an order is named by its customerOrderNumber."""

    def orders(self, merchant: str | None = None) -> list[Record]:
        """Return all orders, as they are kept: times in UTC, phones in E.164."""
        return self.all("orders", merchant)

    def find(self, number: str, merchant: str | None = None) -> Record:
        """Return one order."""
        return self.one("orders", number, merchant)

    def order(self, merchant: str | None = None, **fields: Any) -> Record:
        """Add an order, placed now unless `placed` says otherwise; a hook of its first shipment waits to be sent.

        Args:
            fields: `number`, `placed` (ISO), `name`, `phone` (E.164), `whatsapp` (the flag; None: absent), `address`,
                `items`, `shipments`, `returns` as `parcels_model.order_of` takes them, and keys of the detail itself.
        """
        found: Record = self.act("order", merchant, **fields)
        return found

    def advance(
        self,
        order: str,
        status: str,
        merchant: str | None = None,
        *,
        at: datetime | str | None = None,
        shipment: str | None = None,
        resource: str = "shipment",
        **more: Any,
    ) -> Record:
        """Let a parcel reach a status, in Eshopbox's words; a read shows it, and a hook waits to be sent.

        Args:
            at: when; the stand-in's present. shipment: id of the shipment or return; the first one.
            resource: `shipment`, or `returnShipment` (whose `created` makes a new one).
            more: `hook` (False: none is told), `reason` and `resolutions` of a failure; of a new return `lines`,
                `refundAmount`, `returned` (what became of each item, by line).
        """
        when = at.isoformat() if isinstance(at, datetime) else at
        found: Record = self.act(
            "advance", merchant, order=order, status=status, at=when, shipment=shipment, resource=resource, **more
        )
        return found

    def change(self, number: str, fields: Record, merchant: str | None = None) -> Record:
        """Change what an order says, which no hook tells."""
        return self.patch("orders", number, fields, merchant)

    def begin_hooks(self, url: str, header_value: str = "", merchant: str | None = None, tries: int = 3) -> None:
        """Tell where a workspace's hooks go, and what its registration's header says; it outlives a reset."""
        self.act("hooks", merchant, url=url, header_value=header_value, tries=tries)

    def send_hooks(self, order: str | None = None, merchant: str | None = None) -> int:
        """Send the hooks of an order that nobody was sent yet, or all; return the number of calls."""
        return int(self.act("send_hooks", merchant, order=order)["calls"])

    def untold(self, merchant: str | None = None) -> list[Record]:
        """Return the hooks that nobody was sent yet: {merchant, order, resource, status, parcel}."""
        found: list[Record] = self.report("untold", merchant)
        return found

    def resolutions(self, merchant: str | None = None) -> list[Record]:
        """Return the calls of ndrResolution as the journal has them, and what each did: submitted, refused, null."""
        found: list[Record] = self.report("resolutions", merchant)
        return found

    def token_requests(self, merchant: str | None = None) -> int:
        """Return how often a workspace's client asked for a token."""
        return int(self.report("token_requests", merchant or self.first_merchant)[merchant or self.first_merchant])

    def expire_tokens(self, merchant: str | None = None) -> None:
        """Let all access tokens of a workspace end."""
        self.act("expire", merchant)
