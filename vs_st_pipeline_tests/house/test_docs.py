"""Every place that the documents name is there: a newcomer who follows a path arrives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATHS = re.compile(r"`((?:vs_st_pipeline|vs_st_pipeline_tests|proof|benchmarks|scripts|deploy|docs)/[\w./-]*)`")


PAGES = ["README.md", *(f"docs/{name}.md" for name in ("development", "scale", "webhooks", "orders", "consumers"))]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = set(PATHS.findall((ROOT / page).read_text(encoding="utf-8")))
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_the_page_on_development_names_every_room_and_most_of_the_places_where_something_is_decided() -> None:
    text = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    assert len(set(PATHS.findall(text))) >= 40
    rooms = [path.name for path in (ROOT / "vs_st_pipeline").iterdir() if (path / "__init__.py").exists()]
    assert sorted(room for room in rooms if f"`vs_st_pipeline/{room}/`" not in text) == []
