"""Worlds of toy routes with hints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline_tests.toys import hinted
from vs_st_pipeline_tests.toys.shop import Shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as found:
        yield found


@pytest.fixture
def world(shop: Shop, tmp_path: Path) -> Iterator[hinted.World]:
    with hinted.in_the_table():
        yield hinted.World(shop, tmp_path)
