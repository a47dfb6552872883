"""Every value of every switch of the two stand-ins is lived with: all of them in five worlds (R50).

Each alone, and pairs within each system, are in `proof/orders.py`.
"""

from __future__ import annotations

import pytest

from vs_st_pipeline_tests.support.order_worlds import WORLDS, covering, every_value, meet, values_of
from vs_st_pipeline_tests.support.orders import Scene


def test_r50_every_value_is_in_a_world_and_there_are_no_more_than_eight() -> None:
    worlds = covering()
    assert len(worlds) == WORLDS <= 8
    assert set(every_value()) - set().union(*map(values_of, worlds)) == set()


@pytest.mark.parametrize("number", range(WORLDS))
def test_r50_a_world_is_lived_with(scene: Scene, number: int) -> None:
    assert meet(scene, covering()[number], short=True) == []
