"""Shows Commerce7's lists of customers, addresses, products and carts, and lets them move while they are walked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vs_st_pipeline.sandbox.commerce7.listing import START, page_of
from vs_st_pipeline.sandbox.commerce7.tenant import Tenant
from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.lies import Kind

NAMES = {
    "customer": "customers",
    "customer-address": "customerAddresses",
    "product": "products",
    "cart": "carts",
}
"""The key of a list's rows, by the word in its path."""
KINDS = {
    "customer": Kind("customers", "id", "emails", "customers"),
    "customer-address": Kind("addresses", "id", "customerId", "customerAddresses"),
    "cart": Kind("carts", "id", "customerId", "carts"),
}


def table_of(tenant: Tenant, word: str) -> dict[str, Record]:
    """Return the records behind a list."""
    return {
        "customer": tenant.customers,
        "customer-address": tenant.addresses,
        "product": tenant.products,
        "cart": tenant.carts,
    }[word]


def listed(word: str, request: Request, tenant: Tenant, switches: Record) -> Answer | None:
    """Return a page of a list; None: there is no such call."""
    if word == "cart" and switches["carts"] == 404:
        return None
    if is_later(request):
        walked(word, tenant, switches)
    name = NAMES[word]
    rows, beside = page_of(name, list(table_of(tenant, word).values()), request, switches)
    if word == "cart" and switches["carts"] == "other_shape":
        return json_answer({"results": [_in_other_words(row) for row in rows], **beside})
    return json_answer({name: rows, **beside})


def is_later(request: Request) -> bool:
    """Say whether a request asks for a page after the first one."""
    return request.query.get("cursor", START) != START or request.query.get("page", "1") != "1"


def walked(word: str, tenant: Tenant, switches: Record) -> None:
    """Let somebody come, and somebody change, between two pages of a walk: once for each list."""
    if not switches["moves_during_walk"] or word in tenant.walked:
        return
    tenant.walked.add(word)
    make: dict[str, Callable[[Record], Record]] = {
        "customer": lambda usual: tenant.add_customer({"firstName": "Late", "lastName": "Arrival"}),
        "customer-address": lambda usual: tenant.add_address({"customerId": usual["customerId"]}),
        "product": lambda usual: tenant.add_product({"sku": "LATE01", "title": "Late Arrival"}),
        "cart": lambda usual: tenant.add_cart({"customerId": None, "items": usual["items"][:1]}),
    }
    change: dict[str, Record] = {
        "customer": {"lastName": "Changed"},
        "customer-address": {"address": "9 Changed Street"},
        "product": {"teaser": "Changed"},
        "cart": {"items": []},
    }
    table = table_of(tenant, word)
    first = next(iter(table))
    table[first] = {**table[first], **change[word], "updatedAt": tenant.now()}
    made = make[word](table[first])
    rest = {id: row for id, row in table.items() if id != made["id"]}
    table.clear()
    table.update({made["id"]: made, **rest})


def _in_other_words(cart: Record) -> Record:
    lines: list[Any] = [{"variant": one["productVariantId"], "count": one["quantity"]} for one in cart["items"]]
    return {"cartId": cart["id"], "owner": cart["customerId"], "lines": lines}
