"""Holds that an action is taken at most once per message, whatever is answered, killed or lost (notices.md 8.4)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import BadKey, NotSent, TryLater
from vs_st_pipeline.pipeline import evidence_file
from vs_st_pipeline.platform.http.client import Heard
from vs_st_pipeline.platform.warehouse import connection
from vs_st_pipeline.routes.notices import actions, due, replies
from vs_st_pipeline.routes.notices.messages import notice_id
from vs_st_pipeline_tests.routes.notices.replies_world import NOTICE, SENT, UNIT, Killed, World

JSON = {"Content-Type": "application/json"}
REFUSAL = Heard(400, JSON, b'{"status": "error", "code": "NDR_1"}')
BUSY = Heard(429, JSON, b"{}")
BROKEN = Heard(500, JSON, b"")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "state", "reply", "count"),
    [
        (Heard(200, JSON, b"{}"), "done", "action", "actions_done"),
        (REFUSAL, "refused", "action", "actions_refused"),
        (BROKEN, "unknown", "action", "actions_unknown"),
        (TryLater("no answer came in time"), "unknown", "action", "actions_unknown"),
        (BUSY, "waiting", "waiting", None),
        (NotSent("no connection"), "waiting", "waiting", None),
    ],
)
def test_what_becomes_of_a_call(world: World, answer: Any, state: str, reply: str, count: str | None) -> None:
    world.eshopbox.answers = [answer]
    world.reply()
    session = world.sync()
    assert (world.states(), world.outcomes()) == ([state], [reply])
    assert dict(session.told.counts) == ({count: 1} if count else {})
    assert len(world.eshopbox.calls) == 1


def test_a_refused_one_is_not_called_again_but_another_tap_may_act(world: World) -> None:
    world.eshopbox.answers = [REFUSAL]
    world.reply()
    world.sync()
    world.sync()
    assert len(world.eshopbox.calls) == 1
    assert world.rows("select http_status, message from synced.actions") == [(400, "NDR_1")]
    world.reply()
    world.sync()
    assert world.states() == ["refused", "done"]
    assert world.rows("select attempt from synced.actions order by 1") == [(1,), (2,)]


def test_taps_behind_a_refused_one_are_judged_in_the_same_sync(world: World) -> None:
    world.eshopbox.answers = [REFUSAL]
    world.reply("Reattempt")
    world.reply("Cancel")
    session = world.sync()
    assert world.codes == ["ACTF001", "ACTF003"]
    assert world.states() == ["refused", "done"]
    assert session.told.actions == 2


def test_what_was_not_taken_is_called_again_in_the_next_sync_by_the_same_row(world: World) -> None:
    world.eshopbox.answers = [BUSY, NotSent("no")]
    world.reply()
    for _ in range(4):
        world.at += timedelta(minutes=1)
        world.sync()
    assert world.states() == ["done"]
    assert len(world.eshopbox.calls) == 3
    assert world.told().count(("action", "whatsapp")) == 1


def test_no_other_call_is_made_in_a_run_after_one_was_not_taken(world: World) -> None:
    world.message("n_other", unit_key="shipment:eshopbox:S2")
    world.fail("shipment:eshopbox:S2")
    world.cursor.execute(
        "update staged.notice_orders set more = ?",
        [json.dumps({"units": {UNIT: {"tracking_id": "T1"}, "shipment:eshopbox:S2": {"tracking_id": "T2"}}})],
    )
    world.eshopbox.answers = [BUSY]
    world.reply()
    world.reply(notice_id="n_other")
    world.sync()
    assert len(world.eshopbox.calls) == 1
    world.sync()
    assert sorted(call["trackingId"] for call in world.eshopbox.calls) == ["T1", "T1", "T2"]


def test_what_was_not_taken_waits_up_to_its_72_hours_and_then_is_too_late(world: World) -> None:
    world.eshopbox.answers = [BUSY] * 3
    world.reply()
    world.sync()
    world.at = SENT + timedelta(hours=72)
    world.sync()
    assert world.states() == ["waiting"]
    world.at += timedelta(seconds=1)
    world.sync()
    assert len(world.eshopbox.calls) == 2
    assert (world.outcomes(), world.states()) == (["too_late"], ["dropped"])
    assert world.rows("select settled_by, message from synced.actions") == [("gate", "too_late")]


def test_what_was_not_taken_is_judged_again_before_the_next_call(world: World) -> None:
    world.eshopbox.answers = [BUSY]
    world.reply()
    world.sync()
    world.status(UNIT, "delivered", 50, at=world.at)
    world.sync()
    assert world.outcomes() == ["not_failed_now"]
    assert len(world.eshopbox.calls) == 1


def test_while_one_waits_others_wait_behind_it(world: World) -> None:
    world.eshopbox.answers = [BUSY, BUSY]
    world.reply("Reattempt")
    world.sync()
    world.reply("Cancel")
    world.reply("Reattempt")
    world.sync()
    assert world.outcomes() == ["waiting", "waiting", "waiting"]
    world.sync()
    assert world.outcomes() == ["action", "already_answered", "repeated"]
    assert world.codes == ["ACTF001"] * 3


def test_a_reply_behind_one_that_may_never_act_is_judged_by_itself(world: World) -> None:
    world.eshopbox.answers = [BUSY]
    world.ndr(resolutions=["ACTF001", "ACTF003"])
    world.reply("Reattempt")
    world.sync()
    world.reply("Cancel")
    world.ndr(resolutions=["ACTF003"])
    world.sync()
    assert world.outcomes() == ["not_offered", "action"]
    assert world.codes == ["ACTF001", "ACTF003"]


def test_a_key_that_is_not_accepted_fails_the_run_and_loses_nothing(world: World) -> None:
    world.eshopbox.token = _refuse  # type: ignore[method-assign]
    world.reply()
    assert isinstance(world.sync().trouble, BadKey)
    assert world.states() == ["waiting"]
    del world.eshopbox.token
    world.sync()
    assert world.states() == ["done"]


def _refuse() -> str:
    raise BadKey("no")


def test_an_order_is_read_again_right_before_its_call_where_that_was_a_minute_ago(world: World) -> None:
    world.reply()
    session = world.session()
    replies.judge(session)
    world.cursor.execute("update staged.notice_orders set read_real = read_real - 61")
    world.status(UNIT, "delivered", 50, at=world.at)
    actions.perform(session)
    assert world.reads == 2
    assert (world.outcomes(), world.eshopbox.calls) == (["not_failed_now"], [])


# --- what is told -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("update staged.notice_orders set more = null, tracking_id = null", "no_tracking_id"),
        ("update staged.notice_orders set contact_phone = null", "no_phone"),
    ],
)
def test_what_cannot_be_told_is_refused_before_the_call(world: World, sql: str, why: str) -> None:
    world.cursor.execute(sql)
    world.reply()
    assert world.sync().told.counts == {"actions_refused": 1}
    assert world.eshopbox.calls == []
    assert world.rows("select state, message, settled_by from synced.actions") == [("refused", why, "us")]


def test_an_orders_tracking_id_is_not_taken_for_one_of_two_parcels(world: World) -> None:
    world.status("shipment:eshopbox:S2", "packed", 20)
    world.cursor.execute("update staged.notice_orders set more = null")
    world.reply()
    world.sync()
    assert world.eshopbox.calls == []


def test_a_new_date_that_has_passed_meanwhile_is_not_told(world: World) -> None:
    world.eshopbox.answers = [BUSY, BUSY]
    world.reply(kind="text", text="03-03-2026", button_text=None, matched_by="phone")
    world.sync()
    world.at += timedelta(days=1)  # that very day
    world.sync()
    assert len(world.eshopbox.calls) == 2
    world.at += timedelta(days=1)
    world.sync()
    assert len(world.eshopbox.calls) == 2
    assert world.rows("select message from synced.actions") == [("date_passed",)]


# --- settling ---------------------------------------------------------------------------------------------------------

LATER = "2026-03-02T07:00:00Z"


@pytest.mark.parametrize(
    ("shows", "state", "by"),
    [
        (lambda world: world.ndr(submitted={"code": "ACTF001", "at": LATER}), "done", "resolution_shown"),
        (lambda world: world.ndr(submitted={"code": "ACTF001", "at": None}), "done", "resolution_shown"),
        (lambda world: world.ndr(submitted={"code": "ACTF003", "at": LATER}), "unknown", None),
        (lambda world: _answered(world), "done", "ndr_resolution_submitted"),
        (lambda world: world.status(UNIT, "delivered", 50, at=world.at), "done", "failed_delivery_left"),
        (lambda world: None, "unknown", None),
    ],
)
def test_an_unknown_one_is_settled_by_what_the_order_shows(
    world: World, shows: Callable[[World], None], state: str, by: str | None
) -> None:
    world.eshopbox.answers = [BROKEN]
    world.reply()
    world.sync()
    world.at += timedelta(hours=1)
    shows(world)
    session = world.sync()
    assert world.rows("select state, settled_by from synced.actions") == [(state, by)]
    assert session.told.counts["actions_done"] == (state == "done")
    assert len(world.eshopbox.calls) == 1


def _answered(world: World) -> None:
    world.cursor.execute(
        "update staged.journey_events set answered_at = ? where status = 'failed_delivery'", [world.at]
    )


def test_what_stood_there_before_the_call_settles_nothing(world: World) -> None:
    world.ndr(submitted={"code": "ACTF001", "at": None})
    world.eshopbox.answers = [BROKEN]
    world.reply()
    world.sync()
    world.at += timedelta(hours=1)
    world.sync()
    assert world.states() == ["unknown"]


@pytest.mark.parametrize(
    ("after", "state"), [(timedelta(hours=24), "unknown"), (timedelta(hours=23, minutes=59), "done")]
)
def test_reads_settle_for_24_hours_and_then_a_person_does(world: World, after: timedelta, state: str) -> None:
    world.eshopbox.answers = [BROKEN]
    world.reply()
    world.sync()
    world.at += after
    world.status(UNIT, "delivered", 50, at=world.at)
    world.sync()
    assert world.states() == [state]


def test_an_unknown_one_is_not_read_for_more_often_than_every_five_minutes(world: World) -> None:
    world.eshopbox.answers = [BROKEN]
    world.reply()
    world.sync()
    before = world.reads
    for _ in range(10):
        world.at += timedelta(minutes=1)
        world.sync()
    assert world.reads - before <= 3


def test_an_unknown_one_bars_any_other(world: World) -> None:
    world.eshopbox.answers = [BROKEN]
    world.reply("Reattempt")
    world.sync()
    world.reply("Cancel")
    world.reply("Reattempt")
    world.at += timedelta(days=2)
    world.sync()
    assert world.outcomes() == ["action", "already_answered", "repeated"]
    assert len(world.eshopbox.calls) == 1


# --- kills and losses -------------------------------------------------------------------------------------------------


class Kill:
    """Ends the process at the n-th place of this name, or of any, between two effects."""

    def __init__(self, patch: pytest.MonkeyPatch, world: World, turn: int, name: str = "any") -> None:
        self.turn, self.name = turn, name
        self.reached: Counter[str] = Counter()
        patch.setattr(connection, "failpoint", self)
        patch.setattr(evidence_file, "failpoint", self)
        world.eshopbox.reached = self

    def __call__(self, name: str) -> None:
        self.reached.update((name, "any"))
        if name in (self.name, name if self.name == "any" else "") and self.reached[self.name] == self.turn:
            raise Killed


def _killed(folder: Path, monkeypatch: pytest.MonkeyPatch, turn: int, name: str = "any") -> str | None:
    """Kill a sync somewhere, let others follow, and return how the action stands; None: it was not reached."""
    folder.mkdir()
    with monkeypatch.context() as patch:
        world = World(folder, patch)
        world.reply()
        kill = Kill(patch, world, turn, name)
        try:
            world.sync()
            return None
        except Killed:
            kill.turn = 0
        called = len(world.eshopbox.calls)
        for _ in range(2):
            world.at += timedelta(minutes=6)
            world.sync()
        (state,) = world.states()
        assert state in ("unknown", "done")
        assert len(world.eshopbox.calls) == 1 or (state == "unknown" and not called)
        assert world.outcomes() == ["action"]
        assert world.told().count(("reply", "whatsapp")) == 1
        return str(state)


@pytest.mark.parametrize(
    ("name", "turn", "state"),
    [
        ("begun", 1, "done"),  # nothing was stored
        ("committed", 3, "done"),  # the row is there, its line is not: it has not left
        ("evidence", 1, "unknown"),
        ("request", 1, "unknown"),
        ("answer", 1, "unknown"),
        ("evidence", 2, "done"),  # how it ended is written down before the database says so
        ("committed", 4, "done"),
    ],
)
def test_a_kill_between_two_effects_makes_no_second_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, turn: int, state: str
) -> None:
    assert _killed(tmp_path / "killed", monkeypatch, turn, name) == state


@pytest.mark.parametrize(
    ("name", "turn", "count"), [("request", 1, "actions_unknown"), ("evidence", 2, "actions_done")]
)
def test_what_became_of_a_killed_call_is_counted_once_and_told(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, turn: int, count: str
) -> None:
    """9: a newly unknown action is `partial`; R68: it stands open; 7.8: activity has its result."""
    world.reply()
    with monkeypatch.context() as patch:
        Kill(patch, world, turn, name)
        with pytest.raises(Killed):
            world.sync()
    world.eshopbox.reached = lambda _: None
    session = world.sync()
    assert dict(session.told.counts) == {count: 1}
    assert session.told.is_partial() == (count == "actions_unknown")
    world.cursor.execute("create table staged.unusable (kind varchar, reason varchar)")  # a connector's
    with session.run.open() as db:
        due.count(session, db)
    assert session.told.waiting == (0, int(count == "actions_unknown"))
    assert world.told().count(("action_result", "whatsapp")) == 1
    assert dict(world.sync().told.counts) == {}


@pytest.mark.slow
def test_a_kill_anywhere_makes_no_second_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    while (state := _killed(tmp_path / str(len(found)), monkeypatch, len(found) + 1)) is not None:
        found.append(state)
    assert len(found) > 10
    assert 1 <= found.count("unknown") <= 4  # between the line of evidence and the line of its end, and nowhere else


@pytest.mark.parametrize("answer", [Heard(200, JSON, b"{}"), BROKEN, REFUSAL])
def test_a_lost_database_makes_no_second_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Heard) -> None:
    world = World(tmp_path, monkeypatch)
    world.eshopbox.answers = [answer]
    world.reply(message_id="m1")
    world.sync()
    lost = World(tmp_path, monkeypatch)  # the same folder, and its evidence
    lost.at = world.at + timedelta(hours=1)
    lost.reply(message_id="m1", at=world.at)
    lost.reply(message_id="m2")
    lost.sync()
    is_refused = answer is REFUSAL
    assert lost.outcomes() == ["action", "action" if is_refused else "repeated"]
    assert len(lost.eshopbox.calls) == is_refused
    assert lost.rows("select action_id, attempt from synced.actions where attempt = 1") == world.rows(
        "select action_id, attempt from synced.actions"
    )


def test_with_the_evidence_lost_nobody_knows_whether_a_call_has_left(world: World) -> None:
    world.reply()
    world.sync()
    world.sync()  # which notes how much of the file it has read
    for file in world.folder.glob("*.evidence.jsonl"):
        file.unlink()
    world.cursor.execute("update synced.actions set state = 'sending'")
    world.sync()
    assert (world.states(), len(world.eshopbox.calls)) == (["unknown"], 1)


def test_a_date_comes_back_from_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    world.reply(message_id="m1", kind="text", text="05-03-2026", button_text=None, matched_by="phone")
    world.sync()
    lost = World(tmp_path, monkeypatch)
    lost.sync()
    columns = "action, code, deferred_date, state, sent_at"
    assert lost.rows(f"select {columns} from synced.actions") == world.rows(f"select {columns} from synced.actions")


def test_an_older_database_takes_the_evidences_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    world.eshopbox.answers = [BUSY]
    world.reply(message_id="m1")
    world.sync()
    older = world.rows("select * from synced.actions")
    world.sync()
    world.cursor.execute("delete from synced.actions")
    world.cursor.executemany(f"insert into synced.actions values ({', '.join('?' * len(older[0]))})", older)
    world.cursor.execute("delete from synced.notice_facts where name = 'action_evidence'")
    world.cursor.execute("update staged.replies set outcome = 'waiting'")
    world.sync()
    assert (world.states(), world.outcomes()) == (["done"], ["action"])
    assert len(world.eshopbox.calls) == 2


def test_evidence_that_cannot_be_written_lets_nothing_leave(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space")

    world.reply()
    with monkeypatch.context() as patch:
        patch.setattr(evidence_file.EvidenceFile, "append", full)
        with pytest.raises(OSError, match="no space"):
            world.sync()
    assert world.eshopbox.calls == []
    world.sync()
    assert world.states() == ["done"]


def test_the_id_of_an_action_is_the_same_whatever_was_lost() -> None:
    assert actions.action_id_of("kk", NOTICE, 1) != actions.action_id_of("kk", NOTICE, 2)
    assert actions.action_id_of("kk", NOTICE, 1) == actions.action_id_of("kk", NOTICE, 1)


# --- others -----------------------------------------------------------------------------------------------------------


def test_a_resolution_that_is_not_ours_is_told_as_eshopboxs(world: World) -> None:
    world.sync()  # the first look: what stands there is history
    world.at += timedelta(hours=1)
    world.ndr(submitted={"code": "ACTF003", "at": world.at.isoformat() + "Z"})
    world.cursor.execute("update staged.notice_orders set read_at = ?", [world.at])
    world.sync()
    world.sync()
    assert world.told() == [("action", "eshopbox")]
    detail = json.loads(world.rows("select detail from staged.activity")[0][0])
    assert (detail["action"], detail["code"]) == ("cancel", "ACTF003")


def test_our_own_resolution_is_not_told_as_eshopboxs(world: World) -> None:
    world.reply()
    world.sync()
    world.at += timedelta(hours=1)
    world.ndr(submitted={"code": "ACTF001", "at": world.at.isoformat() + "Z"})
    _answered(world)
    world.cursor.execute("update staged.notice_orders set read_at = ?", [world.at])
    world.sync()
    assert ("action", "eshopbox") not in world.told()


def test_one_handed_in_without_its_code_is_told_too(world: World) -> None:
    world.sync()
    world.at += timedelta(hours=1)
    _answered(world)
    world.cursor.execute("update staged.notice_orders set read_at = ?", [world.at])
    world.sync()
    assert world.told() == [("action", "eshopbox")]


def test_what_is_due_is_planned_in_the_order_of_the_replies(world: World) -> None:
    other = notice_id("kk", "shipment:eshopbox:S2", "failed_delivery", 1)
    world.fail("shipment:eshopbox:S2")
    world.message(other, unit_key="shipment:eshopbox:S2")
    world.reply(message_id="z", notice_id=other, at=SENT + timedelta(minutes=1))
    world.reply(message_id="a", at=SENT + timedelta(minutes=2))
    session = world.session(writes=False)
    assert [one.reply.message_id for one in replies.judge_all(session)] == ["z", "a"]
