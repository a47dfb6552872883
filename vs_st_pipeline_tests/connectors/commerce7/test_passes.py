"""What the passes ask for, what they keep, and when a watermark moves (orders.md 3), under each form that a list has.

It is long because each switch of the lists has its test.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7 import passes, reading
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client
from vs_st_pipeline.domain.errors import BadAnswer, PipelineError, TryLater
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline_tests.connectors.commerce7.world import DAY, World

PAID, UPDATED = "orderPaidDate", "updatedAt"


def filters(world: World) -> list[tuple[str, str]]:
    """The filter of each list that was asked for, its first page alone."""
    found = []
    for one in world.asked():
        query = dict(one["query"])
        if one["path"] == "/v1/order" and query["cursor"] == "start":
            assert query["limit"] == "50"
            assert "page" not in query
            [name] = set(query) - {"limit", "cursor"}
            found.append((name, query[name]))
    return found


def test_o3_a_first_sync_walks_all_three_from_start_and_an_idle_one_asks_twice(hillside: World) -> None:
    found = hillside.passes()
    assert found.found == hillside.wanted()
    assert (found.late, found.unreadable) == (set(), 0)
    assert found.read_at.keys() == found.found
    start = f"gte:{hillside.start:%Y-%m-%dT%H:%M:%S}.000Z"
    fourteen = f"gte:{hillside.now() - 14 * DAY:%Y-%m-%d}"
    assert filters(hillside) == [(PAID, start), (UPDATED, start), (PAID, fourteen)]
    again = hillside.passes()
    assert len(hillside.asked()) == 2
    assert again.window_share == (0, 0)


def test_o3_t_is_the_newest_date_held_less_ten_minutes_for_each_pass(world: World) -> None:
    world.passes()
    orders = world.box.control.orders()
    world.asked()
    world.passes()
    newest = [max(one[key] for one in orders if one[key]) for key in (PAID, UPDATED)]
    wanted = [datetime.fromisoformat(at) - timedelta(minutes=10) for at in newest]
    assert filters(world) == [
        (key, f"gte:{at:%Y-%m-%dT%H:%M:%S}.000Z") for key, at in zip((PAID, UPDATED), wanted, strict=True)
    ]


def test_o3_t_is_never_later_than_now_less_ten_minutes_whatever_an_order_claims(world: World) -> None:
    ahead = "2099-01-01T00:00:00.000Z"
    far = world.order(orderPaidDate=ahead, updatedAt=ahead)
    world.passes()
    [(through,)] = world.rows("select through from raw.commerce7_passes where pass = 'paid'")
    assert through < world.now().replace(tzinfo=None)
    missed = world.order(hours=0.5)  # paid before that, and told later
    assert missed["id"] in world.passes().found
    assert far["id"] in world.stored()


def test_o3_full_walks_from_start_again_and_so_does_an_earlier_start(world: World) -> None:
    world.passes()
    world.asked()
    world.passes(full=True)
    assert [value for _, value in filters(world)][:2] == [f"gte:{world.start:%Y-%m-%dT%H:%M:%S}.000Z"] * 2
    world.start -= 5 * DAY
    found = world.passes()
    assert [value for _, value in filters(world)] == [f"gte:{world.start:%Y-%m-%dT%H:%M:%S}.000Z"] * 2
    assert found.found >= world.wanted()


def test_o3_an_order_paid_before_start_is_kept_by_the_updated_pass_only_if_it_is_known(hillside: World) -> None:
    hillside.passes()
    case = next(one for one in hillside.box.control.cases() if one["code"] == "before_start")
    old, known = hillside.box.control.order(case["order_id"]), hillside.plain()
    hillside.box.control.patch_order(old["id"], giftMessage="changed")
    assert old["id"] not in hillside.passes().found
    assert hillside.rows("select 1 from raw.commerce7_orders where id = ?", old["id"]) == []
    long_ago = (hillside.now() - 60 * DAY).isoformat()
    hillside.box.control.patch_order(known["id"], orderPaidDate=long_ago, giftMessage="kept")
    assert known["id"] in hillside.passes().found
    assert hillside.stored()[known["id"]].gift_message == "kept"


def test_ruling_8_an_order_authorised_before_start_and_paid_after_it_is_found(world: World) -> None:
    made = world.order(hours=24 * 40, paymentStatus="Authorized", orderPaidDate=None)
    assert made["id"] not in world.passes().found
    world.box.control.pay(made["id"])
    assert world.passes().found >= {made["id"]}
    assert world.stored()[made["id"]].payment_status == "Paid"


# --- forms of a date ---


@pytest.mark.slow
def test_o3_each_form_of_a_date(world: World) -> None:
    for form, wanted in world.each("date_form", ["any", "day", "any", "day"]):
        first = world.passes()
        refused = form == "day_only"
        asked = [name for name, _ in filters(world)]
        assert asked == [PAID, *([PAID] if refused else []), UPDATED, PAID]  # refused once: remembered
        assert bool(first.late) == (form == "iso_finds_nothing")
        assert (world.form("paid"), world.form("updated")) == (wanted, wanted)
        found = first.found | world.passes().found
        assert found == world.wanted()
        days = [value for _, value in filters(world)]
        assert all((len(value) == len("gte:2026-01-01")) == (wanted == "day") for value in days)
        new = world.order(hours=1)
        assert new["id"] in world.passes().found, form


def test_o3_400_means_days_from_then_on_two_days_back(world: World) -> None:
    world.passes()
    world.box.control.set_fault("400", count=1)
    world.asked()
    world.passes()
    asked = filters(world)
    [(through,)] = world.rows("select through from raw.commerce7_passes where pass = 'paid'")
    back = through - timedelta(minutes=10) - 2 * DAY
    assert asked[1] == (PAID, f"gte:{back:%Y-%m-%d}")
    assert len(asked[2][1]) == len("gte:2026-01-01")


def test_o3_a_filter_without_effect_is_asked_in_the_other_form_and_then_said(hillside: World) -> None:
    for value, wanted in hillside.each("date_filter", [None, "has no effect"]):
        if wanted is None:
            assert hillside.passes().found == hillside.wanted()
            continue
        with pytest.raises(BadAnswer, match=wanted) as told:
            hillside.passes()
        assert (told.value.kind, told.value.system) == ("bad_answer", "commerce7")
        forms = [len(text) for _, text in filters(hillside)]
        assert forms == [len("gte:2026-01-01T00:00:00.000Z"), len("gte:2026-01-01")], value
        assert hillside.rows("select 1 from raw.commerce7_passes") == []


def test_o3_rows_that_the_filter_lets_through_by_less_than_two_days_are_left_out(world: World) -> None:
    world.passes()
    world.box.control.set_switch("date_form", "iso_cut_to_day")
    world.order()
    world.asked()
    found = world.passes()
    [(through,)] = world.rows("select through from raw.commerce7_passes where pass = 'paid'")
    assert all(one.updated_at is None or one.updated_at >= through - DAY for one in world.stored(*found.found).values())
    assert len(found.found) < 10


# --- late finds ---


def test_ruling_3_what_only_the_reconciling_pass_finds_is_late_and_makes_the_others_ask_by_days(world: World) -> None:
    world.passes()
    late = world.order(hours=6, updatedAt=(world.now() - timedelta(hours=6)).isoformat())
    assert world.passes().late == set()  # it lies behind both watermarks
    world.reconcile = timedelta(0)
    found = world.passes()
    assert found.late == {late["id"]}
    assert late["id"] in found.found
    assert (world.form("paid"), world.form("updated")) == ("day", "day")
    assert world.row(late["id"])["first_seen_by"] == "reconcile"
    assert world.passes().late == set(), "told once: it is held now"
    other = world.order(hours=6, updatedAt=(world.now() - timedelta(hours=6)).isoformat())
    world.reconcile = DAY
    assert other["id"] in world.passes().found, "days show it without the reconciling pass"


def test_ruling_3_an_order_that_comes_while_the_passes_run_is_not_late(world: World) -> None:
    world.passes()
    world.reconcile = timedelta(0)
    fields = {"lines": [{"sku": "PINOT22", "quantity": 1}]}
    world.box.control.add_hook({"kind": "orders", "op": "add", "fields": fields}, on="request", nth=3)
    before = {one["id"] for one in world.box.control.orders()}
    found = world.passes()
    [new] = {one["id"] for one in world.box.control.orders()} - before
    assert new in found.found
    assert found.late == set()
    assert world.form() == "any"


def test_o9_c_a_reconciling_pass_that_is_not_believed_is_made_again(world: World) -> None:
    def walked(*, believed: bool) -> bool:
        return reading.read_passes(
            world.run(), world.client(), start=world.start, reconcile=DAY, believed=lambda *_: believed
        ).reconciled

    assert [walked(believed=each) for each in (False, False, True, True)] == [True, True, True, False]


def test_o9_c_what_the_reconciling_pass_finds_of_what_is_held(hillside: World) -> None:
    hillside.passes()
    hillside.reconcile = timedelta(0)
    held, found = hillside.passes().window_share
    assert held == found > 50
    hillside.box.control.set_switch("short_list", True)
    held, found = hillside.passes().window_share
    assert found < 0.8 * held


# --- the cursor ---


def test_o3_each_cursor(hillside: World) -> None:
    for value, wanted in hillside.each("cursor", [None, "equal to the one before", "no cursor leads to them"]):
        if wanted is None:
            hillside.passes()
            assert all("page" not in one["query"] for one in hillside.asked())
            continue
        with pytest.raises(BadAnswer, match=wanted):
            hillside.passes()
        assert hillside.rows("select 1 from raw.commerce7_passes") == [], f"{value}: no watermark has moved"


@pytest.mark.slow
def test_o3_each_end_of_a_walk(hillside: World) -> None:
    counts = []
    for _, wanted in hillside.each("cursor_end", [6, 6, 6, 12]):  # two pages each; an empty one is followed once
        assert hillside.passes().found == hillside.wanted()
        counts.append(len([one for one in hillside.asked() if one["path"] == "/v1/order"]))
        assert counts[-1] == wanted
    assert counts == [6, 6, 6, 12]


def test_o3_a_watermark_moves_only_when_the_walk_is_stored_whole(hillside: World) -> None:
    hillside.give_up_after = timedelta(seconds=0.4)
    hillside.box.control.set_fault("500", skip=1, count=1)  # the second page
    with pytest.raises(TryLater):
        hillside.passes()
    assert hillside.rows("select 1 from raw.commerce7_passes") == []
    assert len(hillside.stored()) == 50, "what was read stands"
    assert hillside.passes().found == hillside.wanted()


@pytest.mark.slow
def test_o3_orders_that_come_and_change_between_two_pages_are_found_once_each(hillside: World) -> None:
    for _, changed in hillside.each("orders_change_while_paged", [False, True]):
        found = hillside.passes()
        assert found.found == hillside.wanted()
        notes = [one.shipping_instructions for one in hillside.stored().values()]
        assert notes.count("Ring twice") == changed


# --- rows ---


@pytest.mark.slow
def test_ruling_2_a_row_that_lacks_what_is_read_is_no_read(world: World) -> None:
    for value, whole in world.each("list_rows", [True, False, False]):
        found = world.passes()
        assert found.found == world.wanted()
        assert bool(found.read_at) == whole, value
        plain = world.plain()["id"]
        assert world.row(plain)["whole"] == whole
        order = world.one(plain)
        assert order is not None
        assert order.customer is not None
        world.passes()
        assert world.row(plain)["whole"], "what a single read told stands while the order does not change"
        world.box.control.patch_order(plain, giftMessage="Cheers")
        assert (plain in world.passes().read_at) == whole
        stored = world.stored(plain)[plain]
        assert (stored.gift_message, world.row(plain)["whole"]) == ("Cheers", whole)
        assert stored.customer == order.customer, "what a row omits is not taken away"


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["purchase_type", "linked_orders", "shipping_carrier"])
def test_ruling_2_what_single_reads_omit_too_is_a_read_of_them(world: World, switch: str) -> None:
    world.box.control.set_switch(switch, "absent")
    plain = world.plain()["id"]
    assert plain not in world.passes().read_at
    assert world.one(plain) is not None
    assert world.row(plain)["whole"]
    assert plain in world.passes(full=True).read_at, "the same row, of which nothing more can be had"


def test_o3_of_two_rows_of_one_order_the_one_that_was_changed_later_wins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = {**world.plain(), "giftMessage": "older"}
    newer = {**older, "giftMessage": "newer", "updatedAt": world.now().isoformat()}
    for rows in ([older, newer], [newer, older]):
        monkeypatch.setattr(Commerce7Client, "orders", lambda *_, rows=rows: {"orders": rows})
        world.forget_all()
        world.passes()
        assert world.stored()[older["id"]].gift_message == "newer"


def test_o3_an_older_row_does_not_replace_a_newer_one(world: World) -> None:
    plain = world.plain()["id"]
    world.box.control.patch_order(plain, giftMessage="new")
    world.passes()
    world.box.control.patch_order(plain, giftMessage="old", updatedAt=(world.now() - DAY).isoformat())
    found = world.passes(full=True)
    assert world.stored()[plain].gift_message == "new"
    assert plain in found.found
    assert plain not in found.read_at


BAD: list[Any] = [
    {"orderNumber": None}, {"orderNumber": "12/7"}, {"orderNumber": True}, {"items": "none"}, {"shipTo": []},
    {"items": [None]},
]  # fmt: skip


def test_o10_what_is_no_order_is_rejected_and_the_others_go_on(world: World) -> None:
    good = world.wanted()
    made = [world.order() for _ in BAD]
    for order, changed in zip(made, BAD, strict=True):
        world.box.control.patch_order(order["id"], **changed)
    found = world.passes()
    assert found.found == good
    assert found.unreadable == len(BAD)
    for order in made:
        world.box.control.patch_order(order["id"], **{key: order[key] for key in ("orderNumber", "items", "shipTo")})
    again = world.passes()
    assert again.found >= {order["id"] for order in made}
    assert again.unreadable == 0


def test_o10_a_known_order_that_cannot_be_read_any_more_stands_as_it_was(world: World) -> None:
    plain = world.plain()
    world.passes()
    world.box.control.patch_order(plain["id"], orderNumber="")
    assert world.passes().unreadable == 1
    assert world.stored()[plain["id"]].number == str(plain["orderNumber"])


def test_r40_a_list_of_which_hardly_anything_can_be_read_is_no_list(world: World) -> None:
    world.box.control.set_fault("two_keys")
    with pytest.raises(BadAnswer, match="too many"):
        world.passes()
    assert world.rows("select 1 from raw.unreadable") == world.rows("select 1 from raw.commerce7_passes") == []


def test_o3_an_answer_that_says_nothing_changes_nothing(world: World) -> None:
    world.give_up_after = timedelta(seconds=0.4)
    world.passes()
    before = world.rows("select * from raw.commerce7_passes order by 1")
    for lie in ("hollow", "error_body", "wrong_shape", "html_other"):
        world.box.control.set_fault(lie)
        with pytest.raises(PipelineError):
            world.passes()
    assert world.rows("select * from raw.commerce7_passes order by 1") == before
    assert len(world.stored()) == len(world.wanted())


def test_o10_what_is_never_stored_is_not_there(world: World) -> None:
    made = world.order(idScanUrl="https://scans.example/7", pickupBy={"idScanUrl": "https://scans.example/8"})
    world.passes()
    world.one(made["id"])
    for (body,) in world.rows("select body from raw.commerce7_orders"):
        assert not any(word in body for word in ("connectionInformation", "192.0.2.7", "idScanUrl", "scans.example"))
        assert '"tip"' not in body
    [body] = [one for (one,) in world.rows("select body from raw.commerce7_orders where id = ?", made["id"])]
    assert '"tenders":[{"tenderType":"Credit Card","amountTendered":' in body


def test_idle_passes_write_nothing(world: World) -> None:
    world.passes()
    before = world.rows("select max(changed), max(read_at) from raw.commerce7_orders")
    marks = world.rows("select * from raw.commerce7_passes order by 1")
    world.passes()
    assert world.rows("select max(changed), max(read_at) from raw.commerce7_orders") == before
    assert world.rows("select * from raw.commerce7_passes order by 1") == marks


@pytest.mark.slow
def test_late_commits_are_found_by_the_pass_that_comes_when_they_show(world: World) -> None:
    for _, late in world.each("late_commit", [False, True]):
        world.passes()
        made = world.order()
        seen = [made["id"] in world.passes().found for _ in range(2)]
        assert seen == [not late, True]


def test_r63_a_sync_that_gives_way_reads_no_further_and_moves_no_watermark(
    hillside: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "gives_way", lambda _run: True)
    found = hillside.passes()
    assert not found.complete
    assert len(hillside.asked()) == 1
    assert found.found == set(hillside.stored())
    assert len(found.found) == 50
    assert hillside.rows("select 1 from raw.commerce7_passes") == []


def test_r54_a_budget_leaves_the_reconciling_pass_for_later_and_no_other(world: World) -> None:
    world.passes()
    world.reconcile = timedelta(0)
    world.asked()
    assert world.passes(budget=1).window_share == (0, 0)
    assert len(world.asked()) == 2
    assert world.passes(budget=10).window_share != (0, 0)


def test_ruling_3_a_late_find_and_what_follows_from_it_are_stored_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.passes()
    late = world.order(hours=6, updatedAt=(world.now() - timedelta(hours=6)).isoformat())
    world.reconcile = timedelta(0)
    monkeypatch.setattr(passes._Passes, "_end", lambda *_, **__: 1 / 0)  # the power goes
    monkeypatch.setattr(passes._Passes, "walk", lambda self, one, walk=passes._Passes.walk: (
        walk(self, one) if one is passes.Pass.RECONCILE else True
    ))  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        world.passes()
    assert late["id"] in world.stored()
    assert (world.form("paid"), world.form("updated")) == ("day", "day")


def test_o3_a_row_that_does_not_show_the_filtered_date_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = {key: value for key, value in world.plain().items() if key != UPDATED}
    shown = lambda _self, wanted, _cursor="start": {"orders": [cut] if UPDATED in wanted else []}  # noqa: E731
    monkeypatch.setattr(Commerce7Client, "orders", shown)
    assert world.passes().found == {cut["id"]}
    assert world.rows("select through from raw.commerce7_passes where pass = 'updated'") == [(None,)]
