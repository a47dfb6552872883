"""Which keys of ours a refusal calls unknown (orders.md 5.1), and what a conflict is (6.3), in any likely form."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vs_st_pipeline.connectors.vinoshipper.order_answers import of_answer, of_error, unknown_keys
from vs_st_pipeline.domain.errors import BadSettings, Refused
from vs_st_pipeline.domain.order_desk import Conflict, Done, Problem, RefusedWrite, UnknownOutcome
from vs_st_pipeline.platform.http.client import Answer

SENT = {
    **dict.fromkeys(("sourceUrl", "metaFields", "fees", "disableCustomerNotifications", "paid", "isPaid"), 1),
    "orderNumber": "H-1",
    "shipToAddress": {"businessName": "x"},
}


def error(*entries: Any, type: str = "VALIDATION") -> dict[str, Any]:
    return {"error": {"status": 400, "type": type, "errors": list(entries)}}


def entry(description: str | None, field: str | None = None, code: str = "invalid", **more: Any) -> dict[str, Any]:
    return {"description": description, "code": code, "field": field, "shortDescription": None, **more}


JACKSON = (
    'Unrecognized field "paid" (class com.x.OrderForm), not marked as ignorable (2 known properties: "isPaid", "fees")'
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (error(entry('Unrecognized field "fees"', "fees", "unknown_property")), ("fees",)),
        (error(entry(None, "shipToAddress.businessName", "unknown_property")), ("businessName",)),
        (error(entry("x", "shipToAddress.businessName", "UNRECOGNIZED_FIELD")), ("businessName",)),
        (error(entry("is unknown", "sourceUrl")), ("sourceUrl",)),
        (error(entry(JACKSON)), ("paid",)),
        ({"message": JACKSON}, ("paid",)),
        ({"error": JACKSON}, ("paid",)),
        ({"error": {"type": "VALIDATION", "message": "Unknown property: metaFields"}}, ("metaFields",)),
        ({"errors": {"isPaid": "is not a known property"}}, ("isPaid",)),
        ({"errors": ["fees is not allowed"]}, ("fees",)),
        ([{"message": "Unknown field", "path": "/shipToAddress/businessName"}], ("businessName",)),
        (error(entry("unexpected property", "$.disableCustomerNotifications")), ("disableCustomerNotifications",)),
        (error(entry("unknown", "fees"), entry("unknown", "paid")), ("fees", "paid")),
        (error(entry("Additional properties are not allowed ('isPaid' was unexpected)")), ("isPaid",)),
        # Something is wrong with the key's value: that is not the key.
        (error(entry("must be an amount", "fees")), ()),
        (error(entry("unknown value", "fees")), ()),
        (error(entry("Unknown product", "products[0].productId")), ()),
        (error(entry("Unrecognized token 'paid': was expecting JSON")), ()),
        # Another key is meant.
        (error(entry("unknown", "taxes"), entry("must be true", "paid")), ()),
        (error(entry('Unrecognized field "wild" (2 known properties: "isPaid", "fees")')), ()),
        (error(entry("unknown", "restoreInventory")), ()),  # was not sent
        (error(), ()),
        ({}, ()),
        ("paid is unknown", ("paid",)),
        (None, ()),
    ],
)
def test_o5_1_keys_that_a_refusal_calls_unknown(said: Any, expected: tuple[str, ...]) -> None:
    assert unknown_keys(said if not isinstance(said, str) else {"error": said}, SENT) == expected


@pytest.mark.parametrize("key", ["field", "property", "path", "propertyPath", "key"])
def test_o5_1_o6_3_a_key_is_named_under_any_of_these(key: str) -> None:
    """Also where nothing else of the answer is known, and where it is the answer's only error."""
    named = {key: "fees", "code": "unknown_property"}
    for said in (error(named), {"error": named}, named, [named]):
        assert unknown_keys(said, SENT) == ("fees",), said
    assert refusal(400, error({key: "orderNumber", "description": "in use"})) == Conflict(400, "t")


@pytest.mark.parametrize("key", ["description", "message", "detail", "shortDescription", "reason", "title"])
def test_o5_1_a_text_stands_under_any_of_these(key: str) -> None:
    named = {key: "Unknown property: metaFields"}
    for said in (error(named), {"error": named}, named, [named]):
        assert unknown_keys(said, SENT) == ("metaFields",), said


def test_o6_3_a_refusal_without_any_word_is_still_one() -> None:
    answer = refusal(400, {})
    assert answer == RefusedWrite(None, (), is_compliance=False, http_status=400, trace_id="t")


@pytest.mark.parametrize("type", ["COMPLIANCE", " compliance ", "Compliance"])
def test_o4_3_a_refusals_type_is_read_in_any_case_and_place(type: str) -> None:
    for said in ({"error": {"type": type}}, {"type": type}, {"error": "no", "type": type}):
        answer = refusal(422, said)
        assert isinstance(answer, RefusedWrite)
        assert (answer.is_compliance, answer.code) == (True, "COMPLIANCE"), said


def test_o4_3_the_inner_type_outweighs_the_outer_one() -> None:
    answer = refusal(400, {"type": "COMPLIANCE", "error": {"type": "VALIDATION"}})
    assert isinstance(answer, RefusedWrite)
    assert (answer.is_compliance, answer.code) == (False, "VALIDATION")


@pytest.mark.parametrize("type", ["compliance_violation", " COMPLIANCE_VIOLATION"])
def test_o4_3_one_problem_that_is_a_violation_makes_it_one_of_compliance(type: str) -> None:
    said = {"orderProblems": [{"code": "X", "description": "no", "type": "OTHER"}, {"code": "Y", "type": type}]}
    answer = refusal(400, said)
    assert isinstance(answer, RefusedWrite)
    assert (answer.is_compliance, [one.code for one in answer.problems]) == (True, ["X", "Y"])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([{"orderNumber": "H-1"}], "bad_answer"),
        ("H-1", "bad_answer"),
        (None, "bad_answer"),
        ({}, "bad_answer"),
        ({"orderNumber": " "}, "bad_answer"),
        ({"orderNumber": "H-2"}, "another_record"),
        ({"orderNumber": "H-1", "error": {"status": 500}}, "another_record"),
    ],
)
def test_o6_3_a_2xx_that_is_not_surely_that_order_is_unknown(body: Any, why: str) -> None:
    answer = Answer(msgspec.Raw(msgspec.json.encode(body)), 200, None, "t")
    assert of_answer(answer, "H-1") == UnknownOutcome(why, 200, "t")


def test_o6_3_a_2xx_that_is_that_order_is_done() -> None:
    found = of_answer(Answer(msgspec.Raw(b'{"orderNumber": "H-1"}'), 201, None, "t"), " H-1 ")
    assert isinstance(found, Done)
    assert (found.held.number, found.http_status) == ("H-1", 201)


def test_o6_3_a_refusal_without_a_type_has_the_code_of_its_error_and_is_none_of_compliance() -> None:
    said = {"errors": [{"code": "X", "description": "no"}]}
    answer = of_error(Refused("refused", http_status=400, said=said, code="BAD_ORDER"), SENT)
    assert isinstance(answer, RefusedWrite)
    assert (answer.code, answer.is_compliance, [one.type for one in answer.problems]) == ("BAD_ORDER", False, [None])


def test_a_key_that_was_not_sent_is_not_meant() -> None:
    said = error(entry("unknown", "restoreInventory"))
    assert unknown_keys(said, {"reason": "x", "restoreInventory": True}) == ("restoreInventory",)


def refusal(status: int, said: Any) -> Any:
    return of_error(Refused("refused", http_status=status, said=said, trace_id="t"), SENT)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (409, None),
        (409, error()),
        (400, error(entry("taken"), type="CONFLICT")),
        (422, error(entry("taken"), type="conflict")),
        (400, error(entry("in use", "orderNumber"))),
        (400, {"errors": {"orderNumber": "in use"}}),
    ],
)
def test_o6_3_conflict(status: int, said: Any) -> None:
    assert refusal(status, said) == Conflict(status, "t")


@pytest.mark.parametrize(("status", "said"), [(404, error()), (400, None), (422, None), (410, error()), (405, {})])
def test_o6_3_what_is_no_refusal_is_unknown(status: int, said: Any) -> None:
    assert refusal(status, said) == UnknownOutcome("bad_answer", status, "t")


def test_o4_3_a_refusal_for_compliance() -> None:
    said = error(entry("Wine cannot go there", None, "STATE_CLOSED"), type="COMPLIANCE")
    assert refusal(400, said) == RefusedWrite(
        "COMPLIANCE",
        (Problem("STATE_CLOSED", "Wine cannot go there", "COMPLIANCE"),),
        is_compliance=True,
        http_status=400,
        trace_id="t",
    )
    said = {"orderProblems": [{"code": "X", "description": "no", "type": "COMPLIANCE_VIOLATION"}]}
    answer = refusal(422, said)
    assert isinstance(answer, RefusedWrite)
    assert (answer.is_compliance, len(answer.problems)) == (True, 1)


def test_what_is_wrong_on_our_side_is_raised() -> None:
    with pytest.raises(BadSettings):
        of_error(BadSettings("no base_url"), SENT)
