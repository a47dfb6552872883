"""Reads customers: the whole list where it is due, else the memberships that changed; newcomers by phone.

Data flow: pages of the customer list, the membership feed and the customer search -> raw.vinoshipper_customers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.connectors.vinoshipper import landing
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.customer_list import forget_walk, keep_met, walk_customers
from vs_st_pipeline.connectors.vinoshipper.limitations import (
    CUSTOMER_ORDER,
    CUSTOMER_PAGES,
    CUSTOMER_SEARCH,
    MEMBERSHIP_FEED,
)
from vs_st_pipeline.connectors.vinoshipper.membership_feed import Feed, FeedCursor, read_feed
from vs_st_pipeline.connectors.vinoshipper.orders import LEARN_AGAIN_AFTER
from vs_st_pipeline.connectors.vinoshipper.parse import customer_from
from vs_st_pipeline.connectors.vinoshipper.read_queue import hint
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.single_reads import is_of_one_record
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.limitations import set_limitation
from vs_st_pipeline.platform.warehouse.state import clear_state, get_state, is_due, set_state

DETAILS_OF_A_LOOK_UP = 3  # a search that is ignored answers with arbitrary customers
LOOKED_UP_FOR = timedelta(minutes=10)  # so long a hint asks for no phone twice
LIST, MEMBERSHIPS, SEARCH_WORKS = "customer_list", "memberships", "customer_search"


def fetch_customers(run: Run, vs: VinoshipperClient) -> int:
    """Read the customer list where it is due, else the memberships that changed since the last read.

    Returns:
        How many distinct customers were seen.

    Raises:
        BadAnswer: the list gave fewer customers than its total, or paging had no effect, twice in a row.
    """
    with run.open() as db:
        due = run.full or is_due(db, LIST, run.merchant.section(VinoshipperSettings).refresh.customer_list, run.now())
        due = due or get_state(db, landing.LIST_WANTED) is not None
        cursor = get_state(db, MEMBERSHIPS)
    if not due:
        feed = read_feed(vs, FeedCursor.from_json(cursor) if cursor else None)
        _land_feed(run, feed)
        if not feed.cut:
            vs.http.tape.add_records(MEMBERSHIPS, "", len(feed.moved))  # the same feed shows none of them once more
            return len(feed.moved)
        vs.http.tape.asks_otherwise("the feed did not reach its cursor")
        due_because = "more memberships moved than the feed shows"
    else:
        feed = read_feed(vs, None)  # before the walk: any change from here on is in the feed or in the walk
        due_because = "full" if run.full else "due"
    if feed.cursor and (feed.blind or not feed.one_page):  # the next sync reads it down to the cursor
        vs.http.tape.asks_otherwise("the feed was read for its position only")
    with vs.http.tape.asking_for(LIST):
        walk = walk_customers(run, vs, asdict(feed.cursor) if feed.cursor else None)
    vs.http.tape.add_records(LIST, "", len(walk.ids))
    if not walk.complete or walk.by_total or walk.next_page != len(vs.http.tape.of_turn(LIST)):
        vs.http.tape.drop(LIST)  # one walk from the first page to the last proves something, and nothing else does
    with run.open() as db, db.transaction():
        if walk.complete:
            landing.land_complete_walk(run, db, walk.ids, unusable=walk.unusable)
        else:
            keep_met(db, walk.ids)
        forget_walk(db)
        set_limitation(db, CUSTOMER_ORDER, not walk.complete, run.now())
        set_limitation(db, CUSTOMER_PAGES, walk.by_total, run.now())
        if not run.dry_run:  # the next sync has to walk by itself, and count missing customers
            set_state(db, LIST, run.run_id, run.now())
            clear_state(db, landing.LIST_WANTED)
            _store_cursor(run, db, walk.feed_cursor, feed.blind)
    run.request_log.append(replace(_feed_entry(0, feed), again=_feed_entry(0, feed)))
    run.request_log.append(RequestLogEntry("customer list", due_because, len(walk.ids), f"{walk.pages} pages"))
    return len(walk.ids)


def _land_feed(run: Run, feed: Feed) -> None:
    with run.open() as db, db.transaction():
        hint(db, "customer", [str(customer_id) for customer_id in feed.moved], "a membership moved", run.now())
        _store_cursor(run, db, asdict(feed.cursor) if feed.cursor else None, feed.blind)
    run.request_log.append(replace(_feed_entry(len(feed.moved), feed), again=_feed_entry(0, feed)))


def _feed_entry(moved: int, feed: Feed) -> RequestLogEntry:
    return RequestLogEntry(
        "membership feed", "every sync", moved, feed.blind or f"{counted(moved, 'customers')} to read"
    )


def _store_cursor(run: Run, db: Db, cursor: Mapping[str, Any] | None, blind: str | None) -> None:
    if cursor is not None:
        set_state(db, MEMBERSHIPS, cursor, run.now())
    set_limitation(db, MEMBERSHIP_FEED, blind is not None, run.now())


def listed_in_this_run(run: Run, db: Db) -> bool:
    """Say whether this very run walked the whole customer list."""
    return bool(get_state(db, LIST) == run.run_id)


def look_up_newcomers(run: Run, vs: VinoshipperClient, phones: Sequence[str]) -> int:
    """Search the shop for opted-in phones that no listed customer has; each phone once between two list walks.

    The search is free text and may be ignored altogether, so a customer is believed only if the detail has the phone.

    Returns:
        How many customers were found.
    """
    with run.open() as db, db.batch({"phone": sorted(set(phones))}) as batch:
        new = [row[0] for row in db.rows(f"select phone from {batch} anti join raw.lookups using (phone) order by 1")]
        if listed_in_this_run(run, db):  # the list has just been walked: a phone that is not in it is no customer's
            db.execute(f"insert or replace into raw.lookups select phone, ?::timestamp from {batch}", [run.now()])
            return 0
    if new and not _search_works(run, vs):
        return 0  # the next list walk finds them
    found = 0
    for phone in new:
        try:
            candidates = _candidates(vs, phone)
        except Refused:
            vs.http.tape.asks_otherwise("newcomers could not be looked up")
            break
        for customer_id in candidates:
            found += _prove(run, vs, customer_id, phone)
        with run.open() as db:
            db.execute("insert or replace into raw.lookups values (?, ?)", [phone, run.now()])
    if new:
        run.request_log.append(
            RequestLogEntry("customer search by phone", "new opt-ins not in the list", len(new), f"{found} found")
        )
    return found


def look_up(run: Run, vs: VinoshipperClient, phone: str, may_ask: Callable[[], bool]) -> bool:
    """Search the shop for one phone that no stored customer has; returns whether the request was allowed to its end.

    Args:
        may_ask: asked before each request; False: no more of them now.
    """
    with run.open() as db:
        if get_state(db, SEARCH_WORKS) is False:
            return False  # the next list walk finds them
    if not may_ask():
        return False
    try:
        candidates = _candidates(vs, phone)
    except Refused:
        return False
    for customer_id in candidates:
        if not may_ask():
            return False
        _prove(run, vs, customer_id, phone)
    with run.open() as db:
        db.execute("insert or replace into raw.lookups values (?, ?)", [phone, run.now()])
    return True


def looked_up(db: Db, phone: str, now: datetime) -> bool:
    """Say whether the shop was asked for this phone, or showed all of its customers, not long ago."""
    at = db.value("select asked_at from raw.lookups where phone = ?", [phone])
    return at is not None and abs(now - at) < LOOKED_UP_FOR


def _candidates(vs: VinoshipperClient, phone: str) -> list[int]:
    """Return the customers that a search for a phone shows, as far as they may have it; few of them are proved."""
    items = [item for text in vs.search_customers(phone) if (item := landing.customer_item(text))]
    return [item.customer_id for item in items if item.phone in (phone, None)][:DETAILS_OF_A_LOOK_UP]


def _prove(run: Run, vs: VinoshipperClient, customer_id: int, phone: str) -> bool:
    try:
        body = vs.customer(customer_id)
    except PipelineError as error:
        if not is_of_one_record(error) and not isinstance(error, Refused):
            raise
        return False  # a doubt links nobody; the next list walk finds the customer
    customer = customer_from(None, body.value, run.today())
    if customer is None or customer.phone != phone:
        return False
    with run.open() as db:
        held = db.row("select 1 from raw.vinoshipper_customers where customer_id = ?", [customer_id])
    if held is None:
        landing.land_newcomer(run, customer_id, phone, body.text)
    else:
        landing.land_new_phone(run, customer_id, phone, body.text)
    return True


def _search_works(run: Run, vs: VinoshipperClient) -> bool:
    """Return whether the free-text search finds a customer by phone: tried with a known customer, once a week."""
    with run.open() as db:
        if not is_due(db, SEARCH_WORKS, LEARN_AGAIN_AFTER, run.now()):
            return bool(get_state(db, SEARCH_WORKS))
        known = db.row(
            """select min(customer_id), phone from raw.vinoshipper_customers
               where phone is not null and deleted_at is null and listed_at is not null
               group by phone having count(*) = 1 order by 1 limit 1"""
        )
    if known is None:
        return True  # there is no customer to try it with
    try:
        found = [item for text in vs.search_customers(known[1]) if (item := landing.customer_item(text))]
        # A search that is ignored answers with arbitrary customers, perhaps with this one too.
        others = sum(item.phone not in (known[1], None) for item in found)
        works = any(item.customer_id == known[0] for item in found) and others <= DETAILS_OF_A_LOOK_UP
    except Refused:
        works = False
    with run.open() as db, db.transaction():
        set_state(db, SEARCH_WORKS, works, run.now())
        set_limitation(db, CUSTOMER_SEARCH, not works, run.now())
    return works
