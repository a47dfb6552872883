"""Tells the machine's time, which `VS_ST_NOW` does not move: for the age of a read that protects a write, for files."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now_naive() -> datetime:
    """Return the machine's UTC time without zone, as tables hold it."""
    return datetime.now(UTC).replace(tzinfo=None)
