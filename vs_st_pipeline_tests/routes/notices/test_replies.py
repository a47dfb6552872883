"""Holds what becomes of a reply: an action, or an outcome that is none (notices.md 8.1-8.3, 8.5)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import BadKey, NotSent, TryLater
from vs_st_pipeline.routes.notices import alerts, replies
from vs_st_pipeline.routes.notices.account import claims
from vs_st_pipeline.routes.notices.messages import Message, notice_id
from vs_st_pipeline.routes.notices.settings import Cap
from vs_st_pipeline.routes.notices.words import MessageKind
from vs_st_pipeline_tests.routes.notices.replies_world import ACCOUNT, NOTICE, NOW, PHONE, SENT, UNIT, World

SECOND = notice_id("kk", UNIT, "failed_delivery", 2)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_tap_becomes_one_call(world: World) -> None:
    world.reply()
    session = world.sync()
    assert world.outcomes() == ["action"]
    assert world.states() == ["done"]
    assert world.eshopbox.calls == [
        {
            "customerOrderNumber": "A1",
            "resolutionCode": "ACTF001",
            "trackingId": "T1",
            "contactPhoneNumber": "98100 00009",
            "actionSource": "whatsapp",
            "remarks": f"WhatsApp {NOTICE}",
        }
    ]
    assert session.told.actions == 1
    assert session.told.counts == {"actions_done": 1}
    assert world.told() == [("reply", "whatsapp"), ("action", "whatsapp"), ("action_result", "whatsapp")]
    world.sync()
    assert len(world.eshopbox.calls) == 1


def test_a_plan_calls_nothing_and_the_next_sync_does(world: World) -> None:
    world.reply()
    session = world.session(writes=False)
    replies.judge(session)
    assert world.rows("select action, code, state from planned.actions") == [("reattempt", "ACTF001", "due")]
    assert session.told.actions == 1
    assert world.eshopbox.calls == []
    world.sync()
    assert world.states() == ["done"]


@pytest.mark.parametrize(
    ("columns", "outcome"),
    [
        ({"phone": "+919810000008"}, "other_phone"),
        ({"phone": None}, "other_phone"),
        ({"kind": "media"}, "media"),
        ({"kind": "media", "phone": "+919810000008"}, "other_phone"),
        ({"button_text": "Something else"}, "not_understood"),
        ({"at": SENT + timedelta(hours=72, seconds=1)}, "too_late"),
        ({"at": SENT + timedelta(hours=72)}, "action"),
        ({"notice_id": "n_unknown", "at": SENT}, "unsolicited"),
        ({"notice_id": "n_unknown"}, "waiting"),
    ],
)
def test_what_is_no_action(world: World, columns: dict[str, Any], outcome: str) -> None:
    world.reply(**columns)
    session = world.sync()
    assert world.outcomes() == [outcome]
    assert bool(world.eshopbox.calls) == (outcome == "action")
    assert session.told.counts["unexpected"] == (outcome not in ("action", "waiting"))


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_a_reply_of_before_the_begin_is_left_to_a_person(world: World, seconds: int) -> None:
    """A backup was put back, whose inbox it waited in: it may have been acted on since, and so it is not."""
    begun_at = SENT + timedelta(minutes=30)
    world.store("synced.notice_facts", name="started_at", value=begun_at.isoformat(), at=begun_at)
    world.reply(at=begun_at + timedelta(seconds=seconds))
    session = world.sync()
    assert world.outcomes() == ["action" if seconds > 0 else "before_baseline"]
    assert len(world.eshopbox.calls) == (seconds > 0)
    assert session.told.counts["unexpected"] == 0
    with session.run.open() as db:
        told = [(one.key, bool(one.occurrence)) for one in alerts._stored(session, db)]
    assert told == [("action", True)] * (seconds <= 0)


def test_8_1_an_answer_to_a_message_of_after_the_begin_came_after_it(world: World) -> None:
    """By whatever clock it was stamped: nobody answers what was not sent yet."""
    begun_at = SENT - timedelta(minutes=30)
    world.store("synced.notice_facts", name="started_at", value=begun_at.isoformat(), at=begun_at)
    world.reply(at=begun_at - timedelta(hours=1))
    world.sync()
    assert (world.outcomes(), len(world.eshopbox.calls)) == (["action"], 1)


def test_a_reply_of_before_the_begin_that_waited_for_its_call_is_dropped(world: World) -> None:
    world.eshopbox.answers = [NotSent("no connection")]
    world.reply()
    world.sync()
    assert (world.outcomes(), world.states()) == (["waiting"], ["waiting"])
    world.store("synced.notice_facts", name="started_at", value=NOW.isoformat(), at=NOW)
    world.sync()
    assert (world.outcomes(), world.states()) == (["before_baseline"], ["dropped"])


def test_a_reply_to_another_status_is_not_understood(world: World) -> None:
    world.message("n_packed", status="packed", buttons=None)
    world.reply(notice_id="n_packed")
    world.sync()
    assert world.outcomes() == ["not_understood"]


@pytest.mark.parametrize(
    ("ndr", "outcome"),
    [
        ({"resolutions": ["ACTF001"]}, "action"),
        ({"resolutions": None}, "action"),
        ({"resolutions": ["ACTF003"]}, "not_offered"),
        ({"resolutions": None, "submitted": {"code": "ACTF001", "at": SENT.isoformat() + "Z"}}, "repeated"),
        ({"resolutions": None, "submitted": {"code": "ACTF003", "at": SENT.isoformat() + "Z"}}, "already_answered"),
    ],
)
def test_what_the_order_says_of_its_failed_delivery(world: World, ndr: dict[str, Any], outcome: str) -> None:
    world.ndr(**ndr)
    world.reply()
    world.sync()
    assert world.outcomes() == [outcome]


@pytest.mark.parametrize(
    ("word", "status", "rank", "after", "outcome"),
    [
        ("delivered", "delivered", 50, 1, "not_failed_now"),
        ("rto", "forward_ended", 60, 1, "not_failed_now"),
        ("intransit", "on_the_way", 30, 60, "action"),  # a hub's scan says nothing (rulings 14)
        ("out_for_delivery", "on_the_way", 30, 60, "not_failed_now"),
    ],
)
def test_not_failed_now_goes_by_the_status_that_counts(
    world: World, word: str, status: str, rank: int, after: int, outcome: str
) -> None:
    at = SENT + timedelta(minutes=after)
    attempt = at if word == "out_for_delivery" else None
    world.status(UNIT, status, rank, at=at, source_status=word, attempt_at=attempt)
    world.reply()
    world.sync()
    assert world.outcomes() == [outcome]


def test_several_replies_go_by_the_vendors_time_then_by_id(world: World) -> None:
    world.reply("Cancel", "m9", at=SENT + timedelta(minutes=2))
    world.reply("Reattempt", "m2", at=SENT + timedelta(minutes=1))
    world.reply("Reattempt", "m1", at=SENT + timedelta(minutes=1))
    world.sync()
    found = dict(world.rows("select message_id, outcome from staged.replies"))
    assert found == {"m1": "action", "m2": "repeated", "m9": "already_answered"}
    assert world.codes == ["ACTF001"]


def test_a_reply_to_an_earlier_attempts_message_counts_for_the_newest(world: World) -> None:
    world.fail(occurrence=2, at=SENT + timedelta(hours=1))
    world.message(SECOND, occurrence=2, accepted_at=SENT + timedelta(hours=1))
    world.reply(notice_id=NOTICE)
    world.sync()
    assert world.rows("select notice_id, state from synced.actions") == [(SECOND, "done")]
    world.reply(notice_id=SECOND)
    world.sync()
    assert world.outcomes() == ["action", "repeated"]
    assert len(world.eshopbox.calls) == 1


def test_a_newer_attempt_may_be_answered_anew(world: World) -> None:
    world.reply()
    world.sync()
    world.fail(occurrence=2, at=world.at + timedelta(hours=5))
    world.at += timedelta(hours=6)
    world.message(SECOND, occurrence=2, accepted_at=world.at)
    world.reply(notice_id=SECOND)
    world.sync()
    assert world.outcomes() == ["action", "action"]
    assert len(world.eshopbox.calls) == 2


def test_who_got_the_earlier_message_alone_does_not_answer_the_newest(world: World) -> None:
    world.message(SECOND, occurrence=2, destination="+919810000007")
    world.reply(notice_id=NOTICE)
    world.sync()
    assert world.outcomes() == ["other_phone"]


@pytest.mark.parametrize(("phone", "outcome"), [(PHONE, "action"), ("+919810000007", "other_phone")])
def test_a_ledger_that_was_refilled_asks_the_accounts_claims_whose_message_it_was(
    world: World, phone: str, outcome: str
) -> None:
    world.cursor.execute("update synced.notices set destination = null")
    store = world.session().store(ACCOUNT)
    message = Message(NOTICE, MessageKind.NOTICE, ACCOUNT, PHONE, "text", status="failed_delivery")
    claims.claim(store, message, now=SENT, cap=Cap(), is_stop=lambda _: False, inbox=None)
    world.reply(phone=phone)
    world.sync()
    assert world.outcomes() == [outcome]


def test_a_message_that_certainly_did_not_go_out_is_not_the_newest(world: World) -> None:
    world.message(SECOND, occurrence=2, state="rejected", destination="+919810000007")
    world.reply(notice_id=NOTICE)
    world.sync()
    assert world.outcomes() == ["action"]


def test_a_reply_waits_while_its_order_cannot_be_read_up_to_its_72_hours(world: World) -> None:
    world.unreadable = TryLater("no")
    world.reply()
    session = world.sync()
    assert world.outcomes() == ["waiting"]
    assert world.rows("select state, reason from planned.actions") == [("waiting", "read_failed")]
    assert session.trouble is None
    world.at = SENT + timedelta(hours=72)
    world.sync()
    assert world.outcomes() == ["waiting"]
    world.at += timedelta(seconds=1)
    world.sync()
    assert world.outcomes() == ["too_late"]


def test_what_could_be_read_at_last_is_done(world: World) -> None:
    world.unreadable = BadKey("no")
    world.reply()
    assert isinstance(world.sync().trouble, BadKey)
    world.unreadable = None
    world.sync()
    assert world.outcomes() == ["action"]
    assert world.told().count(("reply", "whatsapp")) == 1


def test_an_order_is_read_once_for_a_plan_and_not_again_a_moment_later(world: World) -> None:
    world.reply()
    world.sync()
    assert world.reads == 1


def test_what_the_account_has_said_is_told_and_counted_once(world: World) -> None:
    world.reply(outcome="ambiguous", notice_id=None)
    world.reply(outcome="unsolicited", notice_id=None)
    world.reply("stop", outcome="opted_out")
    world.reply(outcome="other_phone")  # a tap that another phone has sent on (8.1, 8.5)
    assert world.sync().told.counts == {"unexpected": 3}
    assert world.sync().told.counts == {}
    assert world.outcomes() == ["ambiguous", "unsolicited", "opted_out", "other_phone"]
    assert [what for what, _ in world.told()] == ["reply", "unexpected"] * 3


def test_details_of_activity_hold_nobodys_phone_or_words(world: World) -> None:
    world.reply("Reattempt")
    world.reply(kind="text", text="please call my neighbor", button_text=None)
    world.sync()
    told = json.dumps(world.rows("select detail from staged.activity"))
    assert "neighbor" not in told
    assert PHONE[3:] not in told


def test_typed_dates_count_from_the_replys_day_in_the_merchants_zone(world: World) -> None:
    # 2 March, 20:00 UTC is 3 March in India.
    world.at = world.at.replace(hour=20)
    world.reply(kind="text", text="04/03/2026", button_text=None, matched_by="phone")
    world.sync()
    assert world.eshopbox.calls[0]["deferredDate"] == "2026-03-04"
    world.reply(kind="text", text="03/03/2026", button_text=None, matched_by="phone")
    world.sync()
    assert world.outcomes()[1] == "not_understood"


def test_8_3_an_old_reply_that_is_heard_of_anew_acts_on_no_later_failure(world: World) -> None:
    """A database that was lost copies all replies of the account once more; the parcel may fail again by then."""
    world.reply()
    world.at += timedelta(days=30)
    world.fail(occurrence=2, at=world.at - timedelta(hours=2))
    world.message(
        SECOND, occurrence=2, claimed_at=world.at - timedelta(hours=1), accepted_at=world.at - timedelta(hours=1)
    )
    world.sync()
    assert (world.outcomes(), world.eshopbox.calls) == (["too_late"], [])


def test_8_1_the_account_hears_which_message_was_answered(world: World) -> None:
    """So a text without context is another parcel's, and not ambiguous."""
    message_id = world.reply()
    store = world.session().store(ACCOUNT)
    with store.write() as file:
        file.execute(
            "insert into replies (seq, message_id, phone_hash, kind, at, taken_at) values (1, ?, 'h', 'button', ?, ?)",
            [message_id, world.at.isoformat(), world.at.isoformat()],
        )
    world.sync()
    with store.read() as file:
        assert [tuple(row) for row in file.execute("select outcome, action_id from replies")] == [
            ("action", world.rows("select action_id from synced.actions")[0][0])
        ]
