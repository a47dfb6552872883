"""One set of stand-ins per test process, and a scene of its own for each story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.audience import Scene, hurrying


@pytest.fixture(scope="session")
def shop_world() -> Iterator[Sandbox]:
    """Scenario `shop_small`, running."""
    with Sandbox("shop_small") as box:
        yield box


@pytest.fixture
def scene(shop_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The generic shop as it was at the start, a merchants file and an empty data folder of its own."""
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    found = Scene(shop_world, tmp_path)
    found.begin()
    found.settings()
    with hurrying():
        yield found
    found.inbox.close()
    shop_world.reset()


@pytest.fixture
def alone(scene: Scene) -> Scene:
    """A shop that has nobody and nothing yet."""
    scene.begin_alone()
    return scene
