"""One pair of stand-ins per test process; every test finds them as they were at their start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli import work
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.stories import Story


@pytest.fixture(scope="session")
def small_world() -> Iterator[Sandbox]:
    """Scenario `small`, running; starting it costs a second, a reset a few milliseconds."""
    with Sandbox(scenario="small") as box:
        yield box


@pytest.fixture
def story(small_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """A fresh world, a merchants file and an empty data folder of its own."""
    small_world.reset()
    # The command keeps the data folder that it met first, for the process; each test has another one.
    monkeypatch.setattr(work, "_warehouse", None)
    yield Story(small_world, tmp_path)
    small_world.reset()
