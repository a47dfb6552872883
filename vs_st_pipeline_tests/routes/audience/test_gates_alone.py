"""May an event go, wait, or is it told no more: each condition alone, at its bound (audience.md 6.4, 6.5, 7.4, 8.3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vs_st_pipeline.routes.audience import gates
from vs_st_pipeline.routes.audience.gates import Drop, Gate, Gates, Go, GoesLate, Wait
from vs_st_pipeline.routes.audience.outbox import Row
from vs_st_pipeline.routes.audience.words import Block, Event, Kind, Rank

NOW = datetime(2026, 5, 4, 12)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
FALSE: dict[str, Any] = {
    "event": Event.NEWSLETTER, "kind": Kind.ADDRESS, "id": "a@example.com", "rank": Rank.UNSUBSCRIBE,
}  # fmt: skip
TRUE = {**FALSE, "rank": Rank.SUBSCRIBE}
WISH: dict[str, Any] = {
    "event": Event.WISHLIST_ADD, "kind": Kind.WISH, "id": '["7","p1"]', "rank": Rank.WISH,
    "about": {"customer_id": "7", "product_id": "p1"},
}  # fmt: skip
ORDER: dict[str, Any] = {"event": Event.ORDER_ADD, "kind": Kind.ORDER, "id": "o1", "rank": Rank.ORDER}
SEARCH: dict[str, Any] = {
    "event": Event.SEARCH, "kind": Kind.SEARCH, "id": "s1", "rank": Rank.SEARCH, "about": {"customer_id": "7"},
}  # fmt: skip
PRODUCT: dict[str, Any] = {"event": Event.PRODUCT_UPDATE, "kind": Kind.PRODUCT, "id": "7", "rank": Rank.PRODUCT}


def row(**changed: Any) -> Row:
    """A change of a customer, seen an hour ago."""
    usual: dict[str, Any] = {
        "key": "k1", "number": 5, "event": Event.CUSTOMER_UPDATE, "kind": Kind.CUSTOMER, "id": "7",
        "rank": Rank.CUSTOMER, "part": "", "about": {}, "seen_at": NOW - HOUR, "state": "waiting", "tries": 0,
        "next_at": None, "first_refused_at": None, "refusals": 0, "released": False, "evidence": None,
    }  # fmt: skip
    return Row(**{**usual, **changed})


def gate(
    one: Row,
    *,
    on_unknown: str = "repeat",
    late_after: timedelta = HOUR,
    off: tuple[Event, ...] = (),
    only: tuple[str, ...] | None = None,
    **changed: Any,
) -> Gate:
    settings = SimpleNamespace(
        on_unknown=on_unknown, late_after=late_after, events=dict.fromkeys(map(str, off), False), only=only
    )
    session = cast(
        Any,
        SimpleNamespace(run=SimpleNamespace(now=lambda: NOW), settings=settings),
    )
    usual: dict[str, Any] = {"newest": {(one.event, one.id, one.part): one.number}}
    return Gates(session, **{**usual, **changed}).of(one)


LATE: dict[str, Any] = {"seen_at": NOW - HOUR - SECOND}


@pytest.mark.parametrize(
    ("one", "how", "expected"),
    [
        (row(), {}, Go()),
        # 6.5, 8.3: of whom is told to nobody
        (row(), {"held": {"customer": {"7"}}}, Drop()),
        (row(), {"held": {"customer": {"8"}, "order": {"7"}}}, Go()),
        (row(**ORDER), {"held": {"order": {"o1"}}}, Drop()),
        (row(**WISH), {"held": {"customer": {"7"}}}, Drop()),
        (row(**SEARCH), {"held": {"customer": {"7"}}}, Drop()),
        (row(**PRODUCT), {"held": {"customer": {"7"}, "product": {"7"}}}, Go()),
        # 8.2: a yes goes to who is subscribed now
        (row(**TRUE), {"subscribed": {"a@example.com"}}, Go()),
        (row(**TRUE), {}, Drop()),
        (row(**TRUE), {"subscribed": {"a@example.com"}, "held": {"subscriber": {"a@example.com"}}}, Drop()),
        # 6.5: what is not settled of the same entity, and of a customer's wishes
        (row(), {"blocked": {("customer", "7")}}, Wait()),
        (row(), {"blocked": {("customer", "8"), ("order", "7")}}, Go()),
        (row(**WISH), {"blocked": {("wishes of", "7")}}, Wait()),
        (row(**WISH), {"blocked": {("wishes of", "8")}}, Go()),
        (row(**SEARCH), {"blocked": {("wishes of", "7")}}, Go()),
        # 7.6: refused: at its time; dead: not by itself
        (row(state="dead"), {}, Wait()),
        (row(state="rejected", next_at=NOW + SECOND), {}, Wait()),
        (row(state="rejected", next_at=NOW), {}, Go()),
        (row(state="rejected", next_at=None), {"on_unknown": "hold"}, Go()),
        (row(state="waiting", next_at=NOW + SECOND), {}, Go()),
        # 7.4: unknown goes again, unless it is held and nobody has released it
        (row(state="unknown"), {}, Go()),
        (row(state="unknown"), {"on_unknown": "hold"}, Wait()),
        (row(state="asked"), {"on_unknown": "hold"}, Wait()),
        (row(state="unknown", released=True), {"on_unknown": "hold"}, Go()),
        (row(), {"on_unknown": "hold"}, Go()),
        # 6.5: an event that was switched off while it waited, or may be out
        (row(**SEARCH), {"off": (Event.SEARCH,)}, Drop()),
        (row(**SEARCH, state="unknown"), {"off": (Event.SEARCH,)}, Drop()),
        (row(**ORDER), {"off": (Event.SEARCH,)}, Go()),
        # R66: a rehearsal tells of no guest; of products it does
        (row(**{**SEARCH, "about": {"customer_id": None}}), {"only": ("a@example.com",)}, Drop()),
        (row(**{**SEARCH, "about": {"customer_id": None}}), {}, Go()),
        (row(event=Event.CART_UPDATE, kind=Kind.CART, id=""), {"only": ("a@example.com",)}, Drop()),
        (row(event=Event.CART_UPDATE, kind=Kind.CART, id="7"), {"only": ("a@example.com",)}, Go()),
        (row(**PRODUCT), {"only": ("a@example.com",)}, Go()),
    ],
)
def test_6_5_what_may_not_go_waits_or_is_told_no_more(one: Row, how: dict[str, Any], expected: Gate) -> None:
    assert gate(one, **how) == expected


@pytest.mark.parametrize(
    ("one", "newest", "expected"),
    [
        (row(**{**ORDER, "seen_at": NOW - HOUR}), 9, Go()),  # exactly `late_after` is not late
        (row(event=Event.CUSTOMER_ADD, **LATE), 5, GoesLate(Block.CUSTOMERS, "7")),
        (row(**{**PRODUCT, "event": Event.PRODUCT_ADD}, **LATE), 5, GoesLate(Block.PRODUCTS, "7")),
        (row(**ORDER, **LATE), 5, GoesLate(Block.ORDERS, "o1")),
        (row(**WISH, **LATE), 5, GoesLate(Block.WISHLIST, "7")),
        (row(**TRUE, **LATE), 5, GoesLate(Block.SUBSCRIBERS, "a@example.com")),
        *(
            (row(event=event, **LATE), newest, Go() if newest == 5 else Drop("melted"))
            for event in (
                *(Event.CUSTOMER_UPDATE, Event.PRODUCT_UPDATE, Event.PRODUCT_STOCK_UPDATE, Event.CART_UPDATE),
                *(Event.ORDER_STATUS_UPDATE, Event.WISHLIST_DELETE),
            )
            for newest in (5, 9)
        ),
        *(
            (row(event=event, **LATE), 5, Drop("late", is_late=True))
            for event in (Event.ORDER_PAYMENT_CONFIRMED, Event.PRODUCT_OUT_OF_STOCK, Event.SEARCH)
        ),
    ],
)
def test_6_4_what_becomes_of_what_is_late(one: Row, newest: int, expected: Gate) -> None:
    place = (one.event, one.id, one.part)
    assert gate(one, newest={place: newest}, subscribed={"a@example.com"}) == expected


@pytest.mark.parametrize(
    ("one", "how", "expected"),
    [
        (row(**FALSE), {}, Go()),
        (row(**FALSE), {"held": {"subscriber": {"a@example.com"}}}, Go()),  # whoever is held
        (row(**FALSE), {"blocked": {("subscriber", "a@example.com")}}, Go()),  # whatever else waits
        (row(**FALSE, state="dead"), {}, Wait()),
        (row(**FALSE, **LATE), {}, Go()),
        (row(**FALSE), {"newest": {(Event.NEWSLETTER, "a@example.com", ""): 9}}, Go()),
        (row(**FALSE, **LATE), {"newest": {(Event.NEWSLETTER, "a@example.com", ""): 9}}, Drop("melted")),
    ],
)
def test_6_3_a_newsletter_false_goes_at_once(one: Row, how: dict[str, Any], expected: Gate) -> None:
    assert gate(one, **how) == expected


def test_8_2_an_order_of_who_is_subscribed_no_more_says_so() -> None:
    data = '{"order_details":{"newsletter":true,"company":"a \\"newsletter\\":true b"}}'
    how: dict[str, Any] = {"emails": {"k1": "a@example.com"}, "orders": {"k1": data}}
    assert gate(row(**ORDER), **how) == Go(data.replace('"newsletter":true,', '"newsletter":false,'))
    assert gate(row(**ORDER), subscribed={"a@example.com"}, **how) == Go()
    assert gate(row(**{**ORDER, "key": "k2"}), **how) == Go()


@pytest.mark.parametrize(
    ("one", "whose"),
    [
        (row(), ("customer", "7")),
        (row(**ORDER), ("order", "o1")),
        (row(**TRUE), ("subscriber", "a@example.com")),
        (row(**FALSE), ("subscriber", None)),
        (row(**PRODUCT), ("product", None)),
        (row(**WISH), ("customer", "7")),
        (row(**SEARCH), ("customer", "7")),
        (row(**{**SEARCH, "about": {"customer_id": 7}}), ("customer", "7")),
        (row(**{**SEARCH, "about": {"customer_id": None}}), ("customer", None)),  # a guest's
        (row(**{**ORDER, "rank": Rank.UNSUBSCRIBE}), ("order", "o1")),
    ],
)
def test_8_3_by_which_record_it_is_known_whether_somebody_is_held(one: Row, whose: tuple[str, str | None]) -> None:
    assert gates._whose(one) == whose


def test_6_5_what_is_under_way_as_history_holds_up_its_own_entity() -> None:
    sent = [("customers", "7"), ("subscribers", "a@x.io"), ("products", "p"), ("orders", "o"), ("wishlist", "7")]
    db = cast(Any, SimpleNamespace(rows=lambda _: sent))
    assert list(gates._undecided(db)) == [
        ("customer", "7"), ("subscriber", "a@x.io"), ("product", "p"), ("order", "o"), ("wishes of", "7"),
    ]  # fmt: skip
