"""Holds the gates of 8.3: each row, at its boundary, and their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.routes.notices.gates import TAKEN, Situation, closed
from vs_st_pipeline.routes.notices.order_now import OrderNow
from vs_st_pipeline.routes.notices.words import ActionState, ReplyOutcome

SENT = datetime(2026, 3, 1, 10)
FAILED = SENT - timedelta(hours=1)
NOW = OrderNow("eshopbox", "A1", "9", "T1", is_failing=True, failed_at=FAILED, resolutions=("ACTF001", "ACTF003"))
OPEN = Situation(SENT + timedelta(hours=1), SENT, "ACTF001", now=NOW)
AFTER = SENT + timedelta(minutes=30)


def test_nothing_is_in_the_way() -> None:
    assert closed(OPEN) is None
    assert closed(replace(OPEN, now=None)) is None


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"replied_at": SENT + timedelta(hours=72)}, None),
        ({"replied_at": SENT + timedelta(hours=72, microseconds=1)}, ReplyOutcome.TOO_LATE),
        ({"taken": {"ACTF001"}}, ReplyOutcome.REPEATED),
        ({"taken": {"ACTF003"}}, ReplyOutcome.ALREADY_ANSWERED),
        ({"taken": {"ACTF003", "ACTF001"}}, ReplyOutcome.REPEATED),
        ({"now": replace(NOW, is_failing=False)}, ReplyOutcome.NOT_FAILED_NOW),
        ({"code": "ACTF004"}, ReplyOutcome.NOT_OFFERED),
        ({"code": "ACTF004", "now": replace(NOW, resolutions=None)}, None),
        ({"now": replace(NOW, resolutions=())}, ReplyOutcome.NOT_OFFERED),
        # what somebody has handed in at Eshopbox for this very failure
        ({"now": replace(NOW, submitted="ACTF001", submitted_at=FAILED)}, ReplyOutcome.REPEATED),
        ({"now": replace(NOW, submitted="ACTF003", submitted_at=AFTER)}, ReplyOutcome.ALREADY_ANSWERED),
        ({"now": replace(NOW, submitted="ACTF003", submitted_at=FAILED - timedelta(seconds=1))}, None),
        ({"now": replace(NOW, submitted="ACTF003")}, None),  # of which failure is not told
        ({"now": replace(NOW, answered_at=AFTER)}, ReplyOutcome.ALREADY_ANSWERED),
        ({"now": replace(NOW, answered_at=FAILED - timedelta(seconds=1))}, None),
        ({"now": replace(NOW, answered_at=AFTER, failed_at=None)}, ReplyOutcome.ALREADY_ANSWERED),
        ({"now": replace(NOW, answered_at=AFTER, submitted="ACTF003")}, ReplyOutcome.ALREADY_ANSWERED),
        ({"now": replace(NOW, answered_at=AFTER, submitted_at=FAILED - timedelta(seconds=1))},
         ReplyOutcome.ALREADY_ANSWERED),
        ({"code": "ACTF004", "now": replace(NOW, submitted="ACTF003", submitted_at=AFTER)},
         ReplyOutcome.ALREADY_ANSWERED),
    ],
)  # fmt: skip
def test_each_gate(change: dict[str, Any], outcome: ReplyOutcome | None) -> None:
    assert closed(replace(OPEN, **change)) == outcome


def test_the_first_closed_gate_names_the_outcome() -> None:
    worst = Situation(
        SENT + timedelta(hours=73), SENT, "ACTF004", {"ACTF004"}, replace(NOW, is_failing=False, resolutions=())
    )
    found = []
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"replied_at": SENT},
        {"taken": {"ACTF001"}},
        {"taken": ()},
        {"now": NOW},
    )
    for change in changes:
        worst = replace(worst, **change)
        found.append(closed(worst))
    assert found == [
        ReplyOutcome.TOO_LATE,
        ReplyOutcome.REPEATED,
        ReplyOutcome.ALREADY_ANSWERED,
        ReplyOutcome.NOT_FAILED_NOW,
        ReplyOutcome.NOT_OFFERED,
    ]


def test_after_a_refused_action_another_tap_may_act() -> None:
    assert set(ActionState) - TAKEN == {ActionState.REFUSED, ActionState.WAITING, ActionState.DROPPED}
