"""What `vs-st plan --route orders` says to people: what is not known is no zero."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.domain.errors import BadKey
from vs_st_pipeline.routes.orders import plan_lines, sync
from vs_st_pipeline.routes.orders.report import new_report

ORDER: dict[str, Any] = {
    "order_id": "a1",
    "order_number": "1001",
    "action": "create",
    "body": {"orderNumber": "H-1001"},
}


def lines(rows: dict[str, Any], **about: Any) -> list[str]:
    report = new_report("hillside")
    for name, value in about.items():
        setattr(report, name, value)
    return plan_lines.lines(report, {**sync.NOTHING, **rows}, "hillside")


def test_a_plan_that_could_not_be_made_counts_nothing() -> None:
    error = BadKey("The system does not accept the key.", system="commerce7")
    assert len(lines({}, status="failed", error=error)) == 1
    assert "  1 order to send" in lines({"orders": [ORDER]}, status="failed", error=error)


def test_messages_that_come_with_sends_are_counted() -> None:
    planned = {"send": 5, "fulfil": 0, "messages": 5, "held": {}, "noted": {}}
    assert "  0 messages, and 5 about orders that are sent" in lines({"planned": planned, "orders": [ORDER]})
    assert "  0 messages" in lines({})


def test_what_was_paid_before_the_start_is_said() -> None:
    assert lines({}, before_start=5)[-1] == "  5 orders paid before `start`, never sent"
    assert not any("start" in line for line in lines({}))
