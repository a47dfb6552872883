"""What customers answer, by the real command over real sockets: actions, answers to the unexpected (8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline_tests.support.notices import KAPASKRAFT, Record, Scene, number_of, phone_of

FAILED = "failed_delivery"
CALL = "ndrResolution"


def _told(scene: Scene, **settings: Any) -> Record:
    """An order whose customer was told that its delivery failed."""
    scene.based(**settings)
    order = scene.order()
    scene.advance(order, "out_for_delivery")
    scene.later(minutes=2)
    scene.failed(order)
    scene.synced()
    assert len(scene.sends()) == 1
    scene.later(minutes=3)
    return order


def _actions(scene: Scene) -> list[tuple[str, str | None]]:
    rows = scene.rows("select state, settled_by from synced.actions order by attempt")
    return [(row["state"], row["settled_by"]) for row in rows]


@pytest.mark.parametrize(
    ("switches", "settings", "state", "calls"),
    [
        ({"ndr_answer": "200_error"}, {}, "refused", 1),
        pytest.param({"ndr_answer": 202}, {}, "done", 1, marks=pytest.mark.slow),
        pytest.param({"tracking_key": "none"}, {}, "refused", 0, marks=pytest.mark.slow),
        pytest.param({"ndr_details": "absent"}, {}, "done", 1, marks=pytest.mark.slow),
        pytest.param({"ndr_seen": "detail"}, {}, "done", 1, marks=pytest.mark.slow),
        pytest.param({"ndr_seen": "none"}, {}, "done", 1, marks=pytest.mark.slow),
        pytest.param({"action_source": "refused"}, {}, "refused", 1, marks=pytest.mark.slow),
        pytest.param({"action_source": "refused"}, {"action_source": "none"}, "done", 1, marks=pytest.mark.slow),
        pytest.param({"phone_form": "plus91"}, {}, "done", 1, marks=pytest.mark.slow),
        pytest.param({"phone_form": "leading_zero"}, {}, "done", 1, marks=pytest.mark.slow),
        pytest.param({"ndr_twice": "accepted"}, {}, "done", 1, marks=pytest.mark.slow),
    ],
)
def test_an_action_under_each_switch(alone: Scene, switches: Record, settings: Record, state: str, calls: int) -> None:
    scene = alone
    scene.eshopbox.set_switches(switches, KAPASKRAFT)
    order = _told(scene, eshopbox=settings)
    scene.reply(phone_of(order), button="Reattempt delivery")
    report = scene.sync()
    assert report["synced"][f"actions_{state}"] == 1, report
    scene.reply(phone_of(order), button="Reattempt delivery")
    for _ in range(2):
        scene.later(minutes=6)
        scene.sync()
    assert len(scene.resolutions()) == (calls if state == "done" else 2 * calls)  # rulings 19
    assert scene.wrong() == []


@pytest.mark.parametrize(
    ("form", "setting", "state"),
    [
        pytest.param("yyyy-mm-dd", "yyyy-mm-dd", "done", marks=pytest.mark.slow),
        pytest.param("dd-mm-yyyy", "dd-mm-yyyy", "done", marks=pytest.mark.slow),
        pytest.param("dd-mm-yyyy", "yyyy-mm-dd", "refused", marks=pytest.mark.slow),
    ],
)
def test_a_date_is_told_in_the_form_that_the_settings_say(alone: Scene, form: str, setting: str, state: str) -> None:
    scene = alone
    scene.eshopbox.set_switch("deferred_date", form, KAPASKRAFT)
    order = _told(scene, eshopbox={"deferred_date_format": setting})
    day = scene.now.astimezone(ZoneInfo("Asia/Kolkata")).date() + timedelta(days=3)
    scene.reply(phone_of(order), "text", text=f"{day:%d/%m/%Y}")
    report = scene.sync()
    assert report["synced"][f"actions_{state}"] == 1, report
    [call] = scene.resolutions()
    assert call["body"]["resolutionCode"] == "ACTF002"
    assert call["body"]["deferredDate"] == f"{day:{'%Y-%m-%d' if setting == 'yyyy-mm-dd' else '%d-%m-%Y'}}"
    assert scene.wrong() == []


@pytest.mark.parametrize(
    ("fault", "seen", "state"),
    [
        ("reset_after_accept", "event", ("done", "ndr_resolution_submitted")),
        pytest.param("500_after_accept", "detail", ("done", "resolution_shown"), marks=pytest.mark.slow),
        pytest.param("truncated_after_accept", "none", ("unknown", None), marks=pytest.mark.slow),
        pytest.param("500_before_accept", "event", ("unknown", None), marks=pytest.mark.slow),
        pytest.param("reset_before_accept", "event", ("unknown", None), marks=pytest.mark.slow),
        pytest.param("429", "event", ("done", "answer"), marks=pytest.mark.slow),
    ],
)
def test_a_call_whose_fate_is_unknown_is_never_made_again(
    alone: Scene, fault: str, seen: str, state: tuple[str, str | None]
) -> None:
    scene = alone
    scene.eshopbox.set_switch("ndr_seen", seen, KAPASKRAFT)
    order = _told(scene)
    scene.eshopbox.set_fault(fault, KAPASKRAFT, path_regex=CALL, count=1)
    scene.reply(phone_of(order), button="Reattempt delivery")
    scene.sync()
    scene.eshopbox.clear_faults(KAPASKRAFT)
    scene.reply(phone_of(order), button="Cancel order")
    for _ in range(3):
        scene.later(minutes=6)
        scene.hook(order)
        scene.sync()
    assert _actions(scene) == [state]
    assert [one["did"] for one in scene.resolutions()].count("submitted") <= 1
    assert scene.wrong() == []


def test_what_is_unexpected_is_answered_by_the_clients_rule_once_per_kind(alone: Scene) -> None:
    scene = alone
    order = _told(
        scene,
        unexpected={"enabled": True, "text": "Sorry, {customer_name}: please tap a button."},
        confirmations={"reattempt": {"text": "We try again."}},
    )
    phone = phone_of(order)
    scene.reply(phone, "text", text="who are you?")
    scene.reply(phone, "text", text="hello??")
    assert scene.synced()["synced"]["unexpected"] == 2
    scene.gupshup.expect_repeat(phone)  # a client has one text for all kinds
    scene.reply(phone, "image")
    assert scene.synced()["synced"]["unexpected"] == 1
    scene.reply(phone, button="Reattempt delivery")
    scene.synced()
    scene.synced()
    texts = [one["text"] for one in scene.gupshup.sends(scene.account, kind="text")]
    sorry = f"Sorry, {order['shippingAddress']['customerName']}: please tap a button."
    assert texts == [sorry, sorry, "We try again."]
    assert len(scene.resolutions()) == 1
    assert scene.wrong() == []


def test_after_a_stop_nothing_is_answered_and_buttons_still_act(alone: Scene) -> None:
    scene = alone
    order = _told(scene, unexpected={"enabled": True, "text": "Sorry."}, confirmations={"reattempt": {"text": "Yes."}})
    phone = phone_of(order)
    scene.reply(phone, "text", text="STOP")
    scene.reply(phone, "image")
    scene.reply(phone, button="Reattempt delivery")
    scene.synced()
    scene.synced()
    assert scene.gupshup.sends(scene.account, kind="text") == []
    assert _actions(scene) == [("done", "answer")]
    assert scene.wrong() == []


@pytest.mark.slow
def test_a_tap_without_any_context_goes_by_the_phone(alone: Scene) -> None:
    scene = alone
    scene.gupshup.set_switches({"reply_context": "none", "reply_postback": "absent"})
    order = _told(scene)
    scene.reply(phone_of(order), button="Reattempt delivery")
    report = scene.synced()
    assert report["synced"]["actions_done"] == 1, report
    assert scene.resolutions()[0]["body"]["customerOrderNumber"] == number_of(order)
    assert scene.wrong() == []


@pytest.mark.slow
def test_a_lost_database_makes_no_second_call(alone: Scene) -> None:
    scene = alone
    order = _told(scene)
    scene.reply(phone_of(order), button="Reattempt delivery")
    scene.synced()
    assert len(scene.resolutions()) == 1
    scene.lose(database_alone=True)
    scene.reply(phone_of(order), button="Reattempt delivery")
    for _ in range(3):
        scene.later(minutes=6)
        scene.sync()
    assert len(scene.resolutions()) == 1
    assert len(scene.sends()) == 1
    assert scene.wrong() == []


def test_a_plan_says_to_a_person_what_an_answer_would_lead_to(alone: Scene) -> None:
    scene = alone
    order = _told(scene)
    scene.reply(phone_of(order), button="Reattempt delivery")
    scene.callbacks()
    said = scene.run("plan", "--merchant", KAPASKRAFT, "--route", "notices")
    assert said.exit_code == 0
    assert f"reattempt (ACTF001) of order {number_of(order)} would be taken" in said.out
    assert scene.resolutions() == []
