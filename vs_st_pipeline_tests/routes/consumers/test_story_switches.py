"""Every value of every switch of the four stand-ins is lived with: all of them in eight worlds (R50).

Each alone, and pairs, are in `proof/consumers.py`.
"""

from __future__ import annotations

import pytest

from vs_st_pipeline_tests.support.consumer_worlds import FEW_WAITS, WORLDS, covering, every_value, meet, values_of
from vs_st_pipeline_tests.support.consumers import Scene


def test_r50_every_value_is_in_a_world_and_there_are_no_more_than_eight() -> None:
    worlds = covering()
    assert len(worlds) == WORLDS == 8
    assert set(every_value()) - set().union(*map(values_of, worlds)) == set()


@pytest.mark.parametrize("number", range(WORLDS))
def test_r50_a_world_is_lived_with(scene: Scene, number: int) -> None:
    assert meet(scene, covering()[number], FEW_WAITS) == []
