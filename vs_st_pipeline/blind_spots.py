"""What a merchant's accounts do not let us see, in sentences for people: kept while it lasts, and never silent.

A way of asking that turned out to have no effect is replaced by another one. Where that one shows less, or later, it
is told here; `vs-st sync`, `vs-st check` and a Dagster check say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vs_st_pipeline.database import Db


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """Something that cannot be seen.

    Attributes:
        name: names it in `raw.blind_spots`.
        kind: of which records it is, `customer` or `order`.
        unseen: what is not seen, or not in time.
        instead: what is done about it.
    """

    name: str
    kind: str
    unseen: str
    instead: str

    @property
    def sentence(self) -> str:
        return f"{self.unseen}; {self.instead}"


ORDER_DATES = BlindSpot(
    "order_dates",
    "order",
    "the order search ignores its dates, so past orders cannot be compared with what is stored",
    "new orders are found from the newest down, and a deleted or changed one when its detail's turn comes",
)
SHIPPED_DATES = BlindSpot(
    "shipped_dates",
    "order",
    "the order search ignores the dates of shipping, so a shipment does not show by itself",
    "open orders are read again every refresh.open_orders",
)
MEMBERSHIP_FEED = BlindSpot(
    "membership_feed",
    "customer",
    "the list of memberships does not tell which of them moved",
    "a membership is seen with the customer list (refresh.customer_list) or the customer's detail",
)
CUSTOMER_SEARCH = BlindSpot(
    "customer_search",
    "customer",
    "the search for customers does not find them by phone, so a customer who joined since the last list is not known",
    "he is found with the next customer list (refresh.customer_list)",
)
ALL = {spot.name: spot for spot in (ORDER_DATES, SHIPPED_DATES, MEMBERSHIP_FEED, CUSTOMER_SEARCH)}


def tell(db: Db, spot: BlindSpot, there: bool, now: datetime) -> None:
    """Keep that this cannot be seen, since when; or that it can be seen again."""
    known = _known(db)
    if there and spot.name not in known:
        db.execute("insert into raw.blind_spots values (?, ?)", [spot.name, now])
        known[spot.name] = now
    elif not there and spot.name in known:
        db.execute("delete from raw.blind_spots where name = ?", [spot.name])
        del known[spot.name]


def read_blind_spots(db: Db) -> list[tuple[BlindSpot, datetime]]:
    """What cannot be seen now, and since when (UTC without zone); spots of a newer version are left out."""
    return [(ALL[name], since) for name, since in sorted(_known(db).items()) if name in ALL]


def _known(db: Db) -> dict[str, datetime]:
    found: dict[str, datetime] = db.memo(
        "blind_spots", lambda: dict(db.rows("select name, since from raw.blind_spots"))
    )
    return found
