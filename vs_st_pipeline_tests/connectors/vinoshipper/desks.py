"""An order desk that speaks to Vinoshipper's stand-in over sockets, and an order as a route sends it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.order_desk import VinoshipperDesk
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.platform.http.rate_limit import RateLimiter
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline_tests.sandbox.served import Served

Record = dict[str, Any]
HILLSIDE = "hillside"
NUMBER, C7_ID = "HILLSIDE-9001", "71000000-0000-4000-7000-000000009001"


def order(*lines: tuple[str, int, str], to: Record | None = None, **changed: Any) -> Record:
    """An order as route `orders` sends it; None leaves a key out."""
    body: Record = {
        "orderNumber": NUMBER,
        "sourceUrl": f"https://hillside.admin.platform.commerce7.com/store/order/{C7_ID}",
        "metaFields": {"c7_order_id": C7_ID, "c7_tenant": "hillside"},
        "customer": {"email": "marisol@example.com", "firstName": "Marisol", "lastName": "Vantongeren"},
        "shipToAddress": {
            "lastName": "Ostrowski",
            "businessName": "Ostrowski & Co",
            "street1": "1 Sample Street",
            "city": "Sebastopol",
            "stateCode": "CA",
            "postalCode": "95472-1234",
            "country": "US",
            **(to or {}),
        },
        "productIdType": "SKU",
        "products": [
            {"productId": sku, "quantity": quantity, "price": Decimal(price)}
            for sku, quantity, price in lines or (("PINOT22", 2, "42.10"),)
        ],
        "shippingRate": {"carrier": "UPS", "rateCode": "03", "price": Decimal("15.50")},
        "taxes": Decimal("7.91"),
        "fees": Decimal("0.20"),
        "specialInstructions": {"shipDate": "2030-12-24"},
        "disableCustomerNotifications": True,
        "paid": True,
        "isPaid": True,
        **changed,
    }
    return {key: value for key, value in body.items() if value is not None}


def client_of(
    box: Served, merchant: str = HILLSIDE, *, secret: str | None = None, give_up: float = 0.3
) -> VinoshipperClient:
    """A client with the merchant's own key; `secret` replaces half of it."""
    winery = box.app.merchants[merchant]
    settings = VinoshipperSettings(
        base_url=box.url,
        api_key=Secret(winery.vs_key, "env:KEY"),
        api_secret=Secret(secret or winery.vs_secret, "env:SECRET"),
    )
    entry = Merchant(merchant, merchant, give_up_after=timedelta(seconds=give_up), sections={"vinoshipper": settings})
    client = VinoshipperClient(entry, RateLimiter(None, 10_000))
    box.callers.append(cast("Any", SimpleNamespace(connection=client.http)))  # closed with the stand-in's other callers
    return client


def desk_of(box: Served, merchant: str = HILLSIDE, **more: Any) -> VinoshipperDesk:
    """The desk of a winery."""
    return VinoshipperDesk(client_of(box, merchant, **more))
