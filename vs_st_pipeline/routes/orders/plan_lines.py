"""Says for people what `vs-st plan --route orders` found: bodies, fulfillments, messages, who is held and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.routes.orders.report import OrdersReport

Record = dict[str, Any]
_PARTS: Final = ("orders", "fulfilments", "messages", "held")


def lines(report: Report, rows: Record, name: str) -> list[str]:
    """Return the plan in lines; the first begins with how the merchant is named."""
    if report.error is not None and not any(rows[part] for part in _PARTS):
        return [f"{name}: {report.ended}"]  # what could not be read is no zero
    return [f"{name}: {report.ended}", *_lines(rows), *_before_start(report)]


def _before_start(report: Report) -> Iterator[str]:
    count = report.before_start if isinstance(report, OrdersReport) else 0
    if count:
        yield f"  {counted(count, 'orders')} paid before `start`, never sent"


def _lines(rows: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {counted(len(rows['orders']), 'orders')} to send"
    for one in rows["orders"]:
        yield f"    {one['order_number']}  {one['action']}  {one['body'].get('orderNumber', '')}"
        yield from (f"        {line}" for line in _body(one["body"]))
    yield f"  {counted(len(rows['fulfilments']), 'orders')} to fulfill"
    for one in rows["fulfilments"]:
        yield f"    {one['order_number']}  {_short(one, 'order_id', 'order_number')}"
    later = rows["planned"]["messages"] - len(rows["messages"])
    once_sent = f", and {later} about orders that are sent" if later > 0 else ""
    yield f"  {counted(len(rows['messages']), 'messages')}{once_sent}"
    for one in rows["messages"]:
        yield f"    {one['order_number']}  {_short(one, 'order_id', 'order_number')}"
    yield f"  {counted(len(rows['held']), 'orders')} not to be sent"
    for one in rows["held"]:
        yield f"    {one['order_number']}  {one['state']}  {one['code']}: {one['says']}"


def _body(body: Any) -> list[str]:
    return json.dumps(body, indent=2, ensure_ascii=False, default=str).split("\n")


def _short(one: Mapping[str, Any], *but: str) -> str:
    shown = {key: value for key, value in one.items() if key not in but and value not in (None, "")}
    return json.dumps(shown, ensure_ascii=False, default=str)
