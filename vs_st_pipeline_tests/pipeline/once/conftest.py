"""One shop and one process that forks per test process; a fresh data folder for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline_tests.toys.shop import Shop
from vs_st_pipeline_tests.toys.world import Forks, World


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    with Shop() as found:
        yield found


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as found:
        yield found


@pytest.fixture
def world(shop: Shop, tmp_path: Path) -> World:
    return World(shop, tmp_path)


@pytest.fixture
def forking(shop: Shop, forks: Forks, tmp_path: Path) -> World:
    return World(shop, tmp_path, forks)
