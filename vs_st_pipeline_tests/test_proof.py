"""A slice of each proof of `make proof`; what they prove is said there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proof import answers, kills, machine, switches
from proof.forks import Forks
from proof.world import World
from vs_st_pipeline.sandbox import Sandbox


@pytest.fixture(scope="module")
def world(small_world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Forks() as forks:
        yield World(small_world, forks, tmp_path_factory.mktemp("proof"))
    small_world.reset()


def test_a_sync_that_is_killed_is_made_good_by_the_next_one(world: World) -> None:
    figures = kills.short(world)
    assert figures.killed >= figures.trials.total() * 2 // 3, "the places lie elsewhere by now"
    assert figures.settled["not applied"] + figures.settled["accepted"] > 0


@pytest.mark.slow
def test_whatever_happens_in_any_order_nothing_forbidden_does(world: World) -> None:
    figures = machine.short(world)
    assert figures.steps.total() > 10
    assert figures.ended["ok"] > 0


@pytest.mark.slow
def test_spoilt_answers_are_no_fault_of_ours_and_leave_nothing_wrong(world: World) -> None:
    figures = answers.short(world)
    assert figures.mutations > 20
    assert figures.ended["bad_answer"] > 0


@pytest.mark.slow
def test_pairs_of_switches_with_failing_answers_come_right_or_are_told(world: World) -> None:
    assert sum(switches.short(world).after.values()) == 2
