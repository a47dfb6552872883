"""A stand-in of HubSpot for each module, as at its start for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vs_st_pipeline.sandbox.hubspot.server import HubSpot
from vs_st_pipeline_tests.connectors.hubspot.portals import Portal
from vs_st_pipeline_tests.sandbox.served import Served, served


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(HubSpot) as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


@pytest.fixture
def make(box: Served) -> Iterator[Callable[..., Portal]]:
    """Makes portals, each of which is one sync of its merchant."""
    made: list[Portal] = []

    def one(**settings: Any) -> Portal:
        made.append(Portal(box, **settings))
        return made[-1]

    yield one
    for portal in made:
        portal.close()


@pytest.fixture
def portal(make: Callable[..., Portal]) -> Portal:
    return make()
