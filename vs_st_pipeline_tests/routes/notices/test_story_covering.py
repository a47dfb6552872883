"""Every value of every switch of Gupshup and Eshopbox is lived with: all of them in a few worlds (R50)."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline_tests.support.notices import Scene, went_without_id
from vs_st_pipeline_tests.support.notices_worlds import NOTHING_GOES, WORLDS, covering, every_value, meet, values_of

ALONE = [
    (system, name, value)
    for system, name, value in every_value()
    if value != next(one for kind, word, one in every_value() if (kind, word) == (system, name))
]


def test_r50_every_value_is_in_a_world_and_there_are_no_more_than_eight() -> None:
    worlds = covering()
    assert len(worlds) == WORLDS <= 8
    assert set(every_value()) - set().union(*(values_of(*world) for world in worlds)) == set()


@pytest.mark.parametrize("number", range(WORLDS))
def test_r50_a_world_is_lived_with(notices_scene: Scene, number: int) -> None:
    assert meet(notices_scene, *covering()[number]) == []


@pytest.mark.parametrize(
    ("id", "state", "went"),
    [
        (None, "unknown", True),
        (None, "sending", True),
        (None, "delivered", True),  # by a tap that names the notice, after an answer without an id
        ("m-1", "delivered", False),
        (None, "waiting", False),
        (None, "dropped", False),
        (None, "rejected", False),
    ],
)
def test_a_message_whose_answer_was_lost_is_booked_without_its_id(id: str | None, state: str, went: bool) -> None:
    assert went_without_id({"message_id": id, "state": state}) == went


@pytest.mark.slow
@pytest.mark.parametrize(("system", "name", "value"), ALONE, ids=str)
def test_a_value_alone_is_lived_with(notices_scene: Scene, system: str, name: str, value: Any) -> None:
    alone = (system, name, value)
    if alone in NOTHING_GOES:
        assert meet(notices_scene, {}, alone) == []
    else:
        assert meet(notices_scene, {system: {name: value}}) == []
