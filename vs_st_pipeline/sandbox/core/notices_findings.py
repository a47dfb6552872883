"""Finds what no client of route `notices` may have done, from the books of its stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from vs_st_pipeline.sandbox.core.asgi import Record

_SYSTEMS = ("gupshup", "eshopbox")


class _Handle(Protocol):
    @property
    def control(self) -> Any: ...


def notices_findings(running: Mapping[str, _Handle]) -> list[Record]:
    """Return the findings of all accounts and workspaces.

    Args:
        running: the stand-ins by system; one that is missing finds nothing.
    """
    return [
        {"system": system, **one}
        for system in _SYSTEMS
        if system in running
        for one in running[system].control.findings()
    ]
