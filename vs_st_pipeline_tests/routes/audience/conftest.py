"""One set of stand-ins per test process: a made-up shop, in three kinds, and WayMore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.audience import Scene, hurrying


@pytest.fixture(scope="session")
def audience_world() -> Iterator[Sandbox]:
    """Scenario `shop_small`, running."""
    with Sandbox("shop_small") as box:
        yield box


@pytest.fixture
def audience_scene(audience_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A custom website that has dropped nothing yet, a merchants file and an empty data folder of its own."""
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    found = Scene(audience_world, tmp_path)
    found.begin()
    found.settings()
    with hurrying():
        yield found
    found.inbox.close()
    audience_world.reset()


@pytest.fixture
def alone(audience_scene: Scene) -> Scene:
    """A shop that has nobody and nothing yet."""
    audience_scene.begin_alone()
    return audience_scene
