"""What a read shows, how an order stands, and why one was refused: the functions alone (orders.md 4.2, 6.3)."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vs_st_pipeline.domain.order_desk import Compliance, HeldOrder, Problem, RefusedWrite
from vs_st_pipeline.routes.orders import standing
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.standing import Shows, Stands
from vs_st_pipeline.routes.orders.states import STAGE_OF, State
from vs_st_pipeline_tests.routes.orders.standings import HOW_IT_STANDS, TABLE

NO = Compliance.NOT_COMPLIANT
ODD = (Problem("x", "no such thing", "OTHER"),)


def held(status: str | None = "SUCCESS", order_status: str | None = "OPEN", **more: Any) -> HeldOrder:
    return HeldOrder("HILLSIDE-1001", status, order_status, **more)


def standing_so(state: State, code: str | None) -> Stands:
    blank = dict.fromkeys((one.name for one in fields(OrderRow)), None)
    return standing.stands(cast(OrderRow, SimpleNamespace(**{**blank, "state": state, "code": code})))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (held(), Shows.ACCEPTED),
        (held(order_status="SHIPPED"), Shows.ACCEPTED),
        (held(compliance=NO, problems=ODD), Shows.ACCEPTED),  # SUCCESS with problems is sent, and noted
        (held(order_status="CANCELLED"), Shows.CANCELLED),
        (held("DELETED"), Shows.CANCELLED),
        (held(None, "CANCELLED"), Shows.CANCELLED),
        (held("CANCELLED", "OPEN"), Shows.CANCELLED),  # one app has seen it there
        (held("PENDING", problems=ODD), Shows.REFUSED),
        (held("PROBLEM"), Shows.REFUSED),
        (held("AGE_VERIFICATION_FAILED", "SHIPPED"), Shows.REFUSED),
        (held("PENDING"), Shows.PENDING),
        (held("PENDING", None), Shows.PENDING),
        (held("A_NEW_WORD", "UNPAID"), Shows.PENDING),
        *((held("PENDING", word), Shows.MOVED_ON) for word in STAGE_OF),
        *((held(None, word), Shows.MOVED_ON) for word in STAGE_OF),
        (held(None, None), Shows.NOTHING),
        (held(None), Shows.NOTHING),
        (held(None, compliance=NO), Shows.REFUSED),
        (held(None, problems=ODD), Shows.REFUSED),
        (None, Shows.MISSING),
    ],
)
def test_o4_2_what_a_read_shows(shown: HeldOrder | None, expected: Shows) -> None:
    assert standing.shows(shown, ours=True) is expected


def test_o4_2_an_answer_to_a_write_says_something_whatever_it_leaves_out() -> None:
    assert standing.shows(held(None, None), ours=True, answer=True) is Shows.PENDING
    assert standing.shows(held(None, "SHIPPED"), ours=True, answer=True) is Shows.MOVED_ON
    assert standing.shows(held(None, compliance=NO), ours=True, answer=True) is Shows.REFUSED


def test_o6_2_of_somebody_elses_order_nothing_else_is_looked_at() -> None:
    for one in (held(), held(order_status="CANCELLED"), held(None, None)):
        assert standing.shows(one, ours=False) is Shows.FOREIGN
    assert standing.shows(None, ours=False) is Shows.MISSING


@pytest.mark.parametrize(("state", "code", "expected"), HOW_IT_STANDS)
def test_o4_2_how_an_order_stands(state: State, code: str | None, expected: Stands) -> None:
    assert standing_so(state, code) is expected


def test_o4_2_the_table_is_that_of_the_contract() -> None:
    assert {stands: tuple(row[shown] for shown in Shows) for stands, row in standing.TABLE.items()} == TABLE


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (held("AGE_VERIFICATION_FAILED", compliance=NO, problems=ODD), "compliance"),
        (held("AGE_VERIFICATION_FAILED", problems=ODD), "age_verification"),
        (held("AGE_VERIFICATION_PENDING"), "age_verification"),
        (held("PAYMENT_CAPTURE_FAILED", problems=ODD), "payment"),
        (held("PENDING", problems=(*ODD, Problem(None, None, "PAYMENT_DECLINED"))), "payment"),
        (held("PENDING", problems=ODD), "problem"),
        (held(None, problems=ODD), "problem"),
        (held("PROBLEM"), "problem"),
        (held("PROBLEM", problems=ODD), "problem"),
        (held("PENDING"), None),
        (held(None), None),
    ],
)
def test_o4_2_why_it_was_not_taken_is_the_first_that_fits(one: HeldOrder, code: str | None) -> None:
    assert standing.refusal_code(one) == code


@pytest.mark.parametrize(
    ("problems", "code"),
    [
        ((), None),
        (ODD, None),
        ((Problem("age_verification_failed", None, None),), "age_verification"),
        ((Problem(None, None, "AGE_VERIFICATION_FAILED"),), "age_verification"),
        ((Problem("PAYMENT_DECLINED", None, None),), "payment"),
        ((Problem(None, None, "payment"),), "payment"),
        ((Problem("PAYMENT_DECLINED", None, None), Problem(None, None, "AGE_VERIFICATION_FAILED")), "age_verification"),
    ],
)
def test_o4_2_problems_about_age_or_payment_are_told_apart(problems: tuple[Problem, ...], code: str | None) -> None:
    assert standing.problem_code(problems) == code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (RefusedWrite("COMPLIANCE", is_compliance=True), "compliance"),
        (RefusedWrite("PAYMENT_DECLINED", is_compliance=True), "compliance"),
        (RefusedWrite("AGE_VERIFICATION_FAILED"), "age_verification"),
        (RefusedWrite("VALIDATION", (Problem(None, None, "PAYMENT_DECLINED"),)), "payment"),
        (RefusedWrite("VALIDATION", ODD), "validation"),
        (RefusedWrite(None), "validation"),
    ],
)
def test_o6_3_why_a_write_was_refused(answer: RefusedWrite, code: str) -> None:
    assert standing.refused_code(answer) == code
