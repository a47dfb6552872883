"""`void` of orders.md 8: read first, called once, believed only when it is read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadKey, TryLater
from vs_st_pipeline.domain.order_desk import Conflict, RefusedWrite
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.routes.orders import ledger, voiding
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline_tests.routes.orders.dispatch import Dispatch, PowerCut, power
from vs_st_pipeline_tests.routes.orders.test_sending import READ, N, bought

SAMPLE = 2  # cases of each test in `make test`; the others count as pytest.mark.slow

CANCEL = ("cancel", N)


@pytest.fixture
def one(tmp_path: Path) -> Dispatch:
    dispatch = Dispatch(tmp_path)
    dispatch.take_in(dispatch.add())
    dispatch.send()
    dispatch.shipper.log.clear()
    return dispatch


def test_o8_void_reads_cancels_and_reads_back(one: Dispatch) -> None:
    ended = one.void(who="cli:ada")
    assert (ended.done, one.stands(), one.shipper.log) == (True, ("voided", None), [READ, CANCEL, READ])
    assert (one.notes(), one.outcomes()[-1]) == (set(), ("cancel", "done"))
    assert one.reports[-1].tally["voided"] == 1
    assert one.shipper.held[N].cancel_reason == "wanted no more"
    assert one.void().done
    assert one.shipper.cancels == {N: 1}
    assert one.rows("select reason, who from synced.void_reasons") == [("wanted no more", "cli:ada")]
    kinds = one.rows("select kind, who from synced.order_activity where text like 'cancel%'")
    assert kinds == [("sending", "cli:ada"), ("answered", "cli:ada")]


def test_o10_why_an_order_is_voided_is_kept_but_of_a_person_who_was_forgotten(one: Dispatch) -> None:
    """Nobody would erase it any more."""
    one.warehouse.db.execute("update staged.shop_orders set erased = true")
    assert one.void().done
    assert one.rows("select * from synced.void_reasons") == []


def test_o8_void_that_somebody_did_already_is_recorded_and_not_called(one: Dispatch) -> None:
    one.shipper.change(N, order_status="CANCELLED")
    assert one.void().done
    assert (one.stands(), one.shipper.log) == (("voided", None), [READ])


@pytest.mark.parametrize("stage", ["SHIPPED", "DELIVERED", "PICKED_UP", "RETURNED"])
def test_o8_void_of_what_left_is_not_called(one: Dispatch, stage: str) -> None:
    one.shipper.change(N, order_status=stage)
    ended = one.void()
    assert (ended.done, ended.why, one.shipper.log) == (False, "shipped", [READ])


def test_o8_void_with_a_label_is_asked_and_a_refusal_leaves_it_sent(one: Dispatch) -> None:
    one.shipper.change(N, order_status="LABELS_GENERATED")
    one.shipper.next = [RefusedWrite("VALIDATION", http_status=400)]
    ended = one.void()
    assert (ended.done, ended.why, one.stands(), one.notes()) == (False, "refused", ("sent", None), set())
    assert one.outcomes()[-1] == ("cancel", "refused")
    assert one.void().done


@pytest.mark.parametrize(("state", "why"), [(State.FAILED, "not_sent"), (State.SENDING, "unsettled")])
def test_o8_void_is_for_sent_orders_only(one: Dispatch, state: State, why: str) -> None:
    with one.db() as db:
        ledger.store(db, replace(one.row(), state=state))
    ended = one.void()
    assert (ended.done, ended.why, one.shipper.log) == (False, why, [])


def test_o8_void_of_what_is_not_shown_or_is_another_orders_is_not_called(one: Dispatch) -> None:
    held = one.shipper.held.pop(N)
    assert one.void().why == "missing_there"
    one.shipper.held[N] = bought(one, shop_order_id="b9")
    assert one.void().why == "not_sent"
    one.shipper.held[N] = held
    assert one.shipper.writes() == []


@pytest.mark.parametrize("second", ["400", "second_negative", "ok"])
@pytest.mark.parametrize("shows_late", [False, True])
@pytest.mark.parametrize("how", ["done", "lost_after"])
def test_o8_an_unsettled_cancel_is_read_and_never_asked_twice(
    one: Dispatch, second: str, shows_late: bool, how: str
) -> None:
    one.shipper.second_cancel, one.shipper.cancel_late, one.shipper.next = second, shows_late, [how]
    ended = one.void()
    if shows_late:
        assert (ended.done, ended.why, ended.unknown) == (False, "void_unknown", True)
        assert (one.stands(), one.notes()) == (("sent", None), {"void_unknown"})
        ended = one.void()
        assert (ended.done, ended.why) == (False, "unsettled")
    for _ in range(3):
        one.later(minutes=11)
        one.sync()
    assert (one.stands(), one.notes(), one.shipper.cancels) == (("voided", None), set(), {N: 1})


def test_o6_4_a_cancel_that_three_reads_do_not_show_is_settled_and_may_be_asked_again(one: Dispatch) -> None:
    one.shipper.next = ["lost_before"]
    assert one.void().why == "void_unknown"
    one.later(minutes=9)
    one.sync()
    assert one.void().why == "unsettled"
    one.later(minutes=2)
    one.sync()
    assert (one.notes(), one.outcomes()[-1]) == (set(), ("cancel", "missing"))
    assert one.void().done
    assert one.shipper.cancels == {N: 1}


def test_o6_4_a_cancel_that_was_not_reached_is_read_and_asked_again(
    one: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voiding, "_sleep", lambda seconds: None)
    one.give_up_after, one.shipper.next = 60, ["not_reached"]
    assert one.void().done
    assert one.shipper.log == [READ, CANCEL, READ, CANCEL, READ]


def test_o8_a_cancel_that_is_not_reached_for_long_leaves_it_sent(one: Dispatch) -> None:
    one.shipper.next = ["not_reached"]
    with pytest.raises(TryLater):
        one.void()
    assert (one.stands(), one.notes(), one.outcomes()[-1]) == (("sent", None), set(), ("cancel", "not_reached"))


def test_a_key_that_is_refused_at_a_cancel_leaves_it_sent(one: Dispatch) -> None:
    one.shipper.next = ["auth"]
    with pytest.raises(BadKey):
        one.void()
    assert (one.stands(), one.notes(), one.outcomes()[-1]) == (("sent", None), set(), ("cancel", "not_reached"))


def test_o8_a_conflict_at_a_cancel_is_read(one: Dispatch) -> None:
    one.shipper.next = [Conflict(409)]
    assert one.void().why == "void_unknown"
    assert one.stands() == ("sent", None)


def test_o5_1_restore_inventory_refused_is_dropped_and_the_cancel_repeated_after_a_read(one: Dispatch) -> None:
    one.shipper.restore_key = "400"
    assert one.void().done
    assert one.shipper.log == [READ, CANCEL, READ, CANCEL, READ]
    assert one.notes("") == {"key_refused"}
    two = one.add(order_id="a2", number="1002")
    one.take_in(two)
    one.send("a2")
    one.shipper.log.clear()
    assert one.void("a2").done
    assert [call for call, _ in one.shipper.log] == ["read", "cancel", "read"]


@pytest.mark.parametrize("asks", [True, False])
def test_o2_restore_inventory_is_asked_for_only_if_so_set(one: Dispatch, asks: bool) -> None:
    one.settings = {"restore_inventory": asks}
    one.shipper.restore_key = "400"
    assert one.void().done
    assert one.shipper.log.count(CANCEL) == (2 if asks else 1)


def test_o2_shadow_voids_nothing(one: Dispatch) -> None:
    one.settings = {"mode": "shadow"}
    assert one.void().why == "shadow"
    assert one.shipper.log == []


def begun(folder: Path, *, late: bool) -> Dispatch:
    dispatch = Dispatch(folder)
    dispatch.take_in(dispatch.add())
    dispatch.send()
    dispatch.shipper.second_cancel, dispatch.shipper.cancel_late = "second_negative", late
    return dispatch


def void_through_a_cut(folder: Path, place: int, monkeypatch: pytest.MonkeyPatch, *, late: bool) -> None:
    one = begun(folder / str(place), late=late)
    with power(f"any:{place}", monkeypatch):
        try:
            one.void()
        except PowerCut:
            one.void()
    for _ in range(4):
        one.later(minutes=6)
        one.sync()
        if one.row().state is State.SENT:
            one.void()
    assert (one.stands(), one.shipper.cancels, one.notes()) == (("voided", None), {N: 1}, set()), place


@pytest.mark.parametrize(("place", "late"), [(9, False), (11, True)])
def test_o6_a_power_cut_at_some_places_of_a_void_cancels_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, late: bool
) -> None:
    void_through_a_cut(tmp_path, place, monkeypatch, late=late)


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_o6_a_power_cut_at_every_place_of_a_void_cancels_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    first = begun(tmp_path / "all", late=late)
    with power("any:0", monkeypatch):
        first.void()
        places = failpoints.reached["any"]
    assert places > 10
    for place in range(1, places + 1):
        void_through_a_cut(tmp_path, place, monkeypatch, late=late)
