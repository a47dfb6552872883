"""From what is due to what came of it: claimed, sent once, its answer noted, whatever it is (notices.md 7.1-7.3)."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadKey, BadRecord, BadSettings, PipelineError, TryLater
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.routes.notices import desk, sending
from vs_st_pipeline.routes.notices.account import pauses
from vs_st_pipeline.routes.notices.planning import Verdict
from vs_st_pipeline.routes.notices.words import State
from vs_st_pipeline_tests.support.sending import Act, Gupshup, Rig, cut, plan_made_up, reply, reset


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    gupshup = Gupshup()
    made = Rig(tmp_path, gupshup)
    plan_made_up(made, monkeypatch)
    yield made
    gupshup.close()


def send(rig: Rig) -> Report:
    with rig.session() as session:
        sending.send(session)
    if session.report.error or session.trouble:
        raise session.report.error or session.trouble  # type: ignore[misc]
    return session.report


def test_7_2_the_call_is_what_the_contract_says(rig: Rig) -> None:
    rig.message(1)
    assert send(rig).accepted == 1
    [form], [path] = rig.gupshup.sent, rig.gupshup.paths
    assert path == "/wa/api/v1/template/msg"
    assert {name: form[name] for name in ("channel", "source", "destination", "src.name")} == {
        "channel": "whatsapp",
        "source": "919810000002",
        "destination": "919810000001",
        "src.name": "KapasKraftApp",
    }
    assert json.loads(form["template"]) == {"id": "c6ae", "params": ["Asha", "O1"]}
    assert json.loads(form["postbackTexts"]) == [
        {"index": 0, "text": "vs:n_1:0"},
        {"index": 1, "text": "vs:n_1:1"},
    ]
    assert "apikey: key-canary" in rig.gupshup.headers
    assert "Content-Type: application/x-www-form-urlencoded" in rig.gupshup.headers


def test_7_2_number_form_plus_and_no_buttons(rig: Rig) -> None:
    rig.keys["number_form"] = "plus"
    rig.message(1, buttons=[])
    send(rig)
    [form] = rig.gupshup.sent
    assert (form["source"], form["destination"]) == ("+919810000002", "+919810000001")
    assert "postbackTexts" not in form


def test_7_1_an_accepted_message_stands_in_claim_ledger_and_activity(rig: Rig) -> None:
    rig.message(1)
    send(rig)
    claim = rig.claims()["n_1"]
    assert (claim.state, claim.message_id, claim.evidence, claim.accepted_at) == ("accepted", "m1", "answer", rig.now)
    assert json.loads(claim.buttons or "") == [
        {"action": "reattempt", "title": "Deliver again"},
        {"action": None, "title": "Help"},
    ]
    with rig.run.open() as db:
        row = db.row("select state, message_id, account, number, template_id, tries from synced.notices")
        assert row == ("accepted", "m1", "client:kapaskraft", "+919810000002", "c6ae", 1)
        assert db.rows("select what, notice_id, message_id from staged.activity") == [("sent", "n_1", "m1")]
    lines = (rig.folder / "accounts" / "client:kapaskraft" / "account.evidence.jsonl").read_text()
    assert "n_1" in lines
    assert "eshopbox_flag" in lines


def silent(conn: socket.socket) -> None:
    conn.close()


ACCEPTED_ANYWAY = {"status": "submitted", "messageId": "x1"}
ANSWERS: list[tuple[str, Act, str, str | None]] = [
    ("submitted 202", reply(202, ACCEPTED_ANYWAY), "accepted", None),
    ("success 200", reply(200, {"status": "success", "messageId": "x1"}), "accepted", None),
    ("429", reply(429, Retry_After="30"), "waiting", "try_later"),
    ("html 403", reply(403, b"<html>no</html>", "text/html"), "waiting", "try_later"),
    ("400", reply(400, {"status": "error", "message": "no match"}), "rejected", None),
    ("200 error", reply(200, {"status": "error", "message": "no match"}), "rejected", None),
    ("500", reply(500), "unknown", None),
    ("502 html", reply(502, b"<html>busy</html>", "text/html"), "unknown", None),
    ("no id", reply(202, {"status": "submitted"}), "unknown", None),
    ("cut", cut(reply(202, ACCEPTED_ANYWAY)), "unknown", None),
    ("reset", reset, "unknown", None),
    ("closed", silent, "unknown", None),
    ("nothing like it", reply(200, b"OK", "text/plain"), "unknown", None),
]


@pytest.mark.parametrize(("name", "act", "state", "reason"), ANSWERS, ids=[one[0] for one in ANSWERS])
def test_7_3_what_an_answer_leaves_behind(rig: Rig, name: str, act: Act, state: str, reason: str | None) -> None:
    rig.gupshup.acts = [act]
    rig.message(1)
    report = send(rig)
    assert rig.rows()["n_1"] == (state, reason)
    assert (report.accepted, report.rejected, report.unknown) == tuple(
        int(state == one) for one in ("accepted", "rejected", "unknown")
    )
    send(rig)
    assert len(rig.gupshup.sent) == 1, "never twice, and what is paused is not sent at once"


def test_7_3_an_unknown_message_is_never_sent_again(rig: Rig) -> None:
    rig.gupshup.acts = [reset]
    rig.message(1)
    for _ in range(3):
        send(rig)
    assert len(rig.gupshup.sent) == 1
    assert rig.claims()["n_1"].state == "unknown"


def test_7_3_after_three_unknown_in_a_row_the_rest_waits_and_the_account_pauses(rig: Rig) -> None:
    rig.gupshup.acts = [reset] * 6
    rig.due(6)
    report = send(rig)
    assert (report.unknown, len(rig.gupshup.sent)) == (3, 3)
    assert set(rig.turned_down) == {"n_4", "n_5", "n_6"}
    send(rig)
    assert len(rig.gupshup.sent) == 3


def test_7_3_answers_of_success_without_an_id_are_unknown_one_by_one(rig: Rig) -> None:
    rig.gupshup.acts = [reply(202, {"status": "submitted"})] * 5
    rig.due(5)
    assert send(rig).unknown == 5


def test_7_3_an_id_that_another_claim_has_makes_it_unknown(rig: Rig) -> None:
    rig.gupshup.acts = [reply(202, ACCEPTED_ANYWAY), reply(202, ACCEPTED_ANYWAY)]
    rig.due(2)
    report = send(rig)
    assert (report.accepted, report.unknown) == (1, 1)


def test_7_1_what_was_claimed_before_is_not_sent_by_a_database_that_was_put_back(rig: Rig) -> None:
    rig.message(1)
    send(rig)
    with rig.run.open() as db, db.transaction():
        db.execute("delete from synced.notices")
    report = send(rig)
    assert len(rig.gupshup.sent) == 1
    assert rig.rows()["n_1"] == ("accepted", None)
    assert report.accepted == 0


def test_7_3_nobody_there_is_refused_and_sent_by_the_next_sync(rig: Rig) -> None:
    url = rig.gupshup.url
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    rig.keys["base_url"] = nobody
    rig.due(5)
    report = send(rig)
    assert {rig.rows()[f"n_{n}"] for n in (1, 2, 3)} == {("waiting", "try_later")}
    assert rig.turned_down == {"n_4": "try_later", "n_5": "try_later"}, "after three the rest is left alone"
    assert report.parts["client:kapaskraft"].kind == "try_later"
    rig.keys["base_url"] = url
    rig.turned_down.clear()
    assert send(rig).accepted == 5


def test_7_3_a_pause_ends_and_the_message_goes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.gupshup.acts = [reply(429, Retry_After="30")]
    rig.due(2)
    report = send(rig)
    assert report.parts["client:kapaskraft"].kind == "try_later"
    assert rig.turned_down == {"n_2": "try_later"}
    later = time.time() + 31
    monkeypatch.setattr("vs_st_pipeline.routes.notices.account.pauses.time.time", lambda: later)
    assert send(rig).accepted == 2


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (reply(401, {"status": "error", "message": "Authentication Failed"}), "auth"),
        (reply(200, {"status": "error", "message": "Authentication Failed"}), "auth"),
        (reply(402), "config"),
        (reply(404), "config"),
        (reply(200, {"status": "error", "message": "Low wallet balance"}), "config"),
    ],
)
def test_7_3_an_account_that_is_refused_stops_for_all(rig: Rig, act: Act, kind: str) -> None:
    rig.gupshup.acts = [act]
    rig.due(3)
    with pytest.raises(PipelineError) as told:
        send(rig)
    assert told.value.kind == kind
    assert len(rig.gupshup.sent) == 1
    assert rig.rows()["n_1"] == ("waiting", "account_stopped")
    assert rig.turned_down == {"n_2": "account_stopped", "n_3": "account_stopped"}
    with rig.session() as session:
        store = session.store(rig.account)
        store.merchant = "another"
        found = pauses.state(store, rig.now)
    assert found is not None
    assert (found.reason, found.kind) == ("account_stopped", kind)


def test_7_3_three_rejected_in_a_row_stop_the_account_for_this_merchant_alone(rig: Rig) -> None:
    rig.gupshup.acts = [reply(400)] * 3
    rig.due(4)
    with pytest.raises(BadSettings):
        send(rig)
    assert len(rig.gupshup.sent) == 3
    with rig.session() as session:
        store = session.store(rig.account)
        assert pauses.state(store, rig.now) is not None
        store.merchant = "another"
        assert pauses.state(store, rig.now) is None


def test_7_3_an_accepted_one_between_keeps_the_account_going(rig: Rig) -> None:
    rig.gupshup.acts = [reply(400), reply(400), reply(202, ACCEPTED_ANYWAY), reply(400), reply(400)]
    rig.due(6)
    report = send(rig)
    assert (report.rejected, report.accepted) == (4, 2)


def test_7_4_a_retryable_code_in_an_answer_waits_for_its_next_try(rig: Rig) -> None:
    rig.gupshup.acts = [reply(400, {"status": "error", "message": "too many", "code": 4001})]
    rig.message(1)
    send(rig)
    claim = rig.claims()["n_1"]
    assert (claim.state, claim.code) == ("failed", "4001")
    assert claim.retry_at == rig.now + timedelta(minutes=15)
    assert rig.rows()["n_1"] == ("waiting", "retry")


def test_7_1_at_most_four_are_open_at_once_and_they_leave_together(rig: Rig) -> None:
    rig.gupshup.holds = threading.Event()
    rig.due(12)
    threading.Timer(0.3, rig.gupshup.holds.set).start()
    assert send(rig).accepted == 12
    assert rig.gupshup.most <= 4
    assert len({form["destination"] for form in rig.gupshup.sent}) == 12


def test_a_verdict_holds_for_a_second_and_of_one_order_for_one_message(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.due(5)
    rig.message(6, merchant_order="eshopbox:5")
    now = time.monotonic()
    monkeypatch.setattr(desk, "monotonic", lambda: now)
    assert send(rig).accepted == 6
    assert rig.judged == [["n_1", "n_2"], ["n_3", "n_4", "n_5"], ["n_6"]]

    rig.judged.clear()
    rig.messages.clear()
    for number in range(11, 16):
        rig.message(number)
    times = iter(range(1000))
    monkeypatch.setattr(desk, "monotonic", lambda: float(next(times)))
    assert send(rig).accepted == 5
    assert rig.judged[1:] == [["n_12"], ["n_13", "n_14"], ["n_14"], ["n_15"]]


def test_a_verdict_turns_a_notice_down_and_the_others_go_on(rig: Rig) -> None:
    rig.due(3)
    rig.messages["n_2"] = Verdict("quiet_hours", 15, drops=False)
    assert send(rig).accepted == 2
    assert rig.turned_down == {"n_2": "quiet_hours"}


def test_an_order_that_cannot_be_read_lets_its_notice_wait(rig: Rig) -> None:
    rig.due(3)
    rig.messages["n_2"] = BadRecord("another order", system="eshopbox")
    assert send(rig).accepted == 2
    assert rig.turned_down == {"n_2": "source_stale"}


@pytest.mark.parametrize("error", [TryLater("down", system="eshopbox"), BadKey("no", system="eshopbox")])
def test_a_source_that_is_down_is_not_asked_for_every_notice(rig: Rig, error: Exception) -> None:
    rig.due(6)
    for n in range(1, 6):
        rig.messages[f"n_{n}"] = error
    with pytest.raises(type(error)):
        send(rig)
    assert rig.gupshup.sent == []
    assert set(rig.turned_down.values()) == {"source_stale"}


def test_8_5_a_session_text_is_sent_by_msg_and_says_how_it_stands(rig: Rig) -> None:
    message = rig.message(1, template_id=None, text="Thanks, we have told the courier.", buttons=[], consent={})
    with rig.session() as session:
        assert sending.send_one(session, message) is State.ACCEPTED
        assert sending.send_one(session, message) is State.ACCEPTED
    assert rig.gupshup.paths == ["/wa/api/v1/msg"]
    assert json.loads(rig.gupshup.sent[0]["message"]) == {"type": "text", "text": "Thanks, we have told the courier."}


def test_8_5_an_answer_that_did_not_leave_waits(rig: Rig) -> None:
    rig.gupshup.acts = [reply(429)]
    message = rig.message(1, consent={})
    with rig.session() as session:
        assert sending.send_one(session, message) is State.WAITING
        assert sending.send_one(session, rig.message(2)) is State.WAITING
    assert len(rig.gupshup.sent) == 1


def test_no_secret_phone_or_text_gets_into_errors(rig: Rig) -> None:
    rig.gupshup.acts = [reply(401, {"status": "error", "message": "key-canary +919810000001"})]
    rig.message(1)
    with pytest.raises(BadKey) as told:
        send(rig)
    said = str(told.value) + repr(told.value)
    assert all(word not in said for word in ("key-canary", "9810000001", "Asha"))
