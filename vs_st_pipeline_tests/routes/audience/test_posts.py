"""Posts of the generic shop: what is stored, and what is made of it (audience.md 4.4; rulings, audience 1, 4)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vs_st_pipeline.connectors.shop.hooks import HOOKS, MOST_POSTS
from vs_st_pipeline.connectors.shop.settings import ShopSettings
from vs_st_pipeline.domain.hints import TEST, WHOLE, Hint, HintState
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.warehouse.suppression import Suppressed
from vs_st_pipeline.routes.audience import from_shop, post_people, posted
from vs_st_pipeline_tests.routes.audience.test_drops import Site
from vs_st_pipeline_tests.routes.audience.test_merging import HOUR, T0

MINUTE = timedelta(minutes=1)


class Posting(Site):
    """A site that posts, too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.entries, self.signed = 0, False

    def session(self) -> Any:
        found = super().session()
        found.settings = SimpleNamespace(dates="dmy", late_after=24 * HOUR)
        found.run.inbox, found.run.merchant = None, self.merchant
        found.run.route = "audience"
        return found

    def post(self, *said: dict[str, Any], all_events: bool = True) -> None:
        hints = []
        for call in HOOKS.read(json.dumps(said).encode()):
            assert call.kind == "post", said
            self.entries += 1
            kept = dict(call.kept) | ({"signed": True} if self.signed else {})
            hints.append(
                Hint(0, self.entries, "hillside", "audience", "shop", "post", None, None, call.event, call.event_id,
                     0.0, self.now.isoformat() + "+00:00", 0, HintState.WORKING, json.dumps(kept))
            )  # fmt: skip
        session = self.session()
        from_shop.take(session.run, hints)
        posted.apply(session, all_events=all_events)

    def states(self) -> list[str]:
        return [row[0] for row in self.db.rows("select state from raw.shop_posts order by number")]

    def passed(self) -> list[Any]:
        return self.db.rows("select event, id, value from staged.shop_passed_on order by number")


@pytest.fixture
def site(tmp_path: Path) -> Posting:
    return Posting(tmp_path)


def said(event: str, at: datetime | None = T0, /, **data: Any) -> dict[str, Any]:
    return {"event": event, "data": data} | ({"at": at.isoformat() + "Z"} if at else {})


ANN: dict[str, Any] = {
       "customer": {"id": 7, "firstname": "Ann", "birthday": "06/12/1980", "email": "a@x.example", "x_tier": "gold"},
       "addresses": [{"country": "US", "city": "Napa"}]}  # fmt: skip
WINE: dict[str, Any] = {
    "product_id": "p1",
    "name": "Red",
    "stock_quantity": 3,
    "price": "9.995",
    "discount": [],
    "product_options": [],
}
ORDER: dict[str, Any] = {"customer_id": "0",
       "order_details": {"order_id": "o1", "order_status": "new", "total_price": "20.00"},
         "order_products": [{"product_id": "p1", "quantity": "2", "option_id": None}]}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "index"),
    [
        (b"", 0), (b"[]", 0), (b"null", 0), (b"{", 0), (b'"x"', 0),
        (b'[{"event": "Search", "data": {}}, {"event": "Uninstall", "data": {}}]', 1),
        (b'{"event": "Search", "data": [1]}', 0), (b'{"event": "Search", "data": {}, "at": "soon"}', 0),
        (b'{"event": "Search", "data": {}, "id": []}', 0),
    ],
)  # fmt: skip
def test_what_is_no_post_is_told_by_its_index(body: bytes, index: int) -> None:
    """4.4: 400 for no JSON, an unknown event or shape; Uninstall is none of the 14."""
    kinds = [call.kind for call in HOOKS.read(body)]
    assert kinds.index(WHOLE) == index


def test_the_guides_forms_are_read() -> None:
    """4.4: ProductoutOfStock, a one-element array as data; more than 500 are too many; our own test call is none."""
    [call] = HOOKS.read(b'{"event": "ProductoutOfStock", "data": [{"product_id": 1}]}')
    assert (call.event, call.event_id) == ("ProductOutOfStock", None)
    assert len(HOOKS.read(b"[" + b",".join([b'{"event": "Search", "data": {}}'] * 501) + b"]")) > MOST_POSTS
    assert [call.kind for call in HOOKS.read(b'{"vs-st-test": "abc"}')] == [TEST]


def test_adds_make_records(site: Posting) -> None:
    """4.4: posts are content: a customer, a product, an order of a guest; dates as `dates` says."""
    site.post(said("CustomerAdd", **ANN), said("ProductAdd", **WINE), said("OrderAdd", **ORDER))
    assert site.one("select customer_id, first_name, birth_date::text, extra, own_at from staged.shop_customers") == (
        "7", "Ann", "1980-12-06", '{"tier":"gold"}', T0,
    )  # fmt: skip
    assert site.one("select city from staged.shop_addresses") == "Napa"
    assert site.one("select stock, price::varchar from staged.shop_products") == (3.0, "10.00")
    assert site.one("select customer_id, created_at, total::varchar from staged.shop_orders") == (None, T0, "20.00")
    assert site.one("select product_id, quantity from staged.shop_order_lines") == ("p1", 2.0)
    assert set(site.states()) == {"applied"}
    assert site.one("select count(data) from raw.shop_posts") == 0


def test_keys_left_out_leave_the_column(site: Posting) -> None:
    """4.4: keys left out of `data` leave the column as it is."""
    site.post(said("CustomerAdd", **ANN))
    site.now += HOUR
    site.post(said("CustomerUpdate", T0 + HOUR, customer={"id": "7", "phone": "1"}))
    assert site.one("select first_name, phone, email from staged.shop_customers") == ("Ann", "1", "a@x.example")
    assert site.one("select count(*) from staged.shop_addresses") == 1


def test_a_post_of_an_inbox_that_begins_again_at_an_older_number_is_not_taken_for_one_that_is_known(
    site: Posting,
) -> None:
    """R35: an inbox that was lost, or put back from a backup, gives numbers a second time."""
    site.post(said("CustomerAdd", **ANN), said("ProductAdd", **WINE))
    site.entries, site.now = 0, site.now + HOUR
    site.post(said("CustomerUpdate", T0 + HOUR, customer={"id": "7", "firstname": "Anna"}))
    assert site.one("select first_name from staged.shop_customers") == "Anna"
    site.entries = 0  # the same entry again, such as a replay
    site.post(said("CustomerUpdate", T0 + HOUR, customer={"id": "7", "firstname": "Anna"}))
    assert site.states() == ["applied"] * 3


def test_each_status_in_turn_is_passed_on(site: Posting) -> None:
    """6.2: from posts each status in turn is one event; they are applied by `at`, whatever their order."""
    site.now += HOUR
    site.post(
        said("OrderStatusUpdate", T0 + 2 * MINUTE, order_id="o1", order_status="shipped"),
        said("OrderPaymentConfirmed", T0 + 3 * MINUTE, order_id="o1"),
        said("OrderStatusUpdate", T0 + MINUTE, order_id="o1", order_status="packed"),
        said("OrderAdd", T0, **ORDER),
    )
    assert [json.loads(row[2])["status"] for row in site.passed()] == ["packed", "shipped"]
    assert site.one("select status, paid from staged.shop_orders") == ("shipped", True)


def test_a_payment_told_to_be_older_than_its_order_is_not_lost(site: Posting) -> None:
    """4.4: no later post says it again; what a newer drop says stands."""
    site.now += HOUR
    site.post(said("OrderPaymentConfirmed", T0, order_id="o1"), said("OrderAdd", T0 + MINUTE, **ORDER))
    site.post(said("Search", T0 + 2 * MINUTE, search_string="red"))
    assert site.one("select paid, written_at from staged.shop_orders") == (True, T0 + MINUTE)
    site.db.execute("update staged.shop_orders set paid = false, written_at = ?", [T0 + 5 * MINUTE])  # as a drop would
    site.post(said("OrderPaymentConfirmed", T0 + 3 * MINUTE, order_id="o1"))
    assert site.one("select paid from staged.shop_orders") is False
    site.post(said("OrderPaymentConfirmed", T0 + 6 * MINUTE, order_id="o1"))
    assert site.one("select paid from staged.shop_orders") is True


def test_stock_by_post(site: Posting) -> None:
    """Rulings, audience 4: without number it is passed on and the column stays; out of stock sets 0."""
    site.now += HOUR
    site.post(said("ProductAdd", **WINE))
    site.post(said("ProductStockUpdate", T0 + MINUTE, product_id="p1", option_id=None))
    assert site.one("select stock from staged.shop_products") == 3.0
    assert site.passed() == [("ProductStockUpdate", "p1", '{"option_id": null}')]
    site.post(said("ProductStockUpdate", T0 + 2 * MINUTE, product_id="p1", stock_quantity=5))
    assert site.one("select stock from staged.shop_products") == 5.0
    site.post(said("ProductOutOfStock", T0 + 3 * MINUTE, product_id="p1"))
    assert site.one("select stock from staged.shop_products") == 0.0


def test_a_post_waits_for_its_record_then_is_an_orphan(site: Posting) -> None:
    """4.4: a post that changes a record not known waits for it for `late_after`, then is noted."""
    site.post(said("OrderStatusUpdate", order_id="o1", order_status="x"), said("ProductOutOfStock", product_id="p9"))
    assert site.states() == ["waiting", "waiting"]
    site.now += HOUR
    site.post(said("OrderAdd", T0 - MINUTE, **ORDER))
    assert site.states() == ["applied", "waiting", "applied"]
    site.now += 24 * HOUR
    posted.apply(site.session(), all_events=True)
    assert site.states() == ["applied", "orphan", "applied"]
    assert site.db.rows("select word, kind, id from staged.shop_notes") == [("orphan", "product", "p9")]


def test_an_older_post_than_the_drop_counts_no_more(site: Posting) -> None:
    """4.4: of one record the newer of post and drop wins."""
    site.drop("1", customers_csv="customer_id,first_name\n7,Drop\n")
    site.stage()
    site.now += HOUR
    site.post(said("CustomerUpdate", T0 - MINUTE, customer={"id": "7", "firstname": "Old"}))
    assert site.states() == ["older"]
    site.post(said("CustomerUpdate", T0 + MINUTE, customer={"id": "7", "firstname": "New"}))
    assert site.names() == [("7", "New")]


def test_the_same_post_counts_once(site: Posting) -> None:
    """Rulings, audience 1: by id, else by body and `at`, within 30 days; without both nothing is dropped."""
    search: dict[str, Any] = {"customer_id": "7", "search_string": "red"}
    one = said("Search", **search) | {"id": "s1"}
    site.post(one, one, said("Search", **search), said("Search", **search), said("Search", None, **search))
    site.post(one, said("Search", None, **search))
    assert len(site.passed()) == 4
    site.now += timedelta(days=31)
    site.post(one)
    assert len(site.passed()) == 5


def test_a_search_by_another_key_is_told_and_a_blank_one_is_nothing(site: Posting) -> None:
    site.post(said("Search", query="red"), said("Search", search_string=" "))
    assert site.states() == ["unusable", "unusable"]
    assert site.passed() == []
    assert site.db.rows("select * from staged.unusable") == [("post", "1", "Search lacks")]


def test_a_time_ahead_is_the_time_of_arrival(site: Posting) -> None:
    """4.4: `at` missing or more than 5 min ahead: arrival."""
    site.post(
        said("CustomerAdd", T0 + 10 * MINUTE, customer={"id": "1"}), said("CustomerAdd", None, customer={"id": "2"}),
        said("CustomerAdd", T0 + 4 * MINUTE, customer={"id": "3"}),
    )  # fmt: skip
    assert site.db.rows("select posted_at from staged.shop_customers order by customer_id") == [
        (T0,), (T0,), (T0 + 4 * MINUTE,),
    ]  # fmt: skip


def test_newsletter_true_needs_a_signature(site: Posting) -> None:
    """4.4: true without one is noted and not used; false always counts."""
    yes: dict[str, Any] = {"email": "A@x.example", "subscription": True}
    no: dict[str, Any] = {"email": "a@x.example", "subscription": "false"}
    site.post(said("Newsletter", **yes))
    assert site.one("select count(*) from staged.shop_subscribers") == 0
    assert site.db.rows("select word, id from staged.shop_notes") == [("unsigned_consent", "a@x.example")]
    site.signed = True
    site.post(said("Newsletter", T0 + MINUTE, **yes))
    read = "select subscribed, posted, posted_signed from staged.shop_subscribers"
    assert site.one(read) == (None, True, True)
    site.signed = False
    site.post(said("Newsletter", T0 + 2 * MINUTE, **no))
    assert site.one(read) == (None, False, False)
    site.signed = True
    site.post(said("Newsletter", T0 + 1.5 * MINUTE, **yes))
    assert site.one(read) == (None, False, False), "an older yes does not outdo a newer no"


def test_out_of_stock_after_an_add_without_stock(site: Posting) -> None:
    """4.4, 5.3: an option's stock may be left out; sold out, it is out of stock (unknown: in_stock false)."""
    product = {"product_id": "p1", "product_options": [{"option_id": "o1"}, {"option_id": "o2", "stock_quantity": 4}]}
    site.post(said("ProductAdd", **product), said("ProductOutOfStock", T0 + MINUTE, product_id="p1"))
    assert site.db.rows("select option_id, stock, in_stock from staged.shop_options order by 1") == [
        ("o1", None, False), ("o2", 0.0, None),
    ]  # fmt: skip


def test_half_an_emoji_is_replaced_and_stops_nobody(site: Posting) -> None:
    """5.4: a site that cuts a text by code units posts a lone surrogate, which nothing can store."""
    half = json.loads('"x\\ud83d"')
    site.signed = True
    site.post(
        said("CustomerAdd", customer={"id": 7, "firstname": half, "x_tier": half}, addresses=[{"city": half}]),
        said("Newsletter", email=f"{half}@x.example", subscription=True),
        said("Search", customer_id="", search_string=half),
        said("CustomerAdd", customer={"id": 8, "firstname": "Bo"}),
    )
    assert site.db.rows("select first_name, extra from staged.shop_customers order by customer_id") == [
        ("x\ufffd", '{"tier":"x\ufffd"}'), ("Bo", None),
    ]  # fmt: skip
    assert site.one("select address from staged.shop_subscribers") == "x\ufffd@x.example"
    assert json.loads(site.passed()[0][2])["search_string"] == "x\ufffd"
    assert post_people.kept_names(Suppressed({"00": {"1"}}), said("Newsletter", email=half, phone=half)) is False


@pytest.mark.parametrize("silent", [{}, {"subscription": None}])
def test_a_newsletter_that_says_nothing_changes_nothing(site: Posting, silent: dict[str, Any]) -> None:
    """Ruling 3: an unknown consent says nothing."""
    site.signed = True
    site.post(said("Newsletter", email="a@x.example", subscription=True))
    site.post(said("Newsletter", T0 + MINUTE, email="a@x.example", **silent))
    assert site.one("select posted from staged.shop_subscribers") is True


def test_carts_and_wishes(site: Posting) -> None:
    """6.2: a cart's lines are replaced, emptied too; a wish comes and goes."""
    site.now += HOUR
    line: dict[str, Any] = {"product_id": "p1", "option_id": None, "quantity": "2"}
    site.post(said("CartUpdate", customer_id="7", cart_products=[line], cart_url="https://x.example/c"))
    assert site.one("select customer_id, cart_url from staged.shop_carts") == ("7", "https://x.example/c")
    site.post(said("CartUpdate", T0 + MINUTE, customer_id="7", cart_products=[]))
    assert site.one("select count(*) from staged.shop_cart_lines") == 0
    wish: dict[str, Any] = {"customer_id": "7", "product_id": "p1"}
    site.post(said("WishlistAdd", **wish), said("WishlistDelete", T0 + MINUTE, **wish))
    assert site.one("select gone_at from staged.shop_wishlists") == T0 + MINUTE
    site.post(said("WishlistAdd", T0 + 2 * MINUTE, **wish))
    assert site.one("select gone_at from staged.shop_wishlists") is None


def test_long_posts_are_taken_a_few_at_once(site: Posting, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as may come weigh more than a machine has memory: each may be as long as a call."""
    taken: list[int] = []
    look_up = posted._look_up

    def counted(db: Any, batch: Any) -> None:
        taken.append(len(batch.posts))
        look_up(db, batch)

    monkeypatch.setattr(posted, "_look_up", counted)
    monkeypatch.setattr(posted, "_BYTES_AT_ONCE", 1_500)
    site.post(*(said("Search", T0 + place * MINUTE, search_string="x" * 1_000) for place in range(5)))
    assert (taken, site.states()) == ([2, 2, 1], ["applied"] * 5)


def test_what_other_posts_name_is_hinted_at_for_whoever_reads_it(site: Posting, tmp_path: Path) -> None:
    """4.4, R34: Vinoshipper is read by route `contacts` where that is on; a product cannot be asked for there."""
    site.post(said("Search", search_string="red"), all_events=False)
    inbox = Inbox(tmp_path)
    sections = {"shop": ShopSettings(), "vinoshipper": object(), "waymore": SimpleNamespace(source=None)}

    class Hillside:
        id, time_zone, routes = "hillside", site.merchant.time_zone, ("contacts", "audience")

        def __init__(self) -> None:
            self.sections = sections

        def section(self, _of: Any) -> Any:
            return sections["waymore"]

    def stage(dry_run: bool) -> list[tuple[str, str, str, str | None]]:
        session = site.session()
        session.run.inbox, session.run.merchant, session.run.dry_run = inbox, Hillside(), dry_run
        from_shop.stage_posts(session)
        if not inbox.exists:
            return []
        return inbox.ask("select route, system, kind, record from hints order by hint", [])

    hints = []
    for entry, (event, data) in enumerate(
        [("OrderAdd", {"order_id": "o1"}), ("CustomerUpdate", ANN), ("ProductAdd", WINE),
         ("Newsletter", {"email": "a@x.example", "subscription": True, "customer_id": 8})], 10,
    ):  # fmt: skip
        kept = {"post": said(event, T0, **data)}
        hints.append(
            Hint(0, entry, "hillside", "audience", "shop", "post", None, None, event, f"p{entry}", 0.0,
                 site.now.isoformat() + "+00:00", 0, HintState.WORKING, json.dumps(kept))
        )  # fmt: skip
    from_shop.take(site.session().run, hints)
    found = stage(dry_run=False)
    assert found == [
        (route, "vinoshipper", kind, own)
        for kind, own in (("order", "o1"), ("customer", "7"), ("customer", "8"))
        for route in ("contacts", "audience")
    ]
    assert stage(dry_run=False) == found, "once"


def test_other_sources_take_five_events(site: Posting) -> None:
    """4.4: beside Vinoshipper or Commerce7 only carts, wishes, searches and Newsletter false are content."""
    site.signed = True
    site.post(
        said("CustomerAdd", **ANN), said("Newsletter", email="a@x.example", subscription=True),
        said("Newsletter", email="b@x.example", subscription=False), said("Search", search_string="red"),
        said("Search", search_string="  "), all_events=False,
    )  # fmt: skip
    assert site.states() == ["hint", "hint", "applied", "applied", "unusable"]
    assert site.one("select count(*) from staged.shop_customers") == 0
    assert site.db.rows("select address, posted from staged.shop_subscribers") == [("b@x.example", False)]
