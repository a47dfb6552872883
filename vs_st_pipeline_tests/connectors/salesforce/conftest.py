"""One stand-in for all modules that speak to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vs_st_pipeline.sandbox.salesforce.server import Salesforce
from vs_st_pipeline_tests.connectors.salesforce.org import Org
from vs_st_pipeline_tests.sandbox.served import Served, served


@pytest.fixture(scope="package")
def running() -> Iterator[Served]:
    with served(Salesforce) as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


@pytest.fixture
def org(box: Served) -> Org:
    """The org of Glow Skin, whose fields were read."""
    found = Org(box)
    found.begin()
    return found
