"""Shows one order on a page for whoever packs it: how it stands, what to do, what was sent, parcels, what happened.

Data flow: synced.*, staged.shipments -> `vs-st orders show ORDER`. Calls no system; shows no street and no birth date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import finding, ledger, told, void_reasons
from vs_st_pipeline.routes.orders.rules import PASSABLE
from vs_st_pipeline.routes.orders.sentences import note_sentence, sentence
from vs_st_pipeline.routes.orders.settings import OrdersSettings
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, DONT_SEND_MESSAGE, Stage, State

Record = dict[str, Any]

_COMPLIANCE: Final = {"compliant": "Compliant", "not_compliant": "Not compliant", "not_checked": "not checked yet"}
_STAGES: Final = {
    Stage.FULFILLED: "packed: its label is made",
    Stage.SHIPPED: "on its way",
    Stage.DELIVERED: "delivered",
    Stage.RETURNED: "on its way back, or back already",
}
_OUTCOMES: Final = {
    "done": "fulfilled by us",
    "found_there": "was fulfilled there already",
    "fulfilled_by_other": "fulfilled by somebody else",
    "refused": "Commerce7 does not take it yet",
}
_WIDTH: Final = 13
_TIME: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def prefix_of(merchant: Merchant) -> str:
    """Return the prefix of a merchant's order numbers at Vinoshipper."""
    return merchant.section(OrdersSettings).prefix(merchant.section(Commerce7Settings).tenant)


def unknown(word: str) -> BadArguments:
    """Return the fault that no order of this name is held here."""
    finding.check_word(word)
    return BadArguments(f"no order {word} is held here; `vs-st orders check` asks Commerce7 for it")


def find(run: Run, word: str) -> str:
    """Return the id of a held order. Raises BadArguments: none is held by this name."""
    if not run.file().exists():
        raise unknown(word)
    with run.open() as db:
        order_id = finding.held(db, word, prefix_of(run.merchant))
    if order_id is None:
        raise unknown(word)
    return order_id


class Shown(dict[str, Any]):
    """An order as `show --json` has it.

    Attributes:
        says: what its code (`""`) and its notes name, for the page alone.
        reason: why a person wanted it voided, for the page alone; `""`: nobody did, or it was erased.
    """

    says: Mapping[str, str] = {}
    reason: str = ""


def show(run: Run, word: str) -> Shown:
    """Return the object of `vs-st orders show --json`. Raises BadArguments: no order of this name is held."""
    order_id = find(run, word)
    with run.open() as db:
        return in_full(db, order_id)


def in_full(db: Db, order_id: str) -> Shown:
    """Return a held order as `show --json` shows it."""
    row = ledger.find(db, [order_id]).get(order_id)
    found = told.unlisted(db, order_id) if row is None else told.in_full(db, row)
    assert found is not None
    shown = Shown(found)
    shown.says = {**ledger.notes_of(db, [order_id]).get(order_id, {}), "": (row.says or "") if row else ""}
    shown.reason = void_reasons.find(db, order_id)
    return shown


def page(merchant: Merchant, order: Record) -> list[str]:
    """Return the page of an order, in the merchant's time zone."""
    shown = order if isinstance(order, Shown) else Shown(order)
    return [*_page(merchant, shown, shown.says)]


def _page(merchant: Merchant, order: Shown, says: Mapping[str, str]) -> Iterator[str]:
    zone = merchant.time_zone
    there = f", {order['vs_number']} at Vinoshipper" if order["vs_number"] else ""
    yield f"Order {order['order_number']} of {merchant.name}{there}"
    yield f"  {how(order)}"
    yield from _why(merchant, order, says.get("", ""))
    yield ""
    yield _line("paid", at(order["paid_at"], zone))
    yield _line("sent", at(order["sent_at"], zone) if order["sent_at"] else "not sent")
    yield _line("compliance", _COMPLIANCE.get(order["compliance"], order["compliance"]))
    if order["stage"]:
        yield _line("parcel", f"{order['stage']}: {_STAGES[Stage(order['stage'])]}")
    if order.reason:
        yield _line("void because", order.reason)
    yield from _fulfilment(order["fulfilment"], zone)
    yield _line("Commerce7 id", order["order_id"])
    yield from _problems(order["problems"])
    yield from _sent(order["sent"])
    yield from _packages(order["packages"])
    yield from _noted(order["noted"], says)
    yield from _activity(order["activity"], zone)


def how(order: Mapping[str, Any]) -> str:
    """Return how an order stands, in a few words."""
    code = order["code"]
    words = DONT_SEND_MESSAGE if code == "dont_send" else order["message"]
    if order["state"] == State.WAITING:
        words = "Waits"
    elif order["state"] == State.SENDING:
        words = "Being sent: whether Vinoshipper has it is looked for"
    if order["state"] == State.SENT and order["stage"]:
        words = f"{words}; {_STAGES[Stage(order['stage'])]}"
    return f"{words} ({code})" if code else words


def _why(merchant: Merchant, order: Mapping[str, Any], says: str) -> Iterator[str]:
    code = order["code"]
    if not code:
        return
    named = told.decoded(says)
    yield f"  {sentence(code, named if isinstance(named, Mapping) else {})}"
    if code in PASSABLE:
        yield f"  `vs-st orders send --merchant {merchant.id} {order['order_number']} --accept {code}` passes it."
    if code in BY_SHIPPER and order["state"] == State.FAILED:
        yield "  Time alone does not send it again: a change at Commerce7 does, or `vs-st orders send`."


def _fulfilment(one: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    if one["outcome"] is None:
        return
    words = _OUTCOMES.get(one["outcome"], one["outcome"])
    when = f", {at(one['written_at'], zone)}" if one["written_at"] else ""
    mailed = {True: "; the customer was mailed", False: "; no mail went out", None: ""}[one["mailed"]]
    yield _line("Commerce7", f"{words}{when}{mailed}")


def _problems(problems: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if problems:
        yield from ("", "Problems at Vinoshipper")
    for one in problems:
        named = " ".join(part for part in (one["type"], one["code"]) if part)
        yield f"  {': '.join(part for part in (named, one['description']) if part) or 'not said'}"


def _sent(sent: Mapping[str, Any]) -> Iterator[str]:
    if not sent:
        return
    yield from ("", "What Vinoshipper held when it was found" if sent.get("adopted") else "What was sent")
    rows = [
        (f"{line.get('quantity')} x", str(line.get("sku")), money(line.get("price")), money(_sum(line)))
        for line in sent.get("lines", ())
    ]
    width = max((len(row[1]) for row in rows), default=0)
    yield from (f"  {count:>6}  {sku:{width}}  {each:>9}  {total:>10}" for count, sku, each, total in rows)
    amounts = {name: amount for name, amount in (sent.get("money") or {}).items() if name != "lines"}
    if not amounts:
        amounts = {"total": sent.get("total")}
    for name, amount in amounts.items():
        if name == "total" or money(amount) not in ("-", "0.00"):
            less = "-" if name == "discount" else ""
            yield f"  {'':>6}  {name:{width}}  {'':9}  {less + money(amount):>10}"
    rate = sent.get("rate") or {}
    if rate:
        yield _line("by", f"{rate.get('carrier')} {rate.get('code')}")
    yield _line("to", " ".join(str(sent[key]) for key in ("state", "zip") if sent.get(key)) or "not said")
    if sent.get("ship_date"):
        yield _line("to ship on", sent["ship_date"])


def _packages(packages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if packages:
        yield from ("", "Packages")
    for one in packages:
        yield f"  {one['carrier'] or 'carrier not said':10}  {one['tracking_number'] or 'no tracking number yet'}"


def _noted(words: Sequence[str], says: Mapping[str, str]) -> Iterator[str]:
    if words:
        yield from ("", "Worth knowing")
    for word in words:
        detail = detail_of(says.get(word, ""))
        yield f"  {word}: {note_sentence(word)}"
        if detail:
            yield f"      {detail}"


def detail_of(says: str) -> str:
    """Return what a note names, in words: fields, numbers, both values."""
    found = told.decoded(says)
    if isinstance(found, Mapping):
        return ", ".join(f"{name}: {_plain(value)}" for name, value in found.items())
    return _plain(found)


def _activity(rows: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> Iterator[str]:
    yield from ("", f"What happened (all times: {zone.key})")
    if not rows:
        yield "  nothing yet"
    for one in rows:
        more = "".join(
            f", {word} {one[key]}" for key, word in (("http_status", "HTTP"), ("trace_id", "trace")) if one[key]
        )
        text = _TIME.sub(lambda found: at(found[0], zone), one["text"])
        yield f"  {at(one['at'], zone)}  {one['who']:14} {one['kind']:10} {text}{more}"


def _line(name: str, value: str) -> str:
    return f"  {name:{_WIDTH}}{value}"


def at(text: str | None, zone: ZoneInfo) -> str:
    return "never" if text is None else f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M}"


def money(value: Any) -> str:
    """Return dollars with two places; `-` where nothing is said."""
    try:
        return "-" if value is None else f"{Decimal(str(value)):.2f}"
    except InvalidOperation:
        return str(value)


def _sum(line: Mapping[str, Any]) -> Decimal | None:
    try:
        return Decimal(str(line.get("price"))) * Decimal(str(line.get("quantity")))
    except InvalidOperation:
        return None


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items() if one not in (None, ""))
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    return "" if value is None else str(value)


# --- lists ------------------------------------------------------------------------------------------------------------


def list_lines(merchant: Merchant, orders: Sequence[Mapping[str, Any]], fit: int, *, chosen: bool) -> list[str]:
    """Say for people which orders were found, newest first.

    Args:
        fit: how many there are, whatever the limit. chosen: only some were asked for, such as those of a state.
    """
    if not orders:
        return [f"{merchant.name}: {'no such order' if chosen else 'no order is held yet'}"]
    said = f"{counted(fit, 'orders')}, by when they were paid, newest first"
    if len(orders) < fit:
        said = f"the newest {len(orders)} of {fit} orders, by when they were paid; `--limit {fit}` lists all"
    return [f"{merchant.name}: {said}", *rows(merchant, orders)]


def rows(merchant: Merchant, orders: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each order: number, when it was paid, how it stands, what is noted."""
    number = max((len(str(one["order_number"])) for one in orders), default=0)
    width = max((len(how(one)) for one in orders), default=0)
    return [
        f"  {one['order_number']:>{number}}  {at(one['paid_at'], merchant.time_zone)}  {how(one):{width}}  "
        f"{', '.join(one['noted'])}".rstrip()
        for one in orders
    ]
