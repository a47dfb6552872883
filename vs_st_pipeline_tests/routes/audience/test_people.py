"""Whose address is subscribed and by what, and who is held: the rules of audience.md 8.1-8.4, one by one."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.platform.warehouse.suppression import EMAIL, PHONE, suppress
from vs_st_pipeline.routes.audience import people
from vs_st_pipeline.routes.audience.words import FORGOTTEN_CUSTOMER, FORGOTTEN_ORDER
from vs_st_pipeline_tests.routes.audience.diff_world import NOW, World

ANN = "ann@example.com"
PROOF = '{"system": "shop", "field": "opted_in", "value": "true"}'
EARLIER, LATER = NOW - timedelta(days=2), NOW - timedelta(hours=1)


@pytest.fixture
def world() -> World:
    return World(source="shop")


def judge(world: World) -> dict[str, Any]:
    """Judge; returns the addresses by name."""
    world.session_judged = session = world.session()  # type: ignore[attr-defined]
    people.judge(session)
    return {row["address"]: row for row in world.rows("select * from planned.audience_addresses")}


def subscribed(world: World, address: str = ANN) -> bool:
    row = judge(world).get(address)
    return row is not None and row["subscribed"]


def held(world: World) -> dict[tuple[str, str], str]:
    judge(world)
    return {
        (row["kind"], row["id"]): row["reason"]
        for row in world.rows("select * from planned.audience_held order by all")
    }


def says(world: World, customer: str = "c1", yes: bool | None = True, **more: Any) -> None:
    """Stage a customer of Ann's address, who says yes, no, or nothing."""
    evidence = None if yes is None else PROOF
    world.customer(
        customer, email=more.pop("email", ANN), opted_in=yes, evidence=more.pop("evidence", evidence), **more
    )


def posted(world: World, yes: bool, at: datetime, *, signed: bool = True) -> None:
    world.stage("subscribers", ANN, posted=yes, posted_since=at, posted_signed=signed, posted_evidence=PROOF)


class TestConsent:
    """8.2: an address is subscribed only with evidence, and whoever says no wins."""

    def test_yes_and_no_and_nothing(self, world: World) -> None:
        says(world, yes=None)
        assert not subscribed(world)
        says(world, yes=True)
        assert subscribed(world)
        says(world, yes=False)
        assert not subscribed(world)

    def test_a_yes_that_nothing_proves_is_none(self, world: World) -> None:
        says(world, yes=True, evidence=None)
        assert not subscribed(world)

    def test_an_address_is_one_in_any_case_and_with_blanks(self, world: World) -> None:
        says(world, email="  ANN@Example.com ")
        assert judge(world)[ANN]["email"] == "  ANN@Example.com "

    def test_of_several_records_any_that_says_no_wins_and_is_noted(self, world: World) -> None:
        says(world, "c1", True)
        says(world, "c2", False)
        assert not subscribed(world)
        assert ("mixed_consent", ANN) in world.notes()
        says(world, "c2", True)
        assert subscribed(world)
        assert world.notes() == set()

    def test_a_record_that_says_nothing_forbids_nothing(self, world: World) -> None:
        says(world, "c1", True)
        says(world, "c2", None)
        assert subscribed(world)

    def test_who_is_gone_says_nothing_any_more(self, world: World) -> None:
        says(world, "c1", True, gone_at=NOW)
        assert ANN not in judge(world)

    def test_of_several_customers_the_least_id_is_named(self, world: World) -> None:
        for customer in ("c9", "c10", "c2"):
            says(world, customer, True)
        assert judge(world)[ANN]["customer_id"] == "c10"

    def test_a_subscriber_is_joined_to_the_customer_of_that_address(self, world: World) -> None:
        world.customer("c1", email=ANN)
        world.stage("subscribers", ANN, email=ANN, subscriber_id="s7", subscribed=True, evidence=PROOF)
        row = judge(world)[ANN]
        assert (row["subscribed"], row["customer_id"], row["subscriber_id"]) == (True, "c1", "s7")

    def test_orders_subscribe_nobody(self, world: World) -> None:
        world.order("o1", customer_id=None, email=ANN)
        assert judge(world) == {}

    def test_the_last_read_that_had_it_not_subscribed_is_told(self, world: World) -> None:
        """6.4: by it a yes without a time of its own is old or not."""
        for ended in (EARLIER, LATER):
            world.store("staged.shop_reads", kind="customers", ended_at=ended, written_at=ended, rows=1, run_id="r")
        world.store("staged.shop_reads", kind="orders", ended_at=LATER, written_at=LATER, rows=1, run_id="r")
        says(world, opted_changed_at=LATER)
        assert judge(world)[ANN]["lacked_at"] == EARLIER
        says(world, opted_changed_at=NOW)
        assert judge(world)[ANN]["lacked_at"] == LATER
        says(world, opted_changed_at=None, lacked_at=EARLIER)
        assert judge(world)[ANN]["lacked_at"] == EARLIER

    def test_since_and_evidence_are_those_of_the_record(self, world: World) -> None:
        says(world, opted_at=EARLIER)
        row = judge(world)[ANN]
        assert (row["since"], row["own_at"], row["evidence"]) == (EARLIER, EARLIER, PROOF)


class TestPosts:
    """8.2, 4.4: what a site posts of a subscription, beside what records say."""

    def test_a_signed_yes_subscribes_an_unsigned_one_does_not(self, world: World) -> None:
        posted(world, True, EARLIER, signed=False)
        assert not subscribed(world)
        posted(world, True, EARLIER)
        row = judge(world)[ANN]
        assert (row["subscribed"], row["since"]) == (True, EARLIER)

    def test_a_signed_yes_that_is_newer_than_all_records_wins_over_their_no(self, world: World) -> None:
        says(world, yes=False, opted_changed_at=EARLIER)
        posted(world, True, LATER)
        assert subscribed(world)
        says(world, "c2", yes=False, opted_changed_at=NOW)
        assert not subscribed(world)

    def test_a_signed_yes_that_is_older_than_a_record_does_not(self, world: World) -> None:
        says(world, yes=False, opted_changed_at=LATER)
        posted(world, True, EARLIER)
        assert not subscribed(world)

    @pytest.mark.parametrize("signed", [True, False])
    def test_a_no_always_counts_and_stands_until_a_record_turns_to_yes_after_it(
        self, world: World, signed: bool
    ) -> None:
        says(world, yes=True, opted_changed_at=EARLIER)
        posted(world, False, LATER, signed=signed)
        assert not subscribed(world)
        says(world, yes=True, opted_changed_at=LATER)
        assert not subscribed(world)
        says(world, yes=True, opted_changed_at=NOW)
        assert subscribed(world)

    def test_a_yes_that_a_complete_read_lacks_is_gone(self, world: World) -> None:
        """6.2: gone from a complete read; a no stands all the same."""
        posted(world, True, EARLIER)
        world.stage("subscribers", ANN, gone_at=NOW)
        assert not subscribed(world)
        posted(world, False, LATER)
        assert judge(world)[ANN]["says"] is False

    def test_a_signed_yes_that_wins_leaves_nothing_mixed(self, world: World) -> None:
        says(world, "c1", yes=False, opted_changed_at=EARLIER)
        says(world, "c2", yes=True, opted_changed_at=EARLIER)
        posted(world, True, LATER)
        assert subscribed(world)
        assert world.notes() == set()

    def test_a_no_stands_where_nobody_knows_when_the_record_said_yes(self, world: World) -> None:
        says(world, yes=True, opted_changed_at=None)
        posted(world, False, EARLIER)
        assert not subscribed(world)

    def test_a_no_is_said_of_whom_no_record_names(self, world: World) -> None:
        posted(world, False, EARLIER)
        assert judge(world)[ANN]["says"] is False


class TestHolds:
    """8.4: each person once, by the first reason."""

    def test_under_age_to_the_day(self) -> None:
        world = World(source="shop", minimum_age=21)
        today = date(2026, 5, 20)
        world.customer("c1", birth_date=date(2005, 5, 20))
        world.customer("c2", birth_date=date(2005, 5, 21))
        world.customer("c3", birth_date=None)
        assert world.session().run.today() == today
        assert held(world) == {("customer", "c2"): "under_age"}

    @pytest.mark.parametrize(
        ("source", "reason"), [("shop", None), ("commerce7", "under_age"), ("vinoshipper", "under_age")]
    )
    def test_wine_sellers_have_a_least_age_by_themselves(self, source: str, reason: str | None) -> None:
        world = World(source=source)
        world.customer("c1", birth_date=date(2010, 1, 1))
        assert held(world).get(("customer", "c1")) == reason

    def test_a_guest_is_held_by_the_birth_date_of_the_order(self) -> None:
        world = World(source="shop", minimum_age=18)
        world.order("o1", customer_id=None, birth_date=date(2015, 1, 1))
        world.order("o2", customer_id=None, birth_date=date(1980, 1, 1))
        assert held(world) == {("order", "o1"): "under_age"}

    def test_age_unknown_only_where_evidence_is_required(self) -> None:
        world = World(source="shop", minimum_age=18, require_age_evidence=True)
        world.customer("c1")
        world.stage("subscribers", ANN, email=ANN, subscribed=True, evidence=PROOF)
        assert held(world) == {("customer", "c1"): "age_unknown", ("subscriber", ANN): "age_unknown"}

    def test_a_placeholder_is_no_evidence_of_age(self) -> None:
        world = World(source="shop", minimum_age=18, require_age_evidence=True)
        world.customer("c1", birth_date=date(1900, 1, 1))
        world.customer("c2", birth_date=date(1911, 5, 20))
        world.customer("c3", birth_date=date(1905, 5, 20))
        assert held(world) == {("customer", "c1"): "age_unknown", ("customer", "c3"): "age_unknown"}

    def test_only_the_opted_in(self) -> None:
        world = World(source="shop", people="opted_in")
        says(world, "c1", True)
        world.customer("c2", email="bob@example.com", opted_in=None)
        world.customer("c3")
        world.order("o1", customer_id=None, email="eve@example.com")
        world.order("o2", customer_id=None, email=ANN)
        assert held(world) == {
            ("customer", "c2"): "not_opted_in", ("customer", "c3"): "not_opted_in", ("order", "o1"): "not_opted_in",
        }  # fmt: skip

    def test_a_rehearsal_holds_everybody_else(self) -> None:
        world = World(source="shop", only=("Ann@example.com",))
        says(world, "c1", True)
        world.customer("c2", email="bob@example.com")
        world.stage("subscribers", "eve@example.com", email="eve@example.com", subscribed=True, evidence=PROOF)
        assert held(world) == {
            ("customer", "c2"): "rehearsal", ("subscriber", "bob@example.com"): "rehearsal",
            ("subscriber", "eve@example.com"): "rehearsal",
        }  # fmt: skip

    def test_of_a_customer_whom_no_record_shows_the_cart_wishes_and_searches_are_held(self) -> None:
        """8.1, R66: nothing says that they are subscribed, or named; their orders are judged by themselves."""
        for how, reason in (({"people": "opted_in"}, "not_opted_in"), ({"only": (ANN,)}, "rehearsal"), ({}, None)):
            world = World(source="shop", **how)
            says(world, "c1", True)
            for customer in ("c1", "u1"):
                world.cart(customer, ("p1", 1), id=f"k{customer}")
                world.wish(customer, "p1")
                world.post("Search", "search", f"s{customer}", {"customer_id": customer, "search_string": "red"})
            world.post("Search", "search", "s0", {"customer_id": None, "search_string": "of a guest"})
            world.order("o1", customer_id="u1", email=ANN)
            wanted = {} if reason is None else {("cart", "u1"): reason}
            assert held(world) == wanted
            told = world.take()
            assert ("OrderAdd", "o1") in told
            assert {event for event, id in told if "u1" in id} == (
                set() if reason else {"CartUpdate", "WishlistAdd", "Search"}
            )
            assert {event for event, id in told if "c1" in id} >= {"CartUpdate", "WishlistAdd", "Search"}
            assert (("Search", "s0") in told) == ("only" not in how)
            assert people.held_among(world.db, "cart", ["c1", "u1"]) == {one for _, one in wanted}
            assert bool(people.held_among(world.db, "wish", ['["u1","p1"]'])) == bool(wanted)
            assert people.held_among(world.db, "order", ["o1"]) == frozenset()

    def test_who_is_forgotten_is_held_by_the_id_that_a_later_post_names(self) -> None:
        """8.4, 8.5: the record is gone, and a cart, wish, search or order of that id is told to nobody."""
        world = World(source="shop")
        suppress(world.db, [(FORGOTTEN_CUSTOMER, "c1")], NOW)
        world.cart("c1", ("p1", 1))
        world.wish("c1", "p1")
        world.post("Search", "search", "s1", {"customer_id": "c1", "search_string": "red"})
        world.order("o1", customer_id="c1")
        assert held(world) == {("cart", "c1"): "forgotten", ("order", "o1"): "forgotten"}
        assert world.take() == []

    @pytest.mark.parametrize("name", [(FORGOTTEN_CUSTOMER, "c1"), (EMAIL, ANN), (PHONE, "7075550142")])
    def test_the_forgotten_come_first(self, name: tuple[str, str]) -> None:
        world = World(source="shop", minimum_age=21)
        says(world, "c1", True, phone="+1 707 555 0142", birth_date=date(2015, 1, 1))
        suppress(world.db, [name], NOW)
        assert held(world) == {("customer", "c1"): "forgotten", ("subscriber", ANN): "forgotten"}

    @pytest.mark.parametrize("name", [(FORGOTTEN_ORDER, "o1"), (EMAIL, ANN), (PHONE, "7075550142")])
    def test_a_forgotten_guest(self, world: World, name: tuple[str, str]) -> None:
        world.order("o1", customer_id=None, email=" Ann@example.com", phone_mobile="(707) 555-0142")
        world.order("o2", customer_id=None, email="eve@example.com")
        suppress(world.db, [name], NOW)
        assert held(world) == {("order", "o1"): "forgotten"}

    def test_who_is_gone_is_held_and_not_counted(self, world: World) -> None:
        world.settings["minimum_age"] = 21
        says(world, "c1", True, birth_date=date(2015, 1, 1), gone_at=NOW)
        assert held(world)["customer", "c1"] == "under_age"
        assert dict(world.session_judged.told.held) == {}  # type: ignore[attr-defined]

    def test_an_address_of_a_subscriber_who_is_held_by_name(self) -> None:
        world = World(source="shop", minimum_age=21)
        world.customer("c1", email="other@example.com", birth_date=date(2015, 1, 1))
        world.stage("subscribers", ANN, email=ANN, customer_id="c1", subscribed=True, evidence=PROOF)
        assert ("subscriber", ANN) in held(world)

    def test_an_address_is_held_with_anybody_who_has_it(self) -> None:
        world = World(source="shop", minimum_age=21)
        says(world, "c1", True)
        says(world, "c2", True, birth_date=date(2015, 1, 1))
        assert held(world) == {("customer", "c2"): "under_age", ("subscriber", ANN): "under_age"}

    def test_who_is_held_is_counted_once(self, world: World) -> None:
        world.settings["minimum_age"] = 21
        says(world, "c1", True, birth_date=date(2015, 1, 1))
        judge(world)
        counted = world.session_judged.told.held  # type: ignore[attr-defined]
        assert dict(counted) == {"under_age": 1}


def test_a8_3_who_may_be_subscribed_and_who_is_held_is_asked_again(world: World) -> None:
    world.settings["minimum_age"] = 21
    says(world, "c1", True)
    says(world, "c2", True, email="bob@example.com", birth_date=date(2015, 1, 1))
    world.order("o1", customer_id="c2")
    world.order("o2", customer_id="c1")
    judge(world)
    assert people.may_be_subscribed(world.db, [ANN, "bob@example.com", "x"]) == {ANN}
    assert people.held_among(world.db, "customer", ["c1", "c2"]) == {"c2"}
    assert people.held_among(world.db, "order", ["o1", "o2"]) == {"o1"}
    assert people.held_among(world.db, "cart", ["c1", "c2"]) == {"c2"}
    assert people.held_among(world.db, "wish", ['["c2","p1"]', '["c1","p1"]']) == {'["c2","p1"]'}
    assert people.held_among(world.db, "subscriber", [ANN, "bob@example.com"]) == {"bob@example.com"}
    assert people.held_among(world.db, "product", ["p1"]) == frozenset()


class TestJudgedOnce:
    """8.1-8.4: where nothing that a judgment depends on has changed, it stands; whatever has, all are judged anew."""

    @pytest.fixture
    def judged(self, world: World) -> World:
        says(world, birth_date=date(1980, 1, 1))
        assert subscribed(world)
        world.cursor.execute("update planned.audience_addresses set subscribed = false")  # to see who wrote it
        return world

    def test_it_stands(self, judged: World) -> None:
        assert not subscribed(judged)

    def test_what_is_staged(self, judged: World) -> None:
        judged.changed()
        assert subscribed(judged)

    def test_the_day(self, judged: World) -> None:
        judged.at += timedelta(days=1)
        assert subscribed(judged)

    @pytest.mark.parametrize("settings", [{"require_age_evidence": True}, {"people": "opted_in"}, {"only": (ANN,)}])
    def test_settings(self, judged: World, settings: dict[str, Any]) -> None:
        judged.settings |= settings
        assert subscribed(judged)

    def test_who_is_forgotten(self, judged: World) -> None:
        suppress(judged.db, [(EMAIL, "somebody@example.com")], NOW)
        assert subscribed(judged)

    def test_what_forgetting_takes_away(self, judged: World) -> None:
        people.judge_anew(judged.db)
        assert subscribed(judged)

    def test_every_writer_of_what_is_staged_says_so(self) -> None:
        """Whoever writes to a staged table moves the generation, or has people judged anew."""
        writes = re.compile(
            r"(?:insert into|update|delete from) staged\.(?:\{|shop_(?:customers|subscribers|orders)\b)"
        )
        forgets = re.compile(r"_OF_CUSTOMER|_OF_ADDRESS|_BLANK")
        folder, writers = Path(people.__file__).parent, set()
        for module in folder.glob("*.py"):
            source = module.read_text(encoding="utf-8")
            for function in re.split(r"\n(?=(?:    )?def )", source):
                if writes.search(function) or (module.stem == "forgetting" and "delete from" in function
                                               and forgets.search(function)):  # fmt: skip
                    writers.add(module.stem)
                    if module.stem != "merging":  # `run` moves it for all its steps
                        assert "shop_generation set generation" in function or "judge_anew" in function, function[:200]
        assert writers == {"merging", "posted", "forgetting"}

    def test_by_shares_it_is_the_same(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """12: of a large shop a share of the addresses is judged at a time."""
        for number in range(20):
            says(world, f"c{number}", number % 3 != 0, email=f"p{number % 7}@example.com")
        posted(world, True, LATER)
        whole = judge(world)
        monkeypatch.setattr(people, "_SHARE", 4)
        people.judge_anew(world.db)
        assert judge(world) == whole
        assert len(whole) == 8
