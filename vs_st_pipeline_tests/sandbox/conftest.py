"""The world that modules about the first two stand-ins share; a module about another one has its own `box`."""

from __future__ import annotations

import pytest

from vs_st_pipeline.sandbox import Sandbox


@pytest.fixture
def box(small_world: Sandbox) -> Sandbox:
    """Scenario `small`, as at the start."""
    small_world.reset()
    return small_world
