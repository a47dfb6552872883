"""Reads the details and receipts whose turn it is, the most needed first and no more than the run may ask.

Data flow: one record at a time -> raw.vinoshipper_customers, raw.vinoshipper_orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from vs_st_pipeline.errors import BadAnswer, BadKey, Refused, TryLater
from vs_st_pipeline.marks import CLOCK_SLACK
from vs_st_pipeline.order import receipt_url_from
from vs_st_pipeline.run import Asked, Run
from vs_st_pipeline.sources.vinoshipper import landing
from vs_st_pipeline.sources.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.sources.vinoshipper.customer_passes import listed_in_this_run
from vs_st_pipeline.sources.vinoshipper.landing import Detail
from vs_st_pipeline.sources.vinoshipper.reading_order import (
    Turn,
    affordable,
    customer_turns,
    order_turns,
    orders_in_need,
    owner_turns,
)

LAND_DETAILS_EVERY = 200
RECEIPT_FAILURES_IN_A_ROW = 3


def fetch_customer_details(run: Run, vs: VinoshipperClient, customer_ids: Sequence[int]) -> int:
    """Read the details of these customers whose turn it is; orders that are known to be needed keep their share.

    Returns:
        How many were read.
    """
    with run.open() as db:
        turns = customer_turns(run, db, customer_ids)
        reserved = orders_in_need(run, db, customer_ids) if run.budget is not None else 0
        now = affordable(run, turns, vs.sent, reserved=reserved)
        walked_now = listed_in_this_run(run, db)

    def land(details: list[Detail]) -> None:
        landing.land_customer_details(run, details, after_walk=not walked_now)

    _read(run, "customer details", turns, now, lambda turn: vs.customer(int(turn.id)).text, land)
    return len(now)


def fetch_order_details(run: Run, vs: VinoshipperClient, customer_ids: Sequence[int]) -> None:
    """Read the details of these customers' orders whose turn it is."""

    def land(details: list[Detail]) -> None:
        landing.land_order_details(run, details)

    # Rows that do not say whose they are would silently be nobody's, so their details are read whoever's they are.
    for find in (owner_turns, lambda run, db: order_turns(run, db, customer_ids)):
        with run.open() as db:
            turns = find(run, db)
        _read(run, "order details", turns, affordable(run, turns, vs.sent), lambda turn: vs.order(turn.id).text, land)


def _read(
    run: Run,
    what: str,
    turns: Sequence[Turn],
    now: Sequence[Turn],
    fetch: Callable[[Turn], str],
    land: Callable[[list[Detail]], None],
) -> None:
    done = 0
    for chunk in _chunks(now, LAND_DETAILS_EVERY):
        details: list[Detail] = []
        try:
            for turn in chunk:
                try:
                    details.append(Detail(turn.id, fetch(turn)))
                except Refused as refused:
                    if refused.http_status != 404:
                        raise
                    details.append(Detail(turn.id, None))
        finally:
            if details:  # what was read before something went wrong need not be read again
                land(details)
        done += len(chunk)
        run.progress(f"{what} {done} of {len(now)}")
    read, all_of_them = Counter(turn.why for turn in now), Counter(turn.why for turn in turns)
    for why, count in all_of_them.items():
        later = f", {count - read[why]} left for later" if count > read[why] else ""
        run.asked.append(Asked(what, why, count, f"{read[why]} read{later}"))


def fetch_receipts(run: Run, vs: VinoshipperClient, order_numbers: Iterable[str]) -> int:
    """Read the receipts of these orders; one that cannot be read now is marked so and stops nothing.

    A receipt that was read once is not asked for again unless the run is full: it belongs to a placed order.
    After a few failures in a row the rest is left for the next sync, or a broken endpoint would cost
    `give_up_after` for each of them.

    Returns:
        How many were asked for.
    """
    with run.open() as db:
        read = {
            row[0]
            for row in db.rows(
                """select order_number from raw.vinoshipper_orders
                   where receipt_state = 'read'
                      or (receipt_state = 'none' and receipt_at > ? and receipt_at <= ?)""",
                [run.now() - run.merchant.vinoshipper.refresh.open_orders, run.now() + CLOCK_SLACK],
            )
        }
    failures, states = 0, Counter[str]()
    receipts: list[tuple[str, str | None, str]] = []
    for number in order_numbers:
        if number in read and not run.full:
            continue
        if run.spent(vs.sent):
            break
        url, state = None, "unreadable"
        if failures < RECEIPT_FAILURES_IN_A_ROW:
            try:
                url = receipt_url_from(vs.receipt(number).value)
                state = "read" if url else "none"
                failures = 0
            except (TryLater, BadAnswer):
                failures += 1
            except (Refused, BadKey) as error:
                if isinstance(error, BadKey) and error.http_status != 403:  # the key itself, or a log-in page
                    raise  # a 403 here is about receipts alone
                state = "none"
                failures = 0
        receipts.append((number, url, state))
        states[state] += 1
        if len(receipts) >= LAND_DETAILS_EVERY:
            landing.land_receipts(run, receipts)
            receipts = []
    landing.land_receipts(run, receipts)
    if states:
        run.asked.append(Asked("receipts", "newest orders", states.total(), f"{states['read']} read"))
    return states.total()


def _chunks(turns: Sequence[Turn], size: int) -> Iterator[Sequence[Turn]]:
    for start in range(0, len(turns), size):
        yield turns[start : start + size]
