"""A sync that would send history, or believe what looks like a fault, is refused until a person lets it pass (9)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.errors import TryLater, Unsafe
from vs_st_pipeline.domain.order_desk import HeldOrder
from vs_st_pipeline.routes.orders import brake, judging
from vs_st_pipeline.routes.orders.systems import SHIPPER
from vs_st_pipeline_tests.routes.orders.desk_office import Office, open_office

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

OLD = "2026-11-28T12:00:00.000Z"


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    return open_office(monkeypatch, tmp_path)


def add(office: Office, count: int, *, paid: str = OLD, first: int = 0) -> None:
    for n in range(first, first + count):
        office.add(order_id=f"a{n:02}", number=str(1000 + n), orderPaidDate=paid)


def hold(office: Office, *numbers: int) -> None:
    for n in numbers:
        number = f"HILLSIDE-{1000 + n}"
        office.shipper.held[number] = HeldOrder(number, "SUCCESS", "SHIPPED", shop_order_id=f"a{n:02}", body="{}")


def refused(office: Office, **run: bool) -> None:
    with pytest.raises(Unsafe):
        office.whole(**run)


def states(office: Office) -> dict[tuple[str, str | None], int]:
    rows = office.rows("select state, code, count(*) from synced.orders group by 1, 2")
    return {(state, code): count for state, code, count in rows}


def test_o9_a_history_is_refused_after_eleven_reads_and_passes_once_allowed(office: Office) -> None:
    office.settings["send_at_most"] = 2
    add(office, 13)
    refused(office)
    assert len(office.reads()) == 11
    assert office.shipper.writes() == []
    assert office.rows("select part, rule, loss from synced.verdicts") == [(SHIPPER, "history", 13.0)]
    assert office.told()["planned"]["send"] == 13
    session = office.whole(allow_unsafe=True)
    assert session.counts["sent"] == 2
    office.whole()  # the rest of what a person let pass is not asked for again
    assert states(office) == {("sent", None): 4, ("waiting", "queued"): 9}
    add(office, 11, paid="2026-11-27T12:00:00.000Z", first=40)
    office.later(hours=1)
    refused(office)  # another history is another matter


def test_o9_allowing_what_the_last_sync_did_not_say_lets_nothing_pass(office: Office) -> None:
    add(office, 12)
    refused(office, allow_unsafe=True)
    assert office.shipper.writes() == []


def test_r38_a_loss_that_is_more_than_a_tenth_greater_is_refused_again(office: Office) -> None:
    office.settings["send_at_most"] = 1
    add(office, 11)
    refused(office)
    add(office, 3, first=20)
    refused(office, allow_unsafe=True)
    assert office.whole(allow_unsafe=True).counts["sent"] == 1


def test_o9_ten_old_orders_pass_and_so_does_a_run_of_today(office: Office) -> None:
    office.settings["send_at_most"] = 1
    add(office, 10)
    add(office, 5, paid="2026-11-30T12:00:00.000Z", first=20)
    office.whole()
    assert states(office) == {("sent", None): 1, ("waiting", "queued"): 14}


def test_o9_what_vinoshipper_holds_is_adopted_and_is_no_history(office: Office) -> None:
    """A lost ledger: what was sent is read, and found."""
    add(office, 13)
    hold(office, *range(11))
    office.whole()
    assert office.told()["synced"]["adopted"] == 11
    assert states(office) == {("sent", None): 13}


def test_o9_an_outage_that_held_orders_back_is_no_history(office: Office) -> None:
    office.settings |= {"send_at_most": 1, "not_later_than": timedelta(days=90)}
    add(office, 12, paid="2026-12-01T19:00:00.000Z")
    office.shipper.skus = TryLater("down", system="vinoshipper", call="products", http_status=503)
    with pytest.raises(TryLater):
        office.whole()
    office.later(days=4)
    office.shipper.skus = ("CAB-2020",)
    office.whole()
    assert states(office) == {("sent", None): 1, ("waiting", "queued"): 11}


def test_ruling_4_history_is_judged_before_anything_is_looked_for(office: Office) -> None:
    add(office, 12)
    office.add(order_id="b1", number="900", fulfillmentStatus="Fulfilled")
    refused(office)
    assert "HILLSIDE-900" not in office.reads()
    assert office.stands("b1") == ("waiting", "try_later")


@pytest.mark.slow
def test_o9_a_long_history_is_not_sent_in_small_portions(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of it is held there; the reads of one sync do not reach the rest of it."""
    monkeypatch.setattr(judging, "MOST_READS", 12)
    add(office, 24)
    hold(office, *(n for n in range(24) if n % 2))
    for _ in range(6):
        try:
            office.whole()
        except Unsafe:
            break
    assert office.shipper.writes() == []
    assert office.rows("select rule from synced.verdicts") == [("history",)]


def test_o9_a_window_that_shrank_is_not_believed(office: Office) -> None:
    add(office, 1, paid="2026-12-01T19:00:00.000Z")
    office.shop.share = (10, 7)
    refused(office)
    assert office.shipper.writes() == []
    office.shop.share = (0, 0)  # a sync that does not come to reconcile ends nothing
    refused(office)
    office.shop.share = (10, 8)
    office.whole()
    assert states(office) == {("sent", None): 1}


def test_o9_a_window_that_shrank_holds_until_a_person_lets_it_pass_once(office: Office) -> None:
    add(office, 1, paid="2026-12-01T19:00:00.000Z")
    office.shop.share = (10, 7)
    refused(office)
    office.whole(allow_unsafe=True)
    assert states(office) == {("sent", None): 1}
    assert office.rows("select pass from raw.commerce7_passes where done_at_real is not null") == [("reconcile",)]
    office.shop.share = (0, 0)
    office.whole()


def missing(office: Office, held: int, *ids: str) -> None:
    office.shop.share, office.shop.missing = (held, held - len(ids)), frozenset(ids)


def test_o9_what_a_person_let_be_missing_is_asked_for_again_only_once_more_is(office: Office) -> None:
    add(office, 1, paid="2026-12-01T19:00:00.000Z")
    gone = [f"g{n}" for n in range(6)]
    missing(office, 20, *gone)
    refused(office)
    missing(office, 0)  # a person may answer a sync that does not come to reconcile
    office.whole(allow_unsafe=True)
    assert states(office) == {("sent", None): 1}
    for ids in (gone, gone[1:], gone[1:]):  # the next days, as the oldest leave the window
        office.later(hours=24)
        missing(office, 20, *ids)
        office.whole()
    missing(office, 20, *gone[1:], "other")  # as many as were let pass, but not the same
    refused(office)
    office.whole(allow_unsafe=True)
    office.whole()
    missing(office, 20, *gone[1:3])
    office.whole()  # the shop shows most of them again
    missing(office, 20, *gone)
    refused(office)  # and loses them again


def test_o9_another_prefix_than_orders_were_sent_under(office: Office) -> None:
    add(office, 1, paid="2026-12-01T19:00:00.000Z")
    office.whole()
    office.settings["number_prefix"] = "OTHER"
    refused(office)
    office.whole(allow_unsafe=True)
    office.whole()
    assert office.rows("select vs_number from synced.orders") == [("HILLSIDE-1000",)]


def test_o9_another_prefix_is_known_from_what_was_written_where_the_ledger_is_lost(office: Office) -> None:
    add(office, 1, paid="2026-12-01T19:00:00.000Z")
    office.whole()
    office.lose_file()
    office.settings["number_prefix"] = "OTHER"
    refused(office)
    assert [number for call, number in office.shipper.writes() if call == "create"] == ["HILLSIDE-1000"]


def test_o9_a_targeted_sync_sends_no_history_and_is_bound_by_the_last_whole_one(office: Office) -> None:
    add(office, 12)
    refused(office)
    session = office.session(trigger="hint")
    session.only = frozenset({"a00"})
    judging.judge(session)
    brake.ask(session)
    assert session.judged.ready == {}
    with pytest.raises(Unsafe):
        brake.hold(session)
    assert office.rows("select rule from synced.verdicts") == [("history",)]


def test_o9_nothing_is_recorded_that_waits_for_the_brake(office: Office) -> None:
    session = office.session()
    done: list[int] = []
    session.verdicts.append(Verdict(SHIPPER, "gone", 12, "12 of 12 open orders are gone"))
    session.once_safe.append(lambda: done.append(1))
    brake.ask(session)
    with pytest.raises(Unsafe):
        brake.hold(session)
    assert not session.writes
    assert done == []
    session = office.session(allow_unsafe=True)
    session.verdicts.append(Verdict(SHIPPER, "gone", 12, "12 of 12 open orders are gone"))
    session.once_safe.append(lambda: done.append(1))
    brake.ask(session)
    assert done == [1]


def test_o2_in_shadow_nothing_is_sent_and_history_is_judged_where_that_changes(office: Office) -> None:
    office.settings["mode"] = "shadow"
    add(office, 12)
    office.whole()
    assert states(office) == {("waiting", "shadow"): 12}
    office.settings["mode"] = "live"
    refused(office)
