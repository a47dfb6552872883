"""A list says once, below, what each word in it means."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.cli.layout import laid_out
from vs_st_pipeline.pipeline.legend import HEAD, legend
from vs_st_pipeline.routes.audience import words as audience
from vs_st_pipeline.routes.audience.route import ROUTE as AUDIENCE
from vs_st_pipeline.routes.consumers import words as consumers
from vs_st_pipeline.routes.consumers.route import ROUTE as CONSUMERS
from vs_st_pipeline.routes.contacts import words as contacts
from vs_st_pipeline.routes.contacts.commands import DRY_RUN
from vs_st_pipeline.routes.contacts.report import new_report

MEANINGS = {"late": "It came too late.", "settling": "It is new.", "odd": ""}


def test_each_word_stands_once_in_the_order_of_the_list() -> None:
    assert legend(["settling", "late", "settling", None, "odd", "new"], MEANINGS) == [
        HEAD,
        "    settling  It is new.",
        "    late      It came too late.",
    ]


def test_where_nothing_has_a_meaning_nothing_is_said() -> None:
    assert legend([], MEANINGS) == legend(["odd", None, "new"], MEANINGS) == []


@pytest.mark.parametrize("width", [60, 80])
def test_a_long_meaning_goes_on_below_where_it_began(width: int) -> None:
    [_, line] = legend(["settling"], {"settling": "It is new, and what comes within a minute may take its place. " * 3})
    first, *rest = laid_out(line, width)
    assert max(map(len, [first, *rest])) <= width
    assert {len(row) - len(row.lstrip(" ")) for row in rest} == {first.index("It")}


def _of_audience(reason: str) -> dict[str, Any]:
    rows = [{"kind": "order", "id": str(number), "reason": reason, "noted": reason} for number in (1, 2)]
    return {"history": {}, "events": [], "late": [], "held": rows, "noted": []}


def test_plans_of_other_routes_say_it_once_too() -> None:
    held, says = next(iter(audience.MEANINGS.items()))
    lines = AUDIENCE.dry_run.lines(AUDIENCE.report("shop", ""), _of_audience(held), "shop")
    assert lines[-3:] == [f"    order 2 is held back: {held}", HEAD, f"    {held}  {says}"]
    held, says = next(iter(consumers.MEANINGS.items()))
    people = [{"email": f"{name}@example.com", "reason": held} for name in ("ada", "bea")]
    crm = {"crm": "hubspot", "consumers": [], "held": people, "noted": people}
    lines = CONSUMERS.dry_run.lines(CONSUMERS.report("glow", ""), {"crms": [crm]}, "glow")
    assert lines[-3:] == [f"    bea@example.com is worth knowing: {held}", HEAD, f"    {held}  {says}"]
    held, says = next(iter(contacts.MEANINGS.items()))
    people = [{"phone": f"707555010{number}", "reason": held} for number in (1, 2)]
    lines = DRY_RUN.lines(new_report("hill", ""), {"contacts": [], "held": people, "noted": []}, "hill")
    assert lines[-3:] == [f"  7075550102 is held back: {held}", HEAD, f"    {held}  {says}"]
