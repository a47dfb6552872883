"""Writes orders into Vinoshipper and reads them back, for a route that answers for them (orders.md 5, 6).

Data flow: a body -> one request, once -> WriteAnswer; a number -> HeldOrder; days -> rows of the order search.

No write is ever sent twice: not by the HTTP client (`once`), and not here. What an answer means is said in
`order_answers`, what an order says in `held_order`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from vs_st_pipeline.connectors.vinoshipper import order_answers
from vs_st_pipeline.connectors.vinoshipper.catalogue import read_catalogue
from vs_st_pipeline.connectors.vinoshipper.client import PREFIX, VinoshipperClient, order_path
from vs_st_pipeline.connectors.vinoshipper.held_order import read_held, word
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.order_search import (
    PROCESSED,
    SHIPPED,
    SLACK,
    FilterIgnored,
    OrderRow,
    OrderSearch,
)
from vs_st_pipeline.connectors.vinoshipper.parse import shop_moment
from vs_st_pipeline.domain.codec import JSON, try_json
from vs_st_pipeline.domain.errors import BadAnswer, Internal, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.formats import as_decimal, as_mapping, instant
from vs_st_pipeline.domain.order_desk import Catalogue, HeldOrder, HeldRow, OrderDesk, WriteAnswer
from vs_st_pipeline.domain.records import is_error
from vs_st_pipeline.platform.http.client import Answer

COMPLIANCE_KEYS: Final = ("customer", "shipToAddress", "productIdType", "products")
_ONE_DAY: Final = timedelta(days=1)


def order_desk(client: VinoshipperClient, learned: Mapping[str, Any] | None = None) -> OrderDesk:
    """Return the order desk of the merchant whose client this is.

    Args:
        learned: what `learned` of an earlier desk said of this account's search; it saves proving it again.
    """
    return VinoshipperDesk(client, learned)


class VinoshipperDesk:
    """Vinoshipper's order desk for one merchant; see `OrderDesk` for what each method promises."""

    def __init__(self, client: VinoshipperClient, learned: Mapping[str, Any] | None = None) -> None:
        self._vs = client
        self._search = OrderSearch(client, learned)

    @property
    def learned(self) -> dict[str, Any]:
        """Return what this account's search obeys, to be kept for the next desk."""
        return self._search.capabilities()

    # One order.

    def read(self, number: str) -> HeldOrder | None:
        """Read one order; None: a 404 in JSON, so it is not there.

        Raises:
            BadRecord: the answer is another order, or too little of one to be believed (routes.md R22).
            PipelineError: any other answer says nothing of the order.
        """
        failed: PipelineError
        try:
            body = self._vs.order(number)
            held = read_held(body.text, trace_id=body.trace_id)
            if held is not None:
                return held
            failed = BadAnswer("The answer names no order", system=VINOSHIPPER, call="order")
        except Refused as error:
            if error.http_status == 404 and isinstance(error.said, dict | list):
                return None
            failed = error
        if isinstance(failed, Refused) and failed.http_status == 404:
            sentence = "An order was said not to be there by something else than the system itself"
            failed = TryLater(sentence, system=VINOSHIPPER, call="order", http_status=404, trace_id=failed.trace_id)
        raise failed

    def create(self, body: Mapping[str, Any]) -> WriteAnswer:
        """Send `POST /orders` once.

        Args:
            body: the order; amounts are Decimal, which goes out digit by digit.
        """
        return self._write("create_order", "POST", f"{PREFIX}/orders", body, str(body.get(order_answers.NUMBER) or ""))

    def update(self, number: str, body: Mapping[str, Any]) -> WriteAnswer:
        """Send `PUT /orders/{number}` once."""
        return self._write("update_order", "PUT", order_path(number), body, number)

    def cancel(self, number: str, reason: str, *, restore_inventory: bool, with_key: bool = True) -> WriteAnswer:
        """Send `POST /orders/{number}/cancel` once; whether it had an effect a read tells."""
        body: dict[str, Any] = {"reason": reason}
        if restore_inventory and with_key:
            body["restoreInventory"] = True
        return self._write("cancel_order", "POST", f"{order_path(number)}/cancel", body, number)

    def _write(self, call: str, method: str, path: str, body: Mapping[str, Any], number: str) -> WriteAnswer:
        if not number.strip():
            raise Internal("An order without a number is not sent", system=VINOSHIPPER, call=call)
        try:
            answer = self._vs.http.request(
                call, method, path, shape=msgspec.Raw, json=_with_exact_amounts(body), once=True
            )
        except PipelineError as error:
            failed = error
        else:
            return order_answers.of_answer(answer, number)
        return order_answers.of_error(failed, body)

    def check_compliance(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask `POST /orders/check-compliance`, which writes nothing; numbers with a fraction come as Decimal."""
        asked = {key: body[key] for key in COMPLIANCE_KEYS if key in body}
        answer: Answer[Any] = self._vs.http.request(
            "check_compliance", "POST", f"{PREFIX}/orders/check-compliance", shape=JSON, json=_with_exact_amounts(asked)
        )
        if not isinstance(answer.value, dict) or is_error(answer.value):
            raise BadAnswer("The answer says nothing of compliance", system=VINOSHIPPER, call="check_compliance")
        return answer.value

    # All that is sold.

    def catalogue(self) -> Catalogue:
        """Read all products, by whichever call there is."""
        return read_catalogue(self._vs)

    # Many orders.

    def shipped(self, first: date, last: date) -> list[HeldRow]:
        """Return rows of orders that were shipped on these days; it may have rows of the days beside them as well.

        Raises:
            BadAnswer: the search cannot be asked for days of shipping.
        """
        try:
            return _rows_of(self._search.window(first, last + _ONE_DAY, SHIPPED), lacks="shippedAt")
        except FilterIgnored:
            pass
        raise BadAnswer("the order search ignores the dates of shipping", system=VINOSHIPPER, call="search_orders")

    def placed(self, first: date, last: date) -> list[HeldRow]:
        """Return rows of orders that were processed on these days; it may have rows of the days beside them as well."""
        if self._search.can_filter:
            try:
                return _rows_of(self._search.window(first, last + _ONE_DAY, PROCESSED))
            except FilterIgnored:
                self._search.filter_works = False
        return _rows_of(self._search.unfiltered(lambda rows: _all_before(rows, first - SLACK)))


def _rows_of(pages: Iterable[list[OrderRow]], *, lacks: str = "") -> list[HeldRow]:
    """Return each order once; without those that say by a null of this name that they are not meant."""
    found = {row.number: row for rows in pages for row in rows}
    bodies = {number: as_mapping(try_json(row.text)) for number, row in found.items()}
    return [_held_row(number, body) for number, body in bodies.items() if body.get(lacks, "") is not None]


def _held_row(number: str, body: Mapping[str, object]) -> HeldRow:
    total = as_decimal(body.get("saleAmount"))
    # Of the whole row, whatever the order of its keys.
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()
    return HeldRow(
        number, word(body.get("orderStatus")), as_decimal(body.get("total")) if total is None else total, digest
    )


def _all_before(rows: list[OrderRow], day: date) -> bool:
    moments = [shop_moment(row.purchased_at) for row in rows]
    told = [instant(moment).date() for moment in moments if moment is not None]
    return bool(told) and max(told) < day


def _with_exact_amounts(value: Any) -> Any:
    """Return a body whose amounts go out as JSON numbers, digit by digit."""
    if isinstance(value, Mapping):
        return {key: _with_exact_amounts(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_exact_amounts(part) for part in value]
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Internal("An amount is no number", system=VINOSHIPPER)
        return msgspec.Raw(f"{value:f}".encode())
    if isinstance(value, float):
        raise Internal("An amount is a float", system=VINOSHIPPER)
    return value
