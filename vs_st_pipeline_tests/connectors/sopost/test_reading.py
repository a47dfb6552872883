"""Orders are read when something says so, once, and what comes of it is kept (consumers.md 3.7-3.10, routes.md R40)."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256

import pytest

from vs_st_pipeline.connectors.sopost.orders import CARRIED
from vs_st_pipeline.connectors.sopost.settings import StatusNames
from vs_st_pipeline.connectors.sopost.stored_orders import GAPS
from vs_st_pipeline.domain.errors import PipelineError, TryLater
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, suppress
from vs_st_pipeline_tests.connectors.sopost.world import NOON, World, secret
from vs_st_pipeline_tests.sandbox.served import GLOW


def test_c3_7a_an_order_with_an_event_that_is_not_pending_is_read_at_once_and_once(world: World) -> None:
    id = world.id_of("plain@example.com")
    world.event(id, "PENDING")
    world.event(id, "APPROVED")
    world.event(id, "DISPATCHED")
    assert world.told(world.sync()) == {"read": 1}
    assert world.reads() == [id]
    row = world.row(id)
    assert (row["status"], row["class"], row["last_try"], row["tries"]) == ("APPROVED", "approved", "read", 0)
    assert json.loads(row["body"])["email"] == "plain@example.com"
    assert row["body_sha256"] == sha256(row["body"].encode()).hexdigest()
    assert row["first_class"] == "pending"
    world.later(days=1)
    assert world.told(world.sync()) == {}
    assert world.reads() == []


def test_c3_7a_an_order_that_is_only_pending_is_read_after_fifteen_seconds_and_no_sync_waits_for_it(
    world: World,
) -> None:
    id = world.order("PENDING")
    world.event(id, "PENDING")
    assert world.told(world.sync()) == {}
    assert world.waits() == {"new": 1}
    world.later(seconds=14)
    assert world.sync().tried == 0
    world.later(seconds=1)
    assert world.told(world.sync()) == {"pending": 1}
    row = world.row(id)
    assert (row["body"], row["status"]) == (None, "PENDING")
    assert row["next_try_at"] == (world.now + timedelta(seconds=15)).replace(tzinfo=None)


def test_c3_8_what_is_not_settled_is_tried_with_growing_gaps_for_thirty_days_and_then_left(world: World) -> None:
    id = world.order("PENDING")
    world.event(id, "APPROVED")
    assert world.told(world.sync()) == {"pending": 1}
    for gap in (*GAPS, GAPS[-1]):
        world.later(seconds=gap.total_seconds() - 1)
        assert world.sync().tried == 0, gap
        world.later(seconds=1)
        assert world.told(world.sync()) == {"pending": 1}, gap
    world.now = NOON + timedelta(days=29, hours=20)
    assert world.told(world.sync()) == {"pending": 1}
    world.now = NOON + timedelta(days=30)
    assert world.told(world.sync()) == {"gave_up": 1}
    world.later(days=90)
    assert world.sync().tried == 0
    assert world.waits() == {"gave_up": 1}
    world.event(id, "DISPATCHED")  # which it waits for
    assert world.told(world.sync()) == {"gave_up": 1}
    world.box.control.set_status(id, "APPROVED")
    world.event(id, "APPROVED")
    assert world.told(world.sync()) == {"read": 1}
    assert world.waits() == {}


def test_c3_7b_only_a_rejection_that_comes_after_the_read_has_an_approved_order_read_again(world: World) -> None:
    id = world.id_of("plain@example.com")
    world.event(id)
    world.sync()
    world.reads()
    world.event(id, "DISPATCHED")  # at the same time, by a clock that stands still
    assert world.sync().tried == 0
    world.box.control.set_status(id, "REJECTED")
    world.event(id, " Rejected ")
    assert world.told(world.sync()) == {"read": 1}
    row = world.row(id)
    assert (row["class"], row["body"], row["was_approved"]) == ("rejected", None, True)
    assert world.sync().tried == 0


def test_c3_7c_any_event_has_an_order_read_again_that_was_not_found_approved(world: World) -> None:
    id = world.order("REJECTED")
    world.event(id, "REJECTED")
    assert world.told(world.sync()) == {"read": 1}
    world.later(minutes=1)
    world.box.control.set_status(id, "APPROVED")
    world.event(id, "APPROVED", activity_id=None)
    assert world.told(world.sync()) == {"read": 1}
    assert world.row(id)["was_approved"]


def test_c3_7c_a_later_stage_counts_as_approved_if_an_event_or_a_read_was(world: World) -> None:
    told, untold = world.order("DISPATCHED"), world.order("DISPATCHED")
    for id in (told, untold):
        world.event(id, "DISPATCHED")
    world.event(told, "APPROVED")
    assert world.told(world.sync()) == {"read": 2}
    world.later(minutes=1)
    for id in (told, untold):
        world.event(id, "DELIVERED")
    world.reads()
    world.sync()
    assert world.reads() == [untold]


def test_c3_7d_later_stages_are_read_where_the_status_is_followed(world: World) -> None:
    id = world.id_of("plain@example.com")
    world.event(id)
    world.sync()
    world.event(id, "DISPATCHED")
    world.take()
    assert world.read().tried == 0
    assert world.told(world.read(follow_status=True)) == {"read": 1}
    assert world.read(follow_status=True).tried == 0


def test_c3_7f_full_reads_orders_that_count_or_whose_status_is_unknown(world: World) -> None:
    ids = {word: world.order(word) for word in ("APPROVED", "DISPATCHED", "REJECTED", "PENDING")}
    for id in ids.values():
        world.event(id, "DISPATCHED")
    world.sync()
    world.reads()
    assert world.sync().tried == 0
    assert world.told(world.sync(full=True)) == {"read": 2}
    assert sorted(world.reads()) == sorted([ids["APPROVED"], ids["DISPATCHED"]])


def test_c3_7_orders_are_read_the_one_seen_first_in_front_and_the_last_read_wins(world: World) -> None:
    ids = [world.order() for _ in range(3)]
    for id in reversed(ids):
        world.event(id)
        world.later(seconds=1)
    assert world.sync().tried == 3
    assert world.reads() == ids[::-1]


def test_c3_7_an_id_is_one_in_any_case_and_asked_for_as_it_came(world: World) -> None:
    id = world.id_of("plain@example.com")
    world.box.control.set_switch("id_case", "upper")
    world.event(id.upper())
    world.event(id, "DISPATCHED")
    assert world.told(world.sync()) == {"read": 1}
    assert world.reads() == [id.upper()]
    assert world.rows("select count(*) from raw.sopost_orders") == [(1,)]


def test_c3_7_an_event_of_another_activity_is_no_reason_and_no_body_of_one_is_stored(world: World) -> None:
    wanted, other, unsaid = (world.order(activity_id=one) for one in ("Act-1", "Act-2", "Act-2"))
    world.set(activities=("act-1",))
    world.event(wanted, activity_id="ACT-1")
    world.event(other, activity_id="Act-2")
    world.event(unsaid, activity_id=None)  # which may be any: the order says
    assert world.told(world.sync()) == {"read": 1, "other_activity": 1}
    assert sorted(world.reads()) == sorted([wanted, unsaid])
    assert (world.row(unsaid)["body"], world.row(other)["left_at"]) == (None, None)
    world.event(unsaid, "DISPATCHED", activity_id=None)
    assert world.sync().tried == 0  # by now it is known of what activity it is
    world.set(activities=())
    assert world.told(world.sync()) == {"read": 2}


def test_c3_6_a_name_added_to_the_statuses_has_orders_read_whose_body_is_not_kept(world: World) -> None:
    id = world.order("ON_HOLD")
    world.set(statuses=StatusNames(rejected=("REJECTED", "ON_HOLD")))
    world.event(id, "ON_HOLD")
    world.sync()
    assert world.row(id)["body"] is None
    world.set(statuses=StatusNames(approved=("APPROVED", "on_hold")))
    assert world.told(world.sync()) == {"read": 1}
    assert world.row(id)["body"] is not None
    assert world.sync().tried == 0


def test_c3_8_unknown_and_hidden_orders_are_tried_again_and_trouble_nobody(world: World) -> None:
    world.box.control.set_switch("hidden_order", 403)
    hidden, known = world.id_of("hidden@example.com"), world.id_of("plain@example.com")
    for id in ("not-there", hidden, known):
        world.event(id)
    assert world.told(world.sync()) == {"not_found": 1, "not_visible": 1, "read": 1}
    assert world.waits() == {"not_found": 1, "not_visible": 1}
    world.later(seconds=15)
    assert world.sync().tried == 2
    assert world.row(hidden)["tries"] == 2


def test_r22_an_answer_that_is_not_the_order_changes_nothing(world: World) -> None:
    id = world.id_of("plain@example.com")
    world.event(world.order())
    world.event(id)
    world.sync()
    before = world.row(id)
    world.give_up_after = timedelta(milliseconds=400)
    for fault in ("hollow", "wrong_shape", "error_body", "other_record", "truncated", "400", "422", "500"):
        world.box.control.set_fault(fault, path_regex=id)
        world.later(days=1)
        world.event(id, "REJECTED", event_id=fault)
        assert world.told(world.sync()) == {"unreadable": 1}, fault
        after = world.row(id)
        same = ("body", "body_sha256", "status", "class", "read_at", "was_approved")
        assert {key: after[key] for key in same} == {key: before[key] for key in same}, fault
    world.box.control.clear_faults()
    world.later(days=40)  # somebody may have withdrawn something in it: it is tried for longer than thirty days
    assert world.told(world.sync()) == {"read": 1}


@pytest.mark.parametrize("status", [403, 404])
def test_c3_8_five_in_a_row_at_the_start_stop_the_merchant(world: World, status: int) -> None:
    ids = [world.order() for _ in range(7)]
    for id in ids:
        world.event(id)
        world.later(seconds=1)
        world.box.control.hide(id)
    world.box.control.set_switch("hidden_order", status)
    with pytest.raises(PipelineError) as caught:
        world.sync()
    assert caught.value.kind == ("auth" if status == 403 else "bad_answer")
    assert len(world.reads()) == 5
    # Of 404 tries count; what is the key's trouble is no order's.
    assert world.waits() == ({"new": 7} if status == 403 else {"new": 2, "not_found": 5})


def test_r40_one_order_that_cannot_be_read_stops_nobody(world: World) -> None:
    ids = [world.order() for _ in range(4)]
    for id in ids:
        world.event(id)
        world.later(seconds=1)
    world.box.control.set_fault("500", path_regex=ids[1])
    found = world.sync()
    assert (world.told(found), found.error) == ({"read": 3, "unreadable": 1}, None)
    assert world.row(ids[1])["next_try_at"] == (world.now + timedelta(seconds=15)).replace(tzinfo=None)


def test_r40_five_in_a_row_are_sopost_s_trouble_and_what_was_read_goes_its_way(world: World) -> None:
    ids = [world.order() for _ in range(8)]
    for id in ids:
        world.event(id)
        world.later(seconds=1)
    world.box.control.set_fault("500", path_regex="|".join(ids[1:]))
    world.give_up_after = timedelta(milliseconds=400)
    found = world.sync()
    assert found.error is not None
    assert (found.error.kind, found.read, found.counts.total(), found.left) == ("try_later", [ids[0]], 0, 3)
    assert [world.row(id)["tries"] for id in ids] == [0] * 8  # nobody is put off
    world.box.control.clear_faults()
    assert world.told(world.sync()) == {"read": 7}


def test_r40_some_that_can_never_be_read_do_not_stop_the_others_for_ever(world: World) -> None:
    known, *ids = [world.order() for _ in range(9)]
    world.event(known)
    world.sync()
    for id in ids:
        world.event(id)
        world.later(seconds=1)
    world.box.control.set_fault("403", path_regex="|".join(ids[:6]))
    with pytest.raises(PipelineError):  # five in a row, and nobody knows better
        world.sync()
    assert world.told(world.sync()) == {"not_visible": 6, "read": 2}
    world.later(days=1)
    world.event(world.order())
    world.reads()
    world.box.control.set_fault("403", path_regex="^/orders/")  # now it is the key
    with pytest.raises(PipelineError) as caught:
        world.sync()
    assert (caught.value.kind, len(world.reads())) == ("auth", 6)
    assert {world.row(id)["tries"] for id in ids[:6]} == {1}


def test_c3_8_a_system_that_is_down_from_the_first_is_tried_later(world: World) -> None:
    for _ in range(2):
        world.event(world.order())
    world.give_up_after = timedelta(milliseconds=400)
    world.box.control.set_fault("500", path_regex="^/orders/")
    found = world.sync()
    assert isinstance(found.error, TryLater)
    assert (found.tried, world.waits()) == (0, {"new": 2})


def test_r40_where_all_reads_fail_the_order_read_last_is_asked_once(world: World) -> None:
    known, other = world.id_of("plain@example.com"), world.order()
    world.event(known)
    world.sync()
    world.event(other)
    world.reads()
    world.box.control.set_switch("bad_credentials", 403)
    world.set(token=secret("another"))
    with pytest.raises(PipelineError) as caught:
        world.sync()
    assert (caught.value.kind, world.reads()) == ("auth", [other, known])
    assert world.row(other)["tries"] == 0
    world.box.control.set_switch("bad_credentials", 401)


def test_c3_8_after_429_no_more_is_read_and_what_was_read_goes_its_way(world: World) -> None:
    ids = [world.order() for _ in range(4)]
    for id in ids:
        world.event(id)
        world.later(seconds=1)
    world.box.control.set_fault("429", path_regex=ids[2])
    world.give_up_after = timedelta(milliseconds=400)
    found = world.sync()
    assert found.error is not None
    assert (found.error.kind, found.read, found.left, found.tried) == ("try_later", ids[:2], 2, 2)
    assert world.waits() == {"new": 2}


def test_r23_a_key_that_is_absent_leaves_its_value_until_a_second_read_misses_it(world: World) -> None:
    id = world.id_of("plain@example.com")
    world.event(id)
    world.sync()
    whole = json.loads(world.row(id)["body"])
    lacks = {key: value for key, value in whole.items() if key not in ("consents", "telephone")}
    world.box.control.call("PUT", f"records/orders/{id}", lacks, merchant=GLOW)
    assert world.told(world.sync(full=True)) == {"read": 1}
    assert json.loads(world.row(id)["body"])["consents"] == [{**one, CARRIED: True} for one in whole["consents"]]
    assert json.loads(world.row(id)["body"])["telephone"] == whole["telephone"]
    assert world.waits() == {"read": 1}
    world.later(minutes=14)
    assert world.sync().tried == 0
    world.later(minutes=1)
    assert world.told(world.sync()) == {"read": 1}
    assert json.loads(world.row(id)["body"]) == lacks
    assert world.waits() == {}


def test_r63_a_budget_ends_a_reading_and_the_next_one_goes_on(world: World) -> None:
    for _ in range(5):
        world.event(world.order())
    found = world.sync(budget=2)
    assert (found.tried, found.left) == (2, 3)
    assert world.told(world.sync()) == {"read": 3}


def test_h27_a_targeted_sync_reads_its_own_orders_alone(world: World) -> None:
    ids = [world.order() for _ in range(3)]
    for id in ids:
        world.event(id)
    world.take()
    assert world.read(only=[ids[1]]).read == [ids[1]]
    assert world.reads() == [ids[1]]


def test_c10_5_an_order_of_a_forgotten_person_is_counted_and_not_stored(world: World) -> None:
    with world.run().open() as db, db.transaction():
        suppress(db, [(EMAIL, "gone@example.com")], world.run().now())
    id, other = world.order(email=" Gone@Example.com "), world.order()
    for one in (id, other):
        world.event(one)
    assert world.told(world.sync()) == {"read": 1, "forgotten": 1}
    for table in ("raw.sopost_orders", "raw.sopost_events"):
        assert world.rows(f"select count(*) from {table}") == [(1,)]
    world.reads()
    world.event(id, "DISPATCHED")
    assert world.sync().tried == 0
    assert world.reads() == []
    assert world.rows("select count(*) from raw.sopost_events") == [(1,)]
