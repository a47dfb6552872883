"""Eshopbox read and staged, over real sockets, under each value of the switches of its stand-in (notices.md 3, 11).

`make test` tries the values that tell most, `make proof` all of them (routes.md R50).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.eshopbox import stored
from vs_st_pipeline.connectors.eshopbox.client import EshopboxClient
from vs_st_pipeline.connectors.eshopbox.setup import SETUP
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, TryLater
from vs_st_pipeline.routes.notices import from_eshopbox
from vs_st_pipeline.routes.notices.words import Basis
from vs_st_pipeline.sandbox.eshopbox.server import Eshopbox
from vs_st_pipeline_tests.routes.notices.reading_world import Fast, Row, World
from vs_st_pipeline_tests.sandbox.served import Api, Served, served

A_MINUTE = timedelta(minutes=1)


def rest(*values: object) -> list[object]:
    """Values, or tuples of them, that are tried by `make proof` alone."""
    return [pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=pytest.mark.slow) for one in values]


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Eshopbox, "parcels") as box:
        yield box


@pytest.fixture
def world(running: Served, tmp_path: Path) -> Iterator[World]:
    """Where nothing was ordered yet."""
    running.control.reset()
    found = World(running, tmp_path).empty()
    yield found
    found.close()


def switched(world: World, **switches: object) -> None:
    for name, value in switches.items():
        world.control.set_switch(name, value)


def is_about(at: datetime | None, wanted: datetime) -> bool:
    return at is not None and abs(at - wanted.replace(tzinfo=None)) < A_MINUTE


# --- what a sync reads ----------------------------------------------------------------------------------------------


def test_first_read_of_the_world_is_complete_and_stages_every_order(running: Served, tmp_path: Path) -> None:
    running.control.reset()
    world = World(running, tmp_path)
    assert not complete(world)
    found = world.sync()
    numbers = {one["customerOrderNumber"] for one in world.control.orders()}
    assert found.read == numbers
    assert complete(world)
    assert {row[0] for row in world.rows("select order_number from staged.notice_orders")} == numbers
    assert world.control.findings() == []
    world.close()


def complete(world: World) -> bool:
    with world.run().open() as db:
        return stored.is_complete(db)


def test_an_order_that_changes_is_read_again_because_its_row_in_the_list_does(world: World) -> None:
    quiet, busy = world.order(), world.order()
    world.set(refresh=world.eshopbox.refresh.model_copy(update={"open_orders": timedelta(hours=1)}))
    world.sync()
    world.asked()
    world.later(minutes=5)
    world.advance(busy, "out_for_delivery")
    found = world.sync()
    assert (found.read, found.news) == ({busy["customerOrderNumber"]},) * 2
    world.later(hours=1)
    assert world.sync().read == {quiet["customerOrderNumber"], busy["customerOrderNumber"]}


def test_a_sync_without_news_stages_nothing_and_still_notes_that_it_read(world: World) -> None:
    order = world.order()
    world.sync()
    before = world.order_row(order)["read_real"]
    found = world.read()
    assert (found.news, world.stage()) == (set(), 0)
    assert world.order_row(order)["read_real"] > before


def test_an_order_that_has_ended_is_asked_for_no_more(world: World) -> None:
    order = world.order()
    world.advance(order, "delivered")
    world.sync()
    assert world.sync().read == set()


def test_hinted_orders_are_read_before_the_list(world: World) -> None:
    orders = [world.order() for _ in range(3)]
    world.sync()
    world.advance(orders[2], "failed_delivery")
    world.hook(orders[2])
    world.asked()
    world.sync()
    assert world.asked()[0] == f"/api/order/{orders[2]['customerOrderNumber']}"


def test_numbers_with_signs_are_asked_for_as_they_are(world: World) -> None:
    order = world.order(number="KK/10 07#A")
    assert world.sync().read == {"KK/10 07#A"}
    assert world.order_row(order)["order_number"] == "KK/10 07#A"


def test_an_order_that_is_gone_stops_nobody(world: World) -> None:
    gone, there = world.order(), world.order()
    world.sync()
    world.control.delete("orders", gone["customerOrderNumber"])
    found = world.sync()
    assert (found.gone, found.error) == ({gone["customerOrderNumber"]}, None)
    assert there["customerOrderNumber"] in found.read
    assert world.sync().gone == set()  # and is not asked for again


# --- bad answers ----------------------------------------------------------------------------------------------------


def test_an_order_that_is_listed_before_it_can_be_read_is_asked_for_again(world: World) -> None:
    order = world.order()
    number = order["customerOrderNumber"]
    world.control.set_fault("404", path_regex=f"/api/order/{number}")
    assert world.sync().unreadable == {number}
    assert world.rows("select id, attempts from raw.unreadable") == [(number, 1)]
    world.hook(order)
    world.sync()  # a hint is read first, and what else is due after it
    assert world.rows("select id, attempts from raw.unreadable") == [(number, 2)]
    world.control.clear_faults()
    world.later(hours=1)
    assert number in world.sync().read


def test_an_order_that_was_gone_and_is_listed_still_is_asked_for_again_after_an_hour(world: World) -> None:
    order = world.order()
    number = order["customerOrderNumber"]
    assert world.sync().read == {number}
    world.control.set_fault("404", path_regex=f"/api/order/{number}")
    world.later(hours=2)
    assert world.sync().gone == {number}
    world.control.clear_faults()
    world.later(minutes=30)
    assert world.sync().read == set()
    world.later(minutes=40)
    assert world.sync().read == {number}


def test_one_unreadable_order_stops_nobody_and_what_is_known_stands(world: World) -> None:
    bad, *others = [world.order() for _ in range(4)]
    world.sync()
    world.advance(bad, "dispatched")
    world.sync()
    world.control.set_fault("500", path_regex=f"/api/order/{bad['customerOrderNumber']}")
    found = world.sync()
    assert (found.unreadable, found.error) == ({bad["customerOrderNumber"]}, None)
    assert found.read == {one["customerOrderNumber"] for one in others}
    assert "on_the_way" in world.events(bad)


def test_an_answer_of_another_order_is_used_for_nothing(world: World) -> None:
    first, second = world.order(), world.order()
    world.sync()
    known = world.order_row(first)
    world.control.set_fault("other_record", path_regex="/api/order/", count=1)
    found = world.sync()
    assert len(found.mismatched) == 1
    assert found.unreadable == found.mismatched
    assert world.order_row(first)["name"] == known["name"]
    assert world.order_row(second)["order_number"] == second["customerOrderNumber"]


# --- the token ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [400, *rest(401, "login_page")])
def test_bad_credentials_are_auth(world: World, how: object) -> None:
    switched(world, bad_credentials=how)
    world.set(client_secret=world.eshopbox.refresh_token)
    error = world.read().error
    assert isinstance(error, BadKey)
    assert (error.kind, error.call) == ("auth", "token")


@pytest.mark.parametrize(
    ("life", "limit"), [("missing", True), *rest((86400, False), (86400, True), (90, False), (90, True))]
)
def test_one_token_serves_all_syncs(world: World, life: object, limit: bool) -> None:
    switched(world, token_life=life, token_rate_limit=limit)
    world.order()
    for _ in range(3):
        world.sync()
    assert world.control.report("token_requests")["kapaskraft"] == 1
    assert world.control.findings() == []


def test_a_token_that_ends_is_replaced_once(world: World) -> None:
    world.order()
    world.sync()
    world.control.act("expire")
    world.later(minutes=2)
    # The pace of requests for tokens goes by the machine's clock, which cannot be moved.
    path = next((world.folder / "tokens").glob("*.json"))
    path.write_text(path.read_text().replace('"asked":1', '"asked":0'))
    world.sync()
    assert world.control.report("token_requests")["kapaskraft"] == 2


def test_secrets_that_open_the_workspace_are_good_for_an_onboarding(world: World) -> None:
    world.order()
    assert SETUP.look(world.client(), world.merchant).says.startswith("the secrets are good")
    world.set(client_secret=world.eshopbox.refresh_token)
    world.later(minutes=2)
    with pytest.raises(BadKey):
        SETUP.look(EshopboxClient(world.merchant, Fast()), world.merchant)


# --- the list -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filtered", "paging"), [("ignored", "none"), *rest(("works", "page"), ("works", "none"), ("ignored", "page"))]
)
def test_the_list_is_walked_whatever_it_takes_for_a_page(world: World, filtered: str, paging: str) -> None:
    switched(world, list_filter=filtered, list_paging=paging)
    orders = {world.order()["customerOrderNumber"] for _ in range(5)}
    assert world.sync().read == orders
    assert complete(world)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paging", "read", "error"), [("page", 130, None), ("none", 100, BadAnswer)], ids=["page", "none"]
)
def test_pages_that_have_no_effect_are_told(
    world: World, paging: str, read: int, error: type[Exception] | None
) -> None:
    switched(world, list_paging=paging)
    world.set(refresh=world.eshopbox.refresh.model_copy(update={"open_orders": timedelta(hours=1)}))
    for _ in range(130):
        world.order()
    found = world.read()
    assert len(found.read) == read
    assert (found.error is None) if error is None else isinstance(found.error, error)
    assert complete(world) is (error is None)


# --- what a detail shows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["awbNumber", "none", *rest("trackingID", "trackingId")])
def test_tracking_ids_are_read_by_any_name(world: World, key: str) -> None:
    switched(world, tracking_key=key)
    order = world.order()
    world.sync()
    assert (world.order_row(order)["tracking_id"] is None) is (key == "none")


@pytest.mark.parametrize(("flag", "wanted"), [("absent", None), *rest(("present", True), ("always_1", True))])
def test_the_opt_in_flag_is_read_as_it_stands(world: World, flag: str, wanted: bool | None) -> None:
    switched(world, opt_in_flag=flag)
    order = world.order(whatsapp=True)
    world.sync()
    assert world.order_row(order)["whatsapp_flag"] is wanted


def test_a_flag_that_says_no_is_no(world: World) -> None:
    order = world.order(whatsapp=False)
    world.sync()
    assert world.order_row(order)["whatsapp_flag"] is False


@pytest.mark.parametrize(
    ("form", "phone", "fault"),
    [
        ("leading_zero", "+919740000001", None),
        ("masked", None, "phone_invalid"),
        *rest(("ten_digits", "+919740000001", None), ("plus91", "+919740000001", None)),
    ],
)
def test_phones_are_read_in_every_form(world: World, form: str, phone: str | None, fault: str | None) -> None:
    switched(world, phone_form=form)
    order = world.order()
    world.sync()
    row = world.order_row(order)
    assert (row["phone"], row["phone_fault"]) == (phone, fault)


@pytest.mark.parametrize("how", ["absent", *rest("zeros", "null")])
def test_null_dates_are_no_dates(world: World, how: str) -> None:
    switched(world, null_dates=how)
    order = world.order()
    world.sync()
    assert world.rows("select * from staged.unusable") == []
    assert world.order_row(order)["placed_at"] is not None


@pytest.mark.parametrize("zone", ["UTC", *rest("Asia/Kolkata")])
def test_times_are_of_the_zone_that_the_settings_name(world: World, zone: str) -> None:
    switched(world, clock_zone=zone)
    world.set(time_zone=ZoneInfo(zone))
    order = world.order()
    world.advance(order, "failed_delivery")
    world.sync()
    event = world.events(order)["failed_delivery"]
    assert is_about(event["occurred_at"], world.now)


def test_a_clock_ahead_is_noted_and_no_time_is_taken_from_it(world: World) -> None:
    world.set(time_zone=ZoneInfo("UTC"))  # and its times are Kolkata's
    order = world.order()
    world.advance(order, "failed_delivery")
    world.sync()
    event = world.events(order)["failed_delivery"]
    assert (event["occurred_at"], event["basis"], event["noted"]) == (None, None, "clock_ahead")


@pytest.mark.parametrize(
    ("items", "status"), [("restocked", "restocked"), ("mixed", "return_ended"), ("absent", "return_ended")]
)
def test_a_return_is_restocked_when_every_item_is(world: World, items: str, status: str) -> None:
    switched(world, return_items=items)
    order = world.order()
    world.advance(order, "delivered")
    world.advance(order, "created", resource="returnShipment")
    world.advance(order, "complete", resource="returnShipment")
    world.sync()
    assert {"return_created", status} <= world.events(order).keys()
    assert {"restocked", "return_ended"} - {status} - world.events(order).keys()


# --- where and when a status is shown -------------------------------------------------------------------------------

Steps = Callable[[World, Row], None]


def failed_after_a_read(world: World) -> Row:
    """An order is read on its way, and fails an hour later; both reads are near to what they show."""
    order = world.order()
    world.sync()
    world.later(hours=1)
    world.advance(order, "failed_delivery")
    world.sync()
    return order


@pytest.mark.parametrize("where", ["item", "tracking_only"])
@pytest.mark.parametrize(
    ("how", "basis"),
    [("timeline", Basis.READ), ("statusUpdatedAt", Basis.READ), ("none", Basis.BETWEEN)],
)
def test_a_status_has_the_best_time_that_is_to_be_had(world: World, where: str, how: str, basis: Basis) -> None:
    switched(world, status_in_detail=where, status_time=how)
    order = failed_after_a_read(world)
    event = world.events(order)["failed_delivery"]
    wanted = world.now if basis == Basis.READ else world.now - timedelta(hours=1)
    assert (event["basis"], event["confirmed"]) == (basis, True)
    assert is_about(event["occurred_at"], wanted)


def test_an_order_first_seen_in_a_status_without_times_has_been_so_since_it_was_placed(world: World) -> None:
    switched(world, status_time="none")
    order = world.order(placed=(world.now - timedelta(days=3)).isoformat())
    world.advance(order, "failed_delivery")
    world.sync()
    event = world.events(order)["failed_delivery"]
    assert event["basis"] == Basis.BETWEEN
    assert is_about(event["occurred_at"], world.now - timedelta(days=3))


def test_or_since_a_list_that_lacked_it(world: World) -> None:
    switched(world, status_time="none")
    world.order()
    world.sync()
    world.later(hours=6)
    world.sync()  # this list would have shown it
    world.later(hours=1)
    order = world.order(placed=(world.now - timedelta(hours=1, minutes=30)).isoformat())
    world.advance(order, "failed_delivery")
    world.sync()
    assert is_about(world.events(order)["failed_delivery"]["occurred_at"], world.now - timedelta(hours=1))


# --- hooks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "counts", "basis"),
    [("x-api-key", True, "auto"), (None, False, "auto"), *rest(("x-api-key", True, "read"), (None, False, "read"))],
)
def test_a_hooks_word_counts_only_where_no_read_can_show_a_status(
    world: World, header: str | None, counts: bool, basis: str
) -> None:
    switched(world, status_in_detail="none")
    world.set(status_basis=basis)
    world.proof = header
    order = world.order()
    world.sync()
    world.control.take_hooks(order["customerOrderNumber"])
    world.later(hours=1)
    world.advance(order, "failed_delivery")
    world.hook(order)
    world.sync()
    event = world.events(order).get("failed_delivery")
    assert event is not None
    if counts and basis == "auto":
        assert (event["confirmed"], event["basis"]) == (True, Basis.HOOK)
        assert is_about(event["occurred_at"], world.now)
    else:
        assert (event["confirmed"], event["occurred_at"]) == (False, None)
        world.later(minutes=16)
        world.sync()
        assert world.events(order).keys() == {"created"}


def test_a_hook_counts_from_the_first_read_after_it(world: World) -> None:
    switched(world, status_in_detail="none")
    order = world.order()
    world.sync()
    world.control.take_hooks(order["customerOrderNumber"])
    world.advance(order, "failed_delivery")
    world.hook(order)
    world.control.set_fault("500", path_regex="/api/order/")
    world.read()
    world.stage()
    assert world.events(order)["failed_delivery"]["confirmed"] is False
    world.control.clear_faults()
    world.later(minutes=5)
    world.sync()
    event = world.events(order)["failed_delivery"]
    assert (event["confirmed"], event["basis"]) == (True, Basis.HOOK)
    assert is_about(event["occurred_at"], world.now - timedelta(minutes=5))


def test_where_a_read_shows_statuses_a_hook_alone_is_not_confirmed_and_given_up(world: World) -> None:
    order = world.order()
    world.advance(order, "dispatched")
    world.sync()
    body = world.hook(order)[0] | {"eventSubType": "failed_delivery"}
    world.bring(body)
    world.sync()
    assert world.events(order)["failed_delivery"]["confirmed"] is False
    assert world.newest(order) == "on_the_way"
    world.later(minutes=14)
    world.sync()
    assert "failed_delivery" in world.events(order)
    world.later(minutes=2)
    world.sync()
    assert "failed_delivery" not in world.events(order)


def test_a_hook_that_a_read_confirms_is_a_read(world: World) -> None:
    order = world.order()
    world.sync()
    world.advance(order, "failed_delivery")
    world.hook(order)
    world.sync()
    event = world.events(order)["failed_delivery"]
    assert (event["confirmed"], event["basis"]) == (True, Basis.READ)


@pytest.mark.parametrize(
    "style", ["reordered", "no_resource", *rest("normal", "duplicated", "dropped", "delayed", "unknown_subtype")]
)
def test_in_whatever_style_hooks_come_the_reads_say_what_is_so(world: World, style: str) -> None:
    switched(world, hook_style=style)
    order = world.order()
    world.sync()
    for status in ("out_for_delivery", "failed_delivery"):
        world.later(hours=1)
        world.advance(order, status)
        world.hook()
    world.sync()
    events = world.events(order)
    assert {one["confirmed"] for one in events.values()} == {True}
    assert world.newest(order) == "failed_delivery"


def test_of_an_answer_that_a_hook_did_not_mean_nothing_is_used(world: World) -> None:
    """The same number, and another order: what the hook said counts never, and what was read for it alone neither."""
    order = world.order()
    world.hook(order)
    number = order["customerOrderNumber"]
    world.control.delete("orders", number)
    other = world.order(number=number)
    assert other["id"] != order["id"]
    world.set(refresh=world.eshopbox.refresh.model_copy(update={"orders": timedelta(hours=1)}))
    with world.run().open() as db, db.transaction():  # no list is due, which would ask for the order by itself
        db.execute(
            "insert into raw.eshopbox_passes select unnest(['new', 'reconcile']), $now::timestamp, epoch(now()), "
            "$now::timestamp, $now::timestamp",
            {"now": world.now.replace(tzinfo=None)},
        )
    found = world.read()
    assert (found.mismatched, found.read) == ({number}, set())
    assert world.rows("select bad, read_at is not null from raw.eshopbox_hooks") == [("order_mismatch", True)]
    world.later(hours=2)
    assert world.sync().read == {number}  # the list asks for it: its number is right
    assert world.events(other).keys() == {"created"}


def test_a_hook_of_another_workspace_is_foreign(world: World) -> None:
    order = world.order()
    world.sync()
    world.asked()
    body = world.hook(order)[0]
    world.read()
    world.bring({**body, "accountSlug": "somebody-else"})
    assert world.rows("select bad from raw.eshopbox_hooks order by seq") == [(None,), ("foreign",)]


@pytest.mark.parametrize(
    ("where", "header", "tracking", "says"),
    [
        ("item", "x-api-key", "trackingID", []),
        ("item", "x-api-key", "none", ["no parcel that was read has a tracking id"]),
        ("none", "x-api-key", "trackingID", ["what hooks say is announced"]),
        ("none", None, "trackingID", ["nothing but `created` is announced"]),
    ],
)
def test_what_the_workspace_does_not_show_is_told(
    world: World, where: str, header: str | None, tracking: str, says: list[str]
) -> None:
    switched(world, status_in_detail=where, tracking_key=tracking)
    world.proof = header
    assert from_eshopbox.doubts(world.run()) == []  # nothing was read yet
    world.advance(world.order(), "dispatched")
    world.sync()
    found = from_eshopbox.doubts(world.run())
    assert len(found) == len(says)
    assert all(one in text for one, text in zip(says, found, strict=True))


# --- failed deliveries ----------------------------------------------------------------------------------------------


def test_each_attempt_that_fails_is_an_occurrence(world: World) -> None:
    order = world.order()
    world.sync()
    world.advance(order, "failed_delivery", reason="Nobody at home", resolutions=["ACTF001"])
    world.later(hours=1)
    world.advance(order, "failed_delivery")  # the courier's second scan of the same attempt
    world.sync()
    assert "failed_delivery 2" not in world.events(order)
    world.later(hours=20)
    world.advance(order, "out_for_delivery")
    world.sync()
    assert world.newest(order) == "on_the_way"
    world.later(hours=2)
    world.advance(order, "failed_delivery")
    world.sync()
    events = world.events(order)
    assert {"failed_delivery", "failed_delivery 2"} <= events.keys()
    assert world.newest(order) == "failed_delivery"
    assert events["failed_delivery 2"]["occurred_at"] > events["failed_delivery"]["last_at"]


def test_a_hubs_scan_after_a_failed_delivery_says_nothing(world: World) -> None:
    order = world.order()
    world.sync()
    world.advance(order, "failed_delivery")
    world.later(hours=1)
    world.advance(order, "intransit")
    world.sync()
    assert world.newest(order) == "failed_delivery"


@pytest.mark.parametrize(
    ("details", "seen", "answered"),
    [
        ("absent", "event", True),
        ("present", "detail", True),
        *rest(("present", "event", True), ("present", "none", False), ("absent", "detail", False)),
        *rest(("absent", "none", False)),
    ],
)
def test_an_answer_that_was_handed_in_is_seen(world: World, details: str, seen: str, answered: bool) -> None:
    switched(world, ndr_details=details, ndr_seen=seen)
    order = world.order()
    world.advance(order, "failed_delivery", reason="Nobody at home", resolutions=["ACTF001"])
    world.sync()
    assert world.events(order)["failed_delivery"]["answered_at"] is None
    world.later(minutes=30)
    resolve(world, order)
    world.sync()
    found = world.events(order)["failed_delivery"]["answered_at"]
    assert (found is not None) is answered


def resolve(world: World, order: Row) -> None:
    api: Api = world.box.api(Authorization=f"Bearer {world.client().token()}")
    row = world.order_row(order)
    body = {
        "customerOrderNumber": row["order_number"],
        "resolutionCode": "ACTF001",
        "trackingId": row["tracking_id"],
        "contactPhoneNumber": row["contact_phone"],
    }
    assert api("POST", "/api/v2/ndrResolution", body).status == 200


def test_a_busy_system_is_try_later_and_nobody_is_put_off(world: World) -> None:
    orders = [world.order() for _ in range(3)]
    world.sync()
    world.control.set_fault("500", path_regex="/api/order/")
    found = world.read()
    assert isinstance(found.error, TryLater)
    assert world.rows("select * from raw.unreadable") == []
    world.control.clear_faults()
    assert world.sync().read == {one["customerOrderNumber"] for one in orders}
