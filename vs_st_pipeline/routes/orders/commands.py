"""Says what this route can be asked, and in which words: plan, why, history, retry, and its own (orders.md 8).

It is long because all that it says to people stands in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.pipeline.own_commands import JobField, Option, OtherName, OwnCommand, OwnJob, Told
from vs_st_pipeline.pipeline.route import DryRun, Question, Retry
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.orders import acting, finding, notes, plan_lines, products, retry, show, sync, told
from vs_st_pipeline.routes.orders.sentences import CODES
from vs_st_pipeline.routes.orders.states import NOTES, State
from vs_st_pipeline.routes.orders.systems import NAME, SHOP

Record = dict[str, Any]
Typed = Mapping[str, Any]

DRY_RUN: Final = DryRun(sync.dry_run, dict(sync.NOTHING), plan_lines.lines)


# --- questions about one order ----------------------------------------------------------------------------------------


def _check_word(_merchant: Merchant, words: Sequence[str]) -> None:
    finding.check_word(words[0])


def _show_lines(answer: Record, _words: Sequence[str], merchant: Merchant) -> list[str]:
    return show.page(merchant, answer)


def _show(run: Run, words: Sequence[str], at: datetime | None = None) -> Record:
    """Return an order as `orders show --json` does; with a time only what had happened by then."""
    order = show.show(run, words[0])
    if at is not None:
        until = at.astimezone(UTC)
        order["activity"] = [one for one in order["activity"] if datetime.fromisoformat(one["at"]) <= until]
    return order


WHY: Final = Question(("ORDER",), _show, _show_lines, _check_word)
HISTORY: Final = Question(("ORDER",), _show, _show_lines, _check_word)


def _shown(run: Run, typed: Typed) -> Told:
    order = show.show(run, typed["order"])
    return Told(order, show.page(run.merchant, order))


# --- list -------------------------------------------------------------------------------------------------------------


def _list(run: Run, typed: Typed) -> Told:
    where, given = _condition(run, typed)
    orders: list[Record] = []
    fit = 0
    if run.file().exists():
        with run.open() as db:
            orders = told.find_orders(db, where, given, typed["limit"])
            fit = told.count_orders(db, where, given) if len(orders) == typed["limit"] else len(orders)
    lines = show.list_lines(run.merchant, orders, fit, chosen=where != "true")
    return Told({"merchant": run.merchant.id, "orders": orders}, lines)


def _condition(run: Run, typed: Typed) -> tuple[str, Record]:
    where, given = ["true"], {}
    if (state := typed["state"]) is not None:
        if state not in set(State):
            raise finding.none_of("state", state, State)
        where.append("state = $state")
        given["state"] = state
    if (code := typed["code"]) is not None:
        if code not in CODES:
            raise finding.none_of("code", code, sorted(CODES))
        where.append("code = $code")
        given["code"] = code
    if (note := typed["noted"]) is not None:
        if note not in NOTES:
            raise finding.none_of("note", note, NOTES)
        if note == notes.FAILED_BEFORE and run.file().exists():
            with run.open() as db:
                condition, values = notes.failed_before(db)
            where.append(f"({condition})")
            given |= values
        else:
            where.append("order_id in (select n.order_id from synced.order_notes as n where n.note = $note)")
            given["note"] = note
    if (since := typed["since"]) is not None:
        where.append("paid_at >= $since")
        given["since"] = _since(run, since)
    return " and ".join(where), given


def _since(run: Run, text: str) -> datetime:
    """Return the beginning of a day in the merchant's zone, or a time, as the tables hold it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadArguments("--since: write a day such as 2026-12-01, or a time such as 2026-12-01T08:00") from None
    if len(text) <= len("2026-12-01"):
        moment = datetime.combine(moment.date(), time())
    try:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=run.merchant.time_zone)
        return aware.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise BadArguments("--since: no such day") from None


# --- products, and what acts --------------------------------------------------------------------------------------


def _products(run: Run, typed: Typed) -> Told:
    answer = products.products(run)
    return Told(answer, products.lines(run, answer))


def _ask_to_void(run: Run, typed: Typed) -> str:
    acting.check_reason(typed["reason"])
    order = show.show(run, typed["order"])
    there = order["vs_number"] or "its order there"
    return (
        f"Order {order['order_number']} of {run.merchant.name} ({there}) is cancelled at Vinoshipper, for good: it is "
        "never sent again"
    )


_RETRY_NOTHING: Final = ("nothing failed with this code", "nothing of that name failed")
RETRY: Final = Retry(
    "ORDER...",
    takes=finding.may_be_order,
    go=retry.retry,
    most=None,
    nothing=_RETRY_NOTHING,
    find=retry.find,
)

_ORDER: Final = "ORDER"
_ORDERS: Final = "ORDER..."
_IS: Final = "ORDER is its number or id at Commerce7, or its number at Vinoshipper."

COMMANDS: Final = (
    OwnCommand(
        "list",
        "List orders, newest first: how each stands, and why.",
        _list,
        (),
        (
            Option("--state", f"Only these: {', '.join(State)}.", "S"),
            Option("--code", "Only with this code, such as unknown_sku.", "C"),
            Option("--noted", "Only with this note, such as changed_after_sent.", "N"),
            Option("--since", "Only those paid since that day, or time.", "DATE"),
            Option("--limit", "At most so many.", "N", whole=True, usual=100),
        ),
        more="Calls no system.",
    ),
    OwnCommand(
        "show",
        "Show all that is known of an order.",
        _shown,
        (_ORDER,),
        more=f"How it stands, what to do, what was sent, parcels, what happened. {_IS} Calls no system; shows no "
        "street and no birth date.",
    ),
    OwnCommand(
        "send",
        "Judge orders and send them to Vinoshipper now.",
        lambda run, typed: acting.send(run, typed["order"], typed["accept"]),
        (_ORDERS,),
        (Option("--accept", "Pass this code: late, carrier_pickup or zip_state.", "CODE", many=True),),
        acts=True,
        more=f"{_IS} An order that is sent is left as it is. Nothing is forced; a caution of ours may be passed with "
        "--accept.",
    ),
    OwnCommand(
        "dont-send",
        "Never send these orders; `send` lifts that.",
        lambda run, typed: acting.dont_send(run, typed["order"]),
        (_ORDERS,),
        acts=True,
        more=f'{_IS} Commerce7 shows "Don\'t Send" after the next sync.',
    ),
    OwnCommand(
        "void",
        "Cancel an order at Vinoshipper that is not on its way yet.",
        lambda run, typed: acting.void(run, typed["order"], typed["reason"]),
        (_ORDER,),
        (Option("--reason", "Why: Vinoshipper is told, and `show` says it.", "TEXT", required=True),),
        acts=True,
        asks=_ask_to_void,
        more=f"{_IS} It is voided only when Vinoshipper shows it.",
    ),
    OwnCommand(
        "check",
        "Read an order at both systems now.",
        lambda run, typed: acting.check(run, typed["order"], compliance=typed["compliance"]),
        (_ORDER,),
        (Option("--compliance", "Only ask Vinoshipper whether it would be compliant, and print the answer."),),
        acts=True,
        more=f"Of a sent one it takes over what came of it, any other it judges. {_IS}",
    ),
    OwnCommand(
        "products",
        "Compare what both shops sell, SKU by SKU.",
        _products,
        acts=True,
        more="From the catalogues that were read last. Calls no system.",
    ),
    OtherName("register", ("webhooks", "register"), {"systems": (SHOP,)}),
)


# --- the same in Dagster ----------------------------------------------------------------------------------------------


def _do_job(run: Run, filled: Typed) -> Told:
    order, action = filled["order"], filled["action"]
    if action == "send":
        return acting.send(run, [order], filled["accept"])
    if action == "dont-send":
        return acting.dont_send(run, [order])
    if action == "void":
        return acting.void(run, order, filled["reason"])
    return acting.check(run, order)


JOBS: Final = (
    OwnJob(
        "order_command",
        "Does with one order what `vs-st orders` does: send, dont-send, void, check. In the launchpad, press "
        "`Scaffold missing config`, and write in merchant, order and action. The run fails where it is refused, and "
        "says why.",
        _do_job,
        (
            JobField("order", _IS, required=True),
            JobField("action", "What is done with it.", ("send", "dont-send", "void", "check"), required=True),
            JobField("reason", "Why it is voided, as Vinoshipper is told."),
            JobField("accept", "Codes to pass when it is sent: late, carrier_pickup, zip_state.", many=True),
        ),
    ),
)


# --- what the house asks ----------------------------------------------------------------------------------------------


def count_stored(warehouse: Warehouse, merchant_id: str) -> int:
    """Count the orders that are kept of a merchant."""
    if not warehouse.file(merchant_id, NAME).exists():
        return 0
    with warehouse.open(merchant_id, NAME) as db:
        return int(db.value("select count(*) from raw.commerce7_orders"))


def under_way(warehouse: Warehouse, merchant_id: str) -> list[str]:
    """Say what would never be looked at again: orders that may be at Vinoshipper, voids that it does not show yet."""
    if not warehouse.file(merchant_id, NAME).exists():
        return []
    with warehouse.open(merchant_id, NAME) as db:
        sending = db.value(
            """select count(*) from synced.orders as o where state = 'sending' or exists (
                   select 1 from synced.order_writes as w where w.order_id = o.order_id and w.outcome is null
                   and w.call in ('create', 'update'))"""
        )
        voids = db.value("select count(*) from synced.order_writes where outcome is null and call = 'cancel'")
    done = ((sending, "sent", "has that"), (voids, "voided", "did that"))
    return [
        f"{counted(count, 'orders')} being {what}, and whether Vinoshipper {did} is not known"
        for count, what, did in done
        if count
    ]


def outcome(run: Run, run_id: str) -> list[str]:
    """Say what a sync did with which orders, and which it left alone, for example."""
    with run.open() as db:
        rows = db.rows(
            """select distinct on (o.order_id) o.order_id from synced.order_activity as a
               join synced.orders as o using (order_id)
               where a.run_id = ? and a.kind <> 'message' and o.code is distinct from 'before_start'
               order by o.order_id, a.seq""",
            [run_id],
        )
        ids = [row[0] for row in rows]
        orders = told.find_orders(db, "list_contains($ids::varchar[], order_id)", {"ids": ids}, 12)
    if not orders:
        return []
    return ["", f"{run.merchant.name}", *show.rows(run.merchant, orders)]


def waiting(run: Run) -> Record:
    """Return what waits in the route's own tables, by what it is (`vs-st inbox`)."""
    if not run.file().exists():
        return {"orders": 0}
    with run.open() as db:
        return {"orders": int(db.value("select count(*) from raw.commerce7_hints"))}
