"""Calls Commerce7's API for one merchant: one method per call.

Reads are tried again within the time that a merchant allows; a write leaves once, whatever comes of it (orders.md 6.3).
Ids are percent-encoded, and no URL that an answer or a webhook holds is ever fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from vs_st_pipeline.connectors.commerce7.names import COMMERCE7
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.codec import JSON, safe_token
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.domain.records import is_error
from vs_st_pipeline.platform.http.client import Answer, Basic, HttpClient, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant

LARGEST_PAGE: Final = 50
START: Final = "start"  # the first cursor
PAGE: Final = "page:"
"""Before the number of a page and how many rows the pages before it had: our own cursor, of a list without any."""


class Commerce7Client:
    """One merchant's tenant.

    Attributes:
        http: counts all calls.
        settings: of the merchant. webhooks: what its calls prove themselves by.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        self.settings = merchant.section(Commerce7Settings)
        self.webhooks = merchant.webhooks.of(COMMERCE7)
        self.http = HttpClient(
            system=COMMERCE7,
            base_url=self.settings.base_url,
            auth=_Tenant(self.settings),
            pace=pace,
            give_up_after=merchant.give_up_after.total_seconds(),
            error_code=lambda said: safe_token(said.get("type")),
        )

    # --- reads; each raises PipelineError as the HTTP client does, and Refused for 400, 404, 422 ---

    def orders(self, wanted: Mapping[str, str | int | bool], cursor: str = START) -> dict[str, Any]:
        """Read a page of orders; `wanted`: filters. Returns the answer, an object that calls itself no error."""
        return self._get("list_orders", "/order", {**wanted, **_page(cursor)})

    def products(self, cursor: str = START) -> dict[str, Any]:
        """Read a page of products."""
        return self._get("list_products", "/product", _page(cursor))

    def customers(self, cursor: str = START) -> dict[str, Any]:
        """Read a page of customers."""
        return self._get("list_customers", "/customer", _page(cursor))

    def addresses(self, cursor: str = START) -> dict[str, Any]:
        """Read a page of customers' addresses."""
        return self._get("list_addresses", "/customer-address", _page(cursor))

    def carts(self, cursor: str = START) -> dict[str, Any]:
        """Read a page of carts; the form of the answer is not documented."""
        return self._get("list_carts", "/cart", _page(cursor))

    def count(self, path: str) -> int | None:
        """Read how many records a list has, in one request; None where the answer does not say."""
        total = self._get("count", path, {"limit": 1, "page": 1}).get("total")
        return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None

    def product(self, product_id: str) -> Any:
        """Read one product; returns the answer's JSON, whatever it is."""
        return self._one("product", f"/product/{_quoted(product_id)}")

    def order(self, order_id: str) -> Any:
        """Read one order; returns the answer's JSON, whatever it is."""
        return self._one("order", f"/order/{_quoted(order_id)}")

    def customer(self, customer_id: str) -> Any:
        """Read one customer; returns the answer's JSON, whatever it is."""
        return self._one("customer", f"/customer/{_quoted(customer_id)}")

    def app_syncs(self, order_id: str) -> dict[str, Any]:
        """Read what apps said of an order."""
        return self._get("app_syncs", f"/app-syncs/{_quoted(order_id)}", {})

    # --- writes: one request each ---

    def fulfil(self, order_id: str, body: Mapping[str, Any], *, whole: bool) -> Answer[Any]:
        """Fulfill an order, or those lines of it that the body names; raises as the HTTP client does."""
        path = f"/order/{_quoted(order_id)}/fulfillment{'/all' if whole else ''}"
        return self.http.request("fulfil", "POST", path, shape=JSON, json=body, once=True)

    def say(self, body: Mapping[str, Any]) -> Answer[Any]:
        """Leave a message on an order; raises as the HTTP client does."""
        return self.http.request("app_sync", "POST", "/app-sync", shape=JSON, json=body, once=True)

    def close(self) -> None:
        """Close idle connections."""
        self.http.close()

    def _one(self, call: str, path: str) -> Any:
        return self.http.request(call, "GET", path, shape=JSON).value

    def _get(self, call: str, path: str, params: Mapping[str, str | int | bool]) -> dict[str, Any]:
        answer = self.http.request(call, "GET", path, shape=JSON, params=params)
        found = answer.value
        if not isinstance(found, dict) or is_error(found):
            raise bad_answer("the answer is no object, or calls itself an error", call)
        return found


def bad_answer(what: str, call: str) -> BadAnswer:
    """Return the error that an answer says nothing."""
    return BadAnswer(what, system=COMMERCE7, call=call)


class _Tenant(Basic):
    """Sends the app's key, and whose shop is meant."""

    def __init__(self, settings: Commerce7Settings) -> None:
        super().__init__(settings.app_id.reveal(), settings.app_secret.reveal())
        self._tenant = settings.tenant

    def __call__(self, request: Any) -> Any:
        request.headers["tenant"] = self._tenant
        return super().__call__(request)


def _page(cursor: str) -> dict[str, str | int | bool]:
    number = cursor.removeprefix(PAGE).partition(":")[0]
    beside: dict[str, str | int | bool] = {"page": int(number)} if cursor.startswith(PAGE) else {"cursor": cursor}
    return {"limit": LARGEST_PAGE, **beside}


def _quoted(record_id: str) -> str:
    # A path of dots alone would be taken apart on its way.
    return quote(record_id, safe="") if record_id.strip(".") else record_id.replace(".", "%2E")
