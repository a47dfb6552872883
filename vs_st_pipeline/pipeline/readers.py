"""Says which route reads a system for all routes of a merchant (routes.md R34)."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def reader_of(readers: Sequence[str], on: Collection[str]) -> str | None:
    """Return the route that reads a system for all: the first of `readers` that is on."""
    return next((route for route in readers if route in on), None)
