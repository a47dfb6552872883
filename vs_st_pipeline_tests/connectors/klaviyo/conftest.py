"""The account that modules about this connector share; each test has it as it was at the start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vs_st_pipeline.sandbox.klaviyo.server import Klaviyo
from vs_st_pipeline_tests.connectors.klaviyo.world import World
from vs_st_pipeline_tests.sandbox.served import Served, served


@pytest.fixture(scope="package")
def running() -> Iterator[Served]:
    with served(Klaviyo) as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


@pytest.fixture
def world(box: Served) -> World:
    return World(box)
