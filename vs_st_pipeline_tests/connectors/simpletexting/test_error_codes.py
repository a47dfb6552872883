"""Every code that SimpleTexting is known to answer has a meaning, and whoever looks at a refused contact is told it."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from vs_st_pipeline import sandbox
from vs_st_pipeline.connectors.simpletexting.error_codes import (
    CATALOGUE,
    NEXT_STEPS,
    NO_CODE,
    Then,
    describe_code,
)
from vs_st_pipeline.pipeline.checks import measure
from vs_st_pipeline.pipeline.metrics import Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts import checks, tables
from vs_st_pipeline_tests.support.story import BRAM, RENSKE, SYNCED, Story

# As the fact sheet has them (sections 2.1, 4.2, 4.3, 11.2 and 12), seen or documented, and those of our own.
FACTS = (
    "ERR_AUTH_TOKEN_MISSING",
    "ERR_AUTH_TOKEN_INVALID",
    "INTERNAL_ERROR",
    "INVALID_INPUT_VALUE",
    "UNKNOWN_ERR",
    "CONTACT_CREATE_FAILED",
    "CONTACT_UPDATE_FAILED",
    "CONTACT_CREATE_INTERNAL_ERROR",
    "CONTACT_UPDATE_INTERNAL_ERROR",
    "CONTACT_IMPORT_LIMIT_IS_REACHED",
    "INVALID_CONTACT",
    "LOCAL_OPT_OUT",
    "MESSAGING_ERROR",
    "TEST_SEND_LIMIT_EXCEEDED",
    "BLOCKED_BY_PAYMENT",
    "UNKNOWN_CONTACT_PHONE",
    "CONTACT_DELETE_INTERNAL_ERROR",
    "CONTACT_ID_DIFFERS",
    "NOT_APPLIED",
)

_ANSWERS = {"envelope_a": 1, "envelope_b": 1, "ItemFailed": 0}  # which argument is the code


def sandbox_codes() -> set[str]:
    """The codes that the stand-in for SimpleTexting can answer, read from its source."""
    found: set[str] = set()
    for path in (Path(sandbox.__file__).parent / "simpletexting").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ANSWERS:
                found |= _texts(node.args[_ANSWERS[node.func.id]])
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value in ("code", "errorCode"):
                        found |= _texts(value)
    return found


def _texts(node: ast.expr) -> set[str]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def test_whatever_the_sandbox_can_answer_has_a_meaning() -> None:
    codes = sandbox_codes()
    known = {"CONTACT_CREATE_FAILED", "CONTACT_UPDATE_FAILED", "UNKNOWN_ERR", "INVALID_INPUT_VALUE"}
    assert codes >= known, "the codes were not found where they stand"
    assert codes - CATALOGUE.keys() == set()


@pytest.mark.parametrize("code", FACTS)
def test_whatever_the_facts_name_has_a_meaning(code: str) -> None:
    meaning = describe_code(code)
    assert meaning is CATALOGUE[code]
    assert meaning.means.endswith(".")
    assert meaning.do.endswith(".")
    assert meaning.then in NEXT_STEPS


def test_a_code_that_nobody_told_us_of_and_none_at_all_are_told_as_such() -> None:
    assert describe_code(None) is describe_code("") is NO_CODE
    unknown = describe_code("A_NEW_ONE")
    assert unknown.code == "A_NEW_ONE"
    assert "nobody" in unknown.means
    assert unknown.then == "later"


def test_what_a_person_must_repair_is_not_called_retried() -> None:
    assert {code for code, meaning in CATALOGUE.items() if meaning.then == "after repair"} == {
        "ERR_AUTH_TOKEN_MISSING",
        "ERR_AUTH_TOKEN_INVALID",
        "BLOCKED_BY_PAYMENT",
    }
    assert CATALOGUE["ERR_AUTH_TOKEN_INVALID"].account_wide
    assert not CATALOGUE["CONTACT_UPDATE_FAILED"].account_wide
    assert CATALOGUE["CONTACT_UPDATE_FAILED"].then == "later"


def test_a_refused_contact_is_told_with_reason_and_age(story: Story) -> None:
    story.texting.set_switch("reject", {RENSKE: "INVALID_CONTACT", BRAM: "A_NEW_ONE"})
    start = story.box.now
    story.sync(now=start.isoformat())
    later = start + timedelta(hours=5)
    run = story.as_run(later)
    found = measured(run, "nothing_is_rejected")
    assert (found.count, found.of) == (2, len(SYNCED))
    assert CATALOGUE["INVALID_CONTACT"].do in found.detail
    assert "A_NEW_ONE 1, for up to 5 h" in found.detail
    shown = tables.rejected_contacts(run)
    row = shown[shown["code"] == "INVALID_CONTACT"].iloc[0]
    assert (row["phone"], row["for"], row["attempts"]) == ("***-***-0147", "5 h", 1)
    assert row["means"] == CATALOGUE["INVALID_CONTACT"].means
    assert row["do"] == CATALOGUE["INVALID_CONTACT"].do
    assert row["then"] == NEXT_STEPS["later"]


@pytest.mark.slow
def test_what_was_sent_and_never_answered_is_counted_until_it_is_settled(story: Story) -> None:
    story.texting.set_fault("reset", path_regex="/contacts/")  # neither written nor read again
    story.sync()
    found = measured(story.as_run(story.box.now + timedelta(hours=3)), "nothing_is_unknown")
    assert found.count > 0
    assert "ago" in found.detail
    story.texting.clear_faults()
    story.synced()
    settled = measured(story.as_run(), "nothing_is_unknown")
    assert (settled.count, settled.of, settled.detail) == (0, len(SYNCED), "")


@pytest.mark.slow
def test_who_passed_the_brake_is_told_for_a_week(story: Story) -> None:
    story.crowd(12)
    story.synced()
    for number in range(12):
        story.shop.patch_order(f"CR{number:03d}", orderStatus="CANCELLED")
    story.failed("unsafe")
    assert measured(story.as_run(), "brake_was_not_passed_by_name").count == 0
    story.synced("--allow-unsafe")
    found = measured(story.as_run(), "brake_was_not_passed_by_name")
    assert found.count == 1
    assert "vs-st" in found.detail
    assert "would lose" in found.detail
    week_later = story.as_run(datetime.now(UTC) + timedelta(days=8))
    assert measured(week_later, "brake_was_not_passed_by_name").count == 0


def measured(run: Run, name: str) -> Metric:
    """What a data-quality check finds of the test winery."""
    [found] = measure(run, [check for check in checks.CHECKS if check.name == name]).values()
    return found


def test_each_word_for_what_is_done_next_is_explained() -> None:
    assert set(NEXT_STEPS) == set(get_args(Then))
