"""Finds what no client of route `audience` may have done, from the books of WayMore's stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from vs_st_pipeline.sandbox.core.asgi import Record


class _Handle(Protocol):
    @property
    def control(self) -> Any: ...


def audience_findings(running: Mapping[str, _Handle]) -> list[Record]:
    """Return the violations of all merchants.

    Args:
        running: the stand-ins by system; without WayMore there is nothing to find.
    """
    if "waymore" not in running:
        return []
    return [{"system": "waymore", **one} for one in running["waymore"].control.violations()]
