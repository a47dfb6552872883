"""Processes that are killed, databases put back, and several at once, by the real command (notices.md 7.1, 7.6, 12).

At most one message per notice, at most one call per answer, and nothing that nobody knows of.
"""

from __future__ import annotations

import shutil
import signal
from datetime import timedelta

import pytest

from vs_st_pipeline_tests.support.notices import MITTI_HOME, Record, Scene, phone_of

SENDING = ("outbox:1", "claimed:1", "claimed:2", "request:1", "answer:1", "answered:1", "ledger:1", "evidence:1")
ANY = tuple(f"any:{turn}" for turn in range(5, 125, 10))
OUT = ("accepted", "enqueued", "sent", "delivered", "read", "unknown")


def command(scene: Scene) -> list[str]:
    return ["sync", "--merchant", scene.merchant, "--route", "notices", "--json"]


def three_fail(scene: Scene) -> list[Record]:
    """From a first sync to three deliveries that failed, of which nobody was told yet."""
    scene.based()
    orders = [scene.order() for _ in range(3)]
    for order in orders:
        scene.failed(order)
    return orders


def killed(scene: Scene, place: str) -> bool:
    """Sync in a process of its own that is killed at a place; whether it came there."""
    done = scene.started(*command(scene), VS_ST_KILL_AT=place)
    assert done.exit_code in (0, 1, -signal.SIGKILL), done
    return done.exit_code == -signal.SIGKILL


def settle(scene: Scene) -> None:
    """Bring what Gupshup has to tell, and go on: unknown ones are settled by their receipts alone."""
    for _ in range(3):
        scene.sync()
        scene.callbacks()
        scene.later(minutes=6)
    scene.sync()


@pytest.mark.slow
@pytest.mark.parametrize("place", [*SENDING, *ANY])
def test_whoever_is_killed_while_sending_sends_nothing_twice(alone: Scene, place: str) -> None:
    orders = three_fail(alone)
    killed(alone, place)
    settle(alone)
    for order in orders:
        assert len(alone.sends(to=phone_of(order))) <= 1
        [(status, state, _)] = alone.stand(order)
        assert (status, state in OUT) == ("failed_delivery", True), alone.stand()
    assert alone.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["outbox:1", "request:1", "answer:1", "ledger:1", *ANY[:8]])
def test_whoever_is_killed_while_acting_asks_for_nothing_twice(alone: Scene, place: str) -> None:
    scene = alone
    [order, *_] = three_fail(scene)
    scene.synced()
    scene.callbacks()
    scene.synced()
    scene.reply(phone_of(order), "button", button="Reattempt delivery")
    killed(scene, place)
    settle(scene)
    assert len([one for one in scene.resolutions() if one["did"] == "submitted"]) <= 1
    states = [row["state"] for row in scene.rows("select * from synced.actions")]
    assert set(states) <= {"done", "unknown"}, states
    assert scene.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["put_back", "database", "account"])
def test_a_database_put_back_or_lost_repeats_nothing(alone: Scene, lost: str) -> None:
    """7.1: the claims know what went; a claims file that is lost is made anew from the ledger before anything goes."""
    scene = alone
    scene.based()
    scene.keep("before")
    orders = [scene.order() for _ in range(3)]
    for order in orders:
        scene.failed(order)
    scene.synced()
    if lost == "put_back":
        scene.put_back("before")
    else:
        scene.lose(database_alone=lost == "database", account=lost == "account")
    settle(scene)
    assert len(scene.sends()) == 3
    assert scene.wrong(booked=lost != "database", excused=("token_storm",)) == []


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["put_back", "database"])
def test_a_failure_is_told_once_though_a_database_that_comes_after_it_sees_a_longer_history(
    alone: Scene, lost: str
) -> None:
    """3.8, 7.1: an entry that came late was none where the message was sent; the same failure keeps its number."""
    scene = alone
    scene.based()
    order = scene.order()
    scene.advance(order, "out_for_delivery")
    scene.hook()
    scene.synced()
    scene.keep("before")
    scene.later(hours=6)
    scene.failed(order)
    scene.synced()
    assert len(scene.sends()) == 1
    scene.advance(order, "failed_delivery", at=scene.now - timedelta(hours=5))  # the courier tells of it late
    if lost == "put_back":
        scene.put_back("before")
    else:
        scene.lose(database_alone=True)
    for _ in range(2):
        scene.sync()
        scene.later(minutes=6)
    assert len(scene.sends()) == 1
    scene.later(hours=5)
    scene.advance(order, "out_for_delivery")
    scene.later(minutes=40)
    scene.failed(order)
    scene.sync()
    assert len(scene.sends()) == 2, "one that came after is another one"
    assert scene.wrong(booked=False, excused=("token_storm", "twice")) == []


@pytest.mark.slow
def test_two_processes_at_once_send_each_message_once(alone: Scene) -> None:
    orders = three_fail(alone)
    both = [alone.start(*command(alone)) for _ in range(2)]
    for process in both:
        process.communicate(timeout=120)
    settle(alone)
    assert [len(alone.sends(to=phone_of(order))) for order in orders] == [1, 1, 1]
    assert alone.wrong() == []


@pytest.mark.slow
def test_a_folder_that_is_lost_as_a_whole_announces_nothing_of_before(alone: Scene) -> None:
    """5.1: a lost data folder starts anew; what occurred before is the baseline."""
    scene = alone
    scene.merchant = MITTI_HOME
    three_fail(scene)
    scene.synced()
    scene.lose()
    shutil.rmtree(scene.data, ignore_errors=True)
    scene.later(minutes=2)
    for _ in range(2):
        scene.synced()
    assert len(scene.sends()) == 3
    assert scene.wrong(booked=False) == []
