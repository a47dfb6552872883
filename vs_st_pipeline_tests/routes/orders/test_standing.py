"""What a read means for an order that stands so (`standings`), in its file; what is noted with it (4.3, 6.6, 7.1)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.domain.order_desk import Compliance, HeldOrder, Problem
from vs_st_pipeline.routes.orders import ledger, standing
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.standing import Shows, Stands, Then
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, STAGE_OF, State
from vs_st_pipeline_tests.routes.orders.dispatch import NOON, VIOLATION, Dispatch, Shipper
from vs_st_pipeline_tests.routes.orders.standings import STATES, TABLE

N = "HILLSIDE-1001"
VIOLATED = (Problem("CLOSED", "no wine there", VIOLATION),)
OURS = HeldOrder(
    N, "SUCCESS", "OPEN", compliance=Compliance.COMPLIANT, shop_order_id="a1", zip5="94558",
    state="CA", quantities={"CAB-2020": 2}, total=Decimal("95.00"),
)  # fmt: skip
READS: dict[Shows, Any] = {
    Shows.ACCEPTED: OURS,
    Shows.CANCELLED: replace(OURS, order_status="CANCELLED"),
    Shows.REFUSED: replace(OURS, status="PENDING", problems=VIOLATED, compliance=Compliance.NOT_COMPLIANT),
    Shows.PENDING: replace(OURS, status="PENDING", compliance=Compliance.NOT_CHECKED),
    Shows.MOVED_ON: replace(OURS, status="PAYMENT_AUTHORIZED", order_status="LABELS_GENERATED"),
    Shows.NOTHING: replace(OURS, status=None, order_status=None, compliance=Compliance.NOT_CHECKED),
    Shows.FOREIGN: replace(OURS, shop_order_id="b9"),
    Shows.MISSING: None,
}
COMES_TO = {
    Then.SENT: ("sent", None), Then.VOIDED: ("voided", None), Then.FAILED: ("failed", "compliance"),
    Then.PENDING: ("sending", None), Then.TAKEN: ("failed", "number_taken"),
}  # fmt: skip
NOTED = {Then.ACCEPTED_THERE: {"accepted_there"}, Then.REVIVED: {"revived_there"}, Then.TROUBLE: {"problem_there"}}


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dispatch, OrderRow]:
    dispatch = Dispatch(tmp_path_factory.mktemp("standing"), slot=2)
    dispatch.take_in(dispatch.add())
    return dispatch, dispatch.row()


@pytest.fixture
def one(taken_in: tuple[Dispatch, OrderRow]) -> Dispatch:
    dispatch, row = taken_in
    dispatch.at, dispatch.shipper = NOON, Shipper(clock=lambda: dispatch.at)
    with dispatch.db() as db:
        for table in ("raw.vinoshipper_sent_orders", "staged.shipments", *_OWN):
            db.execute(f"delete from {table}")
        ledger.store(db, row)
    return dispatch


_OWN = ("synced.orders", "synced.order_notes", "synced.order_activity", "synced.order_writes", "synced.order_facts")


def put(one: Dispatch, stands: Stands | tuple[State, str | None] = Stands.SENT, **changed: Any) -> None:
    state, code = STATES[stands] if isinstance(stands, Stands) else stands
    since = one.at if state is State.SENDING else None
    with one.db() as db, db.transaction():
        row = ledger.find(db, ["a1"])["a1"]
        usual: dict[str, Any] = {"state": state, "code": code, "vs_number": N, "sending_since": since}
        ledger.store(db, replace(row, **{**usual, **changed}))


def read(one: Dispatch, held: HeldOrder | None, **how: Any) -> None:
    session = one.session()
    with one.db() as db, db.transaction():
        standing.apply(session, db, ledger.find(db, ["a1"])["a1"], held, by="watch", **how)


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", list(Shows))
@pytest.mark.parametrize("stands", list(Stands))
def test_o4_2_each_row_by_each_read(one: Dispatch, stands: Stands, shown: Shows) -> None:
    put(one, stands)
    read(one, READS[shown])
    then = TABLE[stands][list(Shows).index(shown)]
    state, code = STATES[stands]
    if (stands, shown) == (Stands.SENDING, Shows.MISSING):  # it was never tried, so it was adopted, and is pending
        assert one.notes() == {"pending"}
    assert one.stands() == COMES_TO.get(then, (str(state), code))
    assert NOTED.get(then, set()) <= one.notes()


@pytest.mark.parametrize("shown", list(Shows))
def test_o4_2_a_read_shows_what_it_shows(shown: Shows) -> None:
    held = READS[shown]
    assert standing.shows(held, ours=held is None or held.shop_order_id == "a1") is shown


def test_o4_2_the_same_read_once_more_changes_and_tells_nothing(one: Dispatch) -> None:
    for held in (OURS, READS[Shows.REFUSED], None):
        put(one)
        read(one, held)
        before = one.row(), one.rows("select count(*) from synced.order_activity"), one.notes()
        read(one, held)
        after = one.row(), one.rows("select count(*) from synced.order_activity"), one.notes()
        assert after == before


def test_o4_2_success_with_problems_is_sent_and_noted(one: Dispatch) -> None:
    put(one, Stands.SENDING)
    read(one, replace(OURS, compliance=Compliance.NOT_COMPLIANT, problems=VIOLATED, order_status="UNPAID"))
    assert one.stands() == ("sent", None)
    assert {"problem_there", "unpaid_there"} <= one.notes()
    read(one, OURS)
    assert not {"problem_there", "unpaid_there"} & one.notes()


# --- pending ----------------------------------------------------------------------------------------------------------


def test_o4_2_pending_for_an_hour_fails_is_read_hourly_and_may_be_sent_yet(one: Dispatch) -> None:
    put(one, Stands.SENDING)
    read(one, READS[Shows.PENDING])
    assert (one.stands(), one.notes()) == (("sending", None), {"pending"})
    one.later(minutes=59)
    read(one, READS[Shows.PENDING])
    assert one.stands() == ("sending", None)
    one.later(minutes=1)
    read(one, READS[Shows.PENDING])
    assert (one.stands(), one.notes()) == (("failed", "pending_there"), set())
    assert one.row().next_read_at == one.at + timedelta(hours=1)
    one.later(hours=1)
    read(one, READS[Shows.PENDING])
    assert one.stands() == ("failed", "pending_there")
    assert one.row().next_read_at == one.at + timedelta(hours=1)
    read(one, OURS)
    assert one.stands() == ("sent", None)


@pytest.mark.parametrize("status", ["PENDING", "PAYMENT_AUTHORIZED", "AWAITING_REVIEW"])
def test_o4_2_beyond_open_is_sent_whatever_the_status(one: Dispatch, status: str) -> None:
    for word in STAGE_OF:
        put(one, Stands.SENDING)
        read(one, replace(OURS, status=status, order_status=word))
        assert one.stands() == ("sent", None)
        assert "problem_there" not in one.notes()


# --- failed there -----------------------------------------------------------------------------------------------------


def test_o4_2_failed_there_is_read_with_doubling_gaps_for_14_days(one: Dispatch) -> None:
    put(one, Stands.SENDING)
    read(one, READS[Shows.REFUSED])
    failed_at, gaps = one.at, []
    while (due := one.row().next_read_at) is not None:
        gaps.append((due - one.at) / timedelta(minutes=1))
        one.at = due
        read(one, READS[Shows.REFUSED])
        assert one.stands() == ("failed", "compliance"), "time alone changes nothing"
    assert gaps[:9] == [15, 30, 60, 120, 240, 480, 960, 1440, 1440]
    assert max(gaps) == 1440
    assert timedelta(days=14) <= one.at - failed_at < timedelta(days=15)


def test_o4_2_a_read_before_its_time_moves_no_schedule(one: Dispatch) -> None:
    put(one, Stands.SENDING)
    read(one, READS[Shows.REFUSED])
    due = one.row().next_read_at
    one.later(minutes=1)
    read(one, READS[Shows.REFUSED])
    assert one.row().next_read_at == due


def test_ruling_3_a_verified_age_counts_for_that_code_alone_and_once(one: Dispatch) -> None:
    refused = replace(OURS, status="AGE_VERIFICATION_FAILED", compliance=Compliance.NOT_CHECKED, age_verified=False)
    put(one, Stands.SENDING, judged_content="h")
    read(one, refused)
    assert (one.stands(), one.row().judged_content) == (("failed", "age_verification"), "h")
    read(one, replace(refused, age_verified=True))
    assert one.row().judged_content is None, "it is judged and sent again"
    put(one, (State.FAILED, "age_verification"), judged_content="h")
    read(one, replace(refused, age_verified=True))
    assert one.row().judged_content == "h", "it was verified before, and was refused all the same"
    put(one, Stands.FAILED_THERE, judged_content="h")
    read(one, refused)
    put(one, Stands.FAILED_THERE, judged_content="h")
    read(one, replace(READS[Shows.REFUSED], age_verified=True))
    assert one.row().judged_content == "h"


def test_o4_2_dont_send_that_vs_accepted_stays_and_is_noted_while_it_lasts(one: Dispatch) -> None:
    put(one, Stands.KEPT_BACK)
    read(one, OURS)
    assert (one.stands(), one.notes()) == (("not_required", "dont_send"), {"accepted_there"})
    read(one, READS[Shows.CANCELLED])
    assert (one.stands(), one.notes()) == (("not_required", "dont_send"), set())


@pytest.mark.parametrize("there", ["accepted", "cancelled"])
def test_o4_2_send_lifts_dont_send_though_vs_accepted_the_order_meanwhile(one: Dispatch, there: str) -> None:
    put(one, Stands.KEPT_BACK)
    read(one, OURS)
    one.shipper.held[OURS.number] = OURS if there == "accepted" else READS[Shows.CANCELLED]
    assert one.send(who="cli:ada").done == (there == "accepted")
    assert one.stands() == (("sent", None) if there == "accepted" else ("voided", None))
    assert one.notes() == {"adopted"}, "what was alerted is mended"
    assert one.shipper.writes() == []


# --- sent -------------------------------------------------------------------------------------------------------------


def test_o4_2_sent_and_not_success_any_more_stays_sent_with_a_note(one: Dispatch) -> None:
    put(one)
    read(one, OURS)
    read(one, READS[Shows.MOVED_ON])
    assert "problem_there" in one.notes(), "it was SUCCESS before"
    read(one, READS[Shows.PENDING])
    assert (one.stands(), one.notes()) == (("sent", None), {"problem_there"})
    read(one, OURS)
    assert one.notes() == set()


def test_o4_2_missing_in_two_reads_an_hour_apart_is_noted_and_never_made_again(one: Dispatch) -> None:
    put(one)
    read(one, None)
    one.later(minutes=59)
    read(one, None)
    assert (one.stands(), one.notes()) == (("sent", None), set())
    one.later(minutes=1)
    read(one, None)
    assert (one.stands(), one.notes()) == (("sent", None), {"missing_there"})
    read(one, OURS)
    assert one.notes() == set()
    one.later(hours=2)
    read(one, None)
    assert one.notes() == set(), "the hour begins anew"


def test_o4_2_voided_is_final_and_a_revived_one_is_noted(one: Dispatch) -> None:
    put(one)
    read(one, replace(READS[Shows.CANCELLED], order_status="SHIPPED", status="DELETED"))
    assert one.stands() == ("voided", None)
    read(one, OURS)
    assert (one.stands(), one.notes()) == (("voided", None), {"revived_there"})
    read(one, READS[Shows.CANCELLED])
    assert one.notes() == set()


def test_of_every_answer_another_orders_changes_nothing_but_a_note(one: Dispatch) -> None:
    put(one)
    before = one.row()
    read(one, replace(READS[Shows.FOREIGN], order_status="SHIPPED"))
    after = one.row()
    assert (after.stage, after.compliance, after.state) == (before.stage, before.compliance, State.SENT)
    assert one.notes() == {"problem_there"}
    assert one.rows("select count(*) from staged.shipments") == [(0,)]


def test_o6_2_without_meta_an_order_is_ours_by_zip_and_quantities(one: Dispatch) -> None:
    bare = replace(OURS, shop_order_id=None)
    for held, ours in (
        (bare, True), (replace(bare, zip5="94559"), False), (replace(bare, quantities={"CAB-2020": 3}), False),
        (replace(bare, quantities=None), False), (replace(bare, zip5=None), False),
    ):  # fmt: skip
        put(one, Stands.SENDING)
        read(one, held)
        assert one.stands() == (("sent", None) if ours else ("failed", "number_taken"))
        one.warehouse.db.execute("delete from staged.shipments")


# --- compliance, stages, differences ----------------------------------------------------------------------------------


def test_o4_3_compliance_and_problems_are_kept_as_they_came(one: Dispatch) -> None:
    put(one, Stands.SENDING)
    read(one, replace(READS[Shows.REFUSED], trace_id="t1"))
    row = one.row()
    assert (row.compliance, row.trace_id, row.compliance_at) == ("not_compliant", "t1", one.at)
    assert '"no wine there"' in row.problems
    read(one, READS[Shows.PENDING])
    assert one.row().compliance == "not_compliant", "an answer that does not say leaves what was said"
    read(one, OURS)
    assert (one.row().compliance, one.row().problems) == ("compliant", "[]")


def test_o7_1_stages_go_forward_only_save_that_open_takes_a_label_back(one: Dispatch) -> None:
    put(one)
    seen = []
    for word in ("LABELS_GENERATED", "OPEN", "SHIPPED", "OPEN", "LABELS_GENERATED", "DELIVERED", "SHIPPED", "RETURNED"):
        read(one, replace(OURS, order_status=word))
        seen.append(one.row().stage)
    assert seen == ["Fulfilled", None, "Shipped", "Shipped", "Shipped", "Delivered", "Delivered", "Returned"]
    assert one.row().shipped_seen_at == one.at


def test_o7_1_an_unknown_status_is_kept_and_noted_while_it_lasts(one: Dispatch) -> None:
    put(one, stage="Shipped")
    read(one, replace(OURS, order_status="ON_A_CART"))
    assert (one.row().stage, one.notes()) == ("Shipped", {"unknown_status"})
    read(one, OURS)
    assert one.notes() == set()


def test_o6_6_what_differs_from_what_was_sent_is_noted_until_it_is_as_sent(one: Dispatch) -> None:
    one.sync()
    held = one.shipper.held[N]
    assert one.notes() == set()
    read(one, replace(held, total=Decimal("94.99")))
    assert one.notes() == set(), "it is compared when it is accepted"
    put(one, Stands.SENDING, sent=one.row().sent)
    read(one, replace(held, total=Decimal("94.99"), zip5="94559", state="NV", quantities={"CAB-2020": 1, "PN": 1}))
    ((says,),) = one.rows("select says from synced.order_notes where note = 'differs_there'")
    told = [one["name"] for one in json.loads(says)]
    assert told == ["quantity of CAB-2020", "quantity of PN", "state", "ZIP", "total"]
    read(one, replace(held, total=Decimal("94.99")))
    ((says,),) = one.rows("select says from synced.order_notes where note = 'differs_there'")
    assert json.loads(says) == [{"name": "total", "ours": "95.00", "theirs": "94.99"}]
    read(one, held)
    assert one.notes() == set()


def test_o5_1_taxes_that_are_too_low_are_noted_with_the_amount(one: Dispatch) -> None:
    put(one)
    read(one, replace(OURS, taxes_adjusted=Decimal("-3.5")))
    assert one.rows("select note, says from synced.order_notes") == [("tax_short", "3.50")]


def test_all_codes_of_the_shipper_are_rows_of_the_table(one: Dispatch) -> None:
    for code in BY_SHIPPER:
        row = replace(one.row(), state=State.FAILED, code=str(code))
        wanted = {"number_taken": Stands.TAKEN, "not_reachable": Stands.SENDING}
        assert standing.stands(row) is wanted.get(code, Stands.FAILED_THERE)
