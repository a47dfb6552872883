"""Says what the pages of this route's assets show: numbers of orders, codes and what to do; nobody's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.pages import ROW_COUNT, ROWS, InShort, Page, Short, Table, View, count_of, rows_there
from vs_st_pipeline.pipeline.tables import Frame, read_table
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.orders.assets import PLAN_BACK, PRODUCTS_THERE, PUSH_BACK, SHIPMENTS
from vs_st_pipeline.routes.orders.sentences import note_sentence, sentence
from vs_st_pipeline.routes.orders.stage_names import PLAN, PRODUCTS, PUSH, SENT_ORDERS, SHOP_ORDERS, STAGED
from vs_st_pipeline.routes.orders.states import ALERTED_NOTES
from vs_st_pipeline.routes.orders.told import decoded

_ALERTED: Final = f"({', '.join(repr(word) for word in ALERTED_NOTES)})"
_AT: Final = "strftime({}, '%Y-%m-%d %H:%M')"


def _read(word: str, what: str) -> InShort:
    def in_short(report: Report, shown: Mapping[str, Any]) -> Short:
        count = report.seen.get(word, 0)
        return f"{counted(count, what)} read", {f"{what} read": count}

    return in_short


def _skus(report: Report, shown: Mapping[str, Any]) -> Short:
    return f"{shown.get('SKUs')} SKUs known; the tab Checks says which do not match", {}


def _planned(report: Report, shown: Mapping[str, Any]) -> Short:
    words = {"send": "orders to send", "fulfil": "orders to fulfill", "messages": "messages to leave on orders"}
    numbers: dict[str, Any] = {says: report.planned.get(word, 0) for word, says in words.items()}
    held = [
        {"code": code, "orders": count, "means": sentence(code)} for code, count in sorted(report.held.items()) if count
    ]
    noted = [
        {"note": word, "orders": count, "means": note_sentence(word)}
        for word, count in sorted(report.noted.items())
        if count
    ]
    numbers |= {"not sent, why, what to do": Table(held)} if held else {}
    numbers |= {"worth knowing": Table(noted)} if noted else {}
    otherwise = sum(count for count in report.held.values())
    return f"{counted(report.planned.get('send', 0), 'orders')} to send; {otherwise} not sent, see why below", numbers


def _back(report: Report, shown: Mapping[str, Any]) -> Short:
    planned = report.planned
    orders, messages = counted(planned.get("fulfil", 0), "orders"), counted(planned.get("messages", 0), "messages")
    return f"{orders} to fulfill, {messages} to leave on orders", {}


def _synced(report: Report, shown: Mapping[str, Any]) -> Short:
    done: Mapping[str, int] = report.as_json()["synced"]
    words = ("sent", "adopted", "failed", "not_required", "voided", "unknown")
    numbers = {f"orders {word.replace('_', ' ')}": done.get(word, 0) for word in words}
    told = ", ".join(f"{done[word]} {word.replace('_', ' ')}" for word in words if done.get(word))
    return _ended(report, told or "nothing new"), numbers


def _synced_back(report: Report, shown: Mapping[str, Any]) -> Short:
    done: Mapping[str, int] = report.as_json()["synced"]
    numbers = {"orders fulfilled": done.get("fulfilled", 0), "messages": done.get("messages", 0)}
    fulfilled, messages = counted(numbers["orders fulfilled"], "orders"), counted(numbers["messages"], "messages")
    return _ended(report, f"{fulfilled} fulfilled, {messages} left on orders"), numbers


def _ended(report: Report, told: str) -> str:
    return f"{report.error.kind}: {report.error.message}; {told}" if report.error else told


# --- tables -----------------------------------------------------------------------------------------------------------


def _with_advice(run: Run, sql: str, values: list[Any], column: str) -> Frame:
    found = read_table(run, sql, values)
    found["means"] = [sentence(one) if column == "code" else note_sentence(one) for one in found[column]]
    return found


def _failed(run: Run) -> Frame:
    sql = f"""select order_number as "order", coalesce(code, '') as code, {_AT.format("updated_at")} as since,
                     coalesce(says, '') as says, problems
              from synced.orders where state = 'failed' order by updated_at desc, order_id limit ?"""
    found = read_table(run, sql, [ROWS])
    rows = zip(found["code"], found["says"], found["problems"], strict=True)
    found["means"] = [_why(code, decoded(says), decoded(problems)) for code, says, problems in rows]
    return found[["order", "code", "since", "means"]]


def _why(code: str, says: Any, problems: Any) -> str:
    """Return what a code means with what it names, and where problems are named that are not for this page."""
    told = sentence(code, says if isinstance(says, Mapping) else {})
    return f"{told} `vs-st orders show` has the problems." if problems else told


def _alerted(run: Run) -> Frame:
    sql = f"""select coalesce(o.order_number, n.order_id) as "order", n.note, {_AT.format("n.since")} as since
              from synced.order_notes as n left join synced.orders as o using (order_id)
              where n.note in {_ALERTED} order by n.since desc, n.order_id limit ?"""
    return _with_advice(run, sql, [ROWS], "note")


def _waiting(run: Run) -> Frame:
    sql = f"""select order_number as "order", state, coalesce(code, '') as code, {_AT.format("paid_at")} as paid
              from synced.orders where state in ('waiting', 'sending') order by paid_at, order_id limit ?"""
    return read_table(run, sql, [ROWS])


def _newest(run: Run) -> Frame:
    sql = f"""select {_AT.format("a.at")} as at, coalesce(o.order_number, a.order_id) as "order", a.who, a.kind, a.text
              from synced.order_activity as a left join synced.orders as o using (order_id)
              where a.kind not in ('message', 'fulfilment') order by a.seq desc limit ?"""
    return read_table(run, sql, [ROWS])


def _newest_back(run: Run) -> Frame:
    sql = f"""select {_AT.format("a.at")} as at, coalesce(o.order_number, a.order_id) as "order", a.kind, a.text
              from synced.order_activity as a left join synced.orders as o using (order_id)
              where a.kind in ('message', 'fulfilment') order by a.seq desc limit ?"""
    return read_table(run, sql, [ROWS])


def _to_send(run: Run) -> Frame:
    sql = """select vs_number as number, action, lines, coalesce(total, '') as total from planned.vinoshipper_orders
             order by vs_number limit ?"""
    found = read_table(run, sql, [ROWS])
    found["lines"] = [_lines(decoded(lines)) for lines in found["lines"]]
    return found


def _lines(lines: Any) -> str:
    """Return `2 x PINOT22 at 42.00, 1 x ZIN21 at 38.00`; as it stands where it is anything else."""
    if not isinstance(lines, list):
        return str(lines)
    return ", ".join(f"{one.get('quantity')} x {one.get('sku')} at {one.get('price')}" for one in lines)


def _by_state(run: Run) -> Frame:
    sql = """select state, coalesce(code, '') as code, count(*) as orders from synced.orders
             where code is distinct from 'before_start' group by 1, 2 order by 3 desc, 1, 2 limit ?"""
    return read_table(run, sql, [3 * ROWS])


def _by_stage(run: Run) -> Frame:
    sql = """select coalesce(stage, 'not packed yet') as parcel, count(*) as orders from synced.orders
             where state = 'sent' group by 1 order by 2 desc, 1 limit ?"""
    return read_table(run, sql, [ROWS])


_LISTED: Final = "where code is distinct from 'before_start'"

PAGES: Final = {
    SHOP_ORDERS: Page(
        {
            "orders known": count_of("raw.commerce7_orders"),
            "numbers never shown": count_of("raw.commerce7_gaps", "where looked_at is not null and not found"),
        },
        in_short=_read("orders", "orders"),
    ),
    PRODUCTS: Page({"SKUs": count_of("raw.commerce7_products")}, in_short=_skus),
    PRODUCTS_THERE: Page({"SKUs": count_of("raw.vinoshipper_products")}, in_short=_skus),
    SENT_ORDERS: Page(
        {"orders known there": count_of("raw.vinoshipper_sent_orders")},
        in_short=_read("vinoshipper_orders", "orders there"),
    ),
    SHIPMENTS: Page({ROW_COUNT: count_of("staged.shipments")}, in_short=rows_there),
    STAGED: Page({ROW_COUNT: count_of("staged.shop_orders")}, in_short=rows_there),
    PLAN: Page(
        {"orders in this plan": count_of("planned.vinoshipper_orders")},
        views=(View("what would be sent", "planned.vinoshipper_orders", _to_send),),
        in_short=_planned,
    ),
    PLAN_BACK: Page({"orders in this plan": count_of("planned.commerce7_orders")}, in_short=_back),
    PUSH: Page(
        {
            "orders known": count_of("synced.orders", _LISTED),
            "orders sent": count_of("synced.orders", "where state = 'sent'"),
            "orders failed": count_of("synced.orders", "where state = 'failed'"),
            "writes unknown": count_of("synced.order_writes", "where outcome is null and call <> 'message'"),
        },
        views=(
            View("failed, newest first", "synced.orders where state = 'failed'", _failed),
            View("look at these", f"synced.order_notes where note in {_ALERTED}", _alerted),
            View("waiting", "synced.orders where state in ('waiting', 'sending')", _waiting),
            View("all orders by state", f"synced.orders {_LISTED}", _by_state),
            View("sent orders by parcel", "synced.orders where state = 'sent'", _by_stage),
            View("what happened last", "synced.order_activity", _newest),
        ),
        in_short=_synced,
    ),
    PUSH_BACK: Page(
        {
            "fulfilled by us": count_of("synced.fulfilments", "where outcome = 'done'"),
            "customers mailed": count_of("synced.fulfilments", "where mailed"),
            "fulfillments refused": count_of("synced.fulfilments", "where outcome = 'refused'"),
        },
        views=(
            View("what was told last", "synced.order_activity where kind in ('message', 'fulfilment')", _newest_back),
        ),
        in_short=_synced_back,
    ),
}  # fmt: skip
