"""One pair of stand-ins per test process, and stories that are told once for all processes.

A story is told by few syncs and looked at by many tests. What they look at is kept beside pytest's folders, so that the
processes of xdist share it: whoever comes first tells the story, the others wait and read.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.orders import Scene, hurrying

Tell = Callable[[str, Callable[[Scene], Any]], Any]


@pytest.fixture(scope="session")
def orders_world() -> Iterator[Sandbox]:
    """Scenario `orders`, running."""
    with Sandbox("orders") as box:
        yield box


@pytest.fixture
def scene(orders_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A world where nothing was ordered yet, a merchants file and an empty data folder of its own."""
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    found = Scene(orders_world, tmp_path)
    found.begin_alone()
    found.settings()
    with hurrying():
        yield found
    found.inbox.close()
    orders_world.reset()


@pytest.fixture(scope="module")
def tell(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Tell:
    """Tell a story once, by its name, in the whole world `orders`, and return what it left to look at."""

    def told(name: str, story: Callable[[Scene], Any]) -> Any:
        base = tmp_path_factory.getbasetemp()
        shared = base.parent if hasattr(request.config, "workerinput") else base
        kept = shared / f"orders-{name}.pickle"
        with FileLock(f"{kept}.lock"), pytest.MonkeyPatch.context() as patch, hurrying():
            if not kept.exists():
                patch.setattr(cli_sync, "_warehouse", None)
                scene = Scene(request.getfixturevalue("orders_world"), tmp_path_factory.mktemp(name))
                scene.begin()
                scene.settings()
                try:
                    left = story(scene)
                finally:
                    scene.inbox.close()
                    scene.box.reset()
                kept.write_bytes(pickle.dumps(left))
            return pickle.loads(kept.read_bytes())

    return told
