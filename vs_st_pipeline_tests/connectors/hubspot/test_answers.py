"""What an answer to a write says of each of its items; of what it does not name, nothing (consumers.md 6.1, 10.2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from vs_st_pipeline.connectors.hubspot.answers import Answers, errors_in, precise_code
from vs_st_pipeline.connectors.hubspot.memory import Memory
from vs_st_pipeline.domain.crm import Ended, Item, Result, Target
from vs_st_pipeline_tests.connectors.hubspot.portals import sought

A, B = "a@example.com", "b@example.com"
INVALID = 'Property values were not valid: [{"isValid":false,"error":"INVALID_EMAIL","name":"email"}]'


def item(email: str = A, record_id: str | None = None, **more: Any) -> Item:
    return Item(f"T-{email}", sought(email), record_id, **more)


def names(one: Item) -> Collection[str]:
    return {one.id.lower(), one.person.email_key if one.record_id is None else one.record_id}


def error(category: str = "VALIDATION_ERROR", message: str = "", **more: Any) -> dict[str, Any]:
    return {"category": category, "message": message, **more}


def judge(row: Mapping[str, Any], one: Item) -> Result | None:
    return Result(Ended.ACCEPTED, row["id"]) if "id" in row else None


def settle(answer: object, *items: Item, memory: Memory | None = None) -> dict[str, tuple[str, str | None]]:
    """Return how each item ended and its code; of one that was accepted its record."""
    found = Answers(memory or Memory(), names).settle(items, answer, 207, lambda row: row.get("trace"), judge)
    return {
        id_.removeprefix("T-"): (str(one.ended), one.record_id if one.ended is Ended.ACCEPTED else one.code)
        for id_, one in found.items()
    }


def refused(said: Mapping[str, Any], one: Item, memory: Memory | None = None, status: int = 400) -> Result:
    return Answers(memory or Memory(), names).refusal(said, one, status)


# --- which item -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([{"trace": f"T-{A}", "id": "1"}], {A: ("accepted", "1")}),
        ([{"trace": f"T-{A}", "id": "1"}, {"trace": f"T-{A}", "id": "1"}], {A: ("accepted", "1")}),
        ([{"trace": f"T-{A}", "id": "1"}, {"trace": f"T-{A}", "id": "2"}], {}),  # one of them is not true
        ([{"trace": f"T-{A}"}], {}),  # it says nothing
        ([{"trace": "T-else", "id": "1"}], {}),
        ([{"id": "1"}], {}),
        (["x"], {}),
        ("x", {}),
    ],
)
def test_c10_2_a_result_counts_for_the_item_that_it_names(results: Any, expected: dict[str, Any]) -> None:
    assert settle({"results": results}, item(), item(B)) == expected


def test_c10_2_what_no_answer_names_is_in_none() -> None:
    for answer in (None, [], {}, {"results": None, "errors": None}):
        assert settle(answer, item()) == {}


@pytest.mark.parametrize(
    "named",
    [
        {"id": f"T-{A}"},
        {"objectWriteTraceId": f"t-{A}"},
        {"context": {"emails": [A.upper()]}},
        {"context": {"id": A}},
        {"message": f"{A} is not valid"},
        {"message": f"not valid: <{A}>."},
        {"message": 'Property "foo" does not exist'},
    ],
)
def test_c10_2_an_error_counts_for_whom_it_names_and_for_nobody_else(named: dict[str, Any]) -> None:
    items = item(values={"foo": "1"}), item(B, values={"bar": "1"})
    assert settle({"errors": [error(**named)]}, *items) == {A: ("rejected", "VALIDATION_ERROR")}


def test_c10_2_the_context_goes_before_the_sentence() -> None:
    assert settle({"errors": [error(message=f"{B} is not valid", id=f"T-{A}")]}, item(), item(B)) == {
        A: ("rejected", "VALIDATION_ERROR")
    }


def test_c10_2_a_trace_id_within_a_sentence_names_nobody() -> None:
    assert settle({"errors": [error(message=f"T-{A} was refused")]}, item(), item(B)) == {}


def test_c10_2_what_was_accepted_stays_so_whatever_an_error_says() -> None:
    answer = {"results": [{"trace": f"T-{A}", "id": "1"}], "errors": [error(id=f"T-{A}")]}
    assert settle(answer, item()) == {A: ("accepted", "1")}


def test_c10_2_as_many_errors_as_items_are_left_refuse_them() -> None:
    done = {"trace": f"T-{A}", "id": "1"}
    assert settle({"results": [done], "errors": [error(message=INVALID)]}, item(), item(B)) == {
        A: ("accepted", "1"), B: ("rejected", "INVALID_EMAIL"),
    }  # fmt: skip
    assert settle({"errors": [error()]}, item(), item(B)) == {}  # of which of them it is nobody knows
    assert settle({"errors": [error(id=f"T-{A}")]}, item(), item(B)) == {A: ("rejected", "VALIDATION_ERROR")}
    assert settle({"errors": [error("FIRST"), error("SECOND")]}, item()) == {A: ("rejected", "FIRST")}


def test_c10_2_of_several_that_are_left_only_what_is_said_of_all_is_said() -> None:
    alike = [error(message=INVALID), error(message="another sentence")]
    assert settle({"errors": alike}, item(), item(B)) == {
        A: ("rejected", "VALIDATION_ERROR"), B: ("rejected", "VALIDATION_ERROR"),
    }  # fmt: skip
    different = [error(), error("CONFLICT")]
    assert settle({"errors": different}, item(), item(B)) == {A: ("exists", None), B: ("exists", None)}


def test_errors_of_an_answer() -> None:
    assert list(errors_in({"errors": [error(), "x"], "results": [{}]})) == [error()]


# --- what it means ----------------------------------------------------------------------------------------------------

NEWS = Target("1", ())


@pytest.mark.parametrize(
    ("said", "one", "expected"),
    [
        (error(message=INVALID), item(), Result(Ended.REJECTED, None, "INVALID_EMAIL", 400)),
        (error("CONFLICT", "already exists"), item(), Result(Ended.EXISTS, None, "CONFLICT", 400)),
        (error("CONFLICT", "already exists"), item(record_id="7"), Result(Ended.REJECTED, None, "CONFLICT", 400)),
        (error("CONFLICT", "already exists"), item(target=NEWS), Result(Ended.REJECTED, None, "CONFLICT", 400)),
        (error("OBJECT_NOT_FOUND"), item(record_id="7"), Result(Ended.REJECTED, None, "OBJECT_NOT_FOUND", 404)),
        (error("OBJECT_NOT_FOUND"), item(), Result(Ended.REJECTED, None, "OBJECT_NOT_FOUND", 400)),
        (
            error("OBJECT_NOT_FOUND"), item(record_id="7", target=NEWS),
            Result(Ended.REJECTED, None, "OBJECT_NOT_FOUND", 400),
        ),
        (error(), item(record_id="7"), Result(Ended.REJECTED, None, "VALIDATION_ERROR", 400)),
    ],
)  # fmt: skip
def test_c6_what_a_refusal_means(said: dict[str, Any], one: Item, expected: Result) -> None:
    assert refused(said, one) == expected


@pytest.mark.parametrize(
    ("text", "ended", "record"),
    [
        ("Contact already exists. Existing ID: 77", Ended.EXISTS, "77"),
        ("It is there. existing id:77", Ended.EXISTS, "77"),
        ("Contact already exists", Ended.EXISTS, None),
        ("It ALREADY EXISTS", Ended.EXISTS, None),
        ("", Ended.EXISTS, None),  # it does not say why: who is there is looked for
        ("The contact was deleted for good", Ended.REJECTED, None),
    ],
)
def test_c6_1_a_conflict_says_that_somebody_is_there(text: str, ended: Ended, record: str | None) -> None:
    memory = Memory()
    found = refused(error("CONFLICT", text), item(), memory)
    assert (found.ended, found.record_id, found.code, found.http_status) == (ended, record, "CONFLICT", 400)
    assert memory.record_ids == ({} if record is None else {A: record})
    assert memory.conflicts == ({A} if ended is Ended.EXISTS else set())
    assert refused(error("CONFLICT", text), item(), memory).ended is Ended.REJECTED  # the second time


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (INVALID, "INVALID_EMAIL"),
        ('not valid: [{"name": "email"}, {"error": "INVALID_DATE"}]', "INVALID_DATE"),
        ('not valid: ["x", {"error": "INVALID_DATE"}]', "INVALID_DATE"),
        ('not valid: [{"error": "a sentence about Jane"}]', "VALIDATION_ERROR"),
        ("not valid: [cut", "VALIDATION_ERROR"),
        ("not valid: [no json]", "VALIDATION_ERROR"),
        ("", "VALIDATION_ERROR"),
    ],
)
def test_c6_3_the_code_is_the_word_for_what_is_wrong_else_the_category(message: str, code: str) -> None:
    assert precise_code(error(message=message)) == code
