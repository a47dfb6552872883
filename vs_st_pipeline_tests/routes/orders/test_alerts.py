"""People are told once of each order and code, in one message in 15 minutes at most (orders.md 8; ruling 10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.routes.orders import alerts, ledger
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline_tests.routes.orders.returning import Returns


@pytest.fixture
def back(tmp_path: Path) -> Returns:
    found = Returns(tmp_path)
    for i in range(1, 5):
        found.add(order_id=f"a{i}", number=str(1000 + i))
        found.take_in(f"a{i}")
    return found


def fails(back: Returns, order_id: str, code: str | None = "compliance") -> None:
    with back.db() as db, db.transaction():
        row = ledger.find(db, [order_id])[order_id]
        state = State.FAILED if code else State.SENT
        ledger.move(db, back.session().run, row, "judged", "x", state=state, code=code)


def noted(back: Returns, order_id: str, word: str) -> None:
    with back.db() as db, db.transaction():
        ledger.note(db, back.session().run, order_id, word, "ada@example.com")


def looked(back: Returns) -> list[str]:
    session = back.session()
    alerts.look(session)
    assert session.report.troubles is not None
    assert len({one.occurrence for one in session.report.troubles}) == len(session.report.troubles)
    return [one.says for one in session.report.troubles]


def occurrences(back: Returns) -> list[str]:
    session = back.session()
    alerts.look(session)
    return [one.occurrence for one in session.report.troubles or []]


def test_o8_failed_orders_are_told_together_once(back: Returns) -> None:
    for order_id, code in (("a1", "compliance"), ("a2", "compliance"), ("a3", "unknown_sku")):
        fails(back, order_id, code)
    (says,) = looked(back)
    first, second = says.split("\n")
    assert first.startswith("compliance (1001, 1002): Vinoshipper may not ship it by law")
    assert second.startswith("unknown_sku (1003): ")
    back.later(minutes=20)
    assert looked(back) == [says]
    back.later(days=1)
    assert looked(back) == []


def test_o8_the_next_message_comes_15_minutes_later(back: Returns) -> None:
    fails(back, "a1")
    looked(back)
    fails(back, "a2")
    fails(back, "a3", "late")
    back.later(minutes=14)
    assert len(looked(back)) == 1
    back.later(minutes=1)
    assert [says.split(":")[0] for says in looked(back)] == ["compliance (1001)", "compliance (1002)"]


def test_ruling_10_refunded_after_sent_is_told_at_once(back: Returns) -> None:
    fails(back, "a1")
    looked(back)
    fails(back, "a2", None)
    noted(back, "a2", "refunded_after_sent")
    found = looked(back)
    assert found[1].startswith("refunded_after_sent (1002): ")


def test_o8_what_was_mended_and_comes_again_is_told_again(back: Returns) -> None:
    fails(back, "a1")
    first = occurrences(back)
    fails(back, "a1", None)
    back.later(minutes=20)
    assert looked(back) == []
    fails(back, "a1")
    again = occurrences(back)
    assert (len(first), len(again)) == (1, 1)
    assert first != again, "it is another message, which everybody is told"


@pytest.mark.parametrize(("stage", "count"), [(None, 1), ("Fulfilled", 1), ("Shipped", 0), ("Delivered", 0)])
def test_o6_5_a_change_is_an_alert_until_it_is_shipped(back: Returns, stage: str | None, count: int) -> None:
    with back.db() as db, db.transaction():
        row = ledger.find(db, ["a1"])["a1"]
        ledger.move(db, back.session().run, row, "stage", "x", state=State.SENT, code=None, stage=stage)
    noted(back, "a1", "changed_after_sent")
    assert len(looked(back)) == count


def test_o8_nobodys_data_and_not_too_many_numbers(back: Returns) -> None:
    noted(back, "a1", "differs_there")
    noted(back, "", "key_refused")
    noted(back, "a2", "no_phone")
    with back.db() as db, db.transaction():
        row = ledger.find(db, ["a4"])["a4"]
        for i in range(30):
            more = {"order_id": f"m{i}", "order_number": str(3000 + i), "state": State.FAILED, "code": "late"}
            ledger.move(db, back.session().run, row, "judged", "x", **more)
    (says,) = looked(back)
    assert "ada" not in says
    assert "no_phone" not in says
    assert "and 10 more" in says
    assert "\nkey_refused: " in says


def test_r27_a_dry_run_tells_nobody(back: Returns) -> None:
    fails(back, "a1")
    session = back.session(dry_run=True)
    alerts.look(session)
    assert session.report.troubles is None


def test_o8_what_was_mended_goes_from_a_message(back: Returns) -> None:
    for order_id in ("a1", "a2"):
        fails(back, order_id)
    looked(back)
    fails(back, "a1", None)
    (says,) = looked(back)
    assert says.startswith("compliance (1002): ")
    fails(back, "a2", None)
    fails(back, "a3")
    assert looked(back) == [], "the next message comes after 15 minutes all the same"
    back.later(minutes=15)
    assert [says.split(":")[0] for says in looked(back)] == ["compliance (1003)"]


def test_o8_a_message_of_an_older_version_stands(back: Returns) -> None:
    session = back.session()
    with back.db() as db, db.transaction():
        older = {"told": [], "messages": [{"at": session.run.now().isoformat(), "says": "late (1): send it"}]}
        ledger.keep_fact(db, session.run, "alerted", older)
    assert looked(back) == ["late (1): send it"]


def test_who_is_fine_says_what_somebody_has_to_look_at(back: Returns) -> None:
    def held_up() -> str | None:
        session = back.session()
        alerts.look(session)
        return session.told.held_up

    assert held_up() == ""
    for order_id in ("a1", "a2"):
        fails(back, order_id, None)
        noted(back, order_id, "changed_after_sent")
    noted(back, "a3", "no_phone")
    noted(back, "", "key_refused")
    assert held_up() == "somebody has to look at orders: changed_after_sent 2"
    with back.db() as db, db.transaction():
        row = ledger.find(db, ["a1"])["a1"]
        ledger.move(db, back.session().run, row, "stage", "x", state=State.SENT, code=None, stage="Shipped")
    assert held_up() == "somebody has to look at orders: changed_after_sent 1"
    session = back.session()
    session.told.shadow = True
    alerts.look(session)
    assert (session.told.held_up or "").startswith("shadow: nothing is written; somebody has to look at orders: ")
