"""Holds that the page of this route says of each word what it means, and that each word has a meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.routes.notices.meanings import MEANINGS
from vs_st_pipeline.routes.notices.words import Drop, Noted, Wait

PAGE = Path(__file__).resolve().parents[3] / "docs" / "notices.md"


def test_each_word_of_the_route_stands_on_its_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [word for word in MEANINGS if f"`{word}`" not in text] == []


@pytest.mark.parametrize("words", [Drop, Wait], ids=["dropped", "waits"])
def test_each_reason_says_what_it_means(words: type[Drop] | type[Wait]) -> None:
    assert [word for word in words if word not in MEANINGS] == []


def test_what_is_noted_says_what_it_means() -> None:
    assert [word for word in Noted if word not in MEANINGS and word is not Noted.UNKNOWN] == []
