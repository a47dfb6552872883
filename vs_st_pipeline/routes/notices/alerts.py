"""Says what people are told of besides a run's status (notices.md 9.2)."""

from __future__ import annotations

from vs_st_pipeline.routes.notices.session import NoticesSession


def look(session: NoticesSession) -> None:
    """Fill in `report.troubles`."""
    raise NotImplementedError
