"""Calls Vinoshipper's API: one method per call that is used, answers typed as far as the vendor is known to obey.

Data flow: method call -> HTTP request -> typed answer or exact JSON text.

Items of a list stay exact JSON text (`msgspec.Raw`), because raw rows are what the system said and money must
never pass through a float. Anything but an id may be null, missing or new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from vs_st_pipeline.connectors.vinoshipper import typed_bodies
from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, ORDER, RECEIPT
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.codec import JSON, safe_token, try_json
from vs_st_pipeline.domain.errors import BadAnswer, BadRecord
from vs_st_pipeline.domain.formats import as_mapping, as_rows
from vs_st_pipeline.domain.records import ERROR_KEYS, MayBeError, RecordKind, id_text, prove
from vs_st_pipeline.platform.http.client import Answer, Basic, HttpClient, Pace
from vs_st_pipeline.platform.http.tape import ONCE
from vs_st_pipeline.platform.settings.merchants import Merchant

PREFIX = "/api/v3/p"
ROW_KEYS = ("results", "items", "orders", "memberships", "customers", "content", "data")
TOTAL_KEYS = ("total", "totalResults", "totalCount", "totalElements")


class _CustomerList(MayBeError):
    items_apart: ClassVar[bool] = True
    items: list[msgspec.Raw]
    total: Any = None


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """One page of the customer list: `total` of all pages if given, and each item's exact JSON text."""

    total: int | None
    items: list[bytes]


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page of an order search: `total` of all pages if given, and each row's exact JSON text."""

    total: int | None
    rows: list[bytes]


@dataclass(frozen=True)
class Body:
    """One record: its exact JSON text, and the vendor's id of the request."""

    text: str
    trace_id: str | None = None

    @cached_property
    def value(self) -> Any:
        """Return the same decoded (numbers with a point are Decimal); most callers only store the text."""
        return try_json(self.text)


def error_code(body: Mapping[str, Any]) -> str | None:
    """Return the code in an error's body: its type, else the code of its first part."""
    error = as_mapping(body.get("error"))
    first = next(iter(as_rows(error.get("errors"))), {})
    return safe_token(error.get("type")) or safe_token(first.get("code"))


class VinoshipperClient:
    """Calls the API for one merchant; every method sends one request (and its retries).

    Raises (every method): `TryLater`, `BadKey`, `BadAnswer`; `Refused` for other 4xx of that one request. A read of one
    record raises `BadRecord` where the answer is not that record.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        settings = merchant.section(VinoshipperSettings)
        self.http = HttpClient(
            system=VINOSHIPPER,
            base_url=settings.base_url,
            auth=Basic(settings.api_key.reveal(), settings.api_secret.reveal()),
            pace=pace,
            give_up_after=merchant.give_up_after.total_seconds(),
            trace_header="vs-trace-id",
            error_code=error_code,
        )
        self.server_time: float | None = None  # Vinoshipper's clock at the last read of the feed (epoch seconds, whole)

    @property
    def sent(self) -> int:
        """Return the number of requests sent so far, retries included."""
        return self.http.calls.total()

    def profile(self) -> dict[str, Any]:
        """Read `GET /profile`, the cheapest proof that the key is good (seen in client code)."""
        answer: Answer[Any] = self.http.request("profile", "GET", f"{PREFIX}/profile", shape=JSON)
        return answer.value if isinstance(answer.value, dict) else {}

    def list_customers(self, page_index: int, page_size: int) -> CustomerPage:
        """Read a page of `POST /customers/list`, zero-based (seen in client code; sort order unknown)."""
        answer = self.http.request(
            "list_customers",
            "POST",
            f"{PREFIX}/customers/list",
            shape=_CustomerList,
            json={"pageIndex": page_index, "pageSize": page_size},
        )
        found = answer.value
        if found.is_error:
            raise _no_list("list_customers", answer)
        return CustomerPage(_count(found.total), [bytes(item) for item in found.items])

    def search_customers(self, text: str) -> list[bytes]:
        """Search `GET /customers?q=`: free text over phones, names, e-mails (inferred); its result needs proof."""
        with self.http.tape.asking_for(ONCE):
            answer = self.http.request(
                "search_customers", "GET", f"{PREFIX}/customers", shape=msgspec.Raw, params={"q": text}
            )
        return self._rows("search_customers", answer)[1]

    def memberships(self, page_index: int, page_size: int) -> list[bytes]:
        """Read `GET /clubs/memberships`: documented as newest modification first; paging as in the customer list."""
        answer = self.http.request(
            "memberships",
            "GET",
            f"{PREFIX}/clubs/memberships",
            shape=msgspec.Raw,
            params={"pageIndex": page_index, "pageSize": page_size},
        )
        self.server_time = answer.server_time
        return self._rows("memberships", answer)[1]

    def customer(self, customer_id: int) -> Body:
        """Read `GET /customers/{id}`; `Refused` with 404 where the customer is gone."""
        return self._record(CUSTOMER, customer_id, customer_path(customer_id))

    def search_orders(self, params: Mapping[str, str | int]) -> OrderPage:
        """Search `GET /orders` with the documented query string; the server ignores unknown names."""
        answer = self.http.request("search_orders", "GET", f"{PREFIX}/orders", shape=msgspec.Raw, params=params)
        return OrderPage(*self._rows("search_orders", answer))

    def search_orders_by_body(self, body: Mapping[str, Any]) -> OrderPage:
        """Search `POST /orders/search`, the same search with a JSON body (seen in client code)."""
        answer = self.http.request(
            "search_orders_by_body", "POST", f"{PREFIX}/orders/search", shape=msgspec.Raw, json=body
        )
        return OrderPage(*self._rows("search_orders_by_body", answer))

    def order(self, order_number: str) -> Body:
        """Read `GET /orders/{number}`; the number is free text and is percent-encoded."""
        return self._record(ORDER, order_number, order_path(order_number))

    def receipt(self, order_number: str) -> Body:
        """Read `GET /orders/{number}/receipt`; only for successfully submitted orders, else a 4xx."""
        return self._record(RECEIPT, order_number, f"{PREFIX}/orders/{quote(order_number, safe='')}/receipt")

    def _record(self, kind: RecordKind, asked: str | int, path: str) -> Body:
        with self.http.tape.asking_for(ONCE):
            answer = self.http.request(kind.name, "GET", path, shape=msgspec.Raw)
        raw = bytes(answer.value)
        if kind is not ORDER or not _is_that_order(raw, asked):
            try:
                prove(kind, try_json(raw), asked)
            except BadRecord as error:
                error.call, error.http_status, error.trace_id = kind.name, answer.status, answer.trace_id
                raise
        return Body(raw.decode(), answer.trace_id)

    def _rows(self, call: str, answer: Answer[msgspec.Raw]) -> tuple[int | None, list[bytes]]:
        # The container's name differs by endpoint and is not documented for any of them.
        try:
            found = msgspec.json.decode(answer.value, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
            if isinstance(found, list):
                return None, [bytes(row) for row in found]
            error = any(try_json(bytes(found[key])) for key in ERROR_KEYS if key in found)
            for key in () if error else ROW_KEYS:
                if key in found:
                    rows = msgspec.json.decode(found[key], type=list[msgspec.Raw])
                    return _total(found), [bytes(row) for row in rows]
        except msgspec.DecodeError:
            pass
        raise _no_list(call, answer)


def customer_path(customer_id: object) -> str:
    """Return the path of a customer's detail."""
    return f"{PREFIX}/customers/{customer_id}"


def order_path(order_number: str) -> str:
    """Return the path of an order's detail; the number is free text and is percent-encoded."""
    return f"{PREFIX}/orders/{quote(order_number, safe='')}"


def _no_list(call: str, answer: Answer[Any]) -> BadAnswer:
    """Return the error for an answer without a list, or with an error beside one: an empty list would say "nobody"."""
    return BadAnswer(
        "no list of records was found in the answer",
        system=VINOSHIPPER,
        call=call,
        http_status=answer.status,
        trace_id=answer.trace_id,
    )


def _is_that_order(raw: bytes, asked: str | int) -> bool:
    """Say whether an answer is certainly the order that was asked for; `prove` decides on all others.

    A body that has nothing unknown in it calls itself no error, and one that omits nothing has what is always there.
    """
    body = typed_bodies.order_detail(raw)
    return body is not None and body.order.orderNumber == asked == body.order.orderNumber.strip() != ""


def whole_number(value: object) -> int | None:
    """Read an id as the vendor may write it: a whole number above 0, or its digits as text; None for anything else."""
    told = id_text(value)  # 700103.0 is the same id as 700103
    number = int(told) if told is not None and told.isascii() and told.isdigit() and len(told) <= 19 else 0
    return number if 0 < number < 2**63 else None


def _total(found: Mapping[str, msgspec.Raw]) -> int | None:
    return next((_count(try_json(bytes(found[key]))) for key in TOTAL_KEYS if key in found), None)


def _count(value: object) -> int | None:
    """Return the count that the other side gives; None where it is not a count."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 19:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None
