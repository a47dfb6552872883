"""Names what the merchants of scenarios `parcels` and `parcels:N` have at Gupshup and Eshopbox, and their templates.

One sends by its own account, the other by the house's; each account has a template for every status that can be told.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.sandbox.core.asgi import Record

KAPASKRAFT, MITTI_HOME = "kapaskraft", "mitti-home"
NAMES: Final = {KAPASKRAFT: "KapasKraft", MITTI_HOME: "Mitti Home"}
HOUSE: Final = "eshopbox-house"
CONFIRMED: Final[Record] = {"by": "Asha Rao", "date": "2026-03-01"}

_TEXTS: Final[dict[str, tuple[str, list[Any], list[str | None]]]] = {
    "created": (
        "Hi {{1}}, we have your order {{2}}: {{3}}.",
        ["customer_name", "customer_order_id", "product_title"],
        [],
    ),
    "packed": ("Your order {{1}} of {{2}} is packed.", ["customer_order_id", "quantity"], []),
    "on_the_way": (
        "Your order {{1}} is on its way with {{2}}, {{3}}.",
        ["customer_order_id", {"variable": "courier", "else": "our courier"}, "city"],
        [],
    ),
    "failed_delivery": (
        "Hi {{1}}, we could not deliver your order {{2}}. What shall we do?",
        [{"variable": "customer_name", "else": "there"}, "customer_order_id"],
        ["reattempt", "cancel"],
    ),
    "delivered": ("Your order {{1}} was delivered. Thank you, {{2}}.", ["customer_order_id", "brand"], []),
    "return_created": ("We will pick up your return of order {{1}}.", ["customer_order_id"], []),
    "restocked": (
        "Your return of order {{1}} is here; {{2}} will be refunded.",
        ["customer_order_id", "refund_amount"],
        [],
    ),
}
"""By status: the body, what fills its placeholders, what its quick replies do."""
TITLES: Final = {"reattempt": "Reattempt delivery", "cancel": "Cancel order"}
STATUSES: Final = tuple(_TEXTS)


@dataclass(frozen=True)
class Sender:
    """An account at Gupshup, as settings and stand-in name it."""

    id: str
    app_name: str
    app_id: str
    api_key: str
    number: str
    prefix: str
    templates: list[Record] = field(default_factory=list)

    def template(self, status: str) -> str:
        """Return the id of a status's template."""
        return f"{self.prefix}-{status}"

    def part(self, consents: Collection[str]) -> Record:
        """Return what the account is at Gupshup's stand-in; `consents`: phones of who asked to be written, E.164."""
        names = ("id", "app_name", "app_id", "api_key", "number", "templates")
        account: Record = {name: getattr(self, name) for name in names}
        return {"accounts": [{**account, "consents": sorted(consents)}]}

    def setting(self, status: str) -> Record:
        """Return what the settings say of a status's template."""
        _, params, buttons = deepcopy(_TEXTS[status])  # a list that two places share is written as an alias
        return {"id": self.template(status), "params": params, "buttons": buttons}


def _sender(id: str, app_name: str, app_id: str, number: str, prefix: str) -> Sender:
    made = Sender(id, app_name, app_id, f"gupshup-key-of-{prefix}-account", number, prefix)
    for status, (text, _, buttons) in _TEXTS.items():
        made.templates.append(_template(made.template(status), status, text, [TITLES[str(one)] for one in buttons]))
    hello = "Hello {{1}}."
    made.templates.extend(
        [
            _template(made.template("pending"), "pending", hello, [], status="PENDING"),
            _template(made.template("marketing"), "marketing", hello, [], category="MARKETING"),
            _template(made.template("image"), "image", hello, [], templateType="IMAGE"),
        ]
    )
    return made


def _template(id: str, name: str, text: str, buttons: list[str], **other: str) -> Record:
    usual = {"category": "UTILITY", "status": "APPROVED", "languageCode": "en", "templateType": "TEXT"}
    return (
        {"id": id, "elementName": name, "data": text, "buttons": buttons, "header": None, "footer": None}
        | usual
        | other
    )


OWN: Final = _sender(f"client:{KAPASKRAFT}", "KapasKraftApp", "77aa", "+919810000002", "kk")
SHARED: Final = _sender(HOUSE, "EshopboxHouse", "1f0c7a52", "+919810000001", "house")
SENDERS: Final = {KAPASKRAFT: OWN, MITTI_HOME: SHARED}


def sender_of(merchant: str) -> Sender:
    """Return the account by which a merchant sends; merchants of a larger world use the house's."""
    return SENDERS.get(merchant, SHARED)
