"""One stand-in per module; each test finds it as it was at the start, without its limit of requests.

`world` is the small winery, whose orders fit on one page; `hillside` the one that has an order for each code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.sandbox.commerce7.server import Commerce7
from vs_st_pipeline_tests.connectors.commerce7.world import BLUE_OAK, HILLSIDE, World
from vs_st_pipeline_tests.sandbox.served import Served, served


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Commerce7, "orders") as box:
        yield box


@pytest.fixture
def world(running: Served, tmp_path: Path) -> Iterator[World]:
    yield from _fresh(running, tmp_path, BLUE_OAK)


@pytest.fixture
def hillside(running: Served, tmp_path: Path) -> Iterator[World]:
    yield from _fresh(running, tmp_path, HILLSIDE)


def _fresh(running: Served, folder: Path, merchant: str) -> Iterator[World]:
    running.control.reset()
    running.control.set_switch("limit_per_minute", None)
    found = World(running, folder, merchant)
    yield found
    found.close()
