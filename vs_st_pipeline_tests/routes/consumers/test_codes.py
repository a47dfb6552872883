"""Codes of refusals: each that our code names has a sentence, and pages and `why` say it once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vs_st_pipeline.connectors.hubspot import answers
from vs_st_pipeline.connectors.hubspot import writing as hubspot
from vs_st_pipeline.connectors.klaviyo import writing as klaviyo
from vs_st_pipeline.connectors.salesforce import writing as salesforce
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.consumers import codes, explain, history, judging
from vs_st_pipeline.routes.consumers.pages import PAGES
from vs_st_pipeline.routes.consumers.route import ROUTE
from vs_st_pipeline.routes.consumers.stage_names import SYNCED

NAMED = (
    *judging.FINAL_CODES, judging.NO_TARGET, codes.NO_CODE, codes.LOCKED, hubspot.NO_RECORD, hubspot.KEPT,
    answers.CONFLICT, answers.NOT_FOUND, klaviyo.NOT_FOUND, klaviyo.NO_TARGET, klaviyo.MUST_CONFIRM,
    salesforce.DUPLICATE, salesforce.LOCKED, salesforce.DELETED,
)  # fmt: skip
SENTENCE = codes.CODES["no_target"]


@pytest.mark.parametrize("code", sorted(set(NAMED)))
def test_each_code_that_our_code_names_has_a_sentence(code: str) -> None:
    assert codes.meaning(code) != codes.UNKNOWN


def test_a_code_that_nobody_told_us_of_and_none_at_all_have_one_too() -> None:
    assert codes.meaning("SOMETHING_NEW") == codes.UNKNOWN
    assert codes.meaning(None) == codes.meaning("refused")
    assert ROUTE.words["code of a refusal"] is codes.CODES, "they stand in the reference"


def _consent(state: str, reason: str | None, target: str) -> dict[str, Any]:
    return {
        "crm": "klaviyo", "target": target, "consent_id": "c1", "data_handler": "Glow", "order_id": "o1",
        "state": state, "reason": reason, "evidence": [],
    }  # fmt: skip


def _why(*consents: dict[str, Any]) -> list[str]:
    merchant = cast(Any, SimpleNamespace(name="Glow", sections={"klaviyo": None}, time_zone=UTC))
    order = {"order_id": "o1", "status": "APPROVED", "class": "approved", "read_at": None}
    return explain.why_lines(
        {"email": "ada@example.com", "orders": [order], "consents": consents, "fields": []}, merchant
    )


def test_why_says_what_a_code_means_and_only_once() -> None:
    lines = _why(_consent("rejected", "no_target", "A"), _consent("rejected", "no_target", "B"))
    assert f"      Klaviyo A: refused there (no_target): {SENTENCE}" in lines
    assert "      Klaviyo B: refused there (no_target)" in lines
    assert sum("it is tried again by itself" in line for line in lines) == 1


def test_refused_there_without_a_code_is_not_refused_by_the_person() -> None:
    there, person = _why(_consent("rejected", "refused", "A")), _why(_consent("held", "refused", "A"))
    assert any("refused there (refused): it was refused without a code" in line for line in there)
    assert any("held (refused): the person said no" in line for line in person)
    assert _why(_consent("rejected", None, "A")) == there


def test_history_says_below_what_the_codes_in_it_mean() -> None:
    entry = {
        "at": "2026-03-01T12:00:00Z", "crm": "klaviyo", "event": "rejected", "code": "no_target", "field": None,
        "target": "A", "consent_id": "c1",
    }  # fmt: skip
    answer = {"email": "ada@example.com", "contacts": [], "entries": [entry, {**entry, "code": None}]}
    merchant = cast(Any, SimpleNamespace(name="Glow", time_zone=UTC))
    lines = history.history_lines(answer, [], merchant)
    assert lines[-3:] == [
        "  2026-03-01 12:00  Klaviyo  rejected  A by consent c1",
        "  what these words mean:",
        f"    no_target  {SENTENCE}",
    ]


def test_the_page_says_what_was_refused_by_code(tmp_path: Path) -> None:
    run = Run(Merchant(id="glow", name="Glow"), warehouse_at(tmp_path), lambda: datetime.now(UTC), route="consumers")
    view = next(one for one in PAGES[SYNCED["klaviyo"]].views if one.name == "what was refused, by code")
    with run.open() as db:
        for key in ("a", "b"):
            db.execute(
                "insert into synced.subscription_rejects values ('klaviyo', ?, 'L', '', 'no_target', null, 1, ?, ?, ?)",
                [key, *[run.now()] * 3],
            )
        assert db.value(f"select count(*) from {view.rows}") == 2
    shown = view.make(run)
    assert shown.values.tolist() == [["no_target (2)", SENTENCE]]
