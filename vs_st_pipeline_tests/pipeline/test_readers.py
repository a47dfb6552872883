"""Which route reads a system for all routes of a merchant (routes.md R34)."""

from __future__ import annotations

from vs_st_pipeline.pipeline.readers import reader_of


def test_r34_the_first_route_that_is_on_reads_for_all() -> None:
    assert reader_of(("a", "b"), ["b", "a"]) == "a"
    assert reader_of(("a", "b"), ["b"]) == "b"


def test_r34_nobody_reads_where_no_route_is_on() -> None:
    assert reader_of(("a", "b"), []) is None
