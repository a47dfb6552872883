"""An agency in the small world, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.operations.onboarding.agency import Agency


@pytest.fixture
def agency(small_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agency]:
    small_world.reset()
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    yield Agency(small_world, tmp_path)
    small_world.reset()
