"""One stand-in per module; each test finds it as it was at the start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.sandbox.sopost.server import SoPost
from vs_st_pipeline_tests.connectors.sopost.world import World
from vs_st_pipeline_tests.sandbox.served import Served, served


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(SoPost) as box:
        yield box


@pytest.fixture
def world(running: Served, tmp_path: Path) -> Iterator[World]:
    running.control.reset()
    found = World(running, tmp_path)
    yield found
    found.close()
