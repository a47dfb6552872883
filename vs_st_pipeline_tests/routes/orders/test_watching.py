"""What becomes of orders is seen with few requests, and many that are gone at once are not believed (3, 4.2, 9 b).

It is long because each pass, each time of 4.2 and each answer that says nothing is tried here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.errors import BadAnswer, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.order_desk import Problem
from vs_st_pipeline.routes.orders import brake, ledger, notes, standing, watching
from vs_st_pipeline.routes.orders.session import OrdersSession
from vs_st_pipeline.routes.orders.settings import Refresh
from vs_st_pipeline.routes.orders.states import Stage, State
from vs_st_pipeline_tests.routes.orders.returning import Returns

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

DAY = timedelta(days=1)


@pytest.fixture
def back(tmp_path: Path) -> Returns:
    return Returns(tmp_path)


def many(back: Returns, count: int) -> list[str]:
    """Let so many orders be sent; the first one really, the others are its copies."""
    back.sent()
    row, held = back.row(), back.shipper.held[back.there()]
    with back.db() as db, db.transaction():
        for i in range(1, count):
            number = f"HILLSIDE-{2000 + i}"
            ledger.store(db, replace(row, order_id=f"c{i}", order_number=f"{2000 + i}", vs_number=number))
            back.shipper.held[number] = replace(held, number=number, shop_order_id=f"c{i}")
            standing.keep_read(db, back.at, f"c{i}", back.shipper.held[number])
    return [row.order_id, *(f"c{i}" for i in range(1, count))]


def judged(session: OrdersSession) -> list[Verdict]:
    """Look, and do as the brake does; return what it says of orders that are gone."""
    watching.watch(session)
    if not (found := watching.gone(session)):
        for record in session.once_safe:
            record()
    return found


def looked(back: Returns) -> tuple[int, int]:
    """Return how many details were read and pages searched by one more look."""
    reads, searches = back.shipper.reads(), back.shipper.searches
    judged(back.session())
    return back.shipper.reads() - reads, back.shipper.searches - searches


@pytest.mark.slow
def test_o12_a_thousand_open_orders_take_at_most_45_requests_an_hour(back: Returns) -> None:
    many(back, 1000)
    looked(back)
    assert looked(back) == (0, 41), "one page of shipped days, forty of placed ones"
    # Four looks at shipped days an hour, one at what is open.
    assert 3 * 1 + 41 <= 45


def test_o3_nothing_is_asked_between_refreshes(tmp_path: Path) -> None:
    back = Returns(tmp_path, settings={"refresh": Refresh()})
    back.sent()
    looked(back)
    assert looked(back) == (0, 0)
    back.later(days=2)
    assert looked(back) == (0, 0), "refreshes go by the machine's clock (ruling 2)"


def test_ruling_1_a_row_that_differs_is_read_once(back: Returns) -> None:
    many(back, 3)
    looked(back)
    assert looked(back) == (0, 2)
    back.shipper.change("HILLSIDE-2001", order_status="LABELS_GENERATED")
    assert looked(back)[0] == 1
    assert looked(back)[0] == 0
    assert back.row("c1").stage == Stage.FULFILLED


def test_ruling_1_a_row_that_is_missing_is_read(back: Returns) -> None:
    many(back, 3)
    looked(back)
    back.shipper.hidden = {"HILLSIDE-2001"}
    assert looked(back)[0] == 1


def test_ruling_1_what_a_row_cannot_show_is_read_each_time(back: Returns) -> None:
    many(back, 4)
    looked(back)
    back.shipper.goes("HILLSIDE-2001", "SHIPPED", "1Z1", None)
    back.shipper.change("HILLSIDE-2002", status="PROBLEM", order_status="PROBLEM", problems=(Problem("X", "y", "z"),))
    looked(back)
    assert "problem_there" in back.notes("c2")
    assert looked(back)[0] == 2
    back.shipper.goes("HILLSIDE-2001", "SHIPPED", "1Z1", "1Z2")
    back.shipper.change("HILLSIDE-2002", status="SUCCESS", problems=())
    looked(back)
    assert back.notes("c2") == set()
    assert looked(back)[0] == 0


def test_o3_few_orders_of_many_days_are_read_themselves(back: Returns) -> None:
    many(back, 2)
    for number, days in (("HILLSIDE-1001", 40), ("HILLSIDE-2001", 1)):
        back.shipper.change(number, purchased_at=back.at - days * DAY)
    looked(back)
    with back.db() as db, db.transaction():
        ledger.keep_fact(db, back.session().run, "rows_a_day", 100.0)
    assert looked(back) == (2, 1), "their days hold hundreds of rows"


@pytest.mark.parametrize(
    "error",
    [
        BadAnswer("filter ignored", system="vinoshipper", call="search_orders"),
        *(Refused("no", system="vinoshipper", call="search_orders", http_status=code) for code in (405, 404, 400)),
    ],
)
def test_o3_a_search_that_cannot_be_believed_or_is_not_there_is_done_without(
    back: Returns, monkeypatch: pytest.MonkeyPatch, error: PipelineError
) -> None:
    def refuse(first: object, last: object) -> None:
        raise error

    many(back, 3)
    monkeypatch.setattr(back.shipper, "placed", refuse)
    monkeypatch.setattr(back.shipper, "shipped", refuse)
    looked(back)
    assert looked(back)[0] == 3


def test_o3_settled_orders_are_read_for_60_days(tmp_path: Path) -> None:
    back = Returns(tmp_path, settings={"refresh": Refresh(shipped=7 * DAY, open=7 * DAY, settled=timedelta())})
    many(back, 2)
    back.shipper.goes("HILLSIDE-2001", "DELIVERED", "1Z1")
    watching.watch(back.session(), {"c1"})
    looked(back)
    assert looked(back) == (1, 0)
    back.later(days=60, minutes=1)
    assert looked(back) == (0, 0)


def test_o4_2_voided_and_alive_again_is_noted(back: Returns) -> None:
    many(back, 1)
    back.shipper.change(back.there(), order_status="CANCELLED")
    looked(back)
    assert back.stands() == ("voided", None)
    back.settings["refresh"] = Refresh(settled=timedelta())
    back.shipper.change(back.there(), order_status="OPEN")
    looked(back)
    assert (back.stands(), back.notes()) == (("voided", None), {"revived_there"})


def test_o4_2_404_in_two_reads_an_hour_apart_is_missing_there_and_never_made_again(back: Returns) -> None:
    many(back, 2)
    looked(back)
    gone = back.shipper.held.pop("HILLSIDE-2001")
    for minutes, noted in ((0, False), (59, False), (1, True)):
        back.later(minutes=minutes)
        looked(back)
        assert ("missing_there" in back.notes("c1")) == noted
    assert back.stands("c1") == ("sent", None)
    assert [one for one in back.shipper.writes() if one[1] == "HILLSIDE-2001"] == []
    back.shipper.held["HILLSIDE-2001"] = gone
    looked(back)
    assert back.notes("c1") == set()


def test_o4_2_refused_there_is_read_after_15_minutes_doubling_for_14_days(back: Returns) -> None:
    back.add()
    back.take_in("a1")
    back.shipper.trouble["HILLSIDE-1001"] = ("PROBLEM", (Problem("X", "y", "z"),))
    back.send()
    began, reads = back.at, []
    for hours in [0.0, 0.24, 0.25, 0.7, 0.75, 1.7, 1.75, *(24.0 * day for day in range(1, 20))]:
        back.at = began + timedelta(hours=hours)
        reads += [hours] * looked(back)[0]
    assert reads[:3] == [0.25, 0.75, 1.75]
    assert 12 <= len(reads) <= 18
    assert max(reads) <= 15 * 24
    back.shipper.change("HILLSIDE-1001", status="SUCCESS", order_status="OPEN", problems=())
    watching.watch(back.session(), {"a1"})
    assert back.stands() == ("sent", None)


def test_o4_2_pending_is_read_in_each_sync(tmp_path: Path) -> None:
    back = Returns(tmp_path, settings={"refresh": Refresh()})
    back.shipper.status_after_create = "PENDING"
    back.add()
    back.take_in("a1")
    back.send()
    assert (back.stands(), back.notes()) == (("sending", None), {"pending"})
    looked(back)
    assert looked(back)[0] == 1
    back.shipper.change("HILLSIDE-1001", status="SUCCESS")
    looked(back)
    assert (back.stands(), back.notes()) == (("sent", None), set())


def test_o7_5_shipped_for_90_days_is_stuck_and_read_like_settled_ones(back: Returns) -> None:
    many(back, 1)
    back.shipper.goes(back.there(), "SHIPPED", "1Z1")
    looked(back)
    back.later(days=89, hours=23)
    looked(back)
    assert back.notes() == set()
    back.later(hours=1)
    looked(back)
    assert back.notes() == {"stuck"}
    assert looked(back) == (0, 0)
    back.shipper.goes(back.there(), "DELIVERED", "1Z1")
    back.settings["refresh"] = Refresh(settled=timedelta())
    looked(back)
    looked(back)
    assert (back.row().stage, back.notes()) == (Stage.DELIVERED, set())


# --- answers that say nothing -------------------------------------------------------------------------------------


def test_r40_one_that_cannot_be_read_stops_nobody_and_is_asked_again_with_gaps(back: Returns) -> None:
    many(back, 3)
    looked(back)
    for number in ("HILLSIDE-1001", "HILLSIDE-2001"):
        back.shipper.change(number, order_status="LABELS_GENERATED")
    back.shipper.next_reads = [BadAnswer("hollow", system="vinoshipper", call="order")]
    looked(back)
    assert {back.row().stage, back.row("c1").stage} == {None, Stage.FULFILLED}
    assert sorted(map(len, (back.notes(), back.notes("c1")))) == [0, 1]
    back.shipper.next_reads = [BadAnswer("hollow", system="vinoshipper", call="order")]
    looked(back)
    assert looked(back)[0] == 0, "after the second failure it waits"
    back.later(minutes=15)
    looked(back)
    assert back.notes() | back.notes("c1") == set()


def test_r40_a_system_that_is_down_is_its_own_trouble(back: Returns) -> None:
    many(back, 8)
    down: list[PipelineError | None] = [TryLater("down", system="vinoshipper", call="order", http_status=500)] * 9
    back.shipper.hidden = set(back.shipper.held)
    back.shipper.next_reads = down
    with pytest.raises(TryLater):
        looked(back)
    assert {back.stands(order_id) for order_id in ("a1", "c1", "c7")} == {("sent", None)}


def test_r54_what_is_over_the_budget_is_read_by_the_next_sync(back: Returns) -> None:
    many(back, 5)
    back.shipper.hidden = set(back.shipper.held)
    session = back.session(budget=0)
    before = back.shipper.reads()
    watching.watch(session)
    assert back.shipper.reads() - before == 1
    assert looked(back)[0] == 5, "the pass was not done"


# --- the brake ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["CANCELLED", "DELETED", "404"])
def test_o9_over_ten_and_over_30_percent_gone_at_once_are_not_recorded(back: Returns, how: str) -> None:
    ids = many(back, 33)
    looked(back)
    lost = [f"HILLSIDE-{2000 + i}" for i in range(1, 12)]
    for number in lost:
        if how == "404":
            back.shipper.held.pop(number)
        elif how == "DELETED":
            back.shipper.change(number, status="DELETED", order_status="OPEN", total=1)
        else:
            back.shipper.change(number, order_status="CANCELLED")
    (verdict,) = judged(back.session())
    assert (verdict.part, verdict.rule, verdict.loss) == ("vinoshipper", "gone", 11)
    assert {back.stands(order_id) for order_id in ids} == {("sent", None)}
    assert looked(back)[0] >= 11
    session = back.session()
    assert len(judged(session)) == 1, "until a person lets it pass"
    for record in session.once_safe:
        record()
    expected = ("sent", None) if how == "404" else ("voided", None)
    assert {back.stands(f"c{i}") for i in range(1, 12)} == {expected}
    assert judged(back.session()) == []


def test_o9_the_brake_holds_between_refreshes(tmp_path: Path) -> None:
    back = Returns(tmp_path)
    many(back, 12)
    looked(back)
    for number in list(back.shipper.held)[1:]:
        back.shipper.change(number, order_status="CANCELLED")
    judged(back.session())
    back.settings["refresh"] = Refresh()
    assert [one.loss for one in judged(back.session())] == [11]
    assert back.shipper.searches
    for number in list(back.shipper.held)[1:]:
        back.shipper.change(number, order_status="OPEN")
    back.settings["refresh"] = Refresh(shipped=timedelta(), open=timedelta())
    assert judged(back.session()) == [], "Vinoshipper was wrong for a while"
    assert {back.stands(f"c{i}") for i in range(1, 12)} == {("sent", None)}


@pytest.mark.parametrize(("gone", "of"), [(10, 12), (11, 37)])
def test_o9_ten_or_30_percent_are_recorded(back: Returns, gone: int, of: int) -> None:
    many(back, of)
    looked(back)
    for i in range(1, gone + 1):
        back.shipper.change(f"HILLSIDE-{2000 + i}", order_status="CANCELLED")
    session = back.session()
    assert judged(session) == []
    assert back.stands("c1") == ("voided", None)
    assert session.counts["voided"] == gone


def test_o9_orders_that_hints_and_rows_show_as_gone_are_judged_as_one(back: Returns) -> None:
    many(back, 20)
    looked(back)
    for i in range(1, 17):
        back.shipper.change(f"HILLSIDE-{2000 + i}", order_status="CANCELLED")
    session = back.session()
    watching.watch(session, {f"c{i}" for i in range(1, 9)})  # a whole sync's hints
    reads = back.shipper.reads()
    assert [one.loss for one in judged(session)] == [16]
    assert back.shipper.reads() - reads == 8, "no order is read twice"
    assert {back.stands(f"c{i}") for i in range(1, 17)} == {("sent", None)}


def test_o9_no_voiding_is_recorded_by_a_sync_that_is_refused_for_another_reason(tmp_path: Path) -> None:
    back = Returns(tmp_path)
    many(back, 3)
    looked(back)
    back.shipper.change("HILLSIDE-2001", order_status="CANCELLED")
    session = back.session()
    watching.watch(session)
    session.verdicts.append(Verdict("vinoshipper", "prefix", 1, "orders were sent under another prefix"))
    brake.ask(session)
    assert (session.counts["voided"], back.stands("c1")) == (0, ("sent", None))
    back.settings["refresh"] = Refresh()
    session = back.session()
    watching.watch(session)
    brake.ask(session)
    assert (session.counts["voided"], back.stands("c1")) == (1, ("voided", None)), "it is not read for it again"


def test_o8_notes_are_counted_while_they_last_and_failures_from_before(back: Returns) -> None:
    many(back, 3)
    run = back.session().run
    with back.db() as db, db.transaction():
        ledger.note(db, run, "a1", "no_phone")
        ledger.note(db, run, "c1", "no_phone")
        for order_id in ("c1", "c2"):
            ledger.move(db, run, ledger.find(db, [order_id])[order_id], "judged", "x", state=State.FAILED, code="late")
        assert notes.counts(db, {"c2"}) == {"no_phone": 2, "failed_before": 1}
