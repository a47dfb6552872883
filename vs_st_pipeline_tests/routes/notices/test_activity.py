"""Holds that what was said and done is recorded once and told in order, at least once (notices.md 7.8, 8.6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import NotSent, PipelineError
from vs_st_pipeline.platform.http.client import Heard
from vs_st_pipeline.routes.notices import activity, activity_push
from vs_st_pipeline.routes.notices.activity_push import gap
from vs_st_pipeline.routes.notices.settings import ActivitySettings
from vs_st_pipeline.routes.notices.words import What
from vs_st_pipeline_tests.routes.notices.replies_world import ACCOUNT, NOTICE, NOW, ORDER, PHONE, SECRET, World
from vs_st_pipeline_tests.support.loopback import PostServer

URL = "https://client.example/events"
OK = Heard(202, {}, b"")
TOLD = {"type": "delivered", "at": "2026-03-02T05:00:00Z"}
NO = Heard(500, {}, b"")


class Receiver:
    """The client's own system; answers by `answer`, which sees each event."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.told: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.answer: Callable[[dict[str, Any]], Heard | PipelineError] = lambda _: OK
        patch.setattr(activity_push, "HttpClient", lambda **_: self)

    def post_once(self, call: str, url: str, body: bytes, *, headers: dict[str, str]) -> Heard:
        assert url == URL
        event = json.loads(body)
        self.told.append(event)
        self.headers = headers
        answer = self.answer(event)
        if isinstance(answer, PipelineError):
            raise answer
        return answer

    def close(self) -> None:
        pass

    @property
    def subtypes(self) -> list[str]:
        return [one["eventSubType"] for one in self.told]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    return Receiver(monkeypatch)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    told = ActivitySettings(push_url=URL, push_headers={"X-Key": SECRET})
    return World(tmp_path, monkeypatch, activity=told)


def _add(world: World, what: What = What.HELD, *, order: str | None = ORDER, **columns: Any) -> bool:
    with world.db.transaction():
        return activity.add(world.db, world.session().run, what, merchant_order=order, **columns)


def _push(world: World) -> None:
    activity.push(world.session())


def test_a_row_of_a_key_is_added_once(world: World) -> None:
    assert _add(world, key="held n x")
    assert not _add(world, key="held n x")
    assert _add(world)
    assert _add(world)
    assert [row[0] for row in world.rows("select seq from staged.activity order by seq")] == [1, 2, 3]


def test_a_row_goes_with_its_transaction(world: World) -> None:
    def add_and_break() -> None:
        with world.db.transaction():
            activity.add(world.db, world.session().run, What.HELD, key="k")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        add_and_break()
    assert _add(world, key="k")
    assert world.rows("select seq from staged.activity") == [(1,)]


def test_rows_are_told_in_eshopboxs_shape_with_whose_they_are(world: World, receiver: Receiver) -> None:
    _push(world)
    world.at += timedelta(minutes=1)
    world.reply()
    world.sync()
    _add(
        world,
        What.RECEIPT,
        notice_id=NOTICE,
        number=ACCOUNT.number,
        detail={"type": "delivered", "at": "2026-03-02T05:00:00Z"},
    )
    _push(world)
    assert receiver.subtypes == ["customer_reply", "customer_action", "action_result", "delivered"]
    reply, _, result, receipt = (one["response_data"] for one in receiver.told)
    assert (reply["from"], reply["to"], reply["mode"]) == (PHONE, ACCOUNT.number, "whatsapp")
    assert (result["action_taken"], result["status"]) == ("reattempt", "done")
    assert (receipt["from"], receipt["to"], receipt["deliveredAt"]) == (ACCOUNT.number, PHONE, "2026-03-02T05:00:00Z")
    assert {one["resource"] for one in receiver.told} == {"customer_notification"}
    assert {one["response_data"]["customerOrderNumber"] for one in receiver.told} == {"A1"}
    assert len({one["event_id"] for one in receiver.told}) == 4
    assert receiver.headers == {"X-Key": "s"}
    _push(world)
    assert len(receiver.told) == 4


def test_8_6_only_what_failed_has_a_failure_reason_and_only_what_left_was_sent(
    world: World, receiver: Receiver
) -> None:
    world.cursor.execute("update synced.notices set accepted_at = null")
    details: list[tuple[What, dict[str, Any]]] = [
        (What.HELD, {"reason": "quiet_hours", "rule": 15}),
        (What.REPLY, {"action": "reattempt", "code": "ACTF001"}),
        (What.ACTION, {"action": "reattempt", "code": "ACTF001"}),
        (What.ACTION_RESULT, {"action": "reattempt", "code": "ACTF001", "state": "done", "reason": "resolution_shown"}),
        (What.ACTION_RESULT, {"action": "cancel", "code": "ACTF003", "state": "refused", "reason": "no_tracking_id"}),
        (What.RECEIPT, {"type": "failed", "code": "1002", "at": "2026-03-02T05:00:00"}),
        (What.RECEIPT, {"type": "delivered", "code": None, "at": "2026-03-02T05:00:00"}),
    ]
    _push(world)
    for what, detail in details:
        _add(world, what, notice_id=NOTICE, detail=detail)
    _push(world)
    told = [one["response_data"] for one in receiver.told]
    reasons = [one["failureReason"] for one in told]
    assert reasons == ["quiet_hours", None, None, None, "no_tracking_id", "1002", None]
    assert [one["sentOn"] is None for one in told] == [True, *[False] * 6]
    assert told[-1]["deliveredAt"] == "2026-03-02T05:00:00Z"


class Client(PostServer):
    """A client's own system over a real socket: it takes the first, breaks off the second, and so on."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[tuple[str, str, str]] = []

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int | None:
        self.came.append((path, headers["x-key"], json.loads(body)["eventSubType"]))
        return 204 if len(self.came) != 2 else None


def test_rows_are_told_over_a_real_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    told = ActivitySettings(push_url=f"{client.url}/events?a=1", push_headers={"X-Key": SECRET})
    world = World(tmp_path, monkeypatch, activity=told)
    _push(world)
    _add(world, What.SENT)
    _add(world, What.REPLY)
    for _ in range(3):
        _push(world)
        world.at += timedelta(minutes=1)
    client.close()
    assert client.came == [("/events?a=1", "s", one) for one in ("in-queue", "customer_reply", "customer_reply")]
    assert world.rows("select count(*) from staged.activity where pushed_at is null") == [(0,)]


def test_rows_from_before_a_url_was_set_are_not_told(world: World, receiver: Receiver) -> None:
    _add(world)
    world.at += timedelta(minutes=1)
    _push(world)
    assert receiver.told == []
    _add(world, What.SENT)
    _push(world)
    assert receiver.subtypes == ["in-queue"]


def test_what_came_while_no_url_was_set_is_not_told(world: World, receiver: Receiver) -> None:
    _push(world)
    url = world.notices["activity"]
    world.notices["activity"] = ActivitySettings()
    _push(world)
    _add(world)
    world.at += timedelta(minutes=1)
    world.notices["activity"] = url
    _push(world)
    assert receiver.told == []


def test_a_rebuilt_database_tells_what_was_not_told_yet(world: World, receiver: Receiver) -> None:
    _add(world, What.HELD)
    world.at += timedelta(minutes=1)
    _push(world)
    _add(world, What.SENT)
    _push(world)
    _add(world, What.REPLY)
    world.cursor.execute("delete from synced.notice_facts")
    world.at += timedelta(minutes=1)
    _push(world)
    assert receiver.subtypes == ["in-queue", "customer_reply"]


def test_without_a_url_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    world = World(tmp_path, monkeypatch)
    _add(world)
    _push(world)
    assert receiver.told == []


def test_what_is_not_taken_holds_back_its_own_order_alone(world: World, receiver: Receiver) -> None:
    _push(world)
    _add(world, What.SENT)
    _add(world, What.REPLY)
    _add(world, What.HELD, order="eshopbox:A2")
    receiver.answer = lambda event: NO if event["eventSubType"] == "in-queue" else OK
    _push(world)
    assert receiver.subtypes == ["in-queue", "held"]
    _push(world)
    assert len(receiver.told) == 2  # its gap is not over
    world.at += timedelta(minutes=1)
    receiver.answer = lambda _: OK
    _push(world)
    assert receiver.subtypes[2:] == ["in-queue", "customer_reply"]
    assert world.rows("select * from synced.activity_push") == []


def test_an_answer_that_was_lost_is_told_again_under_the_same_id(world: World, receiver: Receiver) -> None:
    _push(world)
    _add(world)
    receiver.answer = lambda _: NotSent("no")
    _push(world)
    world.at += timedelta(minutes=1)
    receiver.answer = lambda _: OK
    _push(world)
    first, second = receiver.told
    assert first == second


def test_a_receiver_that_nobody_answers_for_is_asked_once_in_a_run(world: World, receiver: Receiver) -> None:
    _push(world)
    for number in range(9):
        _add(world, order=f"eshopbox:{number}")
    receiver.answer = lambda _: NotSent("no")
    _push(world)
    assert len(receiver.told) == 1
    _push(world)
    assert len(receiver.told) == 1
    world.at += timedelta(minutes=1)
    _push(world)
    assert len(receiver.told) == 2


def test_a_receiver_that_fails_for_everybody_is_left_alone(world: World, receiver: Receiver) -> None:
    _push(world)
    for number in range(9):
        _add(world, order=f"eshopbox:{number}")
    receiver.answer = lambda _: NO
    _push(world)
    assert len(receiver.told) == 3


def test_gaps_grow_to_an_hour() -> None:
    assert [gap(tries) // timedelta(minutes=1) for tries in (1, 2, 3, 6, 7, 99)] == [1, 2, 4, 32, 60, 60]


def test_the_id_of_a_key_is_the_same_after_a_loss(world: World) -> None:
    run = world.session().run
    assert activity.id_of(run, "k") == activity.id_of(run, "k") != activity.id_of(run, "l")
    assert world.at == NOW
