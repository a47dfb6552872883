"""How often Python looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from vs_st_pipeline.platform.garbage import THRESHOLDS, collect_less
from vs_st_pipeline_tests.support.story import Story


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_a_sync_looks_for_garbage_less_often(story: Story) -> None:
    gc.set_threshold(700, 10, 10)
    story.synced()
    assert gc.get_threshold() == THRESHOLDS
    assert gc.isenabled()


def test_what_somebody_has_raised_stays() -> None:
    gc.set_threshold(90_000, 5, 5)
    collect_less()
    assert gc.get_threshold() == (90_000, 5, 5)
