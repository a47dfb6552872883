"""Every value of every switch of WayMore and of a shop's site is lived with: all of them in a few worlds (R50).

Each alone, pairs within WayMore, and kills are in `proof/audience.py`.
"""

from __future__ import annotations

import pytest

from vs_st_pipeline_tests.support.audience import Scene
from vs_st_pipeline_tests.support.audience_worlds import WORLDS, covering, every_value, is_over, meet, values_of


def test_r50_every_value_is_in_a_world_and_there_are_no_more_than_eight() -> None:
    worlds = covering()
    assert len(worlds) == WORLDS <= 8
    assert set(every_value()) - set().union(*map(values_of, worlds)) == set()


@pytest.mark.parametrize("number", range(WORLDS))
def test_r50_a_world_is_lived_with(audience_scene: Scene, number: int) -> None:
    assert meet(audience_scene, covering()[number]) == []


@pytest.mark.parametrize(
    ("status", "history", "rejected", "unknown", "refuses", "over"),
    [
        ("ok", "done", 0, 0, False, True),
        ("ok", "sending", 0, 0, False, False),
        ("partial", "done", 1, 0, False, False),
        ("partial", "done", 1, 0, True, True),
        ("partial", "done", 1, 1, True, False),
        ("failed", "done", 0, 0, True, False),
    ],
)
def test_a_world_goes_on_while_an_answer_is_lost_also_where_each_sync_is_partial(
    status: str, history: str, rejected: int, unknown: int, refuses: bool, over: bool
) -> None:
    """Who stopped at a lost answer took its event for one that is never told."""
    counts = {"accepted": 1, "rejected": rejected, "unknown": unknown}
    report = {"status": status, "history": {"state": history}, "synced": counts}
    assert is_over(report, refuses=refuses) == over
