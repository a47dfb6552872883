"""The shop is told how each order stands, in exact words, each thing once (orders.md 7.4; rulings, orders 6)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.order_desk import Problem
from vs_st_pipeline.routes.orders import ledger, messages, notes
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline_tests.routes.orders.dispatch import VIOLATION
from vs_st_pipeline_tests.routes.orders.returning import Returns

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow


@pytest.fixture
def back(tmp_path: Path) -> Returns:
    return Returns(tmp_path)


def moved(back: Returns, state: State, code: str | None = None, **changed: Any) -> None:
    with back.db() as db, db.transaction():
        row = back.row()
        ledger.move(db, back.session().run, row, "judged", "test", state=state, code=code, **changed)


def told(back: Returns) -> list[str]:
    messages.tell(back.session())
    return back.shop.lines()


def test_o7_4_a_life_in_words(back: Returns) -> None:
    back.sent()
    back.back()
    back.shipper.goes(back.there(), "LABELS_GENERATED")
    back.back()
    back.shipper.goes(back.there(), "OPEN")  # the label was cancelled
    back.back()
    for stage in ("LABELS_GENERATED", "SHIPPED", "DELIVERED"):
        back.shipper.goes(back.there(), stage, "1Z1")
        back.back()
        back.back()
    assert back.shop.lines() == [
        *("Sent to Vinoshipper", "Fulfilled", "Sent to Vinoshipper", "Fulfilled", "Shipped", "Delivered"),
    ]
    last = [one["issue"] for one in back.shop.said["a1"][-1]["issues"]]
    assert last == ["Delivered", "Compliant", "Vinoshipper order HILLSIDE-1001", "Tracking: 1Z1"]
    assert back.shop.asked["app_syncs"] == 0, "an order that was seen promptly asks for nothing"


@pytest.mark.parametrize(
    ("state", "code", "line"),
    [
        (State.FAILED, "address", "!Failed to Send"),
        (State.NOT_REQUIRED, "pickup", "Not Required to Send"),
        (State.NOT_REQUIRED, "dont_send", "Don't Send"),
        (State.VOIDED, None, "Voided in Vinoshipper"),
    ],
)
def test_o4_2_words_of_each_state(back: Returns, state: State, code: str | None, line: str) -> None:
    back.add()
    back.take_in("a1")
    moved(back, state, code)
    assert (told(back), told(back)) == ([line], [line])


@pytest.mark.parametrize(
    ("state", "code"), [(State.WAITING, "not_paid"), (State.SENDING, None), (State.NOT_REQUIRED, "before_start")]
)
def test_o7_4_nothing_is_told_of_what_waits_or_was_before_the_start(
    back: Returns, state: State, code: str | None
) -> None:
    back.add()
    back.take_in("a1")
    moved(back, state, code)
    assert told(back) == []


def test_ruling_6_several_at_once_the_newest_and_an_error_for_each_alerted_note(back: Returns) -> None:
    back.sent()
    back.back()
    run = back.session().run
    with back.db() as db, db.transaction():
        for word in ("differs_there", "unpaid_there", "no_phone"):
            ledger.note(db, run, "a1", word)
        row = ledger.move(db, run, back.row(), "stage", "Fulfilled", stage="Fulfilled")
        ledger.move(db, run, row, "stage", "Shipped", stage="Shipped")
    lines = ["Sent to Vinoshipper", "Shipped", "!Shipped", "!Shipped"]
    assert (told(back), told(back)) == (lines, lines)


def test_o7_4_problems_are_told_with_emails_and_phones_masked(back: Returns) -> None:
    back.add()
    back.take_in("a1")
    text = "Call Ada at (707) 555-0123 or ada.vine@example.com about HILLSIDE-1001"
    back.shipper.trouble["HILLSIDE-1001"] = ("PROBLEM", (Problem("VOLUME", text, VIOLATION),))
    back.send()
    told(back)
    issues = [one["issue"] for one in back.shop.said["a1"][0]["issues"]]
    assert issues[0] == "Failed to Send"
    assert "Not compliant" in issues
    line = next(one for one in issues if one.startswith("VOLUME: "))
    assert line == "VOLUME: Call Ada at ***-***-0123 or a***@e***.com about HILLSIDE-1001"


def test_o10_masked_leaves_numbers_of_orders_and_parcels() -> None:
    assert (
        notes.masked("1Z999AA10123456784 HILLSIDE-10012345678 1001") == "1Z999AA10123456784 HILLSIDE-10012345678 1001"
    )
    assert notes.masked("+1 707 555 0123, 7075550123") == "***-***-0123, ***-***-0123"


@pytest.mark.parametrize(("setting", "count"), [("all", 1), ("shipping", 0), ("off", 0)])
def test_o2_messages(tmp_path: Path, setting: str, count: int) -> None:
    back = Returns(tmp_path, settings={"messages": setting})
    back.add(orderDeliveryMethod="Pickup")
    back.take_in("a1")
    moved(back, State.NOT_REQUIRED, "pickup")
    assert len(told(back)) == count
    back.add(order_id="b2", number="1002")
    back.take_in("b2")
    assert back.send("b2").done
    told(back)
    assert len(back.shop.lines("b2")) == (setting != "off")


@pytest.mark.parametrize("how", ["lost_before", "lost_after", "hollow"])
def test_o7_4_unknown_is_told_again_only_if_it_is_not_there(back: Returns, how: str) -> None:
    back.sent()
    back.shop.next = [how]
    back.back()
    lacking = 0 if how == "lost_before" else 1
    assert len(back.shop.lines()) == lacking
    back.back()
    back.back()
    assert back.shop.lines() == ["Sent to Vinoshipper"]


def test_o7_4_what_comes_while_a_message_is_unknown_is_told_after_it(back: Returns) -> None:
    back.sent()
    back.shop.next = ["lost_before"]
    back.back()
    back.shipper.goes(back.there(), "SHIPPED", "1Z1")
    back.back()
    back.back()
    assert back.shop.lines() == ["Shipped"]


@pytest.mark.parametrize("how", ["403", "404"])
def test_o7_4_without_the_right_to_leave_messages_all_else_goes_on(back: Returns, how: str) -> None:
    back.sent()
    back.sent(order_id="b2", number="1002")
    back.shipper.goes(back.there(), "SHIPPED", "1Z1")
    back.shop.next = ["done", how, *[how] * (how == "404")]  # the first is the fulfilment; 404 may be of one order
    back.back()
    assert len(back.shop.posts) == 1
    assert "no_messages" in back.notes("")
    asked = back.shop.asked["say"]
    assert asked <= 2
    back.later(days=2)
    back.back()
    assert (back.shop.lines(), back.notes("")) == (["Shipped"], set())
    assert back.shop.lines("b2") == ["Sent to Vinoshipper"]


def test_o7_4_404_of_one_order_is_its_own(back: Returns) -> None:
    back.sent()
    back.sent(order_id="b2", number="1002")
    back.shop.next = ["404"]
    back.back()
    assert (back.shop.lines(), back.shop.lines("b2")) == ([], ["Sent to Vinoshipper"])
    assert ("no_messages" in back.notes("a1"), back.notes("")) == (True, set())


def test_o7_4_not_reached_is_told_with_the_next_sync(back: Returns) -> None:
    back.sent()
    back.shop.next = ["busy"]
    back.back()
    assert back.shop.lines() == []
    back.back()
    assert back.shop.lines() == ["Sent to Vinoshipper"]


def test_o6_5_a_change_is_told_once_per_hash(back: Returns) -> None:
    back.sent()
    back.back()
    first = json.loads(json.dumps(back.shop.orders["a1"]))
    for note, count in (("Ring twice", 1), (None, 1), ("Ring twice", 1), ("Leave it", 2)):
        back.shop.orders["a1"] = {**first, "shippingInstructions": note}
        back.back()
        back.back()
        assert len([line for line in back.shop.lines() if line.startswith("!")]) == count, note
    assert "shippingInstructions" in str(back.shop.said["a1"][-1])


@pytest.mark.parametrize("older", [False, True])
def test_ruling_6_after_a_loss_it_is_asked_first_and_told_only_what_is_new(back: Returns, older: bool) -> None:
    back.sent()
    copy = back.copy()
    back.shipper.goes(back.there(), "SHIPPED", "1Z1")
    session = back.back()
    keep_status(back, session)
    back.put_back(copy) if older else back.lose_file()
    back.later(hours=1)
    back.sync()
    session = back.back()
    assert back.shop.asked["app_syncs"] == 1
    assert back.shop.lines() == ["Shipped"]
    back.shipper.goes(back.there(), "DELIVERED", delivered_at=back.at)
    keep_status(back, session)
    back.back()
    assert (back.shop.lines(), back.shop.asked["app_syncs"]) == (["Shipped", "Delivered"], 0)


def keep_status(back: Returns, session: Any) -> None:
    """Keep the status file as a whole run does."""
    path = back.warehouse.folder("hillside") / "orders.standing.json"
    path.write_text(json.dumps({"last_run": {"at": "2026-12-01T20:00:00Z", "run_id": session.run.run_id}}))


def test_o4_1_read_back_is_what_our_app_said_last(back: Returns) -> None:
    back.add()
    back.take_in("a1")
    session = back.session()
    assert messages.read_back(session, "a1") is None
    back.add(order_id="b2", number="1002")
    back.take_in("b2")
    back.shop.said["b2"] = [
        {"status": "Success", "issues": [{"issue": text}], "activityDate": text} for text in ("1", "Don't Send")
    ]
    assert messages.read_back(session, "b2") == "Don't Send"
    with back.db() as db, db.transaction():
        row = ledger.find(db, ["b2"])["b2"]
        late = {"first_seen_at": row.paid_at + timedelta(hours=1)}
        ledger.move(db, session.run, row, "judged", "x", state=State.NOT_REQUIRED, code="dont_send", **late)
    messages.tell(session)
    assert len(back.shop.said["b2"]) == 2, "it stands there already"


def _unnamed(tried: list[Any]) -> list[Any]:
    return [{"attempts": tried}]


def _texts(tried: list[Any]) -> list[Any]:
    return [
        {"appId": "app", "attempts": [{**one, "issues": [part["issue"] for part in one["issues"]]} for one in tried]}
    ]


def _newest_first(tried: list[Any]) -> list[Any]:
    dated = [
        {"status": one["status"], "issues": one["issues"], "createdAt": f"2026-12-01T20:0{place}:00.000Z"}
        for place, one in enumerate(tried)
    ]
    return [{"appId": "app", "attempts": dated[::-1]}]


def _flat(tried: list[Any]) -> list[Any]:
    return [{"appId": "app", **one} for one in tried]


def _messages(tried: list[Any]) -> list[Any]:
    renamed = [{**one, "issues": [{"message": part["issue"]} for part in one["issues"]]} for one in tried]
    return [{"appId": "app", "attempts": renamed}]


@pytest.mark.parametrize("shape", [_unnamed, _texts, _newest_first, _flat, _messages])
def test_o7_4_what_was_said_is_found_in_whatever_form_it_is_listed(
    back: Returns, shape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = back.shop.app_syncs

    def app_syncs(order_id: str) -> Any:
        found = listed(order_id)["appSyncs"]
        return {"appSyncs": shape(found[0]["attempts"]) if found else []}

    monkeypatch.setattr(back.shop, "app_syncs", app_syncs)
    back.sent()
    back.back()
    back.shipper.goes(back.there(), "LABELS_GENERATED")
    back.shop.next = ["lost_after"]
    back.back()
    back.back()
    assert back.shop.lines() == ["Sent to Vinoshipper", "Fulfilled"], "it is there, so it is not told again"
    assert messages.read_back(back.session(), "a1") == "Fulfilled"
