"""Every place that the documents name is there: a newcomer who follows a path arrives."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from vs_st_pipeline.routes import ROUTES

ROOT = Path(__file__).resolve().parents[2]
PATHS = re.compile(r"`((?:vs_st_pipeline|vs_st_pipeline_tests|proof|benchmarks|scripts|deploy|docs)/[\w./-]*)`")


LINKS = re.compile(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")
ANCHORS = re.compile(r"\]\(([^):\s]*)#([^)\s]+)\)")
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
LONGEST_README = 150  # routes.md R28


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = set(PATHS.findall((ROOT / page).read_text(encoding="utf-8")))
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    at = ROOT / page
    links = set(LINKS.findall(at.read_text(encoding="utf-8")))
    assert sorted(link for link in links if not (at.parent / link).exists()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_heading_that_a_link_names_is_there(page: str) -> None:
    at = ROOT / page
    links = ANCHORS.findall(at.read_text(encoding="utf-8"))
    assert [link for link in links if link[1] not in headings((at.parent / link[0]) if link[0] else at)] == []


def headings(path: Path) -> set[str]:
    """The names by which GitHub and the site know the headings of a page."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.casefold()).replace(" ", "-") for title in found}


def test_the_site_has_every_page_once_in_its_menu_and_fetches_nothing_from_elsewhere() -> None:
    site = runpy.run_path(str(ROOT / "scripts" / "site.py"))
    listed = [f"{name}.md" for names in site["MENU"].values() for name in names]
    assert sorted(listed) == ["CHANGELOG.md", *PAGES[1:]]
    assert site["fetched_by"]('<link rel="x" href="https://fonts.example/a.css"><a href="https://b.example">') == [
        "https://fonts.example/a.css"
    ]


def test_r28_the_readme_is_short_and_each_route_and_page_is_linked_from_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST_README
    assert sorted(set(PAGES[1:]) - set(LINKS.findall(text))) == []
    assert [route.name for route in ROUTES if f"docs/{route.name}.md" not in text] == []


def test_the_page_on_development_names_every_room_and_most_of_the_places_where_something_is_decided() -> None:
    text = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    assert len(set(PATHS.findall(text))) >= 40
    rooms = [path.name for path in (ROOT / "vs_st_pipeline").iterdir() if (path / "__init__.py").exists()]
    assert sorted(room for room in rooms if f"`vs_st_pipeline/{room}/`" not in text) == []
