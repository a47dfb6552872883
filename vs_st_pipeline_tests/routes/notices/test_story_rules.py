"""The rules by the real command: nights, the brake, a plan that moves nothing (notices.md 5, 9, 9.3)."""

from __future__ import annotations

from datetime import timedelta

from vs_st_pipeline_tests.support.notices import Scene

FAILED = "failed_delivery"


def test_a_flood_waits_until_a_person_lets_it_pass(alone: Scene) -> None:
    """9.3, R38: the rest goes on, the sync is failed with `unsafe`, and what was let pass goes once."""
    scene = alone
    scene.based(flood_limit=2)
    orders = [scene.order() for _ in range(3)]
    scene.later(minutes=2)
    for order in orders:
        scene.failed(order)
    scene.later(minutes=2)
    report = scene.sync()
    assert (report["status"], report["error"]["kind"]) == ("failed", "unsafe"), report
    assert (report["planned"]["waiting"], scene.sends()) == ({"unsafe": 3}, [])
    plan = scene.plan()
    assert [one["reason"] for one in plan["waiting"]] == ["unsafe"] * 3, plan
    report = scene.sync("--allow-unsafe")
    assert (report["status"], report["synced"]["accepted"]) == ("ok", 3), report
    scene.later(minutes=6)
    report = scene.sync()
    assert (report["status"], report["planned"]["messages"], len(scene.sends())) == ("ok", 0, 3), report
    assert scene.wrong() == []


def test_what_happens_at_night_is_told_in_the_morning_if_it_still_stands(alone: Scene) -> None:
    """5.15: until `to`; at `to` it is judged again, and what is superseded by then is dropped."""
    scene = alone
    scene.based(quiet_hours={"from": "21:00", "to": "08:00"})
    told, overtaken = scene.order(), scene.order()
    here = scene.now + timedelta(hours=5, minutes=30)  # in India
    evening = (here + timedelta(days=1)).replace(hour=21, minute=30, second=0)
    scene.later(seconds=(evening - here).total_seconds())
    for order in (told, overtaken):
        scene.failed(order)
    scene.later(minutes=2)
    report = scene.synced()
    assert (report["planned"]["waiting"], scene.sends()) == ({"quiet_hours": 2}, []), report
    plan = scene.plan()
    assert {one["until"][11:16] for one in plan["waiting"]} == {"02:30"}, plan
    scene.later(hours=10)
    scene.advance(overtaken, "delivered")
    scene.hook(overtaken)
    scene.later(minutes=28)
    report = scene.synced()
    assert report["planned"]["messages"] == 1, report
    assert len(scene.sends()) == 1
    assert scene.stand(told) == [(FAILED, "accepted", None)]
    assert scene.stand(overtaken)[0] == (FAILED, "dropped", "superseded")
    assert scene.wrong() == []


def test_a_plan_shows_what_a_sync_would_do_and_does_nothing(alone: Scene) -> None:
    """9, R27: each message as it would read; no fact, no claim, no message."""
    scene = alone
    scene.based()
    order = scene.order()
    scene.later(minutes=2)
    scene.failed(order)
    scene.later(minutes=2)
    first, second = scene.plan(), scene.plan()
    assert first["messages"] == second["messages"]
    (message,) = first["messages"]
    assert set(message) == {
        "notice_id", "order", "status", "occurrence", "phone", "account", "template_id", "params", "text", "consent",
        "occurred_at",
    }  # fmt: skip
    assert (message["status"], scene.sends()) == (FAILED, [])
    report = scene.synced()
    assert report["synced"]["accepted"] == 1, report
    (sent,) = scene.sends()
    assert sent["text"] == message["text"]
    assert scene.wrong() == []


def test_2_4_a_template_event_counts_because_it_came_whatever_clock_it_was_stamped_by(alone: Scene) -> None:
    """A list that is minutes old is read again, though the event says that it is older than that list."""
    scene = alone
    scene.based()
    first = scene.order()
    scene.failed(first)
    scene.synced()
    scene.later(minutes=6)
    (sent,) = scene.sends()
    scene.gupshup.set_template(sent["template"], scene.account, status="PAUSED")
    (event,) = scene.gupshup.take_callbacks(scene.account)[-1:]
    body = event["body"] | {"timestamp": event["body"]["timestamp"] - 20 * 60 * 1000}
    scene._arrive("gupshup", scene.merchant, body)
    order = scene.order()
    scene.failed(order)
    report = scene.synced()
    assert report["planned"]["waiting"] == {"template_paused": 1}
    assert len(scene.sends()) == 1


def test_another_zone_of_the_sources_times_announces_nothing_twice(alone: Scene) -> None:
    """3.2, 5.1: what a read shows again at other times is of before; what comes from then on is told."""
    scene = alone
    scene.eshopbox.set_switch("clock_zone", "UTC")  # the settings say Asia/Kolkata
    scene.based()
    order = scene.order()
    scene.later(hours=8)
    scene.failed(order)
    scene.later(minutes=2)
    scene.synced()
    assert len(scene.sends()) == 1
    scene.settings(eshopbox={"time_zone": "UTC"})
    for gap in (10, 300):
        scene.later(minutes=gap)
        scene.synced()
        assert len(scene.sends()) == 1, scene.stand(order)
    scene.advance(order, "out_for_delivery")
    scene.later(hours=2)
    scene.gupshup.expect_repeat(f"+{scene.sends()[0]['destination']}")
    scene.failed(order)
    scene.later(minutes=2)
    scene.synced()
    assert len(scene.sends()) == 2, scene.stand(order)
    assert scene.wrong() == []
