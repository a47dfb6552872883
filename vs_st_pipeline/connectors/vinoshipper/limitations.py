"""Says what Vinoshipper does not let us see, and keeps the days whose orders were not all shown.

Data flow: what a search finds out -> raw.unseen_windows -> sentences, and what a plan must not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.limitations import Limitation, stored_limitations
from vs_st_pipeline.platform.warehouse.unreadable import unreadable_ids

ORDER_DATES = Limitation(
    "order_dates",
    "order",
    "the order search ignores its dates, so past orders cannot be compared with what is stored",
    "new orders are found from the newest down, and a deleted or changed one when its detail's turn comes",
)
SHIPPED_DATES = Limitation(
    "shipped_dates",
    "order",
    "the order search ignores the dates of shipping, so a shipment does not show by itself",
    "open orders are read again every refresh.open_orders",
)
SHIPPED_DAYS = Limitation(
    "shipped_days",
    "order",
    "more orders were shipped on one day than the order search shows, so not every shipment shows by itself",
    "open orders are read again every refresh.open_orders",
)
CUSTOMER_ORDER = Limitation(
    "customer_order",
    "customer",
    "the customer list comes in another order with every request, so it is not known whether it showed everybody",
    "all customers that several readings showed are known, none is taken for deleted, and the next list is read so too",
)
CUSTOMER_PAGES = Limitation(
    "customer_pages",
    "customer",
    "the customer list ignores its pages, so only its total says that it showed everybody",
    "it is believed while no search finds anybody else",
)
MEMBERSHIP_FEED = Limitation(
    "membership_feed",
    "customer",
    "the list of memberships does not tell which of them moved",
    "a membership is seen with the customer list (refresh.customer_list) or the customer's detail",
)
CUSTOMER_SEARCH = Limitation(
    "customer_search",
    "customer",
    "the search for customers does not find them by phone, so a customer who joined since the last list is not known",
    "the customer is found with the next customer list (refresh.customer_list)",
)
ALL = {
    spot.name: spot
    for spot in (
        *(ORDER_DATES, SHIPPED_DATES, SHIPPED_DAYS),
        *(CUSTOMER_ORDER, CUSTOMER_PAGES, MEMBERSHIP_FEED, CUSTOMER_SEARCH),
    )
}
ASK_AGAIN_AFTER = timedelta(days=7)
SAID_ONE_BY_ONE = 20


@dataclass(frozen=True, slots=True)
class UnseenDay:
    """A day that may have more orders than were shown.

    Attributes:
        shown: distinct orders shown.
        lines: rows of the page that may be cut.
        proved: this look alone proves that the day has more; else its page counts as cut if it has as many rows as
            pages are cut at.
    """

    shown: int
    lines: int
    proved: bool


def read_limitations(db: Db) -> list[tuple[Limitation, datetime]]:
    """Return what cannot be seen now, and since when (UTC without zone); names of a newer version are left out."""
    ways = stored_limitations(db, ALL)
    rows = db.rows("select day, shown, since from raw.unseen_windows where told order by day desc")
    days = [(_of_day(day, shown), since) for day, shown, since in rows[:SAID_ONE_BY_ONE]]
    if older := rows[SAID_ONE_BY_ONE:]:
        unseen = f"so it is with {len(older)} more days between {older[-1][0]} and {older[0][0]}"
        days.append((Limitation("unseen_days", "order", unseen, _ASKED_AGAIN), min(since for _, _, since in older)))
    lost = db.rows(f"select first_at {_OF_NOBODY}") if unreadable_ids(db, "order") else []
    if lost:
        unseen = f"{counted(len(lost), 'orders')} cannot be read, and the order search does not say whose"
        days.append((Limitation("orders_of_nobody", "order", unseen, _READ_AGAIN), min(row[0] for row in lost)))
    return [*ways, *days]


def newest_unseen(db: Db) -> date | None:
    """Return the newest day that may have orders that cannot be seen, None where everything is seen."""
    found: date | None = db.value("select max(day) from raw.unseen_windows where told")
    if unreadable_ids(db, "order"):
        days = f"""select max(coalesce(purchased_on, cast(last_at as date))) {_OF_NOBODY}
                   and last_at - first_at < interval 1 day"""
        found = max((day for day in (found, db.value(days)) if day is not None), default=None)
    return found


# Such an order may be any customer's. Once it could not be read for a day, it troubles the others no longer (R40).
_OF_NOBODY = """from raw.unreadable as u join raw.vinoshipper_orders as o on o.order_number = u.id
                where u.kind = 'order' and o.customer_id is null and o.detail_at is null"""


def keep_unseen(db: Db, start: date, end: date, found: Mapping[date, UnseenDay], cut_at: int, now: datetime) -> None:
    """Record what a search of the days in [start, end) found; days that it showed whole are forgotten.

    Args:
        cut_at: from how many rows on pages are cut. A shorter page is kept untold: it may still turn out to be cut.
    """
    known = {
        row[0]: row[1:]
        for row in db.rows(
            "select day, lines, since, told from raw.unseen_windows where day >= ? and day < ?", [start, end]
        )
    }
    if known:
        db.execute("delete from raw.unseen_windows where day >= ? and day < ?", [start, end])
    for day, look in found.items():
        if start <= day < end:
            lines, since, told = known.get(day, (None, now, False))
            is_told = look.proved or look.lines >= cut_at or (told and lines is not None and look.lines >= lines)
            db.execute(
                "insert into raw.unseen_windows values (?, ?, ?, ?, ?, ?)",
                [day, look.shown, look.lines, now, since if told else now, is_told],
            )


def tell_unseen(db: Db, cut_at: int) -> None:
    """Tell of days whose pages turned out to be as long as pages are that were cut."""
    if db.value("select count(*) from raw.unseen_windows where not told and lines >= ?", [cut_at]):
        db.execute("update raw.unseen_windows set told = true where not told and lines >= ?", [cut_at])


def days_to_ask_again(db: Db, now: datetime) -> list[date]:
    """Return days that were not seen whole when last searched, a week ago or more (or in a wrong future)."""
    rows = db.rows("select day, asked_at from raw.unseen_windows where told order by day")
    return [day for day, asked_at in rows if not timedelta(days=-1) < now - asked_at < ASK_AGAIN_AFTER]


_ASKED_AGAIN = (
    "Order Count and Lifetime Value are left as they are for everybody, other fields of orders where that day is not "
    "older than the newest order known; it is asked for again every week"
)

_READ_AGAIN = (
    "what orders say is left as it is for everybody, as for a day that cannot be seen; after a day it is told without "
    "them, and they are read again with growing gaps"
)


def _of_day(day: date, shown: int) -> Limitation:
    unseen = f"the order search shows {counted(shown, 'orders')} of {day} and no way to see whether that is all"
    return Limitation("unseen_days", "order", unseen, _ASKED_AGAIN)
