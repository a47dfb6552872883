"""What the tests of routes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vs_st_pipeline_tests.support.story import TEST, Story
from vs_st_pipeline_tests.support.toy_route import SHOP, Toy, in_the_table


@pytest.fixture
def toy(story: Story) -> Iterator[Toy]:
    """The second route; the first merchant's entry names its system."""
    toy = Toy()
    with in_the_table(toy):
        story.settings({TEST: {SHOP.name: {}}})
        yield toy
