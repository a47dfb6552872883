"""One pair of stand-ins per test process, Eshopbox and Gupshup: a brand of its own account, and one of the house's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.notices import Scene, hurrying


@pytest.fixture(scope="session")
def notices_world() -> Iterator[Sandbox]:
    """Scenario `parcels`, running."""
    with Sandbox("parcels") as box:
        yield box


@pytest.fixture
def notices_scene(notices_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A brand that sends by its own account, a merchants file and an empty data folder of its own."""
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    found = Scene(notices_world, tmp_path)
    found.begin()
    found.settings()
    with hurrying():
        yield found
    found.inbox.close()
    notices_world.reset()


@pytest.fixture
def alone(notices_scene: Scene) -> Scene:
    """The same where nothing was ordered yet."""
    notices_scene.begin_alone()
    return notices_scene
